"""Runs of account sync: dry, forced, one-way, first loads, bad input, fields of a company's own, calls."""

from __future__ import annotations

from typing import Any

import pytest
from account_world import AccountWorld
from artifacts import published
from cutting_proxy import Cut, CuttingProxy
from flow_process import flow_process
from world import BERLIN

from prefect_crm_erp.blocks import CodeLists, CustomFieldMap, FieldOwner, Ledger, MappedField
from prefect_crm_erp.models.errors import ConfigurationError
from prefect_crm_erp.models.outcomes import Outcome, Queue

LATEST = "the latest change"


@pytest.mark.requirement("GB03")
def test_a_dry_run_shows_what_a_real_one_writes_and_writes_nothing(accounts: AccountWorld) -> None:
    old = accounts.account(Name="Old Inc")
    accounts.sync()
    accounts.edit(old, Name="Older Inc")
    new = accounts.account(Phone="617 555 0100")
    before = accounts.shown(old, "SystemModstamp")
    dry = accounts.sync(dry_run=True)
    assert dry.written == 2
    (change,) = accounts.row(dry, old).changes
    assert (change.field, change.before, change.after) == ("Tryton: Name", "Old Inc", "Older Inc")
    assert "+16175550100" in {change.after for change in accounts.row(dry, new).changes}
    assert accounts.party(old)["name"] == "Old Inc"
    assert accounts.parties(new) == []
    assert accounts.shown(old, "SystemModstamp") == before
    real = accounts.sync()
    assert {row.crm_id: row.outcome for row in real.rows} == {row.crm_id: row.outcome for row in dry.rows}


@pytest.mark.requirement("GB06")
def test_named_accounts_are_run_by_id_or_customer_number_and_nothing_else(accounts: AccountWorld) -> None:
    first, second = accounts.account(), accounts.account()
    report = accounts.sync(records=[first[:15]])
    assert [row.crm_id for row in report.rows] == [first]
    number = accounts.party(first)["code"]
    accounts.edit(first, Name="By Number Inc")
    report = accounts.sync(records=[number])
    assert [(row.crm_id, row.outcome) for row in report.rows] == [(first, Outcome.WRITTEN)]
    assert accounts.parties(second) == []
    with pytest.raises(ConfigurationError, match="neither a CRM id"):
        accounts.sync(records=["no such number"])


@pytest.mark.requirement("H03", "A09")
def test_each_direction_takes_along_the_changes_of_its_side_and_leaves_the_others_for_later(
    accounts: AccountWorld,
) -> None:
    account = accounts.account(Name="One Way Inc")
    accounts.sync()
    party = accounts.party(account)["id"]
    accounts.edit(account, Name="Two Ways Inc")
    accounts.terms(party, "Net 60")
    accounts.sync(direction="CRM to ERP")
    assert accounts.party(account)["name"] == "Two Ways Inc"
    assert accounts.shown(account, "Payment_Terms__c")["Payment_Terms__c"] == "Net 30"
    accounts.sync(direction="ERP to CRM")
    assert accounts.shown(account, "Payment_Terms__c")["Payment_Terms__c"] == "Net 60"
    assert accounts.in_step(accounts.sync())


@pytest.mark.requirement("GB07")
def test_a_first_load_that_broke_goes_on_where_it_stopped_and_links_what_is_there(accounts: AccountWorld) -> None:
    there = accounts.new_party("Already There Inc")
    linked = accounts.account(
        Name="Already There", BillingCity="Salem", BillingState="MA", BillingPostalCode="01970", BillingStreet="5 Elm"
    )
    others = [accounts.account() for _ in range(3)]
    accounts.world.org.fault("/composite/sobjects", method="PATCH", status=503, times=20)
    with pytest.raises(Exception, match="Salesforce"):
        accounts.sync(backfill=True)
    accounts.world.org.clear_faults()
    report = accounts.sync(backfill=True)
    assert report.queued == 0
    assert accounts.parties(linked) == [there]
    assert [len(accounts.parties(each)) for each in others] == [1, 1, 1]
    assert accounts.in_step(accounts.sync())


@pytest.mark.requirement("GB07", "GB14")
def test_a_first_load_tells_what_it_wrote_and_looks_at_each_account_once(accounts: AccountWorld) -> None:
    keys = [accounts.account() for _ in range(3)]
    accounts.world.org.clear_calls()
    report = accounts.sync(backfill=True)
    assert [accounts.row(report, key).outcome for key in keys] == [Outcome.WRITTEN] * 3
    assert all(accounts.row(report, key).changes for key in keys)
    assert accounts.world.org.calls()["PATCH /services/data/v64.0/composite/sobjects"] == 1
    assert not [query for query in accounts.world.org.queries() if "Id IN" in query and keys[0] in query]


