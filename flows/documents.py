"""What the flows that bring documents of the ERPs to the CRM have in common: their road, from start to report."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from functools import partial
from threading import Event, Lock
from typing import Any, NamedTuple, Self
from uuid import UUID

from prefect_crm_erp.blocks import Integration
from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.flows.starting import new_run_id, recorded
from prefect_crm_erp.models.errors import ConfigurationError, TransientError
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.tasks.account_figures import show_sales
from prefect_crm_erp.tasks.claims import Turn
from prefect_crm_erp.tasks.document_extract import document_pages, extract_documents, look_for_changes, named_documents
from prefect_crm_erp.tasks.document_item import DocumentItem
from prefect_crm_erp.tasks.document_kinds import INVOICES, ORDERS, PAYMENTS, DocumentKind
from prefect_crm_erp.tasks.document_link import link_documents, orders_to_copy
from prefect_crm_erp.tasks.document_remember import remember_documents
from prefect_crm_erp.tasks.document_report import record_document_outcomes, report_documents
from prefect_crm_erp.tasks.document_run import DocumentRun
from prefect_crm_erp.tasks.document_sweep import sweep_documents
from prefect_crm_erp.tasks.document_write import (
    Ready,
    finish_documents,
    hand_in_documents,
    write_documents,
)
from prefect_crm_erp.tasks.named_documents import ids_by_number
from prefect_crm_erp.tasks.opportunity_figures import show_on_opportunities
from prefect_crm_erp.tasks.queues import park_records
from prefect_crm_erp.tasks.report import RunReport, show_progress, start_progress
from prefect_crm_erp.tasks.side_by_side import submit

TURN = "documents"
"""The ledger's kind of the turn to bring documents to the CRM: one run of an integration at a time."""
_SENT_AT_ONCE = 2
"""Pages that are on their way to the CRM at the same time: each is in memory as a whole."""


def open_documents(
    integration: Integration,
    what: tuple[DocumentKind, ...],
    flow: str,
    *,
    records: Sequence[str] | None,
    dry_run: bool,
    backfill: bool,
) -> DocumentRun:
    """A run over these kinds of documents, noted in the ledger.

    Raises:
        ConfigurationError: The integration has lost its references, or its ledger cannot be opened.
    """
    integration.check_references()
    store = integration.ledger.open().for_integration(integration.state_name)
    forced = records is not None
    run = DocumentRun(
        integration, what, run_id=new_run_id(), store=store, dry_run=dry_run, forced=forced, backfill=backfill
    )
    store.start_run(run.run_id, flow=flow, source=", ".join(each.name for each in what), dry_run=dry_run)
    return run


def bring_documents(run: DocumentRun, source: str, records: Sequence[str] | None, since: datetime | None) -> RunReport:
    """Bring what changed in the ERPs to the CRM, kind by kind in the order in which they hang on each other.

    Args:
        run: The run.
        source: What is read, in the words of the flow.
        records: Only these documents: ERP numbers.
        since: Aware time that overrides the watermarks.

    Raises:
        ConfigurationError: Something must be changed first; the message says what.
        TransientError: The CRM is not available, or another run is at work.
        CoverageError: A document could not be accounted for.
    """
    with recorded(run) as note:
        run.preflight()
        with Turn(run, TURN, "all").taken() as is_mine:
            if not is_mine:
                raise TransientError("Another run is bringing documents; run this one again when it has ended")
            for slot in run.used_slots:
                _begin(run, slot, records, since)
            named = ids_by_number(run, records) if records is not None else None
            progress = start_progress(source)
            streams = [(slot, what) for what in run.what for slot in run.used_slots]
            pages = (page for slot, what in streams for page in _pages(run, slot, what, named, since))
            done, sales_are_shown = _bring(run, pages, progress)
            swept = sum(sweep_documents(run, slot, what) for slot, what in streams)
            if INVOICES in run.what and (swept or not sales_are_shown):
                show_sales(run)
            done += swept
            show_progress(progress, done or 1, done or 1)
            report = report_documents(run, source)
        note(report, report.source)
        return report


def _begin(run: DocumentRun, slot: ErpSlot, records: Sequence[str] | None, since: datetime | None) -> None:
    """Look at an ERP, and check it before it is read."""
    if records is None:
        look_for_changes(run, slot, since)
    if not run.quiet.get(slot):
        run.check(slot)


def _pages(
    run: DocumentRun,
    slot: ErpSlot,
    what: DocumentKind,
    named: dict[tuple[ErpSlot, str], list[str]] | None,
    since: datetime | None,
) -> Iterator[tuple[ErpSlot, Page[DocumentItem]]]:
    """All documents of a kind of one ERP that are to be looked at."""
    if named is None:
        pages = document_pages(run, slot, what, since)
    else:
        pages = named_documents(run, slot, what, named.get((slot, what.name), ()))
    while (page := extract_documents(run, slot, pages)) is not None:
        yield slot, page


