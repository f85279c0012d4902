"""An open connection to a Tryton database: the session, its lookups, and the records that it reads and writes."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from pydantic import SecretStr

from prefect_crm_erp.blocks.erp._tryton_accounts import CustomerAccounts
from prefect_crm_erp.blocks.erp._tryton_books import Books
from prefect_crm_erp.blocks.erp._tryton_customers import Customers
from prefect_crm_erp.blocks.erp._tryton_deliveries import Deliveries
from prefect_crm_erp.blocks.erp._tryton_field_payments import FieldPayments
from prefect_crm_erp.blocks.erp._tryton_field_returns import FieldReturns
from prefect_crm_erp.blocks.erp._tryton_hierarchy import Hierarchy
from prefect_crm_erp.blocks.erp._tryton_invoices import Invoices
from prefect_crm_erp.blocks.erp._tryton_maps import Maps
from prefect_crm_erp.blocks.erp._tryton_order_values import OrderValues
from prefect_crm_erp.blocks.erp._tryton_orders import Orders
from prefect_crm_erp.blocks.erp._tryton_payments import Payments
from prefect_crm_erp.blocks.erp._tryton_price_lists import PriceLists
from prefect_crm_erp.blocks.erp._tryton_products import ProductDefaults, Products
from prefect_crm_erp.blocks.erp._tryton_rates import Rates
from prefect_crm_erp.blocks.erp._tryton_references import References
from prefect_crm_erp.blocks.erp._tryton_rpc import SYSTEM, Database, Rpc
from prefect_crm_erp.blocks.erp._tryton_subsidiaries import Subsidiaries
from prefect_crm_erp.blocks.erp._tryton_taxes import Taxes
from prefect_crm_erp.blocks.erp._tryton_wire import classify
from prefect_crm_erp.blocks.http import HttpClient
from prefect_crm_erp.models.capabilities import Capabilities, SystemInfo
from prefect_crm_erp.models.documents import Delivery, Invoice, Payment
from prefect_crm_erp.models.errors import ConfigurationError, RejectedRecordError
from prefect_crm_erp.models.field_entries import PaymentEntry, ReturnEntry
from prefect_crm_erp.models.outcomes import WriteResult
from prefect_crm_erp.models.records import Company, Customer, Product, Record, SalesOrder

SERIES = "8.0"


@dataclass(frozen=True, slots=True)
class TrytonSettings:
    """What an operator configured, as the connection needs it; passwords stay wrapped."""

    url: str
    database: str
    username: str
    password: SecretStr
    ca_file: str | None
    timeout_seconds: float
    warehouse: str | None
    defaults: ProductDefaults
    subsidiary_relation: str
    company_category: str = ""


class Reader(Protocol):
    """What the connection does with records of a type that only Tryton makes."""

    def read(self, ids: Collection[int], company: int | None) -> list[Any]:
        """Records by Tryton's ids."""


class Desk(Protocol):
    """What the connection does with records of a type that it writes."""

    def find(self, keys: Collection[str], company: int | None) -> dict[str, list[Any]]:
        """Records by key."""

    def create(self, records: Sequence[Any], company: Company) -> list[WriteResult[Any]]:
        """Create records in one request."""

    def update(self, records: Sequence[Any], company: Company) -> list[WriteResult[Any]]:
        """Bring records to these values in one request."""


