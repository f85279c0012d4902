"""Laws of the values: what goes into the ledger comes back exactly, or is refused with a sentence."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prefect_crm_erp.blocks.ledger import AuditEntry, Binding, LedgerStore, ParkEntry, SourceRecord
from prefect_crm_erp.models.outcomes import Change, Note, Outcome, Queue, ReportRow, Verdict
from prefect_crm_erp.models.paging import Cursor

from .ledger_fixtures import Ledgers

bounds = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
LEASE = timedelta(minutes=5)

amounts = st.decimals(allow_nan=False, allow_infinity=False)
offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(1990, 1, 1), datetime(2200, 1, 1), timezones=offsets)
any_text = st.text(st.characters(codec=None))
plain_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
REPLACED = "\N{REPLACEMENT CHARACTER}"
AWKWARD = [
    "O'Brien \\ 100%",
    '"; DROP TABLE ledger_run; --',
    "%s %(key)s :key ?",
    "🚚 Zürich\u00a0",
    "a\tb\nc",
    " padded ",
]


def binding(key: str, **changes: object) -> Binding:
    values = {"kind": "order", "erp": "tryton", "company": "1", "erp_id": "17", "fingerprint": "digest"} | changes
    return Binding(key=key, **values)  # type: ignore[arg-type]


def is_broken(character: str) -> bool:
    """Whether PostgreSQL cannot store it: NUL, and half a surrogate pair."""
    return character == "\0" or "\ud800" <= character <= "\udfff"


def exact(amount: Decimal | None) -> tuple[object, ...] | None:
    """An amount with its decimal places: 1.10 and 1.1 are not the same here."""
    return amount.as_tuple() if amount is not None else None


@bounds
@given(crm_total=amounts, erp_total=amounts)
def test_amounts_come_back_to_the_last_digit(ledgers: Ledgers, crm_total: Decimal, erp_total: Decimal) -> None:
    store = ledgers.store()
    store.bind("run", [binding("A", currency="KWD", crm_total=crm_total, erp_total=erp_total)])
    (found,) = store.bound("order", ["A"])["A"]
    assert (exact(found.crm_total), exact(found.erp_total)) == (exact(crm_total), exact(erp_total))


@bounds
@given(moment=moments)
def test_times_come_back_to_the_microsecond_in_utc(ledgers: Ledgers, moment: datetime) -> None:
    store = ledgers.store()
    store.advance("quotes", Cursor(moment))
    found = store.watermark("quotes")
    assert found is not None
    assert found.modified_at == moment
    assert found.modified_at.tzinfo is UTC


@bounds
@given(text=plain_text)
def test_text_for_people_comes_back_as_it_was(ledgers: Ledgers, text: str) -> None:
    store = ledgers.store()
    noted = ReportRow(
        "A", text, Outcome.WRITTEN, reason=text, notes=(Note(text, text),), changes=(Change("x", text, None),)
    )
    store.start_run("run", flow=text, source=text, dry_run=False)
    store.note_outcomes("run", [noted])
    assert list(store.rows("run")) == [noted]
    store.finish_run("run", status=text, source_count=1, summary={text: text})
    (run,) = store.runs()
    assert (run.flow, run.source, run.status, run.summary) == (text, text, text, {text: text})


@bounds
@given(text=any_text)
def test_no_text_however_broken_stops_the_page_that_it_is_on(ledgers: Ledgers, text: str) -> None:
    store = ledgers.store()
    broken = ParkEntry("order", "A", text, Verdict.queued(Queue.RETRY, text, fields=(text,)))
    sound = ParkEntry("order", "B", "Deal B", Verdict.queued(Queue.RETRY, "Why"))
    store.park("run", [broken, sound])
    found, other = store.parked()
    assert other.name == "Deal B"
    assert found.fields == (text,)
    assert found.name == found.reason == "".join(REPLACED if is_broken(each) else each for each in text)


@pytest.mark.parametrize("key", AWKWARD)
def test_awkward_keys_are_found_again(store: LedgerStore, key: str) -> None:
    store.bind("run", [binding(key)])
    assert store.claim(key, [key], "run", LEASE).mine == {key}
    assert store.bound("order", [key, key.strip(), key.upper()]).keys() == {key}


def test_keys_are_compared_character_by_character(store: LedgerStore) -> None:
    composed = unicodedata.normalize("NFC", "Müller")
    alike = [
        "006d000000abcde",
        "006D000000ABCDE",
        "A",
        "a",
        "A ",
        "ß",
        "ss",
        composed,
        unicodedata.normalize("NFD", composed),
    ]
    assert store.claim("order", alike, "run", LEASE).mine == set(alike)
    store.bind("run", [binding(key, erp_id=f"id of {key}") for key in alike])
    for key in alike:
        assert {name: found[0].erp_id for name, found in store.bound("order", [key]).items()} == {key: f"id of {key}"}


@pytest.mark.parametrize("key", ["", "A\0B", "half \ud800", "x" * 256])
def test_keys_that_could_not_be_found_again_are_refused(store: LedgerStore, key: str) -> None:
    store.start_run("run", flow="quote-to-order", source="accepted quotes", dry_run=False)
    with pytest.raises(ValueError, match="ledger key"):
        store.claim("order", ["sound", key], "run", LEASE)
    with pytest.raises(ValueError, match="ledger key"):
        store.note_read("run", [SourceRecord("sound"), SourceRecord(key)])
    assert store.coverage("run").source == 0


@pytest.mark.parametrize("amount", [1.1, float("nan"), Decimal("NaN"), Decimal("Infinity")])
def test_amounts_that_are_not_exact_are_refused(store: LedgerStore, amount: object) -> None:
    with pytest.raises(ValueError, match=r"not exact|not a finite number"):
        store.bind("run", [binding("A", crm_total=amount)])
    assert store.bound("order", ["A"]) == {}


def test_times_without_a_zone_are_refused(store: LedgerStore) -> None:
    with pytest.raises(ValueError, match="time zone"):
        store.advance("quotes", Cursor(datetime(2026, 3, 1, 8, 30)))


@pytest.mark.requirement("GB05")
def test_the_audit_trail_tells_who_changed_what_the_newest_first(ledgers: Ledgers, store: LedgerStore) -> None:
    before = ledgers.clock.now
    changes = (Change("billing.country", "Freedonia", "US"), Change("phone", None, "+1 206 555 0100"))
    store.audit([AuditEntry("order", "A", "Salesforce", "corrected", "A", changes, actor="dana@example.com")])
    ledgers.clock.advance(timedelta(minutes=1))
    store.audit(
        [
            AuditEntry("order", "A", "Tryton", "created", "17", run_id="run"),
            AuditEntry("customer", "A", "Tryton", "found"),
        ]
    )
    assert [entry.action for entry in store.audit_trail()] == ["found", "created", "corrected"]
    assert [entry.action for entry in store.audit_trail("order", "A", limit=1)] == ["created"]
    corrected = store.audit_trail("order")[-1]
    assert (corrected.actor, corrected.changes, corrected.at) == ("dana@example.com", changes, before)
    store.audit([])
