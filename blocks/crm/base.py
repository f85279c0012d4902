"""What every CRM connection can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from typing import ClassVar, Self, TypeVar

from prefect.blocks.abstract import CredentialsBlock
from pydantic import Field

from prefect_crm_erp.blocks.crm.under_way import HandedIn, UnderWay
from prefect_crm_erp.blocks.crm.values import (
    ContactScope,
    CustomFields,
    DocumentObject,
    DocumentRow,
    Person,
    RateChange,
    Update,
    UpdateResult,
    Upserted,
)
from prefect_crm_erp.blocks.form import OrderedForm
from prefect_crm_erp.blocks.http import CallCount
from prefect_crm_erp.models.capabilities import SystemInfo
from prefect_crm_erp.models.errors import UnsupportedRecordError
from prefect_crm_erp.models.exchange import CrmRates
from prefect_crm_erp.models.field_entries import Collected
from prefect_crm_erp.models.paging import Cursor, Page
from prefect_crm_erp.models.prices import PriceBook, PriceChange, PricedProduct
from prefect_crm_erp.models.records import Account, Contact, Customer, Deal, DealSource

E = TypeVar("E", bound=Collected)


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