# -------------------------------------------------------------------- fields of a company's own


@pytest.mark.requirement("GB13", "A11")
def test_a_mapped_field_that_a_system_no_longer_has_is_named_before_anything_is_written(accounts: AccountWorld) -> None:
    account = accounts.account()
    row = {"record": "account to customer", "crm_field": "Gone__c", "erp_field": "code"}
    with pytest.raises(ConfigurationError, match=r"Account\.Gone__c"):
        accounts.sync(accounts.integration(custom_fields=CustomFieldMap(rows=[MappedField(**row)])))
    row |= {"crm_field": "Site", "erp_field": "gone"}
    with pytest.raises(ConfigurationError, match="gone"):
        accounts.sync(accounts.integration(custom_fields=CustomFieldMap(rows=[MappedField(**row)])))
    assert accounts.parties(account) == []


@pytest.mark.requirement("GB13", "A11")
def test_an_entry_of_the_code_lists_that_the_erp_no_longer_has_is_named_before_anything_is_written(
    accounts: AccountWorld,
) -> None:
    account = accounts.account(Payment_Terms__c="NET30")
    lists = {"payment_terms": {"NET30": "net 30", "NET90": "Net 90 days"}, "units": {"Pack": "Unit", "Crate": "Crate"}}
    with pytest.raises(ConfigurationError) as caught:
        accounts.sync(accounts.integration(code_lists=CodeLists(**lists)))
    assert "payment terms 'Net 90 days' in Tryton; units of measure 'Crate' in Tryton." in str(caught.value)
    assert accounts.parties(account) == []
    lists = {"payment_terms": {"NET30": "net 30"}, "units": {"Pack": "Unit"}}
    accounts.sync(accounts.integration(code_lists=CodeLists(**lists)))
    assert accounts.party(account)["customer_payment_term."]["name"] == "Net 30"


@pytest.mark.requirement("GB17")
def test_a_mapped_field_goes_both_ways_by_its_owner(accounts: AccountWorld) -> None:
    row = MappedField(
        record="account to customer", crm_field="AccountNumber", erp_field="code", owner=LATEST, in_doubt="the ERP"
    )
    integration = accounts.integration(custom_fields=CustomFieldMap(rows=[row]))
    account = accounts.account(AccountNumber="C-4711")
    accounts.sync(integration)
    assert accounts.party(account)["code"] == "C-4711"
    accounts.change(accounts.party(account)["id"], code="C-4712")
    accounts.sync(integration)
    assert accounts.shown(account, "AccountNumber")["AccountNumber"] == "C-4712"
    accounts.edit(account, AccountNumber="C-4713")
    accounts.sync(integration)
    assert accounts.party(account)["code"] == "C-4713"
    assert accounts.in_step(accounts.sync(integration))


# -------------------------------------------------------------------- bad input

BAD: dict[str, tuple[dict[str, Any], str]] = {
    "VAT number": ({**BERLIN, "VAT_Number__c": "DE999"}, "no VAT number"),
    "state": ({"BillingState": "Bavaria"}, "no state"),
    "country": ({"BillingCountry": "Absurdistan"}, "unknown country"),
}


@pytest.mark.requirement("P01", "P02", "P03", "P09", "U09")
def test_accounts_that_no_erp_would_take_wait_with_their_reason_and_the_others_go_on(accounts: AccountWorld) -> None:
    bad = {name: accounts.account(**fields) for name, (fields, _) in BAD.items()}
    long_name = accounts.account(Name="L" * 255)
    good = accounts.account()
    report = accounts.sync()
    for name, account in bad.items():
        row = accounts.row(report, account)
        assert row.queue in (Queue.DATA_QUALITY, Queue.PENDING_REVIEW), name
        assert BAD[name][1] in row.reason
        shown = accounts.shown(account, "ERP_Sync_Status__c", "ERP_Sync_Error__c")
        assert row.queue is not None
        assert shown["ERP_Sync_Status__c"] == row.queue.value
        assert BAD[name][1] in shown["ERP_Sync_Error__c"]
        assert accounts.parties(account) == []
    assert accounts.party(long_name)["name"] == "L" * 255
    assert accounts.row(report, good).outcome is Outcome.WRITTEN
    assert accounts.sync().written == 0
    accounts.edit(bad["state"], BillingState="Massachusetts")
    assert accounts.row(accounts.sync(), bad["state"]).outcome is Outcome.WRITTEN


