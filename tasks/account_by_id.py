"""By id: accounts that name their customer's ERP id already, for instance because a run died after it had made them."""

from __future__ import annotations

from collections.abc import Sequence

from prefect_crm_erp.blocks.ledger import AuditEntry, Binding
from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.keys import fingerprint
from prefect_crm_erp.models.outcomes import Change, Rejected, Verdict
from prefect_crm_erp.models.records import Customer
from prefect_crm_erp.tasks.account_item import AccountItem
from prefect_crm_erp.tasks.account_run import AccountRun
from prefect_crm_erp.tasks.match import CUSTOMER


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
    place, separator, erp_id = reference.partition(":")
    if not separator:
        return reference if slot is ErpSlot.MAIN else None
    return erp_id if place == slot.value else None


def _tie(run: AccountRun, slot: ErpSlot, item: AccountItem, customer: Customer) -> None:
    if not customer.is_active or item.key not in {customer.key or item.key, *customer.other_keys}:
        return
    erp = run.erps[slot]
    if customer.key is None:
        (result,) = erp.write(
            [Customer(key=item.key, erp_id=customer.erp_id, name=customer.name)], run.any_company(slot)
        )
        if isinstance(result, Rejected):
            item.verdict = Verdict.from_error(result.error)
            return
    why = "the account names its ERP id"
    binding = Binding(CUSTOMER, item.key, slot.value, "", str(customer.erp_id), fingerprint(why), customer.number)
    change = Change("Account of the customer", None, item.key, why)
    entry = AuditEntry(CUSTOMER, item.key, erp.system, "linked", str(customer.erp_id), (change,))
    run.store.bind(run.run_id, [binding], [entry])
