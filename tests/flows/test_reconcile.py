"""Reconciliation: whatever differs between linked accounts and customers is found, and nothing is written."""

from __future__ import annotations

from typing import Any

import pytest
from world import World

from prefect_crm_erp.blocks import AccountPolicy, CodeLists, Integration, NewCustomers
from prefect_crm_erp.blocks.ledger import Discrepancy
from prefect_crm_erp.flows import account_sync, reconcile
from prefect_crm_erp.tasks.reconcile_report import ReconciliationReport

EVERY = AccountPolicy(new_customers=NewCustomers.ALL)


@pytest.fixture
def integration(world: World) -> Integration:
    """An integration by which every account becomes a customer."""
    return world.integration(accounts=EVERY)


def compare(integration: Integration, **parameters: Any) -> ReconciliationReport:
    """Reconcile, and check that every link is accounted for."""
    report = reconcile(integration=integration, **parameters)
    assert report.linked == report.in_step + report.differing + report.gone + report.left_alone
    assert len(report.rows) == report.discrepancies
    return report


def linked(world: World, integration: Integration, **fields: Any) -> tuple[str, int]:
    """An account that is in step with its customer; its id, and that of the party."""
    account = world.account(**fields)
    account_sync(integration=integration, records=[account])
    return account, party_of(world, account)


def party_of(world: World, account: str) -> int:
    return int(world.crm(account, "ERP_Id__c", object_name="Account")["ERP_Id__c"])


def write_party(world: World, party: int, **values: Any) -> None:
    with world.rpc() as rpc:
        rpc("model.party.party.write", [party], values, world.context)


def of(report: ReconciliationReport, account: str) -> dict[str, Discrepancy]:
    return {row.field: row for row in report.rows if row.key == account}


@pytest.mark.requirement("Q04")
@pytest.mark.requirement("BB08")
def test_what_was_changed_on_either_side_is_found_with_both_values_and_nothing_is_written(
    world: World, integration: Integration
) -> None:
    kept, _ = linked(world, integration, Name="Kept In Step Ltd", Phone="617 555 0100")
    moved, party = linked(world, integration, Name="Moved Away Inc", Phone="617 555 0101")
    assert compare(integration).passes
    world.company.sf.Account.update(moved, {"Phone": "617 555 0199", "ERP_Customer_Number__c": "typed by hand"})
    write_party(world, party, name="Moved Away Limited")
    world.org.clear_calls()
    report = compare(integration)
    found = of(report, moved)
    assert {field: (row.crm_value, row.erp_value, row.owner) for field, row in found.items()} == {
        "name": ("Moved Away Inc", "Moved Away Limited", "the CRM"),
        "phone": ("+16175550199", "+16175550101", "the latest change"),
        "erp_customer_number": ("typed by hand", found["name"].erp_number, "the ERP"),
    }
    assert (report.linked, report.in_step, report.differing, report.gone) == (2, 1, 1, 0)
    assert of(report, kept) == {}
    assert not [call for call in world.org.calls() if call.startswith(("PATCH", "DELETE", "PUT"))]
    assert world.crm(moved, "Name", object_name="Account")["Name"] == "Moved Away Inc"


@pytest.mark.requirement("Q05")
def test_what_differs_three_times_in_a_row_is_named_as_repeated_until_it_agrees(
    world: World, integration: Integration
) -> None:
    account, party = linked(world, integration, Phone="617 555 0100")
    write_party(world, party, name="Renamed By Finance")
    first = compare(integration)
    assert (first.discrepancies, first.repeated) == (1, 0)
    began = first.rows[0].since
    compare(integration)
    third = compare(integration, records=[account])
    (row,) = third.rows
    assert (third.repeated, row.times, row.since) == (1, 3, began)
    assert third.in_words() == "1 discrepancy in 1 of 1 linked record, 1 of them 3 or more times in a row"
    account_sync(integration=integration)
    assert compare(integration).in_words() == "Zero discrepancies: 1 linked record"


@pytest.mark.requirement("Q04")
def test_a_value_that_the_erp_cannot_hold_is_an_agreed_difference_and_no_discrepancy(world: World) -> None:
    unknown_state = CodeLists(states={"Rivendell": "RVN"})
    integration = world.integration(accounts=EVERY, code_lists=unknown_state)
    place = {"Street": "Road 1", "City": "Rivendell", "State": "Rivendell", "PostalCode": "10115", "Country": "DE"}
    account, _ = linked(world, integration, **{f"Shipping{name}": value for name, value in place.items()})
    report = compare(integration)
    assert (report.passes, report.agreed, report.in_step) == (True, 1, 1)
    world.company.sf.Account.update(account, {"ShippingCity": "Bree"})
    changed = compare(integration)
    assert (set(of(changed, account)), changed.agreed) == ({"shipping"}, 0)


@pytest.mark.requirement("Q04")
def test_a_record_that_is_gone_or_closed_on_either_side_is_a_discrepancy_of_its_own(
    world: World, integration: Integration
) -> None:
    deleted, _ = linked(world, integration, Name="Deleted In The CRM")
    closed, party = linked(world, integration, Name="Closed In The ERP")
    lost, lost_party = linked(world, integration, Name="Gone From The ERP")
    off, off_party = linked(world, integration, Name="Switched Off")
    world.company.sf.Account.delete(deleted)
    write_party(world, party, active=False)
    with world.rpc() as rpc:
        rpc("model.party.party.delete", [lost_party], world.context)
    world.company.sf.Account.update(off, {"Push_To_ERP__c": False})
    write_party(world, off_party, name="Another Name")
    report = compare(integration)
    assert (report.gone, report.left_alone, report.in_step) == (3, 1, 0)
    assert [of(report, key)["record"].crm_value for key in (deleted, closed, lost)] == [
        "deleted",
        "Closed In The ERP",
        "Gone From The ERP",
    ]
    assert [of(report, key)["record"].erp_value for key in (closed, lost)] == ["closed", "gone"]
