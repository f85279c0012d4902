"""WHERE and HAVING, compiled once into a test of a row or group.

A test knows two values only: a comparison with a null field is false, and `!=`, `NOT IN` and `NOT` turn that into true.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from prefect_crm_erp.sandbox.salesforce.schema import Field
from prefect_crm_erp.sandbox.salesforce.soql import ast
from prefect_crm_erp.sandbox.salesforce.soql.comparands import Span, comparable_value
from prefect_crm_erp.sandbox.salesforce.soql.diagnostics import invalid_operator, malformed, unexpected_token
from prefect_crm_erp.sandbox.salesforce.soql.execution import Execution
from prefect_crm_erp.sandbox.salesforce.soql.operands import Kind, Operand, choices
from prefect_crm_erp.sandbox.salesforce.soql.text import collation_key, like_matcher

Test: TypeAlias = Callable[[Any], bool]

_EQUALITY = frozenset({"=", "!=", "IN", "NOT IN"})
_ORDERED = _EQUALITY | {"<", "<=", ">", ">="}
_OPERATORS = {
    Kind.TEXT: _ORDERED | {"LIKE"},
    Kind.BOOLEAN: _EQUALITY,
    Kind.MULTIPICKLIST: _EQUALITY | {"INCLUDES", "EXCLUDES"},
}
_ORDERINGS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


@dataclass(frozen=True, slots=True)
class Lookup:
    """Rows that can pass a filter have one of these values in an indexed field."""

    field: Field
    values: frozenset[str]


@dataclass(frozen=True, slots=True)
class Filter:
    """A compiled condition.

    Attributes:
        test: whether a row passes.
        lookup: a quicker way to the rows than a scan; the test still has to be made.
    """

    test: Test
    lookup: Lookup | None = None


class FilterCompiler:
    """Compiles the conditions of one query.

    Args:
        operand: what the left side of a comparison reads.
        execution: the run of the query.
        semi_join: the ids that a subquery on the right side gives.
    """

    def __init__(
        self,
        operand: Callable[[ast.Expression], Operand],
        execution: Execution,
        semi_join: Callable[[Operand, ast.Query], frozenset[str]],
    ) -> None:
        self._operand = operand
        self._execution = execution
        self._semi_join = semi_join

    def compile(self, condition: ast.Condition) -> Filter:
        """Compile a condition.

        Raises:
            QueryProblem: unknown names, values of the wrong type, operators that a type does not have.
        """
        match condition:
            case ast.And():
                filters = [self.compile(term) for term in condition.terms]
                lookups = [f.lookup for f in filters if f.lookup]
                best = min(lookups, key=lambda lookup: len(lookup.values), default=None)
                return Filter(_all([f.test for f in filters]), best)
            case ast.Or():
                return Filter(_any([self.compile(term).test for term in condition.terms]))
            case ast.Not():
                return Filter(_negated(self.compile(condition.term).test))
            case ast.Comparison():
                return self._comparison(condition)

    def _comparison(self, node: ast.Comparison) -> Filter:
        operand = self._operand(node.left)
        if isinstance(node.right, ast.Query):
            return _membership(operand, self._semi_join(operand, node.right), negated=node.operator == "NOT IN")
        if node.operator not in _OPERATORS.get(operand.kind, _ORDERED):
            on_id = " on id field" if operand.kind is Kind.ID else ""
            raise invalid_operator(f"invalid operator{on_id}", operand.position)
        literals = node.right if isinstance(node.right, tuple) else (node.right,)
        if node.operator == "LIKE":
            return Filter(_like(operand, literals[0]))
        if node.operator in ("INCLUDES", "EXCLUDES"):
            return Filter(_includes(operand, literals, negated=node.operator == "EXCLUDES"))
        return self._values(operand, node.operator, literals)

    def _values(self, operand: Operand, name: str, literals: tuple[ast.Literal, ...]) -> Filter:
        if any(isinstance(literal, ast.Money) for literal in literals):
            operand, values = self._money(operand, literals)
        else:
            values = [comparable_value(literal, operand, self._execution) for literal in literals]
        if name in _ORDERINGS:
            return Filter(_ordering(operand, name, values[0]))
        spans = [value for value in values if isinstance(value, Span)]
        if spans:
            plain = frozenset(value for value in values if not isinstance(value, Span))
            return Filter(_in_spans(operand, plain, spans, negated=name in ("!=", "NOT IN")))
        found = _membership(operand, frozenset(values), negated=name in ("!=", "NOT IN"))
        return replace(found, lookup=_with_written_values(found.lookup, literals))

    def _money(self, operand: Operand, literals: tuple[ast.Literal, ...]) -> tuple[Operand, list[Any]]:
        """Amounts with a currency compare in the corporate currency."""
        if operand.plain_field is None or operand.plain_field.type != "currency":
            raise malformed(
                f"currency values can only be compared with currency fields: {operand.name}", operand.position
            )
        currencies = self._execution.currencies
        values = []
        for literal in literals:
            if not isinstance(literal, ast.Money):
                raise malformed("values with and without a currency code can not be mixed", operand.position)
            if literal.currency not in currencies.active:
                raise unexpected_token(f"{literal.currency}{literal.value}", operand.position)
            values.append(currencies.to_corporate(literal.value, literal.currency))
        return replace(operand, read=currencies.corporate_reader(operand.bound)), values


def _all(tests: list[Test]) -> Test:
    def test(row: Any) -> bool:
        for passes in tests:  # noqa: SIM110 - a generator would cost a frame for each row
            if not passes(row):
                return False
        return True

    return test


def _any(tests: list[Test]) -> Test:
    def test(row: Any) -> bool:
        for passes in tests:  # noqa: SIM110 - a generator would cost a frame for each row
            if passes(row):
                return True
        return False

    return test


def _negated(test: Test) -> Test:
    return lambda row: not test(row)


def _membership(operand: Operand, values: frozenset[Any], *, negated: bool) -> Filter:
    read = operand.read
    if negated:
        return Filter(lambda row: read(row) not in values)
    field = operand.indexed_field
    lookup = Lookup(field, values) if field and None not in values else None
    return Filter(lambda row: read(row) in values, lookup)


def _with_written_values(lookup: Lookup | None, literals: tuple[ast.Literal, ...]) -> Lookup | None:
    """The lookup with texts as they were written: folding them is the index's own business."""
    if lookup is None or lookup.field.type in ("id", "reference"):
        return lookup
    return replace(lookup, values=frozenset(literal.value for literal in literals if isinstance(literal, ast.Text)))


