"""Exchange rates and rounding: exact, refused with words, and never a minor unit lost on the way."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_crm_erp.models.currencies import CurrencyCodeError, currency_code
from prefect_crm_erp.models.exchange import (
    CrmCurrency,
    CrmRates,
    ExchangeRate,
    RateError,
    RateSource,
    Variance,
    cross,
    in_force,
)
from prefect_crm_erp.models.money import minor_units, round_money, split_amount
from prefect_crm_erp.models.rounding import explain_totals, header_rounded, line_rounded

DAY = date(2026, 5, 4)
CURRENCIES = st.sampled_from(["USD", "EUR", "GBP", "JPY", "KWD"])
MINOR = st.integers(min_value=-(10**12), max_value=10**12)
RATES = st.decimals(min_value="0.000001", max_value="200000", places=6)


def money(count: int, currency: str) -> Decimal:
    return Decimal(count).scaleb(-minor_units(currency))


def half_unit(currency: str) -> Decimal:
    return Decimal("0.5").scaleb(-minor_units(currency))


# -------------------------------------------------------------------- codes


@pytest.mark.requirement("N01", "N05")
def test_a_code_in_lower_case_is_read_and_shown_as_corrected() -> None:
    code = currency_code(" eur", DAY)
    assert (code.code, code.is_corrected) == ("EUR", True)
    assert not currency_code("EUR", DAY).is_corrected


@pytest.mark.requirement("N01")
@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("hrk", r"HRK \(Croatian Kuna\) was withdrawn: use EUR \(Euro\), its successor since 2023-01-01"),
        ("DEM", "use EUR .*since 1999-01-01"),
        ("SUR", "was withdrawn after"),
        ("XYZ", "'XYZ' is no currency"),
        ("XXX", "'XXX' is no currency"),
        ("", "An empty text"),
    ],
)
def test_an_unknown_or_withdrawn_code_is_refused_with_its_successor(code: str, words: str) -> None:
    with pytest.raises(CurrencyCodeError, match=words):
        currency_code(code, DAY)


def test_a_withdrawn_currency_was_good_money_in_its_time() -> None:
    assert currency_code("HRK", date(2022, 12, 31)).code == "HRK"


# -------------------------------------------------------------------- rates


@pytest.mark.requirement("N02")
@pytest.mark.parametrize("number", ["0", "-1.1", "NaN", "Infinity"])
def test_a_rate_that_is_not_above_zero_is_refused(number: str) -> None:
    with pytest.raises(RateError, match="above zero"):
        ExchangeRate("EUR", "USD", Decimal(number), DAY).checked(DAY)


@pytest.mark.requirement("N02")
def test_a_rate_of_tomorrow_is_refused_until_its_day() -> None:
    rate = ExchangeRate("EUR", "USD", Decimal("1.1"), date(2026, 5, 5))
    with pytest.raises(RateError, match="dated 2026-05-05, after today"):
        rate.checked(DAY)
    assert rate.checked(date(2026, 5, 5)) is rate


@given(MINOR, RATES, CURRENCIES, CURRENCIES)
def test_conversion_there_and_back_stays_within_half_a_minor_unit(
    count: int, number: Decimal, source: str, target: str
) -> None:
    """Half a minor unit of the currency between is all that is lost, and what it is worth comes back."""
    rate = ExchangeRate(source, target, number, DAY)
    amount = money(count, source)
    there = rate.convert(amount)
    assert abs(there - amount * number) <= half_unit(target)
    back = rate.convert_back(there)
    assert abs(back - amount) <= half_unit(target) / number + half_unit(source)
    if half_unit(target) / number < half_unit(source):  # the minor unit between is finer than the one at home
        assert back == amount


@given(MINOR, RATES, RATES)
def test_a_cross_rate_gives_what_the_way_over_the_common_currency_gives(
    count: int, first: Decimal, second: Decimal
) -> None:
    amount = money(count, "EUR")
    over = cross(ExchangeRate("USD", "EUR", first, DAY), ExchangeRate("USD", "GBP", second, DAY))
    exact = amount * second / first
    assert abs(over.convert(amount) - exact) <= half_unit("GBP") + abs(exact) * Decimal("1E-25")


def test_the_younger_rate_dates_a_cross_rate_and_a_crms_rate_stays_one() -> None:
    old, young = date(2026, 1, 1), date(2026, 4, 1)
    first = ExchangeRate("USD", "EUR", Decimal("0.8"), old)
    rate = cross(first, ExchangeRate("USD", "JPY", Decimal(160), young, RateSource.CRM))
    assert (rate.rate, rate.valid_from, rate.origin) == (Decimal(200), young, RateSource.CRM)
    assert in_force([first], date(2025, 12, 31)) is None


@given(MINOR, CURRENCIES)
def test_the_erp_rounds_half_to_even_and_the_crm_half_up(count: int, currency: str) -> None:
    half = money(count, currency) + half_unit(currency)
    even, up = round_money(half, currency, ROUND_HALF_EVEN), round_money(half, currency, ROUND_HALF_UP)
    assert even.as_tuple().digits[-1] % 2 == 0
    assert abs(up) >= abs(half)


# -------------------------------------------------------------------- discounting and summing


@given(
    st.lists(st.integers(min_value=0, max_value=10**8), min_size=1, max_size=20),
    st.decimals(min_value=0, max_value=100, places=2),
    CURRENCIES,
)
def test_a_discount_that_is_shared_out_loses_no_minor_unit(counts: list[int], percent: Decimal, currency: str) -> None:
    lines = [money(count, currency) for count in counts]
    after = round_money(sum(lines) * (1 - percent / 100), currency)
    shares = split_amount(after, lines, currency)
    assert sum(shares) == after
    assert all(share == round_money(share, currency) for share in shares)
    assert all(0 <= share <= line for share, line in zip(shares, lines, strict=True)) or percent == 0


@given(st.lists(st.decimals(min_value=0, max_value=10**6, places=4), min_size=1, max_size=20), CURRENCIES)
def test_rounding_by_line_and_by_header_is_told_apart(lines: list[Decimal], currency: str) -> None:
    by_line, once = line_rounded(lines, currency), header_rounded(lines, currency)
    assert abs(by_line - once) <= half_unit(currency) * (len(lines) + 1)
    words = explain_totals(lines, currency, once, by_line)
    assert (words is None) == (once == by_line)
    if words:
        assert words.startswith(f"{once:,} is the sum of the lines rounded once")


def test_what_rounding_does_not_explain_is_not_explained_by_it() -> None:
    lines = [Decimal("0.335"), Decimal("0.335")]
    assert explain_totals(lines, "USD", Decimal("0.67"), Decimal("5.00")) is None
    assert explain_totals(lines, "USD", Decimal("0.67"), Decimal("0.66")) is None


# -------------------------------------------------------------------- variance


@pytest.mark.requirement("N07", "N08")
def test_the_variance_is_measured_by_the_erp_and_exactly_the_tolerance_passes() -> None:
    worked = Variance(Decimal("100000.00"), Decimal("92000.00") * Decimal("1.10"))
    assert worked.percent == Decimal("1.19")
    assert not worked.exceeds(Decimal(2))
    exactly = Variance(Decimal("102.00"), Decimal("100.00"))
    assert exactly.percent == Decimal("2.00")
    assert not exactly.exceeds(Decimal(2))
    assert Variance(Decimal("102.0000000001"), Decimal("100.00")).exceeds(Decimal(2))
    assert Variance(Decimal("97.99"), Decimal("100.00")).exceeds(Decimal(2))
    assert Variance(Decimal("1.00"), Decimal(0)).exceeds(Decimal(2))
    assert Variance(Decimal("1.00"), Decimal(0)).percent is None
    assert not Variance(Decimal(0), Decimal(0)).exceeds(Decimal(2))


# -------------------------------------------------------------------- the CRM's rates


@pytest.mark.requirement("N03", "N08")
def test_the_crm_reports_at_its_own_rate_of_the_day() -> None:
    types = {
        "USD": CrmCurrency("USD", Decimal(1), is_corporate=True),
        "EUR": CrmCurrency("EUR", Decimal("0.95")),
        "GBP": CrmCurrency("GBP", Decimal("0.75")),
    }
    dated = {"EUR": {date(2026, 1, 1): Decimal("0.90"), date(2026, 5, 1): Decimal("0.92")}}
    rates = CrmRates(types, date(2026, 6, 1), dated)
    assert rates.reported(Decimal("92000.00"), "EUR", DAY) == Decimal("100000.00")
    assert rates.reported(Decimal("95.00"), "EUR") == Decimal("100.00")
    assert rates.reported(Decimal("1.00"), "CHF") is None
    between = rates.between("EUR", "GBP", DAY)
    assert between is not None
    assert (between.valid_from, between.origin) == (date(2026, 5, 4), RateSource.CRM)
