"""Discrepancies: in which fields linked records differ, since when, and how many reconciliations in a row.

A table of its own and not the audit trail: that one tells what was done to records, and is only ever added to, while a
discrepancy is looked up by its field, counted, and gone once the two sides agree.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import fields, replace
from datetime import datetime

from sqlalchemy import Connection, delete, select

from prefect_crm_erp.blocks.ledger.database import insert
from prefect_crm_erp.blocks.ledger.entries import Discrepancy
from prefect_crm_erp.blocks.ledger.part import Part, lists_of, members, values
from prefect_crm_erp.blocks.ledger.tables import DiscrepancyRow

_NAMES = tuple(member.name for member in fields(Discrepancy))
_COLUMNS = tuple(getattr(DiscrepancyRow, name) for name in _NAMES)
_IDENTITY = ("integration", "kind", "key", "erp", "field")
_Place = tuple[str, str, str]


class Discrepancies(Part):
    """What reconciliations have found and is not settled yet."""

    def note_discrepancies(
        self, run_id: str, kind: str, links: Collection[tuple[str, str]], found: Sequence[Discrepancy]
    ) -> list[Discrepancy]:
        """Note what was found in these links; what is not found there any more is forgotten.

        A run that notes the same links twice counts once.

        Args:
            run_id: The reconciliation.
            kind: What the keys are of.
            links: Key and ERP connection of all links that were looked at.
            found: The discrepancies among them.

        Returns:
            `found` with `run_id`, `since` and `times`, in the same order.
        """
        if not links:
            return []
        with self.database.writing() as connection:
            before = self._before(connection, kind, links)
            now = self.database.now(connection)
            noted = [_counted(each, before.get(_place(each)), run_id, now) for each in found]
            self._delete(connection, kind, before.keys() - {_place(each) for each in noted})
            self._write(connection, kind, noted)
        return noted

    def discrepancies(
        self, kind: str, *, run_id: str | None = None, at_least: int = 1, limit: int | None = None
    ) -> list[Discrepancy]:
        """What is not settled, the most persistent first.

        Args:
            kind: What the keys are of.
            run_id: Only what this reconciliation saw last.
            at_least: Only what was seen so many times in a row.
            limit: At most so many.
        """
        mine = (DiscrepancyRow.integration == self.integration, DiscrepancyRow.kind == kind)
        chosen = select(*_COLUMNS).where(*mine, DiscrepancyRow.times >= at_least)
        if run_id is not None:
            chosen = chosen.where(DiscrepancyRow.run_id == run_id)
        ordered = chosen.order_by(DiscrepancyRow.times.desc(), DiscrepancyRow.key, DiscrepancyRow.erp)
        with self.database.reading() as connection:
            rows = connection.execute(ordered.order_by(DiscrepancyRow.field).limit(limit))
            return [Discrepancy(**values(row)) for row in rows]

    def forget_other_discrepancies(self, run_id: str, kind: str) -> None:
        """Forget what a complete reconciliation has not seen: its links do not exist any more."""
        mine = (DiscrepancyRow.integration == self.integration, DiscrepancyRow.kind == kind)
        with self.database.writing() as connection:
            connection.execute(delete(DiscrepancyRow).where(*mine, DiscrepancyRow.run_id != run_id))

    def _before(
        self, connection: Connection, kind: str, links: Collection[tuple[str, str]]
    ) -> dict[_Place, Discrepancy]:
        mine = (DiscrepancyRow.integration == self.integration, DiscrepancyRow.kind == kind)
        chosen = select(*_COLUMNS).where(*mine)
        wanted = set(links)
        rows = [
            Discrepancy(**values(row))
            for some in lists_of({key for key, _ in links})
            for row in connection.execute(chosen.where(DiscrepancyRow.key.in_(some)))
        ]
        return {_place(each): each for each in rows if (each.key, each.erp) in wanted}

    def _delete(self, connection: Connection, kind: str, places: Collection[_Place]) -> None:
        mine = (DiscrepancyRow.integration == self.integration, DiscrepancyRow.kind == kind)
        by_field: dict[tuple[str, str], list[str]] = {}
        for key, erp, field in sorted(places):
            by_field.setdefault((erp, field), []).append(key)
        for (erp, field), keys in by_field.items():
            gone = delete(DiscrepancyRow).where(*mine, DiscrepancyRow.erp == erp, DiscrepancyRow.field == field)
            for some in lists_of(keys):
                connection.execute(gone.where(DiscrepancyRow.key.in_(some)))

    def _write(self, connection: Connection, kind: str, noted: Sequence[Discrepancy]) -> None:
        if not noted:
            return
        statement = insert(connection, DiscrepancyRow)
        changed = {name.name: name for name in statement.excluded if name.name not in _IDENTITY}
        upsert = statement.on_conflict_do_update(index_elements=_IDENTITY, set_=changed)
        common = {"integration": self.integration, "kind": kind}
        connection.execute(upsert, [members(each, _NAMES) | common for each in sorted(noted, key=_place)])


def _place(discrepancy: Discrepancy) -> _Place:
    return discrepancy.key, discrepancy.erp, discrepancy.field


def _counted(found: Discrepancy, before: Discrepancy | None, run_id: str, now: datetime) -> Discrepancy:
    if before is None:
        return replace(found, run_id=run_id, since=now, times=1)
    times = before.times if before.run_id == run_id else before.times + 1
    return replace(found, run_id=run_id, since=before.since, times=times)
