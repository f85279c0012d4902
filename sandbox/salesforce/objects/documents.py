"""Read-only copies of an ERP's documents, as the integration's metadata package adds them: custom objects."""

from __future__ import annotations

from prefect_crm_erp.sandbox.salesforce.objects.fields import (
    checkbox,
    currency,
    currency_code,
    date,
    datetime,
    lookup,
    master,
    number,
    owner,
    picklist,
    sobject,
    text,
    url,
)
from prefect_crm_erp.sandbox.salesforce.schema import Field, SObject

ORDER_STATUSES = (
    "Draft",
    "Pending Approval",
    "Approved",
    "On Hold",
    "Partly Shipped",
    "Shipped",
    "Partly Invoiced",
    "Invoiced",
    "Cancelled",
)


def objects() -> list[SObject]:
    """Orders, deliveries and invoices with their lines, and payments with what they were applied to."""
    return [
        sobject("ERP_Order__c", "a00", _order_fields()),
        sobject("ERP_Order_Line__c", "a01", _order_line_fields()),
        sobject("ERP_Delivery__c", "a02", _delivery_fields(), plural="ERP Deliveries"),
        sobject("ERP_Delivery_Line__c", "a03", _delivery_line_fields()),
        sobject("ERP_Invoice__c", "a04", _invoice_fields()),
        sobject("ERP_Invoice_Line__c", "a05", _invoice_line_fields()),
        sobject("ERP_Payment__c", "a06", _payment_fields()),
        sobject("ERP_Payment_Application__c", "a07", _application_fields()),
    ]


def _document(name_label: str, relationship: str) -> list[Field]:
    """What every document starts with. Its name is its number in the ERP."""
    return [
        owner(),
        text("Name", 80, label=name_label, defaulted=True, name_field=True, indexed=True),
        currency_code(required=True),
        _key(),
        lookup("Account__c", "Account", relationship),
        text("Company__c", 80),
    ]


def _detail(*links: Field) -> list[Field]:
    """What every line starts with. Nobody knows it by a name: it has a running number."""
    return [
        text("Name", 80, label="Number", required=True, defaulted=True, auto_number=True, name_field=True),
        currency_code(required=True),
        _key(),
        *links,
    ]


def _key() -> Field:
    return text("ERP_Id__c", 100, label="ERP Id", external_id=True, unique=True, indexed=True)


def _trace() -> list[Field]:
    return [datetime("ERP_Modified_At__c"), url("ERP_URL__c")]


def _item() -> list[Field]:
    """What a line says of the goods. A unit price has more decimal places than its currency: a plain number."""
    return [
        number("Position__c", 6, 0),
        text("SKU__c", 80),
        text("Description__c", 255),
        number("Quantity__c", 18, 6),
        text("Unit__c", 40),
    ]


def _price() -> list[Field]:
    return [number("Unit_Price__c", 18, 6), currency("Amount__c")]


def _order_fields() -> list[Field]:
    return [
        *_document("Order Number", "ERP_Orders"),
        lookup("Opportunity__c", "Opportunity", "ERP_Orders"),
        picklist("Status__c", ORDER_STATUSES),
        date("Order_Date__c"),
        text("Customer_Reference__c", 255),
        text("Payment_Terms__c", 80),
        currency("Untaxed__c"),
        currency("Tax__c"),
        currency("Total__c"),
        datetime("ERP_Created_At__c"),
        text("ERP_Created_By__c", 80),
        datetime("Pending_Since__c"),
        datetime("Approved_At__c"),
        *_trace(),
    ]


def _order_line_fields() -> list[Field]:
    links = master("ERP_Order__c", "ERP_Order__c", "ERP_Order_Lines"), _product("ERP_Order_Lines")
    return [*_detail(*links), *_item(), *_price()]


def _product(relationship: str) -> Field:
    return lookup("Product__c", "Product2", relationship)


def _delivery_fields() -> list[Field]:
    return [
        *_document("Delivery Number", "ERP_Deliveries"),
        lookup("Opportunity__c", "Opportunity", "ERP_Deliveries"),
        lookup("ERP_Order__c", "ERP_Order__c", "ERP_Deliveries"),
        text("Order_Numbers__c", 255),
        picklist("Status__c", ("Planned", "In Preparation", "Shipped", "Cancelled")),
        checkbox("Is_Return__c"),
        date("Planned_On__c"),
        date("Shipped_On__c"),
        text("Tracking__c", 255),
        *_trace(),
    ]


def _delivery_line_fields() -> list[Field]:
    links = master("ERP_Delivery__c", "ERP_Delivery__c", "ERP_Delivery_Lines"), _product("ERP_Delivery_Lines")
    return [*_detail(*links), *_item()]


def _invoice_fields() -> list[Field]:
    return [
        *_document("Invoice Number", "ERP_Invoices"),
        lookup("Opportunity__c", "Opportunity", "ERP_Invoices"),
        lookup("ERP_Order__c", "ERP_Order__c", "ERP_Invoices"),
        text("Order_Numbers__c", 255),
        picklist("Type__c", ("Invoice", "Credit Memo")),
        picklist("Status__c", ("Open", "Partly Paid", "Paid", "Cancelled")),
        date("Invoice_Date__c"),
        date("Due_Date__c"),
        date("Paid_On__c"),
        text("Payment_Terms__c", 80),
        text("Customer_Reference__c", 255),
        currency("Untaxed__c"),
        currency("Tax__c"),
        currency("Total__c"),
        currency("Balance__c"),
        text("Company_Currency__c", 3),
        number("Company_Untaxed__c", 18, 3),
        number("Company_Total__c", 18, 3),
        number("Company_Balance__c", 18, 3),
        *_trace(),
    ]


def _invoice_line_fields() -> list[Field]:
    links = master("ERP_Invoice__c", "ERP_Invoice__c", "ERP_Invoice_Lines"), _product("ERP_Invoice_Lines")
    return [*_detail(*links), *_item(), *_price()]


def _payment_fields() -> list[Field]:
    return [
        *_document("Payment Number", "ERP_Payments"),
        picklist("Status__c", ("Posted", "Cancelled")),
        text("Method__c", 80),
        text("Reference__c", 255),
        date("Payment_Date__c"),
        currency("Amount__c"),
        text("Company_Currency__c", 3),
        number("Company_Amount__c", 18, 3),
        *_trace(),
    ]


def _application_fields() -> list[Field]:
    payment = master("ERP_Payment__c", "ERP_Payment__c", "ERP_Payment_Applications")
    invoice = lookup("ERP_Invoice__c", "ERP_Invoice__c", "ERP_Payment_Applications")
    return [*_detail(payment, invoice), currency("Amount__c"), number("Company_Amount__c", 18, 3)]
