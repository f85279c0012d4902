"""Laws of the read-only copies that a CRM keeps of an ERP's documents.

As in test_crm.py, a harness stands for one CRM: it lets another client read what was written. A CRM that keeps such
copies adds its harness (a fixture `<name>_documents`) to `HARNESSES` and keeps all laws.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Protocol

import pytest

from prefect_crm_erp.blocks.crm.base import CRM
from prefect_crm_erp.blocks.crm.values import CrmObject, DocumentObject, DocumentRow, Update, Upserted
from prefect_crm_erp.models.documents import InvoiceStatus, InvoiceType
from prefect_crm_erp.models.errors import (
    ConfigurationError,
    LockedRecordError,
    MissingReferenceError,
    RejectedRecordError,
    UnsupportedRecordError,
)

HARNESSES = ["salesforce"]
INVOICE, LINE = DocumentObject.INVOICE, DocumentObject.INVOICE_LINE
AWKWARD = 'O\'Brien, "100%"\r\n_Pure_\\ #N/A – Zürich 🚚'


class DocumentsHarness(Protocol):
    """What the laws need of a CRM that keeps copies of documents."""

    many: int
    """Rows of one kind from which on the CRM's bulk interface is used."""
    inactive_currency: str
    """A currency that the CRM knows and does not let anybody use."""

    def connect(self) -> CRM:
        """A connection that works."""

    def connect_with_currency(self, code: str | None) -> CRM:
        """A connection that says which currency the CRM has, if it has only one."""

    def keep_one_currency(self) -> None:
        """Let the CRM have one currency only."""

    def account(self, name: str = "Acme Corp", owner: str | None = None) -> str:
        """An account, and whose it is; its id."""

    def deal(self, account: str) -> str:
        """A closed and won opportunity; its id."""

    def product(self, sku: str, *, active: bool = True) -> str:
        """A product; its id."""

    def user(self, name: str, manager: str | None = None, *, active: bool = True) -> str:
        """A user; its id."""

    def delete_record(self, record_id: str) -> None:
        """Delete an account, opportunity or product."""

    def stored(self, kind: DocumentObject, *fields: str) -> dict[str, dict[str, Any]]:
        """Values of all copies of a kind by ERP id, as another client reads them."""

    def of_record(self, record_id: str, *fields: str) -> dict[str, Any]:
        """Values of an account or opportunity, as another client reads them."""

    def lock(self, kind: DocumentObject, erp_id: str, seconds: float) -> None:
        """Let somebody else hold a copy."""

    def refuse_one_of_many(self) -> None:
        """Let the bulk interface refuse the eighth row of the next job: "Closed: no more"."""

    def hold_some_of_many(self) -> None:
        """Let somebody else hold some rows of the next job."""

    def lose_answers_of_many(self, *, arrived: bool) -> None:
        """Let answers of the bulk interface be lost; the last one after or before the request was carried out."""

    def hide(self, kind: DocumentObject, field: str) -> None:
        """Do not show a field to the user."""

    def protect(self, kind: DocumentObject, field: str) -> None:
        """Do not let the user change a field."""

    def requests(self) -> int:
        """Requests since the harness was made or `forget_requests`."""

    def forget_requests(self) -> None:
        """Count from zero."""


@pytest.fixture(params=HARNESSES)
def crm(request: pytest.FixtureRequest) -> DocumentsHarness:
    return request.getfixturevalue(f"{request.param}_documents")


def invoice(erp_id: str = "I-1", currency: str | None = "EUR", **values: Any) -> DocumentRow:
    return DocumentRow(INVOICE, erp_id, {"number": f"INV/{erp_id}", "total": Decimal("119.00"), **values}, currency)


def line(erp_id: str, of: str = "I-1", currency: str | None = "EUR", **values: Any) -> DocumentRow:
    usual = {"invoice": of, "sku": "NL-1", "quantity": Decimal(2), "amount": Decimal("100.00")}
    return DocumentRow(LINE, erp_id, {**usual, **values}, currency)


def written(results: Sequence[Upserted]) -> None:
    assert [result.error for result in results if result.error] == []


