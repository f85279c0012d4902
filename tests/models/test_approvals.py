"""When an order has waited too long, and how long approvals take."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from prefect_crm_erp.models.approvals import Approval, Origin, approval_times, in_words, waits_longer_than

BEGAN = datetime(2026, 3, 28, 23, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
INSTANT = timedelta(microseconds=1)


@pytest.mark.requirement("R02", "R03")
@pytest.mark.parametrize("hours", [24, 48])
def test_exactly_so_many_hours_are_not_late_and_an_instant_more_is(hours: int) -> None:
    assert not waits_longer_than(hours, BEGAN, BEGAN + hours * HOUR)
    assert waits_longer_than(hours, BEGAN, BEGAN + hours * HOUR + INSTANT)


@pytest.mark.requirement("R06")
def test_times_are_told_apart_by_company_and_by_where_the_order_was_born() -> None:
    def approval(company: str, origin: Origin, hours: float) -> Approval:
        return Approval("main", company, origin, BEGAN, BEGAN + hours * HOUR)

    took = [("1", Origin.CRM, 1), ("1", Origin.CRM, 2), ("1", Origin.CRM, 9), ("1", Origin.CRM, 0)]
    took += [("1", Origin.ERP, 50), ("2", Origin.ERP, -1)]
    found = {(each.company, each.origin): each for each in approval_times(approval(*each) for each in took)}
    ours = found["1", Origin.CRM]
    assert (ours.orders, ours.average, ours.median, ours.longest) == (4, 3 * HOUR, 1.5 * HOUR, 9 * HOUR)
    assert (found["1", Origin.ERP].orders, found["1", Origin.ERP].average) == (1, 50 * HOUR)
    assert found["2", Origin.ERP].average == timedelta(0)
    assert len(found) == 3


@pytest.mark.parametrize(
    ("duration", "words"),
    [
        (timedelta(0), "under a minute"),
        (timedelta(minutes=1, seconds=59), "1 minute"),
        (timedelta(hours=48, minutes=59), "2 days 59 minutes"),
        (timedelta(days=1, hours=2, minutes=3), "1 day 2 hours"),
    ],
)
def test_a_duration_in_words_is_never_more_than_it_is(duration: timedelta, words: str) -> None:
    assert in_words(duration) == words
