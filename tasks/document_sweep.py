"""Sweep: documents that were deleted in an ERP disappear from the CRM; no stream of changes tells of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from prefect import task
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.ledger import Document, ParkEntry, SourceRecord
from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.errors import ConnectorError
from prefect_crm_erp.models.outcomes import Change, Outcome, ReportRow, Verdict, queue_for
from prefect_crm_erp.models.paging import Cursor
from prefect_crm_erp.tasks.document_item import document_key
from prefect_crm_erp.tasks.document_kinds import DocumentKind
from prefect_crm_erp.tasks.document_run import DocumentRun
from prefect_crm_erp.tasks.opportunity_figures import show_without
from prefect_crm_erp.tasks.write_back import erp_reference

SWEEP_EVERY = timedelta(hours=1)
"""How often an ERP in which nothing changes is asked whether it has deleted something."""
_IDS_PER_PAGE = 5000


@task(name="Sweep after deletions", cache_policy=NO_CACHE, persist_result=False)
def sweep_documents(run: DocumentRun, slot: ErpSlot, what: DocumentKind) -> int:
    """Delete the copies of documents that the ERP has no more.

    Only where the ERP has fewer documents than the ledger are all of them asked for: that they are as many is one call,
    with each run that reads changes, and every hour where there are none.

    Returns:
        How many were deleted.
    """
    if run.forced or not run.is_up(slot, ()) or not _is_due(run, slot, what):
        return 0
    run.check(slot)
    if not run.is_up(slot, ()):
        return 0
    with run.guard(slot, ()):
        gone = _gone(run, slot, what)
        _delete(run, slot, what, gone)
        if not run.dry_run:
            run.store.advance(_stream(slot, what), Cursor(run.started_at))
        return len(gone)
    return 0


def _stream(slot: ErpSlot, what: DocumentKind) -> str:
    """Name under which the ledger keeps when an ERP was last swept."""
    return f"sweep of {what.name} documents of {slot.value}"


def _is_due(run: DocumentRun, slot: ErpSlot, what: DocumentKind) -> bool:
    last = run.store.watermark(_stream(slot, what))
    return not run.quiet.get(slot) or last is None or last.modified_at <= run.started_at - SWEEP_EVERY


def _gone(run: DocumentRun, slot: ErpSlot, what: DocumentKind) -> list[str]:
    """Documents that the ledger knows and the ERP has no more."""
    there = run.erps[slot].count(what.record)
    if there is not None and there >= run.store.count_documents(what.name, slot.value):
        return []
    return [
        erp_id
        for page in run.store.document_ids(what.name, slot.value, _IDS_PER_PAGE)
        for erp_id in sorted(set(page) - run.erps[slot].existing(what.record, page))
    ]


def _delete(run: DocumentRun, slot: ErpSlot, what: DocumentKind, erp_ids: list[str]) -> None:
    """Delete copies, and what opportunities show of them; the ledger forgets only what is nowhere shown any more."""
    known = run.store.documents(what.name, slot.value, erp_ids)
    names = {erp_id: f"{what.name.capitalize()} {each.number or erp_id}" for erp_id, each in known.items()}
    keys = {erp_id: document_key(slot, what, erp_id) for erp_id in known}
    run.store.note_read(run.run_id, [SourceRecord(keys[each], names[each], None) for each in known])
    refused: dict[str, Verdict] = {}
    if known and not run.dry_run:
        refused = _not_deleted(run, slot, what, known)
        done = [each for each in known if each not in refused]
        run.store.drop_documents(what.name, slot.value, done)
        for kind in run.queue_kinds:
            run.store.resolve(kind, [keys[each] for each in done], resolution="gone")
        run.store.park(run.run_id, [_entry(run, keys[each], names[each], refused[each]) for each in refused])
    run.store.note_outcomes(run.run_id, [_row(run, keys[each], names[each], refused.get(each)) for each in known])


def _not_deleted(
    run: DocumentRun, slot: ErpSlot, what: DocumentKind, known: Mapping[str, Document]
) -> dict[str, Verdict]:
    """Delete the copies; why some of them, or what opportunities show of them, are still there, by ERP id."""
    results = run.crm.delete_documents(what.object, [erp_reference(slot, each) for each in known])
    refused = {
        erp_id: _waits(result.error, f"It is gone from the ERP, but not deleted: {result.error}")
        for erp_id, result in zip(known, results, strict=True)
        if result.error is not None
    }
    deleted = {erp_id: each for erp_id, each in known.items() if erp_id not in refused}
    for erp_id, error in show_without(run, what, deleted).items():
        refused[erp_id] = _waits(error, f"It is gone from the ERP, but its opportunity still shows it: {error}")
    return refused


def _waits(error: ConnectorError, reason: str) -> Verdict:
    return Verdict.queued(queue_for(error), reason, error=type(error).__name__)


def _entry(run: DocumentRun, key: str, name: str, verdict: Verdict) -> ParkEntry:
    return ParkEntry(kind=run.kind, key=key, name=name, verdict=verdict, retry=run.retry_policy)


def _row(run: DocumentRun, key: str, name: str, verdict: Verdict | None) -> ReportRow:
    if verdict is not None:
        return ReportRow(crm_id=key, name=name, outcome=verdict.outcome, queue=verdict.queue, reason=verdict.reason)
    change = Change(f"{run.crm.system}: the copy", "there", None, "it is gone from the ERP")
    return ReportRow(crm_id=key, name=name, outcome=Outcome.WRITTEN, changes=(change,))
