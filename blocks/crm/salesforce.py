"""Salesforce as the CRM: opportunities, quotes and orders are read over REST, results are written back to them."""

from __future__ import annotations

import re
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, HttpUrl, PrivateAttr, SecretStr, field_validator, model_validator

from prefect_crm_erp.blocks.crm._salesforce_accounts import AccountReader
from prefect_crm_erp.blocks.crm._salesforce_auth import LOGIN_HOSTS, SignIn
from prefect_crm_erp.blocks.crm._salesforce_candidates import account_candidates
from prefect_crm_erp.blocks.crm._salesforce_connection import Connection
from prefect_crm_erp.blocks.crm._salesforce_documents import DocumentWriter, delete_documents
from prefect_crm_erp.blocks.crm._salesforce_errors import SYSTEM
from prefect_crm_erp.blocks.crm._salesforce_field_entries import FieldEntries
from prefect_crm_erp.blocks.crm._salesforce_lookups import (
    accounts_named,
    owners,
    people,
    people_named,
    product_ids,
)
from prefect_crm_erp.blocks.crm._salesforce_plan import AUTO, Policy
from prefect_crm_erp.blocks.crm._salesforce_prices import Prices
from prefect_crm_erp.blocks.crm._salesforce_rates import Rates
from prefect_crm_erp.blocks.crm._salesforce_read import Reader
from prefect_crm_erp.blocks.crm._salesforce_write import upsert_accounts, write_back
from prefect_crm_erp.blocks.crm.base import CRM, E
from prefect_crm_erp.blocks.crm.under_way import HandedIn
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
from prefect_crm_erp.blocks.form import LOGO_URL
from prefect_crm_erp.blocks.http import CallCount, web_origin
from prefect_crm_erp.models.capabilities import SystemInfo
from prefect_crm_erp.models.errors import ConfigurationError
from prefect_crm_erp.models.exchange import CrmRates
from prefect_crm_erp.models.paging import Cursor, Page
from prefect_crm_erp.models.prices import PriceBook, PriceChange, PricedProduct
from prefect_crm_erp.models.records import Account, Contact, Customer, Deal, DealSource

_LIGHTNING = re.compile(r"\.lightning\.force\.com$")


class _Lazy:
    """Holds a block's connection once it is open; copies of the block and other processes open their own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: Connection | None = None

    def connection(self, sign_in: SignIn) -> Connection:
        """The open connection; a new one when the block's credentials have changed."""
        with self._lock:
            if self._connection is None or self._connection.sign_in != sign_in:
                self._connection = Connection(sign_in)
            return self._connection

    def __reduce__(self) -> tuple[type[_Lazy], tuple[()]]:
        return type(self), ()


