"""Write documents: bring their copies in the CRM to what the ERP has, and remember what stands there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.crm.base import DocumentObject, DocumentRow, Upserted
from prefect_crm_erp.blocks.ledger import Document
from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.documents import Delivery, Invoice, PaymentApplication
from prefect_crm_erp.models.errors import ConnectorError, MissingReferenceError
from prefect_crm_erp.models.outcomes import Change, Note, Outcome, Verdict
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.models.records import Record
from prefect_crm_erp.tasks.document_item import DocumentItem
from prefect_crm_erp.tasks.document_link import copied_orders
from prefect_crm_erp.tasks.document_run import DocumentRun
from prefect_crm_erp.tasks.traveller import open_items
from prefect_crm_erp.tasks.write_back import erp_reference

_MISSING = MissingReferenceError.__name__
_TOLD = ("number", "status", "due_date", "total", "balance", "amount", "shipped_on")
"""What the run's table tells of a change; the copy itself has everything."""


@task(name="Write documents", cache_policy=NO_CACHE, persist_result=False)
def write_documents(run: DocumentRun, slot: ErpSlot, page: Page[DocumentItem]) -> Page[DocumentItem]:
    """Bring the copies of the page's documents to what the ERP has; one that stands there already costs nothing.

    Raises:
        TransientError: The CRM is not available; the next run does what this one could not.
    """
    _make_rows(run, slot, page)
    changed: list[DocumentItem] = []
    for item in open_items(page):
        if _is_news(item):
            item.changes += _changes(run, item)
            changed.append(item)
        else:
            item.verdict = Verdict(Outcome.UNCHANGED)
    if run.dry_run:
        for item in changed:
            item.verdict = Verdict(Outcome.WRITTEN, "Dry run: it would be written")
        return page
    _send(run, changed)
    _delete_what_is_gone(run, [item for item in changed if item.verdict is None])
    for item in changed:
        item.verdict = item.verdict or Verdict(Outcome.WRITTEN)
    run.store.save_documents([_remembered(item) for item in page if item.verdict != Verdict(Outcome.UNCHANGED)])
    return page


def _is_news(item: DocumentItem) -> bool:
    known = item.known
    return known is None or known.fingerprint != item.digest() or known.account != item.account_id


# -------------------------------------------------------------------- rows


def _make_rows(run: DocumentRun, slot: ErpSlot, page: Page[DocumentItem]) -> None:
    orders = copied_orders(run, slot, page)
    companies = {company.id: company.name for company in run.companies_of(slot)}
    for item in open_items(page):
        values = item.what.values(item.document) | _links(run, slot, item, orders)
        values["company"] = companies.get(item.document.company_id)
        values["url"] = run.erps[slot].url(item.document)
        currency = getattr(item.document, "currency", None)
        head = DocumentRow(item.what.object, item.reference, values, currency)
        item.rows = [head, *_parts(run, slot, item, currency)]


def _links(run: DocumentRun, slot: ErpSlot, item: DocumentItem, orders: Mapping[str, Document]) -> dict[str, Any]:
    links: dict[str, Any] = {"account_id": item.account_id}
    if item.what.object is not DocumentObject.PAYMENT:
        links["opportunity_id"] = item.opportunity_id
    if isinstance(item.document, Invoice | Delivery):
        mine = [orders[each] for each in item.order_ids if each in orders]
        links["order"] = erp_reference(slot, mine[0].erp_id) if mine else None
        links["order_numbers"] = ", ".join(each.number for each in mine if each.number) or None
    return links


def _parts(run: DocumentRun, slot: ErpSlot, item: DocumentItem, currency: str | None) -> Iterable[DocumentRow]:
    for erp_id, part, values in item.what.parts_of(item.document):
        linked = values | {item.what.name: item.reference} | _part_links(run, slot, part)
        of = part.currency if isinstance(part, PaymentApplication) else currency
        yield DocumentRow(item.what.part, erp_reference(slot, erp_id), linked, of)


def _part_links(run: DocumentRun, slot: ErpSlot, part: Record) -> dict[str, Any]:
    if isinstance(part, PaymentApplication):
        return {"invoice": erp_reference(slot, part.invoice_id)}
    return {"product_id": run.product_ids.get(getattr(part, "sku", None) or "")}


# -------------------------------------------------------------------- writing


