"""Write back: tell the CRM what became of each deal, in few calls, and only what it does not say already."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.crm.values import CrmObject, Update, UpdateResult
from prefect_crm_erp.blocks.ledger import AuditEntry, CrossReference, ParkEntry
from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.errors import ConnectorError, LockedRecordError, TransientError
from prefect_crm_erp.models.keys import fold
from prefect_crm_erp.models.money import ZERO
from prefect_crm_erp.models.outcomes import Change, Note, Outcome, Queue, Verdict
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.models.records import DealSource, SalesOrder
from prefect_crm_erp.tasks.item import Item
from prefect_crm_erp.tasks.parts import together
from prefect_crm_erp.tasks.run import Run

SYNCED = "Synced"


@task(name="Write back", cache_policy=NO_CACHE, persist_result=False)
def write_back(run: Run, page: Page[Item]) -> Page[Item]:
    """Bring order number, status, amount and sync state of each deal to the CRM, and the account to a customer.

    A deal that the CRM refuses to update keeps its order; the write-back is owed, and the next run makes up for it, as
    it does for a run that died before it.
    """
    if run.dry_run:
        return page
    owed = {entry.key for entry in run.store.parked(kind=run.owed_kind, keys=[item.key for item in page])}
    late = [item for item in page if _is_unchanged(item) and (item.key in owed or _is_late(run, item))]
    told = [item for item in page if not _is_unchanged(item)] + _recall(run, late)
    updates: dict[tuple[CrmObject, str], tuple[Update, list[Item]]] = {}
    for item in told:
        for update in _updates(run, item):
            known = updates.setdefault((update.object, update.record_id), (update, []))
            known[1].append(item)
    failed = _send(run, updates) if updates else set()
    _settle(run, [item for item in told if item.key not in failed], owed)
    return page


def _is_unchanged(item: Item) -> bool:
    return item.verdict is not None and item.verdict.outcome is Outcome.UNCHANGED


def _is_late(run: Run, item: Item) -> bool:
    """Whether the record of the CRM does not say yet what its order is."""
    return run.has_crm_records and _is_new(_success(item), item)


def _recall(run: Run, items: Sequence[Item]) -> list[Item]:
    """Fetch the orders of deals that are written back late; those whose ERP does not answer stay for the next run."""
    orders: dict[str, list[SalesOrder]] = {}
    silent: set[str] = set()
    for slot in run.erps:
        mine = {each.erp_id: item.key for item in items for each in item.bindings if each.erp == slot.value}
        silent |= set(mine.values())
        if mine and run.is_up(slot, ()):
            with run.guard(slot, ()):
                for order in run.erps[slot].read(SalesOrder, list(mine)):
                    orders.setdefault(mine[str(order.erp_id)], []).append(order)
                silent -= set(mine.values())
    recalled = [item for item in items if item.binding and item.key not in silent]
    for item in recalled:
        item.order = together(orders.get(item.key, ()))
    return recalled


def erp_reference(slot: ErpSlot, erp_id: str) -> str:
    """The ERP's id as the CRM keeps it: unique over all ERP connections of the integration."""
    return erp_id if slot is ErpSlot.MAIN else f"{slot.value}:{erp_id}"


def read_reference(reference: str) -> tuple[ErpSlot | None, str]:
    """The ERP connection and the ERP's own id in an id as the CRM keeps it; None for an unknown connection.

    Example:
        >>> read_reference("second:17")
        (<ErpSlot.SECOND: 'second'>, '17')
    """
    slot, colon, erp_id = reference.partition(":")
    if not colon:
        return ErpSlot.MAIN, reference
    return (ErpSlot(slot) if slot in list(ErpSlot) else None), erp_id


# -------------------------------------------------------------------- what to say


def _updates(run: Run, item: Item) -> Iterable[Update]:
    verdict = item.verdict
    if verdict is None or verdict.outcome is Outcome.EXCLUDED:
        return
    said = _success(item)
    if verdict.outcome is Outcome.QUEUED and verdict.queue:
        said |= {"erp_sync_status": verdict.queue.value, "erp_sync_error": verdict.reason}
    if run.has_crm_records and _is_new(said, item):
        yield Update(run.object, item.key, said)
    if verdict.outcome is not Outcome.QUEUED:
        yield from _opportunity(run, item, said)
        yield from _account(run, item)


def _success(item: Item) -> dict[str, Any]:
    binding = item.binding
    if binding is None:
        return {}
    said: dict[str, Any] = {
        "erp_id": listed(erp_reference(ErpSlot(each.erp), each.erp_id) for each in item.bindings),
        "erp_order_number": listed(each.erp_number for each in item.bindings),
        "erp_amount": total_of(item.bindings),
        "erp_sync_status": SYNCED,
        "erp_sync_error": None,
    }
    if item.order is not None and item.order.status is not None and not (item.parts and item.is_queued):
        said["erp_status"] = item.order.status.value
    if item.valuation is not None:
        said["valuation"] = item.valuation
    return said


def listed(texts: Iterable[str | None]) -> str | None:
    """Texts as the CRM shows several of them; None without any."""
    return ", ".join(filter(None, texts)) or None


