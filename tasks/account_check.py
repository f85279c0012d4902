"""Check: what becomes of accounts that are deleted, merged, not for the ERP, in step already, or incomplete."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from prefect import task
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.models.outcomes import Outcome, Queue, Verdict
from prefect_crm_erp.models.ownership import Owner
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.models.records import AccountStatus
from prefect_crm_erp.tasks.account_item import AccountItem, Link
from prefect_crm_erp.tasks.account_run import AccountRun
from prefect_crm_erp.tasks.account_values import SEEN, SHOWN, crm_values
from prefect_crm_erp.tasks.clean import Defect, clean_account
from prefect_crm_erp.tasks.extract import still_waiting
from prefect_crm_erp.tasks.match import CUSTOMER
from prefect_crm_erp.tasks.traveller import open_items

SYNCED = "Synced"


@task(name="Check accounts", cache_policy=NO_CACHE, persist_result=False)
def check_accounts(run: AccountRun, page: Page[AccountItem], from_erp: bool = False) -> Page[AccountItem]:
    """Decide which accounts go on: not excluded, not in step already, and complete enough.

    Args:
        run: The run.
        page: Accounts as they were read.
        from_erp: Whether their customers changed, so that the ERP must be asked whatever the account says.
    """
    look_up_links(run, page.records)
    for item in page:
        item.verdict = _exclusion(run, item)
    if not from_erp:
        going_on = list(open_items(page))
        still_waiting(run, going_on)
    for item in open_items(page):
        _clean(run, item)
    look_up_parents(run, list(open_items(page)))
    if not (from_erp or run.forced or run.backfill):
        _leave_what_is_in_step(run, list(open_items(page)))
    return page


def look_up_links(run: AccountRun, items: Iterable[AccountItem]) -> None:
    """Give accounts their ties to customers, as the ledger knows them; unused ERP connections do not count."""
    by_key = {item.key: item for item in items}
    for slot in run.used_slots:
        bound = run.store.bound(CUSTOMER, list(by_key), slot.value)
        agreed = run.store.agreed(CUSTOMER, list(bound), slot.value)
        for key, references in bound.items():
            values = agreed.get(key)
            by_key[key].links[slot] = Link(slot, references[0], dict(values) if values else None)
            by_key[key].binding = by_key[key].binding or references[0]


def look_up_parents(run: AccountRun, items: Sequence[AccountItem]) -> None:
    """Give links the customer of the account's parent, where the ERP has hierarchies and that customer."""
    parents = {item.account.parent_id for item in items if item.account.parent_id}
    for slot, erp in run.erps.items():
        if not (parents and erp.capabilities.has_hierarchy):
            continue
        bound = run.store.bound(CUSTOMER, [key for key in parents if key], slot.value)
        for item in items:
            link, found = item.links.get(slot), bound.get(item.account.parent_id or "")
            if link and found:
                link.parent = (found[0].key, found[0].erp_id)


# -------------------------------------------------------------------- not for the ERP


def _exclusion(run: AccountRun, item: AccountItem) -> Verdict | None:
    account = item.account
    if account.is_deleted:
        return None if item.links else Verdict.excluded("It was deleted before it was a customer")
    if not account.push_to_erp:
        return Verdict.excluded("“Push to ERP” is switched off for it")
    if item.links or account.erp_id or run.integration.accounts.becomes_customer(account):
        return None
    return Verdict.excluded("It has not bought anything yet, and no rule makes it a customer")


# -------------------------------------------------------------------- in step already


def crm_side(item: AccountItem, link: Link) -> dict[str, object]:
    """The account's values as a link compares them."""
    return item.crm | {"parent": link.parent[0] if link.parent else None}


def _leave_what_is_in_step(run: AccountRun, items: Sequence[AccountItem]) -> None:
    """What the account says is what was agreed on; changes of the customer come with the ERP's own stream."""
    waiting = {entry.key for entry in run.store.parked(kind=run.kind, keys=[item.key for item in items])}
    for item in items:
        if item.links and item.key not in waiting and all(_is_in_step(item, link) for link in item.links.values()):
            item.verdict = Verdict(Outcome.UNCHANGED)


def _is_in_step(item: AccountItem, link: Link) -> bool:
    if link.agreed is None or item.account.is_deleted:
        return False
    said = crm_side(item, link)
    same = all(link.agreed[field][0] == said.get(field) for field in link.agreed if field not in (SEEN, SHOWN))
    return same and shown_as_text(item.account.shown) == link.agreed.get(SHOWN, shown_as_text(item.account.shown))


def shown_as_text(status: AccountStatus) -> dict[str, str | None]:
    """What an account shows of its customer, as an agreement keeps it: 5 and 5.00 are one amount."""
    values = status.model_dump()
    return {
        name: format(value.normalize(), "f") if hasattr(value, "normalize") else value for name, value in values.items()
    }


# -------------------------------------------------------------------- complete enough


def _clean(run: AccountRun, item: AccountItem) -> None:
    """Clean the account; what is wrong with a field that the ERP owns does not hold up a customer."""
    customer, notes, defects = clean_account(item.account, run.integration, run.erp_needs_state())
    item.customer = customer
    item.crm = crm_values(item.account, customer, run.integration)
    if item.account.is_deleted:
        return
    item.notes += [note for note in notes if _matters(run, item, note.field)]
    serious = [defect for defect in defects if _matters(run, item, defect.field)]
    if serious:
        item.verdict = _incomplete(serious)


def _matters(run: AccountRun, item: AccountItem, field: str) -> bool:
    rule = run.rules.get(field.split(".")[0])
    return not item.links or rule is None or rule.owner is not Owner.ERP


def _incomplete(defects: Sequence[Defect]) -> Verdict:
    fields = tuple(dict.fromkeys(defect.field for defect in defects))
    return Verdict.queued(
        Queue.DATA_QUALITY, "; ".join(defect.text for defect in defects), error="DataQuality", fields=fields
    )
