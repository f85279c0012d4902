"""Northwind, the classic sample trading company: its CSV files, and what its orders must come to."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Final

CURRENCY: Final = "USD"
_CENT: Final = Decimal("0.01")

COMPANY_BY_COUNTRY: Final = {
    **dict.fromkeys(("USA", "Canada", "Mexico", "Argentina", "Brazil", "Venezuela"), "US"),
    **dict.fromkeys(("UK", "Ireland"), "UK"),
    **dict.fromkeys(("Germany", "Austria", "Switzerland", "France", "Belgium", "Italy", "Spain", "Portugal"), "DE"),
    **dict.fromkeys(("Sweden", "Norway", "Denmark", "Finland", "Poland"), "DE"),
}
"""Code of the company that must book the orders of each country's customers, in Northwind's spelling of the country."""


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer; what the file does not know is None."""

    id: str
    name: str
    street: str | None
    city: str | None
    region: str | None
    postal_code: str | None
    country: str
    phone: str | None

    @property
    def company(self) -> str:
        """Code of the company that must book this customer's orders."""
        return COMPANY_BY_COUNTRY[self.country]


@dataclass(frozen=True, slots=True)
class Product:
    """A product with its list price in USD."""

    id: int
    name: str
    unit_price: Decimal

    @property
    def sku(self) -> str:
        """The product's code in both systems, such as `NW-11`."""
        return f"NW-{self.id}"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of an order.

    Attributes:
        discount: A fraction: 0.15 is 15 %.
    """

    product: Product
    unit_price: Decimal
    quantity: int
    discount: Decimal

    @property
    def amount(self) -> Decimal:
        """What the line comes to after its discount, rounded half-up to the cent.

        Example:
            >>> Line(Product(1, "Chai", Decimal(18)), Decimal("7.70"), 3, Decimal("0.15")).amount
            Decimal('19.64')
        """
        exact = self.unit_price * self.quantity * (1 - self.discount)
        return exact.quantize(_CENT, rounding=ROUND_HALF_UP)


@dataclass(frozen=True, slots=True)
class Order:
    """An order with its lines."""

    id: int
    customer: Customer
    date: date
    lines: tuple[Line, ...]

    @property
    def total(self) -> Decimal:
        """Sum of the lines' amounts in USD."""
        return sum((line.amount for line in self.lines), Decimal(0))


@dataclass(frozen=True, slots=True)
class Northwind:
    """The company's master data and orders."""

    customers: tuple[Customer, ...]
    products: tuple[Product, ...]
    orders: tuple[Order, ...]

    def first(self, count: int) -> Northwind:
        """The same with just the first orders, for a quick trial."""
        return Northwind(self.customers, self.products, self.orders[:count])


def read_northwind(folder: Path) -> Northwind:
    """Read the CSV files of a folder.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A row is of no form that is known.
    """
    customers = {row["customerID"]: _customer(row) for row in _rows(folder / "customers.csv", "address")}
    products = {row["productID"]: _product(row) for row in _rows(folder / "products.csv")}
    lines: dict[str, list[Line]] = defaultdict(list)
    for row in _rows(folder / "order-details.csv"):
        lines[_text(row, "orderID")].append(_line(row, products[row["productID"]]))
    orders = tuple(
        Order(
            id=int(_text(row, "orderID")),
            customer=customers[row["customerID"]],
            date=date.fromisoformat(_text(row, "orderDate")[:10]),
            lines=tuple(lines[_text(row, "orderID")]),
        )
        for row in _rows(folder / "orders.csv", "shipAddress")
    )
    return Northwind(tuple(customers.values()), tuple(products.values()), orders)


Row = dict[str, str | None]


def _rows(path: Path, address: str | None = None) -> Iterator[Row]:
    """Rows of a file, `NULL` as None.

    Args:
        path: The file.
        address: Column that holds commas without quotes; the columns it spilt into are joined back.
    """
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.reader(stream)
        header = next(reader)
        for cells in reader:
            whole = _joined(cells, header, address)
            if len(whole) != len(header):
                raise ValueError(f"{path.name}, line {reader.line_num}: {len(cells)} columns instead of {len(header)}")
            yield {name: None if cell == "NULL" else cell for name, cell in zip(header, whole, strict=True)}


def _joined(cells: list[str], header: list[str], address: str | None) -> list[str]:
    surplus = len(cells) - len(header)
    if address is None or surplus <= 0:
        return cells
    place = header.index(address)
    return [*cells[:place], ",".join(cells[place : place + surplus + 1]), *cells[place + surplus + 1 :]]


def _text(row: Row, column: str) -> str:
    value = row[column]
    if value is None:
        raise ValueError(f"{column} is NULL in {row}")
    return value


def _customer(row: Row) -> Customer:
    return Customer(
        id=_text(row, "customerID"),
        name=_text(row, "companyName"),
        street=row["address"],
        city=row["city"],
        region=row["region"],
        postal_code=row["postalCode"],
        country=_text(row, "country"),
        phone=row["phone"],
    )


def _product(row: Row) -> Product:
    return Product(int(_text(row, "productID")), _text(row, "productName"), Decimal(_text(row, "unitPrice")))


def _line(row: Row, product: Product) -> Line:
    return Line(
        product=product,
        unit_price=Decimal(_text(row, "unitPrice")),
        quantity=int(_text(row, "quantity")),
        discount=Decimal(_text(row, "discount")),
    )
