"""Where Salesforce keeps what a deal, an account and a line are made of: two-way tables, and the three sources."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from prefect_crm_erp.blocks.crm.values import CrmObject
from prefect_crm_erp.models.field_map import Codec, FieldMap, FieldPair
from prefect_crm_erp.models.keys import clean_text
from prefect_crm_erp.models.money import to_decimal
from prefect_crm_erp.models.outcomes import Queue
from prefect_crm_erp.models.records import DealSource


def _plain_number(value: Any) -> Decimal:
    """A Decimal without an exponent: large amounts come as 1.5E7."""
    number = to_decimal(value)
    return number.quantize(Decimal(1)) if number.as_tuple().exponent > 0 else number  # type: ignore[operator]


def _as_utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _as_text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


NUMBER = Codec(encode=to_decimal, decode=_plain_number)
TIME = Codec(encode=_as_text, decode=_as_utc)
DAY = Codec(encode=date.isoformat, decode=date.fromisoformat)
TRIMMED = Codec(decode=clean_text)


def _address(canonical: str, vendor: str) -> list[FieldPair]:
    parts = {"street": "Street", "city": "City", "state": "State", "postal_code": "PostalCode", "country": "Country"}
    return [FieldPair(f"{canonical}.{part}", f"{vendor}{suffix}") for part, suffix in parts.items()]


ACCOUNT = FieldMap(
    [
        FieldPair("crm_id", "Id", writable=False),
        FieldPair("name", "Name"),
        FieldPair("type", "Type"),
        *_address("billing", "Billing"),
        *_address("shipping", "Shipping"),
        FieldPair("phone", "Phone"),
        FieldPair("parent_id", "ParentId"),
        FieldPair("owner_id", "OwnerId", writable=False),
        FieldPair("subsidiary", "ERP_Subsidiary__c"),
        FieldPair("erp_id", "ERP_Id__c"),
        FieldPair("modified_at", "SystemModstamp", TIME, writable=False),
    ]
)

VALUATION = FieldMap(
    [
        FieldPair("valuation.crm_amount", "ERP_CRM_Amount__c", NUMBER),
        FieldPair("valuation.crm_currency", "ERP_CRM_Currency__c"),
        FieldPair("valuation.erp_amount", "ERP_Company_Amount__c", NUMBER),
        FieldPair("valuation.erp_currency", "ERP_Company_Currency__c"),
        FieldPair("valuation.rate", "ERP_Exchange_Rate__c", NUMBER),
        FieldPair("valuation.rate_date", "ERP_Exchange_Rate_Date__c", DAY),
        FieldPair("valuation.rate_source", "ERP_Exchange_Rate_Source__c"),
    ]
)
"""What a deal is worth by the CRM's rate, and by the ERP's."""

_ERP_FIELDS = [
    FieldPair("erp_id", "ERP_Id__c"),
    FieldPair("erp_order_number", "ERP_Order_Number__c"),
    FieldPair("erp_status", "ERP_Status__c"),
    FieldPair("erp_amount", "ERP_Amount__c", NUMBER),
    FieldPair("erp_sync_status", "ERP_Sync_Status__c"),
    FieldPair("erp_sync_error", "ERP_Sync_Error__c"),
    *VALUATION.pairs,
]

_DEAL = [
    FieldPair("crm_id", "Id", writable=False),
    FieldPair("name", "Name"),
    FieldPair("owner_id", "OwnerId"),
    FieldPair("owner_name", "Owner.Name", writable=False),
    FieldPair("push_to_erp", "Push_To_ERP__c"),
    *_ERP_FIELDS,
    FieldPair("modified_at", "SystemModstamp", TIME, writable=False),
]

_OPPORTUNITY = FieldMap(
    [
        *_DEAL,
        FieldPair("total", "Amount", NUMBER),
        FieldPair("closed_on", "CloseDate", DAY),
        FieldPair("opportunity_id", "Id", writable=False),
        FieldPair("opportunity_stage", "StageName"),
        FieldPair("custom.IsClosed", "IsClosed", writable=False),
        FieldPair("custom.IsWon", "IsWon", writable=False),
    ]
)

# An accepted quote says nowhere when it was accepted; its opportunity's close date is the day of the deal.
_QUOTE = FieldMap(
    [
        *_DEAL,
        FieldPair("number", "QuoteNumber", writable=False),
        FieldPair("total", "GrandTotal", NUMBER, writable=False),
        FieldPair("tax", "Tax", NUMBER),
        FieldPair("shipping", "ShippingHandling", NUMBER),
        FieldPair("closed_on", "Opportunity.CloseDate", DAY, writable=False),
        FieldPair("opportunity_id", "OpportunityId"),
        FieldPair("opportunity_stage", "Opportunity.StageName", writable=False),
        *_address("shipping_address", "Shipping"),
        FieldPair("custom.Status", "Status"),
    ]
)

_ORDER = FieldMap(
    [
        *_DEAL,
        FieldPair("number", "OrderNumber", writable=False),
        FieldPair("total", "TotalAmount", NUMBER, writable=False),
        FieldPair("closed_on", "EffectiveDate", DAY),
        FieldPair("customer_reference", "PoNumber"),
        *_address("shipping_address", "Shipping"),
        FieldPair("custom.StatusCode", "StatusCode", writable=False),
    ]
)

_LINE = FieldMap(
    [
        FieldPair("crm_id", "Id", writable=False),
        FieldPair("product_id", "Product2Id"),
        FieldPair("product_name", "Product2.Name", writable=False),
        FieldPair("description", "Description"),
        FieldPair("quantity", "Quantity", NUMBER),
        FieldPair("unit_price", "UnitPrice", NUMBER),
        FieldPair("amount", "TotalPrice", NUMBER, writable=False),
    ]
)
_DISCOUNTED_LINE = FieldMap([*_LINE.pairs, FieldPair("discount_percent", "Discount", NUMBER)])
_PRICED = (
    FieldPair("list_price", "ListPrice", NUMBER, writable=False),
    FieldPair("unit", "Product2.QuantityUnitOfMeasure", writable=False),
    FieldPair("currency", "PricebookEntry.CurrencyIsoCode", writable=False),
)


@dataclass(frozen=True, slots=True)
class Source:
    """One kind of CRM record that becomes an order.

    Attributes:
        kind: Its canonical name.
        object: Salesforce's object.
        line_object: The object of its lines.
        lines: Name of the lines' relationship in a query.
        line_order: Fields that the lines are ordered by.
        deal: Where a deal's fields are.
        line: Where a line's fields are.
        related: Further objects whose fields are read.
        extra: Fields of the deal that are read where the org shows them; no amount hangs on them.
        extra_line: The same for the lines.
    """

    kind: DealSource
    object: str
    line_object: str
    lines: str
    line_order: str
    deal: FieldMap
    line: FieldMap
    related: tuple[str, ...] = ()
    extra: tuple[FieldPair, ...] = ()
    extra_line: tuple[FieldPair, ...] = _PRICED

    @property
    def objects(self) -> list[str]:
        """All objects that are read, the source itself first."""
        return [self.object, self.line_object, "Account", "Product2", "PricebookEntry", *self.related]


_SOURCES = (
    Source(
        DealSource.CLOSED_WON,
        "Opportunity",
        "OpportunityLineItem",
        "OpportunityLineItems",
        "SortOrder NULLS LAST, Id",
        _OPPORTUNITY,
        _DISCOUNTED_LINE,
    ),
    Source(
        DealSource.ACCEPTED_QUOTES,
        "Quote",
        "QuoteLineItem",
        "QuoteLineItems",
        "SortOrder NULLS LAST, Id",
        _QUOTE,
        _DISCOUNTED_LINE,
        ("Opportunity",),
    ),
    Source(
        DealSource.ACTIVATED_ORDERS,
        "Order",
        "OrderItem",
        "OrderItems",
        "OrderItemNumber, Id",
        _ORDER,
        _LINE,
        ("Opportunity",),
        extra=(
            FieldPair("opportunity_id", "OpportunityId"),
            FieldPair("opportunity_stage", "Opportunity.StageName", writable=False),
        ),
    ),
)
SOURCES = {source.kind: source for source in _SOURCES}

_STATUS = (
    ("erp_customer_number", "ERP_Customer_Number__c", Codec()),
    ("erp_credit_limit", "ERP_Credit_Limit__c", NUMBER),
    ("erp_outstanding", "ERP_Outstanding__c", NUMBER),
    ("erp_credit_used", "ERP_Credit_Used__c", NUMBER),
    ("erp_credit_currency", "ERP_Credit_Currency__c", Codec()),
    ("erp_payment_terms", "ERP_Payment_Terms__c", Codec()),
    ("erp_sync_status", "ERP_Sync_Status__c", Codec()),
    ("erp_sync_error", "ERP_Sync_Error__c", Codec()),
)
STATUS = FieldMap(FieldPair(*entry) for entry in _STATUS)
"""What an account shows of the ERP's customer."""

