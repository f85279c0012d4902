"""Products, price books, and what a product costs in each."""

from __future__ import annotations

from prefect_crm_erp.sandbox.salesforce.change import Change
from prefect_crm_erp.sandbox.salesforce.errors import RowRejected
from prefect_crm_erp.sandbox.salesforce.image import Row
from prefect_crm_erp.sandbox.salesforce.rules.base import Rules, integrity
from prefect_crm_erp.sandbox.salesforce.writer import Writer


class ProductRules(Rules):
    """Prices and opportunity lines show the product's code, prices its name, too."""

    def settle(self, change: Change, writer: Writer) -> None:
        """Carry a new name or code on; the rows that show them do not count as modified."""
        if change.creating or not change.changed("Name", "ProductCode"):
            return
        product = change.new
        shown = {"Name": product["Name"], "ProductCode": product["ProductCode"]}
        for entry in writer.children("PricebookEntry", "Product2Id", product["Id"]):
            writer.amend("PricebookEntry", entry["Id"], shown, touch=False)
        for line in writer.children("OpportunityLineItem", "Product2Id", product["Id"]):
            writer.amend("OpportunityLineItem", line["Id"], {"ProductCode": product["ProductCode"]}, touch=False)


class PriceBookRules(Rules):
    """The standard price book stays."""

    def before_delete(self, row: Row, writer: Writer) -> None:
        """Refuse to delete the standard price book.

        Raises:
            RowRejected: DELETE_FAILED.
        """
        if row["IsStandard"]:
            raise RowRejected.of("DELETE_FAILED", "The standard price book cannot be deleted")


class PricebookEntryRules(Rules):
    """One price per product, price book and currency; the standard one comes first."""

    def prepare(self, change: Change, writer: Writer) -> None:
        """Show the product's name and code, and take the standard price where it is asked for."""
        row = change.new
        product = writer.parent(row, "Product2", "Product2Id")
        if product:
            row["Name"], row["ProductCode"] = product["Name"], product["ProductCode"]
        standard = self._standard_entry(row, writer) if row["UseStandardPrice"] else None
        if standard and standard["Id"] != row["Id"]:
            if "UnitPrice" in change.given and row["UnitPrice"] is not None:
                raise integrity("UnitPrice", "read-only while UseStandardPrice is set")
            row["UnitPrice"] = standard["UnitPrice"]

    def complete(self, change: Change, writer: Writer) -> None:
        """Refuse a second price of a product, and a custom price before the standard one.

        Raises:
            RowRejected: DUPLICATE_VALUE or STANDARD_PRICE_NOT_DEFINED.
        """
        if not change.creating:
            return
        row = change.new
        if any(other["Pricebook2Id"] == row["Pricebook2Id"] for other in self._entries(row, writer)):
            raise RowRejected.of("DUPLICATE_VALUE", "This price definition already exists in this price book")
        if not _is_standard(row, writer) and not self._standard_entry(row, writer):
            message = "Before creating a custom price, create a standard price."
            raise RowRejected.of("STANDARD_PRICE_NOT_DEFINED", message)

    def settle(self, change: Change, writer: Writer) -> None:
        """Carry a new standard price on to the entries that use it."""
        if change.creating or not change.changed("UnitPrice") or not _is_standard(change.new, writer):
            return
        for entry in self._entries(change.new, writer):
            if entry["UseStandardPrice"] and entry["Id"] != change.new["Id"]:
                writer.amend("PricebookEntry", entry["Id"], {"UnitPrice": change.new["UnitPrice"]})

    def _entries(self, row: Row, writer: Writer) -> list[Row]:
        """All prices of the product in the currency."""
        entries = writer.children("PricebookEntry", "Product2Id", row["Product2Id"])
        return [entry for entry in entries if entry["CurrencyIsoCode"] == row["CurrencyIsoCode"]]

    def _standard_entry(self, row: Row, writer: Writer) -> Row | None:
        return next((entry for entry in self._entries(row, writer) if _is_standard(entry, writer)), None)


def _is_standard(entry: Row, writer: Writer) -> bool:
    book = writer.parent(entry, "Pricebook2", "Pricebook2Id")
    return bool(book and book["IsStandard"])
