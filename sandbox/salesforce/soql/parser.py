"""Text to syntax tree."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any, NoReturn

from lark import Lark, Token, Transformer, UnexpectedInput, UnexpectedToken, v_args
from lark.exceptions import VisitError

from prefect_crm_erp.sandbox.salesforce.soql import ast, dates, literals
from prefect_crm_erp.sandbox.salesforce.soql.diagnostics import QueryProblem, malformed, unexpected_token

MAX_QUERY_LENGTH = 100_000
"""Characters that a query may have."""

_MAX_INTEGER = 2**31 - 1
_SECURITY = {"SECURITY_ENFORCED", "USER_MODE", "SYSTEM_MODE"}
_RESERVED_ALIASES = {"GROUP"}
_WORD = re.compile(r"\w+|\S")


def parse(text: str) -> ast.Query:
    """Read a query.

    Example:
        >>> parse("SELECT Id FROM Account WHERE Name = 'Acme'").where
        Comparison(left=FieldPath(names=('Name',), position=29), operator='=', right=Text(value='Acme', escaped=()))

    Raises:
        ApiError: 400 MALFORMED_QUERY, with the place of the first error.
    """
    try:
        return _parse(text)
    except QueryProblem as problem:
        raise problem.to_api_error(text) from None


def _parse(text: str) -> ast.Query:
    if len(text) > MAX_QUERY_LENGTH:
        raise malformed(f"SOQL statements cannot be longer than {MAX_QUERY_LENGTH} characters.")
    try:
        query: Any = _grammar().parse(text)
    except UnexpectedInput as error:
        raise _syntax_problem(error, text) from None
    except VisitError as error:
        raise error.orig_exc from None
    return replace(query, text=text)


@cache
def _grammar() -> Lark:
    source = files(__package__).joinpath("grammar.lark").read_text(encoding="utf-8")
    return Lark(source, parser="lalr", lexer="contextual", transformer=_TreeBuilder(), maybe_placeholders=False)


def _syntax_problem(error: UnexpectedInput, text: str) -> QueryProblem:
    if isinstance(error, UnexpectedToken) and error.token.type == "$END":
        return unexpected_token("<EOF>", len(text.rstrip()))
    position = error.pos_in_stream or 0
    if isinstance(error, UnexpectedToken) and error.token.type == "STRING":
        return unexpected_token(str(error.token), position)
    word = _WORD.match(text, position)
    return unexpected_token(word[0] if word else "<EOF>", position)


def _integer(digits: str, position: int | None) -> int:
    significant = digits.lstrip("0") or "0"
    if len(significant) > 10 or int(significant) > _MAX_INTEGER:
        raise malformed(f"numeric value out of range: {digits}", position)
    return int(significant)


def _alias(token: Token | None) -> str | None:
    if token is None:
        return None
    if "." in token or token.upper() in _RESERVED_ALIASES:
        raise unexpected_token(str(token), _position(token))
    return str(token)


def _position(token: Token) -> int:
    return token.start_pos or 0


@v_args(inline=True)
class _TreeBuilder(Transformer[Token, Any]):
    """One method for each rule of the grammar."""

    def start(self, query: ast.Query) -> ast.Query:
        return query

    def query(self, select: tuple[Any, ...], sources: tuple[ast.Source, ...], *clauses: tuple[str, Any]) -> ast.Query:
        usage = tuple(value for name, value in clauses if name == "usage")
        parts: dict[str, Any] = {name: value for name, value in clauses if name != "usage"}
        parts.update(parts.pop("grouping", {}))
        all_rows = "ALL ROWS" in usage
        return ast.Query(select, sources, usage=tuple(u for u in usage if u != "ALL ROWS"), all_rows=all_rows, **parts)

    def select_list(self, *items: ast.SelectedExpression | ast.Query) -> tuple[ast.SelectedExpression | ast.Query, ...]:
        return items

    def selected(self, expression: ast.Expression, alias: Token | None = None) -> ast.SelectedExpression:
        return ast.SelectedExpression(expression, _alias(alias))

    def typeof(self, keyword: Token, *_: Any) -> NoReturn:
        raise malformed(
            "TYPEOF is not supported: no relationship of this org points to several object types", keyword.start_pos
        )

    def name_list(self, *names: Token) -> tuple[Token, ...]:
        return names

    def path(self, name: Token) -> ast.FieldPath:
        return ast.FieldPath(tuple(name.split(".")), _position(name))

    def function(self, name: Token, *arguments: Any) -> ast.FunctionCall:
        if "." in name:
            raise unexpected_token("(", _position(name) + len(name))
        return ast.FunctionCall(str(name), arguments, _position(name))

    def source_list(self, *sources: ast.Source) -> tuple[ast.Source, ...]:
        return sources

    def source(self, name: Token, alias: Token | None = None) -> ast.Source:
        return ast.Source(self.path(name), _alias(alias))

    def scope(self, name: Token) -> tuple[str, str]:
        return "scope", str(name)

    def where(self, condition: ast.Condition) -> tuple[str, ast.Condition]:
        return "where", condition

    def security(self, name: Token) -> tuple[str, str]:
        if name.upper() not in _SECURITY:
            raise unexpected_token(str(name), _position(name))
        return "security", name.upper()

    def conjunction(self, *terms: ast.Condition) -> ast.And:
        return ast.And(terms)

    def disjunction(self, *terms: ast.Condition) -> ast.Or:
        return ast.Or(terms)

    def negation(self, term: ast.Condition) -> ast.Not:
        return ast.Not(term)

    def comparison(self, left: ast.Expression, operator: Token, right: Any) -> ast.Comparison:
        name = " ".join(operator.upper().split())
        return ast.Comparison(left, "!=" if name == "<>" else name, right)

    def literal_list(self, *values: ast.Literal) -> tuple[ast.Literal, ...]:
        return values

    def string(self, token: Token) -> ast.Text:
        return _read(literals.parse_string, token)

    def number(self, token: Token) -> ast.Number:
        return ast.Number(Decimal(token))

    def money(self, token: Token) -> ast.Money:
        return literals.parse_money(token)

    def datetime(self, token: Token) -> ast.DateTime:
        return _read(literals.parse_datetime, token)

    def date(self, token: Token) -> ast.Date:
        return _read(literals.parse_date, token)

    def true(self, _: Token) -> ast.Boolean:
        return ast.Boolean(True)

    def false(self, _: Token) -> ast.Boolean:
        return ast.Boolean(False)

    def null(self, _: Token) -> ast.Null:
        return ast.Null()

    def relative_date(self, token: Token) -> ast.RelativeDate:
        name, _, count = "".join(token.upper().split()).partition(":")
        if name not in (dates.COUNTED if count else dates.FIXED):
            raise unexpected_token(str(token), _position(token))
        return ast.RelativeDate(name, _integer(count, token.start_pos) if count else None)

    def bind(self, token: Token) -> NoReturn:
        raise malformed("Bind variables only allowed in Apex code", token.start_pos)

    def group_by(self, *parts: Any) -> tuple[str, dict[str, Any]]:
        having = parts[-1] if isinstance(parts[-1], tuple) else None
        expressions = parts[:-1] if having else parts
        mode = None
        if isinstance(expressions[0], ast.FunctionCall) and expressions[0].name.upper() in ("ROLLUP", "CUBE"):
            mode, expressions = _subtotals(expressions)
        return "grouping", {"group_by": ast.GroupBy(expressions, mode), "having": having[1] if having else None}

    def having(self, condition: ast.Condition) -> tuple[str, ast.Condition]:
        return "having", condition

    def order_by(self, *items: ast.OrderItem) -> tuple[str, tuple[ast.OrderItem, ...]]:
        return "order_by", items

    def order_item(self, expression: ast.Expression, *words: Token) -> ast.OrderItem:
        spoken = {word.type: word.upper() for word in words}
        nulls_first = spoken["NULLS"].endswith("FIRST") if "NULLS" in spoken else None
        return ast.OrderItem(expression, spoken.get("DIRECTION") == "DESC", nulls_first)

    def limit(self, count: Token) -> tuple[str, int]:
        return "limit", _integer(count, count.start_pos)

    def offset(self, count: Token) -> tuple[str, int]:
        return "offset", _integer(count, count.start_pos)

    def usage(self, token: Token) -> tuple[str, str]:
        return "usage", " ".join(token.upper().split())


def _read(reader: Any, token: Token) -> Any:
    try:
        return reader(str(token))
    except literals.InvalidLiteral as error:
        raise malformed(str(error), token.start_pos) from None


def _subtotals(expressions: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    """Take apart GROUP BY ROLLUP(a, b): all grouped fields stand in its parentheses, three at most."""
    call: ast.FunctionCall = expressions[0]
    if len(expressions) > 1:
        raise unexpected_token(",", call.position)
    if not 1 <= len(call.arguments) <= 3:
        raise malformed(f"{call.name.upper()} takes one to three fields", call.position)
    return call.name.upper(), call.arguments
