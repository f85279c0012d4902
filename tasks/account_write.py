"""Write: bring customers and accounts to the values that stand, and note in the ledger what both sides have now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from prefect import task
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.crm.base import CrmObject, Update
from prefect_crm_erp.blocks.erp.base import CreditPosition
from prefect_crm_erp.blocks.ledger import AuditEntry
from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.outcomes import Change, Outcome, Queue, Rejected, Verdict
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.models.records import Account, AccountStatus, Company, Customer
from prefect_crm_erp.tasks.account_check import SYNCED, crm_side, shown_as_text
from prefect_crm_erp.tasks.account_fields import erp_side
from prefect_crm_erp.tasks.account_item import AccountItem, Link
from prefect_crm_erp.tasks.account_run import AccountRun
from prefect_crm_erp.tasks.account_values import CUSTOM, SEEN, SHOWN, Values, crm_values, seen, to_account, to_customer
from prefect_crm_erp.tasks.clean import clean_account
from prefect_crm_erp.tasks.match import CUSTOMER
from prefect_crm_erp.tasks.traveller import open_items
from prefect_crm_erp.tasks.write_back import differs, erp_reference

_SYNC = ("erp_sync_status", "erp_sync_error")


# -------------------------------------------------------------------- the ERP


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
    return written.model_copy(update={"custom": _standing(link).custom | sent})


def _change_of(link: Link) -> Customer:
    standing = _standing(link)
    values = {name: value for name, value in link.to_erp.items() if name != "parent"}
    if "billing" in values and link.erp.get("shipping") is None:
        values.setdefault("shipping", None)  # what is shipped to the billing address moves with it
    change = to_customer(values, standing)
    if "parent" not in link.to_erp:
        return change
    return Customer(**change.model_dump(exclude_unset=True), parent_id=link.parent[1] if link.parent else None)


def _standing(link: Link) -> Customer:
    if link.standing is None:
        raise LookupError(f"the customer {link.binding.erp_id} was not read")
    return link.standing


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


# -------------------------------------------------------------------- what the account shows


def show_customers(run: AccountRun, items: Iterable[AccountItem]) -> None:
    """Work out what accounts are to show of their customers: number, terms, credit position of their company."""
    groups: dict[tuple[ErpSlot, str], list[AccountItem]] = {}
    companies: dict[str, Company] = {}
    for item in items:
        link = next(iter(item.links.values()), None)
        if link is None or link.standing is None:
            continue
        company = link.company or run.any_company(link.slot)
        companies[company.id] = company
        groups.setdefault((link.slot, company.id), []).append(item)
    for (slot, company_id), mine in groups.items():
        ids = [item.links[slot].binding.erp_id for item in mine]
        credit = run.erps[slot].credit(ids, companies[company_id])
        for item in mine:
            link = item.links[slot]
            item.shows = _status(_standing(link), credit.get(link.binding.erp_id))


def _status(customer: Customer, credit: CreditPosition | None) -> AccountStatus:
    return AccountStatus(
        erp_customer_number=customer.number,
        erp_credit_limit=credit.limit if credit else None,
        erp_outstanding=credit.outstanding if credit else None,
        erp_credit_used=credit.used if credit else None,
        erp_credit_currency=credit.currency if credit else None,
        erp_payment_terms=customer.payment_terms,
        erp_sync_status=SYNCED,
    )


# -------------------------------------------------------------------- the CRM


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
        item.crm_changes += _shown_changes(run, item)
    if not run.dry_run:
        _send(run, [item for item in items if item.crm_changes])
        _agree(run, [item for item in items if item.verdict is None])
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


def _shown_changes(run: AccountRun, item: AccountItem) -> list[Change]:
    """What the account shows now and is to show, where that is not the same."""
    before, after = shown_as_text(item.account.shown), shown_as_text(item.shows or item.account.shown)
    if item.doubts:  # its reason is told when it is parked
        after |= {name: before[name] for name in _SYNC}
    changes = [
        Change(f"{run.crm.system}: {SHOWN_TITLES[name]}", before[name], value, "the ERP's, read-only in the CRM")
        for name, value in after.items()
        if (before[name] or None) != (value or None)
    ]
    link = next(iter(item.links.values()))
    reference = erp_reference(link.slot, link.binding.erp_id)
    if not item.account.erp_id:
        changes.append(Change(f"{run.crm.system}: ERP id", None, reference, "the ERP's, read-only in the CRM"))
    return changes


SHOWN_TITLES: Final = {
    "erp_customer_number": "Customer number",
    "erp_credit_limit": "Credit limit",
    "erp_outstanding": "Outstanding",
    "erp_credit_used": "Credit used",
    "erp_credit_currency": "Credit currency",
    "erp_payment_terms": "Payment terms in the ERP",
    "erp_sync_status": "Sync status",
    "erp_sync_error": "Sync error",
}
"""What an account shows of its customer, as people read it."""


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
        shows = {name: value for name, value in shows.items() if name not in _SYNC}
    if not item.account.erp_id:
        values["erp_id"] = erp_reference(link.slot, link.binding.erp_id)
    return values | shows


# -------------------------------------------------------------------- agreeing


def _agree(run: AccountRun, items: Sequence[AccountItem]) -> None:
    for slot in run.erps:
        mine = [item for item in items if slot in item.links]
        agreements = {item.key: agreement for item in mine if (agreement := _agreement(run, item, item.links[slot]))}
        run.store.agree(run.run_id, CUSTOMER, slot.value, agreements)


def _agreement(run: AccountRun, item: AccountItem, link: Link) -> dict[str, Any] | None:
    """What both sides have now; None when it is what was agreed on before."""
    after = _account_after(run, item)
    customer, _, _ = clean_account(after, run.integration, run.erp_needs_state())
    said = crm_values(after, customer, run.integration) | {"parent": crm_side(item, link)["parent"]}
    has = _customer_after(run, link)
    kept = link.agreed or {}
    values: dict[str, Any] = {
        field: [said[field], has[field]] for field in run.rules if field in has and field not in link.skipped
    }
    values |= {field: kept[field] for field in link.skipped if field in kept}
    values[SEEN] = seen(_standing(link))
    values[SHOWN] = shown_as_text(item.shows or item.account.shown)
    return values if values != kept else None


def _account_after(run: AccountRun, item: AccountItem) -> Account:
    written = to_account(item.to_crm, item.account, run.integration)
    custom = item.account.custom | written.pop("custom", {})
    return item.account.model_copy(update={**written, "custom": custom})


def _customer_after(run: AccountRun, link: Link) -> Values:
    """The customer's values now: as its ERP gave it back after the write; its parent is the one that was written."""
    parents = {link.parent[1]: link.parent[0]} if link.parent and "parent" in link.to_erp else {}
    values = erp_side(run, link.slot, _standing(link), parents)
    if "parent" in values and "parent" not in link.to_erp:
        values["parent"] = link.erp.get("parent")
    return values


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
