"""One CRM, several ERPs: each subsidiary's orders go to its own, and one ERP's trouble stays with its own orders."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from cutting_proxy import Cut, CuttingProxy
from flow_process import wait_for
from pydantic import SecretStr
from world import World

from prefect_crm_erp.blocks import ErpSlot, Integration, RoutingRule, Subsidiary, SubsidiaryRouting
from prefect_crm_erp.flows import field_entries
from prefect_crm_erp.models.errors import ConfigurationError
from prefect_crm_erp.models.field_entries import PaymentEntry
from prefect_crm_erp.models.outcomes import Outcome, Queue
from prefect_crm_erp.sandbox.tryton import TrytonAccess, TrytonSandbox
from prefect_crm_erp.sandbox.tryton.rpc import TrytonRpc

LONDON = {"BillingCity": "London", "BillingState": None, "BillingPostalCode": "E1 6AN", "BillingCountry": "UK"}
BOSTON = {"BillingCity": "Boston", "BillingState": "MA", "BillingPostalCode": "02110", "BillingCountry": "US"}


@pytest.fixture(scope="module")
def british_erp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrytonAccess]:
    """A second ERP in a process of its own."""
    with TrytonSandbox(tmp_path_factory.mktemp("british")) as sandbox:
        yield sandbox.access


def two_erps(world: World, british: TrytonAccess, url: str | None = None) -> Integration:
    """The US company in the main ERP, the UK company in a second one."""
    second = world.tryton(
        server_url=url or british.url,
        database=british.database,
        username=british.user,
        password=SecretStr(british.password),
    )
    routing = SubsidiaryRouting(
        subsidiaries=[
            Subsidiary(name="US", company="US", countries=["US"]),
            Subsidiary(name="UK", company="UK", erp=ErpSlot.SECOND, countries=["GB"]),
        ]
    )
    return world.integration(second_erp=second, routing=routing)


def references(access: TrytonAccess) -> set[str]:
    with TrytonRpc(access.url, access.database, access.admin_user, access.admin_password) as rpc:
        companies = [int(company.id) for company in access.companies]
        context = {"company": companies[0], "companies": companies}
        return {
            row["reference"] for row in rpc("model.sale.sale.search_read", [], 0, None, None, ["reference"], context)
        }


@pytest.mark.requirement("O03", "O06")
def test_each_subsidiarys_orders_go_to_its_own_erp(world: World, british_erp: TrytonAccess) -> None:
    american, british = world.deal(), world.deal(account=world.account(**LONDON), currency="GBP")
    report = world.run(two_erps(world, british_erp))
    assert report.written == 2
    assert american in references(world.access)
    assert british not in references(world.access)
    assert british in references(british_erp)
    assert world.crm(british, "ERP_Id__c")["ERP_Id__c"].startswith("second:")
    again = world.run(two_erps(world, british_erp))
    assert (again.written, again.unchanged) == (0, 2)


@pytest.mark.requirement("T09")
def test_while_one_erp_is_down_the_others_orders_go_through(world: World, british_erp: TrytonAccess) -> None:
    american, british = world.deal(), world.deal(account=world.account(**LONDON), currency="GBP")
    report = world.run(two_erps(world, british_erp, url="http://127.0.0.1:9"))
    assert world.row(report, american).outcome is Outcome.WRITTEN
    assert world.row(report, british).queue is Queue.RETRY
    time.sleep(1.1)
    assert world.row(world.run(two_erps(world, british_erp)), british).outcome is Outcome.WRITTEN
    assert british in references(british_erp)


@pytest.mark.requirement("GB02", "O05", "T09")
def test_a_deal_that_leads_to_another_erp_after_it_was_sent_is_noticed_not_ordered_twice(
    world: World, british_erp: TrytonAccess, line: CuttingProxy
) -> None:
    account = world.account()
    deal = world.deal(account=account)
    hasty = world.tryton(server_url=line.url, timeout_seconds=2, settle_seconds=1)
    with line.hold(Cut.BEFORE, containing="model.sale.sale.create"):
        row = world.row(world.run(two_erps(world, british_erp).model_copy(update={"erp": hasty})), deal)
    assert row.queue is Queue.RETRY
    wait_for(lambda: world.sales(deal), "the ERP acts late")
    world.company.sf.Account.update(account, LONDON)
    gone = world.tryton(server_url="http://127.0.0.1:9")
    row = world.row(world.run(two_erps(world, british_erp).model_copy(update={"erp": gone}), records=[deal]), deal)
    assert row.queue is Queue.RETRY
    row = world.row(world.run(two_erps(world, british_erp), records=[deal]), deal)
    assert (row.queue, "before it led elsewhere" in row.reason) == (Queue.MANUAL_REVIEW, True), row.reason
    assert (ordered_in(world.access, deal), ordered_in(british_erp, deal)) == ({deal: "US"}, {})
    world.company.sf.Account.update(account, BOSTON)
    assert world.row(world.run(two_erps(world, british_erp), records=[deal]), deal).outcome is Outcome.WRITTEN
    assert len(world.sales(deal)) == 1


@pytest.mark.requirement("GB02", "L06")
def test_a_payment_that_leads_to_another_erp_after_it_was_sent_is_noticed_not_booked_twice(
    world: World, british_erp: TrytonAccess, line: CuttingProxy
) -> None:
    account = world.account()
    for place, currency in ((BOSTON, "USD"), (LONDON, "GBP")):
        world.company.sf.Account.update(account, place)
        world.deal(account=account, currency=currency)
        assert world.run(two_erps(world, british_erp)).written == 1
    world.company.sf.Account.update(account, BOSTON)
    today = datetime.now(UTC).date().isoformat()
    paid = {"Amount__c": 75, "Payment_Date__c": today, "Method__c": "Check", "Account__c": account}
    (payment,) = world.company.create("ERP_Field_Payment__c", [paid | {"CurrencyIsoCode": "USD"}])
    hasty = world.tryton(server_url=line.url, timeout_seconds=2, settle_seconds=1)
    with line.hold(Cut.BEFORE, containing="model.account.move.create"):
        (row,) = field_entries(integration=two_erps(world, british_erp).model_copy(update={"erp": hasty})).rows
    assert row.queue is Queue.RETRY
    wait_for(lambda: world.tryton().find(PaymentEntry, [payment]), "the ERP acts late")
    world.company.sf.Account.update(account, LONDON)
    world.company.sf.ERP_Field_Payment__c.update(payment, {"CurrencyIsoCode": "GBP"})
    (row,) = field_entries(integration=two_erps(world, british_erp), records=[payment]).rows
    assert (row.queue, "before it led elsewhere" in row.reason) == (Queue.MANUAL_REVIEW, True), row.reason
    world.company.sf.Account.update(account, BOSTON)
    world.company.sf.ERP_Field_Payment__c.update(payment, {"CurrencyIsoCode": "USD"})
    (row,) = field_entries(integration=two_erps(world, british_erp), records=[payment]).rows
    assert (row.outcome, row.reason) == (Outcome.WRITTEN, "An earlier run had sent it")


def by_rules(
    world: World, british: TrytonAccess, url: str | None = None, company: str = "UK", **more: Any
) -> Integration:
    """Three companies in two ERPs, chosen by rules."""
    routing = SubsidiaryRouting(
        subsidiaries=[
            Subsidiary(name="US", company="US", currency="USD", countries=["US"]),
            Subsidiary(name="DE", company="DE", currency="eur"),
            Subsidiary(name="UK", company=company, erp=ErpSlot.SECOND, **more),
        ],
        rules=[
            RoutingRule(name="Renewals", subsidiary="DE", record_types=["Renewal"]),
            RoutingRule(name="Services", subsidiary="UK", product_lines=["Services"], currencies=["GBP"]),
            RoutingRule(name="Bavaria", subsidiary="DE", countries=["Deutschland"], states=["Bayern"]),
        ],
    )
    return two_erps(world, british, url).model_copy(update={"routing": routing})


def renewal_type(world: World) -> str:
    """A record type of opportunities."""
    renewal = {"Name": "Renewal", "DeveloperName": "Renewal", "SobjectType": "Opportunity", "IsActive": True}
    return world.company.create("RecordType", [renewal])[0]


def ordered_in(access: TrytonAccess, *keys: str) -> dict[str, str]:
    """Code of the company that has each order."""
    codes = {int(company.id): company.code for company in access.companies}
    with TrytonRpc(access.url, access.database, access.admin_user, access.admin_password) as rpc:
        context = {"company": min(codes), "companies": list(codes)}
        domain = [("reference", "in", list(keys))]
        rows = rpc("model.sale.sale.search_read", domain, 0, None, None, ["reference", "company"], context)
    return {row["reference"]: codes[row["company"]] for row in rows}


@pytest.mark.requirement("O03", "O06", "T09")
def test_rules_send_one_runs_deals_to_three_companies_in_two_erps_and_one_that_is_down_holds_up_its_own_only(
    world: World, british_erp: TrytonAccess
) -> None:
    world.company.sf.Product2.update(world.company.products["NL-410"], {"Family": "Services"})
    munich = {"BillingCity": "Munich", "BillingState": "Bayern", "BillingPostalCode": "80331"}
    service = [{"sku": "NL-410", "Quantity": 1, "UnitPrice": 24}]
    american = world.deal()
    renewed = world.deal(RecordTypeId=renewal_type(world))
    bavarian = world.deal(account=world.account(**munich, BillingCountry="Deutschland"))
    british = world.deal(service, currency="GBP")
    mixed = world.deal([*service, {"sku": "NL-400", "Quantity": 1, "UnitPrice": 100}], currency="GBP")
    world.company.sf.Product2.update(world.company.products["NL-400"], {"Family": "Instruments"})
    report = world.run(by_rules(world, british_erp, url="http://127.0.0.1:9"))
    assert {world.row(report, deal).outcome for deal in (american, renewed, bavarian)} == {Outcome.WRITTEN}
    assert ordered_in(world.access, american, renewed, bavarian) == {american: "US", renewed: "DE", bavarian: "DE"}
    assert world.row(report, british).queue is Queue.RETRY
    assert world.row(report, mixed).queue is Queue.PENDING_REVIEW
    assert "line 1 (Product NL-410) of Services to UK by rule 'Services'" in world.row(report, mixed).reason
    time.sleep(1.1)
    again = world.run(by_rules(world, british_erp))
    assert world.row(again, british).outcome is Outcome.WRITTEN
    assert ordered_in(british_erp, british, american, renewed, mixed) == {british: "UK"}
    notes = [note.text for note in world.row(again, british).notes if note.field == "subsidiary"]
    assert notes == ["UK: rule 'Services'"]


@pytest.mark.requirement("O04", "GB13")
def test_a_company_that_was_renamed_in_its_erp_is_named_before_anything_is_written(
    world: World, british_erp: TrytonAccess
) -> None:
    name = next(company.name for company in british_erp.companies if company.code == "UK")
    company_id = next(str(company.id) for company in british_erp.companies if company.code == "UK")
    renewal_type(world)
    deal = world.deal()
    with TrytonRpc(british_erp.url, british_erp.database, british_erp.admin_user, british_erp.admin_password) as rpc:
        (row,) = rpc("model.company.company.search_read", [("id", "=", int(company_id))], 0, None, None, ["party"], {})
        rpc("model.party.party.write", [row["party"]], {"name": "Northlight Great Britain Ltd"}, {})
        try:
            with pytest.raises(ConfigurationError, match=r"Subsidiary 'UK': There is no company.*If it was renamed"):
                world.run(by_rules(world, british_erp, company=name))
            assert world.crm(deal, "ERP_Sync_Status__c")["ERP_Sync_Status__c"] is None
            assert ordered_in(world.access, deal) == {}
            with pytest.raises(ConfigurationError, match=r"books are in EUR, those of the company .* in GBP"):
                world.run(by_rules(world, british_erp, company=company_id, currency="EUR"))
            assert world.run(by_rules(world, british_erp, company=company_id, currency="GBP")).written == 1
            assert world.run(by_rules(world, british_erp, company="UK"), records=[deal]).unchanged == 1
        finally:
            rpc("model.party.party.write", [row["party"]], {"name": name}, {})


def test_a_subsidiary_of_an_erp_that_is_not_connected_is_refused_when_it_is_saved(world: World) -> None:
    routing = SubsidiaryRouting(subsidiaries=[Subsidiary(name="UK", company="UK", erp=ErpSlot.THIRD)])
    with pytest.raises(ValueError, match="third ERP, which is not connected"):
        world.integration(routing=routing)
