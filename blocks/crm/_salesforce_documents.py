"""Writing and deleting copies of documents: by collections where they are few, by bulk jobs where they are many."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from prefect_crm_erp.blocks.crm._salesforce_connection import Connection
from prefect_crm_erp.blocks.crm._salesforce_document_maps import DOCUMENTS, KEY, Document
from prefect_crm_erp.blocks.crm._salesforce_document_rows import DocumentForm, key_of
from prefect_crm_erp.blocks.crm._salesforce_errors import SYSTEM
from prefect_crm_erp.blocks.crm._salesforce_lookups import by_values
from prefect_crm_erp.blocks.crm._salesforce_rows import delete_rows
from prefect_crm_erp.blocks.crm._salesforce_shipment import Shipment
from prefect_crm_erp.blocks.crm.base import DocumentObject, DocumentRow, Upserted
from prefect_crm_erp.blocks.crm.under_way import UnderWay
from prefect_crm_erp.models.errors import ConfigurationError, ConnectorError


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

    def begin(self, rows: Sequence[DocumentRow]) -> UnderWay:
        """Create or update copies, parents first; the last kind of them is under way when this returns.

        What comes next is uploaded while Salesforce is at work on what comes before.

        Raises:
            ConfigurationError: The org lacks an object or field, or does not show it to the user.
            TransientError: Salesforce is not available. The rows may be sent again.
        """
        positions: dict[DocumentObject, list[int]] = {}
        for index, row in enumerate(rows):
            positions.setdefault(row.object, []).append(index)
        kinds = [kind for kind in DocumentObject if kind in positions]  # parents stand first
        self._demand_objects([DOCUMENTS[kind].name for kind in kinds])
        left = [(positions[kind], self._shipment(kind, [rows[index] for index in positions[kind]])) for kind in kinds]
        answered: dict[int, Upserted] = {}
        for _, shipment in left[:1]:
            shipment.hand_in()
        while len(left) > 1:
            indexes, shipment = left.pop(0)
            shipment.begin(self._refused)
            left[0][1].hand_in()
            answered |= zip(indexes, self._finished(shipment), strict=True)
        for _, shipment in left:
            shipment.begin(self._refused)
        return UnderWay(answered, lambda: self._all(answered, left))

    def _all(self, answered: dict[int, Upserted], left: Sequence[tuple[Sequence[int], Shipment]]) -> list[Upserted]:
        for positions, shipment in left:
            answered |= zip(positions, self._finished(shipment), strict=True)
        return [answered[index] for index in range(len(answered))]

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

    def _shipment(self, kind: DocumentObject, rows: Sequence[DocumentRow]) -> Shipment:
        form = DocumentForm(self._connection.schema, DOCUMENTS[kind], self._currency)
        return Shipment(self._connection, form, rows)

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
