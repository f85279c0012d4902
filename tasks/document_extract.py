"""Extract: read the documents that changed in an ERP, those that wait, and those that an operator names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.ledger import Document, SourceRecord
from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.paging import Cursor, Page
from prefect_crm_erp.tasks.document_item import DocumentItem, document_key
from prefect_crm_erp.tasks.document_kinds import DocumentKind
from prefect_crm_erp.tasks.document_run import DocumentRun
from prefect_crm_erp.tasks.extract import OVERLAP
from prefect_crm_erp.tasks.match import CUSTOMER

PAGE_SIZE = 6_000
"""Documents of a page: many rows go to the CRM as one job, which costs few calls however many they are."""
_ROWS_PER_PAGE = 20_000
"""Documents of a page with what belongs to them, which is in memory as a whole: some have a thousand lines."""
_IDS_PER_READ = 200


def document_pages(
    run: DocumentRun, slot: ErpSlot, what: DocumentKind, since: datetime | None
) -> Iterator[Page[DocumentItem]]:
    """Documents that changed since the last run, then those that waited and may go on now."""
    yield from _gathered(run, slot, what, _changed_pages(run, slot, what, since))
    yield from named_documents(run, slot, what, _waiting(run, slot, what))


@task(name="Look for changes", cache_policy=NO_CACHE, persist_result=False)
def look_for_changes(run: DocumentRun, slot: ErpSlot, since: datetime | None) -> None:
    """See whether anything has changed in an ERP since the last run; where nothing has, it is not read any further.

    Args:
        run: The run.
        slot: The ERP connection.
        since: Aware time that overrides the watermarks: then everything is read.
    """
    marks = [run.store.watermark(run.stream(slot, what)) for what in run.what]
    starts = [mark.modified_at - OVERLAP for mark in marks if mark is not None]
    if since is not None or run.backfill or len(starts) < len(marks) or not run.is_up(slot, ()):
        return
    with run.guard(slot, ()):
        kinds = [what.record for what in run.what]
        run.quiet[slot] = not run.erps[slot].have_changed(kinds, Cursor(min(starts)))


def named_documents(
    run: DocumentRun, slot: ErpSlot, what: DocumentKind, erp_ids: Iterable[str]
) -> Iterator[Page[DocumentItem]]:
    """Documents by their ERP ids, whatever their time."""
    ids = list(dict.fromkeys(erp_ids))
    for start in range(0, len(ids), _IDS_PER_READ):
        found: list[Any] = run.erps[slot].read(what.record, ids[start : start + _IDS_PER_READ])
        if found:
            yield _noted(run, slot, what, Page(found))


def _changed_pages(run: DocumentRun, slot: ErpSlot, what: DocumentKind, since: datetime | None) -> Iterator[Page[Any]]:
    stream = run.stream(slot, what)
    watermark = None if run.backfill else run.store.watermark(stream)
    reading = run.reading(stream)
    reading.is_seamless = not since or (watermark is not None and since <= watermark.modified_at - OVERLAP)
    start = Cursor(since) if since else (Cursor(watermark.modified_at - OVERLAP) if watermark else None)
    for page in () if run.quiet.get(slot) else run.erps[slot].changes(what.record, start):
        reading.note(page)
        yield page
    # Everything was read that had been there when the run began: the next one need not begin at the last change again.
    began = Cursor(run.started_at + run.erps[slot].clock_offset)
    if reading.reached is None or reading.reached.modified_at < began.modified_at:
        reading.reached = began


def _gathered(
    run: DocumentRun, slot: ErpSlot, what: DocumentKind, pages: Iterator[Page[Any]]
) -> Iterator[Page[DocumentItem]]:
    """The ERP's pages, joined to larger ones."""
    gathered: list[Any] = []
    rows = 0
    for page in pages:
        gathered += page.records
        rows += sum(1 + len(getattr(document, what.parts)) for document in page)
        if len(gathered) >= PAGE_SIZE or rows >= _ROWS_PER_PAGE:
            yield _noted(run, slot, what, Page(gathered))
            gathered, rows = [], 0
    if gathered:
        yield _noted(run, slot, what, Page(gathered))


def _noted(run: DocumentRun, slot: ErpSlot, what: DocumentKind, page: Page[Any]) -> Page[DocumentItem]:
    """The documents of a page that this run has not read yet, noted in the ledger."""
    items = [DocumentItem(what, slot, document) for document in page]
    records = [SourceRecord(item.key, item.label, item.document.modified_at) for item in items]
    new = set(run.store.note_read(run.run_id, records))
    return Page(list({item.key: item for item in items if item.key in new}.values()))


def _waiting(run: DocumentRun, slot: ErpSlot, what: DocumentKind) -> list[str]:
    """Documents that do not stand in the CRM and that something has changed for: they are to be tried again.

    One whose customer still has no account, and one that this run has read already, is left where it is. One that
    stands there and that its deal did not take comes, too.
    """
    found = _owed(run, slot, what)
    for page in run.store.document_ids(what.name, slot.value, waiting_only=True):
        known = run.store.documents(what.name, slot.value, page)
        read = run.store.noted(run.run_id, [document_key(slot, what, erp_id) for erp_id in known])
        left = [each for erp_id, each in known.items() if document_key(slot, what, erp_id) not in read]
        found += _with_account(run, slot, left)
    return found


def _owed(run: DocumentRun, slot: ErpSlot, what: DocumentKind) -> list[str]:
    start = document_key(slot, what, "")
    keys = [entry.key for entry in run.store.parked(kind=run.owed_kind) if entry.key.startswith(start)]
    return [key.removeprefix(start) for key in keys]


def _with_account(run: DocumentRun, slot: ErpSlot, documents: Sequence[Document]) -> list[str]:
    customers = {each.customer_id for each in documents}
    bound = run.store.bound_by_erp_id(CUSTOMER, slot.value, sorted(customers)) if customers else {}
    return [each.erp_id for each in documents if each.customer_id in bound]


@task(name="Extract documents", cache_policy=NO_CACHE, persist_result=False)
def extract_documents(
    run: DocumentRun, slot: ErpSlot, pages: Iterator[Page[DocumentItem]]
) -> Page[DocumentItem] | None:
    """Read the next page of an ERP's documents; None after the last one, or when the ERP does not answer.

    What an ERP that does not answer would have told comes with the next run: its watermarks stay where they are.
    """
    if not run.is_up(slot, ()):
        return None
    with run.guard(slot, ()):
        page = next(pages, None)
        if page is not None:
            run.check(slot)
        return page
    for what in run.what:
        run.reading(run.stream(slot, what)).is_seamless = False
    return None
