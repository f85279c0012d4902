"""Write customers: bring them to the values that stand; only what differs is sent, and it is told before it is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from prefect import task
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.ledger import AuditEntry
from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.outcomes import Rejected, Verdict
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.models.records import Customer
from prefect_crm_erp.tasks.account_item import AccountItem, Link
from prefect_crm_erp.tasks.account_run import AccountRun
from prefect_crm_erp.tasks.account_values import CUSTOM, to_customer
from prefect_crm_erp.tasks.match import CUSTOMER
from prefect_crm_erp.tasks.traveller import open_items


@task(name="Write customers", cache_policy=NO_CACHE, persist_result=False)
def write_customers(run: AccountRun, page: Page[AccountItem]) -> Page[AccountItem]:
    """Bring the customers to the values that stand; only what differs is sent."""
    for slot in run.erps:
        items = [item for item in open_items(page) if slot in item.links and item.links[slot].to_erp]
        if run.dry_run:
            continue
        if items and run.is_up(slot, items):
            with run.guard(slot, items):
                _write_customers(run, slot, items)
    for item in page:
        for link in item.links.values():
            item.changes += link.changes
    return page


def _write_customers(run: AccountRun, slot: ErpSlot, items: Sequence[AccountItem]) -> None:
    company = run.any_company(slot)
    # Told before it is done: a run that dies in between must not overwrite a value that nobody hears of.
    run.store.audit([_audit(run, item, item.links[slot]) for item in items])
    for item in items:
        run.known[slot].note_changed(item.links[slot].binding.erp_id)
    results = run.erps[slot].write([_change_of(item.links[slot]) for item in items], company)
    refused: list[AuditEntry] = []
    for item, result in zip(items, results, strict=True):
        link = item.links[slot]
        if isinstance(result, Rejected):
            item.verdict = Verdict.from_error(result.error)
            refused.append(replace(_audit(run, item, link), action="refused"))
            link.changes.clear()
            continue
        link.standing = _with_custom(result.record, link)
        item.notes += result.notes
    run.store.audit(refused)


def _with_custom(written: Customer, link: Link) -> Customer:
    """What the ERP gave back, with its own fields: those that were written, and the others as they were read."""
    sent = {name.removeprefix(CUSTOM): value for name, value in link.to_erp.items() if name.startswith(CUSTOM)}
    return written.model_copy(update={"custom": link.customer.custom | sent})


def _change_of(link: Link) -> Customer:
    values = {name: value for name, value in link.to_erp.items() if name != "parent"}
    if "billing" in values and link.erp.get("shipping") is None:
        values.setdefault("shipping", None)  # what is shipped to the billing address moves with it
    change = to_customer(values, link.customer)
    if "parent" not in link.to_erp:
        return change
    return Customer(**change.model_dump(exclude_unset=True), parent_id=link.parent[1] if link.parent else None)


def _audit(run: AccountRun, item: AccountItem, link: Link) -> AuditEntry:
    return AuditEntry(
        kind=CUSTOMER,
        key=item.key,
        system=run.erps[link.slot].system,
        action="update",
        target_id=link.binding.erp_id,
        changes=tuple(link.changes),
        run_id=run.run_id,
    )
