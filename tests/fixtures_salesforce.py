"""A Salesforce sandbox for the tests, and a company in it that a client written by others has typed in."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
import simple_salesforce

from prefect_crm_erp.blocks.crm.salesforce import Salesforce
from prefect_crm_erp.sandbox.salesforce.access import SalesforceAccess
from prefect_crm_erp.sandbox.salesforce.process import SalesforceSandbox

ROWS_PER_CALL = 200


@dataclass(frozen=True)
class SandboxOrg:
    """A running sandbox: how to sign in, and its side door.

    Attributes:
        access: Addresses and credentials.
    """

    access: SalesforceAccess

    def block(self, **changes: Any) -> Salesforce:
        """A connection block by user name and password; fields given as None are left empty."""
        fields = {
            "instance_url": self.access.http_url,
            "username": self.access.username,
            "password": self.access.password,
            "security_token": self.access.security_token,
            **changes,
        }
        return Salesforce(**fields)

    def client(self) -> simple_salesforce.Salesforce:
        """simple-salesforce as it is, over TLS: the witness that shares no code with the connector."""
        session = requests.Session()
        session.verify = str(self.access.ca_file)
        session.trust_env = False
        host = self.access.https_url.removeprefix("https://")
        token = httpx.post(
            f"{self.access.http_url}/services/oauth2/token",
            data={"grant_type": "client_credentials"},
            auth=(self.access.client_id, self.access.client_secret),
            trust_env=False,
        ).json()["access_token"]
        return simple_salesforce.Salesforce(
            session_id=token, instance=host, session=session, version=self.access.api_version, parse_float=Decimal
        )

    def fault(self, path: str, *, method: str = "*", times: int | None = 1, **effect: Any) -> None:
        """Let matching requests go wrong."""
        self._side_door("POST", "faults", {"method": method, "path": path, "times": times, **effect})

    def clear_faults(self) -> None:
        """Let nothing go wrong any more."""
        self._side_door("DELETE", "faults")

    def calls(self) -> dict[str, int]:
        """Requests since the last `clear_calls`, by endpoint."""
        return dict(self._side_door("GET", "calls?log=false")["counts"])

    def queries(self) -> list[str]:
        """The SOQL of the calls since the last `clear_calls`, cut where it is very long."""
        return [call["query"] for call in self._side_door("GET", "calls")["log"] if call["query"]]

    def clear_calls(self) -> None:
        """Count from zero, and lift all faults."""
        self._side_door("DELETE", "calls")
        self._side_door("DELETE", "faults")

    def reset(self, *, empty: bool = True) -> None:
        """Everything as new: an org without records, or the demo company."""
        self._side_door("POST", "reset", {"empty": empty})
        self._side_door("POST", "clock", {"skew_seconds": 0, "visibility_lag_seconds": 0})

    def settings(self, **changes: Any) -> None:
        """Change settings: `daily_limit`, `page_size` …"""
        self._side_door("POST", "settings", changes)

    def clock(self, **changes: float) -> None:
        """Let the org's clock differ, or changes show late."""
        self._side_door("POST", "clock", changes)

    def lock(self, record_id: str, seconds: float) -> None:
        """Let another user hold a record."""
        self._side_door("POST", "locks", {"id": record_id, "seconds": seconds})

    def soap(self, call: str) -> str:
        """Make a SOAP call: what REST does not offer. Gives the answer."""
        user, secret = self.access.username, self.access.password + self.access.security_token
        login = f"<u:login><u:username>{user}</u:username><u:password>{secret}</u:password></u:login>"
        session = self._soap(login).partition("<sessionId>")[2].partition("</sessionId>")[0]
        return self._soap(call, f"<u:SessionHeader><u:sessionId>{session}</u:sessionId></u:SessionHeader>")

    def _soap(self, call: str, header: str = "") -> str:
        envelope = "http://schemas.xmlsoap.org/soap/envelope/"
        body = (
            f'<e:Envelope xmlns:e="{envelope}" xmlns:u="urn:partner.soap.sforce.com">'
            f"<e:Header>{header}</e:Header><e:Body>{call}</e:Body></e:Envelope>"
        )
        url = f"{self.access.http_url}/services/Soap/u/{self.access.api_version}"
        response = httpx.post(url, content=body, headers={"SOAPAction": '""'}, timeout=30, trust_env=False)
        return response.text

    def merge(self, master: str, *losers: str, kind: str = "Account") -> None:
        """Merge records into a master."""
        merged = "".join(f"<u:recordToMergeIds>{loser}</u:recordToMergeIds>" for loser in losers)
        record = f"<u:masterRecord><u:type>{kind}</u:type><u:Id>{master}</u:Id></u:masterRecord>"
        answer = self.soap(f"<u:merge><u:request>{record}{merged}</u:request></u:merge>")
        assert "<success>true</success>" in answer, answer

    def undelete(self, record_id: str) -> None:
        """Bring a record back from the recycle bin."""
        answer = self.soap(f"<u:undelete><u:ids>{record_id}</u:ids></u:undelete>")
        assert "<success>true</success>" in answer, answer

    def _side_door(self, method: str, name: str, body: Mapping[str, Any] | None = None) -> Any:
        url = f"{self.access.http_url}/__sandbox__/{name}"
        response = httpx.request(method, url, json=body, timeout=30, trust_env=False)
        response.raise_for_status()
        return response.json() if response.content else None


