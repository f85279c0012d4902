"""Reconciliation: whatever differs between linked accounts and customers is found, and nothing is written."""

from __future__ import annotations

from typing import Any

import pytest
from account_world import AccountWorld
from artifacts import emitted, published

from prefect_crm_erp.blocks import CodeLists
from prefect_crm_erp.blocks.ledger import Discrepancy
from prefect_crm_erp.flows import reconcile
from prefect_crm_erp.tasks.reconcile_report import ReconciliationReport


def compare(accounts: AccountWorld, **parameters: Any) -> ReconciliationReport:
    """Reconcile, and check that every link is accounted for."""
    report = reconcile(integration=parameters.pop("integration", None) or accounts.integration(), **parameters)
    assert report.linked == report.in_step + report.differing + report.gone + report.left_alone
    assert len(report.rows) == report.discrepancies
    return report


def of(report: ReconciliationReport, account: str) -> dict[str, Discrepancy]:
    return {row.field: row for row in report.rows if row.key == account}


@pytest.mark.requirement("Q04", "BB08")
def test_what_was_changed_on_either_side_is_found_with_both_values_and_nothing_is_written(
    accounts: AccountWorld,
) -> None:
    kept = accounts.account(Name="Kept In Step Ltd", Phone="617 555 0100")
    moved = accounts.account(Name="Moved Away Inc", Phone="617 555 0101")
    accounts.sync(records=[kept, moved])
    assert compare(accounts).in_words() == "Zero discrepancies: 2 linked records"
    accounts.edit(moved, Phone="617 555 0199", ERP_Customer_Number__c="typed by hand")
    party = accounts.party(moved)
    accounts.change(party["id"], name="Moved Away Limited")
    accounts.world.org.clear_calls()
    report = compare(accounts)
    assert {field: (row.crm_value, row.erp_value, row.owner) for field, row in of(report, moved).items()} == {
        "name": ("Moved Away Inc", "Moved Away Limited", "the CRM"),
        "phone": ("+16175550199", "+16175550101", "the latest change"),
        "erp_customer_number": ("typed by hand", party["code"], "the ERP"),
    }
    assert (report.linked, report.in_step, report.differing, report.gone) == (2, 1, 1, 0)
    assert of(report, kept) == {}
    assert not [call for call in accounts.world.org.calls() if call.startswith(("PATCH", "DELETE", "PUT"))]
    assert accounts.read(party["id"])["name"] == "Moved Away Limited"
    table = published("reconciliation-discrepancies")
    assert f"[Moved Away Inc]({accounts.integration().crm.url(moved)})" in table
    assert "Moved Away Limited" in table
    event = emitted(
        "prefect-crm-erp.reconciliation.discrepancies",
        "prefect-crm-erp.reconciliation.test",
        since=accounts.world.began_at,
    )
    assert event["payload"]["summary"] == "3 discrepancies in 1 of 2 linked records" == report.in_words()


@pytest.mark.requirement("Q05")
def test_what_differs_three_times_in_a_row_is_named_as_repeated_until_it_agrees(accounts: AccountWorld) -> None:
    account = accounts.account()
    accounts.sync(records=[account])
    accounts.change(accounts.party(account)["id"], name="Renamed By Finance")
    first = compare(accounts)
    assert (first.discrepancies, first.repeated) == (1, 0)
    began = first.rows[0].since
    compare(accounts)
    assert "Repeated" not in published("reconciliation-summary")
    third = compare(accounts, records=[account])
    (row,) = third.rows
    assert (third.repeated, row.times, row.since) == (1, 3, began)
    assert third.in_words() == "1 discrepancy in 1 of 1 linked record, 1 of them 3 or more times in a row"
    assert "ownership of these fields needs tightening" in published("reconciliation-summary")
    accounts.sync(records=[account])
    assert compare(accounts).in_words() == "Zero discrepancies: 1 linked record"


@pytest.mark.requirement("Q04")
def test_a_value_that_the_erp_cannot_hold_is_an_agreed_difference_and_no_discrepancy(accounts: AccountWorld) -> None:
    integration = accounts.integration(code_lists=CodeLists(states={"Rivendell": "RVN"}))  # no ERP has that state
    place = {"Street": "Road 1", "City": "Imladris", "State": "Rivendell", "PostalCode": "10115", "Country": "DE"}
    account = accounts.account(**{f"Shipping{name}": value for name, value in place.items()})
    accounts.sync(integration, records=[account])
    report = compare(accounts, integration=integration)
    assert (report.passes, report.agreed, report.in_step) == (True, 1, 1)
    accounts.edit(account, ShippingCity="Bree")
    changed = compare(accounts, integration=integration)
    assert (set(of(changed, account)), changed.agreed) == ({"shipping"}, 0)


@pytest.mark.requirement("Q04")
def test_a_record_that_is_gone_or_closed_on_either_side_is_a_discrepancy_of_its_own(accounts: AccountWorld) -> None:
    named = ("Deleted In The CRM", "Closed In The ERP", "Gone From The ERP", "Switched Off")
    deleted, closed, lost, off = keys = [accounts.account(Name=name) for name in named]
    accounts.sync(records=keys)
    accounts.world.company.sf.Account.delete(deleted)
    accounts.change(accounts.party(closed)["id"], active=False)
    accounts.rpc("model.party.party.delete", [accounts.party(lost)["id"]], accounts.world.context)
    accounts.change(accounts.party(off)["id"], name="Another Name")
    accounts.edit(off, Push_To_ERP__c=False)
    report = compare(accounts)
    assert (report.gone, report.left_alone, report.in_step) == (3, 1, 0)
    values = [(of(report, key)["record"].crm_value, of(report, key)["record"].erp_value) for key in (closed, lost)]
    assert values == [("Closed In The ERP", "closed"), ("Gone From The ERP", "gone")]
    assert of(report, deleted)["record"].crm_value == "deleted"
    assert not of(report, off)
