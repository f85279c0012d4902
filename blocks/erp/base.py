"""What every ERP connection can do, and what is the same for all: settling lost answers, batches, partial failures.

A connector is one file: it declares its capabilities and implements the verbs on canonical records. `write` is written
once here, so that no connector can get exactly-once wrong on its own.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar, Self, TypeVar

from prefect.blocks.abstract import CredentialsBlock
from prefect.logging import get_logger
from pydantic import Field

from prefect_crm_erp.blocks.form import OrderedForm
from prefect_crm_erp.blocks.http import CallCount
from prefect_crm_erp.models.capabilities import Capabilities, NameList, OrderSettings, SystemInfo
from prefect_crm_erp.models.credit import CreditPosition
from prefect_crm_erp.models.errors import (
    ConfigurationError,
    RecordError,
    TransientError,
    UnknownOutcomeError,
    UnsupportedRecordError,
)
from prefect_crm_erp.models.exchange import ExchangeRate
from prefect_crm_erp.models.keys import chunks
from prefect_crm_erp.models.outcomes import Rejected, WriteResult, Written
from prefect_crm_erp.models.paging import Cursor, Page
from prefect_crm_erp.models.records import Company, Customer, Record, SalesOrder
from prefect_crm_erp.models.sales import FiscalYear

R = TypeVar("R", bound=Record)
Known = Callable[[Mapping[str, datetime]], Collection[str]]


class ERP(OrderedForm, CredentialsBlock, ABC):
    """Base of the ERP connections."""

    capabilities: ClassVar[Capabilities]
    system: ClassVar[str]

    timeout_seconds: float = Field(
        default=120, gt=0, title="Timeout", description="Longest wait for an answer of the system, in seconds."
    )
    settle_seconds: float = Field(
        default=8,
        ge=0,
        title="Settling time",
        description="How long a write whose answer was lost is looked for before it is sent again, in seconds.",
    )

    # ------------------------------------------------------------------ verbs of a connector

    @property
    @abstractmethod
    def calls(self) -> CallCount:
        """Requests sent since the connection was opened."""

    @abstractmethod
    def check(self) -> SystemInfo:
        """Sign in and say who and what is there.

        Raises:
            AuthenticationError: The credentials were refused.
            ConfigurationError: The address, the database or the user's rights are wrong.
            TransientError: The system cannot be reached.
        """

    @property
    def clock_offset(self) -> timedelta:
        """How far the system's clock is ahead of ours, by its last answer; zero while it has not said."""
        return timedelta(0)

    @abstractmethod
    def companies(self) -> list[Company]:
        """The legal entities that the integration's user works for."""

    @abstractmethod
    def currencies(self) -> frozenset[str]:
        """ISO 4217 codes of the currencies that the ERP can book in."""

    def names(self, of: NameList) -> frozenset[str] | None:
        """The names of a list that people keep in the ERP, as they are written there; None where it does not tell."""
        return None

    def unfit_settings(self, company: Company, wanted: OrderSettings) -> list[str]:
        """Why the ERP cannot do what a subsidiary wants of its orders: parts of a sentence; empty when it can.

        Args:
            company: The subsidiary's company.
            wanted: What it wants.
        """
        return [f"the {self.system} connector takes no {each}" for each in wanted.wanted]

    @abstractmethod
    def find(self, kind: type[R], keys: Collection[str], company: Company | None = None) -> dict[str, list[R]]:
        """Look records up by key: customers by CRM account id, products by SKU, sales orders by CRM id of the deal.

        Args:
            kind: Canonical record type.
            keys: Keys to look for, any number.
            company: Only there; None for all companies of the connection.

        Returns:
            For each key that exists, the records that carry it: one, or several where the ERP allows that. Cancelled
            sales orders count as absent.
        """

    @abstractmethod
    def read(self, kind: type[R], erp_ids: Collection[str], company: Company | None = None) -> list[R]:
        """Read records by the ERP's own ids; what is gone is left out."""

    def custom_values(
        self, kind: type[Record], erp_ids: Collection[str], fields: Collection[str]
    ) -> dict[str, dict[str, Any]]:
        """Values of the ERP's own fields (those of `fields`) by ERP id; empty where the connector cannot read them."""
        return {}

    @abstractmethod
    def candidates(self, customers: Sequence[Customer]) -> list[Customer]:
        """Existing customers that might be one of these: same VAT number, same postal code or a like name.

        A generous search; which of them really match is decided by the caller.
        """

    @abstractmethod
    def fields(self, kind: type[Record]) -> Collection[str]:
        """Names of the ERP's own fields that a field map may add for this record type."""

    @abstractmethod
    def url(self, record: Record) -> str | None:
        """Address under which a person opens the record in the ERP."""

    @abstractmethod
    def _create(self, records: Sequence[R], company: Company) -> list[WriteResult[R]]:
        """Create records of one type in one request; all or none, or row by row as the ERP does it.

        Raises:
            RecordError: The whole request was refused because of some record; nothing was created.
            UnknownOutcomeError: The answer was lost.
        """

    @abstractmethod
    def _update(self, records: Sequence[R], company: Company) -> list[WriteResult[R]]:
        """Bring existing records (with `erp_id`) to these values.

        Fields that are not mapped, and fields that are not set in a record, stay as they are. Compares with what is
        there and writes what differs, so that repeating it after a lost answer changes nothing more.
        """

    def _confirm(self, orders: Sequence[SalesOrder], company: Company) -> list[WriteResult[SalesOrder]]:
        """Make drafts binding; leave alone what is binding already.

        Only for systems whose capabilities say `confirms_orders`.
        """
        raise UnsupportedRecordError("This ERP places orders in one step", system=self.system)

    def _submit(self, orders: Sequence[SalesOrder], company: Company) -> list[WriteResult[SalesOrder]]:
        """Leave drafts to the ERP's people for approval; leave alone what is no draft any more.

        Only for systems whose capabilities say `submits_orders`.
        """
        raise UnsupportedRecordError("Orders cannot wait for an approval in this ERP", system=self.system)

    def changes(
        self,
        kind: type[R],
        since: Cursor | None,
        company: Company | None = None,
        known: Known | None = None,
    ) -> Iterator[Page[R]]:
        """Records that changed at or after a place in the stream, ordered by (modified, id).

        Args:
            kind: Canonical record type.
            since: A place in the stream; None for all records.
            company: Only there; None for all companies of the connection.
            known: Told the time of the last change of some records by ERP id, it gives those that need not be read,
                because the caller knows them as they have been since that time. A connector may do without it.

        Yields:
            Pages; their `cursor` is the place of their last record. The last one may be empty.

        Raises:
            UnsupportedRecordError: When the ERP does not report changes of this type.
        """
        raise UnsupportedRecordError(f"{self.system} does not report changes of {kind.__name__}", system=self.system)

    def is_empty(self, kind: type[Record]) -> bool:
        """Whether the ERP has no record of this type yet, active or not; False where the connector cannot tell."""
        return False

    def have_bought(self, customer_ids: Collection[str], *, standing_only: bool = False) -> frozenset[str]:
        """Those of these customers that have an order or an invoice, in whatever company; empty when it cannot tell.

        Args:
            customer_ids: ERP ids of customers.
            standing_only: Only orders that are binding and invoices that are posted count, no drafts and nothing that
                waits.
        """
        return frozenset()

    def orders_between(self, first: date, last: date, company: Company) -> Iterator[Page[SalesOrder]]:
        """Sales orders of a company with a date in a span of days, but for cancelled ones.

        Args:
            first: The first day.
            last: The last day.
            company: The company.

        Raises:
            UnsupportedRecordError: The connector cannot look orders up by date.
        """
        raise UnsupportedRecordError(f"{self.system} does not find orders by date", system=self.system)

    def own_companies(self, customer_ids: Collection[str]) -> dict[str, Company]:
        """Those of these customers that are companies of this ERP themselves, by ERP id; empty when it cannot tell."""
        return {}

    def credit(self, customer_ids: Collection[str], company: Company) -> dict[str, CreditPosition]:
        """Credit positions by ERP customer id; empty when the ERP has none."""
        return {}

    def stock(self, product_ids: Collection[str], company: Company) -> dict[str, Decimal]:
        """How many of these products (by ERP id) a company can sell today, in their sales unit, less what is promised.

        Only for systems whose capabilities say `tells_stock`; products that are gone are left out.
        """
        raise UnsupportedRecordError(f"{self.system} does not tell its stock", system=self.system)

    def listed_prices(self, price_list: str, product_ids: Collection[str], company: Company) -> dict[str, Decimal]:
        """What one of each of these products (by ERP id) costs by a price list of a company, in its currency.

        As on the line of an order of that list for a quantity of one: in the sales unit, before taxes, for no customer
        in particular. Only for systems whose capabilities say `tells_listed_prices`; products that are gone, and those
        that the list gives no price, are left out.

        Raises:
            MissingReferenceError: The company has no price list of this name.
        """
        raise UnsupportedRecordError(f"{self.system} does not tell prices of price lists", system=self.system)

    def have_changed(self, kinds: Collection[type[Record]], since: Cursor) -> bool:
        """Whether `changes` might give anything of these types since a place: a look that costs less than asking.

        True where the connector cannot tell.
        """
        return True

    def count(self, kind: type[Record], company: Company | None = None) -> int | None:
        """How many records of this type `changes` gives when all are read; None where the connector cannot tell."""
        return None

    def ids_of_number(self, kind: type[Record], number: str) -> list[str]:
        """ERP ids of the documents that people know by this number; several companies may have the same.

        Raises:
            UnsupportedRecordError: The connector cannot look documents of this type up by number.
        """
        raise UnsupportedRecordError(f"{self.system} does not find {kind.__name__} by number", system=self.system)

    def existing(self, kind: type[Record], erp_ids: Collection[str]) -> frozenset[str]:
        """Those of these ERP ids that are still there: a cheap question, for the sweep after deletions."""
        return frozenset(str(getattr(each, "erp_id", "")) for each in self.read(kind, erp_ids))

    def fiscal_year(self, company: Company, on: date) -> FiscalYear:
        """The fiscal year of a company that a day lies in; the calendar year where the ERP keeps none for that day."""
        return FiscalYear.calendar(on.year)

    def rates(self, company: Company, on: date) -> dict[str, Decimal]:
        """The ERP's exchange rates of a day: units of each currency (ISO 4217 code) for one of the company's own."""
        return {company.currency: Decimal(1)}

    def exchange_rates(self, company: Company, since: date, until: date | None = None) -> list[ExchangeRate]:
        """The ERP's rates from a company's currency, with the days from which they hold.

        A connector whose ERP does not tell these days asks for the rates of each day, and dates them by it.

        Args:
            company: The company in whose books they rule.
            since: The first day; the rates that hold on it come with the day on which they began.
            until: The last day; None for all that the ERP has, those that are dated in the future included.

        Returns:
            Rates from the company's currency to each other one, and to itself. They are not checked: an ERP may have
            a rate of zero.

        Raises:
            TransientError: The ERP does not answer.
        """
        found: list[ExchangeRate] = []
        known: dict[str, Decimal] = {}
        for day in _days(since, until or datetime.now(UTC).date()):
            for code, rate in sorted(self.rates(company, day).items()):
                if known.get(code) != rate:
                    found.append(ExchangeRate(company.currency, code, rate, day))
                    known[code] = rate
        return found

    # ------------------------------------------------------------------ the same for all

    def get_client(self) -> Self:
        """The connection itself: its verbs are its methods."""
        return self

    def company(self, name: str) -> Company:
        """A company by its code, id or name, whatever the case.

        Raises:
            ConfigurationError: When there is no such company, naming those that there are.
        """
        wanted = name.strip().casefold()
        for company in self.companies():
            if wanted in (company.id.casefold(), company.name.casefold(), (company.code or "").casefold()):
                return company
        known = ", ".join(company.name for company in self.companies())
        raise ConfigurationError(f"There is no company {name!r}; there are: {known}", system=self.system)

    def write(self, records: Sequence[R], company: Company) -> list[WriteResult[R]]:
        """Create the records that have no `erp_id` and update the others, in batches.

        A refused batch is taken apart until the records at fault stand alone. A create whose answer was lost is looked
        up by key before it is sent again; an update whose answer was lost is compared anew.

        Args:
            records: Records of one type, each with its key.
            company: The company to write in.

        Returns:
            One result for each record, in the same order. A new record without key, or with the key of another one of
            the same call, is `Rejected` before any request.

        Raises:
            UnsupportedRecordError: The connector does not write records of this type.
            TransientError: The system is not available; nothing is known to be lost, and keys can be looked up later.
            ConfigurationError: The credentials or rights are wrong.
        """
        self._refuse_unsupported(records)
        done: dict[int, WriteResult[R]] = dict(self._unfit(records))
        for exists, write in ((False, self._create_once), (True, self._update_once)):
            chosen = [
                (index, record)
                for index, record in enumerate(records)
                if _exists(record) is exists and index not in done
            ]
            for batch in chunks(chosen, self.batch_size(type(records[0])) if records else 1):
                results = self._apart([record for _, record in batch], company, write)
                done.update(zip((index for index, _ in batch), results, strict=True))
        return [done[index] for index in range(len(records))]

    def confirm(self, orders: Sequence[SalesOrder], company: Company) -> list[WriteResult[SalesOrder]]:
        """Make drafts binding orders, in batches; where the ERP places orders in one step they are already.

        Returns:
            One result for each order, in the same order. One that the ERP refuses (credit limit) is `Rejected` with
            the ERP's words; one that it takes, but that waits for a further approval there, is `Written` with the
            status `PENDING_APPROVAL`.
        """
        if not self.capabilities.confirms_orders:
            return [Written(order, created=False) for order in orders]
        results: list[WriteResult[SalesOrder]] = []
        for batch in chunks(orders, self.batch_size(SalesOrder)):
            results += self._apart(batch, company, self._confirm_once)
        return results

    def submit(self, orders: Sequence[SalesOrder], company: Company) -> list[WriteResult[SalesOrder]]:
        """Leave drafts to the ERP's people for approval, in batches; what is no draft any more stays as it is.

        Returns:
            One result for each order, in the same order: `Written` with where it stands now, or `Rejected` with the
            ERP's words.

        Raises:
            UnsupportedRecordError: Orders cannot wait in this ERP.
        """
        if not self.capabilities.submits_orders:
            raise UnsupportedRecordError(f"Orders cannot wait for an approval in {self.system}", system=self.system)
        results: list[WriteResult[SalesOrder]] = []
        for batch in chunks(orders, self.batch_size(SalesOrder)):
            results += self._apart(batch, company, self._submit_once)
        return results

    def find_one(self, kind: type[R], key: str, company: Company | None = None) -> R | None:
        """The record with this key, or None."""
        found = self.find(kind, [key], company).get(key)
        return found[0] if found else None

    def _refuse_unsupported(self, records: Sequence[Record]) -> None:
        for kind in {type(record) for record in records}:
            if kind not in self.capabilities.writes:
                raise UnsupportedRecordError(
                    f"{self.system} connector does not write {kind.__name__}", system=self.system
                )

    def _apart(
        self,
        batch: Sequence[R],
        company: Company,
        write: Callable[[Sequence[R], Company], list[WriteResult[R]]],
    ) -> list[WriteResult[R]]:
        """Write a batch; when it is refused as a whole, halve it until the record at fault stands alone."""
        try:
            return write(batch, company)
        except RecordError as error:
            if len(batch) == 1:
                return [Rejected(batch[0], error)]
        half = len(batch) // 2
        return self._apart(batch[:half], company, write) + self._apart(batch[half:], company, write)

    def batch_size(self, kind: type[Record]) -> int:
        """Records of one type in one write request."""
        return self.capabilities.batch_size

    def _unfit(self, records: Sequence[R]) -> Iterator[tuple[int, Rejected[R]]]:
        """New records that cannot be written exactly once: without key, or with one that came before in this call."""
        seen: set[str] = set()
        for index, record in enumerate(records):
            if _exists(record):
                continue
            key = getattr(record, "key", None)
            if not key or key in seen:
                trouble = f"has the key {key!r} of another one in the same call" if key else "has no key"
                message = f"A {type(record).__name__} {trouble}, so it cannot be written exactly once"
                yield index, Rejected(record, UnsupportedRecordError(message, system=self.system, fields=("key",)))
            seen.add(key or "")

    def _create_once(self, batch: Sequence[R], company: Company) -> list[WriteResult[R]]:
        """Create; after a lost answer, look every key up, and send again only what is not there."""
        started = time.monotonic()
        try:
            return self._create(batch, company)
        except UnknownOutcomeError as error:
            get_logger(__name__).warning("%s; looking the keys up before anything is sent again", error)
            waited = time.monotonic() - started
            found = self._settle(batch, company)
        missing = [record for record in batch if _key(record) not in found]
        if missing and waited > self.settle_seconds:
            # A system that works this long on a request may still finish it: sending it again could double it.
            raise UnknownOutcomeError(
                f"No answer within {waited:.0f} s; the keys are looked up in the next run", system=self.system
            )
        again = iter(self._apart(missing, company, self._create) if missing else [])
        return [Written(found[_key(record)][0]) if _key(record) in found else next(again) for record in batch]

    def _update_once(self, batch: Sequence[R], company: Company) -> list[WriteResult[R]]:
        """Update; after a lost answer once more, for an update compares with what is there and repeats nothing."""
        try:
            return self._update(batch, company)
        except UnknownOutcomeError as error:
            get_logger(__name__).warning("%s; comparing with what is there now", error)
            time.sleep(min(self.settle_seconds, 1))
        return self._update(batch, company)

    def _confirm_once(self, batch: Sequence[SalesOrder], company: Company) -> list[WriteResult[SalesOrder]]:
        """Confirm; after a lost answer, read where each order stands, and confirm only what is still a draft."""
        try:
            return self._confirm(batch, company)
        except UnknownOutcomeError as error:
            get_logger(__name__).warning("%s; reading where the orders stand", error)
            time.sleep(min(self.settle_seconds, 1))
        now = {order.erp_id: order for order in self.read(SalesOrder, [str(order.erp_id) for order in batch], company)}
        standing = {key for key, order in now.items() if order.status and order.status.is_binding}
        drafts = [order for order in batch if order.erp_id not in standing]
        again = iter(self._apart(drafts, company, self._confirm) if drafts else [])
        return [
            Written(now[order.erp_id], created=False) if order.erp_id in standing else next(again) for order in batch
        ]

    def _submit_once(self, batch: Sequence[SalesOrder], company: Company) -> list[WriteResult[SalesOrder]]:
        """Submit; after a lost answer once more, which leaves alone what was submitted."""
        try:
            return self._submit(batch, company)
        except UnknownOutcomeError as error:
            get_logger(__name__).warning("%s; submitting what is still a draft", error)
            time.sleep(min(self.settle_seconds, 1))
        return self._submit(batch, company)

    def _settle(self, batch: Sequence[R], company: Company) -> dict[str, list[R]]:
        """Look keys up until all are there or the settling time is over (a slow commit shows late)."""
        keys = [_key(record) for record in batch]
        deadline = time.monotonic() + self.settle_seconds
        pause = 0.25
        while True:
            found = self._try_find(type(batch[0]), keys, company)
            if found is not None and (len(found) == len(set(keys)) or time.monotonic() >= deadline):
                return found
            if found is None and time.monotonic() >= deadline + self.timeout_seconds:
                raise UnknownOutcomeError(
                    "The system does not answer; keys are looked up in the next run", system=self.system
                )
            time.sleep(pause)
            pause = min(pause * 2, 4)

    def _try_find(self, kind: type[R], keys: list[str], company: Company) -> dict[str, list[R]] | None:
        try:
            return self.find(kind, keys, company)
        except TransientError:
            return None


def _days(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=number) for number in range((last - first).days + 1))


def _exists(record: Record) -> bool:
    return getattr(record, "erp_id", None) is not None


def _key(record: Record) -> str:
    return str(getattr(record, "key", None))
