"""Named documents: what an operator has typed, found among the documents of the ERPs."""

from __future__ import annotations

from collections.abc import Sequence

from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.errors import ConfigurationError
from prefect_crm_erp.models.keys import is_salesforce_id, salesforce_id
from prefect_crm_erp.tasks.document_run import DocumentRun

Named = dict[tuple[ErpSlot, str], list[str]]
"""ERP ids by connection and kind of document."""


def ids_by_number(run: DocumentRun, records: Sequence[str]) -> Named:
    """Find documents by their numbers in the ERP, or all of an account's or opportunity's by its id.

    Args:
        run: The run.
        records: ERP numbers (`2026/17`), or CRM ids of accounts or opportunities (15 or 18 characters).

    Raises:
        ConfigurationError: No ERP has a document of that number, and the CRM's record has none.
    """
    named: Named = {}
    for text in dict.fromkeys(each.strip() for each in records if each.strip()):
        found = _of_crm_record(run, salesforce_id(text)) if is_salesforce_id(text) else _of_number(run, text)
        if not any(found.values()):
            kinds = " or ".join(what.name for what in run.what)
            raise ConfigurationError(
                f"{text!r} is neither the number of any {kinds} in the ERP, nor the id of an account or opportunity "
                "that has one"
            )
        for place, ids in found.items():
            named.setdefault(place, []).extend(ids)
    return named


def _of_number(run: DocumentRun, number: str) -> Named:
    return {
        (slot, what.name): run.erps[slot].ids_of_number(what.record, number)
        for slot in run.used_slots
        for what in run.what
    }


def _of_crm_record(run: DocumentRun, key: str) -> Named:
    """The documents that the ledger knows of an account or opportunity."""
    return {
        (slot, what.name): run.store.documents_of(what.name, slot.value, key)
        for slot in run.used_slots
        for what in run.what
    }
