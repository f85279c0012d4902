"""Northlight Instruments' ERP does what a real one would do with an order."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from erp_client import ErpClient

from prefect_crm_erp.sandbox.tryton import TrytonAccess
from prefect_crm_erp.sandbox.tryton.rpc import TrytonFault

# 3 × 110.1234 + 2.5 × 920.00 = 330.37 + 2,300.00; the yen has no decimal places.
SOLD = [("NL-100", 3.0, "110.1234"), ("NL-900", 2.5, "920.00")]


@pytest.mark.requirement("N01")
@pytest.mark.parametrize(
    ("company", "country", "currency", "untaxed", "tax"),
    [
        ("US", "US", "USD", "2630.37", "0"),
        ("US", "JP", "JPY", "2630", "0"),
        ("UK", "GB", "GBP", "2630.37", "526.07"),
        ("UK", "IE", "EUR", "2630.37", "0"),
        ("DE", "DE", "EUR", "2630.37", "499.77"),
        ("DE", "SE", "EUR", "2630.37", "0"),
        ("DE", "CH", "CHF", "2630.37", "0"),
    ],
)
def test_only_domestic_customers_pay_tax(
    erp: ErpClient, company: str, country: str, currency: str, untaxed: str, tax: str
) -> None:
    party = erp.customer(company, country)
    lines = [erp.line(company, party, *sold) for sold in SOLD]

    order = erp.confirm(company, erp.order(company, party, currency, lines))

    assert order["number"].startswith(f"{company}-")
    assert order["state"] == "processing"
    assert order["untaxed_amount"] == Decimal(untaxed)
    assert order["total_amount"] == Decimal(untaxed) + Decimal(tax)


def test_a_customer_is_taxed_alike_in_every_company(erp: ErpClient) -> None:
    """Made by one company and sold to by another: the other one's rule counts."""
    party = erp.customer("US", "GB")

    order = erp.sale("UK", erp.order("UK", party, "GBP", [erp.line("UK", party, "NL-400", 1.0, "100.00")]))

    assert order["tax_amount"] == Decimal("20.00")


@pytest.mark.requirement("GB15")
def test_an_order_over_the_credit_limit_needs_finance(erp: ErpClient, tryton_demo: TrytonAccess) -> None:
    party = erp.one("party.party", "UK", ("name", "=", "Calder Valley Labs Ltd"))
    sale = erp.order("UK", party, "GBP", [erp.line("UK", party, "NL-200", 4.0, "9450.00")])

    with pytest.raises(TrytonFault) as refusal:
        erp.confirm("UK", sale)

    assert refusal.value.kind == "UserError"
    assert 'The party "Calder Valley Labs Ltd" will exceed their £5000.00 credit limit' in refusal.value.arguments[0]
    assert erp.sale("UK", sale)["state"] == "quotation"

    finance = ErpClient(tryton_demo, finance=True)
    with pytest.raises(TrytonFault) as warning:
        finance.confirm("UK", sale)
    assert warning.value.kind == "UserWarning"
    finance.rpc("model.res.user.warning.skip", warning.value.arguments[0], False, finance.context("UK"))
    assert finance.confirm("UK", sale)["state"] == "processing"
    finance.rpc.close()


def test_an_order_of_1996_can_be_valued_and_invoiced_today(erp: ErpClient) -> None:
    party = erp.customer("DE", "DE")
    lines = [erp.line("DE", party, "NL-400", 1.0, "100.00")]
    order = erp.confirm("DE", erp.order("DE", party, "USD", lines, dt.date(1996, 7, 4)))
    context = erp.context("DE")

    erp.rpc("model.account.invoice.write", order["invoices"], {"invoice_date": dt.date.today()}, context)
    erp.rpc("model.account.invoice.post", order["invoices"], context)

    (invoice,) = erp.rpc("model.account.invoice.read", order["invoices"], ["number", "state", "total_amount"], context)
    assert invoice["number"].startswith(f"DE-I{dt.date.today().year}-")
    assert (invoice["state"], invoice["total_amount"]) == ("posted", Decimal("119.00"))


def test_opening_stock_lies_in_each_companys_warehouse(erp: ErpClient) -> None:
    stock = {}
    for company in erp.companies:
        warehouse = erp.one("stock.location", company, ("type", "=", "warehouse"), ("code", "=", company))
        context = {**erp.context(company), "locations": [warehouse], "stock_date_end": dt.date.today()}
        domain = [("code", "=", "NL-300")]
        (product,) = erp.rpc("model.product.product.search_read", domain, 0, None, None, ["quantity"], context)
        stock[company] = product["quantity"]

    assert stock == {"US": 10_000.0, "UK": 2.0, "DE": 10_000.0}


def test_dinars_and_the_prototype_are_unknown(erp: ErpClient) -> None:
    assert erp.find("currency.currency", "US", [("code", "=", "KWD")], "code") == []
    assert erp.find("product.product", "US", [("code", "=", "NL-999")], "code") == []


def test_clients_at_the_same_time_never_share_a_number(erp: ErpClient, tryton_demo: TrytonAccess) -> None:
    """Tryton's locks do nothing on SQLite; the sandbox makes up for it."""

    def sell(_: int) -> list[tuple[int, str]]:
        client = ErpClient(tryton_demo)
        orders = []
        for _ in range(3):
            party = client.customer("US", "US")
            line = client.line("US", party, "NL-410", 1.0, "24.95")
            orders.append((party, client.sale("US", client.order("US", party, "USD", [line]))["number"]))
        client.rpc.close()
        return orders

    with ThreadPoolExecutor(4) as pool:
        sold = [order for orders in pool.map(sell, range(4)) for order in orders]

    assert len({party for party, _ in sold}) == len({number for _, number in sold}) == len(sold) == 12


def test_the_bare_erp_takes_products_and_customers(bare_erp: ErpClient) -> None:
    names = [party["name"] for party in bare_erp.find("party.party", "US", [], "name")]
    assert all(name.startswith("Northlight Instruments") for name in names)
    assert bare_erp.find("product.product", "US", [], "code") == []
    unit = bare_erp.one("product.uom", "US", ("name", "=", "Unit"))
    template = {
        "name": "Chai",
        "code": "NW-1",
        "type": "goods",
        "default_uom": unit,
        "sale_uom": unit,
        "salable": True,
        "list_price": Decimal("18.00"),
        "account_category": bare_erp.one("product.category", "US", ("name", "=", "Goods")),
        "products": [("create", [{}])],
    }
    bare_erp.rpc("model.product.template.create", [template], bare_erp.context("US"))

    for company, currency in (("US", "USD"), ("UK", "GBP"), ("DE", "EUR")):
        party = bare_erp.customer(company, "FR")
        line = bare_erp.line(company, party, "NW-1", 10.0, "17.10")
        order = bare_erp.confirm(company, bare_erp.order(company, party, currency, [line]))
        assert (order["state"], order["total_amount"]) == ("processing", Decimal("171.00"))


def test_the_integration_may_relate_a_subsidiary_to_its_parent(erp: ErpClient) -> None:
    child, parent = (erp.customer("UK", "GB") for _ in range(2))
    kind = erp.one("party.relation.type", "UK", ("name", "=", "is subsidiary of"))
    relation = {"from_": child, "to": parent, "type": kind}

    erp.rpc("model.party.relation.all.create", [relation], erp.context("UK"))

    (seen,) = erp.find("party.relation.all", "UK", [("from_", "=", parent)], "to", "type.name")
    assert (seen["to"], seen["type."]["name"]) == (child, "is parent of")
