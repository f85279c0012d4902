"""What a run knows: its integration, its open connections, and which of them are down."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Self

from prefect_crm_erp.blocks.crm.base import CRM
from prefect_crm_erp.blocks.crm.values import OBJECT_OF_SOURCE, CrmObject
from prefect_crm_erp.blocks.erp.base import ERP
from prefect_crm_erp.blocks.integration import Integration
from prefect_crm_erp.blocks.ledger import LedgerStore, RetryPolicy
from prefect_crm_erp.blocks.policies.custom_fields import MappedRecord
from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.errors import ConfigurationError, TransientError
from prefect_crm_erp.models.keys import company_key
from prefect_crm_erp.models.outcomes import Queue, Verdict
from prefect_crm_erp.models.paging import Cursor, Page
from prefect_crm_erp.models.records import (
    Company,
    Deal,
    DealSource,
    Product,
)
from prefect_crm_erp.tasks.known_customers import KnownCustomers
from prefect_crm_erp.tasks.preflight import Preflight
from prefect_crm_erp.tasks.rates import RateBook
from prefect_crm_erp.tasks.side_by_side import Meanwhile
from prefect_crm_erp.tasks.traveller import T, Traveller

PROBE_AFTER_SECONDS = 60
"""How long an ERP that did not answer is left alone before it is tried again."""


class Reading:
    """How far a run has read its stream.

    Attributes:
        announced: Records that the CRM says the stream has; None when it has not said.
        received: Records that came.
        reached: Place of the last one.
        is_seamless: Whether the reading joins on to the watermark, so that it may be moved on.
    """

    __slots__ = ("announced", "is_seamless", "reached", "received")

    def __init__(self) -> None:
        self.announced: int | None = None
        self.received = 0
        self.reached: Cursor | None = None
        self.is_seamless = False

    def note(self, page: Page[Any]) -> None:
        """A page of the stream has come."""
        self.announced = page.expected if self.announced is None else self.announced
        self.received += len(page)
        self.reached = page.cursor or self.reached


class BaseRun(Preflight):
    """One run of a flow over one integration.

    A plain class on purpose: it travels through tasks as an argument, and Prefect does not walk it.

    Args:
        integration: The saved integration.
        run_id: Identity of the run, in the ledger and in claims.
        store: The open ledger.
        dry_run: Whether to write nothing.
        forced: Whether the operator named the records, which overrides watermarks and waiting times.

    Attributes:
        known: What the run knows of the customers of each ERP.
        meanwhile: What is begun as soon as the run waits for an ERP.
        rates: Exchange rates, as far as they were asked for.
    """

    __slots__ = (
        "_companies",
        "_down",
        "crm",
        "dry_run",
        "erps",
        "forced",
        "integration",
        "known",
        "meanwhile",
        "rates",
        "routing",
        "run_id",
        "started_at",
        "store",
    )

    def __init__(
        self,
        integration: Integration,
        *,
        run_id: str,
        store: LedgerStore,
        dry_run: bool = False,
        forced: bool = False,
    ) -> None:
        self.integration = integration
        self.run_id = run_id
        self.store = store
        self.dry_run = dry_run
        self.forced = forced
        self.started_at = datetime.now(UTC)
        self.crm: CRM = integration.crm
        self.erps: dict[ErpSlot, ERP] = dict(integration.erps())
        self.routing = integration.routing_table()
        self.known: dict[ErpSlot, KnownCustomers] = {slot: KnownCustomers() for slot in self.erps}
        self.meanwhile = Meanwhile()
        self.rates = RateBook(self.crm, self.erps)
        self._companies: dict[tuple[ErpSlot, str], Company] = {}
        self._down: dict[ErpSlot, tuple[str, float]] = {}

    @property
    @abstractmethod
    def kind(self) -> str:
        """Name under which the ledger keeps this run's records."""

    @property
    def queue_kinds(self) -> tuple[str, ...]:
        """Names under which the ledger keeps what of this run's records waits."""
        return (self.kind,)

    @property
    def alerts(self) -> bool:
        """Whether people are told at once of records that need them."""
        return True

    def record_url(self, key: str) -> str | None:
        """Address under which a person opens the record of this key; None where there is no such place."""
        return self.crm.url(key)

    @property
    def retry_policy(self) -> RetryPolicy:
        """How failed deals are tried again."""
        policy = self.integration.orders
        return RetryPolicy(base_seconds=policy.retry_base_seconds, max_attempts=policy.retry_attempts)

    @property
    def lease(self) -> timedelta:
        """How long this run's claims outlive it."""
        return timedelta(seconds=self.integration.ledger.lease_seconds)

    def company(self, slot: ErpSlot, name: str) -> Company:
        """A company of an ERP connection, looked up once in a run."""
        key = (slot, name)
        if key not in self._companies:
            self._companies[key] = self.erps[slot].company(name)
        return self._companies[key]

    def company_by_id(self, slot: ErpSlot, company_id: str) -> Company | None:
        """A company by the ERP's own id: one that the run has looked up, else as the ERP lists them."""
        known = (company for (place, _), company in self._companies.items() if place is slot)
        found = next((each for each in known if each.id == company_id), None)
        if found is None and slot in self.erps and self.is_up(slot, ()):
            with self.guard(slot, ()):
                found = next((each for each in self.erps[slot].companies() if each.id == company_id), None)
        return found

    def own_company(self, name: str | None) -> Company | None:
        """The company of one of the ERPs that has this name, whatever its legal form; None when there is none."""
        wanted = company_key(name)
        return next((each for each in self._companies.values() if wanted == company_key(each.name)), None)

    def known_company(self, slot: ErpSlot, name: str) -> Company | None:
        """A company that was looked up in this run already."""
        return self._companies.get((slot, name))

    def erp_needs_state(self) -> frozenset[str]:
        """Countries whose addresses need a state that one of the ERPs knows."""
        return frozenset().union(*(erp.capabilities.needs_state for erp in self.erps.values()))

    @contextmanager
    def guard(self, slot: ErpSlot, items: Collection[Traveller]) -> Iterator[None]:
        """Keep one ERP's trouble to its own deals: they wait in Retry, the others go on."""
        try:
            yield
        except TransientError as error:
            self._down[slot] = (str(error), time.monotonic())
            self.wait(items, str(error), type(error).__name__)

    def is_up(self, slot: ErpSlot, items: Iterable[Traveller]) -> bool:
        """Whether an ERP answered the last time; when not, its deals wait in Retry without another attempt."""
        down = self._down.get(slot)
        if down is None:
            return True
        reason, since = down
        if time.monotonic() - since > PROBE_AFTER_SECONDS:
            self._down.pop(slot, None)
            return True
        self.wait(items, reason, "TransientError")
        return False

    def wait(self, items: Iterable[Traveller], reason: str, error: str) -> None:
        """Send the items whose road goes on to the Retry queue."""
        for item in items:
            if item.verdict is None:
                item.verdict = Verdict.queued(Queue.RETRY, reason, error=error)

    def close(self) -> None:
        """Close the ledger."""
        self.store.close()


