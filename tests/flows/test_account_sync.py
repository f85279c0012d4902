"""Accounts and customers are kept in step: each field by its owner, nothing overwritten unseen, nothing doubled."""

from __future__ import annotations

import time

import pytest
from account_world import AccountWorld
from world import BERLIN

from prefect_crm_erp.blocks import FieldOwner, NewCustomers, SyncedField
from prefect_crm_erp.models.outcomes import Outcome, Queue

LATEST = "the latest change"


@pytest.mark.requirement("A01", "A03", "B01", "B08", "U01", "U02", "GB14")
def test_an_account_becomes_a_customer_and_a_second_run_writes_nothing(accounts: AccountWorld) -> None:
    account = accounts.account(Phone="(617) 555-0100", BillingState="massachusetts ")
    report = accounts.sync()
    assert accounts.row(report, account).outcome is Outcome.WRITTEN
    party = accounts.party(account)
    (address,) = party["addresses."]
    assert (address["city"], address["country."]["code"]) == ("Boston", "US")
    assert accounts.numbers(account) == ["+16175550100"]
    shown = accounts.shown(account, "ERP_Id__c", "ERP_Customer_Number__c", "ERP_Sync_Status__c", "Payment_Terms__c")
    assert list(shown.values())[1:] == [str(party["id"]), party["code"], "Synced", "Net 30"]
    assert accounts.in_step(accounts.sync())


@pytest.mark.requirement("A02", "A04", "A05", "B09", "Q01", "Q03")
def test_each_field_has_its_owners_value_and_a_change_of_the_other_side_is_reverted_and_told(
    accounts: AccountWorld,
) -> None:
    account = accounts.account(Name="Owner Test Inc")
    accounts.sync()
    party = accounts.party(account)["id"]
    accounts.move(party, street="99 Harbor Road")  # the ERP's own
    accounts.edit(account, ShippingStreet="1 Dock", ShippingCity="Boston", ShippingCountry="USA")  # the CRM's own
    accounts.sync()
    assert accounts.shown(account, "BillingStreet")["BillingStreet"] == "99 Harbor Road"
    assert {row["street"] for row in accounts.party(account)["addresses."]} == {"99 Harbor Road", "1 Dock"}

    accounts.edit(account, BillingStreet="Somewhere else")  # not the CRM's to change
    accounts.change(party, name="Not the ERP's to change")
    report = accounts.sync()
    assert accounts.shown(account, "BillingStreet")["BillingStreet"] == "99 Harbor Road"
    assert accounts.party(account)["name"] == "Owner Test Inc"
    told = {(change.field, change.after) for change in accounts.row(report, account).changes}
    assert {field for field, _ in told} == {"Salesforce: Billing address", "Tryton: Name"}
    with accounts.integration().ledger.open().for_integration("test") as store:
        overwritten = {change.before for entry in store.audit_trail(key=account) for change in entry.changes}
    assert "Not the ERP's to change" in overwritten
    assert any("Somewhere else" in (before or "") for before in overwritten)
    assert accounts.in_step(accounts.sync())


@pytest.mark.requirement("A02", "A08", "A09")
def test_an_erp_that_is_master_of_the_customers_gives_names_phones_and_vat_numbers_to_the_crm(
    accounts: AccountWorld,
) -> None:
    erps = [SyncedField.NAME, SyncedField.PHONE, SyncedField.VAT_NUMBER, SyncedField.SHIPPING]
    policy = {"owners": [FieldOwner(field=field, owner="the ERP") for field in erps]}
    account = accounts.account(Name="Master Test Inc", Phone="617 555 0100")
    accounts.sync(accounts.integration(policy=policy))
    party = accounts.party(account)["id"]
    accounts.change(party, name="Master Test Corporation")
    accounts.edit(account, Phone="617 555 0199")
    accounts.sync(accounts.integration(policy=policy))
    shown = accounts.shown(account, "Name", "Phone")
    assert (shown["Name"], shown["Phone"]) == ("Master Test Corporation", "+16175550100")
    assert accounts.party(account)["name"] == "Master Test Corporation"
    assert accounts.in_step(accounts.sync(accounts.integration(policy=policy)))


