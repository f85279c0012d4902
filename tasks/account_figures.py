"""Figures: what accounts show of their invoices and payments, worked out from the ledger in the account's currency."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property

from prefect import task
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.crm.values import CrmObject, Update
from prefect_crm_erp.blocks.ledger import ShownSales
from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.errors import ConnectorError, GoneRecordError, MissingReferenceError, TransientError
from prefect_crm_erp.models.paging import Cursor
from prefect_crm_erp.models.records import Account, AccountSales, Company
from prefect_crm_erp.models.sales import FiscalYear, InvoiceFigures, account_sales, by_account
from prefect_crm_erp.tasks.document_debts import note_figures
from prefect_crm_erp.tasks.document_run import DocumentRun

_ACCOUNTS_PER_PAGE = 200
_DAYS = "days of sales figures"
"""The ledger's name of the stream of days: the last one for which all accounts were looked at."""


class MissingRateError(MissingReferenceError):
    """No ERP knows a rate that a figure needs."""


class Books:
    """What the figures need to know of the companies: their fiscal years, and rates, each asked for once, when needed.

    Args:
        run: The run.
    """

    def __init__(self, run: DocumentRun) -> None:
        self._run = run
        self._rates: dict[tuple[str, date], Mapping[str, Decimal]] = {}

    @cached_property
    def _years(self) -> dict[tuple[str, str], tuple[FiscalYear, FiscalYear]]:
        """The running fiscal year and the one before, of each company of the ERPs that answer."""
        years: dict[tuple[str, str], tuple[FiscalYear, FiscalYear]] = {}
        for slot in self._run.used_slots:
            if self._run.is_up(slot, ()):
                with self._run.guard(slot, ()):
                    years |= {(slot.value, each.id): self._ask(slot, each) for each in self._run.companies_of(slot)}
        return years

    def _ask(self, slot: ErpSlot, company: Company) -> tuple[FiscalYear, FiscalYear]:
        erp = self._run.erps[slot]
        year = erp.fiscal_year(company, self._run.today)
        return year, erp.fiscal_year(company, year.start - timedelta(days=1))

    @cached_property
    def _keepers(self) -> dict[str, tuple[ErpSlot, Company]]:
        """The first company that keeps its books in a currency, by currency."""
        up = [slot for slot in self._run.used_slots if any(slot.value == erp for erp, _ in self._years)]
        companies = [(slot, company) for slot in up for company in self._run.companies_of(slot)]
        return {company.currency: (slot, company) for slot, company in reversed(companies)}

    @cached_property
    def year(self) -> dict[tuple[str, str], FiscalYear]:
        """The running fiscal year by ERP connection and company."""
        return {key: year for key, (year, _) in self._years.items()}

    @cached_property
    def last_year(self) -> dict[tuple[str, str], FiscalYear]:
        """The fiscal year before, likewise."""
        return {key: year for key, (_, year) in self._years.items()}

    def checked(self, invoices: Iterable[InvoiceFigures]) -> Iterator[InvoiceFigures]:
        """The invoices as they are.

        Raises:
            TransientError: One is of an ERP that does not answer: the fiscal years of its companies are not known.
        """
        told = {erp for erp, _ in self._years}
        for each in invoices:
            if each.erp not in told:
                raise TransientError(f"The {each.erp} ERP does not answer, which tells the fiscal years")
            yield each

    @property
    def years_began(self) -> date:
        """First day of the fiscal year that began last."""
        calendar = date(self._run.today.year, 1, 1)
        return max((year.start for year in self.year.values()), default=calendar)

    def convert(self, amount: Decimal, source: str, target: str, day: date) -> Decimal:
        """An amount of a company's books in another currency, at the ERP's rate of a day, without rounding.

        Raises:
            MissingRateError: The ERP has no such rate.
        """
        rate = self._rates_of(source, day).get(target)
        if not rate:
            raise MissingRateError(f"The ERP has no rate of {target} for one {source} on {day}")
        return amount * rate

    def _rates_of(self, currency: str, day: date) -> Mapping[str, Decimal]:
        if (currency, day) not in self._rates:
            slot, company = self._keepers.get(currency, (None, None))
            rates = self._run.erps[slot].rates(company, day) if slot and company else {}
            self._rates[currency, day] = rates
        return self._rates[currency, day]


@task(name="Show sales on accounts", cache_policy=NO_CACHE, persist_result=False)
def show_sales(run: DocumentRun) -> int:
    """Bring the sales figures of accounts to what their invoices say; only those that may have moved are worked out.

    An account that does not take them, or whose figures need a rate that there is not, waits in its queue: the run's
    tables show why, and the next run tries again.

    Returns:
        How many accounts show other figures than before.

    Raises:
        TransientError: The CRM is not available; the next run makes up for it.
    """
    if run.dry_run:
        return 0
    books = Books(run)
    # A fiscal year begins with a day: once a day is often enough to ask the ERPs for one when no invoice has changed.
    midnight = datetime.combine(run.today, time(), UTC)
    last = run.store.watermark(_DAYS)
    is_new_day = last is None or last.modified_at < midnight
    years_began = books.years_began if is_new_day else date.min
    pages = run.store.outdated_sales(run.today, years_began, page_size=_ACCOUNTS_PER_PAGE)
    shown = sum(_show(run, books, page) for page in pages)
    if all(run.is_up(slot, ()) for slot in run.used_slots):
        run.store.advance(_DAYS, Cursor(midnight))
    return shown


def _show(run: DocumentRun, books: Books, page: Sequence[ShownSales]) -> int:
    states = {each.account: each for each in page}
    accounts = {each.crm_id: each for each in run.crm.accounts(list(states))}
    figures, refused = _work_out(run, books, accounts)
    changed = [key for key, sales in figures.items() if states[key].sales != sales]
    updates = [Update(CrmObject.ACCOUNT, key, figures[key].model_dump()) for key in changed]
    results = run.crm.write_back(updates) if updates else []
    errors = {result.update.record_id: result.error for result in results if result.error}
    refused |= {key: error for key, error in errors.items() if not isinstance(error, GoneRecordError)}
    # An account that is gone has nothing to show any more; one that was refused stays outdated.
    shown = [replace(state, sales=figures.get(key)) for key, state in states.items() if key not in refused]
    run.store.note_sales(run.run_id, run.today, shown)
    names = {key: account.name or key for key, account in accounts.items()}
    note_figures(run, names, refused, [each.account for each in shown])
    return len(changed) - len(errors)


def _work_out(
    run: DocumentRun, books: Books, accounts: Mapping[str, Account]
) -> tuple[dict[str, AccountSales], dict[str, ConnectorError]]:
    """The figures of each account, or why it can have none."""
    figures: dict[str, AccountSales] = {}
    refused: dict[str, ConnectorError] = {}
    for key, invoices in by_account(list(accounts), run.store.account_documents(list(accounts))):
        try:
            figures[key] = _figures(run, books, accounts[key], invoices)
        except (MissingRateError, TransientError) as error:
            refused[key] = error
    return figures, refused


def _figures(run: DocumentRun, books: Books, account: Account, invoices: Iterable[InvoiceFigures]) -> AccountSales:
    if account.currency is None:
        raise MissingRateError("the account has no currency; fill in the currency of the org in the Salesforce block")
    to: str = account.currency
    return account_sales(
        books.checked(invoices),
        currency=to,
        today=run.today,
        year=books.year,
        last_year=books.last_year,
        convert=lambda amount, source, day: books.convert(amount, source, to, day),
    )
