"""Deals of several companies: one order for each, in its own company and ERP, exactly once and to the cent."""

from __future__ import annotations

import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from cutting_proxy import Cut, CuttingProxy
from fixtures_documents import TrytonBooks
from flow_process import flow_process
from office import opened
from pydantic import SecretStr
from world import World, cents

from prefect_crm_erp.blocks import (
    ErpSlot,
    Integration,
    Ledger,
    RoutingRule,
    SeveralCompanies,
    Subsidiary,
    SubsidiaryRouting,
)
from prefect_crm_erp.flows import explain_routing, invoice_back_sync, order_status_sync, subsidiary_audit
from prefect_crm_erp.models.errors import ConfigurationError
from prefect_crm_erp.models.outcomes import Outcome, Queue
from prefect_crm_erp.sandbox.tryton import TrytonAccess, TrytonSandbox
from prefect_crm_erp.sandbox.tryton.rpc import TrytonRpc

CREATE, CONFIRM = "model.sale.sale.create", "model.sale.sale.confirm"
LINES = [
    {"sku": "NL-400", "Quantity": 3, "UnitPrice": "33.33"},
    {"sku": "NL-410", "Quantity": 7, "UnitPrice": "24.95"},
    {"sku": "NL-500", "Quantity": 1, "UnitPrice": "64.33"},
]
SHOWN = ("ERP_Order_Number__c", "ERP_Status__c", "ERP_Amount__c", "ERP_Sync_Status__c", "ERP_Sync_Error__c")


def routing(**changes: Any) -> SubsidiaryRouting:
    """Instruments are sold by the US, services by the UK, software by the company in Asia."""
    lines = {"US": "Instruments", "UK": "Services", "APAC": "Software"} | changes.pop("lines", {})
    values: dict[str, Any] = {
        "subsidiaries": [
            Subsidiary(name="US", company="US", countries=["US"]),
            Subsidiary(name="UK", company="UK", erp=changes.pop("uk_erp", ErpSlot.MAIN), countries=["GB"]),
            Subsidiary(name="APAC", company="DE"),
        ],
        "rules": [RoutingRule(name=line, subsidiary=name, product_lines=[line]) for name, line in lines.items()],
        "several_companies": SeveralCompanies.SPLIT,
    }
    return SubsidiaryRouting(**(values | changes))


@pytest.fixture
def sellers(world: World) -> World:
    """Products of three product lines."""
    for sku, family in (("NL-400", "Instruments"), ("NL-410", "Services"), ("NL-500", "Software")):
        world.company.sf.Product2.update(world.company.products[sku], {"Family": family})
    return world


@pytest.fixture(scope="module")
def british_erp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrytonAccess]:
    """A second ERP in a process of its own."""
    with TrytonSandbox(tmp_path_factory.mktemp("british")) as sandbox:
        yield sandbox.access


def parts_in(access: TrytonAccess, deal: str) -> dict[str, tuple[str, list[str], Decimal]]:
    """Orders of a deal in an ERP by the code of their company: number, SKUs and amount; each is there once."""
    codes = {int(company.id): company.code for company in access.companies}
    with TrytonRpc(access.url, access.database, access.admin_user, access.admin_password) as rpc:
        context = {"company": min(codes), "companies": list(codes)}
        domain = [("reference", "like", f"{deal}%"), ("state", "!=", "cancelled")]
        names = ["reference", "company", "number", "state", "untaxed_amount", "lines.product.code"]
        rows = rpc("model.sale.sale.search_read", domain, 0, None, None, names, context)
    found = {
        codes[row["company"]]: (
            row["number"],
            sorted(line["product."]["code"] for line in row["lines."]),
            cents(row["untaxed_amount"]),
        )
        for row in rows
    }
    assert len(found) == len(rows) == len({row["reference"] for row in rows})
    assert {row["state"] for row in rows} <= {"confirmed", "processing"}
    return found


def shown(world: World, deal: str) -> dict[str, Any]:
    return world.crm(deal, *SHOWN)


