"""Streams of records in the order in which they were modified: large answers in, pages that know their place out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any, TypeVar

from simple_salesforce.format import quote_soql_value

from prefect_crm_erp.blocks.crm._salesforce_connection import Connection, Rows
from prefect_crm_erp.blocks.crm._salesforce_errors import SYSTEM, LostLocatorError
from prefect_crm_erp.models.errors import ConfigurationError
from prefect_crm_erp.models.keys import salesforce_id
from prefect_crm_erp.models.paging import Cursor, Page

R = TypeVar("R")

# A query travels in the address of a GET, which Salesforce limits to 16 KiB.
IDS_PER_QUERY = 200
IN_ORDER = "SystemModstamp, Id"


def stream(
    connection: Connection,
    soql: Callable[[list[str]], str],
    where: list[str],
    *,
    lines: str | None = None,
    deleted: bool = False,
) -> Iterator[Rows]:
    """Answers of a query that is ordered by `IN_ORDER`; each says the size of the whole result.

    When Salesforce has forgotten the place in the result, the query is asked again from the last row.

    Args:
        connection: Where to ask.
        soql: Makes the query of its conditions.
        where: The conditions.
        lines: Name of a subquery in it.
        deleted: Whether records in the recycle bin are found too.
    """
    total: int | None = None
    last: Mapping[str, Any] | None = None
    while True:
        resumed_at = last
        try:
            for rows in connection.query(soql([*where, *_after(last)]), lines=lines, deleted=deleted):
                total = rows.total if total is None else total
                yield Rows(rows.records, total)
                last = rows.records[-1] if rows.records else last
            return
        except LostLocatorError:
            if last is resumed_at:
                raise


def since_condition(since: Cursor, overlap: timedelta) -> str:
    """The condition for what was modified at or after a place in a stream, less the overlap."""
    return f"SystemModstamp >= {quote_soql_value(since.modified_at - overlap)}"


def _after(row: Mapping[str, Any] | None) -> list[str]:
    """The condition for what comes after a row in the order of the stream."""
    if row is None:
        return []
    moment = row["SystemModstamp"].replace("+0000", "Z")
    return [f"(SystemModstamp > {moment} OR (SystemModstamp = {moment} AND Id > {quote_soql_value(row['Id'])}))"]


def pages(batches: Iterable[tuple[list[R], int]], size: int, place: Callable[[R], Cursor | None]) -> Iterator[Page[R]]:
    """Cut answers of any size into pages.

    Args:
        batches: Records of each answer, and how many the whole stream has.
        size: Records of a page.
        place: A record's place in the stream.
    """
    expected = 0
    number = 0
    waiting: list[R] = []
    for records, expected in batches:
        waiting += records
        while len(waiting) > size:
            number += 1
            yield Page(waiting[:size], number=number, cursor=place(waiting[size - 1]), expected=expected)
            waiting = waiting[size:]
    if waiting:
        yield Page(waiting, number=number + 1, cursor=place(waiting[-1]), expected=expected)


def without_place(page: Page[R]) -> Page[R]:
    """A page of records that were asked for by id, which are no part of a stream."""
    page.cursor = page.expected = None
    return page


def full_ids(ids: Iterable[str]) -> list[str]:
    """Ids in their 18-character form, each once.

    Raises:
        ConfigurationError: Naming the texts that are no ids.
    """
    full: dict[str, None] = {}
    wrong: list[str] = []
    for text in ids:
        try:
            full[salesforce_id(text)] = None
        except ValueError:
            wrong.append(text)
    if wrong:
        raise ConfigurationError(
            f"No Salesforce record ids: {', '.join(map(repr, wrong[:10]))}; an id has 15 or 18 letters and digits, as "
            "in the record's address",
            system=SYSTEM,
        )
    return list(full)


def filled(values: dict[str, Any]) -> dict[str, Any]:
    """Without empty values, so that the record's defaults take their place."""
    return {name: value for name, value in values.items() if value is not None}
