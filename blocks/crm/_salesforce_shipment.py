"""A shipment: copies of one kind of documents on their way to an org, by collections or by bulk jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from prefect_crm_erp.blocks.crm._salesforce_bulk import BulkUpsert, CsvRows
from prefect_crm_erp.blocks.crm._salesforce_connection import Connection
from prefect_crm_erp.blocks.crm._salesforce_document_maps import KEY
from prefect_crm_erp.blocks.crm._salesforce_document_rows import DocumentForm, key_of, parent_of, unfit_keys
from prefect_crm_erp.blocks.crm._salesforce_errors import SYSTEM
from prefect_crm_erp.blocks.crm._salesforce_rows import ROWS_PER_CALL, may_pass_later, save_rows
from prefect_crm_erp.blocks.crm.base import DocumentObject, DocumentRow, Upserted
from prefect_crm_erp.models.errors import ConnectorError, MissingReferenceError, RejectedRecordError
from prefect_crm_erp.models.keys import chunks

BULK_ROWS = 2_000
"""From so many rows of one object on, a bulk job costs fewer calls than collections, and Salesforce advises it."""

# An upload has 100 MB at most. A row with every text at its longest, in an alphabet of three bytes, has some 4 KB.
_ROWS_PER_JOB = 25_000
_NOWHERE = frozenset({"INVALID_CROSS_REFERENCE_KEY", "ENTITY_IS_DELETED"})
_NO_SUCH_KEY = "Foreign key external ID"

Refused = Mapping[tuple[DocumentObject, str], ConnectorError]
"""Documents that the org has refused, by kind and key."""


class _Written(NamedTuple):
    """A row, and its values in the org's form."""

    row: DocumentRow
    values: dict[str, Any]


class _Job(NamedTuple):
    """A bulk job, and the rows that it has."""

    upsert: BulkUpsert
    rows: Sequence[_Written]


class Shipment:
    """Rows of one kind: handed in, begun, and finished, each step once and in this order.

    Many rows are uploaded when they are handed in, which may be before the documents are there that they belong to:
    Salesforce looks at none of them before the shipment is begun.

    Args:
        connection: The org.
        form: How the kind is written there.
        rows: The rows.
    """

    def __init__(self, connection: Connection, form: DocumentForm, rows: Sequence[DocumentRow]) -> None:
        self.rows = rows
        self._connection = connection
        self._form = form
        self._jobs: list[_Job] = []
        unfit = unfit_keys(rows)
        self._values = [unfit.get(index) or form.written(row) for index, row in enumerate(rows)]

    def hand_in(self) -> None:
        """Upload the rows, where they are many.

        Raises:
            TransientError: Salesforce is not available.
        """
        fit = self._fit()
        self._jobs = [self._job(part) for part in chunks(fit, _ROWS_PER_JOB)] if len(fit) >= BULK_ROWS else []
        for job in self._jobs:
            job.upsert.hand_in()

    def begin(self, refused: Refused) -> None:
        """Have the rows taken in; without those whose documents were refused, which wait.

        Raises:
            TransientError: Salesforce is not available.
        """
        if self._take_out_orphans(refused):
            for job in self._jobs:
                job.upsert.give_up()
            self.hand_in()
        for job in self._jobs:
            job.upsert.begin()

    def finish(self) -> list[Upserted]:
        """What became of each row, in order.

        Raises:
            ConfigurationError: Salesforce cannot do anything with the rows: an unknown field.
            TransientError: Salesforce is not available, or a job failed. The rows may be sent again.
        """
        sent = iter(self._finished_jobs() if self._jobs else self._by_collections(self._fit()))
        return [
            Upserted(None, error=values) if isinstance(values, ConnectorError) else _explained(next(sent))
            for values in self._values
        ]

    def _fit(self) -> list[_Written]:
        pairs = zip(self.rows, self._values, strict=True)
        return [_Written(row, values) for row, values in pairs if not isinstance(values, ConnectorError)]

    def _take_out_orphans(self, refused: Refused) -> bool:
        """Refuse rows whose documents were refused, and say whether there are any."""
        found = False
        for index, row in enumerate(self.rows) if refused else ():
            parent = parent_of(row)
            error = refused.get(parent) if parent else None
            if parent and error and not isinstance(self._values[index], ConnectorError):
                self._values[index] = _orphaned(row, parent, error)
                found = True
        return found

    def _by_collections(self, rows: Sequence[_Written]) -> list[Upserted]:
        path = f"composite/sobjects/{self._form.document.name}/{KEY}"
        outcomes: list[Upserted] = []
        for batch in chunks(rows, ROWS_PER_CALL):
            outcomes += save_rows(self._connection, path, [self._form.record(each.values) for each in batch], {})
        return outcomes

    def _job(self, rows: Sequence[_Written]) -> _Job:
        # Lines of one document side by side: parts of a job run at once, and would wait for the same document.
        ordered = sorted(rows, key=lambda each: (parent_of(each.row) or ("", ""))[1])
        content = CsvRows(self._form.columns(each.values for each in rows), lambda: (each.values for each in ordered))
        return _Job(BulkUpsert(self._connection, self._form.document.name, KEY, content, len(rows)), rows)

    def _finished_jobs(self) -> list[Upserted]:
        outcomes = [outcome for job in self._jobs for outcome in _finished(job)]
        rows = [row for job in self._jobs for row in job.rows]
        held = [index for index, outcome in enumerate(outcomes) if may_pass_later(outcome)]
        again = self._by_collections([rows[index] for index in held])
        for index, outcome in zip(held, again, strict=True):
            outcomes[index] = outcome
        return outcomes


def _finished(job: _Job) -> list[Upserted]:
    errors = job.upsert.finish()
    if not errors:
        return [Upserted(None)] * len(job.rows)
    return [Upserted(None, error=errors.get(key_of(each.row.erp_id))) for each in job.rows]


def _orphaned(row: DocumentRow, parent: tuple[DocumentObject, str], error: ConnectorError) -> ConnectorError:
    message = f"Its {parent[0].value} {parent[1]} was refused, and the {row.object.value} with it: {error.message}"
    return MissingReferenceError(message, system=SYSTEM)


def _explained(outcome: Upserted) -> Upserted:
    """A link that leads nowhere is a matter of time: what it leads to may come."""
    error = outcome.error
    if isinstance(error, RejectedRecordError) and (error.code in _NOWHERE or _NO_SUCH_KEY in error.message):
        missing = MissingReferenceError(error.message, system=SYSTEM, code=error.code, fields=error.fields)
        return Upserted(None, error=missing)
    return outcome
