"""The syntax tree of a SOQL query: what was written, before any name is looked up.

Every node is immutable and compares by what it says; positions (offsets into the text, kept for error messages) do
not take part in the comparison, so parsing a printed tree gives an equal tree.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class FieldPath:
    """A field, or parents and a field: `Account.Owner.Name`."""

    names: tuple[str, ...]
    position: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return ".".join(self.names)


@dataclass(frozen=True, slots=True)
class Text:
    """A quoted string, decoded.

    `escaped` holds the offsets in `value` of each `%` and `_` that was written with a backslash: LIKE takes these
    literally, every other operator does not care.
    """

    value: str
    escaped: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Number:
    """A plain number."""

    value: Decimal


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in a currency, written `USD5000`."""

    currency: str
    value: Decimal


@dataclass(frozen=True, slots=True)
class Boolean:
    """`TRUE` or `FALSE`."""

    value: bool


@dataclass(frozen=True, slots=True)
class Null:
    """`NULL`."""


@dataclass(frozen=True, slots=True)
class Date:
    """A day, `2026-01-31`."""

    value: date


@dataclass(frozen=True, slots=True)
class DateTime:
    """An instant, `2026-01-31T12:00:00Z`, in UTC."""

    value: datetime


@dataclass(frozen=True, slots=True)
class RelativeDate:
    """A range of days relative to today: `THIS_MONTH`, or `LAST_N_DAYS:30` with its count. The name is upper case."""

    name: str
    count: int | None = None


Literal: TypeAlias = Text | Number | Money | Boolean | Null | Date | DateTime | RelativeDate


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """`COUNT()`, `SUM(Amount)`, `FORMAT(convertCurrency(Amount))`."""

    name: str
    arguments: tuple[FieldPath | FunctionCall | Literal, ...]
    position: int = field(default=0, compare=False)


Expression: TypeAlias = FieldPath | FunctionCall


@dataclass(frozen=True, slots=True)
class Comparison:
    """One field expression. The operator is upper case, `<>` is `!=`; IN, NOT IN, INCLUDES, EXCLUDES have a list."""

    left: Expression
    operator: str
    right: Literal | tuple[Literal, ...] | Query


@dataclass(frozen=True, slots=True)
class And:
    """All terms hold."""

    terms: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one term holds."""

    terms: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The term does not hold."""

    term: Condition


Condition: TypeAlias = Comparison | And | Or | Not


@dataclass(frozen=True, slots=True)
class SelectedExpression:
    """A field or function in the SELECT list, with its alias if it has one."""

    expression: Expression
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """An entry of the FROM list: an object, a child relationship, or (after the first) a parent with its alias."""

    path: FieldPath
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class OrderItem:
    """One key of ORDER BY. `nulls_first` is None where the query does not say: Salesforce then puts nulls first."""

    expression: Expression
    descending: bool = False
    nulls_first: bool | None = None


@dataclass(frozen=True, slots=True)
class GroupBy:
    """GROUP BY, with `mode` "ROLLUP" or "CUBE" where subtotals are asked for."""

    expressions: tuple[Expression, ...]
    mode: str | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """A whole query, or a subquery in SELECT or WHERE.

    `usage` lists the trailing clauses that change no result here: FOR VIEW, FOR REFERENCE, FOR UPDATE, UPDATE TRACKING
    and UPDATE VIEWSTAT.
    """

    select: tuple[SelectedExpression | Query, ...]
    sources: tuple[Source, ...]
    scope: str | None = None
    where: Condition | None = None
    security: str | None = None
    group_by: GroupBy | None = None
    having: Condition | None = None
    order_by: tuple[OrderItem, ...] = ()
    limit: int | None = None
    offset: int | None = None
    usage: tuple[str, ...] = ()
    all_rows: bool = False
    text: str = field(default="", compare=False, repr=False)

    @property
    def source(self) -> Source:
        """The object (or child relationship) that the query reads."""
        return self.sources[0]
