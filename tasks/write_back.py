"""Write back: tell the CRM what became of each deal, in few calls, and only what it does not say already."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.crm.base import CrmObject, Update, UpdateResult
from prefect_crm_erp.blocks.ledger import AuditEntry, ParkEntry
from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.errors import ConnectorError, LockedRecordError, TransientError
from prefect_crm_erp.models.keys import fold
from prefect_crm_erp.models.outcomes import Change, Note, Outcome, Queue, Verdict
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.models.records import DealSource
from prefect_crm_erp.tasks.extract import owed_kind
from prefect_crm_erp.tasks.item import Item
from prefect_crm_erp.tasks.run import Run

SYNCED = "Synced"


@task(name="Write back", cache_policy=NO_CACHE, persist_result=False)
def write_back(run: Run, page: Page[Item]) -> Page[Item]:
    """Bring order number, status, amount and sync state of each deal to the CRM, and the account to a customer.

    A deal that the CRM refuses to update keeps its order; the write-back is owed, and the next run tries it again.
    """
    if run.dry_run:
        return page
    updates: dict[tuple[CrmObject, str], tuple[Update, list[Item]]] = {}
    for item in page:
        for update in _updates(run, item):
            known = updates.setdefault((update.object, update.record_id), (update, []))
            known[1].append(item)
    if updates:
        _send(run, updates)
    _settle_owed(run, page)
    return page


def erp_reference(slot: ErpSlot, erp_id: str) -> str:
    """The ERP's id as the CRM keeps it: unique over all ERP connections of the integration."""
    return erp_id if slot is ErpSlot.MAIN else f"{slot.value}:{erp_id}"


# -------------------------------------------------------------------- what to say


def _updates(run: Run, item: Item) -> Iterable[Update]:
    verdict = item.verdict
    if verdict is None or verdict.outcome is Outcome.EXCLUDED:
        return
    if verdict.outcome is Outcome.QUEUED and verdict.queue:
        said = {"erp_sync_status": verdict.queue.value, "erp_sync_error": verdict.reason}
        yield from _if_new(run.object, item.key, said, _current(item))
        return
    said = _success(item)
    yield from _if_new(run.object, item.key, said, _current(item))
    yield from _opportunity(run, item, said)
    yield from _account(run, item)


def _success(item: Item) -> dict[str, Any]:
    binding = item.binding
    if binding is None:
        return {}
    slot = ErpSlot(binding.erp)
    said: dict[str, Any] = {
        "erp_id": erp_reference(slot, binding.erp_id),
        "erp_order_number": binding.erp_number,
        "erp_amount": binding.erp_total,
        "erp_sync_status": SYNCED,
        "erp_sync_error": None,
    }
    if item.order is not None and item.order.status is not None:
        said["erp_status"] = item.order.status.value
    return said


def _current(item: Item) -> dict[str, Any]:
    deal = item.deal
    names = ("erp_id", "erp_order_number", "erp_status", "erp_amount", "erp_sync_status", "erp_sync_error")
    return {name: getattr(deal, name) for name in names}


def _if_new(target: CrmObject, record_id: str, said: dict[str, Any], current: dict[str, Any]) -> Iterable[Update]:
    """Only what the CRM does not say already: what we write must not come back as a change."""
    if any(_differs(value, current.get(name)) for name, value in said.items()):
        yield Update(target, record_id, said)


def _differs(value: Any, current: Any) -> bool:
    if isinstance(value, str) and isinstance(current, str):
        return value.strip() != current.strip()
    return bool(value != current) and not (value in (None, "") and current in (None, ""))


def _opportunity(run: Run, item: Item, said: dict[str, Any]) -> Iterable[Update]:
    """The opportunity of an ordered quote or order shows the order too; with an accepted quote it is won."""
    opportunity = item.deal.opportunity_id
    if not said or run.object is CrmObject.OPPORTUNITY or not opportunity or item.verdict is None:
        return
    won = run.source is DealSource.ACCEPTED_QUOTES and fold(item.deal.opportunity_stage) != "closed won"
    if item.verdict.outcome is Outcome.WRITTEN or won:
        stage = {"stage": "Closed Won"} if won else {}
        yield Update(CrmObject.OPPORTUNITY, opportunity, said | stage)


def _account(run: Run, item: Item) -> Iterable[Update]:
    """With its first order a prospect becomes a customer, and the account learns the customer's id."""
    account, customer = item.deal.account, item.customer
    if account is None or customer is None or customer.erp_id is None or item.binding is None:
        return
    policy = run.integration.orders
    said: dict[str, Any] = {}
    if not account.erp_id:  # an account that buys in several ERPs keeps the customer of its first order
        said["erp_id"] = erp_reference(ErpSlot(item.binding.erp), customer.erp_id)
    if fold(account.type) in {fold(name) for name in policy.prospect_types}:
        said["type"] = policy.customer_type
    yield from _if_new(CrmObject.ACCOUNT, account.crm_id, said, {"erp_id": account.erp_id, "type": account.type})


# -------------------------------------------------------------------- send and keep account


def _send(run: Run, updates: dict[tuple[CrmObject, str], tuple[Update, list[Item]]]) -> None:
    wanted = [update for update, _ in updates.values()]
    try:
        results = run.crm.write_back(wanted)
    except TransientError as error:
        results = [UpdateResult(update, error) for update in wanted]
    for result in results:
        items = updates[result.update.object, result.update.record_id][1]
        if result.error is None:
            _audit(run, result.update)
        else:
            _keep_owed(run, result.update, result.error, items)


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


def _keep_owed(run: Run, update: Update, error: ConnectorError, items: Iterable[Item]) -> None:
    """The order stands; that the CRM does not show it is kept as a debt of its own."""
    for item in items:
        text = f"{run.crm.system} did not take the write-back to the {update.object.value}: {error.message}"
        if item.binding is not None:
            text = f"Order {item.binding.erp_number} stands in the ERP. {text}"
        item.notes.append(Note("write_back", text, "Sales"))
        if update.object is CrmObject.ACCOUNT:
            continue
        queue = Queue.RETRY if isinstance(error, TransientError | LockedRecordError) else Queue.MANUAL_REVIEW
        verdict = Verdict.queued(queue, text, error=type(error).__name__)
        entry = ParkEntry(
            kind=owed_kind(run),
            key=item.key,
            name=item.deal.number or item.deal.name,
            verdict=verdict,
            fingerprint=item.evaluation_digest(),
            retry=run.retry_policy,
        )
        run.store.park(run.run_id, [entry])


def _settle_owed(run: Run, page: Page[Item]) -> None:
    """Debts of deals that needed nothing more, or whose write-back went through, are settled."""
    owed = {item.key for item in page if any(note.field == "write_back" for note in item.notes)}
    run.store.resolve(owed_kind(run), [item.key for item in page if item.key not in owed], resolution="written")
