"""Salesforce under the laws of entries of the field."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest
from fixtures_salesforce import Company, SandboxOrg

from prefect_crm_erp.blocks import Salesforce
from prefect_crm_erp.blocks.crm.values import CrmObject

_OBJECTS = {CrmObject.FIELD_PAYMENT: "ERP_Field_Payment__c", CrmObject.FIELD_RETURN: "ERP_Field_Return__c"}


class SalesforceFieldHarness:
    """Salesforce under the laws of entries of the field (tests/conformance/test_crm_field_entries.py)."""

    def __init__(self, org: SandboxOrg) -> None:
        self._org = org
        self._company = Company(org)

    def connect(self) -> Salesforce:
        return self._org.block()

    def invoice(self, reference: str) -> str:
        row = {"Name": reference, "ERP_Id__c": reference, "CurrencyIsoCode": "EUR"}
        return self._company.create("ERP_Invoice__c", [row])[0]

    def order(self, reference: str) -> str:
        return self._company.create("ERP_Order__c", [{"Name": reference, "ERP_Id__c": reference}])[0]

    def account(self) -> str:
        return self._company.account()

    def collect(self, amount: Decimal | None, **links: str) -> str:
        names = {"invoice": "ERP_Invoice__c", "order": "ERP_Order__c", "account": "Account__c"}
        row = {names[name]: value for name, value in links.items()}
        row |= {"Payment_Date__c": "2026-03-04", "Method__c": "Check", "Reference__c": "4711", "CurrencyIsoCode": "EUR"}
        return self._company.create("ERP_Field_Payment__c", [row | {"Amount__c": amount}])[0]

    def take_back(self, order: str, lines: Sequence[tuple[str, Decimal]]) -> str:
        row = {"ERP_Order__c": order, "Return_Date__c": "2026-03-04", "Reason__c": "Damaged"}
        (record,) = self._company.create("ERP_Field_Return__c", [row])
        products = {sku: self._company.product(sku) for sku, _ in lines}
        rows: list[Mapping[str, Any]] = [
            {"ERP_Field_Return__c": record, "Product__c": products[sku], "Quantity__c": quantity}
            for sku, quantity in lines
        ]
        self._company.create("ERP_Field_Return_Line__c", rows)
        return record

    def keep_out(self, kind: CrmObject, record: str) -> None:
        getattr(self._company.sf, _OBJECTS[kind]).update(record, {"Push_To_ERP__c": False})

    def hide(self, kind: CrmObject, field: str) -> None:
        parts = []
        for name in (*_OBJECTS.values(), "ERP_Field_Return_Line__c", "ERP_Order__c", "ERP_Invoice__c"):
            body = dict(getattr(self._company.sf, name).describe())
            if name == _OBJECTS[kind]:
                body["fields"] = [each for each in body["fields"] if each["name"].lower() != f"{field}__c"]
            parts.append({"referenceId": name, "httpStatusCode": 200, "httpHeaders": {}, "body": body})
        told = json.loads(json.dumps({"compositeResponse": parts}, default=str))
        self._org.fault("composite$", method="POST", status=200, body=told, times=None)

    def delete(self, kind: CrmObject, record: str) -> None:
        getattr(self._company.sf, _OBJECTS[kind]).delete(record)

    def stored(self, kind: CrmObject, record: str) -> dict[str, Any]:
        row = getattr(self._company.sf, _OBJECTS[kind]).get(record)
        names = ("ERP_Id__c", "ERP_Number__c", "ERP_Status__c", "ERP_Sync_Status__c", "ERP_Sync_Error__c")
        return {name.removesuffix("__c").lower(): row[name] for name in names}


@pytest.fixture
def salesforce_field(empty_org: SandboxOrg) -> SalesforceFieldHarness:
    """Salesforce for the laws of entries of the field."""
    return SalesforceFieldHarness(empty_org)