class Run(BaseRun):
    """One run of quote-to-order.

    Args:
        integration: The saved integration.
        source: Which CRM records are deals.
        run_id: Identity of the run, in the ledger and in claims.
        store: The open ledger.
        dry_run: Whether to write nothing.
        forced: Whether the operator named the records, which overrides watermarks and waiting times.

    Attributes:
        planned_credit: What the orders of a dry run would take of the credit of a customer (connection, company,
            customer), in the company's currency.
    """

    __slots__ = ("_initial_load", "planned_credit", "products", "reading", "source")

    def __init__(
        self,
        integration: Integration,
        source: DealSource,
        *,
        run_id: str,
        store: LedgerStore,
        dry_run: bool = False,
        forced: bool = False,
    ) -> None:
        super().__init__(integration, run_id=run_id, store=store, dry_run=dry_run, forced=forced)
        self.source = source
        self.reading = Reading()
        self.products: dict[tuple[ErpSlot, str], dict[str, Product]] = {}
        self.planned_credit: dict[tuple[ErpSlot, str, str], Decimal] = {}
        self._initial_load: dict[ErpSlot, bool] = {}

    @property
    def object(self) -> CrmObject:
        """The CRM object that this run's deals are."""
        return OBJECT_OF_SOURCE[self.source]

    @property
    def kind(self) -> str:
        """Name under which the ledger keeps this run's deals: `opportunity`, `quote` or `order`."""
        return self.object.value

    @property
    def has_crm_records(self) -> bool:
        """Whether what becomes of each is shown at a record of its own in the CRM."""
        return True

    @property
    def owed_kind(self) -> str:
        """The ledger's kind for deals whose order stands and whose write-back is still owed."""
        return f"{self.kind} write back"

    @property
    def queue_kinds(self) -> tuple[str, ...]:
        """Deals wait in a queue, for their write-back, or for a rate of the ERP."""
        return (self.kind, self.owed_kind, self.rates_kind)

    @property
    def rates_kind(self) -> str:
        """The ledger's kind for deals that show a rate which the ERP has not validated yet."""
        return f"{self.kind} exchange rate"

    @property
    def stream(self) -> str:
        """Name of the watermark."""
        return self.source.value

    def is_deal(self, deal: Deal) -> bool:
        """Whether a deal is (still) what this run makes orders of."""
        return self.crm.is_deal(deal)

    def preflight(self) -> Self:
        """Check connections, rights, companies and mapped fields before anything is written.

        Raises:
            ConfigurationError: Something must be changed first; the message names it.
            TransientError: The CRM cannot be reached.
        """
        missing = self.crm.missing_fields(self.source, self.integration.deal_fields())
        if missing:
            raise ConfigurationError(
                f"These fields are missing or hidden from the integration's user: {', '.join(missing)}; "
                "deploy the metadata package, give the user access, or correct the custom field map, the routing or "
                "the order entry policy",
                system=self.crm.system,
            )
        self.check_erps(tuple(MappedRecord))
        self.check_order_settings()
        self.check_territories()
        self.check_code_lists()
        self._check_scenarios()
        return self

    def _check_scenarios(self) -> None:
        """Orders that fit no scenario must be able to wait."""
        unable = sorted({erp.system for erp in self.erps.values() if not erp.capabilities.submits_orders})
        if self.integration.approvals.scenarios and unable:
            raise ConfigurationError(
                f"In {' and '.join(unable)} no order can wait for its people; take the scenarios out of the approval "
                "policy, or let the ERP's own rules decide"
            )

    def is_initial_load(self, slot: ErpSlot) -> bool:
        """Whether an ERP had no product at all when this run first looked."""
        if slot not in self._initial_load:
            self._initial_load[slot] = self.erps[slot].is_empty(Product)
        return self._initial_load[slot]


def by_slot(items: Iterable[T]) -> dict[ErpSlot, list[T]]:
    """Items by the ERP connection that they are routed to."""
    groups: dict[ErpSlot, list[T]] = {}
    for item in items:
        groups.setdefault(item.slot, []).append(item)
    return groups


def by_company(items: Iterable[T]) -> dict[str, list[T]]:
    """Routed items by the company of their ERP."""
    groups: dict[str, list[T]] = {}
    for item in items:
        if item.company is not None:
            groups.setdefault(item.company.id, []).append(item)
    return groups
