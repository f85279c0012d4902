"""The org's own clock: it can differ from the client's, and changes can show late."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def _system_time() -> datetime:
    return datetime.now(UTC)


class Clock:
    """Tells the org's time. Both settings may be changed while the org is at work.

    Attributes:
        skew: How far the org's clock is ahead of this machine's.
        visibility_lag: How long a change stays invisible to readers after it was stamped, as with a transaction
            that commits late. What is stamped first is then not always seen first.

    Args:
        source: Where the true time comes from; an aware UTC datetime.
        elapsed: Seconds that only go forward, for locks and the lag.
    """

    def __init__(
        self, source: Callable[[], datetime] = _system_time, elapsed: Callable[[], float] = time.monotonic
    ) -> None:
        self._source = source
        self._elapsed = elapsed
        self.skew = timedelta()
        self.visibility_lag = timedelta()

    def now(self) -> datetime:
        """The org's time in UTC, in whole seconds as `SystemModstamp` has them."""
        return (self._source() + self.skew).replace(microsecond=0)

    def elapsed(self) -> float:
        """Seconds on a clock that is never set, neither by the skew."""
        return self._elapsed()

    def restore(self) -> None:
        """Back to this machine's time, with every change visible at once."""
        self.skew = timedelta()
        self.visibility_lag = timedelta()
