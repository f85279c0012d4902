"""Currencies of the ERP and their exchange rates, in units of the currency per euro."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

FIRST_RATE_DATE: Final = dt.date(1990, 1, 1)
"""From this day on orders of any date can be valued."""


@dataclass(frozen=True)
class CurrencyProfile:
    """A currency: ISO 4217 code, symbol, decimal places, and its rate against the euro in 1990 and now."""

    code: str
    name: str
    symbol: str
    digits: int
    first_rate: Decimal
    rate: Decimal

    @property
    def rounding(self) -> Decimal:
        """Smallest amount, such as ``0.01``."""
        return Decimal(1).scaleb(-self.digits)


def _table(*rows: tuple[str, str, str, int, str, str]) -> tuple[CurrencyProfile, ...]:
    return tuple(
        CurrencyProfile(code, name, symbol, digits, Decimal(first), Decimal(now))
        for code, name, symbol, digits, first, now in rows
    )


# The Kuwaiti dinar is left out on purpose: it is the currency that the CRM has and the ERP does not.
CURRENCIES: Final = _table(
    ("EUR", "Euro", "€", 2, "1", "1"),
    ("USD", "US Dollar", "$", 2, "1.20", "1.10"),
    ("GBP", "Pound Sterling", "£", 2, "0.73", "0.85"),
    ("JPY", "Yen", "¥", 0, "173", "162"),
    ("CHF", "Swiss Franc", "CHF", 2, "1.84", "0.95"),
    ("SEK", "Swedish Krona", "kr", 2, "7.42", "11.25"),
    ("NOK", "Norwegian Krone", "kr", 2, "7.91", "11.60"),
    ("DKK", "Danish Krone", "kr", 2, "7.88", "7.46"),
    ("PLN", "Zloty", "zł", 2, "4.05", "4.28"),
    ("CZK", "Czech Koruna", "Kč", 2, "34.10", "25.10"),
    ("HUF", "Forint", "Ft", 2, "185", "395"),
    ("CAD", "Canadian Dollar", "CA$", 2, "1.39", "1.50"),
    ("AUD", "Australian Dollar", "A$", 2, "1.52", "1.66"),
    ("NZD", "New Zealand Dollar", "NZ$", 2, "2.01", "1.81"),
    ("SGD", "Singapore Dollar", "S$", 2, "2.27", "1.46"),
    ("HKD", "Hong Kong Dollar", "HK$", 2, "9.37", "8.58"),
    ("CNY", "Yuan Renminbi", "CN¥", 2, "5.66", "7.85"),
    ("INR", "Indian Rupee", "₹", 2, "20.30", "92.40"),
    ("KRW", "Won", "₩", 0, "815", "1490"),
    ("MXN", "Mexican Peso", "MX$", 2, "3.24", "19.80"),
    ("BRL", "Brazilian Real", "R$", 2, "1.12", "6.05"),
)
