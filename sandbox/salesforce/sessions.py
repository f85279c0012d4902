"""Sessions: what an access token stands for, and until when."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Session:
    """A login.

    Args:
        token: Access token, which is also the SOAP session id.
        user_id: The user who is logged in.
        kind: How the session came about: `oauth` or `soap`.
        seconds: Lifetime after the last use.
        last_used: Seconds on the monotonic clock.
    """

    token: str = field(repr=False)
    user_id: str
    kind: str
    seconds: float
    last_used: float

    def expired(self, now: float) -> bool:
        """Whether the session has been idle for too long."""
        return now >= self.last_used + self.seconds


class Sessions:
    """The open sessions. They live in memory: a restart of the server ends them all.

    Args:
        organization_id: Its first 15 characters lead every token, as in Salesforce.
        monotonic: Clock in seconds that never goes back.
    """

    def __init__(self, organization_id: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._prefix = organization_id[:15]
        self._monotonic = monotonic
        self._by_token: dict[str, Session] = {}

    def open(self, user_id: str, kind: str, seconds: float) -> Session:
        """Log a user in for this many seconds after the last use."""
        self._forget_expired()
        token = f"{self._prefix}!AQ{secrets.token_urlsafe(48).replace('-', '.')}"
        session = Session(token, user_id, kind, seconds, self._monotonic())
        self._by_token[token] = session
        return session

    def use(self, token: str) -> Session | None:
        """The session of a token, its lifetime renewed; None when it has ended or never was."""
        session = self._by_token.get(token)
        if session is None or session.expired(self._monotonic()):
            self._by_token.pop(token, None)
            return None
        session.last_used = self._monotonic()
        return session

    def close(self, token: str) -> bool:
        """Log out; False when there is no such session."""
        return self._by_token.pop(token, None) is not None

    def close_all(self) -> None:
        """Log everybody out."""
        self._by_token.clear()

    def set_lifetime(self, seconds: float) -> None:
        """Give the open sessions another lifetime too."""
        for session in self._by_token.values():
            session.seconds = seconds

    def _forget_expired(self) -> None:
        now = self._monotonic()
        self._by_token = {token: session for token, session in self._by_token.items() if not session.expired(now)}