def errors(results: Sequence[Upserted]) -> list[type[Exception] | None]:
    return [type(result.error) if result.error else None for result in results]


class TestWriting:
    @pytest.mark.requirement("K03")
    def test_another_client_sees_an_invoice_with_its_lines_its_account_and_its_products(
        self, crm: DocumentsHarness
    ) -> None:
        account = crm.account()
        deal, product = crm.deal(account), crm.product("NL-1")
        header = {
            "account_id": account,
            "opportunity_id": deal[:15],
            "type": InvoiceType.CREDIT_MEMO,
            "status": InvoiceStatus.PARTLY_PAID,
            "date": date(2026, 3, 1),
            "due_date": date(2026, 3, 31),
            "customer_reference": "PO 4711",
            "balance": Decimal("-19.05"),
            "company_currency": "USD",
            "company_total": Decimal("-130.905"),
            "modified_at": datetime(2026, 3, 2, 12, 30, tzinfo=UTC),
            "url": "https://erp.example.com/invoice/1",
        }
        rows = [line("L-1", product_id=product, position=1, unit_price=Decimal("49.999999")), invoice(**header)]
        written(crm.connect().write_documents(rows))
        (stored,) = crm.stored(INVOICE, "number", "currency", "total", "balance", *header).values()
        expected = header | {"number": "INV/I-1", "currency": "EUR", "total": Decimal("119.0"), "opportunity_id": deal}
        assert stored == {**expected, "date": "2026-03-01", "due_date": "2026-03-31"}
        (stored,) = crm.stored(LINE, "invoice", "product_id", "position", "quantity", "unit_price", "amount").values()
        assert (stored["invoice"], stored["product_id"]) == ("I-1", product)
        numbers = stored["position"], stored["quantity"], stored["unit_price"], stored["amount"]
        assert numbers == (1, 2, Decimal("49.999999"), 100)

    def test_every_kind_of_document_hangs_on_its_parent(self, crm: DocumentsHarness) -> None:
        kinds = DocumentObject
        moment = datetime(2026, 3, 2, 12, 30, tzinfo=UTC)
        rows = [
            DocumentRow(kinds.PAYMENT_APPLICATION, "A-1", {"payment": "P-1", "invoice": "I-1", "amount": Decimal(60)}),
            DocumentRow(kinds.PAYMENT, "P-1", {"method": "Bank", "date": date(2026, 3, 9), "amount": Decimal(60)}),
            DocumentRow(kinds.DELIVERY_LINE, "DL-1", {"delivery": "D-1", "quantity": Decimal(1)}),
            DocumentRow(kinds.DELIVERY, "D-1", {"order": "SO-1", "is_return": True, "tracking": "1Z"}),
            DocumentRow(kinds.ORDER_LINE, "OL-1", {"order": "SO-1", "amount": Decimal(60)}),
            DocumentRow(kinds.ORDER, "SO-1", {"pending_since": moment, "created_by": "Ray", "status": "Approved"}),
            DocumentRow(kinds.INVOICE, "I-1", {"order": "SO-1", "order_numbers": "SO-1, SO-2"}),
        ]
        written(crm.connect().write_documents(rows))
        assert crm.stored(kinds.ORDER, "pending_since", "created_by")["SO-1"] == {
            "pending_since": moment,
            "created_by": "Ray",
        }
        assert crm.stored(kinds.ORDER_LINE, "order")["OL-1"] == {"order": "SO-1"}
        assert crm.stored(kinds.DELIVERY, "order", "is_return")["D-1"] == {"order": "SO-1", "is_return": True}
        assert crm.stored(kinds.DELIVERY_LINE, "delivery")["DL-1"] == {"delivery": "D-1"}
        assert crm.stored(kinds.PAYMENT_APPLICATION, "payment", "invoice")["A-1"] == {
            "payment": "P-1",
            "invoice": "I-1",
        }

    def test_twice_the_same_call_makes_no_second_record(self, crm: DocumentsHarness) -> None:
        connection, rows = crm.connect(), [invoice(), line("L-1"), line("L-2")]
        first = connection.write_documents(rows)
        again = connection.write_documents([invoice("i-1 "), *rows[1:]])
        assert [result.created for result in first] == [True] * 3
        assert [(result.crm_id, result.created) for result in again] == [(each.crm_id, False) for each in first]
        assert len(crm.stored(INVOICE)) == 1
        assert set(crm.stored(LINE)) == {"L-1", "L-2"}

    def test_what_is_left_out_stays_and_none_empties_links_too(self, crm: DocumentsHarness) -> None:
        connection = crm.connect()
        order = DocumentRow(DocumentObject.ORDER, "SO-1", {"number": "SO-1"})
        written(
            connection.write_documents([order, invoice(order="SO-1", account_id=crm.account(), payment_terms="30")])
        )
        written(connection.write_documents([DocumentRow(INVOICE, "I-1", {"order": None, "payment_terms": None})]))
        (stored,) = crm.stored(INVOICE, "number", "order", "payment_terms", "account_id").values()
        assert (stored["number"], stored["order"], stored["payment_terms"]) == ("INV/I-1", None, None)
        assert stored["account_id"]

    @pytest.mark.requirement("N01")
    @pytest.mark.parametrize(
        ("currency", "amount"), [("EUR", "99999999999999.99"), ("JPY", "1234567"), ("KWD", "0.005"), ("KWD", "-1.255")]
    )
    def test_amounts_arrive_to_the_last_digit(self, crm: DocumentsHarness, currency: str, amount: str) -> None:
        exact = Decimal(amount)
        written(crm.connect().write_documents([invoice("I-1", currency, total=exact, company_total=exact)]))
        assert crm.stored(INVOICE, "total", "company_total")["I-1"] == {"total": exact, "company_total": exact}

    def test_texts_for_people_are_cut_and_what_identifies_is_refused(self, crm: DocumentsHarness) -> None:
        rows = [
            invoice("I-1", payment_terms="x🚚" * 400),
            invoice("I-2", number="9" * 500),
            invoice("I-3", number=None),
            line("L-1", description=AWKWARD),
        ]
        results = crm.connect().write_documents(rows)
        assert errors(results) == [None, RejectedRecordError, None, None]
        stored = crm.stored(INVOICE, "number", "payment_terms")
        assert stored["I-1"]["payment_terms"].startswith("x🚚x🚚")
        assert stored["I-3"]["number"] == "I-3"
        assert crm.stored(LINE, "description")["L-1"]["description"] == AWKWARD

    def test_what_cannot_be_written_is_refused_before_any_request(self, crm: DocumentsHarness) -> None:
        connection = crm.connect()
        written(connection.write_documents([invoice()]))
        crm.forget_requests()
        wrong = [
            invoice(total=119.0),
            invoice("I-2", amount_due=Decimal(1)),
            invoice("I-3", account_id="no id"),
            invoice("I-4", date="1 March"),
            invoice(" "),
        ]
        assert set(errors(connection.write_documents(wrong))) == {UnsupportedRecordError}
        assert connection.write_documents([]) == []
        assert crm.requests() == 0

    def test_documents_stand_once_they_are_begun_while_their_lines_are_under_way(self, crm: DocumentsHarness) -> None:
        handed_in = crm.connect().hand_in_documents([line("L-1", "I-1"), invoice("I-1")])
        assert not crm.stored(INVOICE)
        under_way = handed_in.begin()
        assert under_way.answered[1].error is None
        assert set(crm.stored(INVOICE)) == {"I-1"}
        results = under_way.finish()
        written(results)
        assert len(results) == 2
        assert crm.stored(LINE, "invoice")["L-1"]["invoice"] == "I-1"


