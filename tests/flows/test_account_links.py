"""Links between accounts and customers: hierarchies, merges, deletions, customers that were born in the ERP."""

from __future__ import annotations

import pytest
from account_world import AccountWorld
from simple_salesforce.exceptions import SalesforceMalformedRequest
from world import BERLIN

from prefect_crm_erp.blocks import ErpCustomers, NewCustomers
from prefect_crm_erp.models.outcomes import Outcome, Queue
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.tasks.account_check import check_accounts
from prefect_crm_erp.tasks.account_item import AccountItem
from prefect_crm_erp.tasks.account_place import place_accounts

FIRST_DEAL = {"new_customers": NewCustomers.FIRST_DEAL}


# -------------------------------------------------------------------- hierarchies


@pytest.mark.requirement("GB10")
def test_parents_are_written_before_their_children_whatever_the_order_of_reading(accounts: AccountWorld) -> None:
    top, middle, bottom = (accounts.account(Name=name) for name in ("Top Inc", "Middle Inc", "Bottom Inc"))
    accounts.edit(middle, ParentId=top)
    accounts.edit(bottom, ParentId=middle)
    accounts.edit(top, Phone="617 555 0100")  # read last
    accounts.sync(records=[bottom])  # though only the child is asked for
    parties = [accounts.party(account)["id"] for account in (top, middle, bottom)]
    assert [accounts.parent(party) for party in parties] == [None, parties[0], parties[1]]
    accounts.sync()
    accounts.edit(bottom, ParentId=top)
    accounts.sync()
    assert accounts.parent(parties[2]) == parties[0]
    assert accounts.in_step(accounts.sync())


@pytest.mark.requirement("GB10")
def test_a_child_waits_for_a_parent_that_cannot_go_yet_and_follows_it(accounts: AccountWorld) -> None:
    parent = accounts.account(BillingState="Nowhere")
    child = accounts.account(ParentId=parent)
    report = accounts.sync()
    assert {accounts.row(report, key).queue for key in (parent, child)} == {Queue.DATA_QUALITY}
    assert "parent" in accounts.row(report, child).reason
    assert accounts.parties(child) == []
    accounts.edit(parent, BillingState="MA")
    accounts.sync()
    assert accounts.parent(accounts.party(child)["id"]) == accounts.party(parent)["id"]
    assert accounts.in_step(accounts.sync())


@pytest.mark.requirement("GB10", "B04")
def test_a_parent_that_is_no_customer_is_added_once_it_becomes_one(accounts: AccountWorld) -> None:
    by_rule = accounts.integration(
        policy={"new_customers": NewCustomers.RULES, "rules": [{"field": "Rating", "values": ["Hot"]}]}
    )
    parent = accounts.account()
    child = accounts.account(ParentId=parent, Rating="Hot")
    accounts.sync(by_rule)
    assert accounts.parent(accounts.party(child)["id"]) is None
    accounts.edit(parent, Rating="Hot")
    accounts.sync(by_rule)
    assert accounts.parent(accounts.party(child)["id"]) == accounts.party(parent)["id"]
    assert accounts.in_step(accounts.sync(by_rule))


@pytest.mark.requirement("GB10")
def test_accounts_that_are_each_others_parents_wait_for_a_correction(accounts: AccountWorld) -> None:
    # Salesforce refuses such a circle; a CRM that does not must not stop the others.
    first, second = (accounts.account(Name=name) for name in ("Egg Inc", "Hen Inc"))
    (page,) = accounts.integration().crm.account_pages(ids=[first, second])
    parents = {first: second, second: first}
    circle = [AccountItem(each.model_copy(update={"parent_id": parents[each.crm_id]})) for each in page]
    with accounts.run() as run:
        placed = place_accounts.fn(run, check_accounts.fn(run, Page(circle)))
    for item in placed:
        assert item.verdict is not None
        assert item.verdict.queue is Queue.DATA_QUALITY
        assert "lead back to itself" in item.verdict.reason
    assert accounts.parties(first) == accounts.parties(second) == []