def _send(run: DocumentRun, items: Sequence[DocumentItem]) -> None:
    """Write the copies; one whose opportunity is gone from the CRM is shown at its account alone."""
    _send_once(run, items)
    lost = [item for item in items if _may_have_lost_its_opportunity(item)]
    for item in lost:
        item.notes.append(Note("opportunity", f"The opportunity {item.opportunity_id} is gone; it is shown without it"))
        item.verdict = item.opportunity_id = None
        head, *rest = item.rows
        item.rows = [replace(head, values=dict(head.values) | {"opportunity_id": None}), *rest]
    _send_once(run, lost)


def _send_once(run: DocumentRun, items: Sequence[DocumentItem]) -> None:
    rows = [row for item in items for row in item.rows]
    results = iter(run.crm.write_documents(rows) if rows else [])
    for item in items:
        mine = [next(results) for _ in item.rows]
        item.crm_id = mine[0].crm_id or None
        error = _first_error(mine)
        if error is not None:
            item.verdict = Verdict.from_error(error)


def _may_have_lost_its_opportunity(item: DocumentItem) -> bool:
    return item.opportunity_id is not None and item.verdict is not None and item.verdict.error == _MISSING


def _first_error(results: Iterable[Upserted]) -> ConnectorError | None:
    return next((result.error for result in results if result.error), None)


def _delete_what_is_gone(run: DocumentRun, items: Sequence[DocumentItem]) -> None:
    """Lines and applications that the ERP has no more; a copy whose rest cannot be deleted is tried again."""
    gone: dict[DocumentObject, dict[str, DocumentItem]] = {}
    for item in items:
        for reference in set(item.known.children if item.known else ()).difference(item.children):
            gone.setdefault(item.what.part, {})[reference] = item
    for part, owners in gone.items():
        for reference, result in zip(owners, run.crm.delete_documents(part, list(owners)), strict=True):
            if result.error is not None:
                owners[reference].verdict = Verdict.from_error(result.error)


def _changes(run: DocumentRun, item: DocumentItem) -> list[Change]:
    """What the table tells: where the document stands now, and where it stood."""
    known, document = item.known, item.document
    changes: list[Change] = []
    for name in _TOLD:
        after = _get(document, name)
        before = getattr(known, name, None) if known and known.fingerprint else None
        if after is not None and _in_words(before) != _in_words(after):
            title = f"{run.crm.system}: {name.replace('_', ' ').capitalize()}"
            changes.append(Change(title, _in_words(before), _in_words(after), "the ERP's, read-only in the CRM"))
    return changes


def _in_words(value: object) -> str | None:
    return None if value is None else str(value)


# -------------------------------------------------------------------- the ledger


def _remembered(item: DocumentItem) -> Document:
    """The document as the ledger keeps it; one that could not be written counts as not standing in the CRM."""
    stands = item.verdict is not None and item.verdict.outcome is Outcome.WRITTEN
    document = item.document
    kept = set(item.known.children if item.known else ()) | set(item.children)
    return Document(
        kind=item.what.name,
        erp=item.slot.value,
        erp_id=item.erp_id,
        number=document.number,
        company=document.company_id,
        customer_id=document.customer_id,
        account=item.account_id,
        opportunity_id=item.opportunity_id,
        order_ids=item.order_ids,
        order_keys=item.order_keys,
        fingerprint=item.digest() if stands else None,
        children=item.children if stands else tuple(sorted(kept)),
        type=_get(document, "type"),
        status=str(document.status) if document.status else None,
        currency=_get(document, "currency"),
        company_currency=_get(document, "company_currency"),
        issued_on=_first(document, "date", "order_date", "shipped_on"),
        due_date=_get(document, "due_date"),
        paid_on=_get(document, "paid_on"),
        untaxed=_get(document, "untaxed"),
        total=_first(document, "total", "amount"),
        balance=_get(document, "balance"),
        company_untaxed=_get(document, "company_untaxed"),
        company_total=_first(document, "company_total", "company_amount"),
        company_balance=_get(document, "company_balance"),
        modified_at=document.modified_at,
    )


def _first(document: Record, *names: str) -> Any:
    return next((value for name in names if (value := _get(document, name)) is not None), None)


def _get(document: Record, name: str) -> Any:
    """A value of a document; None where documents of its kind have none of that name."""
    return vars(document).get(name)