SALES = FieldMap(
    [
        FieldPair("erp_sales_this_year", "ERP_Sales_This_Year__c", NUMBER),
        FieldPair("erp_sales_last_year", "ERP_Sales_Last_Year__c", NUMBER),
        FieldPair("erp_open_balance", "ERP_Open_Balance__c", NUMBER),
        FieldPair("erp_overdue_balance", "ERP_Overdue_Balance__c", NUMBER),
        FieldPair("erp_days_overdue", "ERP_Days_Overdue__c"),
        FieldPair("erp_days_to_pay", "ERP_Days_To_Pay__c", NUMBER),
        FieldPair("erp_last_invoice_on", "ERP_Last_Invoice_Date__c", DAY),
        FieldPair("erp_last_invoice_number", "ERP_Last_Invoice_Number__c"),
        FieldPair("erp_last_invoice_status", "ERP_Last_Invoice_Status__c"),
        FieldPair("erp_last_invoice_terms", "ERP_Last_Invoice_Terms__c"),
        FieldPair("erp_average_order", "ERP_Average_Order__c", NUMBER),
    ]
)
"""What an account shows of its invoices and payments, where the copies of documents are deployed."""

PROGRESS = FieldMap(
    [
        FieldPair("erp_pending_since", "ERP_Pending_Since__c", TIME),
        FieldPair("erp_approved_at", "ERP_Approved_At__c", TIME),
        FieldPair("erp_payment_terms", "ERP_Payment_Terms__c"),
        FieldPair("erp_shipped_on", "ERP_Shipped_On__c", DAY),
        FieldPair("erp_invoice_number", "ERP_Invoice_Number__c"),
        FieldPair("erp_invoice_status", "ERP_Invoice_Status__c"),
        FieldPair("erp_invoiced", "ERP_Invoiced__c", NUMBER),
        FieldPair("erp_open_balance", "ERP_Open_Balance__c", NUMBER),
    ]
)
"""How far the order of an opportunity has come, where the copies of documents are deployed."""

