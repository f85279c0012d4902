"""What a query compares, groups and sorts: how it is read from a row, and how its values compare."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from prefect_crm_erp.sandbox.salesforce.schema import Field
from prefect_crm_erp.sandbox.salesforce.soql import ast
from prefect_crm_erp.sandbox.salesforce.soql.dates import DATE_FUNCTIONS, DATETIME_ONLY
from prefect_crm_erp.sandbox.salesforce.soql.diagnostics import QueryProblem, malformed
from prefect_crm_erp.sandbox.salesforce.soql.execution import Execution
from prefect_crm_erp.sandbox.salesforce.soql.names import BoundField, Names
from prefect_crm_erp.sandbox.salesforce.soql.text import collation_key, fold


class Kind(Enum):
    """How values compare. The value is the name that Salesforce's messages give the type."""

    TEXT = "string"
    ID = "id"
    NUMBER = "double"
    INTEGER = "int"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "dateTime"
    MULTIPICKLIST = "multipicklist"
    ADDRESS = "address"


_KINDS = {
    "id": Kind.ID,
    "reference": Kind.ID,
    "currency": Kind.NUMBER,
    "double": Kind.NUMBER,
    "percent": Kind.NUMBER,
    "int": Kind.INTEGER,
    "boolean": Kind.BOOLEAN,
    "date": Kind.DATE,
    "datetime": Kind.DATETIME,
    "multipicklist": Kind.MULTIPICKLIST,
    "address": Kind.ADDRESS,
}


def kind_of(field: Field) -> Kind:
    """The way a field's values compare; every type that is not listed is text."""
    return _KINDS.get(field.type, Kind.TEXT)


@dataclass(frozen=True, slots=True)
class Operand:
    """Something that has a value for each row (or, under HAVING, for each group).

    Attributes:
        kind: how the values compare.
        read: gives the value in comparable form: text folded, a missing boolean as False; None is null.
        name: how messages call it.
        position: where the query names it.
        bound: the field that it is, or is computed from.
        function: upper-case name of the date function around the field, if there is one.
    """

    kind: Kind
    read: Callable[[Any], Any]
    name: str
    position: int
    bound: BoundField
    function: str | None = None

    @property
    def key(self) -> tuple[str, ...]:
        """What two mentions of the same operand have in common."""
        return (self.function or "", *self.bound.key)

    @property
    def plain_field(self) -> Field | None:
        """The field, if the operand is one and not a function of it."""
        return None if self.function else self.bound.field

    @property
    def case_sensitive(self) -> bool:
        """Whether the case of its text counts."""
        return self.bound.field.case_sensitive

    def collated(self, row: Any) -> str | None:
        """The value of a text in the form in whose order texts sort."""
        value = self.read(row)
        return None if value is None else collation_key(value)

    @property
    def indexed_field(self) -> Field | None:
        """The row's own field that has an index, if the operand is one."""
        field = self.plain_field
        if field is None or self.bound.lookups:
            return None
        return field if field.indexed or field.type == "id" else None


class RowOperands:
    """Turns the expressions of a query into operands that read from its rows.

    Args:
        names: what the names mean.
        execution: the run of the query.
    """

    def __init__(self, names: Names, execution: Execution) -> None:
        self.names = names
        self._execution = execution

    def operand(self, expression: ast.Expression) -> Operand:
        """The operand for a field, a date function of a field, or `toLabel(field)`.

        Raises:
            QueryProblem: no such field, or a function that cannot stand here.
        """
        if isinstance(expression, ast.FieldPath):
            return self._field(expression)
        name = expression.name.upper()
        if name == "TOLABEL":
            return self._field(_only_field(expression))
        if name in DATE_FUNCTIONS:
            return self._date_function(name, expression)
        raise malformed(f"Invalid aggregate function: {expression.name}", expression.position)

    def filtered(self, expression: ast.Expression) -> Operand:
        """The operand of a comparison under WHERE.

        Raises:
            QueryProblem: INVALID_FIELD, the field cannot be filtered.
        """
        operand = self.operand(expression)
        if operand.kind is Kind.ADDRESS:
            detail = "Address fields can only be filtered using Distance expressions"
            raise QueryProblem("INVALID_FIELD", detail, operand.position)
        if not operand.bound.field.filterable:
            detail = f"field '{operand.bound.field.name}' can not be filtered in a query call"
            raise QueryProblem("INVALID_FIELD", detail, operand.position)
        return operand

    def _field(self, path: ast.FieldPath) -> Operand:
        bound = self.names.field(path)
        read = comparable(bound.field, bound.reader(self._execution.parent))
        return Operand(kind_of(bound.field), read, str(path), path.position, bound)

    def _date_function(self, name: str, call: ast.FunctionCall) -> Operand:
        bound = self.names.field(_only_field(call))
        kind = kind_of(bound.field)
        allowed = (Kind.DATETIME,) if name in DATETIME_ONLY else (Kind.DATE, Kind.DATETIME)
        if kind not in allowed:
            raise malformed(f"field {bound.field.name} does not support function {call.name}", call.position)
        compute, value = DATE_FUNCTIONS[name], bound.reader(self._execution.parent)

        def read(row: Any) -> Any:
            moment = value(row)
            return None if moment is None else compute(moment)

        result = Kind.DATE if name == "DAY_ONLY" else Kind.INTEGER
        return Operand(result, read, call.name, call.position, bound, name)


def _only_field(call: ast.FunctionCall) -> ast.FieldPath:
    """The field inside a function; `convertTimezone` around it changes nothing, since every user is in UTC."""
    if len(call.arguments) == 1:
        argument = call.arguments[0]
        if isinstance(argument, ast.FieldPath):
            return argument
        if isinstance(argument, ast.FunctionCall) and argument.name.upper() == "CONVERTTIMEZONE":
            return _only_field(argument)
    raise malformed(f"{call.name} takes one field", call.position)


def comparable(field: Field, read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Turn a reader of stored values into one of comparable values."""
    kind = kind_of(field)
    if kind is Kind.BOOLEAN:
        return lambda row: bool(read(row))
    if kind is Kind.MULTIPICKLIST:
        return lambda row: choices(read(row))
    if kind is not Kind.TEXT:
        return read
    if field.case_sensitive:
        return lambda row: read(row) or None

    def folded(row: Any) -> str | None:
        value = read(row)
        return fold(value) if value else None

    return folded


def choices(value: str | None) -> frozenset[str] | None:
    """The values chosen in a multi-select picklist, which stores them with semicolons between."""
    return frozenset(fold(value).split(";")) if value else None