# -------------------------------------------------------------------- one order for each company


@pytest.mark.requirement("O03", "O09", "F07", "GB01", "GB06", "GB12")
def test_a_deal_of_three_companies_becomes_three_orders_whose_sum_is_the_deals(sellers: World) -> None:
    deal, plain = sellers.deal(LINES), sellers.deal()
    integration = sellers.integration(routing=routing())
    foreseen = sellers.run(integration, dry_run=True)
    assert (foreseen.written, parts_in(sellers.access, deal)) == (2, {})
    assert sellers.row(foreseen, deal).crm_total == Decimal("338.97")

    report = sellers.run(integration)
    found = parts_in(sellers.access, deal)
    assert {code: (skus, amount) for code, (_, skus, amount) in found.items()} == {
        "US": (["NL-400"], Decimal("99.99")),
        "UK": (["NL-410"], Decimal("174.65")),
        "DE": (["NL-500"], Decimal("64.33")),
    }
    numbers = ", ".join(found[code][0] for code in ("US", "UK", "DE"))
    row = sellers.row(report, deal)
    assert (row.outcome, row.subsidiary, row.erp_number) == (Outcome.WRITTEN, "US + UK + APAC", numbers)
    assert (row.crm_total, row.erp_total) == (Decimal("338.97"), Decimal("338.97"))
    says = shown(sellers, deal)
    assert (says["ERP_Order_Number__c"], says["ERP_Status__c"], says["ERP_Sync_Status__c"]) == (
        numbers,
        "Approved",
        "Synced",
    )
    assert cents(says["ERP_Amount__c"]) == Decimal("338.97")
    assert sellers.row(report, plain).erp_number == shown(sellers, plain)["ERP_Order_Number__c"]

    again = sellers.run(integration)
    assert (again.written, again.unchanged) == (0, 2)
    forced = sellers.run(integration, records=[found["UK"][0]])
    assert [(row.crm_id, row.outcome) for row in forced.rows] == [(deal, Outcome.UNCHANGED)]
    assert parts_in(sellers.access, deal) == found


@pytest.mark.requirement("O05", "O07", "O09")
def test_a_line_that_leads_nowhere_sends_the_whole_deal_to_a_person_and_so_does_the_policy_review(
    sellers: World,
) -> None:
    sellers.company.sf.Product2.update(sellers.company.products["NL-500"], {"Family": "Paper"})
    account = sellers.account(BillingCountry="Brazil", BillingState=None)
    deal = sellers.deal(LINES, account=account)
    row = sellers.row(sellers.run(sellers.integration(routing=routing())), deal)
    assert (row.queue, "of Paper to none" in row.reason) == (Queue.PENDING_REVIEW, True)
    reviewed = sellers.deal(LINES[:2])
    review = routing(several_companies=SeveralCompanies.REVIEW)
    row = sellers.row(sellers.run(sellers.integration(routing=review)), reviewed)
    assert (row.queue, "belong to different subsidiaries" in row.reason) == (Queue.PENDING_REVIEW, True)
    assert parts_in(sellers.access, deal) == parts_in(sellers.access, reviewed) == {}


@pytest.mark.requirement("E08", "GB12")
def test_a_quotes_discount_shipping_and_tax_are_divided_to_the_cent(sellers: World) -> None:
    opportunity = sellers.deal(LINES)
    values = {"Name": "Q", "OpportunityId": opportunity, "Pricebook2Id": sellers.company.price_book}
    charges = {"ShippingHandling": 10, "Tax": "7.77"}
    (quote,) = sellers.company.create("Quote", [values | charges | {"Status": "Draft"}])
    sellers.company.lines(quote, [row | {"Discount": 3.3} for row in LINES])
    sellers.company.sf.Quote.update(quote, {"Status": "Accepted"})
    total = cents(sellers.crm(quote, "GrandTotal", object_name="Quote")["GrandTotal"])
    integration = sellers.integration(routing=routing())
    row = sellers.row(sellers.run(integration, source="accepted quotes", dry_run=True), quote)
    assert row.crm_total == total
    without_tax = sellers.company.sf.Quote.update(quote, {"Tax": None})
    assert without_tax == 204
    total -= Decimal("7.77")
    report = sellers.run(integration, source="accepted quotes")
    found = parts_in(sellers.access, quote)
    assert sum(amount for _, _, amount in found.values()) == total == sellers.row(report, quote).erp_total
    assert [skus for _, skus, _ in found.values()].count(["NL-400", "SHIPPING"]) == 1
    assert sellers.run(integration, records=[opportunity]).excluded == 1, "it was ordered through its quote"


