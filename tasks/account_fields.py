"""Fields: compare each account with its customers, and decide field by field whose value stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime, timedelta

from prefect import task
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.ledger import Binding
from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.outcomes import Change, Queue, Verdict
from prefect_crm_erp.models.ownership import Agreed, Decision, Moments, Side, decide
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.models.records import Customer
from prefect_crm_erp.tasks.account_check import crm_side
from prefect_crm_erp.tasks.account_item import AccountItem, Link
from prefect_crm_erp.tasks.account_run import AccountRun
from prefect_crm_erp.tasks.account_values import CUSTOM, Values, erp_values, in_words, title
from prefect_crm_erp.tasks.match import CUSTOMER
from prefect_crm_erp.tasks.traveller import open_items


@task(name="Compare fields", cache_policy=NO_CACHE, persist_result=False)
def compare_fields(run: AccountRun, page: Page[AccountItem]) -> Page[AccountItem]:
    """Read the customers as they stand, and decide about every field that differs.

    Nothing is written yet: `to_erp` of the links and `to_crm` of the accounts hold what is to be.
    """
    for slot in run.erps:
        items = [item for item in open_items(page) if slot in item.links]
        if items and run.is_up(slot, items):
            with run.guard(slot, items):
                _read_customers(run, slot, items)
    for item in open_items(page):
        item.is_first_meeting = any(link.agreed is None for link in item.links.values())
        for link in item.links.values():
            _decide_all(run, item, link)
    return page


# -------------------------------------------------------------------- the ERP's side


def _read_customers(run: AccountRun, slot: ErpSlot, items: Sequence[AccountItem]) -> None:
    absent = [item for item in items if item.links[slot].standing is None]
    read_standing(run, slot, absent)
    for item in absent:
        standing = item.links[slot].standing
        if standing and standing.erp_id != item.links[slot].binding.erp_id:
            _rebind(run, item, slot, standing)
    standing_ones = [each for item in items if (each := item.links[slot].standing)]
    parents = parent_keys(run, slot, standing_ones)
    first = keepers(run, slot, standing_ones)
    for item in items:
        _see_customer(run, item, item.links[slot], parents, first)


def read_standing(run: AccountRun, slot: ErpSlot, items: Sequence[AccountItem]) -> None:
    """Read the customers that accounts are linked to as they stand; `standing` of a link stays None where it is gone.

    A customer that was merged into another one in the ERP comes as that one, which has its keys.
    """
    ids = [item.links[slot].binding.erp_id for item in items]
    found = _with_custom_values(run, slot, run.erps[slot].read(Customer, ids)) if ids else []
    by_id = {each.erp_id: each for each in found}
    by_key = {key: each for each in found for key in (each.key, *each.other_keys) if key}
    for item in items:
        item.links[slot].standing = by_id.get(item.links[slot].binding.erp_id) or by_key.get(item.key)


def _with_custom_values(run: AccountRun, slot: ErpSlot, customers: Sequence[Customer]) -> list[Customer]:
    names = [name.removeprefix(CUSTOM) for name in run.rules if name.startswith(CUSTOM)]
    if not names:
        return list(customers)
    values = run.erps[slot].custom_values(Customer, [str(each.erp_id) for each in customers], names)
    return [each.model_copy(update={"custom": values.get(str(each.erp_id), {})}) for each in customers]


def _rebind(run: AccountRun, item: AccountItem, slot: ErpSlot, customer: Customer) -> None:
    link = item.links[slot]
    link.binding = replace(link.binding, erp_id=str(customer.erp_id), erp_number=customer.number)
    if not run.dry_run:
        values = {member.name: getattr(link.binding, member.name) for member in fields(Binding)}
        run.store.bind(run.run_id, [Binding(**values)])


def parent_keys(run: AccountRun, slot: ErpSlot, customers: Sequence[Customer]) -> dict[str, str]:
    """Accounts that the customers' parents belong to, by the parent's ERP id."""
    ids = {each.parent_id for each in customers if each.parent_id}
    bound = run.store.bound_by_erp_id(CUSTOMER, slot.value, sorted(ids)) if ids else {}
    return {erp_id: references[0].key for erp_id, references in bound.items()}


def keepers(run: AccountRun, slot: ErpSlot, customers: Sequence[Customer]) -> dict[str, str]:
    """Accounts that keep customers in step, by ERP id: of several that share a customer the first."""
    bound = run.store.bound_by_erp_id(CUSTOMER, slot.value, [str(each.erp_id) for each in customers])
    return {erp_id: references[0].key for erp_id, references in bound.items()}


def erp_side(run: AccountRun, slot: ErpSlot, customer: Customer, parents: Mapping[str, str]) -> Values:
    """The customer's values as they are compared: those that its ERP can have."""
    capabilities = run.erps[slot].capabilities
    values = erp_values(customer, run.integration)
    if capabilities.has_hierarchy:
        parent = customer.parent_id
        values["parent"] = parents.get(parent, f"customer {parent}") if parent else None
    if not capabilities.has_contacts:
        del values["contacts"]
    return values


