"""Many rows at once: an upsert by Bulk API 2.0, in as few calls as it takes."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any

from prefect_crm_erp.blocks.crm._salesforce_connection import Connection
from prefect_crm_erp.blocks.crm._salesforce_errors import SYSTEM, result_error
from prefect_crm_erp.models.errors import ConfigurationError, ConnectorError, TransientError, UnknownOutcomeError

_JOBS = "jobs/ingest"
_UPLOADS = 3
_NOTHING = "#N/A"

# The first look comes when a job of that size can be done at best, the next ones when its pace so far says so.
_ROWS_PER_SECOND = 5_000
_FIRST_LOOK_SECONDS = 1.0
_SHORTEST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
_SHARE_OF_WHAT_IS_LEFT = 0.6
_LONGEST_JOB_SECONDS = 3_600.0

_OUR_MISTAKES = ("InvalidBatch", "ClientInputError", "InvalidEntity", "FeatureNotEnabled")


class CsvFile:
    r"""Rows as comma-separated values, kept as they are sent: many rows take little memory. May be sent again.

    Example:
        >>> file = CsvFile()
        >>> file.add([{"Name": "A"}])
        >>> file.add([{"Name": "B", "Site": None}])
        >>> b"".join(file).decode()
        '"Name","Site"\n"A",""\n"B","#N/A"\n'
    """

    def __init__(self) -> None:
        self._pieces: list[tuple[list[str], bytes]] = []

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add some hundred rows. A field that a row does not have is left alone, None empties it."""
        columns = list(dict.fromkeys(name for row in rows for name in row))
        lines = ([_cell(row[name]) if name in row else "" for name in columns] for row in rows)
        self._pieces.append((columns, _lines(lines)))

    def __iter__(self) -> Iterator[bytes]:
        """The file, some hundred rows at a time."""
        columns = list(dict.fromkeys(name for names, _ in self._pieces for name in names))
        yield _lines([columns])
        for names, piece in self._pieces:
            yield piece if names == columns else _with_columns(columns, names, piece)


def _with_columns(columns: Sequence[str], names: Sequence[str], piece: bytes) -> bytes:
    """Rows that say something of only some of the columns, with all of them."""
    rows = csv.reader(io.StringIO(piece.decode(), newline=""))
    named = (dict(zip(names, row, strict=True)) for row in rows)
    return _lines([row.get(name, "") for name in columns] for row in named)


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
    if isinstance(value, str):
        return value if value.strip() else _NOTHING
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    text = "" if value is None else str(value)
    return text if text.strip() else _NOTHING


class BulkUpsert:
    """One upsert by an external id: rows are handed in, then the job is begun, then waited for.

    Costs three calls and a few looks at the job; the refused rows are fetched only when there are some.

    Args:
        connection: The org.
        object_name: The object.
        key: Its external id.
        rows: How many rows there are.
    """

    def __init__(self, connection: Connection, object_name: str, key: str, rows: int) -> None:
        self._connection = connection
        self._wanted = {"object": object_name, "operation": "upsert", "externalIdFieldName": key, "contentType": "CSV"}
        self._key = key
        self._rows = rows
        self._id = ""
        self._job: Mapping[str, Any] = {}
        self._begun_seconds = 0.0

    def hand_in(self, content: Iterable[bytes]) -> None:
        """Upload the rows to a job that has not begun: when an upload is lost, another job takes its place.

        Args:
            content: The rows as comma-separated values, 100 MB at most; iterated once more when an upload is lost.

        Raises:
            TransientError: Salesforce is not available, or its answers were lost again and again.
        """
        attempt = 1
        while True:
            self._id = str(self._connection.send("POST", _JOBS, {**self._wanted, "lineEnding": "LF"})["id"])
            try:
                return self._connection.upload(f"{self._path}/batches", content)
            except UnknownOutcomeError:
                self.give_up()
                if attempt == _UPLOADS:
                    raise
                attempt += 1

    def begin(self) -> None:
        """Give the signal to begin. When the answer is lost, the job itself tells whether the signal came."""
        try:
            self._job = dict(self._signal("UploadComplete"))
        except UnknownOutcomeError:
            self._job = self._connection.get(self._path)
            if self._job["state"] == "Open":
                self._job = dict(self._signal("UploadComplete"))
        self._begun_seconds = time.monotonic()

    def finish(self) -> dict[str, ConnectorError]:
        """Wait until all rows are done.

        Returns:
            Why rows were refused, by key in lower case; those that are not named were taken.

        Raises:
            ConfigurationError: Salesforce cannot do anything with the file: an unknown field.
            TransientError: The job failed, was aborted, or does not end. The rows may be sent again.
        """
        self._wait()
        job = self._job
        if job["state"] != "JobComplete":
            raise _broken(job)
        done, failed = int(job["numberRecordsProcessed"]), int(job["numberRecordsFailed"])
        if self._rows not in (done, done + failed):  # whether the first contains the second is not written anywhere
            words = f"The bulk job {job['id']} ended after {done:,} of {self._rows:,} rows"
            raise TransientError(words, system=SYSTEM)
        return self._refused() if failed else {}

    def give_up(self) -> None:
        """Tidy up. A job that is left over does no harm: one that was not begun is forgotten after a week."""
        with suppress(ConfigurationError, UnknownOutcomeError):
            self._signal("Aborted")

    @property
    def _path(self) -> str:
        return f"{_JOBS}/{self._id}"

    def _signal(self, state: str) -> Any:
        return self._connection.submit("PATCH", self._path, {"state": state})

    def _wait(self) -> None:
        pause = max(_FIRST_LOOK_SECONDS, self._rows / _ROWS_PER_SECOND) - self._seconds
        while self._job["state"] in ("Open", "UploadComplete", "InProgress"):
            if self._seconds > _LONGEST_JOB_SECONDS:
                self.give_up()
                words = f"The bulk job {self._id} has not ended within an hour and was aborted"
                raise TransientError(words, system=SYSTEM)
            time.sleep(max(pause, 0.0))
            self._job = self._connection.get(self._path)
            pause = _next_pause(self._seconds, int(self._job.get("numberRecordsProcessed") or 0), self._rows)

    @property
    def _seconds(self) -> float:
        """Seconds since the job began."""
        return time.monotonic() - self._begun_seconds

    def _refused(self) -> dict[str, ConnectorError]:
        results = io.StringIO(self._connection.download(f"{self._path}/failedResults"), newline="")
        return {row[self._key].strip().lower(): result_error(row["sf__Error"]) for row in csv.DictReader(results)}


def _next_pause(passed: float, done: int, rows: int) -> float:
    """Seconds until the next look at a job: after most of what is left at its pace so far, in which it had to wait.

    At most as long as it took already.

    Example:
        >>> _next_pause(4.0, 5_000, 10_000), _next_pause(2.0, 2_000, 10_000), _next_pause(2.0, 9_999, 10_000)
        (2.4, 2.0, 0.5)
    """
    left = passed * (rows - done) / done if done else passed
    return min(max(left * _SHARE_OF_WHAT_IS_LEFT, _SHORTEST_PAUSE_SECONDS), passed, _LONGEST_PAUSE_SECONDS)


def _broken(job: Mapping[str, Any]) -> ConnectorError:
    words = f"The bulk job {job['id']} is {job['state']}: {job.get('errorMessage') or 'no reason was given'}"
    mistaken = str(job.get("errorMessage") or "").startswith(_OUR_MISTAKES)
    return ConfigurationError(words, system=SYSTEM) if mistaken else TransientError(words, system=SYSTEM)
