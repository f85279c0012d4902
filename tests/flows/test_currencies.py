"""Deals in every currency: the original amount is ordered, and both systems' values of it are shown side by side."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from artifacts import emitted, published
from cutting_proxy import Cut, CuttingProxy
from fixtures_salesforce import Company
from world import BERLIN, World

from prefect_crm_erp.blocks import CurrencyPolicy
from prefect_crm_erp.flows import currency_reconciliation, exchange_rate_sync, order_status_sync
from prefect_crm_erp.flows.quote_to_order import open_run
from prefect_crm_erp.models.errors import ConfigurationError
from prefect_crm_erp.models.exchange import Variance
from prefect_crm_erp.models.outcomes import Note, Outcome, Queue
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.sandbox.tryton.rpc import TrytonFault
from prefect_crm_erp.tasks.check import check_records
from prefect_crm_erp.tasks.currency_compare import Compared, State
from prefect_crm_erp.tasks.currency_report import CurrencyReport
from prefect_crm_erp.tasks.item import Item

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
YEAR = datetime.now(UTC).year
NEW_YEAR = f"{YEAR}-01-01"
"""From this day on the ERP has the rates of today; before, those of 1990."""
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
    return world.deal(lines, currency=currency, CloseDate=NEW_YEAR, **fields)


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
        "Exchange_Rate_Date": NEW_YEAR,
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


# -------------------------------------------------------------------- rates of the ERP in the CRM


@contextmanager
def erp_rates(world: World, currency: str, days: dict[str, str]) -> Iterator[None]:
    """Further rates of a currency in the ERP, by day, in units for one euro."""
    with world.rpc() as rpc:
        (found,) = rpc("model.currency.currency.search", [("code", "=", currency)], 0, 1, None, world.context)
        values = [
            {"currency": found, "date": date.fromisoformat(day), "rate": Decimal(rate)} for day, rate in days.items()
        ]
        ids = rpc("model.currency.currency.rate.create", values, world.context)
        try:
            yield
        finally:
            rpc("model.currency.currency.rate.delete", ids, world.context)


def crm_rates(world: World, currency: str) -> tuple[Decimal, dict[str, Decimal]]:
    """The CRM's rate now, and those by date."""
    sf = world.company.sf
    (now,) = sf.query(f"SELECT ConversionRate FROM CurrencyType WHERE IsoCode = '{currency}'")["records"]
    dated = sf.query(f"SELECT StartDate, ConversionRate FROM DatedConversionRate WHERE IsoCode = '{currency}'")
    return now["ConversionRate"], {row["StartDate"]: row["ConversionRate"] for row in dated["records"]}


def add_currency(world: World, code: str, rate: str = "1", places: int = 2) -> None:
    """An administrator adds a currency to the CRM."""
    row = {"IsoCode": code, "ConversionRate": rate, "DecimalPlaces": places, "IsActive": True}
    world.company.sf.CurrencyType.create(row)


def writes(world: World) -> list[str]:
    return [call for call in world.org.calls() if call.endswith("/composite/sobjects")]