# -------------------------------------------------------------------- merges and deletions


@pytest.mark.requirement("GB09")
def test_the_customer_of_a_merged_account_moves_to_the_survivor(accounts: AccountWorld) -> None:
    integration = accounts.integration(policy=FIRST_DEAL)
    survivor, loser = accounts.account(Name="Survivor Inc"), accounts.account(Name="Loser Inc")
    accounts.world.deal(account=loser)
    accounts.world.run()
    accounts.sync(integration)
    party = accounts.party(loser)["id"]
    accounts.world.org.merge(survivor, loser)
    accounts.sync(integration)
    assert accounts.parties(survivor) == [party]
    assert accounts.read(party)["name"] == "Survivor Inc"
    assert accounts.shown(survivor, "ERP_Id__c")["ERP_Id__c"] == str(party)
    accounts.edit(survivor, Name="Survivor Corp")
    accounts.sync(integration)
    assert accounts.read(party)["name"] == "Survivor Corp"
    assert accounts.in_step(accounts.sync(integration))


@pytest.mark.requirement("GB09")
def test_merged_accounts_with_a_customer_each_are_for_a_person_until_the_erp_has_one(accounts: AccountWorld) -> None:
    survivor, loser = accounts.account(Name="One Inc"), accounts.account(Name="Two Inc")
    accounts.sync()
    kept, other = accounts.party(survivor)["id"], accounts.party(loser)["id"]
    accounts.world.org.merge(survivor, loser)
    row = accounts.row(accounts.sync(), loser)
    assert (row.outcome, row.queue) == (Outcome.QUEUED, Queue.PENDING_REVIEW)
    assert str(accounts.read(kept)["code"]) in row.reason
    accounts.change(other, active=False)
    accounts.sync()
    assert accounts.in_step(accounts.sync())
    assert accounts.parties(survivor) == [kept]


@pytest.mark.requirement("GB09")
def test_a_deleted_customer_is_reported_until_it_is_restored(accounts: AccountWorld) -> None:
    account, prospect = accounts.account(), accounts.account()
    accounts.sync(accounts.integration(policy=FIRST_DEAL))
    accounts.sync(records=[account])
    for key in (account, prospect):
        accounts.world.company.sf.Account.delete(key)
    report = accounts.sync()
    assert accounts.row(report, account).queue is Queue.PENDING_REVIEW
    assert "was deleted" in accounts.row(report, account).reason
    assert accounts.row(report, prospect).outcome is Outcome.EXCLUDED
    assert accounts.sync().queued == 1  # it stays in sight
    accounts.world.org.undelete(account)
    accounts.edit(account, Name="Back Inc")
    accounts.sync()
    assert accounts.party(account)["name"] == "Back Inc"
    assert accounts.in_step(accounts.sync())


# -------------------------------------------------------------------- born in the ERP


@pytest.mark.requirement("GB08", "A09", "A16")
def test_a_customer_of_the_erp_finds_its_account_or_becomes_one_once_it_has_bought(accounts: AccountWorld) -> None:
    integration = accounts.integration(policy=FIRST_DEAL)
    known = accounts.account(
        Name="Salem Optics Incorporated",
        BillingStreet="5 Elm St",
        BillingCity="Salem",
        BillingState="MA",
        BillingPostalCode="01970",
    )
    linked = accounts.new_party("SALEM OPTICS INC")
    idle = accounts.new_party("Idle Visitor Ltd")
    dry = accounts.sync(integration, dry_run=True)
    assert known in accounts.row(dry, f"main:{linked}").reason
    assert accounts.parties(known) == []
    report = accounts.sync(integration)
    assert accounts.parties(known) == [linked]
    assert accounts.row(report, f"main:{idle}").outcome is Outcome.EXCLUDED

    accounts.sell(idle)
    report = accounts.sync(integration)
    (created,) = accounts.accounts_named("Idle Visitor Ltd")
    assert accounts.parties(created["Id"]) == [idle]
    assert (created["BillingCity"], created["BillingCountry"], created["Type"]) == (
        "Salem",
        "United States",
        "Customer",
    )
    assert accounts.in_step(accounts.sync(integration))
    assert len(accounts.accounts_named("Idle Visitor Ltd")) == 1

    only_link = accounts.integration(policy={**FIRST_DEAL, "erp_customers": ErpCustomers.LINK})
    lonely = accounts.new_party("Lonely Buyer Ltd")
    accounts.sell(lonely)
    assert accounts.row(accounts.sync(only_link), f"main:{lonely}").outcome is Outcome.EXCLUDED


