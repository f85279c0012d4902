"""Report of account sync: what changed on which side and why, what waits, and that every record is accounted for."""

from __future__ import annotations

from collections import Counter
from functools import partial
from itertools import islice

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.ledger import Coverage
from prefect_crm_erp.models.outcomes import Outcome, ReportRow
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.tasks.account_item import AccountItem
from prefect_crm_erp.tasks.account_run import AccountRun
from prefect_crm_erp.tasks.report import RunReport, artifact_key, equation, outcome_counts, prove, requests_line
from prefect_crm_erp.tasks.tables import (
    ROWS_SHOWN,
    account_changes_table,
    counts_table,
    excluded_table,
    parked_tables,
    queues_table,
    review_table,
)

SOURCE = "accounts"


@task(name="Record outcomes", cache_policy=NO_CACHE, persist_result=False)
def record_account_outcomes(run: AccountRun, page: Page[AccountItem]) -> None:
    """Note what became of each account of the page; one that is looked at again after it was written stays written."""
    run.store.note_outcomes(run.run_id, [_row(run, item) for item in page])


def _row(run: AccountRun, item: AccountItem) -> ReportRow:
    if item.verdict is None:
        raise LookupError(f"{item.key} has no verdict")
    link = next(iter(item.links.values()), None)
    customer = link.standing if link else item.customer
    erp_id = link.binding.erp_id if link else None
    shown = customer.model_copy(update={"erp_id": erp_id}) if customer and erp_id else None
    return ReportRow(
        crm_id=item.key,
        name=item.label,
        outcome=item.verdict.outcome,
        queue=item.verdict.queue,
        reason=item.verdict.reason,
        subsidiary=item.route.subsidiary.name if item.route else None,
        erp_id=erp_id,
        erp_number=(customer.number if customer else None) or (link.binding.erp_number if link else None),
        crm_url=run.crm.url(item.key),
        erp_url=run.erps[link.slot].url(shown) if link and shown else None,
        notes=tuple(item.notes),
        changes=tuple(item.changes),
    )


@task(name="Report", cache_policy=NO_CACHE, persist_result=False)
def report_accounts(run: AccountRun) -> RunReport:
    """Publish the run's tables, prove that every record is accounted for, and only then move the watermarks.

    Raises:
        CoverageError: Records are without outcome, or a system announced more than came.
    """
    coverage = run.store.coverage(run.run_id)
    report = RunReport(run, coverage)
    _publish(run, report, coverage)
    prove(run, coverage, list(run.readings.values()))
    if not run.dry_run:
        run.move_watermarks()
        if run.backfill:
            _end_backfill(run)
    return report


def _end_backfill(run: AccountRun) -> None:
    """A first load that has come to its end: later runs go on from there, and another first load begins anew."""
    for stream, reading in run.readings.items():
        if reading.reached is not None and reading.is_seamless:
            run.store.advance(stream.replace(" backfill", ""), reading.reached)
        run.store.rewind(stream)


# -------------------------------------------------------------------- tables


def _publish(run: AccountRun, report: RunReport, coverage: Coverage) -> None:
    rows = partial(run.store.rows, run.run_id)
    changed = [*islice(rows(having="changes"), ROWS_SHOWN)]
    parked = [*islice(rows(outcome=Outcome.QUEUED), ROWS_SHOWN)]
    title = "Would be written" if run.dry_run else "Written"
    _show("summary", _summary(run, report, coverage), report.in_words())
    _show(
        "changes",
        f"# {title}\n\n{account_changes_table(changed, report.written)}",
        "Field by field, before and after, and why",
    )
    _show("parked", f"# Parked\n\n{parked_tables(parked, report.queued)}", f"{report.queued:,} records wait, and why")


def _show(name: str, markdown: str, description: str) -> None:
    create_markdown_artifact(markdown, key=artifact_key(SOURCE, name), description=description)


def _summary(run: AccountRun, report: RunReport, coverage: Coverage) -> str:
    rows = partial(run.store.rows, run.run_id)
    counts = outcome_counts(report, "Records read")
    sections = {
        "Queues": queues_table(Counter(row.queue for row in rows(outcome=Outcome.QUEUED) if row.queue)),
        "Excluded": excluded_table(Counter(row.reason for row in rows(outcome=Outcome.EXCLUDED))),
        "Who owns what": _owners(run),
        "To review": review_table(rows(having="notes")),
    }
    return "\n\n".join(
        [
            f"# Accounts and customers: {run.direction.value}",
            *(["**Dry run: nothing was written.**"] if run.dry_run else []),
            counts_table(counts),
            equation(report, coverage),
            *(f"## {title}\n\n{shown}" for title, shown in sections.items() if shown),
            f"*{requests_line(run, report)}.*",
        ]
    )


def _owners(run: AccountRun) -> str:
    policy = run.integration.accounts
    if policy.is_signed_off:
        return (
            f"Signed off by {policy.signed_off_by_sales} (sales) and {policy.signed_off_by_finance} (finance) on "
            f"{policy.signed_off_on}."
        )
    return (
        "**Nobody has signed off who owns which field.** Sales and finance should agree on the table in the Account "
        "Sync Policy, and write their names and the day there."
    )
