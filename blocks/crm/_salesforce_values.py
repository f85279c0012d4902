"""Canonical values in Salesforce's form, as one row takes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from pydantic import BaseModel

from prefect_crm_erp.blocks import exact_json
from prefect_crm_erp.blocks.crm._salesforce_account_plan import SETTLED, AccountPlanner
from prefect_crm_erp.blocks.crm._salesforce_errors import SYSTEM
from prefect_crm_erp.blocks.crm._salesforce_maps import DAY, OBJECT_NAMES, SHORTENED, TIME, WRITE_BACK
from prefect_crm_erp.blocks.crm._salesforce_schema import Schema
from prefect_crm_erp.blocks.crm.values import CrmObject
from prefect_crm_erp.models.errors import ConnectorError, UnsupportedRecordError
from prefect_crm_erp.models.field_map import FieldMap
from prefect_crm_erp.models.records import Address

CUSTOM = "custom"
_ADDRESSES = ("billing", "shipping")
_OWN_NAME = re.compile(r"[A-Za-z]\w*", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_ONLY_FOR_ACCOUNTS = frozenset({*SETTLED, CUSTOM})


def refusal(target: CrmObject, values: Mapping[str, Any]) -> ConnectorError | None:
    """Why values cannot be written to an object, whatever the org; None when they can."""
    known = {pair.canonical.partition(".")[0] for pair in WRITE_BACK[target].pairs}
    known |= _ONLY_FOR_ACCOUNTS if target is CrmObject.ACCOUNT else set()
    unknown = sorted(set(values) - known)
    if unknown:
        message = f"{', '.join(unknown)} cannot be written to the {target.value}"
        return UnsupportedRecordError(message, system=SYSTEM, fields=tuple(unknown))
    try:
        _check(values)
        exact_json.dumps(WRITE_BACK[target].encode(plain(values)))
        exact_json.dumps(_own_values(values))
    except (ValueError, TypeError) as error:
        return UnsupportedRecordError(str(error), system=SYSTEM)
    return None


def _check(values: Mapping[str, Any]) -> None:
    """Refuse what would be lost on the way, or get into a row in a place of its own choosing."""
    for name in _ADDRESSES:
        if not isinstance(values.get(name), Address | None):
            raise TypeError(f"{name} is a whole Address")
    for name in values.get(CUSTOM) or {}:
        if not _OWN_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no API name of a field that can be written; it looks like Region__c")


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values with their records as mappings; a whole address gives all its parts."""
    return {name: value.model_dump() if isinstance(value, BaseModel) else value for name, value in values.items()}


def needs_schema(values: Mapping[str, Any]) -> bool:
    """Whether the org has to be asked how it spells, shortens or protects the fields of these values."""
    return bool(values.keys() & (SHORTENED | _ONLY_FOR_ACCOUNTS))


class RowValues:
    """Writes values in this very org's form.

    Args:
        schema: The org's objects and fields.
        planner: Where accounts' fields are.
    """

    def __init__(self, schema: Schema, planner: AccountPlanner) -> None:
        self._schema = schema
        self._planner = planner

    def update(self, target: CrmObject, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values of a record that is there already."""
        table = self._planner.writable(target) if values.keys() & set(SETTLED) else WRITE_BACK[target]
        return self.encoded(target, table, values)

    def encoded(self, target: CrmObject, table: FieldMap, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values by the org's field names; words for people fit their fields."""
        row = table.encode(plain(values))
        for pair in table.pairs:
            text = row.get(pair.vendor)
            if pair.canonical.rpartition(".")[2] in SHORTENED and isinstance(text, str):
                field = self._schema.field(OBJECT_NAMES[target], pair.vendor)
                row[pair.vendor] = shorten(text, field.length if field else 0)
        return row | {self._planner.own_name(name): value for name, value in _own_values(values).items()}


def _own_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values of the CRM's own fields, in the form in which they travel."""
    return {name: _own_value(value) for name, value in (values.get(CUSTOM) or {}).items()}


def _own_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return TIME.encode(value)
    return DAY.encode(value) if isinstance(value, date) else value


def shorten(text: str, length: int) -> str:
    """Fit a text for people into a field: without control characters, cut with an ellipsis where it is too long.

    Args:
        text: The text.
        length: Longest text that the field takes, in UTF-16 units (an emoji counts two); 0 for no limit.

    Example:
        >>> shorten("Insufficient credit", 12)
        'Insufficien…'
    """
    if text.isascii() and text.isprintable() and (not length or len(text) <= length):
        return text
    cleaned = _CONTROL.sub(" ", text)
    units = cleaned.encode("utf-16-le")
    if not length or len(units) <= 2 * length:
        return cleaned
    return units[: 2 * (length - 1)].decode("utf-16-le", errors="ignore") + "…"
