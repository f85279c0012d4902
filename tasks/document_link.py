"""Link: where a document is shown in the CRM: at its account, its opportunity, its orders and its products."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from prefect import task
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.ledger import Document
from prefect_crm_erp.blocks.policies import ErpCustomers
from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.documents import Payment
from prefect_crm_erp.models.outcomes import Queue, Verdict
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.models.records import DealSource
from prefect_crm_erp.tasks.document_item import DocumentItem, document_key
from prefect_crm_erp.tasks.document_kinds import INVOICES, ORDERS
from prefect_crm_erp.tasks.document_run import DocumentRun
from prefect_crm_erp.tasks.match import CUSTOMER
from prefect_crm_erp.tasks.traveller import open_items

_OPPORTUNITY = "006"
_SOURCES = {"0Q0": DealSource.ACCEPTED_QUOTES, "801": DealSource.ACTIVATED_ORDERS}


@task(name="Link documents", cache_policy=NO_CACHE, persist_result=False)
def link_documents(run: DocumentRun, slot: ErpSlot, page: Page[DocumentItem]) -> Page[DocumentItem]:
    """Find where each document of the page is shown; one whose account is not in the CRM waits or stays in the ERP."""
    _recall(run, slot, page)
    _link_accounts(run, slot, page)
    going_on = list(open_items(page))
    _link_opportunities(run, going_on)
    _look_up_products(run, going_on)
    _wait_for_invoices(run, slot, [item for item in going_on if isinstance(item.document, Payment)])
    return page


def _recall(run: DocumentRun, slot: ErpSlot, page: Page[DocumentItem]) -> None:
    """What the ledger knows of each."""
    for what in (*run.what, ORDERS):
        mine = [item for item in page if item.what is what]
        known = run.store.documents(what.name, slot.value, [item.erp_id for item in mine]) if mine else {}
        for item in mine:
            item.known = known.get(item.erp_id)


def _link_accounts(run: DocumentRun, slot: ErpSlot, page: Page[DocumentItem]) -> None:
    customers = {item.document.customer_id for item in page}
    bound = run.store.bound_by_erp_id(CUSTOMER, slot.value, sorted(customers)) if customers else {}
    for item in page:
        references = bound.get(item.document.customer_id)
        if references:
            item.account_id = references[0].key
        else:
            item.verdict = _without_account(run, item)


def _without_account(run: DocumentRun, item: DocumentItem) -> Verdict:
    customer = item.document.customer_id
    if run.integration.accounts.erp_customers is ErpCustomers.CREATE:
        reason = f"Its customer {customer} has no account yet; it follows when account sync has made one"
        return Verdict.queued(Queue.DATA_QUALITY, reason, error="MissingReferenceError", fields=("account",))
    return Verdict.excluded("Its customer belongs to no account: it stays in the ERP, and follows once it has one")


# -------------------------------------------------------------------- opportunities


def _link_opportunities(run: DocumentRun, items: Sequence[DocumentItem]) -> None:
    _look_up_opportunities(run, {key for item in items for key in item.order_keys})
    for item in items:
        found = (key if key.startswith(_OPPORTUNITY) else run.opportunities.get(key) for key in item.order_keys)
        item.opportunity_id = next((each for each in found if each), None)


def _look_up_opportunities(run: DocumentRun, keys: Iterable[str]) -> None:
    """The opportunities of quotes and orders; an order may have none."""
    for prefix, source in _SOURCES.items():
        wanted = sorted(key for key in keys if key.startswith(prefix) and key not in run.opportunities)
        run.opportunities |= dict.fromkeys(wanted)
        for page in run.crm.deals(source, ids=wanted) if wanted else ():
            run.opportunities |= {deal.crm_id: deal.opportunity_id for deal in page}


# -------------------------------------------------------------------- products, orders and invoices


def _look_up_products(run: DocumentRun, items: Sequence[DocumentItem]) -> None:
    parts = (part for item in items for part in getattr(item.document, item.what.parts))
    skus = {sku for part in parts if (sku := vars(part).get("sku"))}
    wanted = sorted(skus - run.product_ids.keys())
    if wanted:
        found = run.crm.product_ids(wanted)
        run.product_ids |= {sku: found.get(sku) for sku in wanted}


def orders_to_copy(run: DocumentRun, slot: ErpSlot, page: Page[DocumentItem]) -> list[str]:
    """Orders that documents of the page hang on and that do not stand in the CRM yet: they go first."""
    wanted = {order for item in open_items(page) for order in item.order_ids}
    known = run.store.documents(ORDERS.name, slot.value, wanted)
    return sorted(order for order in wanted if order not in known or known[order].fingerprint is None)


def linked_orders(run: DocumentRun, slot: ErpSlot, page: Page[DocumentItem]) -> dict[str, Document]:
    """The orders of the page's documents that stand in the CRM, by ERP id.

    A document whose order is refused there waits for it; an order that stays in the ERP is not waited for.
    """
    wanted = {order for item in open_items(page) for order in item.order_ids}
    known = run.store.documents(ORDERS.name, slot.value, wanted) if wanted else {}
    if not run.dry_run:
        for item in open_items(page):
            refused = [known[each] for each in item.order_ids if each in known and _is_refused(known[each])]
            item.verdict = _after(run, slot, refused) if refused else None
    return {erp_id: each for erp_id, each in known.items() if each.fingerprint is not None}


def _is_refused(order: Document) -> bool:
    return order.account is not None and order.fingerprint is None


def _after(run: DocumentRun, slot: ErpSlot, orders: Sequence[Document]) -> Verdict:
    numbers = ", ".join(each.number or each.erp_id for each in orders[:5])
    reason = f"It belongs to the order {numbers}, which does not stand in {run.crm.system} yet; it follows by itself"
    keys = [document_key(slot, ORDERS, each.erp_id) for each in orders]
    why = next((entry.reason for entry in run.store.parked(kind=run.kind, keys=keys)), None)
    reason += f". The order waits: {why}" if why else ""
    return Verdict.queued(Queue.DATA_QUALITY, reason, error="MissingReferenceError")


def _wait_for_invoices(run: DocumentRun, slot: ErpSlot, items: Sequence[DocumentItem]) -> None:
    """A payment waits for the invoices that it pays: it would show as applied to nothing."""
    paid = {item.key: _invoices_of(item) for item in items}
    wanted = {each for invoices in paid.values() for each in invoices if (slot, each) not in run.sent_invoices}
    absent_ones = wanted - run.store.standing(INVOICES.name, slot.value, wanted) if wanted else set()
    known = run.store.documents(INVOICES.name, slot.value, absent_ones) if absent_ones else {}
    for item in items:
        absent = [each for each in paid[item.key] if each in absent_ones]
        if absent and not run.dry_run:
            numbers = ", ".join((known[each].number if each in known else None) or each for each in absent[:5])
            reason = f"It pays {numbers}, which does not stand in {run.crm.system} yet; it follows by itself"
            item.verdict = Verdict.queued(Queue.DATA_QUALITY, reason, error="MissingReferenceError")


def _invoices_of(item: DocumentItem) -> list[str]:
    document = item.document
    return [each.invoice_id for each in document.applications] if isinstance(document, Payment) else []
