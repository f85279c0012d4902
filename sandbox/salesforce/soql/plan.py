"""How the rows of a query are found, filtered, ordered and cut, and its subqueries filled in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from prefect_crm_erp.sandbox.salesforce.schema import ChildRelationship, SObject
from prefect_crm_erp.sandbox.salesforce.soql import ast, semi_joins
from prefect_crm_erp.sandbox.salesforce.soql.diagnostics import QueryProblem, malformed, unknown_child_relationship
from prefect_crm_erp.sandbox.salesforce.soql.execution import Execution
from prefect_crm_erp.sandbox.salesforce.soql.filters import Filter, FilterCompiler
from prefect_crm_erp.sandbox.salesforce.soql.grouped import is_grouped
from prefect_crm_erp.sandbox.salesforce.soql.names import Names, Row, find_object
from prefect_crm_erp.sandbox.salesforce.soql.operands import Operand, RowOperands
from prefect_crm_erp.sandbox.salesforce.soql.ordering import cut, sort, sort_key
from prefect_crm_erp.sandbox.salesforce.soql.projection import Projection, Record
from prefect_crm_erp.sandbox.salesforce.soql.result import Column

MAX_OFFSET = 2_000
MAX_CHILD_LEVELS = 4
"""How deep subqueries may stand inside each other."""


class RowSource:
    """The rows that a query reads: FROM, USING SCOPE and WHERE.

    Args:
        query: the query.
        operands: what its names mean and read.
        execution: the run.
        nested: whether it is a subquery under WHERE.

    Raises:
        QueryProblem: whatever is wrong with these clauses.
    """

    def __init__(self, query: ast.Query, operands: RowOperands, execution: Execution, *, nested: bool = False) -> None:
        self._operands = operands
        self._sobject = operands.names.sobject
        self._execution = execution
        self._filter = self._compile(query.where, nested=nested)
        self._scope = self._scope_test(query.scope)
        _check_offset(query)

    def passing(self) -> Iterator[Row]:
        """The rows that pass, by an index where the WHERE clause allows one."""
        return self.pass_on(self._candidates())

    def pass_on(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Those of the rows that pass."""
        test = self._filter.test
        passing = (row for row in rows if test(row))
        return passing if self._scope is None else filter(self._scope, passing)

    def _candidates(self) -> Iterable[Row]:
        lookup = self._filter.lookup
        if lookup is None:
            return self._execution.rows(self._sobject.name)
        found = self._execution.rows_by_field(self._sobject.name, lookup.field.name, lookup.values)
        # The order of creation, as a scan would give it.
        return sorted(found, key=lambda row: row["Id"])

    def _compile(self, condition: ast.Condition | None, *, nested: bool) -> Filter:
        if condition is None:
            return Filter(lambda row: True)
        semi_joins.check_placement(condition, nested=nested)
        return FilterCompiler(self._operands.filtered, self._execution, self._semi_join).compile(condition)

    def _semi_join(self, operand: Operand, query: ast.Query) -> frozenset[str]:
        """The ids that a subquery under WHERE gives; rows without one do not count."""
        outer = semi_joins.outer_field(operand)
        path = semi_joins.inner_path(query)
        operands = operands_of(query, find_object(self._execution.schema, query.source), self._execution)
        inner = operands.names.field(path)
        semi_joins.check_fields(outer, inner)
        read = inner.reader(self._execution.parent)
        passing = RowSource(query, operands, self._execution, nested=True).passing()
        return frozenset(value for row in passing if (value := read(row)) is not None)

    def _scope_test(self, scope: str | None) -> Callable[[Row], bool] | None:
        """USING SCOPE: everything, or the records that the user owns."""
        if scope is None or scope.lower() == "everything":
            return None
        user_id = self._execution.user_id
        if scope.lower() != "mine" or user_id is None or "ownerid" not in self._sobject.fields:
            raise QueryProblem("INVALID_QUERY_SCOPE", f"The requested scope is not supported: {scope}")
        return lambda row: row["OwnerId"] == user_id


def operands_of(query: ast.Query, sobject: SObject, execution: Execution) -> RowOperands:
    """What the names in a query of an object mean and read."""
    return RowOperands(Names(execution.schema, sobject, query), execution)


