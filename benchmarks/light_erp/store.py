"""The stand-in's records, in an SQLite database: saving them, and reading them as Tryton gives them."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, Final

from benchmarks.light_erp.domains import condition_of
from benchmarks.light_erp.schema import MODELS, Kind, One, Parts, Several, UnknownToStandIn, field_of, table_of

Row = dict[str, Any]
Tree = dict[str, "Tree"]
_ROWS_AT_ONCE: Final = 5000
_INDEXED: Final = {
    "account.invoice": ("party", "last_modified_at"),
    "account.invoice.line": ("invoice",),
    "account.move": ("journal", "last_modified_at"),
    "account.move.line": ("move", "party", "reconciliation", "last_modified_at"),
}


class Store:
    """The database of a stand-in.

    Args:
        file: Where it is; it is made when it is not there.
    """

    def __init__(self, file: Path) -> None:
        is_new = not file.exists()
        self._database = sqlite3.connect(file, check_same_thread=False)
        self._database.execute("PRAGMA synchronous = OFF")
        if is_new:
            self._create()

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def _create(self) -> None:
        tables: dict[str, Several] = {}
        for model, fields in MODELS.items():
            columns = [f'"{name}"' for name, field in fields.items() if isinstance(field, Kind | One)]
            self._database.execute(f"CREATE TABLE {table_of(model)} (id INTEGER PRIMARY KEY, {', '.join(columns)})")
            tables |= {field.table: field for field in fields.values() if isinstance(field, Several)}
            for name in _INDEXED.get(model, ()):
                table = table_of(model)
                self._database.execute(f'CREATE INDEX "{table}_{name}" ON {table} ("{name}")')
        for table, field in tables.items():
            pair = f'"{field.mine}", "{field.theirs}"'
            self._database.execute(f"CREATE TABLE {table} ({pair}, PRIMARY KEY ({pair})) WITHOUT ROWID")
            self._database.execute(f'CREATE INDEX "{table}_back" ON {table} ("{field.theirs}")')

    # ------------------------------------------------------------------ saving

    def save(self, model: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Save records with all of their fields; one that is there already is replaced."""
        source = iter(rows)
        with self._database:
            while some := list(islice(source, _ROWS_AT_ONCE)):
                self._save(model, some)

    def _save(self, model: str, rows: Sequence[Mapping[str, Any]]) -> None:
        fields = MODELS[model]
        columns = ["id", *(name for name, field in fields.items() if isinstance(field, Kind | One))]
        statement = f"INSERT OR REPLACE INTO {table_of(model)} VALUES ({', '.join('?' * len(columns))})"
        self._database.executemany(statement, [[kept(row.get(name)) for name in columns] for row in rows])
        for name, field in fields.items():
            if isinstance(field, Several) and field.is_kept_here:
                self._tie(field, {row["id"]: row.get(name, ()) for row in rows})

    def _tie(self, field: Several, others: Mapping[int, Iterable[int]]) -> None:
        mine = [(each,) for each in others]
        self._database.executemany(f'DELETE FROM {field.table} WHERE "{field.mine}" = ?', mine)
        pairs = [(each, other) for each, ids in others.items() for other in ids]
        statement = f'INSERT INTO {field.table} ("{field.mine}", "{field.theirs}") VALUES (?, ?)'
        self._database.executemany(statement, pairs)

    # ------------------------------------------------------------------ finding

    def ids(
        self, model: str, domain: Sequence[Any], offset: int = 0, limit: int | None = None, order: Any = None
    ) -> list[int]:
        """Ids of the records that match, in an order; by id where none is given."""
        sql, values = condition_of(model, domain)
        query = f"SELECT id FROM {table_of(model)} WHERE {sql} ORDER BY {_order(model, order)} LIMIT ? OFFSET ?"
        rows = self._database.execute(query, [*values, -1 if limit is None else limit, offset])
        return [row[0] for row in rows]

    def count(self, model: str, domain: Sequence[Any]) -> int:
        """How many records match."""
        sql, values = condition_of(model, domain)
        (count,) = self._database.execute(f"SELECT count(*) FROM {table_of(model)} WHERE {sql}", values).fetchone()
        return int(count)

    # ------------------------------------------------------------------ reading

    def read(self, model: str, ids: Sequence[int], names: Sequence[str]) -> list[Row]:
        """Fields of records, in the order of the ids; what a path leads to is nested, under its name with a dot."""
        rows = self._read(model, ids, _tree(names))
        return [rows[identifier] for identifier in ids if identifier in rows]

    def _read(self, model: str, ids: Collection[int], tree: Tree) -> dict[int, Row]:
        rows = self._plain(model, ids, tree)
        for name, further in tree.items():
            field = field_of(model, name)
            if isinstance(field, Parts | Several):
                self._add_several(rows, name, field, further)
            elif further:
                self._add_one(rows, model, name, field, further)
        return rows

    def _plain(self, model: str, ids: Collection[int], tree: Tree) -> dict[int, Row]:
        """The records with the fields that are columns of their table."""
        kinds = {name: field_of(model, name) for name in tree if name != "id"}
        told = {
            name: _TOLD[kind if isinstance(kind, Kind) else Kind.INTEGER]
            for name, kind in kinds.items()
            if isinstance(kind, Kind | One)
        }
        columns = ", ".join(["id", *(f'"{name}"' for name in told)])
        readers = list(enumerate(told.items(), 1))
        rows: dict[int, Row] = {}
        for some in _some(ids):
            query = f"SELECT {columns} FROM {table_of(model)} WHERE id IN ({','.join('?' * len(some))})"
            for values in self._database.execute(query, some):
                row: Row = {"id": values[0]}
                for place, (name, tell) in readers:
                    value = values[place]
                    row[name] = value if value is None or tell is None else tell(value)
                rows[values[0]] = row
        return rows

    def _add_one(self, rows: Mapping[int, Row], model: str, name: str, field: object, further: Tree) -> None:
        if not isinstance(field, One):
            raise UnknownToStandIn(f"{model}.{name} leads nowhere")
        wanted = {row[name] for row in rows.values() if row[name] is not None}
        found = self._read(field.model, wanted, further)
        for row in rows.values():
            row[f"{name}."] = found.get(row[name])

    def _add_several(self, rows: Mapping[int, Row], name: str, field: Parts | Several, further: Tree) -> None:
        tied: dict[int, list[int]] = defaultdict(list)
        for mine, theirs in self._pairs(field, rows):
            tied[mine].append(theirs)
        found = self._read(field.model, {each for ids in tied.values() for each in ids}, further) if further else {}
        for identifier, row in rows.items():
            ids = tied[identifier]
            row[name] = ids
            if further:
                row[f"{name}."] = [found[each] for each in ids]

    def _pairs(self, field: Parts | Several, ids: Collection[int]) -> Iterator[tuple[int, int]]:
        table, mine, theirs = (
            (table_of(field.model), field.field, "id")
            if isinstance(field, Parts)
            else (field.table, field.mine, field.theirs)
        )
        for some in _some(ids):
            marks = ",".join("?" * len(some))
            query = f'SELECT "{mine}", "{theirs}" FROM {table} WHERE "{mine}" IN ({marks}) ORDER BY "{theirs}"'
            yield from self._database.execute(query, some)


