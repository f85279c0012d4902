"""Place: in which company of which ERP an entry of the field is booked, and what it says there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.policies.routing import ErpSlot, Route
from prefect_crm_erp.models.documents import Invoice
from prefect_crm_erp.models.field_entries import (
    Collected,
    CollectedPayment,
    CollectedReturn,
    PaymentEntry,
    ReturnEntry,
    merged,
)
from prefect_crm_erp.models.outcomes import Queue, Verdict
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.models.records import Record, SalesOrder
from prefect_crm_erp.tasks.field_item import FieldItem
from prefect_crm_erp.tasks.field_run import FieldRun
from prefect_crm_erp.tasks.match import CUSTOMER
from prefect_crm_erp.tasks.traveller import open_items
from prefect_crm_erp.tasks.write_back import read_reference


@task(name="Place entries of the field", cache_policy=NO_CACHE, persist_result=False)
def place_entries(run: FieldRun, page: Page[FieldItem]) -> Page[FieldItem]:
    """Find ERP, company and customer of each entry: by its invoice, else by its order, else by its account."""
    of_invoices = [item for item in open_items(page) if _invoice_of(item)]
    of_orders = [item for item in open_items(page) if not _invoice_of(item) and item.collected.order]
    of_accounts = [item for item in open_items(page) if not _invoice_of(item) and not item.collected.order]
    _by_document(run, of_invoices, Invoice)
    _by_document(run, of_orders, SalesOrder)
    _by_account(run, of_accounts)
    for item in open_items(page):
        _refuse_unable(run, item)
    return page


def _invoice_of(item: FieldItem) -> str | None:
    return item.collected.invoice if isinstance(item.collected, CollectedPayment) else None


# -------------------------------------------------------------------- by what it names


def _by_document(run: FieldRun, items: Sequence[FieldItem], kind: type[Invoice] | type[SalesOrder]) -> None:
    groups: dict[ErpSlot, dict[str, list[FieldItem]]] = defaultdict(lambda: defaultdict(list))
    for item in items:
        slot, erp_id = read_reference(_invoice_of(item) or item.collected.order or "")
        if slot is None or slot not in run.erps:
            _park(item, "The record names a document of an ERP that this integration does not have")
        else:
            item.place = slot
            groups[slot][erp_id].append(item)
    for slot, by_id in groups.items():
        waiting = [item for some in by_id.values() for item in some]
        if run.is_up(slot, waiting):
            with run.guard(slot, waiting):
                found = {str(each.erp_id): each for each in run.erps[slot].read(kind, list(by_id))}
                for erp_id, some in by_id.items():
                    _take(run, slot, some, found.get(erp_id), f"{kind.__name__} {erp_id}")


def _take(
    run: FieldRun, slot: ErpSlot, items: Iterable[FieldItem], document: Invoice | SalesOrder | None, name: str
) -> None:
    for item in items:
        if document is None:
            _park(item, f"{name} is not in {run.erps[slot].system} any more; choose another one")
            continue
        item.company = run.company_by_id(slot, document.company_id)
        item.invoice = document if isinstance(document, Invoice) else None
        item.entry = _entry(run, item.collected, document.company_id, document.customer_id, str(document.erp_id))


def _by_account(run: FieldRun, items: Sequence[FieldItem]) -> None:
    accounts = {each.crm_id: each for each in run.crm.accounts({str(item.collected.account_id) for item in items})}
    bound = run.store.bound(CUSTOMER, list(accounts)) if accounts else {}
    for item in items:
        item.buyer = accounts.get(str(item.collected.account_id))
        if item.buyer is None:
            _park(item, "Its account is gone, or the integration's user does not see it")
            continue
        routed = run.routing.route(item.buyer)
        if isinstance(routed, Verdict):
            item.verdict = routed
            continue
        assert isinstance(routed, Route)  # only deals are divided
        item.route, item.place = routed, routed.subsidiary.erp
        customers = [each for each in bound.get(item.account_key, ()) if each.erp == item.place.value]
        if not customers:
            _park(item, f"{item.account_name} is no customer in {run.erps[item.place].system} yet")
        elif run.is_up(item.place, [item]):
            with run.guard(item.place, [item]):
                item.company = run.company(item.place, routed.subsidiary.company)
                item.entry = _entry(run, item.collected, item.company.id, customers[0].erp_id, "")


def _park(item: FieldItem, reason: str) -> None:
    item.verdict = Verdict.queued(Queue.DATA_QUALITY, reason, error="MissingReferenceError")


# -------------------------------------------------------------------- what it says there


def _entry(
    run: FieldRun, collected: Collected, company: str, customer: str, document: str
) -> PaymentEntry | ReturnEntry:
    common: dict[str, Any] = {"key": collected.crm_id, "company_id": company, "date": collected.date}
    if isinstance(collected, CollectedPayment):
        words = (collected.name, collected.method, collected.reference)
        return PaymentEntry(
            **common,
            customer_id=customer,
            invoice_id=document if collected.invoice else None,
            currency=collected.currency,
            amount=collected.amount,
            method=collected.method,
            text=" ".join(each for each in words if each),
        )
    assert isinstance(collected, CollectedReturn)
    return ReturnEntry(
        **common,
        order_id=document,
        text=" ".join(each for each in (collected.name, collected.reason) if each),
        confirm=run.confirm_returns,
        lines=merged(collected.lines),
    )


def _refuse_unable(run: FieldRun, item: FieldItem) -> None:
    """An ERP whose connector cannot book it, or a company that the integration's user does not see."""
    erp, kind = run.erps[item.slot], type(item.entry)
    if issubclass(kind, Record) and kind not in erp.capabilities.writes:
        reason = f"The {erp.system} connector does not book {item.object.value}s; enter it there by hand"
        item.verdict = Verdict.queued(Queue.MANUAL_REVIEW, reason, error="UnsupportedRecordError")
    elif item.company is None:
        reason = f"The integration's user does not work for the company of its document in {erp.system}"
        item.verdict = Verdict.queued(Queue.MANUAL_REVIEW, reason, error="UnknownCompany")