def _check_offset(query: ast.Query) -> None:
    if query.offset is not None and query.offset > MAX_OFFSET:
        raise QueryProblem("NUMBER_OUTSIDE_VALID_RANGE", f"Maximum SOQL offset allowed is {MAX_OFFSET}")


class RowQuery:
    """A compiled query that gives records of rows, with its subqueries.

    Args:
        query: the query.
        sobject: the object that it reads.
        execution: the run.
        level: how many queries stand around it.

    Raises:
        QueryProblem: whatever is wrong with the query.
    """

    def __init__(self, query: ast.Query, sobject: SObject, execution: Execution, level: int = 0) -> None:
        self._query = query
        operands = operands_of(query, sobject, execution)
        self._projection = Projection(query, operands.names, execution)
        self.source = RowSource(query, operands, execution)
        self._order = [sort_key(item, operands.operand(item.expression), execution) for item in query.order_by]
        self._children = [
            _ChildQuery(name, child, query, sobject, execution, level + 1)
            for name, child in self._projection.children.items()
        ]

    @property
    def columns(self) -> tuple[Column, ...]:
        """What is selected, in order."""
        children = {child.name: child.plan.columns for child in self._children}
        return self._projection.columns(children)

    def run(self) -> list[Record]:
        """The records."""
        return self.records(self.arranged(self.source.passing()))

    def arranged(self, rows: Iterable[Row]) -> list[Row]:
        """The rows in the order of the query, within its LIMIT and OFFSET."""
        return list(cut(self._query, sort(rows, self._order) if self._order else rows))

    def records(self, rows: Sequence[Row]) -> list[Record]:
        """The records of rows that were found before."""
        records = self._projection.records(rows)
        for child in self._children:
            child.attach(rows, records)
        return records


class _ChildQuery:
    """A subquery in SELECT: the children of all rows are read at once."""

    def __init__(
        self, name: str, query: ast.Query, outer: ast.Query, parent: SObject, execution: Execution, level: int
    ) -> None:
        _check_child(query, outer, level)
        self.name = name
        self._relationship = _relationship(query, outer, parent)
        self._execution = execution
        child = execution.schema.objects[self._relationship.child_object.lower()]
        self.plan = RowQuery(query, child, execution, level)

    def attach(self, rows: Sequence[Row], records: Sequence[Record]) -> None:
        """Fill the children into the records of the rows; no children are null, as Salesforce has it."""
        by_parent = self._by_parent(rows)
        arranged = [self.plan.arranged(by_parent.get(row["Id"], ())) for row in rows]
        children = iter(self.plan.records([row for group in arranged for row in group]))
        for record, group in zip(records, arranged, strict=True):
            own = list(islice(children, len(group)))
            record[self.name] = {"totalSize": len(own), "done": True, "records": own} if own else None

    def _by_parent(self, rows: Sequence[Row]) -> dict[str, list[Row]]:
        field = self._relationship.field
        ids = [row["Id"] for row in rows]
        found: dict[str, list[Row]] = {}
        children = self._execution.rows_by_field(self._relationship.child_object, field, ids)
        for child in self.plan.source.pass_on(children):
            found.setdefault(child[field], []).append(child)
        return found


def _check_child(query: ast.Query, outer: ast.Query, level: int) -> None:
    position = query.source.path.position
    if level > MAX_CHILD_LEVELS:
        raise malformed(f"SOQL subqueries can be nested {MAX_CHILD_LEVELS} levels deep", position)
    if is_grouped(query):
        raise malformed("only root queries support aggregate expressions", position)
    if query.offset is not None and outer.limit != 1:
        raise malformed("OFFSET is only allowed in a subquery when its parent query has LIMIT 1", position)
    if query.scope:
        raise malformed("USING SCOPE is not allowed in a subquery", position)


def _relationship(query: ast.Query, outer: ast.Query, parent: SObject) -> ChildRelationship:
    """The child relationship that a subquery's FROM names, alone or behind the object's name or alias."""
    *prefix, name = query.source.path.names
    known = {parent.name.lower(), (outer.source.alias or parent.name).lower()}
    found = parent.child(name) if not prefix or (len(prefix) == 1 and prefix[0].lower() in known) else None
    if found is None:
        raise unknown_child_relationship(str(query.source.path), query.source.path.position)
    return found
