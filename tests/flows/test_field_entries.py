"""Payments and returns of the field reach Tryton once, as another client tells, and come back with the documents."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from cutting_proxy import Cut, CuttingProxy
from flow_process import flow_process
from office import US, Office

from prefect_crm_erp.blocks import Ledger, Tryton
from prefect_crm_erp.flows import field_entries, order_status_sync
from prefect_crm_erp.models.outcomes import Outcome, Queue
from prefect_crm_erp.models.records import SalesOrder
from prefect_crm_erp.tasks.report import RunReport

TODAY = datetime.now(UTC).date().isoformat()
LEASE_SECONDS = 2
PAYMENT, RETURN = "ERP_Field_Payment__c", "ERP_Field_Return__c"
SHOWN = ("ERP_Id__c", "ERP_Number__c", "ERP_Status__c", "ERP_Sync_Status__c", "ERP_Sync_Error__c", "ERP_URL__c")


class Field:
    """Representatives who collect payments and take goods back, and the books that these reach.

    Args:
        office: The office of their company.
    """

    def __init__(self, office: Office) -> None:
        self.office = office
        self.world = office.world

    def billed(self, price: str = "250.00", currency: str = "USD") -> tuple[str, str, str]:
        """An invoice of an account that shows in the CRM: the account, the ERP's id, and the id of the copy."""
        account, party = self.office.buyer()
        invoice = self.office.books.bill(US, currency, (price,), to=party).invoice
        self.office.sync()
        (copy,) = self.office.rows(f"SELECT Id FROM ERP_Invoice__c WHERE ERP_Id__c = '{invoice}'")
        return account, invoice, str(copy["Id"])

    def delivered(self) -> tuple[str, str]:
        """An order of four, of which three were delivered: the ERP's id, and the id of the copy in the CRM."""
        account, party = self.office.buyer()
        _, order = self.office.order(account, party, "USD", ("100.00",))
        self.office.books.ship(US, order, 3)
        self.office.sync(order_status_sync)
        (copy,) = self.office.rows(f"SELECT Id FROM ERP_Order__c WHERE ERP_Id__c = '{order}'")
        return order, str(copy["Id"])

    def collect(self, amount: str, currency: str = "USD", **fields: Any) -> str:
        """A payment that was collected in the field."""
        row = {
            "Amount__c": Decimal(amount),
            "CurrencyIsoCode": currency,
            "Payment_Date__c": TODAY,
            "Method__c": "Check",
        }
        (record,) = self.world.company.create(PAYMENT, [row | fields])
        return record

    def take_back(self, order: str, quantity: int, sku: str = "NL-100") -> str:
        """Goods of an order that were taken back in the field."""
        row = {"ERP_Order__c": order, "Return_Date__c": TODAY, "Reason__c": "Damaged", "CurrencyIsoCode": "USD"}
        (record,) = self.world.company.create(RETURN, [row])
        found = self.office.rows(f"SELECT Id FROM Product2 WHERE ProductCode = '{sku}'")
        product = str(found[0]["Id"]) if found else self.world.company.product(sku, price="100")
        line = {"ERP_Field_Return__c": record, "Product__c": product, "Quantity__c": quantity, "CurrencyIsoCode": "USD"}
        self.world.company.create("ERP_Field_Return_Line__c", [line])
        return record

    def run(self, **options: Any) -> RunReport:
        """A run, of which every record is accounted for."""
        integration = options.pop("integration", None) or self.world.integration()
        report: RunReport = field_entries(integration=integration, **options)
        assert report.source == report.written + report.unchanged + report.queued + report.excluded == len(report.rows)
        return report

    def shown(self, record: str) -> dict[str, Any]:
        """What a record shows of what it became."""
        name = PAYMENT if record.startswith("a08") else RETURN
        shown = self.world.crm(record, *SHOWN, object_name=name)
        return {field: shown[field] for field in SHOWN}

    def moves(self, record: str) -> list[dict[str, Any]]:
        """Moves of the ERP's books that were made of a payment."""
        domain = [("description", "like", f"%{record}%")]
        return self.office.books.clerk.find("account.move", US, domain, "number", "state", "date", "journal.type")

    def returns(self, record: str) -> list[dict[str, Any]]:
        """Sales of the ERP that were made of a return, with their lines."""
        names = ("number", "state", "origin", "lines.quantity", "lines.unit_price", "untaxed_amount")
        return self.office.books.clerk.find("sale.sale", US, [("reference", "=", record)], *names)


