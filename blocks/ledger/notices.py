"""Notices: of what people were told, by which channel and when, so that no run tells them again."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import fields

from sqlalchemy import select

from prefect_crm_erp.blocks.ledger.database import insert
from prefect_crm_erp.blocks.ledger.entries import Notice
from prefect_crm_erp.blocks.ledger.part import Part, lists_of, members, values
from prefect_crm_erp.blocks.ledger.tables import NoticeRow

_NAMES = tuple(member.name for member in fields(Notice))
_COLUMNS = tuple(getattr(NoticeRow, name) for name in _NAMES)
_IDENTITY = ("integration", "kind", "key", "channel")


class Notices(Part):
    """The last notice about each record by each channel."""

    def notices(self, kind: str, keys: Collection[str]) -> dict[tuple[str, str], Notice]:
        """The last notices about records, by key and channel.

        Args:
            kind: What people were told of.
            keys: Keys of the records, any number.
        """
        chosen = select(*_COLUMNS).where(NoticeRow.integration == self.integration, NoticeRow.kind == kind)
        with self.database.reading() as connection:
            return {
                (row.key, row.channel): Notice(**values(row))
                for some in lists_of(keys)
                for row in connection.execute(chosen.where(NoticeRow.key.in_(some)))
            }

    def note_notices(self, notices: Iterable[Notice]) -> None:
        """Note that people were told, all or none; `sent_at` becomes the ledger's time.

        Args:
            notices: At most one for a record and a channel; it takes the place of an earlier one.
        """
        by_place = {(each.kind, each.key, each.channel): each for each in notices}
        if not by_place:
            return
        with self.database.writing() as connection:
            common = {"integration": self.integration, "sent_at": self.database.now(connection)}
            statement = insert(connection, NoticeRow)
            changed = {name.name: name for name in statement.excluded if name.name not in _IDENTITY}
            upsert = statement.on_conflict_do_update(index_elements=_IDENTITY, set_=changed)
            connection.execute(upsert, [members(by_place[place], _NAMES) | common for place in sorted(by_place)])
