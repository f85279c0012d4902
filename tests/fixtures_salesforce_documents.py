"""Salesforce under the laws of copies of documents: what another client reads of them, and how its org misbehaves."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest
from fixtures_salesforce import Company, SandboxOrg

from prefect_crm_erp.blocks.crm.salesforce import Salesforce
from prefect_crm_erp.blocks.crm.values import DocumentObject

_OBJECTS = {
    DocumentObject.ORDER: "ERP_Order__c",
    DocumentObject.ORDER_LINE: "ERP_Order_Line__c",
    DocumentObject.DELIVERY: "ERP_Delivery__c",
    DocumentObject.DELIVERY_LINE: "ERP_Delivery_Line__c",
    DocumentObject.INVOICE: "ERP_Invoice__c",
    DocumentObject.INVOICE_LINE: "ERP_Invoice_Line__c",
    DocumentObject.PAYMENT: "ERP_Payment__c",
    DocumentObject.PAYMENT_APPLICATION: "ERP_Payment_Application__c",
}
_UNUSUAL = {
    "number": "Name",
    "currency": "CurrencyIsoCode",
    "account_id": "Account__c",
    "opportunity_id": "Opportunity__c",
    "product_id": "Product__c",
    "order": "ERP_Order__r.ERP_Id__c",
    "delivery": "ERP_Delivery__r.ERP_Id__c",
    "invoice": "ERP_Invoice__r.ERP_Id__c",
    "payment": "ERP_Payment__r.ERP_Id__c",
    "sku": "SKU__c",
    "url": "ERP_URL__c",
    "modified_at": "ERP_Modified_At__c",
    "created_at": "ERP_Created_At__c",
    "created_by": "ERP_Created_By__c",
}
_DATES = {DocumentObject.INVOICE: "Invoice_Date__c", DocumentObject.PAYMENT: "Payment_Date__c"}
_SALES = {"erp_last_invoice_on": "ERP_Last_Invoice_Date__c"}


class SalesforceDocumentsHarness:
    """Salesforce under the laws of copies of documents (tests/conformance/test_crm_documents.py)."""

    many = 2_000

    def __init__(self, org: SandboxOrg) -> None:
        self._org = org
        self._company = Company(org)
        self.inactive_currency = "CHF"
        org.settings(bulk_seconds=0.2)
        org.clear_calls()

    def connect(self) -> Salesforce:
        return self._org.block()

    def account(self, name: str = "Acme Corp", owner: str | None = None) -> str:
        return self._company.account(name, **({"OwnerId": owner} if owner else {}))

    def deal(self, account: str) -> str:
        return self._company.opportunities([{"AccountId": account}])[0]

    def product(self, sku: str, *, active: bool = True) -> str:
        return self._company.create("Product2", [{"Name": sku, "ProductCode": sku, "IsActive": active}])[0]

    def user(self, name: str, manager: str | None = None, *, active: bool = True) -> str:
        return self._company.create("User", [_user(name, ManagerId=manager, IsActive=active)])[0]

    def delete_record(self, record_id: str) -> None:
        kinds = {"001": "Account", "006": "Opportunity", "01t": "Product2"}
        getattr(self._company.sf, kinds[record_id[:3]]).delete(record_id)

    def stored(self, kind: DocumentObject, *fields: str) -> dict[str, dict[str, Any]]:
        names = {field: _name(kind, field) for field in fields}
        soql = f"SELECT {', '.join(['ERP_Id__c', *names.values()])} FROM {_OBJECTS[kind]}"
        rows = self._company.sf.query_all(soql)["records"]
        return {row["ERP_Id__c"]: {field: _at(row, path) for field, path in names.items()} for row in rows}

    def of_record(self, record_id: str, *fields: str) -> dict[str, Any]:
        kind = {"001": "Account", "006": "Opportunity"}[record_id[:3]]
        names = {field: _SALES.get(field, _custom(field)) for field in fields}
        soql = f"SELECT {', '.join(names.values())} FROM {kind} WHERE Id = '{record_id}'"
        (row,) = self._company.sf.query(soql)["records"]
        return {field: row[name] for field, name in names.items()}

    def lock(self, kind: DocumentObject, erp_id: str, seconds: float) -> None:
        soql = f"SELECT Id FROM {_OBJECTS[kind]} WHERE ERP_Id__c = '{erp_id}'"
        self._org.lock(self._company.sf.query(soql)["records"][0]["Id"], seconds)

    def refuse_one_of_many(self) -> None:
        refusal = {"indexes": [7], "statusCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": "Closed: no more"}
        self._org.fault("jobs/ingest/", method="PATCH", fail_rows={**refusal, "fields": ["Status__c"]})

    def hold_some_of_many(self) -> None:
        self._org.fault("jobs/ingest/", method="PATCH", fail_rows={"count": 5, "statusCode": "UNABLE_TO_LOCK_ROW"})

    def lose_answers_of_many(self, *, arrived: bool) -> None:
        self._org.fault("/batches", method="PUT", drop="after")
        # The first job is given up, the second one is told to begin.
        self._org.fault("jobs/ingest/", method="PATCH", drop="after")
        self._org.fault("jobs/ingest/", method="PATCH", drop="after" if arrived else "before")

    def hide(self, kind: DocumentObject, field: str) -> None:
        self._change_describe(kind, lambda fields: [each for each in fields if each["name"] != _own_field(kind, field)])

    def protect(self, kind: DocumentObject, field: str) -> None:
        def protected(fields: list[dict[str, Any]]) -> list[dict[str, Any]]:
            return [
                {**each, "updateable": each["name"] != _own_field(kind, field) and each["updateable"]}
                for each in fields
            ]

        self._change_describe(kind, protected)

    def _change_describe(self, kind: DocumentObject, change: Any) -> None:
        sf, parts = self._company.sf, []
        for name in [*_OBJECTS.values(), "Account", "Opportunity"]:
            body = getattr(sf, name).describe()
            if name == _OBJECTS[kind]:
                body = {**body, "fields": change(body["fields"])}
            parts.append({"referenceId": name, "httpStatusCode": 200, "httpHeaders": {}, "body": body})
        body = {"compositeResponse": [_plain(part) for part in parts]}
        self._org.fault("composite$", method="POST", status=200, body=body, times=None)

    def keep_one_currency(self) -> None:
        sf, parts = self._company.sf, []
        for name in [*_OBJECTS.values(), "Account"]:
            body = getattr(sf, name).describe()
            body = {**body, "fields": [each for each in body["fields"] if each["name"] != "CurrencyIsoCode"]}
            parts.append({"referenceId": name, "httpStatusCode": 200, "httpHeaders": {}, "body": body})
        body = {"compositeResponse": [_plain(part) for part in parts]}
        self._org.fault("composite$", method="POST", status=200, body=body, times=None)

    def connect_with_currency(self, code: str | None) -> Salesforce:
        return self._org.block(currency=code)

    def requests(self) -> int:
        return sum(self._org.calls().values())

    def forget_requests(self) -> None:
        self._org.clear_calls()


def _name(kind: DocumentObject, field: str) -> str:
    if field == "date":
        return _DATES[kind]
    return _UNUSUAL.get(field, _custom(field))


def _own_field(kind: DocumentObject, field: str) -> str:
    """The object's own field, also of a link."""
    return _name(kind, field).replace("__r.ERP_Id__c", "__c")


def _custom(field: str) -> str:
    """The usual name of a custom field: `Due_Date__c` of `due_date`, `ERP_Open_Balance__c` of `erp_open_balance`."""
    words = ["ERP" if word == "erp" else word.capitalize() for word in field.split("_")]
    return f"{'_'.join(words)}__c"


def _at(row: Mapping[str, Any], path: str) -> Any:
    value: Any = row
    for step in path.split("."):
        value = value[step] if value else None
    is_time = isinstance(value, str) and len(value) == 28 and value.endswith("+0000")
    return datetime.fromisoformat(value) if is_time else value


def _plain(value: Any) -> Any:
    """What simple-salesforce read, as plain JSON values: a describe has no amounts."""
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return value if value is None or isinstance(value, bool | int | str) else str(value)


_numbers = itertools.count(1)


def _user(name: str, **values: Any) -> dict[str, Any]:
    address = f"{name.lower()}.{next(_numbers)}@northlight.example"
    return {"LastName": name, "Username": address, "Email": address, "Alias": name[:8].lower(), **values}


@pytest.fixture
def salesforce_documents(empty_org: SandboxOrg) -> SalesforceDocumentsHarness:
    """Salesforce for the laws of copies of documents."""
    return SalesforceDocumentsHarness(empty_org)
