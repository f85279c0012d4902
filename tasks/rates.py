"""Rates that a run needs, each asked for once: the ERP's own, and the CRM's where that one cannot say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from prefect.logging import get_logger

from prefect_crm_erp.blocks.crm.base import CRM
from prefect_crm_erp.blocks.erp.base import ERP
from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.errors import ConnectorError
from prefect_crm_erp.models.exchange import ONE, CrmRates, ExchangeRate, RateError, cross, in_force
from prefect_crm_erp.models.records import Company


@dataclass(frozen=True, slots=True)
class _Span:
    """The rates of a company from a day to another one, by the currency that they lead to."""

    first: date
    last: date
    rates: Mapping[str, list[ExchangeRate]]


class RateBook:
    """The rates of the CRM and its ERPs, as far as they were asked for.

    Args:
        crm: The CRM.
        erps: The ERP connections.
    """

    def __init__(self, crm: CRM, erps: Mapping[ErpSlot, ERP]) -> None:
        self._crm = crm
        self._erps = erps
        self._spans: dict[tuple[ErpSlot, str], _Span] = {}
        self._trouble: dict[ErpSlot, str] = {}
        self._crm_rates: tuple[date, CrmRates] | None = None
        self._crm_trouble: str | None = None

    def ask(self, slot: ErpSlot, company: Company, first: date, last: date) -> None:
        """Read the rates of a company that hold between two days, all at once; what goes wrong is remembered."""
        known = self._spans.get((slot, company.id))
        if slot in self._trouble or (known and known.first <= first and last <= known.last):
            return
        start, end = (min(first, known.first), max(last, known.last)) if known else (first, last)
        try:
            rates = self._erps[slot].exchange_rates(company, start, end)
        except ConnectorError as error:
            get_logger(__name__).warning("The exchange rates of %s are not available: %s", company.name, error)
            self._trouble[slot] = str(error)
            return
        by_target: dict[str, list[ExchangeRate]] = {}
        for rate in rates:
            by_target.setdefault(rate.target, []).append(rate)
        self._spans[slot, company.id] = _Span(start, end, by_target)

    def erp(self, slot: ErpSlot, company: Company, source: str, target: str, day: date) -> ExchangeRate:
        """The ERP's rate of a day between two currencies, in the books of a company.

        Raises:
            RateError: The ERP does not answer, has no such rate, or one that cannot be one.
        """
        if source == target:
            return ExchangeRate(source, target, ONE, day)
        self.ask(slot, company, day, day)
        if slot in self._trouble:
            raise RateError(self._trouble[slot])
        first, second = (self._from_company(slot, company, code, day) for code in (source, target))
        return cross(first, second)

    def crm(self, since: date) -> CrmRates | None:
        """The CRM's own rates from a day on; None when it cannot say."""
        if self._crm_trouble is None and (self._crm_rates is None or since < self._crm_rates[0]):
            try:
                self._crm_rates = since, self._crm.currency_rates(since)
            except ConnectorError as error:
                get_logger(__name__).warning("The exchange rates of %s are not available: %s", self._crm.system, error)
                self._crm_trouble = str(error)
        return None if self._crm_rates is None else self._crm_rates[1]

    def _from_company(self, slot: ErpSlot, company: Company, code: str, day: date) -> ExchangeRate:
        if code == company.currency:
            return ExchangeRate(code, code, ONE, date.min)
        found = in_force(self._spans[slot, company.id].rates.get(code, ()), day)
        if found is None:
            system = self._erps[slot].system
            raise RateError(f"{system} has no rate of {code} for one {company.currency} on {day}; add it there")
        return found.checked(datetime.now(UTC).date())
