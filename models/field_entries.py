"""What representatives take in the field: payments that they collect, and goods that customers give back.

As in `records`: amounts are Decimals in the currency of their record, in its major unit; CRM ids are in their
18-character form. A record of the CRM (`Collected…`) becomes an entry of an ERP (`…Entry`), whose key is its id.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal

from pydantic import Field

from prefect_crm_erp.models.documents import Invoice, InvoiceStatus
from prefect_crm_erp.models.money import Amount
from prefect_crm_erp.models.records import Record

# Some records have a field of the name `date`, which hides the type for the fields that come after it.
Day = date


class Collected(Record):
    """What is the same for all that was taken in the field, as the CRM has it."""

    crm_id: str
    name: str = Field(description="The number that the CRM gave it.")
    account_id: str | None = Field(default=None, description="CRM id of the account.")
    order: str | None = Field(
        default=None, description="Reference of the ERP's sales order, as its copy in the CRM says."
    )
    date: date | None
    push_to_erp: bool = True
    modified_at: datetime | None = None
    erp_id: str | None = Field(default=None, description="Reference of what it became in the ERP; None before.")
    erp_number: str | None = None
    erp_status: str | None = None
    erp_sync_status: str | None = None
    erp_sync_error: str | None = None


class CollectedPayment(Collected):
    """Money that a representative took for an invoice, or on account."""

    invoice: str | None = Field(
        default=None, description="Reference of the ERP's invoice, as its copy in the CRM says."
    )
    amount: Amount | None = None
    currency: str | None = Field(default=None, description="ISO 4217 code.")
    method: str | None = Field(default=None, description="How it was paid: Cash, Cheque.")
    reference: str | None = Field(default=None, description="What is on it: the number of a cheque.")


class CollectedLine(Record):
    """A product that a customer gives back."""

    sku: str | None
    quantity: Amount | None


class CollectedReturn(Collected):
    """Goods of an order that a representative took back."""

    reason: str | None = None
    lines: tuple[CollectedLine, ...] = ()


class PaymentEntry(Record):
    """A payment of a customer, as an ERP is to book it and as it stands there."""

    key: str = Field(description="CRM id of the record, by which it is found again.")
    erp_id: str | None = None
    number: str | None = None
    company_id: str
    customer_id: str = Field(default="", description="ERP id of the customer.")
    invoice_id: str | None = Field(default=None, description="ERP id of the invoice that it pays; None for on account.")
    date: date
    currency: str
    amount: Amount
    method: str | None = None
    text: str = Field(default="", description="What people know it by: number in the CRM, number of a cheque.")


class ReturnLine(Record):
    """A product that comes back; the quantity is positive."""

    sku: str
    quantity: Amount


class ReturnEntry(Record):
    """Goods that come back, as an ERP is to enter them and as they stand there."""

    key: str = Field(description="CRM id of the record, by which it is found again.")
    erp_id: str | None = None
    number: str | None = None
    company_id: str
    order_id: str = Field(default="", description="ERP id of the sales order that delivered the goods.")
    date: date
    text: str = ""
    confirm: bool = Field(default=False, description="Whether it becomes binding; else it waits as a draft.")
    is_draft: bool = True
    lines: tuple[ReturnLine, ...] = ()


def payment_trouble(amount: Decimal, currency: str, invoice: Invoice) -> str | None:
    """Why a payment cannot be booked for an invoice, as a sentence; None when it can.

    Example:
        `Invoice UK-I2026-00017 has 80.00 GBP open, less than the 100.00 GBP that were collected`
    """
    name = f"Invoice {invoice.number or invoice.erp_id}"
    if invoice.status is InvoiceStatus.CANCELLED:
        return f"{name} is cancelled in the ERP; choose the invoice that was paid"
    if currency != invoice.currency:
        return f"{name} is in {invoice.currency}, and the payment in {currency}; correct the currency, or the invoice"
    if amount > invoice.balance:
        return (
            f"{name} has {invoice.balance:,} {currency} open, less than the {amount:,} {currency} that were collected; "
            "correct the amount, or record the rest on account"
        )
    return None


def merged(lines: Iterable[CollectedLine]) -> tuple[ReturnLine, ...]:
    """Lines by SKU, each once; the same product may have been entered twice."""
    quantities: dict[str, Decimal] = {}
    for line in lines:
        if line.sku and line.quantity:
            quantities[line.sku] = quantities.get(line.sku, Decimal(0)) + line.quantity
    return tuple(ReturnLine(sku=sku, quantity=quantity) for sku, quantity in quantities.items())
