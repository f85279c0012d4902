"""Approvals: which orders wait for one, with their deals and people, and how long those took that were given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from prefect import task
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.crm.values import Person
from prefect_crm_erp.blocks.ledger import Document
from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.approvals import ApprovalTimes, approval_times, waits_longer_than
from prefect_crm_erp.models.records import Deal, DealSource, OrderStatus, SalesOrder
from prefect_crm_erp.tasks.document_item import document_key
from prefect_crm_erp.tasks.document_kinds import ORDERS
from prefect_crm_erp.tasks.document_run import DocumentRun

_SOURCE_OF_KEY = {
    "006": DealSource.CLOSED_WON,
    "0Q0": DealSource.ACCEPTED_QUOTES,
    "801": DealSource.ACTIVATED_ORDERS,
}


@dataclass(frozen=True, slots=True)
class WaitingOrder:
    """An order that waits for an approval in an ERP.

    Attributes:
        key: Its key in the ledger: connection, kind and id.
        number: Number of the order, or its id where it has none.
        url: Where a person opens the order; likewise for deal and account.
        company: Name of its company.
        total: Total with tax in `currency`, in its major unit.
        since: When it began to wait.
        waited: How long it waits, by the ERP's clock.
        account: 18-character id of the account; None while its customer has none.
        deal: 18-character id of the opportunity, or of the quote or order that has none; None for an order that was
            entered in the ERP.
        owner: The user who owns the deal, with the manager; None when there is no deal, or its owner is not known.
        is_confirmed: Whether the ERP was asked just now; otherwise it is as it was when orders were last read.
    """

    key: str
    erp: str
    erp_id: str
    number: str
    url: str | None
    company: str
    currency: str | None
    total: Decimal | None
    since: datetime
    waited: timedelta
    account: str | None = None
    account_name: str = ""
    account_url: str | None = None
    deal: str | None = None
    deal_name: str = ""
    deal_url: str | None = None
    owner: Person | None = None
    is_confirmed: bool = False

    @property
    def hours(self) -> Decimal:
        """How long it waits in hours, with one decimal place; never more than it is."""
        return Decimal(self.waited // timedelta(minutes=6)) / 10

    def is_late(self, hours: float) -> bool:
        """Whether it waits for more than so many hours; exactly so many are not late."""
        return waits_longer_than(hours, self.since, self.since + self.waited)


class Waiting:
    """What waits for an approval. A plain class: it travels through tasks, and Prefect does not walk it.

    Attributes:
        count: Orders that wait, late or not, as far as the ledger knows.
        late: Those that have waited for more than the policy's hours, the longest first.
        unread: Names of ERP connections that did not answer: what is said of their orders may be out of date.
        read_until: Up to which time the orders of every ERP were read; None when one never was.
    """

    __slots__ = ("count", "late", "read_until", "unread")

    def __init__(
        self, count: int, late: Sequence[WaitingOrder], unread: Sequence[str], read_until: datetime | None
    ) -> None:
        self.count = count
        self.late = tuple(late)
        self.unread = tuple(unread)
        self.read_until = read_until


@task(name="Find orders that wait", cache_policy=NO_CACHE, persist_result=False)
def find_waiting(run: DocumentRun) -> Waiting:
    """Find the orders that have waited for an approval for too long, with the people to speak to.

    The ledger knows which orders wait; those that are late by that are asked for in the ERP, since some may have been
    approved after orders were last read. Where an ERP does not answer, the ledger's word stands.

    Raises:
        TransientError: The CRM does not answer.
    """
    look = _Look(run)
    for slot in run.used_slots:
        look.into(slot)
    ordered = sorted(_with_people(run, look.late), key=lambda each: (each.since, each.key))
    return Waiting(look.count, ordered, look.unread, _read_until(run))


class _Look:
    """A look at what waits, one ERP after the other."""

    def __init__(self, run: DocumentRun) -> None:
        self.run = run
        self.known = run.store.waiting_orders()
        self.count = len(self.known)
        self.late: list[WaitingOrder] = []
        self.unread: list[str] = []

    def into(self, slot: ErpSlot) -> None:
        """Find the late orders of an ERP; nothing is asked where the ledger knows of none."""
        suspects = [self._as_known(each) for each in self.known if each.erp == slot.value]
        suspects = [each for each in suspects if self._is_late(each)]
        if not suspects:
            return
        with self.run.guard(slot, ()):
            self.late += self._asked(slot, suspects)
            return
        self.late += suspects
        self.unread.append(slot.value)

    def _asked(self, slot: ErpSlot, suspects: Sequence[WaitingOrder]) -> list[WaitingOrder]:
        """Those that are late by what the ERP says now."""
        read = self.run.erps[slot].read(SalesOrder, [each.erp_id for each in suspects])
        waiting = {str(each.erp_id): each for each in read if each.status is OrderStatus.PENDING_APPROVAL}
        companies = {company.id: company.name for company in self.run.companies_of(slot)}
        self.count -= len(suspects) - len(waiting)
        offset = self.run.erps[slot].clock_offset
        seen = [_as_seen(each, waiting[each.erp_id], companies) for each in suspects if each.erp_id in waiting]
        timed = [replace(each, waited=self.run.started_at + offset - each.since) for each in seen]
        return [each for each in timed if self._is_late(each)]

    def _as_known(self, document: Document) -> WaitingOrder:
        since = document.submitted_at or document.modified_at or self.run.started_at
        slot = ErpSlot(document.erp)
        keys = (document.opportunity_id, *document.order_keys)
        return WaitingOrder(
            key=_key(document),
            erp=document.erp,
            erp_id=document.erp_id,
            number=document.number or document.erp_id,
            url=self.run.erps[slot].url(_as_order(document)),
            company=document.company,
            currency=document.currency,
            total=document.total,
            since=since,
            waited=self.run.started_at - since,
            account=document.account,
            deal=next((key for key in keys if key), None),
        )

    def _is_late(self, order: WaitingOrder) -> bool:
        return order.is_late(self.run.integration.approvals.report_after_hours)


def _key(document: Document) -> str:
    return document_key(ErpSlot(document.erp), ORDERS, document.erp_id)


def _as_order(document: Document) -> SalesOrder:
    """As much of the order as its address needs."""
    return SalesOrder(
        key="",
        company_id=document.company,
        customer_id=document.customer_id,
        currency=document.currency or "",
        order_date=document.issued_on or date.min,
        erp_id=document.erp_id,
    )


def _as_seen(known: WaitingOrder, order: SalesOrder, companies: Mapping[str, str]) -> WaitingOrder:
    return replace(
        known,
        number=order.number or known.number,
        company=companies.get(order.company_id, known.company),
        currency=order.currency,
        total=order.total,
        since=order.pending_since or known.since,
        is_confirmed=True,
    )


def _read_until(run: DocumentRun) -> datetime | None:
    """Up to which time the orders of every ERP were read."""
    watermarks = [run.store.watermark(run.stream(slot, ORDERS)) for slot in run.used_slots]
    reached = [each.modified_at for each in watermarks if each is not None]
    return min(reached) if reached and len(reached) == len(watermarks) else None


# -------------------------------------------------------------------- deals and people


def _with_people(run: DocumentRun, orders: Sequence[WaitingOrder]) -> list[WaitingOrder]:
    """The orders with the names of their accounts and deals, and with the deals' owners."""
    accounts = sorted({each.account for each in orders if each.account})
    names = {each.crm_id: each.name or "" for each in run.crm.accounts(accounts)} if accounts else {}
    deals = _deals(run, {each.deal for each in orders if each.deal})
    owners = {deal.owner_id for deal in deals.values() if deal.owner_id}
    people = run.crm.people(sorted(owners)) if owners else {}
    return [_completed(run, each, names, deals.get(each.deal or ""), people) for each in orders]


