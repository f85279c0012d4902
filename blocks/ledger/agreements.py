"""Agreements: what both systems had in a linked record's fields when they were last in step."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import delete, select

from prefect_crm_erp.blocks.ledger.database import insert
from prefect_crm_erp.blocks.ledger.part import Part, lists_of
from prefect_crm_erp.blocks.ledger.tables import AgreementRow

Values = Mapping[str, Any]
"""Field to what JSON can hold."""


class Agreements(Part):
    """One agreement for each linked record and ERP connection; a later one replaces it."""

    def agreed(self, kind: str, keys: Collection[str], erp: str) -> dict[str, Values]:
        """What was agreed on, by key; keys whose records never met are left out.

        Args:
            kind: What the keys are of.
            keys: Keys of the CRM, any number.
            erp: Name of the ERP connection.
        """
        mine = (AgreementRow.integration == self.integration, AgreementRow.kind == kind, AgreementRow.erp == erp)
        chosen = select(AgreementRow.key, AgreementRow.values).where(*mine)
        with self.database.reading() as connection:
            return {
                row.key: row._mapping["values"]
                for some in lists_of(keys)
                for row in connection.execute(chosen.where(AgreementRow.key.in_(some)))
            }

    def agree(self, run_id: str, kind: str, erp: str, agreements: Mapping[str, Values]) -> None:
        """Note what both systems have now, by key.

        Args:
            run_id: The run that brought them in step.
            kind: What the keys are of.
            erp: Name of the ERP connection.
            agreements: The fields of each record, all of them.
        """
        if not agreements:
            return
        with self.database.writing() as connection:
            now = self.database.now(connection)
            common = {"integration": self.integration, "kind": kind, "erp": erp, "run_id": run_id, "agreed_at": now}
            statement = insert(connection, AgreementRow)
            changed = {name: statement.excluded[name] for name in ("values", "run_id", "agreed_at")}
            upsert = statement.on_conflict_do_update(index_elements=["integration", "kind", "key", "erp"], set_=changed)
            connection.execute(
                upsert, [common | {"key": key, "values": dict(agreements[key])} for key in sorted(agreements)]
            )

    def forget_agreed(self, kind: str, keys: Collection[str], erp: str) -> None:
        """Forget what was agreed on for these keys; they meet anew."""
        mine = (AgreementRow.integration == self.integration, AgreementRow.kind == kind, AgreementRow.erp == erp)
        with self.database.writing() as connection:
            for some in lists_of(keys):
                connection.execute(delete(AgreementRow).where(*mine, AgreementRow.key.in_(some)))
