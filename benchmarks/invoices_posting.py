"""A clerk who enters the sample invoices into the real Tryton, over the wire as a person's client does."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, Final, Self

from benchmarks.common import say
from benchmarks.invoices_data import COMPANIES, PRODUCTS, SampleCustomer, SampleInvoice, SampleLine
from prefect_crm_erp.sandbox.tryton import TrytonAccess
from prefect_crm_erp.sandbox.tryton.companies import COMPANIES as PROFILES
from prefect_crm_erp.sandbox.tryton.rpc import TrytonFault, TrytonRpc

INVOICE: Final = "account.invoice"
CUSTOMER: Final = "party.party"
_AT_ONCE: Final = 50
_WARNINGS: Final = 3
_PRINTED: Final = {"__class__": "bytes", "base64": "UHJpbnRlZA=="}
"""Stands for the printed form of an invoice: Tryton would print each one that has none, which takes as long again."""

Row = dict[str, Any]


class Clerk:
    """A session of the user of finance.

    Args:
        access: How to reach Tryton.
    """

    def __init__(self, access: TrytonAccess) -> None:
        self._rpc = TrytonRpc(access.url, access.database, access.finance_user, access.finance_password)
        ids = {company.code: company.id for company in access.companies}
        self._companies = [ids[code] for code, *_ in COMPANIES]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._rpc.close()

    # -------------------------------------------------------------------- entering

    def enter(self, customers: Sequence[SampleCustomer], invoices: Sequence[SampleInvoice]) -> None:
        """Enter customers, products, invoices and payments, and post them in the order of their days."""
        for company in range(len(COMPANIES)):
            # Every customer bears the tax of the company, wherever it is.
            self.write("account.configuration", company, [1], {"default_customer_tax_rule": None})
        parties = self._enter_customers(customers)
        products = self._enter_products()
        ordered = sorted(invoices, key=lambda each: (each.company, each.date, each.number))
        for company, some in groupby(ordered, key=lambda each: each.company):
            self._enter_invoices(company, list(some), parties, products)

    def pay(self, invoice_id: int, invoice: SampleInvoice) -> None:
        """Enter the payment of an invoice, of all or of a part."""
        company = invoice.company
        start = {
            "payee": self.read(INVOICE, company, [invoice_id], "party")[0]["party"],
            "amount": invoice.paid,
            "currency": self._one("currency.currency", company, ("code", "=", invoice.currency))["id"],
            "company": self._companies[company],
            "payment_method": self._one("account.invoice.payment.method", company, self._mine(company))["id"],
            "date": invoice.paid_on,
            "description": f"Statement {invoice.name}",
            "invoice_account": None,
        }
        start["payees"] = [start["payee"]]
        self._through_wizard("account.invoice.pay", company, invoice_id, start)

    def write(self, model: str, company: int, ids: list[int], values: Row) -> None:
        """Change records."""
        self._call(f"{model}.write", company, ids, values)

    def read(self, model: str, company: int, ids: Sequence[int], *names: str) -> list[Row]:
        """Records by their ids."""
        rows: list[Row] = self._call(f"{model}.read", company, list(ids), list(names))
        return rows

    def _enter_customers(self, customers: Sequence[SampleCustomer]) -> dict[int, int]:
        values = [
            {"name": each.name, "code": each.code, "addresses": [("create", [{"invoice": True}])]} for each in customers
        ]
        ids = self._create(CUSTOMER, 0, values)
        return {each.number: made for each, made in zip(customers, ids, strict=True)}

    def _enter_products(self) -> list[int]:
        category = self._one("product.category", 0, ("name", "=", "Goods"))["id"]
        taxes = [self._domestic_tax(company) for company in range(len(COMPANIES))]
        self.write("product.category", 0, [category], {"customer_taxes": [("add", taxes)]})
        common = {
            "type": "goods",
            "salable": True,
            "default_uom": self._one("product.uom", 0, ("name", "=", "Unit"))["id"],
            "sale_uom": self._one("product.uom", 0, ("name", "=", "Unit"))["id"],
            "account_category": category,
        }
        values = [common | {"name": each.name, "code": each.sku, "products": [("create", [{}])]} for each in PRODUCTS]
        made = self.read("product.template", 0, self._create("product.template", 0, values), "products")
        return [row["products"][0] for row in made]

    def _enter_invoices(
        self, company: int, invoices: list[SampleInvoice], parties: dict[int, int], products: list[int]
    ) -> None:
        addresses = {
            row["id"]: row["addresses"][0] for row in self.read(CUSTOMER, company, list(parties.values()), "addresses")
        }
        values, line = self._common_values(company)
        terms = {row["name"]: row["id"] for row in self._find("account.invoice.payment_term", company, [], "name")}
        rows = [
            values
            | {
                "party": parties[each.customer],
                "invoice_address": addresses[parties[each.customer]],
                "invoice_date": each.date,
                "payment_term": terms[each.terms],
                "reference": each.reference,
                "description": each.name,
                "lines": [("create", [line | _line(part, products) for part in each.lines])],
            }
            for each in invoices
        ]
        ids = self._create(INVOICE, company, rows)
        for start in range(0, len(ids), _AT_ONCE):
            self._post(company, ids[start : start + _AT_ONCE])
        say(f"Tryton has posted {len(ids)} invoices of {COMPANIES[company][0]}")
        for invoice_id, invoice in zip(ids, invoices, strict=True):
            if invoice.paid:
                self.pay(invoice_id, invoice)
        say(f"Tryton has the payments of {COMPANIES[company][0]}")

    def _post(self, company: int, ids: list[int]) -> None:
        """Post invoices together; Tryton would stop at each one that is due in the past to warn of it."""
        for invoice_id in ids:
            record = hashlib.md5(f"{INVOICE},{invoice_id}".encode(), usedforsecurity=False).hexdigest()
            self._rpc("model.res.user.warning.skip", f"{record}.invoice_payment_term", False, {})
        self._call(f"{INVOICE}.post", company, ids)

    def _common_values(self, company: int) -> tuple[Row, Row]:
        """What all invoices of a company share, and what their lines do."""
        currency = COMPANIES[company][2]
        shared = {
            "company": self._companies[company],
            "currency": self._one("currency.currency", company, ("code", "=", currency))["id"],
        }
        invoice = {
            "type": "out",
            "invoice_report_cache": _PRINTED,
            "account": self._account(company, "receivable"),
            "journal": self._one("account.journal", company, ("type", "=", "revenue"))["id"],
        }
        line = {
            "type": "line",
            "unit": self._one("product.uom", company, ("name", "=", "Unit"))["id"],
            "account": self._account(company, "revenue"),
            "taxes": [("add", [self._domestic_tax(company)])],
        }
        return invoice | shared, line | shared

    def _domestic_tax(self, company: int) -> int:
        return int(
            self._one("account.tax", company, self._mine(company), ("name", "=", PROFILES[company].tax[0]))["id"]
        )

    def _account(self, company: int, of: str) -> int:
        open_ones = ("closed", "!=", True)
        return int(
            self._one("account.account", company, self._mine(company), (f"type.{of}", "=", True), open_ones)["id"]
        )

    # -------------------------------------------------------------------- the wire

    def _create(self, model: str, company: int, values: list[Row]) -> list[int]:
        ids: list[int] = []
        for start in range(0, len(values), _AT_ONCE):
            ids += self._call(f"{model}.create", company, values[start : start + _AT_ONCE])
        return ids

    def _find(self, model: str, company: int, domain: list[Any], *names: str) -> list[Row]:
        found: list[Row] = self._call(f"{model}.search_read", company, domain, 0, None, [["id", "ASC"]], list(names))
        return found

    def _one(self, model: str, company: int, *domain: Any) -> Row:
        return self._find(model, company, list(domain), "rec_name")[0]

    def _mine(self, company: int) -> tuple[str, str, int]:
        return ("company", "=", self._companies[company])

    def _call(self, method: str, company: int, *parameters: Any) -> Any:
        return self._rpc(f"model.{method}", *parameters, self._context(company))

    def _context(self, company: int) -> Row:
        return {"company": self._companies[company]}

    def _through_wizard(self, name: str, company: int, invoice_id: int, start: Row) -> None:
        """Fill in the pages of the wizard of payments; what is paid in part is a payment in part."""
        context = self._context(company) | {
            "active_model": INVOICE,
            "active_id": invoice_id,
            "active_ids": [invoice_id],
        }
        session, *_ = self._rpc(f"wizard.{name}.create", self._context(company))
        execute = f"wizard.{name}.execute"
        answer = self._insist(lambda: self._rpc(execute, session, {"start": start}, "choice", context))
        if view := answer.get("view"):
            ask = {key: value for key, value in view["defaults"].items() if not key.endswith(".")}
            pages = {"start": start, "ask": ask | {"type": "partial"}}
            self._insist(lambda: self._rpc(execute, session, pages, "pay", context))
        self._rpc(f"wizard.{name}.delete", session, self._context(company))

    def _insist(self, action: Callable[[], Any]) -> Any:
        """Do something, and say yes to what Tryton warns of."""
        for _ in range(_WARNINGS):
            try:
                return action()
            except TrytonFault as fault:
                if fault.kind != "UserWarning":
                    raise
                self._rpc("model.res.user.warning.skip", fault.arguments[0], False, {})
        return action()


def _line(line: SampleLine, products: list[int]) -> Row:
    return {
        "product": products[line.product],
        "quantity": float(line.quantity),
        "unit_price": line.unit_price,
    }
