"""sObject collections: up to 200 rows in one call, whose answer is HTTP 200 whatever becomes of the rows."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from prefect_crm_erp.sandbox.salesforce import rows
from prefect_crm_erp.sandbox.salesforce.errors import ApiError, RowRejected
from prefect_crm_erp.sandbox.salesforce.routing import Route
from prefect_crm_erp.sandbox.salesforce.row_batches import (
    Outcome,
    SaveRow,
    check_not_repeated,
    repeated_keys,
    save_rows,
)
from prefect_crm_erp.sandbox.salesforce.rows import Saved, value_of, without
from prefect_crm_erp.sandbox.salesforce.schema import Field, SObject
from prefect_crm_erp.sandbox.salesforce.wire import Call, Reply, bad_request, expect_list, expect_object, row_error_body

MOST_ROWS = 200
_MOST_CHUNKS = 10
_MOST_RETRIEVED = 2_000
_PATH = "/services/data/{version}/composite/sobjects"


def create_many(call: Call) -> Reply:
    """Insert rows, of several object types if need be."""
    body = call.json_object()
    records = _records(body)
    outcomes = _saved(call, records, lambda row: rows.create(call, _type_of(call, row), row), body.get("allOrNone"))
    return Reply(body=[_result(outcome) for outcome in outcomes])


def update_many(call: Call) -> Reply:
    """Change rows by their ids."""
    body = call.json_object()
    records = _records(body)
    outcomes = _saved(call, records, lambda row: _update(call, row), body.get("allOrNone"))
    ids = [rows.long_id(value_of(row, "id")) for row in records]
    return Reply(body=[_result(outcome, record_id) for outcome, record_id in zip(outcomes, ids, strict=True)])


def upsert_many(call: Call) -> Reply:
    """Insert or change rows by an external id."""
    sobject = call.state.org.schema.get(call.params["object"])
    key = rows.external_id_field(sobject, call.params["field"])
    body = call.json_object()
    records = _records(body)
    repeated = repeated_keys(value_of(row, key.name) for row in records)

    def save(row: Mapping[str, Any]) -> Saved:
        return _upsert(call, sobject, key, row, repeated)

    outcomes = _saved(call, records, save, body.get("allOrNone"))
    return Reply(body=[_upsert_result(outcome) for outcome in outcomes])


def delete_many(call: Call) -> Reply:
    """Delete rows of any type by their ids, given as `ids=…,…`."""
    ids = [text.strip() for text in call.query.get("ids", "").split(",") if text.strip()]
    _check_count(ids)
    strict = call.query.get("allOrNone", "").lower() == "true"
    outcomes = _saved(call, ids, lambda record_id: _delete(call, record_id), strict)
    return Reply(body=[_result(outcome, rows.long_id(text)) for outcome, text in zip(outcomes, ids, strict=True)])


def retrieve_many(call: Call) -> Reply:
    """Rows by their ids, null for the ones that are not there."""
    ids = [text.strip() for text in call.query.get("ids", "").split(",") if text.strip()]
    return _retrieved(call, ids, call.query.get("fields", "").split(","))


def retrieve_many_by_body(call: Call) -> Reply:
    """The same for id lists that are too long for a URL."""
    body = call.json_object()
    ids = [str(value) for value in expect_list(body.get("ids"), "ids")]
    return _retrieved(call, ids, [str(name) for name in expect_list(body.get("fields"), "fields")])


def _saved(call: Call, items: Sequence[Any], save: SaveRow, all_or_none: Any) -> list[Outcome]:
    """What became of the rows.

    Raises:
        ApiError: A value is of a wrong JSON type: Salesforce stumbles over it before it looks at any row.
    """
    outcomes = save_rows(call, items, save, all_or_none is True)
    for outcome in outcomes:
        if isinstance(outcome, list) and outcome[0].code == "JSON_PARSER_ERROR":
            raise ApiError(400, outcome)
    return outcomes


def _records(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of the body.

    Raises:
        ApiError: There are none or too many, or their types alternate too often.
    """
    listed = expect_list(body.get("records"), "records")
    records = [expect_object(record, "record") for record in listed]
    _check_count(records)
    chunks = sum(1 for _ in itertools.groupby(records, key=lambda row: _type_name(row).lower()))
    if chunks > _MOST_CHUNKS:
        message = "Cannot have more than 10 chunks in a single operation. Please rearrange the data to reduce chunking."
        raise bad_request("INVALID_BATCH_OPERATION", message)
    return records


