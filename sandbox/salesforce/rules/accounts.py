"""Accounts and people: the duplicate rule, the validation rule, and names made of two parts."""

from __future__ import annotations

from typing import Any

from prefect_crm_erp.sandbox.salesforce.change import Change
from prefect_crm_erp.sandbox.salesforce.errors import RowError, RowRejected
from prefect_crm_erp.sandbox.salesforce.image import Row
from prefect_crm_erp.sandbox.salesforce.rules.base import Rules, integrity
from prefect_crm_erp.sandbox.salesforce.writer import Writer

DUPLICATE_RULE = "Standard_Account_Duplicate_Rule"
MATCHING_RULE = "Standard_Account_Match_Rule_v1_0"
SUBSIDIARY_REQUIRED = "Choose the legal entity that sells to this account."
"""What the package's validation rule says."""
_WARNING = "You're creating a duplicate record. We recommend you use an existing record instead."


class AccountRules(Rules):
    """An account with the name and the postal code of another one is a duplicate, if the rule is set to block."""

    def complete(self, change: Change, writer: Writer) -> None:
        """Refuse duplicates, a circle of parents and, if the validation rule is on, new accounts without subsidiary.

        Raises:
            RowRejected: DUPLICATES_DETECTED with a `duplicateResult`, CIRCULAR_DEPENDENCY, or
                FIELD_CUSTOM_VALIDATION_EXCEPTION.
        """
        if writer.subsidiary_required and change.creating and not change.new["ERP_Subsidiary__c"]:
            raise RowRejected.of("FIELD_CUSTOM_VALIDATION_EXCEPTION", SUBSIDIARY_REQUIRED, ["ERP_Subsidiary__c"])
        if change.changed("ParentId"):
            _refuse_circle(change.new, writer)
        if writer.block_duplicates and change.changed("Name", "BillingPostalCode"):
            _refuse_duplicate(change.new, writer)


def _refuse_circle(row: Row, writer: Writer) -> None:
    parent_id = row["ParentId"]
    while parent_id:
        if parent_id == row["Id"]:
            raise RowRejected.of("CIRCULAR_DEPENDENCY", "Circular parent account relationship", ["ParentId"])
        parent = writer.row("Account", parent_id)
        parent_id = parent["ParentId"] if parent else None


def _refuse_duplicate(row: Row, writer: Writer) -> None:
    postal_code = (row["BillingPostalCode"] or "").lower()
    if not postal_code:
        return
    same_name = writer.children("Account", "Name", row["Name"])
    matches = [
        other["Id"]
        for other in same_name
        if other["Id"] != row["Id"] and (other["BillingPostalCode"] or "").lower() == postal_code
    ]
    if matches:
        raise RowRejected([RowError("DUPLICATES_DETECTED", _WARNING, (), _duplicate_result(matches))])


def _duplicate_result(ids: list[str]) -> dict[str, Any]:
    records = [
        {
            "additionalInformation": [],
            "fieldDiffs": [],
            "matchConfidence": 100.0,
            "record": {"attributes": {"type": "Account"}, "Id": record_id},
        }
        for record_id in ids
    ]
    result = {
        "entityType": "Account",
        "errors": [],
        "matchEngine": "ExactMatchEngine",
        "matchRecords": records,
        "rule": MATCHING_RULE,
        "size": len(records),
        "success": True,
    }
    return {
        "duplicateResult": {
            "allowSave": True,
            "duplicateRule": DUPLICATE_RULE,
            "duplicateRuleEntityType": "Account",
            "errorMessage": _WARNING,
            "matchResults": [result],
        }
    }


class PersonRules(Rules):
    """Contacts and users: `Name` is made of first and last name."""

    def prepare(self, change: Change, writer: Writer) -> None:
        """Put the name together."""
        row = change.new
        row["Name"] = " ".join(part for part in (row["FirstName"], row["LastName"]) if part) or None

    def complete(self, change: Change, writer: Writer) -> None:
        """Refuse a contact that reports to itself.

        Raises:
            RowRejected: FIELD_INTEGRITY_EXCEPTION.
        """
        if change.new.get("ReportsToId") == change.new["Id"]:
            raise integrity("ReportsToId", "a contact cannot report to itself")
