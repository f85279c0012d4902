"""The org's rows in memory: tables with indexes, transactions, and changes that show late."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from prefect_crm_erp.sandbox.salesforce.clock import Clock
from prefect_crm_erp.sandbox.salesforce.schema import Schema, SObject
from prefect_crm_erp.sandbox.salesforce.store import Store
from prefect_crm_erp.sandbox.salesforce.values import comparison_key

Row = dict[str, Any]


@dataclass(frozen=True)
class Superseded:
    """What readers still see of a row that was changed a moment ago.

    Attributes:
        changed_at: When it was changed, on the clock that is never set.
        row: The row before; None if it is new.
    """

    changed_at: float
    row: Row | None


@dataclass
class Table:
    """The rows of one object type. A row is never changed in place: readers may hold on to what they got.

    Attributes:
        rows: By 18-character id, deleted rows included.
        indexes: For each indexed field the ids of the rows that have a value.
        superseded: Earlier versions of rows whose change is not visible yet.
    """

    sobject: SObject
    rows: dict[str, Row] = field(default_factory=dict)
    indexes: dict[str, dict[Any, dict[str, None]]] = field(default_factory=dict)
    superseded: dict[str, list[Superseded]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._indexed = [f for f in self.sobject.fields.values() if f.indexed]
        self.indexes = {f.name: {} for f in self._indexed}

    def set(self, record_id: str, row: Row | None) -> None:
        """Put a row in its place, or take it away."""
        old = self.rows.get(record_id)
        for indexed in self._indexed:
            before = old[indexed.name] if old else None
            after = row[indexed.name] if row else None
            if before != after:
                self._reindex(record_id, indexed.name, comparison_key(indexed, before), comparison_key(indexed, after))
        if row is None:
            self.rows.pop(record_id, None)
        else:
            self.rows[record_id] = row

    def _reindex(self, record_id: str, name: str, before: Any, after: Any) -> None:
        index = self.indexes[name]
        if before is not None:
            ids = index[before]
            ids.pop(record_id, None)
            if not ids:
                del index[before]
        if after is not None:
            index.setdefault(after, {})[record_id] = None

    def matching(self, name: str, values: Collection[Any]) -> Iterator[Row]:
        """Rows whose field has one of the values, deleted ones included; without a scan where there is an index."""
        wanted = self.keys(name, values)
        if name == "Id":
            return (self.rows[key] for key in wanted if key in self.rows)
        if name in self.indexes:
            index = self.indexes[name]
            return (self.rows[record_id] for key in wanted for record_id in tuple(index.get(key, ())))
        return (row for row in tuple(self.rows.values()) if self.key(name, row) in wanted)

    def keys(self, name: str, values: Iterable[Any]) -> dict[Any, None]:
        """What is compared instead of the values themselves."""
        sought = self.sobject.field(name)
        return {key: None for value in values if (key := comparison_key(sought, value)) is not None}

    def key(self, name: str, row: Row) -> Any:
        """What is compared instead of a row's own value."""
        return comparison_key(self.sobject.field(name), row[name])


