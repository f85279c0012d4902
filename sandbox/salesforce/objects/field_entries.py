"""What representatives record in the field, as the integration's metadata package adds it: custom objects."""

from __future__ import annotations

from prefect_crm_erp.sandbox.salesforce.objects.fields import (
    currency,
    currency_code,
    date,
    erp_key,
    lookup,
    master,
    number,
    owner,
    picklist,
    push_to_erp,
    sobject,
    sync_fields,
    text,
    url,
)
from prefect_crm_erp.sandbox.salesforce.schema import Field, SObject

PAYMENT_METHODS = ("Cash", "Check", "Card", "Bank Transfer")


def objects() -> list[SObject]:
    """Payments that were collected, and goods that were taken back with their lines."""
    return [
        sobject("ERP_Field_Payment__c", "a08", _payment_fields()),
        sobject("ERP_Field_Return__c", "a09", _return_fields()),
        sobject("ERP_Field_Return_Line__c", "a0A", _line_fields()),
    ]


def _number() -> Field:
    return text("Name", 80, label="Number", required=True, defaulted=True, auto_number=True, name_field=True)


def _entry(relationship: str) -> list[Field]:
    """What every entry starts with."""
    return [
        owner(),
        _number(),
        currency_code(required=True),
        lookup("Account__c", "Account", relationship),
        lookup("ERP_Order__c", "ERP_Order__c", relationship),
    ]


def _outcome() -> list[Field]:
    """What the integration writes back."""
    return [
        push_to_erp(),
        erp_key(),
        text("ERP_Number__c", 80),
        text("ERP_Status__c", 40),
        url("ERP_URL__c"),
        *sync_fields(),
    ]


def _payment_fields() -> list[Field]:
    return [
        *_entry("ERP_Field_Payments"),
        lookup("ERP_Invoice__c", "ERP_Invoice__c", "ERP_Field_Payments"),
        currency("Amount__c"),
        date("Payment_Date__c"),
        picklist("Method__c", PAYMENT_METHODS),
        text("Reference__c", 80),
        *_outcome(),
    ]


def _return_fields() -> list[Field]:
    return [*_entry("ERP_Field_Returns"), date("Return_Date__c"), text("Reason__c", 255), *_outcome()]


def _line_fields() -> list[Field]:
    return [
        _number(),
        currency_code(required=True),
        master("ERP_Field_Return__c", "ERP_Field_Return__c", "ERP_Field_Return_Lines"),
        lookup("Product__c", "Product2", "ERP_Field_Return_Lines"),
        number("Quantity__c", 18, 6),
    ]
