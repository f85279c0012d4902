"""sObject trees: up to 200 new rows, parents with their children, all of them or none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prefect_crm_erp.sandbox.salesforce import rows
from prefect_crm_erp.sandbox.salesforce.errors import ApiError, MultipleMatches, RowError, RowRejected
from prefect_crm_erp.sandbox.salesforce.routing import Route
from prefect_crm_erp.sandbox.salesforce.schema import SObject
from prefect_crm_erp.sandbox.salesforce.wire import Call, Reply, bad_request, expect_list, expect_object, row_error_body

_MOST_RECORDS = 200
_MOST_TYPES = 5
_MOST_LEVELS = 5


@dataclass(frozen=True)
class Node:
    """One record of a tree.

    Args:
        sobject: Its type.
        reference_id: What the client calls it.
        values: Its own fields.
        children: Records below it, each with the lookup that points up.
    """

    sobject: SObject
    reference_id: str
    values: dict[str, Any]
    children: list[tuple[str, Node]]

    def walk(self) -> list[Node]:
        """The record and all records below it, parents first."""
        return [self, *(below for _, child in self.children for below in child.walk())]


class _TreeFailed(Exception):
    """Undoes a tree of which a record was refused."""


def create_tree(call: Call) -> Reply:
    """Insert trees of records: 201 with the new ids, or 400 with the reasons and nothing inserted."""
    records = expect_list(call.json_object().get("records"), "records")
    roots = [_node(call, call.params["object"], record, 1) for record in records]
    _check(roots)
    ids: list[dict[str, Any]] = []
    failures: list[dict[str, Any]] = []
    try:
        with call.state.org.transaction():
            for root in roots:
                _insert(call, root, {}, ids, failures)
            if failures:
                raise _TreeFailed
    except _TreeFailed:
        return Reply(400, {"hasErrors": True, "results": failures})
    return Reply(201, {"hasErrors": False, "results": ids})


def _node(call: Call, object_name: str, record: Any, level: int) -> Node:
    """A record of the body with the records below it.

    Raises:
        ApiError: The tree is too deep, or a type or a reference id is missing or wrong.
    """
    if level > _MOST_LEVELS:
        raise bad_request("INVALID_INPUT", f"The tree is deeper than {_MOST_LEVELS} levels")
    sobject, values = call.state.org.schema.get(object_name), expect_object(record, "record")
    attributes = expect_object(values.get("attributes"), "attributes")
    if str(attributes.get("type", "")).lower() != sobject.name.lower():
        raise bad_request("INVALID_INPUT", f"Include the type {sobject.name} in the attributes of each record")
    if not isinstance(attributes.get("referenceId"), str):
        raise bad_request("INVALID_INPUT", "Include a reference ID for each record in the request.")
    nested = {name: value["records"] for name, value in values.items() if _holds_records(value)}
    children = [
        (child.field, _node(call, child.child_object, below, level + 1))
        for name, records in nested.items()
        if (child := sobject.child(name)) is not None
        for below in expect_list(records, name)
    ]
    own = {name: value for name, value in values.items() if name not in nested or sobject.child(name) is None}
    return Node(sobject, attributes["referenceId"], own, children)


def _holds_records(value: Any) -> bool:
    return isinstance(value, Mapping) and "records" in value


def _check(roots: list[Node]) -> None:
    """Refuse trees beyond Salesforce's limits.

    Raises:
        ApiError: None or too many records or types, or a reference id twice.
    """
    nodes = [node for root in roots for node in root.walk()]
    if not nodes or len(nodes) > _MOST_RECORDS:
        raise bad_request("INVALID_INPUT", f"The request has 1 to {_MOST_RECORDS} records; it has {len(nodes)}")
    if len({node.sobject.name for node in nodes}) > _MOST_TYPES:
        raise bad_request("INVALID_INPUT", f"The request has at most {_MOST_TYPES} types of records")
    if len({node.reference_id for node in nodes}) < len(nodes):
        raise bad_request("INVALID_INPUT", "Duplicate ReferenceId provided in the request")


def _insert(
    call: Call, node: Node, link: Mapping[str, str], ids: list[dict[str, Any]], failures: list[dict[str, Any]]
) -> None:
    """Insert a record and the ones below it; below a refused record nothing can be tried."""
    try:
        saved = rows.create(call, node.sobject, {**node.values, **link})
    except (ApiError, RowRejected, MultipleMatches) as error:
        failures.append(_failure(node, rows.row_errors(error)))
        return
    ids.append({"referenceId": node.reference_id, "id": saved.record_id})
    for lookup, child in node.children:
        _insert(call, child, {lookup: saved.record_id}, ids, failures)


def _failure(node: Node, errors: list[RowError]) -> dict[str, Any]:
    return {"referenceId": node.reference_id, "errors": [row_error_body(error) for error in errors]}


ROUTES = [Route("POST", "/services/data/{version}/composite/tree/{object}", create_tree)]
