"""Rows on their way to Salesforce: 200 per call, with one outcome for each."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from prefect_crm_erp.blocks.crm._salesforce_connection import Connection
from prefect_crm_erp.blocks.crm._salesforce_errors import SYSTEM, UnreadableRowError, row_error
from prefect_crm_erp.blocks.crm.values import Upserted
from prefect_crm_erp.models.errors import LockedRecordError, RejectedRecordError, TransientError
from prefect_crm_erp.models.keys import chunks

ROWS_PER_CALL = 200
_LOCK_ATTEMPTS = 4
_LOCK_PAUSE_SECONDS = 0.5
GONE = frozenset({"ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY"})
"""Codes by which Salesforce says that a row is not there any more."""

T = TypeVar("T")

Record = Mapping[str, Any]
"""A row as it travels: its type, its id or external id, and the values that it gets."""


def save_rows(
    connection: Connection, path: str, records: Sequence[Record], headers: Mapping[str, str], method: str = "PATCH"
) -> list[Upserted]:
    """Update or upsert rows; what became of each, in order. The same rows may be sent again.

    Args:
        connection: Where to.
        path: The collection's resource.
        records: The rows.
        headers: What Salesforce is to do on the way.
        method: `PATCH`; `POST` creates rows of which Salesforce itself sees that there is no second one.

    Raises:
        TransientError: Salesforce is not available.
    """
    outcomes: list[Upserted] = []
    for batch in chunks(records, ROWS_PER_CALL):
        outcomes += _patiently(batch, lambda rows: _call(connection, path, rows, headers, method))
    return outcomes


def create_once(connection: Connection, record: Record) -> Upserted:
    """Create a row of which Salesforce would make a second one, so that it is sent once; what became of it.

    Raises:
        UnknownOutcomeError: The answer was lost.
        TransientError: Salesforce is not available.
    """
    answer = connection.submit("POST", "composite/sobjects", {"allOrNone": False, "records": [record]})
    return _outcomes(answer, 1)[0]


def delete_rows(connection: Connection, ids: Sequence[str]) -> list[Upserted]:
    """Delete rows by id; what became of each, in order. One that is gone already counts as done.

    Raises:
        TransientError: Salesforce is not available.
    """
    return [outcome for batch in chunks(ids, ROWS_PER_CALL) for outcome in _patiently(batch, _deleting(connection))]


def _deleting(connection: Connection) -> Callable[[Sequence[str]], list[Upserted]]:
    def delete(ids: Sequence[str]) -> list[Upserted]:
        answer = connection.delete("composite/sobjects", ids=",".join(ids), allOrNone="false")
        return [_done_if_gone(outcome) for outcome in _outcomes(answer, len(ids))]

    return delete


def _done_if_gone(outcome: Upserted) -> Upserted:
    gone = isinstance(outcome.error, RejectedRecordError) and outcome.error.code in GONE
    return Upserted(None) if gone else outcome


def _patiently(items: Sequence[T], send: Callable[[Sequence[T]], list[Upserted]]) -> list[Upserted]:
    """Send one call's rows; those that somebody else holds at the moment are tried again a little later."""
    outcomes = send(items)
    for attempt in range(1, _LOCK_ATTEMPTS):
        locked = [index for index, each in enumerate(outcomes) if may_pass_later(each)]
        if not locked:
            break
        time.sleep(_LOCK_PAUSE_SECONDS * attempt * random.uniform(0.8, 1.2))  # noqa: S311 - not a secret
        for index, outcome in zip(locked, send([items[index] for index in locked]), strict=True):
            outcomes[index] = outcome
    return outcomes


def may_pass_later(outcome: Upserted) -> bool:
    """Whether the same row may be taken a little later: somebody else holds it, or Salesforce is busy."""
    return isinstance(outcome.error, LockedRecordError | TransientError)


def _call(
    connection: Connection, path: str, records: Sequence[Record], headers: Mapping[str, str], method: str
) -> list[Upserted]:
    """Send rows in one call. Where Salesforce cannot read one of them, halves are sent until it stands alone."""
    try:
        answer = connection.send(method, path, {"allOrNone": False, "records": records}, **headers)
    except UnreadableRowError as error:
        if len(records) == 1:
            return [Upserted(None, error=RejectedRecordError(error.message, system=SYSTEM, code=error.code))]
        middle = len(records) // 2
        halves = (records[:middle], records[middle:])
        return [outcome for half in halves for outcome in _call(connection, path, half, headers, method)]
    return _outcomes(answer, len(records))


def _outcomes(answer: Any, count: int) -> list[Upserted]:
    if not isinstance(answer, list) or len(answer) != count:
        raise TransientError("The answer does not tell what became of each row", system=SYSTEM)
    return [_outcome(each) for each in answer]


def _outcome(answer: Mapping[str, Any]) -> Upserted:
    if answer.get("success"):
        return Upserted(answer.get("id"), bool(answer.get("created")))
    return Upserted(None, error=row_error(answer.get("errors") or []))
