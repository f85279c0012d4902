"""Explain routing: ask a policy, and perhaps a changed one, about each record, and write nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from prefect import task
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.crm.values import OBJECT_OF_SOURCE, CrmObject, CustomFields, RoutingFields
from prefect_crm_erp.blocks.policies.routing import Route, Routes, RoutingTable, SubsidiaryRouting
from prefect_crm_erp.models.errors import ConfigurationError
from prefect_crm_erp.models.keys import chunks
from prefect_crm_erp.models.money import ZERO
from prefect_crm_erp.models.outcomes import Queue, Verdict
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.models.records import Account, Deal, DealSource
from prefect_crm_erp.models.routing_facts import Explanation
from prefect_crm_erp.tasks.convert import crm_total
from prefect_crm_erp.tasks.extract import PAGE_SIZE
from prefect_crm_erp.tasks.run import Run
from prefect_crm_erp.tasks.tables import ROWS_SHOWN

PENDING = Queue.PENDING_REVIEW.value
"""Where a record goes that no rule decides."""
NO_CURRENCY = "without currency"
"""Stands for the currency of deals that have none."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A record to explain.

    Attributes:
        account: The account; None for a deal without one.
        deal: The deal; None for an account alone.
    """

    account: Account | None
    deal: Deal | None = None

    @property
    def key(self) -> str:
        """18-character id."""
        return self.deal.crm_id if self.deal else self.account.crm_id if self.account else ""

    @property
    def label(self) -> str:
        """What people know it by."""
        return self.deal.label if self.deal else (self.account and self.account.name) or self.key

    @property
    def order_number(self) -> str | None:
        """Number of the order that it has become; such a deal stays where it is."""
        return (self.deal.erp_order_number or self.deal.erp_id) if self.deal else None


@dataclass(frozen=True, slots=True)
class Explained:
    """What the routing says of one record.

    Attributes:
        key: 18-character id.
        name: What people know it by.
        account: Name of its account.
        order_number: Number of the order that it has become already.
        today: Where the integration's own routing sends it, and what each step says.
        then: The same by the other policy; None when there is none.
    """

    key: str
    name: str
    account: str | None
    order_number: str | None
    today: Explanation
    then: Explanation | None = None

    @property
    def moves(self) -> bool:
        """Whether the other policy would send it elsewhere, and it has no order yet."""
        return self.then is not None and self.order_number is None and self.then.subsidiary != self.today.subsidiary


class Routings:
    """The integration's routing, and perhaps a changed one to compare it with.

    Args:
        run: The run.
        policy: The changed one.

    Attributes:
        records: Records that were looked at.
        unrouted: Deals without an account, of which nothing can be said.
        today: How many records go where.
        then: The same by the other policy.
        moves: How many records move, by where from and where to.
        amounts: Totals without tax of the deals that move, by where from and where to and by currency.
        rows: The first records, with what each step says; those that move come besides.
    """

    def __init__(self, run: Run, policy: SubsidiaryRouting | None) -> None:
        self.run = run
        self.own = run.integration.routing.crm_fields()
        self.other = policy.crm_fields() if policy else None
        self.tables = (run.routing, run.integration.routing_table(policy) if policy else None)
        self.records = 0
        self.unrouted = 0
        self.today: Counter[str] = Counter()
        self.then: Counter[str] = Counter()
        self.moves: Counter[tuple[str, str]] = Counter()
        self.amounts: dict[tuple[str, str], dict[str, Decimal]] = {}
        self.rows: list[Explained] = []
        self.moving: list[Explained] = []

    @property
    def fields(self) -> RoutingFields:
        """What is read of each deal; the other policy's fields are read apart where they are different ones."""
        return (self.own.together_with(self.other) if self.other else None) or self.own

    @property
    def reads_twice(self) -> bool:
        """Whether both policies look at different fields for the same thing."""
        return self.other is not None and self.own.together_with(self.other) is None

    def check(self, policy: SubsidiaryRouting | None) -> None:
        """See that both policies can be asked.

        Raises:
            ConfigurationError: The CRM lacks a field or value that a rule asks for, or an ERP is not connected.
        """
        for slot, name in ((each.erp, each.name) for each in policy.subsidiaries) if policy else ():
            if slot not in self.run.erps:
                raise ConfigurationError(f"The subsidiary {name!r} uses the {slot.value} ERP, which is not connected")
        for fields in filter(None, (self.own, self.other)):
            missing = self.run.crm.missing_fields(DealSource.CLOSED_WON, CustomFields(routing=fields))
            if missing:
                raise ConfigurationError(
                    f"These fields or values are missing or hidden from the integration's user: {', '.join(missing)}; "
                    "correct the rules, or give the user access",
                    system=self.run.crm.system,
                )


# -------------------------------------------------------------------- reading


def subject_pages(routings: Routings, named: Sequence[str] | None) -> Iterator[Page[Subject]]:
    """The records that were named; else open deals, and won ones that wait for their order."""
    if named is None:
        custom = CustomFields(routing=routings.fields)
        for page in routings.run.crm.open_deals(custom):
            yield Page([_deal(deal) for deal in page], expected=page.expected)
        yield from _waiting_pages(routings)
    for keys in chunks(named or (), PAGE_SIZE):
        yield Page(list(_named(routings, keys)))


