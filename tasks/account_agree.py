"""Agree: the ledger notes what both sides have now, field by field, so that the next run can tell who changed what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prefect_crm_erp.models.records import Account
from prefect_crm_erp.tasks.account_check import crm_side, shown_as_text
from prefect_crm_erp.tasks.account_fields import erp_side
from prefect_crm_erp.tasks.account_item import AccountItem, Link
from prefect_crm_erp.tasks.account_run import AccountRun
from prefect_crm_erp.tasks.account_values import SEEN, SHOWN, Values, crm_values, seen, to_account
from prefect_crm_erp.tasks.clean import clean_account
from prefect_crm_erp.tasks.match import CUSTOMER


def agree(run: AccountRun, items: Sequence[AccountItem]) -> None:
    """Note what accounts and customers have now; fields in doubt keep what was agreed on before."""
    for slot in run.erps:
        mine = [item for item in items if slot in item.links]
        agreements = {item.key: agreement for item in mine if (agreement := _agreement(run, item, item.links[slot]))}
        run.store.agree(run.run_id, CUSTOMER, slot.value, agreements)


def _agreement(run: AccountRun, item: AccountItem, link: Link) -> dict[str, Any] | None:
    """What both sides have now; None when it is what was agreed on before."""
    said = _said_after(run, item, link)
    has = _customer_after(run, link)
    kept = link.agreed or {}
    values: dict[str, Any] = {
        field: [said[field], has[field]] for field in run.rules if field in has and field not in link.skipped
    }
    values |= {field: kept[field] for field in link.skipped if field in kept}
    values[SEEN] = seen(link.customer)
    values[SHOWN] = shown_as_text(item.shows or item.account.shown)
    return values if values != kept else None


def _said_after(run: AccountRun, item: AccountItem, link: Link) -> Values:
    """The account's values now, as a link compares them."""
    if not item.to_crm:
        return crm_side(item, link)
    after = _account_after(run, item)
    customer, _, _ = clean_account(after, run.integration, run.erp_needs_state())
    return crm_values(after, customer, run.integration) | {"parent": crm_side(item, link)["parent"]}


def _account_after(run: AccountRun, item: AccountItem) -> Account:
    written = to_account(item.to_crm, item.account, run.integration)
    custom = item.account.custom | written.pop("custom", {})
    return item.account.model_copy(update={**written, "custom": custom})


def _customer_after(run: AccountRun, link: Link) -> Values:
    """The customer's values now: as its ERP gave it back after the write; its parent is the one that was written."""
    if not link.to_erp:
        return link.erp
    parents = {link.parent[1]: link.parent[0]} if link.parent and "parent" in link.to_erp else {}
    values = erp_side(run, link.slot, link.customer, parents)
    if "parent" in values and "parent" not in link.to_erp:
        values["parent"] = link.erp.get("parent")
    return values
