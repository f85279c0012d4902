"""The SELECT list of a query without aggregates: rows to records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from prefect_crm_erp.sandbox.salesforce.schema import Field, SObject
from prefect_crm_erp.sandbox.salesforce.soql import ast
from prefect_crm_erp.sandbox.salesforce.soql.diagnostics import QueryProblem, malformed
from prefect_crm_erp.sandbox.salesforce.soql.execution import Execution
from prefect_crm_erp.sandbox.salesforce.soql.formats import Display
from prefect_crm_erp.sandbox.salesforce.soql.names import BoundField, Names, Row
from prefect_crm_erp.sandbox.salesforce.soql.result import Column

FIELDS_LIMIT = 200
"""Rows that a query with FIELDS(ALL) or FIELDS(CUSTOM) may ask for."""

Record = dict[str, Any]


@dataclass
class Shape:
    """How the records of one object look: its own fields, computed values, and its parents' records.

    Attributes:
        members: the record's keys in order; values are filled in for each row.
        fields: names of the row's own fields that are shown as they are.
        computed: functions for the other members that depend on the row alone.
        parents: for each relationship the lookup and the shape of the parent's record.
    """

    sobject: SObject
    members: Record = field(default_factory=lambda: {"attributes": None})
    fields: list[str] = field(default_factory=list)
    computed: dict[str, Callable[[Row], Any]] = field(default_factory=dict)
    parents: dict[str, tuple[Field, Shape]] = field(default_factory=dict)

    def parent(self, lookup: Field, target: SObject) -> Shape:
        """The shape of a parent's record."""
        name = lookup.relationship_name or lookup.name
        if name not in self.parents:
            self.members[name] = None
            self.parents[name] = (lookup, Shape(target))
        return self.parents[name][1]

    def builder(self, execution: Execution) -> Callable[[Row], Record]:
        """A function that makes the record of a row."""
        name, base, to_wire = self.sobject.name, execution.url(self.sobject.name), execution.org.to_wire
        parents = [
            (key, lookup.name, lookup.reference_to[0], shape.builder(execution))
            for key, (lookup, shape) in self.parents.items()
        ]

        def build(row: Row) -> Record:
            record = self.members.copy()
            record["attributes"] = {"type": name, "url": base + row["Id"]}
            record.update(to_wire(name, {key: row[key] for key in self.fields}))
            for key, compute in self.computed.items():
                record[key] = compute(row)
            for key, lookup, target, build_parent in parents:
                parent = execution.parent(target, row[lookup])
                record[key] = None if parent is None else build_parent(parent)
            return record

        return build


class Projection:
    """The compiled SELECT list: fields, functions, FIELDS(…), and the places of subqueries.

    Args:
        query: the query.
        names: what its names mean.
        execution: the run of the query.

    Attributes:
        children: the subqueries by the relationship name under which their results go.

    Raises:
        QueryProblem: INVALID_FIELD or MALFORMED_QUERY.
    """

    def __init__(self, query: ast.Query, names: Names, execution: Execution) -> None:
        self._query = query
        self._names = names
        self._execution = execution
        self._shape = Shape(names.sobject)
        self._seen: set[str] = set()
        self._columns: list[Column] = []
        self.children: dict[str, ast.Query] = {}
        for item in query.select:
            if isinstance(item, ast.Query):
                self._child(item)
            else:
                self._select(item)

    def records(self, rows: Sequence[Row]) -> list[Record]:
        """The records of the rows; subqueries are still to be filled in."""
        build = self._shape.builder(self._execution)
        return [build(row) for row in rows]

    def columns(self, children: Mapping[str, tuple[Column, ...]]) -> tuple[Column, ...]:
        """What is selected, in order, with the columns of each subquery."""
        return tuple(
            replace(column, children=children[column.name]) if column.name in children else column
            for column in self._columns
        )

    def _child(self, query: ast.Query) -> None:
        path = query.source.path.names
        relationship = self._names.sobject.child(path[-1])
        name = relationship.name if relationship and relationship.name else path[-1]
        self._claim((name,))
        self._columns.append(Column((name,), label=name, aggregate=True))
        self._shape.members[name] = None
        self.children[name] = query

    def _select(self, item: ast.SelectedExpression) -> None:
        expression = item.expression
        if isinstance(expression, ast.FieldPath):
            if item.alias:
                raise malformed("only aggregate expressions use field aliasing", expression.position)
            self._field(self._names.field(expression))
        elif expression.name.upper() == "FIELDS":
            self._all_fields(expression)
        else:
            self._display(Display(expression, self._names, self._execution), item.alias, expression)

    def _field(self, bound: BoundField) -> None:
        self._claim(bound.path)
        self._columns.append(Column(bound.path, bound.field))
        shape = self._owner_shape(bound)
        shape.members[bound.field.name] = None
        shape.fields.append(bound.field.name)

    def _owner_shape(self, bound: BoundField) -> Shape:
        shape = self._shape
        for lookup in bound.lookups:
            target = self._execution.schema.objects[lookup.reference_to[0].lower()]
            shape = shape.parent(lookup, target)
        return shape

    def _display(self, display: Display, alias: str | None, call: ast.FunctionCall) -> None:
        bound, read = display.bound, display.reader()
        to_wire, name = self._execution.org.to_wire, bound.field.name

        def shown(row: Row) -> Any:
            return to_wire(bound.owner.name, {name: read(row)})[name]

        path = (alias,) if alias else bound.path
        self._claim(path)
        self._columns.append(Column(path, bound.field, call.name))
        if not alias:
            shape = self._owner_shape(bound)
            shape.members[name] = None
            shape.computed[name] = shown
            return
        owner_row = bound.owner_row(self._execution.parent)
        self._shape.members[alias] = None
        self._shape.computed[alias] = lambda row: None if (owner := owner_row(row)) is None else shown(owner)

    def _all_fields(self, call: ast.FunctionCall) -> None:
        """FIELDS(ALL), FIELDS(STANDARD) or FIELDS(CUSTOM)."""
        which = str(call.arguments[0]).upper() if len(call.arguments) == 1 else ""
        if which not in ("ALL", "STANDARD", "CUSTOM"):
            raise malformed("FIELDS takes one of ALL, STANDARD and CUSTOM", call.position)
        limit = self._query.limit
        if which != "STANDARD" and (limit is None or limit > FIELDS_LIMIT):
            raise malformed(f"The SOQL FIELDS function must have a LIMIT of at most {FIELDS_LIMIT}")
        for member in self._names.sobject.fields.values():
            if which == "ALL" or member.custom == (which == "CUSTOM"):
                self._field(BoundField((), self._names.sobject, member, call.position))

    def _claim(self, path: tuple[str, ...]) -> None:
        name = ".".join(path)
        if name.lower() in self._seen:
            raise QueryProblem("INVALID_FIELD", f"duplicate field selected: {name}")
        self._seen.add(name.lower())
