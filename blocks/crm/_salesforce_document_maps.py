"""Where Salesforce keeps its read-only copies of an ERP's documents: two-way tables, one for each object."""

from __future__ import annotations

from dataclasses import dataclass

from prefect_crm_erp.blocks.crm._salesforce_maps import DAY, NUMBER, TIME
from prefect_crm_erp.blocks.crm.values import DocumentObject
from prefect_crm_erp.models.field_map import Codec, FieldMap, FieldPair
from prefect_crm_erp.models.keys import salesforce_id

KEY = "ERP_Id__c"
"""Field by which a copy is created, updated and pointed to."""

NAME = "Name"
CURRENCY = "CurrencyIsoCode"

SHORTENED = frozenset(
    {"company", "created_by", "description", "method", "order_numbers", "payment_terms", "status", "unit"}
)
"""What is cut to the field's length: words for people. A number that identifies something is refused instead."""

_ID = Codec(encode=salesforce_id)


@dataclass(frozen=True, slots=True)
class Document:
    """One object of copies.

    Attributes:
        object: Its canonical name.
        name: Salesforce's object.
        fields: Where the values are. A link to another document is a path that ends in its key.
        parent: The value that names the document without which a copy cannot be; None for a document itself.
    """

    object: DocumentObject
    name: str
    fields: FieldMap
    parent: str | None = None


def link_field(path: str) -> str:
    """The field behind the path of a link.

    Example:
        >>> link_field("ERP_Order__r.ERP_Id__c")
        'ERP_Order__c'
    """
    return path.partition(".")[0].removesuffix("__r") + "__c"


def _amount(canonical: str, vendor: str) -> FieldPair:
    return FieldPair(canonical, vendor, NUMBER)


def _day(canonical: str, vendor: str) -> FieldPair:
    return FieldPair(canonical, vendor, DAY)


def _moment(canonical: str, vendor: str) -> FieldPair:
    return FieldPair(canonical, vendor, TIME)


_ORDER = FieldPair("order", f"ERP_Order__r.{KEY}")
_DELIVERY = FieldPair("delivery", f"ERP_Delivery__r.{KEY}")
_INVOICE = FieldPair("invoice", f"ERP_Invoice__r.{KEY}")
_PAYMENT = FieldPair("payment", f"ERP_Payment__r.{KEY}")
_OPPORTUNITY = FieldPair("opportunity_id", "Opportunity__c", _ID)
_ORDER_NUMBERS = FieldPair("order_numbers", "Order_Numbers__c")

# The name of a document is its number: what people search for, and what they see of a link.
_DOCUMENT = [
    FieldPair("number", NAME),
    FieldPair("account_id", "Account__c", _ID),
    FieldPair("company", "Company__c"),
    FieldPair("status", "Status__c"),
    _moment("modified_at", "ERP_Modified_At__c"),
    FieldPair("url", "ERP_URL__c"),
]
_TERMS = [
    FieldPair("customer_reference", "Customer_Reference__c"),
    FieldPair("payment_terms", "Payment_Terms__c"),
]
_TOTALS = [_amount("untaxed", "Untaxed__c"), _amount("tax", "Tax__c"), _amount("total", "Total__c")]
_ITEM = [
    FieldPair("product_id", "Product__c", _ID),
    FieldPair("position", "Position__c"),
    FieldPair("sku", "SKU__c"),
    FieldPair("description", "Description__c"),
    _amount("quantity", "Quantity__c"),
    FieldPair("unit", "Unit__c"),
]
_PRICE = [_amount("unit_price", "Unit_Price__c"), _amount("amount", "Amount__c")]

_DOCUMENTS = (
    Document(
        DocumentObject.ORDER,
        "ERP_Order__c",
        FieldMap(
            [
                *_DOCUMENT,
                _OPPORTUNITY,
                _day("order_date", "Order_Date__c"),
                *_TERMS,
                *_TOTALS,
                _moment("created_at", "ERP_Created_At__c"),
                FieldPair("created_by", "ERP_Created_By__c"),
                _moment("pending_since", "Pending_Since__c"),
                _moment("approved_at", "Approved_At__c"),
            ]
        ),
    ),
    Document(DocumentObject.ORDER_LINE, "ERP_Order_Line__c", FieldMap([_ORDER, *_ITEM, *_PRICE]), "order"),
    Document(
        DocumentObject.DELIVERY,
        "ERP_Delivery__c",
        FieldMap(
            [
                *_DOCUMENT,
                _OPPORTUNITY,
                _ORDER,
                _ORDER_NUMBERS,
                FieldPair("is_return", "Is_Return__c"),
                _day("planned_on", "Planned_On__c"),
                _day("shipped_on", "Shipped_On__c"),
                FieldPair("tracking", "Tracking__c"),
            ]
        ),
    ),
    Document(DocumentObject.DELIVERY_LINE, "ERP_Delivery_Line__c", FieldMap([_DELIVERY, *_ITEM]), "delivery"),
    Document(
        DocumentObject.INVOICE,
        "ERP_Invoice__c",
        FieldMap(
            [
                *_DOCUMENT,
                _OPPORTUNITY,
                _ORDER,
                _ORDER_NUMBERS,
                FieldPair("type", "Type__c"),
                _day("date", "Invoice_Date__c"),
                _day("due_date", "Due_Date__c"),
                _day("paid_on", "Paid_On__c"),
                *_TERMS,
                *_TOTALS,
                _amount("balance", "Balance__c"),
                FieldPair("company_currency", "Company_Currency__c"),
                _amount("company_untaxed", "Company_Untaxed__c"),
                _amount("company_total", "Company_Total__c"),
                _amount("company_balance", "Company_Balance__c"),
            ]
        ),
    ),
    Document(DocumentObject.INVOICE_LINE, "ERP_Invoice_Line__c", FieldMap([_INVOICE, *_ITEM, *_PRICE]), "invoice"),
    Document(
        DocumentObject.PAYMENT,
        "ERP_Payment__c",
        FieldMap(
            [
                *_DOCUMENT,
                FieldPair("method", "Method__c"),
                FieldPair("reference", "Reference__c"),
                _day("date", "Payment_Date__c"),
                _amount("amount", "Amount__c"),
                FieldPair("company_currency", "Company_Currency__c"),
                _amount("company_amount", "Company_Amount__c"),
            ]
        ),
    ),
    Document(
        DocumentObject.PAYMENT_APPLICATION,
        "ERP_Payment_Application__c",
        FieldMap([_PAYMENT, _INVOICE, _amount("amount", "Amount__c"), _amount("company_amount", "Company_Amount__c")]),
        "payment",
    ),
)
DOCUMENTS = {document.object: document for document in _DOCUMENTS}

PARENTS = {
    "order": DocumentObject.ORDER,
    "delivery": DocumentObject.DELIVERY,
    "invoice": DocumentObject.INVOICE,
    "payment": DocumentObject.PAYMENT,
}
"""Which document a link leads to."""
