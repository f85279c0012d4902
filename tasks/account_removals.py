"""Removals: accounts that were merged or deleted in the CRM; their customers move on or are reported, never dropped."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.ledger import AuditEntry, Binding, CrossReference
from prefect_crm_erp.models.outcomes import Change, Outcome, Queue, Verdict
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.models.records import Customer
from prefect_crm_erp.tasks.account_item import AccountItem, Link
from prefect_crm_erp.tasks.account_run import AccountRun
from prefect_crm_erp.tasks.account_tie import give_key
from prefect_crm_erp.tasks.match import CUSTOMER
from prefect_crm_erp.tasks.traveller import open_items


@task(name="Follow merges and deletions", cache_policy=NO_CACHE, persist_result=False)
def follow_removals(run: AccountRun, page: Page[AccountItem]) -> Page[AccountItem]:
    """Move the customers of merged accounts to the surviving account, and report those of deleted ones."""
    for item in [item for item in open_items(page) if item.account.is_deleted]:
        for slot, link in item.links.items():
            if item.verdict is None and run.is_up(slot, [item]):
                with run.guard(slot, [item]):
                    _follow(run, item, link)
        if item.verdict is None:
            item.verdict = Verdict(Outcome.WRITTEN if item.changes else Outcome.UNCHANGED)
    return page


def _follow(run: AccountRun, item: AccountItem, link: Link) -> None:
    standing = run.erps[link.slot].read(Customer, [link.binding.erp_id])
    customer = standing[0] if standing else None
    survivor = item.account.merged_into
    if customer is None or not customer.is_active:
        _end(run, item, link, "the customer is closed in the ERP, too")
    elif survivor is None:
        item.verdict = _deleted(run, item, customer)
    else:
        _move(run, item, link, customer, survivor)


def _deleted(run: AccountRun, item: AccountItem, customer: Customer) -> Verdict:
    reason = (
        f"The account was deleted in {run.crm.system} and is the customer {customer.number or customer.erp_id} "
        f"{customer.name!r} in the ERP: restore the account, or close the customer in the ERP"
    )
    return Verdict.queued(Queue.PENDING_REVIEW, reason, error="DeletedAccount")


def _move(run: AccountRun, item: AccountItem, link: Link, customer: Customer, survivor: str) -> None:
    """The surviving account takes the customer over, unless it has another one in that ERP already."""
    others = run.store.bound(CUSTOMER, [survivor], link.slot.value).get(survivor, [])
    if others and others[0].erp_id != link.binding.erp_id:
        item.verdict = _two_customers(item, link, others[0])
        return
    item.changes.append(Change("Account of the customer", item.key, survivor, "merged in the CRM"))
    run.again[survivor] = None
    if run.dry_run:
        return
    if not others and not _take_over(run, item, link, customer, survivor):
        return
    _end(run, item, link, f"merged into {survivor}")


def _two_customers(item: AccountItem, link: Link, other: CrossReference) -> Verdict:
    reason = (
        f"The account was merged in the CRM, and both had a customer in the ERP: {link.binding.erp_number} and "
        f"{other.erp_number}. Merge {link.binding.erp_number} into {other.erp_number} there, or close it"
    )
    return Verdict.queued(Queue.PENDING_REVIEW, reason, error="MergedAccounts", fields=("account",))


def _take_over(run: AccountRun, item: AccountItem, link: Link, customer: Customer, survivor: str) -> bool:
    """Give the customer the survivor's key, in the ERP and in the ledger; what was agreed on goes with it."""
    refusal = give_key(run, link.slot, customer, survivor)
    if refusal is not None:
        item.verdict = Verdict.from_error(refusal.error)
        return False
    old = link.binding
    binding = Binding(CUSTOMER, survivor, old.erp, old.company, old.erp_id, old.fingerprint, old.erp_number)
    entry = AuditEntry(CUSTOMER, survivor, run.erps[link.slot].system, "taken over", old.erp_id, tuple(item.changes))
    run.store.bind(run.run_id, [binding], [entry])
    if link.agreed:
        run.store.agree(run.run_id, CUSTOMER, link.slot.value, {survivor: link.agreed})
    return True


def _end(run: AccountRun, item: AccountItem, link: Link, why: str) -> None:
    """The account is no customer any more; its documents go to the account that it was merged into, or wait."""
    if run.dry_run:
        return
    run.store.move_documents(item.key, item.account.merged_into)
    change = Change("Customer", link.binding.erp_number or link.binding.erp_id, None, why)
    entry = AuditEntry(CUSTOMER, item.key, run.erps[link.slot].system, "unlinked", link.binding.erp_id, (change,))
    run.store.unbind(run.run_id, CUSTOMER, item.key, link.slot.value, [entry])
    run.store.forget_agreed(CUSTOMER, [item.key], link.slot.value)
    if not item.changes:
        item.changes.append(change)
