"""Laws of what representatives record in a CRM: payments that they collect, and goods that they take back.

A harness stands for one CRM: it records with another client, and reads what was written. A CRM that keeps such records
adds its harness (a fixture `<name>_field`) to `HARNESSES` and keeps all laws.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from itertools import count
from typing import Any, Protocol

import pytest

from prefect_crm_erp.blocks.crm.base import CRM
from prefect_crm_erp.blocks.crm.values import CrmObject, Update
from prefect_crm_erp.models.errors import ConfigurationError, GoneRecordError
from prefect_crm_erp.models.field_entries import Collected, CollectedPayment, CollectedReturn

HARNESSES = ["salesforce"]
NUMBERS = count(1)
PAYMENT, RETURN = CrmObject.FIELD_PAYMENT, CrmObject.FIELD_RETURN
KINDS: list[tuple[type[Collected], CrmObject]] = [(CollectedPayment, PAYMENT), (CollectedReturn, RETURN)]


class FieldHarness(Protocol):
    """What the laws need of a CRM that keeps entries of the field."""

    def connect(self) -> CRM:
        """A connection that works."""

    def invoice(self, reference: str) -> str:
        """A copy of an invoice of the ERP; its id."""

    def order(self, reference: str) -> str:
        """A copy of an order of the ERP; its id."""

    def account(self) -> str:
        """An account; its id."""

    def collect(self, amount: Decimal | None, **links: str) -> str:
        """A payment in EUR of 4 March 2026, by check 4711; its id."""

    def take_back(self, order: str, lines: Sequence[tuple[str, Decimal]]) -> str:
        """A return of damaged goods of 4 March 2026, with products and their quantities; its id."""

    def keep_out(self, kind: CrmObject, record: str) -> None:
        """Mark a record as not to travel."""

    def hide(self, kind: CrmObject, field: str) -> None:
        """Keep a field from the integration's user."""

    def delete(self, kind: CrmObject, record: str) -> None:
        """Delete a record."""

    def stored(self, kind: CrmObject, record: str) -> dict[str, Any]:
        """What a record shows of the ERP, as another client reads it."""


@pytest.fixture(params=HARNESSES)
def crm(request: pytest.FixtureRequest) -> FieldHarness:
    harness: FieldHarness = request.getfixturevalue(f"{request.param}_field")
    return harness


def record(crm: FieldHarness, kind: CrmObject) -> str:
    if kind is PAYMENT:
        return crm.collect(Decimal("12.30"))
    return crm.take_back(crm.order(f"17-{next(NUMBERS)}"), [("NL-100", Decimal(2))])


def read(connection: CRM, kind: type[Any], ids: list[str] | None = None, page_size: int = 200) -> list[Any]:
    return [each for page in connection.field_entries(kind, ids, page_size) for each in page]


@pytest.mark.requirement("L06")
def test_a_payment_is_read_with_what_it_pays_to_the_cent(crm: FieldHarness) -> None:
    account = crm.account()
    of_invoice = crm.collect(Decimal("1234.56"), invoice=crm.invoice("second:9"), account=account)
    of_order = crm.collect(None, order=crm.order("17"))
    first, second = read(crm.connect(), CollectedPayment)
    assert (first.crm_id, first.account_id, first.invoice, first.order) == (of_invoice, account, "second:9", None)
    assert (first.amount, first.currency, first.date) == (Decimal("1234.56"), "EUR", date(2026, 3, 4))
    assert (first.method, first.reference, first.push_to_erp, first.erp_id) == ("Check", "4711", True, None)
    assert (second.crm_id, second.order, second.invoice, second.amount) == (of_order, "17", None, None)
    assert first.name != second.name


@pytest.mark.requirement("L06")
def test_a_return_is_read_with_its_order_and_all_its_lines(crm: FieldHarness) -> None:
    lines = [(f"NL-{number}", Decimal(number) / 8) for number in range(1, 30)]
    goods = crm.take_back(crm.order("17"), lines)
    (found,) = read(crm.connect(), CollectedReturn)
    assert (found.crm_id, found.order, found.reason, found.date) == (goods, "17", "Damaged", date(2026, 3, 4))
    assert [(line.sku, line.quantity) for line in found.lines] == lines


@pytest.mark.requirement("L06")
@pytest.mark.parametrize(("kind", "object_"), KINDS)
def test_what_is_in_the_erp_comes_no_more_unless_it_is_named(
    crm: FieldHarness, kind: type[Collected], object_: CrmObject
) -> None:
    done, waiting, kept = (record(crm, object_) for _ in range(3))
    crm.keep_out(object_, kept)
    connection = crm.connect()
    said = {"erp_id": "71", "erp_number": "M-71", "erp_status": "Booked", "erp_sync_status": "Synced"}
    for _ in range(2):
        (result,) = connection.write_back([Update(object_, done, said | {"erp_sync_error": None})])
        assert result.error is None
    assert crm.stored(object_, done) == said | {"erp_sync_error": None}
    found = read(connection, kind, page_size=1)
    assert [(each.crm_id, each.push_to_erp) for each in found] == [(waiting, True), (kept, False)]
    (named,) = read(connection, kind, [done[:15], "a0Z000000000001AAA"])
    assert (named.crm_id, named.erp_id, named.erp_number, named.erp_sync_status) == (done, "71", "M-71", "Synced")
    with pytest.raises(ConfigurationError):
        read(connection, kind, ["no id"])


@pytest.mark.requirement("L06", "T06")
@pytest.mark.parametrize(("kind", "object_"), KINDS)
def test_why_a_record_waits_is_written_to_it_and_a_deleted_one_is_told_as_gone(
    crm: FieldHarness, kind: type[Collected], object_: CrmObject
) -> None:
    waiting, gone = record(crm, object_), record(crm, object_)
    crm.delete(object_, gone)
    said = {"erp_sync_status": "Data Quality Exception", "erp_sync_error": "It has 50.00 EUR open. " * 3000}
    connection = crm.connect()
    first, second = connection.write_back([Update(object_, each, said) for each in (waiting, gone)])
    assert first.error is None
    assert isinstance(second.error, GoneRecordError)
    assert crm.stored(object_, waiting)["erp_sync_error"].startswith("It has 50.00 EUR open.")
    assert [each.crm_id for each in read(connection, kind)] == [waiting]
    assert connection.missing_field_entry_fields() == []


@pytest.mark.requirement("L06", "GB13")
@pytest.mark.parametrize("object_", [PAYMENT, RETURN])
@pytest.mark.parametrize("field", ["push_to_erp", "erp_id", "erp_sync_status", "erp_url"])
def test_a_field_that_a_run_needs_and_does_not_see_is_named_beforehand(
    crm: FieldHarness, object_: CrmObject, field: str
) -> None:
    crm.hide(object_, field)
    (missing,) = crm.connect().missing_field_entry_fields()
    assert missing.lower().endswith(f".{field}__c")
