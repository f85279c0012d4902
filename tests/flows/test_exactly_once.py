"""No order is lost and none is placed twice, be it by two runs at once, a killed one, or an answer that is lost."""

from __future__ import annotations

import json
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from pathlib import Path
from typing import Any

import httpx
import pytest
from conformance.ledger_fixtures import PostgresServer
from cutting_proxy import Cut, CuttingProxy
from flow_process import flow_process, new_gate, wait_for
from once import assert_one_customer_each, assert_ordered_once, customers_of, running
from prefect import flow
from pydantic import SecretStr
from world import BERLIN, World

from prefect_crm_erp.blocks import Integration, Ledger, OrderPolicy
from prefect_crm_erp.flows import quote_to_order
from prefect_crm_erp.models.outcomes import Outcome, Queue
from prefect_crm_erp.tasks import extract
from prefect_crm_erp.tasks.claims import LEASES_TO_WAIT
from prefect_crm_erp.tasks.report import CoverageError

CREATE_CUSTOMER = "model.party.party.create"
CREATE, QUOTE, CONFIRM = (f"model.sale.sale.{name}" for name in ("create", "quote", "confirm"))
LOOK_FOR_CUSTOMERS = '"ilike"'
LOOK_FOR_ORDERS = '"reference", "in"'
COMPOSITE = "/composite/sobjects"
WRITE_BACK = "ERP_Sync_Status__c"
LEASE_SECONDS = 2


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Ledger:
    """A ledger on each kind of database."""
    if request.param == "sqlite":
        return Ledger(url=SecretStr(f"sqlite:///{tmp_path / 'shared.sqlite'}"))
    server: PostgresServer = request.getfixturevalue("postgres")
    return Ledger(url=SecretStr(server.url(server.new_database())))


def short_lease(world: World) -> Ledger:
    """The world's ledger, which soon lets go what a dead run held."""
    return Ledger(url=world.integration().ledger.url, lease_seconds=LEASE_SECONDS)


# -------------------------------------------------------------------- two runs at once


@pytest.mark.requirement("GB02", "T09")
def test_two_workers_at_once_order_each_deal_once(world: World, ledger: Ledger) -> None:
    accounts = [world.account() for _ in range(3)]
    deals = [world.deal(account=accounts[number % 3]) for number in range(7)]
    integration, gate = world.integration(ledger=ledger), new_gate()
    with (
        flow_process(integration, page_size=3, gate=gate) as one,
        flow_process(integration, page_size=3, gate=gate) as other,
    ):
        gate.set()
        outcomes = [one.outcomes(), other.outcomes()]
    for deal in deals:
        assert sorted(each[deal] for each in outcomes) == [Outcome.UNCHANGED, Outcome.WRITTEN]
    assert_ordered_once(world, deals)
    assert_one_customer_each(world, accounts)
    again = world.run(integration)
    assert (again.written, again.unchanged) == (0, 7)


@pytest.mark.requirement("B06", "GB08")
def test_two_runs_that_miss_a_customer_at_the_same_moment_create_it_once(world: World, line: CuttingProxy) -> None:
    same = world.account()
    twins = [world.account(Name="Twin GmbH", VAT_Number__c="DE811193231", **BERLIN) for _ in range(2)]
    deals = [world.deal(account=account) for account in (same, *twins)]
    integration = world.integration()
    slow = world.integration(erp=world.tryton(server_url=line.url))
    with (
        line.hold(Cut.AFTER, containing=LOOK_FOR_CUSTOMERS) as hold,
        running(world, slow, records=[deals[0], deals[1]]) as first,
    ):
        hold.wait()
        with running(world, integration, records=[deals[0], deals[2]]) as second:
            second.join(3)  # it waits for its turn; a run that did not would have created both by now
            hold.let_go()
    assert first.report.queued == second.report.queued == 0
    customers = customers_of(world, [same, *twins])
    assert len(customers[same]) == 1
    assert customers[twins[0]] == customers[twins[1]]
    assert len(set(customers[twins[0]])) == 1
    assert_ordered_once(world, deals)


