"""Gives Tryton on SQLite the isolation that it has on PostgreSQL.

Tryton's locks do nothing on SQLite, and SQLite itself locks only at a transaction's first change. So two clients at the
same time would read the same next number of a sequence, or both pass the same credit limit. Here a transaction that may
write takes its turn at its beginning, and whoever comes second waits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from typing import Any, ClassVar, NamedTuple

from trytond import backend, security
from trytond.backend.sqlite import Database


class _Thread(threading.local):
    reading_only: bool = False


_thread = _Thread()


class _Use(NamedTuple):
    """One use of a connection: whether it excludes others, and the connection's mode before it."""

    has_turn: bool
    isolation_level_before: str | None


class IsolatedDatabase(Database):
    """A SQLite database whose writing transactions exclude each other from beginning to end.

    Every transaction has an instance of its own, which Tryton's cache now and then asks for the connection once more,
    in autocommit mode: what the connection was before comes back when that is over.
    """

    # Reentrant, since Tryton opens a transaction inside another one now and then.
    _turn: ClassVar = threading.RLock()

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._uses: list[_Use] = []

    def get_connection(self, autocommit: bool = False, readonly: bool = False, **options: Any) -> Any:
        """Begin a transaction; one that may write waits for its turn."""
        before = self._conn.isolation_level if self._conn is not None else None
        connection = super().get_connection(autocommit=autocommit, readonly=readonly, **options)
        takes_turn = not (autocommit or readonly or _thread.reading_only)
        if takes_turn:
            self._turn.acquire()
        self._uses.append(_Use(takes_turn, before))
        return connection

    def put_connection(self, connection: Any = None) -> None:
        """End a transaction, which is committed or rolled back already."""
        if self._uses:
            use = self._uses.pop()
            if self._uses:
                self._conn.isolation_level = use.isolation_level_before
            if use.has_turn:
                self._turn.release()
        super().put_connection(connection)


def isolate() -> None:
    """Let the Tryton of this process work in isolation; call it after Tryton is configured and before it is used."""
    backend.Database = IsolatedDatabase
    # Every request begins with a look at its session, which must not wait for somebody else's batch.
    security.check = _reading_only(security.check)


def _reading_only(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def without_turn(*arguments: Any, **options: Any) -> Any:
        _thread.reading_only = True
        try:
            return function(*arguments, **options)
        finally:
            _thread.reading_only = False

    return without_turn