class Salesforce(CRM):
    """Connection to a Salesforce org.

    There are three ways to sign in; fill in the fields of one of them:

    - JWT bearer: consumer key, private key and user name,
    - client credentials: consumer key and consumer secret,
    - user name, password and security token (Salesforce retires this one in summer 2027).

    A ready session id works too, as long as it lives.

    Example:
        Read the closed-won opportunities of an org:

        ```python
        from prefect_crm_erp.blocks.crm.salesforce import Salesforce
        from prefect_crm_erp.models.records import DealSource

        salesforce = Salesforce.load("BLOCK_NAME")
        for page in salesforce.deals(DealSource.CLOSED_WON):
            for deal in page:
                print(deal.name, deal.total, deal.currency)
        ```
    """

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    _block_type_name = "Salesforce CRM"
    _block_type_slug = "salesforce-crm"
    _logo_url = LOGO_URL
    _documentation_url = HttpUrl("https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/")

    system: ClassVar[str] = SYSTEM

    instance_url: str = Field(
        title="Address",
        description="The org's My Domain address, like https://acme.my.salesforce.com (Setup > My Domain).",
    )
    username: str | None = Field(
        default=None,
        title="User name",
        description="User that the integration works as; needed with a password and with a private key.",
    )
    password: SecretStr | None = Field(
        default=None, title="Password", description="Password of the user, for signing in by user name and password."
    )
    security_token: SecretStr | None = Field(
        default=None,
        title="Security token",
        description="The user's security token; not needed from networks that the org trusts.",
    )
    consumer_key: str | None = Field(
        default=None,
        title="Consumer key",
        description="Consumer key (client id) of the external client app or connected app.",
    )
    consumer_secret: SecretStr | None = Field(
        default=None,
        title="Consumer secret",
        description="Consumer secret of the app, for signing in by client credentials.",
    )
    private_key: SecretStr | None = Field(
        default=None,
        title="Private key",
        description="Private key (PEM) whose certificate the app holds, for signing in by JWT bearer.",
    )
    session_id: SecretStr | None = Field(
        default=None,
        title="Session id",
        description="A ready session id instead of credentials; it ends with the session.",
    )
    api_version: str = Field(
        default="64.0",
        pattern=r"^\d{2}\.0$",
        title="API version",
        description="Version of the Salesforce API, like 64.0.",
    )
    ca_file: Path | None = Field(
        default=None,
        title="CA file",
        description="PEM file with the certificates to trust instead of the public authorities.",
    )
    payment_terms_field: str = Field(
        default=AUTO,
        title="Payment terms field",
        description="API name of the account field with the payment terms. "
        "'auto' takes Payment_Terms__c where the org has it, empty takes none.",
    )
    vat_number_field: str = Field(
        default=AUTO,
        title="VAT number field",
        description="API name of the account field with the VAT number. "
        "'auto' takes VAT_Number__c where the org has it, empty takes none.",
    )
    header_discount_field: str = Field(
        default=AUTO,
        title="Header discount field",
        description="API name of the quote field with the discount on the whole quote, in percent. "
        "'auto' takes Header_Discount__c where the org has it, empty takes none.",
    )
    sku_field: str = Field(
        default="ProductCode",
        min_length=1,
        title="SKU field",
        description="API name of the product field with the SKU: ProductCode, StockKeepingUnit or one of your own.",
    )
    accepted_status: str = Field(
        default="Accepted", min_length=1, title="Accepted status", description="Status of an accepted quote."
    )
    currency: str | None = Field(
        default=None,
        pattern="^[A-Z]{3}$",
        title="Currency",
        description="Currency (ISO code, like USD) of an org that has only one; not used in a multi-currency org.",
    )
    read_emails: bool = Field(
        default=True,
        title="Read e-mail addresses",
        description="Whether the e-mail address of an account is taken from its contacts, those in finance first.",
    )

    _lazy: _Lazy = PrivateAttr(default_factory=_Lazy)

    @model_validator(mode="before")
    @classmethod
    def _empty_is_none(cls, values: Any) -> Any:
        """A form sends an empty text for a field that was left empty."""
        if not isinstance(values, dict):
            return values
        optional = {name for name, field in cls.model_fields.items() if field.default is None}
        return {name: None if name in optional and value == "" else value for name, value in values.items()}

    @field_validator("instance_url")
    @classmethod
    def _address(cls, text: str) -> str:
        address = text.strip()
        try:
            origin = web_origin(address if "://" in address else f"https://{address}").lower()
        except ConfigurationError as error:
            raise ValueError(error.message) from None
        host = urlsplit(origin).hostname or ""
        if origin.startswith("http:") and host.endswith((".salesforce.com", ".force.com")):
            raise ValueError("Salesforce is reached over https:// only")
        return f"https://{_LIGHTNING.sub('.my.salesforce.com', host)}" if _LIGHTNING.search(host) else origin

    @model_validator(mode="after")
    def _one_way_to_sign_in(self) -> Self:
        if self.session_id:
            self._require_own_address("A session id is")
            return self
        way, needed = self.way_to_sign_in([name for name in type(self).model_fields if getattr(self, name)])
        missing = [_title(name) for name in needed if not getattr(self, name)]
        if missing:
            every = ", ".join(_title(name) for name in needed)
            raise ValueError(f"Missing: {', '.join(missing)}. Signing in by {way} needs {every}")
        if way == "client credentials":
            self._require_own_address("Client credentials are")
        return self

    def _require_own_address(self, what: str) -> None:
        if urlsplit(self.instance_url).hostname in LOGIN_HOSTS:
            raise ValueError(f"{what} accepted at the org's My Domain address only; put it in Address")

    @classmethod
    def way_to_sign_in(cls, filled: Collection[str]) -> tuple[str, tuple[str, ...]]:
        """The way to sign in that the filled fields choose, and all fields that it needs.

        Args:
            filled: Names of the fields that have a value.

        Raises:
            ValueError: Two ways are filled in.
        """
        given = set(filled)
        if {"private_key", "consumer_secret"} <= given:
            raise ValueError("Fill in the private key or the consumer secret, not both: they are two ways to sign in")
        if "password" in given and given & {"private_key", "consumer_secret"}:
            raise ValueError("Fill in the password or the app's key or secret, not both: they are two ways to sign in")
        if "private_key" in given:
            return "JWT bearer", ("consumer_key", "private_key", "username")
        if "consumer_secret" in given or ("consumer_key" in given and "username" not in given):
            return "client credentials", ("consumer_key", "consumer_secret")
        if "consumer_key" in given and "password" not in given:
            return "JWT bearer", ("consumer_key", "private_key", "username")
        return "user name and password", ("username", "password")

    @property
    def calls(self) -> CallCount:
        """Requests sent since the connection was opened; `used` and `allowed` are the org's own of 24 hours."""
        return self._connection.calls

    def check(self) -> SystemInfo:
        """Sign in and say which org and which user it is.

        Raises:
            AuthenticationError: The credentials were refused.
            ConfigurationError: The address, the API version or the user's rights are wrong.
            TransientError: Salesforce cannot be reached.
        """
        rows = next(self._connection.query("SELECT Name, OrganizationType, IsSandbox, InstanceName FROM Organization"))
        org = rows.records[0]
        calls = self.calls
        details = {
            "Edition": f"{org['OrganizationType']}{' (sandbox)' if org['IsSandbox'] else ''}",
            "Instance": org["InstanceName"] or "",
            "API calls in 24 hours": f"{calls.used:,} of {calls.allowed:,}" if calls.used is not None else "unknown",
        }
        host = urlsplit(self._connection.session.origin).netloc
        return SystemInfo(f"{org['Name']} (Salesforce at {host})", self._user(), f"API {self.api_version}", details)

    def missing_fields(self, source: DealSource, custom: CustomFields) -> list[str]:
        """Fields that a run needs and the user does not see, as `Object.Field`; `Object.*` for a whole object.

        A field that the run writes and the user may not change has ` (read-only)` after its name; a restricted picklist
        that lacks a value has ` = 'value'`.

        Raises:
            ConfigurationError: When the org has only one currency and the block does not say which.
        """
        reader = self._reader
        return [*reader.planner.missing(source, custom), *reader.missing_record_types(source, custom.routing)]

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
        """Read deals with their account and lines; see `CRM.deals`.

        One query reads 2,000 deals with everything that belongs to them, and one more their accounts' e-mail addresses.
        Pages by id have neither cursor nor expected number.

        Raises:
            ConfigurationError: A field does not exist, or one of the ids is none.
        """
        if ids is not None:
            return self._reader.named(source, ids, custom, page_size)
        return self._reader.changed(source, since, overlap, custom, page_size)

    def open_deals(self, custom: CustomFields = CustomFields(), page_size: int = 200) -> Iterator[Page[Deal]]:
        """Opportunities that are neither won nor lost yet; see `CRM.open_deals`.

        Raises:
            ConfigurationError: A field does not exist.
        """
        return self._reader.still_open(custom, page_size)

    def won_deals(
        self, first: date, last: date, custom: CustomFields = CustomFields(), page_size: int = 200
    ) -> Iterator[Page[Deal]]:
        """Opportunities that are closed and won with a close date in a span of days; see `CRM.won_deals`.

        Raises:
            ConfigurationError: A field does not exist.
        """
        return self._reader.won(first, last, custom, page_size)

    def is_deal(self, deal: Deal) -> bool:
        """Whether the deal was closed and won, accepted or activated when it was read."""
        return self._policy.holds(deal)

    def accounts(self, ids: Collection[str], custom: CustomFields = CustomFields()) -> list[Account]:
        """Read accounts by id (15 or 18 characters); those that are gone are left out."""
        return self._reader.accounts(ids, custom)

    def write_back(self, updates: Sequence[Update]) -> list[UpdateResult]:
        """Write values back, 200 rows per call; see `CRM.write_back`.

        Several updates of one record travel as one row, the later values winning. Status, sync error and payment terms
        of the ERP are cut to the field's length; other texts that are too long are refused. A record that somebody else
        holds is tried again a few times. VAT number and payment terms of an account are left out where the org has no
        field for them, or one that the user may not change.
        """
        return write_back(self._connection, self._account_reader.planner, updates)

    @property
    def clock_offset(self) -> timedelta:
        """How far the org's clock is ahead of ours, by its last answer; zero while it has not said."""
        return self._connection.clock_offset

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
        """Read accounts with their contacts, deleted and merged ones included; see `CRM.account_pages`.

        One query reads 2,000 accounts with their contacts. `email` is not read: it is that of a contact.

        Raises:
            ConfigurationError: A field does not exist, or one of the ids is none.
        """
        if ids is not None:
            return self._account_reader.named(ids, contacts, custom, page_size)
        return self._account_reader.changed(since, overlap, contacts, custom, page_size)

    def contact_accounts(
        self, *, since: Cursor, overlap: timedelta = timedelta(minutes=10), page_size: int = 2000
    ) -> Iterator[Page[Contact]]:
        """Whose contacts were modified, deleted or undeleted since a place; see `CRM.contact_accounts`.

        Raises:
            ConfigurationError: The user does not see contacts or their accounts.
        """
        return self._account_reader.contacts(since, overlap, page_size)

    def child_accounts(self, ids: Collection[str]) -> list[str]:
        """Ids of the living accounts whose parent is one of these (15 or 18 characters)."""
        return self._account_reader.children(ids) if ids else []

    def account_candidates(self, customers: Sequence[Customer]) -> list[Account]:
        """Living accounts that might be one of these customers; see `CRM.account_candidates`.

        As many customers share a query as its length allows, which are some 40. Contacts are not read.
        """
        return account_candidates(self._connection, self._account_reader, customers)

    def missing_choices(self, values: Mapping[str, Collection[str]]) -> list[str]:
        """Values that the restricted picklist behind an account's field does not have, or has no longer."""
        return self._account_reader.planner.missing_choices(values)

    def missing_account_fields(self, custom: CustomFields, writable_custom: Collection[str] = ()) -> list[str]:
        """As `missing_fields`, for a run over accounts and their contacts.

        Fields that people maintain (name, phone, addresses) may be read-only: a run need not write them. Of contacts,
        the name and the account are needed; everything else is read where the user sees it.
        """
        return self._account_reader.planner.missing_for_accounts(custom, writable_custom)

    def upsert_accounts(self, accounts: Sequence[Account]) -> list[Upserted]:
        """Create accounts, or update those that carry the same `erp_id`, 200 rows per call; see `CRM.upsert_accounts`.

        Written is what is set in a record, but for its hierarchy and contacts; texts and fields are treated as in
        `write_back`. What a duplicate rule of the org stops is refused. Of several accounts with the same `erp_id` the
        later ones are refused before any request. A currency is written in a multi-currency org only.
        """
        return upsert_accounts(self._connection, self._account_reader.planner, accounts)

    def missing_document_fields(self, objects: Collection[DocumentObject]) -> list[str]:
        """As `missing_fields`, for copies of documents; see `CRM.missing_document_fields`.

        What an account shows of its invoices is asked for with invoices and payments, and what an opportunity shows of
        its order with everything but payments. All of it is in the metadata package, and its permission set lets the
        user write it.
        """
        return self._reader.planner.missing_for_documents(objects)

    def write_documents(self, rows: Sequence[DocumentRow]) -> list[Upserted]:
        """Create or update copies of documents; see `CRM.write_documents`.

        Fewer than 2,000 rows of one object travel 200 to a call, more of them in a bulk job, which costs three calls
        and a few looks at how far it is; what it has taken has no `crm_id` and no `created`. Words for people are cut
        to their field's length, other texts that are too long are refused. A currency is written in a multi-currency
        org only; the others refuse amounts in a currency that is not theirs. Of several rows with one key the first
        one counts. A record that somebody else holds is tried again a few times.

        Raises:
            ConfigurationError: The org lacks an object or field, or does not show it to the user.
            TransientError: Salesforce is not available, or a bulk job failed. The same call may be made again.
        """
        return self.hand_in_documents(rows).begin().finish()

    def hand_in_documents(self, rows: Sequence[DocumentRow]) -> HandedIn:
        """Create or update copies of documents, step by step; see `CRM.hand_in_documents` and `write_documents`."""
        return DocumentWriter(self._connection, self.currency).hand_in(rows)

    def delete_documents(self, object: DocumentObject, erp_ids: Sequence[str]) -> list[Upserted]:
        """Delete copies of documents, 200 to a call, with their lines; see `CRM.delete_documents`."""
        return delete_documents(self._connection, object, erp_ids)

    def missing_field_entry_fields(self) -> list[str]:
        """As `missing_fields`, for payments and returns of the field; all of it is in the metadata package."""
        return self._field_entries.missing()

    def field_entries(
        self, kind: type[E], ids: Collection[str] | None = None, page_size: int = 200
    ) -> Iterator[Page[E]]:
        """Payments or returns of the field, 2,000 in a query; see `CRM.field_entries`.

        Raises:
            ConfigurationError: The org lacks an object or field, or one of the ids is none.
        """
        return self._field_entries.pages(kind, ids, page_size)

    @property
    def _field_entries(self) -> FieldEntries:
        return FieldEntries(self._connection, lambda: self._reader.planner.sku_field, self.currency)

    def currency_rates(self, since: date) -> CrmRates:
        """Currencies with their rates, dated ones too where the org has Advanced Currency Management.

        Two calls, and in the first of a connection one more. An org with one currency has the rate 1.

        Raises:
            ConfigurationError: The org has only one currency and the block does not say which.
        """
        return Rates(self._connection, self.currency).read(since)

    def write_rates(self, changes: Sequence[RateChange]) -> list[Upserted]:
        """Change rates, and add dated ones, 200 to a call; see `CRM.write_rates`.

        The user needs the permission Customize Application. Currencies are not added: that is a person's decision.
        """
        return Rates(self._connection, self.currency).write(changes)

    def price_books(self, names: Collection[str]) -> dict[str, list[PriceBook]]:
        """Price books by name, archived ones too: Salesforce lets several have one name; see `CRM.price_books`."""
        return self._prices.books(names)

    def add_price_book(self, name: str) -> PriceBook:
        """Make an active price book; see `CRM.add_price_book`."""
        return self._prices.add_book(name)

    def price_pages(self, books: Collection[str] = (), page_size: int = 200) -> Iterator[Page[PricedProduct]]:
        """Active products with a SKU and their prices, both in the same calls; see `CRM.price_pages`."""
        return self._prices.pages(books, page_size)

    def write_prices(self, changes: Sequence[PriceChange]) -> list[Upserted]:
        """Change prices, and add those that are missing, 200 to a call: first in the standard price book.

        Salesforce itself refuses a second price of a product in one price book and currency, and one in another book
        before there is a standard one in its currency. A price that followed the standard one has its own from then on.
        """
        return self._prices.write(changes)

    @property
    def _prices(self) -> Prices:
        return Prices(self._connection, self._reader.planner.sku_field, self.currency)

    def product_ids(self, skus: Collection[str]) -> dict[str, str]:
        """Ids of products by what the SKU field holds, whatever the case; see `CRM.product_ids`.

        Where several products have one SKU and only one of them is active, that one is meant.
        """
        return product_ids(self._connection, self._reader.planner.sku_field, skus)

    def people(self, user_ids: Collection[str]) -> dict[str, Person]:
        """Users by id (15 or 18 characters), each with its manager; see `CRM.people`."""
        return people(self._connection, user_ids)

    def people_named(self, names: Collection[str]) -> dict[str, list[Person]]:
        """Users by user name or e-mail address, whatever the case; several users may have one address."""
        return people_named(self._connection, names)

    def accounts_named(self, names: Collection[str]) -> dict[str, list[str]]:
        """Ids of living accounts by exact name, whatever the case; several accounts may have one name."""
        return accounts_named(self._connection, names)

    def owners(self, accounts: Collection[str]) -> dict[str, Person]:
        """Owners of accounts (15 or 18 characters), each with its manager; see `CRM.owners`."""
        return owners(self._connection, accounts)

    def url(self, record_id: str) -> str:
        """Address under which a person opens the record in Lightning."""
        origin = self._connection.session.origin
        if not (urlsplit(origin).hostname or "").endswith(".salesforce.com"):
            return f"{origin}/{record_id}"
        return f"{origin}/lightning/r/{record_id}/view"

    @property
    def _connection(self) -> Connection:
        return self._lazy.connection(self._sign_in())

    @property
    def _reader(self) -> Reader:
        return Reader(self._connection, self._policy)

    @property
    def _account_reader(self) -> AccountReader:
        return AccountReader(self._connection, self._policy)

    @property
    def _policy(self) -> Policy:
        return Policy(
            payment_terms=self.payment_terms_field.strip(),
            vat_number=self.vat_number_field.strip(),
            header_discount=self.header_discount_field.strip(),
            sku=self.sku_field.strip(),
            accepted_status=self.accepted_status.strip(),
            currency=self.currency,
            emails=self.read_emails,
        )

    def _sign_in(self) -> SignIn:
        return SignIn(
            origin=self.instance_url,
            api_version=self.api_version,
            timeout_seconds=self.timeout_seconds,
            ca_file=str(self.ca_file) if self.ca_file else None,
            username=self.username,
            password=self.password,
            security_token=self.security_token,
            consumer_key=self.consumer_key,
            consumer_secret=self.consumer_secret,
            private_key=self.private_key,
            session_id=self.session_id,
        )

    def _user(self) -> str:
        """Name of the user that the session belongs to; with client credentials only Salesforce knows it."""
        if self.username:
            return self.username
        try:
            return str(self._connection.get("/services/oauth2/userinfo")["preferred_username"])
        except (ConfigurationError, KeyError, TypeError):
            return "the app's run-as user"


def _title(field: str) -> str:
    return str(Salesforce.model_fields[field].title)
