"""Canonical records: what every CRM is read into and every ERP is written from.

Amounts are Decimals in the transaction currency of their record, in its major unit (EUR, not cents). Times are aware
and UTC. CRM ids are in their 18-character form.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field

from prefect_crm_erp.models.exchange import Valuation
from prefect_crm_erp.models.money import Amount

_GIVEN: Final[dict[frozenset[str], set[str]]] = {}
"""Names of fields that records were given, each set of them once."""


class Record(BaseModel):
    """Base of the canonical records: frozen; change a copy with `model_copy(update=…)`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def model_post_init(self, context: Any, /) -> None:
        """Share the names of the fields that were given: a set of its own is two fifths of what a record takes."""
        self._share_names()

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with other values, which are not validated."""
        copied = super().model_copy(update=update, deep=deep)
        copied._share_names()
        return copied

    def _share_names(self) -> None:
        given = self.__pydantic_fields_set__
        object.__setattr__(self, "__pydantic_fields_set__", _GIVEN.setdefault(frozenset(given), given))


class DealSource(StrEnum):
    """What becomes orders: records of the CRM, or lines of a file from the field."""

    CLOSED_WON = "closed-won opportunities"
    ACCEPTED_QUOTES = "accepted quotes"
    ACTIVATED_ORDERS = "activated orders"
    BATCH_FILES = "batch files"


class Address(Record):
    """A postal address. From a CRM as typed by people; after `convert` with ISO 3166 codes."""

    street: str | None = None
    city: str | None = None
    state: str | None = Field(
        default=None, description="As typed, or after conversion the ISO 3166-2 code without its country: CA."
    )
    postal_code: str | None = None
    country: str | None = Field(
        default=None, description="As typed, or after conversion the ISO 3166-1 alpha-2 code: US."
    )

    @property
    def is_empty(self) -> bool:
        """Whether no part of it is filled."""
        return not any((self.street, self.city, self.state, self.postal_code, self.country))


class AccountStatus(Record):
    """The read-only mirror of an ERP's customer on a CRM account, and how its sync went.

    Amounts are in the currency of the customer's company in the ERP.
    """

    erp_customer_number: str | None = None
    erp_credit_limit: Amount | None = None
    erp_outstanding: Amount | None = Field(default=None, description="Open balance: invoiced and not yet paid.")
    erp_credit_used: Amount | None = Field(
        default=None, description="Open balance plus orders that are not yet invoiced."
    )
    erp_credit_currency: str | None = Field(default=None, description="ISO 4217 code of the three amounts.")
    erp_payment_terms: str | None = None
    erp_sync_status: str | None = None
    erp_sync_error: str | None = None


class AccountSales(Record):
    """What an account shows of its invoices and payments, read-only. Amounts are in the account's currency."""

    erp_sales_this_year: Amount | None = Field(
        default=None, description="Invoiced without tax, less credit memos, in the company's running fiscal year."
    )
    erp_sales_last_year: Amount | None = Field(default=None, description="The same in the fiscal year before.")
    erp_open_balance: Amount | None = Field(default=None, description="Invoiced and not yet paid, less credit.")
    erp_overdue_balance: Amount | None = Field(
        default=None,
        description="Open on documents whose due date is past; credit that is not applied lowers none of it.",
    )
    erp_days_overdue: int | None = Field(default=None, description="Days since the oldest due date that is past.")
    erp_days_to_pay: Amount | None = Field(
        default=None, description="Days from invoice to full payment, on average, with one decimal place."
    )
    erp_last_invoice_on: date | None = None
    erp_last_invoice_number: str | None = None
    erp_last_invoice_status: str | None = Field(default=None, description="As `InvoiceStatus` names it.")
    erp_last_invoice_terms: str | None = Field(default=None, description="Payment terms of the last invoice.")
    erp_average_order: Amount | None = Field(default=None, description="Average of the invoiced orders without tax.")


class Contact(Record):
    """A person at an account, as the CRM or the ERP knows them."""

    key: str | None = Field(default=None, description="18-character id of the CRM contact.")
    account_key: str | None = Field(default=None, description="18-character id of the CRM account of the contact.")
    first_name: str | None = None
    last_name: str | None = None
    title: str | None = Field(default=None, description="Position in the company, like Head of Accounting.")
    email: str | None = None
    phone: str | None = None
    erp_id: str | None = Field(default=None, description="The ERP's own id, where contacts are records of their own.")
    modified_at: datetime | None = None

    @property
    def full_name(self) -> str:
        """First and last name."""
        return " ".join(part for part in (self.first_name, self.last_name) if part)