def _check_count(items: Sequence[Any]) -> None:
    if not items:
        raise bad_request("REQUIRED_FIELD_MISSING", "The request has no records")
    if len(items) > MOST_ROWS:
        message = f"record limit reached. cannot submit more than {MOST_ROWS} records into this call"
        raise bad_request("EXCEEDED_ID_LIMIT", message)


def _type_name(row: Mapping[str, Any]) -> str:
    attributes = row.get("attributes")
    name = attributes.get("type") if isinstance(attributes, Mapping) else None
    if not isinstance(name, str):
        raise bad_request("INVALID_TYPE", "Each record needs its type: attributes.type")
    return name


def _type_of(call: Call, row: Mapping[str, Any]) -> SObject:
    name = _type_name(row)
    try:
        return call.state.org.schema.get(name)
    except ApiError:
        raise RowRejected.of("INVALID_TYPE", f"sObject type '{name}' is not supported.") from None


def _update(call: Call, row: Mapping[str, Any]) -> Saved:
    sobject, record_id = _type_of(call, row), value_of(row, "id")
    if not isinstance(record_id, str):
        raise RowRejected.of("MISSING_ARGUMENT", "Id not specified in an update call", ["Id"])
    return rows.update(call, sobject, record_id, without(row, "id"))


def _upsert(call: Call, sobject: SObject, key: Field, row: Mapping[str, Any], repeated: Collection[str]) -> Saved:
    if _type_name(row).lower() != sobject.name.lower():
        raise RowRejected.of("INVALID_TYPE", f"The record is not of type {sobject.name}")
    value = value_of(row, key.name)
    if value in (None, "") and key.type != "id":
        raise RowRejected.of("MISSING_ARGUMENT", f"{key.name} not specified")
    check_not_repeated(value, repeated)
    return rows.upsert(call, sobject, key, value, without(row, key.name))


def _delete(call: Call, record_id: str) -> Saved:
    sobject = call.state.org.schema.by_key_prefix.get(record_id[:3])
    if sobject is None:
        raise RowRejected.of("MALFORMED_ID", f"malformed id {record_id}")
    return rows.delete(call, sobject, record_id)


def _result(outcome: Outcome, record_id: str | None = None) -> dict[str, Any]:
    if isinstance(outcome, Saved):
        return {"id": outcome.record_id, "success": True, "errors": []}
    failed = {"success": False, "errors": [row_error_body(error) for error in outcome]}
    return failed if record_id is None else {"id": record_id} | failed


def _upsert_result(outcome: Outcome) -> dict[str, Any]:
    return _result(outcome) | {"created": isinstance(outcome, Saved) and outcome.created}


def _retrieved(call: Call, ids: Sequence[str], fields: Sequence[str]) -> Reply:
    sobject = call.state.org.schema.get(call.params["object"])
    names = [name.strip() for name in fields if name.strip()]
    if not ids or not names:
        raise bad_request("REQUIRED_FIELD_MISSING", "ids and fields are required")
    if len(ids) > _MOST_RETRIEVED:
        message = f"record limit reached. cannot submit more than {_MOST_RETRIEVED} records into this call"
        raise bad_request("EXCEEDED_ID_LIMIT", message)
    return Reply(body=[_retrieve(call, sobject, record_id, names) for record_id in ids])


def _retrieve(call: Call, sobject: SObject, record_id: str, fields: list[str]) -> dict[str, Any] | None:
    full_id = rows.long_id(record_id)
    if full_id is None:
        raise bad_request("MALFORMED_ID", f"malformed id {record_id}")
    row = call.state.org.row_by_id(sobject.name, full_id)
    return None if row is None or row["IsDeleted"] else rows.wire_row(call, sobject, row, fields)


ROUTES = [
    Route("POST", _PATH, create_many, handles_rows=True),
    Route("PATCH", _PATH, update_many, handles_rows=True),
    Route("DELETE", _PATH, delete_many, handles_rows=True),
    Route("GET", f"{_PATH}/{{object}}", retrieve_many),
    Route("POST", f"{_PATH}/{{object}}", retrieve_many_by_body),
    Route("PATCH", f"{_PATH}/{{object}}/{{field}}", upsert_many, handles_rows=True),
]