class Company:
    """What a sales team has in its org: products with prices, accounts, deals. Written through simple-salesforce.

    Args:
        org: The sandbox.
        currencies: Currencies that the products have prices in.
    """

    def __init__(self, org: SandboxOrg, currencies: Sequence[str] = ("USD", "EUR")) -> None:
        self.sf: Any = org.client()  # its object attributes have a type that no caller can use
        self.currencies = currencies
        self.price_book = self._standard_price_book()
        self.products: dict[str, str] = {}
        self.prices: dict[tuple[str, str], str] = {}

    def create(self, object_name: str, rows: Sequence[Mapping[str, Any]]) -> list[str]:
        """Create records by the collections API, and give their ids in order."""
        ids: list[str] = []
        for start in range(0, len(rows), ROWS_PER_CALL):
            batch = [{"attributes": {"type": object_name}, **row} for row in rows[start : start + ROWS_PER_CALL]]
            body = json.loads(json.dumps({"allOrNone": True, "records": batch}, default=_number))
            results = self.sf.restful("composite/sobjects", method="POST", json=body)
            failed = [result for result in results if not result["success"]]
            assert not failed, failed[:2]
            ids += [result["id"] for result in results]
        return ids

    def product(self, sku: str, name: str = "", price: str = "100.00", **fields: Any) -> str:
        """A product with a price in each currency; gives its id."""
        row = {"Name": name or f"Product {sku}", "ProductCode": sku, "IsActive": True, **fields}
        self.products[sku] = self.create("Product2", [row])[0]
        entries = [
            {
                "Product2Id": self.products[sku],
                "Pricebook2Id": self.price_book,
                "CurrencyIsoCode": currency,
                "UnitPrice": price,
                "IsActive": True,
            }
            for currency in self.currencies
        ]
        ids = self.create("PricebookEntry", entries)
        self.prices |= {(sku, currency): entry for currency, entry in zip(self.currencies, ids, strict=True)}
        return self.products[sku]

    def account(self, name: str = "Acme Corp", **fields: Any) -> str:
        """An account; gives its id."""
        return self.create("Account", [{"Name": name, **fields}])[0]

    def opportunities(self, rows: Sequence[Mapping[str, Any]]) -> list[str]:
        """Opportunities, closed and won unless the row says otherwise; their ids in order."""
        usual = {
            "StageName": "Closed Won",
            "CloseDate": "2026-03-31",
            "CurrencyIsoCode": "USD",
            "Pricebook2Id": self.price_book,
        }
        return self.create("Opportunity", [{"Name": f"Deal {n}", **usual, **row} for n, row in enumerate(rows, 1)])

    def lines(self, parent: str, rows: Sequence[Mapping[str, Any]], currency: str = "USD") -> list[str]:
        """Lines of an opportunity, quote or order; `sku` in a row stands for the price of that product."""
        return self.create(_LINES[parent[:3]][0], self.line_rows(parent, rows, currency))

    def line_rows(self, parent: str, rows: Sequence[Mapping[str, Any]], currency: str = "USD") -> list[dict[str, Any]]:
        """Lines as `create` takes them, for those of many parents in one call."""
        return [
            {
                _LINES[parent[:3]][1]: parent,
                "PricebookEntryId": self.prices[row["sku"], currency],
                **{name: value for name, value in row.items() if name != "sku"},
            }
            for row in rows
        ]

    def _standard_price_book(self) -> str:
        found = self.sf.query("SELECT Id FROM Pricebook2 WHERE IsStandard = true")["records"]
        if found:
            return str(found[0]["Id"])
        return self.create("Pricebook2", [{"Name": "Standard Price Book", "IsActive": True}])[0]


