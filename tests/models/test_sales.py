"""What an account shows of its invoices is exact, whatever the order in which they come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import count
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_crm_erp.models.documents import InvoiceStatus, InvoiceType
from prefect_crm_erp.models.money import ZERO, minor_units, round_money
from prefect_crm_erp.models.records import AccountSales
from prefect_crm_erp.models.sales import FiscalYear, InvoiceFigures, account_sales, by_account

TODAY = date(2026, 3, 15)
RATES = {"EUR": Decimal(3), "USD": Decimal(7), "JPY": Decimal(1100), "KWD": Decimal("0.9")}
SUMS = {"erp_sales_this_year", "erp_sales_last_year", "erp_open_balance", "erp_overdue_balance"}
# A company whose year begins in April, and one of another ERP with the same id, whose year begins in October.
YEAR = {
    ("tryton", "1"): FiscalYear(date(2025, 4, 1), date(2026, 3, 31)),
    ("netsuite", "1"): FiscalYear(date(2025, 10, 1), date(2026, 9, 30)),
}
LAST_YEAR = {
    ("tryton", "1"): FiscalYear(date(2024, 4, 1), date(2025, 3, 31)),
    ("netsuite", "1"): FiscalYear(date(2024, 10, 1), date(2025, 9, 30)),
}

currencies = st.sampled_from(sorted(RATES))
days = st.dates(date(2024, 1, 1), date(2026, 12, 31))
cents = st.integers(-(10**9), 10**9)


def converted(amount: Decimal, currency: str, day: date, into: str) -> Decimal:
    """At rates that move from day to day, and that no number of digits can hold."""
    return amount / RATES[currency] * RATES[into] / (1 + Decimal(day.toordinal() % 7))


def figures(invoices: Sequence[InvoiceFigures], currency: str = "EUR", today: date = TODAY) -> AccountSales:
    return account_sales(
        invoices,
        currency=currency,
        today=today,
        year=YEAR,
        last_year=LAST_YEAR,
        convert=lambda amount, code, day: converted(amount, code, day, currency),
    )


def invoice(untaxed: object = 100, balance: object = 0, **changes: object) -> InvoiceFigures:
    made = InvoiceFigures(
        account="001A",
        erp="tryton",
        erp_id="1",
        company_id="1",
        type=InvoiceType.INVOICE,
        status=InvoiceStatus.OPEN if balance else InvoiceStatus.PAID,
        number="INV-1",
        payment_terms=None,
        order_ids=(),
        currency="EUR",
        company_currency="EUR",
        issued_on=date(2026, 1, 10),
        due_date=date(2026, 2, 10),
        paid_on=None if balance else date(2026, 2, 1),
        untaxed=Decimal(str(untaxed)),
        balance=Decimal(str(balance)),
        company_untaxed=Decimal(str(untaxed)),
        company_balance=Decimal(str(balance)),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def credit_memo_of(billed: InvoiceFigures) -> InvoiceFigures:
    names = ("untaxed", "balance", "company_untaxed", "company_balance")
    taken_back = {name: -getattr(billed, name) for name in names}
    return replace(billed, type=InvoiceType.CREDIT_MEMO, erp_id=f"memo of {billed.erp_id}", **taken_back)


@st.composite
def documents(draw: st.DrawFn) -> InvoiceFigures:
    currency, company_currency = draw(currencies), draw(currencies)
    is_memo, status = draw(st.booleans()), draw(st.sampled_from(InvoiceStatus))

    def amount(code: str) -> Decimal:
        drawn = Decimal(draw(cents)).scaleb(-minor_units(code))
        return -abs(drawn) if is_memo else drawn

    is_open = status in (InvoiceStatus.OPEN, InvoiceStatus.PARTLY_PAID)
    return invoice(
        account=draw(st.sampled_from(["001A", "001B", "001C"])),
        erp=draw(st.sampled_from(["tryton", "netsuite"])),
        company_id=draw(st.sampled_from(["1", "2"])),
        erp_id=draw(st.uuids()).hex,
        type=InvoiceType.CREDIT_MEMO if is_memo else InvoiceType.INVOICE,
        status=status,
        number=draw(st.none() | st.from_regex(r"(INV-)?[0-9]{1,3}", fullmatch=True)),
        order_ids=draw(st.lists(st.sampled_from("1234"), max_size=2, unique=True).map(tuple)),
        currency=currency,
        company_currency=company_currency,
        issued_on=draw(days),
        due_date=draw(st.none() | days),
        paid_on=draw(days) if status is InvoiceStatus.PAID else None,
        untaxed=amount(currency),
        balance=amount(currency) if is_open else ZERO,
        company_untaxed=amount(company_currency),
        company_balance=amount(company_currency) if is_open else ZERO,
    )


@pytest.mark.requirement("BB05")
@given(st.lists(documents(), max_size=12), currencies, st.randoms(use_true_random=False))
def test_the_order_of_the_documents_changes_nothing(
    invoices: list[InvoiceFigures], currency: str, random: Random
) -> None:
    shuffled = list(invoices)
    random.shuffle(shuffled)
    assert figures(shuffled, currency) == figures(invoices, currency)


@pytest.mark.requirement("GB01")
@given(st.lists(documents(), max_size=12))
def test_what_the_accounts_owe_is_what_is_open_on_the_documents(invoices: list[InvoiceFigures]) -> None:
    ordered = sorted((replace(each, currency="KWD") for each in invoices), key=lambda each: each.account)
    counted = [each for each in ordered if each.status is not InvoiceStatus.CANCELLED]
    shown = [figures(list(mine), "KWD") for _, mine in by_account({"001A", "001B", "001C"}, ordered)]
    overdue = [each for each in counted if each.balance > 0 and each.due_date and each.due_date < TODAY]
    assert len(shown) == 3
    assert sum(each.erp_open_balance or 0 for each in shown) == sum(each.balance for each in counted)
    assert sum(each.erp_overdue_balance or 0 for each in shown) == sum(each.balance for each in overdue)


@given(st.lists(documents(), max_size=6), documents(), st.integers(-(10**6), 10**6), currencies)
def test_splitting_a_document_in_two_changes_no_sum(
    others: list[InvoiceFigures], whole: InvoiceFigures, part: int, currency: str
) -> None:
    names = ("untaxed", "company_untaxed", "balance", "company_balance")
    first = replace(whole, **{name: getattr(whole, name) * part / 10**6 for name in names})
    second = replace(whole, **{name: getattr(whole, name) - getattr(first, name) for name in names})
    # What is above zero and what is below count differently towards what is overdue.
    unaffected = SUMS if 0 <= part <= 10**6 or whole.balance == 0 else SUMS - {"erp_overdue_balance"}
    assert figures([*others, first, second], currency).model_dump(include=unaffected) == figures(
        [*others, whole], currency
    ).model_dump(include=unaffected)


@pytest.mark.requirement("K05")
@given(st.lists(documents(), max_size=6), documents(), currencies)
def test_a_credit_memo_of_a_whole_invoice_takes_its_sales_and_its_balance_back(
    others: list[InvoiceFigures], billed: InvoiceFigures, currency: str
) -> None:
    billed = replace(billed, type=InvoiceType.INVOICE)
    sums = SUMS - {"erp_overdue_balance"}
    with_both = figures([*others, credit_memo_of(billed), billed], currency)
    assert with_both.model_dump(include=sums) == figures(others, currency).model_dump(include=sums)
    nothing = figures([billed, credit_memo_of(billed)], currency)
    assert {nothing.erp_sales_this_year, nothing.erp_sales_last_year, nothing.erp_open_balance} == {ZERO}
    assert nothing.erp_average_order in (ZERO, None)


@given(st.lists(documents(), max_size=6), currencies)
def test_amounts_are_decimals_of_the_currencys_minor_unit(invoices: list[InvoiceFigures], currency: str) -> None:
    shown = figures(invoices, currency).model_dump()
    amounts = [shown[name] for name in [*SUMS, "erp_average_order"] if shown[name] is not None]
    assert all(type(amount) is Decimal for amount in amounts)
    assert {amount.as_tuple().exponent for amount in amounts} == {-minor_units(currency)}
    assert not any(amount.is_zero() and amount.is_signed() for amount in amounts)
    assert not any(isinstance(value, float) for value in shown.values())


@given(st.lists(st.tuples(cents, days), min_size=1, max_size=40))
def test_converted_amounts_are_rounded_once_at_the_end(amounts: list[tuple[int, date]]) -> None:
    invoices = [
        invoice(amount, 1, currency="KWD", company_currency="USD", erp="none", issued_on=min(day, TODAY))
        for amount, day in amounts
    ]
    this_year = [each for each in invoices if each.issued_on.year == TODAY.year]
    exact = sum((converted(each.untaxed, "USD", each.issued_on, "EUR") for each in this_year), ZERO)
    assert figures(invoices).erp_sales_this_year == round_money(exact, "EUR")


@pytest.mark.requirement("K05")
@pytest.mark.parametrize(
    ("erp", "issued_on", "this", "last"),
    [
        ("tryton", date(2026, 3, 31), 100, 0),
        ("tryton", date(2025, 4, 1), 100, 0),
        ("tryton", date(2025, 3, 31), 0, 100),
        ("tryton", date(2024, 3, 31), 0, 0),
        ("tryton", date(2026, 4, 1), 0, 0),
        ("netsuite", date(2025, 9, 30), 0, 100),
        ("netsuite", date(2025, 10, 1), 100, 0),
        ("goes by the calendar", date(2025, 12, 31), 0, 100),
        ("goes by the calendar", date(2026, 1, 1), 100, 0),
    ],
)
def test_an_invoice_counts_in_the_fiscal_year_of_its_own_company(
    erp: str, issued_on: date, this: int, last: int
) -> None:
    shown = figures([invoice(erp=erp, issued_on=issued_on)])
    assert (shown.erp_sales_this_year, shown.erp_sales_last_year) == (this, last)


@pytest.mark.requirement("L02")
def test_a_balance_is_overdue_from_the_day_after_it_was_due_and_credit_lowers_only_what_is_open() -> None:
    open_one = invoice(100, 119, due_date=date(2026, 2, 10))
    older = invoice(50, 20, due_date=date(2026, 1, 31), status=InvoiceStatus.PARTLY_PAID)
    memo = credit_memo_of(invoice(30, 30))
    undated = invoice(10, 10, due_date=None)
    on_the_day = figures([open_one], today=date(2026, 2, 10))
    assert (on_the_day.erp_overdue_balance, on_the_day.erp_days_overdue) == (0, None)
    shown = figures([open_one, older, memo, undated], today=date(2026, 2, 11))
    assert shown.erp_open_balance == Decimal("119.00")
    assert (shown.erp_overdue_balance, shown.erp_days_overdue) == (Decimal("139.00"), 11)


@pytest.mark.requirement("L02")
def test_days_to_pay_are_those_of_paid_invoices_rounded_half_even() -> None:
    def paid_after(days: int, **changes: object) -> InvoiceFigures:
        return invoice(paid_on=date(2026, 1, 10) + timedelta(days=days), **changes)

    cancelled = paid_after(90, status=InvoiceStatus.CANCELLED)
    left_out = [invoice(1, 1), credit_memo_of(paid_after(90)), cancelled, invoice(paid_on=None)]
    assert figures(left_out).erp_days_to_pay is None
    for total, number, expected in ((81, 20, "4.0"), (83, 20, "4.2"), (10, 3, "3.3"), (-7, 2, "-3.5")):
        paid = [paid_after(0) for _ in range(number - 1)]
        shown = figures([*left_out, *paid, paid_after(total)]).erp_days_to_pay
        assert str(shown) == expected == str((Decimal(total) / number).quantize(Decimal("0.1"), ROUND_HALF_EVEN))


@pytest.mark.requirement("K08")
def test_the_average_order_is_over_orders_and_not_over_invoices() -> None:
    one_order = [invoice(60, order_ids=("7",)), invoice(40, order_ids=("7",))]
    elsewhere = [invoice(50, erp="netsuite", order_ids=("7",))]
    collective = [invoice(90, order_ids=("8", "9"))]
    counter_sale = [invoice(10)]
    goods_sent_back = [credit_memo_of(invoice(25, order_ids=("return",))), credit_memo_of(invoice(5))]
    assert figures(one_order).erp_average_order == 100
    assert figures([*one_order, *elsewhere, *collective, *counter_sale]).erp_average_order == 50
    assert figures([*one_order, *elsewhere, *collective, *counter_sale, *goods_sent_back]).erp_average_order == 44
    assert figures(goods_sent_back).erp_average_order is None
    assert figures([invoice(10), invoice(10), invoice("10.01")]).erp_average_order == Decimal("10.00")


@pytest.mark.requirement("K06")
def test_the_last_invoice_is_the_latest_and_of_one_day_the_one_with_the_highest_number() -> None:
    day = date(2026, 2, 2)
    numbers = ["INV-9", "INV-10", "INV-010", None, "INV-2"]
    others = [
        invoice(number="INV-99", issued_on=day - timedelta(days=1)),
        invoice(number="INV-99", issued_on=day, status=InvoiceStatus.CANCELLED),
        credit_memo_of(invoice(number="INV-99", issued_on=day)),
    ]
    shown = figures([*(invoice(number=each, issued_on=day, payment_terms=each) for each in numbers), *others])
    assert (shown.erp_last_invoice_on, shown.erp_last_invoice_number) == (day, "INV-10")
    assert (shown.erp_last_invoice_status, shown.erp_last_invoice_terms) == ("Paid", "INV-10")


@pytest.mark.requirement("K08")
def test_an_amount_is_taken_from_the_books_before_it_is_converted() -> None:
    own = invoice(100, 100, company_currency="USD", company_untaxed=Decimal(117), company_balance=Decimal(117))
    booked = invoice(117, 117, currency="USD", company_untaxed=Decimal(100), company_balance=Decimal(99))
    foreign = invoice(5, 0, currency="JPY", company_currency="USD", company_untaxed=Decimal(70))
    asked: list[tuple[Decimal, str, date]] = []

    def convert(amount: Decimal, currency: str, day: date) -> Decimal:
        asked.append((amount, currency, day))
        return amount * 2

    shown = account_sales([own, booked, foreign], currency="EUR", today=TODAY, year={}, last_year={}, convert=convert)
    assert (shown.erp_sales_this_year, shown.erp_open_balance) == (340, 199)
    assert asked == [(Decimal(70), "USD", foreign.issued_on)]  # and nothing for a balance of zero


@pytest.mark.requirement("GB01")
def test_an_account_without_documents_shows_zeros_and_is_not_skipped() -> None:
    assert figures([]) == AccountSales(
        erp_sales_this_year=ZERO, erp_sales_last_year=ZERO, erp_open_balance=ZERO, erp_overdue_balance=ZERO
    )
    invoices = [invoice(account=account) for account in "BBD"]
    paired = [(account, len(list(mine))) for account, mine in by_account(set("ABCDE"), invoices)]
    assert paired == [("A", 0), ("B", 2), ("C", 0), ("D", 1), ("E", 0)]
    read_not_at_all = [account for account, _ in by_account(set("ABCDE"), invoices)]
    assert read_not_at_all == list("ABCDE")


def test_a_trouble_with_one_account_does_not_touch_the_next() -> None:
    numbers = count()
    invoices = [invoice(account=account, erp_id=str(next(numbers))) for account in "AAABB"]
    lengths = {}
    for account, mine in by_account(set("AB"), invoices):
        if account == "A":
            next(mine)  # the conversion of the first amount failed
        else:
            lengths[account] = len(list(mine))
    assert lengths == {"B": 2}


def test_sums_are_exact_whatever_their_size_and_order_and_zero_has_no_sign() -> None:
    large, small = Decimal(10) ** 25, Decimal("0.005")
    for amounts in ((large, small, -large), (large, -large, small), (small, large, -large)):
        assert figures([invoice(amount, amount) for amount in amounts]).erp_open_balance == Decimal("0.01")
    assert str(figures([invoice("-0.001", "-0.001")]).erp_open_balance) == "0.00"
