"""SOQL text to syntax tree: what is written is what is read, and mistakes are named in Salesforce's words."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_crm_erp.sandbox.salesforce.errors import ApiError
from prefect_crm_erp.sandbox.salesforce.soql import ast, parse
from prefect_crm_erp.sandbox.salesforce.soql.dates import COUNTED, FIXED

# --- A printer: the inverse of the parser --------------------------------------------------------------------------

ESCAPES = {"\\": r"\\", "'": r"\'", "\n": r"\n", "\r": r"\r", "\t": r"\t", "\b": r"\b", "\f": r"\f"}


def write_text(text: ast.Text) -> str:
    letters = []
    for position, letter in enumerate(text.value):
        letters.append(f"\\{letter}" if position in text.escaped else ESCAPES.get(letter, letter))
    return f"'{''.join(letters)}'"


def write_literal(literal: ast.Literal) -> str:
    match literal:
        case ast.Text():
            return write_text(literal)
        case ast.Number():
            return format(literal.value, "f")
        case ast.Money():
            return f"{literal.currency}{literal.value:f}"
        case ast.Boolean():
            return str(literal.value).upper()
        case ast.Null():
            return "NULL"
        case ast.Date():
            return literal.value.isoformat()
        case ast.DateTime():
            return literal.value.isoformat().replace("+00:00", "Z")
        case ast.RelativeDate():
            return literal.name if literal.count is None else f"{literal.name}:{literal.count}"


def write_expression(expression: Any) -> str:
    if isinstance(expression, ast.FieldPath):
        return ".".join(expression.names)
    if isinstance(expression, ast.FunctionCall):
        return f"{expression.name}({', '.join(write_expression(part) for part in expression.arguments)})"
    return write_literal(expression)


def write_condition(condition: ast.Condition) -> str:
    match condition:
        case ast.And():
            return " AND ".join(write_term(term) for term in condition.terms)
        case ast.Or():
            return " OR ".join(write_term(term) for term in condition.terms)
        case ast.Not():
            return f"NOT {write_term(condition.term)}"
    if isinstance(condition.right, ast.Query):
        right = f"({write(condition.right)})"
    elif isinstance(condition.right, tuple):
        right = f"({', '.join(write_literal(value) for value in condition.right)})"
    else:
        right = write_literal(condition.right)
    return f"{write_expression(condition.left)} {condition.operator} {right}"


def write_term(condition: ast.Condition) -> str:
    written = write_condition(condition)
    return written if isinstance(condition, ast.Comparison) else f"({written})"


def write_selected(item: ast.SelectedExpression | ast.Query) -> str:
    if isinstance(item, ast.Query):
        return f"({write(item)})"
    return write_expression(item.expression) + (f" {item.alias}" if item.alias else "")


def write_order(item: ast.OrderItem) -> str:
    nulls = {None: "", True: " NULLS FIRST", False: " NULLS LAST"}[item.nulls_first]
    return f"{write_expression(item.expression)}{' DESC' if item.descending else ''}{nulls}"


def write_group(group: ast.GroupBy) -> str:
    fields = ", ".join(write_expression(expression) for expression in group.expressions)
    return f"GROUP BY {group.mode}({fields})" if group.mode else f"GROUP BY {fields}"


def write(query: ast.Query) -> str:
    sources = [write_expression(s.path) + (f" {s.alias}" if s.alias else "") for s in query.sources]
    parts = [f"SELECT {', '.join(write_selected(item) for item in query.select)} FROM {', '.join(sources)}"]
    parts += [f"USING SCOPE {query.scope}"] if query.scope else []
    parts += [f"WHERE {write_condition(query.where)}"] if query.where else []
    parts += [f"WITH {query.security}"] if query.security else []
    parts += [write_group(query.group_by)] if query.group_by else []
    parts += [f"HAVING {write_condition(query.having)}"] if query.having else []
    parts += [f"ORDER BY {', '.join(write_order(item) for item in query.order_by)}"] if query.order_by else []
    parts += [f"LIMIT {query.limit}"] if query.limit is not None else []
    parts += [f"OFFSET {query.offset}"] if query.offset is not None else []
    return " ".join([*parts, *query.usage, *(["ALL ROWS"] if query.all_rows else [])])


# --- Any query -----------------------------------------------------------------------------------------------------

RESERVED = re.compile(
    "all|and|asc|by|cube|desc|else|end|excludes|false|first|for|from|having|in|includes|last|like|limit|not|null|nulls|"
    "offset|or|order|rollup|rows|select|then|true|typeof|update|using|when|where|with",
    re.IGNORECASE,
)
identifiers = st.from_regex(r"[A-Za-z][a-z]{1,6}(__c)?", fullmatch=True).filter(lambda n: not RESERVED.fullmatch(n))
aliases = identifiers.filter(lambda name: name.lower() != "group")
paths = st.lists(identifiers | st.sampled_from(["Order", "Group", "Offset__c", "Limit__r", "Type"]), min_size=1).map(
    lambda names: ast.FieldPath(tuple(names[:6]))
)
decimals = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=3)
days = st.dates(date(1700, 1, 1), date(4000, 12, 30))


@st.composite
def texts(draw: st.DrawFn) -> ast.Text:
    value = draw(st.text(max_size=30) | st.text("%_\\'ab", max_size=12))
    wild = [position for position, letter in enumerate(value) if letter in "%_"]
    return ast.Text(value, tuple(position for position in wild if draw(st.booleans())))


literals: st.SearchStrategy[ast.Literal] = st.one_of(
    texts(),
    st.builds(ast.Number, decimals),
    st.builds(ast.Money, st.sampled_from(["USD", "EUR", "JPY"]), decimals),
    st.builds(ast.Boolean, st.booleans()),
    st.just(ast.Null()),
    st.builds(ast.Date, days),
    st.builds(ast.DateTime, st.datetimes(datetime(1700, 1, 2), datetime(4000, 12, 30), timezones=st.just(UTC))),
    st.builds(ast.RelativeDate, st.sampled_from(sorted(FIXED))),
    st.builds(ast.RelativeDate, st.sampled_from(sorted(COUNTED)), st.integers(0, 2**31 - 1)),
)
expressions: st.SearchStrategy[Any] = st.recursive(
    paths,
    lambda inner: st.builds(
        ast.FunctionCall,
        aliases,
        st.lists(inner | texts() | st.builds(ast.Number, decimals), max_size=2).map(tuple),
    ),
    max_leaves=3,
)
lists = st.lists(literals, min_size=1, max_size=3).map(tuple)


def conditions(queries: st.SearchStrategy[ast.Query]) -> st.SearchStrategy[Any]:
    comparisons = st.one_of(
        st.builds(ast.Comparison, expressions, st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), literals),
        st.builds(ast.Comparison, expressions, st.just("LIKE"), texts()),
        st.builds(ast.Comparison, expressions, st.sampled_from(["IN", "NOT IN"]), lists | queries),
        st.builds(ast.Comparison, expressions, st.sampled_from(["INCLUDES", "EXCLUDES"]), lists),
    )
    terms = lambda inner: st.lists(inner, min_size=2, max_size=3).map(tuple)  # noqa: E731
    return st.recursive(
        comparisons,
        lambda inner: terms(inner).map(ast.And) | terms(inner).map(ast.Or) | inner.map(ast.Not),
        max_leaves=6,
    )


def queries(inner: st.SearchStrategy[ast.Query]) -> st.SearchStrategy[ast.Query]:
    selected = st.builds(ast.SelectedExpression, expressions, st.none() | aliases)
    having = st.none() | conditions(inner)
    group_by = st.builds(
        ast.GroupBy,
        st.lists(expressions, min_size=1, max_size=3).map(tuple),
        st.sampled_from([None, "ROLLUP", "CUBE"]),
    )
    grouping = st.tuples(st.none(), st.none()) | st.tuples(group_by, having)
    counts = st.none() | st.integers(0, 2**31 - 1)
    usages = st.sampled_from(["FOR VIEW", "FOR REFERENCE", "FOR UPDATE", "UPDATE TRACKING", "UPDATE VIEWSTAT"])
    return st.builds(
        lambda grouping, **clauses: ast.Query(group_by=grouping[0], having=grouping[1], **clauses),
        grouping,
        select=st.lists(selected | inner, min_size=1, max_size=4).map(tuple),
        sources=st.lists(st.builds(ast.Source, paths, st.none() | aliases), min_size=1, max_size=2).map(tuple),
        scope=st.none() | st.sampled_from(["mine", "everything"]),
        where=st.none() | conditions(inner),
        security=st.none() | st.sampled_from(["SECURITY_ENFORCED", "USER_MODE", "SYSTEM_MODE"]),
        order_by=st.lists(
            st.builds(ast.OrderItem, expressions, st.booleans(), st.none() | st.booleans()), max_size=3
        ).map(tuple),
        limit=counts,
        offset=counts,
        usage=st.lists(usages, max_size=2).map(tuple),
        all_rows=st.booleans(),
    )


simple = st.builds(lambda path, source: ast.Query((ast.SelectedExpression(path),), (ast.Source(source),)), paths, paths)


@given(queries(st.recursive(simple, queries, max_leaves=2)))
def test_a_printed_query_reads_back_as_itself(query: ast.Query) -> None:
    assert parse(write(query)) == query


@given(st.text(max_size=300))
def test_an_escaped_text_arrives_as_it_was(value: str) -> None:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    query = parse(f"SELECT Id FROM Account WHERE Name = '{escaped}'")
    assert isinstance(query.where, ast.Comparison)
    assert query.where.right == ast.Text(value)


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused_never_a_crash(text: str) -> None:
    for candidate in (text, f"SELECT Id FROM Account WHERE {text}", f"SELECT {text} FROM Account"):
        try:
            parse(candidate)
        except ApiError as error:
            refused = (error.status, error.errors[0].code)
        else:
            continue
        assert refused == (400, "MALFORMED_QUERY")


def test_escape_sequences() -> None:
    query = parse(r"SELECT Id FROM Account WHERE Name = '\n\N\r\t\b\f\"\'\\\u00e9\u00E9' AND Site LIKE '100\% \_%'")
    assert isinstance(query.where, ast.And)
    first, second = query.where.terms
    assert isinstance(first, ast.Comparison)
    assert isinstance(second, ast.Comparison)
    assert first.right == ast.Text("\n\n\r\t\b\f\"'\\éé")
    assert second.right == ast.Text("100% _%", (3, 5))


@pytest.mark.parametrize(
    "text",
    [
        "select id from account where name='x'and(type = null OR site != '')",
        "SELECT Id FROM Order ORDER BY Order.Name, Group__c",
        "SELECT Id FROM Group",
        "SELECT Order.Account.Name, Limit__c, From__c FROM OrderItem",
        "SELECT Id\nFROM Account\n\tWHERE NOT(Name = 'a')",
        "SELECT Id FROM Account WHERE Type NOT  IN ('a') AND (NOT Name LIKE 'x')",
        "SELECT a.Id, (SELECT c.Id FROM a.Contacts c) FROM Account a",
        "SELECT COUNT() FROM Contact c, c.Account a WHERE a.Name = 'x'",
        "SELECT Id FROM Account WHERE CreatedDate > 2026-01-31T12:00:00.000+05:30 AND CreatedDate = last_n_days : 3",
        "SELECT Id FROM Opportunity WHERE Amount > usd-5000.5 OR Amount <> -.5",
        "SELECT Id FROM Account USING SCOPE Everything WITH security_enforced LIMIT 1 OFFSET 1 FOR VIEW FOR REFERENCE",
        "SELECT HOUR_IN_DAY(convertTimezone(CreatedDate)) FROM Account GROUP BY CUBE(Type, Site)",
    ],
)
def test_what_salesforce_reads_is_read(text: str) -> None:
    assert parse(text).text == text


@pytest.mark.parametrize(
    ("text", "detail", "row", "column"),
    [
        ("SELECT Id FROM Account WHERE", "unexpected token: '<EOF>'", 1, 29),
        ("SELECT FROM Account", "unexpected token: 'FROM'", 1, 8),
        ("SELECT Id, FROM Account", "unexpected token: 'FROM'", 1, 12),
        ("SELECT Id FROM Account WHERE a = 1 AND b = 2 OR c = 3", "unexpected token: 'OR'", 1, 46),
        ("SELECT Id FROM Account WHERE a = 1 AND NOT b = 2", "unexpected token: 'NOT'", 1, 40),
        ("SELECT Id FROM Account WHERE NOT a = 1 AND b = 2", "unexpected token: 'AND'", 1, 40),
        ("SELECT Id\nFROM Account\nWHERE Name = 'O'Brien'", "unexpected token: 'Brien'", 3, 17),
        ("SELECT Id FROM Account WHERE Name = 'open", "unexpected token: '''", 1, 37),
        ('SELECT Id FROM Account WHERE Name = "x"', "unexpected token: '\"'", 1, 37),
        ("SELECT Id FROM Account WHERE Id IN ()", "unexpected token: ')'", 1, 37),
        ("SELECT Id FROM Account WHERE Name LIKE NULL", "unexpected token: 'NULL'", 1, 40),
        ("SELECT Id FROM Account WHERE Name = Site", "unexpected token: 'Site'", 1, 37),
        ("SELECT Id FROM Account WHERE CreatedDate = LAST_N_DAYS", "unexpected token: 'LAST_N_DAYS'", 1, 44),
        ("SELECT Id FROM Account WHERE Name = :name", "Bind variables only allowed in Apex code", 1, 37),
        ("SELECT Id FROM Account -- all", "unexpected token: '-'", 1, 24),
        ("SELECT Id /* all */ FROM Account", "unexpected token: '/'", 1, 11),
        ("SELECT * FROM Account", "unexpected token: '*'", 1, 8),
        ("SELECT Id FROM Account;", "unexpected token: ';'", 1, 23),
        ("SELECT Id FROM Account USING everything", "unexpected token: 'USING'", 1, 24),
        ("SELECT Id FROM Account HAVING COUNT(Id) > 1", "unexpected token: 'HAVING'", 1, 24),
        ("SELECT Id FROM Account OFFSET 1 LIMIT 1", "unexpected token: 'LIMIT'", 1, 33),
        ("SELECT Id FROM Account LIMIT 9999999999", "numeric value out of range: 9999999999", 1, 30),
        ("SELECT Id FROM Account WHERE CreatedDate = TODAY WITH DATA", "unexpected token: 'DATA'", 1, 55),
        ("SELECT Id FROM Account WHERE d > 2026-52-12", "Invalid date: 2026-52-12", 1, 34),
        ("SELECT Id FROM Account WHERE d > 2026-01-01T00:00:00", "Invalid datetime: 2026-01-01T00:00:00", 1, 34),
        ("SELECT Id FROM Account WHERE d > 2026-01-01T25:00:00Z", "Invalid datetime: 2026-01-01T25:00:00Z", 1, 34),
        (
            r"SELECT Id FROM Account WHERE Name = 'C:\xyz'",
            r"Invalid string literal 'C:\xyz'. Illegal character sequence '\x' in string literal.",
            1,
            37,
        ),
        (
            "SELECT TYPEOF Owner WHEN User THEN Name END FROM Account",
            "TYPEOF is not supported: no relationship of this org points to several object types",
            1,
            8,
        ),
    ],
)
def test_mistakes_are_pointed_at(text: str, detail: str, row: int, column: int) -> None:
    with pytest.raises(ApiError) as caught:
        parse(text)
    [error] = caught.value.errors
    assert (caught.value.status, error.code) == (400, "MALFORMED_QUERY")
    start, excerpt, caret, place, message = error.message.split("\n")
    assert (start, place, message) == ("", f"ERROR at Row:{row}:Column:{column}", detail)
    # The caret stands under the culprit, also where the excerpt leaves out the beginning of the line.
    culprit = text.splitlines()[row - 1][column - 1 :]
    assert culprit.startswith(excerpt[caret.index("^") :])


def test_the_excerpt_of_a_long_query_is_short() -> None:
    fields = ", ".join(f"Field_{number}__c" for number in range(200))
    with pytest.raises(ApiError) as caught:
        parse(f"SELECT {fields} FROM Account WHERE !")
    _, excerpt, caret, *_ = caught.value.errors[0].message.split("\n")
    assert excerpt.endswith("FROM Account WHERE !")
    assert len(excerpt) < 100
    assert excerpt[caret.index("^")] == "!"


def test_a_query_is_at_most_100_000_characters() -> None:
    ids = ",".join(["'001000000000001AAA'"] * 4_700)
    assert parse(f"SELECT Id FROM Account WHERE Id IN ({ids})").where is not None
    with pytest.raises(ApiError, match="cannot be longer than 100000 characters"):
        parse(f"SELECT Id FROM Account WHERE Name = 'x' OR Id IN ({ids},{ids})")
    with pytest.raises(ApiError, match="string literal is too long: 4001 characters"):
        parse(f"SELECT Id FROM Account WHERE Name = '{'x' * 4_001}'")


def test_numbers_keep_every_digit() -> None:
    query = parse("SELECT Id FROM Account WHERE AnnualRevenue = 123456789012345678.10")
    assert isinstance(query.where, ast.Comparison)
    assert isinstance(query.where.right, ast.Number)
    assert str(query.where.right.value) == "123456789012345678.10"
    assert query.where.right.value == Decimal("123456789012345678.1")
