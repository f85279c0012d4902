"""What the routing says of each record, and what a changed policy would move before it is saved."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from artifacts import published
from world import World

from prefect_crm_erp.blocks import ErpSlot, Integration, RoutingRule, Subsidiary, SubsidiaryRouting
from prefect_crm_erp.flows import explain_routing
from prefect_crm_erp.models.errors import ConfigurationError
from prefect_crm_erp.models.outcomes import Verdict
from prefect_crm_erp.models.routing_facts import Answer

LONDON = {"BillingCity": "London", "BillingState": None, "BillingPostalCode": "E1 6AN", "BillingCountry": "U.K."}
US = Subsidiary(name="US", company="US", countries=["US", "CA"])
UK = Subsidiary(name="UK", company="UK", countries=["GB"])
POUNDS = RoutingRule(name="Pounds", subsidiary="UK", currencies=["GBP"])
EUROS = RoutingRule(name="Euros in Massachusetts", subsidiary="UK", countries=["US"], states=["MA"], currencies=["EUR"])
TODAY = SubsidiaryRouting(subsidiaries=[US, UK], rules=[POUNDS])


def integration(world: World, routing: SubsidiaryRouting = TODAY) -> Integration:
    """An integration whose ERP does not answer: to ask the routing needs none."""
    return world.integration(routing=routing, erp=world.tryton(server_url="http://127.0.0.1:9"))


def answers(said: Any) -> dict[str, tuple[Answer, str]]:
    return {each.rule: (each.answer, each.why) for each in said}


@pytest.mark.requirement("O03", "O05", "O06")
def test_each_rule_is_heard_about_each_named_record(world: World) -> None:
    pounds = world.deal(account=world.account(BillingCountry="Deutschland", BillingState=None), currency="GBP")
    named = world.deal(account=world.account(ERP_Subsidiary__c="UK"))
    alone = world.account(**LONDON)
    lost = world.deal(account=world.account(BillingCountry="Freedonia", BillingState=None))
    absent = "006000000000001AAA"
    report = explain_routing(integration=integration(world), records=[pounds, named, alone, lost, absent])
    assert report.today == {"UK": 3, "Pending Review": 1}
    assert report.absent == (absent,)
    rule = report.row(pounds).today
    assert rule.outcome.rule == "rule 'Pounds'"  # type: ignore[union-attr]  # a verdict fails here, as it should
    assert answers(rule.said) == {
        "Subsidiary field of the account": (Answer.NO, "it is empty"),
        "Pounds": (Answer.MATCHED, "all its conditions hold"),
        "Countries of US": (Answer.NO, "the country is DE"),
        "Countries of UK": (Answer.NO, "the country is DE"),
    }
    assert answers(report.row(alone).today.said)["Pounds"][0] is Answer.NOT_APPLICABLE
    assert answers(report.row(named).today.said)["Countries of US"] == (Answer.LATER, "they include US")
    outcome = report.row(lost).today.outcome
    assert isinstance(outcome, Verdict)
    assert "Freedonia" in outcome.reason
    shown = published("routing-rules")
    assert "the currency is USD" in shown
    assert f"/{pounds})" in shown


@pytest.mark.requirement("O07")
def test_a_changed_policy_is_tried_on_the_open_deals_before_it_is_saved(world: World) -> None:
    stage = {"StageName": "Prospecting"}
    moving = [world.deal(currency="EUR", **stage) for _ in range(3)]
    world.deal(**stage)
    held = world.deal(account=world.account(ERP_Subsidiary__c="DE"))
    ordered = world.deal(currency="EUR")
    assert world.run(world.integration(routing=TODAY)).written == 1
    changed = SubsidiaryRouting(subsidiaries=[US, UK, Subsidiary(name="DE", company="DE")], rules=[POUNDS, EUROS])
    world.org.clear_calls()
    report = explain_routing(integration=integration(world), policy=changed)
    assert report.in_words() == (
        "3 records would move from US to UK (300.00\N{NO-BREAK SPACE}EUR); "
        "1 record would move from Pending Review to DE (100.00\N{NO-BREAK SPACE}USD)"
    )
    assert report.amounts["US", "UK"] == {"EUR": Decimal("300.00")}
    assert (report.today, report.then) == ({"US": 4, "Pending Review": 1}, {"UK": 3, "US": 1, "DE": 1})
    assert {row.key for row in report.rows if row.moves} == {*moving, held}
    assert not any(name.startswith(("PATCH", "DELETE")) for name in world.org.calls())
    assert "rule 'Euros in Massachusetts'" in published("routing-moves")
    assert "Pending Review" in published("routing-summary")
    stays = explain_routing(integration=integration(world), records=[ordered], policy=changed)
    assert stays.in_words() == "None of 1 record would move"
    assert stays.rows[0].order_number


def test_policies_that_look_at_different_fields_are_compared_too(world: World) -> None:
    world.company.sf.Product2.update(
        world.company.products["NL-400"], {"Family": "Services", "QuantityUnitOfMeasure": "Day"}
    )
    deal = world.deal(StageName="Prospecting")
    by_family = RoutingRule(name="Services", subsidiary="UK", product_lines=["Services"])
    by_unit = RoutingRule(name="Days", subsidiary="US", product_lines=["Day"])
    one = SubsidiaryRouting(subsidiaries=[US, UK], rules=[by_family])
    two = SubsidiaryRouting(subsidiaries=[US, UK], rules=[by_unit], product_line_field="QuantityUnitOfMeasure")
    report = explain_routing(integration=integration(world, one), policy=two)
    assert report.moves == {("UK", "US"): 1}
    assert report.row(deal).then.outcome.rule == "rule 'Days'"  # type: ignore[union-attr]  # as above


@pytest.mark.requirement("GB13")
@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (
            {"subsidiaries": [Subsidiary(name="UK", company="UK", erp=ErpSlot.THIRD)]},
            "third ERP, which is not connected",
        ),
        (
            {
                "subsidiaries": [US, UK],
                "rules": [RoutingRule(name="R", subsidiary="UK", owner_regions=["EMEA"])],
                "owner_region_field": "Region__c",
            },
            r"missing or hidden.*User\.Region__c",
        ),
    ],
)
def test_a_policy_that_cannot_be_asked_is_refused_with_a_reason(
    world: World, policy: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        explain_routing(integration=integration(world), policy=SubsidiaryRouting(**policy))
