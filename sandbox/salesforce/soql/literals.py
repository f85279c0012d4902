"""Values as SOQL writes them: quoted strings, dates, datetimes, currency amounts."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal

from prefect_crm_erp.sandbox.salesforce.soql import ast

MAX_STRING_LENGTH = 4_000
"""Characters that a quoted string may have."""

EARLIEST = date(1700, 1, 1)
LATEST = date(4000, 12, 31)
"""The days that Salesforce can store and compare."""

_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", '"': '"', "'": "'", "\\": "\\"}
_DATETIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)", re.IGNORECASE)
_ESCAPE = re.compile(r"\\(?:u([0-9a-f]{4})|(.))", re.IGNORECASE | re.DOTALL)


class InvalidLiteral(ValueError):
    """The text of a literal says nothing valid; the message is what Salesforce answers."""


def parse_string(quoted: str) -> ast.Text:
    r"""Decode a quoted string.

    Example:
        >>> parse_string(r"'O\'Brien 100\%'")
        Text(value="O'Brien 100%", escaped=(11,))

    Raises:
        InvalidLiteral: an unknown escape sequence, or more than 4,000 characters.
    """
    body = quoted[1:-1]
    value = ""
    escaped: list[int] = []
    end = 0
    for match in _ESCAPE.finditer(body):
        value += body[end : match.start()]
        end = match.end()
        if match[2] in ("%", "_"):
            escaped.append(len(value))
        value += _unescape(match, quoted)
    value += body[end:]
    if len(value) > MAX_STRING_LENGTH:
        raise InvalidLiteral(f"string literal is too long: {len(value)} characters, {MAX_STRING_LENGTH} are allowed")
    return ast.Text(value, tuple(escaped))


def _unescape(match: re.Match[str], quoted: str) -> str:
    if match[1]:
        return chr(int(match[1], 16))
    character = match[2]
    if character in ("%", "_"):
        return character
    if character.lower() not in _ESCAPES:
        raise InvalidLiteral(
            f"Invalid string literal {quoted}. Illegal character sequence '\\{character}' in string literal."
        )
    return _ESCAPES[character.lower()]


def parse_date(text: str) -> ast.Date:
    """Read `YYYY-MM-DD`.

    Raises:
        InvalidLiteral: no such day, or one before 1700 or after 4000.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise InvalidLiteral(f"Invalid date: {text}") from None
    if not EARLIEST <= day <= LATEST:
        raise InvalidLiteral(f"Invalid date: {text}")
    return ast.Date(day)


def parse_datetime(text: str) -> ast.DateTime:
    """Read `YYYY-MM-DDThh:mm:ss` with a mandatory `Z` or `+hh:mm`, and give the instant in UTC.

    Raises:
        InvalidLiteral: no such instant, no offset, or outside the years 1700 to 4000.
    """
    try:
        instant = datetime.fromisoformat(text.upper()).astimezone(UTC) if _DATETIME.fullmatch(text) else None
    except (ValueError, OverflowError):
        instant = None
    if instant is None or not EARLIEST <= instant.date() <= LATEST:
        raise InvalidLiteral(f"Invalid datetime: {text}")
    return ast.DateTime(instant)


def parse_money(text: str) -> ast.Money:
    """Read a currency literal: `EUR-12.50`."""
    return ast.Money(text[:3].upper(), Decimal(text[3:]))
