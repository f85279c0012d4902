"""What every CRM connection can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import partial
from typing import Any, ClassVar, Self, TypeVar

from prefect.blocks.abstract import CredentialsBlock
from pydantic import Field

from prefect_crm_erp.blocks.crm.under_way import HandedIn, UnderWay
from prefect_crm_erp.blocks.form import OrderedForm
from prefect_crm_erp.blocks.http import CallCount
from prefect_crm_erp.models.capabilities import SystemInfo
from prefect_crm_erp.models.errors import ConnectorError, UnsupportedRecordError
from prefect_crm_erp.models.exchange import CrmRates
from prefect_crm_erp.models.field_entries import Collected
from prefect_crm_erp.models.paging import Cursor, Page
from prefect_crm_erp.models.prices import PriceBook, PriceChange, PricedProduct
from prefect_crm_erp.models.records import Account, Contact, Customer, Deal, DealSource

E = TypeVar("E", bound=Collected)


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


class CRM(OrderedForm, CredentialsBlock, ABC):
    """Base of the CRM connections."""

    system: ClassVar[str]

    timeout_seconds: float = Field(
        default=60, gt=0, title="Timeout", description="Longest wait for an answer of the system, in seconds."
    )

    @property
    @abstractmethod
    def calls(self) -> CallCount:
        """Requests sent since the connection was opened, and the system's own count of its daily limit."""

    @abstractmethod
    def check(self) -> SystemInfo:
        """Sign in and say who and what is there.

        Raises:
            AuthenticationError: The credentials were refused.
            ConfigurationError: The address or the user's rights are wrong.
            TransientError: The system cannot be reached.
        """

    @abstractmethod
    def missing_fields(self, source: DealSource, custom: CustomFields) -> list[str]:
        """Fields that a run needs and the CRM does not have (or does not show to the user), as `Object.Field`."""

    @abstractmethod
    def deals(
        self,
        source: DealSource,
        *,
        since: Cursor | None = None,
        overlap: timedelta = timedelta(minutes=10),
        ids: Collection[str] | None = None,
        custom: CustomFields = CustomFields(),
        page_size: int = 200,
    ) -> Iterator[Page[Deal]]:
        """Read deals with their account and lines, page by page, ordered by (modified, id).

        Args:
            source: Which CRM records are deals.
            since: Only deals modified at or after this place, less the overlap; None for all.
            overlap: How far back of `since` to read again: rows become visible late and clocks differ.
            ids: Just these records (15 or 18 characters), whether or not the source's condition still holds for
                them; those that do not exist are left out. `since` is then ignored.
            custom: Further fields to read into `custom` of deals, accounts and lines, and into `facts` of deals.
            page_size: Deals of one page.

        Yields:
            Pages; their `cursor` is the place of their last record, `expected` the number of deals of the stream.
        """

    @abstractmethod
    def open_deals(self, custom: CustomFields = CustomFields(), page_size: int = 200) -> Iterator[Page[Deal]]:
        """Opportunities that are neither won nor lost yet, with their account and lines.

        Args:
            custom: Further fields to read.
            page_size: Deals of one page.

        Yields:
            Pages; `expected` is the number of open deals.
        """

    @abstractmethod
    def won_deals(
        self, first: date, last: date, custom: CustomFields = CustomFields(), page_size: int = 200
    ) -> Iterator[Page[Deal]]:
        """Opportunities that are closed and won with a close date in a span of days, with their account and lines.

        Args:
            first: The first day.
            last: The last day.
            custom: Further fields to read.
            page_size: Deals of one page.

        Yields:
            Pages; `expected` is the number of these deals.
        """

    @abstractmethod
    def is_deal(self, deal: Deal) -> bool:
        """Whether the source's condition holds for a deal as it was read (closed and won, accepted, activated)."""

    @abstractmethod
    def accounts(self, ids: Collection[str], custom: CustomFields = CustomFields()) -> list[Account]:
        """Read accounts by id."""

    @property
    def clock_offset(self) -> timedelta:
        """How far the system's clock is ahead of ours, by its last answer; zero while it has not said."""
        return timedelta(0)

    @abstractmethod
    def account_pages(
        self,
        *,
        since: Cursor | None = None,
        overlap: timedelta = timedelta(minutes=10),
        ids: Collection[str] | None = None,
        contacts: ContactScope = ContactScope.NONE,
        custom: CustomFields = CustomFields(),
        page_size: int = 200,
    ) -> Iterator[Page[Account]]:
        """Read accounts with their contacts, those in the recycle bin included, ordered by (modified, id).

        Args:
            since: Only accounts modified, deleted, undeleted or merged at or after this place, less the overlap; None
                for all that are not deleted.
            overlap: How far back of `since` to read again.
            ids: Just these accounts (15 or 18 characters), deleted ones included; those that do not exist (any more)
                are left out. `since` is then ignored, and pages have neither cursor nor expected number.
            contacts: Which contacts to read into `contacts`. The billing contact is the one whose title or department
                says so, else the oldest one with an e-mail address.
            custom: Further account fields to read into `custom`.
            page_size: Accounts of one page.

        Yields:
            Pages; their `cursor` is the place of their last record, `expected` the number of accounts of the stream.
        """

    @abstractmethod
    def contact_accounts(
        self, *, since: Cursor, overlap: timedelta = timedelta(minutes=10), page_size: int = 2000
    ) -> Iterator[Page[Contact]]:
        """Contacts modified, deleted or undeleted since a place: only `key`, `account_key` and `modified_at` are set.

        They tell which accounts have to be looked at again. A contact without account is left out; one that has moved
        to another account is given for the new one.
        """

    @abstractmethod
    def child_accounts(self, ids: Collection[str]) -> list[str]:
        """Ids of the living accounts whose parent is one of these, in the order of ids."""

    @abstractmethod
    def account_candidates(self, customers: Sequence[Customer]) -> list[Account]:
        """Accounts that might be one of these customers: same VAT number, same postal code or a like name.

        A generous search; which of them really match is decided by the caller.
        """

    @abstractmethod
    def missing_account_fields(self, custom: CustomFields, writable_custom: Collection[str] = ()) -> list[str]:
        """As `missing_fields`, for a run over accounts and their contacts.

        Args:
            custom: Further account fields that are read.
            writable_custom: Those of them that are written too.
        """

    def missing_choices(self, values: Mapping[str, Collection[str]]) -> list[str]:
        """Values that an account's field, having a closed list of others, does not take: `Account.Field = 'value'`.

        Args:
            values: Names of canonical account fields with the values that are wanted.
        """
        return []

    @abstractmethod
    def upsert_accounts(self, accounts: Sequence[Account]) -> list[Upserted]:
        """Create accounts, or update those that carry the same `erp_id`: twice the same call makes no second account.

        Returns:
            One result for each account, in the same order.

        Raises:
            TransientError: The system is not available; the same call may be made again.
        """

    @abstractmethod
    def write_back(self, updates: Sequence[Update]) -> list[UpdateResult]:
        """Write values back, in as few calls as the CRM allows; one refused row does not stop the others.

        Returns:
            One result for each update, in the same order; `GoneRecordError` for a record that is not there any more.

        Raises:
            TransientError: The system is not available. The values are idempotent: the same call may be made again.
        """

    def missing_document_fields(self, objects: Collection[DocumentObject]) -> list[str]:
        """As `missing_fields`, for the read-only copies of an ERP's documents and the records that they hang on.

        Args:
            objects: What a run writes. What accounts show of invoices and payments is asked for with these, what
                opportunities show of orders, deliveries and invoices with those.
        """
        raise UnsupportedRecordError(f"{self.system} does not keep documents of an ERP", system=self.system)

    def write_documents(self, rows: Sequence[DocumentRow]) -> list[Upserted]:
        """Create read-only copies, or bring those with the same `erp_id` to these values; parents go first.

        In as few calls as the CRM allows, by its bulk interface where there are many; a refused row does not stop the
        others, but a row whose parent was refused in the same call is refused with it.

        Returns:
            One result for each row, in the same order. `MissingReferenceError` for a link that leads nowhere: it waits.

        Raises:
            TransientError: The system is not available. The same call may be made again.
        """
        raise UnsupportedRecordError(f"{self.system} does not keep documents of an ERP", system=self.system)

    def hand_in_documents(self, rows: Sequence[DocumentRow]) -> HandedIn:
        """As `write_documents`, in three steps: something else can be done while the CRM is at work.

        Handed in, the CRM has rows of many documents, and has changed nothing. Begun, the documents themselves have
        been answered for; what belongs to them may be under way. Finished, all rows are through.

        Raises:
            TransientError: The system is not available. The same call may be made again.
        """
        return HandedIn(partial(self._written_at_once, rows))

    def _written_at_once(self, rows: Sequence[DocumentRow]) -> UnderWay:
        results = self.write_documents(rows)
        return UnderWay(dict(enumerate(results)), lambda: results)

    def delete_documents(self, object: DocumentObject, erp_ids: Sequence[str]) -> list[Upserted]:
        """Delete copies by their `erp_id`, with what belongs to them; one that is not there counts as done."""
        raise UnsupportedRecordError(f"{self.system} does not keep documents of an ERP", system=self.system)

    def missing_field_entry_fields(self) -> list[str]:
        """As `missing_fields`, for payments and returns that representatives record in the field."""
        raise UnsupportedRecordError(f"{self.system} keeps no entries of the field", system=self.system)

    def field_entries(
        self, kind: type[E], ids: Collection[str] | None = None, page_size: int = 200
    ) -> Iterator[Page[E]]:
        """Payments (`CollectedPayment`) or returns (`CollectedReturn`) that were recorded in the field.

        Args:
            kind: Which.
            ids: Just these records (15 or 18 characters); those that do not exist, or are of the other kind, are left
                out. None for all that have not become anything in the ERP yet, the oldest first.
            page_size: Records of one page.

        Raises:
            UnsupportedRecordError: The CRM keeps no such records.
            TransientError: The system is not available.
        """
        raise UnsupportedRecordError(f"{self.system} keeps no entries of the field", system=self.system)

    def currency_rates(self, since: date) -> CrmRates:
        """The CRM's currencies and its own rates.

        Args:
            since: Of dated rates only those that hold on this day or later.

        Raises:
            ConfigurationError: The CRM has only one currency, and nobody says which.
            UnsupportedRecordError: The CRM knows no rates.
            TransientError: The system is not available.
        """
        raise UnsupportedRecordError(f"{self.system} keeps no exchange rates", system=self.system)

    def write_rates(self, changes: Sequence[RateChange]) -> list[Upserted]:
        """Bring rates to these values, in few calls; one refused row does not stop the others.

        Returns:
            One result for each change, in the same order. `MissingReferenceError` for a currency that the CRM lacks.

        Raises:
            TransientError: The system is not available. The same call may be made again.
        """
        raise UnsupportedRecordError(f"{self.system} keeps no exchange rates", system=self.system)

    def price_books(self, names: Collection[str]) -> dict[str, list[PriceBook]]:
        """Price books with exactly these names, whatever the case, by the name given; the standard one is none of them.

        Raises:
            UnsupportedRecordError: The CRM has no price books.
            TransientError: The system is not available.
        """
        raise UnsupportedRecordError(f"{self.system} keeps no price books", system=self.system)

    def add_price_book(self, name: str) -> PriceBook:
        """Make an active price book, whether or not there is one of this name.

        Raises:
            RejectedRecordError: The system does not take it.
            TransientError: The system is not available. After `UnknownOutcomeError` look for the book before this is
                called again.
        """
        raise UnsupportedRecordError(f"{self.system} keeps no price books", system=self.system)

    def price_pages(self, books: Collection[str] = (), page_size: int = 200) -> Iterator[Page[PricedProduct]]:
        """Active products that have a SKU, with their prices in the standard price book and in others, ordered by id.

        Args:
            books: 18-character ids of the others.
            page_size: Products of one page.

        Raises:
            UnsupportedRecordError: The CRM has no list prices.
            TransientError: The system is not available.
        """
        raise UnsupportedRecordError(f"{self.system} keeps no list prices", system=self.system)

    def write_prices(self, changes: Sequence[PriceChange]) -> list[Upserted]:
        """Change list prices, and add those that are missing; one refused row does not stop the others.

        Standard prices go first: where a CRM has no other price of a product without one, it gets both in one call.

        Returns:
            One result for each change, in the same order.

        Raises:
            TransientError: The system is not available. The same call may be made again.
        """
        raise UnsupportedRecordError(f"{self.system} keeps no list prices", system=self.system)

    def product_ids(self, skus: Collection[str]) -> dict[str, str]:
        """18-character ids of the CRM's products by SKU; SKUs that it does not have, or has twice, are left out."""
        return {}

    def people(self, user_ids: Collection[str]) -> dict[str, Person]:
        """Users by 18-character id, each with its manager; ids that are no users are left out."""
        return {}

    def people_named(self, names: Collection[str]) -> dict[str, list[Person]]:
        """Users whose user name or e-mail address is one of these, whatever the case; by the name as it was given."""
        return {}

    def accounts_named(self, names: Collection[str]) -> dict[str, list[str]]:
        """18-character ids of the living accounts with exactly these names, whatever the case; by the name given."""
        return {}

    def owners(self, accounts: Collection[str]) -> dict[str, Person]:
        """Owners of accounts by the 18-character ids of these; accounts that are gone are left out."""
        return {}

    @abstractmethod
    def url(self, record_id: str) -> str:
        """Address under which a person opens the record."""

    def get_client(self) -> Self:
        """The connection itself: its verbs are its methods."""
        return self
