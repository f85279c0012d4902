"""Subsidiary audit: the the deals won in a month against the ERPs' orders of that month, by subsidiary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum

from prefect import task
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.crm.values import OBJECT_OF_SOURCE
from prefect_crm_erp.blocks.policies.routing import ErpSlot, Route, Routes
from prefect_crm_erp.models.divisions import deal_key, divide, part_key, place_of
from prefect_crm_erp.models.errors import ConfigurationError
from prefect_crm_erp.models.keys import chunks
from prefect_crm_erp.models.money import ZERO
from prefect_crm_erp.models.outcomes import Queue, Verdict
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.models.records import Company, Deal, DealSource, OrderStatus, SalesOrder
from prefect_crm_erp.tasks.convert import crm_total, discounted_lines
from prefect_crm_erp.tasks.extract import PAGE_SIZE
from prefect_crm_erp.tasks.run import Run
from prefect_crm_erp.tasks.write_back import erp_reference

PENDING = Queue.PENDING_REVIEW.value
"""Stands for the subsidiary of what no rule decides."""
OTHER = "other companies"
"""Stands for the subsidiary of orders in companies that no subsidiary names."""


class Trouble(StrEnum):
    """How deals and orders can disagree."""

    NO_ORDER = "Deal without order"
    ELSEWHERE = "Order in another subsidiary"
    OTHER_SUM = "Different sums"
    DOUBLED = "Several orders of one deal"
    OTHER_MONTH = "Order of another month"
    NO_DEAL = "Order whose deal was not won this month"


@dataclass(frozen=True, slots=True)
class AuditedOrder:
    """What the audit remembers of an order; amounts are in its transaction currency.

    Attributes:
        slot: The ERP connection.
        company: The company that it is of.
        order: The order, without its lines.
    """

    slot: ErpSlot
    company: Company
    order: SalesOrder

    @property
    def reference(self) -> str:
        """What the CRM's records keep as their id in the ERP."""
        return erp_reference(self.slot, str(self.order.erp_id))

    @property
    def label(self) -> str:
        """Number of the order, or its id."""
        return self.order.number or str(self.order.erp_id)


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A deal and an order that do not agree; amounts are in `currency`.

    Attributes:
        trouble: What kind.
        why: The same in words.
        subsidiary: Where the routing sends the deal.
        deal: The deal, if there is one.
        found: The order, if there is one.
        crm_total: The deal's total without tax.
        erp_total: The order's total without tax.
        currency: ISO 4217 code of the deal, or of the order without one.
    """

    trouble: Trouble
    why: str
    subsidiary: str
    deal: Deal | None = None
    found: AuditedOrder | None = None
    crm_total: Decimal | None = None
    erp_total: Decimal | None = None
    currency: str | None = None


@dataclass(slots=True)
class Books:
    """Counts and sums of one subsidiary.

    Attributes:
        deals: Closed-won deals of the month.
        orders: Orders of the month that came from deals.
        born: Orders of the month that were born in the ERP.
        deal_sums: Totals of the deals without tax, by currency.
        order_sums: Totals of the orders without tax, by currency.
        born_sums: Totals of those born in the ERP without tax, by currency.
    """

    deals: int = 0
    orders: int = 0
    born: int = 0
    deal_sums: dict[str, Decimal] = field(default_factory=dict)
    order_sums: dict[str, Decimal] = field(default_factory=dict)
    born_sums: dict[str, Decimal] = field(default_factory=dict)

    @property
    def agree(self) -> bool:
        """Whether there are as many orders as deals, of the same sums."""
        return self.deals == self.orders and self.deal_sums == self.order_sums


class Audit:
    """What an audit has seen so far.

    Args:
        run: The run.
        first: First day of the month.
        last: Its last day.

    Attributes:
        books: Counts and sums by subsidiary.
        mismatches: What does not agree.
        born: Orders that were born in the ERP.
        left_alone: Deals that are kept from the ERP on purpose, by reason.
    """

    def __init__(self, run: Run, first: date, last: date) -> None:
        self.run = run
        self.first = first
        self.last = last
        self.books: dict[str, Books] = {each.name: Books() for each in run.integration.routing.subsidiaries}
        self.mismatches: list[Mismatch] = []
        self.born: list[tuple[str, AuditedOrder]] = []
        self.left_alone: Counter[str] = Counter()
        self._orders: dict[str, list[AuditedOrder]] = {}
        self._by_reference: dict[str, AuditedOrder] = {}
        self._matched: set[str] = set()
        self._places: dict[tuple[ErpSlot, str], list[str]] = {}

    # ---------------------------------------------------------------- before

    def check(self) -> None:
        """See that the CRM has the fields, and every ERP the companies.

        Raises:
            ConfigurationError: Something must be changed first; the message names it.
            TransientError: A system does not answer: an audit needs all of them.
        """
        run = self.run
        missing = run.crm.missing_fields(DealSource.CLOSED_WON, run.integration.deal_fields())
        if missing:
            raise ConfigurationError(
                f"These fields are missing or hidden from the integration's user: {', '.join(missing)}",
                system=run.crm.system,
            )
        for subsidiary in run.integration.routing.subsidiaries:
            company = run.company(subsidiary.erp, subsidiary.company)
            self._places.setdefault((subsidiary.erp, company.id), []).append(subsidiary.name)

    def places(self) -> Iterator[tuple[ErpSlot, Company]]:
        """Every company of every ERP that orders can be in, whether or not a subsidiary names it."""
        for slot in dict.fromkeys(slot for slot, _ in self._places):
            for company in self.run.erps[slot].companies():
                yield slot, company

    # ---------------------------------------------------------------- orders

    def take_order(self, found: AuditedOrder) -> None:
        """An order of the month."""
        if found.order.key:
            self._orders.setdefault(deal_key(found.order.key), []).append(found)
            self._by_reference[found.reference] = found
            return
        if found.order.status is not OrderStatus.DRAFT:
            name = self.subsidiary_of(found)
            self.born.append((name, found))
            books = self.books.setdefault(name, Books())
            books.born += 1
            _add(books.born_sums, found.order.currency, found.order.untaxed)

    def subsidiary_of(self, found: AuditedOrder, wanted: str | None = None) -> str:
        """The subsidiary of an order's company; of several the wanted one."""
        names = self._places.get((found.slot, found.company.id), [])
        return wanted if wanted in names else names[0] if names else OTHER

    def orders_of(self, deal: Deal) -> list[AuditedOrder]:
        """The month's orders of a deal: its own, or the one that its quote or order has become."""
        named = (self._by_reference.get(each) for each in (deal.erp_id or "").split(", "))
        return self._orders.get(deal.crm_id) or [each for each in named if each]

    def key_of(self, deal: Deal, name: str) -> str:
        """Key of the order that a subsidiary has of a divided deal."""
        slot, company = next(place for place, names in self._places.items() if name in names)
        return part_key(deal.crm_id, place_of(slot.value, company))

    def count_order(self, found: AuditedOrder, wanted: str | None) -> None:
        """Enter an order of the month that came from a deal."""
        self._matched.add(found.reference)
        books = self.books.setdefault(self.subsidiary_of(found, wanted), Books())
        books.orders += 1
        _add(books.order_sums, found.order.currency, found.order.untaxed)

    def unmatched(self) -> list[AuditedOrder]:
        """Orders of the month that came from deals, of which none was won in it."""
        return [found for reference, found in self._by_reference.items() if reference not in self._matched]

    def count_deal(self, name: str, deal: Deal, total: Decimal) -> None:
        """Enter a deal of the month."""
        books = self.books.setdefault(name, Books())
        books.deals += 1
        _add(books.deal_sums, (deal.currency or "").upper(), total)


