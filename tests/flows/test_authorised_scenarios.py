"""Orders that fit a scenario that Finance has authorised are confirmed at once; others wait for the ERP's people."""

from __future__ import annotations

from typing import Any

import pytest
from artifacts import published
from fixtures_approvals import ApprovingErp
from world import BERLIN, World

from prefect_crm_erp.blocks import ApprovalPolicy, Integration, Scenario
from prefect_crm_erp.models.outcomes import Outcome, Queue, ReportRow

STANDARD = Scenario(name="Standard pricing", existing_customers_only=True, discount_up_to=5, amount_up_to=10000)


def of(world: World, *scenarios: Scenario) -> Integration:
    return world.integration(approvals=ApprovalPolicy(scenarios=list(scenarios)))


def sold(price: Any, **fields: Any) -> list[dict[str, Any]]:
    return [{"sku": "NL-400", "Quantity": 1, "UnitPrice": price, **fields}]


def customer(world: World, **fields: Any) -> str:
    """An account that has bought before."""
    account = world.account(**fields)
    deal = world.deal(account=account, currency="EUR" if fields else "USD")
    assert world.run(records=[deal]).written == 1
    return account


def placed(world: World, integration: Integration, deal: str, **options: Any) -> tuple[ReportRow, str]:
    """What the report says of a deal, and the state of its order."""
    row = world.row(world.run(integration, records=[deal], **options), deal)
    sales = world.sales(deal)
    assert len(sales) <= 1
    return row, sales[0]["state"] if sales else ""


@pytest.mark.requirement("R04")
def test_an_order_that_fits_a_scenario_is_confirmed_and_the_table_names_the_scenario(world: World) -> None:
    deal = world.deal(sold(10000, Discount=5), account=customer(world))
    deal_of_all = world.deal(sold(9500), account=customer(world))
    for each in (deal, deal_of_all):
        row, state = placed(world, of(world, STANDARD), each)
        assert (row.outcome, state) == (Outcome.WRITTEN, "processing")
        assert [note.text for note in row.notes if note.field == "approval"] == [
            "Authorised beforehand by Standard pricing: existing customers, no line discounted by more than 5 %, "
            "up to 10,000 in the company's currency"
        ]
    assert "Authorised beforehand" in published("closed-won-opportunities-written")


@pytest.mark.requirement("R04")
@pytest.mark.parametrize(
    ("price", "discount", "buys_again", "why"),
    [
        (100, 0, False, "the customer has not bought yet"),
        (5000, "5.01", True, "a line is discounted by 5.01 %"),
        ("10000.01", 0, True, "it comes to 10,000.01 USD"),
        (180, 0, True, "a line is discounted by 5.21 %"),
    ],
    ids=["new customer", "discount", "amount", "below the list price"],
)
def test_an_order_that_fits_none_waits_for_the_erps_people_and_says_why(
    world: World, price: Any, discount: Any, buys_again: bool, why: str
) -> None:
    account = customer(world) if buys_again else world.account()
    deal = world.deal(sold(price, Discount=discount), account=account)
    foreseen = world.row(world.run(of(world, STANDARD), records=[deal], dry_run=True), deal)
    assert (foreseen.queue, why in foreseen.reason) == (Queue.PENDING_APPROVAL, True)
    for _ in range(2):
        row, state = placed(world, of(world, STANDARD), deal)
        assert (row.outcome, row.queue, state) == (Outcome.QUEUED, Queue.PENDING_APPROVAL, "quotation")
        assert why in row.reason
    assert world.crm(deal, "ERP_Sync_Status__c", "ERP_Sync_Error__c")["ERP_Sync_Error__c"]

    (sale,) = world.sales(deal)
    with world.rpc() as rpc:
        rpc("model.sale.sale.confirm", [sale["id"]], world.context)
    row, state = placed(world, of(world, STANDARD), deal)
    assert (row.queue, state) == (None, "processing")
    assert world.crm(deal, "ERP_Status__c")["ERP_Status__c"] == "Approved"


@pytest.mark.requirement("R04")
def test_one_scenario_of_several_is_enough_and_countries_and_currencies_count(world: World) -> None:
    german = Scenario(name="Germany", countries=["Germany"], currencies=["EUR"])
    american = customer(world)
    integration = of(world, STANDARD, german)
    row, state = placed(world, integration, world.deal(sold(90000), account=american))
    assert state == "quotation"
    assert "Standard pricing: it comes to 90,000.00 USD; Germany: the customer is in United States" in row.reason
    account = world.account(**BERLIN, BillingState=None)
    _, state = placed(world, integration, world.deal(sold(90000), account=account, currency="EUR"))
    assert state == "processing"
    row, state = placed(world, integration, world.deal(sold(90000), account=account, currency="USD"))
    assert state == "quotation"
    assert "Germany: it is in USD" in row.reason


@pytest.mark.requirement("R04", "R05")
def test_an_amount_is_compared_in_the_companys_currency_at_the_erps_rate(world: World) -> None:
    account = customer(world)
    limit = of(world, Scenario(name="Small", amount_up_to=1000))
    with world.rpc() as rpc:
        codes = ("code", "in", ["USD", "JPY"])
        rows = rpc("model.currency.currency.search_read", [codes], 0, None, None, ["code", "rate"], world.context)
    rate = {row["code"]: row["rate"] for row in rows}
    most = int(1000 * rate["JPY"] / rate["USD"])
    for yen, expected in ((most, "processing"), (most + 1, "quotation")):
        deal = world.deal(sold(yen), account=account, currency="JPY")
        assert placed(world, limit, deal)[1] == expected, yen


@pytest.mark.requirement("R04", "R05")
def test_the_erps_own_rules_stay_in_force(approving_world: World, approving_erp: ApprovingErp) -> None:
    world = approving_world
    all_of_them = of(world, Scenario(name="Everything", amount_up_to=1000000))
    deal = world.deal(sold(70000))
    row, state = placed(world, all_of_them, deal)
    assert (row.queue, state) == (Queue.PENDING_APPROVAL, "quotation")
    assert "fits no scenario" not in row.reason
    (sale,) = world.sales(deal)
    approving_erp.approve(str(sale["id"]))
    assert placed(world, all_of_them, deal)[1] == "processing"


@pytest.mark.requirement("R04")
def test_a_scenario_without_conditions_or_with_an_unknown_country_is_refused() -> None:
    with pytest.raises(ValueError, match="has no condition"):
        Scenario(name="All")
    with pytest.raises(ValueError, match="is no country"):
        Scenario(name="Somewhere", countries=["Atlantis"])
