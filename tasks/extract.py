"""Extract: read deals from the CRM, page by page, and note in the ledger that they were read."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta

from prefect import task
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.ledger import SourceRecord
from prefect_crm_erp.models.keys import chunks
from prefect_crm_erp.models.outcomes import Outcome, Queue, ReportRow, Verdict
from prefect_crm_erp.models.paging import Cursor, Page
from prefect_crm_erp.models.records import Deal
from prefect_crm_erp.tasks.item import Item
from prefect_crm_erp.tasks.run import BaseRun, Run
from prefect_crm_erp.tasks.traveller import Traveller

PAGE_SIZE = 200
OVERLAP = timedelta(minutes=10)
"""How far back of the watermark is read again: rows become visible late, and clocks differ."""


def deal_pages(run: Run, *, named: Sequence[str], since: datetime | None) -> Iterator[Page[Deal]]:
    """The deals of a run: those modified since the watermark, if the run is not forced, and those named.

    Args:
        run: The run.
        named: CRM ids: of the records that the operator forces, or of those that wait.
        since: Aware time that overrides the watermark.
    """
    if not run.forced:
        yield from _changed_pages(run, since)
    for keys in chunks(named, PAGE_SIZE):
        yield from _named_pages(run, keys)


def _changed_pages(run: Run, since: datetime | None) -> Iterator[Page[Deal]]:
    """Deals modified since the watermark or the given time, noted in the run's reading."""
    watermark = run.store.watermark(run.stream)
    start, overlap = (Cursor(since), timedelta(0)) if since else (watermark, OVERLAP)
    # A later beginning leaves out deals that nobody has read, or that have become visible behind the watermark since.
    run.reading.is_seamless = not since or (watermark is not None and since <= watermark.modified_at - OVERLAP)
    custom = run.integration.crm_fields()
    for page in run.crm.deals(run.source, since=start, overlap=overlap, custom=custom, page_size=PAGE_SIZE):
        run.reading.note(page)
        yield page


def _named_pages(run: Run, keys: Sequence[str]) -> Iterator[Page[Deal]]:
    """Deals by id: they say nothing of the stream, so their pages have no place in it."""
    custom = run.integration.crm_fields()
    for page in run.crm.deals(run.source, ids=keys, custom=custom, page_size=PAGE_SIZE):
        page.cursor = page.expected = None
        yield page


def waiting_keys(run: Run) -> list[str]:
    """Deals that wait in a queue, or whose write-back is owed: each run looks at them again."""
    entries = (entry for kind in run.queue_kinds for entry in run.store.parked(kind=kind))
    return list(dict.fromkeys(entry.key for entry in entries))


@task(name="Extract", cache_policy=NO_CACHE, persist_result=False)
def extract_page(run: Run, pages: Iterator[Page[Deal]]) -> Page[Item] | None:
    """Read the next page of deals and note them in the ledger.

    Returns:
        The page, without the deals that this run has read already; None after the last one.

    Raises:
        ConfigurationError: The CRM refused the credentials or the query.
        TransientError: The CRM is not available.
    """
    page = next(pages, None)
    if page is None:
        return None
    new = set(run.store.note_read(run.run_id, [_source_record(deal) for deal in page]))
    items = [Item(deal) for deal in page if deal.crm_id in new]
    return Page(items, number=page.number, cursor=page.cursor, expected=page.expected)


@task(name="Report what is not there", cache_policy=NO_CACHE, persist_result=False)
def report_absent(run: BaseRun, named: Collection[str]) -> int:
    """Note the records that were named and that the CRM does not have, so that they are accounted for too.

    Returns:
        How many there are.
    """
    new = set(run.store.note_read(run.run_id, [SourceRecord(key, key, None) for key in named]))
    absent = [key for key in named if key in new]
    reason = f"{run.crm.system} has no such {run.kind}: it was deleted, or the integration's user cannot see it"
    rows = [ReportRow(crm_id=key, name=key, outcome=Outcome.EXCLUDED, reason=reason) for key in absent]
    run.store.note_outcomes(run.run_id, rows)
    if not run.dry_run:
        for kind in run.queue_kinds:
            run.store.resolve(kind, absent, resolution="gone")
    return len(absent)


def _source_record(deal: Deal) -> SourceRecord:
    return SourceRecord(deal.crm_id, deal.label, deal.modified_at)


def still_waiting(run: BaseRun, items: Sequence[Traveller]) -> None:
    """Leave deals in their queue that nothing has changed for: not yet due, or refused and still the same."""
    if run.forced:
        return
    entries = {entry.key: entry for entry in run.store.parked(kind=run.kind, keys=[item.key for item in items])}
    for item in items:
        entry = entries.get(item.key)
        if entry is None or entry.fingerprint != item.evaluation_digest():
            continue
        due = entry.next_attempt_at is None or entry.next_attempt_at <= run.started_at
        if entry.queue in (Queue.MANUAL_REVIEW, Queue.DEAD_LETTER) or (entry.queue is Queue.RETRY and not due):
            item.verdict = Verdict(Outcome.QUEUED, entry.reason, entry.queue, entry.error, entry.fields)
            item.is_left_waiting = True
