"""A real Tryton for the tests: the embedded one, with the demo company, in a process of its own."""

from __future__ import annotations

import secrets
import string
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

import httpx
import pytest
from cutting_proxy import Cut, CuttingProxy
from pydantic import SecretStr

from prefect_crm_erp.blocks.erp.tryton import Tryton
from prefect_crm_erp.models.keys import salesforce_id
from prefect_crm_erp.models.records import Address, Company, Contact, Customer, OrderLine, Product, Record, SalesOrder
from prefect_crm_erp.sandbox.tryton import TrytonAccess, TrytonSandbox
from prefect_crm_erp.sandbox.tryton.rpc import TrytonRpc

MODELS: dict[type[Record], str] = {Customer: "party.party", SalesOrder: "sale.sale"}


@pytest.fixture(scope="session")
def tryton_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrytonSandbox]:
    """The running sandbox; all tests share it, so each works with records of its own."""
    with TrytonSandbox(tmp_path_factory.mktemp("tryton")) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def tryton_demo(tryton_sandbox: TrytonSandbox) -> TrytonAccess:
    """How to reach it, and who may log in."""
    return tryton_sandbox.access


def new_key(prefix: str) -> str:
    """An 18-character CRM id that no other test uses: `001…` of an account, `006…` of a deal."""
    # Not from `random`, which Hypothesis winds back for each example.
    return salesforce_id(prefix + "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(12)))


class TrytonHarness:
    """Tryton under the laws of an ERP (tests/conformance/test_erp.py), reached through a proxy that can cut lines."""

    custom_field = ("shipping_date", "2031-05-02", date(2031, 5, 2))
    refused_words = "is not valid"
    skus = ("NL-400", "NL-500", "SHIPPING")

    def __init__(self, access: TrytonAccess, proxy: CuttingProxy) -> None:
        self.access = access
        self.proxy = proxy
        self.secrets = [access.password]
        self.witness = TrytonRpc(access.url, access.database, access.admin_user, access.admin_password)

    # ---------------------------------------------------------------- connections

    @cached_property
    def shared(self) -> Tryton:
        return self.connect()

    def connect(self, **changes: Any) -> Tryton:
        values: dict[str, Any] = {
            "server_url": self.proxy.url,
            "database": self.access.database,
            "username": self.access.user,
            "password": SecretStr(self.access.password),
            "settle_seconds": 1.5,
        }
        return Tryton(**(values | changes))

    def connect_wrongly(self, password: str) -> Tryton:
        return self.connect(password=SecretStr(password))

    def connect_nowhere(self) -> Tryton:
        return self.connect(server_url="http://127.0.0.1:9")

    def connect_elsewhere(self) -> Tryton:
        return self.connect(database="no-such-database")

    # ---------------------------------------------------------------- records

    def customer(self, **fields: Any) -> Customer:
        values: dict[str, Any] = {
            "key": new_key("001"),
            "name": f"Customer {new_key('001')}",
            "billing": Address(street="1 Dock Road", city="Leeds", postal_code="LS1 4AP", country="GB"),
            "payment_terms": "Net 30",
        }
        return Customer(**(values | fields))

    def contact(self, **fields: Any) -> Contact:
        values: dict[str, Any] = {
            "key": new_key("003"),
            "first_name": "Anna",
            "last_name": "Berg",
            "email": f"{secrets.token_hex(4)}@example.org",
            "phone": "+44 113 496 0001",
        }
        return Contact(**(values | fields))

    def refused_customer(self) -> Customer:
        return self.customer(vat_number="GB123456789")

    def product(self, **fields: Any) -> Product:
        return Product(**({"key": f"SKU-{new_key('001')}", "name": "Stirring rod"} | fields))

    def order(self, customer: Customer, company: Company, **fields: Any) -> SalesOrder:
        values: dict[str, Any] = {
            "key": new_key("006"),
            "company_id": company.id,
            "customer_id": customer.erp_id,
            "currency": "EUR",
            "order_date": date(2026, 3, 31),
            "lines": (OrderLine(sku="NL-400", quantity=Decimal(2), unit_price=Decimal("174.9000")),),
        }
        return SalesOrder(**(values | fields))

    # ---------------------------------------------------------------- what another client sees and does

    def count(self, record: Record) -> int:
        key = getattr(record, "key", None)
        if isinstance(record, Customer):
            return int(self._call("party.identifier", "search_count", [("code", "=", key)]))
        return int(self._call("sale.sale", "search_count", [("reference", "=", key), ("state", "!=", "cancelled")]))

    def stored(self, record: Record, field: str) -> Any:
        """The value of one of Tryton's own fields."""
        model, erp_id = MODELS[type(record)], int(str(getattr(record, "erp_id", None)))
        (row,) = self._call(model, "read", [erp_id], [field])
        return row[field]

    def annotate(self, record: Record) -> None:
        """A person fills in what the connector knows nothing of."""
        if isinstance(record, Customer):
            website = {"type": "website", "value": "https://example.com"}
            self._write(record, contact_mechanisms=[("create", [website])], addresses=self._attention(record))
        else:
            self._write(record, comment=f"{self.stored(record, 'comment') or ''}\nCall before delivery")

    def _attention(self, record: Record) -> list[Any]:
        return [("write", self.stored(record, "addresses"), {"attn": "Goods inward"})]

    def annotations(self, record: Record) -> Any:
        """What a person filled in, and everything else that is not mapped."""
        if isinstance(record, Customer):
            addresses = self._call("party.address", "read", self.stored(record, "addresses"), ["attn"])
            names = ("code", "website", "lang", "categories", "supplier_payment_term")
            return [row["attn"] for row in addresses], [self.stored(record, name) for name in names]
        names = ("warehouse", "invoice_method", "shipment_method", "invoice_address", "shipment_address")
        return str(self.stored(record, "comment")).splitlines()[-1:], [self.stored(record, name) for name in names]

    def change(self, record: Record) -> None:
        """A person changes something that the connector reads."""
        if isinstance(record, Customer):
            self._write(record, addresses=[("write", self.stored(record, "addresses"), {"city": "Bradford"})])
        else:
            self._write(record, description="Changed by hand")

    def note_contact(self, customer: Customer, email: str, name: str | None) -> None:
        """A person adds an e-mail address."""
        address = {"type": "email", "value": email, "name": name}
        self._write(customer, contact_mechanisms=[("create", [address])])

    def contact_data(self, customer: Customer) -> list[tuple[str | None, str]]:
        """Names and values of all phone numbers, addresses and the like."""
        rows = self._call(
            "party.contact_mechanism", "read", self.stored(customer, "contact_mechanisms"), ["name", "value"]
        )
        return sorted(((row["name"], row["value"]) for row in rows), key=str)

    def parents(self, customer: Customer) -> list[str]:
        """Ids of the parents that are related now."""
        domain = [("from_", "=", int(str(customer.erp_id))), ("type.name", "=", "is subsidiary of")]
        rows = self._call("party.relation.all", "search_read", domain, 0, None, None, ["to"])
        return [str(row["to"]) for row in rows]

    def deactivate(self, record: Record) -> None:
        """A person deactivates the record."""
        self._write(record, active=False)

    def invoice(self, order: SalesOrder) -> Decimal:
        """A person posts the invoices of a confirmed order; their total is then open."""
        total = Decimal(0)
        for invoice in self.stored(order, "invoices"):
            context = {"company": int(order.company_id)}
            today = {"invoice_date": datetime.now(UTC).date()}
            self.witness("model.account.invoice.write", [invoice], today, context)
            self.witness("model.account.invoice.post", [invoice], context)
            total += self.witness("model.account.invoice.read", [invoice], ["total_amount"], context)[0]["total_amount"]
        return total

    # ---------------------------------------------------------------- price lists

    def price_list(self, company: Company, *formulas: str, includes_taxes: bool = False) -> str:
        """A person makes a price list of a company; its name. Each but the last formula is for a hundred and more."""
        name = f"List {secrets.token_hex(4)}"
        lines = [{"formula": formula, "quantity": 100.0} for formula in formulas[:-1]] + [{"formula": formulas[-1]}]
        row = {"name": name, "company": int(company.id), "price": "list_price", "tax_included": includes_taxes}
        self.witness(
            "model.product.price_list.create", [row | {"lines": [("create", lines)]}], {"company": int(company.id)}
        )
        return name

    def sold_by_the_day(self, company: Company, hourly: str, cost: str = "0") -> Product:
        """A person enters a service that is priced by the hour and sold by the day, at a price of the company."""
        units = {
            row["name"]: row["id"] for row in self._call("product.uom", "search_read", [], 0, None, None, ["name"])
        }
        (category,) = self._call("product.category", "search", [("name", "=", "Services")])
        sku = f"SKU-{secrets.token_hex(4)}"
        row = {"name": "Rent", "type": "service", "default_uom": units["Hour"], "sale_uom": units["Day"]}
        variant = {"suffix_code": sku, "cost_price": Decimal(cost)}
        row |= {"list_price": Decimal(hourly), "salable": True, "account_category": category}
        row |= {"products": [("create", [variant])]}
        self.witness("model.product.template.create", [row], {"company": int(company.id)})
        (product,) = self.shared.find(Product, [sku], company)[sku]
        return product

    def price_on_a_line(self, product: Product, price_list: str, company: Company) -> Decimal | None:
        """What a person who chooses a product on a draft order of a price list gets for one of it."""
        domain = [("name", "=", price_list), ("company", "=", int(company.id))]
        (number,) = self._call("product.price_list", "search", domain)
        currency = [("code", "=", company.currency)]
        line = {
            "type": "line",
            "product": int(str(product.erp_id)),
            "quantity": 1.0,
            "company": int(company.id),
            "_parent_sale.company": int(company.id),
            "_parent_sale.currency": self._call("currency.currency", "search", currency)[0],
            "_parent_sale.price_list": number,
        }
        changed = self.witness("model.sale.line.on_change", line, ["product"], {"company": int(company.id)})
        price: Decimal | None = changed.get("unit_price")
        return price

    def _write(self, record: Record, **values: Any) -> None:
        self._call(MODELS[type(record)], "write", [int(str(getattr(record, "erp_id", None)))], values)

    def _call(self, model: str, method: str, *parameters: Any) -> Any:
        return self.witness(f"model.{model}.{method}", *parameters, {"company": self.access.companies[0].id})

    # ---------------------------------------------------------------- trouble

    def cut_create(self, where: Cut, kind: type[Record], *, delay: float = 0.0) -> None:
        self.proxy.cut(where, containing=f"model.{MODELS[kind]}.create", delay=delay)

    def cut_update(self, where: Cut, kind: type[Record]) -> None:
        self.proxy.cut(where, containing=f"model.{MODELS[kind]}.write")

    def cut_confirm(self, where: Cut) -> None:
        self.proxy.cut(where, containing="model.sale.sale.confirm")

    def down(self) -> AbstractContextManager[None]:
        return self.proxy.down()

    def expire_session(self) -> None:
        """End the connector's session on the server."""
        response = httpx.post(
            f"{self.access.url}/{self.access.database}/rpc/",
            json={"id": 1, "method": "common.db.logout", "params": []},
            headers={"Authorization": self.proxy.authorization},
        )
        response.raise_for_status()

    def requests(self) -> int:
        return len(self.proxy.requests)

    def forget_requests(self) -> None:
        self.proxy.forget()


@pytest.fixture(scope="session")
def tryton_line(tryton_demo: TrytonAccess) -> Iterator[TrytonHarness]:
    """One proxy and one witness for all laws."""
    proxy = CuttingProxy(tryton_demo.url)
    harness = TrytonHarness(tryton_demo, proxy)
    yield harness
    harness.witness.close()
    proxy.close()


@pytest.fixture
def tryton_erp(tryton_line: TrytonHarness) -> TrytonHarness:
    """Tryton for the laws of an ERP."""
    tryton_line.forget_requests()
    return tryton_line