@pytest.mark.requirement("N04")
def test_the_erps_rates_become_the_crms_by_their_dates_and_a_second_run_writes_nothing(world: World) -> None:
    add_currency(world, "CZK", "30")
    since = date(YEAR - 1, 10, 1)
    days = {f"{YEAR - 1}-10-15": "26.40", f"{YEAR - 1}-11-05": "25.92", f"{YEAR + 1}-06-01": "24.00"}
    with erp_rates(world, "CZK", days):
        dry = exchange_rate_sync(integration=world.integration(), since=since, dry_run=True)
        assert crm_rates(world, "CZK") == (Decimal("30.000000"), {})
        world.org.clear_calls()
        report = exchange_rate_sync(integration=world.integration(), since=since)
        assert len(writes(world)) == 2
        assert repr(dry) == repr(report).replace(")", ", dry_run=True)")
        assert (report.written, report.unchanged, report.queued, report.excluded) == (4, 0, 1, 1)
        assert crm_rates(world, "CZK") == (
            Decimal("22.818182"),  # 25.10 / 1.10
            {
                f"{YEAR - 1}-10-01": Decimal("28.416667"),  # 34.10 / 1.20
                f"{YEAR - 1}-10-15": Decimal("22.000000"),
                f"{YEAR - 1}-11-05": Decimal("21.600000"),
                NEW_YEAR: Decimal("22.818182"),
            },
        )
        assert crm_rates(world, "EUR") == (
            Decimal("0.909091"),
            {
                "1990-01-01": Decimal("0.909091"),  # before the first day the CRM keeps its own
                f"{YEAR - 1}-10-01": Decimal("0.833333"),
                NEW_YEAR: Decimal("0.909091"),
            },
        )
        rows = {row.crm_id: row for row in report.rows}
        assert "Tryton has no rate of KWD" in rows["KWD"].reason
        assert "inactive" in rows["CHF"].reason
        assert any(f"{YEAR + 1}-06-01 lies in the future" in note.text for note in rows["CZK"].notes)
        assert f"| CZK | rate from {YEAR - 1}-10-15 | 28.416667 | 22 |" in published("exchange-rates-summary")
        world.org.clear_calls()
        again = exchange_rate_sync(integration=world.integration(), since=since)
        assert (again.written, again.unchanged, again.queued) == (0, 4, 1)
        assert not writes(world)
    with world.integration().ledger.open().for_integration("test") as store:
        assert [entry.key for entry in store.parked(kind="exchange rate")] == ["KWD"]


@pytest.mark.requirement("N04")
def test_an_org_without_dated_rates_gets_the_rates_of_today_and_bad_currencies_are_named(world: World) -> None:
    world.org.settings(dated_rates=False)
    crm_rate_now(world, "EUR", "0.95")
    policy = CurrencyPolicy(rates_of="uk", currencies=["eur", "CHF", "SEK", "JPY"])
    assert policy.currencies == ["EUR", "CHF", "SEK", "JPY"]
    with pytest.raises(ValueError, match="use EUR"):
        CurrencyPolicy(currencies=["HRK"])
    with pytest.raises(ValueError, match="none of the subsidiaries"):
        world.integration(currency=CurrencyPolicy(rates_of="Mars"))
    report = exchange_rate_sync(integration=world.integration(currency=policy))
    rows = {row.crm_id: row for row in report.rows}
    assert [change.after for change in rows["EUR"].changes] == ["0.909091"]
    assert "CHF is inactive in Salesforce" in rows["CHF"].reason
    assert "has no currency SEK" in rows["SEK"].reason
    assert rows["JPY"].outcome is Outcome.UNCHANGED
    deal = deal_of(world, "92000.00")
    world.run()
    assert worth(world, deal)["CRM_Amount"] == Decimal("101199.99")  # at the rate of today: there is no other


def crm_rate_now(world: World, currency: str, rate: str) -> None:
    (row,) = world.company.sf.query(f"SELECT Id FROM CurrencyType WHERE IsoCode = '{currency}'")["records"]
    world.company.sf.CurrencyType.update(row["Id"], {"ConversionRate": rate})


# -------------------------------------------------------------------- month's end

MONTH = f"{YEAR}-01"


def compared(report: CurrencyReport, deal: str) -> Compared:
    (row,) = [row for row in report.rows if row.key == deal]
    return row


