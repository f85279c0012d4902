"""Parking of what is no deal and no account: currencies, prices."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from prefect_crm_erp.blocks.ledger import ParkEntry
from prefect_crm_erp.models.outcomes import Outcome, Verdict
from prefect_crm_erp.tasks.run import BaseRun


def park_named(run: BaseRun, waiting: Mapping[str, tuple[str, Verdict]], looked_at: Collection[str]) -> None:
    """Put records into the queues of their verdicts, and take those that got through out of theirs.

    Args:
        run: The run.
        waiting: Name and verdict of what cannot go on, by key.
        looked_at: Keys of all that was looked at.
    """
    retry = run.retry_policy
    entries = [
        ParkEntry(kind=run.kind, key=key, name=name, verdict=verdict, fingerprint=verdict.reason, retry=retry)
        for key, (name, verdict) in waiting.items()
    ]
    run.store.park(run.run_id, entries)
    run.store.resolve(run.kind, [key for key in looked_at if key not in waiting], resolution=Outcome.WRITTEN.value)
