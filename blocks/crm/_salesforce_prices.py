"""Salesforce's list prices: the entries of its price books, one for each product and currency."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from simple_salesforce.format import quote_soql_value

from prefect_crm_erp.blocks.crm._salesforce_connection import Connection
from prefect_crm_erp.blocks.crm._salesforce_errors import SYSTEM
from prefect_crm_erp.blocks.crm._salesforce_lookups import by_values
from prefect_crm_erp.blocks.crm._salesforce_maps import NUMBER, select
from prefect_crm_erp.blocks.crm._salesforce_rows import create_once, save_rows
from prefect_crm_erp.blocks.crm.values import Upserted
from prefect_crm_erp.models.errors import ConfigurationError, TransientError
from prefect_crm_erp.models.keys import chunks
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.models.prices import ListPrice, PriceBook, PriceChange, PricedProduct, PriceKey

_ENTRY: Final = "PricebookEntry"
_ENTRIES: Final = "PricebookEntries"
_CURRENCY: Final = "CurrencyIsoCode"
_BOOK: Final = "Pricebook2"
_IS_STANDARD: Final = "Pricebook2.IsStandard"
_ENTRY_FIELDS: Final = ("Id", "UnitPrice", "IsActive", "UseStandardPrice", "Pricebook2Id", _IS_STANDARD)
_BOOK_FIELDS: Final = ("Id", "Name", "IsActive", "IsArchived", "IsStandard")


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

    def books(self, names: Collection[str]) -> dict[str, list[PriceBook]]:
        """Price books by name, as it was given; the standard one is left out."""
        wanted = {name: name.strip().lower() for name in names if name.strip()}  # a query knows no upper and lower case
        found: dict[str, list[PriceBook]] = {}
        for row in by_values(self._connection, _BOOK_FIELDS, _BOOK, "Name", sorted(set(wanted.values()))):
            if not row["IsStandard"]:
                book = PriceBook(row["Id"], row["Name"], bool(row["IsActive"]), bool(row["IsArchived"]))
                found.setdefault(book.name.strip().lower(), []).append(book)
        return {name: found[folded] for name, folded in wanted.items() if folded in found}

    def add_book(self, name: str) -> PriceBook:
        """Make an active price book; Salesforce would make a second one of the same name, so this is sent once.

        Raises:
            RejectedRecordError: Salesforce does not take it.
            UnknownOutcomeError: The answer was lost.
            TransientError: Salesforce is not available.
        """
        outcome = create_once(self._connection, {"attributes": {"type": _BOOK}, "Name": name, "IsActive": True})
        if outcome.error or outcome.crm_id is None:
            raise outcome.error or TransientError("The answer does not tell the price book's id", system=SYSTEM)
        return PriceBook(outcome.crm_id, name)

    def pages(self, books: Collection[str], page_size: int) -> Iterator[Page[PricedProduct]]:
        """Active products that have a SKU, with their prices in the standard price book and in these."""
        code = [_CURRENCY] if self._has_currencies else []
        among = f"Pricebook2Id IN {quote_soql_value(sorted(books))}" if books else ""
        meant = f"({_IS_STANDARD} = true OR {among})" if among else f"{_IS_STANDARD} = true"
        prices = select([*_ENTRY_FIELDS, *code], _ENTRIES, where=[meant])
        where = ["IsActive = true", f"{self._sku} != null"]
        fields = ["Id", "Name", self._sku, f"({prices})"]
        for rows in self._connection.query(select(fields, "Product2", where=where, order_by="Id"), lines=_ENTRIES):
            for records in chunks(rows.records, page_size):
                yield Page([self._product(row) for row in records], expected=rows.total)

    def write(self, changes: Sequence[PriceChange]) -> list[Upserted]:
        """Change prices, and add those that are missing, the standard ones first; what became of each, in order.

        Raises:
            ConfigurationError: The org has no standard price book.
            TransientError: Salesforce is not available. The same call may be made again.
        """
        done: dict[int, Upserted] = {}
        for step, method in _STEPS.items():
            chosen = [(number, each) for number, each in enumerate(changes) if _step(each) == step]
            book = self._standard_book() if chosen and step == _ADD_STANDARD else ""
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
            self._place(entry): ListPrice(
                entry["Id"],
                NUMBER.decode(entry["UnitPrice"]),
                bool(entry["IsActive"]),
                bool(entry["UseStandardPrice"]) and not entry[_BOOK]["IsStandard"],
            )
            for entry in entries["records"]
        }
        return PricedProduct(row["Id"], str(row[self._sku]).strip(), row["Name"], prices)

    def _place(self, entry: Mapping[str, Any]) -> PriceKey:
        book = None if entry[_BOOK]["IsStandard"] else str(entry["Pricebook2Id"])
        return book, str(entry.get(_CURRENCY) or self._currency)

    def _standard_book(self) -> str:
        query = select(["Id"], "Pricebook2", where=["IsStandard = true"])
        found = [row["Id"] for rows in self._connection.query(query) for row in rows.records]
        if not found:
            raise ConfigurationError(
                "The org has no standard price book, or does not show it to the user", system=SYSTEM
            )
        return str(found[0])

    def _row(self, change: PriceChange, standard_book: str) -> dict[str, Any]:
        values: dict[str, Any] = {"attributes": {"type": _ENTRY}, "UnitPrice": change.price}
        if change.book:
            values["UseStandardPrice"] = False  # else the price cannot be written
        if change.entry_id:
            return values | {"id": change.entry_id}
        code = {_CURRENCY: change.currency} if self._has_currencies else {}
        book = change.book or standard_book
        return values | {"Product2Id": change.product_id, "Pricebook2Id": book, "IsActive": True, **code}


_CHANGE, _ADD_STANDARD, _ADD = range(3)
_STEPS: Final = {_CHANGE: "PATCH", _ADD_STANDARD: "POST", _ADD: "POST"}


def _step(change: PriceChange) -> int:
    """When a price is written: Salesforce takes one of another book only when there is a standard price already."""
    if change.entry_id:
        return _CHANGE
    return _ADD if change.book else _ADD_STANDARD