def _add(sums: dict[str, Decimal], currency: str, amount: Decimal | None) -> None:
    sums[currency] = sums.get(currency, ZERO) + (amount or ZERO)


# -------------------------------------------------------------------- tasks

_Goal = tuple[str, str, Deal]
"""A subsidiary, why the routing chose it, and what it gets of the deal."""
_Without = tuple[str, Deal, str]
"""A subsidiary, what it is to get of a deal, and the key of the order that it does not have this month."""


@task(name="Read the month's orders", cache_policy=NO_CACHE, persist_result=False)
def read_orders(audit: Audit) -> None:
    """Read the orders of the month of every company, without their lines.

    Raises:
        TransientError: An ERP does not answer.
        UnsupportedRecordError: An ERP cannot look orders up by date.
    """
    for slot, company in audit.places():
        for page in audit.run.erps[slot].orders_between(audit.first, audit.last, company):
            for order in page:
                audit.take_order(AuditedOrder(slot, company, order.model_copy(update={"lines": ()})))


@task(name="Extract won deals", cache_policy=NO_CACHE, persist_result=False)
def extract_won(pages: Iterator[Page[Deal]]) -> Page[Deal] | None:
    """Read the next page of the month's deals; None after the last one."""
    return next(pages, None)


@task(name="Audit deals", cache_policy=NO_CACHE, persist_result=False)
def audit_deals(audit: Audit, page: Page[Deal]) -> None:
    """Compare each deal with its order."""
    without: list[_Without] = []
    for deal in page:
        reason = _left_alone(audit.run, deal)
        if reason and not audit.orders_of(deal):
            audit.left_alone[reason] += 1
            continue
        goals = _routed(audit.run, deal)
        for name, _, part in goals:
            audit.count_deal(name, part, crm_total(part))
        orders = audit.orders_of(deal)
        for name, why, part in goals:
            mine = orders if len(goals) == 1 else [each for each in orders if audit.subsidiary_of(each, name) == name]
            if mine:
                audit.mismatches += _compare(audit, part, name, why, mine)
            else:
                without.append((name, part, deal.crm_id if len(goals) == 1 else audit.key_of(deal, name)))
        audit.mismatches += _in_none_of(audit, deal, goals, orders)
    audit.mismatches += _without_order(audit, without)