def _see_customer(
    run: AccountRun, item: AccountItem, link: Link, parents: Mapping[str, str], first: Mapping[str, str]
) -> None:
    """Judge the customer as it stands; of several accounts that share one, the first keeps it in step."""
    customer = link.standing
    number = link.binding.erp_number or link.binding.erp_id
    if customer is None:
        reason = f"Its customer {number} is gone from the ERP; restore it there, or make the account a customer anew"
        item.verdict = Verdict.queued(Queue.PENDING_REVIEW, reason, error="MissingCustomer")
    elif not customer.is_active:
        reason = f"Its customer {number} is closed in the ERP; reopen it there, or switch “Push to ERP” off"
        item.verdict = Verdict.queued(Queue.PENDING_REVIEW, reason, error="ClosedCustomer")
    elif (owner := first.get(str(customer.erp_id), item.key)) != item.key:
        reason = f"It shares the customer {customer.number or number} with the account {owner}, which is kept in step"
        item.verdict = Verdict.excluded(reason)
    else:
        link.erp = erp_side(run, link.slot, customer, parents)


# -------------------------------------------------------------------- deciding


def _decide_all(run: AccountRun, item: AccountItem, link: Link) -> None:
    said = crm_side(item, link)
    moments = _moments(run, item, link)
    for field, rule in run.rules.items():
        if field not in said or field not in link.erp:
            continue
        agreed = _agreed(link, field)
        decision = decide(rule, said[field], link.erp[field], agreed, moments, run.integration.accounts.grace)
        if _is_left(run, said[field], link.erp[field], agreed):
            link.skipped.add(field)
        else:
            _take(run, item, link, field, decision)


def _agreed(link: Link, field: str) -> Agreed | None:
    pair = (link.agreed or {}).get(field)
    return Agreed(*pair) if pair else None


def _is_left(run: AccountRun, crm: object, erp: object, agreed: Agreed | None) -> bool:
    """Whether a change is left to a run in the other direction: only the side that this one ignores has changed."""
    if agreed is None or crm == erp:
        return False
    changed = {side for side, is_so in ((Side.CRM, crm != agreed.crm), (Side.ERP, erp != agreed.erp)) if is_so}
    return bool(changed) and not changed & run.direction.sides


def _take(run: AccountRun, item: AccountItem, link: Link, field: str, decision: Decision) -> None:
    if decision.is_doubtful:
        link.skipped.add(field)
        item.doubts.append(_doubt(run, item, link, field, decision))
        return
    crm, erp = crm_side(item, link)[field], link.erp[field]
    if decision.winner is Side.CRM:
        link.to_erp[field] = crm
        link.changes.append(_change(run.erps[link.slot].system, field, erp, crm, decision))
    elif decision.winner is Side.ERP:
        item.to_crm[field] = item.crm[field] = erp
        item.crm_changes.append(_change(run.crm.system, field, crm, erp, decision))


def _change(system: str, field: str, before: object, after: object, decision: Decision) -> Change:
    why = f"{decision.why}; the value before was a change" if decision.is_conflict else decision.why
    return Change(f"{system}: {title(field)}", in_words(before), in_words(after), why)


def _doubt(run: AccountRun, item: AccountItem, link: Link, field: str, decision: Decision) -> str:
    ours, theirs = in_words(crm_side(item, link)[field]) or "empty", in_words(link.erp[field]) or "empty"
    erp = run.erps[link.slot].system
    said = f"{run.crm.system} says {ours!r}, {erp} says {theirs!r}"
    return f"{title(field)}: {decision.why}; {said}. Write the right value on both sides"


def _moments(run: AccountRun, item: AccountItem, link: Link) -> Moments:
    """When each side last changed, by our clock."""
    return Moments(
        _by_our_clock(item.account.modified_at, run.crm.clock_offset),
        _by_our_clock(link.standing.modified_at if link.standing else None, run.erps[link.slot].clock_offset),
    )


def _by_our_clock(moment: datetime | None, offset: timedelta) -> datetime | None:
    return moment - offset if moment is not None else None
