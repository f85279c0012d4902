"""Report: account for every source record, and show the operator what happened, in tables with links."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import islice
from uuid import UUID

from prefect import task
from prefect.artifacts import create_markdown_artifact, create_progress_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.ledger import Coverage
from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.errors import ConnectorError
from prefect_crm_erp.models.outcomes import Outcome, ReportRow
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.models.records import SalesOrder
from prefect_crm_erp.tasks.convert import crm_total, in_minor_units
from prefect_crm_erp.tasks.item import Item
from prefect_crm_erp.tasks.placing import erp_total
from prefect_crm_erp.tasks.run import Run

ROWS_SHOWN = 500
"""Rows that a table shows; the ledger has them all."""


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

    def __init__(self, run: Run, coverage: Coverage) -> None:
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


def start_progress(run: Run) -> UUID:
    """The progress bar of the run."""
    artifact = create_progress_artifact(
        progress=0.0, key=f"{run.kind}-to-order-progress", description=f"Reading {run.source.value}"
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
    number = binding.erp_number if binding else (order.number if order else None)
    erp_id = binding.erp_id if binding else (order.erp_id if order else None)
    return ReportRow(
        crm_id=item.key,
        name=deal.number or deal.name,
        outcome=verdict.outcome,
        queue=verdict.queue,
        reason=verdict.reason,
        account=deal.account.name if deal.account else None,
        subsidiary=item.route.subsidiary.name if item.route else _bound_subsidiary(run, item),
        erp_id=erp_id,
        erp_number=number,
        currency=item.currency or None,
        crm_total=binding.crm_total if binding else _crm_total(item),
        erp_total=binding.erp_total if binding else erp_total(item),
        crm_url=run.crm.url(item.key),
        erp_url=_erp_url(run, item, erp_id),
        notes=tuple(item.notes),
        changes=tuple(item.changes) if run.dry_run else (),
    )


def _crm_total(item: Item) -> Decimal | None:
    if item.deal.lines or item.deal.total is None:
        return crm_total(item.deal) if item.deal.lines else None
    return in_minor_units(item.deal.total, item.deal.currency)


def _bound_subsidiary(run: Run, item: Item) -> str | None:
    if item.binding is None:
        return None
    for subsidiary in run.integration.routing.subsidiaries:
        known = subsidiary.erp.value == item.binding.erp and run.known_company(subsidiary.erp, subsidiary.company)
        if known and known.id == item.binding.company:
            return subsidiary.name
    return None


def _erp_url(run: Run, item: Item, erp_id: str | None) -> str | None:
    if not erp_id:
        return None
    slot = ErpSlot(item.binding.erp) if item.binding else item.slot
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
    _publish(run, report)
    _prove(run, coverage)
    if run.reading.reached is not None and run.reading.is_seamless and not run.dry_run:
        run.store.advance(run.stream, run.reading.reached)
    return report


def _prove(run: Run, coverage: Coverage) -> None:
    if not coverage.complete:
        doubtful = [*coverage.open, *coverage.stray, *coverage.unexplained]
        raise CoverageError(
            f"{coverage.source} records were read, and these are not accounted for: {', '.join(doubtful[:3])}"
            f"{' …' if len(doubtful) > 3 else ''}; run it again, they are read again"
        )
    announced, received = run.reading.announced, run.reading.received
    if announced is not None and received < announced:
        raise CoverageError(
            f"{run.crm.system} announced {announced} records and {received} came; run it again, all are read again"
        )


def _publish(run: Run, report: RunReport) -> None:
    key = run.source.value.replace(" ", "-")
    create_markdown_artifact(_summary(run, report), key=f"{key}-summary", description="What happened in this run")
    rows = [*islice(run.store.rows(run.run_id, outcome=Outcome.WRITTEN), ROWS_SHOWN)]
    title = "Would be written" if run.dry_run else "Written"
    create_markdown_artifact(
        f"## {title}\n\n{_written_table(rows, report.written)}",
        key=f"{key}-written",
        description=f"{title} in this run",
    )
    rows = [*islice(run.store.rows(run.run_id, outcome=Outcome.QUEUED), ROWS_SHOWN)]
    create_markdown_artifact(
        f"## Parked\n\n{_parked_table(rows, report.queued)}", key=f"{key}-parked", description="What waits, and why"
    )
    if run.dry_run:
        rows = [*islice(run.store.rows(run.run_id, outcome=Outcome.WRITTEN), ROWS_SHOWN)]
        create_markdown_artifact(
            f"## Before and after\n\n{_changes_table(rows)}",
            key=f"{key}-dry-run",
            description="Field by field, what a real run would write",
        )


def _summary(run: Run, report: RunReport) -> str:
    queues = Counter(row.queue for row in run.store.rows(run.run_id, outcome=Outcome.QUEUED))
    excluded = Counter(row.reason for row in run.store.rows(run.run_id, outcome=Outcome.EXCLUDED))
    lines = [
        f"# {run.source.value.capitalize()} → {' and '.join(sorted({erp.system for erp in run.erps.values()}))}",
        "**Dry run: nothing was written.**" if run.dry_run else "",
        _table(
            ("Records read", "Written", "Unchanged", "Queued", "Excluded"),
            [[str(n) for n in (report.source, report.written, report.unchanged, report.queued, report.excluded)]],
        ),
        f"{report.source} = {report.written} + {report.unchanged} + {report.queued} + {report.excluded}: "
        "every record is accounted for.",
    ]
    if queues:
        named = [[queue.value if queue else "", str(count)] for queue, count in queues.most_common()]
        lines += ["## Queues", _table(("Queue", "Records"), named)]
    if excluded:
        lines += ["## Excluded", _table(("Reason", "Records"), [[why, str(n)] for why, n in excluded.most_common(20)])]
    lines += ["## To review", *_flags(run)]
    calls = f"{report.crm_calls} requests to {run.crm.system}, {report.erp_calls} to the ERP"
    used = run.crm.calls
    if used.allowed:
        calls += f"; {used.used:,} of {used.allowed:,} {run.crm.system} calls are used today"
    return "\n\n".join(line for line in [*lines, f"*{calls}.*"] if line)


def _flags(run: Run) -> list[str]:
    """What was assumed on the way and somebody should look at."""
    flagged = [
        [note.flag, link(row.name, row.crm_url), text(note.text)]
        for row in run.store.rows(run.run_id)
        for note in row.notes
        if note.flag
    ]
    if not flagged:
        return ["Nothing was assumed on the way."]
    return [_table(("For", "Deal", "What"), flagged[:ROWS_SHOWN], raw=True), *_rest(len(flagged))]


def _written_table(rows: Sequence[ReportRow], count: int) -> str:
    if not rows:
        return "Nothing."
    head = ("Deal", "Account", "Order", "Subsidiary", "Total in the CRM", "Total in the ERP", "On the way")
    body = [
        [
            link(row.name, row.crm_url),
            text(row.account),
            link(row.erp_number or "(new)", row.erp_url),
            text(row.subsidiary),
            amount(row.crm_total, row.currency),
            amount(row.erp_total, row.currency),
            text("; ".join(note.text for note in row.notes if note.field != "subsidiary")),
        ]
        for row in rows
    ]
    return "\n\n".join([_table(head, body, raw=True), *_rest(count)])


def _parked_table(rows: Sequence[ReportRow], count: int) -> str:
    if not rows:
        return "Nothing waits."
    head = ("Deal", "Account", "Queue", "Why", "Total")
    body = [
        [
            link(row.name, row.crm_url),
            text(row.account),
            text(row.queue.value if row.queue else ""),
            text(row.reason),
            amount(row.crm_total, row.currency),
        ]
        for row in rows
    ]
    return "\n\n".join([_table(head, body, raw=True), *_rest(count)])


def _changes_table(rows: Iterable[ReportRow]) -> str:
    body = [
        [link(row.name, row.crm_url), text(change.field), text(change.before or "—"), text(change.after or "—")]
        for row in rows
        for change in row.changes
    ]
    return _table(("Deal", "Field", "Before", "After"), body[: ROWS_SHOWN * 4], raw=True) if body else "Nothing."


def _rest(count: int) -> list[str]:
    return [f"The first {ROWS_SHOWN} of {count}; the ledger has them all."] if count > ROWS_SHOWN else []


# -------------------------------------------------------------------- markdown that untrusted text cannot break


def text(value: str | None) -> str:
    """Untrusted text for a cell of a Markdown table: no markup, no new cells, no line ends.

    Example:
        >>> text("a|b <script>")
        'a\\\\|b &lt;script&gt;'
    """
    cleaned = " ".join((value or "").split())
    escaped = re.sub(r"([\\`*_\[\]|#!~])", r"\\\1", cleaned)
    return escaped.replace("<", "&lt;").replace(">", "&gt;")


def link(label: str, url: str | None) -> str:
    """A link, or the bare label when there is no address."""
    return f"[{text(label)}]({url.replace(')', '%29').replace(' ', '%20')})" if url else text(label)


def amount(value: Decimal | None, currency: str | None) -> str:
    """An amount with its currency."""
    return "" if value is None else f"{value:,} {currency or ''}".strip()


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], *, raw: bool = False) -> str:
    """A Markdown table; cells are escaped unless they are made already."""
    cells = rows if raw else [[text(cell) for cell in row] for row in rows]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in cells)])
