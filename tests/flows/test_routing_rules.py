"""Routing in whole flows: what the rules hold, who is told, what releases it, and what the customer master says."""

from __future__ import annotations

from typing import Any

import pytest
from account_world import AccountWorld
from artifacts import emitted
from world import World

from prefect_crm_erp.blocks import RoutingRule, Subsidiary, SubsidiaryRouting
from prefect_crm_erp.flows import account_sync
from prefect_crm_erp.models.errors import ConfigurationError
from prefect_crm_erp.models.outcomes import Outcome, Queue

US = Subsidiary(name="US", company="US", countries=["US"])
UK = Subsidiary(name="UK", company="UK", countries=["GB"])
DE = Subsidiary(name="DE", company="DE")
COMPANIES = "model.company.company.search_read"


def held_alert(world: World) -> dict[str, Any]:
    event = emitted("prefect-crm-erp.routing.held", "prefect-crm-erp.routing.test", since=world.began_at)
    return dict(event["payload"])


@pytest.mark.requirement("O05", "O07")
def test_an_unknown_subsidiary_is_held_told_to_administrators_and_released_when_the_policy_knows_it(
    world: World,
) -> None:
    account = world.account(ERP_Subsidiary__c="DE")
    deals = [world.deal(account=account) for _ in range(2)]
    before = world.integration(routing=SubsidiaryRouting(subsidiaries=[US, UK]))
    report = world.run(before)
    for deal in deals:
        row = world.row(report, deal)
        assert (row.queue, "'DE', which the routing does not know" in row.reason) == (Queue.PENDING_REVIEW, True)
        assert world.crm(deal, "ERP_Sync_Status__c")["ERP_Sync_Status__c"] == "Pending Review"
    alert = held_alert(world)
    assert (alert["count"], len(alert["reasons"])) == (2, 1)
    assert "Update the Subsidiary Routing" in alert["advice"]
    assert world.run(before).queued == 2
    assert held_alert(world) == alert, "nothing new is held, so nobody is told again"
    after = world.run(world.integration(routing=SubsidiaryRouting(subsidiaries=[US, UK, DE])))
    assert {world.row(after, deal).outcome for deal in deals} == {Outcome.WRITTEN}
    assert {sale["company."]["id"] for sale in world.sales(*deals)} == {company_id(world, "DE")}


@pytest.mark.requirement("O05", "O07")
def test_an_account_without_a_route_is_released_by_a_rule_though_nothing_changed_at_it(accounts: AccountWorld) -> None:
    account = accounts.account(BillingCountry="Brazil", BillingState=None)
    routing = SubsidiaryRouting(subsidiaries=[US, UK])
    (row,) = account_sync(integration=accounts.integration(routing=routing), records=[account]).rows
    assert (row.queue, "No subsidiary serves Brazil" in row.reason) == (Queue.PENDING_REVIEW, True)
    rule = RoutingRule(name="Latin America", subsidiary="US", countries=["Brasil"])
    released = SubsidiaryRouting(subsidiaries=[US, UK], rules=[rule])
    report = account_sync(integration=accounts.integration(routing=released))
    assert next(row for row in report.rows if row.crm_id == account).outcome is Outcome.WRITTEN
    assert len(accounts.parties(account)) == 1


def company_id(world: World, code: str) -> int:
    return next(int(company.id) for company in world.access.companies if company.code == code)


def party(world: World, account: str) -> int:
    """The ERP's customer of an account."""
    with world.rpc() as rpc:
        (row,) = rpc("model.party.identifier.search_read", [("code", "=", account)], 0, None, None, ["party"], {})
    return int(row["party"])


def companies_by_category(world: World, category: str, **sellers: list[int]) -> None:
    """Keep customers for companies by subcategories of a party category."""
    with world.rpc() as rpc:
        (parent,) = rpc("model.party.category.create", [{"name": category}], {})
        for name, parties in sellers.items():
            (child,) = rpc("model.party.category.create", [{"name": name, "parent": parent}], {})
            for each in parties:
                rpc("model.party.party.write", [each], {"categories": [("add", [child])]}, {})


