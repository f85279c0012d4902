"""The side door: faults on order, the log of calls, the clock, locks and reset."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from .conftest import DATA, Rest, Wire, sign_in

Codes = Callable[[httpx.Response], list[str]]
NEW = json.dumps({"Name": "A"}).encode()


def count(rest: Rest) -> int:
    return int(rest.get("/query", params={"q": "SELECT COUNT() FROM Account"}).json()["totalSize"])


@pytest.mark.requirement("GB02")
@pytest.mark.parametrize(("moment", "rows"), [("before", 0), ("after", 1)])
@pytest.mark.parametrize("tls", [False, True])
def test_connection_ends_without_a_byte(
    moment: str, rows: int, tls: bool, wire: Wire, rest: Rest, empty_org: Any
) -> None:
    empty_org.fault("/sobjects/Account$", method="POST", drop=moment)
    request = (f"POST {DATA}/sobjects/Account", "Content-Type: application/json")
    assert wire.send(*request, body=NEW, tls=tls) == b""
    assert count(rest) == rows
    assert b" 201 " in wire.send(*request, body=NEW, tls=tls)
    assert empty_org.calls()["POST /services/data/v64.0/sobjects/Account"] == 2


def test_pooled_connection_is_cut_too(rest: Rest, empty_org: Any) -> None:
    rest.get("/limits")
    empty_org.fault("/limits", drop="before")
    with pytest.raises(httpx.RemoteProtocolError):
        rest.get("/limits")
    assert rest.get("/limits").status_code == 200


def test_ordered_answers_come_as_ordered(rest: Rest, empty_org: Any) -> None:
    body = [{"errorCode": "SERVER_UNAVAILABLE", "message": "later"}]
    empty_org.fault("/limits", times=2, status=503, body=body, headers={"X-Reason": "test"})
    first = rest.get("/limits")
    assert (first.status_code, first.json(), first.headers["X-Reason"]) == (503, body, "test")
    empty_org.fault("/limits", status=500, body="<html>oops</html>")
    assert [rest.get("/limits").status_code for _ in range(3)] == [503, 500, 200]


def test_rules_look_at_method_path_and_query(rest: Rest, empty_org: Any) -> None:
    empty_org.fault("FROM Contact", method="GET", times=None, status=502)
    answers = [rest.get("/query", params={"q": f"SELECT Id FROM {name}"}) for name in ("Account", "Contact", "Contact")]
    assert [answer.status_code for answer in answers] == [200, 502, 502]


def test_delay_lets_others_pass(rest: Rest, access: Any, empty_org: Any) -> None:
    empty_org.fault("/limits", delay=0.4)
    started = time.monotonic()
    with pytest.raises(httpx.ReadTimeout):
        rest.get("/limits", timeout=0.1)
    assert rest.get("/limits").status_code == 200
    assert time.monotonic() - started < 0.4


def test_rows_of_a_collection_fail_on_order(rest: Rest, empty_org: Any) -> None:
    rule = {"count": 2, "statusCode": "UNABLE_TO_LOCK_ROW", "message": "busy"}
    empty_org.fault("composite/sobjects", fail_rows=rule)
    rest.get("/composite/sobjects/Account", params={"ids": "001000000000009AAA", "fields": "Id"})
    records = [{"attributes": {"type": "Account"}, "Name": name} for name in "ABC"]
    answer = rest.post("/composite/sobjects", json={"records": records}).json()
    assert [row["success"] for row in answer] == [False, False, True]
    assert answer[0]["errors"] == [{"statusCode": "UNABLE_TO_LOCK_ROW", "message": "busy", "fields": []}]
    assert count(rest) == 1


@pytest.mark.requirement("T02")
def test_throttling_has_both_of_salesforces_sentences_and_no_retry_after(rest: Rest, empty_org: Any) -> None:
    for order, words in ((True, "TotalRequests Limit"), ("concurrent", "ConcurrentRequests (Concurrent API Requests)")):
        empty_org.fault("/limits", throttle=order)
        answer = rest.get("/limits")
        assert (answer.status_code, answer.json()[0]["errorCode"]) == (403, "REQUEST_LIMIT_EXCEEDED")
        assert words in answer.json()[0]["message"]
        assert "Retry-After" not in answer.headers


def test_session_ends_in_mid_run(rest: Rest, empty_org: Any, access: Any) -> None:
    empty_org.fault("/limits", expire_session=True)
    assert [rest.get("/limits").status_code for _ in range(2)] == [401, 401]
    rest.headers["Authorization"] = f"Bearer {sign_in(access)['access_token']}"
    assert rest.get("/limits").status_code == 200


def test_rules_report_what_they_did(rest: Rest, empty_org: Any, access: Any) -> None:
    empty_org.fault("/limits", times=2, status=503)
    rest.get("/limits")
    [rule] = httpx.get(f"{access.http_url}/__sandbox__/faults", trust_env=False).json()
    assert (rule["path"], rule["hits"], rule["remaining"]) == ("/limits", 1, 1)
    empty_org.clear_calls()
    assert rest.get("/limits").status_code == 200


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("faults", {"path": "(", "status": 500}),
        ("faults", {"path": "/x"}),
        ("faults", {"path": "/x", "drop": "sometimes"}),
        ("faults", {"path": "/x", "status": 500, "tmies": 2}),
        ("faults", [1]),
        ("clock", {"skew_seconds": "a lot"}),
        ("clock", {"visibility_lag_seconds": -1}),
        ("settings", {"duplicate_rule": "maybe"}),
        ("settings", {"daily_limit": -1}),
        ("settings", {"colour": "red"}),
        ("locks", {"seconds": 1}),
        ("locks", {"id": "no id"}),
        ("reset", {"empty": "yes"}),
    ],
)
def test_orders_that_are_not_understood_say_why(name: str, body: Any, access: Any) -> None:
    answer = httpx.post(f"{access.http_url}/__sandbox__/{name}", json=body, trust_env=False)
    assert answer.status_code == 400
    assert len(answer.json()[0]["message"]) > 10


def test_calls_are_counted_by_endpoint(rest: Rest, access: Any, empty_org: Any) -> None:
    record_id = rest.new("Account", Name="A", ERP_Id__c="K/1")
    rest.get(f"/sobjects/Account/{record_id}/")
    rest.get("/sobjects/Account/ERP_Id__c/K%2F1")
    rest.get("/composite/sobjects/Account", params={"ids": record_id, "fields": "Id"})
    rest.get("/nope")
    assert empty_org.calls() == {
        f"POST {DATA}/sobjects/Account": 1,
        f"GET {DATA}/sobjects/Account/{{id}}": 1,
        f"GET {DATA}/sobjects/Account/ERP_Id__c/{{id}}": 1,
        f"GET {DATA}/composite/sobjects/Account": 1,
        f"GET {DATA}/nope": 1,
    }
    summary = httpx.get(f"{access.http_url}/__sandbox__/calls", trust_env=False).json()
    assert summary["total"] == 5
    assert [entry["status"] for entry in summary["log"]] == [201, 200, 200, 200, 404]
    assert set(summary["log"][0]) == {"at", "method", "path", "query", "status", "seconds", "bytes"}


@pytest.mark.requirement("GB11")
def test_changes_show_late(rest: Rest, empty_org: Any) -> None:
    empty_org.clock(visibility_lag_seconds=0.6)
    record_id = rest.new("Account", Name="A")
    assert (count(rest), rest.get(f"/sobjects/Account/{record_id}").status_code) == (0, 404)
    time.sleep(0.7)
    assert (count(rest), rest.get(f"/sobjects/Account/{record_id}").status_code) == (1, 200)


@pytest.mark.requirement("GB11")
def test_clock_of_the_server_can_be_ahead(rest: Rest, empty_org: Any) -> None:
    empty_org.clock(skew_seconds=300)
    row = rest.get(f"/sobjects/Account/{rest.new('Account', Name='A')}")
    ahead = parsedate_to_datetime(row.headers["Date"]) - datetime.now(UTC)
    stamped = datetime.fromisoformat(row.json()["SystemModstamp"]) - datetime.now(UTC)
    assert 290 < ahead.total_seconds() < 310
    assert 290 < stamped.total_seconds() < 310


@pytest.mark.requirement("T09")
def test_row_locked_by_another_user(rest: Rest, empty_org: Any, codes: Codes) -> None:
    path = f"/sobjects/Account/{rest.new('Account', Name='A')}"
    empty_org.lock(path.rpartition("/")[2], 0.3)
    assert codes(rest.patch(path, json={"Site": "x"})) == ["UNABLE_TO_LOCK_ROW"]
    time.sleep(0.35)
    assert rest.patch(path, json={"Site": "x"}).status_code == 204


def test_reset_takes_everything_back(rest: Rest, empty_org: Any, access: Any) -> None:
    rest.new("Account", Name="A")
    empty_org.settings(daily_limit=1)
    empty_org.fault("/limits", times=None, status=500)
    empty_org.reset(empty=False)
    assert rest.get("/limits").status_code == 401
    assert empty_org.calls() == {f"GET {DATA}/limits": 1}
    rest.headers["Authorization"] = f"Bearer {sign_in(access)['access_token']}"
    assert count(rest) > 10
    empty_org.reset(empty=True)
