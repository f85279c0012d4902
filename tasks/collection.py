"""Collection: what was ordered over a period, what was invoiced and what came in, summed up from the ledger."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple, TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.crm.values import Person
from prefect_crm_erp.blocks.ledger import Document
from prefect_crm_erp.models.collection import Collected, collection_summary
from prefect_crm_erp.models.errors import ConfigurationError
from prefect_crm_erp.models.records import Account
from prefect_crm_erp.tasks.document_kinds import INVOICES, ORDERS, PAYMENTS
from prefect_crm_erp.tasks.document_run import DocumentRun

COUNTED = (ORDERS, INVOICES, PAYMENTS)
"""Kinds of documents that count."""

Group = TypeVar("Group", bound=Hashable)


class Place(NamedTuple):
    """Where documents belong: the account, None for a customer that has none, and the company of an ERP."""

    account: str | None
    erp: str
    company: str


@dataclass(frozen=True, slots=True)
class Period:
    """The days of a report, both included."""

    first: date
    last: date

    def __str__(self) -> str:
        """The month, or the days."""
        is_month = self.first.day == 1 and self.last == _end_of_month(self.first)
        return f"{self.first:%Y-%m}" if is_month else f"{self.first} to {self.last}"


@dataclass(frozen=True, slots=True)
class CollectionSums:
    """Sums of a period by where documents belong and currency, and what the places are called.

    Attributes:
        period: The days.
        sums: What was ordered, invoiced and collected, by place and currency.
        accounts: The accounts that the CRM still has, by id.
        owners: Who owns them.
        subsidiaries: Names of subsidiaries by ERP connection and company.
    """

    period: Period
    sums: Mapping[tuple[Place, str], Collected]
    accounts: Mapping[str, Account]
    owners: Mapping[str, Person]
    subsidiaries: Mapping[tuple[str, str], str]

    def by(self, group: Callable[[Place], Group]) -> dict[tuple[Group, str], Collected]:
        """The sums by another group, and by currency."""
        found: dict[tuple[Group, str], Collected] = {}
        for (place, currency), sums in self.sums.items():
            key = group(place), currency
            found[key] = found.get(key, Collected()) + sums
        return found


def period_of(month: str | None, since: date | None, today: date) -> Period:
    """The days that a report is about: a month, or those since a day; the last full month when neither is said.

    Raises:
        ConfigurationError: Both are said, or the month is none.

    Example:
        >>> str(period_of(None, None, date(2026, 3, 15)))
        '2026-02'
    """
    if month and since:
        raise ConfigurationError("Say either a month or a first day, not both")
    if since:
        return Period(since, max(since, today))
    first = _first_of(month) if month else (today.replace(day=1) - timedelta(days=1)).replace(day=1)
    return Period(first, _end_of_month(first))


def _first_of(month: str) -> date:
    try:
        return date.fromisoformat(f"{month.strip()}-01")
    except ValueError:
        raise ConfigurationError(f"{month!r} is no month; it looks like 2026-03") from None


def _end_of_month(first: date) -> date:
    return (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)


@task(name="Sum up collection", cache_policy=NO_CACHE, persist_result=False)
def sum_up(run: DocumentRun, period: Period) -> CollectionSums:
    """Sum up all orders, invoices and payments of a period; the ERPs are asked only what their companies are called.

    Raises:
        TransientError: The CRM is not available.
    """
    sums = collection_summary(_documents(run, period), lambda each: Place(each.account, each.erp, each.company))
    accounts = sorted({place.account for place, _ in sums if place.account})
    return CollectionSums(
        period,
        sums,
        {each.crm_id: each for each in run.crm.accounts(accounts)} if accounts else {},
        run.crm.owners(accounts) if accounts else {},
        _subsidiaries(run),
    )


def _documents(run: DocumentRun, period: Period) -> Iterator[Document]:
    for what in COUNTED:
        for page in run.store.document_pages(what.name, period.first, period.last):
            yield from page


def _subsidiaries(run: DocumentRun) -> dict[tuple[str, str], str]:
    """Names of subsidiaries, as far as their ERP answers."""
    names: dict[tuple[str, str], str] = {}
    for each in run.integration.routing.subsidiaries:
        if run.is_up(each.erp, ()):
            with run.guard(each.erp, ()):
                names.setdefault((each.erp.value, run.company(each.erp, each.company).id), each.name)
    return names