class Image:
    """All tables. Changes are undone when a transaction fails, and go to the store when the outermost one ends.

    Args:
        schema: The object types.
        clock: Tells when a change becomes visible.
        store: Keeps the rows beyond this process; None for an org that lives in memory only.

    Attributes:
        lock: Held during a transaction; also to be held while reading more than one row.
    """

    def __init__(self, schema: Schema, clock: Clock, store: Store | None) -> None:
        self.schema = schema
        self.lock = threading.RLock()
        self._clock = clock
        self._store = store
        self._undo: list[tuple[Table, str, Row | None]] = []
        self._depth = 0
        self.tables = {sobject.name: Table(sobject) for sobject in schema.objects.values()}
        self._counters: dict[str, int] = {}
        self._counted: set[str] = set()
        if store:
            self._load(store)

    def _load(self, store: Store) -> None:
        self._counters = store.counters()
        for table in self.tables.values():
            for row in store.rows(table.sobject):
                table.set(row["Id"], row)

    def put(self, object_name: str, row: Row) -> None:
        """Put a new version of a row in its place. The row belongs to the image from then on."""
        table = self.tables[object_name]
        self._undo.append((table, row["Id"], table.rows.get(row["Id"])))
        table.set(row["Id"], row)

    def count_up(self, counter: str) -> int:
        """The next number of a counter, from 1 on. Numbers are never given twice, not even after a failure."""
        number = self._counters.get(counter, 0) + 1
        self._counters[counter] = number
        self._counted.add(counter)
        return number

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; nested ones are savepoints."""
        with self.lock:
            mark = len(self._undo)
            self._depth += 1
            try:
                yield
                if self._depth == 1:
                    self._commit()
            except BaseException:
                self._roll_back(mark)
                raise
            finally:
                self._depth -= 1

    def _roll_back(self, mark: int) -> None:
        while len(self._undo) > mark:
            table, record_id, row = self._undo.pop()
            table.set(record_id, row)

    def _commit(self) -> None:
        before: dict[tuple[str, str], Row | None] = {}
        for table, record_id, row in self._undo:
            before.setdefault((table.sobject.name, record_id), row)
        if self._store and (before or self._counted):
            self._store.save(self._changed_rows(before), {name: self._counters[name] for name in self._counted})
        self._counted.clear()
        self._undo.clear()
        if self._clock.visibility_lag:
            self._remember(before)

    def _changed_rows(self, keys: Iterable[tuple[str, str]]) -> dict[SObject, list[Row]]:
        changed: dict[SObject, list[Row]] = {}
        for object_name, record_id in keys:
            table = self.tables[object_name]
            changed.setdefault(table.sobject, []).append(table.rows[record_id])
        return changed

    def _remember(self, before: dict[tuple[str, str], Row | None]) -> None:
        now = self._clock.elapsed()
        for (object_name, record_id), row in before.items():
            self.tables[object_name].superseded.setdefault(record_id, []).append(Superseded(now, row))

    def clear(self) -> None:
        """Forget every row; ids and numbers go on, so that none comes up twice."""
        with self.lock:
            self.tables = {name: Table(table.sobject) for name, table in self.tables.items()}
            if self._store:
                self._store.clear()

    def visible_row(self, object_name: str, record_id: str) -> Row | None:
        """The row as readers see it now; None if they do not see it yet."""
        with self.lock:
            table = self.tables[object_name]
            hidden = self._hidden(table)
            return hidden[record_id] if record_id in hidden else table.rows.get(record_id)

    def visible_rows(self, object_name: str) -> list[Row]:
        """All rows as readers see them now, deleted ones included."""
        with self.lock:
            table = self.tables[object_name]
            hidden = self._hidden(table)
            if not hidden:
                return list(table.rows.values())
            seen = (hidden.get(record_id, row) for record_id, row in table.rows.items())
            return [row for row in seen if row is not None]

    def visible_matching(self, object_name: str, name: str, values: Collection[Any]) -> list[Row]:
        """Rows whose field has one of the values, as readers see them now, deleted ones included."""
        with self.lock:
            table = self.tables[object_name]
            hidden = self._hidden(table)
            found = [row for row in table.matching(name, values) if row["Id"] not in hidden]
            wanted = table.keys(name, values) if hidden else {}
            return found + [row for row in hidden.values() if row and table.key(name, row) in wanted]

    def _hidden(self, table: Table) -> dict[str, Row | None]:
        """Rows whose latest change does not show yet, with what shows instead."""
        if not table.superseded:
            return {}
        visible_before = self._clock.elapsed() - self._clock.visibility_lag.total_seconds()
        hidden: dict[str, Row | None] = {}
        for record_id, versions in list(table.superseded.items()):
            pending = [version for version in versions if version.changed_at > visible_before]
            if pending:
                table.superseded[record_id] = pending
                hidden[record_id] = pending[0].row
            else:
                del table.superseded[record_id]
        return hidden
