"""What is written to and read from the ledger. Times are aware and UTC; amounts are exact Decimals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from prefect_crm_erp.models.errors import TransientError
from prefect_crm_erp.models.outcomes import Change, Queue, Verdict
from prefect_crm_erp.models.records import AccountSales


class LeaseLostError(TransientError):
    """Another run took these keys over: nothing may be sent for them now.

    Args:
        kind: What the keys are of.
        keys: The keys that are no longer held.
    """

    def __init__(self, kind: str, keys: frozenset[str]) -> None:
        names = ", ".join(sorted(keys)[:5]) + (" …" if len(keys) > 5 else "")
        super().__init__(f"The claim on {len(keys)} {kind} key(s) is no longer held by this run: {names}")
        self.kind = kind
        self.keys = keys


# ---------------------------------------------------------------------- runs and coverage


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """A record as a run read it from the source."""

    key: str
    name: str = ""
    modified_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Coverage:
    """Whether every source record of a run is accounted for, counted by the database from the rows.

    Attributes:
        source: Records that were read.
        written: Records with this outcome; likewise the next three.
        open_count: Records that were read and have no outcome.
        open: The first 20 of their keys.
        stray: The first 20 keys with an outcome that were never read.
        unexplained: The first 20 keys that are queued without a queue, or queued or excluded without a reason.
    """

    source: int
    written: int
    unchanged: int
    queued: int
    excluded: int
    open_count: int = 0
    open: tuple[str, ...] = ()
    stray: tuple[str, ...] = ()
    unexplained: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether source = written + unchanged + queued + excluded, record by record, with a reason where due."""
        accounted = self.written + self.unchanged + self.queued + self.excluded
        return self.source == accounted and not (self.open_count or self.stray or self.unexplained)


@dataclass(frozen=True, slots=True)
class RunInfo:
    """A run as the ledger knows it; `finished_at` is None while it runs, or when it was killed."""

    run_id: str
    flow: str
    source: str
    dry_run: bool
    started_at: datetime
    finished_at: datetime | None
    status: str
    source_count: int | None
    summary: Mapping[str, Any] | None


# ---------------------------------------------------------------------- exactly once


class BusyKey(NamedTuple):
    """A key that another run works on.

    Attributes:
        run_id: That run.
        until: When its lease ends.
    """

    run_id: str
    until: datetime


@dataclass(frozen=True, slots=True)
class ClaimResult:
    """What became of a claim.

    Attributes:
        mine: Keys that this run holds now.
        busy: Keys that another run holds.
        unknown: Those of `mine` that were about to be sent before, with the fingerprint of what was sent: whether the
            target has them is unknown, so look them up by key before anything is sent.
    """

    mine: frozenset[str]
    busy: Mapping[str, BusyKey] = field(default_factory=dict)
    unknown: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Binding:
    """A key and the ERP record that it became. Totals are in `currency`, in its major unit.

    Attributes:
        kind: What it is: `order`, `customer`, `product`.
        key: Its key in the CRM.
        erp: Name of the ERP connection.
        company: Company id in the ERP; empty where the ERP has none.
        erp_id: The ERP's own id.
        fingerprint: Digest of what was sent; the same digest again needs no write.
        erp_number: Number that people know it by.
    """

    kind: str
    key: str
    erp: str
    company: str
    erp_id: str
    fingerprint: str
    erp_number: str | None = None
    currency: str | None = None
    crm_total: Decimal | None = None
    erp_total: Decimal | None = None


@dataclass(frozen=True, slots=True)
class PartBinding(Binding):
    """A binding of a part of what the key stands for: the key itself is not done with it.

    Attributes:
        claimed_as: The key under which the part was claimed and sent.
    """

    claimed_as: str = field(kw_only=True)

    @classmethod
    def of(cls, binding: Binding, claimed_as: str) -> PartBinding:
        """A binding as that of a part."""
        return cls(**{each.name: getattr(binding, each.name) for each in fields(Binding)}, claimed_as=claimed_as)


@dataclass(frozen=True, slots=True)
class CrossReference(Binding):
    """A binding as stored.

    Attributes:
        run_id: Run that wrote it last.
        bound_at: When it was bound first.
        updated_at: When it was written last.
    """

    run_id: str = field(kw_only=True)
    bound_at: datetime = field(kw_only=True)
    updated_at: datetime = field(kw_only=True)


# ---------------------------------------------------------------------- reconciliation


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """A field in which a linked pair of records differs. Values are as people read them; None for an empty one.

    Attributes:
        key: Key of the CRM record.
        erp: Name of the ERP connection.
        field: Canonical name of the field.
        crm_value: What the CRM has.
        erp_value: What the ERP has.
        owner: Who owns the field.
        name: What people know the CRM record by.
        erp_id: The ERP's own id of its record.
        erp_number: Number that people know the ERP's record by.
        run_id: The reconciliation that saw it last; filled in by the ledger, as are the next two.
        since: When the first reconciliation saw it since when it has been there without a break.
        times: How many reconciliations in a row have seen it.
    """

    key: str
    erp: str
    field: str
    crm_value: str | None
    erp_value: str | None
    owner: str
    name: str
    erp_id: str
    erp_number: str | None = None
    run_id: str | None = None
    since: datetime | None = None
    times: int = 0


# ---------------------------------------------------------------------- documents


