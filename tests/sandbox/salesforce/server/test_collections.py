"""Collections over the wire: one call, HTTP 200, and a result for each row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import httpx
import pytest

from .conftest import Rest

Codes = Callable[[httpx.Response], list[str]]
PATH = "/composite/sobjects"
GOOD, BAD = {"attributes": {"type": "Account"}, "Name": "A"}, {"attributes": {"type": "Account"}}


def outcomes(answer: httpx.Response) -> list[str]:
    """For each row `ok`, or the code of its first error."""
    assert answer.status_code == 200, answer.text
    return ["ok" if row["success"] else row["errors"][0]["statusCode"] for row in answer.json()]


def test_row_that_fails_leaves_the_others_alone(rest: Rest) -> None:
    answer = rest.post(PATH, json={"records": [GOOD, BAD, GOOD]})
    assert outcomes(answer) == ["ok", "REQUIRED_FIELD_MISSING", "ok"]
    assert answer.json()[1] == {
        "success": False,
        "errors": [
            {
                "statusCode": "REQUIRED_FIELD_MISSING",
                "message": "Required fields are missing: [Name]",
                "fields": ["Name"],
            }
        ],
    }
    assert len(rest.query("SELECT Id FROM Account")) == 2


def test_all_or_none_undoes_everything(rest: Rest) -> None:
    answer = rest.post(PATH, json={"allOrNone": True, "records": [GOOD, BAD, GOOD]})
    rolled_back = "ALL_OR_NONE_OPERATION_ROLLED_BACK"
    assert outcomes(answer) == [rolled_back, "REQUIRED_FIELD_MISSING", rolled_back]
    assert rest.query("SELECT Id FROM Account") == []
    ids = [rest.new("Account", Name=name) for name in "AB"]
    gone = rest.delete(PATH, params={"ids": f"{ids[0]},001000000000009AAA,{ids[1]}", "allOrNone": "true"})
    assert outcomes(gone) == [rolled_back, "INVALID_CROSS_REFERENCE_KEY", rolled_back]
    assert gone.json()[0]["id"] == ids[0]
    assert len(rest.query("SELECT Id FROM Account")) == 2


def test_updates_name_their_rows_by_id(rest: Rest) -> None:
    kept, deleted = rest.new("Account", Name="A"), rest.new("Account", Name="B")
    rest.delete(f"/sobjects/Account/{deleted}")
    ids: Sequence[Any] = [kept[:15], deleted, "001000000000009AAA", "no id", None]
    rows = [{"attributes": {"type": "Account"}, "id": record_id, "Site": "x"} for record_id in ids]
    answer = rest.patch(PATH, json={"records": rows})
    codes = ["ok", "ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY", "MALFORMED_ID", "MISSING_ARGUMENT"]
    assert outcomes(answer) == codes
    assert answer.json()[0]["id"] == kept


def test_upserts_tell_new_rows_from_old_ones(rest: Rest) -> None:
    rest.new("Account", Name="A", ERP_Id__c="K1")
    rows = [{**GOOD, "ERP_Id__c": key} for key in ("k1", "K2", "", "K3", "k3")]
    answer = rest.patch(f"{PATH}/Account/ERP_Id__c", json={"records": rows})
    assert outcomes(answer) == ["ok", "ok", "MISSING_ARGUMENT", "DUPLICATE_VALUE", "DUPLICATE_VALUE"]
    assert [row["created"] for row in answer.json()] == [False, True, False, False, False]


def test_parents_are_named_by_their_external_id(rest: Rest) -> None:
    account = rest.new("Account", Name="A", ERP_Id__c="K1")
    contact = {"attributes": {"type": "Contact"}, "LastName": "C"}
    rows = [{**contact, "Account": {"ERP_Id__c": key}} for key in ("K1", "K2")]
    answer = rest.post(PATH, json={"records": rows})
    assert outcomes(answer) == ["ok", "INVALID_FIELD"]
    assert [row["AccountId"] for row in rest.query("SELECT AccountId FROM Contact")] == [account]


def test_retrieves_in_order_and_null_for_what_is_gone(rest: Rest) -> None:
    ids = [rest.new("Account", Name=name) for name in "ABC"]
    rest.delete(f"/sobjects/Account/{ids[1]}")
    by_url = rest.get(f"{PATH}/Account", params={"ids": ",".join(ids), "fields": "name"}).json()
    by_body = rest.post(f"{PATH}/Account", json={"ids": ids, "fields": ["Name"]}).json()
    assert [row and row["Name"] for row in by_url] == ["A", None, "C"]
    assert by_body == by_url


@pytest.mark.parametrize(
    ("records", "code"),
    [
        ([GOOD] * 201, "EXCEEDED_ID_LIMIT"),
        ([GOOD, {"attributes": {"type": "Contact"}, "LastName": "C"}] * 6, "INVALID_BATCH_OPERATION"),
        ([{"Name": "A"}], "INVALID_TYPE"),
        ([], "REQUIRED_FIELD_MISSING"),
        ("rows", "JSON_PARSER_ERROR"),
        ([GOOD, {**GOOD, "AnnualRevenue": {"amount": 1}}], "JSON_PARSER_ERROR"),
    ],
)
def test_malformed_collections_are_refused_as_a_whole(records: Any, code: str, rest: Rest, codes: Codes) -> None:
    answer = rest.post(PATH, json={"records": records})
    assert (answer.status_code, codes(answer)) == (400, [code])
    assert rest.query("SELECT Id FROM Account") == []


def test_duplicate_rule_stops_rows_unless_the_client_insists(rest: Rest, empty_org: Any, codes: Codes) -> None:
    twin = {"Name": "Twin", "BillingPostalCode": "24103"}
    first = rest.new("Account", **twin)
    empty_org.settings(duplicate_rule="block")
    refused = rest.post("/sobjects/Account", json=twin)
    assert (refused.status_code, codes(refused)) == (400, ["DUPLICATES_DETECTED"])
    assert first in str(refused.json()[0]["duplicateResult"])
    row = {"attributes": {"type": "Account"}, **twin}
    assert outcomes(rest.post(PATH, json={"records": [row]})) == ["DUPLICATES_DETECTED"]
    insisting = {"Sforce-Duplicate-Rule-Header": "allowSave=true"}
    assert outcomes(rest.post(PATH, json={"records": [row]}, headers=insisting)) == ["ok"]
