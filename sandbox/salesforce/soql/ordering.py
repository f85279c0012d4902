"""ORDER BY, LIMIT and OFFSET."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from prefect_crm_erp.sandbox.salesforce.soql import ast
from prefect_crm_erp.sandbox.salesforce.soql.diagnostics import malformed
from prefect_crm_erp.sandbox.salesforce.soql.execution import Execution
from prefect_crm_erp.sandbox.salesforce.soql.operands import Kind, Operand
from prefect_crm_erp.sandbox.salesforce.soql.text import fold

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SortKey:
    """One key of a sort order; a null has no key."""

    key: Callable[[Any], Any]
    descending: bool
    nulls_first: bool

    def sort(self, rows: list[Any]) -> None:
        """Sort in place; equal rows keep their order, so keys are applied from the last to the first."""
        # A reversed sort puts the greatest first, hence nulls rank opposite there.
        null_rank = 0 if self.nulls_first != self.descending else 2
        key = self.key

        def ranked(row: Any) -> tuple[int, Any]:
            value = key(row)
            return (null_rank, 0) if value is None else (1, value)

        rows.sort(key=ranked, reverse=self.descending)


def sort_key(item: ast.OrderItem, operand: Operand, execution: Execution) -> SortKey:
    """The sort key for an item of ORDER BY.

    Nulls come first unless the query says otherwise; for lookup fields always.

    Raises:
        QueryProblem: MALFORMED_QUERY, rows cannot be ordered by the field.
    """
    field = operand.bound.field
    if not field.sortable or operand.kind in (Kind.ADDRESS, Kind.MULTIPICKLIST):
        raise malformed(f"field '{field.name}' can not be sorted in a query call", operand.position)
    nulls_first = item.nulls_first is not False or field.type == "reference"
    return SortKey(order_form(operand, execution), item.descending, nulls_first)


def order_form(operand: Operand, execution: Execution) -> Callable[[Any], Any]:
    """A function that gives an operand's values in sortable form.

    Picklists sort in the order of their definition, amounts by their value in the corporate currency.
    """
    field = operand.plain_field
    if field and field.type == "currency":
        return execution.currencies.corporate_reader(operand.bound)
    if field and field.type == "picklist" and field.picklist:
        return _picklist_order(operand, field.picklist)
    return operand.collated if operand.kind is Kind.TEXT else operand.read


def _picklist_order(operand: Operand, values: tuple[str, ...]) -> Callable[[Any], Any]:
    places = {fold(value): (place, "") for place, value in enumerate(values)}
    last = len(values)

    def key(row: Any) -> tuple[int, str] | None:
        value = operand.read(row)
        return None if value is None else places.get(value, (last, operand.collated(row) or ""))

    return key


def sort(rows: Iterable[Any], keys: list[SortKey]) -> list[Any]:
    """The rows in the order of the keys."""
    ordered = list(rows)
    for key in reversed(keys):
        key.sort(ordered)
    return ordered


def cut(query: ast.Query, rows: Iterable[T]) -> Iterator[T]:
    """The rows that LIMIT and OFFSET leave."""
    start = query.offset or 0
    return islice(rows, start, None if query.limit is None else start + query.limit)
