"""Writing and deleting copies of documents: by collections where they are few, by bulk jobs where they are many."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import pairwise

from prefect_crm_erp.blocks.crm._salesforce_connection import Connection
from prefect_crm_erp.blocks.crm._salesforce_document_maps import DOCUMENTS, KEY, Document
from prefect_crm_erp.blocks.crm._salesforce_document_rows import DocumentForm, key_of
from prefect_crm_erp.blocks.crm._salesforce_errors import SYSTEM
from prefect_crm_erp.blocks.crm._salesforce_lookups import by_values
from prefect_crm_erp.blocks.crm._salesforce_rows import delete_rows
from prefect_crm_erp.blocks.crm._salesforce_shipment import Shipment
from prefect_crm_erp.blocks.crm.under_way import HandedIn, UnderWay
from prefect_crm_erp.blocks.crm.values import DocumentObject, DocumentRow, Upserted
from prefect_crm_erp.models.errors import ConfigurationError, ConnectorError

_Positions = Mapping[DocumentObject, Sequence[int]]
"""Positions of rows among all rows, by kind."""


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

    def hand_in(self, rows: Sequence[DocumentRow]) -> HandedIn:
        """Take copies that are to be created or updated; of the first kind of them, the org has the rows already.

        Raises:
            ConfigurationError: The org lacks an object or field, or does not show it to the user.
            TransientError: Salesforce is not available. The rows may be sent again.
        """
        found: dict[DocumentObject, list[int]] = {}
        for index, row in enumerate(rows):
            found.setdefault(row.object, []).append(index)
        positions = {kind: found[kind] for kind in DocumentObject if kind in found}  # parents stand first
        if not positions:
            return HandedIn(lambda: UnderWay({}, list))
        self._demand_objects([DOCUMENTS[kind].name for kind in positions])
        return HandedIn(partial(self._begin, rows, positions, self._handed_in(rows, positions, next(iter(positions)))))

    def _begin(self, rows: Sequence[DocumentRow], positions: _Positions, shipment: Shipment) -> UnderWay:
        """Write kind by kind, parents first; the last kind of them is under way when this returns.

        What comes next is uploaded while Salesforce is at work on what comes before.
        """
        answered: dict[int, Upserted] = {}
        shipment.begin(self._refused)
        for kind, following in pairwise(positions):
            further = self._handed_in(rows, positions, following)
            answered |= zip(positions[kind], self._finished(shipment), strict=True)
            further.begin(self._refused)
            shipment = further
        *_, last = positions.values()
        return UnderWay(answered, partial(self._all, answered, last, shipment))

    def _all(self, answered: dict[int, Upserted], positions: Sequence[int], shipment: Shipment) -> list[Upserted]:
        answered |= zip(positions, self._finished(shipment), strict=True)
        return [answered[index] for index in range(len(answered))]

    def _handed_in(self, rows: Sequence[DocumentRow], positions: _Positions, kind: DocumentObject) -> Shipment:
        form = DocumentForm(self._connection.schema, DOCUMENTS[kind], self._currency)
        shipment = Shipment(self._connection, form, [rows[index] for index in positions[kind]])
        shipment.hand_in()
        return shipment

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

    def _finished(self, shipment: Shipment) -> list[Upserted]:
        """What became of a shipment's rows; refused documents are noted, but for those with the key of a taken one."""
        outcomes = shipment.finish()
        if any(outcome.error for outcome in outcomes):
            pairs = zip(shipment.rows, outcomes, strict=True)
            told = [((row.object, key_of(row.erp_id)), outcome.error) for row, outcome in pairs]
            taken = {key for key, error in told if not error}
            self._refused |= {key: error for key, error in told if error and key not in taken}
        return outcomes


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
