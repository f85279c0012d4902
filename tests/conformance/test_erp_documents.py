"""Laws of what comes back from an ERP: invoices, credit memos, payments, deliveries, and where orders stand.

As in `test_erp`, a harness (a fixture `<name>_books`) stands for the people who work in one ERP; what the connection
reads is compared with what the ERP's own client shows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from fixtures_documents import Billed, TrytonBooks

from prefect_crm_erp.blocks.erp.base import ERP, FiscalYear
from prefect_crm_erp.models.documents import (
    Delivery,
    DeliveryStatus,
    Invoice,
    InvoiceStatus,
    InvoiceType,
    Payment,
    PaymentStatus,
)
from prefect_crm_erp.models.paging import Cursor
from prefect_crm_erp.models.records import Company, OrderStatus, Record, SalesOrder

HARNESSES = ["tryton"]
CURRENCIES = ["EUR", "GBP", "USD", "JPY"]
PRICES = ("1234.5678", "19.9990", "0.3333")
DOCUMENTS: list[type[Record]] = [Invoice, Payment, Delivery, SalesOrder]
UK = "UK"


@dataclass
class World:
    """One ERP with its people, and the documents that were prepared there once."""

    books: TrytonBooks
    connection: ERP
    company: Company
    billed: dict[str, Billed] = field(default_factory=dict)

    def invoice(self, invoice: str) -> Invoice:
        (found,) = self.connection.read(Invoice, [invoice], self.company)
        return found

    def payments_of(self, invoice: str) -> list[Payment]:
        """Payments that are applied to an invoice."""
        every = (each for page in self.connection.changes(Payment, None, self.company) for each in page)
        return [each for each in every if invoice in {part.invoice_id for part in each.applications}]

    def payment_of(self, invoice: str) -> Payment:
        (payment,) = self.payments_of(invoice)
        return payment

    def order(self, order: str) -> SalesOrder:
        (found,) = self.connection.read(SalesOrder, [order], self.company)
        return found

    def since(self, kind: type[Any], start: datetime) -> dict[str, Any]:
        """Records that changed since a time, by id."""
        found = [each for page in self.connection.changes(kind, Cursor(start), self.company) for each in page]
        assert len({each.erp_id for each in found}) == len(found)
        return {each.erp_id: each for each in found}


@pytest.fixture(scope="session", params=HARNESSES)
def world(request: pytest.FixtureRequest) -> World:
    """The ERP with one invoice in each of four currencies, of which a part is paid."""
    books = request.getfixturevalue(f"{request.param}_books")
    world = World(books, books.shared, books.shared.company(UK))
    for currency in CURRENCIES:
        world.billed[currency] = books.bill(UK, currency, PRICES, terms="Net 30")
        books.pay(UK, world.billed[currency].invoice, Decimal(100))
    return world


@pytest.fixture
def books(world: World) -> TrytonBooks:
    return world.books


def now() -> datetime:
    return datetime.now(UTC)


class TestInvoices:
    @pytest.mark.requirement("A01", "H04")
    @pytest.mark.parametrize("currency", CURRENCIES)
    def test_an_invoice_shows_what_the_erp_shows_to_the_cent(self, world: World, currency: str) -> None:
        billed = world.billed[currency]
        invoice, told = world.invoice(billed.invoice), world.books.told(UK, billed.invoice)
        assert (invoice.number, invoice.currency, invoice.company_currency) == (told["number"], currency, "GBP")
        assert (invoice.untaxed, invoice.tax, invoice.total, invoice.balance) == tuple(
            told[name] for name in ("untaxed_amount", "tax_amount", "total_amount", "amount_to_pay")
        )
        assert [line.amount for line in invoice.lines] == [line["amount"] for line in told["lines"]]
        assert [line.position for line in invoice.lines] == [1, 2, 3]
        assert sum(line.amount for line in invoice.lines) == invoice.untaxed
        assert invoice.total == invoice.untaxed + invoice.tax > 0
        assert invoice.balance == invoice.total - 100
        assert (invoice.type, invoice.status) == (InvoiceType.INVOICE, InvoiceStatus.PARTLY_PAID)
        assert (invoice.customer_id, invoice.order_ids, invoice.order_keys) == (
            billed.customer,
            (billed.order,),
            (billed.key,),
        )
        assert (invoice.payment_terms, invoice.due_date) == ("Net 30", world.books.today + timedelta(days=30))

    @pytest.mark.requirement("N01")
    @pytest.mark.parametrize("currency", CURRENCIES)
    def test_amounts_in_the_companys_currency_are_those_that_are_booked(self, world: World, currency: str) -> None:
        invoice = world.invoice(world.billed[currency].invoice)
        payment = world.payment_of(str(invoice.erp_id))
        assert invoice.company_total == world.books.told(UK, invoice.erp_id)["booked"]
        assert invoice.company_balance == invoice.company_total - payment.company_amount
        share = invoice.company_total * invoice.untaxed / invoice.total
        assert abs(invoice.company_untaxed - share) < Decimal("0.05")

    def test_what_is_not_posted_is_not_told_of(self, world: World, books: TrytonBooks) -> None:
        start, draft = now(), books.draft_invoice(UK)
        assert world.connection.read(Invoice, [draft]) == []
        assert draft not in world.since(Invoice, start)
        assert world.connection.existing(Invoice, [draft]) == frozenset()

    def test_a_credit_memo_is_negative_and_settles_what_it_credits(self, world: World, books: TrytonBooks) -> None:
        start, billed = now(), books.bill(UK, "USD", PRICES)
        before = world.invoice(billed.invoice)
        memo = books.credit(UK, billed.invoice)
        found = world.since(Invoice, start)
        credited, credit = found[billed.invoice], found[memo]
        assert (credited.type, credited.status, credited.balance) == (InvoiceType.INVOICE, InvoiceStatus.PAID, 0)
        assert (credit.type, credit.status, credit.balance) == (InvoiceType.CREDIT_MEMO, InvoiceStatus.PAID, 0)
        for name in ("untaxed", "tax", "total", "company_untaxed", "company_total"):
            assert getattr(credited, name) == getattr(before, name) == -getattr(credit, name), name
        assert [line.quantity for line in credit.lines] == [-3, -3, -3]
        assert (credit.order_ids, credit.order_keys) == ((billed.order,), (billed.key,))
        assert world.payments_of(billed.invoice) == world.payments_of(memo) == []

    def test_an_invoice_of_which_nothing_stands_is_cancelled(self, world: World, books: TrytonBooks) -> None:
        billed = books.bill(UK)
        start = now()
        books.cancel(UK, billed.invoice)
        invoice = world.since(Invoice, start)[billed.invoice]
        assert (invoice.status, invoice.balance, invoice.company_balance) == (InvoiceStatus.CANCELLED, 0, 0)
        assert (invoice.paid_on, invoice.total) == (None, 360)

    @pytest.mark.requirement("GB11")
    def test_a_customers_number_and_a_later_due_date_are_changes(self, world: World, books: TrytonBooks) -> None:
        noted, put_off = books.bill(UK), books.bill(UK)
        start, later = now(), books.today + timedelta(days=90)
        number = books.note_reference(UK, noted.invoice)
        books.put_off(UK, put_off.invoice, later)
        found = world.since(Invoice, start)
        assert found[noted.invoice].customer_reference == number
        assert found[put_off.invoice].due_date == later


class TestPayments:
    @pytest.mark.requirement("A01")
    @pytest.mark.parametrize("currency", CURRENCIES)
    def test_a_payment_has_the_amount_of_its_currency_and_the_one_that_is_booked(
        self, world: World, currency: str
    ) -> None:
        billed = world.billed[currency]
        payment = world.payment_of(billed.invoice)
        (part,) = payment.applications
        assert (payment.amount, payment.currency, payment.company_currency) == (100, currency, "GBP")
        assert (part.amount, part.currency, part.invoice_id) == (100, currency, billed.invoice)
        assert part.company_amount == payment.company_amount
        assert (payment.customer_id, payment.date, payment.method) == (billed.customer, world.books.today, "Cash")
        assert (payment.status, payment.reference) == (PaymentStatus.POSTED, f"Statement {billed.invoice}")

    @pytest.mark.parametrize("currency", CURRENCIES)
    def test_paying_the_rest_settles_the_invoice(self, world: World, books: TrytonBooks, currency: str) -> None:
        billed = books.bill(UK, currency, PRICES)
        books.pay(UK, billed.invoice, Decimal(40))
        start = now()
        books.pay(UK, billed.invoice)
        invoice = world.since(Invoice, start)[billed.invoice]
        assert (invoice.status, invoice.balance, invoice.company_balance) == (InvoiceStatus.PAID, 0, 0)
        assert invoice.paid_on == books.today
        found = world.since(Payment, start)
        assert sum(part.amount for each in found.values() for part in each.applications) == invoice.total
        assert sorted(each.amount for each in found.values()) == sorted([Decimal(40), invoice.total - 40])

    @pytest.mark.requirement("N01")
    def test_rates_that_have_changed_meanwhile_take_nothing_from_a_payment(
        self, world: World, books: TrytonBooks
    ) -> None:
        billed = books.bill(UK, "USD", PRICES)
        books.pay(UK, billed.invoice, on=books.earlier)
        invoice, payment = world.invoice(billed.invoice), world.payment_of(billed.invoice)
        (part,) = payment.applications
        assert part.amount == payment.amount == invoice.total
        assert part.company_amount == payment.company_amount != invoice.company_total
        assert (invoice.status, invoice.company_balance, payment.date) == (InvoiceStatus.PAID, 0, books.earlier)

    def test_one_payment_pays_several_invoices(self, world: World, books: TrytonBooks) -> None:
        first = books.bill(UK, "GBP", ("100.00",))
        second = books.bill(UK, "GBP", ("33.33",), to=first.customer)
        start = now()
        payment = books.pay_together(UK, [first.invoice, second.invoice])
        paid = world.since(Payment, start)[payment]
        assert [(part.invoice_id, part.amount, part.company_amount) for part in paid.applications] == [
            (first.invoice, 360, 360),
            (second.invoice, Decimal("119.99"), Decimal("119.99")),
        ]
        assert (paid.amount, paid.number is not None) == (Decimal("479.99"), True)
        assert {each.status for each in world.since(Invoice, start).values()} == {InvoiceStatus.PAID}

    def test_what_is_paid_too_much_is_applied_to_nothing(self, world: World, books: TrytonBooks) -> None:
        billed = books.bill(UK, "USD")
        books.pay(UK, billed.invoice, Decimal(400), over=True)
        payment = world.payment_of(billed.invoice)
        assert (payment.amount, [part.amount for part in payment.applications]) == (400, [360])
        assert world.invoice(billed.invoice).status is InvoiceStatus.PAID

    def test_a_refund_is_negative(self, world: World, books: TrytonBooks) -> None:
        billed = books.bill(UK, "USD")
        memo = books.credit(UK, billed.invoice, settle=False)
        assert world.invoice(memo).balance == world.invoice(memo).total == -360
        books.pay(UK, memo)
        refund = world.payment_of(memo)
        assert (refund.amount, [part.amount for part in refund.applications]) == (-360, [-360])
        assert refund.company_amount < 0
        assert world.invoice(memo).status is InvoiceStatus.PAID

    def test_credit_that_is_set_off_is_no_payment(self, world: World, books: TrytonBooks) -> None:
        billed = books.bill(UK, "GBP")
        memo = books.credit(UK, billed.invoice, settle=False)
        start = now()
        books.offset(UK, billed.invoice, memo)
        assert {each.status for each in world.since(Invoice, start).values()} == {InvoiceStatus.PAID}
        assert world.since(Payment, start) == {}

    @pytest.mark.requirement("GB11")
    def test_a_payment_that_is_taken_back_is_cancelled_and_the_invoice_is_owed_again(
        self, world: World, books: TrytonBooks
    ) -> None:
        billed = books.bill(UK, "USD")
        books.pay(UK, billed.invoice, Decimal(60))
        payment = world.payment_of(billed.invoice)
        start = now()
        books.take_back(UK, payment.erp_id)
        taken_back, invoice = world.since(Payment, start)[payment.erp_id], world.since(Invoice, start)[billed.invoice]
        assert (taken_back.status, taken_back.amount, taken_back.applications) == (PaymentStatus.CANCELLED, 60, ())
        assert (invoice.status, invoice.balance) == (InvoiceStatus.OPEN, 360)
        assert invoice.company_balance == invoice.company_total
        assert list(world.since(Payment, start)) == [payment.erp_id]

    @pytest.mark.requirement("GB11")
    def test_a_paid_invoice_that_is_opened_again_is_a_change_of_it_and_its_payment(
        self, world: World, books: TrytonBooks
    ) -> None:
        first = books.bill(UK, "GBP")
        payment = books.pay_together(UK, [first.invoice])
        start = now()
        books.reopen(UK, first.invoice)
        invoice, unapplied = world.since(Invoice, start)[first.invoice], world.since(Payment, start)[payment]
        assert (invoice.status, invoice.balance, invoice.paid_on) == (InvoiceStatus.OPEN, 360, None)
        assert (unapplied.status, unapplied.applications) == (PaymentStatus.POSTED, ())

    def test_a_payment_that_is_noted_at_an_invoice_no_more_is_a_change(self, world: World, books: TrytonBooks) -> None:
        first = books.bill(UK, "GBP")
        books.pay(UK, first.invoice, Decimal(10))
        payment = world.payment_of(first.invoice)
        start = now()
        books.forget_payments(UK, first.invoice)
        assert world.since(Payment, start)[payment.erp_id].applications == ()
        assert world.since(Invoice, start)[first.invoice].status is InvoiceStatus.OPEN


class TestOrders:
    @pytest.mark.requirement("H02", "H05")
    def test_the_status_follows_deliveries_and_invoices(self, world: World, books: TrytonBooks) -> None:
        order = books.order(UK)
        seen = [world.order(order).status]
        for step in (
            lambda: books.confirm(UK, order),
            lambda: books.ship(UK, order, 1),
            lambda: books.ship(UK, order),
            lambda: books.post(UK, books.invoices_of(UK, order)[0]),
        ):
            start = now()
            step()
            seen.append(world.since(SalesOrder, start)[order].status)
        assert seen == [
            OrderStatus.PENDING_APPROVAL,
            OrderStatus.APPROVED,
            OrderStatus.PARTLY_SHIPPED,
            OrderStatus.SHIPPED,
            OrderStatus.INVOICED,
        ]

    @pytest.mark.requirement("F04")
    def test_an_order_that_was_born_in_the_erp_has_no_key_and_keeps_its_reference(
        self, world: World, books: TrytonBooks
    ) -> None:
        start = now()
        born_here, typed = books.order(UK), books.order(UK, key="PO 4711 of Monday")
        ours = world.billed["EUR"]
        found = world.since(SalesOrder, start)
        assert [found[each].key for each in (born_here, typed)] == ["", ""]
        assert world.order(ours.order).key == ours.key
        assert found[born_here].created_by == "CRM Integration"
        assert [each.erp_id for each in world.connection.find(SalesOrder, [ours.key])[ours.key]] == [ours.order]

    def test_the_times_of_waiting_and_of_approval_are_those_of_the_erp(self, world: World, books: TrytonBooks) -> None:
        before = now()
        order = books.order(UK)
        quoted = now()
        waiting = world.order(order)
        assert waiting.pending_since is not None
        assert before - timedelta(seconds=1) <= waiting.pending_since <= quoted
        assert waiting.approved_at is None
        books.describe(UK, order, "Called on Monday")
        assert world.order(order).pending_since == waiting.pending_since
        books.confirm(UK, order)
        approved = world.order(order)
        assert approved.pending_since is None
        assert approved.approved_at is not None
        assert quoted - timedelta(seconds=1) <= approved.approved_at <= now()


class TestDeliveries:
    @pytest.mark.requirement("H04", "H05")
    def test_a_part_delivery_names_what_was_shipped_and_for_which_order(self, world: World, books: TrytonBooks) -> None:
        billed = books.bill(UK, "EUR", PRICES)
        start = now()
        shipment = books.ship(UK, billed.order, 1)
        found = world.since(Delivery, start)
        shipped = found[shipment]
        assert (shipped.status, shipped.shipped_on, shipped.is_return) == (DeliveryStatus.SHIPPED, books.today, False)
        assert [(line.sku, line.quantity) for line in shipped.lines] == [("NL-100", 1), ("NL-200", 1), ("NL-210", 1)]
        assert (shipped.order_ids, shipped.order_keys) == ((billed.order,), (billed.key,))
        assert shipped.customer_id == billed.customer
        (rest,) = [each for each in found.values() if each.erp_id != shipment and billed.order in each.order_ids]
        assert (rest.status, [line.quantity for line in rest.lines]) == (DeliveryStatus.PLANNED, [2, 2, 2])

    def test_what_comes_back_is_a_return(self, world: World, books: TrytonBooks) -> None:
        start = now()
        order = books.order(UK, quantity=-2)
        books.confirm(UK, order)
        books.take_in(UK, order)
        (back,) = [each for each in world.since(Delivery, start).values() if order in each.order_ids]
        assert (back.is_return, back.status) == (True, DeliveryStatus.SHIPPED)
        assert [line.quantity for line in back.lines] == [2]
        assert world.connection.read(Delivery, [back.erp_id], world.company) == [back]
        assert world.connection.existing(Delivery, [back.erp_id]) == {back.erp_id}


class TestStreams:
    @pytest.mark.requirement("GB11")
    @pytest.mark.parametrize("kind", DOCUMENTS)
    def test_all_records_come_once_in_the_order_of_time_and_id_and_are_counted(
        self, world: World, kind: type[Any]
    ) -> None:
        for company in (None, world.company):
            found = [each for page in world.connection.changes(kind, None, company) for each in page]
            places = [(each.modified_at, int(each.erp_id)) for each in found]
            assert places == sorted(places)
            assert len({each.erp_id for each in found}) == len(found) == world.connection.count(kind, company) > 0
        assert {each.company_id for each in found} == {world.company.id}

    @pytest.mark.parametrize("kind", DOCUMENTS)
    def test_a_record_reads_the_same_by_id_and_in_the_stream(self, world: World, kind: type[Any]) -> None:
        found = [each for page in world.connection.changes(kind, None, world.company) for each in page]
        assert world.connection.read(kind, [each.erp_id for each in found], world.company) == found

    def test_a_look_that_finds_nothing_new_costs_four_calls_for_invoices_and_payments(self, world: World) -> None:
        start = now() + timedelta(seconds=1)
        before = world.books.calls()
        assert [world.since(kind, start) for kind in (Invoice, Payment)] == [{}, {}]
        assert world.books.calls() - before <= 4

    def test_whether_anything_has_changed_is_told_in_two_calls_for_invoices_and_payments(self, world: World) -> None:
        before = world.books.calls()
        assert not world.connection.have_changed((Invoice, Payment), Cursor(now() + timedelta(seconds=1)))
        assert world.books.calls() - before <= 2
        (some, *_) = next(iter(world.connection.changes(Invoice, None, world.company)))
        assert world.connection.have_changed((Invoice, Payment), Cursor(some.modified_at))

    def test_a_page_of_documents_is_read_in_a_few_calls(self, world: World) -> None:
        before = world.books.calls()
        for kind in (Invoice, Payment):
            pages = list(world.connection.changes(kind, None, world.company))
            assert sum(len(page) for page in pages) > 4
        assert world.books.calls() - before <= 6

    @pytest.mark.parametrize("kind", DOCUMENTS)
    def test_what_is_not_there_does_not_exist(self, world: World, kind: type[Any]) -> None:
        (some, *_) = next(iter(world.connection.changes(kind, None, world.company)))
        asked = [some.erp_id, "999999999", "no id"]
        before = world.books.calls()
        assert world.connection.existing(kind, [*asked, *map(str, range(10**8, 10**8 + 4000))]) == {some.erp_id}
        assert world.books.calls() - before == 1

    @pytest.mark.requirement("GB09")
    def test_a_deleted_order_exists_no_more(self, world: World, books: TrytonBooks) -> None:
        gone, stays = books.order(UK), books.order(UK)
        books.delete_order(UK, gone)
        assert world.connection.existing(SalesOrder, [gone, stays]) == {stays}
        assert [each.erp_id for each in world.connection.read(SalesOrder, [gone, stays])] == [stays]


class TestBooks:
    def test_a_day_lies_in_a_fiscal_year_of_the_erp_or_in_its_calendar_year(self, world: World) -> None:
        year = world.books.today.year
        expected = FiscalYear(date(year, 1, 1), date(year, 12, 31))
        assert world.connection.fiscal_year(world.company, world.books.today) == expected
        assert world.connection.fiscal_year(world.company, date(1999, 5, 1)).start == date(1999, 1, 1)

    @pytest.mark.requirement("N01")
    def test_rates_are_for_one_of_the_companys_own_currency_on_that_day(self, world: World) -> None:
        day, per_euro = world.books.rates
        for company in world.connection.companies():
            rates = world.connection.rates(company, date.fromisoformat(day))
            for currency, rate in per_euro.items():
                assert rates[currency] == rate / per_euro[company.currency], (company.name, currency)
