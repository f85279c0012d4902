"""Currency reconciliation: the orders of a month, in their own currency and in the CRM's, as both systems have them."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum

from prefect import task
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.crm.values import OBJECT_OF_SOURCE
from prefect_crm_erp.blocks.integration import Integration
from prefect_crm_erp.blocks.ledger import CrossReference, LedgerStore
from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.divisions import PartPrint
from prefect_crm_erp.models.errors import ConfigurationError
from prefect_crm_erp.models.exchange import CrmRates, ExchangeRate, RateError, Variance
from prefect_crm_erp.models.money import ZERO
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.models.records import Deal, DealSource, OrderStatus, SalesOrder
from prefect_crm_erp.models.rounding import explain_totals
from prefect_crm_erp.tasks.convert import crm_total, exact_lines, in_minor_units
from prefect_crm_erp.tasks.recognise import VIA
from prefect_crm_erp.tasks.run import BaseRun

PAGE_SIZE = 200
_MONTH = re.compile(r"(\d{4})-(\d{2})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Month:
    """A month of the calendar: its first and its last day."""

    first: date
    last: date

    def __contains__(self, day: date) -> bool:
        """Whether a day lies in it."""
        return self.first <= day <= self.last

    def __str__(self) -> str:
        """As `2026-05`."""
        return f"{self.first:%Y-%m}"

    @classmethod
    def of(cls, year: int, month: int) -> Month:
        """A month by its numbers."""
        return cls(date(year, month, 1), date(year, month, calendar.monthrange(year, month)[1]))

    @classmethod
    def read(cls, text: str | None, today: date) -> Month:
        """What an operator has typed; the last month that has ended when nothing.

        Raises:
            ConfigurationError: It is no month, or one that has not begun.

        Example:
            >>> str(Month.read(None, date(2026, 1, 5)))
            '2025-12'
        """
        if not (text or "").strip():
            return cls.of(today.year - (today.month == 1), (today.month - 2) % 12 + 1)
        parts = _MONTH.fullmatch(str(text).strip())
        if not parts or not 1 <= int(parts[2]) <= 12 or int(parts[1]) < 1:
            raise ConfigurationError(f"{text!r} is no month; write it like 2026-05")
        month = cls.of(int(parts[1]), int(parts[2]))
        if month.first > today:
            raise ConfigurationError(f"The month {month} has not begun yet; there is nothing to compare")
        return month


class State(StrEnum):
    """What a comparison has found; their counts add up to the orders of the month."""

    IN_STEP = "in step"
    VARIANCE = "variance"
    AMOUNTS_DIFFER = "amounts differ"
    NO_RATE = "no rate"
    GONE = "gone"
    CANCELLED = "cancelled"


FLAGGED = frozenset({State.VARIANCE, State.AMOUNTS_DIFFER, State.NO_RATE, State.GONE})


@dataclass(frozen=True, slots=True)
class Compared:
    """An order and the deal that it comes from, compared.

    Attributes:
        key: 18-character id of the deal.
        name: What people know the deal by.
        number: Number of the order.
        slot: The ERP connection.
        erp_id: The ERP's own id of the order.
        subsidiary: Whose order it is.
        currency: ISO 4217 code of both original amounts.
        day: Day of the order, whose rate counts.
        state: What was found.
        reason: Why, where it is not in step.
        crm_original: The deal's amount in its own currency; None when the deal is gone.
        erp_original: The order's, as it is compared with the deal's.
        value: Both in the CRM's corporate currency; None when a rate is missing.
        crm_rate: Units of the corporate currency for one of the deal's, by the CRM.
        erp_rate: The same by the ERP.
    """

    key: str
    name: str
    number: str
    slot: ErpSlot
    erp_id: str
    subsidiary: str
    currency: str
    day: date
    state: State
    reason: str = ""
    crm_original: Decimal | None = None
    erp_original: Decimal | None = None
    value: Variance | None = None
    crm_rate: ExchangeRate | None = None
    erp_rate: ExchangeRate | None = None


class CurrencyRun(BaseRun):
    """One run that compares the orders of a month, and writes to neither system.

    Args:
        integration: The saved integration.
        month: The month whose orders are compared.
        run_id: Identity of the run, in the ledger.
        store: The open ledger.
    """

    __slots__ = ("_crm_rates", "month")

    def __init__(self, integration: Integration, month: Month, *, run_id: str, store: LedgerStore) -> None:
        super().__init__(integration, run_id=run_id, store=store, dry_run=True)
        self.month = month
        self._crm_rates: CrmRates | None = None

    @property
    def kind(self) -> str:
        """Name under which the ledger keeps this run's records."""
        return "currency reconciliation"

    @property
    def crm_rates(self) -> CrmRates:
        """The CRM's own rates; without them there is nothing to compare.

        Raises:
            ConfigurationError: The CRM has only one currency, and nobody says which.
            TransientError: The CRM does not answer.
        """
        if self._crm_rates is None:
            self._crm_rates = self.crm.currency_rates(self.month.first)
        return self._crm_rates

    def subsidiary_of(self, slot: ErpSlot, company_id: str) -> str:
        """Name of the subsidiary whose books a company's are; the company's own name where no routing names it."""
        for each in self.integration.routing.subsidiaries:
            if each.erp is slot and self.company(slot, each.company).id == company_id:
                return each.name
        company = self.company_by_id(slot, company_id)
        return company.name if company else company_id


