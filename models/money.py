"""Money: a Decimal and its currency, rounded to the currency's minor unit. Floats never touch an amount."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Annotated, Any

from babel.core import get_global
from pydantic import BaseModel, BeforeValidator, ConfigDict

ZERO = Decimal(0)


def to_decimal(value: Any) -> Decimal:
    """Turn a text, an int or a Decimal into a Decimal.

    Raises:
        ValueError: For a float, which cannot hold an amount exactly, and for what is no finite number.

    Example:
        >>> to_decimal("92000.00")
        Decimal('92000.00')
    """
    if type(value) is Decimal and value.is_finite():
        return value
    if isinstance(value, bool | float):
        raise ValueError(f"{value!r} is not exact; give amounts as text or Decimal")
    try:
        number = Decimal(value)
    except (ArithmeticError, TypeError, ValueError):
        raise ValueError(f"{value!r} is not a number") from None
    if not number.is_finite():
        raise ValueError(f"{value!r} is not a finite number")
    return number


Amount = Annotated[Decimal, BeforeValidator(to_decimal)]
"""A Decimal that refuses floats, infinities and NaN."""


@lru_cache(maxsize=512)
def minor_units(currency: str) -> int:
    """Decimal places of a currency: 2 for USD, 0 for JPY, 3 for KWD (source: CLDR through babel).

    Example:
        >>> minor_units("JPY")
        0
    """
    fractions = get_global("currency_fractions")
    return int(fractions.get(currency.upper(), fractions["DEFAULT"])[0])


def round_to(amount: Decimal, digits: int, rounding: str = ROUND_HALF_UP) -> Decimal:
    """Round to a number of decimal places; half-up unless told otherwise."""
    return amount.quantize(Decimal(1).scaleb(-digits), rounding=rounding)


def round_money(amount: Decimal, currency: str, rounding: str = ROUND_HALF_UP) -> Decimal:
    """Round an amount to its currency's minor unit; half-up unless told otherwise.

    Example:
        >>> round_money(Decimal("2.345"), "EUR")
        Decimal('2.35')
    """
    return round_to(amount, minor_units(currency), rounding)


def plain(number: Decimal) -> str:
    """A number without exponent and without trailing zeros: `1.0` is `1`, `1E+2` is `100`."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def split_amount(amount: Decimal, weights: list[Decimal], currency: str) -> list[Decimal]:
    """Share an amount out in proportion to weights, without losing or adding a minor unit.

    The largest remainders get the left-over units, the first of equals first.

    Args:
        amount: What to share, in the currency's major unit (EUR, not cents).
        weights: One non-negative weight for each share; when all are zero the first share takes all.
        currency: ISO 4217 code of the amount.

    Returns:
        One amount for each weight; their sum is the amount, rounded to the minor unit.
    """
    digits = minor_units(currency)
    unit = Decimal(1).scaleb(-digits)
    total = round_to(amount, digits)
    whole = sum(weights, ZERO)
    if not weights or whole == 0:
        return [total, *([ZERO] * (len(weights) - 1))] if weights else []
    exact = [total * weight / whole for weight in weights]
    shares = [(share / unit).to_integral_value(rounding="ROUND_FLOOR") * unit for share in exact]
    left = int((total - sum(shares, ZERO)) / unit)
    by_remainder = sorted(range(len(weights)), key=lambda index: (shares[index] - exact[index], index))
    for index in by_remainder[:left]:
        shares[index] += unit
    return shares


class Money(BaseModel):
    """An amount in a currency.

    Example:
        >>> str(Money(amount="92000", currency="EUR"))
        '92,000.00 EUR'
    """

    model_config = ConfigDict(frozen=True)

    amount: Amount
    currency: str

    def __str__(self) -> str:
        """The amount with thousands separators, its decimal places and the currency's code."""
        return f"{round_money(self.amount, self.currency):,} {self.currency}"


def price_steps(quantity: Decimal, amount: Decimal, digits: int, price_digits: int) -> list[tuple[Decimal, Decimal]]:
    """Find unit prices such that an ERP that multiplies and rounds half-even arrives at exactly this line amount.

    A CRM rounds a discounted line half-up; an ERP multiplies a unit price of limited decimal places and rounds
    half-even. One price mostly does; where none does (large quantities), the line is split in two.

    Args:
        quantity: Quantity of the line, positive.
        amount: The line amount that must come out, in the currency's major unit.
        digits: Decimal places of the currency.
        price_digits: Decimal places of the ERP's unit price.

    Returns:
        One or two pairs of quantity and unit price.

    Raises:
        ValueError: When no split gives the amount (a fractional quantity with a coarse price).

    Example:
        >>> price_steps(Decimal(12), Decimal("152.88"), 2, 4)
        [(Decimal('12'), Decimal('12.7400'))]
    """
    for steps in _candidates(quantity, amount, digits, price_digits):
        whole = sum(_line_amount(count, price, digits) for count, price in steps)
        if whole == amount and all(price >= 0 for _, price in steps):
            return steps
    raise ValueError(f"no unit price with {price_digits} decimal places gives {amount} for a quantity of {quantity}")


def _candidates(
    quantity: Decimal, amount: Decimal, digits: int, price_digits: int
) -> Iterator[list[tuple[Decimal, Decimal]]]:
    """One price; then one unit priced apart; then the quantity shared out between two neighbouring prices."""
    exact = amount / quantity
    nearest = round_to(exact, price_digits, ROUND_HALF_EVEN)
    yield [(quantity, nearest)]
    if quantity <= 1:
        return
    lower = round_to(exact, price_digits, ROUND_FLOOR)
    for price in (nearest, lower):
        yield [(quantity - 1, price), (Decimal(1), amount - _line_amount(quantity - 1, price, digits))]
    step = Decimal(1).scaleb(-price_digits)
    dearer = ((amount - quantity * lower) / step).to_integral_value()
    for count in (dearer, dearer - 1, dearer + 1):
        if 0 < count < quantity:
            yield [(quantity - count, lower), (count, lower + step)]


def _line_amount(quantity: Decimal, price: Decimal, digits: int) -> Decimal:
    return round_to(quantity * price, digits, ROUND_HALF_EVEN)
