"""Several requests in one: composite, composite graphs, and batches."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from prefect_crm_erp.sandbox.salesforce import collections_api, metadata, query, rest
from prefect_crm_erp.sandbox.salesforce.dispatch import dispatch
from prefect_crm_erp.sandbox.salesforce.routing import Route, Router
from prefect_crm_erp.sandbox.salesforce.wire import (
    Call,
    Reply,
    bad_request,
    dump_json,
    expect_list,
    expect_object,
    parse_query,
)

_PATH = "/services/data/{version}/composite"
_MOST_SUBREQUESTS = 25
_MOST_LARGE = 5
_MOST_GRAPHS = 75
_MOST_NODES = 500
_LARGE = re.compile(r"/query(All)?\b|/composite/sobjects\b")
_REFERENCE = re.compile(r"@\{([^}]+)\}")
_STEP = re.compile(r"[^.\[\]]+|\[\d+\]")
_ROUTER = Router([*metadata.ROUTES, *rest.ROUTES, *query.ROUTES, *collections_api.ROUTES])


class _UnknownReference(Exception):
    """A reference to something that no earlier subrequest has answered."""


class _RollBack(Exception):
    """Undoes a composite request or a graph of which a part failed."""


def composite(call: Call) -> Reply:
    """Up to 25 requests, the later ones built from the answers of the earlier ones."""
    body = call.json_object()
    subrequests = _subrequests(body.get("compositeRequest"))
    if len(subrequests) > _MOST_SUBREQUESTS:
        raise bad_request("LIMIT_EXCEEDED", f"The request can’t contain more than {_MOST_SUBREQUESTS} operations.")
    if sum(1 for entry in subrequests if _LARGE.search(str(entry.get("url", "")))) > _MOST_LARGE:
        message = f"The request can’t contain more than {_MOST_LARGE} query and sObject collections operations."
        raise bad_request("LIMIT_EXCEEDED", message)
    return Reply(body={"compositeResponse": _run_all(call, subrequests, all_or_none=body.get("allOrNone") is True)})


def graphs(call: Call) -> Reply:
    """Up to 75 graphs of requests, each of which succeeds or fails as a whole."""
    listed = [expect_object(graph, "graph") for graph in expect_list(call.json_object().get("graphs"), "graphs")]
    parts = [(str(graph.get("graphId", "")), _subrequests(graph.get("compositeRequest"))) for graph in listed]
    nodes = sum(len(subrequests) for _, subrequests in parts)
    if len(parts) > _MOST_GRAPHS or nodes > _MOST_NODES:
        message = f"The request can’t contain more than {_MOST_GRAPHS} graphs and {_MOST_NODES} nodes."
        raise bad_request("LIMIT_EXCEEDED", message)
    return Reply(body={"graphs": [_graph_result(call, graph_id, subrequests) for graph_id, subrequests in parts]})


def batch(call: Call) -> Reply:
    """Up to 25 independent requests; what one has done stays when another fails."""
    body = call.json_object()
    subrequests = [
        expect_object(entry, "subrequest") for entry in expect_list(body.get("batchRequests"), "batchRequests")
    ]
    if len(subrequests) > _MOST_SUBREQUESTS:
        raise bad_request("LIMIT_EXCEEDED", f"The request can’t contain more than {_MOST_SUBREQUESTS} operations.")
    results = _batch_results(call, subrequests, halt=body.get("haltOnError") is True)
    return Reply(body={"hasErrors": any(result["statusCode"] >= 400 for result in results), "results": results})


def _subrequests(value: Any) -> list[dict[str, Any]]:
    subrequests = [expect_object(entry, "subrequest") for entry in expect_list(value, "compositeRequest")]
    names = [entry.get("referenceId") for entry in subrequests]
    if not all(isinstance(name, str) and name for name in names):
        raise bad_request("INVALID_INPUT", "Each subrequest needs a referenceId")
    if len(set(names)) < len(names):
        raise bad_request("INVALID_INPUT", "Duplicate ReferenceId provided in the request")
    return subrequests


def _run_all(call: Call, subrequests: Sequence[Mapping[str, Any]], *, all_or_none: bool) -> list[dict[str, Any]]:
    """Run subrequests in order.

    Returns:
        Their answers; all of them errors when one failed and all or none was asked for.
    """
    answers: dict[str, Reply] = {}
    try:
        with call.state.org.transaction():
            for entry in subrequests:
                answers[entry["referenceId"]] = _run_one(call, entry, answers)
                if all_or_none and answers[entry["referenceId"]].status >= 400:
                    raise _RollBack
    except _RollBack:
        answers = _halted(subrequests, answers)
    return [_composite_result(name, reply) for name, reply in answers.items()]


def _halted(subrequests: Sequence[Mapping[str, Any]], answers: Mapping[str, Reply]) -> dict[str, Reply]:
    """The answers after a rollback: the one that failed keeps its own words."""
    message = "The transaction was rolled back since another operation in the same transaction failed."
    halted = Reply(400, [{"errorCode": "PROCESSING_HALTED", "message": message}])
    failed = {name: reply for name, reply in answers.items() if reply.status >= 400}
    return {entry["referenceId"]: failed.get(entry["referenceId"], halted) for entry in subrequests}


def _run_one(call: Call, entry: Mapping[str, Any], answers: Mapping[str, Reply]) -> Reply:
    try:
        url = _REFERENCE.sub(lambda match: quote(str(_resolve(match[1], answers)), safe="/"), str(entry.get("url", "")))
        body = _substituted(entry.get("body"), answers)
    except _UnknownReference as error:
        return Reply(400, [{"errorCode": "PROCESSING_HALTED", "message": str(error)}])
    headers = expect_object(entry.get("httpHeaders", {}), "httpHeaders")
    return _dispatched(call, str(entry.get("method", "GET")), url, body, headers)


def _dispatched(call: Call, method: str, url: str, body: Any, headers: Mapping[str, Any]) -> Reply:
    """Answer a subrequest like a request of its own, within the session of the outer one."""
    path, _, query_text = url.partition("?")
    subcall = replace(
        call,
        method=method.upper(),
        path=path.rstrip("/"),
        query=parse_query(query_text),
        headers={name.lower(): str(value) for name, value in headers.items()},
        body=b"" if body is None else dump_json(body),
        rows_to_fail=None,
    )
    return dispatch(_ROUTER, subcall)


def _substituted(value: Any, answers: Mapping[str, Reply]) -> Any:
    """The value with each reference replaced; a text that is nothing but one takes over the value's type."""
    if isinstance(value, dict):
        return {name: _substituted(entry, answers) for name, entry in value.items()}
    if isinstance(value, list):
        return [_substituted(entry, answers) for entry in value]
    if not isinstance(value, str):
        return value
    whole = _REFERENCE.fullmatch(value)
    if whole is not None:
        return _resolve(whole[1], answers)
    return _REFERENCE.sub(lambda match: str(_resolve(match[1], answers)), value)


