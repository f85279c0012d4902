"""Cross-references: which CRM key became which ERP record."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import fields
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, delete, func, select

from prefect_crm_erp.blocks.ledger.audit import add_entries
from prefect_crm_erp.blocks.ledger.claims import settle
from prefect_crm_erp.blocks.ledger.database import insert
from prefect_crm_erp.blocks.ledger.entries import AuditEntry, Binding, CrossReference, PartBinding
from prefect_crm_erp.blocks.ledger.part import Part, lists_of, members, values
from prefect_crm_erp.blocks.ledger.queues import resolve
from prefect_crm_erp.blocks.ledger.tables import CrossReferenceRow
from prefect_crm_erp.models.outcomes import Change, Outcome

_BOUND = tuple(member.name for member in fields(Binding))
_COLUMNS = tuple(getattr(CrossReferenceRow, member.name) for member in fields(CrossReference))
_IDENTITY = ("integration", "kind", "key", "erp", "company")
_KEPT = {*_IDENTITY, "bound_at"}
REBOUND = "rebound"
"""Audit action of a key that was bound to another ERP record before."""


class References(Part):
    """Which CRM key became which ERP record."""

    def bind(self, run_id: str, bindings: Sequence[Binding], audit: Sequence[AuditEntry] = ()) -> None:
        """Note what keys became: cross-references, audit, end of the claims and of the stay in a queue, all or nothing.

        A binding is a fact of the ERP, so that it is taken even when the run's lease was lost meanwhile. When it
        contradicts an earlier one, the later one holds and the audit trail tells both. Of a part only its own claim
        ends; the key stays claimed and in its queue.

        Args:
            run_id: The run that wrote the records.
            bindings: Keys and the ERP records that they became.
            audit: What was done; the run and the time are filled in.
        """
        if not (bindings or audit):
            return
        by_identity = {(each.kind, each.key, each.erp, each.company): each for each in bindings}
        chosen = [by_identity[identity] for identity in sorted(by_identity)]
        by_kind, done = _by_kind(chosen, lambda each: each.key), _by_kind(chosen, _done)
        with self.database.writing() as connection:
            now = self.database.now(connection)
            for kind, keys in done.items():
                settle(connection, self.integration, kind, keys, run_id)
            contradicted = self._contradicted(connection, chosen, by_kind)
            self._write_references(connection, run_id, chosen, now)
            for kind, keys in done.items():
                resolve(connection, self.integration, kind, keys, Outcome.WRITTEN.value, now)
            add_entries(connection, self.integration, [*audit, *contradicted], now, run_id)

    def bound(self, kind: str, keys: Collection[str], erp: str | None = None) -> dict[str, list[CrossReference]]:
        """What keys became: one reference for each ERP and company, in the order of binding.

        Args:
            kind: What the keys are of.
            keys: Keys to look up, any number; those that are not bound are left out.
            erp: Only in this ERP connection.
        """
        with self.database.reading() as connection:
            found = self._find_references(connection, CrossReferenceRow.kind == kind, key=keys)
        return _grouped([each for each in found if erp in (None, each.erp)], "key")

    def bound_by_erp_id(self, kind: str, erp: str, erp_ids: Collection[str]) -> dict[str, list[CrossReference]]:
        """What ERP records belong to, by ERP id: several keys may share a record (two CRM accounts, one customer)."""
        with self.database.reading() as connection:
            found = self._find_references(
                connection, CrossReferenceRow.kind == kind, CrossReferenceRow.erp == erp, erp_id=erp_ids
            )
        return _grouped(found, "erp_id")

    def bound_by_number(self, kind: str, numbers: Collection[str]) -> dict[str, list[CrossReference]]:
        """What ERP numbers belong to, over all ERP connections and companies; those that are not bound are left out."""
        with self.database.reading() as connection:
            found = self._find_references(connection, CrossReferenceRow.kind == kind, erp_number=numbers)
        return _grouped(found, "erp_number")

    def bound_pages(self, kind: str, page_size: int = 200) -> Iterator[dict[str, list[CrossReference]]]:
        """All bound keys with their references, in the order of the keys, page by page; for ledgers too large to hold.

        A key that is bound while the pages are read comes when its place is still ahead, and not otherwise.

        Args:
            kind: What the keys are of.
            page_size: Keys of one page.
        """
        mine = (CrossReferenceRow.integration == self.integration, CrossReferenceRow.kind == kind)
        ordered = select(CrossReferenceRow.key).where(*mine).distinct().order_by(CrossReferenceRow.key).limit(page_size)
        further = ordered
        while True:
            with self.database.reading() as connection:
                keys = list(connection.scalars(further))
                found = self._find_references(connection, CrossReferenceRow.kind == kind, key=keys)
            if not keys:
                return
            grouped = _grouped(found, "key")
            yield {key: grouped[key] for key in keys}
            further = ordered.where(CrossReferenceRow.key > keys[-1])

    def count_bound(self, kind: str) -> int:
        """How many references there are: one for each key, ERP connection and company."""
        mine = (CrossReferenceRow.integration == self.integration, CrossReferenceRow.kind == kind)
        with self.database.reading() as connection:
            return connection.scalar(select(func.count()).select_from(CrossReferenceRow).where(*mine)) or 0

    def unbind(self, run_id: str, kind: str, key: str, erp: str, audit: Sequence[AuditEntry]) -> None:
        """End the reference of a key in an ERP connection, for a record whose key has become another one.

        Args:
            run_id: The run that found it out.
            kind: What the key is of.
            key: The key.
            erp: Name of the ERP connection.
            audit: Why; the run and the time are filled in.
        """
        mine = (CrossReferenceRow.integration == self.integration, CrossReferenceRow.kind == kind)
        with self.database.writing() as connection:
            connection.execute(
                delete(CrossReferenceRow).where(*mine, CrossReferenceRow.key == key, CrossReferenceRow.erp == erp)
            )
            add_entries(connection, self.integration, audit, self.database.now(connection), run_id)

    def _find_references(
        self, connection: Connection, *where: ColumnElement[bool], **one_of: Collection[str]
    ) -> list[CrossReference]:
        ((column, wanted),) = one_of.items()
        chosen = select(*_COLUMNS).where(CrossReferenceRow.integration == self.integration, *where)
        chosen = chosen.order_by(CrossReferenceRow.bound_at, CrossReferenceRow.erp, CrossReferenceRow.company)
        return [
            CrossReference(**values(row))
            for some in lists_of(wanted)
            for row in connection.execute(chosen.where(getattr(CrossReferenceRow, column).in_(some)))
        ]

    def _write_references(
        self, connection: Connection, run_id: str, bindings: Sequence[Binding], now: datetime
    ) -> None:
        if not bindings:
            return
        common = {"integration": self.integration, "run_id": run_id, "bound_at": now, "updated_at": now}
        statement = insert(connection, CrossReferenceRow)
        changed = {name.name: name for name in statement.excluded if name.name not in _KEPT}
        upsert = statement.on_conflict_do_update(index_elements=_IDENTITY, set_=changed)
        connection.execute(upsert, [members(each, _BOUND) | common for each in bindings])

    def _contradicted(
        self, connection: Connection, bindings: Sequence[Binding], by_kind: dict[str, list[str]]
    ) -> list[AuditEntry]:
        """Audit entries for keys that another ERP record had."""
        before = {
            (each.kind, each.key, each.erp, each.company): each.erp_id
            for kind, keys in by_kind.items()
            for each in self._find_references(connection, CrossReferenceRow.kind == kind, key=keys)
        }
        return [
            AuditEntry(each.kind, each.key, each.erp, REBOUND, each.erp_id, (Change("erp_id", old, each.erp_id),))
            for each in bindings
            if (old := before.get((each.kind, each.key, each.erp, each.company), each.erp_id)) != each.erp_id
        ]


def _done(binding: Binding) -> str:
    """The key that a binding is done with."""
    return binding.claimed_as if isinstance(binding, PartBinding) else binding.key


def _by_kind(bindings: Sequence[Binding], key: Callable[[Binding], str]) -> dict[str, list[str]]:
    by_kind: dict[str, list[str]] = {}
    for each in bindings:
        by_kind.setdefault(each.kind, []).append(key(each))
    return by_kind


def _grouped(references: Sequence[CrossReference], by: str) -> dict[str, list[CrossReference]]:
    grouped: dict[str, list[CrossReference]] = {}
    for reference in references:
        grouped.setdefault(getattr(reference, by), []).append(reference)
    return grouped