def _order(model: str, order: Any) -> str:
    parts = []
    for name, direction in order or [("id", "ASC")]:
        if not isinstance(field_of(model, name), Kind) or direction not in ("ASC", "DESC"):
            raise UnknownToStandIn(f"The stand-in does not order {model} by {name} {direction}")
        parts.append(f'"{name}" {direction}')
    return ", ".join(parts)


def _tree(names: Iterable[str]) -> Tree:
    """Paths as a tree: `lines.product.code` below `lines` below `product`."""
    tree: Tree = {}
    for name in names:
        place = tree
        for part in name.split("."):
            place = place.setdefault(part, {})
    return tree


def _some(ids: Collection[int]) -> Iterator[list[int]]:
    source = iter(ids)
    while some := list(islice(source, _ROWS_AT_ONCE)):
        yield some


# ---------------------------------------------------------------------- values


def kept(value: Any) -> Any:
    """A value as the database keeps it; JSON has a form for it, too."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S.%f")
    return value.isoformat() if isinstance(value, date) else value


def _decimal(text: str) -> Row:
    return {"__class__": "Decimal", "decimal": text}


def _day(text: str) -> Row:
    return {"__class__": "date", "year": int(text[:4]), "month": int(text[5:7]), "day": int(text[8:10])}


def _time(text: str) -> Row:
    clock = {"hour": int(text[11:13]), "minute": int(text[14:16]), "second": int(text[17:19])}
    return _day(text) | {"__class__": "datetime", **clock, "microsecond": int(text[20:])}


_TOLD: Final[dict[Kind, Callable[[Any], Any] | None]] = {
    Kind.TEXT: None,
    Kind.INTEGER: None,
    Kind.FLOAT: None,
    Kind.DECIMAL: _decimal,
    Kind.DAY: _day,
    Kind.TIME: _time,
    Kind.BOOLEAN: bool,
}
"""How a kept value goes over the wire; None where it goes as it is."""
