"""The demo company's records, as data: what it sells, to whom, and every kind of dirt that real CRMs have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final


@dataclass(frozen=True)
class Person:
    """Somebody with a name, an e-mail address and perhaps a phone."""

    first_name: str
    last_name: str
    email: str
    phone: str | None = None


@dataclass(frozen=True)
class Product:
    """Something to sell; prices in the order of `PRICE_CURRENCIES`, None where it is not sold in that currency."""

    sku: str
    name: str
    family: str
    unit: str
    prices: tuple[str | None, ...]


@dataclass(frozen=True)
class Line:
    """A line of a deal, at list price unless `unit_price` says otherwise; `discount` in percent."""

    sku: str
    quantity: str
    discount: str | None = None
    unit_price: str | None = None
    description: str | None = None


@dataclass(frozen=True)
class Deal:
    """An opportunity; `days_ago` counts back to its close date (negative: in the future)."""

    name: str
    lines: tuple[Line, ...] = ()
    stage: str = "Closed Won"
    days_ago: int = 5
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class QuoteData:
    """An accepted quote; the opportunity gets its lines by being synced with it."""

    name: str
    deal: str
    lines: tuple[Line, ...]
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class OrderData:
    """An order that is activated."""

    name: str
    lines: tuple[Line, ...]
    days_ago: int = 3
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Customer:
    """An account with its contact and its business; `owner` is the index of a sales user."""

    name: str
    currency: str
    owner: int
    contact: Person
    values: Mapping[str, Any]
    deals: tuple[Deal, ...] = ()
    quotes: tuple[QuoteData, ...] = ()
    orders: tuple[OrderData, ...] = ()


def billing(street: str, postal_code: str, city: str, country: str, state: str | None = None) -> dict[str, Any]:
    """The fields of a billing address."""
    return _address("Billing", street, postal_code, city, country, state)


def shipping(street: str, postal_code: str, city: str, country: str, state: str | None = None) -> dict[str, Any]:
    """The fields of a shipping address."""
    return _address("Shipping", street, postal_code, city, country, state)


def _address(prefix: str, street: str, postal_code: str, city: str, country: str, state: str | None) -> dict[str, Any]:
    parts = {"Street": street, "PostalCode": postal_code, "City": city, "Country": country, "State": state}
    return {prefix + part: value for part, value in parts.items() if value}


US_SALES, UK_SALES, DE_SALES = 0, 1, 2
MANAGER: Final = Person("Priya", "Raman", "priya.raman@northlight-instruments.example")
SALES_TEAM: Final = (
    Person("Ana", "Ruiz", "ana.ruiz@northlight-instruments.example"),
    Person("Tom", "Whitfield", "tom.whitfield@northlight-instruments.example"),
    Person("Katja", "Lorenz", "katja.lorenz@northlight-instruments.example"),
)

PRICE_CURRENCIES: Final = ("USD", "GBP", "EUR", "JPY", "KWD")
PRODUCTS: Final = (
    Product(
        "NL-100",
        "Handheld spectrometer",
        "Instruments",
        "Each",
        ("4250.00", "3390.00", "3890.00", "638000", "1313.640"),
    ),
    Product(
        "NL-110",
        "Handheld spectrometer, calibrated",
        "Instruments",
        "Each",
        ("4890.00", "3890.00", "4490.00", "735000", None),
    ),
    Product(
        "NL-200", "Bench photometer", "Instruments", "Each", ("11900.00", "9450.00", "10900.00", "1785000", "3678.185")
    ),
    Product(
        "NL-210",
        "Bench photometer, dual beam",
        "Instruments",
        "Each",
        ("15750.00", "12500.00", "14400.00", "2360000", None),
    ),
    Product("NL-300", "Gas analyser", "Instruments", "Each", ("7320.50", "5840.50", "6710.50", "1098000", None)),
    Product("NL-400", "pH probe", "Accessories", "Each", ("189.90", "149.90", "174.90", "28500", "58.697")),
    Product("NL-410", "Probe cable 3 m", "Accessories", "Each", ("24.95", "19.95", "22.95", "3740", None)),
    Product(
        "NL-500", "Sample cuvettes, pack of 100", "Consumables", "Pack", ("64.33", "51.27", "58.99", "9650", "19.884")
    ),
    Product("NL-510", "Reference solution 1 l", "Consumables", "Litre", ("38.75", "30.95", "35.55", "5810", None)),
    Product(
        "NL-900", "On-site calibration, per day", "Services", "Day", ("1150.00", "920.00", "1050.00", "172500", None)
    ),
    Product(
        "NL-910", "Service contract, one year", "Services", "Year", ("2400.00", "1900.00", "2200.00", "360000", None)
    ),
    Product("NL-999", "Prototype imager", "Instruments", "Each", ("52000.00", "41500.00", "47600.00", "7800000", None)),
)

LONG_DESCRIPTION: Final = (
    "Cuvettes for Lab 2 🧪 – keep cold ❄️, sealed, upright; “no substitutes” says Máire. Unload at gate 4 before 11:00, "
    "ring 2× and ask for Seán. Use our own pallets; 50% of the packs go to Cork later \\o/ 🚚"
)
"""200 characters with emoji, quotation marks, a percent sign and a backslash."""
