"""Conversion between the org's currencies, with dated rates for opportunities and their lines."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from datetime import date
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

from prefect_crm_erp.sandbox.salesforce.soql.names import BoundField, ParentLookup, Row

_CONTEXT = Context(prec=34, rounding=ROUND_HALF_UP)

_CLOSE_DATE_LOOKUPS: dict[str, tuple[str, str] | None] = {
    "Opportunity": None,
    "OpportunityLineItem": ("Opportunity", "OpportunityId"),
}
"""The objects whose amounts convert at the rate of a day, and the lookup to the row that has the close date."""


class Currencies:
    """The org's currencies and rates. A rate says how much of the currency one unit of the corporate currency buys.

    Args:
        types: rows of CurrencyType; none in an org with a single currency.
        dated: rows of DatedConversionRate.
        parent: finds a row by object and id.
    """

    def __init__(self, types: Iterable[Row], dated: Iterable[Row], parent: ParentLookup) -> None:
        self._rates: dict[str, Decimal] = {}
        self._places: dict[str, int] = {}
        self.active: set[str] = set()
        self.corporate: str | None = None
        for row in types:
            self._add(row)
        self._dated = _by_currency(dated)
        self._parent = parent

    def _add(self, row: Row) -> None:
        code = row["IsoCode"]
        self._rates[code] = Decimal(row["ConversionRate"])
        self._places[code] = int(row["DecimalPlaces"])
        if row["IsActive"]:
            self.active.add(code)
        if row["IsCorporate"]:
            self.corporate = code

    def places(self, code: str | None) -> int:
        """Decimal places of a currency."""
        return self._places.get(code or "", 2)

    def to_corporate(self, amount: Decimal, code: str | None, day: date | None = None) -> Decimal:
        """An amount in the corporate currency, unrounded.

        Args:
            amount: the amount in the currency `code`.
            code: its currency; None is the corporate one.
            day: the day whose rate counts; None takes the current rate.
        """
        if code in (None, self.corporate):
            return amount
        return _CONTEXT.divide(amount, self._rate(str(code), day))

    def convert(self, amount: Decimal, code: str | None, target: str | None, day: date | None = None) -> Decimal:
        """An amount in another currency, rounded to that currency's decimal places."""
        if code == target:
            return amount
        corporate = self.to_corporate(amount, code, day)
        rate = Decimal(1) if target in (None, self.corporate) else self._rate(str(target), day)
        return self.rounded(_CONTEXT.multiply(corporate, rate), target)

    def rounded(self, amount: Decimal, code: str | None) -> Decimal:
        """An amount with the currency's decimal places, half up."""
        return amount.quantize(Decimal(1).scaleb(-self.places(code)), context=_CONTEXT)

    def day_of(self, object_name: str) -> Callable[[Row], date | None]:
        """A function that gives the day whose rate a row's amounts take: None for the current one."""
        if object_name not in _CLOSE_DATE_LOOKUPS:
            return lambda row: None
        lookup = _CLOSE_DATE_LOOKUPS[object_name]
        if lookup is None:
            return lambda row: row["CloseDate"]
        target, field = lookup

        def of_parent(row: Row) -> date | None:
            parent = self._parent(target, row[field])
            return parent["CloseDate"] if parent else None

        return of_parent

    def corporate_reader(self, bound: BoundField) -> Callable[[Row], Decimal | None]:
        """A function that reads an amount field in the corporate currency."""
        owner_row, day_of, name = bound.owner_row(self._parent), self.day_of(bound.owner.name), bound.field.name

        def read(row: Row) -> Decimal | None:
            owner = owner_row(row)
            if owner is None or owner[name] is None:
                return None
            return self.to_corporate(owner[name], owner.get("CurrencyIsoCode"), day_of(owner))

        return read

    def _rate(self, code: str, day: date | None) -> Decimal:
        starts, rates = self._dated.get(code, ([], []))
        index = bisect_right(starts, day) if day else 0
        return rates[index - 1] if index else self._rates.get(code, Decimal(1))


def _by_currency(rows: Iterable[Row]) -> dict[str, tuple[list[date], list[Decimal]]]:
    """Start days and rates of each currency, oldest first."""
    found: dict[str, list[tuple[date, Any]]] = {}
    for row in rows:
        found.setdefault(row["IsoCode"], []).append((row["StartDate"], Decimal(row["ConversionRate"])))
    return {
        code: ([start for start, _ in entries], [rate for _, rate in entries])
        for code, entries in ((code, sorted(entries)) for code, entries in found.items())
    }