class Account(Record):
    """A CRM account: the buyer of a deal."""

    crm_id: str
    name: str | None = None
    type: str | None = None
    billing: Address = Address()
    shipping: Address = Address()
    phone: str | None = None
    email: str | None = Field(default=None, description="E-mail address of the account or of its billing contact.")
    vat_number: str | None = None
    payment_terms: str | None = None
    currency: str | None = None
    subsidiary: str | None = None
    parent_id: str | None = None
    owner_id: str | None = Field(default=None, description="18-character id of the user who owns it.")
    erp_id: str | None = None
    push_to_erp: bool = True
    contacts: tuple[Contact, ...] = Field(default=(), description="The contacts that travel to the ERP, oldest first.")
    is_deleted: bool = Field(default=False, description="Whether it lies in the CRM's recycle bin.")
    merged_into: str | None = Field(
        default=None, description="18-character id of the account that it was merged into, for a deleted one."
    )
    shown: AccountStatus = Field(default=AccountStatus(), description="What the CRM shows of the ERP's customer now.")
    modified_at: datetime | None = None
    custom: dict[str, Any] = Field(
        default_factory=dict, description="Values of the CRM fields that the field map adds."
    )


class DealLine(Record):
    """One line of an opportunity, a quote or an order, as the CRM shows it."""

    crm_id: str
    sku: str | None = None
    product_id: str | None = None
    product_name: str | None = None
    description: str | None = None
    quantity: Amount
    unit_price: Amount = Field(description="Price of one unit before the discount.")
    list_price: Amount | None = Field(
        default=None, description="Price of one unit by the price book, where the CRM tells it."
    )
    discount_percent: Amount = Decimal(0)
    amount: Amount = Field(description="Line total after the line's discount, as the CRM shows it.")
    unit: str | None = Field(default=None, description="Unit of measure as the CRM names it.")
    place: str | None = Field(default=None, description="Where it stands, for people, when not by its position.")
    currency: str | None = Field(default=None, description="Currency of the price-book entry that the price is from.")
    product_line: str | None = Field(
        default=None, description="Product line or family of the product, where the routing asks for it."
    )
    custom: dict[str, Any] = Field(default_factory=dict)

    def named(self, position: int) -> str:
        """The line as people find it: its place, or its position from 1, and its product."""
        return f"{self.place or f'Line {position}'} ({self.product_name or self.description or 'without a product'})"


class Deal(Record):
    """What was sold: an opportunity, a quote or an order of the CRM, with its buyer and lines."""

    crm_id: str
    source: DealSource
    name: str = ""
    number: str | None = Field(default=None, description="Number that people know it by (quotes and orders have one).")
    account: Account | None = None
    currency: str | None = None
    lines: tuple[DealLine, ...] = ()
    header_discount_percent: Amount = Decimal(0)
    shipping: Amount = Decimal(0)
    tax: Amount | None = Field(default=None, description="Tax that the CRM shows; None when it shows none.")
    total: Amount | None = Field(
        default=None, description="Total that the CRM shows, with tax and shipping where it has them."
    )
    closed_on: date | None = None
    customer_reference: str | None = Field(default=None, description="The buyer's purchase-order number.")
    shipping_address: Address = Address()
    opportunity_id: str | None = None
    opportunity_stage: str | None = None
    owner_id: str | None = None
    owner_name: str | None = None
    owner_region: str | None = Field(default=None, description="Region of the owner, where the routing asks for it.")
    record_type: str | None = Field(default=None, description="Name of the record type, where the routing asks for it.")
    push_to_erp: bool = True
    erp_id: str | None = None
    erp_order_number: str | None = None
    erp_status: str | None = None
    erp_amount: Amount | None = None
    erp_sync_status: str | None = None
    erp_sync_error: str | None = None
    valuation: Valuation = Field(
        default=Valuation(), description="What the CRM shows of its value beyond its currency."
    )
    modified_at: datetime | None = None
    custom: dict[str, Any] = Field(default_factory=dict)
    facts: dict[str, Any] = Field(
        default_factory=dict, description="Values of CRM fields that only the checks at order entry look at."
    )

    @property
    def label(self) -> str:
        """What people know it by: its number, its name, or both."""
        return " ".join(dict.fromkeys(part for part in (self.number, self.name) if part))


class Company(Record):
    """A legal entity in an ERP, with books of its own."""

    id: str
    name: str
    code: str | None = None
    currency: str


