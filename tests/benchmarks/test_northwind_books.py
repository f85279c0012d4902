"""The proof of the Northwind benchmark sees every way in which an order can be wrong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from benchmarks.northwind_books import Proof, compare
from benchmarks.northwind_data import Customer, Line, Order, Product

SALE = dict[str, Any]
COMPANIES = {7: "US", 9: "DE"}
CHAI, TOFU = Product(1, "Chai", Decimal("18.00")), Product(14, "Tofu", Decimal("23.25"))
BUYER = Customer("SAVEA", "Save-a-lot Markets", "187 Suffolk Ln.", "Boise", "ID", "83720", "USA", None)
ORDER = Order(
    10324,
    BUYER,
    date(1996, 10, 8),
    (Line(CHAI, Decimal("14.40"), 21, Decimal("0.15")), Line(TOFU, Decimal("18.60"), 70, Decimal("0.15"))),
)


def line(sku: str, quantity: float) -> SALE:
    return {"type": "line", "product.": {"code": sku}, "quantity": quantity}


def sale(**changes: Any) -> SALE:
    """The sale that the order must be."""
    right = {
        "number": "US-00001",
        "reference": "006A",
        "state": "processing",
        "company": 7,
        "currency.": {"code": "USD"},
        "sale_date": date(1996, 10, 8),
        "untaxed_amount": Decimal("1363.74"),
        "tax_amount": Decimal(0),
        "lines.": [{"type": "comment", "product.": None, "quantity": None}, line("NW-1", 21.0), line("NW-14", 70.0)],
    }
    return right | changes


def proof(*sales: SALE) -> dict[str, int]:
    """The counts of what is wrong."""
    found: Proof = compare(sales, {"006A": ORDER}, COMPANIES)
    names = ("orders", "not_written", "doubled", "wrong_totals", "wrong_company", "wrong_lines")
    return {name: count for name in names if (count := getattr(found, name))}


def test_an_order_that_is_right_is_right() -> None:
    assert proof(sale()) == {"orders": 1}


def test_a_line_may_have_become_two_with_prices_of_their_own() -> None:
    assert proof(sale(**{"lines.": [line("NW-1", 20.0), line("NW-1", 1.0), line("NW-14", 70.0)]})) == {"orders": 1}


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        ({"untaxed_amount": Decimal("1363.73")}, "wrong_totals"),
        ({"currency.": {"code": "EUR"}}, "wrong_totals"),
        ({"company": 9}, "wrong_company"),
        ({"lines.": [line("NW-1", 21.0)]}, "wrong_lines"),
        ({"lines.": [line("NW-1", 70.0), line("NW-14", 21.0)]}, "wrong_lines"),
        ({"sale_date": date(2026, 10, 8)}, "wrong_lines"),
    ],
)
def test_what_differs_is_seen(changes: SALE, seen: str) -> None:
    assert proof(sale(**changes)) == {"orders": 1, seen: 1}


@pytest.mark.parametrize(
    ("sales", "seen"),
    [
        (list, {"not_written": 1}),
        (lambda: [sale(state="draft")], {"not_written": 1}),
        (lambda: [sale(state="quotation")], {"not_written": 1}),
        (lambda: [sale(), sale()], {"orders": 1, "doubled": 1}),
        (lambda: [sale(), sale(state="draft")], {"orders": 1, "doubled": 1}),
        (lambda: [sale(), sale(reference="006B")], {"orders": 1, "doubled": 1}),
        (lambda: [sale(), sale(reference=None)], {"orders": 1, "doubled": 1}),
    ],
)
def test_an_order_stands_once(sales: Callable[[], list[SALE]], seen: dict[str, int]) -> None:
    assert proof(*sales()) == seen