_LINES = {
    "006": ("OpportunityLineItem", "OpportunityId"),
    "0Q0": ("QuoteLineItem", "QuoteId"),
    "801": ("OrderItem", "OrderId"),
}


def _number(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(value)


@pytest.fixture(scope="session")
def salesforce_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxOrg]:
    """The sandbox with the demo company, one process for all tests; reset it before you rely on its content."""
    directory: Path = tmp_path_factory.mktemp("salesforce")
    with SalesforceSandbox(directory) as sandbox:
        yield SandboxOrg(sandbox.access)


@pytest.fixture
def empty_org(salesforce_sandbox: SandboxOrg) -> SandboxOrg:
    """The sandbox without records, faults, or calls counted."""
    salesforce_sandbox.reset(empty=True)
    salesforce_sandbox.clear_calls()
    return salesforce_sandbox


@pytest.fixture
def new_company(empty_org: SandboxOrg) -> Callable[..., Company]:
    """Makes a company in an empty org."""
    return lambda **options: Company(empty_org, **options)


class SalesforceHarness:
    """Salesforce under the laws of a CRM (tests/conformance/test_crm.py)."""

    def __init__(self, org: SandboxOrg) -> None:
        self._org = org
        self._company = Company(org)
        self._company.product("NL-1")
        self._buyer = self._company.account("Acme Corp", BillingCity="Seattle", BillingCountry="United States")
        access = org.access
        self.secrets = [access.password, access.security_token, access.client_secret]
        org.clear_calls()

    def connect(self) -> Salesforce:
        return self._org.block()

    def connect_wrongly(self, password: str) -> Salesforce:
        return self._org.block(password=password)

    def connect_nowhere(self) -> Salesforce:
        return self._org.block(instance_url="http://127.0.0.1:9")

    def sell(self, names: Sequence[str], *, won: bool = True, amounts: Sequence[str] = ("100.00",)) -> list[str]:
        stage = "Closed Won" if won else "Prospecting"
        rows = [{"Name": name, "AccountId": self._buyer, "StageName": stage} for name in names]
        ids = self._company.opportunities(rows)
        lines = [{"sku": "NL-1", "Quantity": 1, "UnitPrice": amount} for amount in amounts]
        self._company.create(
            "OpportunityLineItem", [line for record_id in ids for line in self._company.line_rows(record_id, lines)]
        )
        return ids

    def change(self, record_id: str) -> None:
        time.sleep(1.1)  # SystemModstamp has whole seconds
        self._company.sf.Opportunity.update(record_id, {"NextStep": "Send the invoice"})

    def delete(self, record_id: str) -> None:
        self._company.sf.Opportunity.delete(record_id)

    def stored(self, record_id: str, field: str) -> Any:
        names = {"erp_id": "ERP_Id__c", "erp_order_number": "ERP_Order_Number__c", "erp_status": "ERP_Status__c"}
        names |= {"erp_amount": "ERP_Amount__c", "erp_sync_error": "ERP_Sync_Error__c"}
        soql = f"SELECT {names[field]} FROM Opportunity WHERE Id = '{record_id}'"
        return self._company.sf.query(soql)["records"][0][names[field]]

    def rate(self, currency: str, day: date | None = None) -> Decimal | None:
        source = f"DatedConversionRate WHERE StartDate = {day} AND" if day else "CurrencyType WHERE"
        rows = self._company.sf.query(f"SELECT ConversionRate FROM {source} IsoCode = '{currency}'")["records"]
        return rows[0]["ConversionRate"] if rows else None

    def list_prices(self, sku: str, currency: str, book: str | None = None) -> list[Decimal]:
        where = f"Product2.ProductCode = '{sku}' AND CurrencyIsoCode = '{currency}' AND IsActive = true AND "
        where += f"Pricebook2Id = '{book}'" if book else "Pricebook2.IsStandard = true"
        return [
            row["UnitPrice"]
            for row in self._company.sf.query(f"SELECT UnitPrice FROM PricebookEntry WHERE {where}")["records"]
        ]

    def make_price_book(self, name: str, *, is_active: bool = True) -> str:
        return self._company.create("Pricebook2", [{"Name": name, "IsActive": is_active}])[0]

    def follow_standard(self, sku: str, currency: str, book: str) -> None:
        entry = {"Product2Id": self._company.products[sku], "Pricebook2Id": book, "CurrencyIsoCode": currency}
        self._company.create("PricebookEntry", [entry | {"UseStandardPrice": True, "IsActive": True}])

    def keep_dated_rates(self, is_on: bool) -> None:
        self._org.settings(dated_rates=is_on)

    def lock(self, record_id: str, seconds: float) -> None:
        self._org.lock(record_id, seconds)

    def open_accounts(self, accounts: Sequence[Mapping[str, Any]]) -> list[str]:
        return self._company.create("Account", [_typed_in(account, _ACCOUNT_FIELDS) for account in accounts])

    def add_contact(self, account: str | None, **fields: Any) -> str:
        row = {"LastName": "Ray", "AccountId": account, **_typed_in(fields, _CONTACT_FIELDS)}
        return self._company.create("Contact", [row])[0]

    def change_record(self, record_id: str, **fields: Any) -> None:
        names = _ACCOUNT_FIELDS if record_id.startswith("001") else _CONTACT_FIELDS
        self._object(record_id).update(record_id, _typed_in(fields, names))

    def delete_record(self, record_id: str) -> None:
        self._object(record_id).delete(record_id)

    def undelete_record(self, record_id: str) -> None:
        self._org.undelete(record_id)

    def merge_accounts(self, master: str, loser: str) -> None:
        self._org.merge(master, loser)

    def _object(self, record_id: str) -> Any:
        return getattr(self._company.sf, {"001": "Account", "003": "Contact"}[record_id[:3]])

    def set_clock(self, ahead: float) -> None:
        self._org.clock(skew_seconds=ahead)

    def expire_session(self, requests: int = 1) -> None:
        self._org.fault("/services/data/", expire_session=True, times=requests, delay=0 if requests == 1 else 1)

    def throttle(self) -> None:
        self._org.fault("/services/", times=None, throttle=True)

    def lose_write_answer(self) -> None:
        self._org.fault("composite/sobjects", method="PATCH", drop="after")

    def go_down(self) -> None:
        self._org.fault("/services/", times=None, status=503, body=[_UNAVAILABLE])

    def requests(self) -> int:
        return sum(self._org.calls().values())

    def sign_ins(self) -> int:
        return self._org.calls().get("POST /services/Soap/u/64.0", 0)

    def forget_requests(self) -> None:
        self._org.clear_calls()


_ACCOUNT_FIELDS = {
    "name": "Name",
    "phone": "Phone",
    "vat_number": "VAT_Number__c",
    "postal_code": "BillingPostalCode",
    "erp_id": "ERP_Id__c",
}
_CONTACT_FIELDS = {
    "account_key": "AccountId",
    "first_name": "FirstName",
    "last_name": "LastName",
    "title": "Title",
    "email": "Email",
    "phone": "Phone",
}


def _typed_in(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names[name]: value for name, value in values.items()}


_UNAVAILABLE = {"errorCode": "SERVER_UNAVAILABLE", "message": "Server unavailable, please try again"}


@pytest.fixture
def salesforce_crm(empty_org: SandboxOrg) -> SalesforceHarness:
    """Salesforce for the laws of a CRM."""
    return SalesforceHarness(empty_org)
