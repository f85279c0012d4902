"""A dry run says what the run after it does, also where the ERP would hold an order back."""

from __future__ import annotations

from decimal import Decimal

import pytest
from world import World

from prefect_crm_erp.models.outcomes import Outcome, Queue
from prefect_crm_erp.tasks import extract
from prefect_crm_erp.tasks.report import RunReport


def limited_account(world: World, limit: str) -> tuple[str, int]:
    """An account whose customer has ordered for 100.00 USD and has this credit limit."""
    account = world.account()
    world.run(records=[world.deal(account=account)])
    party = int(world.crm(account, "ERP_Id__c", object_name="Account")["ERP_Id__c"])
    limit_credit(world, party, limit)
    return account, party


def limit_credit(world: World, party: int, limit: str) -> None:
    with world.rpc() as rpc:
        rpc("model.party.party.write", [party], {"credit_limit_amount": Decimal(limit)}, world.context)


def deal_of(world: World, account: str, price: float, currency: str = "USD") -> str:
    lines = [{"sku": "NL-400", "Quantity": 1, "UnitPrice": price}]
    return world.deal(lines, account=account, currency=currency)


def fates(report: RunReport) -> dict[str, tuple[Outcome, Queue | None]]:
    return {row.crm_id: (row.outcome, row.queue) for row in report.rows}


@pytest.mark.requirement("GB03", "G02")
@pytest.mark.parametrize("page_size", [200, 1])
def test_a_dry_run_tells_which_orders_the_real_run_will_see_held_back_over_the_credit_limit(
    world: World, monkeypatch: pytest.MonkeyPatch, page_size: int
) -> None:
    monkeypatch.setattr(extract, "PAGE_SIZE", page_size)
    account, _ = limited_account(world, "1000.00")
    first, over, fits = (deal_of(world, account, price) for price in (600, 400, 200))
    foreign = deal_of(world, account, 5, "EUR")
    free = world.deal()
    dry = world.run(dry_run=True)
    assert not world.sales(first, over, fits, foreign, free)
    assert fates(dry) == fates(world.run())
    assert fates(dry)[over] == (Outcome.QUEUED, Queue.PENDING_APPROVAL)
    assert {fates(dry)[key][0] for key in (first, fits, foreign, free)} == {Outcome.WRITTEN}
    reason = world.row(dry, over).reason
    assert "its 400.00 USD, on top of the 700.00 USD used (with the orders before it in this run)" in reason
    assert "limit of 1,000.00 USD" in reason
    assert any(change.field == "order.line 1" for change in world.row(dry, over).changes)
    notes = [note.text for note in world.row(dry, foreign).notes if note.field == "order"]
    assert notes == ["The order is in EUR and the customer's credit limit in USD; a dry run does not compare them"]


@pytest.mark.requirement("GB03", "G05")
def test_a_dry_run_does_not_count_an_order_twice_that_was_approved_in_the_erp(world: World) -> None:
    account, party = limited_account(world, "150.00")
    deal = deal_of(world, account, 100)
    assert world.row(world.run(), deal).queue is Queue.PENDING_APPROVAL
    assert world.row(world.run(dry_run=True, records=[deal]), deal).queue is Queue.PENDING_APPROVAL
    limit_credit(world, party, "200.00")
    (sale,) = world.sales(deal)
    with world.rpc() as rpc:
        rpc("model.sale.sale.confirm", [sale["id"]], world.context)
    dry = world.run(dry_run=True, records=[deal])
    assert fates(dry) == fates(world.run(records=[deal])) == {deal: (Outcome.WRITTEN, None)}
