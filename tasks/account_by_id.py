"""By id: accounts that name their customer's ERP id already, for instance because a run died after it had made them."""

from __future__ import annotations

from collections.abc import Sequence

from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.outcomes import Verdict
from prefect_crm_erp.models.records import Customer
from prefect_crm_erp.tasks.account_item import AccountItem
from prefect_crm_erp.tasks.account_run import AccountRun
from prefect_crm_erp.tasks.account_tie import give_key, tie
from prefect_crm_erp.tasks.write_back import read_reference


def link_by_erp_id(run: AccountRun, items: Sequence[AccountItem]) -> None:
    """Tie accounts to the customers whose ids they name, where those belong to nobody else."""
    for slot in run.erps:
        named = {erp_id: item for item in items if (erp_id := _id_in(slot, item.account.erp_id))}
        if named and not run.dry_run and run.is_up(slot, ()):
            with run.guard(slot, list(named.values())):
                for customer in run.erps[slot].read(Customer, list(named)):
                    _tie(run, slot, named[str(customer.erp_id)], customer)


def _id_in(slot: ErpSlot, reference: str | None) -> str | None:
    """The id in a reference as accounts keep it: bare for the main ERP, else after the connection's name."""
    if not reference:
        return None
    place, erp_id = read_reference(reference)
    return erp_id if place is slot else None


def _tie(run: AccountRun, slot: ErpSlot, item: AccountItem, customer: Customer) -> None:
    if not customer.is_active or item.key not in {customer.key or item.key, *customer.other_keys}:
        return
    refusal = give_key(run, slot, customer, item.key) if customer.key is None else None
    if refusal is not None:
        item.verdict = Verdict.from_error(refusal.error)
        return
    tie(run, slot, customer, item.key, "the account names its ERP id")