# -------------------------------------------------------------------- several ERPs, and one that is down


def two_erps(world: World, british: TrytonAccess, url: str | None = None, **changes: Any) -> Integration:
    second = world.tryton(
        server_url=url or british.url,
        database=british.database,
        username=british.user,
        password=SecretStr(british.password),
    )
    return world.integration(second_erp=second, routing=routing(uk_erp=ErpSlot.SECOND, **changes))


@pytest.mark.requirement("O03", "O09", "T09", "GB01")
def test_while_one_erp_is_down_its_part_waits_and_the_others_are_ordered(
    sellers: World, british_erp: TrytonAccess
) -> None:
    deal = sellers.deal(LINES)
    down = two_erps(sellers, british_erp, url="http://127.0.0.1:9")
    row = sellers.row(sellers.run(down), deal)
    assert row.queue is Queue.RETRY
    assert row.reason.startswith("2 of 3 orders of this deal stand (")
    found = parts_in(sellers.access, deal)
    assert found.keys() == {"US", "DE"}
    says = shown(sellers, deal)
    assert says["ERP_Order_Number__c"] == ", ".join(found[code][0] for code in ("US", "DE"))
    assert (says["ERP_Status__c"], says["ERP_Sync_Status__c"]) == (None, Queue.RETRY.value)
    assert "2 of 3 orders" in says["ERP_Sync_Error__c"]

    time.sleep(1.1)
    assert sellers.row(sellers.run(down), deal).queue is Queue.RETRY
    assert parts_in(sellers.access, deal) == found

    time.sleep(2.1)
    up = two_erps(sellers, british_erp)
    assert sellers.row(sellers.run(up), deal).outcome is Outcome.WRITTEN
    british = parts_in(british_erp, deal)
    assert (parts_in(sellers.access, deal), british.keys()) == (found, {"UK"})
    says = shown(sellers, deal)
    assert (says["ERP_Status__c"], says["ERP_Sync_Status__c"], says["ERP_Sync_Error__c"]) == (
        "Approved",
        "Synced",
        None,
    )
    assert cents(says["ERP_Amount__c"]) == Decimal("338.97")
    assert sellers.row(sellers.run(down, records=[deal]), deal).outcome is Outcome.UNCHANGED


# -------------------------------------------------------------------- exactly once


def short_lease(world: World) -> Ledger:
    return Ledger(url=world.integration().ledger.url, lease_seconds=2)


@pytest.mark.requirement("GB02", "O09", "T09")
def test_a_run_that_is_killed_at_every_step_between_the_parts_loses_and_doubles_none(
    sellers: World, line: CuttingProxy, crm_line: CuttingProxy
) -> None:
    deals = [sellers.deal(LINES[:2]) for _ in range(2)]
    integration = sellers.integration(
        routing=routing(),
        ledger=short_lease(sellers),
        erp=sellers.tryton(server_url=line.url),
        crm=sellers.org.block(instance_url=crm_line.url),
    )
    for place, where, step in (
        (line, Cut.BEFORE, CREATE),  # after the intent of the first part
        (line, Cut.AFTER, CREATE),
        (line, Cut.AFTER, CONFIRM),  # before its binding
        (line, Cut.BEFORE, CREATE),  # after it, before the second part
        (line, Cut.AFTER, CREATE),
        (line, Cut.AFTER, CONFIRM),
        (crm_line, Cut.BEFORE, "ERP_Sync_Status__c"),
    ):
        with place.hold(where, containing=step, then_cut=True) as hold, flow_process(integration) as process:
            hold.wait()
            process.kill()
    report = sellers.run(integration)
    assert (report.source, report.queued) == (2, 0)
    for deal in deals:
        assert parts_in(sellers.access, deal).keys() == {"US", "UK"}
        assert shown(sellers, deal)["ERP_Sync_Status__c"] == "Synced"
    with integration.ledger.open().for_integration("test") as store:
        assert store.sent("opportunity", deals) == {}


