"""Merging and undeleting over SOAP, and how the recycle bin then looks through queryAll."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fixtures_salesforce import Company, SandboxOrg

FLAGS = "SELECT IsDeleted, MasterRecordId, ParentId, SystemModstamp FROM Account"


@pytest.fixture
def company(new_company: Callable[..., Company]) -> Company:
    return new_company()


def flags(company: Company, record_id: str) -> dict[str, Any]:
    (row,) = company.sf.query_all(f"{FLAGS} WHERE Id = '{record_id}'", include_deleted=True)["records"]
    return {name: value for name, value in row.items() if name != "attributes"}


@pytest.mark.requirement("GB09")
def test_a_merge_moves_children_flags_the_loser_and_stamps_all_of_them(empty_org: SandboxOrg, company: Company) -> None:
    master, loser = company.account("master"), company.account("loser")
    child = company.account("child", ParentId=loser)
    (contact,) = company.create("Contact", [{"LastName": "Ray", "AccountId": loser}])
    before = {each: flags(company, each)["SystemModstamp"] for each in (master, loser, child)}
    empty_org.clock(skew_seconds=60)
    empty_org.merge(master, loser)
    assert {name: flags(company, loser)[name] for name in ("IsDeleted", "MasterRecordId")} == {
        "IsDeleted": True,
        "MasterRecordId": master,
    }
    assert flags(company, child)["ParentId"] == master
    assert company.sf.Contact.get(contact)["AccountId"] == master
    assert all(flags(company, each)["SystemModstamp"] > stamp for each, stamp in before.items())
    empty_org.undelete(loser)
    assert {name: flags(company, loser)[name] for name in ("IsDeleted", "MasterRecordId")} == {
        "IsDeleted": False,
        "MasterRecordId": None,
    }
    assert company.sf.Contact.get(contact)["AccountId"] == master, "children stay with the master"


@pytest.mark.requirement("GB09")
def test_deleting_and_undeleting_stamp_the_account_and_those_below_it(empty_org: SandboxOrg, company: Company) -> None:
    parent = company.account("parent")
    child = company.account("child", ParentId=parent)
    stamps = []
    for step, act in enumerate((lambda: company.sf.Account.delete(parent), lambda: empty_org.undelete(parent)), 1):
        empty_org.clock(skew_seconds=60 * step)
        act()
        stamps.append((flags(company, parent)["SystemModstamp"], flags(company, child)["SystemModstamp"]))
        assert flags(company, parent)["IsDeleted"] is (step == 1)
        assert flags(company, child)["ParentId"] == (None if step == 1 else parent)
    assert stamps[0] < stamps[1]


def test_query_all_shows_deleted_rows_and_deleted_children_of_a_subquery(company: Company) -> None:
    account = company.account()
    _, gone = company.create("Contact", [{"LastName": name, "AccountId": account} for name in ("stays", "goes")])
    company.sf.Contact.delete(gone)
    soql = "SELECT Id, (SELECT LastName, IsDeleted FROM Contacts{where} ORDER BY CreatedDate, Id) FROM Account"
    for where, names in (("", ["stays", "goes"]), (" WHERE IsDeleted = false", ["stays"])):
        (row,) = company.sf.query_all(soql.format(where=where), include_deleted=True)["records"]
        assert [contact["LastName"] for contact in row["Contacts"]["records"]] == names
    (row,) = company.sf.query(soql.format(where=""))["records"]
    assert len(row["Contacts"]["records"]) == 1


def test_a_merge_takes_new_values_for_the_master_and_is_undone_when_they_are_refused(
    empty_org: SandboxOrg, company: Company
) -> None:
    master, loser = company.account("master", Phone="1"), company.account("loser")
    request = (
        "<u:merge><u:request><u:masterRecord><u:type>Account</u:type><u:fieldsToNull>Phone</u:fieldsToNull>"
        f"<u:Id>{master}</u:Id><u:Name>{{name}}</u:Name></u:masterRecord>"
        f"<u:recordToMergeIds>{loser}</u:recordToMergeIds></u:request></u:merge>"
    )
    refused = empty_org.soap(request.format(name="x" * 300))
    assert "STRING_TOO_LONG" in refused
    assert "<success>false</success>" in refused
    assert flags(company, loser)["IsDeleted"] is False
    taken = empty_org.soap(request.format(name="survivor"))
    assert f"<mergedRecordIds>{loser}</mergedRecordIds><success>true</success>" in taken
    assert [company.sf.Account.get(master)[name] for name in ("Name", "Phone")] == ["survivor", None]


@pytest.mark.parametrize(
    ("call", "code"),
    [
        ("<u:undelete><u:ids>nonsense</u:ids></u:undelete>", "MALFORMED_ID"),
        ("<u:undelete>" + "<u:ids>001</u:ids>" * 201 + "</u:undelete>", "EXCEEDED_ID_LIMIT"),
        ("<u:merge><u:request/></u:merge>", "MISSING_ARGUMENT"),
    ],
)
def test_what_cannot_be_done_says_why(empty_org: SandboxOrg, call: str, code: str) -> None:
    assert code in empty_org.soap(call)


def test_a_record_that_is_not_in_the_bin_stays_where_it_is(empty_org: SandboxOrg, company: Company) -> None:
    answer = empty_org.soap(f"<u:undelete><u:ids>{company.account()}</u:ids></u:undelete>")
    assert "UNDELETE_FAILED" in answer
    assert "<success>false</success>" in answer