@pytest.mark.requirement("GB15", "A12")
def test_values_that_the_other_side_does_not_take_wait_with_its_own_words(accounts: AccountWorld) -> None:
    integration = accounts.integration(policy={"owners": [FieldOwner(field="name", owner="the ERP")]})
    names, closed = accounts.account(Name="Short Inc"), accounts.account(Name="Closed Inc")
    accounts.sync(integration)
    accounts.change(accounts.party(names)["id"], name="N" * 300)
    accounts.change(accounts.party(closed)["id"], active=False)
    accounts.edit(closed, Phone="617 555 0199")
    report = accounts.sync(integration)
    refused = accounts.row(report, names)
    assert refused.queue is Queue.MANUAL_REVIEW
    assert "Account Name" in refused.reason
    assert accounts.row(report, closed).queue is Queue.PENDING_REVIEW
    assert "closed in the ERP" in accounts.row(report, closed).reason
    accounts.change(accounts.party(names)["id"], name="Long enough Inc")
    accounts.change(accounts.party(closed)["id"], active=True)
    assert accounts.sync(integration).queued == 0
    assert accounts.shown(names, "Name")["Name"] == "Long enough Inc"
    assert accounts.numbers(closed) == ["+16175550199"]


@pytest.mark.requirement("C02", "U09", "U10")
def test_contacts_are_cleaned_in_sight(accounts: AccountWorld) -> None:
    account = accounts.account()
    accounts.contact(account, FirstName=" Ann ", LastName="O'Brien \\ 100%", Email="ann@example.com", Title="CFO")
    accounts.contact(account, LastName="Nobody", Phone="call me", Title="Invoicing")
    integration = accounts.integration(policy={"contacts": "all contacts"})
    row = accounts.row(accounts.sync(integration), account)
    assert any("call me" in note.text for note in row.notes)
    names = {each["name"] or each["value"] for each in accounts.party(account)["contact_mechanisms."]}
    assert names == {"Ann O'Brien \\ 100%", "Nobody"}
    assert accounts.in_step(accounts.sync(integration))


# -------------------------------------------------------------------- calls and crowds


@pytest.mark.requirement("GB16", "W06")
def test_a_run_with_nothing_to_do_costs_five_calls_at_most(accounts: AccountWorld) -> None:
    for _ in range(3):
        accounts.account()
    accounts.sync()
    accounts.world.org.clear_calls()
    report = accounts.sync()
    assert accounts.in_step(report)
    assert sum(accounts.world.org.calls().values()) <= 5


@pytest.mark.requirement("A06", "A07")
def test_the_summary_says_who_has_signed_off_the_owners_or_that_nobody_has(accounts: AccountWorld) -> None:
    accounts.sync()
    assert "Nobody has signed off" in published("accounts-summary")
    policy = {"signed_off_by_sales": "R. Ohm", "signed_off_by_finance": "J. Joule", "signed_off_on": "2026-01-05"}
    accounts.sync(accounts.integration(policy=policy))
    summary = published("accounts-summary")
    assert "R. Ohm" in summary
    assert "J. Joule" in summary
    assert "Nobody" not in summary


@pytest.mark.requirement("GB07", "GB11")
def test_a_first_load_that_is_killed_leaves_no_gap(accounts: AccountWorld, line: CuttingProxy) -> None:
    top = accounts.account(Name="Topmost Inc")
    keys = []
    for hours in (5, 4, 3):  # further apart than what is read again
        accounts.world.org.clock(skew_seconds=-hours * 3600)
        keys.append(accounts.account(ParentId=top))
    accounts.world.org.clock(skew_seconds=0)
    accounts.edit(top, Phone="617 555 0177")  # read last, and seen to before its children
    ledger = Ledger(url=accounts.integration().ledger.url, lease_seconds=2)
    integration = accounts.integration(erp=accounts.world.tryton(server_url=line.url), ledger=ledger)
    with (
        line.hold(Cut.BEFORE, containing=accounts.shown(keys[0], "Name")["Name"], then_cut=True) as hold,
        flow_process(integration, flow="account_sync", page_size=2, backfill=True) as process,
    ):
        hold.wait()
        process.kill()
    report = accounts.sync(accounts.integration(ledger=ledger), backfill=True)
    assert {row.crm_id for row in report.rows if row.crm_id in keys} == set(keys)
    assert [len(accounts.parties(key)) for key in (top, *keys)] == [1, 1, 1, 1]
    assert accounts.in_step(accounts.sync())
