"""Bulk API 2.0 jobs: they go through their states over time, and hand out their results in no particular order."""

from __future__ import annotations

import asyncio
import logging
import random
import time
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from prefect_crm_erp.sandbox.salesforce import rows
from prefect_crm_erp.sandbox.salesforce.bulk_csv import CsvFormat, UnreadableUpload, row_values
from prefect_crm_erp.sandbox.salesforce.errors import RowError, RowRejected
from prefect_crm_erp.sandbox.salesforce.ids import new_id, new_instance
from prefect_crm_erp.sandbox.salesforce.row_batches import Outcome, check_not_repeated, repeated_keys, save_rows
from prefect_crm_erp.sandbox.salesforce.rows import Saved, value_of, without
from prefect_crm_erp.sandbox.salesforce.wire import Call, RowFailures, not_found

logger = logging.getLogger(__name__)
CHUNK_ROWS = 200
_QUEUED_SHARE = 0.25
_LET_PASS_SECONDS = 0.002
_IDLE_SECONDS = 0.01


@dataclass
class Job:
    """What ingest and query jobs have in common.

    Args:
        job_id: Begins with `750`.
        operation: `insert`, `update`, `upsert`, `delete`, `hardDelete`, `query` or `queryAll`.
        object_name: Object type of the rows.
        csv_format: How the CSV is written.
        call: The request that created the job: its user and API version are the job's.
        created: Time on the org's clock.
        seconds: How long the job takes once it can start.
    """

    job_id: str
    operation: str
    object_name: str
    csv_format: CsvFormat
    call: Call
    created: datetime
    seconds: float
    state: str = "Open"
    error_message: str | None = None
    started: float = 0.0
    modified: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.modified = self.created

    def start(self) -> None:
        """Put the job into the queue."""
        self.state, self.started = "UploadComplete", time.monotonic()

    @property
    def share_done(self) -> float:
        """How much of the work is due by now, from 0 to 1; below 0 the job still waits in the queue."""
        passed = (time.monotonic() - self.started) / self.seconds if self.seconds else 1.0
        return min(1.0, (passed - _QUEUED_SHARE) / (1 - _QUEUED_SHARE))

    @property
    def running(self) -> bool:
        """Whether time moves the job on."""
        return self.state in ("UploadComplete", "InProgress")

    def advance(self) -> bool:
        """Move on towards where the job should be by now, by one chunk of rows; False when nothing is due."""
        share = self.share_done
        if not self.running or share < 0:
            return False
        try:
            is_due = self.work(share)
            self.state = "JobComplete" if share >= 1 and not is_due else "InProgress"
        except Exception:
            logger.exception("bulk job %s failed", self.job_id)
            is_due, self.state = False, "Failed"
            self.error_message = "InternalServerError : An unexpected error occurred"
        self.modified = self.call.state.org.clock.now()
        return is_due

    def work(self, share: float) -> bool:
        """Do a chunk of what is due, and say whether more is."""
        return False

    def to_json(self) -> dict[str, Any]:
        """The job as it goes out."""
        return {
            "id": self.job_id,
            "operation": self.operation,
            "object": self.object_name,
            "createdById": self.call.session.user_id,
            "createdDate": _wire_time(self.created),
            "systemModstamp": _wire_time(self.modified),
            "state": self.state,
            "concurrencyMode": "Parallel",
            "contentType": "CSV",
            "apiVersion": float(self.call.version),
            "lineEnding": self.csv_format.line_ending,
            "columnDelimiter": self.csv_format.column_delimiter,
        }


def _wire_time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000+0000")


@dataclass
class QueryJob(Job):
    """A query whose rows are fetched as CSV.

    Args:
        header: Names of the columns.
        rows: The result.
    """

    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()

    def to_json(self) -> dict[str, Any]:
        """The job as it goes out."""
        counted = len(self.rows) if self.state == "JobComplete" else 0
        return super().to_json() | {"jobType": "V2Query", "retries": 0, "numberRecordsProcessed": counted}


