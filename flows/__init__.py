"""Flows: business processes that an operator runs."""

from prefect_crm_erp.flows.account_sync import account_sync
from prefect_crm_erp.flows.duplicate_report import duplicate_report
from prefect_crm_erp.flows.quote_to_order import quote_to_order
from prefect_crm_erp.flows.reconcile import reconcile

__all__ = ["account_sync", "duplicate_report", "quote_to_order", "reconcile"]