@pytest.mark.requirement("O01", "O02")
def test_where_new_accounts_need_their_subsidiary_people_are_refused_without_and_the_integration_fills_it(
    accounts: AccountWorld,
) -> None:
    org, older = accounts.world.org, accounts.account()
    org.settings(subsidiary_required=True)
    with pytest.raises(SalesforceMalformedRequest, match="Choose the legal entity"):
        accounts.world.company.sf.Account.create({"Name": "Nobody's Customer"})
    assert accounts.world.company.sf.Account.create({"Name": "British", "ERP_Subsidiary__c": "UK"})["success"]
    accounts.edit(older, Phone="617 555 0100")  # the rule is for new ones
    party = accounts.new_party("Essex Street Optics Inc")
    accounts.sell(party)
    accounts.sync(accounts.integration(policy=FIRST_DEAL))
    (created,) = accounts.accounts_named("Essex Street Optics Inc")
    assert accounts.shown(created["Id"], "ERP_Subsidiary__c")["ERP_Subsidiary__c"] == "US"
    assert accounts.parties(created["Id"]) == [party]


@pytest.mark.requirement("GB08")
def test_a_customer_that_might_be_one_of_two_accounts_waits_with_both_named(accounts: AccountWorld) -> None:
    integration = accounts.integration(policy=FIRST_DEAL)
    place = {"BillingCity": "Salem", "BillingState": "MA", "BillingPostalCode": "01970"}
    for name in ("Twin Falls Systems Inc", "Twin Falls Systems LLC"):
        accounts.account(Name=name, **place)
    party = accounts.new_party("Twin Falls Systems")
    row = accounts.row(accounts.sync(integration), f"main:{party}")
    assert (row.outcome, row.queue) == (Outcome.QUEUED, Queue.PENDING_REVIEW)
    assert "Twin Falls Systems Inc" in row.reason
    assert "Twin Falls Systems LLC" in row.reason
    assert accounts.sync(integration).queued == 1  # it stays in sight
    (loser,) = [each["Id"] for each in accounts.accounts_named("Twin Falls Systems LLC")]
    accounts.world.company.sf.Account.delete(loser)
    accounts.sync(integration)
    (winner,) = [each["Id"] for each in accounts.accounts_named("Twin Falls Systems Inc")]
    assert accounts.parties(winner) == [party]


@pytest.mark.requirement("GB08")
def test_two_accounts_with_one_vat_number_share_a_customer_that_the_first_keeps_in_step(accounts: AccountWorld) -> None:
    first = accounts.account(Name="Sharing GmbH", **BERLIN, VAT_Number__c="DE129273398")
    accounts.sync()
    second = accounts.account(Name="Sharing Zweigstelle", **BERLIN, VAT_Number__c="DE129273398")
    row = accounts.row(accounts.sync(), second)
    assert row.outcome is Outcome.EXCLUDED
    assert "shares the customer" in row.reason
    assert accounts.parties(first) == accounts.parties(second)
    accounts.edit(second, Name="Not the name of the customer")
    accounts.sync()
    assert accounts.party(first)["name"] == "Sharing GmbH"
    assert accounts.in_step(accounts.sync())
