"""Files of orders: what one line of a CSV or JSON-lines file says, and what is wrong with it."""

from __future__ import annotations

import csv
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from prefect_crm_erp.models.errors import RecordError
from prefect_crm_erp.models.keys import clean_text, fold

REQUIRED = ("order reference", "representative", "account", "SKU", "quantity", "unit price")
OPTIONAL = ("order date", "currency", "discount", "customer reference")
"""Columns of a file, as they are documented; upper and lower case, blanks and underscores count the same."""

_LONGEST = {"order reference": 80, "representative": 120, "account": 255, "SKU": 120, "customer reference": 120}
_LONGEST_OTHER = 500
_SHOWN = 40
_NAMES = {fold(name): name for name in (*REQUIRED, *OPTIONAL)} | {"date": "order date", "discount percent": "discount"}
_NUMBER = re.compile(r"-?\d{1,12}(?:([.,])\d{1,6})?", re.ASCII)
_THOUSANDS = re.compile(r"-?[1-9]\d{0,2}[.,]\d{3}", re.ASCII)
_ISO_DAY = re.compile(r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)", re.ASCII)
_DOTTED_DAY = re.compile(r"(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4})", re.ASCII)


class RefusedFileError(RecordError):
    """A file cannot be read at all; the others can."""


class BadLineError(ValueError):
    """A line cannot be read; its message says why."""


@dataclass(slots=True)
class OrderLineOfFile:
    """What one line says, in exact forms.

    Attributes:
        number: Its place in the file, from 1.
        values: Column to value, as text: numbers with a decimal point, dates as ISO 8601; empty ones are left out.
        facts: Further columns, for the rules of the order entry policy.
        problems: What is wrong with it, as sentences; empty when nothing is.
    """

    number: int
    values: dict[str, str] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


# -------------------------------------------------------------------- CSV


@dataclass(frozen=True, slots=True)
class CsvForm:
    """How the lines of a CSV file are read.

    Attributes:
        delimiter: Comma, semicolon or tab.
        columns: Name of each column, in order.
    """

    delimiter: str
    columns: tuple[str, ...]

    @classmethod
    def of_header(cls, header: str, delimiter: str | None = None) -> CsvForm:
        """The form that a header says.

        Args:
            header: The line with the names of the columns.
            delimiter: Where the file has said so; else what the header has most of.

        Raises:
            RefusedFileError: A column is missing, stands twice, or the line is no header.
        """
        chosen = delimiter or max(",;\t", key=header.count)
        try:
            names = [column(cell) for cell in _cells(header, chosen)]
        except BadLineError as error:
            raise RefusedFileError(f"Its header cannot be read: {error}") from None
        missing = [name for name in REQUIRED if name not in names]
        if missing:
            raise RefusedFileError(f"Its first line does not name the columns {', '.join(missing)}")
        twice = sorted({name for name in names if name and names.count(name) > 1})
        if twice:
            raise RefusedFileError(f"Its first line names a column twice: {', '.join(map(shown, twice))}")
        return cls(chosen, tuple(names))

    def read(self, text: str) -> dict[str, str]:
        """A line's cells by column; empty for a line without any.

        Raises:
            BadLineError: The line has too few or too many cells, or its quotes do not close.
        """
        cells = _cells(text, self.delimiter)
        if not any(cell.strip() for cell in cells):
            return {}
        while len(cells) > len(self.columns) and not cells[-1].strip():
            cells.pop()
        if len(cells) != len(self.columns):
            raise BadLineError(f"it has {len(cells)} cells, and the header has {len(self.columns)} columns")
        return dict(zip(self.columns, cells, strict=True))

    @property
    def has_decimal_commas(self) -> bool:
        """Whether numbers may have a decimal comma: where commas do not part cells, as Excel saves it."""
        return self.delimiter != ","