@pytest.mark.requirement("O04")
def test_the_customer_master_has_the_last_word_on_the_company(world: World) -> None:
    account = world.account()
    assert world.run(records=[world.deal(account=account)]).written == 1
    companies_by_category(world, "Sold to by", UK=[party(world, account)])
    erp = world.tryton(company_category="Sold to by")
    american, british = world.deal(account=account), world.deal(account=account, currency="GBP")
    rule = RoutingRule(name="Pounds", subsidiary="UK", currencies=["GBP"])
    report = world.run(world.integration(erp=erp, routing=SubsidiaryRouting(subsidiaries=[US, UK], rules=[rule])))
    row = world.row(report, american)
    assert row.queue is Queue.PENDING_REVIEW
    assert "Tryton does not keep the customer" in row.reason
    assert world.sales(american) == []
    assert world.row(report, british).outcome is Outcome.WRITTEN
    with pytest.raises(ConfigurationError, match="'Nowhere' has no subcategories"):
        world.run(world.integration(erp=world.tryton(company_category="Nowhere")))


@pytest.mark.requirement("O04")
def test_an_order_of_an_own_company_is_for_a_person_unless_the_policy_allows_it(world: World) -> None:
    name = next(company.name for company in world.access.companies if company.code == "UK")
    account = world.account(Name=name.upper(), BillingPostalCode="99997")
    deal = world.deal(account=account)
    row = world.row(world.run(), deal)
    assert row.queue is Queue.PENDING_REVIEW
    assert "is the own company Northlight" in row.reason
    assert world.sales(deal) == []
    with world.rpc() as rpc:
        assert rpc("model.party.identifier.search", [("code", "=", account)], 0, None, None, {}) == []


@pytest.mark.requirement("O04")
def test_an_own_company_is_known_by_its_party_and_the_policy_may_allow_its_orders(world: World) -> None:
    with world.rpc() as rpc:
        (row,) = rpc(COMPANIES, [("id", "=", company_id(world, "DE"))], 0, None, None, ["party"], {})
    account = world.account(Name="Own company in Germany")
    with world.rpc() as rpc:
        rpc("model.party.identifier.create", [{"party": row["party"], "type": None, "code": account}], {})
    deal = world.deal(account=account)
    waits = world.row(world.run(), deal)
    assert (waits.queue, "is the own company" in waits.reason) == (Queue.PENDING_REVIEW, True)
    allowed = SubsidiaryRouting(subsidiaries=[US, UK], intercompany=True)
    assert world.row(world.run(world.integration(routing=allowed)), deal).outcome is Outcome.WRITTEN
    (sale,) = world.sales(deal)
    assert sale["party."]["id"] == row["party"]


@pytest.mark.requirement("D05")
def test_an_item_that_the_subsidiary_does_not_sell_is_not_booked(world: World) -> None:
    probe, cable = ({"sku": sku, "Quantity": 1, "UnitPrice": 10} for sku in ("NL-400", "NL-410"))
    restricted, allowed, abroad = world.deal([probe, cable]), world.deal([probe]), world.deal([cable], currency="GBP")
    american = US.model_copy(update={"restricted_items": [" nl-410 "]})
    rule = RoutingRule(name="Pounds", subsidiary="UK", currencies=["GBP"])
    routing = SubsidiaryRouting(subsidiaries=[american, UK], rules=[rule])
    report = world.run(world.integration(routing=routing))
    row = world.row(report, restricted)
    assert row.queue is Queue.PENDING_REVIEW
    assert row.reason.startswith("US does not sell line 2 (Product NL-410, NL-410): a restricted item")
    assert world.sales(restricted) == []
    assert {world.row(report, deal).outcome for deal in (allowed, abroad)} == {Outcome.WRITTEN}
