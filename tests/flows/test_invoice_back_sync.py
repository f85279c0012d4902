"""What finance and the warehouse do in the ERP shows in the CRM to the cent, as simple-salesforce and Tryton tell."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from office import US, Office

from prefect_crm_erp.blocks import AccountPolicy, ErpCustomers
from prefect_crm_erp.blocks.erp import tryton
from prefect_crm_erp.flows import order_status_sync, payment_status
from prefect_crm_erp.models.outcomes import Outcome, Queue
from prefect_crm_erp.models.paging import Cursor
from prefect_crm_erp.tasks import document_extract
from prefect_crm_erp.tasks.document_kinds import KINDS

CURRENCIES = ["USD", "EUR", "GBP", "JPY"]
PRICES = {"JPY": ("12345", "777")}


@pytest.mark.requirement("H01", "H02", "H06", "H07", "K01", "K02", "K03", "K04", "K06", "K10", "L01", "L03", "GB06")
@pytest.mark.parametrize("currency", CURRENCIES)
def test_from_part_delivery_to_full_payment_each_step_shows_to_the_cent(office: Office, currency: str) -> None:
    account, party = office.customer()
    books = office.books
    deal, order = office.order(account, party, currency, PRICES.get(currency, ("1234.56", "19.99")))

    books.ship(US, order, 1)
    office.sync(order_status_sync)
    copy = office.rows(f"SELECT Status__c, Total__c FROM ERP_Order__c WHERE Opportunity__c = '{deal}'")
    assert [row["Status__c"] for row in copy] == ["Partly Shipped"]
    assert office.world.crm(deal, "ERP_Status__c")["ERP_Status__c"] == "Partly Shipped"
    moved = office.rows(
        "SELECT ERP_Delivery__r.Status__c, ERP_Delivery__r.Shipped_On__c, Quantity__c FROM ERP_Delivery_Line__c "
        f"WHERE ERP_Delivery__r.Opportunity__c = '{deal}' ORDER BY Quantity__c"
    )
    assert [(row["ERP_Delivery__r"]["Status__c"], row["Quantity__c"]) for row in moved] == [
        *[("Shipped", 1)] * 2,
        *[("Planned", 3)] * 2,
    ]
    assert {row["ERP_Delivery__r"]["Shipped_On__c"] for row in moved} == {books.today.isoformat(), None}

    (first,) = books.invoices_of(US, order)
    books.post(US, first)
    office.sync()
    office.check(account, party)

    books.ship(US, order)
    second = next(each for each in books.invoices_of(US, order) if each != first)
    books.post(US, second)
    office.sync()
    office.check(account, party)
    assert {row["Opportunity__c"] for row in office.shown(account).values()} == {deal}
    assert all(row["ERP_Order__c"] for row in office.shown(account).values())

    books.pay(US, first, Decimal(10))
    office.sync()
    office.check(account, party)
    assert office.shown(account)[first]["Status__c"] == "Partly Paid"

    memo = books.credit(US, second, settle=False)
    office.sync()
    office.check(account, party)
    assert (office.shown(account)[memo]["Type__c"], office.shown(account)[memo]["Total__c"] < 0) == (
        "Credit Memo",
        True,
    )

    books.offset(US, second, memo)
    books.pay(US, first)
    office.sync()
    office.check(account, party)
    assert {row["Status__c"] for row in office.shown(account).values()} == {"Paid"}
    applied = office.rows(
        f"SELECT Amount__c FROM ERP_Payment_Application__c WHERE ERP_Invoice__r.ERP_Id__c = '{first}'"
    )
    assert sum(row["Amount__c"] for row in applied) == office.shown(account)[first]["Total__c"]
    names = ("ERP_Invoiced__c", "ERP_Open_Balance__c", "ERP_Invoice_Status__c", "ERP_Invoice_Number__c")
    figures = list(office.world.crm(deal, *names, "ERP_Shipped_On__c").values())[1:]
    total = sum(row["Total__c"] for row in office.shown(account).values())
    number = books.told(US, second)["number"]
    assert figures == [total, 0, "Paid", number, books.today.isoformat()]

    again = office.sync()
    assert again.written == 0


@pytest.mark.requirement("GB10", "B02")
def test_an_invoice_before_its_account_waits_and_arrives_by_itself(office: Office) -> None:
    books = office.books
    order = books.order(US, "USD", ("250.00",))
    books.confirm(US, order)
    (invoice,) = books.invoices_of(US, order)
    books.post(US, invoice)
    (told,) = books.clerk.find("account.invoice", US, [("id", "=", int(invoice))], "party")
    integration = office.world.integration(accounts=AccountPolicy(erp_customers=ErpCustomers.CREATE))
    report = office.sync(integration=integration)
    (row,) = [row for row in report.rows if row.crm_id == f"main:invoice:{invoice}"]
    assert (row.outcome, row.queue) == (Outcome.QUEUED, Queue.DATA_QUALITY)

    account = office.world.account()
    office.link(account, str(told["party"]))
    office.sync_later(integration)
    assert invoice in office.shown(account)


@pytest.mark.requirement("L01", "GB10")
@pytest.mark.parametrize("slow", ["ERP_Invoice__c", "ERP_Invoice_Line__c"])
def test_a_payment_is_applied_to_an_invoice_that_the_same_run_brings(office: Office, slow: str) -> None:
    """It waits for the invoice itself, and not for its lines."""
    account, party = office.buyer()
    _, invoice = office.invoice(account, party)
    office.books.post(US, invoice)
    office.books.pay(US, invoice, Decimal(40))
    office.world.org.fault(f"sobjects/{slow}/", method="PATCH", delay=2)
    report = office.sync()
    assert [row.reason for row in report.rows if row.queue] == []
    office.check(account, party)
    applied = office.rows(
        f"SELECT Amount__c FROM ERP_Payment_Application__c WHERE ERP_Invoice__r.ERP_Id__c = '{invoice}'"
    )
    assert [row["Amount__c"] for row in applied] == [40]


@pytest.mark.requirement("H06")
def test_pages_show_on_their_deal_in_their_order_though_the_lines_of_the_first_take_longer(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tryton, "_DOCUMENTS_OF_A_PAGE", 1)
    monkeypatch.setattr(document_extract, "PAGE_SIZE", 1)
    deal, order = office.order(*office.customer(), "USD", ("100.00",))
    books = office.books
    office.sync(order_status_sync)
    books.ship(US, order, 1, on=books.today - timedelta(days=1))
    books.ship(US, order)
    office.world.org.fault("sobjects/ERP_Delivery_Line__c", method="PATCH", delay=3)
    office.sync(order_status_sync)
    assert office.world.crm(deal, "ERP_Shipped_On__c")["ERP_Shipped_On__c"] == books.today.isoformat()


@pytest.mark.requirement("K05", "K08", "L02", "BB05")
def test_the_account_shows_its_sales_and_what_is_overdue(office: Office) -> None:
    account, party = office.customer()
    billed = office.books.bill(US, "USD", ("300.00",), to=party)
    office.books.put_off(US, billed.invoice, office.books.today - timedelta(days=12))
    office.sync()
    fields = ("ERP_Sales_This_Year__c", "ERP_Open_Balance__c", "ERP_Overdue_Balance__c", "ERP_Days_Overdue__c")
    shown = office.world.crm(account, *fields, object_name="Account")
    told = office.books.told(US, billed.invoice)
    figures = [Decimal(str(shown[name])) for name in fields]
    assert figures == [told["untaxed_amount"], told["amount_to_pay"], told["amount_to_pay"], 12]


@pytest.mark.requirement("GB09")
def test_an_order_that_is_deleted_in_the_erp_disappears(office: Office) -> None:
    _, party = office.customer()
    order = office.books.order(US, "USD", ("75.00",), to=party)
    office.sync(order_status_sync, backfill=True)
    assert office.rows(f"SELECT Id FROM ERP_Order__c WHERE ERP_Id__c = '{order}'")
    office.books.delete_order(US, order)
    office.sync(order_status_sync)
    assert not office.rows(f"SELECT Id FROM ERP_Order__c WHERE ERP_Id__c = '{order}'")


@pytest.mark.requirement("GB09")
def test_what_is_deleted_while_nothing_else_changes_disappears_within_the_hour(office: Office) -> None:
    _, party = office.customer()
    order = office.books.order(US, "USD", ("75.00",), to=party)
    office.sync(order_status_sync, backfill=True)
    office.books.delete_order(US, order)
    office.read_from(datetime.now(UTC) + timedelta(seconds=3))
    query = f"SELECT Id FROM ERP_Order__c WHERE ERP_Id__c = '{order}'"
    office.sync(order_status_sync)
    assert office.rows(query)
    with office.world.integration().ledger.open().for_integration("test") as store:
        store.rewind("sweep of order documents of main")
        store.advance("sweep of order documents of main", Cursor(datetime.now(UTC) - timedelta(minutes=61)))
    office.sync(order_status_sync)
    assert not office.rows(query)


@pytest.mark.requirement("GB11")
def test_a_run_for_which_nothing_has_changed_asks_each_side_four_times_at_most(office: Office) -> None:
    office.sync()
    office.read_from(datetime.now(UTC) + timedelta(seconds=3))
    report = office.sync()
    assert report.source == 0
    assert report.erp_calls <= 4
    assert report.crm_calls <= 4


@pytest.mark.requirement("GB06", "F04")
def test_an_order_that_was_born_in_the_erp_comes_by_its_number(office: Office) -> None:
    account, party = office.customer()
    order = office.books.order(US, "USD", ("75.00",), to=party)
    (row,) = office.books.seller.find("sale.sale", US, [("id", "=", int(order))], "number")
    report = office.sync(order_status_sync, records=[row["number"]])
    assert [each.erp_id for each in report.rows] == [order]
    (copy,) = office.rows(f"SELECT Account__c, Name FROM ERP_Order__c WHERE ERP_Id__c = '{order}'")
    assert (copy["Account__c"], copy["Name"]) == (account, row["number"])


@pytest.mark.requirement("GB01")
def test_a_dry_run_writes_nothing(office: Office) -> None:
    account, party = office.customer()
    billed = office.books.bill(US, "USD", ("300.00",), to=party)
    report = office.sync(dry_run=True)
    assert report.written >= 1
    assert billed.invoice not in office.shown(account)
    fresh = office.world.integration(ledger_name="fresh")
    office.sync(integration=fresh, dry_run=True)
    with fresh.ledger.open().for_integration("fresh") as store:
        assert [store.watermark(f"{name} documents of main") for name in KINDS] == [None] * 4
    assert office.row(office.sync(), billed.invoice).outcome is Outcome.WRITTEN


@pytest.mark.requirement("L05", "J04")
def test_what_is_open_is_told_during_a_call_also_when_nothing_was_synced_since(office: Office) -> None:
    account, party = office.customer()
    billed = office.books.bill(US, "USD", ("300.00",), to=party)
    office.sync()
    fresh = office.books.bill(US, "USD", ("20.00",), to=party)
    office.books.pay(US, billed.invoice, Decimal(100))
    position = payment_status(integration=office.world.integration(), account=account)
    told = [office.books.told(US, each)["amount_to_pay"] for each in (billed.invoice, fresh.invoice)]
    assert {each.invoice.erp_id: each.invoice.balance for each in position.invoices} == dict(
        zip((billed.invoice, fresh.invoice), told, strict=True)
    )
    assert position.open_by_currency == {"USD": sum(told)}


@pytest.mark.requirement("GB09")
def test_an_invoice_whose_opportunity_was_deleted_shows_at_its_account(office: Office) -> None:
    account, party = office.customer()
    deal, order = office.order(account, party, "USD", ("55.00",))
    office.world.company.sf.Opportunity.delete(deal)
    office.books.ship(US, order)
    (invoice,) = office.books.invoices_of(US, order)
    office.books.post(US, invoice)
    report = office.sync()
    assert report.queued == 0, [row.reason for row in report.rows if row.queue]
    shown = office.shown(account)[invoice]
    assert (shown["Account__c"], shown["Opportunity__c"]) == (account, None)
    assert any("is gone" in note.text for row in report.rows for note in row.notes)
