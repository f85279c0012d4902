"""Approvals of orders in an ERP: when an order has waited too long, and how long approvals take."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from statistics import median


class Origin(StrEnum):
    """Where an order was born."""

    CRM = "from the CRM"
    ERP = "entered in the ERP"


@dataclass(frozen=True, slots=True)
class Approval:
    """An order that was approved.

    Attributes:
        erp: Name of the ERP connection.
        company: Company id in the ERP.
        origin: Where the order was born.
        submitted_at: When it was put up for approval, the last time.
        approved_at: When it became binding.
    """

    erp: str
    company: str
    origin: Origin
    submitted_at: datetime
    approved_at: datetime


@dataclass(frozen=True, slots=True)
class ApprovalTimes:
    """How long the approvals of one company's orders of one origin took.

    Attributes:
        orders: Orders that were approved.
        average: Their mean time from being put up for approval to being binding.
        median: The time that half of them took at most; a few that lay for weeks do not move it.
        longest: The longest.
    """

    erp: str
    company: str
    origin: Origin
    orders: int
    average: timedelta
    median: timedelta
    longest: timedelta


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """What decides whether an order was authorised beforehand.

    Attributes:
        has_bought: Whether the customer has an order or invoice that stands.
        discount: The largest discount of a line, in percent of its list price.
        amount: Total without tax in the company's currency, not rounded; None when it cannot be converted.
        company_currency: ISO 4217 code.
        country: ISO 3166-1 alpha-2 code of the customer's billing country.
        currency: ISO 4217 code of the order's own currency.
    """

    has_bought: bool
    discount: Decimal
    amount: Decimal | None
    company_currency: str
    country: str | None
    currency: str


def waits_longer_than(hours: float, since: datetime, now: datetime) -> bool:
    """Whether something that began at a time has lasted more than so many hours; exactly so many are not more.

    Example:
        >>> from datetime import UTC
        >>> began = datetime(2026, 3, 1, 12, tzinfo=UTC)
        >>> waits_longer_than(24, began, datetime(2026, 3, 2, 12, tzinfo=UTC))
        False
    """
    return now - since > timedelta(hours=hours)


def approval_times(approvals: Iterable[Approval]) -> list[ApprovalTimes]:
    """Average and median approval times by company and origin, in the order of connection, company and origin.

    An order that nobody had to approve counts, too: that it went through at once is what pre-authorising is for.

    Args:
        approvals: Approved orders, read once.
    """
    groups: dict[tuple[str, str, Origin], list[timedelta]] = {}
    for each in approvals:
        took = max(each.approved_at - each.submitted_at, timedelta(0))
        groups.setdefault((each.erp, each.company, each.origin), []).append(took)
    return [
        ApprovalTimes(*group, len(took), sum(took, timedelta(0)) / len(took), _median(took), max(took))
        for group, took in sorted(groups.items())
    ]


def _median(durations: list[timedelta]) -> timedelta:
    return timedelta(seconds=median(each.total_seconds() for each in durations))


def in_words(duration: timedelta) -> str:
    """A duration as people say it, in two units at most; never more than it is.

    Example:
        >>> in_words(timedelta(hours=51, minutes=20))
        '2 days 3 hours'
        >>> in_words(timedelta(seconds=20))
        'under a minute'
    """
    minutes = int(duration.total_seconds() // 60)
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    parts = [(days, "day"), (hours, "hour"), (rest, "minute")]
    told = [f"{count:,} {unit}{'s' if count > 1 else ''}" for count, unit in parts if count]
    return " ".join(told[:2]) or "under a minute"
