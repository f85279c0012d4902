"""Report of documents: what of the ERPs' documents the CRM shows now, what changed, and what waits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache, partial
from itertools import islice

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.ledger import Coverage
from prefect_crm_erp.models.outcomes import Change, Outcome, Queue, ReportRow
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.tasks.document_item import DocumentItem
from prefect_crm_erp.tasks.document_run import DocumentRun
from prefect_crm_erp.tasks.report import RunReport, artifact_key, equation, outcome_counts, prove, requests_line
from prefect_crm_erp.tasks.tables import (
    NEXT_STEP,
    ROWS_SHOWN,
    account_changes_table,
    counts_table,
    excluded_table,
    parked_tables,
    queues_table,
    review_table,
)

_NEXT_STEP = NEXT_STEP | {
    Queue.DEAD_LETTER: "Tried often enough, and still tried by each run: remove the cause.",
    Queue.DATA_QUALITY: "It waits for what it hangs on, or for a correction as the reason says; the next run goes on.",
    Queue.MANUAL_REVIEW: "The CRM refused it: remove the cause there, and the next run goes on.",
}

_TOLD = ("number", "status", "due_date", "total", "balance", "amount", "shipped_on")
"""What the run's table tells of a change; the copy itself has everything."""


@task(name="Record outcomes", cache_policy=NO_CACHE, persist_result=False)
def record_document_outcomes(run: DocumentRun, page: Page[DocumentItem]) -> None:
    """Note what became of each document of the page."""
    run.store.note_outcomes(run.run_id, [_row(run, item) for item in page])


def _row(run: DocumentRun, item: DocumentItem) -> ReportRow:
    if item.verdict is None:
        raise LookupError(f"{item.key} has no verdict")
    record = item.crm_id or item.account_id
    return ReportRow(
        crm_id=item.key,
        name=item.label,
        outcome=item.verdict.outcome,
        queue=item.verdict.queue,
        reason=item.verdict.reason,
        account=item.account_id,
        erp_id=item.erp_id,
        erp_number=item.document.number,
        currency=getattr(item.document, "currency", None),
        erp_total=getattr(item.document, "total", getattr(item.document, "amount", None)),
        crm_url=run.crm.url(record) if record else None,
        erp_url=run.erps[item.slot].url(item.document),
        notes=tuple(item.notes),
        changes=() if item.verdict.outcome is Outcome.UNCHANGED else tuple(_changes(run, item)),
    )


def _changes(run: DocumentRun, item: DocumentItem) -> Iterator[Change]:
    """What the table tells: where the document stands now, and where it stood."""
    if not item.is_laid_out:
        return
    told, known = vars(item.document), item.known
    stood = known if known and known.fingerprint else None
    for name in _TOLD:
        before, after = _in_words(getattr(stood, name, None)), _in_words(told.get(name))
        if after is not None and before != after:
            yield Change(_title(run.crm.system, name), before, after, "the ERP's, read-only in the CRM")


@cache
def _title(system: str, name: str) -> str:
    return f"{system}: {name.replace('_', ' ').capitalize()}"


def _in_words(value: object) -> str | None:
    return None if value is None else str(value)


@task(name="Report", cache_policy=NO_CACHE, persist_result=False)
def report_documents(run: DocumentRun, source: str) -> RunReport:
    """Publish the run's tables, prove that every document is accounted for, and only then move the watermarks.

    Args:
        run: The run.
        source: What was read, in the words of the flow; artifacts are named after it.

    Raises:
        CoverageError: Documents are without outcome.
    """
    coverage = run.store.coverage(run.run_id)
    report = RunReport(run, coverage)
    _publish(run, report, coverage, source)
    prove(run, coverage, list(run.readings.values()))
    if not run.dry_run:
        run.move_watermarks()
    return report


def _publish(run: DocumentRun, report: RunReport, coverage: Coverage, source: str) -> None:
    rows = partial(run.store.rows, run.run_id)
    changed = [*islice(rows(having="changes"), ROWS_SHOWN)]
    parked = [*islice(rows(outcome=Outcome.QUEUED), ROWS_SHOWN)]
    title = "Would be written" if run.dry_run else "Written"
    tables = {
        "summary": (_summary(run, report, coverage, source), report.in_words()),
        "changes": (
            f"# {title}\n\n{account_changes_table(changed, report.written)}",
            "What changed in the ERP, before and after",
        ),
        "parked": (
            f"# Parked\n\n{parked_tables(parked, report.queued, 'Document', _NEXT_STEP)}",
            f"{report.queued:,} documents wait, and why",
        ),
    }
    for name, (markdown, description) in tables.items():
        create_markdown_artifact(markdown, key=artifact_key(source, name), description=description)


def _summary(run: DocumentRun, report: RunReport, coverage: Coverage, source: str) -> str:
    rows = partial(run.store.rows, run.run_id)
    counts = outcome_counts(report, "Documents read")
    queues = Counter(row.queue for row in rows(outcome=Outcome.QUEUED) if row.queue)
    sections = {
        "Queues": queues_table(queues, "Documents", _NEXT_STEP),
        "To review": review_table(rows(having="notes"), "Document"),
        "Excluded": excluded_table(Counter(row.reason for row in rows(outcome=Outcome.EXCLUDED))),
    }
    return "\n\n".join(
        [
            f"# {source.capitalize()}",
            *(["**Dry run: nothing was written.**"] if run.dry_run else []),
            counts_table(counts),
            equation(report, coverage),
            *(f"## {title}\n\n{shown}" for title, shown in sections.items() if "\n" in shown and _has_rows(shown)),
            f"*{requests_line(run, report)}.*",
        ]
    )


def _has_rows(shown: str) -> bool:
    return len(shown.strip().splitlines()) > 2
