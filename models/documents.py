"""What an ERP tells of an order's life after it was placed: deliveries, invoices, credit memos and payments.

As in `records`: amounts are Decimals in the transaction currency of their record unless a name says otherwise, in its
major unit; times are aware and UTC; CRM ids are in their 18-character form. These records travel one way, from the ERP
to the CRM.
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

from pydantic import Field

from prefect_crm_erp.models.money import ZERO, Amount
from prefect_crm_erp.models.records import Record

# Some records have a field of the name `date`, which hides the type for the fields that come after it.
Day = date


class InvoiceType(StrEnum):
    """What a document of the receivables is."""

    INVOICE = "Invoice"
    CREDIT_MEMO = "Credit Memo"


class InvoiceStatus(StrEnum):
    """Where an invoice or credit memo stands; drafts are not told of.

    An invoice that a credit memo settles is paid: the memo is a document of its own, so that sums over both come out.
    Cancelled is what counts no more without any such document.
    """

    OPEN = "Open"
    PARTLY_PAID = "Partly Paid"
    PAID = "Paid"
    CANCELLED = "Cancelled"


class InvoiceLine(Record):
    """One line of an invoice or credit memo."""

    erp_id: str = Field(description="The ERP's own id of the line; unique among the lines of the connection.")
    position: int = Field(description="Place of the line on the document, from 1.")
    product_id: str | None = Field(default=None, description="ERP id of the product.")
    sku: str | None = None
    description: str | None = None
    quantity: Amount | None = Field(default=None, description="None for a line without product, such as a comment.")
    unit: str | None = None
    unit_price: Amount | None = None
    amount: Amount = Field(default=ZERO, description="Line amount without tax; negative on a credit memo.")


class Invoice(Record):
    """A posted invoice or credit memo. All amounts of a credit memo are negative, so that sums come out."""

    erp_id: str
    number: str | None = None
    type: InvoiceType = InvoiceType.INVOICE
    status: InvoiceStatus
    company_id: str
    customer_id: str = Field(description="ERP id of the customer.")
    order_ids: tuple[str, ...] = Field(default=(), description="ERP ids of the sales orders that it bills.")
    order_keys: tuple[str, ...] = Field(
        default=(), description="Keys (CRM ids) of those of these orders that came from the CRM, in the same order."
    )
    currency: str = Field(description="ISO 4217 code of the transaction currency.")
    company_currency: str = Field(description="ISO 4217 code of the company's own currency.")
    date: date
    due_date: Day | None = Field(default=None, description="Last day of payment; the latest one of several terms.")
    paid_on: Day | None = Field(default=None, description="Day of the last payment, once nothing is open any more.")
    payment_terms: str | None = None
    customer_reference: str | None = None
    untaxed: Amount = Field(description="Total without tax, as the ERP computed it.")
    tax: Amount
    total: Amount = Field(description="Total with tax.")
    balance: Amount = Field(description="Not yet paid or credited; zero for what is cancelled.")
    company_untaxed: Amount = Field(description="`untaxed` in the company's currency, at the ERP's rate.")
    company_total: Amount = Field(description="`total` in the company's currency, as booked.")
    company_balance: Amount = Field(description="`balance` in the company's currency, as booked.")
    lines: tuple[InvoiceLine, ...] = ()
    modified_at: datetime | None = Field(
        default=None, description="Last change of the document, of a line of it, or of what was paid on it."
    )


class PaymentStatus(StrEnum):
    """Where a payment stands."""

    POSTED = "Posted"
    CANCELLED = "Cancelled"


class PaymentApplication(Record):
    """The part of a payment that goes to one invoice or credit memo."""

    erp_id: str = Field(description="The ERP's own id of the application; unique in the connection.")
    invoice_id: str = Field(description="ERP id of the invoice or credit memo.")
    amount: Amount = Field(description="In the invoice's currency; negative where money went back to the customer.")
    currency: str = Field(description="ISO 4217 code of the invoice's currency.")
    company_amount: Amount = Field(description="In the company's currency.")


class Payment(Record):
    """Money that came from a customer, or went back to one (a refund, negative), with where it was applied."""

    erp_id: str
    number: str | None = None
    reference: str | None = Field(default=None, description="What the bank statement or the customer calls it.")
    status: PaymentStatus = PaymentStatus.POSTED
    method: str | None = Field(default=None, description="Way of payment as the ERP names it: the journal, Cash, Bank.")
    company_id: str
    customer_id: str = Field(
        description="ERP id of the customer; of the largest part, where one payment is of several customers."
    )
    date: date
    currency: str
    company_currency: str
    amount: Amount = Field(description="All of it, applied or not, in `currency`.")
    company_amount: Amount
    applications: tuple[PaymentApplication, ...] = ()
    modified_at: datetime | None = None


class DeliveryStatus(StrEnum):
    """Where a delivery stands."""

    PLANNED = "Planned"
    IN_PREPARATION = "In Preparation"
    SHIPPED = "Shipped"
    CANCELLED = "Cancelled"


class DeliveryLine(Record):
    """One product of a delivery."""

    erp_id: str
    product_id: str | None = None
    sku: str | None = None
    description: str | None = None
    quantity: Amount
    unit: str | None = None


class Delivery(Record):
    """A shipment to a customer, or what it sends back (`is_return`)."""

    erp_id: str
    number: str | None = None
    status: DeliveryStatus
    is_return: bool = False
    company_id: str
    customer_id: str
    order_ids: tuple[str, ...] = Field(default=(), description="ERP ids of the sales orders that it delivers.")
    order_keys: tuple[str, ...] = Field(
        default=(), description="Keys (CRM ids) of those of these orders that came from the CRM."
    )
    planned_on: date | None = None
    shipped_on: date | None = None
    tracking: str | None = Field(default=None, description="Tracking number of the carrier, where the ERP keeps it.")
    lines: tuple[DeliveryLine, ...] = ()
    modified_at: datetime | None = None
