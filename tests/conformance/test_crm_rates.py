"""Laws of exchange rates that every CRM connection keeps."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Protocol

import pytest

from prefect_crm_erp.blocks.crm.base import CRM
from prefect_crm_erp.blocks.crm.values import RateChange
from prefect_crm_erp.models.errors import ConnectorError, MissingReferenceError, TransientError

HARNESSES = ["salesforce"]
LONG_AGO, FEBRUARY, MARCH = date(2000, 1, 1), date(2026, 2, 1), date(2026, 3, 1)


class CrmHarness(Protocol):
    """What the laws need of a CRM with a corporate currency and the euro, and without the Swedish krona."""

    def connect(self) -> CRM:
        """A connection that works."""

    def rate(self, currency: str, day: date | None = None) -> Decimal | None:
        """A rate as another client reads it: the one that holds now, or the one that begins on a day."""

    def keep_dated_rates(self, is_on: bool) -> None:
        """Let the CRM keep rates by date, or not."""

    def go_down(self) -> None:
        """Answer nothing but errors, until further notice."""


@pytest.fixture(params=HARNESSES)
def crm(request: pytest.FixtureRequest) -> Iterator[CrmHarness]:
    harness: CrmHarness = request.getfixturevalue(f"{request.param}_crm")
    yield harness
    harness.keep_dated_rates(True)


@pytest.mark.requirement("N03", "N04")
def test_rates_that_were_written_are_read_and_seen_by_another_client(crm: CrmHarness) -> None:
    connection = crm.connect()
    changes = [
        RateChange("EUR", Decimal("0.921212")),
        RateChange("EUR", Decimal("0.911111"), FEBRUARY),
        RateChange("EUR", Decimal("0.922222"), MARCH),
    ]
    assert [result.error for result in connection.write_rates(changes)] == [None] * 3
    assert (crm.rate("EUR"), crm.rate("EUR", FEBRUARY)) == (Decimal("0.921212"), Decimal("0.911111"))
    rates = crm.connect().currency_rates(LONG_AGO)
    assert rates.corporate == "USD"
    assert rates.currencies["USD"].rate == 1
    for day, expected in ((FEBRUARY, "0.911111"), (date(2026, 2, 28), "0.911111"), (MARCH, "0.922222")):
        found = rates.of("EUR", day)
        assert found
        assert found.rate == Decimal(expected)
    present = rates.of("EUR")
    assert present
    assert present.rate == Decimal("0.921212")


@pytest.mark.requirement("N04")
def test_writing_twice_changes_the_rate_of_a_day_and_makes_no_second_one(crm: CrmHarness) -> None:
    connection = crm.connect()
    for rate in ("0.911111", "0.933333"):
        (result,) = connection.write_rates([RateChange("EUR", Decimal(rate), FEBRUARY)])
        assert result.error is None
    assert crm.rate("EUR", FEBRUARY) == Decimal("0.933333")
    dated = connection.currency_rates(FEBRUARY).dated
    assert dated
    assert dated["EUR"][FEBRUARY] == Decimal("0.933333")


@pytest.mark.requirement("N04")
def test_a_refused_rate_does_not_stop_the_others(crm: CrmHarness) -> None:
    before = crm.rate("GBP")
    results = crm.connect().write_rates(
        [
            RateChange("SEK", Decimal("10.5")),
            RateChange("GBP", Decimal(0)),
            RateChange("SEK", Decimal("10.5"), FEBRUARY),
            RateChange("EUR", Decimal("0.944444")),
        ]
    )
    assert isinstance(results[0].error, MissingReferenceError)
    assert [isinstance(result.error, ConnectorError) for result in results] == [True, True, True, False]
    assert (crm.rate("GBP"), crm.rate("EUR")) == (before, Decimal("0.944444"))


@pytest.mark.requirement("N04")
def test_a_crm_that_keeps_no_dated_rates_says_so(crm: CrmHarness) -> None:
    crm.keep_dated_rates(False)
    rates = crm.connect().currency_rates(LONG_AGO)
    assert rates.dated is None
    now = rates.currencies["EUR"].rate
    found = rates.of("EUR", FEBRUARY)
    assert found
    assert found.rate == now


@pytest.mark.requirement("N06")
def test_a_crm_that_is_down_is_no_crm_without_rates(crm: CrmHarness) -> None:
    connection = crm.connect()
    crm.go_down()
    with pytest.raises(TransientError):
        connection.currency_rates(LONG_AGO)
