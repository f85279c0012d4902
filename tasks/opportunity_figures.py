"""Opportunities: where their orders stand in the ERP, and what was invoiced and paid of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from prefect_crm_erp.blocks.crm.base import CrmObject, Update
from prefect_crm_erp.blocks.ledger import CrossReference, Document
from prefect_crm_erp.models.documents import Delivery, DeliveryStatus, InvoiceStatus
from prefect_crm_erp.models.exchange import Valuation
from prefect_crm_erp.models.money import ZERO
from prefect_crm_erp.models.outcomes import Outcome
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.models.records import SalesOrder
from prefect_crm_erp.tasks.document_item import DocumentItem
from prefect_crm_erp.tasks.document_kinds import INVOICES
from prefect_crm_erp.tasks.document_run import DocumentRun
from prefect_crm_erp.tasks.value import Sold, ask_ahead, valuation

_OBJECTS = {"006": CrmObject.OPPORTUNITY, "0Q0": CrmObject.QUOTE, "801": CrmObject.ORDER}
_QUOTE = "0Q0"
_LIVING = (InvoiceStatus.OPEN, InvoiceStatus.PARTLY_PAID, InvoiceStatus.PAID)


@task(name="Show documents on opportunities", cache_policy=NO_CACHE, persist_result=False)
def show_on_opportunities(run: DocumentRun, page: Page[DocumentItem]) -> None:
    """Show where orders stand, and what was invoiced and paid, on the deals that they come from.

    A deal that refuses it is named in the log; the copies of the documents say the same.
    """
    written = [item for item in page if item.verdict and item.verdict.outcome is Outcome.WRITTEN]
    if run.dry_run or not written:
        return
    updates = [*_order_updates(run, written), *_delivery_updates(written), *_invoice_updates(run, written)]
    for result in run.crm.write_back(updates) if updates else ():
        if result.error is not None:
            record = result.update.record_id
            get_run_logger().warning("The %s %s: %s", result.update.object.value, record, result.error)


def _order_updates(run: DocumentRun, items: Iterable[DocumentItem]) -> Iterable[Update]:
    """Number, status, total, worth and approval of the order, on the deal that became one and on its opportunity."""
    placed = [item for item in items if isinstance(item.document, SalesOrder) and item.document.key]
    bindings = _bindings(run, placed)
    sold = _sold(run, placed, bindings)
    ask_ahead(run, list(sold.values()))
    for item in placed:
        order = item.document
        if not isinstance(order, SalesOrder):
            continue
        values: dict[str, Any] = {
            "erp_order_number": order.number,
            "erp_status": order.status.value if order.status else None,
            "erp_amount": _total(order, bindings.get(order.key)),
            **_worth(run, sold.get(order.key)),
        }
        if target := _OBJECTS.get(order.key[:3]):
            yield Update(target, order.key, values)
        if item.opportunity_id:
            approval = {"erp_pending_since": order.pending_since, "erp_approved_at": order.approved_at}
            terms = {"erp_payment_terms": order.payment_terms}
            yield Update(CrmObject.OPPORTUNITY, item.opportunity_id, values | approval | terms)


def _bindings(run: DocumentRun, items: Sequence[DocumentItem]) -> dict[str, CrossReference]:
    """What the ledger knows of the deals that these orders come from."""
    keys = [key for item in items for key in item.order_keys]
    found: dict[str, CrossReference] = {}
    for prefix, target in _OBJECTS.items():
        mine = [key for key in keys if key.startswith(prefix)]
        found |= {key: references[0] for key, references in run.store.bound(target.value, mine).items()}
    return found


def _total(order: SalesOrder, binding: CrossReference | None) -> Decimal | None:
    """The order's total as it is compared with the deal's: without tax, unless the deal shows its tax.

    An order that no deal was bound to shows all of it.
    """
    if binding is None:
        return order.total
    with_tax = binding.erp_total == order.total or order.key.startswith(_QUOTE)
    return order.untaxed if binding.erp_total == order.untaxed or not with_tax else order.total


def _sold(run: DocumentRun, items: Iterable[DocumentItem], bindings: Mapping[str, CrossReference]) -> dict[str, Sold]:
    """Orders whose deals the ledger knows, by the deal."""
    found: dict[str, Sold] = {}
    for item in items:
        order = item.document
        if not isinstance(order, SalesOrder) or order.key not in bindings:
            continue
        company = run.company_by_id(item.slot, order.company_id)
        binding = bindings[order.key]
        by_date = _OBJECTS.get(order.key[:3]) is CrmObject.OPPORTUNITY
        total = _total(order, binding)
        if company:
            found[order.key] = Sold(
                item.slot, company, order.currency, binding.crm_total, total, order.order_date, by_date
            )
    return found


def _worth(run: DocumentRun, sold: Sold | None) -> dict[str, Valuation]:
    """What a deal shows of its worth; left as it is where the ERP cannot say its rate, or nobody knows the deal."""
    shown, trouble = valuation(run, sold) if sold else (None, None)
    return {"valuation": shown} if shown and not trouble else {}


def _delivery_updates(items: Iterable[DocumentItem]) -> Iterable[Update]:
    for item in items:
        delivery = item.document
        if not isinstance(delivery, Delivery) or not item.opportunity_id or delivery.is_return:
            continue
        if delivery.status is DeliveryStatus.SHIPPED and delivery.shipped_on:
            yield Update(CrmObject.OPPORTUNITY, item.opportunity_id, {"erp_shipped_on": delivery.shipped_on})


def _invoice_updates(run: DocumentRun, items: Iterable[DocumentItem]) -> Iterable[Update]:
    wanted = sorted({item.opportunity_id for item in items if item.what is INVOICES and item.opportunity_id})
    found = run.store.opportunity_documents(INVOICES.name, wanted) if wanted else {}
    return [Update(CrmObject.OPPORTUNITY, key, _invoiced(found.get(key, ()))) for key in wanted]


def _invoiced(documents: Sequence[Document]) -> dict[str, Any]:
    """All invoices and credit memos of an opportunity together; its currency is that of its documents."""
    living = [each for each in documents if each.status in _LIVING]
    latest = living[-1] if living else None
    return {
        "erp_invoice_number": latest.number if latest else None,
        "erp_invoice_status": _status(living),
        "erp_invoiced": sum((each.total or ZERO for each in living), ZERO) if living else None,
        "erp_open_balance": sum((each.balance or ZERO for each in living), ZERO) if living else None,
    }


def _status(living: Sequence[Document]) -> str | None:
    """One status for all: paid when all are, open when nothing was paid of any."""
    stands = {each.status for each in living}
    if not stands:
        return None
    return next(iter(stands)) if len(stands) == 1 else InvoiceStatus.PARTLY_PAID.value