@dataclass
class IngestJob(Job):
    """Rows to be saved from an uploaded CSV.

    Args:
        external_id_field: Key of an upsert.
        content: The upload.
        rows_to_fail: Rows that a fault rule makes fail.
    """

    external_id_field: str | None = None
    content: bytes | None = None
    rows_to_fail: RowFailures | None = None
    header: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)

    def start(self) -> None:
        """Read the upload and put the job into the queue; an upload that cannot be read fails it."""
        super().start()
        try:
            self.header, self.rows = self.csv_format.parse(self.content or b"")
            self.check_header()
        except UnreadableUpload as error:
            self.state, self.error_message = "Failed", str(error)

    def check_header(self) -> None:
        """Refuse columns that the object does not have.

        Raises:
            UnreadableUpload: A column is unknown, or one that the operation needs is missing.
        """
        sobject = self.call.state.org.schema.get(self.object_name)
        for column in self.header:
            name = column.partition(".")[0].rpartition(":")[2].lower()
            known = sobject.relationships if "." in column else sobject.fields
            if name not in known:
                raise UnreadableUpload(f"InvalidBatch : Field name not found : {column}")
        key = {"insert": None, "upsert": self.external_id_field}.get(self.operation, "Id")
        if key is not None and key.lower() not in (column.lower() for column in self.header):
            raise UnreadableUpload(f"InvalidBatch : Field name not found : {key}")

    def work(self, share: float) -> bool:
        """Save the next chunk of 200 rows that is due, in one transaction."""
        due = len(self.rows) if share >= 1 else int(len(self.rows) * share) // CHUNK_ROWS * CHUNK_ROWS
        first = len(self.outcomes)
        if first < due:
            chunk = [row_values(self.header, row) for row in self.rows[first : first + CHUNK_ROWS]]
            repeated = repeated_keys(value_of(row, self._key) for row in chunk) if self.external_id_field else ()
            call, save = replace(self.call, rows_to_fail=self.rows_to_fail), partial(self._save, repeated)
            self.outcomes += save_rows(call, chunk, save, all_or_none=False, first_index=first)
        return len(self.outcomes) < due

    @property
    def _key(self) -> str:
        return self.external_id_field or "Id"

    def _save(self, repeated: Collection[str], values: Mapping[str, Any]) -> Saved:
        call, sobject = self.call, self.call.state.org.schema.get(self.object_name)
        if self.operation == "insert":
            return rows.create(call, sobject, values)
        key_value, others = value_of(values, self._key), without(values, self._key)
        if not key_value and self._key != "Id":
            raise RowRejected.of("MISSING_ARGUMENT", f"{self._key} not specified")
        if self.operation == "upsert":
            check_not_repeated(key_value, repeated)
            return rows.upsert(call, sobject, sobject.field(self._key), key_value, others)
        if not key_value:
            raise RowRejected.of("MISSING_ARGUMENT", f"Id not specified in an {self.operation} call", ["Id"])
        if self.operation == "update":
            return rows.update(call, sobject, key_value, others)
        return rows.delete(call, sobject, key_value, purge=self.operation == "hardDelete")

    def shuffled(self) -> list[int]:
        """Row numbers in the order of the results: not that of the upload, yet the same each time."""
        order = list(range(len(self.outcomes)))
        random.Random(zlib.crc32(self.content or b"")).shuffle(order)  # noqa: S311 no secret
        return order[::-1] if order == sorted(order) else order

    def successful(self) -> tuple[list[str], list[list[str]]]:
        """Header and rows of what was saved."""
        found = [(index, self.outcomes[index]) for index in self.shuffled()]
        rows = [
            [saved.record_id, str(saved.created).lower(), *self.rows[index]]
            for index, saved in found
            if isinstance(saved, Saved)
        ]
        return ["sf__Id", "sf__Created", *self.header], rows

    def failed(self) -> tuple[list[str], list[list[str]]]:
        """Header and rows of what was refused."""
        found = [(index, self.outcomes[index]) for index in self.shuffled()]
        rows = [
            [self._known_id(index), _error_text(errors), *self.rows[index]]
            for index, errors in found
            if not isinstance(errors, Saved)
        ]
        return ["sf__Id", "sf__Error", *self.header], rows

    def _known_id(self, index: int) -> str:
        return next((c for name, c in zip(self.header, self.rows[index], strict=True) if name.lower() == "id"), "")

    def unprocessed(self) -> tuple[list[str], list[list[str]]]:
        """Header and rows that nobody has looked at: the job failed or was aborted before."""
        pending = [] if self.running or self.state == "Open" else self.rows[len(self.outcomes) :]
        return self.header, pending

    def to_json(self) -> dict[str, Any]:
        """The job as it goes out."""
        failed = sum(1 for outcome in self.outcomes if not isinstance(outcome, Saved))
        body = super().to_json() | {
            "jobType": "V2Ingest",
            "contentUrl": f"services/data/v{self.call.version}/jobs/ingest/{self.job_id}/batches",
            "retries": 0,
            "numberRecordsProcessed": len(self.outcomes),
            "numberRecordsFailed": failed,
        }
        optional = {"externalIdFieldName": self.external_id_field, "errorMessage": self.error_message}
        return body | {name: value for name, value in optional.items() if value is not None}


def _error_text(errors: Sequence[RowError]) -> str:
    """Errors of a row as `sf__Error` has them.

    Example:
        >>> _error_text([RowError("REQUIRED_FIELD_MISSING", "Required fields are missing: [Name]", ("Name",))])
        'REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --'
    """
    return " ".join(f"{error.code}:{error.message}:{','.join(error.fields)} --" for error in errors)


AnyJob = TypeVar("AnyJob", bound=Job)


class BulkJobs:
    """All bulk jobs. They live in memory, as long as the server does."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._instance = new_instance()
        self._number = 0

    def new_id(self) -> str:
        """The id of another job."""
        self._number += 1
        return new_id("750", self._instance, self._number)

    def add(self, job: AnyJob) -> AnyJob:
        """Take a job in."""
        self._jobs[job.job_id] = job
        return job

    def find(self, job_id: str) -> Job:
        """The job with an id, 15 or 18 characters.

        Raises:
            ApiError: There is none.
        """
        job = self._jobs.get(rows.long_id(job_id) or "")
        if job is None:
            raise not_found()
        return job

    def forget(self, job_id: str) -> None:
        """Drop a job and its results."""
        del self._jobs[job_id]

    def jobs_of(self, kind: type[AnyJob]) -> list[AnyJob]:
        """All jobs of a kind, the oldest first."""
        return [job for job in self._jobs.values() if isinstance(job, kind)]

    async def work(self) -> None:
        """Move all jobs on, chunk by chunk in turn, and let requests pass between; never ends."""
        while True:
            is_busy = False
            for job_id in [each.job_id for each in self._jobs.values() if each.running]:
                job = self._jobs.get(job_id)  # it may have been dropped meanwhile
                is_busy = (job is not None and job.advance()) or is_busy
                await asyncio.sleep(_LET_PASS_SECONDS)
            if not is_busy:
                await asyncio.sleep(_IDLE_SECONDS)

    def clear(self) -> None:
        """Drop all jobs."""
        self._jobs.clear()