def _waiting_pages(routings: Routings) -> Iterator[Page[Subject]]:
    """Won deals that wait; one that was opened again is among the open ones already."""
    run, custom = routings.run, CustomFields(routing=routings.fields)
    waiting = [entry.key for entry in run.store.parked(kind=CrmObject.OPPORTUNITY.value)]
    for page in run.crm.deals(DealSource.CLOSED_WON, ids=waiting, custom=custom) if waiting else ():
        yield Page([_deal(deal) for deal in page if run.crm.is_deal(deal)])


def _named(routings: Routings, keys: Sequence[str]) -> Iterator[Subject]:
    """Opportunities, accounts, quotes and orders by id; each system is asked only for what is still missing."""
    crm, missing = routings.run.crm, list(keys)
    custom = CustomFields(routing=routings.fields)
    for source in OBJECT_OF_SOURCE:
        if not missing or f"{_OBJECTS[source]}.*" in crm.missing_fields(source, CustomFields()):
            continue
        found = [deal for page in crm.deals(source, ids=missing, custom=custom) for deal in page]
        yield from map(_deal, found)
        missing = [key for key in missing if key not in {deal.crm_id for deal in found}]
        if source is DealSource.CLOSED_WON and missing:
            accounts = crm.accounts(missing)
            yield from map(Subject, accounts)
            missing = [key for key in missing if key not in {account.crm_id for account in accounts}]


_OBJECTS = {
    DealSource.CLOSED_WON: "Opportunity",
    DealSource.ACCEPTED_QUOTES: "Quote",
    DealSource.ACTIVATED_ORDERS: "Order",
}


def _deal(deal: Deal) -> Subject:
    return Subject(deal.account, deal)


@task(name="Extract for routing", cache_policy=NO_CACHE, persist_result=False)
def extract_subjects(routings: Routings, pages: Iterator[Page[Subject]]) -> Page[Subject] | None:
    """Read the next page of records; None after the last one.

    Raises:
        ConfigurationError: The CRM refused the credentials or the query.
        TransientError: The CRM is not available.
    """
    return next(pages, None)


# -------------------------------------------------------------------- asking


@task(name="Explain routing", cache_policy=NO_CACHE, persist_result=False)
def explain_page(routings: Routings, page: Page[Subject]) -> None:
    """Ask the policies about each record; what every step says is kept of the first ones and of those that move."""
    again = _as_the_other_reads(routings, page)
    for subject in page:
        routings.records += 1
        if subject.account is None:
            routings.unrouted += 1
            continue
        _ask(routings, subject, again.get(subject.key, subject.deal))


def _as_the_other_reads(routings: Routings, page: Page[Subject]) -> dict[str, Deal]:
    """The page's deals with the fields that the other policy looks at, where those are different ones."""
    if not routings.reads_twice or routings.other is None:
        return {}
    custom = CustomFields(routing=routings.other)
    by_source: dict[DealSource, list[str]] = {}
    for deal in filter(None, (subject.deal for subject in page)):
        by_source.setdefault(deal.source, []).append(deal.crm_id)
    return {
        deal.crm_id: deal
        for source, keys in by_source.items()
        for found in routings.run.crm.deals(source, ids=keys, custom=custom)
        for deal in found
    }


def _ask(routings: Routings, subject: Subject, other_deal: Deal | None) -> None:
    own, other = routings.tables
    today = _goal(own, subject.account, subject.deal)
    routings.today[today] += 1
    then = today
    if other:
        then = _goal(other, subject.account, other_deal)
        routings.then[then] += 1
    moves = then != today and subject.order_number is None
    if moves:
        routings.moves[today, then] += 1
        _add_amount(routings.amounts.setdefault((today, then), {}), subject.deal)
    kept = routings.moving if moves else routings.rows
    if len(kept) < ROWS_SHOWN:
        kept.append(_explained(routings, subject, other_deal))


def _add_amount(sums: dict[str, Decimal], deal: Deal | None) -> None:
    """Add what a deal is worth: its lines after discounts; its total, where the CRM says no lines."""
    if deal is None or not (deal.lines or deal.total):
        return
    currency = (deal.currency or NO_CURRENCY).upper()
    amount = crm_total(deal) - (deal.tax or ZERO) if deal.lines else (deal.total or ZERO)
    sums[currency] = sums.get(currency, ZERO) + amount


def _explained(routings: Routings, subject: Subject, other_deal: Deal | None) -> Explained:
    own, other = routings.tables
    account = subject.account or Account(crm_id="")
    then = other.explain(account, other_deal) if other else None
    today = own.explain(account, subject.deal)
    return Explained(subject.key, subject.label, account.name, subject.order_number, today, then)


def _goal(table: RoutingTable, account: Account | None, deal: Deal | None) -> str:
    outcome: Route | Routes | Verdict = table.route(account or Account(crm_id=""), deal)
    if isinstance(outcome, Routes):
        return outcome.names
    return outcome.subsidiary.name if isinstance(outcome, Route) else PENDING
