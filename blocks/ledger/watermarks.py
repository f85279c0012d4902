"""Watermarks: how far each stream of changes has been dealt with."""

from __future__ import annotations

from sqlalchemy import and_, delete, or_, select

from prefect_crm_erp.blocks.ledger.database import insert
from prefect_crm_erp.blocks.ledger.part import Part
from prefect_crm_erp.blocks.ledger.tables import WatermarkRow
from prefect_crm_erp.models.paging import Cursor


class Watermarks(Part):
    """How far each stream has been dealt with. A watermark never moves back, unless it is forgotten."""

    def watermark(self, stream: str) -> Cursor | None:
        """The place that a stream has been dealt with up to; None for a stream that was never read."""
        mine = (WatermarkRow.integration == self.integration, WatermarkRow.stream == stream)
        with self.database.reading() as connection:
            row = connection.execute(select(WatermarkRow.modified_at, WatermarkRow.record_id).where(*mine)).first()
        return Cursor(row.modified_at, row.record_id) if row else None

    def rewind(self, stream: str) -> None:
        """Forget how far a stream has been dealt with: the next run reads it from its beginning."""
        mine = (WatermarkRow.integration == self.integration, WatermarkRow.stream == stream)
        with self.database.writing() as connection:
            connection.execute(delete(WatermarkRow).where(*mine))

    def advance(self, stream: str, cursor: Cursor) -> None:
        """Move a stream's watermark on; a place before the present one changes nothing.

        Args:
            stream: Name of the stream.
            cursor: Last record of a page whose every record is written, unchanged, queued or excluded.
        """
        with self.database.writing() as connection:
            statement = insert(connection, WatermarkRow).values(
                integration=self.integration,
                stream=stream,
                modified_at=cursor.modified_at,
                record_id=cursor.record_id,
                advanced_at=self.database.now(connection),
            )
            new = statement.excluded
            is_later = or_(
                new.modified_at > WatermarkRow.modified_at,
                and_(new.modified_at == WatermarkRow.modified_at, new.record_id > WatermarkRow.record_id),
            )
            moved = {name: new[name] for name in ("modified_at", "record_id", "advanced_at")}
            connection.execute(
                statement.on_conflict_do_update(index_elements=["integration", "stream"], set_=moved, where=is_later)
            )