@task(name="Audit orders", cache_policy=NO_CACHE, persist_result=False)
def audit_orders(audit: Audit) -> None:
    """Say of the month's remaining orders why no deal of the month has become them."""
    for some in chunks(audit.unmatched(), PAGE_SIZE):
        keys = [deal_key(found.order.key) for found in some]
        deals = {deal.crm_id: deal for source in OBJECT_OF_SOURCE for deal in _deals(audit.run, source, keys)}
        for found in some:
            audit.count_order(found, None)
            deal = deals.get(deal_key(found.order.key))
            why = _why_no_deal(audit, deal)
            trouble = Mismatch(
                Trouble.NO_DEAL,
                why,
                audit.subsidiary_of(found),
                deal,
                found,
                None,
                found.order.untaxed,
                found.order.currency,
            )
            audit.mismatches.append(trouble)


# -------------------------------------------------------------------- comparing


def _left_alone(run: Run, deal: Deal) -> str:
    start = run.integration.orders.start_date
    if not deal.push_to_erp or (deal.account and not deal.account.push_to_erp):
        return "“Push to ERP” is switched off"
    if start and deal.closed_on and deal.closed_on < start:
        return f"Closed before the integration's start on {start}"
    return ""


def _routed(run: Run, deal: Deal) -> list[_Goal]:
    """The subsidiary that the routing gives a deal, and the rule or reason; of a divided deal each with its part."""
    if deal.account is None:
        return [(PENDING, "the deal has no account", deal)]
    outcome: Route | Routes | Verdict = run.routing.route(deal.account, deal)
    if isinstance(outcome, Routes):
        rules = {route.subsidiary.name: route.rule for route in outcome.by_line}
        goals = [route.subsidiary.name for route in outcome.by_line]
        return [(name, rules[name], part) for name, part in divide(deal, discounted_lines(deal), goals).items()]
    if isinstance(outcome, Route):
        return [(outcome.subsidiary.name, outcome.rule, deal)]
    return [(PENDING, outcome.reason, deal)]


