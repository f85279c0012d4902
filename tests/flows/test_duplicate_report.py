"""The duplicate report: what looks like one company is found in each system and across them, and nothing else is."""

from __future__ import annotations

from decimal import Decimal

import pytest
from account_world import AccountWorld
from artifacts import published

from prefect_crm_erp.flows import duplicate_report
from prefect_crm_erp.models.duplicates import Band, Group
from prefect_crm_erp.tasks.duplicates_report import CLEANSE_FIRST

VAT = "DE136695976"


def place(code: str) -> dict[str, str]:
    """A billing address with a postal code that no other test uses."""
    street = {"BillingStreet": "Weg 1", "BillingCity": "Ort", "BillingState": "", "BillingCountry": "DE"}
    return street | {"BillingPostalCode": code}


def groups_with(groups: list[Group], *ids: object) -> list[tuple[set[str], str]]:
    """Ids and rule of the groups in which one of these records is; the ERP is shared with other tests."""
    wanted = {str(each) for each in ids}
    found = [({entry.id for entry in group.entries}, group.likeness.value) for group in groups]
    return [(members, why) for members, why in found if members & wanted]


def party(accounts: AccountWorld, name: str, code: str) -> int:
    made = accounts.new_party(name)
    accounts.move(made, postal_code=code)
    return made


@pytest.mark.requirement("V06", "X02")
def test_duplicates_of_each_kind_are_found_and_unrelated_records_are_not(accounts: AccountWorld) -> None:
    by_vat = [accounts.account(Name=name, VAT_Number__c=vat) for name, vat in (("One", "DE 136 695 976"), ("Two", VAT))]
    by_name = [accounts.account(Name=name, **place("99011")) for name in ("Brückner GmbH", "BRUECKNER")]
    alike = [accounts.account(Name=name, **place("99012")) for name in ("Messtechnik Alpha", "Messtechnick Alpha")]
    others = [
        accounts.account(Name=name, **place("99013")) for name in ("Plant A", "Plant B", "Store 101", "Store 102")
    ]
    parties = [party(accounts, "Zwilling Werke", "99014") for _ in range(2)]
    linked = accounts.account(Name="Linked Ltd", **place("99015"))
    accounts.sync(records=[linked])
    unlinked = accounts.account(Name="Salem Twins Inc", BillingPostalCode="99916")
    twin = party(accounts, "SALEM TWINS", "99916")
    report = duplicate_report(integration=accounts.integration())
    crm, erp = report.inside["Salesforce"], report.inside["Tryton"]
    assert groups_with(crm, *by_vat) == [(set(by_vat), "same VAT number")]
    assert groups_with(crm, *by_name) == [(set(by_name), "same name and postal code")]
    assert groups_with(crm, *alike) == [(set(alike), "like names at the same postal code")]
    assert [group.likeness.value for group in crm][:2] == ["same VAT number", "same name and postal code"]
    assert groups_with(erp, *parties) == [(set(map(str, parties)), "same name and postal code")]
    assert groups_with(report.across, unlinked, twin) == [({unlinked, str(twin)}, "same name and postal code")]
    party_of_linked = accounts.parties(linked)[0]
    for groups in (crm, erp, report.across):
        assert groups_with(groups, *others, linked, party_of_linked) == []


@pytest.mark.requirement("V02", "V05", "AA02")
def test_the_rate_is_told_by_both_instruments_with_the_advice_to_cleanse_first(accounts: AccountWorld) -> None:
    for code in ("99021", "99021", "99022", "99023", "99024"):
        accounts.account(Name="Kaufhaus Nord", **place(code))
    report = duplicate_report(integration=accounts.integration())
    rate = report.rate("Salesforce")
    assert (rate.records, rate.surplus, rate.percent) == (5, 1, Decimal("20.0"))
    assert (rate.band, rate.points) == (Band.POOR, 5)
    summary = published("duplicates-summary")
    assert CLEANSE_FIRST in summary
    assert "| Salesforce | 5 | 1 | 20.0 % | poor | 5 of 25 |" in summary
