"""Single rows on their way in and out: saves with the caller's name on them, and records in wire form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prefect_crm_erp.sandbox.salesforce.errors import ApiError, MultipleMatches, RowError, RowRejected
from prefect_crm_erp.sandbox.salesforce.ids import MalformedId, to_18
from prefect_crm_erp.sandbox.salesforce.org import Org
from prefect_crm_erp.sandbox.salesforce.schema import Field, SObject
from prefect_crm_erp.sandbox.salesforce.wire import Call, not_found


@dataclass(frozen=True)
class Saved:
    """A row that was saved.

    Args:
        record_id: Its id, 18 characters.
        created: Whether it is new.
    """

    record_id: str
    created: bool


def _allows_duplicates(call: Call) -> bool:
    """Whether the client asks to save what a duplicate rule would stop."""
    return "allowsave=true" in call.headers.get("sforce-duplicate-rule-header", "").replace(" ", "").lower()


def create(call: Call, sobject: SObject, values: Mapping[str, Any]) -> Saved:
    """Insert one row.

    Raises:
        RowRejected: It is refused.
    """
    user_id, allow = call.session.user_id, _allows_duplicates(call)
    return Saved(call.state.org.create(sobject.name, values, user_id, allow_duplicates=allow), created=True)


def update(call: Call, sobject: SObject, record_id: str, values: Mapping[str, Any]) -> Saved:
    """Change one row; fields that are not named stay as they are.

    Raises:
        RowRejected: It is refused.
    """
    full_id, user_id = checked_id(sobject, record_id), call.session.user_id
    call.state.org.update(sobject.name, full_id, values, user_id, allow_duplicates=_allows_duplicates(call))
    return Saved(full_id, created=False)


def upsert(call: Call, sobject: SObject, key: Field, key_value: Any, values: Mapping[str, Any]) -> Saved:
    """Change the row with this external id, or insert it.

    Raises:
        RowRejected: It is refused.
        MultipleMatches: Several rows have this external id.
    """
    org, user_id, allow = call.state.org, call.session.user_id, _allows_duplicates(call)
    return Saved(*org.upsert(sobject.name, key.name, key_value, values, user_id, allow_duplicates=allow))


def delete(call: Call, sobject: SObject, record_id: str, *, purge: bool = False) -> Saved:
    """Delete one row.

    Args:
        call: The request.
        sobject: The row's type.
        record_id: Its id.
        purge: For good, instead of into the recycle bin.

    Raises:
        RowRejected: It is refused.
    """
    full_id, org = checked_id(sobject, record_id), call.state.org
    (org.purge if purge else org.delete)(sobject.name, full_id, call.session.user_id)
    return Saved(full_id, created=False)


def checked_id(sobject: SObject, record_id: str) -> str:
    """The 18-character form of an id of this object.

    Raises:
        RowRejected: It is no id, or one of another object.
    """
    full_id = long_id(record_id)
    if full_id is None or not full_id.startswith(sobject.key_prefix):
        message = f"{sobject.label} ID: id value of incorrect type: {record_id}"
        raise RowRejected.of("MALFORMED_ID", message, ["Id"])
    return full_id


def long_id(value: Any) -> str | None:
    """The 18-character form of an id that a client gave; None when it is none."""
    try:
        return to_18(value) if isinstance(value, str) else None
    except MalformedId:
        return None


def value_of(row: Mapping[str, Any], name: str) -> Any:
    """A field of a row from the wire, its name in any case; None without it."""
    return next((value for key, value in row.items() if key.lower() == name.lower()), None)


def without(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A row from the wire less one field."""
    return {key: value for key, value in row.items() if key.lower() != name.lower()}


def external_id_field(sobject: SObject, name: str) -> Field:
    """The field, when rows can be found by it.

    Raises:
        ApiError: It does not exist or is no external id.
    """
    field = sobject.fields.get(name.lower())
    if field is None or not field.upsertable:
        raise not_found(f"Provided external ID field does not exist or is not accessible: {name}")
    return field


def find_single(org: Org, sobject: SObject, key: Field, value: str) -> str:
    """The id of the row with an external id.

    Raises:
        ApiError: There is none.
        MultipleMatches: There are several.
    """
    ids = org.find_by_external_id(sobject.name, key.name, value)
    if not ids:
        raise not_found()
    if len(ids) > 1:
        raise MultipleMatches(sobject.name, ids)
    return ids[0]


def record_url(call: Call, object_name: str, record_id: str) -> str:
    """Path of a record, as `attributes.url` has it."""
    return f"{call.data_path}/sobjects/{object_name}/{record_id}"


def wire_row(
    call: Call, sobject: SObject, row: Mapping[str, Any], fields: Sequence[str] | None = None
) -> dict[str, Any]:
    """A row as it goes out.

    Args:
        call: The request, which gives the API version of the URLs.
        sobject: The row's type.
        row: The stored row.
        fields: Names of the fields to show, in any case; None shows them all.

    Raises:
        ApiError: A name is no field of the object.
    """
    shown = row if fields is None else _chosen(sobject, row, fields)
    attributes = {"type": sobject.name, "url": record_url(call, sobject.name, row["Id"])}
    return {"attributes": attributes, **call.state.org.to_wire(sobject.name, shown)}


def _chosen(sobject: SObject, row: Mapping[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    names = [sobject.field(name.strip()).name for name in fields if name.strip()]
    return {name: row[name] for name in dict.fromkeys([*names, "Id"])}


def row_errors(error: ApiError | RowRejected | MultipleMatches) -> list[RowError]:
    """What a collection says about a row that failed, whichever way it did."""
    if isinstance(error, MultipleMatches):
        message = f"More than one record found for external id field: [{', '.join(error.ids)}]"
        return [RowError("DUPLICATE_EXTERNAL_ID", message)]
    return error.errors
