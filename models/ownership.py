"""Ownership: when two systems differ in a field, which value stands, and why.

Each field has one owner, whose value is written to the other side. Where both sides may write, the latest change wins;
changes within the grace period of each other are left to the tie-breaker, and without one to a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final


class Side(StrEnum):
    """One of the two systems."""

    CRM = "CRM"
    ERP = "ERP"

    @property
    def other(self) -> Side:
        """The other one."""
        return Side.ERP if self is Side.CRM else Side.CRM


class Owner(StrEnum):
    """Who decides about a field."""

    CRM = "the CRM"
    ERP = "the ERP"
    LATEST = "the latest change"


class TieBreaker(StrEnum):
    """Who decides when both sides have changed a field within the grace period."""

    CRM = "the CRM"
    ERP = "the ERP"
    PERSON = "a person"


_SIDE_OF: Final = {Owner.CRM: Side.CRM, Owner.ERP: Side.ERP, TieBreaker.CRM: Side.CRM, TieBreaker.ERP: Side.ERP}


@dataclass(frozen=True, slots=True)
class Rule:
    """How differences in a field are settled.

    Attributes:
        owner: Whose value stands.
        tie: Who decides about changes within the grace period, where the latest change wins.
        may_be_empty: Whether an owner may empty the field; one that must not be empty is filled from the other side.
        is_one_way: Whether values only go from the owner to the other side; what that side has of its own, where the
            owner never had anything, is left alone.
    """

    owner: Owner
    tie: TieBreaker = TieBreaker.PERSON
    may_be_empty: bool = True
    is_one_way: bool = False


@dataclass(frozen=True, slots=True)
class Agreed:
    """What both sides had when the field was last in step; not the same where one cannot hold the other's value."""

    crm: Any
    erp: Any


@dataclass(frozen=True, slots=True)
class Moments:
    """When each side last changed the record, as aware UTC times corrected for the systems' clocks; None if unknown."""

    crm: datetime | None = None
    erp: datetime | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a field.

    Attributes:
        winner: Whose value stands and is written to the other side; None when there is nothing to write.
        why: The rule that said so, for the audit trail and the operator.
        is_conflict: Whether the losing side had changed the value, which is overwritten.
        is_doubtful: Whether a person must decide; nothing is written then.
    """

    winner: Side | None = None
    why: str = ""
    is_conflict: bool = False
    is_doubtful: bool = False


SETTLED: Final = Decision()
"""Nothing to do: both sides have what they agreed on."""


def decide(
    rule: Rule,
    crm: Any,
    erp: Any,
    agreed: Agreed | None,
    moments: Moments = Moments(),
    grace: timedelta = timedelta(seconds=60),
) -> Decision:
    """Decide about one field.

    Args:
        rule: How differences are settled.
        crm: The CRM's value in canonical form; None when it is empty.
        erp: The ERP's.
        agreed: What both sides had when the field was last in step; None when they never met.
        moments: When each side changed the record.
        grace: Changes that are less apart than this count as simultaneous.

    Example:
        >>> decide(Rule(Owner.LATEST), crm="+4930", erp="+4940", agreed=Agreed("+4930", "+4930"))
        Decision(winner=<Side.ERP: 'ERP'>, why='only the ERP has changed it', is_conflict=False, is_doubtful=False)
    """
    changed = _changed(crm, erp, agreed)
    if crm == erp or not changed:
        return SETTLED
    if rule.owner is Owner.LATEST:
        return _latest(rule, crm, erp, agreed, changed, moments, grace)
    owner = _SIDE_OF[rule.owner]
    value = crm if owner is Side.CRM else erp
    if value is None and rule.is_one_way and agreed is None:
        return SETTLED
    if value is None and not rule.is_one_way and (agreed is None or not rule.may_be_empty):
        return Decision(owner.other, f"{rule.owner} owns it and has no value yet")
    return Decision(owner, f"{rule.owner} owns it", is_conflict=agreed is not None and owner.other in changed)


def _changed(crm: Any, erp: Any, agreed: Agreed | None) -> frozenset[Side]:
    """Sides whose value is not the one that was agreed on; both when nothing was."""
    if agreed is None:
        return frozenset(Side)
    return frozenset(
        side for side, now, then in ((Side.CRM, crm, agreed.crm), (Side.ERP, erp, agreed.erp)) if now != then
    )


def _latest(
    rule: Rule,
    crm: Any,
    erp: Any,
    agreed: Agreed | None,
    changed: frozenset[Side],
    moments: Moments,
    grace: timedelta,
) -> Decision:
    empty = [side for side, value in ((Side.CRM, crm), (Side.ERP, erp)) if value is None]
    if empty and (agreed is None or not rule.may_be_empty):
        return Decision(empty[0].other, f"the {empty[0]} has no value yet")
    if len(changed) == 1:
        (winner,) = changed
        return Decision(winner, f"only the {winner} has changed it")
    return _of_two_changes(rule, moments, grace)


def _of_two_changes(rule: Rule, moments: Moments, grace: timedelta) -> Decision:
    if moments.crm is not None and moments.erp is not None and abs(moments.crm - moments.erp) >= grace:
        winner = Side.CRM if moments.crm > moments.erp else Side.ERP
        return Decision(winner, f"both have changed it, the {winner} later", is_conflict=True)
    if rule.tie is TieBreaker.PERSON:
        return Decision(None, "both have changed it at the same time", is_doubtful=True)
    winner = _SIDE_OF[rule.tie]
    return Decision(winner, f"both have changed it at the same time, and {rule.tie} decides then", is_conflict=True)
