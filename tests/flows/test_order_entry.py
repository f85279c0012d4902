"""What an order must pass before it is entered: dates, stock, restricted items, owners, cash sales."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from artifacts import emitted
from cutting_proxy import Cut, CuttingProxy
from flow_process import flow_process
from once import customers_of
from world import BERLIN, World

from prefect_crm_erp.blocks import DealRule, Integration, Ledger, OrderEntryPolicy, OwnerCheck, Restriction
from prefect_crm_erp.models.errors import ConfigurationError
from prefect_crm_erp.models.outcomes import Outcome, Queue, ReportRow

TODAY = datetime.now(UTC).date()


def under(world: World, **policy: Any) -> Integration:
    """The integration with an order entry policy."""
    return world.integration(order_entry=OrderEntryPolicy(**policy))


def product(world: World, sku: str, *, salable: bool = True) -> None:
    """A product of both systems that is not in stock."""
    world.company.product(sku)
    with world.rpc() as rpc:
        (unit,) = rpc("model.product.uom.search", [("symbol", "=", "u")], 0, 1, None, world.context)
        (goods,) = rpc("model.product.category.search", [("name", "=", "Goods")], 0, 1, None, world.context)
        values = {"name": sku, "type": "goods", "default_uom": unit, "sale_uom": unit, "salable": salable}
        values |= {"account_category": goods, "products": [("create", [{"suffix_code": sku}])]}
        rpc("model.product.template.create", [values], world.context)


def judged(world: World, integration: Integration, deal: str) -> ReportRow:
    """What a run makes of a deal."""
    return world.row(world.run(integration), deal)


def parked(row: ReportRow, queue: Queue, *words: str) -> None:
    """The deal waits there, and its reason has these words."""
    assert (row.outcome, row.queue) == (Outcome.QUEUED, queue), row.reason
    for word in words:
        assert word in row.reason, row.reason


def dated(days: int) -> dict[str, str]:
    """A close date so many days from today."""
    return {"CloseDate": (TODAY + timedelta(days=days)).isoformat()}


# -------------------------------------------------------------------- dates and stock


@pytest.mark.requirement("G09")
def test_orders_dated_too_far_back_or_ahead_wait_for_a_person_and_others_do_not(world: World) -> None:
    integration = under(world, most_days_back=30, most_days_ahead=0)
    deals = {days: world.deal(**dated(days)) for days in (-31, -30, 0, 1)}
    report = world.run(integration)
    parked(world.row(report, deals[-31]), Queue.MANUAL_REVIEW, "31 days back", "30 days at most are allowed")
    parked(world.row(report, deals[1]), Queue.MANUAL_REVIEW, "1 day ahead", "only today's date")
    assert {row["reference"] for row in world.sales(*deals.values())} == {deals[-30], deals[0]}
    world.company.sf.Opportunity.update(deals[1], dated(0))
    assert judged(world, integration, deals[1]).outcome is Outcome.WRITTEN


@pytest.mark.requirement("G09", "G03")
def test_a_back_dated_order_for_items_that_are_out_of_stock_waits_for_a_person(world: World) -> None:
    product(world, "NL-EMPTY")
    lines = [{"sku": sku, "Quantity": 2, "UnitPrice": 10} for sku in ("NL-400", "NL-EMPTY")]
    integration = under(world, back_dated_needs_stock=True)
    late, today, in_stock = world.deal(lines, **dated(-1)), world.deal(lines, **dated(0)), world.deal(**dated(-1))
    report = world.run(integration)
    parked(world.row(report, late), Queue.MANUAL_REVIEW, "out of stock of NL-EMPTY (2 ordered,")
    assert world.row(report, today).outcome is world.row(report, in_stock).outcome is Outcome.WRITTEN


# -------------------------------------------------------------------- restricted items


@pytest.mark.requirement("D05", "G09")
def test_a_restricted_item_is_a_data_quality_exception_that_names_the_line(world: World) -> None:
    laser = Restriction(sku="NL-5*", countries=["Germany"], reason="no permit")
    integration = under(world, restrictions=[Restriction(sku="nl-410"), laser])
    lines = [{"sku": sku, "Quantity": 1, "UnitPrice": 10} for sku in ("NL-400", "NL-410")]
    everywhere = world.deal(lines)
    family = [{"sku": "NL-500", "Quantity": 1, "UnitPrice": 10}]
    germany = world.deal(family, account=world.account(**BERLIN, BillingState=None), currency="EUR")
    delivered = world.deal(
        family, account=world.account(ShippingCity="Berlin", ShippingPostalCode="10115", ShippingCountry="Germany")
    )
    boston = world.deal(family)
    report = world.run(integration)
    parked(world.row(report, everywhere), Queue.DATA_QUALITY, "Line 2 (Product NL-410): NL-410 may not be sold;")
    for deal in (germany, delivered):
        parked(world.row(report, deal), Queue.DATA_QUALITY, "NL-500 may not be sold to Germany (no permit)")
    assert world.row(report, boston).outcome is Outcome.WRITTEN


@pytest.mark.requirement("D05")
def test_an_item_that_the_erp_does_not_sell_is_named_with_its_line(world: World) -> None:
    product(world, "NL-CLOSED", salable=False)
    sold = [{"sku": sku, "Quantity": 1, "UnitPrice": 10} for sku in ("NL-400", "NL-CLOSED")]
    row = judged(world, world.integration(), world.deal(sold))
    parked(row, Queue.DATA_QUALITY, "NL-CLOSED of Line 2 (Product NL-CLOSED)", "open it for sale")


# -------------------------------------------------------------------- owners


@pytest.mark.requirement("G06")
def test_a_deal_of_somebody_elses_account_waits_and_alerts_until_it_is_the_right_persons(world: World) -> None:
    owner, other = world.user(), world.user()
    account = world.account(OwnerId=owner)
    theirs, conflicting = world.deal(account=account, OwnerId=owner), world.deal(account=account, OwnerId=other)
    integration = under(world, owner_check=OwnerCheck.OWNER)
    report = world.run(integration)
    parked(world.row(report, conflicting), Queue.PENDING_REVIEW, "belongs to Sam Seller", "The deal is Sam Seller")
    assert [row["reference"] for row in world.sales(theirs, conflicting)] == [theirs]
    alert = emitted("prefect-crm-erp.record.parked", f"prefect-crm-erp.opportunity.{conflicting}", since=world.began_at)
    assert alert["payload"]["queue"] == "Pending Review"
    world.company.sf.Opportunity.update(conflicting, {"OwnerId": owner})
    assert judged(world, integration, conflicting).outcome is Outcome.WRITTEN


@pytest.mark.requirement("G06")
def test_managers_and_named_people_and_departments_may_sell_to_any_account(world: World) -> None:
    manager, inside = world.user(), world.user(Department="Inside Sales")
    owner, stranger = world.user(ManagerId=manager), world.user()
    account = world.account(OwnerId=owner)
    deals = {each: world.deal(account=account, OwnerId=each) for each in (manager, inside, stranger)}
    integration = under(world, owner_check=OwnerCheck.MANAGERS, sells_to_all=["inside sales"])
    report = world.run(integration)
    assert [world.row(report, deals[each]).outcome for each in (manager, inside)] == [Outcome.WRITTEN] * 2
    assert world.row(report, deals[stranger]).queue is Queue.PENDING_REVIEW


@pytest.mark.requirement("G07")
def test_an_account_whose_territory_is_another_in_the_erp_waits_until_both_say_the_same(world: World) -> None:
    # Tryton has no territory of its own; the customer's number stands for the field that a company has added.
    account = world.account(AccountNumber="North")
    assert judged(world, world.integration(), world.deal(account=account)).outcome is Outcome.WRITTEN
    (customer,) = customers_of(world, [account])[account]
    with world.rpc() as rpc:
        (row,) = rpc("model.party.party.read", [customer], ["code"], world.context)
    integration = under(world, territory_field="AccountNumber", erp_territory_field="code")
    deal, first_deal = world.deal(account=account), world.deal()
    report = world.run(integration)
    parked(world.row(report, deal), Queue.PENDING_REVIEW, f"'North' in Salesforce and '{row['code']}' in Tryton")
    assert world.row(report, first_deal).outcome is Outcome.WRITTEN
    world.company.sf.Account.update(account, {"AccountNumber": row["code"]})
    assert judged(world, integration, deal).outcome is Outcome.WRITTEN
    wrong = under(world, territory_field="AccountNumber", erp_territory_field="no_such_field")
    with pytest.raises(ConfigurationError, match="no_such_field"):
        world.run(wrong)


# -------------------------------------------------------------------- cash sales


@pytest.mark.requirement("G08")
def test_a_cash_sale_waits_until_its_payment_is_noted_and_stays_done_when_the_note_changes(world: World) -> None:
    integration = under(
        world,
        cash_terms=["Due on receipt"],
        secured_rules=[DealRule(field="NextStep", condition="is one of", values=["paid"])],
    )
    cash = world.deal(account=world.account(Payment_Terms__c="Due on receipt"))
    credit = world.deal()
    report = world.run(integration)
    parked(world.row(report, cash), Queue.PENDING_REVIEW, "terms are Due on receipt", "NextStep is one of paid")
    assert world.row(report, credit).outcome is Outcome.WRITTEN
    world.company.sf.Opportunity.update(cash, {"NextStep": "Paid"})
    assert judged(world, integration, cash).outcome is Outcome.WRITTEN
    world.company.sf.Opportunity.update(cash, {"NextStep": "Send thanks"})
    assert judged(world, integration, cash).outcome is Outcome.UNCHANGED


# -------------------------------------------------------------------- what was sent before


@pytest.mark.requirement("G09", "GB02")
def test_an_order_that_stands_without_being_known_of_is_found_and_not_held_back_by_a_check(
    world: World, line: CuttingProxy
) -> None:
    product(world, "NL-LAST")
    deal = world.deal([{"sku": "NL-LAST", "Quantity": 1, "UnitPrice": 10}], **dated(-1))
    ledger = Ledger(url=world.integration().ledger.url, lease_seconds=2)
    slow = world.integration(ledger=ledger, erp=world.tryton(server_url=line.url))
    with line.hold(Cut.AFTER, containing="model.sale.sale.confirm", then_cut=True) as hold, flow_process(slow) as run:
        hold.wait()
        run.kill()
    strict = OrderEntryPolicy(back_dated_needs_stock=True, most_days_back=0)
    report = world.run(world.integration(ledger=ledger, order_entry=strict))
    assert world.row(report, deal).outcome is Outcome.WRITTEN, world.row(report, deal).reason
    assert len(world.sales(deal)) == 1
