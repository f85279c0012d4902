"""Laws of what a payment pays, for reconciliations of any number of invoices, credit memos, payments and write-offs."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prefect_crm_erp.blocks.erp._tryton_applications import applications, shares
from prefect_crm_erp.blocks.erp._tryton_documents import id_in
from prefect_crm_erp.models.documents import PaymentApplication

CENTS = st.integers(1, 10**7).map(lambda cents: Decimal(cents) / 100)
AMOUNTS = st.lists(CENTS, min_size=1, max_size=4)
RATE = st.sampled_from([Decimal("1.1"), Decimal("0.85"), Decimal(162)])


def row(identifier: int, amount: Decimal, origin: str | None, journal: str, rate: Decimal | None) -> dict[str, Any]:
    """A line of a move that is reconciled; positive for what a customer owes."""
    return {
        "id": identifier,
        "debit": max(amount, Decimal(0)),
        "credit": max(-amount, Decimal(0)),
        "amount_second_currency": round(amount * rate, 2) if rate else None,
        "second_currency": {"id": 2, "code": "USD"} if rate else None,
        "reconciliation": 1,
        "invoice_payments": [],
        "date": date(2026, 1, 1),
        "maturity_date": None,
        "move": {"id": identifier, "origin": origin, "journal": {"id": 1, "type": journal}},
    }


def invoice_of(line: dict[str, Any]) -> int | None:
    return id_in(line["move"]["origin"], "account.invoice")


@given(owed=AMOUNTS, paid=AMOUNTS, rate=st.none() | RATE)
def test_a_payment_pays_no_more_than_it_is_and_no_more_than_is_owed(
    owed: list[Decimal], paid: list[Decimal], rate: Decimal | None
) -> None:
    invoices = [row(at, amount, f"account.invoice,{at}", "revenue", rate) for at, amount in enumerate(owed, 1)]
    payments = [row(at, -amount, None, "cash", rate) for at, amount in enumerate(paid, 101)]
    write_off = row(201, sum(paid) - sum(owed), None, "write-off", rate)
    together = [*invoices, *payments, write_off]
    currency = {"id": 2, "code": "USD"} if rate else {"id": 1, "code": "EUR"}
    booked = {each["id"]: _invoice(each, currency) for each in invoices}
    settled: dict[str, Decimal] = defaultdict(Decimal)
    for payment in payments:
        parts = _applied(payment, together, booked)
        amount = -(payment["amount_second_currency"] if rate else -payment["credit"])
        assert sum(part.amount for part in parts) <= amount
        assert sum(part.company_amount for part in parts) <= payment["credit"]
        for part in parts:
            settled[part.invoice_id] += part.amount
    for each in invoices:
        assert 0 <= settled[str(each["id"])] <= (each["amount_second_currency"] if rate else each["debit"])
    if sum(paid) >= sum(owed) and rate is None:
        assert sum(settled.values()) == sum(owed)


@given(owed=AMOUNTS, rate=st.none() | RATE)
def test_one_payment_over_all_that_is_owed_is_applied_to_the_last_cent(
    owed: list[Decimal], rate: Decimal | None
) -> None:
    invoices = [row(at, amount, f"account.invoice,{at}", "revenue", rate) for at, amount in enumerate(owed, 1)]
    payment = row(101, -sum(owed), None, "cash", rate)
    if rate:
        payment["amount_second_currency"] = -sum(each["amount_second_currency"] for each in invoices)
    booked = {each["id"]: _invoice(each, payment["second_currency"] or {"id": 1, "code": "EUR"}) for each in invoices}
    parts = _applied(payment, [*invoices, payment], booked)
    expected = [each["amount_second_currency"] if rate else each["debit"] for each in invoices]
    assert [part.amount for part in parts if part.amount] == [amount for amount in expected if amount]
    assert sum(part.company_amount for part in parts) == sum(owed)


def test_a_payment_goes_to_the_invoice_that_it_is_noted_at_before_others() -> None:
    invoices = [row(at, Decimal(100), f"account.invoice,{at}", "revenue", None) for at in (1, 2)]
    payments = [row(at, Decimal(-100), None, "cash", None) for at in (101, 102)]
    payments[1]["invoice_payments"] = [1]
    paid = [[share.invoice for share in shares(each, [*invoices, *payments], invoice_of)] for each in payments]
    assert paid == [[2], [1]]


def test_a_payment_that_is_taken_back_and_credit_pay_nothing() -> None:
    payment = row(101, Decimal(-100), None, "cash", None)
    reversal = row(102, Decimal(100), "account.move,101", "cash", None)
    assert shares(payment, [payment, reversal], invoice_of) == []
    memo = row(3, Decimal(-100), "account.invoice,3", "revenue", None)
    owed = row(1, Decimal(100), "account.invoice,1", "revenue", None)
    assert shares(memo, [memo, owed], invoice_of) == []


def _invoice(line: dict[str, Any], currency: dict[str, Any]) -> dict[str, Any]:
    total = line["amount_second_currency"] if line["second_currency"] else line["debit"]
    return {"currency": currency, "total_amount": total, "lines_to_pay": [line]}


def _applied(
    line: dict[str, Any], together: list[dict[str, Any]], invoices: dict[int, dict[str, Any]]
) -> list[PaymentApplication]:
    return list(applications(line, shares(line, together, invoice_of), invoices, "EUR"))
