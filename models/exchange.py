"""Exchange rates: what one is, when it cannot be one, and amounts in another currency at it. Nothing here is a float.

A rate says how many units of one currency a single unit of another one is worth, on and after a day.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from prefect_crm_erp.models.money import Amount, plain, round_money

# Quotients have more digits than any amount: what is rounded in the end is never rounded twice by a visible digit.
_WIDE = Context(prec=60, rounding=ROUND_HALF_EVEN)
SHOWN_DIGITS = 10
"""Decimal places of a rate as the CRM shows it for reference."""
ONE = Decimal(1)
HUNDRED = Decimal(100)


class RateSource(StrEnum):
    """Whose rate it is."""

    ERP = "ERP"
    CRM = "CRM, UNVALIDATED"


class RateError(ValueError):
    """A number that cannot be an exchange rate, or not yet; the message says why."""


@dataclass(frozen=True, slots=True)
class ExchangeRate:
    """What one unit of a currency is worth in another.

    Attributes:
        source: ISO 4217 code of the currency that is converted.
        target: ISO 4217 code of the currency that it becomes.
        rate: Units of `target` for one of `source`.
        valid_from: The day from which the rate holds.
        origin: Whose rate it is.

    Example:
        >>> rate = ExchangeRate("EUR", "USD", Decimal("1.10"), date(2026, 1, 1))
        >>> rate.convert(Decimal("92000.00"))
        Decimal('101200.00')
    """

    source: str
    target: str
    rate: Decimal
    valid_from: date
    origin: RateSource = RateSource.ERP

    def convert(self, amount: Decimal, rounding: str = ROUND_HALF_EVEN) -> Decimal:
        """An amount of `source` in `target`, rounded to its minor unit as ERPs do: half-even."""
        return round_money(_WIDE.multiply(amount, self.rate), self.target, rounding)

    def convert_back(self, amount: Decimal, rounding: str = ROUND_HALF_EVEN) -> Decimal:
        """An amount of `target` in `source`, rounded to its minor unit."""
        return round_money(_WIDE.divide(amount, self.rate), self.source, rounding)

    def checked(self, today: date) -> ExchangeRate:
        """The rate itself, if it can be one today.

        Raises:
            RateError: It is zero, negative or no number, or its day lies in the future.
        """
        pair = f"The rate from {self.source} to {self.target}"
        if not self.rate.is_finite() or self.rate <= 0:
            raise RateError(f"{pair} of {self.valid_from} is {self.rate}; a rate is a number above zero")
        if self.valid_from > today:
            raise RateError(
                f"{pair} is dated {self.valid_from}, after today ({today}); it counts when its day has come"
            )
        return self


def cross(first: ExchangeRate, second: ExchangeRate) -> ExchangeRate:
    """The rate between the targets of two rates with one source, as old as the younger of them.

    Args:
        first: From a common currency to the one that is converted.
        second: From the same common currency to the one that it becomes.

    Raises:
        ValueError: They have no currency in common.

    Example:
        >>> day = date(2026, 1, 1)
        >>> cross(ExchangeRate("USD", "EUR", Decimal("0.8"), day), ExchangeRate("USD", "USD", ONE, day)).rate
        Decimal('1.25')
    """
    if first.source != second.source:
        raise ValueError(f"no common currency: {first.source} and {second.source}")
    rate = ONE if first.target == second.target else _WIDE.divide(second.rate, first.rate)
    newest = max(first.valid_from, second.valid_from)
    origin = RateSource.CRM if RateSource.CRM in (first.origin, second.origin) else RateSource.ERP
    return ExchangeRate(first.target, second.target, rate, newest, origin)


def in_force(rates: Iterable[ExchangeRate], on: date) -> ExchangeRate | None:
    """The rate of a day: of those of one pair the youngest that holds by then; None when none does."""
    held = [each for each in rates if each.valid_from <= on]
    return max(held, key=lambda each: each.valid_from, default=None)


def kept(rate: Decimal, digits: int) -> Decimal:
    """A rate with the decimal places that a system keeps, rounded half-even."""
    return rate.quantize(ONE.scaleb(-digits), context=_WIDE)


# -------------------------------------------------------------------- what a deal shows


class Valuation(BaseModel):
    """What a deal is worth beyond its own currency: by the CRM's rate as reported, and by the ERP's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    crm_amount: Amount | None = Field(default=None, description="The deal in the CRM's corporate currency.")
    crm_currency: str | None = None
    erp_amount: Amount | None = Field(default=None, description="The order in the currency of its company's books.")
    erp_currency: str | None = None
    rate: Amount | None = Field(
        default=None, description="Units of the company's currency for one of the deal's, with ten decimal places."
    )
    rate_date: date | None = Field(default=None, description="The day from which the rate holds.")
    rate_source: str | None = Field(default=None, description="“ERP”, or “CRM, UNVALIDATED” until the ERP answers.")

    @property
    def is_validated(self) -> bool:
        """Whether the rate is the ERP's own."""
        return self.rate_source == RateSource.ERP.value

    def of_crm_only(self) -> Valuation:
        """The CRM's value alone, of a deal whose orders are in books of several currencies."""
        return Valuation(crm_amount=self.crm_amount, crm_currency=self.crm_currency)

    def __str__(self) -> str:
        """Both amounts and the rate, for people."""
        crm = f"{self.crm_amount:,} {self.crm_currency}" if self.crm_amount is not None else "unknown"
        if self.erp_amount is None or self.rate is None:
            return f"CRM: {crm}; ERP: unknown"
        erp = f"{self.erp_amount:,} {self.erp_currency}"
        return f"CRM: {crm}; ERP: {erp} at {plain(self.rate)} of {self.rate_date} ({self.rate_source})"