def kill_after(line: CuttingProxy, integration: Integration, step: str) -> None:
    with line.hold(Cut.AFTER, containing=step) as hold, flow_process(integration) as process:
        hold.wait()
        process.kill()


@pytest.mark.requirement("GB02", "O05")
@pytest.mark.parametrize("step", [CREATE, CONFIRM])
def test_lines_that_lead_elsewhere_after_a_part_was_sent_are_noticed_not_ordered_twice(
    sellers: World, line: CuttingProxy, step: str
) -> None:
    deal = sellers.deal(LINES[:2])
    common: dict[str, Any] = {"ledger": short_lease(sellers), "erp": sellers.tryton(server_url=line.url)}
    kill_after(line, sellers.integration(routing=routing(), **common), step)
    rules = [RoutingRule(name="All", subsidiary="APAC", product_lines=["Instruments", "Services"])]
    together = sellers.integration(routing=routing(rules=rules), **common)
    time.sleep(2.1)
    row = sellers.row(sellers.run(together), deal)
    assert (row.queue, row.outcome) == (Queue.MANUAL_REVIEW, Outcome.QUEUED), row.reason
    assert "before it led elsewhere" in row.reason
    apart = sellers.integration(routing=routing(lines={"US": "Services", "UK": "Instruments"}), **common)
    if step == CREATE:  # a draft is brought to what its company sells now
        assert sellers.row(sellers.run(apart, records=[deal]), deal).outcome is Outcome.WRITTEN
        found = parts_in(sellers.access, deal)
        assert {code: skus for code, (_, skus, _) in found.items()} == {"US": ["NL-410"], "UK": ["NL-400"]}
        return
    row = sellers.row(sellers.run(apart, records=[deal]), deal)
    assert row.queue is Queue.MANUAL_REVIEW
    assert parts_in(sellers.access, deal).keys() == {"US"}
    back = sellers.run(sellers.integration(routing=routing(), **common), records=[deal])
    assert sellers.row(back, deal).outcome is Outcome.WRITTEN
    assert parts_in(sellers.access, deal).keys() == {"US", "UK"}


@pytest.mark.requirement("GB02")
def test_a_deal_that_may_have_been_sent_as_one_order_is_not_divided(sellers: World, line: CuttingProxy) -> None:
    deal = sellers.deal(LINES[:2])
    common: dict[str, Any] = {"ledger": short_lease(sellers), "erp": sellers.tryton(server_url=line.url)}
    rules = [RoutingRule(name="All", subsidiary="US", product_lines=["Instruments", "Services"])]
    kill_after(line, sellers.integration(routing=routing(rules=rules), **common), CREATE)
    time.sleep(2.1)
    row = sellers.row(sellers.run(sellers.integration(routing=routing(), **common)), deal)
    assert (row.queue, "before it led elsewhere" in row.reason) == (Queue.MANUAL_REVIEW, True)
    assert len(sellers.sales(deal)) == 1