class TestRefusals:
    @pytest.mark.requirement("T06")
    def test_a_refused_document_takes_its_lines_along_and_nothing_else(self, crm: DocumentsHarness) -> None:
        rows = [
            invoice("I-1"),
            invoice("I-2", crm.inactive_currency),
            line("L-1", "I-1"),
            line("L-2", "I-2"),
            line("L-3", "I-1"),
        ]
        results = crm.connect().write_documents(rows)
        assert errors(results) == [None, RejectedRecordError, None, MissingReferenceError, None]
        refused, orphaned = results[1].error, results[3].error
        assert isinstance(refused, RejectedRecordError)
        assert refused.code
        assert crm.inactive_currency in refused.message
        assert orphaned
        assert refused.message in orphaned.message
        assert set(crm.stored(LINE)) == {"L-1", "L-3"}

    def test_a_link_that_leads_nowhere_waits(self, crm: DocumentsHarness) -> None:
        gone = crm.account()
        crm.delete_record(gone)
        absent = f"{gone[:8]}zzzzzzz"
        rows = [
            invoice("I-1", account_id=gone),
            invoice("I-2", account_id=absent),
            invoice("I-3", order="SO-9"),
            invoice("I-4"),
            line("L-1", "I-9"),
        ]
        results = crm.connect().write_documents(rows)
        assert errors(results) == [MissingReferenceError] * 3 + [None, MissingReferenceError]
        assert set(crm.stored(INVOICE)) == {"I-4"}

    def test_of_several_rows_with_one_key_the_first_counts(self, crm: DocumentsHarness) -> None:
        rows = [invoice("I-1", total=Decimal(1)), invoice("i-1", total=Decimal(2)), line("L-1", "I-1")]
        assert errors(crm.connect().write_documents(rows)) == [None, UnsupportedRecordError, None]
        assert crm.stored(INVOICE, "total") == {"I-1": {"total": 1}}

    def test_a_copy_that_somebody_holds_for_a_moment_is_tried_again(self, crm: DocumentsHarness) -> None:
        connection = crm.connect()
        connection.write_documents([invoice("I-1"), invoice("I-2")])
        crm.lock(INVOICE, "I-1", 0.7)
        written(connection.write_documents([invoice("I-1", total=Decimal(5))]))
        crm.lock(INVOICE, "I-1", 600)
        results = connection.write_documents([invoice("I-1", total=Decimal(6)), invoice("I-2", total=Decimal(6))])
        assert errors(results) == [LockedRecordError, None]

    def test_amounts_in_another_currency_than_the_systems_only_one_are_refused(self, crm: DocumentsHarness) -> None:
        crm.keep_one_currency()
        results = crm.connect_with_currency("EUR").write_documents([invoice("I-1", "EUR"), invoice("I-2", "USD")])
        assert errors(results) == [None, UnsupportedRecordError]
        with pytest.raises(ConfigurationError, match="only one currency"):
            crm.connect_with_currency(None).write_documents([invoice("I-1", "EUR")])