# -------------------------------------------------------------------- variance


@dataclass(frozen=True, slots=True)
class Variance:
    """How far two values of the same thing are apart, in one currency: |CRM - ERP| / |ERP|."""

    crm: Decimal
    erp: Decimal

    @property
    def difference(self) -> Decimal:
        """CRM less ERP."""
        return self.crm - self.erp

    @property
    def percent(self) -> Decimal | None:
        """In percent of the ERP's value, with two decimal places; None when that is zero and the CRM's is not."""
        if self.erp == 0:
            return None if self.crm else Decimal("0.00")
        return kept(_WIDE.divide(abs(self.difference) * HUNDRED, abs(self.erp)), 2)

    def exceeds(self, tolerance_percent: Decimal) -> bool:
        """Whether it is more than the tolerance; exactly the tolerance is not. Nothing is rounded before."""
        return abs(self.difference) * HUNDRED > tolerance_percent * abs(self.erp)


# -------------------------------------------------------------------- the CRM's own rates


@dataclass(frozen=True, slots=True)
class CrmCurrency:
    """A currency as the CRM keeps it.

    Attributes:
        code: ISO 4217 code.
        rate: Units of it for one of the corporate currency: the rate that holds now.
        is_active: Whether records may be in it.
        is_corporate: Whether it is the one that the others are measured in.
    """

    code: str
    rate: Decimal
    is_active: bool = True
    is_corporate: bool = False


@dataclass(frozen=True, slots=True)
class CrmRates:
    """The CRM's currencies and rates.

    Attributes:
        currencies: By ISO 4217 code.
        today: The day that the rates without a date are of.
        dated: Rates by currency and the day from which they hold; None where the CRM keeps none by date.
        digits: Decimal places of a rate.
    """

    currencies: Mapping[str, CrmCurrency]
    today: date
    dated: Mapping[str, Mapping[date, Decimal]] | None = None
    digits: int = 6

    @property
    def corporate(self) -> str:
        """Code of the corporate currency."""
        return next(each.code for each in self.currencies.values() if each.is_corporate)

    def of(self, currency: str, day: date | None = None) -> ExchangeRate | None:
        """The rate from the corporate currency: of a day, or the one that holds now; None for an unknown currency.

        Args:
            currency: ISO 4217 code.
            day: The day whose rate counts, where the CRM keeps rates by date.
        """
        known = self.currencies.get(currency)
        if known is None or known.rate <= 0:
            return None
        corporate = self.corporate
        if day is not None and self.dated is not None:
            dated = self.dated.get(currency, {})
            found = in_force(
                (ExchangeRate(corporate, currency, rate, start, RateSource.CRM) for start, rate in dated.items()), day
            )
            if found:
                return found
        return ExchangeRate(corporate, currency, known.rate, day or self.today, RateSource.CRM)

    def between(self, source: str, target: str, day: date | None = None) -> ExchangeRate | None:
        """The CRM's rate between two currencies; None when it does not know one of them."""
        first, second = self.of(source, day), self.of(target, day)
        return cross(first, second) if first and second else None

    def reported(self, amount: Decimal, currency: str, day: date | None = None) -> Decimal | None:
        """An amount in the corporate currency as the CRM reports it: at its own rate, half-up to the minor unit."""
        rate = self.of(currency, day)
        return None if rate is None else rate.convert_back(amount, ROUND_HALF_UP)
