"""Write accounts: bring them to the values that stand and to what they show, and tell people why an account waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.crm.values import CrmObject, Update
from prefect_crm_erp.blocks.ledger import AuditEntry
from prefect_crm_erp.models.outcomes import Outcome, Queue, Verdict
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.tasks.account_agree import agree
from prefect_crm_erp.tasks.account_item import AccountItem
from prefect_crm_erp.tasks.account_run import AccountRun
from prefect_crm_erp.tasks.account_show import SYNC_FIELDS, show_customers, shown_changes
from prefect_crm_erp.tasks.account_values import to_account
from prefect_crm_erp.tasks.traveller import open_items
from prefect_crm_erp.tasks.write_back import differs, erp_reference


@task(name="Write accounts", cache_policy=NO_CACHE, persist_result=False)
def write_accounts(run: AccountRun, page: Page[AccountItem]) -> Page[AccountItem]:
    """Bring the accounts to the values that stand and to what they show of their customers.

    Then the ledger notes what both sides have, field by field. An account that the CRM refuses is for a person.

    Raises:
        TransientError: The CRM is not available; the next run does what this one could not.
    """
    for slot in run.erps:
        items = [item for item in open_items(page) if slot in item.links]
        if items and run.is_up(slot, items):
            with run.guard(slot, items):
                show_customers(run, [item for item in items if item.shows is None])
    items = [item for item in open_items(page) if item.links]
    for item in items:
        item.crm_changes += shown_changes(run, item)
    if not run.dry_run:
        _send(run, [item for item in items if item.crm_changes])
        agree(run, [item for item in items if item.verdict is None])
    for item in page:
        item.changes += item.crm_changes
    for item in open_items(page):
        item.verdict = _verdict(run, item)
    return page


def _verdict(run: AccountRun, item: AccountItem) -> Verdict:
    if item.doubts:
        return Verdict.queued(Queue.PENDING_REVIEW, "; ".join(item.doubts), error="Conflict")
    if run.dry_run:
        is_new = not item.links
        changes = bool(item.changes) or is_new
        return Verdict(Outcome.WRITTEN, "Dry run: it would be written") if changes else Verdict(Outcome.UNCHANGED)
    return Verdict(Outcome.WRITTEN if item.changes or item.is_new_customer else Outcome.UNCHANGED)


def _send(run: AccountRun, items: Sequence[AccountItem]) -> None:
    run.store.audit([_audit_account(run, item) for item in items])
    results = run.crm.write_back([Update(CrmObject.ACCOUNT, item.key, _written(run, item)) for item in items])
    refused: list[AuditEntry] = []
    for item, result in zip(items, results, strict=True):
        if result.error is not None:
            item.verdict = Verdict.from_error(result.error)
            refused.append(replace(_audit_account(run, item), action="refused"))
            item.crm_changes.clear()
    run.store.audit(refused)


def _audit_account(run: AccountRun, item: AccountItem) -> AuditEntry:
    return AuditEntry(
        kind=run.kind,
        key=item.key,
        system=run.crm.system,
        action="update",
        target_id=item.key,
        changes=tuple(item.crm_changes),
        run_id=run.run_id,
    )


def _written(run: AccountRun, item: AccountItem) -> dict[str, Any]:
    values = to_account(item.to_crm, item.account, run.integration)
    shows = (item.shows or item.account.shown).model_dump()
    link = next(iter(item.links.values()))
    if item.doubts:
        shows = {name: value for name, value in shows.items() if name not in SYNC_FIELDS}
    if not item.account.erp_id:
        values["erp_id"] = erp_reference(link.slot, link.binding.erp_id)
    return values | shows


# -------------------------------------------------------------------- why an account waits


@task(name="Tell why", cache_policy=NO_CACHE, persist_result=False)
def tell_reasons(run: AccountRun, page: Page[AccountItem]) -> Page[AccountItem]:
    """Show on accounts that wait why they do, and take the reason away from those that no longer wait for anything."""
    if run.dry_run:
        return page
    updates = [
        Update(CrmObject.ACCOUNT, item.key, said)
        for item in page
        if not item.account.is_deleted and (said := _reason(item)) and _is_news(said, item)
    ]
    if updates:
        run.crm.write_back(updates)
    return page


def _reason(item: AccountItem) -> dict[str, Any] | None:
    verdict = item.verdict
    if verdict is None or verdict.outcome in (Outcome.WRITTEN, Outcome.UNCHANGED):
        return None
    if verdict.outcome is Outcome.QUEUED and verdict.queue:
        return {"erp_sync_status": verdict.queue.value, "erp_sync_error": verdict.reason}
    return {"erp_sync_status": None, "erp_sync_error": None}


def _is_news(said: dict[str, Any], item: AccountItem) -> bool:
    return any(differs(value, getattr(item.account.shown, name)) for name, value in said.items())
