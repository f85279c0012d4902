"""Laws of discrepancies: since when, and how many reconciliations in a row."""

from __future__ import annotations

from datetime import timedelta

import pytest

from prefect_crm_erp.blocks.ledger import Discrepancy, LedgerStore

from .ledger_fixtures import Ledgers


def difference(key: str, field: str = "phone", **changes: object) -> Discrepancy:
    values = {"erp": "tryton", "crm_value": "1", "erp_value": None, "owner": "the CRM", "name": "Acme", "erp_id": "17"}
    return Discrepancy(key=key, field=field, **values | changes)  # type: ignore[arg-type]


@pytest.mark.requirement("Q05")
def test_a_discrepancy_counts_the_reconciliations_in_a_row_and_keeps_its_beginning(
    ledgers: Ledgers, store: LedgerStore
) -> None:
    links, began = [("A", "tryton"), ("B", "tryton")], ledgers.clock.now
    store.note_discrepancies("one", "customer", links, [difference("A"), difference("B", "name")])
    ledgers.clock.advance(timedelta(days=1))
    again = [difference("A", crm_value="2"), difference("A", "name")]
    for _ in range(2):  # the second time as a page that is tried again
        noted = store.note_discrepancies("two", "customer", links, again)
    assert [(each.field, each.since, each.times) for each in noted] == [
        ("phone", began, 2),
        ("name", ledgers.clock.now, 1),
    ]
    assert store.discrepancies("customer") == noted
    assert store.discrepancies("customer", at_least=2) == noted[:1]
    store.note_discrepancies("three", "customer", links, [])
    assert store.discrepancies("customer") == []
    (anew,) = store.note_discrepancies("four", "customer", links, [difference("A")])
    assert (anew.since, anew.times) == (ledgers.clock.now, 1)


def test_discrepancies_of_links_that_were_not_looked_at_stay_until_a_complete_reconciliation(
    store: LedgerStore,
) -> None:
    everywhere = [("A", "tryton"), ("A", "netsuite"), ("B", "tryton")]
    found = [difference("A"), difference("A", erp="netsuite"), difference("B")]
    store.note_discrepancies("one", "customer", everywhere, found)
    store.note_discrepancies("two", "customer", [("A", "tryton")], [])
    assert [(each.key, each.erp) for each in store.discrepancies("customer")] == [("A", "netsuite"), ("B", "tryton")]
    store.note_discrepancies("three", "customer", everywhere[1:2], found[1:2])
    store.forget_other_discrepancies("three", "customer")
    assert [(each.erp, each.times) for each in store.discrepancies("customer", run_id="three")] == [("netsuite", 2)]
    assert len(store.discrepancies("customer")) == 1
