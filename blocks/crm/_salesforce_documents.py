"""Writing and deleting copies of documents: by collections where they are few, by bulk jobs where they are many."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from prefect_crm_erp.blocks.crm._salesforce_bulk import CsvRows, upsert_by_job
from prefect_crm_erp.blocks.crm._salesforce_connection import Connection
from prefect_crm_erp.blocks.crm._salesforce_document_maps import DOCUMENTS, KEY, Document
from prefect_crm_erp.blocks.crm._salesforce_document_rows import DocumentForm, key_of, parent_of, unfit_keys
from prefect_crm_erp.blocks.crm._salesforce_errors import SYSTEM
from prefect_crm_erp.blocks.crm._salesforce_lookups import by_values
from prefect_crm_erp.blocks.crm._salesforce_rows import ROWS_PER_CALL, delete_rows, may_pass_later, save_rows
from prefect_crm_erp.blocks.crm.base import DocumentObject, DocumentRow, Upserted
from prefect_crm_erp.models.errors import ConfigurationError, ConnectorError, MissingReferenceError, RejectedRecordError
from prefect_crm_erp.models.keys import chunks

BULK_ROWS = 2_000
"""From so many rows of one object on, a bulk job costs fewer calls than collections, and Salesforce advises it."""

# An upload has 100 MB at most. A row with every text at its longest, in an alphabet of three bytes, has some 4 KB.
_ROWS_PER_JOB = 25_000
_NOWHERE = frozenset({"INVALID_CROSS_REFERENCE_KEY", "ENTITY_IS_DELETED"})
_NO_SUCH_KEY = "Foreign key external ID"


class _Written(NamedTuple):
    """A row, and its values in the org's form."""

    row: DocumentRow
    values: dict[str, Any]


