"""Report of entries of the field: what was booked, what waits, and why."""

from __future__ import annotations

from collections import Counter
from functools import partial
from itertools import islice
from typing import Final

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.ledger import Coverage
from prefect_crm_erp.models.outcomes import Outcome, ReportRow
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.tasks.field_item import FieldItem
from prefect_crm_erp.tasks.field_run import FieldRun
from prefect_crm_erp.tasks.report import RunReport, artifact_key, equation, outcome_counts, prove, requests_line
from prefect_crm_erp.tasks.tables import (
    NEXT_STEP,
    ROWS_SHOWN,
    changes_tables,
    counts_table,
    excluded_table,
    parked_tables,
    queues_table,
)

SOURCE: Final = "payments and returns of the field"
_WHAT: Final = "Record"


@task(name="Record outcomes", cache_policy=NO_CACHE, persist_result=False)
def record_entry_outcomes(run: FieldRun, page: Page[FieldItem]) -> None:
    """Note what became of each entry of the page."""
    run.store.note_outcomes(run.run_id, [_row(run, item) for item in page])


def _row(run: FieldRun, item: FieldItem) -> ReportRow:
    if item.verdict is None:
        raise LookupError(f"{item.key} has no verdict")
    return ReportRow(
        crm_id=item.key,
        name=item.label,
        outcome=item.verdict.outcome,
        queue=item.verdict.queue,
        reason=item.verdict.reason,
        account=item.collected.account_id,
        erp_id=item.binding.erp_id if item.binding else None,
        erp_number=item.binding.erp_number if item.binding else None,
        currency=item.currency,
        crm_total=item.amount,
        erp_total=item.amount if item.binding else None,
        crm_url=run.record_url(item.key),
        erp_url=run.erps[item.slot].url(item.entry) if item.binding and item.entry else None,
        notes=tuple(item.notes),
        changes=tuple(item.changes),
    )


@task(name="Report", cache_policy=NO_CACHE, persist_result=False)
def report_entries(run: FieldRun) -> RunReport:
    """Publish the run's tables, and prove that every entry is accounted for.

    Raises:
        CoverageError: Entries are without outcome.
    """
    coverage = run.store.coverage(run.run_id)
    report = RunReport(run, coverage)
    _publish(run, report, coverage)
    prove(run, coverage, [])
    return report


def _publish(run: FieldRun, report: RunReport, coverage: Coverage) -> None:
    rows = partial(run.store.rows, run.run_id)
    written = [*islice(rows(outcome=Outcome.WRITTEN), ROWS_SHOWN)]
    parked = [*islice(rows(outcome=Outcome.QUEUED), ROWS_SHOWN)]
    title = "Would be booked" if run.dry_run else "Booked"
    tables = {
        "summary": (_summary(run, report, coverage), report.in_words()),
        "written": (f"# {title}\n\n{changes_tables(written, report.written)}", f"{report.written:,} {title.lower()}"),
        "parked": (
            f"# Parked\n\n{parked_tables(parked, report.queued, _WHAT, NEXT_STEP)}",
            f"{report.queued:,} records wait, and why",
        ),
    }
    for name, (markdown, description) in tables.items():
        create_markdown_artifact(markdown, key=artifact_key(SOURCE, name), description=description)


def _summary(run: FieldRun, report: RunReport, coverage: Coverage) -> str:
    rows = partial(run.store.rows, run.run_id)
    counts = outcome_counts(report, "Records read", "Booked")
    queues = Counter(row.queue for row in rows(outcome=Outcome.QUEUED) if row.queue)
    excluded = Counter(row.reason for row in rows(outcome=Outcome.EXCLUDED))
    return "\n\n".join(
        [
            f"# {SOURCE.capitalize()}",
            *(["**Dry run: nothing was written.**"] if run.dry_run else []),
            counts_table(counts),
            equation(report, coverage),
            *([f"## Queues\n\n{queues_table(queues, 'Records', NEXT_STEP)}"] if queues else []),
            *([f"## Excluded\n\n{excluded_table(excluded)}"] if excluded else []),
            f"*{requests_line(run, report)}.*",
        ]
    )