class TestMany:
    def rows(self, count: int) -> list[DocumentRow]:
        """Invoices with three lines each, with values of every kind."""
        return [
            row
            for n in range(count)
            for row in (
                *(
                    line(f"L-{n}-{m}", f"I-{n}", description=AWKWARD, unit=None, unit_price=Decimal("0.000001"))
                    for m in range(3)
                ),
                invoice(f"I-{n}", status=InvoiceStatus.OPEN, date=date(2026, 1, 1), tax=Decimal("1E+1"), paid_on=None),
            )
        ]

    @pytest.mark.requirement("GB12")
    def test_many_rows_give_the_same_as_few_and_cost_few_calls(self, crm: DocumentsHarness) -> None:
        rows, connection = self.rows(crm.many), crm.connect()
        few = rows[:8]
        written(connection.write_documents(few))
        seen = ("invoice", "description", "unit_price", "amount", "currency", "unit", "quantity")
        by_collections = crm.stored(LINE, *seen) | crm.stored(INVOICE, "status", "date", "tax", "total", "paid_on")
        crm.forget_requests()
        results = connection.write_documents(rows)
        written(results)
        assert len(results) == 4 * crm.many
        calls = crm.requests()
        lines, invoices = crm.stored(LINE, *seen), crm.stored(INVOICE, "status", "date", "tax", "total", "paid_on")
        assert (len(lines), len(invoices)) == (3 * crm.many, crm.many)
        assert {key: (lines | invoices)[key] for key in by_collections} == by_collections
        assert lines["L-7-2"]["invoice"] == "I-7"
        assert calls <= 14

    def test_a_refused_row_among_many_has_the_systems_words_and_its_lines_wait(self, crm: DocumentsHarness) -> None:
        crm.refuse_one_of_many()
        invoices = [invoice(f"I-{n}") for n in range(crm.many)]
        results = crm.connect().write_documents([*invoices, line("L-1", "I-7"), line("L-2", "I-8")])
        refused = [result.error for result in results if result.error]
        assert errors(results[7:8]) == [RejectedRecordError]
        assert refused[0].message == "Closed: no more"
        assert [getattr(refused[0], "code", ""), getattr(refused[0], "fields", ())] == [
            "FIELD_CUSTOM_VALIDATION_EXCEPTION",
            ("Status__c",),
        ]
        assert errors(results[-2:]) == [MissingReferenceError, None]
        assert len(refused) == 2

    def test_many_lines_wait_only_where_their_document_was_refused(self, crm: DocumentsHarness) -> None:
        crm.refuse_one_of_many()
        invoices = [invoice(f"I-{n}") for n in range(crm.many)]
        lines = [line(f"L-{n}", f"I-{n}") for n in range(crm.many)]
        results = crm.connect().write_documents([*invoices, *lines])
        refused = [index for index, result in enumerate(results) if result.error]
        assert refused == [7, crm.many + 7]
        assert errors(results[crm.many + 7 : crm.many + 8]) == [MissingReferenceError]
        assert set(crm.stored(LINE)) == {f"L-{n}" for n in range(crm.many) if n != 7}

    def test_rows_that_somebody_holds_while_many_are_written_are_tried_again(self, crm: DocumentsHarness) -> None:
        crm.hold_some_of_many()
        written(crm.connect().write_documents([invoice(f"I-{n}") for n in range(crm.many)]))
        assert len(crm.stored(INVOICE)) == crm.many

    @pytest.mark.requirement("GB02")
    @pytest.mark.parametrize("arrived", [True, False])
    def test_lost_answers_of_the_bulk_interface_lose_and_double_nothing(
        self, crm: DocumentsHarness, arrived: bool
    ) -> None:
        connection = crm.connect()
        crm.lose_answers_of_many(arrived=arrived)
        written(connection.write_documents([invoice(f"I-{n}") for n in range(crm.many)]))
        assert len(crm.stored(INVOICE)) == crm.many