class DocumentWriter:
    """Writes one call's copies of documents to an org.

    Args:
        connection: The org.
        currency: Currency (ISO 4217) of an org that has only one.
    """

    def __init__(self, connection: Connection, currency: str | None) -> None:
        self._connection = connection
        self._currency = currency
        self._refused: dict[tuple[DocumentObject, str], ConnectorError] = {}

    def write(self, rows: Sequence[DocumentRow]) -> list[Upserted]:
        """Create or update copies, parents first; one result for each row, in order.

        Raises:
            ConfigurationError: The org lacks an object or field, or does not show it to the user.
            TransientError: Salesforce is not available. The rows may be sent again.
        """
        positions: dict[DocumentObject, list[int]] = {}
        for index, row in enumerate(rows):
            positions.setdefault(row.object, []).append(index)
        self._demand_objects([DOCUMENTS[kind].name for kind in positions])
        outcomes: dict[int, Upserted] = {}
        for kind in DocumentObject:  # parents stand first
            indexes = positions.get(kind, [])
            outcomes |= zip(indexes, self._write_kind(kind, [rows[index] for index in indexes]), strict=True)
        return [outcomes[index] for index in range(len(rows))]

    def _demand_objects(self, names: Sequence[str]) -> None:
        schema = self._connection.schema
        schema.load(names)
        missing = [name for name in names if not schema.has_object(name)]
        if missing:
            raise ConfigurationError(
                f"The org has no {', '.join(missing)}, or does not show it to the user; deploy the metadata package "
                "and give the user its permission set 'ERP Integration'",
                system=SYSTEM,
            )

    def _write_kind(self, kind: DocumentObject, rows: Sequence[DocumentRow]) -> list[Upserted]:
        if not rows:
            return []
        form = DocumentForm(self._connection.schema, DOCUMENTS[kind], self._currency)
        written = self._written(form, rows)
        fit = [
            _Written(row, values)
            for row, values in zip(rows, written, strict=True)
            if not isinstance(values, ConnectorError)
        ]
        sent = iter(self._send(form, fit))
        outcomes = [
            Upserted(None, error=values) if isinstance(values, ConnectorError) else _explained(next(sent))
            for values in written
        ]
        self._note_refused(rows, outcomes)
        return outcomes

    def _written(self, form: DocumentForm, rows: Sequence[DocumentRow]) -> list[dict[str, Any] | ConnectorError]:
        """Each row in the org's form, or why it is refused before any request."""
        doubtful = unfit_keys(rows)
        return [doubtful.get(index) or self._orphaned(row) or form.written(row) for index, row in enumerate(rows)]

    def _orphaned(self, row: DocumentRow) -> ConnectorError | None:
        """Why a row has to wait whose document was refused in the same call."""
        parent = parent_of(row)
        error = self._refused.get(parent) if parent else None
        if not parent or not error:
            return None
        message = f"Its {parent[0].value} {parent[1]} was refused, and the {row.object.value} with it: {error.message}"
        return MissingReferenceError(message, system=SYSTEM)

    def _note_refused(self, rows: Sequence[DocumentRow], outcomes: Sequence[Upserted]) -> None:
        """Remember the documents that were refused. Of several with one key the one that was taken counts."""
        told = [((row.object, key_of(row.erp_id)), outcome) for row, outcome in zip(rows, outcomes, strict=True)]
        taken = {key for key, outcome in told if not outcome.error}
        self._refused |= {key: outcome.error for key, outcome in told if outcome.error and key not in taken}

    def _send(self, form: DocumentForm, rows: Sequence[_Written]) -> list[Upserted]:
        if len(rows) < BULK_ROWS:
            return self._by_collections(form, rows)
        outcomes = [outcome for part in chunks(rows, _ROWS_PER_JOB) for outcome in self._by_job(form, part)]
        held = [index for index, outcome in enumerate(outcomes) if may_pass_later(outcome)]
        again = self._by_collections(form, [rows[index] for index in held])
        for index, outcome in zip(held, again, strict=True):
            outcomes[index] = outcome
        return outcomes

    def _by_collections(self, form: DocumentForm, rows: Sequence[_Written]) -> list[Upserted]:
        path = f"composite/sobjects/{form.document.name}/{KEY}"
        outcomes: list[Upserted] = []
        for batch in chunks(rows, ROWS_PER_CALL):
            outcomes += save_rows(self._connection, path, [form.record(each.values) for each in batch], {})
        return outcomes

    def _by_job(self, form: DocumentForm, rows: Sequence[_Written]) -> list[Upserted]:
        # Lines of one document side by side: parts of a job run at once, and would wait for the same document.
        ordered = sorted(rows, key=lambda each: (parent_of(each.row) or ("", ""))[1])
        content = CsvRows(form.columns(each.values for each in rows), lambda: (each.values for each in ordered))
        errors = upsert_by_job(self._connection, form.document.name, KEY, content, len(rows))
        if not errors:
            return [Upserted(None)] * len(rows)
        return [Upserted(None, error=errors.get(key_of(each.row.erp_id))) for each in rows]


def _explained(outcome: Upserted) -> Upserted:
    """A link that leads nowhere is a matter of time: what it leads to may come."""
    error = outcome.error
    if isinstance(error, RejectedRecordError) and (error.code in _NOWHERE or _NO_SUCH_KEY in error.message):
        missing = MissingReferenceError(error.message, system=SYSTEM, code=error.code, fields=error.fields)
        return Upserted(None, error=missing)
    return outcome


def delete_documents(connection: Connection, kind: DocumentObject, erp_ids: Sequence[str]) -> list[Upserted]:
    """Delete copies by key, with what belongs to them; one result for each key, in order.

    Raises:
        TransientError: Salesforce is not available. The same call may be made again.
    """
    document = DOCUMENTS[kind]
    ids = _ids(connection, document, erp_ids)
    outcomes = dict(zip(ids.values(), delete_rows(connection, list(ids.values())), strict=True))
    return [outcomes.get(ids.get(key_of(erp_id), ""), Upserted(None)) for erp_id in erp_ids]


def _ids(connection: Connection, document: Document, erp_ids: Iterable[str]) -> dict[str, str]:
    """Ids of the copies that are there, by key."""
    keys = sorted({key_of(erp_id) for erp_id in erp_ids} - {""})
    rows = by_values(connection, ["Id", KEY], document.name, KEY, keys)
    return {key_of(row[KEY]): row["Id"] for row in rows}
