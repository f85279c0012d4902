"""What the flows that bring documents of the ERPs to the CRM have in common: their road, from start to report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from threading import Lock
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
from prefect_crm_erp.tasks.document_write import Sending, finish_documents, write_documents
from prefect_crm_erp.tasks.named_documents import ids_by_number
from prefect_crm_erp.tasks.opportunity_figures import show_on_opportunities
from prefect_crm_erp.tasks.queues import park_records
from prefect_crm_erp.tasks.report import RunReport, show_progress, start_progress
from prefect_crm_erp.tasks.side_by_side import Errand

TURN = "documents"
"""The ledger's kind of the turn to bring documents to the CRM: one run of an integration at a time."""

Sent = tuple[Page[DocumentItem], Sending]
"""A page, and what the CRM is taking in of it."""


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
            done = _bring(run, pages, progress)
            done += sum(sweep_documents(run, slot, what) for slot, what in streams)
            if INVOICES in run.what:
                show_sales(run)
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


def _bring(run: DocumentRun, pages: Iterator[tuple[ErpSlot, Page[DocumentItem]]], progress: UUID) -> int:
    """Bring pages to the CRM. While it takes one in, the next is sent to it, and the one after that is read."""
    done, kind, alone = 0, None, Lock()
    with Errand[None]() as finishing, Errand[Sent]() as sending:
        for slot, page in pages:
            _finish_next(run, sending, finishing, alone)
            show_progress(progress, done, None)
            if (of_page := _kind_of(page)) not in (kind, PAYMENTS):
                # Payments hang on invoices, which stand in the CRM as soon as they are sent; all others are looked up.
                finishing.wait()
            sending.begin(partial(_send, run, slot, page, alone))
            done, kind = done + len(page), of_page
        _finish_next(run, sending, finishing, alone)
    return done


def _kind_of(page: Page[DocumentItem]) -> DocumentKind | None:
    return page.records[0].what if page.records else None


def _finish_next(run: DocumentRun, sending: Errand[Sent], finishing: Errand[None], alone: Lock) -> None:
    """Begin to finish the page that was sent last, once the one before it is finished."""
    sent = sending.wait()
    if sent is not None:
        finishing.wait()
        finishing.begin(partial(_finish, run, *sent, alone))


def _send(run: DocumentRun, slot: ErpSlot, page: Page[DocumentItem], alone: Lock) -> Sent:
    """link → orders first → write."""
    page = link_documents(run, slot, page)
    if _kind_of(page) not in (None, ORDERS):
        for orders in _orders_first(run, slot, page):
            _finish(run, *_send(run, slot, orders, alone), alone)
    return page, write_documents(run, slot, page)


def _finish(run: DocumentRun, page: Page[DocumentItem], sending: Sending, alone: Lock) -> None:
    """finish → show on opportunities → remember → park → record; one page at a time: they may share opportunities."""
    with alone:
        finish_documents(run, sending)
        show_on_opportunities(run, page)
        remember_documents(run, page)
        page = park_records(run, page)
        record_document_outcomes(run, page)


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
