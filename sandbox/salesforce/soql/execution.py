"""What one run of a query shares between its parts: the org, the moment, parents already looked up, exchange rates."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date, datetime
from functools import cached_property
from typing import Any, Protocol

from prefect_crm_erp.sandbox.salesforce.schema import Schema
from prefect_crm_erp.sandbox.salesforce.soql.currency import Currencies
from prefect_crm_erp.sandbox.salesforce.soql.names import Row


class _Clock(Protocol):
    def now(self) -> datetime: ...


class Records(Protocol):
    """What a query needs of the org; `Org` has it."""

    @property
    def schema(self) -> Schema: ...

    @property
    def clock(self) -> _Clock: ...

    def rows(self, obj: str, include_deleted: bool = False) -> Iterator[dict[str, Any]]:
        """All rows of an object."""
        ...

    def row_by_id(self, obj: str, record_id: str) -> dict[str, Any] | None:
        """One row, or None."""
        ...

    def rows_by_field(
        self, obj: str, field: str, values: Collection[Any], include_deleted: bool = False
    ) -> Iterator[dict[str, Any]]:
        """Rows by an indexed field."""
        ...

    def to_wire(self, obj: str, row: Mapping[str, Any]) -> dict[str, Any]:
        """Values as they travel in JSON."""
        ...


class Execution:
    """One run of a query.

    Args:
        org: where the rows are.
        include_deleted: whether rows in the recycle bin are seen (`queryAll`, `ALL ROWS`).
        api_version: goes into the records' URLs.
        user_id: the user who asks: whose records `USING SCOPE mine` means, and whose currency amounts convert to.
    """

    def __init__(self, org: Records, include_deleted: bool, api_version: str, user_id: str | None) -> None:
        self.org = org
        self.schema = org.schema
        self.include_deleted = include_deleted
        self.api_version = api_version
        self.user_id = user_id
        self.now = org.clock.now()
        self._parents: dict[tuple[str, str], Row | None] = {}

    @property
    def today(self) -> date:
        """The current day in UTC."""
        return self.now.date()

    def parent(self, object_name: str, record_id: str | None) -> Row | None:
        """A row by its id, looked up once."""
        if record_id is None:
            return None
        key = (object_name, record_id)
        if key not in self._parents:
            self._parents[key] = self.org.row_by_id(object_name, record_id)
        return self._parents[key]

    def rows(self, object_name: str) -> Iterator[Row]:
        """All rows of an object that the query may see."""
        return self.org.rows(object_name, include_deleted=self.include_deleted)

    def rows_by_field(self, object_name: str, field: str, values: Collection[Any]) -> Iterator[Row]:
        """Rows by an indexed field."""
        return self.org.rows_by_field(object_name, field, values, include_deleted=self.include_deleted)

    def url(self, object_name: str) -> str:
        """What the URL of every record of an object starts with."""
        return f"/services/data/v{self.api_version}/sobjects/{object_name}/"

    @cached_property
    def currencies(self) -> Currencies:
        """The org's currencies; none of them in an org without CurrencyType."""
        return Currencies(self._all("CurrencyType"), self._all("DatedConversionRate"), self.parent)

    def _all(self, object_name: str) -> Iterable[Row]:
        return self.org.rows(object_name) if object_name.lower() in self.schema.objects else ()

    @cached_property
    def user_currency(self) -> str | None:
        """The currency of the user who asks; without a user, the corporate one."""
        user = self.parent("User", self.user_id)
        return (user and (user["DefaultCurrencyIsoCode"] or user["CurrencyIsoCode"])) or self.currencies.corporate
