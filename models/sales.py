"""What an account shows of its invoices: sales, balances and delays, worked out in one pass over the documents.

Rules that hold for all figures:

- Cancelled documents are left out. Amounts of credit memos are negative, so that sums come out.
- A document counts in its own amounts where they are in the account's currency; otherwise in its company's amounts, as
  the ERP booked them, where the company keeps its books in the account's currency; otherwise in its company's amounts
  at the rate of the document's day, so that no figure moves because a rate does.
- Sums are exact, and rounded once, half-up to the minor unit of the account's currency.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from itertools import groupby

from prefect_crm_erp.models.documents import InvoiceStatus, InvoiceType
from prefect_crm_erp.models.money import ZERO, round_money, round_to
from prefect_crm_erp.models.records import AccountSales

Convert = Callable[[Decimal, str, date], Decimal]
"""Turns an amount in a currency (ISO 4217 code) into the account's currency at the rate of a day, without rounding."""

# Amounts that were converted have as many digits as the default context gives: adding them up there would make the last
# digit depend on the order of the documents.
_EXACT = Context(prec=200)


@dataclass(frozen=True, slots=True)
class FiscalYear:
    """A fiscal year of a company: its first and its last day."""

    start: date
    end: date

    def __contains__(self, day: date) -> bool:
        """Whether a day lies in it."""
        return self.start <= day <= self.end

    @classmethod
    def calendar(cls, year: int) -> FiscalYear:
        """The fiscal year of a company that goes by the calendar."""
        return cls(date(year, 1, 1), date(year, 12, 31))


FiscalYears = Mapping[tuple[str, str], FiscalYear]
"""Fiscal years by ERP connection and company id: companies of different ERPs may have the same id."""


@dataclass(frozen=True, slots=True)
class InvoiceFigures:
    """What counts of an invoice or credit memo. Amounts of a credit memo are negative.

    Attributes:
        account: 18-character id of the CRM account.
        erp: Name of the ERP connection.
        order_ids: ERP ids of the sales orders that it bills.
        issued_on: Date of the invoice.
        paid_on: Day of the last payment, once nothing is open any more.
        untaxed: Total without tax, in `currency`; `company_untaxed` in the company's currency, as booked.
        balance: Not yet paid or credited, in `currency`; `company_balance` in the company's currency, as booked.
    """

    account: str
    erp: str
    erp_id: str
    company_id: str
    type: InvoiceType
    status: InvoiceStatus
    number: str | None
    payment_terms: str | None
    order_ids: tuple[str, ...]
    currency: str
    company_currency: str
    issued_on: date
    due_date: date | None
    paid_on: date | None
    untaxed: Decimal
    balance: Decimal
    company_untaxed: Decimal
    company_balance: Decimal


def account_sales(
    invoices: Iterable[InvoiceFigures],
    *,
    currency: str,
    today: date,
    year: FiscalYears,
    last_year: FiscalYears,
    convert: Convert,
) -> AccountSales:
    """Work out what an account shows of its invoices and credit memos; without any, its sums are zero.

    The order of the documents is of no account. Memory grows with the account's number of orders, one id for each, and
    with nothing else.

    - Sales: invoiced without tax less credit memos, by invoice date, in the fiscal year of the document's company.
    - Overdue: balances above zero whose due date is before today. Credit that is not applied lowers the open balance,
      and not what is overdue: that is the sum of the invoices that a reminder would name.
    - Days to pay: over invoices that are paid; credit memos do not count.
    - Average order: all that was invoiced less all that was credited, for each order that was invoiced. An invoice
      without order counts as one; a credit memo takes back, and counts as none.

    Args:
        invoices: All documents of the account, each once; read once.
        currency: ISO 4217 code of the account's currency.
        today: The day that due dates are compared with.
        year: The running fiscal year of each company; a company that is not named goes by the calendar.
        last_year: The one before, likewise.
        convert: Converts amounts of companies that keep their books in another currency. What it raises is passed on.
    """
    sums = _Sums(currency, today, year, last_year, convert)
    for invoice in invoices:
        if invoice.status is not InvoiceStatus.CANCELLED:
            sums.add(invoice)
    return sums.result()


def by_account(
    accounts: Collection[str], invoices: Iterable[InvoiceFigures]
) -> Iterator[tuple[str, Iterator[InvoiceFigures]]]:
    """Pair each account with its documents, of which it may have none. Use them before going on to the next account.

    Args:
        accounts: 18-character ids.
        invoices: Documents of these accounts, ordered by account.
    """
    wanted = iter(sorted(set(accounts)))
    for account, mine in groupby(invoices, key=lambda invoice: invoice.account):
        for other in wanted:
            if other == account:
                break
            yield other, iter(())
        yield account, mine
    for other in wanted:
        yield other, iter(())


