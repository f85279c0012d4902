"""Tryton as an ERP: the connection block of a Tryton 8.0 database, over its JSON-RPC."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import ConfigDict, Field, HttpUrl, PrivateAttr, SecretStr

from prefect_crm_erp.blocks.erp._tryton_connection import Lazy, TrytonConnection, TrytonSettings
from prefect_crm_erp.blocks.erp._tryton_deliveries import OUT, STOCK_MOVE, way_of
from prefect_crm_erp.blocks.erp._tryton_documents import INVOICE, MOVE
from prefect_crm_erp.blocks.erp._tryton_products import ProductDefaults
from prefect_crm_erp.blocks.erp._tryton_rpc import SYSTEM
from prefect_crm_erp.blocks.erp._tryton_streams import Streams
from prefect_crm_erp.blocks.erp.base import ERP, FiscalYear, Known
from prefect_crm_erp.blocks.form import LOGO_URL
from prefect_crm_erp.blocks.http import CallCount
from prefect_crm_erp.models.capabilities import Capabilities, Idempotency, NameList, OrderSettings, SystemInfo
from prefect_crm_erp.models.credit import CreditPosition
from prefect_crm_erp.models.documents import Delivery, DeliveryLine, Invoice, InvoiceLine, Payment
from prefect_crm_erp.models.errors import UnsupportedRecordError
from prefect_crm_erp.models.exchange import ExchangeRate
from prefect_crm_erp.models.field_entries import PaymentEntry, ReturnEntry
from prefect_crm_erp.models.keys import chunks
from prefect_crm_erp.models.outcomes import WriteResult
from prefect_crm_erp.models.paging import Cursor, Page
from prefect_crm_erp.models.records import Company, Customer, OrderLine, Product, Record, SalesOrder

R = TypeVar("R", bound=Record)

# Tryton on SQLite makes statements of more products that its parser gives up on.
_MOST_PRODUCTS = 50
_MODELS: dict[type[Record], str] = {
    Customer: "party.party",
    Product: "product.product",
    SalesOrder: "sale.sale",
    OrderLine: "sale.line",
    PaymentEntry: MOVE,
    ReturnEntry: "sale.sale",
    Invoice: INVOICE,
    InvoiceLine: "account.invoice.line",
    Payment: MOVE,
    Delivery: OUT.model,
    DeliveryLine: STOCK_MOVE,
}
_DOCUMENTS_OF_A_PAGE = 500
_DOCUMENTS: frozenset[type[Record]] = frozenset({Invoice, Payment, Delivery})

_ENTRIES: frozenset[type[Record]] = frozenset({PaymentEntry, ReturnEntry})


class Tryton(ERP):
    """Connection to a Tryton 8.0 database.

    The user needs the groups of sales and parties (and of products, where products are created; of accounting, where
    invoices and payments are read or payments of the field are booked; of stock, where deliveries are read), all
    companies that orders go to, and the company
    filter `All`. It should not be in the credit limit group: Tryton then refuses orders over a customer's limit,
    instead of asking.

    Example:
        Load a saved connection and list the companies behind it:

        ```python
        from prefect_crm_erp.blocks import Tryton

        tryton = Tryton.load("BLOCK_NAME")
        for company in tryton.companies():
            print(company.name, company.currency)
        ```
    """

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    _block_type_name = "Tryton ERP"
    _block_type_slug = "tryton-erp"
    _logo_url = LOGO_URL
    _documentation_url = HttpUrl("https://docs.tryton.org/modules-sale/")

    system: ClassVar[str] = SYSTEM
    capabilities: ClassVar[Capabilities] = Capabilities(
        reads=frozenset({Customer, Product, SalesOrder, *_DOCUMENTS}),
        writes=frozenset({Customer, Product, SalesOrder, *_ENTRIES}),
        page_size=200,
        batch_size=100,
        idempotency=Idempotency.SEARCH_FIRST,
        has_subsidiaries=True,
        confirms_orders=True,
        submits_orders=True,
        changes=frozenset({Customer, SalesOrder, *_DOCUMENTS}),
        has_contacts=True,
        has_hierarchy=True,
        takes_list_prices=True,
        writers=2,
        tells_stock=True,
        tells_listed_prices=True,
    )

    server_url: str = Field(title="Address", description="Address of the Tryton server, like https://erp.example.com.")
    database: str = Field(title="Database", description="Name of the Tryton database.", min_length=1)
    username: str = Field(title="User name", description="Login of the user that the integration works as.")
    password: SecretStr = Field(title="Password", description="Password of that user.")
    ca_file: Path | None = Field(
        default=None,
        title="CA file",
        description="CA certificate (PEM) to trust, when the server's certificate is of the company's own authority.",
    )
    warehouse: str | None = Field(
        default=None,
        title="Warehouse",
        description="Name or code of the warehouse that orders ship from; when empty, the company's own.",
    )
    goods_category: str = Field(
        default="Goods",
        title="Category of goods",
        description="Account category that created products get; it decides their taxes and accounts.",
    )
    services_category: str = Field(
        default="Services",
        title="Category of services",
        description="Account category that created services get; it decides their taxes and accounts.",
    )
    default_unit: str = Field(
        default="Unit",
        title="Unit of measure",
        description="Unit that created products are sold by when the CRM names none.",
    )
    subsidiary_relation: str = Field(
        default="is subsidiary of",
        title="Relation to the parent",
        description=(
            "Type of the relation of a party to its parent in the hierarchy of customers (module party_relationship); "
            "when empty, parents are left alone."
        ),
    )
    company_category: str = Field(
        default="",
        title="Category of companies",
        description=(
            "Party category whose subcategories are named like the companies that sell to a customer; customers in "
            "none of them, and all when this is empty, are sold to by every company."
        ),
    )
    orders_per_request: int = Field(
        default=100, ge=1, le=1000, title="Orders per request", description="How many orders are sent in one request."
    )
    customers_per_request: int = Field(
        default=200,
        ge=1,
        le=1000,
        title="Customers per request",
        description="How many customers are sent in one request; products go in requests of at most 50.",
    )

    _lazy: Lazy = PrivateAttr(default_factory=Lazy)

    # ------------------------------------------------------------------ the connection

    @property
    def calls(self) -> CallCount:
        """Requests sent since the connection was opened."""
        return self._connection.rpc.calls

    def check(self) -> SystemInfo:
        """Sign in and see that server, modules and the user's rights are what the integration needs."""
        return self._connection.check()

    def companies(self) -> list[Company]:
        """The companies that the user works for."""
        return list(self._connection.references.companies)

    def currencies(self) -> frozenset[str]:
        """ISO 4217 codes of the active currencies."""
        return frozenset(self._connection.references.currencies.names())

    def names(self, of: NameList) -> frozenset[str]:
        """Payment terms by name, units of measure by name and by symbol; the active ones."""
        return self._connection.references.listed(of)

    def unfit_settings(self, company: Company, wanted: OrderSettings) -> list[str]:
        """Names that the company does not have, and a prefix that is not that of its sequence."""
        return list(self._connection.subsidiaries.unfit(company, wanted))

    @property
    def clock_offset(self) -> timedelta:
        """How far Tryton's clock is ahead of ours, by its last answer; zero while it has not said."""
        return self._connection.rpc.clock_offset

    def close(self) -> None:
        """Close the connection; the next call opens it again."""
        with self._lazy.lock:
            if self._lazy.connection is not None:
                self._lazy.connection.rpc.close()
            self._lazy.connection = None

    @property
    def _connection(self) -> TrytonConnection:
        with self._lazy.lock:
            if self._lazy.connection is None:
                self._lazy.connection = TrytonConnection(self._settings(), self.capabilities)
            return self._lazy.connection

    def _settings(self) -> TrytonSettings:
        return TrytonSettings(
            url=self.server_url.strip().rstrip("/"),
            database=self.database,
            username=self.username,
            password=self.password,
            ca_file=str(self.ca_file) if self.ca_file else None,
            timeout_seconds=self.timeout_seconds,
            warehouse=self.warehouse,
            defaults=ProductDefaults(self.goods_category, self.services_category, self.default_unit),
            subsidiary_relation=self.subsidiary_relation,
            company_category=self.company_category.strip(),
        )

    # ------------------------------------------------------------------ reading

    def find(self, kind: type[R], keys: Collection[str], company: Company | None = None) -> dict[str, list[R]]:
        """Look records up by key: customers by CRM account id, products by SKU, sales by the deal's CRM id.

        A party that was merged into another in Tryton is found as that one. Payments and returns from the field are
        found by the id of their record in the CRM.
        """
        if kind not in _ENTRIES:
            self._refuse_unread(kind)
        if kind in _DOCUMENTS:
            raise UnsupportedRecordError(f"A {kind.__name__} of Tryton has no key", system=SYSTEM)
        wanted = [key for key in keys if key]
        return self._connection.desk(kind).find(wanted, _number(company)) if wanted else {}

    def is_empty(self, kind: type[Record]) -> bool:
        """Whether Tryton has no record of this type yet, active or not; its own companies are no customers."""
        self._refuse_unread(kind)
        return self._streams.count(kind, None) == 0

    def read(self, kind: type[R], erp_ids: Collection[str], company: Company | None = None) -> list[R]:
        """Read records by Tryton's ids; what is gone is left out."""
        self._refuse_unread(kind)
        ids = _numbers(erp_ids)
        return self._connection.reader(kind).read(ids, _number(company)) if ids else []

    def custom_values(
        self, kind: type[Record], erp_ids: Collection[str], fields: Collection[str]
    ) -> dict[str, dict[str, Any]]:
        """Values of fields of Tryton's model that a field map adds, by id; what is gone is left out."""
        ids, names = _numbers(erp_ids), list(fields)
        rows = self._connection.database.read(_MODELS[kind], ids, names) if ids and names else []
        return {str(row["id"]): {name: row[name] for name in names} for row in rows}

    def candidates(self, customers: Sequence[Customer]) -> list[Customer]:
        """Parties with the VAT number, a postal code or a name like that of one of these customers."""
        return self._connection.customers.candidates(customers) if customers else []

    def changes(
        self,
        kind: type[R],
        since: Cursor | None,
        company: Company | None = None,
        known: Known | None = None,
    ) -> Iterator[Page[R]]:
        """Records that changed at or after a time, ordered by (modified, id); all of that very time come again.

        A customer changes with what belongs to it, with its parent, and with its invoices and sales, which move its
        credit position; when all are read (without `since`), only what belongs to it counts. Parties of Tryton's own
        companies are left out. An invoice changes with what is paid on it, a payment with what it is applied to, a
        delivery with what is moved with it, and a sale with its lines; Tryton itself notes at a sale what its
        deliveries and invoices make of it.

        Tryton stamps a change with the time at which its transaction began, and shows it when the transaction ends:
        begin some minutes before the last place.
        """
        if kind not in self.capabilities.changes:
            raise UnsupportedRecordError(f"Tryton does not report changes of {kind.__name__}", system=SYSTEM)
        page_size = _DOCUMENTS_OF_A_PAGE if kind in _DOCUMENTS else self.capabilities.page_size
        return self._streams.changes(kind, since, _number(company), page_size, known)

    def have_changed(self, kinds: Collection[type[Record]], since: Cursor) -> bool:
        """Whether anything of these types changed at or after a time: one call for each of Tryton's models behind them.

        Two for invoices and payments together, which `changes` asks four for.
        """
        return self._streams.have_changed(kinds, since)

    def count(self, kind: type[Record], company: Company | None = None) -> int | None:
        """How many records `changes` gives when all are read."""
        self._refuse_unread(kind)
        return self._streams.count(kind, _number(company))

    def existing(self, kind: type[Record], erp_ids: Collection[str]) -> frozenset[str]:
        """Those of these ids that are still there; one call for each 5,000 of them."""
        self._refuse_unread(kind)
        ids = _numbers(erp_ids)
        return frozenset(str(each) for each in self._streams.existing(kind, ids)) if ids else frozenset()

    def ids_of_number(self, kind: type[Record], number: str) -> list[str]:
        """Tryton's ids of the records with this number: several companies may have the same."""
        self._refuse_unread(kind)
        return [str(each) for each in self._streams.ids_of_number(kind, number)]

    @property
    def _streams(self) -> Streams:
        return Streams(self._connection)

    def fiscal_year(self, company: Company, on: date) -> FiscalYear:
        """The company's fiscal year in Tryton that a day lies in; the calendar year where there is none."""
        return self._connection.books.fiscal_year(company, on)

    def rates(self, company: Company, on: date) -> dict[str, Decimal]:
        """Tryton's rates of a day: units of each active currency for one of the company's own."""
        return self._connection.books.rates(company, on)

    def exchange_rates(self, company: Company, since: date, until: date | None = None) -> list[ExchangeRate]:
        """Tryton's rates from a company's currency, with their days; see `ERP.exchange_rates`.

        Two calls, and one more where the rate of some currency is older than a year.
        """
        return self._connection.rates.history(company, since, until)

    def credit(self, customer_ids: Collection[str], company: Company) -> dict[str, CreditPosition]:
        """Credit limit, receivable, and used credit (receivable plus confirmed sales not yet invoiced) by customer."""
        ids = _numbers(customer_ids)
        return self._connection.accounts.credit(ids, company) if ids else {}

    def stock(self, product_ids: Collection[str], company: Company) -> dict[str, Decimal]:
        """Stock of the company's warehouse, less what is planned to leave it by today; in the sales unit.

        Raises:
            ConfigurationError: No warehouse can be told for the company; name one in the block.
        """
        ids = _numbers(product_ids)
        found = self._connection.products.stock(ids, int(company.id)) if ids else {}
        return {str(each): quantity for each, quantity in found.items()}

    def listed_prices(self, price_list: str, product_ids: Collection[str], company: Company) -> dict[str, Decimal]:
        """Prices by a price list of the company (module sale_price_list); see `ERP.listed_prices`.

        One call for 500 products, and one more in the first of a connection. For a list whose prices include taxes,
        one more for each account category, for Tryton takes the taxes out.
        """
        ids = _numbers(product_ids)
        found = self._connection.price_lists.prices(price_list, ids, company)
        return {str(each): price for each, price in found.items()}

    def have_bought(self, customer_ids: Collection[str], *, standing_only: bool = False) -> frozenset[str]:
        """Those of these customers that have a sale or an invoice that is not cancelled, in whatever company.

        Args:
            customer_ids: Tryton's ids of parties.
            standing_only: Only confirmed sales and posted invoices count.
        """
        ids = _numbers(customer_ids)
        return self._connection.accounts.have_bought(ids, standing_only=standing_only) if ids else frozenset()

    def orders_between(self, first: date, last: date, company: Company) -> Iterator[Page[SalesOrder]]:
        """Sales of a company by their date, or by the day on which they were entered while they have none."""
        ids = self._connection.orders.between(first, last, int(company.id))
        for some in chunks(ids, self.capabilities.page_size):
            yield Page(self._connection.orders.read(some, int(company.id)), expected=len(ids))

    def own_companies(self, customer_ids: Collection[str]) -> dict[str, Company]:
        """Those of these parties that are companies of this Tryton."""
        wanted, references = set(customer_ids), self._connection.references
        parties = {int(row["id"]): str(row["party"]["id"]) for row in references.company_rows}
        found = {parties[int(company.id)]: company for company in references.companies}
        return {party: company for party, company in found.items() if party in wanted}

    def fields(self, kind: type[Record]) -> Collection[str]:
        """Names of the fields of Tryton's model that a field map may add."""
        if kind not in _MODELS:
            raise UnsupportedRecordError(f"Tryton has no model for {kind.__name__}", system=SYSTEM)
        return [name for name in self._connection.references.fields(_MODELS[kind]) if name != "id"]

    def url(self, record: Record) -> str | None:
        """Address of the record in Tryton's web client."""
        model, erp_id = _MODELS.get(type(record)), getattr(record, "erp_id", None)
        if model is None or erp_id is None:
            return None
        if isinstance(record, Delivery):
            model, erp_id = way_of(int(erp_id)).model, str(abs(int(erp_id)))
        return f"{self.server_url.strip().rstrip('/')}/#{self.database}/model/{model}/{erp_id}"

    # ------------------------------------------------------------------ writing

    def batch_size(self, kind: type[Record]) -> int:
        """Records of one type in one write request, as the block says."""
        if kind is SalesOrder:
            return self.orders_per_request
        return min(self.customers_per_request, _MOST_PRODUCTS) if kind is Product else self.customers_per_request

    def _create(self, records: Sequence[R], company: Company) -> list[WriteResult[R]]:
        return self._connection.desk(type(records[0])).create(records, company)

    def _update(self, records: Sequence[R], company: Company) -> list[WriteResult[R]]:
        return self._connection.desk(type(records[0])).update(records, company)

    def _confirm(self, orders: Sequence[SalesOrder], company: Company) -> list[WriteResult[SalesOrder]]:
        return self._connection.orders.confirm(orders, company)

    def _submit(self, orders: Sequence[SalesOrder], company: Company) -> list[WriteResult[SalesOrder]]:
        return self._connection.orders.submit(orders, company)

    def _refuse_unread(self, kind: type[Record]) -> None:
        if kind not in self.capabilities.reads:
            raise UnsupportedRecordError(f"The Tryton connector does not read {kind.__name__}", system=SYSTEM)


def _number(company: Company | None) -> int | None:
    return int(company.id) if company is not None else None


def _numbers(erp_ids: Collection[str]) -> list[int]:
    return [int(each) for each in erp_ids if str(each).removeprefix("-").isdigit()]
