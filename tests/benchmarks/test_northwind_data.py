"""Northwind's files as the benchmark reads them: dirt joined back, amounts exact."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from benchmarks.northwind_data import CURRENCY, Line, Northwind, Product, read_northwind

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data" / "northwind"


@pytest.fixture(scope="module")
def northwind() -> Northwind:
    if not FOLDER.is_dir():
        pytest.skip(f"Northwind is not at {FOLDER}")
    return read_northwind(FOLDER)


def test_every_record_is_read_once(northwind: Northwind) -> None:
    assert len({customer.id for customer in northwind.customers}) == len(northwind.customers) == 91
    assert len({product.sku for product in northwind.products}) == len(northwind.products) == 77
    assert len({order.id for order in northwind.orders}) == len(northwind.orders) == 830
    assert sum(len(order.lines) for order in northwind.orders) == 2155
    assert all(order.lines for order in northwind.orders)


def test_an_address_with_an_unquoted_comma_is_joined_back(northwind: Northwind) -> None:
    (customer,) = [each for each in northwind.customers if each.id == "BOLID"]
    assert (customer.street, customer.city, customer.postal_code) == ("C/ Araquil, 67", "Madrid", "28023")
    assert (customer.region, customer.country, customer.phone) == (None, "Spain", "(91) 555 22 82")


def test_nothing_has_slipped_into_a_neighbouring_column(northwind: Northwind) -> None:
    assert all(customer.phone and customer.phone[-1].isdigit() for customer in northwind.customers)
    assert not any(customer.city and customer.city[0] in " 0123456789" for customer in northwind.customers)
    assert len({customer.country for customer in northwind.customers}) == 21


def test_every_country_has_a_company_that_books_it(northwind: Northwind) -> None:
    booked = Counter(order.customer.company for order in northwind.orders)
    assert booked == {"US": 325, "UK": 75, "DE": 430}


def test_the_orders_come_to_what_the_trade_knows_them_by(northwind: Northwind) -> None:
    by_id = {order.id: order for order in northwind.orders}
    assert by_id[10248].total == Decimal("440.00")
    assert by_id[10250].total == Decimal("1552.60")
    assert by_id[11077].total == Decimal("1255.72")  # 25 lines with seven different discounts
    assert sum((order.total for order in northwind.orders), Decimal(0)) == Decimal("1265793.29")
    assert CURRENCY == "USD"


def test_a_line_is_rounded_half_up_like_the_crm_does() -> None:
    product = Product(1, "Chai", Decimal("18.00"))
    assert Line(product, Decimal("4.50"), 1, Decimal("0.15")).amount == Decimal("3.83")  # 3.825; half-even: 3.82
    assert Line(product, Decimal("7.70"), 3, Decimal("0.15")).amount == Decimal("19.64")  # 19.635


def test_a_row_of_an_unknown_form_is_refused(tmp_path: Path) -> None:
    (tmp_path / "customers.csv").write_text("customerID,companyName,address,city\nA,B,C\n")
    with pytest.raises(ValueError, match=r"customers\.csv, line 2: 3 columns instead of 4"):
        read_northwind(tmp_path)
