"""Business rules: what the org makes of a row, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefect_crm_erp.sandbox.salesforce.objects.opportunities import STAGES, Stage

if TYPE_CHECKING:
    from prefect_crm_erp.sandbox.salesforce.org import Org
    from tests.sandbox.salesforce.conftest import Refused, Shop, Time

PLACES = {"USD": 2, "EUR": 2, "JPY": 0, "KWD": 3}


def half_up(amount: Fraction, places: int) -> Decimal:
    """Rounding in whole numbers, as an independent reckoner does it."""
    scaled = abs(amount) * 10**places
    whole = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    return (Decimal(whole) if amount >= 0 else -Decimal(whole)).scaleb(-places)


# --- Amounts ---------------------------------------------------------------------------------------------------------

lines: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "Quantity": st.decimals("-999", "99999", places=2).filter(bool),
        "UnitPrice": st.decimals("0", "99999", places=3),
        "Discount": st.none() | st.decimals("0", "100", places=2),
    }
)


@pytest.mark.requirement("GB12")
@settings(max_examples=40, deadline=None)
@given(currency=st.sampled_from(sorted(PLACES)), values=st.lists(lines, min_size=1, max_size=4), data=st.data())
def test_amounts_are_the_sums_of_their_lines_to_the_last_decimal(
    new_shop: Callable[[], Shop], currency: str, values: list[dict[str, Any]], data: st.DataObject
) -> None:
    shop = new_shop()
    deal = shop.opportunity(CurrencyIsoCode=currency, Amount="1.00")
    ids = [shop.line(deal, currency, **line) for line in values]
    if len(ids) > 1 and data.draw(st.booleans()):
        shop.org.delete("OpportunityLineItem", ids.pop())
        values = values[:-1]
    if data.draw(st.booleans()):
        values[0] = {**values[0], **data.draw(lines)}
        shop.org.update("OpportunityLineItem", ids[0], values[0])

    totals = []
    for record_id, line in zip(ids, values, strict=True):
        places = PLACES[currency]
        price = half_up(Fraction(line["UnitPrice"]), places)
        gross = Fraction(line["Quantity"]) * Fraction(price)
        totals.append(half_up(gross * (1 - Fraction(line["Discount"] or 0) / 100), places))
        stored = shop.values("OpportunityLineItem", record_id, "UnitPrice", "Subtotal", "TotalPrice", "CurrencyIsoCode")
        assert stored == [price, half_up(gross, places), totals[-1], currency]
    amount, quantity = shop.values("Opportunity", deal, "Amount", "TotalOpportunityQuantity")
    assert (amount, quantity) == (sum(totals), sum(line["Quantity"] for line in values))


def test_an_amount_is_the_clients_until_there_are_lines(shop: Shop) -> None:
    deal = shop.opportunity(Amount="500.005", Probability=50)
    assert shop.values("Opportunity", deal, "Amount", "ExpectedRevenue") == [Decimal("500.01"), Decimal("250.01")]
    line = shop.line(deal, Quantity=2)
    shop.org.update("Opportunity", deal, {"Amount": "999", "TotalOpportunityQuantity": 7, "NextStep": "call"})
    assert shop.values("Opportunity", deal, "Amount", "TotalOpportunityQuantity", "NextStep") == [20, 2, "call"]
    shop.org.delete("OpportunityLineItem", line)
    assert shop.values("Opportunity", deal, "Amount", "HasOpportunityLineItem") == [0, False]
    shop.org.update("Opportunity", deal, {"Amount": "999"})
    assert shop.values("Opportunity", deal, "Amount") == [999]


@pytest.mark.requirement("GB11")
@pytest.mark.parametrize("parent", ["Opportunity", "Quote", "Order"])
def test_a_changed_line_counts_as_a_change_of_its_parent(shop: Shop, time: Time, parent: str) -> None:
    org = shop.org
    deal = shop.opportunity(Pricebook2Id=shop.price_book)
    quote = org.create("Quote", {"Name": "Q", "OpportunityId": deal})
    parent_id = {"Opportunity": deal, "Quote": quote, "Order": shop.order()}[parent]
    line_object = {"Opportunity": "OpportunityLineItem", "Quote": "QuoteLineItem", "Order": "OrderItem"}[parent]
    line = {f"{parent}Id": parent_id, "PricebookEntryId": shop.entries["USD"], "Quantity": 1, "UnitPrice": 10}
    stamps = [org.get(parent, parent_id)["SystemModstamp"]]

    def step(action: Any, *arguments: Any) -> Any:
        time.passes(1)
        result = action(*arguments)
        stamps.append(org.get(parent, parent_id)["SystemModstamp"])
        return result

    line_id = step(org.create, line_object, line)
    step(org.update, line_object, line_id, {"Quantity": 3})
    step(org.delete, line_object, line_id)
    step(org.undelete, line_object, line_id)
    assert [(later - earlier).seconds for earlier, later in pairwise(stamps)] == [1, 1, 1, 1]


def test_a_line_is_priced_by_its_unit_price_or_by_its_total(shop: Shop, refused: Refused) -> None:
    deal = shop.opportunity()
    line = shop.line(deal, UnitPrice=None, TotalPrice="100.00", Quantity=3, Discount=10)
    names = ("UnitPrice", "Subtotal", "TotalPrice")
    assert shop.values("OpportunityLineItem", line, *names) == [Decimal("37.04"), Decimal("111.12"), 100]
    shop.org.update("OpportunityLineItem", line, {"Quantity": 1})
    assert shop.values("OpportunityLineItem", line, *names) == [Decimal("37.04"), Decimal("37.04"), Decimal("33.34")]
    assert refused(shop.line, deal, UnitPrice=None) == ["REQUIRED_FIELD_MISSING"]
    assert refused(shop.line, deal, TotalPrice=1) == ["FIELD_INTEGRITY_EXCEPTION"]
    assert refused(shop.line, deal, UnitPrice=None, TotalPrice=1, Discount=100) == ["FIELD_INTEGRITY_EXCEPTION"]
    assert refused(shop.org.update, "OpportunityLineItem", line, {"UnitPrice": None}) == ["REQUIRED_FIELD_MISSING"]
    assert refused(shop.line, deal, Quantity=0) == ["FIELD_INTEGRITY_EXCEPTION"]
    assert refused(shop.line, deal, Quantity=None) == ["REQUIRED_FIELD_MISSING"]
    assert refused(shop.line, deal, Discount="100.01") == ["NUMBER_OUTSIDE_VALID_RANGE"]
    assert refused(shop.line, deal, Discount=-1) == ["NUMBER_OUTSIDE_VALID_RANGE"]
    shop.line(deal, Quantity=-2)


@pytest.mark.requirement("GB12")
def test_an_org_that_rounds_sums_shows_an_amount_that_its_lines_do_not(shop: Shop) -> None:
    shop.org.amount_rounding = "sum"
    deal = shop.opportunity()
    ids = [shop.line(deal, Quantity=1, UnitPrice="10.01", Discount=50) for _ in range(2)]
    assert [shop.values("OpportunityLineItem", line, "TotalPrice")[0] for line in ids] == [Decimal("5.01")] * 2
    assert shop.values("Opportunity", deal, "Amount") == [Decimal("10.01")]
    given = shop.line(deal, UnitPrice=None, TotalPrice="10.00", Quantity=3)
    assert shop.values("Opportunity", deal, "Amount") == [Decimal("20.01")]
    shop.org.delete("OpportunityLineItem", given)
    shop.org.reset()
    assert shop.org.amount_rounding == "lines"


@pytest.mark.requirement("N01")
def test_amounts_have_their_currencys_decimal_places(shop: Shop) -> None:
    amounts = {
        currency: str(
            shop.values("Opportunity", shop.opportunity(CurrencyIsoCode=currency, Amount="1.2345"), "Amount")[0]
        )
        for currency in PLACES
    }
    assert amounts == {"USD": "1.23", "EUR": "1.23", "JPY": "1", "KWD": "1.235"}
    deal = shop.opportunity(CurrencyIsoCode="KWD", Amount="1.235")
    shop.org.update("Opportunity", deal, {"CurrencyIsoCode": "JPY"})
    assert str(shop.values("Opportunity", deal, "Amount")[0]) == "1"


# --- Price books -----------------------------------------------------------------------------------------------------


@pytest.mark.requirement("N01")
def test_a_lines_price_comes_from_the_parents_price_book_and_currency(shop: Shop, refused: Refused) -> None:
    deal = shop.opportunity()
    assert refused(shop.line, deal, "EUR") == ["FIELD_INTEGRITY_EXCEPTION"]
    line = shop.line(deal)
    names = ("Product2Id", "ProductCode", "ListPrice", "Name", "CurrencyIsoCode")
    assert shop.values("OpportunityLineItem", line, *names) == [
        *(shop.product, "NL-500", Decimal("64.33")),
        *("Deal Cuvettes", "USD"),
    ]
    assert shop.values("Opportunity", deal, "Pricebook2Id") == [shop.price_book]
    special = shop.org.create("Pricebook2", {"Name": "Special", "IsActive": True})
    entry = shop.entry("USD", "60", Pricebook2Id=special)
    assert refused(shop.line, deal, PricebookEntryId=entry) == ["FIELD_INTEGRITY_EXCEPTION"]
    assert refused(shop.org.update, "Opportunity", deal, {"Pricebook2Id": special}) == ["FIELD_INTEGRITY_EXCEPTION"]
    assert refused(shop.org.update, "Opportunity", deal, {"CurrencyIsoCode": "EUR"}) == ["FIELD_INTEGRITY_EXCEPTION"]


def test_a_line_can_name_its_product_instead_of_the_entry(shop: Shop, refused: Refused) -> None:
    deal = shop.opportunity(CurrencyIsoCode="EUR", Pricebook2Id=shop.price_book)
    line = shop.line(deal, PricebookEntryId=None, Product2Id=shop.product)
    assert shop.values("OpportunityLineItem", line, "PricebookEntryId") == [shop.entries["EUR"]]
    other = shop.org.create("Product2", {"Name": "Probe", "IsActive": True})
    assert refused(shop.line, deal, PricebookEntryId=None, Product2Id=other) == ["FIELD_INTEGRITY_EXCEPTION"]
    assert refused(shop.line, deal, PricebookEntryId=None) == ["FIELD_INTEGRITY_EXCEPTION"]
    assert refused(shop.line, deal, "EUR", Product2Id=other) == ["FIELD_INTEGRITY_EXCEPTION"]


def test_an_inactive_price_or_product_is_not_sold(shop: Shop, refused: Refused) -> None:
    deal = shop.opportunity()
    shop.org.update("PricebookEntry", shop.entries["USD"], {"IsActive": False})
    assert refused(shop.line, deal) == ["FIELD_INTEGRITY_EXCEPTION"]
    shop.org.update("PricebookEntry", shop.entries["USD"], {"IsActive": True})
    shop.org.update("Product2", shop.product, {"IsActive": False})
    assert refused(shop.line, deal) == ["FIELD_INTEGRITY_EXCEPTION"]


def test_the_standard_price_comes_first_and_only_once(shop: Shop, refused: Refused) -> None:
    special = shop.org.create("Pricebook2", {"Name": "Special", "IsActive": True})
    product = shop.org.create("Product2", {"Name": "Probe", "IsActive": True})
    custom = {"Product2Id": product, "Pricebook2Id": special}
    assert refused(shop.entry, "USD", "5", **custom) == ["STANDARD_PRICE_NOT_DEFINED"]
    standard = shop.entry("USD", "5", Product2Id=product)
    assert refused(shop.entry, "EUR", "5", **custom) == ["STANDARD_PRICE_NOT_DEFINED"]
    assert refused(shop.entry, "USD", "99", UseStandardPrice=True, **custom) == ["FIELD_INTEGRITY_EXCEPTION"]
    own = shop.entry("USD", None, UseStandardPrice=True, **custom)
    assert shop.values("PricebookEntry", own, "UnitPrice", "Name") == [5, "Probe"]
    assert refused(shop.entry, "USD", "6", **custom) == ["DUPLICATE_VALUE"]
    shop.org.update("PricebookEntry", standard, {"UnitPrice": "7.5"})
    assert shop.values("PricebookEntry", own, "UnitPrice") == [Decimal("7.5")]
    assert refused(shop.org.delete, "Pricebook2", shop.price_book) == ["DELETE_FAILED"]


def test_a_renamed_product_shows_in_its_prices_and_lines(shop: Shop, time: Time) -> None:
    line = shop.line(shop.opportunity())
    stamp = shop.org.get("OpportunityLineItem", line)["SystemModstamp"]
    time.passes(5)
    shop.org.update("Product2", shop.product, {"Name": "Vials", "ProductCode": "NL-501"})
    assert shop.values("PricebookEntry", shop.entries["EUR"], "Name", "ProductCode") == ["Vials", "NL-501"]
    assert shop.values("OpportunityLineItem", line, "ProductCode", "SystemModstamp") == ["NL-501", stamp]


# --- Stages ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_the_stage_says_how_far_an_opportunity_is(shop: Shop, stage: Stage) -> None:
    deal = shop.opportunity(Amount=1000)
    shop.org.update("Opportunity", deal, {"StageName": stage.name})
    names = ("IsClosed", "IsWon", "Probability", "ForecastCategoryName", "ExpectedRevenue")
    expected = [stage.closed, stage.won, stage.probability, stage.forecast_category, stage.probability * 10]
    assert shop.values("Opportunity", deal, *names) == expected


def test_a_probability_that_is_given_stands_until_the_next_stage(shop: Shop, refused: Refused) -> None:
    deal = shop.opportunity(Probability=33, ForecastCategoryName="Commit")
    names = ("Probability", "ForecastCategory", "FiscalYear", "FiscalQuarter", "Fiscal")
    assert shop.values("Opportunity", deal, *names) == [33, "Forecast", 2026, 2, "2026 2"]
    shop.org.update("Opportunity", deal, {"StageName": "Closed Won"})
    assert shop.values("Opportunity", deal, *names[:2]) == [100, "Closed"]
    (error,) = refused.errors(shop.org.update, "Opportunity", deal, {"IsWon": False, "fiscalyear": 2020})
    assert (error.code, error.fields) == ("INVALID_FIELD_FOR_INSERT_UPDATE", ("IsWon", "FiscalYear"))


# --- Quotes ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def deal(shop: Shop) -> str:
    return shop.opportunity(CurrencyIsoCode="EUR", Pricebook2Id=shop.price_book)


def quote_line(shop: Shop, quote: str, **values: Any) -> str:
    line = {"QuoteId": quote, "PricebookEntryId": shop.entries["EUR"], "Quantity": 10, "UnitPrice": "58.99"}
    return shop.org.create("QuoteLineItem", {**line, **values})


@pytest.mark.requirement("GB12")
def test_a_quote_adds_up_lines_tax_and_shipping_and_knows_no_header_discount(shop: Shop, deal: str) -> None:
    extras = {"Tax": "19.005", "ShippingHandling": 40, "Header_Discount__c": 5}
    quote = shop.org.create("Quote", {"Name": "Q", "OpportunityId": deal, **extras})
    names = ("Subtotal", "TotalPrice", "Discount", "GrandTotal", "LineItemCount")
    assert shop.values("Quote", quote, *names) == [0, 0, None, Decimal("59.01"), 0]
    quote_line(shop, quote, Discount=5)
    totals = [Decimal("589.90"), Decimal("560.41"), Decimal("5.00"), Decimal("619.42"), 1]
    assert shop.values("Quote", quote, *names) == totals
    assert shop.values("Quote", quote, "AccountId", "CurrencyIsoCode", "QuoteNumber") == [
        shop.account,
        "EUR",
        "00000001",
    ]
    shop.org.update("Quote", quote, {"Tax": 0})
    assert shop.values("Quote", quote, "GrandTotal") == [Decimal("600.41")]


def test_a_quote_belongs_to_its_opportunity(shop: Shop, deal: str, refused: Refused) -> None:
    create = shop.org.create
    assert refused(create, "Quote", {"Name": "Q"}) == ["REQUIRED_FIELD_MISSING"]
    assert refused(create, "Quote", {"Name": "Q", "OpportunityId": deal, "CurrencyIsoCode": "USD"}) == [
        "FIELD_INTEGRITY_EXCEPTION"
    ]
    quote = create("Quote", {"Name": "Q", "OpportunityId": shop.opportunity()})
    assert refused(quote_line, shop, quote, PricebookEntryId=shop.entries["USD"]) == ["FIELD_INTEGRITY_EXCEPTION"]
    assert refused(shop.org.update, "Opportunity", deal, {"SyncedQuoteId": quote}) == ["FIELD_INTEGRITY_EXCEPTION"]
    other = create("Account", {"Name": "Other"})
    mine = create("Quote", {"Name": "Q", "OpportunityId": deal})
    shop.org.update("Opportunity", deal, {"AccountId": other})
    assert shop.values("Quote", mine, "AccountId") == [other]


def test_a_synced_quote_gives_the_opportunity_its_lines(shop: Shop, deal: str) -> None:
    org = shop.org
    shop.line(deal, "EUR", UnitPrice=1)
    quote = org.create("Quote", {"Name": "Q", "OpportunityId": deal})
    line = quote_line(shop, quote)
    org.update("Opportunity", deal, {"SyncedQuoteId": quote})
    assert shop.values("Opportunity", deal, "Amount") == [Decimal("589.90")]
    assert shop.values("Quote", quote, "IsSyncing") == [True]
    second = quote_line(shop, quote, Quantity=1, UnitPrice=10)
    org.update("QuoteLineItem", line, {"Quantity": 1})
    assert shop.values("Opportunity", deal, "Amount") == [Decimal("68.99")]
    org.delete("QuoteLineItem", second)
    assert shop.values("Opportunity", deal, "Amount") == [Decimal("58.99")]
    org.update("Opportunity", deal, {"SyncedQuoteId": None})
    assert shop.values("Quote", quote, "IsSyncing") == [False]
    org.update("QuoteLineItem", line, {"Quantity": 5})
    assert shop.values("Opportunity", deal, "Amount") == [Decimal("58.99")]


# --- Orders ----------------------------------------------------------------------------------------------------------


def test_an_order_is_a_draft_until_it_has_items_and_is_activated(shop: Shop, refused: Refused) -> None:
    org = shop.org
    (error,) = refused.errors(shop.order, Status="Activated")
    assert (error.code, error.message.split(" and ")[0]) == ("FAILED_ACTIVATION", "Choose a valid order status")
    assert refused(shop.item, shop.order(Pricebook2Id=None)) == ["FIELD_INTEGRITY_EXCEPTION"]
    order = shop.order()
    (error,) = refused.errors(org.update, "Order", order, {"Status": "Activated"})
    assert (error.code, error.message) == ("FAILED_ACTIVATION", "An order must have at least one product.")
    assert refused(shop.item, order, Quantity=-1) == ["FIELD_INTEGRITY_EXCEPTION"]
    item = shop.item(order, Quantity=3, UnitPrice="19.995")
    assert refused(org.update, "Order", order, {"Status": "Activated", "PoNumber": "1"}) == ["FAILED_ACTIVATION"]
    org.update("Order", order, {"Status": "Activated"})
    names = ("TotalAmount", "StatusCode", "ActivatedDate", "ActivatedById")
    assert shop.values("Order", order, *names) == [60, "Activated", org.clock.now(), org.integration_user_id]

    frozen = ["FIELD_INTEGRITY_EXCEPTION"]
    assert refused(shop.item, order) == frozen
    assert refused(org.update, "OrderItem", item, {"Quantity": 1}) == frozen
    assert refused(org.delete, "OrderItem", item) == frozen
    assert refused(org.update, "Order", order, {"CurrencyIsoCode": "EUR"}) == frozen
    assert refused(org.delete, "Order", order) == ["DELETE_FAILED"]
    org.update("Order", order, {"ERP_Order_Number__c": "SO-1", "PoNumber": "4711"})
    org.update("Order", order, {"Status": "Draft"})
    assert shop.values("Order", order, *names[1:3]) == ["Draft", None]
    org.delete("Order", order)


def test_numbers_of_orders_and_quotes_count_up(shop: Shop, deal: str) -> None:
    orders = [shop.values("Order", shop.order(), "OrderNumber")[0] for _ in range(2)]
    quotes = [shop.org.create("Quote", {"Name": "Q", "OpportunityId": deal}) for _ in range(2)]
    assert orders == ["00000100", "00000101"]
    assert [shop.values("Quote", quote, "QuoteNumber")[0] for quote in quotes] == ["00000001", "00000002"]


# --- Accounts, contacts, users, currencies ---------------------------------------------------------------------------


@pytest.mark.requirement("GB08")
def test_the_duplicate_rule_blocks_when_it_is_set_to(org: Org, refused: Refused) -> None:
    account = {"Name": "Golden Gate", "BillingPostalCode": "94107"}
    first = org.create("Account", account)
    second = org.create("Account", account)
    org.duplicate_rule = "block"
    same = {"Name": "GOLDEN gate", "BillingPostalCode": "94107"}
    (error,) = refused.errors(org.create, "Account", same)
    assert error.code == "DUPLICATES_DETECTED"
    (result,) = error.details["duplicateResult"]["matchResults"]
    assert [match["record"]["Id"] for match in result["matchRecords"]] == [first, second]
    org.create("Account", same, allow_duplicates=True)
    org.create("Account", {"Name": "Golden Gate"})
    org.update("Account", first, {"Site": "x"})
    other = org.create("Account", {**account, "BillingPostalCode": "94108"})
    assert refused(org.update, "Account", other, account) == ["DUPLICATES_DETECTED"]
    assert refused(org.upsert, "Account", "ERP_Id__c", "7", account) == ["DUPLICATES_DETECTED"]
    for record_id in (first, second):
        org.delete("Account", record_id)
    assert len(list(org.rows_by_field("Account", "Name", ["golden gate"]))) == 3


def test_accounts_form_a_tree(org: Org, refused: Refused) -> None:
    top = org.create("Account", {"Name": "top"})
    child = org.create("Account", {"Name": "child", "ParentId": top})
    assert refused(org.update, "Account", top, {"ParentId": child}) == ["CIRCULAR_DEPENDENCY"]
    assert refused(org.update, "Account", top, {"ParentId": top}) == ["CIRCULAR_DEPENDENCY"]


def test_a_contacts_name_is_made_of_its_parts(org: Org, refused: Refused) -> None:
    contact = org.create("Contact", {"FirstName": "Máire", "LastName": "O'Brien"})
    assert org.get("Contact", contact)["Name"] == "Máire O'Brien"
    org.update("Contact", contact, {"FirstName": ""})
    assert org.get("Contact", contact)["Name"] == "O'Brien"
    (error,) = refused.errors(org.update, "Contact", contact, {"LastName": " "})
    assert (error.code, error.fields) == ("REQUIRED_FIELD_MISSING", ("LastName",))


def test_an_opportunity_has_one_primary_contact(shop: Shop) -> None:
    first, second = (shop.org.create("Contact", {"LastName": name}) for name in "ab")
    deal = shop.opportunity(ContactId=first)
    shop.org.create("OpportunityContactRole", {"OpportunityId": deal, "ContactId": second, "IsPrimary": True})
    roles = {row["ContactId"]: row["IsPrimary"] for row in shop.org.rows("OpportunityContactRole")}
    assert roles == {first: False, second: True}
    assert shop.values("Opportunity", deal, "ContactId") == [second]


def test_only_active_currencies_and_offered_values_are_accepted(shop: Shop, refused: Refused) -> None:
    org, restricted = shop.org, ["INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"]
    assert refused.create(org, "Account", {"Name": "a", "CurrencyIsoCode": "CHF"}) == restricted
    franc = next(row["Id"] for row in org.rows("CurrencyType") if row["IsoCode"] == "CHF")
    org.update("CurrencyType", franc, {"IsActive": True})
    org.create("Account", {"Name": "a", "CurrencyIsoCode": "CHF"})
    codes = next(f for f in org.schema.describe("Account")["fields"] if f["name"] == "CurrencyIsoCode")
    assert "CHF" in [value["value"] for value in codes["picklistValues"]]
    (error,) = refused.errors(org.create, "Account", {"Name": "a", "ERP_Subsidiary__c": "FR"})
    assert error.message == "ERP Subsidiary: bad value for restricted picklist field: FR"
    assert refused(shop.opportunity, StageName="Won", ERP_Sync_Status__c="Done") == restricted * 2
    org.create("Account", {"Name": "a", "Payment_Terms__c": "Net 90"})


def test_required_fields_are_named_all_at_once(org: Org, refused: Refused) -> None:
    (error,) = refused.errors(org.create, "Opportunity", {})
    assert error.message == "Required fields are missing: [Name, StageName, CloseDate]"
    assert error.fields == ("Name", "StageName", "CloseDate")


def test_lookups_lead_to_a_living_row_of_the_right_kind(shop: Shop, refused: Refused) -> None:
    org, deal = shop.org, shop.opportunity()
    (error,) = refused.errors(org.create, "Contact", {"LastName": "x", "AccountId": deal})
    assert (error.code, error.message) == (
        "FIELD_INTEGRITY_EXCEPTION",
        f"Account ID: id value of incorrect type: {deal}",
    )
    missing = shop.account[:8] + "9999999"
    assert refused(org.create, "Contact", {"LastName": "x", "AccountId": missing}) == ["INVALID_CROSS_REFERENCE_KEY"]
    gone = org.create("Account", {"Name": "gone"})
    org.delete("Account", gone)
    assert refused(org.create, "Contact", {"LastName": "x", "AccountId": gone}) == ["ENTITY_IS_DELETED"]
    assert refused(org.update, "Account", gone, {"Name": "x"}) == ["ENTITY_IS_DELETED"]
    user = {"Username": "l@b.example", "LastName": "Left", "Email": "l@b.example", "Alias": "left", "IsActive": False}
    left = org.create("User", user)
    assert refused(org.create, "Account", {"Name": "x", "OwnerId": left}) == ["INACTIVE_OWNER_OR_USER"]


def test_rates_hold_until_the_next_one_starts(org: Org, refused: Refused) -> None:
    def rate(day: str, value: str = "0.9", code: str = "EUR") -> str:
        return org.create("DatedConversionRate", {"IsoCode": code, "StartDate": day, "ConversionRate": value})

    rate("2026-06-01")
    middle = rate("2026-03-01")
    spans = [
        (str(row["StartDate"]), str(row["NextStartDate"]))
        for row in sorted(org.rows_by_field("DatedConversionRate", "IsoCode", ["EUR"]), key=lambda r: r["StartDate"])
    ]
    assert spans == [("1990-01-01", "2026-03-01"), ("2026-03-01", "2026-06-01"), ("2026-06-01", "9999-12-31")]
    assert refused(rate, "2026-03-01") == ["DUPLICATE_VALUE"]
    assert refused(rate, "2026-03-02", code="XXX") == ["INVALID_CROSS_REFERENCE_KEY"]
    assert refused(rate, "2026-03-02", value="0") == ["FIELD_INTEGRITY_EXCEPTION"]
    org.delete("DatedConversionRate", middle)
    first = next(org.rows_by_field("DatedConversionRate", "IsoCode", ["EUR"]))
    assert str(first["NextStartDate"]) == "2026-06-01"


@pytest.mark.parametrize(
    ("object_name", "action"),
    [("Organization", "create"), ("OpportunityStage", "create"), ("OpportunityStage", "delete")],
)
def test_what_administrators_set_up_is_closed_to_clients(
    org: Org, refused: Refused, object_name: str, action: str
) -> None:
    row = next(org.rows(object_name))
    argument = row["Id"] if action == "delete" else {"Name": "x"}
    assert refused(getattr(org, action), object_name, argument) == ["INVALID_TYPE_FOR_OPERATION"]