@dataclass(frozen=True, slots=True)
class Placed:
    """A binding of the ledger and the order that it leads to, if the order is still there."""

    source: DealSource
    reference: CrossReference
    order: SalesOrder | None


# -------------------------------------------------------------------- reading


def placed_pages(run: CurrencyRun) -> Iterator[Page[Placed]]:
    """The month's orders that came from deals, page by page; those that are gone come too.

    The ledger does not know the day of an order, so that all are looked up in their ERP.
    """
    for source, target in OBJECT_OF_SOURCE.items():
        for bound in run.store.bound_pages(target.value, PAGE_SIZE):
            references = [each for found in bound.values() for each in found if not each.fingerprint.startswith(VIA)]
            yield Page([placed for placed in _orders(run, source, references) if _belongs(run, placed)])


def _orders(run: CurrencyRun, source: DealSource, references: Sequence[CrossReference]) -> Iterator[Placed]:
    for slot in run.erps:
        mine = [each for each in references if each.erp == slot.value]
        found = {order.erp_id: order for order in run.erps[slot].read(SalesOrder, [each.erp_id for each in mine])}
        yield from (Placed(source, each, found.get(each.erp_id)) for each in mine)


def _belongs(run: CurrencyRun, placed: Placed) -> bool:
    """Whether the order is of the month; one that is gone counts in the month in which it was placed."""
    day = placed.order.order_date if placed.order else placed.reference.bound_at.date()
    return day in run.month


# -------------------------------------------------------------------- comparing


@task(name="Compare orders", cache_policy=NO_CACHE, persist_result=False)
def compare_orders(run: CurrencyRun, pages: Iterator[Page[Placed]]) -> list[Compared] | None:
    """Read the next page of orders and their deals, and compare them; None after the last one.

    Raises:
        TransientError: A system does not answer; nothing can be said about its records.
    """
    page = next(pages, None)
    if page is None:
        return None
    deals = _deals(run, page.records)
    return [_compare(run, placed, deals.get(placed.reference.key)) for placed in page]


def _deals(run: CurrencyRun, placed: Sequence[Placed]) -> dict[str, Deal]:
    found: dict[str, Deal] = {}
    for source in {each.source for each in placed}:
        keys = [each.reference.key for each in placed if each.source is source]
        found |= {deal.crm_id: deal for page in run.crm.deals(source, ids=keys) for deal in page}
    return found


def _compare(run: CurrencyRun, placed: Placed, deal: Deal | None) -> Compared:
    order, found = placed.order, _found(run, placed, deal)
    if order is not None and order.status is OrderStatus.CANCELLED:
        return replace(found, state=State.CANCELLED, reason="The order was cancelled in the ERP")
    if deal is None:
        return replace(found, state=State.GONE, reason=f"The deal is not in {run.crm.system} any more")
    if order is None:
        reason = f"The order is not in {run.erps[found.slot].system} any more"
        return replace(found, state=State.GONE, reason=reason)
    return _judged(run, placed, order, deal, found)