def _cells(text: str, delimiter: str) -> list[str]:
    """A line's cells. Each line stands for itself: a quote that does not close spoils no other."""
    try:
        return next(csv.reader([text.rstrip("\r\n")], delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        what = "a quote is not closed (cells have no line breaks)" if "unexpected end" in str(error) else str(error)
        raise BadLineError(what) from None


# -------------------------------------------------------------------- JSON lines


def read_json(text: str) -> dict[str, str]:
    """A line's values by column; empty for a line without any.

    Raises:
        BadLineError: The line is no JSON object, names a column twice, or has lists and objects in it.
    """
    if not text.strip():
        return {}
    try:
        found = json.loads(text, parse_float=str, parse_int=str, parse_constant=_refuse, object_pairs_hook=_once)
    except BadLineError:
        raise
    except (ValueError, RecursionError):
        raise BadLineError("it is no JSON object") from None
    if not isinstance(found, dict):
        raise BadLineError("it is no JSON object")
    return {name: _plain(name, value) for name, value in found.items() if value is not None}


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if column(name) in found:
            raise BadLineError(f"it names {shown(name)} twice")
        found[column(name)] = value
    return found


def _plain(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        raise BadLineError(f"the value of {shown(name)} is neither text nor a number")
    return value


def _refuse(constant: str) -> Any:
    raise BadLineError(f"{constant} is no number")


# -------------------------------------------------------------------- values


def column(name: str) -> str:
    """The documented name of a column; any other as it is written."""
    written = clean_text(name) or ""
    return _NAMES.get(fold(written), written)


def read_line(number: int, cells: Mapping[str, str], *, decimal_comma: bool) -> OrderLineOfFile:
    """Bring a line's values to exact forms, and name everything that is wrong with it.

    Args:
        number: Its place in the file, from 1.
        cells: Values by column.
        decimal_comma: Whether numbers may have a decimal comma.
    """
    line = OrderLineOfFile(number)
    for name, written in cells.items():
        text = written.strip()
        trouble = _trouble(name, text)
        if trouble:
            line.problems.append(trouble)
        elif text and name in _NAMES.values():
            line.values[name] = clean_text(text) or ""
        elif text and name:
            line.facts[name] = text
    named = {name for name in _NAMES.values() if any(name in problem for problem in line.problems)}
    line.problems += [f"the {name} is missing" for name in REQUIRED if name not in line.values and name not in named]
    _read_numbers(line, decimal_comma)
    _read_day_and_currency(line)
    return line


def _trouble(name: str, text: str) -> str | None:
    what = name if name in _NAMES.values() else shown(name or "column without a name")
    if any("\udc80" <= char <= "\udcff" for char in text):
        return f"the {what} is not UTF-8; save the file as CSV UTF-8"
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in text):
        return f"the {what} has control characters"
    longest = _LONGEST.get(name, _LONGEST_OTHER)
    return f"the {what} has more than {longest} characters" if len(text) > longest else None


def _read_numbers(line: OrderLineOfFile, decimal_comma: bool) -> None:
    for name in ("quantity", "unit price", "discount"):
        text = line.values.get(name)
        if text is None:
            continue
        try:
            line.values[name] = format(number(text, decimal_comma=decimal_comma), "f")
        except ValueError as error:
            line.problems.append(f"the {name} {error}")
            continue
        line.problems += _out_of_range(name, Decimal(line.values[name]))


def _out_of_range(name: str, value: Decimal) -> list[str]:
    if name == "quantity" and value <= 0:
        return [f"the quantity {value:f} is not more than zero; returns are credit memos"]
    if value < 0:
        return [f"the {name} {value:f} is negative"]
    return [f"the discount {value:f} is more than 100 percent"] if name == "discount" and value > 100 else []


def number(text: str, *, decimal_comma: bool) -> Decimal:
    """A number as people and programs write it: without thousands separators and exponents.

    Args:
        text: What is written.
        decimal_comma: Whether a comma may be the decimal sign, too. What could be thousands is then refused.

    Raises:
        ValueError: With what is wrong.

    Example:
        >>> number("1234,5", decimal_comma=True)
        Decimal('1234.5')
    """
    found = _NUMBER.fullmatch(text)
    if found is None or (found.group(1) == "," and not decimal_comma):
        raise ValueError(f"{shown(text)} is no number; write it like 1234.50")
    if decimal_comma and _THOUSANDS.fullmatch(text):
        raise ValueError(f"{shown(text)} may be thousands or decimals; write it with other than three decimal places")
    return Decimal(text.replace(",", "."))


def _read_day_and_currency(line: OrderLineOfFile) -> None:
    text = line.values.get("order date")
    if text:
        day = _day(text)
        if day:
            line.values["order date"] = day.isoformat()
        else:
            line.problems.append(f"the order date {shown(text)} is no day; write it like 2026-03-31")
    currency = line.values.get("currency")
    if currency and not re.fullmatch("[A-Za-z]{3}", currency):
        line.problems.append(f"the currency {shown(currency)} is no ISO code, like EUR")
    elif currency:
        line.values["currency"] = currency.upper()


def _day(text: str) -> date | None:
    parts = _ISO_DAY.fullmatch(text) or _DOTTED_DAY.fullmatch(text)
    try:
        return date(*(int(parts[name]) for name in ("year", "month", "day"))) if parts else None
    except ValueError:
        return None


def shown(text: str) -> str:
    """What somebody has written, in quotation marks, cut where it is long: it can start no formula."""
    return f"“{text if len(text) <= _SHOWN else text[: _SHOWN - 1] + '…'}”"