@dataclass(frozen=True, slots=True)
class Document:
    """A document of an ERP as the ledger remembers it. What a kind does not have is None.

    Attributes:
        kind: What it is: `order`, `delivery`, `invoice`, `payment`.
        erp: Name of the ERP connection.
        company: Company id in the ERP; empty where the ERP has none.
        customer_id: ERP id of the customer.
        account: 18-character id of the CRM account; None while the customer has none, and the document waits.
        opportunity_id: 18-character id of the opportunity that it hangs on.
        order_ids: ERP ids of the sales orders that it belongs to.
        order_keys: Keys of those of these orders that came from the CRM.
        fingerprint: Digest of what stands in the CRM; None when it was never written there.
        children: References of the lines or applications that stand in the CRM.
        type: As `InvoiceType` names it, or what the kind has in its place; likewise `status`.
        issued_on: Date of the document.
        paid_on: Day of the last payment, once nothing is open any more.
        untaxed: Total without tax in `currency`, in its major unit, as `total` with tax and the `balance` not yet paid.
        company_untaxed: The same in the company's currency, as booked; likewise the next two.
        modified_at: Last change in the ERP.
        submitted_at: When an order was put up for approval, the last time.
        approved_at: When an order became binding.
        written_at: When the ledger noted it last; filled in by the ledger.
    """

    kind: str
    erp: str
    erp_id: str
    number: str | None = None
    company: str = ""
    customer_id: str = ""
    account: str | None = None
    opportunity_id: str | None = None
    order_ids: tuple[str, ...] = ()
    order_keys: tuple[str, ...] = ()
    fingerprint: str | None = None
    children: tuple[str, ...] = ()
    type: str | None = None
    status: str | None = None
    currency: str | None = None
    company_currency: str | None = None
    payment_terms: str | None = None
    issued_on: date | None = None
    due_date: date | None = None
    paid_on: date | None = None
    untaxed: Decimal | None = None
    total: Decimal | None = None
    balance: Decimal | None = None
    company_untaxed: Decimal | None = None
    company_total: Decimal | None = None
    company_balance: Decimal | None = None
    modified_at: datetime | None = None
    submitted_at: datetime | None = None
    approved_at: datetime | None = None
    written_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether something of it is still to be paid, or to be given back."""
        return bool(self.balance)


@dataclass(frozen=True, slots=True)
class ShownSales:
    """What an account shows of its invoices.

    Attributes:
        account: 18-character id of the CRM account.
        changes: How many changes of its documents the ledger had seen; documents that are read later may have more,
            never fewer.
        sales: What the account shows; None when nothing was ever written.
    """

    account: str
    changes: int
    sales: AccountSales | None


# ---------------------------------------------------------------------- notices


@dataclass(frozen=True, slots=True)
class Notice:
    """That people were told of something, so that they are not told of it again with each run.

    Attributes:
        kind: What they were told of.
        key: Which record it is about.
        channel: The way in which they were told.
        since: When that began of which they were told; what begins anew is told anew.
        told: Who was told, by name.
        times: How often, by this channel.
        sent_at: When they were told last; filled in by the ledger.
    """

    kind: str
    key: str
    channel: str
    since: datetime
    told: str = ""
    times: int = 1
    sent_at: datetime | None = None


# ---------------------------------------------------------------------- queues


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When technical trouble is tried again.

    Attributes:
        base_seconds: Wait after the first failure.
        max_attempts: The failure with this number moves the record to Dead Letter.
        factor: Each further wait is this many times longer.
        longest_seconds: No wait is longer than this.
    """

    base_seconds: float = 60
    max_attempts: int = 6
    factor: float = 2
    longest_seconds: float = 6 * 3600

    def delay(self, attempts: int) -> timedelta:
        """Wait after so many failed attempts.

        Example:
            >>> RetryPolicy().delay(3)
            datetime.timedelta(seconds=240)
        """
        seconds = self.base_seconds * self.factor ** min(max(attempts, 1) - 1, 30)
        return timedelta(seconds=min(seconds, self.longest_seconds))


@dataclass(frozen=True, slots=True)
class ParkEntry:
    """A record to put into a queue.

    Attributes:
        kind: What it is: `order`, `customer`.
        key: Its key.
        name: Its name, for people.
        verdict: The queue and the reason.
        fingerprint: Digest of what failed; other content starts its attempts anew.
        retry: Backoff of the Retry queue.
        not_before: The system's own wish when to be asked again; a longer backoff stays.
    """

    kind: str
    key: str
    name: str
    verdict: Verdict
    fingerprint: str | None = None
    retry: RetryPolicy | None = None
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Parked:
    """A record's stay in a queue, as stored.

    Attributes:
        attempts: Failed attempts in the Retry queue with this content.
        first_parked_at: Since when it waits, whatever the queue.
        next_attempt_at: When the Retry queue is due; None in the queues that wait for people.
        resolved_at: When it left the queues; None while it waits.
        changed: For what `park` returns: whether it is new, or in another queue or for another reason than before.
    """

    kind: str
    key: str
    name: str
    queue: Queue
    reason: str
    error: str | None
    fields: tuple[str, ...]
    fingerprint: str | None
    attempts: int
    run_id: str
    first_parked_at: datetime
    parked_at: datetime
    next_attempt_at: datetime | None = None
    resolved_at: datetime | None = None
    resolution: str | None = None
    changed: bool = False


# ---------------------------------------------------------------------- audit


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """What was done to a record in one of the systems.

    Attributes:
        kind: What it is: `order`, `customer`.
        key: Its key in the CRM.
        system: The system that was changed.
        action: What was done: `create`, `update`, `write back`.
        target_id: Id of the changed record in that system.
        changes: Fields, before and after.
        actor: Who did it; a person's name for manual corrections.
        run_id: Filled in by `bind`.
        at: Filled in by the ledger.
    """

    kind: str
    key: str
    system: str
    action: str
    target_id: str | None = None
    changes: tuple[Change, ...] = ()
    actor: str = "integration"
    run_id: str | None = None
    at: datetime | None = None
