"""The demo company's records: believable, consistent, and with every kind of dirt that the demo is to show."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from prefect_crm_erp.sandbox.salesforce.demo import INTEGRATION_USERNAME
from prefect_crm_erp.sandbox.salesforce.org import Org


@pytest.fixture(scope="module")
def demo() -> Org:
    return Org(None, empty=False)


def won(demo: Org) -> dict[str, dict[str, Any]]:
    """Won deals by their account's name."""
    deals = (row for row in demo.rows("Opportunity") if row["IsWon"])
    return {demo.get("Account", deal["AccountId"])["Name"]: deal for deal in deals}


def account(demo: Org, name: str) -> dict[str, Any]:
    return next(demo.rows_by_field("Account", "Name", [name]))


def test_seventeen_deals_are_won_in_five_currencies(demo: Org) -> None:
    deals = won(demo)
    assert len(deals) == 17
    assert Counter(deal["CurrencyIsoCode"] for deal in deals.values()) == {
        "USD": 8,
        "EUR": 5,
        "GBP": 2,
        "JPY": 1,
        "KWD": 1,
    }
    assert all(deal["CloseDate"] <= demo.clock.now().date() for deal in deals.values())
    assert sum(not row["IsClosed"] for row in demo.rows("Opportunity")) == 6
    assert sum(row["StageName"] == "Closed Lost" for row in demo.rows("Opportunity")) == 2


def test_every_kind_of_dirt_is_there(demo: Org) -> None:
    deals = won(demo)
    assert account(demo, "Golden Gate Diagnostics")["BillingState"] == "California"
    assert account(demo, "Harrow & Finch Limited")["VAT_Number__c"] == "GB980780684"
    assert account(demo, "Brueckner Messtechnik GMBH")["BillingPostalCode"] == "10559"
    assert account(demo, "Sakura Optics K.K.")["ERP_Subsidiary__c"] == "US"
    swede = account(demo, "Lindqvist Analys AB")
    assert (swede["BillingAddress"], swede["ShippingAddress"]["city"]) == (None, "Stockholm")
    assert account(demo, "Pacific Rim Testing LLC")["Payment_Terms__c"] is None
    twin = account(demo, "Golden Gate Diagnostics, Inc.")
    assert (twin["BillingPostalCode"], twin["VAT_Number__c"]) == ("94107", None)
    assert account(demo, "Freedonia Research Institute")["BillingCountry"] == "Freedonia"
    water = account(demo, "Meridian Water Authority")
    assert (water["BillingAddress"], water["ShippingAddress"]) == (None, None)
    assert not deals["Bayou Chemicals LLC"]["HasOpportunityLineItem"]
    assert [name for name, deal in deals.items() if not deal["Push_To_ERP__c"]] == ["Quantum Dairy Co"]
    assert deals["Calder Valley Labs Ltd"]["Amount"] == Decimal("38099.60")


def test_cents_are_exact_where_they_are_awkward(demo: Org) -> None:
    deals = won(demo)
    # 2,500 × 58.99 × 0.9667 = 142,564.0825, and 480 × 35.55 = 17,064.00.
    assert deals["Nordlicht Apotheke eK"]["Amount"] == Decimal("159628.08")
    assert deals["Gulf Desalination WLL"]["Amount"] == Decimal("4162.858")
    assert deals["Sakura Optics K.K."]["Amount"] == Decimal("3587765")
    lines = list(demo.rows_by_field("OpportunityLineItem", "OpportunityId", [deals["O'Brien \\ 100% Pure Ltd"]["Id"]]))
    assert [line["TotalPrice"] for line in lines] == [Decimal("402.61"), Decimal("444.82"), Decimal("45.90")]
    assert len(lines[0]["Description"]) == 200
    assert "🧪" in lines[0]["Description"]


def test_quotes_are_accepted_and_orders_activated(demo: Org) -> None:
    quotes = list(demo.rows("Quote"))
    assert [(quote["Status"], quote["IsSyncing"]) for quote in quotes] == [("Accepted", True)] * 3
    taxed = quotes[0]
    net = taxed["TotalPrice"] * (100 - taxed["Header_Discount__c"]) / 100 + taxed["ShippingHandling"]
    assert abs(net * 19 / 100 - taxed["Tax"]) < Decimal("0.005")
    stages = [demo.get("Opportunity", quote["OpportunityId"])["StageName"] for quote in quotes]
    assert stages == ["Proposal/Price Quote", "Proposal/Price Quote", "Negotiation/Review"]
    orders = [(row["Status"], row["CurrencyIsoCode"], bool(row["PoNumber"])) for row in demo.rows("Order")]
    assert orders == [("Activated", "USD", True), ("Activated", "EUR", False)]


def test_every_account_has_a_contact_and_a_salesperson_with_a_manager(demo: Org) -> None:
    for row in demo.rows("Account"):
        (contact,) = demo.rows_by_field("Contact", "AccountId", [row["Id"]])
        assert contact["Email"]
        assert contact["Phone"]
        owner = demo.get("User", row["OwnerId"])
        assert demo.get("User", owner["ManagerId"])["Title"] == "Head of Sales"


def test_an_empty_org_has_what_every_org_has_and_nothing_else() -> None:
    org = Org(None, empty=True)
    counts = {name: len(list(org.rows(name))) for name in org.schema.objects}
    assert {name: count for name, count in counts.items() if count} == {
        "organization": 1,
        "user": 1,
        "currencytype": 6,
        "datedconversionrate": 6,
        "opportunitystage": 10,
        "pricebook2": 1,
    }
    (company,) = org.rows("Organization")
    assert (company["Id"], company["Name"]) == (org.organization_id, "Northlight Instruments")
    (user,) = org.rows_by_field("User", "Username", [INTEGRATION_USERNAME.upper()])
    assert user["Id"] == user["CreatedById"] == org.integration_user_id
    active = {row["IsoCode"]: row["DecimalPlaces"] for row in org.rows("CurrencyType") if row["IsActive"]}
    assert active == {"USD": 2, "GBP": 2, "EUR": 2, "JPY": 0, "KWD": 3}
