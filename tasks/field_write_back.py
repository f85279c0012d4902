"""Write back: tell representatives what became of what they recorded, and only what a record does not say already."""

from __future__ import annotations

from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.crm.values import Update, UpdateResult
from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.errors import TransientError
from prefect_crm_erp.models.field_entries import ReturnEntry
from prefect_crm_erp.models.outcomes import Note, Outcome
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.tasks.field_item import FieldItem
from prefect_crm_erp.tasks.field_run import FieldRun
from prefect_crm_erp.tasks.write_back import SYNCED, differs, erp_reference

_BOOKED, _DRAFT, _CONFIRMED = "Booked", "Draft", "Confirmed"


@task(name="Write back to entries of the field", cache_policy=NO_CACHE, persist_result=False)
def write_back_entries(run: FieldRun, page: Page[FieldItem]) -> Page[FieldItem]:
    """Bring id, number and state of each entry to its record in the CRM.

    A record that the CRM refuses to update does not show the ERP's id, and so comes again with the next run.
    """
    if run.dry_run:
        return page
    updates = {item.key: Update(item.object, item.key, said) for item in page if (said := _news(run, item))}
    wanted = list(updates.values())
    try:
        results = run.crm.write_back(wanted) if wanted else []
    except TransientError as error:
        results = [UpdateResult(update, error) for update in wanted]
    refused = {result.update.record_id: result.error for result in results if result.error}
    for item in page:
        if refusal := refused.get(item.key):
            text = f"{run.crm.system} did not take the write-back, which the next run makes up for: {refusal.message}"
            item.notes.append(Note("write_back", text, "Sales"))
    return page


def _news(run: FieldRun, item: FieldItem) -> dict[str, Any]:
    """What the record does not say yet; nothing when it says all of it."""
    if item.verdict is None or item.verdict.outcome is Outcome.EXCLUDED or item.is_left_waiting:
        return {}
    said = _success(run, item) if item.binding else {}
    if item.verdict.queue:
        said = {"erp_sync_status": item.verdict.queue.value, "erp_sync_error": item.verdict.reason}
    is_new = any(differs(value, getattr(item.collected, name, value)) for name, value in said.items())
    return said if is_new else {}


def _success(run: FieldRun, item: FieldItem) -> dict[str, Any]:
    binding = item.binding
    assert binding is not None
    slot = ErpSlot(binding.erp)
    said: dict[str, Any] = {
        "erp_id": erp_reference(slot, binding.erp_id),
        "erp_number": binding.erp_number,
        "erp_sync_status": SYNCED,
        "erp_sync_error": None,
    }
    if item.entry is not None and slot in run.erps:
        said |= {"erp_status": _status(item), "erp_url": run.erps[slot].url(item.entry)}
    return said


def _status(item: FieldItem) -> str:
    if isinstance(item.entry, ReturnEntry):
        return _DRAFT if item.entry.is_draft else _CONFIRMED
    return _BOOKED