@pytest.mark.requirement("GB02", "T09")
def test_a_flow_run_that_is_started_again_while_it_is_still_at_work_orders_once(
    world: World, line: CuttingProxy
) -> None:
    deal = world.deal()
    slow = world.integration(erp=world.tryton(server_url=line.url))

    @flow(name="started twice")
    def started_twice() -> None:
        with line.hold(Cut.BEFORE, containing=CREATE) as hold, ThreadPoolExecutor(2) as starts:
            starts.submit(copy_context().run, quote_to_order.fn, slow)
            hold.wait()
            again = starts.submit(copy_context().run, quote_to_order.fn, world.integration())
            wait([again], 3)
            hold.let_go()

    started_twice()
    assert_ordered_once(world, [deal])


@pytest.mark.requirement("F02", "GB02")
@pytest.mark.parametrize("first", ["accepted quotes", "closed-won opportunities"])
def test_a_quote_and_its_opportunity_are_one_order_also_when_both_are_run_at_once(
    world: World, line: CuttingProxy, first: str
) -> None:
    quote, opportunity = accepted_quote(world)
    (second,) = {"accepted quotes", "closed-won opportunities"} - {first}
    slow = world.integration(erp=world.tryton(server_url=line.url))
    with line.hold(Cut.BEFORE, containing=CREATE) as hold, running(world, slow, source=first) as one:
        hold.wait()
        with running(world, world.integration(), source=second) as other:
            other.join(3)
            hold.let_go()
    assert (one.report.written, other.report.excluded) == (1, 1)
    assert len(world.sales(quote, opportunity)) == 1


@pytest.mark.requirement("F02", "GB02")
def test_an_opportunity_waits_for_what_became_of_its_quote(world: World, line: CuttingProxy) -> None:
    quote, opportunity = accepted_quote(world)
    integration = world.integration(ledger=short_lease(world), erp=world.tryton(server_url=line.url))
    with (
        line.hold(Cut.AFTER, containing=CREATE) as hold,
        flow_process(integration, source="accepted quotes") as process,
    ):
        hold.wait()
        process.kill()
    report = world.run(integration)
    assert (report.queued, world.row(report, opportunity).queue) == (1, Queue.RETRY)
    assert "quote" in world.row(report, opportunity).reason
    assert world.run(integration, source="accepted quotes").written == 1
    assert world.run(integration, records=[opportunity]).excluded == 1
    assert len(world.sales(quote, opportunity)) == 1


# -------------------------------------------------------------------- a run that is killed, or sleeps


@pytest.mark.requirement("GB02", "GB11", "T09")
def test_a_run_that_is_killed_at_every_step_in_turn_loses_and_doubles_nothing(
    world: World, line: CuttingProxy, crm_line: CuttingProxy
) -> None:
    accounts = [world.account(), world.account()]
    deals = [world.deal(account=accounts[number % 2]) for number in range(3)]
    integration = world.integration(
        ledger=short_lease(world),
        erp=world.tryton(server_url=line.url),
        crm=world.org.block(instance_url=crm_line.url),
    )
    for place, where, step in (
        (line, Cut.AFTER, CREATE_CUSTOMER),
        (line, Cut.BEFORE, CREATE),  # after the intent
        (line, Cut.AFTER, CREATE),
        (line, Cut.AFTER, QUOTE),
        (line, Cut.AFTER, CONFIRM),  # before the binding
        (crm_line, Cut.BEFORE, WRITE_BACK),  # after the binding
        (crm_line, Cut.AFTER, WRITE_BACK),
    ):
        with place.hold(where, containing=step, then_cut=True) as hold, flow_process(integration) as process:
            hold.wait()
            process.kill()
    report = world.run(integration)
    assert (report.source, report.queued) == (3, 0)
    assert_ordered_once(world, deals)
    assert_one_customer_each(world, accounts)


@pytest.mark.requirement("GB02")
def test_what_a_killed_run_had_sent_is_not_sent_again_though_it_arrives_late(world: World, line: CuttingProxy) -> None:
    deal = world.deal()
    integration = world.integration(ledger=short_lease(world), erp=world.tryton(server_url=line.url))
    with line.hold(Cut.BEFORE, containing=CREATE) as hold, flow_process(integration) as process:
        hold.wait()
        process.kill()
        with running(world, world.integration(ledger=short_lease(world))) as run:
            run.join(0.5)
            hold.let_go()
    assert run.report.written == 1
    assert_ordered_once(world, [deal])


