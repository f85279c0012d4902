"""Queues: park what cannot go on, with its reason; take out what got through."""

from __future__ import annotations

from collections.abc import Sequence

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.events import emit_event

from prefect_crm_erp.blocks.ledger import Parked, ParkEntry
from prefect_crm_erp.models.outcomes import Outcome, Queue, Verdict
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.tasks.events import tell_automations
from prefect_crm_erp.tasks.run import BaseRun
from prefect_crm_erp.tasks.traveller import T, Traveller

ALERTING = frozenset({Queue.DEAD_LETTER, Queue.MANUAL_REVIEW, Queue.PENDING_REVIEW, Queue.PENDING_APPROVAL})
"""Queues that a person must look at: an entry emits a Prefect event, for an automation to notify by."""
UNROUTED = frozenset({"UnknownSubsidiary", "NoRoute", "SeveralSubsidiaries"})
"""Errors of records that the routing sends nowhere: whoever looks after its rules is told, once for each page."""


@task(name="Park", cache_policy=NO_CACHE, persist_result=False)
def park_records(run: BaseRun, page: Page[T]) -> Page[T]:
    """Keep the page's queued deals in the ledger, and take the others out of their queues.

    A deal that was retried too often becomes a dead letter; one that was left in its queue stays there as it is. Each
    new entry that a person must look at emits the event `prefect-crm-erp.record.parked`; records that the routing sends
    nowhere emit `prefect-crm-erp.routing.held` together.
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
    held = [entry for entry in stored.values() if entry.changed and entry.error in UNROUTED]
    if held and run.alerts:
        _alert_administrators(run, held)
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
        payload={
            "queue": entry.queue.value,
            "error": entry.error,
            "reason": entry.reason,
            "record": run.record_url(entry.key),
        },
    )


def _alert_administrators(run: BaseRun, held: Sequence[Parked]) -> None:
    payload = {
        "count": len(held),
        "advice": "Update the Subsidiary Routing or the accounts; the next run releases what has a subsidiary then",
        "reasons": list(dict.fromkeys(entry.reason for entry in held))[:_REASONS],
        "records": [run.record_url(entry.key) for entry in held[:_REASONS]],
    }
    tell_automations(run, "prefect-crm-erp.routing.held", "routing", "Subsidiary routing", payload)


_REASONS = 20
"""Reasons and records that an alert to administrators lists."""