SYNCED_ACCOUNT = FieldMap(
    [
        *ACCOUNT.pairs,
        FieldPair("is_deleted", "IsDeleted", writable=False),
        FieldPair("merged_into", "MasterRecordId", writable=False),
        *(FieldPair(f"shown.{canonical}", vendor, codec) for canonical, vendor, codec in _STATUS),
    ]
)
"""An account as account sync reads it."""

CONTACT = FieldMap(
    [
        FieldPair("key", "Id", writable=False),
        FieldPair("first_name", "FirstName"),
        FieldPair("last_name", "LastName"),
        FieldPair("title", "Title"),
        FieldPair("email", "Email"),
        FieldPair("phone", "Phone"),
        FieldPair("modified_at", "SystemModstamp", TIME, writable=False),
    ]
)

ENTRY_OUTCOME = (
    FieldPair("erp_id", "ERP_Id__c"),
    FieldPair("erp_number", "ERP_Number__c"),
    FieldPair("erp_status", "ERP_Status__c"),
    FieldPair("erp_url", "ERP_URL__c"),
    FieldPair("erp_sync_status", "ERP_Sync_Status__c"),
    FieldPair("erp_sync_error", "ERP_Sync_Error__c"),
)
"""What a payment or return of the field shows of what it became."""

OBJECT_NAMES = {
    CrmObject.ACCOUNT: "Account",
    CrmObject.OPPORTUNITY: "Opportunity",
    CrmObject.QUOTE: "Quote",
    CrmObject.ORDER: "Order",
    CrmObject.PRODUCT: "Product2",
    CrmObject.CONTACT: "Contact",
    CrmObject.FIELD_PAYMENT: "ERP_Field_Payment__c",
    CrmObject.FIELD_RETURN: "ERP_Field_Return__c",
}