def _deals(run: DocumentRun, keys: Iterable[str]) -> dict[str, Deal]:
    by_source: dict[DealSource, list[str]] = {}
    for key in sorted(keys):
        if source := _SOURCE_OF_KEY.get(key[:3]):
            by_source.setdefault(source, []).append(key)
    return {
        deal.crm_id: deal
        for source, ids in by_source.items()
        for page in run.crm.deals(source, ids=ids)
        for deal in page
    }


def _completed(
    run: DocumentRun, order: WaitingOrder, names: Mapping[str, str], deal: Deal | None, people: Mapping[str, Person]
) -> WaitingOrder:
    return replace(
        order,
        account_name=names.get(order.account or "", ""),
        account_url=run.crm.url(order.account) if order.account else None,
        deal_name=deal.label if deal else "",
        deal_url=run.crm.url(order.deal) if order.deal and deal else None,
        owner=people.get(deal.owner_id or "") if deal else None,
    )


# -------------------------------------------------------------------- times


@task(name="Measure approval times", cache_policy=NO_CACHE, persist_result=False)
def measure_approvals(run: DocumentRun, days: int) -> list[ApprovalTimes]:
    """Average and median approval times of orders from the CRM and of those that were entered in the ERP, by company.

    Args:
        run: The run.
        days: Approvals of so many days count.
    """
    measured = approval_times(run.store.approvals(run.started_at - timedelta(days=days)))
    names: dict[tuple[str, str], str] = {}
    for slot in {ErpSlot(each.erp) for each in measured} & set(run.used_slots):
        with run.guard(slot, ()):
            names |= {(slot.value, company.id): company.name for company in run.companies_of(slot)}
    return [replace(each, company=names.get((each.erp, each.company), each.company)) for each in measured]
