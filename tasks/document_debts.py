"""Debts: what accounts and deals do not show yet of documents that stand in the CRM, because the CRM refused it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from prefect_crm_erp.blocks.crm.values import UpdateResult
from prefect_crm_erp.blocks.ledger import ParkEntry, SourceRecord
from prefect_crm_erp.models.errors import ConnectorError
from prefect_crm_erp.models.outcomes import Note, Outcome, ReportRow, Verdict, queue_for
from prefect_crm_erp.tasks.document_item import DocumentItem
from prefect_crm_erp.tasks.document_run import DocumentRun


def keep_owed(run: DocumentRun, item: DocumentItem, result: UpdateResult) -> None:
    """Keep that a deal does not show a document: the next run makes up for it, and people see why."""
    error = result.error
    if error is None:
        return
    what = f"{result.update.object.value} {result.update.record_id}"
    text = f"{item.label} stands in {run.crm.system}, but the {what} does not show it: {error.message}"
    item.notes.append(Note("write_back", text, "Sales"))
    verdict = Verdict.queued(queue_for(error), text, error=type(error).__name__, fields=getattr(error, "fields", ()))
    run.store.park(run.run_id, [_debt(run, item.key, item.label, verdict)])


def settle(run: DocumentRun, items: Sequence[DocumentItem]) -> None:
    """What was owed to the deals of these documents is shown."""
    for item in items:
        item.notes.append(Note("write_back", f"What its deal shows in {run.crm.system} was owed and is made up for"))
    run.store.resolve(run.owed_kind, [item.key for item in items], resolution=Outcome.WRITTEN.value)


def note_figures(
    run: DocumentRun, names: Mapping[str, str], refused: Mapping[str, ConnectorError], done: Collection[str]
) -> None:
    """Show in the run's tables which accounts do not have their figures, and which got what was owed to them.

    Args:
        run: The run.
        names: Names of accounts, by 18-character id.
        refused: Why an account does not have its figures, by its id.
        done: Accounts that show their figures, or are gone.
    """
    owed = {entry.key for entry in run.store.parked(kind=run.owed_kind, keys=[*done])} if done else set()
    titles = {key: f"Figures of {names.get(key, key)}" for key in (*refused, *sorted(owed))}
    run.store.note_read(run.run_id, [SourceRecord(key, title) for key, title in titles.items()])
    debts = [_debt(run, key, titles[key], _without_figures(error)) for key, error in refused.items()]
    kept = run.store.park(run.run_id, debts)
    run.store.resolve(run.owed_kind, sorted(owed), resolution=Outcome.WRITTEN.value)
    verdicts = {each.key: Verdict.queued(each.queue, each.reason) for each in kept}
    verdicts |= dict.fromkeys(owed, Verdict(Outcome.WRITTEN, "They were owed and are made up for"))
    rows = [_row(run, key, title, verdicts[key]) for key, title in titles.items()]
    run.store.note_outcomes(run.run_id, rows)


def _without_figures(error: ConnectorError) -> Verdict:
    text = f"The account does not show its sales figures: {error}"
    return Verdict.queued(queue_for(error), text, error=type(error).__name__, fields=getattr(error, "fields", ()))


def _row(run: DocumentRun, key: str, name: str, verdict: Verdict) -> ReportRow:
    return ReportRow(
        crm_id=key,
        name=name,
        outcome=verdict.outcome,
        queue=verdict.queue,
        reason=verdict.reason,
        account=key,
        crm_url=run.crm.url(key),
    )


def _debt(run: DocumentRun, key: str, name: str, verdict: Verdict) -> ParkEntry:
    return ParkEntry(kind=run.owed_kind, key=key, name=name, verdict=verdict, retry=run.retry_policy)
