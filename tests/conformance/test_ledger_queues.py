"""Laws of the queues: a record waits in one place, for a known reason, and is tried again at a known time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from prefect_crm_erp.blocks.ledger import LedgerStore, Parked, ParkEntry, RetryPolicy
from prefect_crm_erp.models.outcomes import Queue, Verdict

from .ledger_fixtures import Ledgers

DOWN = Verdict.queued(Queue.RETRY, "The ERP did not answer", error="TransientError")
NO_ADDRESS = Verdict.queued(
    Queue.DATA_QUALITY, "There is no address", error="RecordError", fields=("billing", "shipping")
)
POLICY = RetryPolicy(base_seconds=60, max_attempts=4)


def park(
    store: LedgerStore, verdict: Verdict = DOWN, *, key: str = "A", fingerprint: str | None = "v1", run_id: str = "run"
) -> Parked:
    (stored,) = store.park(run_id, [ParkEntry("order", key, f"Deal {key}", verdict, fingerprint, POLICY)])
    return stored


@pytest.mark.requirement("T04")
@pytest.mark.requirement("T05")
def test_attempts_back_off_exponentially_and_end_in_dead_letter(ledgers: Ledgers, store: LedgerStore) -> None:
    now, waits, first = ledgers.clock.now, [], ledgers.clock.now
    for attempt in (1, 2, 3):
        stored = park(store)
        assert (stored.queue, stored.attempts, stored.changed) == (Queue.RETRY, attempt, attempt == 1)
        assert stored.next_attempt_at is not None
        waits.append(stored.next_attempt_at - now)
        assert store.parked(due_before=stored.next_attempt_at - timedelta(seconds=1)) == []
        assert [each.key for each in store.parked(due_before=stored.next_attempt_at)] == ["A"]
        ledgers.clock.advance(waits[-1])
        now = ledgers.clock.now
    assert waits == [timedelta(seconds=60), timedelta(seconds=120), timedelta(seconds=240)]
    dead = park(store)
    assert (dead.queue, dead.attempts, dead.next_attempt_at, dead.changed) == (Queue.DEAD_LETTER, 4, None, True)
    assert dead.first_parked_at == first
    again = park(store)
    assert (again.queue, again.attempts, again.changed) == (Queue.DEAD_LETTER, 5, False)


def test_the_longest_wait_and_the_wish_of_the_system_are_kept(ledgers: Ledgers, store: LedgerStore) -> None:
    policy = RetryPolicy(base_seconds=60, max_attempts=10**6, longest_seconds=600)
    assert policy.delay(10**6) == timedelta(seconds=600)
    later = ledgers.clock.now + timedelta(hours=2)
    (stored,) = store.park("run", [ParkEntry("order", "A", "Deal", DOWN, None, policy, not_before=later)])
    assert stored.next_attempt_at == later
    soon = ledgers.clock.now + timedelta(seconds=1)
    (stored,) = store.park("run", [ParkEntry("order", "B", "Deal", DOWN, None, policy, not_before=soon)])
    assert stored.next_attempt_at == ledgers.clock.now + timedelta(seconds=60)


def test_other_content_starts_its_attempts_anew(store: LedgerStore) -> None:
    for _ in range(5):
        park(store)
    corrected = park(store, fingerprint="v2")
    assert (corrected.queue, corrected.attempts, corrected.changed) == (Queue.RETRY, 1, True)


def test_a_record_waits_in_one_queue_and_says_when_that_or_the_reason_changes(
    ledgers: Ledgers, store: LedgerStore
) -> None:
    since = ledgers.clock.now
    assert park(store).changed
    ledgers.clock.advance(timedelta(hours=1))
    moved = park(store, NO_ADDRESS, run_id="later")
    assert (moved.queue, moved.changed, moved.next_attempt_at) == (Queue.DATA_QUALITY, True, None)
    assert (moved.first_parked_at, moved.parked_at, moved.run_id) == (since, ledgers.clock.now, "later")
    assert (moved.error, moved.fields) == ("RecordError", ("billing", "shipping"))
    assert not park(store, NO_ADDRESS).changed
    assert park(store, Verdict.queued(Queue.DATA_QUALITY, "There is no e-mail address")).changed
    assert len(store.parked()) == 1


def test_park_answers_in_the_order_of_its_entries_as_stored(store: LedgerStore) -> None:
    park(store, key="C")
    names = ["C", "A", "B", "A"]
    entries = [ParkEntry("order", key, f"Deal {key}", DOWN if key != "B" else NO_ADDRESS) for key in names]
    stored = store.park("run", entries)
    assert [each.key for each in stored] == names
    by_key = {each.key: each for each in store.parked(kind="order")}
    changed = {each.key: each.changed for each in stored}
    assert changed == {"C": False, "A": True, "B": True}
    assert {each.key: each.reason for each in stored} == {key: each.reason for key, each in by_key.items()}
    assert store.park("run", []) == []


def test_a_resolved_record_leaves_its_queue_and_stays_in_the_history(ledgers: Ledgers, store: LedgerStore) -> None:
    park(store)
    park(store, key="B")
    ledgers.clock.advance(timedelta(hours=1))
    store.resolve("order", ["A", "never parked"], resolution="excluded")
    assert [each.key for each in store.parked()] == ["B"]
    past = [each for each in store.parked(open_only=False) if each.resolved_at]
    assert [(each.key, each.resolution, each.resolved_at) for each in past] == [("A", "excluded", ledgers.clock.now)]
    back = park(store)
    assert (back.attempts, back.first_parked_at, back.changed) == (1, ledgers.clock.now, True)
    assert [each.key for each in store.parked(open_only=False)] == ["A", "B", "A"]


def test_parked_records_are_chosen_by_kind_queue_keys_and_window(store: LedgerStore) -> None:
    everything = [f"{number:04}" for number in range(1200)]
    store.park("run", [ParkEntry("order", key, "Deal", DOWN) for key in everything])
    store.park("run", [ParkEntry("customer", "0001", "Account", NO_ADDRESS)])
    assert [each.kind for each in store.parked(keys=["0001"])] == ["order", "customer"]
    assert [each.kind for each in store.parked(queues=[Queue.DATA_QUALITY, Queue.DEAD_LETTER])] == ["customer"]
    assert [each.key for each in store.parked(kind="order", limit=2, offset=3)] == ["0003", "0004"]
    found = store.parked(kind="order", keys=everything[::-1], offset=598, limit=4)
    assert [each.key for each in found] == everything[598:602]
    assert store.parked(keys=[]) == []
    assert store.parked(queues=[]) == []


def test_every_queue_is_counted(store: LedgerStore) -> None:
    for queue in Queue:
        park(store, Verdict.queued(queue, "Why"), key=queue.value)
    park(store, key="gone")
    store.resolve("order", ["gone"], resolution="gone")
    assert store.queue_counts() == dict.fromkeys(Queue, 1)


def test_runs_that_park_the_same_new_record_at_once_count_every_attempt(ledgers: Ledgers) -> None:
    store = ledgers.store()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: park(store, run_id=f"run {number}"), range(8)))
    (entry,) = store.parked()
    assert (entry.attempts, entry.queue) == (8, Queue.DEAD_LETTER)


def test_a_verdict_that_names_no_queue_is_refused(store: LedgerStore) -> None:
    with pytest.raises(ValueError, match="names no queue"):
        park(store, Verdict.excluded("Push to ERP is off"))
    assert store.parked() == []
