"""Rows on their way to Salesforce: 200 per call, with one outcome for each."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from typing import Any

from prefect_crm_erp.blocks.crm._salesforce_connection import Connection
from prefect_crm_erp.blocks.crm._salesforce_errors import SYSTEM, UnreadableRowError, row_error
from prefect_crm_erp.blocks.crm.base import Upserted
from prefect_crm_erp.models.errors import LockedRecordError, RejectedRecordError, TransientError
from prefect_crm_erp.models.keys import chunks

ROWS_PER_CALL = 200
_LOCK_ATTEMPTS = 4
_LOCK_PAUSE_SECONDS = 0.5

Record = Mapping[str, Any]
"""A row as it travels: its type, its id or external id, and the values that it gets."""


def save_rows(
    connection: Connection, path: str, records: Sequence[Record], headers: Mapping[str, str]
) -> list[Upserted]:
    """Update or upsert rows; what became of each, in order. The same rows may be sent again.

    Args:
        connection: Where to.
        path: The collection's resource.
        records: The rows.
        headers: What Salesforce is to do on the way.

    Raises:
        TransientError: Salesforce is not available.
    """
    outcomes: list[Upserted] = []
    for batch in chunks(records, ROWS_PER_CALL):
        outcomes += _save_batch(connection, path, batch, headers)
    return outcomes


def _save_batch(
    connection: Connection, path: str, records: Sequence[Record], headers: Mapping[str, str]
) -> list[Upserted]:
    """Write one call's rows; those that somebody else holds at the moment are tried again a little later."""
    outcomes = _call(connection, path, records, headers)
    for attempt in range(1, _LOCK_ATTEMPTS):
        locked = [index for index, each in enumerate(outcomes) if _may_pass_later(each)]
        if not locked:
            break
        time.sleep(_LOCK_PAUSE_SECONDS * attempt * random.uniform(0.8, 1.2))  # noqa: S311 - not a secret
        again = _call(connection, path, [records[index] for index in locked], headers)
        for index, outcome in zip(locked, again, strict=True):
            outcomes[index] = outcome
    return outcomes


def _may_pass_later(outcome: Upserted) -> bool:
    return isinstance(outcome.error, LockedRecordError | TransientError)


def _call(connection: Connection, path: str, records: Sequence[Record], headers: Mapping[str, str]) -> list[Upserted]:
    """Send rows in one call. Where Salesforce cannot read one of them, halves are sent until it stands alone."""
    try:
        answer = connection.send("PATCH", path, {"allOrNone": False, "records": records}, **headers)
    except UnreadableRowError as error:
        if len(records) == 1:
            return [Upserted(None, error=RejectedRecordError(error.message, system=SYSTEM, code=error.code))]
        middle = len(records) // 2
        halves = (records[:middle], records[middle:])
        return [outcome for half in halves for outcome in _call(connection, path, half, headers)]
    if not isinstance(answer, list) or len(answer) != len(records):
        raise TransientError("The answer does not tell what became of each row", system=SYSTEM)
    return [_outcome(each) for each in answer]


def _outcome(answer: Mapping[str, Any]) -> Upserted:
    if answer.get("success"):
        return Upserted(answer.get("id"), bool(answer.get("created")))
    return Upserted(None, error=row_error(answer.get("errors") or []))
