"""Row locks that somebody else holds."""

from __future__ import annotations

from prefect_crm_erp.sandbox.salesforce.clock import Clock
from prefect_crm_erp.sandbox.salesforce.errors import RowRejected


class Locks:
    """Rows that another user is writing just now.

    Args:
        clock: Measures how long a lock lasts.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}

    def hold(self, record_id: str, seconds: float) -> None:
        """Lock a row for so many seconds from now; 0 lets it go."""
        self._until[record_id] = self._clock.elapsed() + seconds

    def release_all(self) -> None:
        """Let go of every row."""
        self._until.clear()

    def demand_free(self, record_id: str) -> None:
        """Refuse to touch a row that is locked.

        Raises:
            RowRejected: UNABLE_TO_LOCK_ROW.
        """
        until = self._until.get(record_id)
        if until is None:
            return
        if until > self._clock.elapsed():
            message = f"unable to obtain exclusive access to this record or 1 records: {record_id[:15]}"
            raise RowRejected.of("UNABLE_TO_LOCK_ROW", message)
        del self._until[record_id]
