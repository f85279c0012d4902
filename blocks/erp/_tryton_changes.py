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
    dates = ("create_date", "write_date")
    streams = [_events(database, source, date, start, company) for source in sources for date in dates]
    number = 0
    for batch in chunks(_distinct(heapq.merge(*streams)), page_size):
        changed = _changed(batch, read)
        if changed:
            number += 1
            moment, identifier = batch[-1]
            yield Page(changed, number=number, cursor=Cursor(moment, str(identifier)))


def _distinct(events: Iterator[Event]) -> Iterator[Event]:
    last: Event | None = None
    for event in events:
        if event != last:
            yield event
        last = event


def _changed(batch: Sequence[Event], read: Callable[[list[int]], list[R]]) -> list[R]:
    """The records of a batch of changes, each at its last change; one that changes again later is left for then."""
    last = {identifier: moment for moment, identifier in batch}
    records = {getattr(record, "erp_id", None): record for record in read(list(last))}
    changed = []
    for moment, identifier in batch:
        record = records.get(str(identifier))
        if record is not None and last[identifier] == moment >= getattr(record, "modified_at", moment):
            changed.append(record.model_copy(update={"modified_at": moment}))
    return changed


def _events(
    database: Database, source: Source, date: str, start: datetime | None, company: int | None
) -> Iterator[Event]:
    """One model's changes by one of its dates, read on from the last place."""
    always: Domain = [("write_date", "=" if date == "create_date" else "!=", None)]
    always += [ANY_ACTIVE] if source.deactivable else []
    always += [("company", "=", company)] if company is not None else []
    place: Domain = [(date, ">=", start)] if start else []
    owner = "id" if source.owner == "id" else f"{source.owner}.id"
    order = [(name, "ASC") for name in dict.fromkeys((date, owner, "id"))]
    while True:
        rows = database.first(source.model, [*always, *place], [date, source.owner], _EVENTS_PER_READ, order=order)
        yield from ((row[date], row[source.owner]) for row in rows)
        if len(rows) < _EVENTS_PER_READ:
            return
        moment, holder, identifier = rows[-1][date], rows[-1][source.owner], rows[-1]["id"]
        then = (date, "=", moment)
        ties = [then, (owner, ">", holder)], [then, (owner, "=", holder), ("id", ">", identifier)]
        place = [["OR", (date, ">", moment), *ties]]
