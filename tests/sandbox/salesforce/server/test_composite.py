"""Composite requests, graphs, batches and trees over the wire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

from .conftest import DATA, Rest

Codes = Callable[[httpx.Response], list[str]]


def part(reference: str, method: str, path: str, body: Any = None) -> dict[str, Any]:
    """A subrequest."""
    request = {"referenceId": reference, "method": method, "url": f"{DATA}{path}"}
    return request if body is None else {**request, "body": body}


def run(rest: Rest, *parts: dict[str, Any], **options: Any) -> list[dict[str, Any]]:
    """The answers to a composite request."""
    answer = rest.post("/composite", json={"compositeRequest": parts, **options})
    assert answer.status_code == 200, answer.text
    return answer.json()["compositeResponse"]


NEW = part("account", "POST", "/sobjects/Account", {"Name": "A"})
BROKEN = part("broken", "POST", "/sobjects/Account", {"Site": "no name"})


def test_later_parts_build_on_earlier_answers(rest: Rest) -> None:
    answers = run(
        rest,
        NEW,
        part("contact", "POST", "/sobjects/Contact", {"LastName": "of @{account.id}", "AccountId": "@{account.id}"}),
        part("found", "GET", "/query?q=SELECT+Id,Name+FROM+Account+WHERE+Id='@{account.id}'"),
        part("change", "PATCH", "/sobjects/Account/@{account.id}", {"Site": "@{found.records[0].Name}"}),
        part("row", "GET", "/sobjects/Contact/@{contact.id}"),
        part("all", "POST", "/composite/sobjects", {"records": [{"attributes": {"type": "Account"}, "Name": "B"}]}),
        part("again", "GET", "/sobjects/Account/@{all[0].id}"),
    )
    assert [answer["httpStatusCode"] for answer in answers] == [201, 201, 200, 204, 200, 200, 200]
    account = answers[0]["body"]["id"]
    assert answers[4]["body"]["LastName"] == f"of {account}"
    assert answers[0]["httpHeaders"] == {"Location": f"{DATA}/sobjects/Account/{account}"}
    assert rest.value(account, "Site") == "A"


def test_parts_fail_alone_or_all_together(rest: Rest) -> None:
    dependent = part("contact", "POST", "/sobjects/Contact", {"LastName": "C", "AccountId": "@{broken.id}"})
    answers = run(rest, NEW, BROKEN, dependent)
    assert [answer["httpStatusCode"] for answer in answers] == [201, 400, 400]
    assert answers[2]["body"][0]["errorCode"] == "PROCESSING_HALTED"
    answers = run(rest, NEW, BROKEN, allOrNone=True)
    assert [answer["body"][0]["errorCode"] for answer in answers] == ["PROCESSING_HALTED", "REQUIRED_FIELD_MISSING"]
    assert len(rest.query("SELECT Id FROM Account")) == 1


def test_composite_is_one_call_with_at_most_25_parts(rest: Rest, empty_org: Any, codes: Codes) -> None:
    reads = [part(f"r{number}", "GET", "/limits") for number in range(26)]
    used = run(rest, *reads[:25])[0]["body"]["DailyApiRequests"]["Remaining"]
    assert rest.get("/limits").json()["DailyApiRequests"]["Remaining"] == used - 1
    assert codes(rest.post("/composite", json={"compositeRequest": reads})) == ["LIMIT_EXCEEDED"]
    queries = [part(f"q{number}", "GET", "/query?q=SELECT+Id+FROM+Account") for number in range(6)]
    assert codes(rest.post("/composite", json={"compositeRequest": queries})) == ["LIMIT_EXCEEDED"]
    assert codes(rest.post("/composite", json={"compositeRequest": [NEW, NEW]})) == ["INVALID_INPUT"]


def test_each_graph_succeeds_or_fails_as_a_whole(rest: Rest) -> None:
    graphs = [{"graphId": "1", "compositeRequest": [NEW]}, {"graphId": "2", "compositeRequest": [NEW, BROKEN]}]
    answers = rest.post("/composite/graph", json={"graphs": graphs}).json()["graphs"]
    assert [(graph["graphId"], graph["isSuccessful"]) for graph in answers] == [("1", True), ("2", False)]
    assert len(rest.query("SELECT Id FROM Account")) == 1
    assert rest.post("/composite/graph", json={"graphs": graphs[:1] * 76}).status_code == 400


def test_batches_keep_what_was_done_before_a_failure(rest: Rest) -> None:
    requests = [
        {"method": "POST", "url": "v64.0/sobjects/Account", "richInput": {"Name": "A"}},
        {"method": "GET", "url": "v64.0/nope"},
        {"method": "POST", "url": "v64.0/sobjects/Account", "richInput": {"Name": "B"}},
    ]
    answer = rest.post("/composite/batch", json={"batchRequests": requests, "haltOnError": True}).json()
    assert [result["statusCode"] for result in answer["results"]] == [201, 404, 412]
    assert answer["hasErrors"]
    assert [row["Name"] for row in rest.query("SELECT Name FROM Account")] == ["A"]


def tree(name: str | None, reference: str, *contacts: dict[str, Any]) -> dict[str, Any]:
    """An account with contacts."""
    attributes = {"attributes": {"type": "Account", "referenceId": reference}}
    return {**attributes, **({"Name": name} if name else {}), "Contacts": {"records": list(contacts)}}


def leaf(name: str | None, reference: str) -> dict[str, Any]:
    """A contact."""
    return {"attributes": {"type": "Contact", "referenceId": reference}, **({"LastName": name} if name else {})}


def test_tree_comes_with_its_children(rest: Rest) -> None:
    answer = rest.post("/composite/tree/Account", json={"records": [tree("A", "a", leaf("C", "c"), leaf("D", "d"))]})
    assert answer.status_code == 201
    ids = {result["referenceId"]: result["id"] for result in answer.json()["results"]}
    assert {row["AccountId"] for row in rest.query("SELECT AccountId FROM Contact")} == {ids["a"]}


def test_tree_of_which_a_row_is_refused_is_not_there(rest: Rest, codes: Codes) -> None:
    records = [tree("A", "a", leaf("C", "c"), leaf(None, "d")), tree(None, "b", leaf("E", "e"))]
    answer = rest.post("/composite/tree/Account", json={"records": records})
    assert answer.status_code == 400
    assert [result["referenceId"] for result in answer.json()["results"]] == ["d", "b"]
    assert answer.json()["results"][0]["errors"][0]["statusCode"] == "REQUIRED_FIELD_MISSING"
    assert rest.query("SELECT Id FROM Account") == []
    for wrong in ([tree("A", "a"), tree("B", "a")], [tree("A", f"r{number}") for number in range(201)], []):
        assert codes(rest.post("/composite/tree/Account", json={"records": wrong})) == ["INVALID_INPUT"]
