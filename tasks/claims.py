"""Claims that live as long as their run: renewed while it works, free when their lease ends after it died."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from prefect.logging import get_logger

from prefect_crm_erp.tasks.run import Run

BEATS_IN_A_LEASE = 4
"""While a run lives, a heartbeat renews its claims this often in a lease, through the longest request."""
LEASES_TO_WAIT = 3
"""How long a run waits for another one that is writing the same records."""


def patience(run: Run) -> float:
    """Seconds that a run waits for another one that is writing the same records."""
    return LEASES_TO_WAIT * run.lease.total_seconds()


@contextmanager
def held(run: Run, kind: str, keys: Sequence[str]) -> Iterator[None]:
    """Renew the claims on these keys, in a thread of its own, until the body ends."""
    if not keys:
        yield
        return
    done = threading.Event()
    beat = threading.Thread(target=_beat, args=(run, kind, list(keys), done), name=f"claims on {kind}", daemon=True)
    beat.start()
    try:
        yield
    finally:
        done.set()
        beat.join()


def _beat(run: Run, kind: str, keys: Sequence[str], done: threading.Event) -> None:
    while not done.wait(run.lease.total_seconds() / BEATS_IN_A_LEASE):
        try:
            run.store.renew(kind, keys, run.run_id, run.lease)
        except Exception as error:  # noqa: BLE001  # a missed beat is made up for by the next; writes check their claim
            get_logger(__name__).warning("Claims could not be renewed: %s", type(error).__name__)