class _Sums:
    """The figures of one account while its documents go by."""

    def __init__(self, currency: str, today: date, year: FiscalYears, last_year: FiscalYears, convert: Convert) -> None:
        self._currency, self._today, self._convert = currency, today, convert
        self._year, self._last_year = year, last_year
        self._calendar, self._last_calendar = FiscalYear.calendar(today.year), FiscalYear.calendar(today.year - 1)
        self._this = self._last = self._invoiced = self._open = self._overdue = ZERO
        self._oldest_due: date | None = None
        self._days, self._paid = timedelta(), 0
        self._orders: set[tuple[str, str]] = set()
        self._without_order = 0
        self._latest: InvoiceFigures | None = None

    def add(self, invoice: InvoiceFigures) -> None:
        """Count a document in."""
        untaxed, balance = self._amounts(invoice)
        self._add_sales(invoice, untaxed)
        self._add_balance(invoice, balance)
        if invoice.type is InvoiceType.INVOICE:
            self._add_order(invoice)
            self._add_delay(invoice)
            self._add_latest(invoice)

    def result(self) -> AccountSales:
        """The figures of all documents that were counted in."""
        orders, last = len(self._orders) + self._without_order, self._latest
        return AccountSales(
            erp_sales_this_year=self._rounded(self._this),
            erp_sales_last_year=self._rounded(self._last),
            erp_open_balance=self._rounded(self._open),
            erp_overdue_balance=self._rounded(self._overdue),
            erp_days_overdue=(self._today - self._oldest_due).days if self._oldest_due else None,
            erp_days_to_pay=_average_days(self._days, self._paid),
            erp_last_invoice_on=last.issued_on if last else None,
            erp_last_invoice_number=last.number if last else None,
            erp_last_invoice_status=last.status.value if last else None,
            erp_last_invoice_terms=last.payment_terms if last else None,
            erp_average_order=self._rounded(_EXACT.divide(self._invoiced, Decimal(orders))) if orders else None,
        )

    def _amounts(self, invoice: InvoiceFigures) -> tuple[Decimal, Decimal]:
        """Total without tax and balance in the account's currency."""
        if invoice.currency == self._currency:
            return invoice.untaxed, invoice.balance
        if invoice.company_currency == self._currency:
            return invoice.company_untaxed, invoice.company_balance
        return self._converted(invoice, invoice.company_untaxed), self._converted(invoice, invoice.company_balance)

    def _converted(self, invoice: InvoiceFigures, amount: Decimal) -> Decimal:
        return self._convert(amount, invoice.company_currency, invoice.issued_on) if amount else ZERO

    def _add_sales(self, invoice: InvoiceFigures, untaxed: Decimal) -> None:
        company = invoice.erp, invoice.company_id
        self._invoiced = _EXACT.add(self._invoiced, untaxed)
        if invoice.issued_on in self._year.get(company, self._calendar):
            self._this = _EXACT.add(self._this, untaxed)
        elif invoice.issued_on in self._last_year.get(company, self._last_calendar):
            self._last = _EXACT.add(self._last, untaxed)

    def _add_balance(self, invoice: InvoiceFigures, balance: Decimal) -> None:
        self._open = _EXACT.add(self._open, balance)
        if balance > 0 and invoice.due_date is not None and invoice.due_date < self._today:
            self._overdue = _EXACT.add(self._overdue, balance)
            self._oldest_due = min(self._oldest_due or invoice.due_date, invoice.due_date)

    def _add_order(self, invoice: InvoiceFigures) -> None:
        self._orders.update((invoice.erp, order_id) for order_id in invoice.order_ids)
        self._without_order += not invoice.order_ids

    def _add_delay(self, invoice: InvoiceFigures) -> None:
        if invoice.status is InvoiceStatus.PAID and invoice.paid_on is not None:
            self._days += invoice.paid_on - invoice.issued_on
            self._paid += 1

    def _add_latest(self, invoice: InvoiceFigures) -> None:
        if self._latest is None or _place(invoice) > _place(self._latest):
            self._latest = invoice

    def _rounded(self, amount: Decimal) -> Decimal:
        return round_money(amount, self._currency) + ZERO  # no minus before a zero


def _place(invoice: InvoiceFigures) -> tuple[date, NumberKey]:
    return invoice.issued_on, number_key(invoice.number)


def _average_days(days: timedelta, count: int) -> Decimal | None:
    return round_to(Decimal(days.days) / count, 1, ROUND_HALF_EVEN) if count else None


NumberKey = tuple[tuple[tuple[int, str], ...], str]
"""A number in a form by which numbers sort as people count."""


def number_key(number: str | None) -> NumberKey:
    """Orders numbers as people count: INV-9 before INV-10."""
    parts = re.split(r"([0-9]+)", number or "")
    digits = [(len(part.lstrip("0")), part.lstrip("0")) if place % 2 else (0, part) for place, part in enumerate(parts)]
    return tuple(digits), number or ""
