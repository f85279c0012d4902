"""The sample accounts in Salesforce: created with their billing contacts, changed, and what the org shows of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.accounts_data import Person, SampleAccount
from benchmarks.common import say
from benchmarks.salesforce_client import Row, SalesforceClient


def fill_salesforce(salesforce: SalesforceClient, accounts: Sequence[SampleAccount]) -> dict[str, SampleAccount]:
    """Create accounts and contacts through Salesforce's API, parents first.

    Returns:
        The accounts by their Salesforce ids.
    """
    ids: dict[int, str] = {}
    for generation in (
        [each for each in accounts if each.parent is None],
        [each for each in accounts if each.parent is not None],
    ):
        rows = [_account(each, ids) for each in generation]
        created = salesforce.create("Account", rows)
        ids |= dict(zip((each.number for each in generation), created, strict=True))
    people = [(each.contact, ids[each.number]) for each in accounts if each.contact]
    salesforce.create("Contact", [_contact(person, account) for person, account in people])
    say(f"Salesforce has {len(ids)} accounts and {len(people)} contacts")
    return {ids[each.number]: each for each in accounts}


def change_salesforce(salesforce: SalesforceClient, changed: Mapping[str, SampleAccount]) -> None:
    """Bring accounts to other names and phone numbers.

    Args:
        salesforce: The org.
        changed: The accounts as they are to be, by id.
    """
    rows = [{"Id": key, "Name": account.name, "Phone": account.phone} for key, account in changed.items()]
    salesforce.update("Account", rows)
    say(f"{len(rows)} accounts were changed in Salesforce")


def not_written_back(salesforce: SalesforceClient, accounts: Mapping[str, SampleAccount]) -> int:
    """How many accounts do not show that they are customers, with terms and credit; new customers owe nothing."""
    rows = salesforce.query(f"SELECT Id, {', '.join(_SHOWN)} FROM Account")
    shown = {
        row["Id"]
        for row in rows
        if all(row[name] for name in ("ERP_Id__c", "ERP_Customer_Number__c", "ERP_Payment_Terms__c"))
        and (row["ERP_Sync_Status__c"], row["ERP_Outstanding__c"], row["ERP_Credit_Used__c"]) == ("Synced", 0, 0)
        and row["ERP_Credit_Currency__c"] == accounts[row["Id"]].currency
    }
    return len(accounts.keys() - shown)


_SHOWN = (
    "ERP_Id__c",
    "ERP_Customer_Number__c",
    "ERP_Sync_Status__c",
    "ERP_Payment_Terms__c",
    "ERP_Outstanding__c",
    "ERP_Credit_Used__c",
    "ERP_Credit_Currency__c",
)


def _account(account: SampleAccount, ids: Mapping[int, str]) -> Row:
    fields = {
        "Name": account.name,
        "CurrencyIsoCode": account.currency,
        "Phone": account.phone,
        "BillingStreet": account.street,
        "BillingCity": account.city,
        "BillingState": account.state,
        "BillingPostalCode": account.postal_code,
        "BillingCountry": account.country_as_typed,
        "VAT_Number__c": account.vat_number,
        "Payment_Terms__c": account.payment_terms,
        "ParentId": None if account.parent is None else ids[account.parent],
    }
    return {name: value for name, value in fields.items() if value is not None}


def _contact(person: Person, account: str) -> Row:
    return {
        "AccountId": account,
        "FirstName": person.first_name,
        "LastName": person.last_name,
        "Title": person.title,
        "Email": person.email,
        "Phone": person.phone,
    }
