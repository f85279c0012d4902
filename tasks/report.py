"""Report: account for every source record, and show the operator what happened, in tables with links."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import partial
from itertools import islice
from uuid import UUID

from prefect import task
from prefect.artifacts import create_markdown_artifact, create_progress_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.ledger import Coverage, CrossReference
from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.errors import ConnectorError
from prefect_crm_erp.models.money import ZERO
from prefect_crm_erp.models.outcomes import Outcome, ReportRow
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.models.records import SalesOrder
from prefect_crm_erp.tasks.convert import crm_total, in_minor_units
from prefect_crm_erp.tasks.item import Item
from prefect_crm_erp.tasks.placing import erp_total
from prefect_crm_erp.tasks.run import BaseRun, Reading, Run
from prefect_crm_erp.tasks.tables import (
    ROWS_SHOWN,
    changes_tables,
    counts_table,
    excluded_table,
    parked_tables,
    queues_table,
    review_table,
    totals_table,
    written_table,
)
from prefect_crm_erp.tasks.write_back import listed, total_of


class CoverageError(ConnectorError):
    """Source records that a run cannot account for: its sums do not match."""


class RunReport:
    """What a run did with each source record.

    Attributes:
        run_id: Identity of the run in the ledger.
        dry_run: Whether nothing was written; `written` then counts what would be.
        source: Source records read.
        written: Records that were written to the ERP by this run.
        unchanged: Records that the ERP has already, as they are.
        queued: Records that wait in a queue.
        excluded: Records that were left alone on purpose.
        crm_calls: Requests sent to the CRM.
        erp_calls: Requests sent to the ERPs.

    Example:
        ```python
        report = quote_to_order(integration=Integration.load("sandbox"))
        for row in report.rows:
            print(row.crm_id, row.outcome.value, row.erp_number, row.reason)
        ```
    """

    def __init__(self, run: BaseRun, coverage: Coverage) -> None:
        self.run_id = run.run_id
        self.dry_run = run.dry_run
        self.source = coverage.source
        self.written = coverage.written
        self.unchanged = coverage.unchanged
        self.queued = coverage.queued
        self.excluded = coverage.excluded
        self.crm_calls = run.crm.calls.total
        self.erp_calls = sum(erp.calls.total for erp in run.erps.values())
        self._ledger = run.integration.ledger
        self._name = run.integration.state_name
        self._rows: list[ReportRow] | None = None

    @property
    def rows(self) -> list[ReportRow]:
        """One row for each source record, in the order of reading; loaded from the ledger when first asked for."""
        if self._rows is None:
            self._rows = list(self.iter_rows())
        return self._rows

    def iter_rows(self, outcome: Outcome | None = None) -> Iterator[ReportRow]:
        """The rows one by one, for runs too large to hold."""
        with self._ledger.open().for_integration(self._name) as store:
            yield from store.rows(self.run_id, outcome=outcome)

    def in_words(self) -> str:
        """The counts as a sentence, for people."""
        written = "would be written" if self.dry_run else "written"
        return (
            f"{self.source:,} records read: {self.written:,} {written}, {self.unchanged:,} unchanged, "
            f"{self.queued:,} queued, {self.excluded:,} excluded"
        )

    def __repr__(self) -> str:
        """The counts."""
        return (
            f"RunReport(source={self.source}, written={self.written}, unchanged={self.unchanged}, "
            f"queued={self.queued}, excluded={self.excluded}{', dry_run=True' if self.dry_run else ''})"
        )


# -------------------------------------------------------------------- while it runs


@task(name="Record outcomes", cache_policy=NO_CACHE, persist_result=False)
def record_outcomes(run: Run, page: Page[Item]) -> None:
    """Note what became of each deal of the page."""
    run.store.note_outcomes(run.run_id, [_row(run, item) for item in page])


def start_progress(source: str) -> UUID:
    """The progress bar of a run that reads this source."""
    artifact = create_progress_artifact(
        progress=0.0, key=artifact_key(source, "progress"), description=f"Reading {source}"
    )
    return artifact if isinstance(artifact, UUID) else UUID(str(artifact))


def show_progress(progress: UUID, done: int, expected: int | None) -> None:
    """Move the progress bar."""
    share = min(100.0, 100.0 * done / expected) if expected else 0.0
    of = f" of {expected}" if expected else ""
    update_progress_artifact(progress, progress=share, description=f"{done}{of} records")


def _row(run: Run, item: Item) -> ReportRow:
    deal, verdict, binding = item.deal, item.verdict, item.binding
    if verdict is None:
        raise LookupError(f"{item.key} has no verdict")
    order = item.order
    number = listed(each.erp_number for each in item.bindings) if binding else (order.number if order else None)
    erp_id = binding.erp_id if binding else (order.erp_id if order else None)
    return ReportRow(
        crm_id=item.key,
        name=item.title,
        outcome=verdict.outcome,
        queue=verdict.queue,
        reason=verdict.reason,
        account=deal.account.name if deal.account else None,
        subsidiary=_subsidiary(run, item),
        erp_id=erp_id,
        erp_number=number,
        currency=item.currency or None,
        crm_total=binding.crm_total if binding and not item.is_divided else _crm_total(item),
        erp_total=total_of(item.bindings) if binding else _erp_total(item),
        crm_url=run.record_url(item.key),
        erp_url=_erp_url(run, item, erp_id),
        notes=tuple(item.notes),
        changes=tuple(item.changes) if run.dry_run else (),
    )


def _crm_total(item: Item) -> Decimal | None:
    if item.deal.lines or item.deal.total is None:
        return crm_total(item.deal) if item.deal.lines else None
    return in_minor_units(item.deal.total, item.deal.currency)


def _erp_total(item: Item) -> Decimal | None:
    totals = [erp_total(each) for each in item.parts or (item,)]
    known = [each for each in totals if each is not None]
    return sum(known, ZERO) if len(known) == len(totals) else None


def _subsidiary(run: Run, item: Item) -> str | None:
    """Name of the subsidiary; of a divided deal all of them."""
    if item.route:
        return item.route.subsidiary.name
    names = [part.route.subsidiary.name for part in item.parts if part.route]
    names = names or [name for each in item.bindings if (name := _bound_subsidiary(run, each))]
    return " + ".join(dict.fromkeys(names)) or None


def _bound_subsidiary(run: Run, reference: CrossReference) -> str | None:
    for subsidiary in run.integration.routing.subsidiaries:
        known = subsidiary.erp.value == reference.erp and run.known_company(subsidiary.erp, subsidiary.company)
        if known and known.id == reference.company:
            return subsidiary.name
    return None


def _erp_url(run: Run, item: Item, erp_id: str | None) -> str | None:
    if not erp_id:
        return None
    slot = ErpSlot(item.binding.erp) if item.binding else (item.parts or (item,))[0].slot
    order = item.order or SalesOrder(
        key=item.key,
        company_id=item.binding.company if item.binding else "",
        customer_id="",
        currency=item.currency,
        order_date=run.started_at.date(),
    )
    return run.erps[slot].url(order.model_copy(update={"erp_id": erp_id}))


# -------------------------------------------------------------------- at the end


@task(name="Report", cache_policy=NO_CACHE, persist_result=False)
def report_run(run: Run) -> RunReport:
    """Publish the run's tables, prove that every source record is accounted for, and only then move the watermark.

    A run that dies, or that cannot prove it, is made up for by the next one, which begins where this one began; what
    is in the ERP by then is unchanged to it.

    Raises:
        CoverageError: Records are without outcome, or the CRM announced more than came.
    """
    coverage = run.store.coverage(run.run_id)
    report = RunReport(run, coverage)
    _publish(run, report, coverage)
    prove(run, coverage, [run.reading])
    if run.reading.reached is not None and run.reading.is_seamless and not run.dry_run:
        run.store.advance(run.stream, run.reading.reached)
    return report


def prove(run: BaseRun, coverage: Coverage, readings: Iterable[Reading]) -> None:
    """See that every record that was read is accounted for, and that all came that were announced.

    Raises:
        CoverageError: They do not; the message names some.
    """
    if not coverage.complete:
        doubtful = [*coverage.open, *coverage.stray, *coverage.unexplained]
        raise CoverageError(
            f"{coverage.source} records were read, and these are not accounted for: {', '.join(doubtful[:3])}"
            f"{' …' if len(doubtful) > 3 else ''}; run it again, they are read again"
        )
    for reading in readings:
        announced, received = reading.announced, reading.received
        if announced is not None and received < announced:
            raise CoverageError(
                f"{run.crm.system} announced {announced} records and {received} came; run it again, all are read again"
            )


def _publish(run: Run, report: RunReport, coverage: Coverage) -> None:
    rows = partial(run.store.rows, run.run_id)
    written = [*islice(rows(outcome=Outcome.WRITTEN), ROWS_SHOWN)]
    parked = [*islice(rows(outcome=Outcome.QUEUED), ROWS_SHOWN)]
    title = "Would be written" if run.dry_run else "Written"
    _show(run, "summary", _summary(run, report, coverage), report.in_words())
    _show(
        run,
        "written",
        f"# {title}\n\n{written_table(written, report.written)}",
        f"{report.written:,} orders {title.lower()}",
    )
    _show(
        run, "parked", f"# Parked\n\n{parked_tables(parked, report.queued)}", f"{report.queued:,} deals wait, and why"
    )
    if run.dry_run:
        changes = changes_tables(written, report.written)
        _show(run, "dry-run", f"# Before and after\n\n{changes}", "Field by field, what a real run would write")


def _show(run: Run, name: str, markdown: str, description: str) -> None:
    create_markdown_artifact(markdown, key=artifact_key(run.source, name), description=description)


def outcome_counts(report: RunReport, read: str, done: str = "Written") -> dict[str, int]:
    """What became of the records of a run, for the table of its summary.

    Args:
        report: The run's report.
        read: What was read: `Documents read`.
        done: What became of those that were written; of a dry run it says that they would be.
    """
    return {
        read: report.source,
        f"Would be {done.lower()}" if report.dry_run else done: report.written,
        "Unchanged": report.unchanged,
        "Queued": report.queued,
        "Excluded": report.excluded,
    }


def artifact_key(source: str, name: str) -> str:
    """Key of an artifact: runs of one source are versions of it."""
    return f"{source.replace(' ', '-')}-{name}"


def _summary(run: Run, report: RunReport, coverage: Coverage) -> str:
    rows = partial(run.store.rows, run.run_id)
    counts = outcome_counts(report, "Records read")
    sections = {
        "Orders": totals_table(rows(outcome=Outcome.WRITTEN)),
        "Queues": queues_table(Counter(row.queue for row in rows(outcome=Outcome.QUEUED) if row.queue)),
        "Excluded": excluded_table(Counter(row.reason for row in rows(outcome=Outcome.EXCLUDED))),
        "To review": review_table(rows(having="notes")),
    }
    return "\n\n".join(
        [
            f"# {run.source.value.capitalize()} → {' and '.join(sorted({erp.system for erp in run.erps.values()}))}",
            *(["**Dry run: nothing was written.**"] if run.dry_run else []),
            counts_table(counts),
            equation(report, coverage),
            *(f"## {title}\n\n{shown}" for title, shown in sections.items() if shown),
            f"*{requests_line(run, report)}.*",
        ]
    )


def equation(report: RunReport, coverage: Coverage) -> str:
    """The sum that accounts for every record, or that it does not match."""
    sums = f"{report.source} = {report.written} + {report.unchanged} + {report.queued} + {report.excluded}"
    if coverage.complete:
        return f"{sums}: every record is accounted for."
    return "**Not every record is accounted for.** Run it again: the records are read again."


def requests_line(run: BaseRun, report: RunReport) -> str:
    """How many requests the run sent, and how much of the CRM's daily limit is used."""
    calls = f"{report.crm_calls:,} requests to {run.crm.system}, {report.erp_calls:,} to the ERP"
    used = run.crm.calls
    if used.allowed:
        calls += f"; {used.used:,} of {used.allowed:,} {run.crm.system} calls are used today"
    return calls
