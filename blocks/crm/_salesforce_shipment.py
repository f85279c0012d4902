"""A shipment: copies of one kind of documents on their way to an org, by collections or by bulk jobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from prefect_crm_erp.blocks.crm._salesforce_bulk import BulkUpsert, CsvFile
from prefect_crm_erp.blocks.crm._salesforce_connection import Connection
from prefect_crm_erp.blocks.crm._salesforce_document_maps import KEY
from prefect_crm_erp.blocks.crm._salesforce_document_rows import DocumentForm, key_of, parent_of, unfit_keys
from prefect_crm_erp.blocks.crm._salesforce_errors import SYSTEM
from prefect_crm_erp.blocks.crm._salesforce_rows import ROWS_PER_CALL, may_pass_later, save_rows
from prefect_crm_erp.blocks.crm.values import DocumentObject, DocumentRow, Upserted
from prefect_crm_erp.models.errors import ConnectorError, MissingReferenceError, RejectedRecordError
from prefect_crm_erp.models.keys import chunks

BULK_ROWS = 2_000
"""From so many rows of one object on, a bulk job costs fewer calls than collections, and Salesforce advises it."""

_ROWS_PER_PIECE = 500
# An upload has 100 MB at most. A row with every text at its longest, in an alphabet of three bytes, has some 4 KB.
_ROWS_PER_JOB = 25_000
_TAKEN = Upserted(None)
_NOWHERE = frozenset({"INVALID_CROSS_REFERENCE_KEY", "ENTITY_IS_DELETED"})
_NO_SUCH_KEY = "Foreign key external ID"

Refused = Mapping[tuple[DocumentObject, str], ConnectorError]
"""Documents that the org has refused, by kind and key."""


class _Written(NamedTuple):
    """A row's position, and its values in the org's form."""

    position: int
    values: dict[str, Any]


class _Job(NamedTuple):
    """A bulk job, and the positions of the rows that it has."""

    upsert: BulkUpsert
    positions: Sequence[int]


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
        self._errors = unfit_keys(rows)
        self._is_large = len(rows) >= BULK_ROWS
        self._jobs: list[_Job] = []
        self._few = [] if self._is_large else self._written(range(len(rows)))

    def hand_in(self) -> None:
        """Upload the rows, where they are many.

        Raises:
            TransientError: Salesforce is not available.
        """
        if self._is_large:
            fit = [position for position in range(len(self.rows)) if position not in self._errors]
            # Lines of one document side by side: parts of a job run at once, and would wait for the same document.
            fit.sort(key=lambda position: (parent_of(self.rows[position]) or ("", ""))[1])
            self._jobs = [job for part in chunks(fit, _ROWS_PER_JOB) if (job := self._job(part))]

    def begin(self, refused: Refused) -> None:
        """Have the rows taken in; without those whose documents were refused, which wait.

        Raises:
            TransientError: Salesforce is not available.
        """
        if self._take_out_orphans(refused):
            for job in self._jobs:
                job.upsert.give_up()
            self._few = [each for each in self._few if each.position not in self._errors]
            self.hand_in()
        for job in self._jobs:
            job.upsert.begin()

    def finish(self) -> list[Upserted]:
        """What became of each row, in order.

        Raises:
            ConfigurationError: Salesforce cannot do anything with the rows: an unknown field.
            TransientError: Salesforce is not available, or a job failed. The rows may be sent again.
        """
        sent = self._finished_jobs() if self._is_large else self._by_collections(self._few)
        sent |= {position: Upserted(None, error=error) for position, error in self._errors.items()}
        return [_explained(sent[position]) for position in range(len(self.rows))]

    def _written(self, positions: Iterable[int]) -> list[_Written]:
        """Those of the rows that can be sent, in the org's form; why the others cannot is noted."""
        written: list[_Written] = []
        for position in positions:
            if position in self._errors:
                continue
            values = self._form.written(self.rows[position])
            if isinstance(values, ConnectorError):
                self._errors[position] = values
            else:
                written.append(_Written(position, values))
        return written

    def _take_out_orphans(self, refused: Refused) -> bool:
        """Refuse rows whose documents were refused, and say whether there are any."""
        found = False
        for position, row in enumerate(self.rows) if refused else ():
            parent = parent_of(row)
            error = refused.get(parent) if parent else None
            if parent and error and position not in self._errors:
                self._errors[position] = _orphaned(row, parent, error)
                found = True
        return found

    def _by_collections(self, rows: Sequence[_Written]) -> dict[int, Upserted]:
        """What became of rows that were sent some hundred at a time, by position."""
        path = f"composite/sobjects/{self._form.document.name}/{KEY}"
        outcomes: list[Upserted] = []
        for batch in chunks(rows, ROWS_PER_CALL):
            outcomes += save_rows(self._connection, path, [self._form.record(each.values) for each in batch], {})
        return dict(zip((each.position for each in rows), outcomes, strict=True))

    def _job(self, positions: Sequence[int]) -> _Job | None:
        """A job that has those of the rows that can be sent; None where none can."""
        content, taken = CsvFile(), []
        for some in chunks(positions, _ROWS_PER_PIECE):
            written = self._written(some)
            content.add([each.values for each in written])
            taken += [each.position for each in written]
        if not taken:
            return None
        upsert = BulkUpsert(self._connection, self._form.document.name, KEY, len(taken))
        upsert.hand_in(content)
        return _Job(upsert, taken)

    def _finished_jobs(self) -> dict[int, Upserted]:
        """What became of the rows of jobs, by position."""
        outcomes: dict[int, Upserted] = {}
        for job in self._jobs:
            outcomes |= dict.fromkeys(job.positions, _TAKEN)
            if errors := job.upsert.finish():
                outcomes |= {each: Upserted(None, error=errors.get(self._key(each))) for each in job.positions}
        held = [position for position, outcome in outcomes.items() if may_pass_later(outcome)]
        return outcomes | self._by_collections(self._written(held))

    def _key(self, position: int) -> str:
        return key_of(self.rows[position].erp_id)


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
