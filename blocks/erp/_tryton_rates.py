"""Tryton's exchange rates with the days from which they hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal

from prefect_crm_erp.blocks.erp._tryton_rpc import Database, Row
from prefect_crm_erp.models.exchange import ONE, ExchangeRate, cross
from prefect_crm_erp.models.records import Company

_RATE = "currency.currency.rate"
_FIELDS = ("date", "rate", "currency.code")
_ACTIVE = ("currency.active", "=", True)
_BASE = "base"
"""Stands for the currency that Tryton's rates are measured in: nothing names it."""
_LOOK_BACK = timedelta(days=366)

Series = Mapping[date, Decimal]


class Rates:
    """The rates of a connection.

    Args:
        database: The connection.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def history(self, company: Company, since: date, until: date | None) -> list[ExchangeRate]:
        """Rates from a company's currency: those of the first day, and those that began since."""
        series = self._series(since, until)
        own = series.get(company.currency)
        if own is None:
            return [ExchangeRate(company.currency, company.currency, ONE, since)]
        return [rate for code, other in sorted(series.items()) for rate in _between(company.currency, own, code, other)]

    def _series(self, since: date, until: date | None) -> dict[str, dict[date, Decimal]]:
        """Tryton's rates by currency and first day, from the one that holds on the day `since`."""
        start = since - _LOOK_BACK
        domain = [_ACTIVE, ("date", ">=", start), *([("date", "<=", until)] if until else [])]
        found = _by_currency(self._database.search(_RATE, domain, _FIELDS))
        old = [code for code in self._codes() if not any(day <= since for day in found.get(code, {}))]
        if old:
            further = [("currency.code", "in", old), ("date", "<", start)]
            for code, days in _by_currency(self._database.search(_RATE, further, _FIELDS)).items():
                found.setdefault(code, {}).update(days)
        return {code: dict(_from(days, since)) for code, days in found.items()}

    def _codes(self) -> list[str]:
        return [row["code"] for row in self._database.search("currency.currency", [], ["code"])]


def _by_currency(rows: Iterable[Row]) -> dict[str, dict[date, Decimal]]:
    found: dict[str, dict[date, Decimal]] = {}
    for row in rows:
        found.setdefault(row["currency"]["code"], {})[row["date"]] = row["rate"]
    return found


def _from(days: Series, since: date) -> Iterator[tuple[date, Decimal]]:
    """The rate of the day `since`, and the later ones."""
    first = max((day for day in days if day <= since), default=None)
    return ((day, rate) for day, rate in days.items() if day > since or day == first)


def _between(own_code: str, own: Series, code: str, other: Series) -> Iterator[ExchangeRate]:
    """Rates from one currency to another: a new one whenever either moves against Tryton's base currency."""
    begins = max(min(own), min(other))
    for day in sorted(each for each in {*own, *other} if each >= begins):
        measure = _on(own_code, own, day)
        if measure.rate:
            yield cross(measure, _on(code, other, day))


def _on(code: str, days: Series, day: date) -> ExchangeRate:
    start = max(each for each in days if each <= day)
    return ExchangeRate(_BASE, code, days[start], start)
