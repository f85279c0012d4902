"""Tie: link an account and a customer that belong together, in the ERP by the account's key and in the ledger."""

from __future__ import annotations

from prefect_crm_erp.blocks.ledger import AuditEntry, Binding
from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.keys import fingerprint
from prefect_crm_erp.models.outcomes import Change, Rejected
from prefect_crm_erp.models.records import Customer
from prefect_crm_erp.tasks.account_run import AccountRun
from prefect_crm_erp.tasks.match import CUSTOMER


def give_key(run: AccountRun, slot: ErpSlot, customer: Customer, account: str) -> Rejected[Customer] | None:
    """Add an account's key to a customer in its ERP, and touch nothing else; gives the refusal, if it is one."""
    keyed = Customer(key=account, erp_id=customer.erp_id, name=customer.name)
    (result,) = run.erps[slot].write([keyed], run.any_company(slot))
    return result if isinstance(result, Rejected) else None


def tie(run: AccountRun, slot: ErpSlot, customer: Customer, account: str, why: str) -> None:
    """Note in the ledger that an account and a customer belong together, and why."""
    binding = Binding(CUSTOMER, account, slot.value, "", str(customer.erp_id), fingerprint(why), customer.number)
    change = Change("Account of the customer", None, account, why)
    entry = AuditEntry(CUSTOMER, account, run.erps[slot].system, "linked", str(customer.erp_id), (change,))
    run.store.bind(run.run_id, [binding], [entry])
