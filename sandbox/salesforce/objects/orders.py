"""Orders and their items."""

from __future__ import annotations

from prefect_crm_erp.sandbox.salesforce.objects.fields import (
    address,
    checkbox,
    currency,
    currency_code,
    date,
    datetime,
    erp_fields,
    long_text,
    number,
    owner,
    picklist,
    reference,
    sobject,
    text,
)
from prefect_crm_erp.sandbox.salesforce.schema import Field, SObject

ORDER_STATUSES = ("Draft", "Activated")


def objects() -> list[SObject]:
    """Order and OrderItem."""
    return [
        sobject("Order", "801", _order_fields()),
        sobject("OrderItem", "802", _item_fields(), label="Order Product", plural="Order Products"),
    ]


def _order_fields() -> list[Field]:
    return [
        owner(),
        reference("AccountId", "Account", "Orders", on_delete="restrict", required=True),
        reference("Pricebook2Id", "Pricebook2", "Orders", label="Price Book ID"),
        reference("OpportunityId", "Opportunity", "Orders"),
        reference("QuoteId", "Quote", "Orders"),
        currency_code(required=True),
        date("EffectiveDate", label="Order Start Date", required=True),
        date("EndDate", label="Order End Date"),
        checkbox("IsReductionOrder", label="Reduction Order", calculated=True),
        picklist("Status", ORDER_STATUSES, required=True, restricted=True),
        long_text("Description", 32000),
        reference("CustomerAuthorizedById", "Contact"),
        date("CustomerAuthorizedDate"),
        reference("CompanyAuthorizedById", "User"),
        date("CompanyAuthorizedDate"),
        picklist("Type", ("New", "Renewal", "Replacement"), label="Order Type"),
        *address("Billing"),
        *address("Shipping"),
        text("Name", 80, label="Order Name"),
        date("PoDate", label="PO Date"),
        text("PoNumber", 80, label="PO Number"),
        text("OrderReferenceNumber", 80),
        reference("BillToContactId", "Contact"),
        reference("ShipToContactId", "Contact"),
        datetime("ActivatedDate", calculated=True),
        reference("ActivatedById", "User", calculated=True),
        picklist("StatusCode", ORDER_STATUSES, label="Status Category", required=True, defaulted=True, calculated=True),
        text("OrderNumber", 30, required=True, defaulted=True, auto_number=True, name_field=True),
        currency("TotalAmount", label="Order Amount", calculated=True),
        datetime("LastViewedDate", calculated=True),
        datetime("LastReferencedDate", calculated=True),
        *erp_fields(),
    ]


def _item_fields() -> list[Field]:
    return [
        reference("OrderId", "Order", "OrderItems", on_delete="cascade", required=True, updateable=False),
        reference(
            "PricebookEntryId",
            "PricebookEntry",
            "OrderItems",
            label="Price Book Entry ID",
            updateable=False,
            on_delete="restrict",
        ),
        reference("Product2Id", "Product2", "OrderItems", label="Product ID", updateable=False),
        reference("QuoteLineItemId", "QuoteLineItem", "OrderItems", label="Quote Line Item ID", updateable=False),
        text(
            "OrderItemNumber",
            30,
            required=True,
            defaulted=True,
            auto_number=True,
            label="Order Product Number",
            name_field=True,
        ),
        currency_code(required=True, createable=False, updateable=False),
        number("Quantity", 12, 2, required=True),
        number("AvailableQuantity", 12, 2, calculated=True),
        currency("UnitPrice", required=True),
        currency("ListPrice", calculated=True),
        currency("TotalPrice", calculated=True),
        date("ServiceDate", label="Start Date"),
        date("EndDate"),
        text("Description", 255),
    ]
