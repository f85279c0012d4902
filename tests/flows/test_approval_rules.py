"""Rules of approval in the ERP hold for deals from the CRM: over 50,000, and discounts of more than 20 %."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from fixtures_approvals import ApprovingErp
from world import World, cents

from prefect_crm_erp.models.outcomes import Outcome, Queue


def line(quantity: str, price: str, **fields: Any) -> dict[str, Any]:
    """A line of a product whose list price is 189.90, so that only what is sold above it can be told."""
    return {"sku": "NL-400", "Quantity": Decimal(quantity), "UnitPrice": Decimal(price), **fields}


def placed(world: World, lines: list[dict[str, Any]], currency: str = "USD") -> dict[str, Any]:
    """The order that a deal with these lines became; its total is the deal's to the cent."""
    deal = world.deal(lines, currency=currency)
    row = world.row(world.run(records=[deal]), deal)
    (sale,) = world.sales(deal)
    total = world.crm(deal, "Amount")["Amount"]
    assert row.crm_total == row.erp_total == cents(sale["untaxed_amount"]) == cents(total)
    waits = (row.outcome, row.queue) == (Outcome.QUEUED, Queue.PENDING_APPROVAL)
    assert waits == (sale["state"] == "quotation"), row.reason
    return sale


@pytest.mark.requirement("R05")
@pytest.mark.parametrize(
    ("lines", "state"),
    [
        ([line("1", "1000", Discount=20)], "processing"),
        ([line("1", "1000", Discount="20.01")], "quotation"),
        ([line("3", "333.33", Discount=20)], "processing"),
        ([line("7", "1234.57", Discount=20)], "processing"),
        ([line("7", "1234.57", Discount="20.01")], "quotation"),
        ([line("13", "199.99", Discount=20), line("1", "500")], "processing"),
        ([line("1", "500"), line("1", "400", Discount=100)], "quotation"),
        ([line("10", "151.92")], "processing"),
        ([line("10", "151.91")], "quotation"),
    ],
    ids=[
        "20 %",
        "20.01 %",
        "20 % that is rounded down",
        "20 % on two lines of the ERP",
        "20.01 % of seven",
        "one of two at 20 %",
        "one line for nothing",
        "20 % below the list price",
        "a cent more below the list price",
    ],
)
def test_a_discount_of_more_than_20_percent_waits(
    approving_world: World, lines: list[dict[str, Any]], state: str
) -> None:
    assert placed(approving_world, lines)["state"] == state


@pytest.mark.requirement("R05")
def test_a_large_order_with_a_large_discount_needs_both_and_becomes_an_order_when_both_have_agreed(
    approving_world: World, approving_erp: ApprovingErp
) -> None:
    world = approving_world
    deal = world.deal([line("400", "250", Discount=30)])
    assert world.run(records=[deal]).queued == 1
    (sale,) = world.sales(deal)
    approving_erp.agree(str(sale["id"]))
    (sale,) = world.sales(deal)
    assert sale["state"] == "quotation"
    approving_erp.approve(str(sale["id"]))
    (sale,) = world.sales(deal)
    assert sale["state"] == "processing"
    row = world.row(world.run(records=[deal]), deal)
    assert row.outcome in (Outcome.UNCHANGED, Outcome.WRITTEN)
    assert world.crm(deal, "ERP_Status__c")["ERP_Status__c"] == "Approved"


@pytest.mark.requirement("R05")
@pytest.mark.parametrize(("discount", "state"), [(20, "processing"), (Decimal("20.5"), "quotation")])
def test_a_discount_on_the_whole_quote_counts(approving_world: World, discount: Any, state: str) -> None:
    world = approving_world
    (opportunity,) = world.company.opportunities([{"AccountId": world.account(), "StageName": "Proposal/Price Quote"}])
    quote_row = {"Name": "Offer", "OpportunityId": opportunity, "Pricebook2Id": world.company.price_book}
    (quote,) = world.company.create("Quote", [quote_row | {"Header_Discount__c": discount}])
    world.company.lines(quote, [line("2", "1000"), line("3", "500")])
    world.company.sf.Quote.update(quote, {"Status": "Accepted"})
    world.run(source="accepted quotes", records=[quote])
    (sale,) = world.sales(quote)
    assert sale["state"] == state


@pytest.mark.requirement("GB12")
def test_what_the_erp_keeps_of_list_prices_changes_no_price(approving_world: World) -> None:
    world = approving_world
    deal = world.deal([line("7", "1234.57", Discount="12.5"), {"sku": "NL-410", "Quantity": 3, "UnitPrice": "24.95"}])
    world.run(records=[deal])
    (sale,) = world.sales(deal)
    with world.rpc() as rpc:
        names = ["product.code", "quantity", "base_price", "unit_price", "amount", "discount_rate"]
        lines = rpc("model.sale.line.search_read", [("sale", "=", sale["id"])], 0, None, None, names, world.context)
    assert {(each["product."]["code"], each["base_price"]) for each in lines} == {
        ("NL-400", Decimal("1234.57")),
        ("NL-410", Decimal("24.95")),
    }
    amounts = [each["amount"] for each in lines if each["product."]["code"] == "NL-400"]
    assert sum(amounts) == Decimal("7561.74")
    assert cents(sale["untaxed_amount"]) == Decimal("7636.59")
    assert {each["discount_rate"] for each in lines} >= {Decimal("0.1250"), Decimal("0.0000")}
