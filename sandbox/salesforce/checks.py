"""What every row is checked for, whatever its object type."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prefect_crm_erp.sandbox.salesforce.change import Change
from prefect_crm_erp.sandbox.salesforce.errors import RowError, RowRejected
from prefect_crm_erp.sandbox.salesforce.image import Image, Row
from prefect_crm_erp.sandbox.salesforce.schema import Field, SObject, no_such_column
from prefect_crm_erp.sandbox.salesforce.values import parse

FindParent = Callable[[SObject, str, Any], str]
CURRENCY_CODES = frozenset({"CurrencyIsoCode", "DefaultCurrencyIsoCode"})


def read_values(sobject: SObject, values: Mapping[str, Any], find_parent: FindParent) -> dict[str, Any]:
    """The fields that a client gave, by their canonical names, as Python values.

    Args:
        sobject: The row's object type.
        values: What came over the wire. A parent can be named by an external id: `{"Account": {"ERP_Id__c": "7"}}`.
        find_parent: Finds the id of such a parent by object type, field name and value.

    Raises:
        RowRejected: All fields that are unknown or do not fit their type.
    """
    given: dict[str, Any] = {}
    errors: list[RowError] = []
    for name, value in values.items():
        if name.lower() == "attributes":
            continue
        try:
            field, parsed = _read_value(sobject, name, value, find_parent)
            given[field.name] = parsed
        except RowRejected as rejected:
            errors += rejected.errors
    if errors:
        raise RowRejected(errors)
    return given


def _read_value(sobject: SObject, name: str, value: Any, find_parent: FindParent) -> tuple[Field, Any]:
    field = sobject.fields.get(name.lower())
    if field:
        return field, parse(field, value)
    lookup = sobject.relationships.get(name.lower())
    if lookup is None:
        raise RowRejected.of("INVALID_FIELD", no_such_column(name, sobject.name))
    return lookup, _parent_id(sobject, lookup, value, find_parent)


def _parent_id(sobject: SObject, lookup: Field, value: Any, find_parent: FindParent) -> str | None:
    if value is None:
        return None
    keys = {k: v for k, v in value.items() if k.lower() != "attributes"} if isinstance(value, Mapping) else {}
    if len(keys) != 1:
        message = f"{lookup.relationship_name}: exactly one external id or Id is needed to name a row of another object"
        raise RowRejected.of("INVALID_FIELD", message, [lookup.name])
    ((key, key_value),) = keys.items()
    return find_parent(sobject, f"{lookup.name}.{key}", key_value)


def check_writable(sobject: SObject, names: Iterable[str], creating: bool) -> None:
    """Refuse fields that clients cannot write.

    Raises:
        RowRejected: INVALID_FIELD_FOR_INSERT_UPDATE with all of them.
    """
    fields = [sobject.fields[name.lower()] for name in names]
    fixed = [field.name for field in fields if not (field.createable if creating else field.updateable)]
    if creating and "Id" in fixed:
        raise RowRejected.of("INVALID_FIELD_FOR_INSERT_UPDATE", "cannot specify Id in an insert call", ["Id"])
    if fixed:
        message = (
            f"Unable to create/update fields: {', '.join(fixed)}. Please check the security settings of this field "
            "and verify that it is read/write for your profile or permission set."
        )
        raise RowRejected.of("INVALID_FIELD_FOR_INSERT_UPDATE", message, fixed)


def check_required(change: Change) -> None:
    """Refuse a row without the fields that it must have.

    Raises:
        RowRejected: REQUIRED_FIELD_MISSING with all of them.
    """
    missing = [
        field.name
        for field in change.sobject.required_fields
        if change.new[field.name] is None and (change.creating or field.name in change.given)
    ]
    if missing:
        raise missing_fields(missing)


def missing_fields(names: list[str]) -> RowRejected:
    """Salesforce's words about fields that must not be empty."""
    return RowRejected.of("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(names)}]", names)


def check_picklists(change: Change, currency_codes: Iterable[str]) -> None:
    """Refuse values that a restricted picklist does not offer.

    Raises:
        RowRejected: INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST for each of them.
    """
    errors = [
        RowError(
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            f"{field.label}: bad value for restricted picklist field: {change.new[field.name]}",
            (field.name,),
        )
        for field in change.sobject.restricted_picklists
        if field.name in change.given
        and change.new[field.name] is not None
        and change.new[field.name] not in (currency_codes if field.name in CURRENCY_CODES else field.picklist)
    ]
    if errors:
        raise RowRejected(errors)


def check_references(change: Change, image: Image) -> None:
    """Refuse lookups that lead nowhere.

    Raises:
        RowRejected: The id is of another object, unknown, of a deleted row, or of a user who has left.
    """
    for name in change.given:
        field = change.sobject.fields[name.lower()]
        if field.type == "reference" and change.new[name] is not None and change.changed(name):
            _check_reference(change, field, change.new[name], image)


def _check_reference(change: Change, field: Field, record_id: str, image: Image) -> None:
    target = image.schema.by_key_prefix.get(record_id[:3])
    if target is None or target.name not in field.reference_to:
        message = f"{field.label}: id value of incorrect type: {record_id}"
        raise RowRejected.of("FIELD_INTEGRITY_EXCEPTION", message, [field.name])
    row = image.tables[target.name].rows.get(record_id)
    if row is None:
        raise RowRejected.of("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", [field.name])
    if row["IsDeleted"]:
        raise RowRejected.of("ENTITY_IS_DELETED", "entity is deleted", [field.name])
    if field.name == "OwnerId" and not row["IsActive"]:
        owned = change.sobject.label.lower()
        message = f"operation performed with inactive user [{record_id[:15]}] as owner of {owned}"
        raise RowRejected.of("INACTIVE_OWNER_OR_USER", message, [field.name])


def check_unique(sobject: SObject, row: Row, image: Image) -> None:
    """Refuse a value that another row has in a unique field. Deleted rows do not count.

    Raises:
        RowRejected: DUPLICATE_VALUE with the other row's id.
    """
    for field in sobject.unique_fields:
        if row[field.name] is None:
            continue
        for other in image.tables[sobject.name].matching(field.name, [row[field.name]]):
            if other["Id"] != row["Id"] and not other["IsDeleted"]:
                message = f"duplicate value found: {field.name} duplicates value on record with id: {other['Id'][:15]}"
                raise RowRejected.of("DUPLICATE_VALUE", message, [field.name])