@pytest.mark.requirement("N07", "N08", "BB06")
def test_at_months_end_the_worked_example_is_within_the_tolerance_and_a_stale_rate_is_not(world: World) -> None:
    crm_rate(world, "EUR", "0.92")
    worked = deal_of(world, "92000.00")
    home = deal_of(world, "500.00", "USD")
    german = deal_of(world, "28501", "JPY", account=world.account(**BERLIN))
    world.run()
    report = currency_reconciliation(integration=world.integration(), month=MONTH)
    row = compared(report, worked)
    assert (row.crm_original, row.erp_original) == (Decimal("92000.00"), Decimal("92000.00"))
    assert row.value == Variance(Decimal("100000.00"), Decimal("101200.00"))
    assert (row.value.percent, row.state) == (Decimal("1.19"), State.IN_STEP)
    assert compared(report, home).value == Variance(Decimal("500.00"), Decimal("500.00"))
    assert [(total.subsidiary, total.currency, total.orders) for total in report.totals] == [
        ("DE", "JPY", 1),
        ("US", "EUR", 1),
        ("US", "USD", 1),
    ]
    assert report.passes
    assert report.total.value.erp == Decimal("101200.00") + Decimal("500.00") + compared(report, german).value.erp
    # A rate that nobody has kept in step: 0.94 instead of 0.909091.
    crm_rate(world, "EUR", "0.94")
    report = currency_reconciliation(integration=world.integration(), month=MONTH)
    assert [row.key for row in report.flagged] == [worked]
    row = report.flagged[0]
    assert row.value == Variance(Decimal("97872.34"), Decimal("101200.00"))
    assert (row.value.percent, row.state) == (Decimal("3.29"), State.VARIANCE)
    event = emitted("prefect-crm-erp.currency.variance", "prefect-crm-erp.currency.test", since=world.began_at)
    assert event["payload"]["flagged"] == 1
    assert event["payload"]["records"] == [world.org.block().url(worked)]
    shown = published("currency-reconciliation-summary")
    (sale,) = world.sales(worked)
    assert f"[{sale['number']}]" in shown
    assert "**3.29 %**" in shown
    # The sync puts it right.
    exchange_rate_sync(integration=world.integration(), since=date(YEAR, 1, 1))
    assert currency_reconciliation(integration=world.integration(), month=MONTH).passes


@pytest.mark.requirement("N07", "BB06")
def test_exactly_two_percent_is_not_flagged_and_a_cent_more_is(world: World) -> None:
    deal = deal_of(world, "100.00")
    world.run()
    for rate, crm, state in (("0.891266", "112.20", State.IN_STEP), ("0.891186", "112.21", State.VARIANCE)):
        crm_rate(world, "EUR", rate)
        report = currency_reconciliation(integration=world.integration(), month=MONTH)
        row = compared(report, deal)
        assert (row.value, row.state) == (Variance(Decimal(crm), Decimal("110.00")), state)
    tolerant = world.integration(currency=CurrencyPolicy(tolerance_percent=Decimal("2.01")))
    assert currency_reconciliation(integration=tolerant, month=MONTH).passes


@pytest.mark.requirement("N07", "BB06")
def test_amounts_that_differ_and_records_that_are_gone_are_named_in_the_reconciliation(world: World) -> None:
    changed, deleted, untouched = (deal_of(world, "100.00") for _ in range(3))
    world.run()
    (line,) = world.company.sf.query(f"SELECT Id FROM OpportunityLineItem WHERE OpportunityId = '{changed}'")["records"]
    world.company.sf.OpportunityLineItem.update(line["Id"], {"UnitPrice": 101})
    world.company.sf.Opportunity.delete(deleted)
    report = currency_reconciliation(integration=world.integration(), month=MONTH)
    assert compared(report, changed).state is State.AMOUNTS_DIFFER
    assert "101.00 EUR in Salesforce, 100.00 EUR in the ERP" in compared(report, changed).reason
    assert compared(report, deleted).state is State.GONE
    assert "The deal is not in Salesforce any more" in compared(report, deleted).reason
    assert compared(report, untouched).state is State.IN_STEP
    assert report.orders == sum(report.counts.values()) == 3
    assert not currency_reconciliation(integration=world.integration(), month=f"{YEAR - 1}-06").rows
    for wrong, words in ((f"{YEAR + 2}-01", "has not begun"), ("May", "like 2026-05"), ("2026-13", "no month")):
        with pytest.raises(ConfigurationError, match=words):
            currency_reconciliation(integration=world.integration(), month=wrong)


# -------------------------------------------------------------------- bad input


