"""Custom objects over the wire: external-id relationships, names, details that live and die with their parent."""

from __future__ import annotations

import csv
import io
import time
from typing import Any

import pytest

from .conftest import Rest

UPSERT = "/composite/sobjects/{}/ERP_Id__c"


def upsert(rest: Rest, name: str, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    records = [{"attributes": {"type": name}, **row} for row in rows]
    answer = rest.patch(UPSERT.format(name), json={"records": records})
    assert answer.status_code == 200, answer.text
    return list(answer.json())


def invoice(erp_id: str, **fields: Any) -> dict[str, Any]:
    return {"ERP_Id__c": erp_id, "CurrencyIsoCode": "USD", **fields}


def line(erp_id: str, of: str, **fields: Any) -> dict[str, Any]:
    return {"ERP_Id__c": erp_id, "ERP_Invoice__r": {"ERP_Id__c": of}, "CurrencyIsoCode": "USD", **fields}


@pytest.fixture
def invoices(rest: Rest) -> Rest:
    """Two invoices, one with two lines."""
    account = rest.new("Account", Name="Acme")
    upsert(rest, "ERP_Invoice__c", invoice("I-1", Name="INV-1", Account__c=account, Total__c=30), invoice("I-2"))
    lines = line("L-1", "I-1", Amount__c=10, Unit_Price__c="0.123456"), line("L-2", "i-1", Amount__c="20.5")
    assert all(row["success"] for row in upsert(rest, "ERP_Invoice_Line__c", *lines))
    return rest


def test_relationships_are_followed_both_ways(invoices: Rest) -> None:
    soql = (
        "SELECT Name, ERP_Invoice__r.Name, ERP_Invoice__r.Account__r.Name FROM ERP_Invoice_Line__c ORDER BY ERP_Id__c"
    )
    rows = invoices.query(soql)
    assert [row["ERP_Invoice__r"]["Account__r"]["Name"] for row in rows] == ["Acme", "Acme"]
    assert [len(row["Name"]) for row in rows] == [9, 9]
    down = "SELECT Name, (SELECT ERP_Id__c FROM ERP_Invoice_Lines__r) FROM ERP_Invoice__c ORDER BY ERP_Id__c"
    first, second = invoices.query(down)
    assert (first["Name"], first["ERP_Invoice_Lines__r"]["totalSize"]) == ("INV-1", 2)
    assert (len(second["Name"]), second["ERP_Invoice_Lines__r"]) == (18, None)
    path = "ERP_Invoice__r.ERP_Id__c"
    (total,) = invoices.query(f"SELECT {path} key, SUM(Amount__c) total FROM ERP_Invoice_Line__c GROUP BY {path}")
    assert (total["key"], total["total"]) == ("I-1", 30.5)
    accounts = (
        "SELECT (SELECT Name FROM ERP_Invoices__r) FROM Account WHERE Id IN (SELECT Account__c FROM ERP_Invoice__c)"
    )
    assert [row["ERP_Invoices__r"]["totalSize"] for row in invoices.query(accounts)] == [1]


def test_a_detail_goes_with_its_parent_and_comes_back_with_it(invoices: Rest) -> None:
    (parent,) = invoices.query("SELECT Id FROM ERP_Invoice__c WHERE ERP_Id__c = 'I-1'")
    assert invoices.delete(f"/sobjects/ERP_Invoice__c/{parent['Id']}").status_code == 204
    assert invoices.query("SELECT Id FROM ERP_Invoice_Line__c") == []
    assert upsert(invoices, "ERP_Invoice__c", invoice("I-1"))[0]["created"]


def test_a_detail_needs_a_parent_and_may_move_to_another(invoices: Rest) -> None:
    moved, orphan, lost, emptied = upsert(
        invoices,
        "ERP_Invoice_Line__c",
        line("L-1", "I-2"),
        {"ERP_Id__c": "L-3"},
        line("L-4", "I-9"),
        {"ERP_Id__c": "L-2", "ERP_Invoice__c": None},
    )
    assert (moved["success"], moved["created"]) == (True, False)
    codes = [row["errors"][0]["statusCode"] for row in (orphan, lost, emptied)]
    assert codes == ["REQUIRED_FIELD_MISSING", "INVALID_FIELD", "REQUIRED_FIELD_MISSING"]
    words = "Foreign key external ID: I-9 not found for field ERP_Id__c in entity ERP_Invoice__c"
    assert lost["errors"][0]["message"] == words


def test_a_bulk_job_finds_parents_by_their_key_and_empties_links(invoices: Rest, empty_org: Any) -> None:
    empty_org.settings(bulk_seconds=0)
    job = {"object": "ERP_Invoice_Line__c", "operation": "upsert", "externalIdFieldName": "ERP_Id__c"}
    job_id = invoices.post("/jobs/ingest", json=job).json()["id"]
    content = "ERP_Id__c,ERP_Invoice__r.ERP_Id__c,Product__c,Amount__c\nL-5,I-2,#N/A,1.5\nL-6,I-9,,2\nL-1,,,3.25\n"
    invoices.put(f"/jobs/ingest/{job_id}/batches", content=content, headers={"Content-Type": "text/csv"})
    invoices.patch(f"/jobs/ingest/{job_id}", json={"state": "UploadComplete"})
    while invoices.get(f"/jobs/ingest/{job_id}").json()["state"] != "JobComplete":
        time.sleep(0.01)
    failed = invoices.get(f"/jobs/ingest/{job_id}/failedResults").text
    (refused,) = csv.DictReader(io.StringIO(failed))
    assert refused["ERP_Id__c"] == "L-6"
    assert refused["sf__Error"].startswith("INVALID_FIELD:Foreign key external ID: I-9 not found")
    rows = invoices.query("SELECT ERP_Id__c, ERP_Invoice__r.ERP_Id__c, Amount__c FROM ERP_Invoice_Line__c")
    found = {row["ERP_Id__c"]: (row["ERP_Invoice__r"]["ERP_Id__c"], row["Amount__c"]) for row in rows}
    assert found == {"L-1": ("I-1", 3.25), "L-2": ("I-1", 20.5), "L-5": ("I-2", 1.5)}


def test_a_describe_tells_details_from_lookups(rest: Rest) -> None:
    fields = {field["name"]: field for field in rest.get("/sobjects/ERP_Invoice_Line__c/describe").json()["fields"]}
    parent, product, name = fields["ERP_Invoice__c"], fields["Product__c"], fields["Name"]
    assert (parent["nillable"], parent["updateable"], parent["cascadeDelete"]) == (False, True, True)
    assert (product["nillable"], product["cascadeDelete"], product["relationshipName"]) == (True, False, "Product__r")
    assert (name["autoNumber"], name["createable"], name["nameField"]) == (True, False, True)
    children = rest.get("/sobjects/ERP_Invoice__c/describe").json()["childRelationships"]
    names = {child["relationshipName"] for child in children}
    assert names == {"ERP_Invoice_Lines__r", "ERP_Payment_Applications__r", "ERP_Field_Payments__r"}
