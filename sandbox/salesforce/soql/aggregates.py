"""Aggregate functions: values of a group of rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any, TypeAlias

from prefect_crm_erp.sandbox.salesforce.soql import ast
from prefect_crm_erp.sandbox.salesforce.soql.dates import DATE_FUNCTIONS
from prefect_crm_erp.sandbox.salesforce.soql.diagnostics import malformed
from prefect_crm_erp.sandbox.salesforce.soql.execution import Execution
from prefect_crm_erp.sandbox.salesforce.soql.names import Row
from prefect_crm_erp.sandbox.salesforce.soql.operands import Kind, Operand, RowOperands
from prefect_crm_erp.sandbox.salesforce.soql.ordering import order_form

AGGREGATES = frozenset({"COUNT", "COUNT_DISTINCT", "SUM", "AVG", "MIN", "MAX", "GROUPING"})

_NUMERIC = frozenset({Kind.NUMBER, Kind.INTEGER})
_NEVER_AGGREGATED = frozenset({Kind.BOOLEAN, Kind.MULTIPICKLIST, Kind.ADDRESS})
_UNGROUPABLE = frozenset({"currency", "double", "percent", "datetime", "address", "multipicklist"})
_AVERAGE = Context(prec=16, rounding=ROUND_HALF_UP)

GroupReader: TypeAlias = Callable[["Group"], Any]


def _average(values: list[Any]) -> Decimal:
    return _AVERAGE.divide(Decimal(sum(values)), Decimal(len(values)))


_COMBINE: dict[str, Callable[[list[Any]], Any]] = {"SUM": sum, "AVG": _average, "MIN": min, "MAX": max}


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that agree in all grouped fields, but for those that a subtotal leaves out.

    Attributes:
        rows: the rows; none only for a query without GROUP BY that finds nothing.
        left_out: places of the grouped fields over which this group is a subtotal.
    """

    rows: Sequence[Row]
    left_out: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class GroupValue:
    """Something that has a value for each group.

    Attributes:
        operand: how the values compare and sort; reads groups.
        shown: gives the value as it is shown, as a Python value.
    """

    operand: Operand
    shown: GroupReader


