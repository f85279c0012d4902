"""Many rows at once: an upsert by Bulk API 2.0, in as few calls as it takes."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any

from prefect_crm_erp.blocks.crm._salesforce_connection import Connection
from prefect_crm_erp.blocks.crm._salesforce_errors import SYSTEM, result_error
from prefect_crm_erp.models.errors import ConfigurationError, ConnectorError, TransientError, UnknownOutcomeError
from prefect_crm_erp.models.keys import chunks

_JOBS = "jobs/ingest"
_ROWS_PER_PIECE = 500
_UPLOADS = 3
_NOTHING = "#N/A"

# The first look comes when a job of that size can be done at best; each next one waits twice as long.
_ROWS_PER_SECOND = 5_000
_SHORTEST_PAUSE_SECONDS = 2.0
_LONGEST_PAUSE_SECONDS = 30.0
_LONGEST_JOB_SECONDS = 3_600.0

_OUR_MISTAKES = ("InvalidBatch", "ClientInputError", "InvalidEntity", "FeatureNotEnabled")


class CsvRows:
    """Rows as comma-separated values, made piece by piece while they are sent; may be sent again.

    Args:
        columns: Names of the fields.
        rows: Gives the rows from the first one on. A field that a row does not have is left alone, None empties it.
    """

    def __init__(self, columns: Sequence[str], rows: Callable[[], Iterable[Mapping[str, Any]]]) -> None:
        self._columns = columns
        self._rows = rows

    def __iter__(self) -> Iterator[bytes]:
        """The file, some hundred rows at a time."""
        yield _lines([self._columns])
        for piece in chunks(self._rows(), _ROWS_PER_PIECE):
            yield _lines([_cell(row[name]) if name in row else "" for name in self._columns] for row in piece)


def _lines(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    return text.getvalue().encode()


def _cell(value: Any) -> str:
    """A value as text: an empty cell would leave the field alone.

    Example:
        >>> _cell(Decimal("1E+2")), _cell(True), _cell(None)
        ('100', 'true', '#N/A')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    text = "" if value is None else str(value)
    return text if text.strip() else _NOTHING


def upsert_by_job(
    connection: Connection, object_name: str, key: str, content: Iterable[bytes], rows: int
) -> dict[str, ConnectorError]:
    """Create or update rows by an external id, and wait until all are done.

    Costs three calls and a few looks at the job; the refused rows are fetched only when there are some.

    Args:
        connection: The org.
        object_name: The object.
        key: Its external id.
        content: The rows as comma-separated values, 100 MB at most; iterated once more when an upload is lost.
        rows: How many there are.

    Returns:
        Why rows were refused, by key in lower case; those that are not named were taken.

    Raises:
        ConfigurationError: Salesforce cannot do anything with the file: an unknown field.
        TransientError: The job failed, was aborted, or does not end. The rows may be sent again.
    """
    job = _wait(connection, _submitted(connection, object_name, key, content), rows)
    if job["state"] != "JobComplete":
        raise _broken(job)
    done, failed = int(job["numberRecordsProcessed"]), int(job["numberRecordsFailed"])
    if rows not in (done, done + failed):  # whether the first number contains the second is not written anywhere
        raise TransientError(f"The bulk job {job['id']} ended after {done:,} of {rows:,} rows", system=SYSTEM)
    return _refused(connection, job["id"], key) if failed else {}


def _submitted(connection: Connection, object_name: str, key: str, content: Iterable[bytes]) -> str:
    """Id of a job that has its rows. It has not begun: when an upload is lost, another job takes its place."""
    wanted = {"object": object_name, "operation": "upsert", "externalIdFieldName": key, "contentType": "CSV"}
    attempt = 1
    while True:
        job_id = str(connection.send("POST", _JOBS, {**wanted, "lineEnding": "LF"})["id"])
        try:
            connection.upload(f"{_JOBS}/{job_id}/batches", content)
            return job_id
        except UnknownOutcomeError:
            _abort(connection, job_id)
            if attempt == _UPLOADS:
                raise
            attempt += 1


def _abort(connection: Connection, job_id: str) -> None:
    """Tidy up. A job that is left over does no harm: one that was not begun is forgotten after a week."""
    with suppress(ConfigurationError, UnknownOutcomeError):
        connection.submit("PATCH", f"{_JOBS}/{job_id}", {"state": "Aborted"})


def _wait(connection: Connection, job_id: str, rows: int) -> Mapping[str, Any]:
    """The job when it has ended."""
    job = _started(connection, job_id)
    pause = max(_SHORTEST_PAUSE_SECONDS, rows / _ROWS_PER_SECOND)
    deadline = time.monotonic() + _LONGEST_JOB_SECONDS
    while job["state"] in ("Open", "UploadComplete", "InProgress"):
        if time.monotonic() > deadline:
            _abort(connection, job_id)
            raise TransientError(f"The bulk job {job_id} has not ended within an hour and was aborted", system=SYSTEM)
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        job = connection.get(f"{_JOBS}/{job_id}")
    return job


def _started(connection: Connection, job_id: str) -> Mapping[str, Any]:
    """The job after the signal to begin. When the answer is lost, the job itself tells whether the signal came."""
    path = f"{_JOBS}/{job_id}"
    try:
        return dict(connection.submit("PATCH", path, {"state": "UploadComplete"}))
    except UnknownOutcomeError:
        job = connection.get(path)
        return dict(connection.submit("PATCH", path, {"state": "UploadComplete"})) if job["state"] == "Open" else job


def _broken(job: Mapping[str, Any]) -> ConnectorError:
    words = f"The bulk job {job['id']} is {job['state']}: {job.get('errorMessage') or 'no reason was given'}"
    mistaken = str(job.get("errorMessage") or "").startswith(_OUR_MISTAKES)
    return ConfigurationError(words, system=SYSTEM) if mistaken else TransientError(words, system=SYSTEM)


def _refused(connection: Connection, job_id: str, key: str) -> dict[str, ConnectorError]:
    results = io.StringIO(connection.download(f"{_JOBS}/{job_id}/failedResults"), newline="")
    return {row[key].strip().lower(): result_error(row["sf__Error"]) for row in csv.DictReader(results)}
