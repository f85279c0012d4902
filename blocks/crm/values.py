"""What goes to a CRM connection and comes back from it, besides canonical records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any

from prefect_crm_erp.models.errors import ConnectorError
from prefect_crm_erp.models.records import DealSource


class CrmObject(StrEnum):
    """CRM objects that a flow writes back to, in the words of the business."""

    ACCOUNT = "account"
    OPPORTUNITY = "opportunity"
    QUOTE = "quote"
    ORDER = "order"
    PRODUCT = "product"
    CONTACT = "contact"
    FIELD_PAYMENT = "field payment"
    FIELD_RETURN = "field return"


OBJECT_OF_SOURCE = {
    DealSource.CLOSED_WON: CrmObject.OPPORTUNITY,
    DealSource.ACCEPTED_QUOTES: CrmObject.QUOTE,
    DealSource.ACTIVATED_ORDERS: CrmObject.ORDER,
}


@dataclass(frozen=True, slots=True)
class Update:
    """Values to write back to one CRM record.

    Attributes:
        object: Which object.
        record_id: 18-character id.
        values: Canonical field to value: `erp_order_number`, `erp_status`, `erp_amount`, `erp_sync_status`,
            `erp_sync_error`, `erp_id`, `stage`, `type`. For accounts also the fields of `Account` that people maintain
            (`name`, `phone`, `vat_number`, `payment_terms`, `billing` and `shipping` as whole `Address` records,
            `parent_id`), those of `AccountStatus`, and `custom`, a mapping of the CRM's own field names. For contacts
            `first_name`, `last_name`, `title`, `email` and `phone`. For payments and returns of the field `erp_id`,
            `erp_number`, `erp_status`, `erp_url`, `erp_sync_status` and `erp_sync_error`.
    """

    object: CrmObject
    record_id: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class UpdateResult:
    """What became of one `Update`; `error` is None when it was taken."""

    update: Update
    error: ConnectorError | None = None


@dataclass(frozen=True, slots=True)
class Upserted:
    """What became of one record that was created, updated or deleted by its ERP id.

    Attributes:
        crm_id: 18-character id of the record; None when it was refused, and for documents also when the CRM does not
            tell (a bulk job, or nothing to delete): `error` says whether a record was taken.
        created: Whether it is new; False when the CRM does not tell.
        error: Why it was refused; None when it was taken.
    """

    crm_id: str | None
    created: bool = False
    error: ConnectorError | None = None


@dataclass(frozen=True, slots=True)
class RateChange:
    """A rate as it is to stand in the CRM.

    Attributes:
        currency: ISO 4217 code.
        rate: Units of it for one of the corporate currency, in the decimal places that the CRM keeps.
        valid_from: The day from which it holds; None for the rate that the CRM uses where it knows no dates.
    """

    currency: str
    rate: Decimal
    valid_from: date | None = None


class DocumentObject(StrEnum):
    """What a CRM shows, read-only, of an ERP's documents; parents stand before what belongs to them."""

    ORDER = "order"
    ORDER_LINE = "order line"
    DELIVERY = "delivery"
    DELIVERY_LINE = "delivery line"
    INVOICE = "invoice"
    INVOICE_LINE = "invoice line"
    PAYMENT = "payment"
    PAYMENT_APPLICATION = "payment application"


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """One record of a read-only copy, as it is to stand in the CRM.

    Attributes:
        object: Which object.
        erp_id: Reference of the ERP's record, unique in the CRM and the key that it is created or updated by.
        values: Canonical field to value: those of `SalesOrder`, `Delivery`, `Invoice`, `Payment` and of their lines;
            fields that are left out stay as they are, None empties one. Links are given as `account_id`,
            `opportunity_id` and `product_id` (18-character ids), and as `order`, `delivery`, `invoice` and `payment`
            (the `erp_id` of another document); a line names what it belongs to when it is new. Besides: `url` (where
            the ERP shows the document), `company` (name of the company that it is of), `order_numbers` (text with the
            numbers of all orders of a delivery or invoice), `position` (place of any line on its document).
        currency: ISO 4217 code of the record's amounts, in a multi-currency org.
    """

    object: DocumentObject
    erp_id: str
    values: Mapping[str, Any]
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """A user of the CRM, with whom to speak when the user does not answer."""

    id: str
    name: str
    email: str | None = None
    is_active: bool = True
    manager: Person | None = None
    username: str | None = None
    department: str | None = None


class ContactScope(StrEnum):
    """Which contacts of an account travel to the ERP."""

    NONE = "no contacts"
    BILLING = "the billing contact"
    ALL = "all contacts"


@dataclass(frozen=True, slots=True)
class RoutingFields:
    """What routing rules ask of deals besides what is read anyway; nothing is read that no rule asks for.

    Attributes:
        record_types: Record types that rules name.
        product_lines: Product lines that rules name.
        product_line_field: Product field with the product line, as the CRM spells it.
        owner_regions: Regions that rules name.
        owner_region_field: User field with the owner's region, dotted for related records.
    """

    record_types: tuple[str, ...] = ()
    product_lines: tuple[str, ...] = ()
    product_line_field: str = ""
    owner_regions: tuple[str, ...] = ()
    owner_region_field: str = ""

    def together_with(self, other: RoutingFields) -> RoutingFields | None:
        """What two policies ask for, in one; None when they look at different fields."""
        if self.product_lines and other.product_lines and self.product_line_field != other.product_line_field:
            return None
        if self.owner_regions and other.owner_regions and self.owner_region_field != other.owner_region_field:
            return None
        return RoutingFields(
            tuple(dict.fromkeys([*self.record_types, *other.record_types])),
            tuple(dict.fromkeys([*self.product_lines, *other.product_lines])),
            self.product_line_field if self.product_lines else other.product_line_field,
            tuple(dict.fromkeys([*self.owner_regions, *other.owner_regions])),
            self.owner_region_field if self.owner_regions else other.owner_region_field,
        )


@dataclass(frozen=True, slots=True)
class CustomFields:
    """CRM fields that a customer's policies add, by record: names as the CRM spells them.

    Attributes:
        account: Read into `custom` of accounts, as `deal` and `line` are for theirs.
        facts: Of deals, read into `facts`: what only checks look at.
        routing: What the routing rules ask of deals.
    """

    account: tuple[str, ...] = ()
    deal: tuple[str, ...] = ()
    line: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    routing: RoutingFields = RoutingFields()
