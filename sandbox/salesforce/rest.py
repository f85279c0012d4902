"""Rows one by one, by id or external id, with the conditions and the status codes of the REST API."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from prefect_crm_erp.sandbox.salesforce import rows
from prefect_crm_erp.sandbox.salesforce.errors import ApiError
from prefect_crm_erp.sandbox.salesforce.routing import Route
from prefect_crm_erp.sandbox.salesforce.schema import SObject
from prefect_crm_erp.sandbox.salesforce.wire import Call, Reply, bad_request, not_found

SOBJECTS = "/services/data/{version}/sobjects"


def _sobject(call: Call) -> SObject:
    return call.state.org.schema.get(call.params["object"])


def create(call: Call) -> Reply:
    """POST a new row: 201 with its id."""
    saved = rows.create(call, _sobject(call), call.json_object())
    return Reply(
        201,
        {"id": saved.record_id, "success": True, "errors": []},
        headers={"Location": rows.record_url(call, _sobject(call).name, saved.record_id)},
    )


def read(call: Call) -> Reply:
    """GET a row by its id; `fields` chooses what is shown."""
    sobject = _sobject(call)
    return _row_reply(call, sobject, _record_id(sobject, call.params["id"]))


def read_by_key(call: Call) -> Reply:
    """GET a row by an external id; 300 with all the URLs when it is ambiguous.

    The same form of path also follows a relationship, when an id stands where the field would.
    """
    sobject = _sobject(call)
    if call.params["field"].lower() not in sobject.fields and rows.long_id(call.params["field"]):
        return _related(call, sobject)
    return _row_reply(call, sobject, _id_by_key(call, sobject))


def _row_reply(call: Call, sobject: SObject, record_id: str) -> Reply:
    row = call.state.org.get(sobject.name, record_id)
    since = _http_date(call, "if-modified-since")
    if since is not None and row["SystemModstamp"] <= since:
        return Reply(304)
    _check_unmodified(call, row)
    fields = call.query["fields"].split(",") if call.query.get("fields") else None
    return Reply(body=rows.wire_row(call, sobject, row, fields), headers=_last_modified(row))


def _last_modified(row: Mapping[str, Any]) -> dict[str, str]:
    return {"Last-Modified": row["SystemModstamp"].strftime("%a, %d %b %Y %H:%M:%S GMT")}


def update(call: Call) -> Reply:
    """PATCH a row: 204, or 412 when it has changed since `If-Unmodified-Since`."""
    sobject, values = _sobject(call), call.json_object()
    record_id = _record_id(sobject, call.params["id"])
    if any(name.lower() == "id" for name in values):
        raise bad_request("INVALID_FIELD", "The Id field should not be specified in the sobject data.")
    _check_unmodified_row(call, sobject, record_id)
    rows.update(call, sobject, record_id, values)
    return Reply(204)


def upsert(call: Call) -> Reply:
    """PATCH by external id: 201 created, 200 updated, 300 ambiguous."""
    sobject, values = _sobject(call), call.json_object()
    field = rows.external_id_field(sobject, call.params["field"])
    if any(name.lower() == field.name.lower() for name in values):
        raise bad_request("INVALID_FIELD", f"The {field.name} field should not be specified in the sobject data.")
    if call.query.get("updateOnly", "").lower() == "true":
        rows.find_single(call.state.org, sobject, field, call.params["key"])
    saved = rows.upsert(call, sobject, field, call.params["key"], values)
    body = {"id": saved.record_id, "success": True, "errors": [], "created": saved.created}
    return Reply(201 if saved.created else 200, body)


def delete(call: Call) -> Reply:
    """DELETE a row: 204; it stays in the recycle bin."""
    sobject = _sobject(call)
    return _delete_reply(call, sobject, _record_id(sobject, call.params["id"]))


def delete_by_key(call: Call) -> Reply:
    """DELETE a row by an external id: 204."""
    sobject = _sobject(call)
    return _delete_reply(call, sobject, _id_by_key(call, sobject))


def _delete_reply(call: Call, sobject: SObject, record_id: str) -> Reply:
    _check_unmodified_row(call, sobject, record_id)
    rows.delete(call, sobject, record_id)
    return Reply(204)


def _record_id(sobject: SObject, text: str) -> str:
    """The id in a path.

    Raises:
        ApiError: It is no id of this object; Salesforce then takes it for an external id and finds none.
    """
    full_id = rows.long_id(text)
    if full_id is None or not full_id.startswith(sobject.key_prefix):
        raise not_found(f"Provided external ID field does not exist or is not accessible: {text}")
    return full_id


def _id_by_key(call: Call, sobject: SObject) -> str:
    field = rows.external_id_field(sobject, call.params["field"])
    return rows.find_single(call.state.org, sobject, field, call.params["key"])


def _check_unmodified_row(call: Call, sobject: SObject, record_id: str) -> None:
    if "if-unmodified-since" in call.headers:
        _check_unmodified(call, call.state.org.get(sobject.name, record_id))


def _check_unmodified(call: Call, row: Mapping[str, Any]) -> None:
    since = _http_date(call, "if-unmodified-since")
    if since is not None and row["SystemModstamp"] > since:
        message = "The requested resource has been modified since the date in If-Unmodified-Since"
        raise ApiError.of(412, "PRECONDITION_FAILED", message)


def _http_date(call: Call, header: str) -> datetime | None:
    """The date of a conditional header; one that cannot be read is no condition."""
    try:
        moment = parsedate_to_datetime(call.headers[header])
    except (KeyError, ValueError, TypeError):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _related(call: Call, sobject: SObject) -> Reply:
    """A parent's row, or the rows of a child relationship."""
    org, relationship = call.state.org, call.params["key"]
    row = org.get(sobject.name, _record_id(sobject, call.params["field"]))
    lookup = sobject.relationships.get(relationship.lower())
    if lookup is not None:
        return _parent_reply(call, row[lookup.name])
    child = sobject.child(relationship)
    if child is None:
        raise not_found()
    child_type = org.schema.get(child.child_object)
    fields = call.query["fields"].split(",") if call.query.get("fields") else None
    found = org.rows_by_field(child_type.name, child.field, [row["Id"]])
    records = [rows.wire_row(call, child_type, entry, fields) for entry in found]
    return Reply(body={"done": True, "totalSize": len(records), "records": records})


def _parent_reply(call: Call, parent_id: str | None) -> Reply:
    if parent_id is None:
        raise not_found()
    return _row_reply(call, call.state.org.schema.by_key_prefix[parent_id[:3]], parent_id)


ROUTES = [
    Route("POST", f"{SOBJECTS}/{{object}}", create),
    Route("GET", f"{SOBJECTS}/{{object}}/{{id}}", read),
    Route("PATCH", f"{SOBJECTS}/{{object}}/{{id}}", update),
    Route("DELETE", f"{SOBJECTS}/{{object}}/{{id}}", delete),
    Route("GET", f"{SOBJECTS}/{{object}}/{{field}}/{{key}}", read_by_key),
    Route("PATCH", f"{SOBJECTS}/{{object}}/{{field}}/{{key}}", upsert),
    Route("DELETE", f"{SOBJECTS}/{{object}}/{{field}}/{{key}}", delete_by_key),
]