@pytest.mark.requirement("GB02")
def test_a_run_that_sleeps_through_its_lease_leaves_what_another_took_over(world: World, line: CuttingProxy) -> None:
    deals = [world.deal(), world.deal()]
    integration = world.integration(ledger=short_lease(world))
    sleepy = world.integration(ledger=short_lease(world), erp=world.tryton(server_url=line.url))
    with line.hold(Cut.AFTER, containing=LOOK_FOR_ORDERS) as hold, flow_process(sleepy) as process:
        hold.wait()
        process.pause()
        hold.let_go()
        assert world.run(integration).written == 2
        time.sleep(LEASES_TO_WAIT * LEASE_SECONDS)  # longer than it would have had patience when awake
        process.resume()
        assert process.outcomes() == dict.fromkeys(deals, Outcome.UNCHANGED)
    assert_ordered_once(world, deals)


# -------------------------------------------------------------------- lost answers


@pytest.mark.requirement("GB02", "T09")
@pytest.mark.parametrize("where", Cut, ids=lambda where: where.name.lower())
def test_lines_that_break_at_every_step_leave_one_record_each(world: World, line: CuttingProxy, where: Cut) -> None:
    account = world.account()
    deals = [world.deal(account=account) for _ in range(2)]
    for step in (CREATE_CUSTOMER, CREATE, CONFIRM):
        line.cut(where, containing=step)
    world.org.fault(COMPOSITE, method="PATCH", drop=where.name.lower())
    report = world.run(world.integration(erp=world.tryton(server_url=line.url, settle_seconds=0.5)))
    assert (report.written, report.queued) == (2, 0)
    assert_ordered_once(world, deals)
    assert_one_customer_each(world, [account])


@pytest.mark.requirement("GB02", "T04")
def test_an_order_that_the_erp_answers_too_late_is_looked_up_before_anything_is_sent_again(
    world: World, line: CuttingProxy
) -> None:
    deal = world.deal()
    hasty = world.tryton(server_url=line.url, timeout_seconds=2, settle_seconds=1)
    integration = world.integration(erp=hasty, orders=OrderPolicy(retry_base_seconds=3600))
    with line.hold(Cut.BEFORE, containing=CREATE):
        row = world.row(world.run(integration), deal)
    assert (row.outcome, row.queue) == (Outcome.QUEUED, Queue.RETRY)
    wait_for(lambda: world.sales(deal), "the ERP acts late")
    line.forget()
    for _ in range(2):  # not due: nothing is tried, and no attempt is counted
        assert world.row(world.run(integration), deal).queue is Queue.RETRY
    with integration.ledger.open().for_integration("test") as store:
        assert [entry.attempts for entry in store.parked(kind="opportunity")] == [1]
    assert not [request for request in line.requests if LOOK_FOR_ORDERS in request]
    assert world.run(integration, records=[deal]).written == 1
    assert_ordered_once(world, [deal])


@pytest.mark.requirement("F07", "GB02", "T09")
def test_a_write_back_that_the_crm_does_not_take_is_owed_and_made_up_for(world: World) -> None:
    account = world.account()
    deals = [world.deal(account=account), world.deal(account=account)]
    world.org.fault(COMPOSITE, method="PATCH", fail_rows={"count": 9}, times=None)  # UNABLE_TO_LOCK_ROW
    report = world.run()
    assert report.written == 2
    for row in report.rows:
        owed = " ".join(note.text for note in row.notes if note.field == "write_back")
        assert f"Order {row.erp_number} stands in the ERP" in owed
        assert "unable to obtain exclusive access" in owed
    world.org.clear_calls()
    again = world.run()
    assert (again.written, again.unchanged) == (0, 2)
    assert all("made up for" in row.notes[-1].text for row in again.rows)
    assert_ordered_once(world, deals)
    assert_one_customer_each(world, [account])
    assert world.run().rows[0].notes == ()


# -------------------------------------------------------------------- nothing has changed


