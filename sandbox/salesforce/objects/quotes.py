"""Quotes and their lines."""

from __future__ import annotations

from prefect_crm_erp.sandbox.salesforce.objects.fields import (
    address,
    checkbox,
    currency,
    currency_code,
    date,
    datetime,
    email,
    erp_fields,
    integer,
    long_text,
    number,
    owner,
    percent,
    phone,
    picklist,
    reference,
    sobject,
    text,
)
from prefect_crm_erp.sandbox.salesforce.schema import Field, SObject

QUOTE_STATUSES = (
    "Draft",
    "Needs Review",
    "In Review",
    "Approved",
    "Rejected",
    "Presented",
    "Accepted",
    "Denied",
)


def objects() -> list[SObject]:
    """Quote and QuoteLineItem."""
    return [
        sobject("Quote", "0Q0", _quote_fields()),
        sobject("QuoteLineItem", "0QL", _line_fields(), label="Quote Line Item"),
    ]


def _quote_fields() -> list[Field]:
    return [
        owner(),
        text("Name", 255, label="Quote Name", required=True, name_field=True),
        currency_code(required=True, updateable=False),
        reference("OpportunityId", "Opportunity", "Quotes", on_delete="cascade", required=True, updateable=False),
        reference("Pricebook2Id", "Pricebook2", "Quotes", label="Price Book ID"),
        reference("ContactId", "Contact", "Quotes"),
        reference("AccountId", "Account", "Quotes", calculated=True),
        text("QuoteNumber", 30, required=True, defaulted=True, auto_number=True),
        checkbox("IsSyncing", label="Syncing", calculated=True),
        currency("ShippingHandling", label="Shipping and Handling"),
        currency("Tax"),
        picklist("Status", QUOTE_STATUSES, default="Draft", restricted=True),
        date("ExpirationDate"),
        long_text("Description", 32000),
        currency("Subtotal", calculated=True),
        currency("TotalPrice", calculated=True),
        integer("LineItemCount", label="Line Items", calculated=True),
        text("BillingName", 255, label="Bill To Name"),
        *address("Billing"),
        text("ShippingName", 255, label="Ship To Name"),
        *address("Shipping"),
        text("QuoteToName", 255),
        *address("QuoteTo"),
        email(),
        phone(),
        phone("Fax"),
        percent("Discount", calculated=True),
        currency("GrandTotal", calculated=True),
        datetime("LastViewedDate", calculated=True),
        datetime("LastReferencedDate", calculated=True),
        *erp_fields(),
        percent("Header_Discount__c"),
    ]


def _line_fields() -> list[Field]:
    return [
        text(
            "LineNumber",
            255,
            required=True,
            defaulted=True,
            auto_number=True,
            label="Line Item Number",
            name_field=True,
        ),
        reference("QuoteId", "Quote", "QuoteLineItems", on_delete="cascade", required=True, updateable=False),
        reference(
            "PricebookEntryId",
            "PricebookEntry",
            "QuoteLineItems",
            label="Price Book Entry ID",
            updateable=False,
            on_delete="restrict",
        ),
        reference("OpportunityLineItemId", "OpportunityLineItem", "QuoteLineItems", label="Opportunity Product ID"),
        reference("Product2Id", "Product2", "QuoteLineItems", label="Product ID", updateable=False),
        currency_code(required=True, createable=False, updateable=False),
        number("Quantity", 12, 2, required=True),
        currency("UnitPrice", label="Sales Price", required=True),
        percent("Discount"),
        date("ServiceDate", label="Date"),
        integer("SortOrder"),
        text("Description", 255, label="Line Item Description"),
        currency("ListPrice", calculated=True),
        currency("Subtotal", calculated=True),
        currency("TotalPrice", calculated=True),
    ]