class TestDeleting:
    @pytest.mark.requirement("GB09")
    def test_what_belongs_to_a_document_goes_with_it_and_what_is_gone_counts_as_done(
        self, crm: DocumentsHarness
    ) -> None:
        connection = crm.connect()
        connection.write_documents([invoice("I-1"), invoice("I-2"), line("L-1", "I-1"), line("L-2", "I-2")])
        written(connection.delete_documents(INVOICE, ["i-1", "I-1", "O'Brien \\", ""]))
        assert (set(crm.stored(INVOICE)), set(crm.stored(LINE))) == ({"I-2"}, {"L-2"})
        written(connection.delete_documents(INVOICE, ["I-1"]))
        assert connection.write_documents([invoice("I-1")])[0].created

    def test_many_are_deleted_in_few_calls(self, crm: DocumentsHarness) -> None:
        connection = crm.connect()
        keys = [f"{'x' * 80} {n}" for n in range(450)]
        written(connection.write_documents([invoice(key, number="1") for key in keys]))
        crm.forget_requests()
        written(connection.delete_documents(INVOICE, keys))
        assert crm.stored(INVOICE) == {}
        assert crm.requests() <= 9

    def test_a_document_that_cannot_be_deleted_has_the_systems_words(self, crm: DocumentsHarness) -> None:
        connection = crm.connect()
        connection.write_documents([invoice("I-1"), invoice("I-2")])
        crm.lock(INVOICE, "I-1", 600)
        assert errors(connection.delete_documents(INVOICE, ["I-1", "I-2"])) == [LockedRecordError, None]


