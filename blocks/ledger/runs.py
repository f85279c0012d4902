"""Runs: what was read and what became of it, record by record, so that the sum can be proved."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from operator import attrgetter
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, func, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute

from prefect_crm_erp.blocks.ledger.claims import release_unsent
from prefect_crm_erp.blocks.ledger.database import execute_many, insert
from prefect_crm_erp.blocks.ledger.entries import Coverage, RunInfo, SourceRecord
from prefect_crm_erp.blocks.ledger.part import ROWS_PER_STATEMENT, Part, lists_of, values
from prefect_crm_erp.blocks.ledger.tables import RunRecordRow, RunRow
from prefect_crm_erp.models.keys import chunks
from prefect_crm_erp.models.outcomes import Outcome, Queue, ReportRow

_REPORTED = tuple(member.name for member in fields(ReportRow) if member.name != "crm_id")
_reported = attrgetter(*_REPORTED)
_INFO = tuple(getattr(RunRow, member.name) for member in fields(RunInfo))
_LISTED = 20
"""Keys that `coverage` names of each sort."""
_STREAMED = 500
"""Rows that `rows` holds in memory at a time."""
RUNNING = "running"

_HAS_NO_REASON = or_(
    and_(RunRecordRow.outcome == Outcome.QUEUED, or_(RunRecordRow.queue.is_(None), RunRecordRow.reason == "")),
    and_(RunRecordRow.outcome == Outcome.EXCLUDED, RunRecordRow.reason == ""),
)
_IS_OPEN = and_(RunRecordRow.was_read, RunRecordRow.outcome.is_(None))
_IS_STRAY = ~RunRecordRow.was_read


class Runs(Part):
    """What was read and what became of it, run by run."""

    def start_run(
        self, run_id: str, *, flow: str, source: str, dry_run: bool, started_at: datetime | None = None
    ) -> None:
        """Begin a run. A run that is started again keeps the records that have an outcome, and reads the others anew.

        Args:
            run_id: Identity of the run.
            flow: Name of the flow.
            source: What is read.
            dry_run: Whether the run writes nothing.
            started_at: When it started, when not now.
        """
        with self.database.writing() as connection:
            identity = {"integration": self.integration, "run_id": run_id}
            about = {"flow": flow, "source": source, "dry_run": dry_run}
            about["started_at"] = started_at or self.database.now(connection)
            running = {"status": RUNNING, "finished_at": None, "source_count": None, "summary": None}
            statement = insert(connection, RunRow).values(identity | about | running)
            connection.execute(statement.on_conflict_do_update(index_elements=list(identity), set_=running))
            run = self._lock_run(connection, run_id)
            connection.execute(delete(RunRecordRow).where(RunRecordRow.run == run, RunRecordRow.outcome.is_(None)))

    def note_read(self, run_id: str, records: Sequence[SourceRecord]) -> list[str]:
        """Note records that were read from the source.

        Returns:
            The keys that this run had not read before, in the order of reading.
        """
        first = {record.key: record for record in reversed(records)}
        in_order = list(dict.fromkeys(record.key for record in records))
        if not in_order:
            return []
        with self.database.writing() as connection:
            run = self._lock_run(connection, run_id)
            # The database is not asked first which keys it has: statistics know nothing of a new run, and PostgreSQL
            # would read the whole run again for every page.
            upsert = insert(connection, RunRecordRow).on_conflict_do_update(
                index_elements=["run", "key"], set_={"was_read": True}, where=_IS_STRAY
            )
            new: set[str] = set()
            for some in chunks(in_order, ROWS_PER_STATEMENT):
                rows = [_read_row(run, first[key]) for key in some]
                new.update(connection.scalars(upsert.returning(RunRecordRow.key), rows))
        return [key for key in in_order if key in new]

    def noted(self, run_id: str, keys: Collection[str]) -> frozenset[str]:
        """Those of these keys that a run has read."""
        with self.database.reading() as connection:
            mine = (RunRecordRow.run == self._run(connection, run_id), RunRecordRow.was_read)
            chosen = select(RunRecordRow.key).where(*mine)
            return frozenset(
                key for some in lists_of(keys) for key in connection.scalars(chosen.where(RunRecordRow.key.in_(some)))
            )

    def note_outcomes(self, run_id: str, rows: Sequence[ReportRow]) -> None:
        """Note what became of records; a later outcome replaces an earlier one.

        What the run has written stays written when the run finds it unchanged later. Of several rows of one record
        the last one counts. A record that was never noted as read is kept too, and makes the coverage incomplete.
        """
        by_key = {row.crm_id: row for row in rows}
        if not by_key:
            return
        with self.database.writing() as connection:
            run = self._lock_run(connection, run_id)
            statement = insert(connection, RunRecordRow)
            found_again = (RunRecordRow.outcome == Outcome.WRITTEN, statement.excluded.outcome == Outcome.UNCHANGED)
            upsert = statement.on_conflict_do_update(
                index_elements=["run", "key"],
                set_={name: statement.excluded[name] for name in _REPORTED},
                where=or_(RunRecordRow.outcome.is_(None), ~and_(*found_again)),
            )
            for some in chunks(by_key.values(), ROWS_PER_STATEMENT):
                noted = [(*_reported(row), run, row.crm_id, False) for row in some]
                execute_many(connection, upsert, (*_REPORTED, "run", "key", "was_read"), noted)

    def coverage(self, run_id: str) -> Coverage:
        """Count what was read and what became of it, from the rows."""
        outcomes = {outcome.value: _count(RunRecordRow.outcome == outcome) for outcome in Outcome}
        columns = {"source": _count(RunRecordRow.was_read), "open_count": _count(_IS_OPEN)} | outcomes
        with self.database.reading() as connection:
            run = self._run(connection, run_id)
            counted = select(*(column.label(name) for name, column in columns.items())).where(RunRecordRow.run == run)
            counts = connection.execute(counted).one()._mapping
            named = {"open": _IS_OPEN, "stray": _IS_STRAY, "unexplained": _HAS_NO_REASON}
            listed: dict[str, Any] = {name: self._some_keys(connection, run, which) for name, which in named.items()}
        return Coverage(**counts, **listed)

    def rows(
        self,
        run_id: str,
        *,
        outcome: Outcome | None = None,
        queue: Queue | None = None,
        having: Literal["notes", "changes"] | None = None,
        offset: int = 0,
        limit: int | None = None,
    ) -> Iterator[ReportRow]:
        """Records with an outcome, in the order of reading; a few hundred are in memory at a time.

        Args:
            run_id: The run.
            outcome: Only those with this outcome.
            queue: Only those in this queue.
            having: Only those that have some of these.
            offset: Skip so many.
            limit: At most so many.
        """
        chosen = _chosen_rows(outcome, queue, having)
        last, left = 0, limit
        while left is None or left > 0:
            size = _STREAMED if left is None else min(left, _STREAMED)
            with self.database.reading() as connection:
                page = chosen.where(RunRecordRow.run == self._run(connection, run_id), RunRecordRow.id > last)
                found = connection.execute(page.limit(size).offset(offset)).all()
            yield from (ReportRow(**values(row, "id")) for row in found)
            if len(found) < size:
                return
            last, offset = found[-1].id, 0
            left = None if left is None else left - size

    def finish_run(self, run_id: str, *, status: str, source_count: int, summary: Mapping[str, Any]) -> None:
        """End a run, and its claims on keys that nothing was sent for.

        Args:
            run_id: The run.
            status: How it ended: `completed`, `failed`.
            source_count: Records that the source says there were.
            summary: What the run's report shows; anything that JSON can hold, amounts and times as text.
        """
        with self.database.writing() as connection:
            run = self._lock_run(connection, run_id)
            ended = {"finished_at": self.database.now(connection), "status": status}
            ended |= {"source_count": source_count, "summary": dict(summary)}
            connection.execute(update(RunRow).where(RunRow.id == run).values(ended))
            release_unsent(connection, self.integration, run_id)

    def runs(self, limit: int = 50) -> list[RunInfo]:
        """The newest runs first."""
        chosen = select(*_INFO).where(RunRow.integration == self.integration)
        newest = chosen.order_by(RunRow.started_at.desc(), RunRow.id.desc()).limit(limit)
        with self.database.reading() as connection:
            return [RunInfo(**values(row)) for row in connection.execute(newest)]

    def forget_runs(self, before: datetime) -> int:
        """Delete the records of runs that started before a time; the runs themselves stay, with their summaries.

        Returns:
            How many rows were deleted.
        """
        old = select(RunRow.id).where(RunRow.integration == self.integration, RunRow.started_at < before)
        with self.database.writing() as connection:
            return connection.execute(delete(RunRecordRow).where(RunRecordRow.run.in_(old))).rowcount

    def _run(self, connection: Connection, run_id: str, *, lock: bool = False) -> int:
        chosen = select(RunRow.id).where(RunRow.integration == self.integration, RunRow.run_id == run_id)
        run = connection.scalar(chosen.with_for_update(key_share=True) if lock else chosen)
        if run is None:
            raise LookupError(f"The ledger of {self.integration} knows no run {run_id}: start_run comes first")
        return run

    def _lock_run(self, connection: Connection, run_id: str) -> int:
        # Pages of one run may be noted by several threads; one after the other, they cannot deadlock on shared keys.
        return self._run(connection, run_id, lock=True)

    @staticmethod
    def _some_keys(connection: Connection, run: int, which: ColumnElement[bool]) -> tuple[str, ...]:
        chosen = select(RunRecordRow.key).where(RunRecordRow.run == run, which)
        return tuple(connection.scalars(chosen.order_by(RunRecordRow.id).limit(_LISTED)))


def _count(which: ColumnElement[bool] | InstrumentedAttribute[bool]) -> ColumnElement[int]:
    return func.count().filter(which)


def _chosen_rows(outcome: Outcome | None, queue: Queue | None, having: str | None) -> Select[Any]:
    columns = (getattr(RunRecordRow, name) for name in _REPORTED)
    chosen = select(RunRecordRow.id, RunRecordRow.key.label("crm_id"), *columns).order_by(RunRecordRow.id)
    chosen = chosen.where(RunRecordRow.outcome.is_not(None) if outcome is None else RunRecordRow.outcome == outcome)
    chosen = chosen if queue is None else chosen.where(RunRecordRow.queue == queue)
    return chosen if having is None else chosen.where(getattr(RunRecordRow, having).is_not(None))


def _read_row(run: int, record: SourceRecord) -> dict[str, Any]:
    read = {"run": run, "key": record.key, "name": record.name, "modified_at": record.modified_at}
    return read | {"was_read": True, "reason": ""}
