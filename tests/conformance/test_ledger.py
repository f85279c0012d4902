"""Laws of exactly once: at most one run works on a key, and what was sent is never forgotten."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from sqlalchemy import event

from prefect_crm_erp.blocks.ledger import (
    AuditEntry,
    Binding,
    BusyKey,
    LeaseLostError,
    LedgerStore,
    ParkEntry,
    SourceRecord,
)
from prefect_crm_erp.models.outcomes import Change, Outcome, Queue, ReportRow, Verdict

from .ledger_fixtures import Ledgers

LEASE = timedelta(minutes=5)
KEYS = [f"006D000000{number:05}AAA" for number in range(200)]
FAILED = Verdict.queued(Queue.RETRY, "The ERP did not answer")


def binding(key: str, erp_id: str = "", **changes: object) -> Binding:
    values = {"kind": "order", "erp": "tryton", "company": "1", "fingerprint": f"digest of {key}"} | changes
    return Binding(key=key, erp_id=erp_id or f"sale {key}", **values)  # type: ignore[arg-type]


def start(store: LedgerStore, *run_ids: str) -> None:
    for run_id in run_ids:
        store.start_run(run_id, flow="quote-to-order", source="accepted quotes", dry_run=False)


# ---------------------------------------------------------------------- claims


def test_threads_that_claim_the_same_keys_at_once_win_each_key_exactly_once(ledgers: Ledgers) -> None:
    store = ledgers.store()

    def claim(number: int) -> frozenset[str]:
        keys = Random(number).sample(KEYS, len(KEYS))
        return store.claim("order", keys, f"run {number}", LEASE).mine

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(claim, range(8)))
    assert sorted(key for keys in won for key in keys) == KEYS


CLAIMANTS = """
import json, multiprocessing, sys
from datetime import timedelta
from pydantic import SecretStr
from prefect_crm_erp.blocks.ledger import Ledger
urls, keys = json.loads(sys.argv[1])
context = multiprocessing.get_context("fork")
start = context.Barrier(6)

def claim(number):
    won = []
    for url in urls:
        start.wait()
        with Ledger(url=SecretStr(url)).open().for_integration("shared") as store:
            claimed = store.claim("order", keys[:: (-1) ** number], f"run {number}", timedelta(minutes=5))
        won.append(sorted(claimed.mine))
    return won

with context.Pool(6) as pool:
    print(json.dumps(pool.map(claim, range(6), chunksize=1)))
