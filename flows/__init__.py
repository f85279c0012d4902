"""Flows: business processes that an operator runs."""

from prefect_crm_erp.flows.account_sync import account_sync
from prefect_crm_erp.flows.collection_report import collection_report
from prefect_crm_erp.flows.currency_reconciliation import currency_reconciliation
from prefect_crm_erp.flows.duplicate_report import duplicate_report
from prefect_crm_erp.flows.exchange_rate_sync import exchange_rate_sync
from prefect_crm_erp.flows.explain_routing import explain_routing
from prefect_crm_erp.flows.field_entries import field_entries
from prefect_crm_erp.flows.invoice_back_sync import invoice_back_sync
from prefect_crm_erp.flows.order_batch import order_batch
from prefect_crm_erp.flows.order_status_sync import order_status_sync
from prefect_crm_erp.flows.payment_status import payment_status
from prefect_crm_erp.flows.pending_approvals import pending_approvals
from prefect_crm_erp.flows.price_book_sync import price_book_sync
from prefect_crm_erp.flows.quote_to_order import quote_to_order
from prefect_crm_erp.flows.reconcile import reconcile
from prefect_crm_erp.flows.subsidiary_audit import subsidiary_audit

__all__ = [
    "account_sync",
    "collection_report",
    "currency_reconciliation",
    "duplicate_report",
    "exchange_rate_sync",
    "explain_routing",
    "field_entries",
    "invoice_back_sync",
    "order_batch",
    "order_status_sync",
    "payment_status",
    "pending_approvals",
    "price_book_sync",
    "quote_to_order",
    "reconcile",
    "subsidiary_audit",
]
