"""Figures: what accounts show of their invoices and payments, worked out from the ledger in the account's currency."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

from prefect import task
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.crm.base import CrmObject, Update
from prefect_crm_erp.blocks.ledger import ShownSales
from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.errors import ConnectorError, GoneRecordError, MissingReferenceError, TransientError
from prefect_crm_erp.models.records import Account, AccountSales, Company
from prefect_crm_erp.models.sales import FiscalYear, InvoiceFigures, account_sales, by_account
from prefect_crm_erp.tasks.document_debts import note_figures
from prefect_crm_erp.tasks.document_run import DocumentRun

_ACCOUNTS_PER_PAGE = 200


class MissingRateError(MissingReferenceError):
    """No ERP knows a rate that a figure needs."""


class Books:
    """What the figures need to know of the companies: their fiscal years, and rates, each asked for once.

    Args:
        run: The run.
    """

    def __init__(self, run: DocumentRun) -> None:
        self._run = run
        self.year: dict[tuple[str, str], FiscalYear] = {}
        self.last_year: dict[tuple[str, str], FiscalYear] = {}
        self._keepers: dict[str, tuple[ErpSlot, Company]] = {}
        self._rates: dict[tuple[str, date], Mapping[str, Decimal]] = {}
        self._unread = {slot.value for slot in run.used_slots}
        for slot in run.used_slots:
            if run.is_up(slot, ()):
                with run.guard(slot, ()):
                    self._learn(slot)
                    self._unread.discard(slot.value)

    def _learn(self, slot: ErpSlot) -> None:
        erp = self._run.erps[slot]
        for company in self._run.companies_of(slot):
            year = erp.fiscal_year(company, self._run.today)
            self.year[slot.value, company.id] = year
            self.last_year[slot.value, company.id] = erp.fiscal_year(company, year.start - timedelta(days=1))
            self._keepers.setdefault(company.currency, (slot, company))

    def checked(self, invoices: Iterable[InvoiceFigures]) -> Iterator[InvoiceFigures]:
        """The invoices as they are.

        Raises:
            TransientError: One is of an ERP that does not answer: the fiscal years of its companies are not known.
        """
        for each in invoices:
            if each.erp in self._unread:
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
    pages = run.store.outdated_sales(run.today, books.years_began, page_size=_ACCOUNTS_PER_PAGE)
    return sum(_show(run, books, page) for page in pages)


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