WRITE_BACK = {
    CrmObject.ACCOUNT: FieldMap(
        [
            FieldPair("erp_id", "ERP_Id__c"),
            FieldPair("type", "Type"),
            FieldPair("name", "Name"),
            FieldPair("phone", "Phone"),
            *_address("billing", "Billing"),
            *_address("shipping", "Shipping"),
            FieldPair("parent_id", "ParentId"),
            *STATUS.pairs,
            *SALES.pairs,
        ]
    ),
    CrmObject.OPPORTUNITY: FieldMap([*_ERP_FIELDS, FieldPair("stage", "StageName"), *PROGRESS.pairs]),
    CrmObject.QUOTE: FieldMap(_ERP_FIELDS),
    CrmObject.ORDER: FieldMap(_ERP_FIELDS),
    CrmObject.PRODUCT: FieldMap([FieldPair("erp_id", "ERP_Id__c")]),
    CrmObject.CONTACT: FieldMap([pair for pair in CONTACT.pairs if pair.writable]),
    CrmObject.FIELD_PAYMENT: FieldMap(ENTRY_OUTCOME),
    CrmObject.FIELD_RETURN: FieldMap(ENTRY_OUTCOME),
}

ALWAYS_WRITTEN = {
    **{target: table.vendor_fields for target, table in WRITE_BACK.items()},
    CrmObject.ACCOUNT: ["ERP_Id__c", "Type"],
    CrmObject.OPPORTUNITY: [*(pair.vendor for pair in _ERP_FIELDS), "StageName"],
}
"""Fields that a run over deals writes to each object."""

SYNC_STATUSES = ("Synced", *(queue.value for queue in Queue))
"""Values of `ERP_Sync_Status__c` that flows write."""

SHORTENED = frozenset(
    {
        "erp_status",
        "erp_sync_error",
        "erp_payment_terms",
        "erp_invoice_number",
        "erp_invoice_status",
        "erp_last_invoice_status",
        "erp_last_invoice_terms",
    }
)
"""What is cut to the field's length: words for people. A number that identifies something is refused instead."""


def select(fields: Sequence[str], source: str, *, where: Iterable[str] = (), order_by: str = "") -> str:
    """Put a query together.

    Example:
        >>> select(["Id", "Name"], "Account", where=["IsDeleted = false"], order_by="Id")
        'SELECT Id, Name FROM Account WHERE IsDeleted = false ORDER BY Id'
    """
    conditions = " AND ".join(where)
    parts = [
        f"SELECT {', '.join(dict.fromkeys(fields))} FROM {source}",  # noqa: S608 - literals are quoted by the caller
        f"WHERE {conditions}" if conditions else "",
        f"ORDER BY {order_by}" if order_by else "",
    ]
    return " ".join(part for part in parts if part)