@pytest.fixture
def field(office: Office) -> Field:
    """Representatives in the field."""
    return Field(office)


@pytest.mark.requirement("L06", "L01", "L03")
def test_a_collected_payment_pays_its_invoice_once_and_shows_at_it(field: Field) -> None:
    account, invoice, copy = field.billed()
    first = field.collect("100.00", ERP_Invoice__c=copy, Account__c=account, Reference__c="4711")
    report = field.run()
    assert (report.written, report.queued) == (1, 0)
    told = field.office.books.told(US, invoice)
    total = told["total_amount"]
    assert told["amount_to_pay"] == total - 100
    (move,) = field.moves(first)
    assert (move["state"], move["journal."]["type"], move["date"].isoformat()) == ("posted", "cash", TODAY)
    shown = field.shown(first)
    assert (shown["ERP_Id__c"], shown["ERP_Number__c"], shown["ERP_Status__c"]) == (
        str(move["id"]),
        move["number"],
        "Booked",
    )
    assert (shown["ERP_Sync_Status__c"], shown["ERP_Sync_Error__c"]) == ("Synced", None)
    assert field.run().source == 0

    rest = field.collect(str(total - 100), ERP_Invoice__c=copy, Account__c=account)
    assert field.run(records=[rest]).written == 1
    assert field.run(records=[rest]).unchanged == 1
    assert len(field.moves(rest)) == 1
    field.office.sync()
    assert field.office.shown(account)[invoice]["Status__c"] == "Paid"
    applied = (
        f"SELECT Amount__c, ERP_Payment__r.ERP_Id__c FROM ERP_Payment_Application__c WHERE ERP_Invoice__c = '{copy}'"
    )
    assert sorted(row["Amount__c"] for row in field.office.rows(applied)) == sorted([Decimal(100), total - 100])


@pytest.mark.requirement("L06", "T06", "T10")
def test_a_payment_that_does_not_fit_is_parked_with_a_sentence_and_books_nothing(field: Field) -> None:
    _, invoice, copy = field.billed()
    open_amount = field.office.books.told(US, invoice)["amount_to_pay"]
    most = field.collect(str(open_amount - 50), ERP_Invoice__c=copy)
    too_much = field.collect("50.01", ERP_Invoice__c=copy)
    foreign = field.collect("10.00", "EUR", ERP_Invoice__c=copy)
    nothing = field.collect("0", ERP_Invoice__c=copy)
    kept = field.collect("1.00", ERP_Invoice__c=copy, Push_To_ERP__c=False)
    report = field.run()
    outcomes = {row.crm_id: (row.outcome, row.queue) for row in report.rows}
    assert outcomes[most] == (Outcome.WRITTEN, None)
    assert outcomes[kept] == (Outcome.EXCLUDED, None)
    for record, words in ((too_much, "50.00 USD open"), (foreign, "is in USD"), (nothing, "more than zero")):
        assert outcomes[record] == (Outcome.QUEUED, Queue.DATA_QUALITY)
        assert words in field.shown(record)["ERP_Sync_Error__c"]
        assert not field.moves(record)
    assert field.office.books.told(US, invoice)["amount_to_pay"] == 50

    field.world.company.sf.ERP_Field_Payment__c.update(too_much, {"Amount__c": 50})
    assert {row.crm_id for row in field.run().rows if row.outcome is Outcome.WRITTEN} == {too_much}
    assert field.office.books.told(US, invoice)["amount_to_pay"] == 0
    assert field.shown(too_much)["ERP_Sync_Error__c"] is None


@pytest.mark.requirement("L06")
def test_a_payment_without_invoice_goes_on_the_customers_account(field: Field) -> None:
    account, party = field.office.buyer()
    before = field.office.receivable(party)
    record = field.collect("75.50", Account__c=account)
    stranger = field.collect("5.00", Account__c=field.world.account())
    assert field.run(dry_run=True).written == 1
    assert not field.moves(record)
    report = field.run()
    assert (report.written, report.queued) == (1, 1)
    assert field.office.receivable(party) == before - Decimal("75.50")
    assert "no customer" in field.shown(stranger)["ERP_Sync_Error__c"]


