"""The light stand-in for Tryton, next to the real one: with the same documents the connector reads the same of both."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from fixtures_documents import TrytonBooks
from fixtures_tryton import TrytonHarness
from pydantic import SecretStr

from benchmarks.invoices_books import documents, fill, on_the_wire
from benchmarks.invoices_data import change_some, sample_customers, sample_invoices
from benchmarks.light_erp.process import change_records, light_erp
from benchmarks.light_erp.schema import MODELS, Parts, Several, UnknownToStandIn
from benchmarks.light_erp.store import Store
from benchmarks.tryton_client import TrytonReader
from prefect_crm_erp.blocks.erp.tryton import Tryton
from prefect_crm_erp.models.documents import Invoice, InvoiceStatus, Payment
from prefect_crm_erp.models.errors import RejectedRecordError
from prefect_crm_erp.models.paging import Cursor
from prefect_crm_erp.sandbox.tryton import TrytonAccess

COUNT = 60
KINDS = (Invoice, Payment)
TODAY = datetime(2026, 6, 1, tzinfo=UTC)


def connect(access: TrytonAccess) -> Tryton:
    return Tryton(
        server_url=access.url,
        database=access.database,
        username=access.user,
        password=SecretStr(access.password),
    )


def read(erp: Tryton, kind: type[Any], since: Cursor | None = None) -> list[Any]:
    return [each for page in erp.changes(kind, since) for each in page]


def copy(access: TrytonAccess, file: Path) -> None:
    """Copy what the stand-in has fields for from the real Tryton."""
    reader, store = TrytonReader(access), Store(file)
    for model, fields in MODELS.items():
        names = [
            name
            for name, field in fields.items()
            if not isinstance(field, Parts) and (not isinstance(field, Several) or field.is_kept_here)
        ]
        store.save(model, reader.rows(model, [], names))
    store.close()


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrytonAccess]:
    """The stand-in with sample invoices."""
    file = tmp_path_factory.mktemp("light") / "erp.sqlite"
    store = Store(file)
    invoices = sample_invoices(COUNT, TODAY.date())
    fill(store, sample_customers(COUNT), invoices, TODAY - timedelta(days=9))
    store.close()
    with light_erp(file) as access:
        yield access


def test_the_connector_reads_the_same_of_it_as_of_the_real_one(
    tryton_demo: TrytonAccess, tryton_books: TrytonBooks, tryton_line: TrytonHarness, tmp_path: Path
) -> None:
    books = tryton_books
    opened = books.bill("US", "USD", ("120.00", "19.99"))
    paid = books.bill("DE", "USD", ("55.50",))
    books.pay("US", opened.invoice, Decimal(20))
    books.pay("DE", paid.invoice)
    books.credit("US", opened.invoice, settle=False)
    copy(tryton_demo, tmp_path / "erp.sqlite")
    with light_erp(tmp_path / "erp.sqlite") as access:
        light, real = connect(access), connect(tryton_demo)
        assert [company.name for company in light.companies()] == [company.name for company in real.companies()]
        for kind in KINDS:
            expected = read(real, kind)
            assert read(light, kind) == expected
            assert light.count(kind) == real.count(kind) == len(expected) > 0
            middle = Cursor(expected[len(expected) // 2].modified_at)
            assert read(light, kind, middle) == read(real, kind, middle)
            ids = [each.erp_id for each in expected]
            assert light.existing(kind, [*ids, "999999"]) == real.existing(kind, [*ids, "999999"]) == set(ids)
        later = Cursor(datetime.now(UTC) + timedelta(hours=1))
        assert light.have_changed(KINDS, later) is real.have_changed(KINDS, later) is False
        assert light.have_changed(KINDS, middle) is real.have_changed(KINDS, middle) is True


def test_sample_documents_have_three_lines_and_add_up(sample: TrytonAccess) -> None:
    invoices = read(connect(sample), Invoice)
    expected = {each.name: each for each in sample_invoices(COUNT, TODAY.date())}
    assert len(invoices) == len(expected) == COUNT
    for invoice in invoices:
        document = expected[invoice.number]
        assert len(invoice.lines) == 3
        assert sum(line.amount for line in invoice.lines) == invoice.untaxed == invoice.company_untaxed
        assert invoice.untaxed + invoice.tax == invoice.total == document.total == invoice.company_total
        assert (invoice.balance, invoice.status) == (document.balance, document.status)
        assert invoice.company_balance == invoice.balance
    payments = read(connect(sample), Payment)
    assert sum(each.amount for each in payments) == sum(each.total - each.balance for each in invoices)
    assert all(sum(part.amount for part in each.applications) == each.amount for each in payments)


def test_what_is_changed_in_it_comes_as_a_change(sample: TrytonAccess) -> None:
    erp = connect(sample)
    before = Cursor(datetime.now(UTC) - timedelta(seconds=2))
    assert not erp.have_changed(KINDS, before)
    (changed,) = change_some(COUNT, TODAY.date())
    change_records(sample.url, on_the_wire(documents([changed])))
    (invoice,) = read(erp, Invoice, before)
    assert (invoice.number, invoice.status) == (changed.name, InvoiceStatus(changed.status))


def test_what_it_does_not_know_it_refuses_by_name(sample: TrytonAccess) -> None:
    database = connect(sample)._connection.database
    for model, domain, fields in (
        ("account.invoice", [("total_amount", ">", 5)], []),
        ("account.invoice", [("number", "ilike", "x")], []),
        ("account.invoice", [], ["description"]),
        ("stock.shipment.out", [], []),
    ):
        with pytest.raises(RejectedRecordError, match="stand-in"):
            database.search(model, domain, fields)
    with pytest.raises(UnknownToStandIn):
        Store(Path(":memory:")).count("account.move", [("lines", "=", 1)])
