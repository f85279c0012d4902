"""Northwind straight into Tryton: the best that a competent engineer gets out of its JSON-RPC without any framework.

It writes the records that quote-to-order writes — customers with address and phone, products, orders through to
confirmed — in batches, over one connection that is kept alive, with everything that is looked up looked up once. It
reads nothing from a CRM, remembers nothing, proves nothing, and must not be run twice.

A process of its own: reads a job from standard input, as `benchmarks.common.run_module` gives it, and prints the
outcome.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeVar

import phonenumbers

from benchmarks.common import Stopwatch, say
from benchmarks.northwind_data import CURRENCY, Customer, Line, Northwind, Order, Product, read_northwind
from prefect_crm_erp.models.geography import country_code
from prefect_crm_erp.sandbox.tryton.rpc import TrytonRpc

ORDERS_PER_CALL: Final = 100
RECORDS_PER_CALL: Final = 50
"""Tryton on SQLite answers `parser stack overflow` to 100 products in one call."""

PAYMENT_TERM: Final = "Net 30"
_PRICE_STEP: Final = Decimal("0.0001")

T = TypeVar("T")
Row = dict[str, Any]


def write_northwind(rpc: TrytonRpc, northwind: Northwind, companies: dict[str, int]) -> None:
    """Write customers, products and orders.

    Args:
        rpc: A signed-in session.
        northwind: What to write.
        companies: Ids of the companies by code.
    """
    writer = _Writer(rpc, companies)
    writer.write_products(northwind.products)
    writer.write_customers(northwind.customers)
    writer.write_orders(northwind.orders)


class _Writer:
    """The session with what was looked up and written so far.

    Args:
        rpc: A signed-in session.
        companies: Ids of the companies by code.
    """

    def __init__(self, rpc: TrytonRpc, companies: dict[str, int]) -> None:
        self._rpc = rpc
        self._companies = companies
        self._currency = self._id("currency.currency", ("code", "=", CURRENCY))
        self._payment_term = self._id("account.invoice.payment_term", ("name", "=", PAYMENT_TERM))
        self._unit = self._id("product.uom", ("name", "=", "Unit"))
        self._category = self._id("product.category", ("name", "=", "Goods"))
        self._warehouses = {code: self._id("stock.location", ("code", "=", code)) for code in companies}
        self._countries = {row["code"]: row["id"] for row in self._search("country.country", [], ["code"])}
        self._products: dict[int, int] = {}
        self._parties: dict[str, Row] = {}

    def _search(self, model: str, domain: Sequence[Any], fields: Sequence[str]) -> list[Row]:
        rows: list[Row] = self._rpc(f"model.{model}.search_read", domain, 0, None, [["id", "ASC"]], fields, {})
        return rows

    def _id(self, model: str, *domain: Any) -> int:
        return int(self._search(model, domain, ["id"])[0]["id"])

    # ---------------------------------------------------------------- products

    def write_products(self, products: Sequence[Product]) -> None:
        """Create a template with one variant for each product."""
        # The list price is in the currency of the books, so the company that sells in USD sets it.
        context = {"company": self._companies["US"]}
        for batch in batches(products, RECORDS_PER_CALL):
            self._rpc("model.product.template.create", [self._template(each) for each in batch], context)
        rows = self._search("product.product", [("code", "in", [each.sku for each in products])], ["code"])
        ids = {row["code"]: row["id"] for row in rows}
        self._products = {each.id: ids[each.sku] for each in products}

    def _template(self, product: Product) -> Row:
        return {
            "name": product.name,
            "type": "goods",
            "default_uom": self._unit,
            "sale_uom": self._unit,
            "salable": True,
            "account_category": self._category,
            "list_price": product.unit_price,
            "products": [("create", [{"suffix_code": product.sku}])],
        }

    # ---------------------------------------------------------------- customers

    def write_customers(self, customers: Sequence[Customer]) -> None:
        """Create a party for each customer."""
        ids: list[int] = []
        for batch in batches(customers, RECORDS_PER_CALL):
            ids += self._rpc("model.party.party.create", [self._party(each) for each in batch], {})
        rows = {row["id"]: row for row in self._search("party.party", [("id", "in", ids)], ["addresses"])}
        self._parties = {each.id: rows[party] for each, party in zip(customers, ids, strict=True)}

    def _party(self, customer: Customer) -> Row:
        country = country_code(customer.country) or ""
        address = {
            "street": customer.street,
            "city": customer.city,
            "postal_code": customer.postal_code,
            "country": self._countries[country],
            "invoice": True,
            "delivery": True,
        }
        return {
            "name": customer.name,
            "customer_payment_term": self._payment_term,
            "identifiers": [("create", [{"type": None, "code": customer.id}])],
            "addresses": [("create", [address])],
            "contact_mechanisms": [("create", _phones(customer, country))],
        }

    # ---------------------------------------------------------------- orders

    def write_orders(self, orders: Sequence[Order]) -> None:
        """Create, quote and confirm the orders, company by company."""
        for code, company in self._companies.items():
            context = {"company": company}
            for batch in batches([each for each in orders if each.customer.company == code], ORDERS_PER_CALL):
                ids = self._rpc("model.sale.sale.create", [self._sale(each, code) for each in batch], context)
                self._rpc("model.sale.sale.quote", ids, context)
                self._rpc("model.sale.sale.confirm", ids, context)
                say(f"Bare script: {len(ids)} orders of company {code} are confirmed")

    def _sale(self, order: Order, company: str) -> Row:
        party = self._parties[order.customer.id]
        return {
            "company": self._companies[company],
            "party": party["id"],
            "invoice_address": party["addresses"][0],
            "shipment_address": party["addresses"][0],
            "warehouse": self._warehouses[company],
            "currency": self._currency,
            "payment_term": self._payment_term,
            "sale_date": order.date,
            "reference": str(order.id),
            "description": f"Northwind {order.id}",
            "invoice_method": "order",
            "shipment_method": "order",
            "lines": [("create", [self._line(each) for each in order.lines])],
        }

    def _line(self, line: Line) -> Row:
        return {
            "type": "line",
            "product": self._products[line.product.id],
            "description": line.product.name,
            "unit": self._unit,
            "quantity": float(line.quantity),  # a float in Tryton's own data
            "unit_price": (line.unit_price * (1 - line.discount)).quantize(_PRICE_STEP),
        }


def _phones(customer: Customer, country: str) -> list[Row]:
    """The phone number, if it is one: Tryton refuses a party with a wrong number."""
    try:
        number = phonenumbers.parse(customer.phone or "", country)
    except phonenumbers.NumberParseException:
        return []
    if not phonenumbers.is_valid_number(number):
        return []
    text = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return [{"type": "phone", "value": text}]


def batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Items in groups of at most so many."""
    return (items[start : start + size] for start in range(0, len(items), size))


def main() -> None:
    """Do the job that standard input describes."""
    job = json.load(sys.stdin)
    northwind = read_northwind(Path(job["data"])).first(job["orders"])
    with (
        Stopwatch() as stopwatch,
        TrytonRpc(job["url"], job["database"], job["user"], job["password"]) as rpc,
    ):
        write_northwind(rpc, northwind, job["companies"])
    print(json.dumps({"seconds": stopwatch.seconds, "cpu_seconds": stopwatch.cpu_seconds}))


if __name__ == "__main__":
    main()
