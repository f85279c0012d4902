"""Opportunities: where their orders stand in the ERP, and what was invoiced and paid of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.crm.values import CrmObject, Update
from prefect_crm_erp.blocks.ledger import Document
from prefect_crm_erp.models.divisions import deal_key
from prefect_crm_erp.models.documents import Delivery, DeliveryStatus, InvoiceStatus, InvoiceType
from prefect_crm_erp.models.errors import ConnectorError, GoneRecordError
from prefect_crm_erp.models.money import ZERO
from prefect_crm_erp.models.outcomes import Note, Outcome
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.models.records import OrderStatus, SalesOrder
from prefect_crm_erp.models.sales import number_key
from prefect_crm_erp.tasks.document_debts import keep_owed, settle
from prefect_crm_erp.tasks.document_item import DocumentItem
from prefect_crm_erp.tasks.document_kinds import INVOICES, ORDERS, DocumentKind
from prefect_crm_erp.tasks.document_remember import as_document
from prefect_crm_erp.tasks.document_run import DocumentRun
from prefect_crm_erp.tasks.order_parts import told_together
from prefect_crm_erp.tasks.order_worth import OBJECT_OF_KEY, bound_orders, worth_of_orders

_LIVING = (InvoiceStatus.OPEN, InvoiceStatus.PARTLY_PAID, InvoiceStatus.PAID)

Told = tuple[Update, DocumentItem]
"""What a deal is to show, and a document that it is told of."""


@task(name="Show documents on opportunities", cache_policy=NO_CACHE, persist_result=False)
def show_on_opportunities(run: DocumentRun, page: Page[DocumentItem]) -> None:
    """Show where orders stand, and what was invoiced and paid, on the deals that they come from.

    What a deal refuses is owed: its documents say so in the run's tables, and the next run tries again. Documents are
    remembered only afterwards, so that a run that dies here is made up for.
    """
    if run.dry_run:
        return
    owed = {entry.key for entry in run.store.parked(kind=run.owed_kind, keys=[item.key for item in page])}
    told = [item for item in page if item.is_written or (item.key in owed and _stands(item))]
    updates = [*_order_updates(run, told), *_delivery_updates(told), *_invoice_updates(run, told)]
    results = run.crm.write_back([update for update, _ in updates]) if updates else []
    refused: set[str] = set()
    for (_, item), result in zip(updates, results, strict=True):
        if isinstance(result.error, GoneRecordError):
            text = f"The {result.update.object.value} {result.update.record_id} is gone: nothing is shown there"
            item.notes.append(Note("opportunity", text))
        elif result.error is not None and item.key not in refused:
            refused.add(item.key)
            keep_owed(run, item, result)
    settle(run, [item for item in told if item.key in owed - refused])


def _stands(item: DocumentItem) -> bool:
    return item.verdict is not None and item.verdict.outcome is Outcome.UNCHANGED


# -------------------------------------------------------------------- what to say


def _shown_at(item: DocumentItem) -> str | None:
    """The opportunity, where there still is one."""
    return None if item.opportunity_is_gone else item.opportunity_id


def _order_updates(run: DocumentRun, items: Iterable[DocumentItem]) -> Iterator[Told]:
    """Number, status, amount, worth and approval of the order, on the deal that became one and on its opportunity."""
    placed = [(item, item.document) for item in items if isinstance(item.document, SalesOrder) and item.document.key]
    bound = bound_orders(run, placed)
    worth, together = worth_of_orders(run, placed, bound), told_together(run, placed, bound)
    for item, order in placed:
        values: dict[str, Any] = {
            "erp_order_number": order.number,
            "erp_status": order.status.value if order.status else None,
            **worth[item.key],
        }
        approval = {"erp_pending_since": order.pending_since, "erp_approved_at": order.approved_at}
        if item.key in together:
            values, approval = _apart(together[item.key], approval)
        target, opportunity = OBJECT_OF_KEY.get(order.key[:3]), _shown_at(item)
        if target and target is not CrmObject.OPPORTUNITY:
            yield Update(target, deal_key(order.key), values), item
        if opportunity:
            terms = {"erp_payment_terms": order.payment_terms}
            yield Update(CrmObject.OPPORTUNITY, opportunity, values | approval | terms), item


def _apart(told: Mapping[str, Any], approval: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What every deal shows, and what only opportunities show, of what is told of a divided deal."""
    values = {name: value for name, value in told.items() if name not in approval}
    return values, {name: value for name, value in told.items() if name in approval}


def _delivery_updates(items: Iterable[DocumentItem]) -> Iterator[Told]:
    for item in items:
        delivery, opportunity = item.document, _shown_at(item)
        if not isinstance(delivery, Delivery) or not opportunity or delivery.is_return:
            continue
        if delivery.status is DeliveryStatus.SHIPPED and delivery.shipped_on:
            yield Update(CrmObject.OPPORTUNITY, opportunity, {"erp_shipped_on": delivery.shipped_on}), item


