"""Salesforce's currencies: their rates that hold now (CurrencyType), and those by date (DatedConversionRate)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

from simple_salesforce.format import quote_soql_value

from prefect_crm_erp.blocks.crm._salesforce_connection import Connection
from prefect_crm_erp.blocks.crm._salesforce_errors import SYSTEM
from prefect_crm_erp.blocks.crm._salesforce_maps import DAY, NUMBER, select
from prefect_crm_erp.blocks.crm._salesforce_rows import save_rows
from prefect_crm_erp.blocks.crm.values import RateChange, Upserted
from prefect_crm_erp.models.errors import ConfigurationError, MissingReferenceError
from prefect_crm_erp.models.exchange import ONE, CrmCurrency, CrmRates

TYPES: Final = "CurrencyType"
DATED: Final = "DatedConversionRate"
_RATE: Final = "ConversionRate"
_USUAL_DIGITS: Final = 6
Key = tuple[str, date | None]
"""Currency, and the day from which a rate holds; None for the one that holds now."""


class Rates:
    """The rates of an org.

    Args:
        connection: The org.
        currency: Currency (ISO 4217) of an org that has only one.
    """

    def __init__(self, connection: Connection, currency: str | None) -> None:
        self._connection = connection
        self._currency = currency

    @property
    def today(self) -> date:
        """The day by the org's clock, in UTC."""
        return (datetime.now(UTC) + self._connection.clock_offset).date()

    def read(self, since: date) -> CrmRates:
        """Currencies, and the dated rates that hold on this day or later.

        Raises:
            ConfigurationError: The org has only one currency, and nobody says which.
        """
        schema = self._connection.schema
        schema.load([TYPES, DATED])
        if not schema.has_object(TYPES):
            return self._only_one()
        field = schema.field(TYPES, _RATE)
        types = {row["IsoCode"]: _currency(row) for row in self._types()}
        dated = self._dated(since) if schema.has_object(DATED) else None
        return CrmRates(types, self.today, dated, field.scale if field and field.scale else _USUAL_DIGITS)

    def write(self, changes: Sequence[RateChange]) -> list[Upserted]:
        """Bring rates to these values; what became of each, in order.

        Raises:
            TransientError: Salesforce is not available. The same call may be made again.
        """
        if not changes:
            return []
        ids = self._ids(min((each.valid_from for each in changes if each.valid_from), default=None))
        numbered = list(enumerate(changes))
        there = [(number, each) for number, each in numbered if _key(each) in ids]
        new = [(number, each) for number, each in numbered if _key(each) not in ids and each.valid_from]
        done = {number: _absent(each) for number, each in numbered if _key(each) not in ids and not each.valid_from}
        for method, chosen in (("PATCH", there), ("POST", new)):
            rows = [_row(each, ids.get(_key(each))) for _, each in chosen]
            outcomes = save_rows(self._connection, "composite/sobjects", rows, {}, method=method)
            done.update(zip((number for number, _ in chosen), outcomes, strict=True))
        return [done[number] for number in range(len(changes))]

    def _only_one(self) -> CrmRates:
        if not self._currency:
            raise ConfigurationError(
                "The org has only one currency and does not tell which; fill in 'Currency' in the connection",
                system=SYSTEM,
            )
        return CrmRates({self._currency: CrmCurrency(self._currency, ONE, is_corporate=True)}, self.today)

    def _types(self) -> Iterator[Mapping[str, Any]]:
        fields = ["Id", "IsoCode", _RATE, "IsActive", "IsCorporate"]
        for rows in self._connection.query(select(fields, TYPES, order_by="IsoCode")):
            yield from rows.records

    def _dated_rows(self, since: date) -> Iterator[Mapping[str, Any]]:
        # A rate that began earlier still holds on this day when the next one starts after it.
        where = [f"NextStartDate > {quote_soql_value(since)}"]
        fields = ["Id", "IsoCode", "StartDate", _RATE]
        for rows in self._connection.query(select(fields, DATED, where=where, order_by="IsoCode, StartDate")):
            yield from rows.records

    def _dated(self, since: date) -> dict[str, dict[date, Decimal]]:
        found: dict[str, dict[date, Decimal]] = {}
        for row in self._dated_rows(since):
            found.setdefault(row["IsoCode"], {})[DAY.decode(row["StartDate"])] = NUMBER.decode(row[_RATE])
        return found

    def _ids(self, since: date | None) -> dict[Key, str]:
        """Ids of the rows that may have to be changed."""
        ids: dict[Key, str] = {(row["IsoCode"], None): row["Id"] for row in self._types()}
        if since is not None:
            ids |= {(row["IsoCode"], DAY.decode(row["StartDate"])): row["Id"] for row in self._dated_rows(since)}
        return ids


def _currency(row: Mapping[str, Any]) -> CrmCurrency:
    return CrmCurrency(row["IsoCode"], NUMBER.decode(row[_RATE]), bool(row["IsActive"]), bool(row["IsCorporate"]))


def _key(change: RateChange) -> Key:
    return change.currency, change.valid_from


def _row(change: RateChange, record_id: str | None) -> dict[str, Any]:
    """A row as it travels: a rate that is there is changed, another dated one is made."""
    values: dict[str, Any] = {_RATE: change.rate}
    kind = TYPES if change.valid_from is None else DATED
    if record_id:
        return {"attributes": {"type": kind}, "id": record_id, **values}
    start = DAY.encode(change.valid_from) if change.valid_from else None
    return {"attributes": {"type": kind}, "IsoCode": change.currency, "StartDate": start, **values}


def _absent(change: RateChange) -> Upserted:
    """A currency is added by a person: it becomes a choice in every record."""
    message = f"The org has no currency {change.currency}; add it under Setup > Manage Currencies"
    return Upserted(None, error=MissingReferenceError(message, system=SYSTEM, fields=("currency",)))
