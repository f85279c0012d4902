"""Rows, describes and queries over the wire: the traps that a toy falls into."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import DATA, Rest, Wire

Codes = Callable[[httpx.Response], list[str]]


def test_header_names_are_capitalised_on_the_wire(wire: Wire) -> None:
    for tls in (False, True):
        head = wire.send(f"GET {DATA}/sobjects", tls=tls).partition(b"\r\n\r\n")[0].decode()
        names = {line.partition(":")[0] for line in head.split("\r\n")[1:]}
        assert {"Content-Type", "Content-Length", "Date", "Sforce-Limit-Info", "Connection"} <= names
        assert "Retry-After" not in names
        assert not [name for name in names if name != name.title() and not name.startswith("Sforce")]


def test_long_answers_are_compressed_for_clients_that_take_it(rest: Rest) -> None:
    plain = rest.get("/sobjects/Account/describe", headers={"Accept-Encoding": "identity"})
    packed = rest.get("/sobjects/Account/describe", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert int(packed.headers["Content-Length"]) < int(plain.headers["Content-Length"]) / 4
    assert packed.json() == plain.json()


@pytest.mark.parametrize("slash", ["", "/"])
def test_paths_end_with_or_without_a_slash(slash: str, rest: Rest) -> None:
    record_id = rest.post(f"/sobjects/Account{slash}", json={"Name": "A"}).json()["id"]
    assert rest.get(f"/sobjects/Account/{record_id}{slash}").status_code == 200
    assert rest.get(f"/query{slash}", params={"q": "SELECT Id FROM Account"}).json()["totalSize"] == 1
    assert rest.get(f"/sobjects{slash}").status_code == 200


@given(
    key=st.text(
        st.characters(min_codepoint=33, max_codepoint=0x1F6FF, exclude_categories=["C", "Z"]), min_size=1, max_size=20
    )
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_key_names_one_row(key: str, rest: Rest) -> None:
    path = f"/sobjects/Account/ERP_Id__c/{_quoted(key)}"
    first = rest.patch(path, json={"Name": "A"})
    again = rest.patch(path, json={"Name": "B"})
    assert (first.status_code, again.status_code) in {(201, 200), (200, 200)}
    assert first.json()["id"] == again.json()["id"]
    assert rest.get(path, params={"fields": "ERP_Id__c"}).json()["ERP_Id__c"].lower() == key.lower()


def _quoted(key: str) -> str:
    return "".join(f"%{byte:02X}" for byte in key.encode())


def test_upsert_says_what_it_did(rest: Rest, codes: Codes) -> None:
    path = "/sobjects/Account/erp_id__C/K1"
    created, updated = rest.patch(path, json={"Name": "A"}), rest.patch(path, json={"Name": "B"})
    assert (created.status_code, created.json()["created"]) == (201, True)
    assert (updated.status_code, updated.json()["created"]) == (200, False)
    assert codes(rest.patch(path, json={"ERP_Id__c": "K1"})) == ["INVALID_FIELD"]
    assert codes(rest.patch("/sobjects/Account/Site/K1", json={})) == ["NOT_FOUND"]
    assert rest.patch("/sobjects/Account/ERP_Id__c/K2?updateOnly=true", json={}).status_code == 404
    assert rest.delete(path).status_code == 204
    assert rest.get(path).status_code == 404


@pytest.mark.requirement("T09")
def test_clients_at_once_make_one_row_for_one_key(rest: Rest) -> None:
    def upserts(client: int) -> list[int]:
        with httpx.Client(base_url=rest.base_url, headers=rest.headers, trust_env=False) as own:
            answers = [own.patch(f"/sobjects/Account/ERP_Id__c/K{n}", json={"Name": f"{client}"}) for n in range(25)]
        return [answer.status_code for answer in answers]

    with ThreadPoolExecutor(4) as pool:
        statuses = [status for each in pool.map(upserts, range(4)) for status in each]
    assert (statuses.count(201), statuses.count(200)) == (25, 75)


def test_ambiguous_key_lists_the_rows(rest: Rest) -> None:
    ids = [rest.new("Account", Name=name, Legacy_Code__c="L") for name in "AB"]
    for answer in (
        rest.get("/sobjects/Account/Legacy_Code__c/L"),
        rest.patch("/sobjects/Account/Legacy_Code__c/L", json={}),
    ):
        assert answer.status_code == 300
        assert sorted(answer.json()) == sorted(f"{DATA}/sobjects/Account/{record_id}" for record_id in ids)


def test_ids_of_15_and_18_characters_are_one(rest: Rest, codes: Codes) -> None:
    record_id = rest.new("Account", Name="A")
    assert rest.get(f"/sobjects/Account/{record_id[:15]}").json()["Id"] == record_id
    wrong = record_id[:15] + ("AAA" if record_id[15:] != "AAA" else "AAB")
    assert codes(rest.get(f"/sobjects/Account/{wrong}")) == ["NOT_FOUND"]
    assert codes(rest.get(f"/sobjects/Contact/{record_id}")) == ["NOT_FOUND"]


def test_numbers_keep_their_digits(rest: Rest) -> None:
    record_id = rest.new("Account", Name="A")
    body = b'{"AnnualRevenue": 123456789012345678.00}'
    headers = {"Content-Type": "application/json"}
    assert rest.patch(f"/sobjects/Account/{record_id}", content=body, headers=headers).status_code == 204
    text = rest.get(f"/sobjects/Account/{record_id}", params={"fields": "AnnualRevenue"}).text
    assert '"AnnualRevenue":123456789012345678.0' in text
    query = f"SELECT AnnualRevenue FROM Account WHERE Id = '{record_id}'"
    assert '"AnnualRevenue":123456789012345678.0' in rest.get("/query", params={"q": query}).text


def test_rows_come_with_attributes_nulls_and_salesforces_times(rest: Rest) -> None:
    row = rest.get(f"/sobjects/Account/{rest.new('Account', Name='A')}").json()
    assert row["attributes"] == {"type": "Account", "url": f"{DATA}/sobjects/Account/{row['Id']}"}
    assert row["Site"] is None
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000\+0000", row["SystemModstamp"])
    [contact] = [rest.new("Contact", LastName="C", AccountId=row["Id"])]
    assert rest.get(f"/sobjects/Contact/{contact}/Account?fields=Name").json()["Name"] == "A"
    assert rest.get(f"/sobjects/Account/{row['Id']}/Contacts").json()["totalSize"] == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/sobjects/Account", {"Site": "x"}, 400, "REQUIRED_FIELD_MISSING"),
        ("POST", "/sobjects/Account", {"Name": "A", "Nope": 1}, 400, "INVALID_FIELD"),
        ("POST", "/sobjects/Account", {"Name": "A" * 256}, 400, "STRING_TOO_LONG"),
        (
            "POST",
            "/sobjects/Account",
            {"Id": "001000000000001AAA", "Name": "A"},
            400,
            "INVALID_FIELD_FOR_INSERT_UPDATE",
        ),
        ("POST", "/sobjects/Account", [], 400, "JSON_PARSER_ERROR"),
        ("POST", "/sobjects/Nope", {"Name": "A"}, 404, "NOT_FOUND"),
        ("PUT", "/sobjects/Account", {}, 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/nope", None, 404, "NOT_FOUND"),
        ("GET", "/query?q=SELECT+FROM", None, 400, "MALFORMED_QUERY"),
        ("GET", "/query?q=SELECT+Id+FROM+Nope", None, 400, "INVALID_TYPE"),
        ("GET", "/query/0r8000000000001AAA-2000", None, 400, "INVALID_QUERY_LOCATOR"),
        ("GET", "/search?q=FIND+x", None, 400, "MALFORMED_SEARCH"),
        (
            "GET",
            "/sobjects/Account/updated?start=2026-01-01T00:00:00&end=x",
            None,
            400,
            "INVALID_QUERY_FILTER_OPERATOR",
        ),
    ],
)
def test_refusals_have_salesforces_status_and_code(
    method: str, path: str, body: Any, status: int, code: str, rest: Rest, codes: Codes
) -> None:
    answer = rest.request(method, path, json=body)
    assert (answer.status_code, codes(answer)) == (status, [code])
    assert all(set(error) <= {"message", "errorCode", "fields"} for error in answer.json())


def test_bodies_that_are_no_json_are_refused(rest: Rest, codes: Codes) -> None:
    headers = {"Content-Type": "application/json"}
    for content in (b'{"Name": ', b'{"AnnualRevenue": NaN}', b"\xff", b"[" * 100_000):
        answer = rest.post("/sobjects/Account", content=content, headers=headers)
        assert (answer.status_code, codes(answer)) == (400, ["JSON_PARSER_ERROR"])
    wrong_type = rest.post("/sobjects/Account", content=b"Name=A", headers={"Content-Type": "text/plain"})
    assert (wrong_type.status_code, codes(wrong_type)) == (415, ["UNSUPPORTED_MEDIA_TYPE"])


def test_bodies_may_be_compressed(rest: Rest, codes: Codes) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    packed = gzip.compress(b'{"Name": "A"}')
    assert rest.post("/sobjects/Account", content=packed, headers=headers).status_code == 201
    for broken in (b"no gzip", packed[:-9]):
        answer = rest.post("/sobjects/Account", content=broken, headers=headers)
        assert (answer.status_code, codes(answer)) == (400, ["INVALID_CONTENT_ENCODING"])


def test_conditions_on_the_time_of_the_last_change(rest: Rest) -> None:
    path = f"/sobjects/Account/{rest.new('Account', Name='A')}"
    changed = rest.get(path).headers["Last-Modified"]
    before = format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True)
    assert rest.get(path, headers={"If-Modified-Since": changed}).status_code == 304
    assert rest.get(path, headers={"If-Modified-Since": before}).status_code == 200
    assert rest.patch(path, json={"Site": "x"}, headers={"If-Unmodified-Since": before}).status_code == 412
    assert rest.patch(path, json={"Site": "x"}, headers={"If-Unmodified-Since": changed}).status_code == 204


def test_url_of_16384_bytes_is_the_longest(rest: Rest) -> None:
    ids = ",".join(f"'{number:018}'" for number in range(800))
    answer = rest.get("/query", params={"q": f"SELECT Id FROM Account WHERE Id IN ({ids})"})
    assert answer.status_code == 414


def test_pages_hold_what_the_client_asks_for_within_bounds(rest: Rest, empty_org: Any) -> None:
    for start in range(0, 450, 150):
        rows = [{"attributes": {"type": "Account"}, "Name": f"{start + n:03}"} for n in range(150)]
        rest.post("/composite/sobjects", json={"records": rows})
    query = {"q": "SELECT Name FROM Account ORDER BY Name"}
    first = rest.get("/query", params=query, headers={"Sforce-Query-Options": "batchSize=10"}).json()
    assert (first["totalSize"], first["done"], len(first["records"])) == (450, False, 200)
    second = rest.get(first["nextRecordsUrl"].removeprefix(DATA)).json()
    last = rest.get(second["nextRecordsUrl"].removeprefix(DATA)).json()
    names = [row["Name"] for page in (first, second, last) for row in page["records"]]
    assert (names, last["done"], "nextRecordsUrl" in last) == ([f"{n:03}" for n in range(450)], True, False)
    assert rest.get("/query", params=query).json()["done"]


def test_long_subqueries_have_pages_of_their_own(rest: Rest, empty_org: Any) -> None:
    account = rest.new("Account", Name="A")
    rows = [{"attributes": {"type": "Contact"}, "LastName": f"{n}", "AccountId": account} for n in range(5)]
    rest.post("/composite/sobjects", json={"records": rows})
    empty_org.settings(page_size=3)
    [record] = rest.query("SELECT Id, (SELECT Id FROM Contacts) FROM Account")
    contacts = record["Contacts"]
    assert (contacts["totalSize"], contacts["done"], len(contacts["records"])) == (5, False, 3)
    assert len(rest.get(contacts["nextRecordsUrl"].removeprefix(DATA)).json()["records"]) == 2


def test_deleted_rows_are_reported_and_stay_in_the_recycle_bin(rest: Rest) -> None:
    kept, gone = rest.new("Account", Name="A"), rest.new("Account", Name="B")
    rest.delete(f"/sobjects/Account/{gone}")
    now = datetime.now(UTC)
    span = {"start": (now - timedelta(days=1)).isoformat(), "end": (now + timedelta(minutes=2)).isoformat()}
    assert rest.get("/sobjects/Account/updated", params=span).json()["ids"] == [kept]
    report = rest.get("/sobjects/Account/deleted/", params=span).json()
    assert [row["id"] for row in report["deletedRecords"]] == [gone]
    assert set(report) == {"deletedRecords", "earliestDateAvailable", "latestDateCovered"}
    everything = rest.get("/queryAll", params={"q": "SELECT Id, IsDeleted FROM Account"}).json()["records"]
    assert {row["Id"]: row["IsDeleted"] for row in everything} == {kept: False, gone: True}
    assert len(rest.query("SELECT Id FROM Account")) == 1


@pytest.mark.parametrize(("start", "end"), [(0, 0), (-31, 0), (0, -1)])
def test_spans_that_salesforce_does_not_answer_are_refused(start: int, end: int, rest: Rest, codes: Codes) -> None:
    now = datetime.now(UTC)
    span = {"start": (now + timedelta(days=start)).isoformat(), "end": (now + timedelta(days=end)).isoformat()}
    assert codes(rest.get("/sobjects/Account/updated", params=span)) == ["INVALID_REPLICATION_DATE"]


def test_versions_from_51_to_66_are_spoken(rest: Rest) -> None:
    host = str(rest.base_url).removesuffix(f"{DATA}/")
    versions = httpx.get(f"{host}/services/data", trust_env=False).json()
    assert [entry["version"] for entry in versions] == [f"{n}.0" for n in range(51, 67)]
    assert versions[13] == {"label": "Summer '25", "url": "/services/data/v64.0", "version": "64.0"}
    paths = {entry["url"]: rest.get(f"{host}{entry['url']}/limits").status_code for entry in versions}
    assert set(paths.values()) == {200}
    assert rest.get(f"{host}/services/data/v50.0/limits").status_code == 404


def test_column_metadata_for_the_vendors_command_line(rest: Rest) -> None:
    answer = rest.get("/query", params={"q": "SELECT Id, Owner.Name FROM Account", "columns": "true"}).json()
    assert [column["columnName"] for column in answer["columnMetadata"]] == ["Id", "Owner"]
    assert answer["keyPrefix"] == "001"


def test_each_call_counts_against_the_daily_limit(rest: Rest, empty_org: Any, codes: Codes) -> None:
    used = _used(rest.get("/limits"))
    rest.post("/composite/sobjects", json={"records": [{"attributes": {"type": "Account"}, "Name": "A"}] * 200})
    assert _used(rest.get("/limits")) == used + 2
    empty_org.settings(daily_limit=used + 3)
    assert rest.get("/limits").json()["DailyApiRequests"] == {"Max": used + 3, "Remaining": 0}
    refused = rest.get("/limits")
    assert (refused.status_code, codes(refused)) == (403, ["REQUEST_LIMIT_EXCEEDED"])
    assert "Retry-After" not in refused.headers


def _used(answer: httpx.Response) -> int:
    match = re.fullmatch(r"api-usage=(\d+)/15000", answer.headers["Sforce-Limit-Info"])
    assert match is not None
    return int(match[1])
