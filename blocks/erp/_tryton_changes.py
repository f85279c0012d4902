"""What changed in Tryton since a time, in the order of (time, id).

A record that was never changed has no `write_date`, so each model is read as two streams, created and changed. What
belongs to a party has dates of its own, so a customer's stream is made of its parts' streams too.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from prefect_crm_erp.blocks.erp._tryton_rpc import ANY_ACTIVE, Database, Domain
from prefect_crm_erp.models.keys import chunks
from prefect_crm_erp.models.paging import Cursor, Page
from prefect_crm_erp.models.records import Record

R = TypeVar("R", bound=Record)
Event = tuple[datetime, int]
_EVENTS_PER_READ = 500


@dataclass(frozen=True, slots=True)
class Source:
    """A model whose changes count as changes of a record.

    Attributes:
        model: The model.
        owner: Its field with the record's id.
        deactivable: Whether its records can be deactivated; deactivating is a change too.
    """

    model: str
    owner: str = "id"
    deactivable: bool = False


def change_pages(
    database: Database,
    sources: Sequence[Source],
    read: Callable[[list[int]], list[R]],
    since: Cursor | None,
    company: int | None,
    page_size: int,
) -> Iterator[Page[R]]:
    """Pages of changed records; each record once, at the time of its last change.

    Everything of the cursor's own time is given again, whatever its id: no tie is lost.
    """
    start = since.modified_at if since else None
    streams = [
        _events(database, source, date, start, company) for source in sources for date in ("create_date", "write_date")
    ]
    number = 0
    for batch in chunks(_distinct(heapq.merge(*streams)), page_size):
        records = {record.erp_id: record for record in read(list(dict.fromkeys(each for _, each in batch)))}  # type: ignore[attr-defined]
        current = [records[str(each)] for moment, each in batch if _is_last(records.get(str(each)), moment)]
        if current:
            number += 1
            yield Page(current, number=number, cursor=Cursor(*_place(batch[-1])))


def _distinct(events: Iterator[Event]) -> Iterator[Event]:
    last: Event | None = None
    for event in events:
        if event != last:
            yield event
        last = event


def _is_last(record: Record | None, moment: datetime) -> bool:
    """Whether this is the record's last change; an earlier one is passed over, for the last comes later."""
    return record is not None and getattr(record, "modified_at", None) == moment


def _place(event: Event) -> tuple[datetime, str]:
    return event[0], str(event[1])


def _events(
    database: Database, source: Source, date: str, start: datetime | None, company: int | None
) -> Iterator[Event]:
    """One model's changes by one of its dates, page by page from the last place."""
    never_changed: Domain = [("write_date", "=", None)] if date == "create_date" else [("write_date", "!=", None)]
    always: Domain = [*never_changed, *([ANY_ACTIVE] if source.deactivable else [])]
    always += [("company", "=", company)] if company is not None and source.owner == "id" else []
    place: Domain = [(date, ">=", start)] if start else []
    fields = [date] if source.owner == "id" else [date, source.owner]
    while True:
        order = [(date, "ASC"), ("id", "ASC")]
        rows = database.first(source.model, [*always, *place], fields, _EVENTS_PER_READ, order=order)
        events = [(row[date], row[source.owner], row["id"]) for row in rows]
        yield from sorted((moment, owner) for moment, owner, _ in events if owner is not None)
        if len(rows) < _EVENTS_PER_READ:
            return
        moment, _, identifier = events[-1]
        place = [["OR", (date, ">", moment), [(date, "=", moment), ("id", ">", identifier)]]]
