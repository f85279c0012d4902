"""What changed in Tryton since a time, in the order of (time, id).

What belongs to a party has dates of its own, so a customer's stream is made of several models.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from prefect_crm_erp.blocks.erp._tryton_rpc import ANY_ACTIVE, Database, Domain, Row
from prefect_crm_erp.blocks.erp.base import Known
from prefect_crm_erp.blocks.temporary import temporary_database
from prefect_crm_erp.models.paging import Cursor, Page
from prefect_crm_erp.models.records import Record

R = TypeVar("R", bound=Record)
Place = tuple[datetime, int]
Places = Callable[[Sequence[Row]], Iterable[Place]]
TIME = "last_modified_at"
"""Tryton's field with the time of a row's last change."""

_TIMES_PER_READ = 5000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Source:
    """A model whose changes count as changes of a record.

    Attributes:
        model: The model.
        owner: Its field with the record's id.
        deactivable: Whether its records can be deactivated; deactivating is a change too.
        is_view: Whether it is a view of another model; Tryton filters a view by the dates of its rows, but shows the
            time of reading in place of them. Such a change takes its place at the beginning: it is not before it.
        only: Clauses for the rows that count.
        times: The ways to the times of a row, the latest of which counts.
        company: The way from a row to its company.
        fields: What `places` needs of the rows.
        places: Finds the records that rows belong to, where that takes more than the field `owner`.
    """

    model: str
    owner: str = "id"
    deactivable: bool = False
    is_view: bool = False
    only: tuple[Any, ...] = ()
    times: tuple[str, ...] = (TIME,)
    company: str = "company"
    fields: tuple[str, ...] = ()
    places: Places | None = None

    def places_of(self, rows: Sequence[Row]) -> Iterable[Place]:
        """The records that rows belong to, with the times of the rows; one record may come often."""
        if self.places is not None:
            return self.places(rows)
        return [(row[TIME], row[self.owner]) for row in rows]


def change_pages(
    database: Database,
    sources: Sequence[Source],
    read: Callable[[list[int]], list[R]],
    since: Cursor | None,
    company: int | None,
    page_size: int,
    *,
    without: Collection[int] = (),
    known: Known | None = None,
) -> Iterator[Page[R]]:
    """Pages of changed records; each record once, at the time of its last change.

    The times of all changes are read first, and the records page by page. So a change costs a row with a time, a source
    in which nothing changed one call, and a record is read once however much belongs to it. An id and a time for each
    changed record wait in a temporary database. A record whose own time is later than the sources say (they need not
    name all of its parts) takes its place by that.

    Everything of the cursor's own time is given again, whatever its id: no tie is lost.
    """
    number = 0
    with closing(_Changes()) as changes:
        for places in _changes_of(database, sources, since.modified_at if since else None, company):
            changes.note(place for place in places if place[1] not in without)
        while batch := changes.take(page_size):
            changed, later = _placed(_unknown(batch, known), batch[-1], read)
            changes.note(later)
            if changed or (known and changes.is_empty):
                number += 1
                moment, identifier = batch[-1]
                yield Page(changed, number=number, cursor=Cursor(moment, str(identifier)))


class _Changes:
    """Records that have changed, each at the time of its last change.

    Many go in and out in one step: Python lets other threads run at each step of SQLite, and waits for them each time.
    """

    def __init__(self) -> None:
        self._database = temporary_database(
            "create table change (record integer primary key, moment integer)",
            "create index change_in_order on change (moment, record)",
        )

    def note(self, places: Iterable[Place]) -> None:
        """Note changes; of several changes of a record the last one counts."""
        rows = [(identifier, (moment - _EPOCH) // _MICROSECOND) for moment, identifier in places]
        upsert = (
            "insert into change "
            "select json_extract(value, '$[0]'), json_extract(value, '$[1]') from json_each(?) where true "
            "on conflict (record) do update set moment = max(moment, excluded.moment)"
        )
        self._database.execute(upsert, (json.dumps(rows),))

    def take(self, count: int) -> list[Place]:
        """Take the first ones out, in the order of (time, id)."""
        first = (
            "select json_group_array(json_array(moment, record)) "
            "from (select moment, record from change order by moment, record limit ?)"
        )
        rows = sorted(json.loads(self._database.execute(first, (count,)).fetchone()[0]))
        if rows:
            self._database.execute("delete from change where (moment, record) <= (?, ?)", rows[-1])
        return [(_EPOCH + moment * _MICROSECOND, record) for moment, record in rows]

    @property
    def is_empty(self) -> bool:
        """Whether there are none left."""
        return self._database.execute("select 1 from change limit 1").fetchone() is None

    def close(self) -> None:
        """Forget them."""
        self._database.close()


def _unknown(batch: list[Place], known: Known | None) -> list[Place]:
    """What of a batch has to be read."""
    left_out = known({str(identifier): moment for moment, identifier in batch}) if known else ()
    return [place for place in batch if str(place[1]) not in left_out]


def _placed(batch: Sequence[Place], end: Place, read: Callable[[list[int]], list[R]]) -> tuple[list[R], list[Place]]:
    """The records of a batch in their order, and the places of those that come after its end."""
    if not batch:
        return [], []
    records = {str(getattr(record, "erp_id", None)): record for record in read([identifier for _, identifier in batch])}
    there = ((moment, identifier) for moment, identifier in batch if str(identifier) in records)
    places = sorted((_own_time(records[str(identifier)], moment), identifier) for moment, identifier in there)
    changed = [
        _at_time(records[str(identifier)], moment) for moment, identifier in places if (moment, identifier) <= end
    ]
    return changed, places[len(changed) :]


def _at_time(record: R, moment: datetime) -> R:
    is_told = getattr(record, "modified_at", None) == moment
    return record if is_told else record.model_copy(update={"modified_at": moment})


def _own_time(record: Record, moment: datetime) -> datetime:
    return max(getattr(record, "modified_at", None) or moment, moment)


def _changes_of(
    database: Database, sources: Sequence[Source], start: datetime | None, company: int | None
) -> Iterator[Iterable[Place]]:
    """What the sources tell of changes, read by read; one record may come often."""
    for source in sources:
        fields = [*source.times, *(source.fields if source.places else [source.owner])]
        domain = changed_since(source, start, company)
        for found in database.pages(source.model, domain, fields, _TIMES_PER_READ):
            rows = [row | {TIME: start if source.is_view and start else _latest(row, source.times)} for row in found]
            yield source.places_of(rows)


def _latest(row: Row, times: Sequence[str]) -> datetime:
    """The latest of the times of a row."""
    return max(_at(row, time.split(".")) for time in times)


def _at(row: Row, path: Sequence[str]) -> datetime:
    value: Any = row
    for name in path:
        value = value[name]
    moment: datetime = value
    return moment


def changed_since(source: Source, start: datetime | None, company: int | None) -> Domain:
    """The rows of a source that changed at or after a time; all of them where there is none."""
    domain: Domain = list(source.only)
    domain += [ANY_ACTIVE] if source.deactivable else []
    domain += [(source.company, "=", company)] if company is not None else []
    if start is None:
        return domain
    if source.is_view:
        created = [("write_date", "=", None), ("create_date", ">=", start)]
        return [*domain, ["OR", ("write_date", ">=", start), created]]
    return [*domain, ["OR", *((time, ">=", start) for time in source.times)]]
