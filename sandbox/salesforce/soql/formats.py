"""FORMAT(), toLabel() and convertCurrency() in the SELECT list."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from babel.dates import format_date, format_datetime
from babel.numbers import format_decimal

from prefect_crm_erp.sandbox.salesforce.schema import Field
from prefect_crm_erp.sandbox.salesforce.soql import ast
from prefect_crm_erp.sandbox.salesforce.soql.diagnostics import malformed
from prefect_crm_erp.sandbox.salesforce.soql.execution import Execution
from prefect_crm_erp.sandbox.salesforce.soql.names import BoundField, Names, Row

DISPLAY_FUNCTIONS = frozenset({"FORMAT", "TOLABEL", "CONVERTCURRENCY"})
"""The functions that change how a selected field shows."""

_LOCALE = "en_US"
_LABELLED = frozenset({"picklist", "multipicklist"})
_FORMATTED = frozenset({"currency", "double", "percent", "int", "date", "datetime"})


class Display:
    """A function of the SELECT list around a field.

    Args:
        call: the function as written; FORMAT may have convertCurrency inside.
        names: what the names mean.
        execution: the run of the query.

    Raises:
        QueryProblem: MALFORMED_QUERY, the function does not take such a field.
    """

    def __init__(self, call: ast.FunctionCall, names: Names, execution: Execution) -> None:
        self._execution = execution
        self._functions: list[str] = []
        expression: Any = call
        while isinstance(expression, ast.FunctionCall):
            self._functions.append(_display_function(expression, outermost=not self._functions))
            expression = expression.arguments[0] if len(expression.arguments) == 1 else None
        if not isinstance(expression, ast.FieldPath):
            raise malformed(f"{call.name} takes one field", call.position)
        self.bound: BoundField = names.field(expression)
        self._check_type(call)

    def _check_type(self, call: ast.FunctionCall) -> None:
        kind = self.bound.field.type
        needed = {"FORMAT": _FORMATTED, "TOLABEL": _LABELLED, "CONVERTCURRENCY": frozenset({"currency"})}
        if any(kind not in needed[function] for function in self._functions):
            raise malformed(f"field {self.bound.field.name} does not support function {call.name}", call.position)

    def reader(self) -> Callable[[Row], Any]:
        """A function that gives what the query shows for the row that has the field."""
        formatted = "FORMAT" in self._functions
        if "CONVERTCURRENCY" in self._functions:
            return self._formatted_conversion if formatted else self._converted
        if formatted:
            return self._formatted_amount if self.bound.field.type == "currency" else self._formatted
        return self._value

    def _value(self, row: Row) -> Any:
        return row[self.bound.field.name]

    def _day(self, row: Row) -> date | None:
        return self._execution.currencies.day_of(self.bound.owner.name)(row)

    def _converted(self, row: Row) -> Decimal | None:
        amount, execution = self._value(row), self._execution
        if amount is None:
            return None
        return execution.currencies.convert(amount, row.get("CurrencyIsoCode"), execution.user_currency, self._day(row))

    def _formatted(self, row: Row) -> str | None:
        return format_value(self.bound.field, self._value(row))

    def _formatted_amount(self, row: Row) -> str | None:
        return format_amount(self._value(row), row.get("CurrencyIsoCode"), self._execution, self._day(row))

    def _formatted_conversion(self, row: Row) -> str | None:
        return format_amount(self._converted(row), self._execution.user_currency, self._execution)


def _display_function(call: ast.FunctionCall, *, outermost: bool) -> str:
    name = call.name.upper()
    if name not in (DISPLAY_FUNCTIONS if outermost else {"CONVERTCURRENCY"}):
        raise malformed(f"Invalid aggregate function: {call.name}", call.position)
    return name


def format_amount(
    amount: Decimal | None, code: str | None, execution: Execution, day: date | None = None
) -> str | None:
    """An amount for the eye: `EUR 1,200.00`, followed by the user's own currency in parentheses if it is another.

    Args:
        amount: the amount in the currency `code`.
        code: its currency; None is the corporate one.
        execution: the run of the query, for the rates.
        day: the day whose rate counts; None takes the current rate.
    """
    if amount is None:
        return None
    currencies, own = execution.currencies, execution.user_currency
    code = code or currencies.corporate
    if code is None:
        return "$" + _decimal(amount, 2)
    shown = f"{code} {_decimal(amount, currencies.places(code))}"
    if own in (None, code):
        return shown
    return f"{shown} ({own} {_decimal(currencies.convert(amount, code, own, day), currencies.places(own))})"


def format_value(field: Field, value: Any) -> str | None:
    """A number, date or datetime for the eye, in the locale en_US and UTC."""
    match value:
        case None:
            return None
        case datetime():
            return format_datetime(value, "M/d/y, h:mm a", locale=_LOCALE)
        case date():
            return format_date(value, "M/d/y", locale=_LOCALE)
    text = _decimal(Decimal(value), field.scale)
    return f"{text}%" if field.type == "percent" else text


def _decimal(value: Decimal, places: int) -> str:
    pattern = "#,##0." + "0" * places if places else "#,##0"
    return format_decimal(value, pattern, locale=_LOCALE, decimal_quantization=True)