@pytest.mark.requirement("L06", "GB02", "T04")
@pytest.mark.parametrize("where", list(Cut))
def test_a_payment_whose_answer_was_lost_is_booked_once(field: Field, line: CuttingProxy, where: Cut) -> None:
    _, invoice, copy = field.billed()
    record = field.collect("40.00", ERP_Invoice__c=copy)
    erp = field.world.tryton(server_url=line.url, settle_seconds=1)
    line.cut(where, containing='"pay"')
    field.run(integration=field.world.integration(erp=erp))
    field.run()
    assert len(field.moves(record)) == 1
    told = field.office.books.told(US, invoice)
    assert told["amount_to_pay"] == told["total_amount"] - 40
    assert field.shown(record)["ERP_Sync_Status__c"] == "Synced"


@pytest.mark.requirement("L06", "GB02", "T09")
@pytest.mark.parametrize("where", list(Cut))
def test_a_run_that_is_killed_while_it_books_is_made_up_for_and_doubles_nothing(
    field: Field, line: CuttingProxy, where: Cut
) -> None:
    _, invoice, copy = field.billed()
    _, order_copy = field.delivered()
    payment, returned = field.collect("40.00", ERP_Invoice__c=copy), field.take_back(order_copy, 1)
    ledger = Ledger(url=field.world.integration().ledger.url, lease_seconds=LEASE_SECONDS)
    integration = field.world.integration(erp=field.world.tryton(server_url=line.url), ledger=ledger)
    for step in ('"pay"', "model.sale.sale.create", "model.sale.sale.confirm"):
        with (
            line.hold(where, containing=step, then_cut=True) as hold,
            flow_process(integration, flow="field_entries", confirm_returns=True) as process,
        ):
            hold.wait()
            process.kill()
        time.sleep(LEASE_SECONDS)
    field.run(integration=integration, confirm_returns=True)
    assert len(field.moves(payment)) == 1
    assert [sale["state"] for sale in field.returns(returned)] == ["processing"]
    told = field.office.books.told(US, invoice)
    assert told["amount_to_pay"] == told["total_amount"] - 40
    shown = [field.shown(record)["ERP_Sync_Status__c"] for record in (payment, returned)]
    assert shown == ["Synced", "Synced"]
    assert field.run(integration=integration).source == 0
    field.office.sync(order_status_sync)
    (sale,) = field.returns(returned)
    (copied,) = field.office.rows(f"SELECT Total__c FROM ERP_Order__c WHERE ERP_Id__c = '{sale['id']}'")
    assert copied["Total__c"] < 0


@pytest.mark.requirement("L06", "M01", "M02")
@pytest.mark.parametrize("confirm", [False, True])
def test_a_return_becomes_a_return_of_what_was_delivered_as_a_draft_or_confirmed(field: Field, confirm: bool) -> None:
    order, copy = field.delivered()
    record = field.take_back(copy, 2)
    assert field.run(confirm_returns=confirm).written == 1
    (sale,) = field.returns(record)
    assert sale["origin"] == f"sale.sale,{order}"
    (returned,) = sale["lines."]
    assert (returned["quantity"], returned["unit_price"], sale["untaxed_amount"]) == (-2, 100, -200)
    assert sale["state"] == ("processing" if confirm else "draft")
    shown = field.shown(record)
    assert (shown["ERP_Id__c"], shown["ERP_Status__c"]) == (str(sale["id"]), "Confirmed" if confirm else "Draft")
    assert field.run(confirm_returns=confirm).source == 0

    second = field.take_back(copy, 2)
    report = field.run(confirm_returns=confirm)
    assert report.queued == 1
    assert "and 2 came back already" in field.shown(second)["ERP_Sync_Error__c"]
    assert not field.returns(second)


@pytest.mark.requirement("L06", "T06")
def test_what_an_erp_cannot_book_waits_for_a_person_and_says_so(field: Field, monkeypatch: pytest.MonkeyPatch) -> None:
    _, invoice, copy = field.billed()
    payment = field.collect("40.00", ERP_Invoice__c=copy)
    monkeypatch.setattr(Tryton, "capabilities", replace(Tryton.capabilities, writes=frozenset({SalesOrder})))
    report = field.run()
    assert [(row.outcome, row.queue) for row in report.rows] == [(Outcome.QUEUED, Queue.MANUAL_REVIEW)]
    assert "does not book field payments" in field.shown(payment)["ERP_Sync_Error__c"]
    assert [field.run().rows[0].reason, field.moves(payment)] == [report.rows[0].reason, []]
    told = field.office.books.told(US, invoice)
    assert told["amount_to_pay"] == told["total_amount"]
