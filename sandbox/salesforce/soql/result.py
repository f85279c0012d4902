"""What a query gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from prefect_crm_erp.sandbox.salesforce.schema import Field, SObject

_NUMBER_TYPES = frozenset({"currency", "double", "percent", "int"})
_APEX_TYPES = {
    "id": "Id",
    "reference": "Id",
    "boolean": "Boolean",
    "currency": "Decimal",
    "double": "Decimal",
    "percent": "Decimal",
    "int": "Integer",
    "date": "Date",
    "datetime": "Datetime",
    "address": "Address",
}


@dataclass(frozen=True)
class Column:
    """One column of a result.

    Attributes:
        path: where the value stands in a record: `("Account", "Name")`, `("expr0",)`.
        field: the field behind it; None for subqueries and for counts.
        label: how it is displayed: the path, or the function for an aggregate.
        aggregate: a function's value, or the children of a subquery.
        children: the columns of a subquery.
    """

    path: tuple[str, ...]
    field: Field | None = None
    label: str = ""
    aggregate: bool = False
    children: tuple[Column, ...] = ()

    @property
    def name(self) -> str:
        """The column's heading: `Account.Name`."""
        return ".".join(self.path)

    def value(self, record: dict[str, Any]) -> Any:
        """The column's value in a record; None where a parent is missing."""
        value: Any = record
        for name in self.path:
            if value is None:
                return None
            value = value[name]
        return value


@dataclass(frozen=True)
class QueryResult:
    """The outcome of a query.

    Attributes:
        sobject: the object that was queried.
        records: in wire form, each with its `attributes`; none for `COUNT()`.
        total_size: the number of records; for `COUNT()` the count.
        columns: what was selected, in order.
        grouped: whether the records are aggregates.
    """

    sobject: SObject
    records: list[dict[str, Any]]
    total_size: int
    columns: tuple[Column, ...] = ()
    grouped: bool = field(default=False)

    @property
    def object_name(self) -> str:
        """The name of the object that was queried."""
        return self.sobject.name

    def column_metadata(self) -> dict[str, Any]:
        """The answer to `/query?columns=true`, which the vendor's command line asks for before it prints a table."""
        return {
            "columnMetadata": _metadata(self.columns),
            "entityName": self.sobject.name,
            "groupBy": self.grouped,
            "idSelected": any(column.path == ("Id",) for column in self.columns),
            "keyPrefix": self.sobject.key_prefix,
        }


def _metadata(columns: tuple[Column, ...], depth: int = 0) -> list[dict[str, Any]]:
    """Columns as the wire has them: those of one parent stand together under its name."""
    entries: list[dict[str, Any]] = []
    parents: dict[str, list[Column]] = {}
    for column in columns:
        if len(column.path) == depth + 1:
            entries.append(_entry(column, depth))
            continue
        name = column.path[depth]
        if name not in parents:
            parents[name] = []
            entries.append(_entry(Column((name,)), 0))
        parents[name].append(column)
    for entry in entries:
        if entry["columnName"] in parents:
            entry["joinColumns"] = _metadata(tuple(parents[entry["columnName"]]), depth + 1)
    return entries


def _entry(column: Column, depth: int) -> dict[str, Any]:
    name = column.path[depth]
    kind = column.field.type if column.field else None
    return {
        "aggregate": column.aggregate,
        "apexType": _APEX_TYPES.get(kind, "String") if kind else None,
        "booleanType": kind == "boolean",
        "columnName": name,
        "custom": bool(column.field and column.field.custom),
        "displayName": column.label or name,
        "foreignKeyName": None,
        "insertable": bool(column.field and column.field.createable),
        "joinColumns": _metadata(column.children),
        "numberType": kind in _NUMBER_TYPES,
        "textType": bool(column.field and column.field.is_text),
        "updatable": bool(column.field and column.field.updateable),
    }
