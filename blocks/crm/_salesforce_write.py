"""Writing back to Salesforce: 200 rows of any objects per call, and one outcome for each."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prefect_crm_erp.blocks import exact_json
from prefect_crm_erp.blocks.crm._salesforce_connection import Connection
from prefect_crm_erp.blocks.crm._salesforce_errors import SYSTEM, row_error
from prefect_crm_erp.blocks.crm._salesforce_maps import OBJECT_NAMES, SHORTENED, WRITE_BACK
from prefect_crm_erp.blocks.crm.base import CrmObject, Update, UpdateResult
from prefect_crm_erp.models.errors import ConnectorError, LockedRecordError, TransientError, UnsupportedRecordError
from prefect_crm_erp.models.keys import chunks, salesforce_id

ROWS_PER_CALL = 200
_LOCK_ATTEMPTS = 4
_LOCK_PAUSE_SECONDS = 0.5
_HEADERS = {
    # Duplicate rules that only warn must not stop a status from being written; assignment rules must not run for it.
    "Sforce-Duplicate-Rule-Header": "allowSave=true",
    "Sforce-Auto-Assign": "FALSE",
}
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class _Row:
    """All that one call sets on one record."""

    object: CrmObject
    record_id: str
    values: Mapping[str, Any]

    def to_wire(self) -> dict[str, Any]:
        return {"attributes": {"type": OBJECT_NAMES[self.object]}, "id": self.record_id, **self.values}


def write_back(connection: Connection, updates: Sequence[Update]) -> list[UpdateResult]:
    """Write values back; updates of the same record travel as one row, the later ones winning.

    Raises:
        TransientError: Salesforce is not available. The values may be sent again.
    """
    refused = {index: error for index, update in enumerate(updates) if (error := _refusal(update))}
    accepted = [update for index, update in enumerate(updates) if index not in refused]
    connection.schema.load(OBJECT_NAMES[update.object] for update in accepted if SHORTENED & update.values.keys())
    rows = _rows(connection, accepted)
    errors: dict[str, ConnectorError | None] = {}
    for batch in chunks(rows, ROWS_PER_CALL):
        errors.update(_write_batch(connection, batch))
    return [
        UpdateResult(update, refused[index] if index in refused else errors[salesforce_id(update.record_id)])
        for index, update in enumerate(updates)
    ]


def _refusal(update: Update) -> ConnectorError | None:
    known = {pair.canonical for pair in WRITE_BACK[update.object].pairs}
    unknown = sorted(set(update.values) - known)
    if unknown:
        message = f"{', '.join(unknown)} cannot be written to the {update.object.value}"
        return UnsupportedRecordError(message, system=SYSTEM, fields=tuple(unknown))
    try:
        salesforce_id(update.record_id)
        exact_json.dumps(WRITE_BACK[update.object].encode(update.values))
    except (ValueError, TypeError) as error:
        return UnsupportedRecordError(str(error), system=SYSTEM)
    return None


def _rows(connection: Connection, updates: Sequence[Update]) -> list[_Row]:
    """One row for each record, objects together: a call may change between objects ten times at most."""
    merged: dict[tuple[CrmObject, str], dict[str, Any]] = {}
    for update in updates:
        key = (update.object, salesforce_id(update.record_id))
        merged.setdefault(key, {}).update(_encoded(connection, update))
    order = list(CrmObject)
    return sorted((_Row(*key, values) for key, values in merged.items()), key=lambda row: order.index(row.object))


def _encoded(connection: Connection, update: Update) -> dict[str, Any]:
    pairs = WRITE_BACK[update.object]
    values = pairs.encode(update.values)
    for pair in pairs.pairs:
        text = values.get(pair.vendor)
        if pair.canonical in SHORTENED and isinstance(text, str):
            field = connection.schema.field(OBJECT_NAMES[update.object], pair.vendor)
            values[pair.vendor] = shorten(text, field.length if field else 0)
    return values


def shorten(text: str, length: int) -> str:
    """Fit a text for people into a field: without control characters, cut with an ellipsis where it is too long.

    Args:
        text: The text.
        length: Longest text that the field takes, in UTF-16 units (an emoji counts two); 0 for no limit.

    Example:
        >>> shorten("Insufficient credit", 12)
        'Insufficien…'
    """
    cleaned = _CONTROL.sub(" ", text)
    units = cleaned.encode("utf-16-le")
    if not length or len(units) <= 2 * length:
        return cleaned
    return units[: 2 * (length - 1)].decode("utf-16-le", errors="ignore") + "…"


def _write_batch(connection: Connection, rows: Sequence[_Row]) -> dict[str, ConnectorError | None]:
    """Write one call's rows; those that somebody else holds at the moment are tried again a little later."""
    errors = _call(connection, rows)
    for attempt in range(1, _LOCK_ATTEMPTS):
        locked = [row for row in rows if isinstance(errors[row.record_id], LockedRecordError | TransientError)]
        if not locked:
            break
        time.sleep(_LOCK_PAUSE_SECONDS * attempt * random.uniform(0.8, 1.2))  # noqa: S311 - not a secret
        errors.update(_call(connection, locked))
    return errors


def _call(connection: Connection, rows: Sequence[_Row]) -> dict[str, ConnectorError | None]:
    body = {"allOrNone": False, "records": [row.to_wire() for row in rows]}
    outcomes = connection.send("PATCH", "composite/sobjects", body, **_HEADERS)
    if not isinstance(outcomes, list) or len(outcomes) != len(rows):
        raise TransientError("The answer does not tell what became of each row", system=SYSTEM)
    return {
        row.record_id: None if outcome.get("success") else row_error(outcome.get("errors") or [])
        for row, outcome in zip(rows, outcomes, strict=True)
    }
