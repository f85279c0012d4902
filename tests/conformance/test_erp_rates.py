"""Laws of exchange rates that every ERP connection keeps."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from prefect_crm_erp.blocks.erp.base import ERP
from prefect_crm_erp.models.exchange import in_force

from .test_erp import ErpHarness, erp

__all__ = ["erp"]
TODAY = datetime.now(UTC).date()
SINCE = TODAY - timedelta(days=400)


@pytest.mark.requirement("N02", "N04")
def test_the_rate_in_force_on_a_day_is_the_one_that_the_erp_applies_on_it(erp: ErpHarness) -> None:
    connection: ERP = erp.shared
    for company in connection.companies():
        found = connection.exchange_rates(company, SINCE)
        assert {rate.source for rate in found} == {company.currency}
        for day in (SINCE, date(TODAY.year, 1, 1) - timedelta(days=1), date(TODAY.year, 1, 1), TODAY):
            told = connection.rates(company, day)
            mine = {code: in_force([rate for rate in found if rate.target == code], day) for code in told}
            assert {code: rate and round(rate.rate, 12) for code, rate in mine.items()} == {
                code: round(rate, 12) for code, rate in told.items()
            }, (company.name, day)


@pytest.mark.requirement("N04")
def test_rates_come_with_the_days_on_which_they_began_each_once(erp: ErpHarness) -> None:
    connection: ERP = erp.shared
    company = connection.companies()[0]
    found = connection.exchange_rates(company, SINCE, TODAY)
    assert len({(rate.target, rate.valid_from) for rate in found}) == len(found)
    assert all(rate.valid_from <= TODAY for rate in found)
    later = connection.exchange_rates(company, TODAY, TODAY)
    assert {rate.target for rate in later} == {rate.target for rate in found}
    newest = {rate.target: rate for rate in sorted(found, key=lambda rate: rate.valid_from)}
    assert {rate.target: (rate.rate, rate.valid_from) for rate in later} == {
        code: (rate.rate, rate.valid_from) for code, rate in newest.items()
    }
