"""What changed in Tryton since a time, in the order of (time, id).

A record that was never changed has no `write_date`; its time is then that of its creation. What belongs to a party has
dates of its own, so a customer's stream is made of several models.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from prefect_crm_erp.blocks.erp._tryton_rpc import ANY_ACTIVE, Database, Domain
from prefect_crm_erp.models.keys import chunks
from prefect_crm_erp.models.paging import Cursor, Page
from prefect_crm_erp.models.records import Record

R = TypeVar("R", bound=Record)
_DATES_PER_READ = 5000


@dataclass(frozen=True, slots=True)
class Source:
    """A model whose changes count as changes of a record.

    Attributes:
        model: The model.
        owner: Its field with the record's id.
        deactivable: Whether its records can be deactivated; deactivating is a change too.
        only: Clauses for the rows that count.
    """

    model: str
    owner: str = "id"
    deactivable: bool = False
    only: tuple[tuple[str, str, Any], ...] = ()


def change_pages(
    database: Database,
    sources: Sequence[Source],
    read: Callable[[list[int]], list[R]],
    since: Cursor | None,
    company: int | None,
    page_size: int,
    *,
    without: Collection[int] = (),
) -> Iterator[Page[R]]:
    """Pages of changed records; each record once, at the time of its last change.

    The times of all changes are read first, and the records page by page. So a change costs a row of two dates, a
    source in which nothing changed one call, and a record is read once however much belongs to it. What is held is an
    id and a time for each changed record, some 150 bytes.

    Everything of the cursor's own time is given again, whatever its id: no tie is lost. What changes while the stream
    is read is in the next one.
    """
    last = _last_changes(database, sources, since.modified_at if since else None, company)
    places = sorted((moment, identifier) for identifier, moment in last.items() if identifier not in without)
    number = 0
    for batch in chunks(places, page_size):
        records = {getattr(record, "erp_id", None): record for record in read([identifier for _, identifier in batch])}
        changed = [
            records[str(identifier)].model_copy(update={"modified_at": moment})
            for moment, identifier in batch
            if str(identifier) in records
        ]
        if changed:
            number += 1
            moment, identifier = batch[-1]
            yield Page(changed, number=number, cursor=Cursor(moment, str(identifier)))


def _last_changes(
    database: Database, sources: Sequence[Source], start: datetime | None, company: int | None
) -> dict[int, datetime]:
    """The time of each record's last change."""
    last: dict[int, datetime] = {}
    for source in sources:
        fields = ["create_date", "write_date", source.owner]
        for row in database.search(
            source.model, _domain(source, start, company), fields, rows_per_call=_DATES_PER_READ
        ):
            owner, moment = row[source.owner], row["write_date"] or row["create_date"]
            last[owner] = max(last.get(owner, moment), moment)
    return last


def _domain(source: Source, start: datetime | None, company: int | None) -> Domain:
    domain: Domain = list(source.only)
    domain += [ANY_ACTIVE] if source.deactivable else []
    domain += [("company", "=", company)] if company is not None else []
    if start is not None:
        created = [("write_date", "=", None), ("create_date", ">=", start)]
        domain.append(["OR", ("write_date", ">=", start), created])
    return domain
