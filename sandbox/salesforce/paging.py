"""Query cursors: large results leave in pages, each but the last with the locator of the next."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prefect_crm_erp.sandbox.salesforce.ids import new_id, new_instance
from prefect_crm_erp.sandbox.salesforce.wire import bad_request

_LIFETIME_SECONDS = 2 * 86_400.0
_MOST_CURSORS = 100


@dataclass(frozen=True)
class Cursor:
    """The records of one query, as they were when it ran.

    Args:
        cursor_id: First half of its locators.
        records: All of them.
        page_size: Records in a page.
        opened: Seconds on the monotonic clock.
        url: Path in front of a locator.
    """

    cursor_id: str
    records: Sequence[Any]
    page_size: int
    opened: float
    url: str

    def page(self, offset: int) -> dict[str, Any]:
        """The page that starts at this record, in wire form."""
        end = offset + self.page_size
        page: dict[str, Any] = {"totalSize": len(self.records), "done": end >= len(self.records)}
        if not page["done"]:
            page["nextRecordsUrl"] = f"{self.url}/{self.cursor_id}-{end}"
        return page | {"records": self.records[offset:end]}


class Cursors:
    """Open cursors: they live two days, and the oldest go when there are too many."""

    def __init__(self) -> None:
        self._by_id: OrderedDict[str, Cursor] = OrderedDict()
        self._instance = new_instance()
        self._number = 0

    def first_page(self, records: Sequence[Any], page_size: int, url: str) -> dict[str, Any]:
        """The first page of a result; a cursor is opened when there are more.

        Args:
            records: All records.
            page_size: Records in a page.
            url: Path of the query resource, without a slash at the end.
        """
        self._number += 1
        cursor_id = new_id("0r8", self._instance, self._number)
        cursor = Cursor(cursor_id, records, page_size, time.monotonic(), url)
        if len(records) > page_size:
            self._by_id[cursor_id] = cursor
            while len(self._by_id) > _MOST_CURSORS:
                self._by_id.popitem(last=False)
        return cursor.page(0)

    def next_page(self, locator: str) -> dict[str, Any]:
        """The page that a locator stands for.

        Raises:
            ApiError: The locator is none, or its cursor has been closed.
        """
        cursor_id, _, offset = locator.rpartition("-")
        cursor = self._by_id.get(cursor_id)
        if cursor is None or not offset.isdigit() or time.monotonic() > cursor.opened + _LIFETIME_SECONDS:
            raise bad_request("INVALID_QUERY_LOCATOR", "invalid query locator")
        if int(offset) >= len(cursor.records):
            raise bad_request("INVALID_QUERY_LOCATOR", "invalid query locator")
        return cursor.page(int(offset))

    def clear(self) -> None:
        """Close all cursors."""
        self._by_id.clear()