def _bring(run: DocumentRun, pages: Iterator[tuple[ErpSlot, Page[DocumentItem]]], progress: UUID) -> tuple[int, bool]:
    """Bring pages to the CRM. Gives how many documents they had, and whether accounts show what they say already."""
    done, kind, sales_are_shown = 0, None, False
    with _Road(run) as road:
        for slot, page in pages:
            show_progress(progress, done, None)
            if (of_page := _kind_of(page)) != kind:
                road.clear(of_page)
                if (kind, of_page) == (INVOICES, PAYMENTS):  # which change none of the figures
                    road.then(partial(show_sales, run))
                    sales_are_shown = True
            road.take(slot, page)
            done, kind = done + len(page), of_page
        road.clear()
    return done, sales_are_shown


def _kind_of(page: Page[DocumentItem]) -> DocumentKind | None:
    return page.records[0].what if page.records else None


class _Passage(NamedTuple):
    """A page on its way, and how far it has come.

    Attributes:
        stands: Its documents stand in the CRM; what belongs to them may be under way.
        sent: All of it is there.
        noted: It is noted what became of it.
    """

    stands: Event
    sent: Future[None]
    noted: Future[None]


class _Road:
    """The road of pages to the CRM: two are on their way at a time, and the next one is read and handed in meanwhile.

    So the documents of one page are taken in beside the lines of the other, while it is noted what became of the page
    before. To be used as a context: leaving it waits for what is on its way.

    Args:
        run: The run.
    """

    def __init__(self, run: DocumentRun) -> None:
        self._run = run
        self._sending = ThreadPoolExecutor(_SENT_AT_ONCE, thread_name_prefix="sending")
        self._noting = ThreadPoolExecutor(1, thread_name_prefix="noting")
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="beside")
        self._passages: deque[_Passage] = deque(maxlen=_SENT_AT_ONCE + 1)
        self._others: list[Future[Any]] = []
        self._alone = Lock()

    def take(self, slot: ErpSlot, page: Page[DocumentItem]) -> None:
        """Bring a page to the CRM, beside the one before it."""
        ready = self._prepare(slot, page)
        if len(self._passages) > _SENT_AT_ONCE:
            self._passages[0].noted.result()
        if len(self._passages) >= _SENT_AT_ONCE:
            self._passages[-_SENT_AT_ONCE].sent.result()
        stands = Event()
        sent = submit(self._sending, partial(self._send, ready, stands))
        self._passages.append(_Passage(stands, sent, submit(self._noting, partial(self._note_sent, page, sent))))

    def then(self, job: Callable[[], object]) -> None:
        """Have something done once it is noted what became of the pages so far, beside the further ones."""
        noted = [each.noted for each in self._passages]
        self._others.append(submit(self._beside, partial(_after, noted, job)))

    def clear(self, next_kind: DocumentKind | None = None) -> None:
        """Wait for the pages on their way, as far as the next kind of documents hangs on them.

        Payments hang on invoices, which stand in the CRM before their lines do; all others are looked up.
        """
        for each in self._passages:
            if next_kind is PAYMENTS:
                each.stands.wait()
            else:
                each.noted.result()
        if next_kind is None:
            for other in self._others:
                other.result()

    def __enter__(self) -> Self:
        """The road itself."""
        return self

    def __exit__(self, *error: Any) -> None:
        """Wait for the pages on their way."""
        self._sending.shutdown()
        self._noting.shutdown()
        self._beside.shutdown()

    def _prepare(self, slot: ErpSlot, page: Page[DocumentItem]) -> Ready:
        """link → orders first → hand in."""
        page = link_documents(self._run, slot, page)
        if _kind_of(page) not in (None, ORDERS):
            for orders in _orders_first(self._run, slot, page):
                sending = write_documents(self._run, self._prepare(slot, orders))
                finish_documents(self._run, sending)
                self._note(orders)
        return hand_in_documents(self._run, slot, page)

    def _send(self, ready: Ready, stands: Event) -> None:
        """write → finish."""
        try:
            sending = write_documents(self._run, ready)
            stands.set()
            finish_documents(self._run, sending)
        finally:
            stands.set()

    def _note_sent(self, page: Page[DocumentItem], sent: Future[None]) -> None:
        """Note a page after those before it: several may tell of one opportunity, which shows the last word."""
        sent.result()
        self._note(page)

    def _note(self, page: Page[DocumentItem]) -> None:
        """show on opportunities → remember → park → record; alone, since pages may share opportunities."""
        with self._alone:
            show_on_opportunities(self._run, page)
            remember_documents(self._run, page)
            page = park_records(self._run, page)
            record_document_outcomes(self._run, page)


def _after(first: Sequence[Future[None]], job: Callable[[], object]) -> None:
    for each in first:
        each.result()
    job()


def _orders_first(run: DocumentRun, slot: ErpSlot, page: Page[DocumentItem]) -> Iterator[Page[DocumentItem]]:
    """The orders that the page's documents belong to and that the CRM does not show yet."""
    wanted = orders_to_copy(run, slot, page)
    if wanted and run.is_up(slot, ()):
        with run.guard(slot, page.records):
            yield from named_documents(run, slot, ORDERS, wanted)


def refuse_nothing_named(records: Sequence[str] | None) -> None:
    """An empty list would mean “none” to the code and “all” to the operator.

    Raises:
        ConfigurationError: The list is empty.
    """
    if records is not None and not any(each.strip() for each in records):
        raise ConfigurationError("The list of records is empty; name the ERP's numbers, or leave the field out")
