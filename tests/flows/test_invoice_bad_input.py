"""Odd documents and an org in disorder: parked or handled, visible in the run's tables, and nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from artifacts import published
from fixtures_documents import TrytonBooks
from fixtures_salesforce import SandboxOrg
from office import US, Office, opened
from world import World

from prefect_crm_erp.flows import account_sync, order_status_sync, payment_status
from prefect_crm_erp.models.errors import ConfigurationError, TransientError
from prefect_crm_erp.models.outcomes import Outcome, Queue
from prefect_crm_erp.sandbox.tryton import TrytonAccess

COPIES = "composite/sobjects/ERP_Invoice__c/"
ORDER_COPIES = "composite/sobjects/ERP_Order__c/"
RECORDS = "composite/sobjects$"
FROZEN = {"count": 200, "statusCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": "Frozen until the audit is over"}


@pytest.fixture(scope="module")
def office_of_all(
    prefect: None,
    salesforce_sandbox: SandboxOrg,
    tryton_demo: TrytonAccess,
    tryton_books: TrytonBooks,
    tmp_path_factory: pytest.TempPathFactory,
) -> Office:
    """One org and one ledger for all tests of this file; each has a customer of its own."""
    salesforce_sandbox.reset(empty=True)
    world = World(salesforce_sandbox, tryton_demo, tmp_path_factory.mktemp("office"))
    for sku in ("NL-100", "NL-200"):
        world.company.product(sku)
    return opened(world, tryton_books)


@pytest.fixture
def office(office_of_all: Office) -> Iterator[Office]:
    """The office, with an org in which nothing goes wrong yet."""
    office_of_all.world.org.clear_calls()
    yield office_of_all
    office_of_all.world.org.clear_calls()


def lines_of(office: Office, invoice: str) -> list[dict[str, Any]]:
    fields = "Product__c, SKU__c, Quantity__c, Amount__c"
    return office.rows(f"SELECT {fields} FROM ERP_Invoice_Line__c WHERE ERP_Invoice__r.ERP_Id__c = '{invoice}'")


def figures_of(office: Office, account: str, *names: str) -> list[Any]:
    shown = office.world.crm(account, *names, object_name="Account")
    return [shown[name] for name in names]


def waiting(office: Office, queue: Queue | None = None) -> set[str]:
    with office.world.integration().ledger.open().for_integration("test") as store:
        return {entry.key for entry in store.parked() if queue in (None, entry.queue)}


# -------------------------------------------------------------------- odd documents


@pytest.mark.requirement("K01", "K03", "K04", "N01", "T06")
def test_negative_lines_nothing_to_pay_a_thousand_lines_and_a_product_that_is_gone_arrive_to_the_cent(
    office: Office,
) -> None:
    account, party = office.buyer()
    books = office.books
    (_, rebated), (deal, free), (_, long), (_, orphaned) = (office.invoice(account, party) for _ in range(4))
    books.add_lines(US, rebated, [(-1, "45.50")])
    books.add_lines(US, free, [(-3, "100.00")])
    books.add_lines(US, long, [(1, "0.99")] * 4, remarks=995)
    for invoice in (rebated, free, long, orphaned):
        books.post(US, invoice)
    report = office.sync()
    office.check(account, party)
    assert [row["Amount__c"] for row in lines_of(office, rebated)] == [300, Decimal("-45.50")]
    assert len(lines_of(office, long)) == 1000
    assert (office.shown(account)[free]["Status__c"], office.row(report, free).erp_total) == ("Paid", 0)
    assert office.world.crm(deal, "ERP_Invoice_Status__c")["ERP_Invoice_Status__c"] == "Paid"

    (line,) = lines_of(office, orphaned)
    assert line["Product__c"] == office.world.company.products["NL-100"]
    office.world.company.sf.Product2.delete(line["Product__c"])
    books.note_reference(US, orphaned)
    assert office.row(office.sync(), orphaned).outcome is Outcome.WRITTEN
    (line,) = lines_of(office, orphaned)
    assert (line["Product__c"], line["SKU__c"], line["Amount__c"]) == (None, "NL-100", 300)


@pytest.mark.requirement("K01", "T06", "U05")
def test_an_invoice_in_a_currency_that_the_org_does_not_have_waits_with_its_words_until_it_does(
    office: Office,
) -> None:
    account, party = office.buyer()
    currencies = office.world.company.sf.CurrencyType
    (yen,) = office.rows("SELECT Id FROM CurrencyType WHERE IsoCode = 'JPY'")
    (_, foreign), (_, usual) = office.invoice(account, party, "JPY", "1234"), office.invoice(account, party)
    for invoice in (foreign, usual):
        office.books.post(US, invoice)
    currencies.update(yen["Id"], {"IsActive": False})
    report = office.sync()
    row = office.row(report, foreign)
    assert (row.outcome, row.queue) == (Outcome.QUEUED, Queue.DATA_QUALITY)  # it waits for its order
    assert "JPY" in row.reason
    assert [each.queue for each in report.rows if ":order:" in each.crm_id and "JPY" in each.reason] == [
        Queue.MANUAL_REVIEW
    ]
    assert office.shown(account).keys() == {usual}
    assert f"main:invoice:{foreign}" in waiting(office, Queue.DATA_QUALITY)
    currencies.update(yen["Id"], {"IsActive": True})
    office.sync_later()
    office.check(account, party)
    assert f"main:invoice:{foreign}" not in waiting(office)


# -------------------------------------------------------------------- documents that change


@pytest.mark.requirement("H02", "K01", "K06", "GB15")
def test_cancelled_renumbered_and_booked_into_a_reopened_period_each_is_followed(office: Office) -> None:
    account, party = office.buyer()
    books = office.books
    (deal, invoice), (_, late) = office.invoice(account, party), office.invoice(account, party, price="70.00")
    books.post(US, invoice)
    office.sync()
    terms = books.clerk.find("account.invoice", US, [("id", "=", int(invoice))], "payment_term.name")[0][
        "payment_term."
    ]
    number = books.told(US, invoice)["number"]
    names = ("ERP_Last_Invoice_Number__c", "ERP_Last_Invoice_Status__c", "ERP_Last_Invoice_Terms__c")
    assert figures_of(office, account, *names) == [number, "Open", terms and terms["name"]]

    (order,) = office.rows(f"SELECT ERP_Id__c FROM ERP_Order__c WHERE Opportunity__c = '{deal}'")
    renumbered = books.renumber(US, order["ERP_Id__c"])
    office.sync(order_status_sync)
    office.sync_later()  # the invoice itself has not changed
    (copy,) = office.rows(f"SELECT Order_Numbers__c FROM ERP_Invoice__c WHERE ERP_Id__c = '{invoice}'")
    assert copy["Order_Numbers__c"] == renumbered
    books.cancel(US, invoice)
    books.period(US, books.earlier, "close")
    books.period(US, books.earlier, "reopen")
    books.post(US, late, books.earlier)
    office.sync()
    shown = office.rows(
        f"SELECT Status__c, Balance__c, Order_Numbers__c FROM ERP_Invoice__c WHERE ERP_Id__c = '{invoice}'"
    )
    assert [list(row.values())[1:] for row in shown] == [["Cancelled", 0, renumbered]]
    fields = ("ERP_Order_Number__c", "ERP_Invoice_Number__c", "ERP_Invoiced__c", "ERP_Open_Balance__c")
    assert list(office.world.crm(deal, *fields).values())[1:] == [renumbered, None, None, None]
    owed = office.receivable(party)
    names = ("ERP_Sales_This_Year__c", "ERP_Sales_Last_Year__c", "ERP_Open_Balance__c", "ERP_Last_Invoice_Date__c")
    assert figures_of(office, account, *names) == [0, 210, owed, books.earlier.isoformat()]


@pytest.mark.requirement("GB09")
def test_an_order_that_is_deleted_in_the_erp_is_told_to_its_opportunity(office: Office) -> None:
    account, party = office.buyer()
    (deal,) = office.world.company.opportunities([{"AccountId": account}])
    order = office.books.order(US, "USD", ("75.00",), key=deal, to=party)
    office.sync(order_status_sync, backfill=True)
    assert office.world.crm(deal, "ERP_Status__c")["ERP_Status__c"] == "Pending Approval"
    office.books.delete_order(US, order)
    office.world.org.fault(RECORDS, method="PATCH", fail_rows=FROZEN)
    refused = office.row(office.sync(order_status_sync), order, "order")
    assert (refused.outcome, refused.queue) == (Outcome.QUEUED, Queue.MANUAL_REVIEW)
    assert "Frozen until the audit is over" in refused.reason
    assert office.row(office.sync(order_status_sync), order, "order").outcome is Outcome.WRITTEN
    assert office.world.crm(deal, "ERP_Status__c")["ERP_Status__c"] == "Cancelled"
    assert not office.rows(f"SELECT Id FROM ERP_Order__c WHERE ERP_Id__c = '{order}'")


@pytest.mark.requirement("GB09")
def test_an_invoice_that_is_deleted_in_the_erp_counts_no_more_at_its_opportunity_and_account(office: Office) -> None:
    account, party = office.buyer()
    deal, invoice = office.invoice(account, party)
    office.books.post(US, invoice)
    office.sync(backfill=True)
    # Tryton never deletes what is posted; what another ERP has deleted since, the ledger and the CRM still have.
    with office.world.integration().ledger.open().for_integration("test") as store:
        known = store.documents("invoice", "main", [invoice])[invoice]
        store.save_documents([replace(known, erp_id="99999999", number="DELETED")])
    copy = {"ERP_Id__c": "99999999", "Name": "DELETED", "Account__c": account, "Opportunity__c": deal, "Total__c": 300}
    office.world.company.create("ERP_Invoice__c", [copy])
    office.world.company.sf.Opportunity.update(deal, {"ERP_Invoiced__c": 600, "ERP_Invoice_Number__c": "DELETED"})
    assert office.row(office.sync(), "99999999").outcome is Outcome.WRITTEN
    office.check(account, party)
    shown = office.world.crm(deal, "ERP_Invoiced__c", "ERP_Invoice_Number__c")
    number = office.books.told(US, invoice)["number"]
    assert (shown["ERP_Invoiced__c"], shown["ERP_Invoice_Number__c"]) == (300, number)
    assert figures_of(office, account, "ERP_Open_Balance__c") == [300]


# -------------------------------------------------------------------- an org in disorder


@pytest.mark.requirement("GB09", "GB10")
def test_an_invoice_whose_account_was_merged_meanwhile_says_so_and_follows_the_customer(office: Office) -> None:
    account, party = office.buyer()
    survivor = office.world.account()
    deal, invoice = office.invoice(account, party)
    office.books.post(US, invoice)
    office.world.org.merge(survivor, account)
    row = office.row(office.sync(), invoice)
    assert (row.outcome, row.queue) == (Outcome.QUEUED, Queue.DATA_QUALITY)
    assert f"merged into {survivor}" in row.reason
    assert row.notes == ()
    account_sync(integration=office.world.integration(), records=[account, survivor])
    office.sync_later()
    office.check(survivor, party)
    assert office.shown(survivor)[invoice]["Opportunity__c"] == deal
    assert figures_of(office, survivor, "ERP_Open_Balance__c") == [office.receivable(party)]


@pytest.mark.requirement("GB10", "T06")
def test_an_invoice_before_its_order_waits_and_arrives_by_itself(office: Office) -> None:
    account, party = office.buyer()
    _, invoice = office.invoice(account, party)
    office.books.post(US, invoice)
    office.world.org.fault(ORDER_COPIES, method="PATCH", fail_rows=FROZEN)
    report = office.sync()
    row = office.row(report, invoice)
    assert (row.outcome, row.queue) == (Outcome.QUEUED, Queue.DATA_QUALITY)
    assert "does not stand in Salesforce yet" in row.reason
    orders = [each for each in report.rows if ":order:" in each.crm_id and each.account == account]
    assert [each.queue for each in orders] == [Queue.MANUAL_REVIEW]
    office.sync_later()
    assert office.shown(account)[invoice]["ERP_Order__c"]


@pytest.mark.requirement("T06", "GB15")
def test_rows_that_somebody_holds_wait_and_are_written_once_they_are_free(office: Office) -> None:
    account, party = office.buyer()
    _, invoice = office.invoice(account, party)
    office.books.post(US, invoice)
    office.sync()
    (copy,) = office.rows(f"SELECT Id FROM ERP_Invoice__c WHERE ERP_Id__c = '{invoice}'")
    office.books.pay(US, invoice, Decimal(100))
    for record in (copy["Id"], account):
        office.world.org.lock(record, 600)
    report = office.sync()
    row = office.row(report, invoice)
    assert (row.outcome, row.queue) == (Outcome.QUEUED, Queue.RETRY)
    assert "unable to obtain exclusive access" in row.reason
    (held,) = [each for each in report.rows if each.crm_id == account]
    assert (held.outcome, held.queue) == (Outcome.QUEUED, Queue.RETRY)
    for record in (copy["Id"], account):
        office.world.org.lock(record, 0)
    down = office.world.integration(erp=office.world.tryton(server_url="http://127.0.0.1:9"))
    (held,) = [each for each in office.sync(integration=down).rows if each.crm_id == account]
    assert (held.queue, "which tells the fiscal years" in held.reason) == (Queue.RETRY, True)
    office.sync_later()
    office.check(account, party)
    assert figures_of(office, account, "ERP_Open_Balance__c") == [200]


@pytest.mark.requirement("K05", "K06", "T06")
def test_what_an_account_and_an_opportunity_refuse_to_show_is_told_and_made_up_for(office: Office) -> None:
    account, party = office.buyer()
    deal, invoice = office.invoice(account, party)
    office.books.post(US, invoice)
    org = office.world.org
    org.fault(RECORDS, method="PATCH", fail_rows=FROZEN, times=None)
    for again in (False, True):
        report = office.sync()
        row = office.row(report, invoice)
        assert row.outcome is (Outcome.UNCHANGED if again else Outcome.WRITTEN)
        (note,) = [note for note in row.notes if note.field == "write_back"]
        assert (deal in note.text, "Frozen until the audit is over" in note.text) == (True, True)
        (shown,) = [each for each in report.rows if each.crm_id == account]
        assert (shown.outcome, shown.queue) == (Outcome.QUEUED, Queue.MANUAL_REVIEW)
        assert "Frozen until the audit is over" in shown.reason
        assert waiting(office, Queue.MANUAL_REVIEW) >= {account, f"main:invoice:{invoice}"}
    assert "Frozen until the audit is over" in published("invoices-and-payments-parked")
    summary = " ".join(published("invoices-and-payments-summary").replace("<br>", " ").split())
    assert "does not show it: Frozen until the audit is over" in summary
    org.clear_calls()
    made_up = office.sync_later()
    assert [each.outcome for each in made_up.rows if each.crm_id == account] == [Outcome.WRITTEN]
    assert figures_of(office, account, "ERP_Open_Balance__c") == [300]
    shown = office.world.crm(deal, "ERP_Invoiced__c", "ERP_Invoice_Status__c", "ERP_Payment_Terms__c")
    assert (shown["ERP_Invoiced__c"], shown["ERP_Invoice_Status__c"]) == (300, "Open")
    assert not waiting(office) & {account, f"main:invoice:{invoice}"}
    org.clear_calls()
    assert not [each for each in office.sync().rows if each.crm_id == account or each.outcome is Outcome.WRITTEN]
    assert not [call for call in org.calls() if call.startswith("PATCH")]


@pytest.mark.requirement("GB09", "GB14")
def test_an_opportunity_that_is_gone_costs_nothing_until_something_changes(office: Office) -> None:
    account, party = office.buyer()
    deal, invoice = office.invoice(account, party)
    office.books.post(US, invoice)
    office.world.company.sf.Opportunity.delete(deal)
    assert office.row(office.sync(), invoice).outcome is Outcome.WRITTEN
    office.world.org.clear_calls()
    report = office.sync()
    assert office.row(report, invoice).outcome is Outcome.UNCHANGED
    assert not [call for call in office.world.org.calls() if call.startswith("PATCH")]

    office.world.org.undelete(deal)
    office.books.pay(US, invoice, Decimal(100))
    office.sync()
    assert office.shown(account)[invoice]["Opportunity__c"] == deal
    assert office.world.crm(deal, "ERP_Open_Balance__c")["ERP_Open_Balance__c"] == 200


# -------------------------------------------------------------------- what is asked during a call


@pytest.mark.requirement("L05", "T04")
def test_who_asks_for_nobody_or_while_the_erp_is_down_gets_a_sentence_and_never_half_an_answer(office: Office) -> None:
    integration, prospect = office.world.integration(), office.world.account()
    with pytest.raises(ConfigurationError, match="'C-nobody' is neither a CRM id nor the number of a customer"):
        payment_status(integration=integration, account="C-nobody")
    with pytest.raises(ConfigurationError, match=f"{prospect} is no customer of the ERP yet"):
        payment_status(integration=integration, account=prospect)
    account, _ = office.buyer()
    down = office.world.integration(erp=office.world.tryton(server_url="http://127.0.0.1:9"))
    with pytest.raises(TransientError, match=r"127\.0\.0\.1:9"):
        payment_status(integration=down, account=account)
    assert payment_status(integration=integration, account=account[:15]).in_words() == "Nothing is open"
