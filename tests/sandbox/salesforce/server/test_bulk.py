"""Bulk API 2.0 over the wire: states over time, results in any order, empty cells and `#N/A`."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import pytest

from .conftest import DATA, Rest

Codes = Callable[[httpx.Response], list[str]]
ENDED = ("JobComplete", "Failed", "Aborted")


def start(rest: Rest, content: str, operation: str = "insert", **options: Any) -> str:
    """Id of a job that has been handed its rows."""
    job = rest.post("/jobs/ingest", json={"object": "Account", "operation": operation, **options}).json()
    assert (job["state"], job["contentUrl"]) == ("Open", f"{DATA[1:]}/jobs/ingest/{job['id']}/batches")
    upload = rest.put(
        f"/jobs/ingest/{job['id']}/batches", content=content.encode(), headers={"Content-Type": "text/csv"}
    )
    assert upload.status_code == 201
    closed = rest.patch(f"/jobs/ingest/{job['id']}", json={"state": "UploadComplete"}).json()
    assert closed["state"] in ("UploadComplete", "Failed")
    return str(job["id"])


def finish(rest: Rest, job_id: str, kind: str = "ingest") -> dict[str, Any]:
    """The job once it has ended."""
    deadline = time.monotonic() + 10
    while (job := rest.get(f"/jobs/{kind}/{job_id}").json())["state"] not in ENDED:
        assert time.monotonic() < deadline, job
        time.sleep(0.02)
    return job


def results(rest: Rest, job_id: str, kind: str = "successfulResults", delimiter: str = ",") -> list[dict[str, str]]:
    """Rows of a result."""
    answer = rest.get(f"/jobs/ingest/{job_id}/{kind}")
    assert answer.headers["Content-Type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(answer.text, newline=""), delimiter=delimiter))


@pytest.fixture(autouse=True)
def _quick(empty_org: Any) -> None:
    empty_org.settings(bulk_seconds=0.1)


def test_job_passes_through_its_states_and_commits_as_it_goes(rest: Rest, empty_org: Any) -> None:
    empty_org.settings(bulk_seconds=1.5)
    job_id = start(rest, "Name\n" + "".join(f"N{number}\n" for number in range(1000)))
    seen: dict[str, list[int]] = {}
    while "JobComplete" not in seen:
        job = rest.get(f"/jobs/ingest/{job_id}").json()
        seen.setdefault(job["state"], []).append(job["numberRecordsProcessed"])
        time.sleep(0.02)
    assert list(seen) == ["UploadComplete", "InProgress", "JobComplete"]
    assert len(set(seen["InProgress"])) > 2
    assert seen["JobComplete"] == [1000]


def test_results_are_complete_but_not_in_order(rest: Rest) -> None:
    rows = [f"N{number},{'' if number % 10 else 'x' * 300}" for number in range(50)]
    job_id = start(rest, "Name,Site\n" + "\n".join(rows) + "\n")
    job = finish(rest, job_id)
    assert (job["numberRecordsProcessed"], job["numberRecordsFailed"]) == (50, 5)
    saved, failed = results(rest, job_id), results(rest, job_id, "failedResults")
    names = [row["Name"] for row in saved]
    assert names != sorted(names, key=lambda name: int(name[1:]))
    assert {row["Name"] for row in [*saved, *failed]} == {f"N{number}" for number in range(50)}
    assert {row["sf__Created"] for row in saved} == {"true"}
    assert all(row["sf__Error"].startswith("STRING_TOO_LONG:Account Site: data value") for row in failed)
    assert results(rest, job_id) == saved


def test_empty_cells_leave_alone_and_na_clears(rest: Rest) -> None:
    account = rest.new("Account", Name="A", ERP_Id__c="K1", Site="kept", Phone="cleared")
    content = 'ERP_Id__c,Name,Site,Phone\nK1,"new\nname",,#N/A\nK2,B,,\n'
    job_id = start(rest, content, "upsert", externalIdFieldName="erp_id__c")
    assert finish(rest, job_id)["externalIdFieldName"] == "ERP_Id__c"
    assert sorted(row["sf__Created"] for row in results(rest, job_id)) == ["false", "true"]
    row = rest.get(f"/sobjects/Account/{account}").json()
    assert (row["Name"], row["Site"], row["Phone"]) == ("new\nname", "kept", None)


def test_parents_are_named_in_a_column(rest: Rest) -> None:
    account = rest.new("Account", Name="A", ERP_Id__c="K1")
    content = "LastName,Account.ERP_Id__c\nC,K1\nD,K9\n"
    job_id = start(rest, content, object="Contact")
    assert finish(rest, job_id)["numberRecordsFailed"] == 1
    assert "Foreign key external ID: K9 not found" in results(rest, job_id, "failedResults")[0]["sf__Error"]
    assert [row["AccountId"] for row in rest.query("SELECT AccountId FROM Contact")] == [account]


@pytest.mark.parametrize(
    "delimiter", [("BACKQUOTE", "`"), ("CARET", "^"), ("PIPE", "|"), ("SEMICOLON", ";"), ("TAB", "\t")]
)
def test_other_delimiters_and_line_endings(delimiter: tuple[str, str], rest: Rest) -> None:
    name, sign = delimiter
    options = {"columnDelimiter": name, "lineEnding": "CRLF"}
    job_id = start(rest, f"Name{sign}Site\r\nA, B{sign}x\r\n", **options)
    assert finish(rest, job_id)["state"] == "JobComplete"
    [row] = results(rest, job_id, delimiter=sign)
    assert (row["Name"], row["Site"]) == ("A, B", "x")


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("Name,Nope\nA,b\n", {}, "InvalidBatch : Field name not found : Nope"),
        ("Name\nA\n", {"operation": "update"}, "InvalidBatch : Field name not found : Id"),
        ("Name\r\nA\r\n", {}, "ClientInputError : LineEnding is invalid on user data"),
        ("Name,Site\nA\n", {}, "InvalidBatch : The number of columns differs: row 2 has 1 columns, the header 2"),
        ('Name\n"A\n', {}, "ClientInputError : Failed to parse CSV"),
    ],
)
def test_unreadable_upload_fails_the_job(content: str, options: dict[str, str], message: str, rest: Rest) -> None:
    job = finish(rest, start(rest, content, **options))
    assert job["state"] == "Failed"
    assert job["errorMessage"].startswith(message)
    assert rest.query("SELECT Id FROM Account") == []


def test_aborted_job_hands_back_what_it_did_not_come_to(rest: Rest, empty_org: Any) -> None:
    empty_org.settings(bulk_seconds=60)
    job_id = start(rest, "Name\nA\nB\n")
    assert rest.patch(f"/jobs/ingest/{job_id}", json={"state": "Aborted"}).json()["state"] == "Aborted"
    assert [row["Name"] for row in results(rest, job_id, "unprocessedrecords")] == ["A", "B"]
    assert rest.patch(f"/jobs/ingest/{job_id}", json={"state": "Aborted"}).status_code == 400
    assert rest.delete(f"/jobs/ingest/{job_id}").status_code == 204
    assert rest.get(f"/jobs/ingest/{job_id}").status_code == 404


def test_hard_deleted_rows_are_not_in_the_recycle_bin(rest: Rest) -> None:
    kept, gone = rest.new("Account", Name="A"), rest.new("Account", Name="B")
    finish(rest, start(rest, f"Id\n{kept}\n", "delete"))
    finish(rest, start(rest, f"Id\n{gone}\n", "hardDelete"))
    everything = rest.get("/queryAll", params={"q": "SELECT Id, IsDeleted FROM Account"}).json()["records"]
    assert [(row["Id"], row["IsDeleted"]) for row in everything] == [(kept, True)]


def test_query_results_come_in_parts(rest: Rest) -> None:
    records = [
        {"attributes": {"type": "Account"}, "Name": f'N"{number}', "Push_To_ERP__c": False} for number in range(5)
    ]
    rest.post("/composite/sobjects", json={"records": records})
    soql = "SELECT Name, Push_To_ERP__c, Owner.Alias, Site, CreatedDate FROM Account"
    job_id = rest.post("/jobs/query", json={"operation": "query", "query": soql}).json()["id"]
    assert rest.get(f"/jobs/query/{job_id}/results").status_code == 400
    assert finish(rest, job_id, "query")["numberRecordsProcessed"] == 5
    first = rest.get(f"/jobs/query/{job_id}/results", params={"maxRecords": 3})
    assert first.headers["Sforce-NumberOfRecords"] == "3"
    rest_of_it = {"maxRecords": 3, "locator": first.headers["Sforce-Locator"]}
    last = rest.get(f"/jobs/query/{job_id}/results", params=rest_of_it)
    assert (last.headers["Sforce-NumberOfRecords"], last.headers["Sforce-Locator"]) == ("2", "null")
    rows = list(csv.reader(io.StringIO(first.text)))
    assert rows[0] == ["Name", "Push_To_ERP__c", "Owner.Alias", "Site", "CreatedDate"]
    assert rows[1][:2] == ['N"0', "false"]
    assert rows[1][3] == ""
    assert rows[1][4].endswith(".000Z")


@pytest.mark.parametrize(
    "soql",
    [
        "SELECT COUNT(Id) FROM Account",
        "SELECT Name FROM Account GROUP BY Name",
        "SELECT Id FROM Account OFFSET 2",
        "SELECT Id, (SELECT Id FROM Contacts) FROM Account",
    ],
)
def test_queries_that_bulk_does_not_take(soql: str, rest: Rest, codes: Codes) -> None:
    answer = rest.post("/jobs/query", json={"operation": "query", "query": soql})
    assert (answer.status_code, codes(answer)) == (400, ["API_ERROR"])


@pytest.mark.parametrize(
    ("job", "code"),
    [
        ({"object": "Account", "operation": "merge"}, "INVALIDJOB"),
        ({"object": "Nope", "operation": "insert"}, "INVALIDENTITY"),
        ({"object": "Account", "operation": "upsert"}, "INVALIDJOB"),
        ({"object": "Account", "operation": "insert", "lineEnding": "CR"}, "INVALIDJOB"),
    ],
)
def test_jobs_that_make_no_sense_are_refused(job: dict[str, str], code: str, rest: Rest, codes: Codes) -> None:
    answer = rest.post("/jobs/ingest", json=job)
    assert (answer.status_code, codes(answer)) == (400, [code])


def test_bulk_1_says_that_it_is_not_enabled(rest: Rest) -> None:
    url = str(rest.base_url).replace(DATA, "/services/async/64.0") + "job"
    assert "<exceptionCode>FeatureNotEnabled</exceptionCode>" in rest.post(url, content=b"<jobInfo/>").text
    answer = rest.post(url, json={"operation": "query"})
    assert (answer.status_code, answer.json()["exceptionCode"]) == (400, "FeatureNotEnabled")


def test_rows_of_a_job_fail_on_order(rest: Rest, empty_org: Any) -> None:
    empty_org.fault("/jobs/ingest", fail_rows={"indexes": [1], "statusCode": "UNABLE_TO_LOCK_ROW", "message": "busy"})
    job_id = start(rest, "Name\nA\nB\nC\n")
    finish(rest, job_id)
    assert _names(results(rest, job_id)) == ["A", "C"]
    [failed] = results(rest, job_id, "failedResults")
    assert (failed["Name"], failed["sf__Error"]) == ("B", "UNABLE_TO_LOCK_ROW:busy: --")


def _names(rows: Sequence[dict[str, str]]) -> list[str]:
    return sorted(row["Name"] for row in rows)
