"""Tryton on SQLite keeps its promises to clients at the same time (end to end: test_demo_company.py)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from trytond import config

from prefect_crm_erp.sandbox.tryton.isolation import IsolatedDatabase


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with an empty database that Tryton knows."""
    before = config.get("database", "path")
    config.set("database", "path", str(tmp_path))
    (tmp_path / "erp.sqlite").touch()
    yield tmp_path
    config.set("database", "path", before)


@contextmanager
def transaction(readonly: bool = False) -> Iterator[tuple[IsolatedDatabase, Any]]:
    """The database and the connection of a transaction."""
    database = IsolatedDatabase("erp").connect()
    connection = database.get_connection(readonly=readonly)
    try:
        yield database, connection
    finally:
        database.put_connection(connection)


def test_a_look_into_the_cache_leaves_the_transaction_whole(folder: Path) -> None:
    """Tryton's cache borrows a transaction's connection in autocommit mode; what follows must still roll back."""
    with transaction() as (database, connection):
        connection.execute("CREATE TABLE sale (number TEXT)")
        connection.commit()

        database.put_connection(database.get_connection(readonly=True, autocommit=True))
        connection.execute("INSERT INTO sale VALUES ('US-00001')")
        connection.rollback()

        assert connection.execute("SELECT * FROM sale").fetchall() == []


def test_writers_wait_for_each_other_and_readers_do_not(folder: Path) -> None:
    begun = {True: threading.Event(), False: threading.Event()}

    def begin(readonly: bool) -> None:
        with transaction(readonly):
            begun[readonly].set()

    threads = [threading.Thread(target=begin, args=(readonly,), daemon=True) for readonly in begun]
    with transaction():
        for thread in threads:
            thread.start()
        assert begun[True].wait(10)
        assert not begun[False].wait(0.2)

    assert begun[False].wait(10)
    for thread in threads:
        thread.join()
