"""Laws of what an ERP books for the field: payments that were collected, and goods that were taken back.

A harness (a fixture `<name>_books`) stands for the people who work in one ERP, as in test_erp_documents.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from fixtures_documents import Billed, TrytonBooks
from fixtures_tryton import new_key

from prefect_crm_erp.blocks.erp.base import ERP
from prefect_crm_erp.models.documents import Invoice, InvoiceStatus, Payment
from prefect_crm_erp.models.errors import RejectedRecordError
from prefect_crm_erp.models.field_entries import PaymentEntry, ReturnEntry, ReturnLine
from prefect_crm_erp.models.outcomes import Rejected, Written
from prefect_crm_erp.models.records import Company

HARNESSES = ["tryton"]
UK = "UK"


@pytest.fixture(scope="session", params=HARNESSES)
def books(request: pytest.FixtureRequest) -> TrytonBooks:
    harness: TrytonBooks = request.getfixturevalue(f"{request.param}_books")
    return harness


@pytest.fixture
def erp(books: TrytonBooks) -> ERP:
    return books.shared


@pytest.fixture
def company(erp: ERP) -> Company:
    return erp.company(UK)


def payment(company: Company, billed: Billed, amount: str = "10.00", **values: Any) -> PaymentEntry:
    usual = {"invoice_id": billed.invoice, "customer_id": billed.customer, "currency": "GBP", "text": "17 Check 4711"}
    common = {"key": new_key("a08"), "company_id": company.id, "date": date.today(), "amount": Decimal(amount)}
    return PaymentEntry(**common | usual | values)


def returned(company: Company, order: str, quantity: int = 1, **values: Any) -> ReturnEntry:
    lines = (ReturnLine(sku="NL-100", quantity=Decimal(quantity)),)
    usual = {"key": new_key("a09"), "company_id": company.id, "date": date.today(), "order_id": order, "lines": lines}
    return ReturnEntry(**usual | values)


def balance(erp: ERP, invoice: str) -> Decimal:
    return erp.read(Invoice, [invoice])[0].balance


@pytest.mark.requirement("L06", "L01")
@pytest.mark.parametrize("currency", ["GBP", "EUR", "JPY"])
def test_a_payment_lowers_what_its_invoice_has_open_by_its_amount_in_its_currency(
    books: TrytonBooks, erp: ERP, company: Company, currency: str
) -> None:
    billed = books.bill(UK, currency, ("100",))
    before = balance(erp, billed.invoice)
    entry = payment(company, billed, "7", currency=currency)
    (result,) = erp.write([entry], company)
    assert isinstance(result, Written)
    assert (result.record.number is not None, result.created) == (True, True)
    assert balance(erp, billed.invoice) == before - 7
    (booked,) = erp.read(Payment, [str(result.record.erp_id)])
    assert [(part.invoice_id, part.amount, part.currency) for part in booked.applications] == [
        (billed.invoice, 7, currency)
    ]
    assert "17 Check 4711" in str(booked.reference)
    (rest,) = erp.write([payment(company, billed, str(before - 7), currency=currency)], company)
    assert isinstance(rest, Written)
    assert erp.read(Invoice, [billed.invoice])[0].status is InvoiceStatus.PAID


@pytest.mark.requirement("L06", "GB02")
def test_what_is_booked_is_found_by_its_key_and_what_is_not_is_absent(
    books: TrytonBooks, erp: ERP, company: Company
) -> None:
    billed = books.bill(UK, "GBP", ("100",))
    books.ship(UK, billed.order)
    entries = [payment(company, billed), payment(company, billed, invoice_id=None)]
    goods = returned(company, billed.order)
    written = [*erp.write(entries, company), *erp.write([goods], company)]
    ids = [result.record.erp_id for result in written]
    books.take_back(UK, str(ids[0]))  # what bounced later was booked all the same
    found = erp.find(PaymentEntry, [*(each.key for each in entries), new_key("a08")])
    assert {key: [each.erp_id for each in there] for key, there in found.items()} == {
        entry.key: [erp_id] for entry, erp_id in zip(entries, ids, strict=False)
    }
    again = erp.find(ReturnEntry, [goods.key, new_key("a09")])
    assert [each.erp_id for each in again.pop(goods.key)] == ids[2:]
    assert not again


@pytest.mark.requirement("L06", "T06")
def test_a_payment_of_more_than_is_open_is_refused_alone_in_the_erps_words(
    books: TrytonBooks, erp: ERP, company: Company
) -> None:
    billed = books.bill(UK, "GBP", ("100",))
    before = balance(erp, billed.invoice)
    good, bad = payment(company, billed), payment(company, billed, str(before))
    first, second = erp.write([good, bad], company)
    assert isinstance(first, Written)
    assert isinstance(second, Rejected)
    assert isinstance(second.error, RejectedRecordError)
    assert "amount" in second.error.message
    assert balance(erp, billed.invoice) == before - 10
    assert not erp.find(PaymentEntry, [bad.key])


@pytest.mark.requirement("L06")
def test_a_payment_on_account_lowers_what_the_customer_owes(books: TrytonBooks, erp: ERP, company: Company) -> None:
    billed = books.bill(UK, "GBP", ("100",))
    owed = erp.credit([billed.customer], company)[billed.customer].outstanding
    entry = payment(company, billed, "12.34", invoice_id=None)
    foreign = payment(company, billed, invoice_id=None, currency="USD")
    first, second = erp.write([entry, foreign], company)
    assert isinstance(first, Written)
    assert isinstance(second, Rejected)
    assert "GBP" in second.error.message
    assert erp.credit([billed.customer], company)[billed.customer].outstanding == owed - Decimal("12.34")


@pytest.mark.requirement("L06", "M01")
def test_a_return_waits_as_a_draft_until_it_is_confirmed(books: TrytonBooks, erp: ERP, company: Company) -> None:
    billed = books.bill(UK, "GBP", ("100",))
    books.ship(UK, billed.order)
    (draft,) = erp.write([returned(company, billed.order, 2)], company)
    assert isinstance(draft, Written)
    assert draft.record.is_draft
    (confirmed,) = erp.write([draft.record.model_copy(update={"confirm": True})], company)
    assert isinstance(confirmed, Written)
    assert (confirmed.record.erp_id, confirmed.record.is_draft) == (draft.record.erp_id, False)
    (again,) = erp.write([confirmed.record], company)
    assert isinstance(again, Written)
    told = books.seller.sale(UK, int(str(draft.record.erp_id)))
    assert told["state"] == "processing"


@pytest.mark.requirement("L06", "M01")
def test_no_more_comes_back_than_was_delivered(books: TrytonBooks, erp: ERP, company: Company) -> None:
    billed = books.bill(UK, "GBP", ("100",))
    early = returned(company, billed.order)
    (refused,) = erp.write([early], company)
    assert isinstance(refused, Rejected)
    books.ship(UK, billed.order, 2)
    strange = returned(company, billed.order, lines=(ReturnLine(sku="NL-500", quantity=Decimal(1)),))
    results = erp.write([returned(company, billed.order, each) for each in (1, 2)] + [strange], company)
    assert [type(result) for result in results] == [Written, Rejected, Rejected]
    messages = [result.error.message for result in results if isinstance(result, Rejected)]
    assert "came back already" in messages[0]
    assert "no NL-500" in messages[1]
