"""Laws of approvals and notices: what waits, what was approved, and of what people were told."""

from __future__ import annotations

from datetime import timedelta

import pytest

from prefect_crm_erp.blocks.ledger import Document, LedgerStore, Notice
from prefect_crm_erp.models.approvals import Approval, Origin

from .ledger_fixtures import Ledgers

HOUR = timedelta(hours=1)


@pytest.mark.requirement("R01", "R06")
def test_what_waits_and_what_was_approved_are_told_apart(ledgers: Ledgers, store: LedgerStore) -> None:
    now = ledgers.clock.now

    def order(erp_id: str, status: str, **values: object) -> Document:
        return Document(kind="order", erp="main", erp_id=erp_id, company="1", status=status, **values)  # type: ignore[arg-type]

    store.save_documents(
        [
            order("1", "Pending Approval", submitted_at=now - HOUR),
            order("2", "Pending Approval", submitted_at=now - 2 * HOUR, account="001A", fingerprint="written"),
            order("3", "Approved", submitted_at=now - 3 * HOUR, approved_at=now - HOUR, order_keys=("006A",)),
            order("4", "Invoiced", submitted_at=now - 4 * HOUR, approved_at=now),
            order("5", "Approved", approved_at=now),
            order("6", "Draft"),
        ]
    )
    ledgers.store().save_documents([order("7", "Pending Approval", submitted_at=now)])
    assert [each.erp_id for each in store.waiting_orders()] == ["2", "1"]
    found = sorted(store.approvals(now - HOUR), key=lambda each: each.submitted_at)
    assert found == [
        Approval("main", "1", Origin.ERP, now - 4 * HOUR, now),
        Approval("main", "1", Origin.CRM, now - 3 * HOUR, now - HOUR),
    ]
    assert [each.origin for each in store.approvals(now - HOUR / 2)] == [Origin.ERP]


@pytest.mark.requirement("R03")
def test_the_last_notice_by_each_channel_is_kept(ledgers: Ledgers, store: LedgerStore) -> None:
    began = ledgers.clock.now - 50 * HOUR
    first = [Notice("late", key, "slack", began, "Berg") for key in ("A", "B")]
    store.note_notices([*first, Notice("late", "A", "mail", began, "Hill"), Notice("other", "A", "slack", began)])
    ledgers.clock.advance(HOUR)
    store.note_notices([Notice("late", "A", "slack", began + HOUR, "Hill", times=2)])
    found = store.notices("late", ["A", "C"])
    assert {place: (each.since - began, each.told, each.times) for place, each in found.items()} == {
        ("A", "slack"): (HOUR, "Hill", 2),
        ("A", "mail"): (timedelta(0), "Hill", 1),
    }
    assert found["A", "slack"].sent_at == ledgers.clock.now
    assert found["A", "mail"].sent_at == ledgers.clock.now - HOUR
    assert not ledgers.store().notices("late", ["A"])
