"""Price lists that subsidiaries name become price books of the CRM, in the currency of each company."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from artifacts import published
from world import World

from prefect_crm_erp.blocks import Integration, Subsidiary, SubsidiaryRouting
from prefect_crm_erp.flows import price_book_sync
from prefect_crm_erp.models.errors import ConfigurationError
from prefect_crm_erp.models.outcomes import Outcome
from prefect_crm_erp.models.prices import PriceBook
from prefect_crm_erp.tasks.price_sources import book_trouble

_NUMBERS = count(1)
LEEDS = {"BillingCountry": "GB", "BillingState": None, "BillingCity": "Leeds", "BillingPostalCode": "LS1 4AP"}
COUNTRIES = {"US": ["US"], "UK": ["GB"], "DE": ["DE"]}
Prices = dict[str, dict[tuple[str, str], Decimal]]


def named(name: str) -> str:
    """A name that no other test uses: all share the ERP."""
    return f"{name} {next(_NUMBERS)}"


def price_list(world: World, name: str, company: str, formula: str, **values: Any) -> None:
    """A price list of a company in Tryton."""
    context = working_for(world, company)
    row = {"name": name, "price": "list_price", "lines": [("create", [{"formula": formula}])], **context, **values}
    with world.rpc() as rpc:
        rpc("model.product.price_list.create", [row], context)


def working_for(world: World, company: str) -> dict[str, int]:
    return next({"company": int(each.id)} for each in world.access.companies if each.code == company)


def selling_by(world: World, lists: Mapping[str, str], *further: Subsidiary) -> Integration:
    """The integration, whose subsidiaries name these price lists."""
    subsidiaries = [
        Subsidiary(name=code, company=code, countries=countries, price_list=lists.get(code))
        for code, countries in COUNTRIES.items()
    ]
    return world.integration(routing=SubsidiaryRouting(subsidiaries=[*subsidiaries, *further]))


def prices(world: World, *names: str) -> Prices:
    """Prices in price books by SKU and currency, as simple-salesforce reads them."""
    fields = "Pricebook2.Name, Product2.ProductCode, CurrencyIsoCode, UnitPrice"
    found: Prices = {name: {} for name in names}
    for row in world.company.sf.query(f"SELECT {fields} FROM PricebookEntry WHERE IsActive = true")["records"]:
        place = (row["Product2"]["ProductCode"], row["CurrencyIsoCode"])
        if row["Pricebook2"]["Name"] in found:
            found[row["Pricebook2"]["Name"]][place] = row["UnitPrice"]
    return found


def book_names(world: World) -> list[str]:
    return [row["Name"] for row in world.company.sf.query("SELECT Name FROM Pricebook2 ORDER BY Name")["records"]]


def writes(world: World) -> list[str]:
    return [call for call in world.org.calls() if "/composite/sobjects" in call or "/sobjects/" in call]


@pytest.mark.requirement("E01")
def test_each_price_list_becomes_a_price_book_with_the_erps_own_prices_and_a_second_run_writes_nothing(
    world: World,
) -> None:
    dealers, schools = named("Dealers"), named("O'Hara's schools")
    price_list(world, dealers, "US", "unit_price * 0.9")
    price_list(world, dealers, "UK", "unit_price * 0.85")
    price_list(world, schools, "DE", "list_price - 10")
    irish = Subsidiary(name="Ireland", company="UK", countries=["IE"], price_list=dealers)
    integration = selling_by(world, {"US": dealers, "UK": dealers.upper(), "DE": schools}, irish)
    before = prices(world, "Standard Price Book")
    world.org.clear_calls()
    dry = price_book_sync(integration=integration, dry_run=True)
    assert not writes(world)
    assert "would be created" in published("list-prices-summary")
    assert (book_names(world), prices(world, "Standard Price Book")) == (["Standard Price Book"], before)
    report = price_book_sync(integration=integration)
    assert "|".join((dealers, "GBP")) in published("list-prices-summary").replace(" | ", "|")
    assert repr(dry) == repr(report).replace(")", ", dry_run=True)")
    assert book_names(world) == [dealers, schools, "Standard Price Book"]
    assert prices(world, dealers, schools) == {
        dealers: {
            ("NL-400", "USD"): Decimal("170.91"),
            ("NL-410", "USD"): Decimal("22.46"),  # 22.455
            ("NL-500", "USD"): Decimal("57.90"),
            ("NL-400", "GBP"): Decimal("127.42"),  # 127.415
            ("NL-410", "GBP"): Decimal("16.96"),
            ("NL-500", "GBP"): Decimal("43.58"),
        },
        schools: {
            ("NL-400", "EUR"): Decimal("164.90"),
            ("NL-410", "EUR"): Decimal("12.95"),
            ("NL-500", "EUR"): Decimal("48.99"),
        },
    }
    assert "NL-400 Product NL-400, " + dealers in {row.name for row in report.rows}
    assert (report.written, report.unchanged, report.source) == (15, 3, 18)  # list prices in dollars are right already
    world.org.clear_calls()
    again = price_book_sync(integration=integration)
    assert (again.written, again.unchanged) == (0, 18)
    assert not writes(world)
    assert len([call for call in world.org.calls() if "query" in call]) <= 5


@pytest.mark.requirement("E01")
def test_prices_follow_the_list_and_those_in_other_books_and_currencies_stay(world: World) -> None:
    name = named("Dealers")
    price_list(world, name, "UK", "unit_price * 0.9")
    book, other = world.company.create("Pricebook2", [{"Name": each, "IsActive": True} for each in (name, "Others")])
    product = {"Product2Id": world.company.products["NL-400"], "UnitPrice": "1.00", "IsActive": True}
    entries = [
        product | {"Pricebook2Id": place, "CurrencyIsoCode": code}
        for place, code in ((book, "GBP"), (book, "JPY"), (other, "GBP"))
    ]
    world.company.create("PricebookEntry", entries)
    report = price_book_sync(integration=selling_by(world, {"UK": name}))
    (row,) = [row for row in report.rows if row.crm_id == f"{world.company.products['NL-400']}:GBP:{book}"]
    assert (row.outcome, row.crm_total, row.erp_total) == (Outcome.WRITTEN, Decimal("1.00"), Decimal("134.91"))
    found = prices(world, name, "Others")
    assert found[name]["NL-400", "GBP"] == Decimal("134.91")
    assert (found[name]["NL-400", "JPY"], found["Others"]) == (1, {("NL-400", "GBP"): Decimal(1)})
    assert book_names(world).count(name) == 1


@pytest.mark.requirement("E01")
def test_a_price_that_follows_the_standard_one_gets_its_own_though_both_are_the_same_now(world: World) -> None:
    name = named("Dealers")
    price_list(world, name, "US", "unit_price")
    (book,) = world.company.create("Pricebook2", [{"Name": name, "IsActive": True}])
    entry = {"Product2Id": world.company.products["NL-400"], "Pricebook2Id": book, "CurrencyIsoCode": "USD"}
    (following,) = world.company.create("PricebookEntry", [entry | {"UseStandardPrice": True, "IsActive": True}])
    integration = selling_by(world, {"US": name})
    price_book_sync(integration=integration)
    fields = ("UnitPrice", "UseStandardPrice")
    found = world.crm(following, *fields, object_name="PricebookEntry")
    assert (found["UnitPrice"], found["UseStandardPrice"]) == (Decimal("189.90"), False)
    assert price_book_sync(integration=integration).written == 0


@pytest.mark.requirement("E01")
def test_a_price_book_that_is_inactive_or_there_twice_is_named_and_the_others_go_on(world: World) -> None:
    asleep, twice, awake = named("Asleep"), named("Twice"), named("Awake")
    for name, company in ((asleep, "US"), (twice, "UK"), (awake, "DE")):
        price_list(world, name, company, "unit_price * 0.9")
    rows = [{"Name": asleep, "IsActive": False}, {"Name": twice, "IsActive": True}, {"Name": twice.upper()}]
    world.company.create("Pricebook2", rows)
    report = price_book_sync(integration=selling_by(world, {"US": asleep, "UK": twice, "DE": awake}))
    reasons = {row.reason for row in report.rows if row.outcome is Outcome.EXCLUDED}
    assert reasons == {
        f"The price book '{asleep}' is inactive in Salesforce; activate it there",
        f"Salesforce has 2 price books '{twice}'; rename all but one of them there",
    }
    assert (report.written, report.unchanged, report.excluded) == (9, 3, 6)
    found = prices(world, asleep, twice, awake)
    assert (found[asleep], found[twice], len(found[awake])) == ({}, {}, 3)
    assert asleep in published("list-prices-summary")


def test_an_archived_price_book_counts_only_when_there_is_no_other_of_its_name() -> None:
    book = PriceBook("01s000000000001AAA", "Dealers")
    archived = replace(book, is_active=False, is_archived=True)
    assert book_trouble([archived], "Salesforce") == (
        "The price book 'Dealers' is archived in Salesforce; make another one of this name there"
    )
    assert book_trouble([archived, book], "Salesforce") == ""


@pytest.mark.requirement("E01")
def test_a_product_without_list_price_gets_no_other_price_either_and_the_reason_is_told(world: World) -> None:
    name, sku = named("Flat"), named("FLAT").replace(" ", "-")
    context = working_for(world, "UK")
    price_list(world, name, "UK", "Decimal('5')")
    with world.rpc() as rpc:
        (goods,) = rpc("model.product.category.search", [("name", "=", "Goods")], 0, None, None, context)
        row = {"name": "Unpriced", "salable": True, "account_category": goods, "default_uom": 1, "sale_uom": 1}
        rpc("model.product.template.create", [row | {"products": [("create", [{"suffix_code": sku}])]}], context)
    world.company.create("Product2", [{"Name": "Unpriced", "ProductCode": sku, "IsActive": True}])
    report = price_book_sync(integration=selling_by(world, {"UK": name}))
    reasons = {row.name: row.reason for row in report.rows if row.currency == "GBP" and row.reason}
    missing = "Tryton has no list price of it in Northlight Instruments Ltd"
    assert reasons == {
        f"{sku} Unpriced": missing,
        f"{sku} Unpriced, {name}": f"Salesforce takes it only after a standard price in GBP, and {missing}",
    }
    assert prices(world, name)[name].keys() == {("NL-400", "GBP"), ("NL-410", "GBP"), ("NL-500", "GBP")}


@pytest.mark.requirement("E01")
def test_a_price_list_that_the_company_does_not_have_is_said_before_anything_is_written(world: World) -> None:
    name = named("Dealers")
    price_list(world, name, "UK", "unit_price")
    world.org.clear_calls()
    with pytest.raises(ConfigurationError, match=f"Subsidiary 'DE': .* has no price list '{name}'"):
        price_book_sync(integration=selling_by(world, {"UK": name, "DE": name}))
    assert not writes(world)


@pytest.mark.requirement("E01", "N01")
def test_a_deal_of_a_price_book_arrives_in_the_erp_with_its_price_and_price_list(world: World) -> None:
    name = named("Dealers")
    price_list(world, name, "UK", "unit_price * 0.9")
    integration = selling_by(world, {"UK": name})
    price_book_sync(integration=integration)
    where = f"Pricebook2.Name = '{name}' AND ProductCode = 'NL-400'"
    query = f"SELECT Id, UnitPrice, Pricebook2Id FROM PricebookEntry WHERE {where}"
    (entry,) = world.company.sf.query(query)["records"]
    deal = world.deal(
        [], account=world.account(**LEEDS), currency="GBP", Pricebook2Id=entry["Pricebook2Id"], StageName="Prospecting"
    )
    line = {"PricebookEntryId": entry["Id"], "Quantity": 2, "UnitPrice": str(entry["UnitPrice"])}
    world.company.create("OpportunityLineItem", [{"OpportunityId": deal, **line}])
    world.company.sf.Opportunity.update(deal, {"StageName": "Closed Won"})
    world.run(integration)
    (sale,) = world.sales(deal)
    assert (sale["currency."]["code"], sale["untaxed_amount"]) == ("GBP", Decimal("269.82"))
    with world.rpc() as rpc:
        (row,) = rpc("model.sale.sale.read", [sale["id"]], ["price_list.name"], world.context)
    assert row["price_list."]["name"] == name
