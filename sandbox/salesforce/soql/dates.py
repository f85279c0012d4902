"""Calendar arithmetic of SOQL: relative date literals and date functions.

Weeks start on Sunday, as in the locale en_US; fiscal years are calendar years; days are counted in UTC.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any

from prefect_crm_erp.sandbox.salesforce.soql.literals import EARLIEST, LATEST

_UNITS = ("DAY", "WEEK", "MONTH", "QUARTER", "YEAR", "FISCAL_QUARTER", "FISCAL_YEAR")
_MONTHS = {"MONTH": 1, "QUARTER": 3, "YEAR": 12, "FISCAL_QUARTER": 3, "FISCAL_YEAR": 12}


@dataclass(frozen=True, slots=True)
class Span:
    """Units of the calendar relative to the one of today: from `first` up to, not including, `end`."""

    unit: str
    first: int
    end: int


def _fixed() -> dict[str, Span]:
    spans = {
        "YESTERDAY": Span("DAY", -1, 0),
        "TODAY": Span("DAY", 0, 1),
        "TOMORROW": Span("DAY", 1, 2),
        "LAST_90_DAYS": Span("DAY", -90, 1),
        "NEXT_90_DAYS": Span("DAY", 1, 91),
    }
    for unit in _UNITS[1:]:
        spans |= {
            f"LAST_{unit}": Span(unit, -1, 0),
            f"THIS_{unit}": Span(unit, 0, 1),
            f"NEXT_{unit}": Span(unit, 1, 2),
        }
    return spans


def _last(unit: str, count: int) -> Span:
    # The last n days include today; the last n weeks, months … end before the current one.
    return Span(unit, -count, 1 if unit == "DAY" else 0)


def _next(unit: str, count: int) -> Span:
    return Span(unit, 1, count + 1)


def _ago(unit: str, count: int) -> Span:
    return Span(unit, -count, 1 - count)


def _counted() -> dict[str, Callable[[int], Span]]:
    spans: dict[str, Callable[[int], Span]] = {}
    for unit in _UNITS:
        spans[f"LAST_N_{unit}S"] = partial(_last, unit)
        spans[f"NEXT_N_{unit}S"] = partial(_next, unit)
        spans[f"N_{unit}S_AGO"] = partial(_ago, unit)
    return spans


FIXED = _fixed()
"""The literals without a count, by name."""

COUNTED = _counted()
"""The literals with a count (`LAST_N_DAYS:n`), by name."""


def date_range(name: str, count: int | None, today: date) -> tuple[date, date]:
    """The days that a relative date literal stands for: the first one, and the one after the last.

    Example:
        >>> date_range("LAST_N_DAYS", 1, date(2026, 3, 15))
        (datetime.date(2026, 3, 14), datetime.date(2026, 3, 16))
    """
    span = FIXED[name] if count is None else COUNTED[name](count)
    return _start(span.unit, span.first, today), _start(span.unit, span.end, today)


def _start(unit: str, steps: int, today: date) -> date:
    """First day of the unit `steps` units from the current one, kept within the days that Salesforce knows."""
    try:
        if unit in _MONTHS:
            return _clamp(_month_start(today, _MONTHS[unit], steps))
        if unit == "WEEK":
            return _clamp(today + timedelta(days=steps * 7 - today.isoweekday() % 7))
        return _clamp(today + timedelta(days=steps))
    except (OverflowError, ValueError):
        return EARLIEST if steps < 0 else LATEST


def _month_start(today: date, length: int, steps: int) -> date:
    months = today.year * 12 + (today.month - 1) // length * length + steps * length
    return date(months // 12, months % 12 + 1, 1)


def _clamp(day: date) -> date:
    return min(max(day, EARLIEST), LATEST)


def midnight(day: date) -> datetime:
    """The instant at which a day begins."""
    return datetime.combine(day, time(), UTC)


def _quarter(value: date) -> int:
    return (value.month - 1) // 3 + 1


DATE_FUNCTIONS: dict[str, Callable[[Any], int | date]] = {
    "CALENDAR_MONTH": lambda value: value.month,
    "CALENDAR_QUARTER": _quarter,
    "CALENDAR_YEAR": lambda value: value.year,
    "DAY_IN_MONTH": lambda value: value.day,
    "DAY_IN_WEEK": lambda value: value.isoweekday() % 7 + 1,
    "DAY_IN_YEAR": lambda value: value.timetuple().tm_yday,
    "DAY_ONLY": lambda value: value.date(),
    "FISCAL_MONTH": lambda value: value.month,
    "FISCAL_QUARTER": _quarter,
    "FISCAL_YEAR": lambda value: value.year,
    "HOUR_IN_DAY": lambda value: value.hour,
    "WEEK_IN_MONTH": lambda value: (value.day - 1) // 7 + 1,
    "WEEK_IN_YEAR": lambda value: (value.timetuple().tm_yday - 1) // 7 + 1,
}
"""What each date function gives for a date or a datetime in UTC."""

DATETIME_ONLY = frozenset({"DAY_ONLY", "HOUR_IN_DAY"})
"""The functions that a date without a time does not have."""
