"""Salesforce's list prices: the entries of the standard price book, one for each product and currency."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from prefect_crm_erp.blocks.crm._salesforce_connection import Connection
from prefect_crm_erp.blocks.crm._salesforce_errors import SYSTEM
from prefect_crm_erp.blocks.crm._salesforce_maps import NUMBER, select
from prefect_crm_erp.blocks.crm._salesforce_rows import save_rows
from prefect_crm_erp.blocks.crm.base import Upserted
from prefect_crm_erp.models.errors import ConfigurationError
from prefect_crm_erp.models.keys import chunks
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.models.prices import ListPrice, PriceChange, PricedProduct

_ENTRY: Final = "PricebookEntry"
_ENTRIES: Final = "PricebookEntries"
_CURRENCY: Final = "CurrencyIsoCode"


class Prices:
    """The list prices of an org.

    Args:
        connection: The org.
        sku_field: The product field with the SKU.
        currency: Currency (ISO 4217) of an org that has only one.
    """

    def __init__(self, connection: Connection, sku_field: str, currency: str | None) -> None:
        self._connection = connection
        self._sku = sku_field
        self._currency = currency

    def pages(self, page_size: int) -> Iterator[Page[PricedProduct]]:
        """Active products that have a SKU, with their prices in the standard price book."""
        code = [_CURRENCY] if self._has_currencies else []
        prices = select(["Id", "UnitPrice", "IsActive", *code], _ENTRIES, where=["Pricebook2.IsStandard = true"])
        where = ["IsActive = true", f"{self._sku} != null"]
        fields = ["Id", "Name", self._sku, f"({prices})"]
        for rows in self._connection.query(select(fields, "Product2", where=where, order_by="Id"), lines=_ENTRIES):
            for records in chunks(rows.records, page_size):
                yield Page([self._product(row) for row in records], expected=rows.total)

    def write(self, changes: Sequence[PriceChange]) -> list[Upserted]:
        """Change prices, and add those that are missing; what became of each, in order.

        Raises:
            ConfigurationError: The org has no standard price book.
            TransientError: Salesforce is not available. The same call may be made again.
        """
        done: dict[int, Upserted] = {}
        for method, is_there in (("PATCH", True), ("POST", False)):
            chosen = [(number, each) for number, each in enumerate(changes) if bool(each.entry_id) is is_there]
            book = self._standard_book() if chosen and not is_there else ""
            rows = [self._row(each, book) for _, each in chosen]
            outcomes = save_rows(self._connection, "composite/sobjects", rows, {}, method=method)
            done.update(zip((number for number, _ in chosen), outcomes, strict=True))
        return [done[number] for number in range(len(changes))]

    @property
    def _has_currencies(self) -> bool:
        return self._connection.schema.field(_ENTRY, _CURRENCY) is not None

    def _product(self, row: Mapping[str, Any]) -> PricedProduct:
        entries = row.get(_ENTRIES) or {"records": []}
        prices = {
            str(entry.get(_CURRENCY) or self._currency): ListPrice(
                entry["Id"], NUMBER.decode(entry["UnitPrice"]), bool(entry["IsActive"])
            )
            for entry in entries["records"]
        }
        return PricedProduct(row["Id"], str(row[self._sku]).strip(), row["Name"], prices)

    def _standard_book(self) -> str:
        query = select(["Id"], "Pricebook2", where=["IsStandard = true"])
        found = [row["Id"] for rows in self._connection.query(query) for row in rows.records]
        if not found:
            raise ConfigurationError(
                "The org has no standard price book, or does not show it to the user", system=SYSTEM
            )
        return str(found[0])

    def _row(self, change: PriceChange, book: str) -> dict[str, Any]:
        values: dict[str, Any] = {"attributes": {"type": _ENTRY}, "UnitPrice": change.price}
        if change.entry_id:
            return values | {"id": change.entry_id}
        code = {_CURRENCY: change.currency} if self._has_currencies else {}
        return values | {"Product2Id": change.product_id, "Pricebook2Id": book, "IsActive": True, **code}