class TrytonConnection:
    """A session with a Tryton database and everything that is looked up once in it.

    Args:
        settings: What the operator configured.
        capabilities: What the connector declares.
    """

    def __init__(self, settings: TrytonSettings, capabilities: Capabilities) -> None:
        self._settings = settings
        self._capabilities = capabilities
        http = HttpClient(
            SYSTEM,
            settings.url.rstrip("/"),
            classify=classify,
            timeout_seconds=settings.timeout_seconds,
            ca_file=settings.ca_file,
            secrets=lambda: self.rpc.secrets(),
        )
        self.rpc = Rpc(http, settings.database, settings.username, settings.password)
        self.database = Database(self.rpc)
        self.references = References(self.database, settings.warehouse, settings.company_category)

    @cached_property
    def _maps(self) -> Maps:
        return Maps(self.references)

    @cached_property
    def customers(self) -> Customers:
        """Parties."""
        return Customers(self.database, self.references, self._maps, self._capabilities, self.hierarchy)

    @cached_property
    def hierarchy(self) -> Hierarchy:
        """Parents of parties."""
        return Hierarchy(self.database, self.references, self._settings.subsidiary_relation)

    @cached_property
    def accounts(self) -> CustomerAccounts:
        """Credit and purchases of parties."""
        return CustomerAccounts(self.database, self.references)

    @cached_property
    def products(self) -> Products:
        """Product variants."""
        return Products(self.database, self.references, self._maps, self._settings.defaults)

    @cached_property
    def orders(self) -> Orders:
        """Sales."""
        values = OrderValues(self.database, self.references, self._maps, self._taxes, self.subsidiaries)
        return Orders(self.database, self.references, self._maps, values)

    @cached_property
    def _taxes(self) -> Taxes:
        return Taxes(self.database)

    @cached_property
    def price_lists(self) -> PriceLists:
        """What products cost by the companies' price lists."""
        return PriceLists(self.database, self.references, self.subsidiaries, self._taxes)

    @cached_property
    def subsidiaries(self) -> Subsidiaries:
        """Price lists, tax rules and numbering of companies."""
        return Subsidiaries(self.database, self.references)

    @cached_property
    def invoices(self) -> Invoices:
        """Invoices and credit memos to customers."""
        return Invoices(self.database, self._maps)

    @cached_property
    def payments(self) -> Payments:
        """Payments of customers."""
        return Payments(self.database)

    @cached_property
    def deliveries(self) -> Deliveries:
        """Shipments to customers, and returns."""
        return Deliveries(self.database, self._maps)

    @cached_property
    def books(self) -> Books:
        """Fiscal years and exchange rates."""
        return Books(self.database, self.references)

    @cached_property
    def rates(self) -> Rates:
        """Exchange rates with their days."""
        return Rates(self.database)

    @cached_property
    def field_payments(self) -> FieldPayments:
        """Payments that were collected in the field."""
        return FieldPayments(self.database, self.references)

    @cached_property
    def field_returns(self) -> FieldReturns:
        """Goods that were taken back in the field."""
        return FieldReturns(self.database)

    def reader(self, kind: type[Record]) -> Reader:
        """What reads records of a type."""
        readers: dict[type[Record], Reader] = {
            Invoice: self.invoices,
            Payment: self.payments,
            Delivery: self.deliveries,
            Customer: self.customers,
            Product: self.products,
            SalesOrder: self.orders,
        }
        return readers[kind]

    def desk(self, kind: type[Record]) -> Desk:
        """What works on records of a type."""
        desks: dict[type[Record], Desk] = {
            Customer: self.customers,
            Product: self.products,
            SalesOrder: self.orders,
            PaymentEntry: self.field_payments,
            ReturnEntry: self.field_returns,
        }
        return desks[kind]

    def check(self) -> SystemInfo:
        """Sign in, and see that the server and the user's rights are what the connector needs.

        Raises:
            ConfigurationError: Another series of Tryton, a module that is not activated, or a user who sees only one
                of several companies.
        """
        version = self._version()
        self.rpc.sign_in()
        user = self.rpc.call("model.res.user.get_preferences", False, context=self.database.context(None))
        if not self.references.companies:
            raise ConfigurationError("The user has no company in Tryton; add companies to the user", system=SYSTEM)
        if len(user.get("companies") or ()) > 1 and user.get("company_filter") != "all":
            raise ConfigurationError(
                "The user sees only one company at a time; set the company filter of the user to All in Tryton",
                system=SYSTEM,
            )
        for model in ("party.party", "product.product", "sale.sale"):
            self.references.fields(model)
        _ = self.references.selling_companies  # a category that is not there is said now
        details = {"companies": ", ".join(company.name for company in self.references.companies)}
        if self.hierarchy.trouble:
            details["hierarchy"] = f"{self.hierarchy.trouble}."
        return SystemInfo(
            name=f"{SYSTEM} {version} at {self._settings.url}",
            user=user.get("name") or self._settings.username,
            version=version,
            details=details,
        )

    def _version(self) -> str:
        try:
            version = self.rpc.server_version()
        except RejectedRecordError as error:
            raise ConfigurationError(f"No Tryton server is at this address: {error.message}", system=SYSTEM) from None
        if version != SERIES:
            raise ConfigurationError(
                f"The server is Tryton {version}; the connector is made for the series {SERIES}", system=SYSTEM
            )
        return version


class Lazy:
    """Holds a block's connection once it is open; copies of the block and other processes open their own."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.connection: TrytonConnection | None = None

    def __reduce__(self) -> tuple[type[Lazy], tuple[()]]:
        return type(self), ()