def _resolve(expression: str, answers: Mapping[str, Reply]) -> Any:
    """What an expression such as `account.id` or `found.records[0].Id` means.

    Raises:
        _UnknownReference: No earlier answer has it.
    """
    name, *steps = _STEP.findall(expression)
    reply = answers.get(name)
    if reply is None or reply.status >= 400:
        raise _UnknownReference(f"Invalid reference specified. No value for {expression} found in {name}")
    value = reply.body
    for step in steps:
        value = _step_into(value, step)
        if value is None:
            raise _UnknownReference(f"Invalid reference specified. No value for {expression} found in {name}")
    return value


def _step_into(value: Any, step: str) -> Any:
    if step.startswith("["):
        index = int(step[1:-1])
        return value[index] if isinstance(value, list) and index < len(value) else None
    if not isinstance(value, Mapping):
        return None
    return next((entry for name, entry in value.items() if name.lower() == step.lower()), None)


def _composite_result(name: str, reply: Reply) -> dict[str, Any]:
    headers = {key: value for key, value in reply.headers.items() if key == "Location"}
    return {"body": reply.body, "httpHeaders": headers, "httpStatusCode": reply.status, "referenceId": name}


def _graph_result(call: Call, graph_id: str, subrequests: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    results = _run_all(call, subrequests, all_or_none=True)
    return {
        "graphId": graph_id,
        "graphResponse": {"compositeResponse": results},
        "isSuccessful": all(result["httpStatusCode"] < 400 for result in results),
    }


def _batch_results(call: Call, subrequests: Sequence[Mapping[str, Any]], *, halt: bool) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = []
    for entry in subrequests:
        if halt and results and results[-1]["statusCode"] >= 400:
            halted = [{"errorCode": "BATCH_PROCESSING_HALTED", "message": "Batch processing halted per request"}]
            results.append({"statusCode": 412, "result": halted})
            continue
        url = "/services/data/" + str(entry.get("url", "")).removeprefix("/services/data/").lstrip("/")
        reply = _dispatched(call, str(entry.get("method", "GET")), url, entry.get("richInput"), {})
        results.append({"statusCode": reply.status, "result": reply.body})
    return results


ROUTES = [
    Route("POST", _PATH, composite),
    Route("POST", f"{_PATH}/graph", graphs),
    Route("POST", f"{_PATH}/batch", batch),
]
