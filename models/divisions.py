"""Deals of several subsidiaries: keys of their parts, what the ledger keeps before they are sent, shares of amounts.

A part is known by the deal's own id and by the place of its order: the ERP connection and the company there. So the key
of a part is the same in every run, whatever the subsidiary is called, and no two parts share one.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, TypeVar

from prefect_crm_erp.models.keys import is_salesforce_id
from prefect_crm_erp.models.money import ZERO, split_amount
from prefect_crm_erp.models.records import Deal, DealLine, OrderStatus

T = TypeVar("T", bound=Hashable)

_BEFORE_PLACE: Final = "/"
_PART: Final = "part of "
_DIVIDED: Final = "divided as "
_TO: Final = " to "
_BETWEEN: Final = " | "


def place_of(erp: str, company: str) -> str:
    """Where the order of a part is: name of the ERP connection, and the company's id there."""
    return f"{erp}-{company}"


def part_key(deal: str, place: str) -> str:
    """Key of a part everywhere: `006D000000abCDEIA2/main-3`."""
    return f"{deal}{_BEFORE_PLACE}{place}"


def deal_key(key: str) -> str:
    """The deal's own id in the key of one of its parts; any other key is its own.

    Example:
        >>> deal_key("006D000000abCDEIA2/main-3")
        '006D000000abCDEIA2'
    """
    head, mark, place = key.partition(_BEFORE_PLACE)
    return head if mark and place and is_salesforce_id(head) else key


# -------------------------------------------------------------------- what the ledger keeps


@dataclass(frozen=True, slots=True)
class Sent:
    """What the ledger keeps of a record before it is sent: the fingerprint of what it becomes, and the ERP it goes to.

    Attributes:
        fingerprint: Of what it was made of.
        erp: Name of the ERP connection; None where it is not known, as in what earlier releases have kept.

    Example:
        >>> Sent.read(str(Sent("d1", "second")))
        Sent(fingerprint='d1', erp='second')
    """

    fingerprint: str
    erp: str | None = None

    def __str__(self) -> str:
        """As the ledger keeps it."""
        return f"{self.fingerprint}{_TO}{self.erp}" if self.erp else self.fingerprint

    @classmethod
    def read(cls, kept: str) -> Sent:
        """What the ledger keeps of any record."""
        fingerprint, _, erp = kept.partition(_TO)
        return cls(fingerprint, erp or None)


@dataclass(frozen=True, slots=True)
class PartPrint:
    """Fingerprint of a part: what the whole deal and the part were made of, and how many parts there are.

    Example:
        >>> PartPrint.read(str(PartPrint(2, "d1", "p1")))
        PartPrint(parts=2, deal='d1', part='p1')
    """

    parts: int
    deal: str
    part: str

    def __str__(self) -> str:
        """As the ledger keeps it."""
        return f"{_PART}{self.parts} {self.deal} {self.part}"

    @classmethod
    def read(cls, fingerprint: str) -> PartPrint | None:
        """A fingerprint of the ledger; None when it is not of a part."""
        if not fingerprint.startswith(_PART):
            return None
        parts, deal, part = fingerprint.removeprefix(_PART).split(" ")
        return cls(int(parts), deal, part)


@dataclass(frozen=True, slots=True)
class Division:
    """What the ledger keeps of a deal before its first part is sent: into which places it may have gone.

    Example:
        >>> Division.read(str(Division("d1", ("main-3", "second-2")))).places
        ('main-3', 'second-2')
    """

    deal: str
    places: tuple[str, ...]

    def __str__(self) -> str:
        """As the ledger keeps it."""
        return _DIVIDED + _BETWEEN.join((self.deal, *self.places))

    @classmethod
    def read(cls, fingerprint: str) -> Division | None:
        """A fingerprint of the ledger; None when it is not of a divided deal."""
        if not fingerprint.startswith(_DIVIDED):
            return None
        deal, *places = fingerprint.removeprefix(_DIVIDED).split(_BETWEEN)
        return cls(deal, tuple(places))


# -------------------------------------------------------------------- dividing


def divide(deal: Deal, lines: Sequence[DealLine], goals: Sequence[T]) -> dict[T, Deal]:
    """Divide a deal: each part has its lines only, and its share of shipping and tax.

    The parts' totals add up to the deal's, to the minor unit: what cannot be shared out evenly goes to the parts with
    the largest remainders, the first of equals first.

    Args:
        deal: The deal, with its currency.
        lines: Its lines after the header discount.
        goals: Where each line goes, in the order of the lines.

    Returns:
        The parts by where they go, in the order of their first lines.
    """
    grouped: dict[T, list[DealLine]] = {}
    for line, goal in zip(lines, goals, strict=True):
        grouped.setdefault(goal, []).append(line)
    worth = [sum((line.amount for line in group), ZERO) for group in grouped.values()]
    currency = (deal.currency or "").upper()
    shipping = _shares(deal.shipping, worth, currency)
    taxes: list[Decimal | None] = [None] * len(worth)
    if deal.tax is not None:
        taxes = [*_shares(deal.tax, worth, currency)]
    return {
        goal: deal.model_copy(
            update={
                "lines": tuple(group),
                "header_discount_percent": ZERO,
                "shipping": sent,
                "tax": tax,
                "total": amount + sent + (tax or ZERO),
            }
        )
        for (goal, group), amount, sent, tax in zip(grouped.items(), worth, shipping, taxes, strict=True)
    }


def _shares(amount: Decimal, weights: list[Decimal], currency: str) -> list[Decimal]:
    """Shares of an amount; what is less than a minor unit of it stays with the first."""
    shares = split_amount(amount, weights, currency)
    shares[0] += amount - sum(shares, ZERO)
    return shares


# -------------------------------------------------------------------- the parts together

_HELD = (OrderStatus.DRAFT, OrderStatus.PENDING_APPROVAL, OrderStatus.ON_HOLD)
_INVOICED = (OrderStatus.PARTLY_INVOICED, OrderStatus.INVOICED)
_SHIPPED = (OrderStatus.PARTLY_SHIPPED, OrderStatus.SHIPPED)


def status_together(statuses: Collection[OrderStatus]) -> OrderStatus | None:
    """One status for the orders of one deal: what is held up shows first, and what only some have reached is partly so.

    Cancelled orders count only when all are.

    Example:
        >>> status_together([OrderStatus.INVOICED, OrderStatus.APPROVED])
        <OrderStatus.PARTLY_INVOICED: 'Partly Invoiced'>
    """
    living = set(statuses) - {OrderStatus.CANCELLED}
    if len(living) <= 1:
        return next(iter(living), OrderStatus.CANCELLED if statuses else None)
    held = next((each for each in _HELD if each in living), None)
    if held:
        return held
    return OrderStatus.PARTLY_INVOICED if living.intersection(_INVOICED) else OrderStatus.PARTLY_SHIPPED
