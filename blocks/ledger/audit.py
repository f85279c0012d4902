"""The audit trail: what was done to which record of which system, by whom, with the values before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime

from sqlalchemy import Connection, select
from sqlalchemy import insert as plain_insert

from prefect_crm_erp.blocks.ledger.entries import AuditEntry
from prefect_crm_erp.blocks.ledger.part import Part, members, values
from prefect_crm_erp.blocks.ledger.tables import AuditRow

_COLUMNS = tuple(member.name for member in fields(AuditEntry))


class Audit(Part):
    """Entries are only ever added."""

    def audit(self, entries: Sequence[AuditEntry]) -> None:
        """Add entries; those without a time get the present one."""
        if not entries:
            return
        with self.database.writing() as connection:
            add_entries(connection, self.integration, entries, self.database.now(connection))

    def audit_trail(self, kind: str | None = None, key: str | None = None, limit: int = 100) -> list[AuditEntry]:
        """The newest entries first, of one key, of one kind, or of all."""
        chosen = select(*(getattr(AuditRow, name) for name in _COLUMNS)).where(AuditRow.integration == self.integration)
        if kind is not None:
            chosen = chosen.where(AuditRow.kind == kind)
        if key is not None:
            chosen = chosen.where(AuditRow.key == key)
        with self.database.reading() as connection:
            rows = connection.execute(chosen.order_by(AuditRow.id.desc()).limit(limit))
            return [AuditEntry(**values(row)) for row in rows]


def add_entries(
    connection: Connection,
    integration: str,
    entries: Sequence[AuditEntry],
    now: datetime,
    run_id: str | None = None,
) -> None:
    """Add entries in an open transaction; `now` and `run_id` are for those that name no time and no run."""
    if not entries:
        return
    rows = [
        members(entry, _COLUMNS) | {"integration": integration, "run_id": entry.run_id or run_id, "at": entry.at or now}
        for entry in entries
    ]
    connection.execute(plain_insert(AuditRow), rows)
