"""What Northlight Instruments keeps in its ERP at the start of the demo: products, stock and a few customers."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from prefect_crm_erp.sandbox.tryton.companies import Address


@dataclass(frozen=True)
class Product:
    """A product or service; ``prices`` are the list prices by company code, each in the company's currency.

    Attributes:
        sku: The stock-keeping unit; in Tryton the code of the product.
        unit: Name of Tryton's unit of measure that it is sold in.
        scarce: Pieces in stock, by company code, where it is not plenty.
    """

    sku: str
    name: str
    prices: dict[str, Decimal]
    service: bool = False
    unit: str = "Unit"
    scarce: dict[str, int] | None = None


@dataclass(frozen=True)
class Customer:
    """A customer whom somebody typed in by hand, before the integration came: without any key of the CRM.

    Attributes:
        credit_limit: Company code and limit in the currency of the company.
    """

    name: str
    address: Address
    payment_term: str
    vat_number: str | None = None
    email: str | None = None
    credit_limit: tuple[str, Decimal] | None = None


def _prices(us: str, uk: str, de: str) -> dict[str, Decimal]:
    return {"US": Decimal(us), "UK": Decimal(uk), "DE": Decimal(de)}


PLENTY: Final = 10_000
"""Pieces of every product in stock in every company, where the product does not say otherwise."""

PRODUCTS: Final = (
    Product("NL-100", "Handheld spectrometer", _prices("4250.00", "3390.00", "3890.00")),
    Product("NL-110", "Handheld spectrometer, calibrated", _prices("4890.00", "3890.00", "4490.00")),
    Product("NL-200", "Bench photometer", _prices("11900.00", "9450.00", "10900.00")),
    Product("NL-210", "Bench photometer, dual beam", _prices("15750.00", "12500.00", "14400.00")),
    Product("NL-300", "Gas analyser", _prices("7320.50", "5840.50", "6710.50"), scarce={"UK": 2}),
    Product("NL-400", "pH probe", _prices("189.90", "149.90", "174.90")),
    Product("NL-410", "Probe cable 3 m", _prices("24.95", "19.95", "22.95")),
    Product("NL-500", "Sample cuvettes, pack of 100", _prices("64.33", "51.27", "58.99")),
    Product("NL-510", "Reference solution 1 l", _prices("38.75", "30.95", "35.55")),
    Product(
        "NL-900", "On-site calibration, per day", _prices("1150.00", "920.00", "1050.00"), service=True, unit="Day"
    ),
    Product("NL-910", "Service contract, one year", _prices("2400.00", "1900.00", "2200.00"), service=True),
    Product("SHIPPING", "Shipping and handling", _prices("45.00", "35.00", "40.00"), service=True),
)

CUSTOMERS: Final = (
    Customer(
        "Harrow & Finch Ltd",
        Address("14 Chapel Street", "Manchester", "M3 7LQ", "GB"),
        "Net 30",
        vat_number="GB980780684",
        email="accounts@harrowfinch.example",
    ),
    Customer("Brückner Messtechnik GmbH", Address("Turmstraße 21", "Berlin", "10559", "DE", "DE-BE"), "Net 30"),
    Customer(
        "Calder Valley Labs Ltd",
        Address("3 Mill Lane", "Halifax", "HX1 5AB", "GB"),
        "Net 15",
        email="office@caldervalley.example",
        credit_limit=("UK", Decimal(5000)),
    ),
    Customer(
        "Prairie Soil Testing Inc",
        Address("1820 Grain Exchange Road", "Lincoln", "68508", "US", "US-NE"),
        "Net 45",
        email="ap@prairiesoil.example",
    ),
    Customer(
        "Weserland Molkerei eG",
        Address("Am Deich 7", "Bremen", "28199", "DE", "DE-HB"),
        "Net 30",
        vat_number="DE136695976",
        email="einkauf@weserland.example",
    ),
    Customer(
        "Laboratoires Garonne SARL",
        Address("22 rue des Tanneurs", "Toulouse", "31000", "FR"),
        "Net 60",
        vat_number="FR83404833048",
        email="compta@labo-garonne.example",
    ),
)
