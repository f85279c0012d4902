"""Accounts straight from Salesforce into Tryton: the best that a competent engineer gets out of both APIs.

It reads the accounts with their contacts by paging queries, creates the parties that account sync creates — address,
VAT number, phone, contact person, payment terms, currency, the account's id, the relation to the parent — in batches
over one connection that is kept alive, and writes back by collections what account sync shows: ids, terms and credit
at the company that the account buys from. It searches for no duplicates, checks nothing,
remembers nothing, and must not be run twice.

A process of its own: reads a job from standard input, as `benchmarks.common.run_module` gives it, and prints the
outcome.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any, Final

from stdnum.eu import vat as eu_vat

from benchmarks.accounts_books import PARENT_RELATION, e164
from benchmarks.bare_northwind import batches
from benchmarks.common import Stopwatch, peak_memory_mb, say
from benchmarks.salesforce_client import SalesforceClient
from prefect_crm_erp.models.geography import country_code
from prefect_crm_erp.sandbox.salesforce.access import SalesforceAccess
from prefect_crm_erp.sandbox.tryton.rpc import TrytonRpc

PARTIES_PER_CALL: Final = 200
PAYMENT_TERM: Final = "Net 30"
_CREDIT: Final = ["code", "credit_limit_amount", "credit_amount", "receivable"]
_ACCOUNTS: Final = (
    "SELECT Id, Name, Phone, BillingStreet, BillingCity, BillingState, BillingPostalCode, BillingCountry, "
    "VAT_Number__c, Payment_Terms__c, CurrencyIsoCode, ParentId, "
    "(SELECT Id, FirstName, LastName, Title, Email, Phone FROM Contacts ORDER BY CreatedDate LIMIT 1) "
    "FROM Account ORDER BY SystemModstamp, Id"
)

Row = dict[str, Any]


def copy_accounts(salesforce: SalesforceClient, rpc: TrytonRpc) -> int:
    """Make every account a customer, and give how many there are."""
    accounts = salesforce.query(_ACCOUNTS)
    say(f"Bare script: {len(accounts)} accounts were read")
    copier = _Copier(salesforce, rpc)
    for generation in (
        [each for each in accounts if not each["ParentId"]],
        [each for each in accounts if each["ParentId"]],
    ):
        for batch in batches(generation, PARTIES_PER_CALL):
            copier.copy(batch)
    return len(accounts)


class _Copier:
    """Both sessions, with what was looked up and written so far.

    Args:
        salesforce: Where the accounts are.
        rpc: A signed-in session of Tryton.
    """

    def __init__(self, salesforce: SalesforceClient, rpc: TrytonRpc) -> None:
        self._salesforce = salesforce
        self._rpc = rpc
        self._countries = self._ids("country.country", "code")
        self._states = self._ids("country.subdivision", "code", ("country.code", "=", "US"))
        self._terms = self._ids("account.invoice.payment_term", "name")
        self._currencies = self._ids("currency.currency", "code")
        rows = rpc("model.company.company.search_read", [], 0, None, None, ["currency.code"], {})
        self._companies = {row["currency."]["code"]: row["id"] for row in rows}
        self._relation = self._ids("party.relation.type", "name")[PARENT_RELATION]
        self._parties: dict[str, int] = {}

    def _ids(self, model: str, name: str, *domain: Any) -> dict[str, int]:
        rows = self._rpc(f"model.{model}.search_read", domain, 0, None, None, [name], {})
        return {row[name]: row["id"] for row in rows}

    def copy(self, accounts: Sequence[Row]) -> None:
        """Create the parties of some accounts, and tell the accounts."""
        ids = self._rpc("model.party.party.create", [self._party(each) for each in accounts], {})
        self._parties |= {each["Id"]: party for each, party in zip(accounts, ids, strict=True)}
        customers = dict(zip(ids, accounts, strict=True))
        rows = [
            self._shown(customers[row["id"]], row, currency)
            for currency in self._companies
            for row in self._credit([each for each in ids if customers[each]["CurrencyIsoCode"] == currency], currency)
        ]
        self._salesforce.update("Account", rows)

    def _credit(self, ids: Sequence[int], currency: str) -> list[Row]:
        context = {"company": self._companies[currency]}
        return self._rpc("model.party.party.read", ids, _CREDIT, context) if ids else []

    @staticmethod
    def _shown(account: Row, party: Row, currency: str) -> Row:
        return {
            "Id": account["Id"],
            "ERP_Id__c": str(party["id"]),
            "ERP_Customer_Number__c": party["code"],
            "ERP_Payment_Terms__c": account["Payment_Terms__c"] or PAYMENT_TERM,
            "ERP_Credit_Limit__c": party["credit_limit_amount"],
            "ERP_Outstanding__c": party["receivable"],
            "ERP_Credit_Used__c": party["credit_amount"],
            "ERP_Credit_Currency__c": currency,
            "ERP_Sync_Status__c": "Synced",
        }

    def _party(self, account: Row) -> Row:
        country = country_code(account["BillingCountry"]) or ""
        identifiers = [{"type": None, "code": account["Id"]}, *_vat_numbers(account)]
        party = {
            "name": account["Name"],
            "customer_payment_term": self._terms[account["Payment_Terms__c"] or PAYMENT_TERM],
            "customer_currency": self._currencies[account["CurrencyIsoCode"]],
            "identifiers": [("create", identifiers)],
            "addresses": [("create", [self._address(account, country)])],
            "contact_mechanisms": [("create", [*_phones(account, country), *_people(account, country)])],
        }
        if account["ParentId"]:
            relation = {"type": self._relation, "to": self._parties[account["ParentId"]]}
            party["relations"] = [("create", [relation])]
        return party

    def _address(self, account: Row, country: str) -> Row:
        return {
            "street": account["BillingStreet"],
            "city": account["BillingCity"],
            "postal_code": account["BillingPostalCode"],
            "country": self._countries[country],
            "subdivision": self._states.get(f"{country}-{account['BillingState']}"),
            "invoice": True,
            "delivery": True,
        }


def _vat_numbers(account: Row) -> list[Row]:
    if not account["VAT_Number__c"]:
        return []
    number = "".join(account["VAT_Number__c"].split())
    return [{"type": "eu_vat" if eu_vat.is_valid(number) else f"{number[:2].lower()}_vat", "code": number}]


def _phones(account: Row, country: str) -> list[Row]:
    return [{"type": "phone", "value": e164(account["Phone"], country)}] if account["Phone"] else []


def _people(account: Row, country: str) -> list[Row]:
    people = (account["Contacts"] or {"records": []})["records"]
    return [
        {
            "type": kind,
            "value": value,
            "name": f"{person['FirstName']} {person['LastName']}",
            "comment": f"CRM contact {person['Id']}\nTitle: {person['Title']}",
        }
        for person in people
        for kind, value in (("email", person["Email"]), ("phone", person["Phone"] and e164(person["Phone"], country)))
        if value
    ]


def main() -> None:
    """Do the job that standard input describes."""
    job = json.load(sys.stdin)
    with (
        Stopwatch() as stopwatch,
        SalesforceClient(SalesforceAccess(**job["salesforce"])) as salesforce,
        TrytonRpc(**job["tryton"]) as rpc,
    ):
        count = copy_accounts(salesforce, rpc)
    measured = {"seconds": stopwatch.seconds, "cpu_seconds": stopwatch.cpu_seconds}
    print(json.dumps(measured | {"peak_memory_mb": peak_memory_mb(), "written": count}))


if __name__ == "__main__":
    main()
