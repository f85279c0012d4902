"""The embedded Tryton through the eyes of a client that shares no code with the connector."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from itertools import count
from typing import Any

from prefect_crm_erp.sandbox.tryton import TrytonAccess
from prefect_crm_erp.sandbox.tryton.rpc import TrytonRpc

_NAMES = count(1)


class ErpClient:
    """A session of one user, with the few words that the tests need.

    Args:
        access: The running ERP.
        finance: Log in as the finance user instead of the integration user.
    """

    def __init__(self, access: TrytonAccess, *, finance: bool = False) -> None:
        login = (access.finance_user, access.finance_password) if finance else (access.user, access.password)
        self.rpc = TrytonRpc(access.url, access.database, *login)
        self.companies = {company.code: company.id for company in access.companies}

    def context(self, company: str) -> dict[str, Any]:
        """Tryton's context for a company."""
        return {"company": self.companies[company]}

    def find(self, model: str, company: str, domain: list[Any], *fields: str) -> list[dict[str, Any]]:
        """Fields of the records in a domain."""
        return list(self.rpc(f"model.{model}.search_read", domain, 0, None, None, list(fields), self.context(company)))

    def one(self, model: str, company: str, *domain: Any) -> int:
        """The id of the one record in a domain."""
        (record,) = self.find(model, company, list(domain), "id")
        return int(record["id"])

    def customer(self, company: str, country: str, name: str = "") -> int:
        """A new customer with one address."""
        address = {
            "street": "Market Square 1",
            "city": "Anytown",
            "country": self.one("country.country", company, ("code", "=", country)),
        }
        values = {"name": name or f"Customer {next(_NAMES)}", "addresses": [("create", [address])]}
        (party,) = self.rpc("model.party.party.create", [values], self.context(company))
        return int(party)

    def line(self, company: str, party: int, sku: str, quantity: float, unit_price: str) -> dict[str, Any]:
        """Values of a line, with the taxes that Tryton's own rules want."""
        (product,) = self.find("product.product", company, [("code", "=", sku)], "sale_uom")
        suggested = self.rpc(
            "model.sale.line.on_change",
            {
                "product": product["id"],
                "_parent_sale.party": party,
                "_parent_sale.company": self.companies[company],
                "_parent_sale.shipment_address": self.one("party.address", company, ("party", "=", party)),
            },
            ["product"],
            self.context(company),
        )
        return {
            "product": product["id"],
            "unit": product["sale_uom"],
            "quantity": quantity,
            "unit_price": Decimal(unit_price),
            "taxes": [("add", [tax["id"] for _, tax in suggested.get("taxes", {}).get("add", [])])],
        }

    def order(
        self, company: str, party: int, currency: str, lines: list[dict[str, Any]], date: dt.date | None = None
    ) -> int:
        """A quotation, with its number."""
        address = self.one("party.address", company, ("party", "=", party))
        values = {
            "company": self.companies[company],
            "party": party,
            "invoice_address": address,
            "shipment_address": address,
            "warehouse": self.one("stock.location", company, ("type", "=", "warehouse"), ("code", "=", company)),
            "currency": self.one("currency.currency", company, ("code", "=", currency)),
            "sale_date": date,
            "lines": [("create", lines)],
        }
        (sale,) = self.rpc("model.sale.sale.create", [values], self.context(company))
        self.rpc("model.sale.sale.quote", [sale], self.context(company))
        return int(sale)

    def confirm(self, company: str, sale: int) -> dict[str, Any]:
        """Confirm a quotation, and read the order."""
        self.rpc("model.sale.sale.confirm", [sale], self.context(company))
        return self.sale(company, sale)

    def sale(self, company: str, sale: int) -> dict[str, Any]:
        """An order's number, state, amounts, and its invoices."""
        fields = ["number", "state", "untaxed_amount", "tax_amount", "total_amount", "invoices"]
        return dict(self.rpc("model.sale.sale.read", [sale], fields, self.context(company))[0])
