"""Engines whose transactions behave alike on SQLite and PostgreSQL."""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool
from tenacity import retry, retry_if_exception, stop_after_delay, wait_random

LOCK_SECONDS = 30
"""Longest wait for another process's transaction; the ledger's own take milliseconds."""


def create_ledger_engine(url: URL, *, for_migration: bool = False) -> Engine:
    """An engine whose transactions behave alike on SQLite and PostgreSQL.

    Args:
        url: Address as `parse_url` gives it.
        for_migration: Keep no connections, and leave foreign keys unchecked: SQLite rebuilds tables to alter them,
            which would delete the rows that refer to them.
    """
    if url.get_backend_name() == "sqlite":
        engine = create_engine(
            url,
            hide_parameters=True,
            poolclass=NullPool if for_migration else None,
            connect_args={"timeout": LOCK_SECONDS, "check_same_thread": False},
        )
        event.listen(engine, "connect", _sqlite_without_foreign_keys if for_migration else _sqlite_with_foreign_keys)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    engine = create_engine(
        url,
        hide_parameters=True,
        pool_pre_ping=not for_migration,
        poolclass=NullPool if for_migration else None,
        isolation_level="READ COMMITTED",
        connect_args={"application_name": "prefect-crm-erp"},
    )
    event.listen(engine, "connect", _limit_lock_waits)
    return engine


def _limit_lock_waits(connection: Any, record: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = '{LOCK_SECONDS}s'")
    connection.commit()


def _sqlite_with_foreign_keys(connection: sqlite3.Connection, record: object) -> None:
    _sqlite_without_foreign_keys(connection, record)
    connection.execute("PRAGMA foreign_keys=ON")


def _sqlite_without_foreign_keys(connection: sqlite3.Connection, record: object) -> None:
    connection.isolation_level = None  # transactions begin where we say, not where the driver guesses
    _use_write_ahead_log(connection)
    connection.execute("PRAGMA synchronous=FULL")  # a claim must survive a power cut


def _is_busy(error: BaseException) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF == sqlite3.SQLITE_BUSY  # the low byte is the kind, the others tell more


@retry(
    retry=retry_if_exception(_is_busy),
    wait=wait_random(0.01, 0.05),
    stop=stop_after_delay(LOCK_SECONDS),
    reraise=True,
)
def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    # Turning it on in a new file is the one thing that SQLite does not wait for while others have the file open.
    connection.execute("PRAGMA journal_mode=WAL")


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later can fail at the write: whoever will write says so at once.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