def _found(run: CurrencyRun, placed: Placed, deal: Deal | None) -> Compared:
    """What is known before anything is compared."""
    reference, order, slot = placed.reference, placed.order, ErpSlot(placed.reference.erp)
    return Compared(
        key=reference.key,
        name=deal.label if deal else reference.key,
        number=(order.number if order else None) or reference.erp_number or reference.erp_id,
        slot=slot,
        erp_id=reference.erp_id,
        subsidiary=run.subsidiary_of(slot, reference.company),
        currency=order.currency if order else reference.currency or "",
        day=order.order_date if order else reference.bound_at.date(),
        state=State.IN_STEP,
    )


def _judged(run: CurrencyRun, placed: Placed, order: SalesOrder, deal: Deal, found: Compared) -> Compared:
    part = PartPrint.read(placed.reference.fingerprint)
    crm = (placed.reference.crm_total if part else None) or deal_total(deal)
    erp = (order.total if deal.tax else order.untaxed) or ZERO
    found = replace(found, crm_original=crm, erp_original=erp)
    currency = (deal.currency or order.currency).upper()
    if currency != order.currency:
        reason = f"The deal is in {currency}, the order in {order.currency}"
        return replace(found, state=State.AMOUNTS_DIFFER, reason=reason)
    found = _valued(run, placed, order, found)
    if crm != erp:
        return replace(found, state=State.AMOUNTS_DIFFER, reason=_why_amounts_differ(run, deal, currency, crm, erp))
    if found.value and found.value.exceeds(run.integration.currency.tolerance_percent):
        return replace(found, state=State.VARIANCE, reason="The rates differ: see to the exchange rate sync")
    return found


def _why_amounts_differ(run: CurrencyRun, deal: Deal, currency: str, crm: Decimal, erp: Decimal) -> str:
    beside = deal.shipping + (deal.tax or ZERO)
    why = explain_totals(exact_lines(deal), currency, crm - beside, erp - beside)
    reason = f"{crm:,} {currency} in {run.crm.system}, {erp:,} {currency} in the ERP"
    return f"{reason}: {why}" if why else reason


def _valued(run: CurrencyRun, placed: Placed, order: SalesOrder, found: Compared) -> Compared:
    """Both amounts in the CRM's corporate currency, each by its own system's rate; a rate that is missing is named."""
    rates, crm, erp = run.crm_rates, found.crm_original or ZERO, found.erp_original or ZERO
    day = order.order_date if placed.source is DealSource.CLOSED_WON else None
    crm_value = rates.reported(crm, order.currency, day)
    found = replace(found, crm_rate=rates.between(order.currency, rates.corporate, day))
    if crm_value is None:
        return replace(found, state=State.NO_RATE, reason=f"{run.crm.system} has no rate of {order.currency}")
    try:
        erp_rate = _erp_rate(run, found.slot, order)
    except RateError as error:
        return replace(found, state=State.NO_RATE, reason=str(error))
    erp_value = erp_rate.convert(erp, run.erps[found.slot].capabilities.rounding)
    return replace(found, erp_rate=erp_rate, value=Variance(crm_value, erp_value))


def _erp_rate(run: CurrencyRun, slot: ErpSlot, order: SalesOrder) -> ExchangeRate:
    """The ERP's rate from the order's currency to the corporate one, on the order's day.

    Raises:
        RateError: The ERP does not know it.
    """
    company = run.company_by_id(slot, order.company_id)
    if company is None:
        raise RateError(f"{run.erps[slot].system} does not name the company of the order")
    run.rates.ask(slot, company, run.month.first, run.month.last)
    return run.rates.erp(slot, company, order.currency, run.crm_rates.corporate, order.order_date)


def deal_total(deal: Deal) -> Decimal:
    """The deal's amount as its order's is compared with it: the CRM's own total where no header discount lowers it."""
    if deal.total is not None and (deal.header_discount_percent == 0 or not deal.lines):
        return in_minor_units(deal.total, deal.currency)
    return crm_total(deal)
