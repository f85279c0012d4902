"""What became of a record: outcomes, the five queues, and results of a write."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Generic, TypeVar

from prefect_crm_erp.models.credit import CreditPosition
from prefect_crm_erp.models.errors import (
    ConnectorError,
    CreditLimitError,
    LockedRecordError,
    MissingReferenceError,
    RejectedRecordError,
    TransientError,
)

R = TypeVar("R")


class Outcome(StrEnum):
    """The four fates of a source record; their counts add up to the records read."""

    WRITTEN = "written"
    UNCHANGED = "unchanged"
    QUEUED = "queued"
    EXCLUDED = "excluded"


class Queue(StrEnum):
    """Where a record waits that cannot go on; the five stay distinct for the operator."""

    PENDING_REVIEW = "Pending Review"
    RETRY = "Retry"
    DEAD_LETTER = "Dead Letter"
    DATA_QUALITY = "Data Quality Exception"
    MANUAL_REVIEW = "Manual Review"
    PENDING_APPROVAL = "Pending Approval"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a record's road ended in this run, and why.

    Attributes:
        outcome: One of the four fates.
        reason: One sentence for the operator; empty for a plain success.
        queue: The queue it waits in, for `queued`.
        error: Class name of the error that parked it, for later triage.
        fields: Fields that the reason speaks of.
    """

    outcome: Outcome
    reason: str = ""
    queue: Queue | None = None
    error: str | None = None
    fields: tuple[str, ...] = ()

    @classmethod
    def queued(cls, queue: Queue, reason: str, *, error: str | None = None, fields: tuple[str, ...] = ()) -> Verdict:
        """The record waits in a queue."""
        return cls(Outcome.QUEUED, reason, queue, error, fields)

    @classmethod
    def excluded(cls, reason: str) -> Verdict:
        """The record is left alone on purpose."""
        return cls(Outcome.EXCLUDED, reason)

    @classmethod
    def from_error(cls, error: ConnectorError) -> Verdict:
        """The queue that an error leads to: technical trouble is retried, a refused record is for people."""
        fields = getattr(error, "fields", ())
        return cls.queued(queue_for(error), str(error), error=type(error).__name__, fields=fields)


def queue_for(error: ConnectorError) -> Queue:
    """Which queue a record waits in after an error."""
    if isinstance(error, CreditLimitError):
        return Queue.PENDING_APPROVAL
    if isinstance(error, TransientError | LockedRecordError):
        return Queue.RETRY
    if isinstance(error, MissingReferenceError):
        return Queue.DATA_QUALITY
    if isinstance(error, RejectedRecordError):
        return Queue.MANUAL_REVIEW
    return Queue.DATA_QUALITY


@dataclass(frozen=True, slots=True)
class Change:
    """One field, before and after: for the audit trail and for a dry run.

    Attributes:
        field: Name of the field.
        before: Value before the write, as people read it; None when it was empty.
        after: Value after it.
        why: The rule by which it was written, where there is more than one.
    """

    field: str
    before: str | None
    after: str | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    """What was put right, assumed or flagged on the way, for the operator to see.

    Attributes:
        field: Canonical name of the field.
        text: A sentence: `Billing address was empty; the shipping address is used.`
        flag: Who should look at it (`Finance`, `Sales`), if anybody.
    """

    field: str
    text: str
    flag: str | None = None
    before: str | None = None
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Written(Generic[R]):
    """A record as it stands in the target after the write.

    Attributes:
        record: As the target has it now.
        created: Whether this write made it; False when it was there, or was only changed.
        notes: What the target could not take as it was given, and what was done instead.
        credit: Of a customer: its credit at the company that it was written for, where that was read along with it.
    """

    record: R
    created: bool = True
    notes: tuple[Note, ...] = ()
    credit: CreditPosition | None = None


@dataclass(frozen=True, slots=True)
class Rejected(Generic[R]):
    """A record that the target did not take, and its own words."""

    record: R
    error: ConnectorError


WriteResult = Written[R] | Rejected[R]


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One source record in a run's report. Amounts are in `currency`, in its major unit."""

    crm_id: str
    name: str
    outcome: Outcome
    queue: Queue | None = None
    reason: str = ""
    account: str | None = None
    subsidiary: str | None = None
    erp_id: str | None = None
    erp_number: str | None = None
    currency: str | None = None
    crm_total: Decimal | None = None
    erp_total: Decimal | None = None
    crm_url: str | None = None
    erp_url: str | None = None
    notes: tuple[Note, ...] = ()
    changes: tuple[Change, ...] = field(default=())