"""


def test_processes_that_start_at_once_share_a_new_ledger_and_win_each_key_once(ledgers: Ledgers) -> None:
    urls = [ledgers.new_url() for _ in range(6 if ledgers.kind == "sqlite" else 2)]
    command = [sys.executable, "-W", "ignore", "-c", CLAIMANTS, json.dumps([urls, KEYS])]
    result = subprocess.run(command, check=True, capture_output=True, text=True, timeout=100)
    for won in zip(*json.loads(result.stdout), strict=True):
        assert sorted(key for keys in won for key in keys) == KEYS


@pytest.mark.requirement("GB02")
def test_an_expired_lease_is_taken_over_and_its_intent_shows_as_unknown(ledgers: Ledgers, store: LedgerStore) -> None:
    store.claim("order", ["A", "B"], "killed", LEASE)
    store.intend("order", {"A": "what was sent"}, "killed")
    busy = store.claim("order", ["A", "B"], "next", LEASE)
    assert busy.mine == frozenset()
    assert busy.busy["A"] == BusyKey("killed", ledgers.clock.now + LEASE)
    ledgers.clock.advance(LEASE)
    taken = store.claim("order", ["A", "B"], "next", LEASE)
    assert taken.mine == {"A", "B"}
    assert taken.unknown == {"A": "what was sent"}
    with pytest.raises(LeaseLostError):
        store.intend("order", {"A": "again"}, "killed")
    assert store.renew("order", ["A", "B"], "killed", LEASE) == set()


@pytest.mark.requirement("GB02")
def test_a_run_that_is_tried_again_sees_what_it_had_sent_itself(store: LedgerStore) -> None:
    store.claim("order", ["A", "B"], "run", LEASE)
    store.intend("order", {"A": "sent"}, "run")
    again = store.claim("order", ["A", "B"], "run", LEASE)
    assert again.mine == {"A", "B"}
    assert again.unknown == {"A": "sent"}


def test_intents_are_noted_for_all_keys_or_for_none(store: LedgerStore) -> None:
    store.claim("order", ["A", "B"], "run", LEASE)
    with pytest.raises(LeaseLostError) as refused:
        store.intend("order", {"A": "sent", "never claimed": "sent", "B": "sent"}, "run")
    assert refused.value.keys == {"never claimed"}
    assert store.claim("order", ["A", "B"], "run", LEASE).unknown == {}


def test_an_intent_begins_the_lease_anew(ledgers: Ledgers, store: LedgerStore) -> None:
    store.claim("order", ["A"], "run", LEASE)
    ledgers.clock.advance(LEASE - timedelta(seconds=1))
    store.intend("order", {"A": "sent"}, "run")
    ledgers.clock.advance(LEASE - timedelta(seconds=1))
    assert set(store.claim("order", ["A"], "other", LEASE).busy) == {"A"}


def test_a_finished_run_keeps_only_the_claims_whose_outcome_is_unknown(ledgers: Ledgers, store: LedgerStore) -> None:
    start(store, "run")
    store.claim("order", ["sent", "not sent"], "run", LEASE)
    store.intend("order", {"sent": "digest"}, "run")
    store.finish_run("run", status="failed", source_count=2, summary={})
    claimed = store.claim("order", ["sent", "not sent"], "next", LEASE)
    assert (claimed.mine, set(claimed.busy)) == ({"not sent"}, {"sent"})


@dataclass
class Held:
    """What the naive model knows of a key."""

    holder: str | None
    until: datetime
    lease: timedelta
    intent: str | None = None


some_keys = st.lists(st.sampled_from("ABCab"), max_size=4)
some_run = st.sampled_from(["one", "two"])
some_lease = st.sampled_from([timedelta(seconds=10), timedelta(seconds=40)])


class ClaimsModel(RuleBasedStateMachine):
    """Claims behave as a dictionary would that nobody else touches."""

    ledgers: Ledgers

    def __init__(self) -> None:
        super().__init__()
        self.store = self.ledgers.store()
        self.clock = self.ledgers.clock
        self.model: dict[str, Held] = {}

    def mine(self, keys: Sequence[str], run_id: str) -> set[str]:
        return {key for key in keys if key in self.model and self.model[key].holder == run_id}

    @rule(seconds=st.integers(1, 30))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(timedelta(seconds=seconds))

    @rule(keys=some_keys, run_id=some_run, lease=some_lease)
    def claim(self, keys: list[str], run_id: str, lease: timedelta) -> None:
        now = self.clock.now
        taken = {
            key
            for key in keys
            if key not in self.model or self.model[key].holder in (None, run_id) or self.model[key].until <= now
        }
        unknown = {key: held.intent for key in taken if (held := self.model.get(key)) and held.intent}
        result = self.store.claim("order", keys, run_id, lease)
        assert result.mine == taken
        assert result.unknown == unknown
        assert result.busy == {
            key: BusyKey(str(self.model[key].holder), self.model[key].until) for key in keys if key not in taken
        }
        self.model |= {key: Held(run_id, now + lease, lease, unknown.get(key)) for key in taken}

    @rule(keys=some_keys, run_id=some_run, lease=some_lease)
    def renew(self, keys: list[str], run_id: str, lease: timedelta) -> None:
        mine = self.mine(keys, run_id)
        assert self.store.renew("order", keys, run_id, lease) == mine
        for key in mine:
            self.model[key].until, self.model[key].lease = self.clock.now + lease, lease

    @rule(keys=some_keys, run_id=some_run, digest=st.sampled_from("xyz"))
    def intend(self, keys: list[str], run_id: str, digest: str) -> None:
        intents = dict.fromkeys(keys, digest)
        if lost := intents.keys() - self.mine(keys, run_id):
            with pytest.raises(LeaseLostError) as refused:
                self.store.intend("order", intents, run_id)
            assert refused.value.keys == lost
            return
        self.store.intend("order", intents, run_id)
        for key in intents:
            self.model[key].intent, self.model[key].until = digest, self.clock.now + self.model[key].lease

    @rule(keys=some_keys, run_id=some_run, keep=st.booleans())
    def release(self, keys: list[str], run_id: str, keep: bool) -> None:
        self.store.release("order", keys, run_id, keep_intent=keep)
        for key in self.mine(keys, run_id):
            if keep and self.model[key].intent:
                self.model[key].holder = None
            else:
                del self.model[key]

    @rule(keys=some_keys, run_id=some_run)
    def bind(self, keys: list[str], run_id: str) -> None:
        self.store.bind(run_id, [binding(key) for key in keys])
        assert self.store.bound("order", keys).keys() == set(keys)
        for key in set(keys):
            if key in self.model and self.model[key].holder in (None, run_id):
                del self.model[key]


def test_claims_behave_as_a_naive_model(ledgers: Ledgers) -> None:
    machine = type("Machine", (ClaimsModel,), {"ledgers": ledgers})
    bounds = settings(
        max_examples=30, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    run_state_machine_as_test(machine, settings=bounds)


# ---------------------------------------------------------------------- bindings


def test_a_binding_ends_the_claim_and_the_stay_in_a_queue_and_is_audited(ledgers: Ledgers, store: LedgerStore) -> None:
    store.claim("order", ["A"], "run", LEASE)
    store.intend("order", {"A": "digest"}, "run")
    store.park("earlier run", [ParkEntry("order", "A", "Deal A", FAILED)])
    totals = {"currency": "JPY", "crm_total": Decimal("638000"), "erp_total": Decimal("638000.00")}
    made = binding("A", "17", erp_number="SO-17", **totals)
    store.bind("run", [made], [AuditEntry("order", "A", "Tryton", "created", "17", (Change("number", None, "SO-17"),))])
    (reference,) = store.bound("order", ["A"])["A"]
    assert (reference.erp_id, reference.erp_number, reference.fingerprint) == ("17", "SO-17", made.fingerprint)
    assert (reference.currency, reference.crm_total, reference.erp_total) == tuple(totals.values())
    assert (reference.run_id, reference.bound_at) == ("run", ledgers.clock.now)
    assert store.claim("order", ["A"], "other", LEASE).unknown == {}
    assert store.parked() == []
    assert [(entry.resolution, entry.resolved_at) for entry in store.parked(open_only=False)] == [
        ("written", ledgers.clock.now)
    ]
    (entry,) = store.audit_trail("order", "A")
    assert (entry.run_id, entry.at, entry.changes) == ("run", ledgers.clock.now, (Change("number", None, "SO-17"),))


def test_a_binding_that_breaks_in_the_middle_leaves_nothing_behind(store: LedgerStore) -> None:
    store.claim("order", KEYS, "run", LEASE)
    store.intend("order", dict.fromkeys(KEYS, "digest"), "run")
    store.park("run", [ParkEntry("order", KEYS[0], "Deal", FAILED)])
    unstorable = Change("total", None, object())  # type: ignore[arg-type]
    entries = [AuditEntry("order", key, "Tryton", "created", changes=(unstorable,)) for key in KEYS]
    with pytest.raises(Exception, match="not JSON serializable"):
        store.bind("run", [binding(key) for key in KEYS], entries)
    assert store.bound("order", KEYS) == {}
    assert store.audit_trail() == []
    assert len(store.parked()) == 1
    assert store.claim("order", KEYS, "run", LEASE).unknown == dict.fromkeys(KEYS, "digest")


def test_a_lost_lease_does_not_lose_the_binding_nor_the_claim_of_the_run_that_took_over(
    ledgers: Ledgers, store: LedgerStore
) -> None:
    store.claim("order", ["A"], "slow", LEASE)
    ledgers.clock.advance(LEASE)
    store.claim("order", ["A"], "next", LEASE)
    store.bind("slow", [binding("A", "17")])
    assert store.bound("order", ["A"])["A"][0].erp_id == "17"
    assert set(store.claim("order", ["A"], "third", LEASE).busy) == {"A"}


def test_a_binding_that_contradicts_an_earlier_one_holds_and_is_told(ledgers: Ledgers, store: LedgerStore) -> None:
    store.bind("one", [binding("A", "17"), binding("B", "18")])
    first_bound = ledgers.clock.now
    ledgers.clock.advance(timedelta(days=1))
    store.bind("two", [binding("A", "99"), binding("B", "18")])
    (reference,) = store.bound("order", ["A"])["A"]
    assert (reference.erp_id, reference.bound_at) == ("99", first_bound)
    assert reference.updated_at == ledgers.clock.now
    assert [(entry.key, entry.action, entry.changes) for entry in store.audit_trail()] == [
        ("A", "rebound", (Change("erp_id", "17", "99"),))
    ]


def test_a_key_is_bound_once_for_each_erp_and_company_and_is_found_from_both_sides(store: LedgerStore) -> None:
    places = [("tryton", "1", "17"), ("tryton", "2", "18"), ("netsuite", "", "17")]
    made = [binding("A", erp_id, kind="customer", erp=erp, company=company) for erp, company, erp_id in places]
    store.bind("run", [*made, binding("B", "17", kind="customer"), binding("A", "17")])
    everywhere = store.bound("customer", ["A", "unknown"])
    assert everywhere.keys() == {"A"}
    assert sorted((each.erp, each.company, each.erp_id) for each in everywhere["A"]) == sorted(places)
    assert [each.erp for each in store.bound("customer", ["A"], "netsuite")["A"]] == ["netsuite"]
    sharing = store.bound_by_erp_id("customer", "tryton", ["17", "unknown"])
    assert {erp_id: sorted(each.key for each in found) for erp_id, found in sharing.items()} == {"17": ["A", "B"]}


def test_thousands_of_keys_are_looked_up_at_once(store: LedgerStore) -> None:
    keys = [f"key {number}" for number in range(2500)]
    store.bind("run", [binding(key) for key in keys])
    assert store.bound("order", [*keys, "unknown"]).keys() == set(keys)
    assert store.claim("order", keys, "run", LEASE).mine == set(keys)
    assert store.renew("order", keys, "run", LEASE) == set(keys)


def test_all_bound_keys_come_page_by_page_with_all_their_references_and_are_counted(ledgers: Ledgers) -> None:
    store, other = ledgers.store(), ledgers.store()
    customers = [binding(key, kind="customer") for key in KEYS[:7]]
    in_second = binding(KEYS[6], "second", kind="customer", erp="netsuite")
    store.bind("run", [*reversed(customers), in_second, binding("an order")])
    other.bind("run", [binding("of another integration", kind="customer")])
    pages = list(store.bound_pages("customer", page_size=3))
    assert [list(page) for page in pages] == [KEYS[0:3], KEYS[3:6], KEYS[6:7]]
    assert sorted(each.erp for each in pages[2][KEYS[6]]) == ["netsuite", "tryton"]
    assert store.count_bound("customer") == 8 == sum(len(found) for page in pages for found in page.values())
    assert list(store.bound_pages("product")) == []


def test_keys_that_are_bound_or_ended_while_pages_are_read_neither_repeat_nor_stop_them(store: LedgerStore) -> None:
    store.bind("run", [binding(key, kind="customer") for key in KEYS[2:8]])
    pages = store.bound_pages("customer", page_size=2)
    assert list(next(pages)) == KEYS[2:4]
    store.bind("run", [binding(KEYS[0], kind="customer"), binding(KEYS[9], kind="customer")])
    store.unbind("run", "customer", KEYS[4], "tryton", [])
    assert [key for page in pages for key in page] == [*KEYS[5:8], KEYS[9]]


def statements_for(store: LedgerStore, keys: Sequence[str]) -> int:
    """How often the database is asked while a page of records goes its whole way."""
    engine, asked = store.database.engine, Counter[str]()

    def count(*_: object) -> None:
        asked["statements"] += 1

    event.listen(engine, "before_cursor_execute", count)
    store.note_read("run", [SourceRecord(key) for key in keys])
    store.bound("order", keys)
    store.claim("order", keys, "run", LEASE)
    store.intend("order", dict.fromkeys(keys, "digest"), "run")
    store.renew("order", keys, "run", LEASE)
    store.bind("run", [binding(key) for key in keys], [AuditEntry("order", key, "Tryton", "created") for key in keys])
    store.park("run", [ParkEntry("order", key, "Deal", FAILED) for key in keys])
    store.resolve("order", keys, resolution="written")
    store.note_outcomes("run", [ReportRow(key, "Deal", Outcome.WRITTEN) for key in keys])
    event.remove(engine, "before_cursor_execute", count)
    return asked["statements"]


def test_a_page_of_records_takes_no_more_statements_than_one_record(store: LedgerStore) -> None:
    start(store, "run")
    for_one = statements_for(store, ["A"])
    assert statements_for(store, KEYS) == for_one
    assert for_one < 40


def test_threads_on_the_same_records_neither_deadlock_nor_lose_a_write(ledgers: Ledgers) -> None:
    store = ledgers.store()
    start(store, "shared", *(f"run {number}" for number in range(6)))

    def work(number: int) -> set[str]:
        random, run_id, done = Random(number), f"run {number}", set[str]()
        for _ in range(6):
            keys = random.sample(KEYS, 60)
            new = store.note_read("shared", [SourceRecord(key) for key in keys])
            store.note_outcomes("shared", [ReportRow(key, "Deal", Outcome.UNCHANGED) for key in new])
            store.park(run_id, [ParkEntry("order", key, "Deal", FAILED, "digest") for key in keys])
            mine = list(store.claim("order", keys, run_id, LEASE).mine)
            random.shuffle(mine)
            store.intend("order", dict.fromkeys(mine, "digest"), run_id)
            store.renew("order", mine, run_id, LEASE)
            store.bind(
                run_id,
                [binding(key) for key in mine[::2]],
                [AuditEntry("order", key, "Tryton", "created") for key in mine[::2]],
            )
            store.release("order", mine[1::2], run_id, keep_intent=True)
            store.resolve("order", keys[::3], resolution="excluded")
            done |= set(mine[::2])
        return done

    with ThreadPoolExecutor(6) as pool:
        done = set().union(*pool.map(work, range(6)))
    assert store.bound("order", KEYS).keys() == done
    assert store.claim("order", KEYS, "after", LEASE).mine == set(KEYS)
    assert store.coverage("shared").complete