def total_of(bindings: Sequence[CrossReference]) -> Decimal | None:
    """What the orders of a deal come to in the ERP; None when one of them is not known."""
    totals = [each.erp_total for each in bindings if each.erp_total is not None]
    return sum(totals, ZERO) if totals and len(totals) == len(bindings) else None


def _is_new(said: dict[str, Any], item: Item) -> bool:
    """Whether the CRM does not say so already: what we write must not come back as a change."""
    return any(differs(value, getattr(item.deal, name)) for name, value in said.items())


def differs(value: Any, current: Any) -> bool:
    """Compare with what the CRM shows, which may have tidied a text's white space and cut it short."""
    if not (isinstance(value, str) and isinstance(current, str)):
        return bool(value != current) and not (value in (None, "") and current in (None, ""))
    said, shown = " ".join(value.split()), " ".join(current.split())
    return not (said == shown or (shown.endswith("…") and said.startswith(shown[:-1])))


def _opportunity(run: Run, item: Item, said: dict[str, Any]) -> Iterable[Update]:
    """The opportunity of an ordered quote or order shows the order too; with an accepted quote it is won."""
    opportunity = item.deal.opportunity_id
    if not said or run.object is CrmObject.OPPORTUNITY or not opportunity:
        return
    won = run.source is DealSource.ACCEPTED_QUOTES and fold(item.deal.opportunity_stage) != "closed won"
    yield Update(CrmObject.OPPORTUNITY, opportunity, said | ({"stage": "Closed Won"} if won else {}))


def _account(run: Run, item: Item) -> Iterable[Update]:
    """With its first order a prospect becomes a customer, and the account learns the customer's id."""
    account, order, policy = item.deal.account, item.order, run.integration.orders
    if account is None or order is None or item.binding is None:
        return
    said: dict[str, Any] = {}
    if not account.erp_id:  # an account that buys in several ERPs keeps the customer of its first order
        said["erp_id"] = erp_reference(ErpSlot(item.binding.erp), order.customer_id)
    if fold(account.type) in {fold(name) for name in policy.prospect_types}:
        said["type"] = policy.customer_type
    if said:
        yield Update(CrmObject.ACCOUNT, account.crm_id, said)


# -------------------------------------------------------------------- send and keep account


def _send(run: Run, updates: dict[tuple[CrmObject, str], tuple[Update, list[Item]]]) -> set[str]:
    """Send updates; give the keys of the deals for which something is owed now."""
    wanted = [update for update, _ in updates.values()]
    try:
        results = run.crm.write_back(wanted)
    except TransientError as error:
        results = [UpdateResult(update, error) for update in wanted]
    failed: set[str] = set()
    for result in results:
        items = updates[result.update.object, result.update.record_id][1]
        if result.error is None:
            _audit(run, result.update)
        else:
            failed |= _keep_owed(run, result.update, result.error, items)
    return failed


def _audit(run: Run, update: Update) -> None:
    changes = tuple(Change(name, None, str(value)) for name, value in update.values.items() if value is not None)
    entry = AuditEntry(
        kind=update.object.value,
        key=update.record_id,
        system=run.crm.system,
        action="written back",
        target_id=update.record_id,
        changes=changes,
        run_id=run.run_id,
    )
    run.store.audit([entry])


def _keep_owed(run: Run, update: Update, error: ConnectorError, items: Sequence[Item]) -> set[str]:
    """The order stands; that the CRM does not show it is kept as a debt of its own.

    What it will never take for the account (its customer belongs to another account, too) is no debt.
    """
    may_pass = isinstance(error, TransientError | LockedRecordError)
    entries: list[ParkEntry] = []
    for item in items:
        text = f"{run.crm.system} did not take the write-back to the {update.object.value}: {error.message}"
        if item.binding is not None:
            text = f"Order {listed(each.erp_number for each in item.bindings)} stands in the ERP. {text}"
        item.notes.append(Note("write_back", text, "Sales"))
        if may_pass or update.object is not CrmObject.ACCOUNT:
            queue = Queue.RETRY if may_pass else Queue.MANUAL_REVIEW
            entries.append(_debt(run, item, Verdict.queued(queue, text, error=type(error).__name__)))
    run.store.park(run.run_id, entries)
    return {entry.key for entry in entries}


def _debt(run: Run, item: Item, verdict: Verdict) -> ParkEntry:
    return ParkEntry(
        kind=run.owed_kind,
        key=item.key,
        name=item.label,
        verdict=verdict,
        fingerprint=item.evaluation_digest(),
        retry=run.retry_policy,
    )


def _settle(run: Run, items: Sequence[Item], owed: set[str]) -> None:
    """Debts are settled with what went through; a deal in a queue keeps what it owes as an order."""
    done = [item for item in items if item.key in owed and not (item.is_queued and item.binding)]
    for item in done:
        if _is_unchanged(item):
            item.notes.append(Note("write_back", f"Its write-back to {run.crm.system} was owed and is made up for"))
    run.store.resolve(run.owed_kind, [item.key for item in done], resolution="written")
