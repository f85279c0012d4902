"""Echo: which changed customers say something new, and which only repeat what this integration wrote."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from prefect_crm_erp.blocks.ledger import CrossReference, SourceRecord
from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.outcomes import Outcome, ReportRow
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.models.records import Customer
from prefect_crm_erp.tasks.account_fields import erp_side, parent_keys
from prefect_crm_erp.tasks.account_run import AccountRun
from prefect_crm_erp.tasks.account_values import CUSTOM, SEEN, seen
from prefect_crm_erp.tasks.match import CUSTOMER


def waiting_customers(run: AccountRun, slot: ErpSlot, pages: Iterator[Page[Customer]]) -> Iterator[Page[Customer]]:
    """Customers that wait for their account, before those that changed: each run looks at them again."""
    start = f"{slot.value}:"
    waiting = [entry.key for entry in run.store.parked(kind=CUSTOMER) if entry.key.startswith(start)]
    if waiting and not run.forced:
        yield Page(run.erps[slot].read(Customer, [key.removeprefix(start) for key in waiting]))
    yield from pages


def changed_keys(run: AccountRun, slot: ErpSlot, page: Page[Customer]) -> list[str]:
    """Accounts whose customers may say something new; the others are noted as unchanged.

    A first load looks at every customer once: only those of accounts that it has seen to already say nothing new.
    """
    by_id = {str(each.erp_id): each for each in page}
    bound = run.store.bound_by_erp_id(CUSTOMER, slot.value, list(by_id))
    references = [each for found in bound.values() for each in found]
    keys = [each.key for each in references]
    agreed = run.store.agreed(CUSTOMER, keys, slot.value)
    seen_to = run.store.noted(run.run_id, keys) if run.backfill else frozenset(keys)
    parents = parent_keys(run, slot, list(by_id.values()))
    echoes: list[CrossReference] = []
    changed: list[str] = []
    for each in references:
        if each.key in seen_to and _is_echo(run, slot, by_id[each.erp_id], agreed.get(each.key), parents):
            echoes.append(each)
        else:
            changed.append(each.key)
    _note(run, slot, echoes, by_id)
    return changed


def _is_echo(
    run: AccountRun, slot: ErpSlot, customer: Customer, agreed: Mapping[str, Any] | None, parents: Mapping[str, str]
) -> bool:
    """Whether a customer is, to the letter, what the last sync left behind, and nothing of it has a later date.

    Its date tells of invoices and orders, which change what the account shows. Changes come without custom fields, so
    that customers are always looked at where such fields are kept in step.
    """
    if agreed is None or run.forced or any(name.startswith(CUSTOM) for name in run.rules):
        return False
    if agreed.get(SEEN) != seen(customer):
        return False
    values = erp_side(run, slot, customer, parents)
    return all(agreed[field][1] == value for field, value in values.items() if field in agreed)


def _note(run: AccountRun, slot: ErpSlot, echoes: Sequence[CrossReference], by_id: Mapping[str, Customer]) -> None:
    if not echoes:
        return
    records = [SourceRecord(each.key, by_id[each.erp_id].name, None) for each in echoes]
    new = set(run.store.note_read(run.run_id, records))
    rows = [
        ReportRow(
            crm_id=each.key,
            name=by_id[each.erp_id].name,
            outcome=Outcome.UNCHANGED,
            erp_id=each.erp_id,
            erp_number=each.erp_number,
            crm_url=run.crm.url(each.key),
            erp_url=run.erps[slot].url(by_id[each.erp_id]),
        )
        for each in echoes
        if each.key in new
    ]
    run.store.note_outcomes(run.run_id, rows)
