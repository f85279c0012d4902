"""Laws of documents: what is remembered of them, whose they are, and which accounts show figures that do not hold."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prefect_crm_erp.blocks.ledger import Document, LedgerStore, ShownSales
from prefect_crm_erp.models.collection import Collected, collection_summary
from prefect_crm_erp.models.documents import InvoiceStatus, InvoiceType
from prefect_crm_erp.models.records import AccountSales
from prefect_crm_erp.models.sales import account_sales, by_account

from .ledger_fixtures import Ledgers

TODAY, YEAR = date(2026, 3, 15), date(2026, 1, 1)
LATER = TODAY + timedelta(days=1)
SALES = AccountSales(
    erp_sales_this_year=Decimal("92000.10"),
    erp_open_balance=Decimal("-0.50"),
    erp_days_overdue=3,
    erp_days_to_pay=Decimal("30.5"),
    erp_last_invoice_on=date(2026, 2, 28),
    erp_last_invoice_number="INV-7",
    erp_last_invoice_status="Open",
    erp_last_invoice_terms="Net 30",
)

amounts = st.none() | st.decimals(allow_nan=False, allow_infinity=False)
texts = st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
days = st.none() | st.dates()
references = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), max_size=4).map(tuple)
ids = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=255)
payments = st.builds(
    Document,
    kind=st.just("payment"),
    erp=st.just("tryton"),
    erp_id=ids,
    account=st.none() | ids,
    order_ids=references,
    children=references,
    **dict.fromkeys(("number", "fingerprint", "type", "status", "currency"), texts),
    **dict.fromkeys(("issued_on", "due_date", "paid_on"), days),
    **dict.fromkeys(("untaxed", "total", "balance", "company_untaxed", "company_total"), amounts),
    modified_at=st.none() | st.datetimes(datetime(1990, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),
)


def invoice(erp_id: str, account: str | None = "001A", **changes: object) -> Document:
    made = Document(
        kind="invoice",
        erp="tryton",
        erp_id=erp_id,
        number=f"INV-{erp_id}",
        company="1",
        customer_id="17",
        account=account,
        order_ids=("7", "8"),
        fingerprint="digest",
        children=(f"tryton-{erp_id}-1", f"tryton-{erp_id}-2"),
        type=InvoiceType.INVOICE,
        status=InvoiceStatus.OPEN,
        currency="EUR",
        company_currency="USD",
        issued_on=date(2026, 2, 1),
        due_date=date(2026, 3, 1),
        untaxed=Decimal("100.00"),
        total=Decimal("119.00"),
        balance=Decimal("19.00"),
        company_untaxed=Decimal("110.00"),
        company_total=Decimal("130.90"),
        company_balance=Decimal("20.90"),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def outdated(store: LedgerStore, today: date = TODAY, years_began: date = YEAR) -> list[str]:
    return [each.account for page in store.outdated_sales(today, years_began) for each in page]


def show(store: LedgerStore, today: date = TODAY, years_began: date = YEAR) -> None:
    """What a run does about accounts whose figures do not hold, without the CRM."""
    for page in store.outdated_sales(today, years_began):
        store.note_sales("run", today, [replace(each, sales=SALES) for each in page])


def held(store: LedgerStore, *accounts: str) -> list[tuple[str, str]]:
    return [(each.account, each.erp_id) for each in store.account_documents(accounts)]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(payments, payments)
def test_a_document_comes_back_exactly_and_the_later_one_holds(
    ledgers: Ledgers, first: Document, second: Document
) -> None:
    store = ledgers.store()
    for document in (first, replace(second, erp_id=first.erp_id)):
        store.save_documents([document])
        assert store.documents("payment", "tryton", [first.erp_id, "another"]) == {
            first.erp_id: replace(document, written_at=ledgers.clock.now)
        }
    assert store.count_documents("payment", "tryton") == 1


def test_of_several_with_one_id_the_last_holds_and_each_kind_and_erp_has_ids_of_its_own(
    ledgers: Ledgers, store: LedgerStore
) -> None:
    others = [invoice("1", erp="netsuite"), replace(invoice("1"), kind="order")]
    store.save_documents([invoice("1", number="old"), *others, invoice("1", number="new")])
    assert [each.number for each in store.documents("invoice", "tryton", ["1", "2"]).values()] == ["new"]
    store.drop_documents("invoice", "tryton", ["1", "never there"])
    assert store.documents("invoice", "tryton", ["1"]) == {}
    assert store.documents("invoice", "netsuite", ["1"])
    assert store.documents("order", "tryton", ["1"])
    assert ledgers.store().documents("order", "tryton", ["1"]) == {}


@pytest.mark.requirement("GB09")
def test_ids_come_in_pages_each_once_also_while_what_is_gone_is_dropped(store: LedgerStore) -> None:
    numbers = sorted(str(number) for number in range(25))
    store.save_documents([invoice(number, fingerprint=None if number > "5" else "digest") for number in numbers])
    store.save_documents([invoice("0", erp="netsuite"), replace(invoice("0"), kind="payment")])
    seen = []
    for page in store.document_ids("invoice", "tryton", page_size=7):
        assert 1 <= len(page) <= 7
        seen += page
        store.drop_documents("invoice", "tryton", page[::2])
    assert seen == numbers
    assert store.count_documents("invoice", "tryton") == 11
    waiting = [number for page in store.document_ids("invoice", "tryton", waiting_only=True) for number in page]
    assert waiting
    assert waiting == sorted(number for number in waiting if number > "5")


@pytest.mark.requirement("GB01")
def test_one_document_that_cannot_be_stored_leaves_all_unstored(store: LedgerStore) -> None:
    many = [invoice(str(number)) for number in range(2500)]
    for broken in (invoice("99999", untaxed=1.5), invoice("99999", company_balance=None), invoice("99999", type="?")):
        with pytest.raises(ValueError, match=r"not exact|has no company_balance|not a valid InvoiceType"):
            store.save_documents([*many, broken])
        assert store.count_documents("invoice", "tryton") == 0
        assert outdated(store) == []
    store.save_documents(many)
    assert len(store.documents("invoice", "tryton", [each.erp_id for each in many])) == 2500


@pytest.mark.requirement("K08")
@pytest.mark.parametrize("page_size", [1, 3, 1000])
def test_the_invoices_of_accounts_come_account_by_account_whatever_the_page(store: LedgerStore, page_size: int) -> None:
    accounts = [f"001{number:03}" for number in range(250)]
    made = [invoice(f"{account} {number}", account) for account in accounts[::3] for number in range(4)]
    made += [invoice("1", accounts[3], erp="netsuite"), invoice("1", accounts[3], type=InvoiceType.CREDIT_MEMO)]
    left_out = [invoice("waits", None), replace(invoice("order", accounts[3]), kind="order")]
    store.save_documents([*made[::-1], *left_out])
    asked = accounts[:200]
    expected = sorted((each.account, each.erp, each.erp_id) for each in made if each.account in asked)
    found = list(store.account_documents(asked, page_size))
    assert [(each.account, each.erp, each.erp_id) for each in found] == expected
    (memo,) = [each for each in found if each.type is InvoiceType.CREDIT_MEMO]
    assert (memo.company_id, memo.order_ids, memo.untaxed, memo.company_balance) == (
        "1",
        ("7", "8"),
        Decimal("100.00"),
        Decimal("20.90"),
    )


@pytest.mark.requirement("K05")
@pytest.mark.requirement("L02")
def test_figures_are_worked_out_from_the_ledger_alone(store: LedgerStore) -> None:
    paid = invoice("2", status=InvoiceStatus.PAID, paid_on=date(2026, 2, 11), balance=Decimal(0), order_ids=("9",))
    store.save_documents([invoice("1"), paid, invoice("3", "001B", balance=Decimal(5), due_date=TODAY)])
    figures = {
        account: account_sales(mine, currency="EUR", today=TODAY, year={}, last_year={}, convert=lambda *_: Decimal(0))
        for account, mine in by_account({"001A", "001B", "001C"}, store.account_documents({"001A", "001B", "001C"}))
    }
    shown = figures["001A"]
    assert (shown.erp_sales_this_year, shown.erp_open_balance, shown.erp_overdue_balance) == (200, 19, 19)
    assert (shown.erp_days_overdue, shown.erp_days_to_pay, shown.erp_last_invoice_number) == (14, 10, "INV-2")
    assert shown.erp_average_order == Decimal("66.67")
    assert (figures["001B"].erp_open_balance, figures["001B"].erp_overdue_balance) == (5, 0)
    assert figures["001C"].erp_open_balance == 0


@pytest.mark.requirement("BB02")
@pytest.mark.parametrize("page_size", [1, 4, 1000])
def test_what_was_ordered_and_collected_in_a_period_is_summed_up_from_the_ledger(
    store: LedgerStore, page_size: int
) -> None:
    first, last = date(2026, 1, 1), date(2026, 1, 31)
    issued = [first - timedelta(days=1), first, last, last + timedelta(days=1)]
    entered = [invoice(str(number), issued_on=day, erp=erp) for number, day in enumerate(issued) for erp in "AB"]
    store.save_documents([replace(each, kind=kind) for each in entered for kind in ("invoice", "order", "payment")])
    store.save_documents([replace(entered[2], kind="payment", total=Decimal("19.00"))])
    documents = [
        each
        for kind in ("order", "invoice", "payment")
        for page in store.document_pages(kind, first, last, page_size)
        for each in page
    ]
    assert len(documents) == 12
    assert collection_summary(documents, lambda each: each.account) == {
        ("001A", "EUR"): Collected(Decimal("476.00"), Decimal("476.00"), Decimal("376.00"))
    }


@pytest.mark.requirement("BB05")
def test_what_an_account_shows_comes_back_exactly_and_does_not_become_outdated_by_itself(store: LedgerStore) -> None:
    store.save_documents([invoice("1", balance=Decimal("0.00"), company_balance=Decimal(0)), invoice("2", None)])
    assert list(store.outdated_sales(TODAY, YEAR)) == [[ShownSales("001A", 1, None)]]
    show(store)
    assert outdated(store, LATER) == []
    assert store.shown_sales(["001A", "001B"]) == {"001A": ShownSales("001A", 1, SALES)}
    assert outdated(store, date(2027, 1, 1), years_began=date(2027, 1, 1)) == ["001A"]
    show(store, date(2027, 1, 1), years_began=date(2027, 1, 1))
    assert outdated(store, date(2027, 1, 2), years_began=date(2027, 1, 1)) == []


@pytest.mark.requirement("L02")
def test_an_account_with_an_open_document_past_its_due_date_is_outdated_once_a_day(store: LedgerStore) -> None:
    store.save_documents([invoice("1", due_date=TODAY), invoice("2", "001B", due_date=None)])
    store.save_documents([invoice("3", "001C", balance=Decimal(0)), replace(invoice("4", "001D"), kind="payment")])
    show(store)
    assert outdated(store) == []
    assert outdated(store, LATER) == ["001A"]
    show(store, LATER)
    assert outdated(store, LATER) == []
    assert outdated(store, LATER + timedelta(days=1)) == ["001A"]


@pytest.mark.requirement("BB05")
def test_a_change_that_comes_while_figures_are_worked_out_is_not_lost(store: LedgerStore) -> None:
    store.save_documents([invoice("1"), invoice("2", "001B")])
    ((first, second),) = store.outdated_sales(TODAY, YEAR)
    store.save_documents([invoice("1", balance=Decimal(1))])
    store.note_sales("run", TODAY, [replace(first, sales=SALES), replace(second, sales=SALES)])
    assert outdated(store) == ["001A"]
    show(store)
    assert outdated(store) == []


@pytest.mark.requirement("GB09")
def test_an_account_whose_invoice_is_dropped_or_goes_to_another_account_is_outdated(store: LedgerStore) -> None:
    store.save_documents([invoice("1"), invoice("2", "001B"), invoice("3", "001C")])
    show(store)
    store.drop_documents("invoice", "tryton", ["1"])
    assert outdated(store) == ["001A"]
    show(store)
    store.save_documents([invoice("2", "001C")])
    assert outdated(store) == ["001B", "001C"]
    assert held(store, "001A", "001B", "001C") == [("001C", "2"), ("001C", "3")]
    show(store)
    store.save_documents([replace(invoice("9", "001A"), kind="order")])
    store.drop_documents("order", "tryton", ["9"])
    assert outdated(store) == []


@pytest.mark.requirement("GB09")
def test_the_documents_of_a_merged_account_go_to_the_survivor(ledgers: Ledgers, store: LedgerStore) -> None:
    other = ledgers.store()
    for each in (store, other):
        each.save_documents([invoice("1"), invoice("2", "001B"), replace(invoice("3"), kind="payment")])
        show(each)
    ((merged, _),) = store.outdated_sales(TODAY, LATER)
    assert store.move_documents("001A", "001B") == 2
    assert held(store, "001A", "001B") == [("001B", "1"), ("001B", "2")]
    assert store.documents("payment", "tryton", ["3"])["3"].account == "001B"
    assert outdated(store) == ["001B"]
    store.note_sales("run", TODAY, [merged])
    assert set(store.shown_sales(["001A", "001B"])) == {"001B"}
    assert store.move_documents("001A", "001B") == store.move_documents("001B", "001B") == 0
    assert held(other, "001A") == [("001A", "1")]
    assert outdated(other) == []


@pytest.mark.requirement("GB09")
def test_the_documents_of_a_deleted_account_wait_and_are_written_anew_when_it_is_back(store: LedgerStore) -> None:
    store.save_documents([invoice("1"), invoice("2", "001B")])
    assert store.move_documents("001A", None) == 1
    (waiting,) = store.documents("invoice", "tryton", ["1"]).values()
    assert (waiting.account, waiting.fingerprint) == (None, None)
    assert list(store.document_ids("invoice", "tryton", waiting_only=True)) == [["1"]]
    assert outdated(store) == ["001B"]
    store.save_documents([invoice("1")])
    assert outdated(store) == ["001A", "001B"]


@pytest.mark.requirement("GB01")
def test_runs_that_save_the_same_documents_at_once_wait_for_each_other(ledgers: Ledgers, store: LedgerStore) -> None:
    def save(run: int) -> None:
        numbers = range(300) if run % 2 else range(299, -1, -1)
        store.save_documents([invoice(str(number), f"001{number % 7}", number=f"run {run}") for number in numbers])

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(save, range(6)))
    found = store.documents("invoice", "tryton", [str(number) for number in range(300)])
    assert len(found) == 300
    assert len({each.number for each in found.values()}) == 1
    assert {each.changes for page in store.outdated_sales(TODAY, YEAR) for each in page} == {6}
