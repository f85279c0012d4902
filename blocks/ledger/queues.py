"""Queues: records that wait, for the next attempt or for people."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, func, select, text, update

from prefect_crm_erp.blocks.ledger.database import insert
from prefect_crm_erp.blocks.ledger.entries import Parked, ParkEntry, RetryPolicy
from prefect_crm_erp.blocks.ledger.part import Part, lists_of, members, values
from prefect_crm_erp.blocks.ledger.tables import ParkedRow
from prefect_crm_erp.models.outcomes import Queue

Identity = tuple[str, str]
"""Kind and key."""

_STORED = tuple(member.name for member in fields(Parked) if member.name != "changed")
_COLUMNS = tuple(getattr(ParkedRow, name) for name in _STORED)
_IDENTITY = ("integration", "kind", "key")
_KEPT = {*_IDENTITY, "id", "first_parked_at", "resolved_at", "resolution"}
_IS_OPEN = ParkedRow.resolved_at.is_(None)
_DEFAULT_RETRY = RetryPolicy()
_PARKING = 0x1ED6E4  # tells these locks from those of other programs in the database


class Queues(Part):
    """Records that wait; a key has at most one open entry."""

    def park(self, run_id: str, entries: Sequence[ParkEntry], now: datetime | None = None) -> list[Parked]:
        """Put records into the queues of their verdicts, or move them there.

        An attempt counts when the record was in the Retry queue with the same fingerprint; too many make it a dead
        letter. Other content starts anew.

        Args:
            run_id: The run that could not go on.
            entries: The records; of several for one key the last counts.
            now: The present, when not the ledger's own time.

        Returns:
            For each entry, in the same order, how it is stored.

        Raises:
            ValueError: A verdict names no queue.
        """
        if not entries:
            return []
        chosen = {(entry.kind, entry.key): entry for entry in entries}
        with self.database.writing() as connection:
            self._one_at_a_time(connection)
            before = self._lock_open(connection, chosen)
            time = now or self.database.now(connection)
            stored = {
                identity: _parked(entry, before.get(identity), run_id, time) for identity, entry in chosen.items()
            }
            self._write_parked(connection, stored.values())
        return [stored[entry.kind, entry.key] for entry in entries]

    def resolve(self, kind: str, keys: Collection[str], *, resolution: str) -> None:
        """Take records out of their queues.

        Args:
            kind: What the keys are of.
            keys: Keys; those that wait in no queue are skipped.
            resolution: What became of them: `written`, `excluded`, `gone`.
        """
        if not keys:
            return
        with self.database.writing() as connection:
            resolve(connection, self.integration, kind, keys, resolution, self.database.now(connection))

    def parked(
        self,
        *,
        kind: str | None = None,
        queues: Collection[Queue] | None = None,
        keys: Collection[str] | None = None,
        due_before: datetime | None = None,
        open_only: bool = True,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[Parked]:
        """Records that wait, the longest waiting first.

        Args:
            kind: Only of this kind.
            queues: Only in these queues.
            keys: Only these keys.
            due_before: Only those whose next attempt is due by then; records that wait for people never are.
            open_only: Whether to leave out those that have left their queue.
            limit: At most so many.
            offset: Skip so many.
        """
        chosen = _filtered(_mine(self.integration, open_only), kind, queues, due_before)
        with self.database.reading() as connection:
            if keys is None:
                rows = list(connection.execute(chosen.order_by(ParkedRow.id).limit(limit).offset(offset)))
            else:
                lists = (connection.execute(chosen.where(ParkedRow.key.in_(some))) for some in lists_of(keys))
                found = sorted((row for rows in lists for row in rows), key=lambda row: row.id)
                rows = found[offset : None if limit is None else offset + limit]
        return [Parked(**values(row, "id")) for row in rows]

    def queue_counts(self) -> dict[Queue, int]:
        """How many records wait in each queue; every queue is named."""
        counted = (
            select(ParkedRow.queue, func.count().label("waiting"))
            .where(ParkedRow.integration == self.integration, _IS_OPEN)
            .group_by(ParkedRow.queue)
        )
        with self.database.reading() as connection:
            return dict.fromkeys(Queue, 0) | {row.queue: row.waiting for row in connection.execute(counted)}

    def _one_at_a_time(self, connection: Connection) -> None:
        # Attempts are counted from what is stored, also for keys that have no row yet which could be locked. On SQLite
        # the transaction itself is alone.
        if connection.dialect.name == "postgresql":
            integration = zlib.crc32(self.integration.encode()) - 2**31
            connection.execute(select(func.pg_advisory_xact_lock(_PARKING, integration)))

    def _lock_open(self, connection: Connection, identities: Collection[Identity]) -> dict[Identity, Parked]:
        by_kind: dict[str, list[str]] = {}
        for kind, key in sorted(identities):
            by_kind.setdefault(kind, []).append(key)
        chosen = _mine(self.integration, open_only=True).order_by(ParkedRow.key).with_for_update()
        rows = (
            row
            for kind, keys in by_kind.items()
            for some in lists_of(keys)
            for row in connection.execute(chosen.where(ParkedRow.kind == kind, ParkedRow.key.in_(some)))
        )
        return {(row.kind, row.key): Parked(**values(row, "id")) for row in rows}

    def _write_parked(self, connection: Connection, records: Iterable[Parked]) -> None:
        statement = insert(connection, ParkedRow)
        changed = {column.name: column for column in statement.excluded if column.name not in _KEPT}
        upsert = statement.on_conflict_do_update(
            index_elements=_IDENTITY, index_where=text("resolved_at IS NULL"), set_=changed
        )
        mine = {"integration": self.integration}
        connection.execute(upsert, [members(each, _STORED) | mine for each in records])


def resolve(
    connection: Connection, integration: str, kind: str, keys: Collection[str], resolution: str, now: datetime
) -> None:
    """Take records out of their queues, in an open transaction."""
    left = {"resolved_at": now, "resolution": resolution}
    for some in lists_of(keys):
        chosen = select(ParkedRow.id).where(
            ParkedRow.integration == integration, ParkedRow.kind == kind, ParkedRow.key.in_(some), _IS_OPEN
        )
        in_order = chosen.order_by(ParkedRow.key).with_for_update()
        connection.execute(update(ParkedRow).where(ParkedRow.id.in_(in_order)).values(left))


def _mine(integration: str, open_only: bool) -> Select[Any]:
    chosen = select(ParkedRow.id, *_COLUMNS).where(ParkedRow.integration == integration)
    return chosen.where(_IS_OPEN) if open_only else chosen


def _filtered(
    chosen: Select[Any], kind: str | None, queues: Collection[Queue] | None, due_before: datetime | None
) -> Select[Any]:
    if kind is not None:
        chosen = chosen.where(ParkedRow.kind == kind)
    if queues is not None:
        chosen = chosen.where(ParkedRow.queue.in_(list(queues)))
    if due_before is not None:
        chosen = chosen.where(ParkedRow.next_attempt_at <= due_before)
    return chosen


def _parked(entry: ParkEntry, before: Parked | None, run_id: str, now: datetime) -> Parked:
    """How an entry is stored, given the open entry of its key."""
    queue, attempts, due = _placed(entry, before, now)
    return Parked(
        kind=entry.kind,
        key=entry.key,
        name=entry.name,
        queue=queue,
        reason=entry.verdict.reason,
        error=entry.verdict.error,
        fields=entry.verdict.fields,
        fingerprint=entry.fingerprint,
        attempts=attempts,
        run_id=run_id,
        first_parked_at=before.first_parked_at if before else now,
        parked_at=now,
        next_attempt_at=due,
        changed=before is None or (before.queue, before.reason) != (queue, entry.verdict.reason),
    )


def _placed(entry: ParkEntry, before: Parked | None, now: datetime) -> tuple[Queue, int, datetime | None]:
    """Queue, failed attempts, and when the next one is due."""
    wanted = entry.verdict.queue
    if wanted is None:
        raise ValueError(f"The verdict on {entry.kind} {entry.key} names no queue: it is {entry.verdict.outcome}")
    is_again = before is not None and before.fingerprint == entry.fingerprint
    attempts = before.attempts if before is not None and is_again else 0
    if wanted is not Queue.RETRY:
        return wanted, attempts, None
    retry = entry.retry or _DEFAULT_RETRY
    attempts += 1
    if attempts >= retry.max_attempts:
        return Queue.DEAD_LETTER, attempts, None
    due = now + retry.delay(attempts)
    return Queue.RETRY, attempts, max(due, entry.not_before or due)
