"""A Tryton that has posted the sample invoices: prepared once, and kept with the other finished databases.

Tryton posts some ten invoices in a second. The times of all changes are set back by weeks, as if its users had entered
them long before the benchmark begins.
"""

from __future__ import annotations

import hashlib
import sqlite3
import tempfile
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Final

from filelock import FileLock

from benchmarks.common import Stopwatch, say
from benchmarks.invoices_data import sample_customers, sample_invoices
from benchmarks.invoices_posting import Clerk
from benchmarks.surroundings import tell
from prefect_crm_erp.sandbox.tryton import TrytonSandbox
from prefect_crm_erp.sandbox.tryton.cache import TemplateCache
from prefect_crm_erp.sandbox.tryton.settings import database_file

_SOURCES: Final = ("invoices_data.py", "invoices_posting.py", "invoices_template.py")
_WEEKS_AGO: Final = "-40 days"
_CHANGES: Final = ("create_date", "write_date")


def prepared(count: int, today: date) -> Path:
    """The finished database with so many invoices, made now if there is none yet."""
    empty = TemplateCache(progress=tell).template("empty")
    contents = [(Path(__file__).parent / name).read_text(encoding="utf-8") for name in _SOURCES]
    key = hashlib.sha256("\0".join([empty.name, str(today), *contents]).encode()).hexdigest()[:16]
    path = empty.with_name(f"invoices-{count}-{key}.sqlite")
    if not path.exists():
        # The cache's own lock: whoever has it takes folders of unfinished databases away.
        with FileLock(empty.with_name("building.lock")):
            if not path.exists():
                _prepare(path, count, today)
    return path


def _prepare(path: Path, count: int, today: date) -> None:
    say(f"Tryton posts {count} invoices, once; the database is kept in {path.parent}")
    with Stopwatch() as posting, tempfile.TemporaryDirectory(dir=path.parent, prefix="building-") as folder:
        with TrytonSandbox(Path(folder), empty=True) as sandbox, Clerk(sandbox.access) as clerk:
            clerk.enter(sample_customers(count), list(sample_invoices(count, today)))
        finished = Path(folder) / "finished.sqlite"
        with closing(sqlite3.connect(database_file(Path(folder)))) as connection:
            _set_back(connection)
            connection.execute("VACUUM INTO ?", (str(finished),))
        finished.replace(path)
    say(f"Tryton was prepared in {posting.seconds:.0f} s")


def _set_back(connection: sqlite3.Connection) -> None:
    """Set the times of all changes back; fractions of seconds, by which changes are told apart, stay."""
    tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for table in tables:
        for _, column, *_ in connection.execute(f'PRAGMA table_info("{table}")').fetchall():
            if column in _CHANGES:
                earlier = f'strftime(\'%Y-%m-%d %H:%M:%S\', "{column}", ?) || substr("{column}", 20)'
                connection.execute(f'UPDATE "{table}" SET "{column}" = {earlier}', (_WEEKS_AGO,))
    connection.commit()