def _in_none_of(audit: Audit, deal: Deal, goals: Sequence[_Goal], orders: Sequence[AuditedOrder]) -> Iterator[Mismatch]:
    """Orders of a divided deal that are in none of its subsidiaries."""
    names = [name for name, _, _ in goals]
    for found in orders if len(goals) > 1 else ():
        if not any(audit.subsidiary_of(found, name) == name for name in names):
            audit.count_order(found, None)
            text = f"The routing says {', '.join(names)}, the order is in {audit.subsidiary_of(found)}"
            yield _mismatch(Trouble.ELSEWHERE, text, names[0], deal, found)


def _compare(audit: Audit, deal: Deal, name: str, why: str, orders: Sequence[AuditedOrder]) -> Iterator[Mismatch]:
    total = crm_total(deal)
    for found in orders:
        audit.count_order(found, name)
    if len(orders) > 1:
        text = f"It has {len(orders)} orders: {', '.join(found.label for found in orders)}"
        yield _mismatch(Trouble.DOUBLED, text, name, deal, orders[0])
    for found in orders:
        there = audit.subsidiary_of(found, name)
        if there != name:
            text = f"The routing says {name} ({why}), the order is in {there} ({found.company.name})"
            yield _mismatch(Trouble.ELSEWHERE, text, name, deal, found)
        currency = (deal.currency or "").upper()
        if (found.order.currency, found.order.untaxed) != (currency, total):
            text = (
                f"The deal says {total:,} {currency}, the order {found.order.untaxed or ZERO:,} {found.order.currency}"
            )
            yield _mismatch(Trouble.OTHER_SUM, text, name, deal, found)


def _mismatch(trouble: Trouble, why: str, name: str, deal: Deal, found: AuditedOrder | None = None) -> Mismatch:
    erp_total = found.order.untaxed if found else None
    return Mismatch(trouble, why, name, deal, found, crm_total(deal), erp_total, (deal.currency or "").upper())


def _without_order(audit: Audit, without: Sequence[_Without]) -> Iterator[Mismatch]:
    """Deals without an order of the month: there may be one of another month, or a queue tells why there is none."""
    if not without:
        return
    elsewhere = dict(_orders_of_any_month(audit, [key for _, _, key in without]))
    deals = {deal.crm_id for _, deal, _ in without}
    parked = {entry.key: entry for entry in audit.run.store.parked(kind=audit.run.kind, keys=deals)}
    for name, deal, key in without:
        found, entry = elsewhere.get(key), parked.get(deal.crm_id)
        if found:
            text = f"The deal closed on {deal.closed_on}, its order is of {found.order.order_date}"
            yield _mismatch(Trouble.OTHER_MONTH, text, name, deal, found)
            continue
        text = f"It waits in {entry.queue.value}: {entry.reason}" if entry else "No ERP has an order of it"
        yield _mismatch(Trouble.NO_ORDER, text, name, deal)


def _orders_of_any_month(audit: Audit, keys: Sequence[str]) -> Iterator[tuple[str, AuditedOrder]]:
    for slot in dict.fromkeys(slot for slot, _ in audit.places()):
        erp = audit.run.erps[slot]
        companies = {company.id: company for company in erp.companies()}
        for key, orders in erp.find(SalesOrder, keys).items():
            yield key, AuditedOrder(slot, companies[orders[0].company_id], orders[0])


def _deals(run: Run, source: DealSource, keys: Sequence[str]) -> Iterable[Deal]:
    """Deals by id; a source that the org does not have has none."""
    if source is not DealSource.CLOSED_WON and any(each.endswith(".*") for each in _missing(run, source)):
        return
    for page in run.crm.deals(source, ids=keys):
        yield from page


def _missing(run: Run, source: DealSource) -> list[str]:
    return run.crm.missing_fields(source, run.integration.custom_fields.crm_fields())


def _why_no_deal(audit: Audit, deal: Deal | None) -> str:
    if deal is None:
        return "Its deal is gone from the CRM, or the integration's user cannot see it"
    if not audit.run.crm.is_deal(deal):
        return f"Its deal is none of the {deal.source.value} (any more)"
    if deal.source is DealSource.CLOSED_WON:
        return f"Its deal closed on {deal.closed_on}"
    return "The opportunity of its deal was not won this month"
