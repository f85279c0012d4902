"""Money never loses a minor unit, and never touches a float."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_crm_erp.models.money import (
    Money,
    minor_units,
    price_steps,
    round_money,
    round_to,
    split_amount,
    to_decimal,
)

CURRENCIES = st.sampled_from(["USD", "EUR", "GBP", "JPY", "KWD"])
CENTS = st.integers(min_value=0, max_value=10**10)


def money(cents: int, currency: str) -> Decimal:
    return Decimal(cents).scaleb(-minor_units(currency))


@pytest.mark.requirement("N01")
@pytest.mark.parametrize(("currency", "digits"), [("USD", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4), ("XYZ", 2)])
def test_minor_units_are_the_currencys_own(currency: str, digits: int) -> None:
    assert minor_units(currency) == digits


@pytest.mark.parametrize("value", [1.5, True, "NaN", "Infinity", "ten", None])
def test_what_is_not_an_exact_number_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="not"):
        to_decimal(value)


def test_money_shows_its_currency_in_the_currencys_decimal_places() -> None:
    assert str(Money(amount="92000", currency="EUR")) == "92,000.00 EUR"
    assert str(Money(amount="638000", currency="JPY")) == "638,000 JPY"


@given(CENTS, st.lists(st.integers(min_value=0, max_value=10**6), min_size=1, max_size=30), CURRENCIES)
def test_sharing_out_loses_nothing_and_is_fair_to_the_unit(cents: int, weights: list[int], currency: str) -> None:
    total = money(cents, currency)
    shares = split_amount(total, [Decimal(weight) for weight in weights], currency)
    assert sum(shares) == total
    assert len(shares) == len(weights)
    if sum(weights):
        unit = Decimal(1).scaleb(-minor_units(currency))
        exact = [total * weight / sum(weights) for weight in weights]
        assert all(abs(share - each) < unit for share, each in zip(shares, exact, strict=True))


@pytest.mark.requirement("GB12")
@given(
    st.integers(min_value=1, max_value=5000),
    st.integers(min_value=1, max_value=10**7),
    st.integers(min_value=0, max_value=10000),
    CURRENCIES,
)
def test_an_erp_that_rounds_half_even_arrives_at_the_crms_amount(
    quantity: int, price_cents: int, discount: int, currency: str
) -> None:
    """The CRM rounds a discounted line half-up; whatever we send must come out the same in the ERP."""
    amount = round_money(money(price_cents, currency) * quantity * (1 - Decimal(discount) / 10000), currency)
    steps = price_steps(Decimal(quantity), amount, minor_units(currency), 4)
    in_the_erp = [round_to(count * price, minor_units(currency), ROUND_HALF_EVEN) for count, price in steps]
    assert sum(in_the_erp) == amount
    assert sum(count for count, _ in steps) == quantity
    assert all(price >= 0 and price == round_to(price, 4) for _, price in steps)


@given(st.decimals(min_value="0.001", max_value="100", places=3), CENTS)
def test_a_fractional_quantity_comes_out_exactly_or_is_refused(quantity: Decimal, cents: int) -> None:
    amount = money(cents, "EUR")
    try:
        steps = price_steps(quantity, amount, 2, 4)
    except ValueError as error:
        assert "no unit price" in str(error)  # noqa: PT017
    else:
        assert sum(round_to(count * price, 2, ROUND_HALF_EVEN) for count, price in steps) == amount
        assert sum(count for count, _ in steps) == quantity
