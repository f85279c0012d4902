"""Place: give accounts that become customers their place in an ERP, parents before children."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from prefect import task
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.ledger import CrossReference
from prefect_crm_erp.blocks.policies.routing import ErpSlot, Route
from prefect_crm_erp.models.outcomes import Note, Queue, Verdict
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.tasks.account_by_id import link_by_erp_id
from prefect_crm_erp.tasks.account_check import look_up_links
from prefect_crm_erp.tasks.account_item import AccountItem, Link
from prefect_crm_erp.tasks.account_run import AccountRun
from prefect_crm_erp.tasks.match import CUSTOMER, match_customers
from prefect_crm_erp.tasks.route import route_records
from prefect_crm_erp.tasks.traveller import open_items


@task(name="Place accounts", cache_policy=NO_CACHE, persist_result=False)
def place_accounts(run: AccountRun, page: Page[AccountItem]) -> Page[AccountItem]:
    """Route accounts without a customer and match or create one, parents first; look up the company of the others.

    An account whose parent waits, waits with it. A parent that is no customer is left out, and made up for when it
    becomes one.
    """
    for item in open_items(page):
        if item.links:
            route_linked(run, item)
    named = [item for item in open_items(page) if not item.links and item.account.erp_id]
    link_by_erp_id(run, named)
    look_up_links(run, named)
    new = [item for item in open_items(page) if not item.links]
    route_records(run, Page(new))
    waiting = [item for item in new if item.verdict is None]
    while waiting:
        waiting = _place_generation(run, waiting, page)
    return page


def parents_to_see_to(run: AccountRun, page: Page[AccountItem]) -> list[str]:
    """Parents of new customers that have to be seen to first: neither in the ledger nor read by this run yet."""
    here = {item.key for item in page}
    wanted = {item.account.parent_id for item in open_items(page) if not item.links and item.account.parent_id}
    absent = sorted(key for key in wanted if key and key not in here and key not in run.ancestors)
    bound = {key for slot in run.erps for key in run.store.bound(CUSTOMER, absent, slot.value)}
    unbound = [key for key in absent if key not in bound]
    read = run.store.noted(run.run_id, unbound) if unbound else frozenset()
    return [key for key in unbound if key not in read]


def call_children(run: AccountRun, page: Page[AccountItem]) -> None:
    """Have the customers of accounts looked at again whose parent has just become a customer.

    A run that reads all accounts sees to parents before their children anyway.
    """
    if run.reads_all or run.dry_run or not any(erp.capabilities.has_hierarchy for erp in run.erps.values()):
        return
    new = [item.key for item in page if item.is_first_meeting and item.links]
    children = run.crm.child_accounts(new) if new else []
    linked = {key for slot in run.erps for key in run.store.bound(CUSTOMER, children, slot.value)}
    run.again |= dict.fromkeys(sorted(linked.difference(new)))


def route_linked(run: AccountRun, item: AccountItem) -> None:
    """The company of an account that is a customer already; it stays in its ERP whatever the routing says today."""
    routed = run.routing.route(item.account)
    for slot, link in item.links.items():
        is_here = isinstance(routed, Route) and routed.subsidiary.erp is slot
        if is_here and isinstance(routed, Route) and run.is_up(slot, ()):
            item.route = routed
            with run.guard(slot, ()):
                link.company = run.company(slot, routed.subsidiary.company)


def _place_generation(run: AccountRun, waiting: Sequence[AccountItem], page: Page[AccountItem]) -> list[AccountItem]:
    """Match those whose parents are not among the waiting ones; give back the others."""
    keys = {item.key for item in waiting}
    ready = [item for item in waiting if item.account.parent_id not in keys]
    if not ready:
        _refuse_cycle(waiting)
        return []
    queued = {item.key: item.verdict.queue for item in page if item.verdict and item.verdict.queue}
    _set_parents(run, ready, dict(run.unfinished) | queued)
    match_customers(run, Page([item for item in ready if item.verdict is None]))
    _link(run, [item for item in ready if item.verdict is None])
    return [item for item in waiting if item.account.parent_id in keys]


def _refuse_cycle(items: Sequence[AccountItem]) -> None:
    names = ", ".join(item.label for item in items[:5])
    for item in items:
        reason = f"Its parents lead back to itself ({names}); correct the parent account of one of them"
        item.verdict = Verdict.queued(Queue.DATA_QUALITY, reason, error="ParentCycle", fields=("parent",))


# -------------------------------------------------------------------- parents


def _set_parents(run: AccountRun, items: Sequence[AccountItem], queued: Mapping[str, Queue]) -> None:
    """Give new customers the customer of their parent account.

    Args:
        run: The run.
        items: Accounts whose parents were seen to, if they go to the ERP at all.
        queued: Accounts of this page and the one before that wait, which the ledger may not know yet.
    """
    parents = sorted({item.account.parent_id for item in items if item.account.parent_id})
    if not parents:
        return
    parked = {entry.key: entry.queue for entry in run.store.parked(kind=run.kind, keys=parents)} | dict(queued)
    bound = {slot: run.store.bound(CUSTOMER, parents, slot.value) for slot in run.erps}
    for item in items:
        parent = item.account.parent_id
        if parent and run.erps[item.slot].capabilities.has_hierarchy:
            _set_parent(run, item, parent, bound[item.slot].get(parent), parked.get(parent))


def _set_parent(
    run: AccountRun, item: AccountItem, parent: str, bound: list[CrossReference] | None, queue: Queue | None
) -> None:
    if bound and item.customer:
        item.customer = item.customer.model_copy(update={"parent_id": bound[0].erp_id})
    elif parent in run.ancestors:
        _refuse_cycle([item])
    elif queue is not None:
        reason = f"Its parent account {parent} waits ({queue.value}); it follows once the parent is in the ERP"
        item.verdict = Verdict.queued(Queue.DATA_QUALITY, reason, error="MissingReferenceError", fields=("parent",))
    else:
        text = f"The parent account {parent} is no customer; the parent is added once it becomes one"
        item.notes.append(Note("parent", text))


# -------------------------------------------------------------------- links


def _link(run: AccountRun, items: Iterable[AccountItem]) -> None:
    """Tie accounts to the customers that were just found or made."""
    placed = [item for item in items if item.verdict is None and item.customer and item.customer.erp_id]
    if run.dry_run:
        return
    for slot in {item.slot for item in placed}:
        mine = {item.key: item for item in placed if item.slot is slot}
        for key, references in run.store.bound(CUSTOMER, list(mine), slot.value).items():
            _tie(mine[key], slot, references[0])


def _tie(item: AccountItem, slot: ErpSlot, reference: CrossReference) -> None:
    link = Link(slot, reference, None)
    link.company = item.company
    if item.is_new_customer:
        link.standing = item.customer
    if item.customer and item.customer.parent_id and item.account.parent_id:
        link.parent = (item.account.parent_id, item.customer.parent_id)
    item.links[slot] = link
    item.binding = reference