@pytest.mark.requirement("GB02", "O05")
def test_a_deal_of_which_one_part_stands_is_parked_when_its_lines_lead_elsewhere(
    sellers: World, british_erp: TrytonAccess
) -> None:
    deal = sellers.deal(LINES[:2])
    sellers.run(two_erps(sellers, british_erp, url="http://127.0.0.1:9"))
    found = parts_in(sellers.access, deal)
    assert found.keys() == {"US"}
    rules = [RoutingRule(name="All", subsidiary="UK", product_lines=["Instruments", "Services"])]
    row = sellers.row(sellers.run(two_erps(sellers, british_erp, rules=rules), records=[deal]), deal)
    assert (row.queue, "lead elsewhere" in row.reason) == (Queue.MANUAL_REVIEW, True)
    sellers.company.sf.Opportunity.update(deal, {"CurrencyIsoCode": "USD", "Description": "touched"})
    sellers.company.lines(deal, LINES[2:])
    row = sellers.row(sellers.run(two_erps(sellers, british_erp), records=[deal]), deal)
    assert (row.queue, "The deal changed after order" in row.reason) == (Queue.MANUAL_REVIEW, True)
    assert (parts_in(sellers.access, deal), parts_in(british_erp, deal)) == (found, {})


# -------------------------------------------------------------------- afterwards


@pytest.mark.requirement("K01", "L01", "O08", "O09")
def test_status_invoices_and_the_audit_find_the_deal_of_every_part(sellers: World, tryton_books: TrytonBooks) -> None:
    office = opened(sellers, tryton_books)
    deal = sellers.deal(LINES[:2], CloseDate="2026-03-31")
    integration = sellers.integration(routing=routing())
    sellers.run(integration)
    found = parts_in(sellers.access, deal)
    numbers = ", ".join(found[code][0] for code in ("US", "UK"))
    orders = {code: order_id(sellers, number) for code, (number, _, _) in found.items()}

    (bill,) = tryton_books.invoices_of("UK", orders["UK"])
    tryton_books.post("UK", bill)
    office.sync(order_status_sync, integration=integration)
    office.sync(invoice_back_sync, integration=integration)
    says = sellers.crm(deal, *SHOWN, "ERP_Invoiced__c")
    assert (says["ERP_Order_Number__c"], says["ERP_Status__c"]) == (numbers, "Partly Invoiced")
    assert cents(says["ERP_Amount__c"]) == Decimal("274.64")
    (copy,) = office.rows(f"SELECT Opportunity__c, Total__c FROM ERP_Invoice__c WHERE ERP_Id__c = '{bill}'")
    assert (copy["Opportunity__c"], copy["Total__c"]) == (deal, cents(says["ERP_Invoiced__c"]))
    copies = office.rows(f"SELECT Name FROM ERP_Order__c WHERE Opportunity__c = '{deal}'")
    assert {row["Name"] for row in copies} == {number for number, _, _ in found.values()}

    report = subsidiary_audit(integration=integration, month="2026-03")
    assert [each for each in report.mismatches if each.deal and each.deal.crm_id == deal] == []


def order_id(world: World, number: str) -> str:
    with world.rpc() as rpc:
        (row,) = rpc("model.sale.sale.search_read", [("number", "=", number)], 0, None, None, ["id"], world.context)
    return str(row["id"])


@pytest.mark.requirement("O03")
def test_the_explanation_names_all_companies_of_a_deal(sellers: World) -> None:
    deal = sellers.deal(LINES[:2], StageName="Prospecting")
    review = routing(several_companies=SeveralCompanies.REVIEW)
    report = explain_routing(integration=sellers.integration(routing=review), records=[deal], policy=routing())
    assert (report.today, report.then) == ({"Pending Review": 1}, {"US + UK": 1})
    assert report.amounts == {("Pending Review", "US + UK"): {"USD": Decimal("274.64")}}
    assert "(274.64\N{NO-BREAK SPACE}USD)" in report.in_words()


@pytest.mark.requirement("O04")
def test_two_subsidiaries_of_one_company_cannot_share_a_deal(sellers: World) -> None:
    same = [Subsidiary(name="US", company="US"), Subsidiary(name="West", company="Northlight Instruments Inc")]
    policy = SubsidiaryRouting(subsidiaries=same, several_companies=SeveralCompanies.SPLIT)
    with pytest.raises(ConfigurationError, match="'US' and 'West' are the same company"):
        sellers.run(sellers.integration(routing=policy))
