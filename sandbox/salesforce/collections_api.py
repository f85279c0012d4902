"""sObject collections: up to 200 rows in one call, whose answer is HTTP 200 whatever becomes of the rows."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from prefect_crm_erp.sandbox.salesforce import rows
from prefect_crm_erp.sandbox.salesforce.errors import ApiError, MultipleMatches, RowError, RowRejected
from prefect_crm_erp.sandbox.salesforce.rows import Saved
from prefect_crm_erp.sandbox.salesforce.schema import SObject
from prefect_crm_erp.sandbox.salesforce.wire import (
    Call,
    Reply,
    Route,
    bad_request,
    expect_list,
    expect_object,
    row_error_body,
)

MOST_ROWS = 200
_MOST_CHUNKS = 10
_MOST_RETRIEVED = 2_000
_PATH = "/services/data/{version}/composite/sobjects"
ROLLED_BACK = RowError(
    "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    "Record rolled back because not all records were valid and the request was using AllOrNone header",
)

SaveRow = Callable[[Any], Saved]
Outcome = Saved | list[RowError]


class _RollBack(Exception):
    """Undoes a collection of which a row failed."""


def create_many(call: Call) -> Reply:
    """Insert rows, of several object types if need be."""
    body = call.json_object()
    strict = body.get("allOrNone") is True
    outcomes = save_rows(call, _records(body), lambda row: rows.create(call, _type_of(call, row), row), strict)
    return Reply(body=[_result(outcome) for outcome in outcomes])


def update_many(call: Call) -> Reply:
    """Change rows by their ids."""
    body = call.json_object()
    records, strict = _records(body), body.get("allOrNone") is True
    outcomes = save_rows(call, records, lambda row: _update(call, row), strict)
    ids = [rows.long_id(_value_of(row, "id")) for row in records]
    return Reply(body=[_result(outcome, record_id) for outcome, record_id in zip(outcomes, ids, strict=True)])


def upsert_many(call: Call) -> Reply:
    """Insert or change rows by an external id."""
    sobject = call.state.org.schema.get(call.params["object"])
    key = rows.external_id_field(sobject, call.params["field"])
    body = call.json_object()
    strict = body.get("allOrNone") is True
    outcomes = save_rows(call, _records(body), lambda row: _upsert(call, sobject, key.name, row), strict)
    return Reply(body=[_upsert_result(outcome) for outcome in outcomes])


def delete_many(call: Call) -> Reply:
    """Delete rows of any type by their ids, given as `ids=…,…`."""
    ids = [text.strip() for text in call.query.get("ids", "").split(",") if text.strip()]
    _check_count(ids)
    strict = call.query.get("allOrNone", "").lower() == "true"
    outcomes = save_rows(call, ids, lambda record_id: _delete(call, record_id), strict)
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


def save_rows(
    call: Call, items: Sequence[Any], save: SaveRow, all_or_none: bool, first_index: int = 0
) -> list[Outcome]:
    """Save rows one after the other; one that fails leaves the others alone, unless all or none is asked for.

    Args:
        call: The request; its fault rule may make rows fail.
        items: What `save` gets, row by row.
        save: Saves one row.
        all_or_none: Undo everything when one fails.
        first_index: Position of the first row in the whole, as a fault rule counts.

    Returns:
        For each row what was saved, or why it was not.
    """
    outcomes: list[Outcome] = []
    try:
        with call.state.org.transaction():
            outcomes = [_save_row(call, index, item, save) for index, item in enumerate(items, first_index)]
            if all_or_none and any(isinstance(outcome, list) for outcome in outcomes):
                raise _RollBack
    except _RollBack:
        return [outcome if isinstance(outcome, list) else [ROLLED_BACK] for outcome in outcomes]
    return outcomes


def _save_row(call: Call, index: int, item: Any, save: SaveRow) -> Outcome:
    ordered = call.rows_to_fail.error_at(index) if call.rows_to_fail is not None else None
    if ordered is not None:
        return [ordered]
    try:
        with call.state.org.transaction():
            return save(item)
    except (ApiError, RowRejected, MultipleMatches) as error:
        return rows.row_errors(error)


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


def _value_of(row: Mapping[str, Any], name: str) -> Any:
    return next((value for key, value in row.items() if key.lower() == name.lower()), None)


def _without(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key.lower() != name.lower()}


def _update(call: Call, row: Mapping[str, Any]) -> Saved:
    sobject, record_id = _type_of(call, row), _value_of(row, "id")
    if not isinstance(record_id, str):
        raise RowRejected.of("MISSING_ARGUMENT", "Id not specified in an update call", ["Id"])
    return rows.update(call, sobject, record_id, _without(row, "id"))


def _upsert(call: Call, sobject: SObject, key: str, row: Mapping[str, Any]) -> Saved:
    if _type_name(row).lower() != sobject.name.lower():
        raise RowRejected.of("INVALID_TYPE", f"The record is not of type {sobject.name}")
    value = _value_of(row, key)
    if value in (None, ""):
        raise RowRejected.of("MISSING_ARGUMENT", f"{key} not specified")
    return rows.upsert(call, sobject, sobject.field(key), value, _without(row, key))


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
