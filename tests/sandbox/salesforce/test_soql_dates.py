"""The calendar of SOQL: relative date literals and date functions."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_crm_erp.sandbox.salesforce.soql.dates import COUNTED, DATE_FUNCTIONS, FIXED, date_range

TODAY = date(2026, 3, 18)
UNITS = ["WEEK", "MONTH", "QUARTER", "YEAR", "FISCAL_QUARTER", "FISCAL_YEAR"]

days = st.dates(date(1900, 1, 1), date(2200, 1, 1))
counts = st.integers(1, 150)


@pytest.mark.parametrize(
    ("literal", "first", "last"),
    [
        ("TODAY", "2026-03-18", "2026-03-18"),
        ("YESTERDAY", "2026-03-17", "2026-03-17"),
        ("TOMORROW", "2026-03-19", "2026-03-19"),
        ("THIS_WEEK", "2026-03-15", "2026-03-21"),
        ("LAST_WEEK", "2026-03-08", "2026-03-14"),
        ("NEXT_WEEK", "2026-03-22", "2026-03-28"),
        ("LAST_MONTH", "2026-02-01", "2026-02-28"),
        ("NEXT_MONTH", "2026-04-01", "2026-04-30"),
        ("THIS_QUARTER", "2026-01-01", "2026-03-31"),
        ("LAST_QUARTER", "2025-10-01", "2025-12-31"),
        ("NEXT_FISCAL_QUARTER", "2026-04-01", "2026-06-30"),
        ("LAST_YEAR", "2025-01-01", "2025-12-31"),
        ("LAST_90_DAYS", "2025-12-18", "2026-03-18"),
        ("NEXT_90_DAYS", "2026-03-19", "2026-06-16"),
        ("LAST_N_DAYS:1", "2026-03-17", "2026-03-18"),
        ("LAST_N_DAYS:0", "2026-03-18", "2026-03-18"),
        ("NEXT_N_DAYS:2", "2026-03-19", "2026-03-20"),
        ("N_DAYS_AGO:25", "2026-02-21", "2026-02-21"),
        ("LAST_N_WEEKS:2", "2026-03-01", "2026-03-14"),
        ("N_WEEKS_AGO:2", "2026-03-01", "2026-03-07"),
        ("LAST_N_MONTHS:3", "2025-12-01", "2026-02-28"),
        ("NEXT_N_MONTHS:2", "2026-04-01", "2026-05-31"),
        ("N_MONTHS_AGO:15", "2024-12-01", "2024-12-31"),
        ("LAST_N_QUARTERS:2", "2025-07-01", "2025-12-31"),
        ("N_YEARS_AGO:2", "2024-01-01", "2024-12-31"),
        ("NEXT_N_FISCAL_YEARS:5", "2027-01-01", "2031-12-31"),
        ("LAST_N_DAYS:2000000000", "1700-01-01", "2026-03-18"),
        ("NEXT_N_YEARS:2000000000", "2027-01-01", "4000-12-30"),
    ],
)
def test_relative_dates(literal: str, first: str, last: str) -> None:
    name, _, count = literal.partition(":")
    start, end = date_range(name, int(count) if count else None, TODAY)
    assert (start.isoformat(), (end - timedelta(days=1)).isoformat()) == (first, last)


@given(days, st.sampled_from(UNITS), counts)
def test_last_this_and_next_follow_each_other_without_gaps(today: date, unit: str, count: int) -> None:
    last, this, following = (date_range(f"{word}_{unit}", None, today) for word in ("LAST", "THIS", "NEXT"))
    assert last[1] == this[0]
    assert this[1] == following[0]
    assert this[0] <= today < this[1]
    # The last n end where this one starts, and begin with the one n ago.
    several = date_range(f"LAST_N_{unit}S", count, today)
    assert several == (date_range(f"N_{unit}S_AGO", count, today)[0], this[0])
    assert date_range(f"LAST_N_{unit}S", 1, today) == date_range(f"N_{unit}S_AGO", 1, today) == last
    assert date_range(f"NEXT_N_{unit}S", count, today)[0] == following[0]


@given(days, counts)
def test_weeks_start_on_sunday_and_years_in_january(today: date, count: int) -> None:
    start, end = date_range("N_WEEKS_AGO", count, today)
    assert (start.isoweekday(), (end - start).days) == (7, 7)
    for unit in ("YEAR", "FISCAL_YEAR"):
        start, end = date_range(f"N_{unit}S_AGO", count, today)
        assert start == date(today.year - count, 1, 1)


def test_every_literal_of_the_reference_is_known() -> None:
    assert len(FIXED) == 5 + 3 * len(UNITS)
    assert len(COUNTED) == 3 * (1 + len(UNITS))


@pytest.mark.parametrize(
    ("function", "moment", "value"),
    [
        ("CALENDAR_MONTH", datetime(2026, 12, 31, 23, tzinfo=UTC), 12),
        ("CALENDAR_QUARTER", date(2026, 4, 1), 2),
        ("CALENDAR_YEAR", date(2026, 1, 1), 2026),
        ("DAY_IN_MONTH", date(2026, 2, 20), 20),
        ("DAY_IN_WEEK", date(2026, 3, 15), 1),
        ("DAY_IN_WEEK", date(2026, 3, 21), 7),
        ("DAY_IN_YEAR", date(2026, 2, 1), 32),
        ("DAY_ONLY", datetime(2009, 9, 22, 23, 59, tzinfo=UTC), date(2009, 9, 22)),
        ("FISCAL_MONTH", date(2026, 7, 1), 7),
        ("FISCAL_QUARTER", date(2026, 7, 15), 3),
        ("FISCAL_YEAR", date(2026, 7, 15), 2026),
        ("HOUR_IN_DAY", datetime(2026, 1, 1, 18, 23, 10, tzinfo=UTC), 18),
        ("WEEK_IN_MONTH", date(2026, 4, 10), 2),
        ("WEEK_IN_YEAR", date(2026, 1, 3), 1),
        ("WEEK_IN_YEAR", date(2026, 1, 8), 2),
    ],
)
def test_date_functions(function: str, moment: date, value: object) -> None:
    assert DATE_FUNCTIONS[function](moment) == value