def _ordering(operand: Operand, name: str, value: Any) -> Test:
    read = operand.read
    if value is None:
        return lambda row: False
    if isinstance(value, Span):
        # Before or after the whole range: > starts where the range ends, <= still includes it.
        value = value.high if name in (">", "<=") else value.low
        name = {">": ">=", "<=": "<"}.get(name, name)
    compare = _ORDERINGS[name]
    if operand.kind is Kind.TEXT:
        read, value = operand.collated, collation_key(value)

    def test(row: Any) -> bool:
        own = read(row)
        return own is not None and compare(own, value)

    return test


def _in_spans(operand: Operand, plain: frozenset[Any], spans: list[Span], *, negated: bool) -> Test:
    read = operand.read

    def test(row: Any) -> bool:
        own = read(row)
        if own in plain:
            return True
        return own is not None and any(span.low <= own < span.high for span in spans)

    return _negated(test) if negated else test


def _like(operand: Operand, pattern: ast.Literal) -> Test:
    if not isinstance(pattern, ast.Text):
        raise invalid_operator("invalid operator", operand.position)
    read = operand.read
    matches = like_matcher(pattern, case_sensitive=operand.case_sensitive)

    def test(row: Any) -> bool:
        own = read(row)
        return own is not None and matches(own) is not None

    return test


def _includes(operand: Operand, literals: tuple[ast.Literal, ...], *, negated: bool) -> Test:
    read = operand.read
    wanted = [choices(literal.value) or frozenset() for literal in literals if isinstance(literal, ast.Text)]

    def test(row: Any) -> bool:
        own = read(row)
        return own is not None and any(group <= own for group in wanted)

    return _negated(test) if negated else test
