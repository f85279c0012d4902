"""Queues: park what cannot go on, with its reason; take out what got through."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.events import emit_event

from prefect_crm_erp.blocks.ledger import Parked, ParkEntry
from prefect_crm_erp.models.outcomes import Outcome, Queue, Verdict
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.tasks.run import BaseRun
from prefect_crm_erp.tasks.traveller import T, Traveller

ALERTING = frozenset({Queue.DEAD_LETTER, Queue.MANUAL_REVIEW, Queue.PENDING_REVIEW, Queue.PENDING_APPROVAL})
"""Queues that a person must look at: an entry emits a Prefect event, for an automation to notify by."""


@task(name="Park", cache_policy=NO_CACHE, persist_result=False)
def park_records(run: BaseRun, page: Page[T]) -> Page[T]:
    """Keep the page's queued deals in the ledger, and take the others out of their queues.

    A deal that was retried too often becomes a dead letter; one that was left in its queue stays there as it is. Each
    new entry that a person must look at emits the event `prefect-crm-erp.record.parked`.
    """
    run.wait(page, "The run did not come to this record", "Unfinished")
    if run.dry_run:
        return page
    queued = [item for item in page if item.is_queued and not item.is_left_waiting]
    stored = {entry.key: entry for entry in run.store.park(run.run_id, [_entry(run, item) for item in queued])}
    for item in queued:
        entry = stored[item.key]
        item.verdict = Verdict.queued(entry.queue, entry.reason, error=entry.error, fields=entry.fields)
        if run.alerts and entry.changed and entry.queue in ALERTING:
            _alert(run, entry)
    for outcome in (Outcome.WRITTEN, Outcome.UNCHANGED, Outcome.EXCLUDED):
        keys = [item.key for item in page if item.verdict and item.verdict.outcome is outcome]
        run.store.resolve(run.kind, keys, resolution=outcome.value)
    return page


def _entry(run: BaseRun, item: Traveller) -> ParkEntry:
    if item.verdict is None:
        raise LookupError(f"{item.key} has no verdict")
    return ParkEntry(
        kind=run.kind,
        key=item.key,
        name=item.label,
        verdict=item.verdict,
        fingerprint=item.evaluation_digest(),
        retry=run.retry_policy,
    )


def _alert(run: BaseRun, entry: Parked) -> None:
    emit_event(
        event="prefect-crm-erp.record.parked",
        resource={
            "prefect.resource.id": f"prefect-crm-erp.{run.kind}.{entry.key}",
            "prefect.resource.name": entry.name,
            "prefect-crm-erp.queue": entry.queue.value,
            "prefect-crm-erp.integration": run.integration.state_name,
        },
        payload={"queue": entry.queue.value, "reason": entry.reason, "record": run.record_url(entry.key)},
    )