class GroupValues:
    """Turns the expressions of an aggregate query into values of its groups.

    Args:
        group_by: the GROUP BY clause.
        operands: reads from the rows.
        execution: the run of the query.

    Raises:
        QueryProblem: rows cannot be grouped by one of the fields.
    """

    def __init__(self, group_by: ast.GroupBy | None, operands: RowOperands, execution: Execution) -> None:
        self._operands = operands
        self._execution = execution
        expressions = group_by.expressions if group_by else ()
        self.keys = [_grouped(operands.operand(expression)) for expression in expressions]
        self._places = {operand.key: place for place, operand in enumerate(self.keys)}

    def operand(self, expression: ast.Expression) -> Operand:
        """The operand for an expression under HAVING or ORDER BY.

        Raises:
            QueryProblem: MALFORMED_QUERY, it is neither grouped nor aggregated.
        """
        return self.value(expression).operand

    def value(self, expression: ast.Expression) -> GroupValue:
        """The value for a grouped field, a date function of one, or an aggregate function.

        Raises:
            QueryProblem: MALFORMED_QUERY, neither grouped nor aggregated, or a function that does not take the field.
        """
        if isinstance(expression, ast.FunctionCall) and expression.name.upper() in AGGREGATES:
            return self._aggregate(expression.name.upper(), expression)
        operand = self._operands.operand(expression)
        return self._key(operand, self._place(operand))

    def _place(self, operand: Operand) -> int:
        """Which of the grouped fields the operand is; a date function also goes with its date."""
        place = self._places.get(operand.key)
        if place is None and operand.function in DATE_FUNCTIONS and operand.bound.field.type == "date":
            place = self._places.get(("", *operand.bound.key))
        if place is None:
            raise malformed(f"Field must be grouped or aggregated: {operand.name}", operand.position)
        return place

    def _key(self, operand: Operand, place: int) -> GroupValue:
        """A value that is the same for all rows of a group."""
        raw = operand.read if operand.function else operand.bound.reader(self._execution.parent)

        def of_first_row(read: Callable[[Row], Any]) -> GroupReader:
            return lambda group: None if place in group.left_out else read(group.rows[0])

        return GroupValue(_with_reader(operand, of_first_row(operand.read), operand.function), of_first_row(raw))

    def _aggregate(self, name: str, call: ast.FunctionCall) -> GroupValue:
        if len(call.arguments) != 1 or not isinstance(call.arguments[0], ast.FieldPath):
            raise malformed(f"{call.name} takes one field", call.position)
        operand = self._operands.operand(call.arguments[0])
        if name == "GROUPING":
            place = self._place(operand)
            return _counted(operand, name, lambda group: int(place in group.left_out))
        _check_supported(name, operand)
        if name == "COUNT":
            return _counted(operand, name, lambda group: sum(operand.read(row) is not None for row in group.rows))
        if name == "COUNT_DISTINCT":
            return _counted(operand, name, lambda group: len({operand.read(row) for row in group.rows} - {None}))
        if name in ("SUM", "AVG") or self._is_amount(operand):
            return self._number(operand, name)
        return self._extreme(operand, name)

    def _number(self, operand: Operand, name: str) -> GroupValue:
        """A sum, an average, or the least or greatest amount; amounts are in the corporate currency."""
        read: Callable[[Row], Any] = operand.read
        if self._is_amount(operand):
            read = self._execution.currencies.corporate_reader(operand.bound)
        combine = _COMBINE[name]

        def compute(group: Group) -> Any:
            values = [value for row in group.rows if (value := read(row)) is not None]
            return self._rounded(combine(values), operand, name) if values else None

        return GroupValue(_with_reader(operand, compute, name, Kind.NUMBER), compute)

    def _rounded(self, value: Any, operand: Operand, name: str) -> Any:
        if name == "AVG" or not self._is_amount(operand):
            return value
        currencies = self._execution.currencies
        return currencies.rounded(value, currencies.corporate)

    def _is_amount(self, operand: Operand) -> bool:
        return operand.bound.field.type == "currency" and self._execution.currencies.corporate is not None

    def _extreme(self, operand: Operand, name: str) -> GroupValue:
        """The least or greatest value, in the field's sort order."""
        key = order_form(operand, self._execution)
        choose = min if name == "MIN" else max
        raw = operand.bound.reader(self._execution.parent)

        def of_extreme_row(read: Callable[[Row], Any]) -> GroupReader:
            def compute(group: Group) -> Any:
                rows = [row for row in group.rows if operand.read(row) is not None]
                return read(choose(rows, key=key)) if rows else None

            return compute

        return GroupValue(_with_reader(operand, of_extreme_row(operand.read), name), of_extreme_row(raw))


def _with_reader(operand: Operand, read: GroupReader, function: str | None, kind: Kind | None = None) -> Operand:
    return Operand(kind or operand.kind, read, operand.name, operand.position, operand.bound, function)


def _counted(operand: Operand, name: str, compute: GroupReader) -> GroupValue:
    return GroupValue(_with_reader(operand, compute, name, Kind.INTEGER), compute)


def _grouped(operand: Operand) -> Operand:
    field = operand.plain_field
    if field and (field.type in _UNGROUPABLE or not field.filterable):
        raise malformed(f"field '{field.name}' can not be grouped in a query call", operand.position)
    return operand


def _check_supported(name: str, operand: Operand) -> None:
    supported = operand.kind not in _NEVER_AGGREGATED and operand.bound.field.filterable
    if name in ("SUM", "AVG"):
        supported = operand.kind in _NUMERIC
    if not supported:
        raise malformed(
            f"field {operand.bound.field.name} does not support aggregate operator {name}", operand.position
        )


def group_rows(rows: Sequence[Row], keys: Sequence[Operand], mode: str | None) -> list[Group]:
    """The groups of the rows, in the order in which they come up; subtotals of ROLLUP and CUBE after them."""
    if not keys:
        return [Group(rows)]
    groups: list[Group] = []
    for left_out in _grouping_sets(len(keys), mode):
        kept = [key.read for place, key in enumerate(keys) if place not in left_out]
        found: dict[tuple[Any, ...], list[Row]] = {}
        for row in rows:
            found.setdefault(tuple(read(row) for read in kept), []).append(row)
        groups += [Group(members, left_out) for members in found.values()]
    return groups


def _grouping_sets(count: int, mode: str | None) -> list[frozenset[int]]:
    """The fields left out of each round of grouping: none, and for subtotals the ones from the right, or any."""
    if mode == "ROLLUP":
        return [frozenset(range(kept, count)) for kept in range(count, -1, -1)]
    if mode == "CUBE":
        sets = [frozenset(place for place in range(count) if mask >> place & 1) for mask in range(2**count)]
        return sorted(sets, key=len)
    return [frozenset()]
