"""Claims that live as long as their run: renewed while it works, free when their lease ends after it died."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from prefect.logging import get_logger

from prefect_crm_erp.tasks.run import BaseRun

PAUSE_SECONDS = 0.5
"""Between two looks whether another run has ended."""
BEATS_IN_A_LEASE = 4
"""While a run lives, a heartbeat renews its claims this often in a lease, through the longest request."""
LEASES_TO_WAIT = 3
"""How long a run waits for another one that is writing the same records."""


def patience(run: BaseRun) -> float:
    """Seconds that a run waits for another one that is writing the same records."""
    return LEASES_TO_WAIT * run.lease.total_seconds()


@contextmanager
def held(run: BaseRun, kind: str, keys: Sequence[str]) -> Iterator[None]:
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


def _beat(run: BaseRun, kind: str, keys: Sequence[str], done: threading.Event) -> None:
    while not done.wait(run.lease.total_seconds() / BEATS_IN_A_LEASE):
        try:
            run.store.renew(kind, keys, run.run_id, run.lease)
        except Exception as error:  # noqa: BLE001  # a missed beat is made up for by the next; writes check their claim
            get_logger(__name__).warning("Claims could not be renewed: %s", type(error).__name__)


class Turn:
    """The turn of one run to do what only one may do at a time, such as creating customers in an ERP.

    Args:
        run: The run.
        kind: What is done, as the ledger's kind.
        place: Where, as the ledger's key.
    """

    def __init__(self, run: BaseRun, kind: str, place: str) -> None:
        self._run = run
        self._kind = kind
        self._place = place

    def is_mine(self) -> bool:
        """Whether the turn is (still) this run's; a run that slept through its lease has lost it."""
        mine = self._run.store.renew(self._kind, [self._place], self._run.run_id, self._run.lease)
        return self._place in mine

    @contextmanager
    def taken(self) -> Iterator[bool]:
        """Wait for the turn and keep it until the body ends; gives False when the others do not come to an end."""
        if not self._wait():
            yield False
            return
        with held(self._run, self._kind, [self._place]):
            try:
                yield True
            finally:
                self._run.store.release(self._kind, [self._place], self._run.run_id)

    def _wait(self) -> bool:
        deadline = time.monotonic() + patience(self._run)
        while self._place not in self._claim():
            if time.monotonic() > deadline:
                return False
            time.sleep(PAUSE_SECONDS)
        return True

    def _claim(self) -> frozenset[str]:
        return self._run.store.claim(self._kind, [self._place], self._run.run_id, self._run.lease).mine