def _invoice_updates(run: DocumentRun, items: Iterable[DocumentItem]) -> Iterator[Told]:
    """What was invoiced of each opportunity of these invoices, and of those that they belonged to before."""
    invoices = [item for item in items if item.what is INVOICES]
    places = {item.key: _opportunities_of(item) for item in invoices}
    wanted = sorted({each for places_of_item in places.values() for each in places_of_item})
    changed = [as_document(item) for item in invoices if places[item.key] or item.opportunity_id]
    said = _invoiced_of(run, wanted, changed)
    for item in invoices:
        for opportunity in places[item.key]:
            yield Update(CrmObject.OPPORTUNITY, opportunity, said[opportunity]), item


def _opportunities_of(item: DocumentItem) -> list[str]:
    before = item.known.opportunity_id if item.known else None
    left = before if before != item.opportunity_id else None
    return [each for each in (_shown_at(item), left) if each]


def _invoiced_of(
    run: DocumentRun,
    opportunities: Sequence[str],
    changed: Iterable[Document] = (),
    gone: Collection[tuple[str, str]] = (),
) -> dict[str, dict[str, Any]]:
    """What opportunities show of their invoices: as the ledger knows them, but for what this run has read.

    Args:
        run: The run.
        opportunities: 18-character ids.
        changed: Documents that the ledger does not know yet as they are.
        gone: ERP connection and id of documents that count no more.
    """
    found = run.store.opportunity_documents(INVOICES.name, opportunities) if opportunities else {}
    known = {(each.erp, each.erp_id): each for documents in found.values() for each in documents}
    known |= {(each.erp, each.erp_id): each for each in changed}
    counting: dict[str, list[Document]] = {key: [] for key in opportunities}
    for identity, each in known.items():
        if identity not in gone and each.opportunity_id in counting:
            counting[each.opportunity_id].append(each)
    return {key: _invoiced(documents) for key, documents in counting.items()}


def _invoiced(documents: Sequence[Document]) -> dict[str, Any]:
    """All invoices and credit memos of an opportunity together; its currency is that of its documents."""
    living = [each for each in documents if each.status in _LIVING]
    return {
        "erp_invoice_number": _last_number(living),
        "erp_invoice_status": _status(living),
        "erp_invoiced": sum((each.total or ZERO for each in living), ZERO) if living else None,
        "erp_open_balance": sum((each.balance or ZERO for each in living), ZERO) if living else None,
    }


def _last_number(living: Iterable[Document]) -> str | None:
    invoices = [each for each in living if each.type == InvoiceType.INVOICE and each.issued_on]
    return max(invoices, key=lambda each: (each.issued_on, number_key(each.number))).number if invoices else None


def _status(living: Sequence[Document]) -> str | None:
    """One status for all: paid when all are, open when nothing was paid of any."""
    stands = {each.status for each in living}
    if not stands:
        return None
    return next(iter(stands)) if len(stands) == 1 else InvoiceStatus.PARTLY_PAID.value


# -------------------------------------------------------------------- what is gone


def show_without(run: DocumentRun, what: DocumentKind, gone: Mapping[str, Document]) -> dict[str, ConnectorError]:
    """Show on opportunities that documents of them are gone from the ERP.

    Args:
        run: The run.
        what: Their kind.
        gone: The documents by ERP id; the ledger still has them.

    Returns:
        What the CRM said, by ERP id, for documents whose opportunity still shows them.
    """
    of_opportunity = {erp_id: each.opportunity_id for erp_id, each in gone.items() if each.opportunity_id}
    if not of_opportunity or what not in (ORDERS, INVOICES):
        return {}
    said = _said_without(run, what, sorted(set(of_opportunity.values())), gone)
    updates = [Update(CrmObject.OPPORTUNITY, key, values) for key, values in said.items()]
    results = run.crm.write_back(updates) if updates else []
    refused = {
        result.update.record_id: result.error
        for result in results
        if result.error is not None and not isinstance(result.error, GoneRecordError)
    }
    return {erp_id: refused[key] for erp_id, key in of_opportunity.items() if key in refused}


def _said_without(
    run: DocumentRun, what: DocumentKind, opportunities: Sequence[str], gone: Mapping[str, Document]
) -> dict[str, dict[str, Any]]:
    identities = {(each.erp, each.erp_id) for each in gone.values()}
    if what is INVOICES:
        return _invoiced_of(run, opportunities, gone=identities)
    orders = run.store.opportunity_documents(ORDERS.name, opportunities)
    left = {key for key, found in orders.items() for each in found if (each.erp, each.erp_id) not in identities}
    # The number stays for people to ask by; another order of the same opportunity says where that one stands.
    return {key: {"erp_status": OrderStatus.CANCELLED.value} for key in opportunities if key not in left}
