"""Queries with aggregate functions or GROUP BY: rows to groups to records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from prefect_crm_erp.sandbox.salesforce.soql import ast
from prefect_crm_erp.sandbox.salesforce.soql.aggregates import AGGREGATES, Group, GroupValue, GroupValues, group_rows
from prefect_crm_erp.sandbox.salesforce.soql.dates import DATE_FUNCTIONS
from prefect_crm_erp.sandbox.salesforce.soql.diagnostics import malformed
from prefect_crm_erp.sandbox.salesforce.soql.execution import Execution
from prefect_crm_erp.sandbox.salesforce.soql.filters import FilterCompiler
from prefect_crm_erp.sandbox.salesforce.soql.formats import format_amount, format_value
from prefect_crm_erp.sandbox.salesforce.soql.names import Row
from prefect_crm_erp.sandbox.salesforce.soql.operands import Operand, RowOperands
from prefect_crm_erp.sandbox.salesforce.soql.ordering import cut, sort, sort_key
from prefect_crm_erp.sandbox.salesforce.soql.result import Column


def is_grouped(query: ast.Query) -> bool:
    """Whether a query gives aggregates rather than rows."""
    return query.group_by is not None or any(
        isinstance(item, ast.SelectedExpression) and _aggregates(item.expression) for item in query.select
    )


def _aggregates(expression: Any) -> bool:
    if not isinstance(expression, ast.FunctionCall):
        return False
    name = expression.name.upper()
    return name in AGGREGATES or name in DATE_FUNCTIONS or any(_aggregates(part) for part in expression.arguments)


def is_plain_count(query: ast.Query) -> bool:
    """Whether a query is `SELECT COUNT() FROM …`.

    Raises:
        QueryProblem: MALFORMED_QUERY, `COUNT()` stands beside others, or with GROUP BY or ORDER BY.
    """
    counts = [item.expression for item in query.select if isinstance(item, ast.SelectedExpression)]
    bare = [call for call in counts if isinstance(call, ast.FunctionCall) and not call.arguments]
    bare = [call for call in bare if call.name.upper() == "COUNT"]
    if not bare:
        return False
    if len(query.select) > 1 or query.group_by or query.order_by:
        raise malformed(
            "COUNT() must be the only element in the SELECT list, without GROUP BY and ORDER BY", bare[0].position
        )
    return True


@dataclass(frozen=True, slots=True)
class _Member:
    """One member of an aggregate's record."""

    column: Column
    show: Callable[[Group], Any]


class GroupedQuery:
    """A compiled aggregate query, from the rows that pass its WHERE clause on.

    Args:
        query: the query.
        operands: reads from the rows.
        execution: the run of the query.

    Raises:
        QueryProblem: MALFORMED_QUERY or INVALID_FIELD.
    """

    def __init__(self, query: ast.Query, operands: RowOperands, execution: Execution) -> None:
        _check_clauses(query)
        self._query = query
        self._execution = execution
        self._values = GroupValues(query.group_by, operands, execution)
        self._unnamed = 0
        self._members: dict[str, _Member] = {}
        for item in query.select:
            self._select(item)
        self._order = [sort_key(i, self._values.operand(i.expression), execution) for i in query.order_by]
        self._having = self._filter(query.having)

    @property
    def columns(self) -> tuple[Column, ...]:
        """What is selected, in order."""
        return tuple(member.column for member in self._members.values())

    def records(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """The records for the rows that pass the WHERE clause."""
        mode = self._query.group_by.mode if self._query.group_by else None
        groups = group_rows(rows, self._values.keys, mode)
        found = sort((group for group in groups if self._having(group)), self._order)
        return [self._record(group) for group in cut(self._query, found)]

    def _record(self, group: Group) -> dict[str, Any]:
        values = {name: member.show(group) for name, member in self._members.items()}
        return {"attributes": {"type": "AggregateResult"}, **values}

    def _filter(self, condition: ast.Condition | None) -> Callable[[Group], bool]:
        if condition is None:
            return lambda group: True
        return FilterCompiler(self._values.operand, self._execution, _refuse_semi_join).compile(condition).test

    def _select(self, item: ast.SelectedExpression | ast.Query) -> None:
        if isinstance(item, ast.Query):
            raise malformed("Subqueries are not allowed in an aggregate query", item.source.path.position)
        formatted, expression = _without_format(item.expression)
        value = self._values.value(expression)
        name = item.alias or self._implied_name(item.expression, value)
        if name in self._members:
            raise malformed(f"duplicate alias: {name}", item.expression.position)
        function = isinstance(expression, ast.FunctionCall)
        field = None if function else value.operand.bound.field
        label = expression.name if isinstance(expression, ast.FunctionCall) else name
        show = self._formatted(value) if formatted else self._plain(value)
        self._members[name] = _Member(Column((name,), field, label, aggregate=function), show)

    def _implied_name(self, expression: ast.Expression, value: GroupValue) -> str:
        if isinstance(expression, ast.FieldPath):
            return value.operand.bound.field.name
        self._unnamed += 1
        return f"expr{self._unnamed - 1}"

    def _plain(self, value: GroupValue) -> Callable[[Group], Any]:
        bound, shown, to_wire = value.operand.bound, value.shown, self._execution.org.to_wire
        owner, name = bound.owner.name, bound.field.name
        return lambda group: to_wire(owner, {name: shown(group)})[name]

    def _formatted(self, value: GroupValue) -> Callable[[Group], Any]:
        """FORMAT around an aggregate; amounts are in the corporate currency by then."""
        field = value.operand.bound.field
        if value.operand.function in ("COUNT", "COUNT_DISTINCT", "GROUPING"):
            return value.shown
        if field.type == "currency":
            execution = self._execution
            return lambda group: format_amount(value.shown(group), execution.currencies.corporate, execution)
        return lambda group: format_value(field, value.shown(group))


def _without_format(expression: ast.Expression) -> tuple[bool, ast.Expression]:
    if isinstance(expression, ast.FunctionCall) and expression.name.upper() == "FORMAT":
        inner = expression.arguments[0] if len(expression.arguments) == 1 else None
        if isinstance(inner, ast.FieldPath | ast.FunctionCall):
            return True, inner
    return False, expression


def _check_clauses(query: ast.Query) -> None:
    for clause, value in (("LIMIT", query.limit), ("OFFSET", query.offset)):
        if value is not None and query.group_by is None:
            raise malformed(f"Non-grouped query that uses overall aggregate functions cannot also use {clause}")


def _refuse_semi_join(operand: Operand, query: ast.Query) -> frozenset[str]:
    raise malformed("Semi join sub-selects are not allowed in HAVING", query.source.path.position)
