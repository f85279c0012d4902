"""Literals in the form in which a field's values compare with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from prefect_crm_erp.sandbox.salesforce.ids import MalformedId, to_18
from prefect_crm_erp.sandbox.salesforce.soql import ast
from prefect_crm_erp.sandbox.salesforce.soql.dates import date_range, midnight
from prefect_crm_erp.sandbox.salesforce.soql.diagnostics import invalid_operator, wrong_type
from prefect_crm_erp.sandbox.salesforce.soql.execution import Execution
from prefect_crm_erp.sandbox.salesforce.soql.operands import Kind, Operand, choices
from prefect_crm_erp.sandbox.salesforce.soql.text import fold


@dataclass(frozen=True, slots=True)
class Span:
    """The days or instants of a relative date literal, from `low` up to, not including, `high`."""

    low: Any
    high: Any


def comparable_value(literal: ast.Literal, operand: Operand, execution: Execution) -> Any:
    """The literal as the operand's values compare with it: None for null, a `Span` for a relative date.

    Raises:
        QueryProblem: INVALID_FIELD, the literal is of another type than the field; INVALID_QUERY_FILTER_OPERATOR, a
            text that is no record id.
    """
    match literal:
        case ast.Null():
            return False if operand.kind is Kind.BOOLEAN else None
        case ast.Text():
            return _text(literal.value, operand)
        case ast.Number() if operand.kind in (Kind.NUMBER, Kind.INTEGER):
            return literal.value
        case ast.Boolean() if operand.kind is Kind.BOOLEAN:
            return literal.value
        case ast.Date() if operand.kind is Kind.DATE:
            return literal.value
        case ast.DateTime() if operand.kind is Kind.DATETIME:
            return literal.value
        case ast.RelativeDate() if operand.kind in (Kind.DATE, Kind.DATETIME):
            return _span(literal, operand.kind, execution)
    raise _mismatch(operand)


def _text(value: str, operand: Operand) -> Any:
    if operand.kind not in (Kind.TEXT, Kind.ID, Kind.MULTIPICKLIST):
        raise _mismatch(operand)
    if not value:
        return None
    if operand.kind is Kind.MULTIPICKLIST:
        return choices(value)
    if operand.kind is Kind.ID:
        return _record_id(value, operand)
    return value if operand.case_sensitive else fold(value)


def _record_id(value: str, operand: Operand) -> str:
    try:
        return to_18(value)
    except MalformedId:
        raise invalid_operator(f"invalid ID field: {value}", operand.position) from None


def _span(literal: ast.RelativeDate, kind: Kind, execution: Execution) -> Span:
    low, high = date_range(literal.name, literal.count, execution.today)
    return Span(low, high) if kind is Kind.DATE else Span(midnight(low), midnight(high))


def _mismatch(operand: Operand) -> Exception:
    quoted = operand.kind in (Kind.TEXT, Kind.ID, Kind.MULTIPICKLIST)
    return wrong_type(operand.name, "string" if quoted else operand.kind.value, operand.position)