class Customer(Record):
    """A customer of an ERP."""

    key: str | None = Field(default=None, description="18-character id of the CRM account that it belongs to.")
    erp_id: str | None = None
    number: str | None = None
    name: str
    vat_number: str | None = None
    billing: Address = Address()
    shipping: Address = Address()
    phone: str | None = None
    email: str | None = None
    payment_terms: str | None = None
    currency: str | None = None
    other_keys: tuple[str, ...] = Field(
        default=(), description="Further CRM accounts that the ERP's customer is linked to."
    )
    companies: tuple[str, ...] = Field(
        default=(), description="ERP ids of the companies that sell to the customer; empty when all do."
    )
    contacts: tuple[Contact, ...] = Field(
        default=(), description="Contact persons that came from the CRM (those with a key), oldest first."
    )
    parent_id: str | None = Field(default=None, description="ERP id of the parent in the hierarchy of customers.")
    is_active: bool = Field(default=True, description="False for a customer that is closed or deactivated in the ERP.")
    modified_at: datetime | None = None
    custom: dict[str, Any] = Field(
        default_factory=dict, description="Values of the ERP fields that the field map adds."
    )


class Product(Record):
    """A product or service of an ERP's catalogue."""

    key: str = Field(description="The SKU.")
    erp_id: str | None = None
    name: str
    unit: str | None = Field(default=None, description="Sales unit as the ERP names it.")
    unit_symbol: str | None = None
    is_service: bool = False
    is_active: bool = True
    currency: str | None = None
    list_price: Amount | None = Field(default=None, description="Price of one sales unit, in `currency`.")
    modified_at: datetime | None = None
    custom: dict[str, Any] = Field(default_factory=dict)


class OrderLine(Record):
    """One line of a sales order, as it is sent to or read from the ERP."""

    product_id: str | None = Field(default=None, description="ERP id of the product.")
    sku: str | None = None
    description: str | None = None
    quantity: Amount
    unit_price: Amount = Field(
        description="Price of one unit after all discounts, in the decimal places that the ERP keeps."
    )
    list_price: Amount | None = Field(
        default=None, description="Price of one unit before all discounts, for the ERP to see what was given."
    )
    amount: Amount | None = Field(default=None, description="Line amount without tax.")
    custom: dict[str, Any] = Field(default_factory=dict)


class OrderStatus(StrEnum):
    """Where a sales order stands in the ERP."""

    DRAFT = "Draft"
    PENDING_APPROVAL = "Pending Approval"
    APPROVED = "Approved"
    ON_HOLD = "On Hold"
    PARTLY_SHIPPED = "Partly Shipped"
    SHIPPED = "Shipped"
    PARTLY_INVOICED = "Partly Invoiced"
    INVOICED = "Invoiced"
    CANCELLED = "Cancelled"

    @property
    def is_binding(self) -> bool:
        """Whether the order stands: neither a draft, nor waiting for an approval, nor cancelled."""
        return self not in (OrderStatus.DRAFT, OrderStatus.PENDING_APPROVAL, OrderStatus.CANCELLED)


class SalesOrder(Record):
    """A sales order of an ERP, in its transaction currency."""

    key: str = Field(
        description=(
            "18-character id of the CRM record that it comes from, with the place of the order where that is divided; "
            "empty for an order that was born in the ERP."
        )
    )
    company_id: str
    customer_id: str = Field(description="ERP id of the customer.")
    currency: str
    order_date: date
    lines: tuple[OrderLine, ...] = ()
    customer_reference: str | None = None
    description: str | None = None
    payment_terms: str | None = None
    price_list: str | None = Field(default=None, description="Price list that it is to name, as the ERP calls it.")
    tax_rule: str | None = Field(default=None, description="Rule that it is to be taxed by, as the ERP calls it.")
    billing: Address = Address()
    shipping: Address = Address()
    erp_id: str | None = None
    number: str | None = None
    status: OrderStatus | None = None
    untaxed: Amount | None = Field(default=None, description="Total without tax, as the ERP computed it.")
    tax: Amount | None = None
    total: Amount | None = Field(default=None, description="Total with tax, as the ERP computed it.")
    created_at: datetime | None = None
    created_by: str | None = Field(default=None, description="Name of the ERP's user who entered it.")
    pending_since: datetime | None = Field(default=None, description="When it began to wait for an approval.")
    submitted_at: datetime | None = Field(
        default=None, description="When it was put up for approval, the last time, also of one that is approved by now."
    )
    approved_at: datetime | None = Field(default=None, description="When it became binding in the ERP.")
    modified_at: datetime | None = None
    custom: dict[str, Any] = Field(default_factory=dict)
