"""Writing pages of records to Tryton, where one request is one transaction: all of it or nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from prefect_crm_erp.blocks.erp._tryton_rpc import SYSTEM, Row
from prefect_crm_erp.models.errors import RecordError, TransientError, UnknownOutcomeError, UnsupportedRecordError
from prefect_crm_erp.models.outcomes import Rejected, WriteResult
from prefect_crm_erp.models.records import Record

R = TypeVar("R", bound=Record)
T = TypeVar("T")


def send_encoded(
    records: Sequence[R],
    encode: Callable[[R], T],
    send: Callable[[list[R], list[T]], list[WriteResult[R]]],
) -> list[WriteResult[R]]:
    """Encode each record and send the good ones together; one that cannot be encoded is rejected on its own.

    Raises:
        RecordError: Tryton refused the request because of some record; nothing was written.
    """
    encoded: dict[int, T] = {}
    results: dict[int, WriteResult[R]] = {}
    for index, record in enumerate(records):
        try:
            encoded[index] = encode(record)
        except RecordError as error:
            results[index] = Rejected(record, error)
    if encoded:
        sent = send([records[index] for index in encoded], list(encoded.values()))
        results |= dict(zip(encoded, sent, strict=True))
    return [results[index] for index in range(len(records))]


def after_write(read: Callable[[], T]) -> T:
    """Read back what was just written; when that fails, the write's outcome is unknown to the caller.

    Raises:
        UnknownOutcomeError: The system did not answer any more.
    """
    try:
        return read()
    except TransientError as error:
        raise UnknownOutcomeError(f"Written, but not read back: {error.message}", system=error.system) from None


def by_id(rows: Sequence[Row]) -> dict[int, Row]:
    """Rows by their id."""
    return {row["id"]: row for row in rows}


def tryton_id(record: Record) -> int:
    """The id of an existing record, as Tryton's number.

    Raises:
        UnsupportedRecordError: It is no id of Tryton's.
    """
    text = str(getattr(record, "erp_id", None))
    if not text.isdecimal():
        raise UnsupportedRecordError(f"{text!r} is no id of a record in Tryton", system=SYSTEM)
    return int(text)
