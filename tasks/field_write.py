"""Write: book each payment and each return in the ERP exactly once, and bind it to its record in the CRM.

Claim the key, look it up in the ERP, write the intent, write to the ERP, bind. What an earlier run has sent without
knowing its outcome is found by its key, and nothing is sent again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.ledger import AuditEntry, Binding, LeaseLostError
from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.divisions import Sent
from prefect_crm_erp.models.field_entries import PaymentEntry, ReturnEntry, payment_trouble
from prefect_crm_erp.models.money import plain
from prefect_crm_erp.models.outcomes import Change, Note, Outcome, Queue, Rejected, Verdict
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.models.records import Company
from prefect_crm_erp.tasks.claims import held
from prefect_crm_erp.tasks.field_item import FieldItem
from prefect_crm_erp.tasks.field_run import FieldRun
from prefect_crm_erp.tasks.former import numbers_of, sent_to
from prefect_crm_erp.tasks.run import by_company, by_slot
from prefect_crm_erp.tasks.traveller import open_items


@task(name="Book entries of the field", cache_policy=NO_CACHE, persist_result=False)
def write_entries(run: FieldRun, page: Page[FieldItem]) -> Page[FieldItem]:
    """Book the page's payments and returns; in a dry run only look whether they could be.

    What another run is writing waits for the next one.
    """
    going_on = list(open_items(page))
    if run.dry_run:
        _book(run, going_on)
        return page
    claimed = run.store.claim(run.kind, [item.key for item in going_on], run.run_id, run.lease)
    mine = [item for item in going_on if item.key in claimed.mine]
    run.wait([item for item in going_on if item.key not in claimed.mine], "Another run is writing this record", "Busy")
    with held(run, run.kind, [item.key for item in mine]):
        try:
            _leave_bound(run, mine)
            _leave_to_former(run, mine, claimed.unknown)
            _book(run, [item for item in mine if item.verdict is None])
        finally:
            unbound = [item.key for item in mine if item.binding is None]
            run.store.release(run.kind, [item.key for item in mine if item.binding is not None], run.run_id)
            run.store.release(run.kind, unbound, run.run_id, keep_intent=True)
    return page


def _leave_bound(run: FieldRun, items: Sequence[FieldItem]) -> None:
    """Another run may have bound an entry between our check and our claim."""
    bound = run.store.bound(run.kind, [item.key for item in items])
    for item in items:
        if item.key in bound:
            item.binding = bound[item.key][0]
            item.verdict = Verdict(Outcome.UNCHANGED, "Written by another run at the same time")


def _leave_to_former(run: FieldRun, items: Sequence[FieldItem], unknown: Mapping[str, str]) -> None:
    """Ask the ERP that an earlier run has sent an entry to, where the entry leads to another one now.

    What it has is parked: nothing is booked twice. While it does not answer, the entry waits.
    """
    suspects: dict[ErpSlot, list[FieldItem]] = defaultdict(list)
    for item in open_items(Page([*items])):
        slot = sent_to(run, item, unknown.get(item.key, ""))
        if slot is not None and slot is not item.slot:
            suspects[slot].append(item)
    for slot, waiting in suspects.items():
        if run.is_up(slot, waiting):
            with run.guard(slot, waiting):
                _park_found(run, slot, waiting)


def _park_found(run: FieldRun, slot: ErpSlot, items: Sequence[FieldItem]) -> None:
    erp = run.erps[slot]
    kind: type[Any] = type(items[0].entry)  # a page is of one kind
    found = erp.find(kind, [item.key for item in items])
    for item in items:
        if there := found.get(item.key):
            reason = (
                f"{erp.system} has {numbers_of(there)} of this record, from before it led elsewhere; undo the change "
                f"in {run.crm.system}, or cancel it there and record it anew"
            )
            item.verdict = Verdict.queued(Queue.MANUAL_REVIEW, reason, error="LedElsewhere")


def _book(run: FieldRun, items: Sequence[FieldItem]) -> None:
    for slot, of_slot in by_slot(items).items():
        for group in by_company(of_slot).values():
            if run.is_up(slot, group):
                with run.guard(slot, group):
                    _Booking(run, slot, group).run_all()


class _Booking:
    """Entries of one company of one ERP.

    Args:
        run: The run, which holds the claims on them.
        slot: The ERP connection.
        items: The entries, of one kind.
    """

    def __init__(self, run: FieldRun, slot: ErpSlot, items: Sequence[FieldItem]) -> None:
        self._run = run
        self._slot = slot
        self._erp = run.erps[slot]
        self._items = list(items)
        self._company: Company = next(item.company for item in items if item.company)
        self._found: set[str] = set()

    def run_all(self) -> None:
        """Find what is there, check what is not, book it and bind.

        Raises:
            TransientError: The ERP does not answer; what was sent is found by key in the next run.
        """
        self._find()
        self._check_open_amounts()
        new = [item for item in self._open() if item.key not in self._found]
        for item in new:
            item.changes += _changes(item)
        if self._run.dry_run:
            self._foresee()
        else:
            self._write([item for item in self._open() if item.key in self._found])
            self._write(self._intend(new))
            self._bind()

    def _open(self) -> list[FieldItem]:
        return [item for item in self._items if item.verdict is None and item.entry is not None]

    def _find(self) -> None:
        kind = type(self._items[0].entry)
        assert kind in (PaymentEntry, ReturnEntry)
        found: dict[str, list[Any]] = self._erp.find(kind, [item.key for item in self._items])
        for item in self._items:
            there = found.get(item.key, [])
            if len(there) > 1:
                reason = f"{self._erp.system} has it several times ({numbers_of(there)}); cancel all but one there"
                item.verdict = Verdict.queued(Queue.MANUAL_REVIEW, reason, error="Doubled")
            elif there and item.entry is not None:
                self._found.add(item.key)
                item.notes.append(Note("erp_id", f"Found in {self._erp.system} by its key; nothing was sent again"))
                known = there[0].model_dump(include={"erp_id", "number", "is_draft"})
                item.entry = item.entry.model_copy(update=known)

    def _check_open_amounts(self) -> None:
        """A payment fits into what its invoice has open, after those before it on the same invoice."""
        taken: dict[str, Decimal] = defaultdict(Decimal)
        for item in self._open():
            entry, invoice = item.entry, item.invoice
            if not isinstance(entry, PaymentEntry) or invoice is None or item.key in self._found:
                continue
            left = invoice.model_copy(update={"balance": invoice.balance - taken[invoice.erp_id]})
            trouble = payment_trouble(entry.amount, entry.currency, left)
            if trouble:
                item.verdict = Verdict.queued(Queue.DATA_QUALITY, trouble, error="DoesNotFit", fields=("amount",))
            else:
                taken[invoice.erp_id] += entry.amount

    def _foresee(self) -> None:
        for item in self._open():
            item.verdict = Verdict(Outcome.WRITTEN, "Dry run: it would be booked")

    def _intend(self, items: Sequence[FieldItem]) -> list[FieldItem]:
        """Write the intents; a run that slept must not send what another one has taken over meanwhile."""
        intents = {item.key: str(Sent(item.evaluation_digest(), self._slot.value)) for item in items}
        try:
            self._run.store.intend(self._run.kind, intents, self._run.run_id)
        except LeaseLostError as error:
            lost = [item for item in items if item.key in error.keys]
            self._run.wait(lost, "Another run has taken this record over", "Busy")
            return self._intend([item for item in items if item.key not in error.keys])
        return list(items)

    def _write(self, items: Sequence[FieldItem]) -> None:
        """Create what is new; finish what an earlier run left as a draft."""
        entries: list[Any] = [item.entry for item in items]
        for item, result in zip(items, self._erp.write(entries, self._company) if entries else (), strict=True):
            item.entry = result.record
            if isinstance(result, Rejected):
                item.verdict = Verdict.from_error(result.error)

    def _bind(self) -> None:
        """Cross-reference and audit in one transaction; from here on the entry is done."""
        done = self._open()
        store = self._run.store
        store.bind(self._run.run_id, [self._binding(item) for item in done], [self._audit(item) for item in done])
        bound = store.bound(self._run.kind, [item.key for item in done])
        for item in done:
            item.binding = bound[item.key][0]
            sent = item.key not in self._found
            item.verdict = Verdict(Outcome.WRITTEN, "" if sent else "An earlier run had sent it")

    def _binding(self, item: FieldItem) -> Binding:
        assert item.entry is not None
        return Binding(
            kind=self._run.kind,
            key=item.key,
            erp=self._slot.value,
            company=self._company.id,
            erp_id=str(item.entry.erp_id),
            erp_number=item.entry.number,
            fingerprint=item.evaluation_digest(),
            currency=item.currency,
            crm_total=item.amount,
            erp_total=item.amount,
        )

    def _audit(self, item: FieldItem) -> AuditEntry:
        return AuditEntry(
            kind=self._run.kind,
            key=item.key,
            system=self._erp.system,
            action="created" if item.changes else "found",
            target_id=str(item.entry and item.entry.erp_id),
            changes=tuple(item.changes),
        )


def _changes(item: FieldItem) -> list[Change]:
    """A new entry, field by field, for the audit trail and a dry run."""
    entry = item.entry
    assert entry is not None
    if isinstance(entry, PaymentEntry):
        paid = item.invoice.number if item.invoice else "on account"
        values = {"amount": f"{entry.amount:,} {entry.currency}", "pays": paid, "text": entry.text}
    else:
        lines = (f"{plain(line.quantity)} × {line.sku}" for line in entry.lines)
        values = {"lines": ", ".join(lines), "text": entry.text}
    return [Change(name, None, value) for name, value in {"date": str(entry.date), **values}.items() if value]
