"""The ledger's database: address, engine, transactions, and words for an operator when something is wrong with it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, quote_plus

from sqlalchemy import URL, Connection, Engine, create_engine, event, func, make_url, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, InterfaceError, OperationalError, SQLAlchemyError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import NullPool

from prefect_crm_erp.models.errors import ConfigurationError, ConnectorError, TransientError

SYSTEM = "Ledger"
LOCK_SECONDS = 30
"""Longest wait for another process's transaction; its own transactions take milliseconds."""
_CONNECT_SECONDS = "10"
_DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
_SECRET_QUERY = ("password", "sslpassword", "passfile")

Clock = Callable[[], datetime]
Insert = sqlite.Insert | postgresql.Insert


class Database:
    """One engine and its transactions. May be used by several threads at once.

    Args:
        url: Address as `parse_url` gives it.
        clock: Tells the time instead of the database; for tests.
    """

    def __init__(self, url: URL, clock: Clock | None = None) -> None:
        self.url = url
        self.engine = create_ledger_engine(url)
        self._clock = clock

    def __enter__(self) -> Self:
        """The database itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def __repr__(self) -> str:
        """Its address without the password."""
        return f"{type(self).__name__}({safe_url(self.url)!r})"

    def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        self.engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that changes nothing.

        Raises:
            TransientError: The database does not answer.
        """
        with self._translated(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is stored as a whole when the block ends, or not at all when it raises.

        Raises:
            TransientError: The database does not answer.
        """
        with self._translated(), self.engine.execution_options(writes=True).begin() as connection:
            yield connection

    def now(self, connection: Connection) -> datetime:
        """The time that all users of the ledger share: the server's where there is one."""
        if self._clock:
            return self._clock()
        if connection.dialect.name == "sqlite":
            return datetime.now(UTC)
        time: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
        return time.astimezone(UTC)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, InterfaceError) as error:
            raise trouble(error, self.url) from None
        except StatementError as error:
            if isinstance(error.orig, ValueError):  # a value that a column refuses; see columns.py
                raise error.orig from None
            raise
        except PoolTimeoutError:
            raise TransientError("All connections to its database are in use", system=SYSTEM) from None


def insert(connection: Connection, table: type[Any]) -> Insert:
    """An INSERT of the connection's dialect, which can say what to do about rows that exist."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def parse_url(text: str) -> URL:
    """Read a ledger's address: SQLite or PostgreSQL, whatever driver it names.

    Raises:
        ConfigurationError: For what is no address, for another database, for one in memory, and without the driver.
    """
    try:
        url = make_url(text.strip())
    except (ArgumentError, ValueError):
        raise ConfigurationError(
            "The URL is not one: sqlite:////path/to/file.db or postgresql://user:password@host/database, "
            "with special characters of the password percent-encoded",
            system=SYSTEM,
        ) from None
    backend = url.drivername.split("+")[0]
    if backend not in _DRIVERS:
        raise ConfigurationError(f"{backend!r} is not supported: use SQLite or PostgreSQL", system=SYSTEM)
    url = url.set(drivername=_DRIVERS[backend])
    return _sqlite_url(url) if backend == "sqlite" else _postgresql_url(url)


def _sqlite_url(url: URL) -> URL:
    if sqlite3.sqlite_version_info < (3, 35):
        raise ConfigurationError(
            f"SQLite {sqlite3.sqlite_version} is too old: 3.35 is needed, or PostgreSQL", system=SYSTEM
        )
    if not url.database or ":memory:" in url.database or "mode" in url.query:
        raise ConfigurationError(
            "A SQLite ledger is a file, or nothing would be known after a restart: sqlite:////path/to/file.db",
            system=SYSTEM,
        )
    return url.set(database=str(Path(url.database).expanduser()))


def _postgresql_url(url: URL) -> URL:
    if find_spec("psycopg") is None:
        raise ConfigurationError(
            "The PostgreSQL driver is missing: pip install 'prefect-crm-erp[postgresql]'", system=SYSTEM
        )
    return url if "connect_timeout" in url.query else url.update_query_dict({"connect_timeout": _CONNECT_SECONDS})


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


def _sqlite_with_foreign_keys(connection: Any, record: object) -> None:
    _sqlite_without_foreign_keys(connection, record)
    connection.execute("PRAGMA foreign_keys=ON")


def _sqlite_without_foreign_keys(connection: Any, record: object) -> None:
    connection.isolation_level = None  # transactions begin where we say, not where the driver guesses
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")  # a claim must survive a power cut


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later can fail at the write: whoever will write says so at once.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def safe_url(url: URL) -> str:
    """The address as an operator may see it."""
    query = {name: value for name, value in url.query.items() if name not in _SECRET_QUERY}
    return url.set(query=query).render_as_string(hide_password=True)


def trouble(error: SQLAlchemyError, url: URL) -> ConnectorError:
    """What an operator is told about an error of the database: its own words, without SQL, values and secrets."""
    words = str(getattr(error, "orig", None) or error).strip()
    for secret in _secrets(url):
        words = words.replace(secret, "***")
    first_line = words.splitlines()[0] if words else type(error).__name__
    return TransientError(f"Its database {safe_url(url)} does not answer as it should: {first_line}", system=SYSTEM)


def _secrets(url: URL) -> set[str]:
    plain = [str(url.password or ""), *(str(url.query.get(name, "")) for name in _SECRET_QUERY)]
    return {form for secret in plain if secret for form in (secret, quote(secret, safe=""), quote_plus(secret))}