class TestFields:
    @pytest.mark.requirement("GB13")
    def test_a_complete_system_misses_nothing(self, crm: DocumentsHarness) -> None:
        assert crm.connect().missing_document_fields(list(DocumentObject)) == []
        assert crm.connect().missing_document_fields([]) == []

    @pytest.mark.requirement("GB13")
    @pytest.mark.parametrize("field", ["total", "order", "number"])
    def test_a_field_that_is_hidden_or_protected_is_named(self, crm: DocumentsHarness, field: str) -> None:
        crm.hide(INVOICE, field)
        (hidden,) = crm.connect().missing_document_fields([INVOICE, LINE])
        crm.forget_requests()
        crm.protect(INVOICE, field)
        (protected,) = crm.connect().missing_document_fields([INVOICE, LINE])
        assert protected == f"{hidden} (read-only)"
        assert crm.connect().missing_document_fields([DocumentObject.PAYMENT]) == []


class TestAccountsAndDeals:
    @pytest.mark.requirement("K05", "K06")
    def test_an_account_shows_its_sales_and_a_deal_how_far_its_order_is(self, crm: DocumentsHarness) -> None:
        account = crm.account()
        deal, moment = crm.deal(account), datetime(2026, 3, 2, 12, 30, tzinfo=UTC)
        sales = {
            "erp_sales_last_year": Decimal("120000.55"),
            "erp_overdue_balance": Decimal("19.05"),
            "erp_days_overdue": 12,
            "erp_days_to_pay": Decimal("33.5"),
            "erp_last_invoice_on": date(2026, 3, 1),
            "erp_last_invoice_number": "INV-2",
            "erp_last_invoice_status": "Partly Paid",
            "erp_last_invoice_terms": "Net 30",
        }
        progress = {
            "erp_pending_since": moment,
            "erp_invoice_number": "INV-1, INV-2",
            "erp_invoice_status": "Open",
            "erp_payment_terms": "Net 30",
            "erp_shipped_on": None,
        }
        updates = [Update(CrmObject.ACCOUNT, account, sales), Update(CrmObject.OPPORTUNITY, deal, progress)]
        assert [result.error for result in crm.connect().write_back(updates)] == [None, None]
        assert crm.of_record(account, *sales) == {**sales, "erp_last_invoice_on": "2026-03-01"}
        shown = crm.of_record(deal, *progress)
        assert datetime.fromisoformat(shown.pop("erp_pending_since")) == moment
        assert shown == {name: value for name, value in progress.items() if name != "erp_pending_since"}


class TestLookups:
    @pytest.mark.requirement("K04")
    def test_products_are_found_by_sku_unless_it_is_not_clear_which(self, crm: DocumentsHarness) -> None:
        found = crm.product("NL-1")
        crm.product("NL-2")
        crm.product("nl-2")
        current = crm.product("NL-3")
        crm.product("NL-3", active=False)
        old = crm.product("O'Brien \\", active=False)
        skus = ["nl-1", "NL-2", "NL-3", "O'Brien \\", "NL-9", ""]
        expected = {"nl-1": found, "NL-3": current, "O'Brien \\": old}
        connection = crm.connect()
        assert connection.product_ids(skus) == expected
        crm.forget_requests()
        assert connection.product_ids([*skus, *(f"SKU-{n}" for n in range(1_000))]) == expected
        assert crm.requests() <= 2
        assert connection.product_ids([]) == {}

    @pytest.mark.requirement("R03")
    @pytest.mark.requirement("BB02")
    def test_accounts_come_with_their_owner(self, crm: DocumentsHarness) -> None:
        rep = crm.user("Rep")
        owned, gone = crm.account("Owned", owner=rep), crm.account("Gone")
        crm.delete_record(gone)
        found = crm.connect().owners([owned[:15], gone, rep, "no id"])
        assert {account: owner.id for account, owner in found.items()} == {owned: rep}
        assert found[owned].name == "Rep"

    def test_people_come_with_their_manager_and_whether_they_are_still_there(self, crm: DocumentsHarness) -> None:
        manager = crm.user("Boss")
        rep = crm.user("Rep", manager, active=False)
        found = crm.connect().people([rep[:15], manager, crm.account(), "no id"])
        assert set(found) == {rep, manager}
        assert (found[rep].name, found[rep].is_active) == ("Rep", False)
        assert found[rep].manager == found[manager]
        assert found[manager].manager is None
        assert found[manager].email
