"""Laws of the coverage proof and of watermarks: what was read is accounted for, and nothing is skipped."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prefect_crm_erp.blocks.ledger import LedgerStore, SourceRecord
from prefect_crm_erp.models.keys import chunks
from prefect_crm_erp.models.outcomes import Change, Note, Outcome, Queue, ReportRow
from prefect_crm_erp.models.paging import Cursor

from .ledger_fixtures import Ledgers

bounds = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def start(store: LedgerStore, run_id: str = "run", **changes: object) -> None:
    values = {"flow": "quote-to-order", "source": "accepted quotes", "dry_run": False} | changes
    store.start_run(run_id, **values)  # type: ignore[arg-type]


def read(*keys: str) -> list[SourceRecord]:
    return [SourceRecord(key, f"Deal {key}") for key in keys]


def row(key: str, outcome: Outcome, reason: str = "", queue: Queue | None = None) -> ReportRow:
    return ReportRow(key, f"Deal {key}", outcome, queue, reason)


# ---------------------------------------------------------------------- coverage


@dataclass
class NaiveRun:
    """What a run has seen, as a person would keep it on paper."""

    read: list[str] = field(default_factory=list)
    rows: dict[str, ReportRow] = field(default_factory=dict)

    def keys_with(self, outcome: Outcome) -> set[str]:
        return {key for key, each in self.rows.items() if each.outcome is outcome}

    @property
    def open(self) -> tuple[str, ...]:
        return tuple(key for key in self.read if key not in self.rows)

    def note(self, rows: list[ReportRow]) -> None:
        written = self.keys_with(Outcome.WRITTEN)
        found = {each.crm_id: each for each in rows}
        self.rows |= {
            key: each for key, each in found.items() if key not in written or each.outcome is not Outcome.UNCHANGED
        }

    @property
    def stray(self) -> set[str]:
        return self.rows.keys() - set(self.read)

    @property
    def unexplained(self) -> set[str]:
        without_reason = {key for key, each in self.rows.items() if not each.reason}
        without_queue = {key for key, each in self.rows.items() if each.queue is None}
        queued, excluded = self.keys_with(Outcome.QUEUED), self.keys_with(Outcome.EXCLUDED)
        return queued & (without_reason | without_queue) | excluded & without_reason


keys = st.sampled_from("ABCDEabcde")
pages = st.lists(keys, max_size=5)
verdicts = st.builds(
    row,
    keys,
    st.sampled_from(Outcome),
    st.sampled_from(["", "No billing address"]),
    st.sampled_from([None, Queue.DATA_QUALITY]),
)
steps = st.lists(st.one_of(pages.map(lambda page: ("read", page)), st.tuples(st.just("note"), st.lists(verdicts))))


@pytest.mark.requirement("GB01")
@bounds
@given(steps=steps)
def test_coverage_is_what_a_naive_model_counts(ledgers: Ledgers, steps: list[tuple[str, list]]) -> None:
    store, model = ledgers.store(), NaiveRun()
    start(store)
    for what, items in steps:
        if what == "read":
            new = list(dict.fromkeys(key for key in items if key not in model.read))
            assert store.note_read("run", read(*items)) == new
            model.read += new
        else:
            store.note_outcomes("run", items)
            model.note(items)
    found = store.coverage("run")
    counts = [len(model.keys_with(outcome)) for outcome in Outcome]
    assert [found.source, found.open_count] == [len(model.read), len(model.open)]
    assert [found.written, found.unchanged, found.queued, found.excluded] == counts
    assert set(found.open) == set(model.open)
    assert set(found.stray) == model.stray
    assert set(found.unexplained) == model.unexplained
    assert found.complete == (not model.open and not model.stray and not model.unexplained)
    assert {each.crm_id: each for each in store.rows("run")} == model.rows


@pytest.mark.requirement("GB01")
def test_one_record_without_outcome_makes_the_coverage_incomplete(store: LedgerStore) -> None:
    start(store)
    store.note_read("run", read("A", "B", "C"))
    store.note_outcomes("run", [row("A", Outcome.WRITTEN), row("B", Outcome.EXCLUDED, "Push to ERP is off")])
    assert (store.coverage("run").complete, store.coverage("run").open) == (False, ("C",))
    store.note_outcomes("run", [row("C", Outcome.UNCHANGED)])
    assert store.coverage("run").complete


@pytest.mark.requirement("GB01")
def test_what_a_run_has_written_stays_written_when_it_is_found_unchanged_later(store: LedgerStore) -> None:
    start(store)
    store.note_read("run", read("A", "B", "C"))
    store.note_outcomes("run", [row("A", Outcome.WRITTEN), row("B", Outcome.WRITTEN)])
    store.note_outcomes("run", [row("A", Outcome.UNCHANGED), row("C", Outcome.UNCHANGED)])
    assert {each.crm_id: each.outcome.value for each in store.rows("run")} == {
        "A": "written",
        "B": "written",
        "C": "unchanged",
    }
    store.note_outcomes("run", [row("A", Outcome.EXCLUDED, "Push to ERP is off")])
    assert [each.crm_id for each in store.rows("run", outcome=Outcome.EXCLUDED)] == ["A"]


@pytest.mark.requirement("GB01")
def test_a_run_that_is_tried_again_keeps_its_outcomes_and_reads_the_rest_anew(store: LedgerStore) -> None:
    start(store)
    store.note_read("run", read("A", "B"))
    store.note_outcomes("run", [row("A", Outcome.WRITTEN)])
    start(store)
    assert store.note_read("run", read("A", "B")) == ["B"]
    store.note_outcomes("run", [row("B", Outcome.WRITTEN)])
    assert store.coverage("run").complete


def test_a_run_that_was_never_started_is_named(store: LedgerStore) -> None:
    with pytest.raises(LookupError, match="no run nightly"):
        store.note_read("nightly", read("A"))
    with pytest.raises(LookupError, match="no run nightly"):
        store.coverage("nightly")


# ---------------------------------------------------------------------- rows and runs

FULL_ROW = ReportRow(
    crm_id="006D000000abCDEIA2",
    name='O\'Brien \\ 100% "Pure" – 🚚',
    outcome=Outcome.QUEUED,
    queue=Queue.PENDING_REVIEW,
    reason="The country 'Freedonia' is unknown",
    account="O'Brien",
    subsidiary="UK",
    erp_id="17",
    erp_number="SO-17",
    currency="KWD",
    crm_total=Decimal("12.340"),
    erp_total=Decimal("-0.001"),
    crm_url="https://crm.example/006",
    erp_url="https://erp.example/17?x=%5C",
    notes=(Note("billing", "Was empty", "Finance", None, "1 Main St\nSeattle"), Note("phone", "Put right")),
    changes=(Change("number", None, "SO-17"), Change("total", "1.10", None)),
)


def test_a_report_row_comes_back_with_every_attribute(store: LedgerStore) -> None:
    start(store)
    store.note_read("run", read(FULL_ROW.crm_id))
    store.note_outcomes("run", [FULL_ROW])
    assert list(store.rows("run")) == [FULL_ROW]


def test_rows_with_notes_or_changes_are_found_without_the_others(store: LedgerStore) -> None:
    start(store)
    noted, changed, plain = (
        replace(row(key, Outcome.WRITTEN), notes=notes, changes=changes)
        for key, notes, changes in (("A", FULL_ROW.notes, ()), ("B", (), FULL_ROW.changes), ("C", (), ()))
    )
    store.note_outcomes("run", [plain, changed, noted])
    assert list(store.rows("run", having="notes")) == [noted]
    assert list(store.rows("run", having="changes", outcome=Outcome.WRITTEN)) == [changed]


def test_rows_stream_in_the_order_of_reading_by_outcome_queue_and_window(store: LedgerStore) -> None:
    start(store)
    names = [f"{number * 7919 % 1200:04}" for number in range(1200)]
    outcomes = [Outcome.WRITTEN if number % 3 else Outcome.QUEUED for number in range(1200)]
    store.note_read("run", read(*names))
    made = [
        row(name, outcome, "Why", Queue.RETRY if outcome is Outcome.QUEUED else None)
        for name, outcome in zip(names, outcomes, strict=True)
    ]
    store.note_outcomes("run", made[::-1])
    queued = [each for each in made if each.outcome is Outcome.QUEUED]
    assert list(store.rows("run")) == made
    assert list(store.rows("run", outcome=Outcome.QUEUED)) == queued
    assert list(store.rows("run", queue=Queue.RETRY, offset=3, limit=20)) == queued[3:23]
    assert list(store.rows("run", offset=550, limit=600)) == made[550:1150]
    assert list(store.rows("run", offset=1190)) == made[1190:]
    assert list(store.rows("run", limit=0)) == list(store.rows("run", outcome=Outcome.EXCLUDED)) == []


def test_runs_are_listed_the_newest_first_with_how_they_ended(ledgers: Ledgers, store: LedgerStore) -> None:
    began = ledgers.clock.now
    start(store, "first", dry_run=True)
    ledgers.clock.advance(timedelta(minutes=5))
    start(store, "second", source="closed-won opportunities")
    summary = {"total": Decimal("1.10"), "at": began, "queues": {"Retry": 2}, "ratio": 0.5}
    store.finish_run("first", status="completed", source_count=7, summary=summary)
    second, first = store.runs()
    assert (second.run_id, second.status, second.finished_at) == ("second", "running", None)
    assert (first.flow, first.source, first.dry_run) == ("quote-to-order", "accepted quotes", True)
    assert (first.started_at, first.finished_at) == (began, ledgers.clock.now)
    assert (first.status, first.source_count) == ("completed", 7)
    assert first.summary == {"total": "1.10", "at": str(began), "queues": {"Retry": 2}, "ratio": 0.5}
    assert store.runs(limit=1) == [second]


def test_old_runs_lose_their_rows_and_keep_their_summaries(ledgers: Ledgers, store: LedgerStore) -> None:
    other = ledgers.store()
    for each, run_id in ((store, "old"), (other, "old")):
        start(each, run_id, started_at=ledgers.clock.now - timedelta(days=90))
        each.note_read(run_id, read("A", "B"))
    start(store, "new")
    store.note_read("new", read("A"))
    assert store.forget_runs(ledgers.clock.now - timedelta(days=30)) == 2
    assert [store.coverage(run_id).source for run_id in ("old", "new")] == [0, 1]
    assert {each.run_id for each in store.runs()} == {"old", "new"}
    assert other.coverage("old").source == 2


def test_ten_thousand_records_are_noted_in_under_two_seconds_of_work(store: LedgerStore) -> None:
    start(store)
    pages = list(chunks((f"{number:05}" for number in range(10_000)), 200))
    began = time.process_time()  # what others do on the machine does not count
    for page in pages:
        store.note_read("run", read(*page))
        store.note_outcomes("run", [row(key, Outcome.WRITTEN) for key in page])
    assert store.coverage("run").complete
    assert time.process_time() - began < 2


# ---------------------------------------------------------------------- watermarks

cursors = st.builds(
    Cursor,
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 1, 2), timezones=st.just(UTC)).map(
        lambda moment: moment.replace(microsecond=0, second=0, minute=0)
    ),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=3),
)


@pytest.mark.requirement("GB11")
@bounds
@given(places=st.lists(cursors, min_size=1))
def test_a_watermark_never_moves_back(ledgers: Ledgers, places: list[Cursor]) -> None:
    store, furthest = ledgers.store(), places[0]
    assert store.watermark("quotes") is None
    for place in places:
        store.advance("quotes", place)
        furthest = max(furthest, place)
        assert store.watermark("quotes") == furthest
    assert store.watermark("orders") is None


def test_integrations_that_share_a_database_see_nothing_of_each_other(ledgers: Ledgers) -> None:
    store, other = ledgers.store(), ledgers.store()
    start(store)
    store.note_read("run", read("A"))
    store.advance("quotes", Cursor(ledgers.clock.now))
    store.claim("order", ["A"], "run", timedelta(minutes=5))
    assert other.watermark("quotes") is None
    assert other.claim("order", ["A"], "run", timedelta(minutes=5)).mine == {"A"}
    assert other.runs() == []
    with pytest.raises(LookupError):
        other.coverage("run")