@pytest.mark.requirement("N01", "P01")
def test_a_withdrawn_currency_waits_with_its_successor_named_and_the_others_go_on(world: World) -> None:
    add_currency(world, "HRK", "7.5")
    add_currency(world, "SUR", "0.9")
    company = Company(world.org, ("HRK", "SUR"))
    company.product("NL-510")
    line = [{"sku": "NL-510", "Quantity": 1, "UnitPrice": "100.00"}]
    deals = {}
    for currency in ("HRK", "SUR"):
        row = {"AccountId": world.account(), "CurrencyIsoCode": currency, "CloseDate": NEW_YEAR}
        (deals[currency],) = company.opportunities([row])
        company.lines(deals[currency], line, currency)
    good = deal_of(world, "100.00")
    report = world.run()
    assert world.row(report, good).outcome is Outcome.WRITTEN
    kuna, rouble = (world.row(report, deals[currency]) for currency in ("HRK", "SUR"))
    assert kuna.queue is rouble.queue is Queue.DATA_QUALITY
    assert "HRK (Croatian Kuna) was withdrawn: use EUR (Euro), its successor since 2023-01-01" in kuna.reason
    assert "SUR (Soviet Rouble) was withdrawn after" in rouble.reason
    assert not world.sales(*deals.values())
    said = world.crm(deals["HRK"], "ERP_Sync_Status__c", "ERP_Sync_Error__c")
    assert said["ERP_Sync_Status__c"] == "Data Quality Exception"
    assert "use EUR" in said["ERP_Sync_Error__c"]


@pytest.mark.requirement("N02", "N04")
@pytest.mark.parametrize("rate", ["0", "-24.5"])
def test_a_rate_that_is_not_above_zero_is_named_and_never_reaches_the_crm(
    world: World, line: CuttingProxy, rate: str
) -> None:
    """Tryton refuses such a rate at its own form; an ERP whose data came by another way may hold one."""
    with (
        pytest.raises(TrytonFault, match="is not valid according to its domain"),
        erp_rates(world, "CZK", {f"{YEAR - 1}-10-15": rate}),
    ):
        pass
    add_currency(world, "CZK", "30")
    answer = rates_of_tryton({"CZK": rate, "EUR": "1", "USD": "1.10"})
    line.answer(answer, containing=RATE_CALLS)
    integration = world.integration(erp=world.tryton(server_url=line.url))
    policy = CurrencyPolicy(currencies=["CZK", "EUR"])
    report = exchange_rate_sync(integration=integration.model_copy(update={"currency": policy}))
    rows = {row.crm_id: row for row in report.rows}
    assert rows["CZK"].queue is Queue.DATA_QUALITY
    assert "a rate is a number above zero; correct it in Tryton" in rows["CZK"].reason
    assert rows["EUR"].outcome is Outcome.UNCHANGED
    assert crm_rates(world, "CZK") == (Decimal("30.000000"), {})


def rates_of_tryton(rates: dict[str, str]) -> str:
    """What Tryton answers when it is asked for rates."""
    day = {"__class__": "date", "year": YEAR - 1, "month": 1, "day": 1}
    rows = [
        {"id": number, "date": day, "rate": {"__class__": "Decimal", "decimal": rate}, "currency.": {"code": code}}
        for number, (code, rate) in enumerate(rates.items(), 1)
    ]
    return json.dumps({"id": 0, "result": rows})


@pytest.mark.requirement("N05")
def test_a_deal_without_currency_takes_that_of_its_billing_country_and_a_code_in_lower_case_is_read_as_meant(
    world: World,
) -> None:
    """Salesforce always gives a deal a currency in capitals; other CRMs do not."""
    berlin = deal_of(world, "100.00", account=world.account(**BERLIN))
    boston = deal_of(world, "100.00", "USD")
    run = open_run(world.integration(), "closed-won opportunities", [berlin, boston], dry_run=True)
    read = {deal.crm_id: deal for page in run.crm.deals(run.source, ids=[berlin, boston]) for deal in page}
    items = [
        Item(read[berlin].model_copy(update={"currency": None})),
        Item(read[boston].model_copy(update={"currency": "usd"})),
    ]
    check_records.fn(run, Page(items))
    run.close()
    taken, tidied = ([note for note in item.notes if note.field == "currency"] for item in items)
    assert [(item.verdict, item.currency) for item in items] == [(None, "EUR"), (None, "USD")]
    assert taken == [
        Note("currency", "The deal has no currency; EUR is taken from the billing country DE", "Finance", None, "EUR")
    ]
    assert tidied == [Note("currency", "'usd' is read as USD", None, "usd", "USD")]
