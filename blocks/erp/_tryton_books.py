"""What Tryton's books say of time: fiscal years and exchange rates."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from prefect_crm_erp.blocks.erp._tryton_references import References
from prefect_crm_erp.blocks.erp._tryton_rpc import Database
from prefect_crm_erp.blocks.erp.base import FiscalYear
from prefect_crm_erp.models.records import Company

_YEAR = "account.fiscalyear"


class Books:
    """Fiscal years and exchange rates of a connection.

    Args:
        database: The connection.
        references: Its lookups.
    """

    def __init__(self, database: Database, references: References) -> None:
        self._database = database
        self._references = references

    def fiscal_year(self, company: Company, on: date) -> FiscalYear:
        """The fiscal year that a day lies in; the calendar year where Tryton has none, or the user may not read it."""
        if self._references.may_read(_YEAR):
            domain = [("company", "=", int(company.id)), ("start_date", "<=", on), ("end_date", ">=", on)]
            for row in self._database.first(_YEAR, domain, ["start_date", "end_date"], 1):
                return FiscalYear(row["start_date"], row["end_date"])
        return FiscalYear(date(on.year, 1, 1), date(on.year, 12, 31))

    def rates(self, company: Company, on: date) -> dict[str, Decimal]:
        """Units of each currency for one of the company's own; currencies without a rate on that day are left out."""
        rows = self._database.search("currency.currency", [], ["code", "rate"], on=on)
        rates = {row["code"]: row["rate"] for row in rows if row["rate"]}
        own = rates.get(company.currency)
        others = {code: rate / own for code, rate in rates.items()} if own else {}
        return others | {company.currency: Decimal(1)}
