"""Column types: what goes into the ledger comes back exactly, on SQLite as on PostgreSQL."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, String, Text, TypeDecorator
from sqlalchemy.types import TypeEngine

from prefect_crm_erp.models.money import to_decimal

RowId = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts rows only in an INTEGER primary key
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class Key(TypeDecorator[str]):
    """A key or name that rows are found by: compared character by character, whatever the database's locale.

    Args:
        length: Most characters that it may have.
        may_be_empty: Whether an empty text is a value.

    Raises:
        ValueError: For an empty text, one longer than the column, and one that PostgreSQL cannot store.
    """

    impl = String
    cache_ok = True

    def __init__(self, length: int, *, may_be_empty: bool = False) -> None:
        super().__init__(length)
        self.length = length
        self.may_be_empty = may_be_empty

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """On PostgreSQL with the collation "C", which sorts as Python does."""
        collation = "C" if dialect.name == "postgresql" else None
        return dialect.type_descriptor(String(self.length, collation=collation))

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Refuse what could not be found again."""
        if value is None:
            return None
        if len(value) > self.length or not (value or self.may_be_empty):
            raise ValueError(f"A ledger key has 1 to {self.length} characters, not {len(value)}: {value[:40]!r}")
        if storable(value) != value:
            raise ValueError(f"A ledger key cannot hold NUL or half a surrogate pair: {value[:40]!r}")
        return value


class FreeText(TypeDecorator[str]):
    """Text for people. Characters that PostgreSQL cannot store become U+FFFD, so that no record stops its page."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Replace what cannot be stored."""
        return None if value is None else storable(value)


class ExactDecimal(TypeDecorator[Decimal]):
    """An amount as text: no database rounds it, and its decimal places stay.

    Raises:
        ValueError: For floats, infinities and NaN.
    """

    impl = String(64)
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:
        """Write as text."""
        return None if value is None else str(to_decimal(value))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Decimal | None:
        """Read from text."""
        return None if value is None else Decimal(value)


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC time to the microsecond.

    Raises:
        ValueError: For a time without time zone, which could mean anything.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn to UTC; SQLite has no zones, and keeps the UTC wall time as text that sorts."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"A ledger time needs a time zone: {value.isoformat()}")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the zone back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Choice(TypeDecorator[StrEnum]):
    """A member of an enumeration, stored as the word that people read."""

    impl = String(40)
    cache_ok = True

    def __init__(self, choices: type[StrEnum]) -> None:
        super().__init__()
        self.choices = choices

    def process_bind_param(self, value: StrEnum | str | None, dialect: Dialect) -> str | None:
        """Write the word; ValueError for one that is no member."""
        return None if value is None else self.choices(value).value

    def process_result_value(self, value: str | None, dialect: Dialect) -> StrEnum | None:
        """Read the member."""
        return None if value is None else self.choices(value)


class Json(TypeDecorator[Any]):
    """JSON as ASCII text, in which every character survives; Decimals, dates and times are written as text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Write compactly."""
        return None if value is None else json.dumps(value, separators=(",", ":"), default=str)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """Read."""
        return None if value is None else json.loads(value)


class JsonTuple(TypeDecorator[tuple[Any, ...]]):
    """A tuple of dataclasses (or of texts, with `str`) as a JSON list; an empty one is NULL.

    Args:
        item: Builds one item from its JSON: a dataclass, or `str`.
    """

    impl = Text
    cache_ok = True

    def __init__(self, item: Callable[..., Any]) -> None:
        super().__init__()
        self.item = item

    def process_bind_param(self, value: tuple[Any, ...] | None, dialect: Dialect) -> str | None:
        """Write the items as objects."""
        if not value:
            return None
        items = value if self.item is str else [_members(item) for item in value]
        return json.dumps(items, separators=(",", ":"))

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[Any, ...]:
        """Build the items again."""
        if value is None:
            return ()
        items = json.loads(value)
        return tuple(items) if self.item is str else tuple(self.item(**item) for item in items)


def storable(text: str) -> str:
    """The text with U+FFFD for each NUL and half of a surrogate pair, which PostgreSQL cannot store."""
    if text.isascii() and "\0" not in text:
        return text
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def _members(item: Any) -> dict[str, Any]:
    kind: Any = type(item)
    return {name: getattr(item, name) for name in _names_of(kind)}


@cache
def _names_of(kind: type[Any]) -> tuple[str, ...]:
    return tuple(member.name for member in fields(kind))