@pytest.mark.requirement("Q06")
def test_an_address_of_the_crm_and_payment_terms_of_the_erp_that_change_at_once_both_survive(
    accounts: AccountWorld,
) -> None:
    integration = accounts.integration(policy={"owners": [FieldOwner(field="billing address", owner=LATEST)]})
    account = accounts.account()
    accounts.sync(integration)
    accounts.edit(account, BillingStreet="201 New Street")  # 2:01 PM
    accounts.terms(accounts.party(account)["id"], "Net 60")  # 2:02 PM
    accounts.sync(integration)  # 2:03 PM, both ways
    party = accounts.party(account)
    assert party["addresses."][0]["street"] == "201 New Street"
    assert party["customer_payment_term."]["name"] == "Net 60"
    shown = accounts.shown(account, "BillingStreet", "Payment_Terms__c")
    assert (shown["BillingStreet"], shown["Payment_Terms__c"]) == ("201 New Street", "Net 60")
    assert accounts.in_step(accounts.sync(integration))


@pytest.mark.requirement("Q02", "Q03")
@pytest.mark.parametrize("ahead", [-240, 240])
def test_the_latest_change_wins_by_corrected_clocks(accounts: AccountWorld, ahead: int) -> None:
    integration = accounts.integration(policy={"grace_seconds": 2})
    accounts.world.org.clock(skew_seconds=ahead)  # the CRM's clock is wrong, which must decide nothing
    first, second = accounts.account(Phone="617 555 0101"), accounts.account(Phone="617 555 0101")
    accounts.sync(integration)
    accounts.edit(first, Phone="617 555 0102")
    accounts.phone(accounts.party(second)["id"], "+16175550103")
    time.sleep(4)
    accounts.phone(accounts.party(first)["id"], "+16175550103")
    accounts.edit(second, Phone="617 555 0102")
    report = accounts.sync(integration)
    assert {accounts.row(report, key).outcome for key in (first, second)} == {Outcome.WRITTEN}
    assert accounts.shown(first, "Phone")["Phone"] == "+16175550103"
    assert accounts.numbers(second) == ["+16175550102"]
    assert accounts.in_step(accounts.sync(integration))


@pytest.mark.requirement("Q02", "Q07")
def test_changes_within_the_grace_period_wait_for_a_person_and_the_other_fields_go_on(accounts: AccountWorld) -> None:
    account = accounts.account(Phone="617 555 0101")
    accounts.sync()
    party = accounts.party(account)["id"]
    accounts.edit(account, Phone="617 555 0102", Name="Renamed Inc")
    accounts.phone(party, "+16175550103")
    row = accounts.row(accounts.sync(), account)
    assert (row.outcome, row.queue) == (Outcome.QUEUED, Queue.PENDING_REVIEW)
    assert "+16175550102" in row.reason
    assert "+16175550103" in row.reason
    assert accounts.party(account)["name"] == "Renamed Inc"
    shown = accounts.shown(account, "Phone", "ERP_Sync_Status__c", "ERP_Sync_Error__c")
    assert (shown["Phone"], shown["ERP_Sync_Status__c"]) == ("617 555 0102", "Pending Review")
    assert "+16175550103" in shown["ERP_Sync_Error__c"]
    assert accounts.sync().written == 0

    accounts.edit(account, Phone="+1 617 555 0103")  # the person decides
    accounts.sync()
    shown = accounts.shown(account, "ERP_Sync_Status__c", "ERP_Sync_Error__c")
    assert (shown["ERP_Sync_Status__c"], shown["ERP_Sync_Error__c"]) == ("Synced", None)
    assert accounts.in_step(accounts.sync())


