"""The rows on disk: one SQLite file, one table for each object type."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from prefect_crm_erp.sandbox.salesforce.schema import BIN_MEMBERS, Field, Schema, SObject
from prefect_crm_erp.sandbox.salesforce.values import address_of

FILE_NAME = "org.sqlite"

_INTEGERS = frozenset({"boolean", "int"})
_READERS: Mapping[str, Callable[[Any], Any]] = {
    "boolean": bool,
    "currency": Decimal,
    "double": Decimal,
    "percent": Decimal,
    "date": date.fromisoformat,
    "datetime": lambda text: datetime.fromisoformat(text).astimezone(UTC),
}


class Store:
    """Keeps the org beyond the process. Amounts are stored as text: SQLite's numbers would round them.

    Args:
        directory: Where the file lies; made if it is missing.
        schema: The object types; columns that an older file lacks are added.
    """

    def __init__(self, directory: Path, schema: Schema) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._schema = schema
        self._connection = sqlite3.connect(directory / FILE_NAME, check_same_thread=False, isolation_level=None)
        # A write-ahead log survives the end of the process at any moment without a disk flush for each request.
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute("CREATE TABLE IF NOT EXISTS counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL)")
        self._connection.execute("CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL)")
        for sobject in schema.objects.values():
            self._prepare(sobject)

    def _prepare(self, sobject: SObject) -> None:
        columns = {field.name: _column_type(field) for field in stored_fields(sobject)}
        columns |= dict.fromkeys(BIN_MEMBERS, "TEXT")
        definitions = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
        self._connection.execute(f'CREATE TABLE IF NOT EXISTS "{sobject.name}" ({definitions})')
        present = {row[1] for row in self._connection.execute(f'PRAGMA table_info("{sobject.name}")')}
        for name, kind in columns.items():
            if name not in present:
                self._connection.execute(f'ALTER TABLE "{sobject.name}" ADD COLUMN "{name}" {kind}')

    def setting(self, name: str) -> str | None:
        """A setting of the org, such as its organization's id."""
        found = self._connection.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
        return found[0] if found else None

    def set_setting(self, name: str, value: str) -> None:
        """Keep a setting."""
        self._connection.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, value))

    def counters(self) -> dict[str, int]:
        """How far each counter has come."""
        return dict(self._connection.execute("SELECT name, value FROM counter"))

    def rows(self, sobject: SObject) -> Iterator[dict[str, Any]]:
        """All rows of an object type, in the order of their ids."""
        fields = stored_fields(sobject)
        names = ", ".join(f'"{name}"' for name in _columns(sobject))
        readers = [_READERS.get(field.type) for field in fields]
        query = f'SELECT {names} FROM "{sobject.name}" ORDER BY "Id"'  # noqa: S608 names of the schema
        for values in self._connection.execute(query):
            yield _row(sobject, fields, readers, values)

    def save(self, changed: Mapping[SObject, Sequence[Mapping[str, Any]]], counters: Mapping[str, int]) -> None:
        """Write rows and counters in one transaction."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            for sobject, rows in changed.items():
                self._write(sobject, rows)
            self._connection.executemany("INSERT OR REPLACE INTO counter VALUES (?, ?)", counters.items())
            self._connection.execute("COMMIT")
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise

    def _write(self, sobject: SObject, rows: Sequence[Mapping[str, Any]]) -> None:
        names = _columns(sobject)
        columns = ", ".join(f'"{name}"' for name in names)
        places = ", ".join("?" * len(names))
        statement = f'INSERT OR REPLACE INTO "{sobject.name}" ({columns}) VALUES ({places})'  # noqa: S608 as above
        self._connection.executemany(statement, ([_column_value(row[name]) for name in names] for row in rows))

    def clear(self) -> None:
        """Delete every row; counters and settings stay."""
        self._connection.execute("BEGIN IMMEDIATE")
        for sobject in self._schema.objects.values():
            self._connection.execute(f'DELETE FROM "{sobject.name}"')  # noqa: S608 as above
        self._connection.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def stored_fields(sobject: SObject) -> list[Field]:
    """The fields that have a column: all but the compound ones, which show others together."""
    return [field for field in sobject.fields.values() if field.type != "address"]


def _columns(sobject: SObject) -> list[str]:
    return [field.name for field in stored_fields(sobject)] + list(BIN_MEMBERS)


def _column_type(field: Field) -> str:
    if field.type == "id":
        return "TEXT PRIMARY KEY"
    return "INTEGER" if field.type in _INTEGERS else "TEXT"


def _column_value(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, date):
        return value.isoformat()
    return value


def _row(
    sobject: SObject, fields: Sequence[Field], readers: Sequence[Callable[[Any], Any] | None], values: Sequence[Any]
) -> dict[str, Any]:
    row = dict(sobject.blank)
    for field, reader, value in zip(fields, readers, values, strict=False):
        if value is not None:
            row[field.name] = reader(value) if reader else value
        elif field.type != "boolean":
            row[field.name] = None
    row.update(zip(BIN_MEMBERS, values[len(fields) :], strict=True))
    for compound in sobject.compounds:
        row[compound.name] = address_of(compound.name.removesuffix("Address"), row)
    return row
