"""Show: what an account is to show of its customer (number, terms, credit), read-only, and how the sync went."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.credit import CreditPosition
from prefect_crm_erp.models.outcomes import Change
from prefect_crm_erp.models.records import AccountStatus, Company, Customer
from prefect_crm_erp.tasks.account_check import SYNCED, shown_as_text
from prefect_crm_erp.tasks.account_item import AccountItem
from prefect_crm_erp.tasks.account_run import AccountRun
from prefect_crm_erp.tasks.write_back import erp_reference

SYNC_FIELDS: Final = ("erp_sync_status", "erp_sync_error")
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
        ids = [item.links[slot].binding.erp_id for item in mine if item.credit is None]
        credit = run.erps[slot].credit(ids, companies[company_id]) if ids else {}
        for item in mine:
            link = item.links[slot]
            item.shows = _status(link.customer, item.credit or credit.get(link.binding.erp_id))


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


def shown_changes(run: AccountRun, item: AccountItem) -> list[Change]:
    """What the account shows now and is to show, where that is not the same."""
    before, after = shown_as_text(item.account.shown), shown_as_text(item.shows or item.account.shown)
    if item.doubts:  # its reason is told when it is parked
        after |= {name: before[name] for name in SYNC_FIELDS}
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