@pytest.mark.requirement("GB01", "GB02", "GB14")
def test_a_second_run_changes_nothing_anywhere(world: World, line: CuttingProxy) -> None:
    written = [world.deal(), world.deal()]
    for without_lines in range(2):
        world.deal([], Name=f"Defect {without_lines}")
    world.deal(account=world.account(BillingCountry="Freedonia", BillingState=None))
    world.deal(Push_To_ERP__c=False)
    integration = world.integration(erp=world.tryton(server_url=line.url))
    first = world.run(integration)
    assert (first.written, first.queued, first.excluded) == (2, 3, 1)
    before = state(integration)
    line.forget()
    world.org.clear_calls()
    second = world.run(integration)
    assert (second.written, second.unchanged, second.queued, second.excluded) == (0, 2, 3, 1)
    assert state(integration) == before
    assert not [call for call in world.org.calls() if "sobjects" in call and not call.startswith("GET")]
    writes = (".create", ".write", ".delete", QUOTE, CONFIRM)
    assert not [request for request in line.requests if any(f'{name}"' in request for name in writes)]
    assert_ordered_once(world, written)


# -------------------------------------------------------------------- proof


@pytest.mark.requirement("GB01", "GB11")
def test_a_run_that_gets_fewer_records_than_announced_fails_and_the_next_one_reads_all(world: World) -> None:
    deals = [world.deal() for _ in range(3)]
    integration = world.integration()
    answer = answer_of_the_crm(world)
    del answer["records"][1]
    world.org.fault("/query", method="GET", status=200, body=answer)
    with pytest.raises(CoverageError, match=r"announced 3 records and 2 came.*run it again"):
        world.run(integration)
    with integration.ledger.open().for_integration("test") as store:
        assert store.watermark("closed-won opportunities") is None
    report = world.run(integration)
    assert (report.written, report.unchanged) == (1, 2)
    assert_ordered_once(world, deals)


@pytest.mark.requirement("GB01")
def test_a_record_that_loses_its_outcome_fails_the_run(
    world: World, line: CuttingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extract, "PAGE_SIZE", 1)
    deals = [world.deal(), world.deal()]
    integration = world.integration(erp=world.tryton(server_url=line.url))
    with line.hold(Cut.BEFORE, containing=deals[1]) as hold, running(world, integration) as run:
        hold.wait()
        with sqlite3.connect(world.folder / "ledger.sqlite") as tampered:
            tampered.execute("UPDATE ledger_run_record SET outcome = NULL WHERE key = ?", [deals[0]])
        tampered.close()
        hold.let_go()
    with pytest.raises(CoverageError, match=rf"2 records were read.*not accounted for: {deals[0]}"):
        assert run.report
    assert world.run(integration).unchanged == 2
    assert_ordered_once(world, deals)


# -------------------------------------------------------------------- helpers


def accepted_quote(world: World) -> tuple[str, str]:
    """An accepted quote of an opportunity that is won already."""
    lines = [{"sku": "NL-400", "Quantity": 2, "UnitPrice": 174.90}]
    opportunity = world.deal(lines, account=world.account(**BERLIN), currency="EUR")
    values = {"Name": "Q", "OpportunityId": opportunity, "Pricebook2Id": world.company.price_book, "Status": "Draft"}
    (quote,) = world.company.create("Quote", [values])
    world.company.lines(quote, lines, "EUR")
    world.company.sf.Quote.update(quote, {"Status": "Accepted"})
    return quote, opportunity


def state(integration: Integration) -> tuple[Any, ...]:
    """Everything that the ledger says of deals, but for when it was last said."""
    with integration.ledger.open().for_integration("test") as store:
        parked = [(entry.key, entry.queue, entry.reason, entry.attempts) for entry in store.parked(open_only=False)]
        return store.audit_trail(limit=1000), parked, store.queue_counts()


def answer_of_the_crm(world: World) -> dict[str, Any]:
    """What the CRM answers to the query that reads deals."""
    world.run(dry_run=True)
    log = httpx.get(f"{world.org.access.http_url}/__sandbox__/calls").json()["log"]
    query = next(call["query"] for call in log if "FROM Opportunity " in call["query"])
    answer: dict[str, Any] = json.loads(json.dumps(world.company.sf.query(query.removeprefix("q=")), default=float))
    return answer