@pytest.mark.requirement("A04", "K06", "J01", "O01")
def test_an_account_shows_credit_in_the_currency_of_its_own_company(accounts: AccountWorld) -> None:
    account = accounts.account(**BERLIN)
    accounts.sync()
    accounts.terms(accounts.party(account)["id"], "Net 60")
    accounts.sync()
    shown = accounts.shown(account, "Payment_Terms__c", "ERP_Payment_Terms__c", "ERP_Credit_Currency__c")
    assert list(shown.values())[1:] == ["Net 60", "Net 60", "EUR"]
    assert accounts.in_step(accounts.sync())


# -------------------------------------------------------------------- the right subset


@pytest.mark.requirement("B02", "B03", "B04", "B05")
def test_a_prospect_stays_in_the_crm_until_its_first_deal_or_until_a_rule_fits(accounts: AccountWorld) -> None:
    by_deal = accounts.integration(policy={"new_customers": NewCustomers.FIRST_DEAL})
    rules = [{"field": "Rating", "values": ["Hot", "warm"]}]
    by_rule = accounts.integration(policy={"new_customers": NewCustomers.RULES, "rules": rules})
    prospect = accounts.account(Rating="Cold", Phone="617 555 0100")
    assert accounts.row(accounts.sync(by_deal), prospect).outcome is Outcome.EXCLUDED
    assert accounts.row(accounts.sync(by_rule), prospect).outcome is Outcome.EXCLUDED
    assert accounts.parties(prospect) == []

    accounts.edit(prospect, Rating="Warm")
    assert accounts.row(accounts.sync(by_rule), prospect).outcome is Outcome.WRITTEN
    assert len(accounts.parties(prospect)) == 1

    buyer = accounts.account(Rating="Cold")
    accounts.world.deal(account=buyer)
    assert accounts.world.run().written == 1
    accounts.sync(by_deal)
    accounts.edit(buyer, Name="Buyer & Sons")
    accounts.sync(by_deal)
    assert accounts.party(buyer)["name"] == "Buyer & Sons"


@pytest.mark.requirement("C01", "C03", "C04")
def test_the_billing_contact_travels_and_follows_its_changes(accounts: AccountWorld) -> None:
    account = accounts.account()
    accounts.contact(account, FirstName="Sam", LastName="Seller", Email="sam@example.com", Title="Buyer")
    finance = accounts.contact(
        account,
        FirstName="Ann",
        LastName="Roe",
        Email="ann@example.com",
        Phone="617 555 0107",
        Title="Head of Accounting",
    )
    accounts.sync()
    assert accounts.numbers(account) == ["+16175550107", "ann@example.com"]
    assert {row["name"] for row in accounts.party(account)["contact_mechanisms."]} == {"Ann Roe"}

    accounts.world.company.sf.Contact.update(finance, {"Email": "a.roe@example.com"})
    accounts.sync()
    assert accounts.numbers(account) == ["+16175550107", "a.roe@example.com"]
    accounts.world.company.sf.Contact.delete(finance)
    accounts.sync()
    assert accounts.numbers(account) == ["sam@example.com"]
    assert accounts.in_step(accounts.sync())


# -------------------------------------------------------------------- what the account shows


@pytest.mark.requirement("K07", "J01", "J02")
def test_the_account_shows_credit_limit_and_use_of_its_customer(accounts: AccountWorld) -> None:
    account = accounts.account()
    accounts.sync()
    accounts.world.deal(account=account)
    assert accounts.world.run().written == 1
    report = accounts.sync()
    shown = accounts.shown(account, "ERP_Credit_Used__c", "ERP_Credit_Currency__c", "ERP_Payment_Terms__c")
    assert (shown["ERP_Credit_Used__c"] >= 100, shown["ERP_Credit_Currency__c"]) == (True, "USD")
    assert accounts.row(report, account).outcome is Outcome.WRITTEN
    accounts.edit(account, ERP_Credit_Used__c=1)  # a read-only copy: whatever is written there does not stay
    accounts.sync()
    assert accounts.shown(account, "ERP_Credit_Used__c")["ERP_Credit_Used__c"] == shown["ERP_Credit_Used__c"]
    assert accounts.in_step(accounts.sync())
