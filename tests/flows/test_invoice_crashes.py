"""A run over documents that is killed leaves nothing half done: the next one ends with each document once and right."""

from __future__ import annotations

import random
from collections import Counter
from decimal import Decimal

import pytest
from cutting_proxy import Cut, CuttingProxy
from flow_process import flow_process, wait_for
from office import US, Office

from prefect_crm_erp.blocks import Integration, Ledger

FLOW = "invoice_back_sync"
LEASE_SECONDS = 2
STEPS = (
    '"ERP_Order__c"',
    '"ERP_Invoice__c"',
    '"ERP_Invoice_Line__c"',
    '"ERP_Invoiced__c"',  # of the opportunity
    '"ERP_Payment__c"',
    '"ERP_Payment_Application__c"',
    '"ERP_Sales_This_Year__c"',  # of the account
)


@pytest.fixture
def integration(office: Office, crm_line: CuttingProxy) -> Integration:
    """Reaches the CRM by a line that can be cut, and lets go soon of what a dead run held."""
    ledger = Ledger(url=office.world.integration().ledger.url, lease_seconds=LEASE_SECONDS)
    return office.world.integration(crm=office.world.org.block(instance_url=crm_line.url), ledger=ledger)


def assert_once_and_right(office: Office, account: str, party: str, deals: list[str]) -> None:
    """All that the CRM shows of a customer is what the ERP has, each document, line and payment once."""
    office.check(account, party)
    told = {invoice: office.books.told(US, invoice) for invoice in office.shown(account)}
    lines = office.rows(
        f"SELECT ERP_Id__c, ERP_Invoice__r.ERP_Id__c, Amount__c FROM ERP_Invoice_Line__c "
        f"WHERE ERP_Invoice__r.Account__c = '{account}'"
    )
    assert Counter(row["ERP_Id__c"] for row in lines) == Counter(
        str(line["id"]) for row in told.values() for line in row["lines"]
    )
    applied = office.rows(
        f"SELECT Amount__c, ERP_Invoice__r.ERP_Id__c FROM ERP_Payment_Application__c "
        f"WHERE ERP_Invoice__r.Account__c = '{account}'"
    )
    for invoice, row in told.items():
        paid = [each["Amount__c"] for each in applied if each["ERP_Invoice__r"]["ERP_Id__c"] == invoice]
        assert sum(paid) == row["total_amount"] - row["amount_to_pay"]
    shown = office.shown(account).values()
    for deal in deals:
        mine = [row for row in shown if row["Opportunity__c"] == deal]
        figures = office.world.crm(deal, "ERP_Invoiced__c", "ERP_Open_Balance__c", "ERP_Order_Number__c")
        sums = [sum(row[name] for row in mine) for name in ("Total__c", "Balance__c")]
        assert [figures["ERP_Invoiced__c"], figures["ERP_Open_Balance__c"]] == sums
        assert figures["ERP_Order_Number__c"]
    (balance,) = office.rows(f"SELECT ERP_Open_Balance__c FROM Account WHERE Id = '{account}'")
    assert balance["ERP_Open_Balance__c"] == office.receivable(party)


def assert_all_is_done(office: Office, integration: Integration) -> None:
    """A further run finds nothing to do."""
    office.world.org.clear_calls()
    again = office.sync(integration=integration)
    assert (again.written, again.queued) == (0, 0)
    assert not [call for call in office.world.org.calls() if call.startswith(("PATCH", "DELETE"))]


@pytest.mark.requirement("GB02", "GB11", "T09")
def test_a_run_that_is_killed_at_every_step_of_writing_in_turn_loses_and_doubles_nothing(
    office: Office, integration: Integration, crm_line: CuttingProxy
) -> None:
    account, party = office.buyer()
    sold = [office.invoice(account, party) for _ in range(2)]
    for _, invoice in sold:
        office.books.post(US, invoice)
    office.books.pay(US, sold[0][1], Decimal(100))
    for step in STEPS:
        for where in Cut:
            with (
                crm_line.hold(where, containing=step, then_cut=True) as hold,
                flow_process(integration, flow=FLOW) as process,
            ):
                hold.wait()
                process.kill()
    report = office.sync(integration=integration)
    assert report.queued == 0
    assert_once_and_right(office, account, party, [deal for deal, _ in sold])
    assert_all_is_done(office, integration)


@pytest.mark.requirement("GB02", "GB11", "T09")
def test_runs_that_are_killed_at_random_while_finance_goes_on_end_with_every_document_once_and_right(
    office: Office, integration: Integration, crm_line: CuttingProxy
) -> None:
    seed = random.randrange(10_000)
    print(f"seed {seed}")  # shown when it fails
    chance = random.Random(seed)
    account, party = office.buyer()
    sold = [office.invoice(account, party) for _ in range(3)]
    for deal, invoice in sold:
        office.books.add_lines(US, invoice, [(1, "9.99")] * chance.randrange(3))
        office.books.post(US, invoice)
        office.books.describe(US, _order_of(office, deal), "changed")
        crm_line.forget()
        with flow_process(integration, flow=FLOW) as process:
            moment = chance.randrange(1, 25)
            wait_for(
                lambda moment=moment, process=process: len(crm_line.requests) >= moment or process.has_ended, "work"
            )
            if not process.has_ended:
                process.kill()
        office.books.pay(US, invoice, Decimal(chance.randrange(10, 90)))
    office.sync(integration=integration)
    assert_once_and_right(office, account, party, [deal for deal, _ in sold])
    assert_all_is_done(office, integration)


def _order_of(office: Office, deal: str) -> str:
    return str(office.world.sales(deal)[0]["id"])
