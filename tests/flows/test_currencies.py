"""Deals in every currency: the original amount is ordered, and both systems' values of it are shown side by side."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from artifacts import published
from cutting_proxy import Cut, CuttingProxy
from world import BERLIN, World

from prefect_crm_erp.flows import order_status_sync
from prefect_crm_erp.models.outcomes import Outcome

SHOWN = (
    "ERP_Amount__c",
    "ERP_CRM_Amount__c",
    "ERP_CRM_Currency__c",
    "ERP_Company_Amount__c",
    "ERP_Company_Currency__c",
    "ERP_Exchange_Rate__c",
    "ERP_Exchange_Rate_Date__c",
    "ERP_Exchange_Rate_Source__c",
)
RATE_CALLS = "model.currency.currency.rate"


def worth(world: World, deal: str, object_name: str = "Opportunity") -> dict[str, Any]:
    """What a deal shows of its value, by short names."""
    row = world.crm(deal, *SHOWN, object_name=object_name)
    return {name.removeprefix("ERP_").removesuffix("__c"): row[name] for name in SHOWN}


def crm_rate(world: World, currency: str, rate: str) -> None:
    """An administrator sets the CRM's rate of a currency, the one that holds now and the dated one."""
    for object_name in ("CurrencyType", "DatedConversionRate"):
        rows = world.company.sf.query(f"SELECT Id FROM {object_name} WHERE IsoCode = '{currency}'")["records"]
        for row in rows:
            getattr(world.company.sf, object_name).update(row["Id"], {"ConversionRate": rate})


def deal_of(world: World, amount: str, currency: str = "EUR", **fields: Any) -> str:
    lines = [{"sku": "NL-400", "Quantity": 1, "UnitPrice": amount}]
    return world.deal(lines, currency=currency, CloseDate="2026-05-04", **fields)


@pytest.mark.requirement("N01", "N02", "N03", "N04", "U03", "N08")
def test_the_crm_shows_its_own_value_and_the_erps_with_the_rate_its_day_and_its_source(world: World) -> None:
    crm_rate(world, "EUR", "0.92")
    deal = deal_of(world, "92000.00")
    dry = world.row(world.run(dry_run=True), deal)
    world.run()
    (sale,) = world.sales(deal)
    assert (sale["currency."]["code"], sale["untaxed_amount"]) == ("EUR", Decimal("92000.00"))
    shown = worth(world, deal)
    assert shown == {
        "Amount": Decimal("92000.00"),
        "CRM_Amount": Decimal("100000.000"),
        "CRM_Currency": "USD",
        "Company_Amount": Decimal("101200.000"),
        "Company_Currency": "USD",
        "Exchange_Rate": Decimal("1.1000000000"),
        "Exchange_Rate_Date": "2026-01-01",
        "Exchange_Rate_Source": "ERP",
    }
    changes = {change.field: change.after for change in dry.changes}
    assert (changes["deal.crm_amount"], changes["deal.erp_amount"]) == ("100000.00", "101200.00")
    assert (changes["deal.rate"], changes["deal.rate_source"]) == ("1.1000000000", "ERP")
    before = world.crm(deal, "SystemModstamp")
    assert world.row(world.run(), deal).outcome is Outcome.UNCHANGED
    assert world.crm(deal, "SystemModstamp") == before


@pytest.mark.requirement("N03")
def test_minor_units_are_the_currencys_own_on_both_sides(world: World) -> None:
    yen = deal_of(world, "28501", "JPY", account=world.account(**BERLIN))
    world.run()
    shown = worth(world, yen)
    assert shown["Company_Amount"] == Decimal("175.93")  # 28,501 / 162
    assert shown["CRM_Amount"] == Decimal("193.53")  # 28,501 / 147.272727, half-up
    assert (shown["Company_Currency"], shown["CRM_Currency"]) == ("EUR", "USD")
    assert shown["Exchange_Rate"] == Decimal("0.0061728395")


@pytest.mark.requirement("N06")
def test_the_crms_rate_stands_in_unvalidated_until_the_erp_answers_again(world: World, line: CuttingProxy) -> None:
    deal = deal_of(world, "92000.00")
    line.cut(Cut.BEFORE, containing=RATE_CALLS, times=1000)
    report = world.run(world.integration(erp=world.tryton(server_url=line.url)))
    row = world.row(report, deal)
    assert row.outcome is Outcome.WRITTEN
    notes = {note.field: note for note in row.notes}
    assert "UNVALIDATED" in notes["valuation"].text
    assert notes["valuation"].flag == "Finance"
    assert "UNVALIDATED" in published("closed-won-opportunities-summary")
    shown = worth(world, deal)
    assert shown["Exchange_Rate_Source"] == "CRM, UNVALIDATED"
    assert shown["Company_Amount"] == Decimal("101199.99")  # 92,000 / 0.909091
    assert len(world.sales(deal)) == 1
    # Another change of the same page must not be needed for it: the ledger knows what is owed.
    again = world.run()
    assert any("The ERP has answered" in note.text for note in world.row(again, deal).notes)
    assert worth(world, deal)["Exchange_Rate_Source"] == "ERP"
    assert worth(world, deal)["Company_Amount"] == Decimal("101200.00")
    with world.integration().ledger.open().for_integration("test") as store:
        assert not store.parked(kind="opportunity exchange rate")


@pytest.mark.requirement("N03", "N04")
def test_the_status_of_an_order_brings_the_same_amounts_as_the_write_back(world: World) -> None:
    deal = deal_of(world, "28501", "JPY", account=world.account(**BERLIN))
    world.run()
    before = worth(world, deal)
    empty = dict.fromkeys(name for name in SHOWN if name != "ERP_Amount__c")
    world.company.sf.Opportunity.update(deal, empty)
    (sale,) = world.sales(deal)
    order_status_sync(integration=world.integration(), records=[sale["number"]])
    assert sale["total_amount"] != sale["untaxed_amount"]
    assert worth(world, deal) == before
