"""What has to change in a CRM so that it applies the ERP's rates: all that is needed, and nothing twice."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_crm_erp.models.exchange import ExchangeRate, RateError, in_force
from prefect_crm_erp.models.rate_plan import measured_in, plan_current, plan_dated

FIRST = date(2026, 1, 1)
TODAY = FIRST + timedelta(days=30)
DAYS = st.integers(min_value=0, max_value=30).map(lambda number: FIRST + timedelta(days=number))
RATES = st.sampled_from([Decimal(text) for text in ("0.90", "0.91", "0.92")])
EARLIER = st.dictionaries(st.integers(min_value=-50, max_value=40).map(lambda n: FIRST + timedelta(days=n)), RATES)


def series(rates: dict[date, Decimal]) -> list[ExchangeRate]:
    return [ExchangeRate("USD", "EUR", rate, day) for day, rate in sorted(rates.items())]


@pytest.mark.requirement("N04")
@given(st.dictionaries(DAYS, RATES, min_size=1), EARLIER)
def test_after_the_plan_the_crm_applies_the_erps_rate_on_every_day_and_a_second_plan_is_empty(
    erp: dict[date, Decimal], crm: dict[date, Decimal]
) -> None:
    wanted = series(erp)
    planned = plan_dated(wanted, crm, TODAY)
    after = crm | {each.valid_from: each.after for each in planned if each.valid_from}
    for number in range((TODAY - wanted[0].valid_from).days + 1):
        day = wanted[0].valid_from + timedelta(days=number)
        applied, told = in_force(series(after), day), in_force(wanted, day)
        assert applied
        assert told
        assert applied.rate == told.rate
    assert plan_dated(wanted, after, TODAY) == []
    assert {day: rate for day, rate in after.items() if day < wanted[0].valid_from or day > TODAY} == {
        day: rate for day, rate in crm.items() if day < wanted[0].valid_from or day > TODAY
    }
    assert all(each.before != each.after for each in planned)


@pytest.mark.requirement("N04")
def test_rates_of_a_companys_books_are_measured_in_the_corporate_currency() -> None:
    """The books are in pounds, the CRM in dollars: euros for one dollar."""
    dollars = [ExchangeRate("GBP", "USD", Decimal("1.25"), FIRST - timedelta(days=90))]
    euros = [
        ExchangeRate("GBP", "EUR", Decimal("1.15"), FIRST - timedelta(days=10)),
        ExchangeRate("GBP", "EUR", Decimal("1.20"), FIRST + timedelta(days=10)),
        ExchangeRate("GBP", "EUR", Decimal("9.99"), TODAY + timedelta(days=1)),
    ]
    found = measured_in(dollars, euros, FIRST, TODAY, 6)
    assert [(rate.valid_from, rate.rate) for rate in found] == [
        (FIRST, Decimal("0.920000")),
        (FIRST + timedelta(days=10), Decimal("0.960000")),
    ]
    (now,) = plan_current(found, Decimal("0.92"), TODAY)
    assert (now.valid_from, now.after) == (None, Decimal("0.96"))
    assert plan_current(found, Decimal("0.96"), TODAY) == []


@pytest.mark.requirement("N04")
def test_a_rate_that_the_crm_cannot_hold_is_refused() -> None:
    tiny = [ExchangeRate("USD", "EUR", Decimal("0.0000004"), FIRST)]
    own = [ExchangeRate("USD", "USD", Decimal(1), FIRST)]
    with pytest.raises(RateError, match="6 decimal places"):
        measured_in(own, tiny, FIRST, TODAY, 6)
