"""The stream is read without gaps: pages that end in the middle of a second, late rows, wrong clocks, crashes."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from cutting_proxy import Cut, CuttingProxy
from fixtures_salesforce import SandboxOrg
from flow_process import flow_process, wait_for
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from once import assert_ordered_once, running
from world import World

from prefect_crm_erp.blocks import Integration, Ledger
from prefect_crm_erp.models.outcomes import Outcome, Queue
from prefect_crm_erp.tasks import extract

HOUR = 3600
STEPS = ('"reference", "in"', "model.sale.sale.create", "model.sale.sale.confirm")


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages that end between deals of the same second."""
    monkeypatch.setattr(extract, "PAGE_SIZE", 2)


def crashing(world: World, line: CuttingProxy) -> Integration:
    """An integration over a line to the ERP that can be held, which soon lets go what a dead run held."""
    ledger = Ledger(url=world.integration().ledger.url, lease_seconds=2)
    return world.integration(ledger=ledger, erp=world.tryton(server_url=line.url))


@pytest.mark.requirement("GB11")
def test_a_run_that_dies_in_its_second_page_leaves_no_gap(world: World, line: CuttingProxy) -> None:
    deals = [deal_of_hours_ago(world, hours) for hours in (5, 4, 3, 2, 1)]
    integration = crashing(world, line)
    with line.hold(Cut.AFTER, containing=deals[3]) as hold, flow_process(integration, page_size=2) as process:
        hold.wait()
        process.kill()
    assert {sale["reference"] for sale in world.sales(*deals)} == set(deals[:2])
    report = world.run(integration)
    fates = dict.fromkeys(deals[:2], Outcome.UNCHANGED) | dict.fromkeys(deals[2:], Outcome.WRITTEN)
    assert {row.crm_id: row.outcome for row in report.rows} == fates
    assert_ordered_once(world, deals)


@pytest.mark.requirement("GB11")
def test_a_deal_that_shows_late_is_read_though_later_ones_were_read_before(world: World) -> None:
    world.org.clock(visibility_lag_seconds=300)
    late = world.deal()
    world.org.clock(visibility_lag_seconds=0)
    time.sleep(1)  # the stamps have whole seconds
    seen = world.deal()
    world.org.clock(visibility_lag_seconds=300)
    assert [row.crm_id for row in world.run().rows] == [seen]
    world.org.clock(visibility_lag_seconds=0)
    assert world.row(world.run(), late).outcome is Outcome.WRITTEN
    assert_ordered_once(world, [late, seen])


@pytest.mark.requirement("GB11")
def test_the_crms_clock_may_be_five_minutes_wrong_in_either_way(world: World) -> None:
    deals = []
    for skew in (-300, 0, 300, 0):  # each set-back makes the next deal older than the last one that was read
        world.org.clock(skew_seconds=skew)
        deals.append(world.deal())
        assert world.row(world.run(), deals[-1]).outcome is Outcome.WRITTEN
    assert_ordered_once(world, deals)


@pytest.mark.requirement("GB11", "GB06")
def test_a_run_since_a_later_time_does_not_move_the_watermark_past_unread_deals(world: World) -> None:
    deals = []
    for hours in (4, 2):  # at first nothing was read yet, then there is a watermark
        unread = deal_of_hours_ago(world, hours)
        recent = deal_of_hours_ago(world, hours - 1)
        since = datetime.now(UTC) - timedelta(hours=hours - 0.5)
        assert [row.crm_id for row in world.run(since=since).rows] == [recent]
        assert world.row(world.run(), unread).outcome is Outcome.WRITTEN
        deals += [unread, recent]
    assert_ordered_once(world, deals)


@pytest.mark.requirement("GB11", "GB01")
def test_a_deal_that_another_run_takes_out_of_its_queue_is_not_taken_for_deleted(
    world: World, line: CuttingProxy
) -> None:
    world.org.clock(skew_seconds=-HOUR)
    waiting = world.deal([])
    assert world.row(world.run(), waiting).queue is Queue.DATA_QUALITY
    world.org.clock(skew_seconds=0)
    recent = world.deal()
    world.run()  # the watermark is past the overlap now: the next run reads the deal because it waits
    other = world.deal()
    slow = world.integration(erp=world.tryton(server_url=line.url))
    with line.hold(Cut.BEFORE, containing=other) as hold, running(world, slow) as run:
        hold.wait()
        world.company.lines(waiting, [{"sku": "NL-400", "Quantity": 1, "UnitPrice": 5}])
        assert world.run(records=[waiting]).written == 1
        hold.let_go()
    assert world.row(run.report, waiting).outcome is Outcome.UNCHANGED
    assert_ordered_once(world, [waiting, recent, other])


@pytest.mark.requirement("GB11", "GB02")
def test_whatever_happens_in_whatever_order_each_deal_is_ordered_once(
    world: World, line: CuttingProxy, salesforce_sandbox: SandboxOrg, tmp_path: Path
) -> None:
    numbers = count(1)

    def fresh() -> History:
        salesforce_sandbox.reset(empty=True)
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        return History(World(salesforce_sandbox, world.access, folder), line)

    run_state_machine_as_test(
        fresh,
        settings=settings(
            max_examples=3,
            stateful_step_count=7,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


class History(RuleBasedStateMachine):
    """What can happen to a company and its integration.

    Args:
        world: The company, new.
        line: The line to its ERP.
    """

    def __init__(self, world: World, line: CuttingProxy) -> None:
        super().__init__()
        self.world = world
        self.line = line
        self.integration = crashing(world, line)
        self.account = world.account()
        self.deals: list[str] = []

    @rule(number=st.integers(1, 3))
    def sell(self, number: int) -> None:
        self.deals += [self.world.deal(account=self.account) for _ in range(number)]

    @rule(late=st.booleans())
    def show_changes(self, late: bool) -> None:
        self.world.org.clock(visibility_lag_seconds=300 if late else 0)

    @rule(seconds=st.sampled_from([-150, 0, 150]))
    def set_clock(self, seconds: int) -> None:
        self.world.org.clock(skew_seconds=seconds)

    @precondition(lambda self: self.deals)
    @rule(step=st.sampled_from(STEPS), where=st.sampled_from(Cut))
    def crash(self, step: str, where: Cut) -> None:
        with (
            self.line.hold(where, containing=step, then_cut=True) as hold,
            flow_process(self.integration, page_size=2) as process,
        ):
            wait_for(lambda: hold.has_come or process.has_ended, "the step or the end")
            if hold.has_come:
                process.kill()

    @rule()
    def run(self) -> None:
        self.world.run(self.integration)

    def teardown(self) -> None:
        self.world.org.clock(visibility_lag_seconds=0)
        if self.deals:
            self.world.run(self.integration)
            assert_ordered_once(self.world, self.deals)


def deal_of_hours_ago(world: World, hours: int) -> str:
    """A deal that changed so long ago that a run which begins later does not read it by its overlap."""
    world.org.clock(skew_seconds=-hours * HOUR)
    return world.deal()
