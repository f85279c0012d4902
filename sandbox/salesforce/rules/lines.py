"""What the lines of opportunities, quotes and orders have in common: their price and their parent."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar

from prefect_crm_erp.sandbox.salesforce.change import Change
from prefect_crm_erp.sandbox.salesforce.errors import RowRejected
from prefect_crm_erp.sandbox.salesforce.image import Row
from prefect_crm_erp.sandbox.salesforce.rules.base import Rules, integrity
from prefect_crm_erp.sandbox.salesforce.values import round_half_up
from prefect_crm_erp.sandbox.salesforce.writer import Writer

HUNDRED = Decimal(100)


def share(discount: Decimal | None) -> Decimal:
    """What a discount in percent leaves of a price.

    Example:
        >>> share(Decimal("7.5"))
        Decimal('0.925')
    """
    return 1 - (discount or Decimal(0)) / HUNDRED


def total(rows: list[Row], field: str) -> Decimal:
    """Sum of a field over rows; empty ones count as nothing."""
    return sum((row[field] for row in rows if row[field] is not None), Decimal(0))


def net_total(lines: list[Row], parent: Row, writer: Writer) -> Decimal:
    """What the lines come to after their discounts, in the way in which the org rounds."""
    if not writer.rounds_sums:
        return total(lines, "TotalPrice")
    places = writer.places(parent)
    return round_half_up(sum((_exact_total(line, places) for line in lines), Decimal(0)), places)


def _exact_total(line: Row, places: int) -> Decimal:
    """The total before it was rounded; a total that was given instead of a price is exact as it is."""
    exact: Decimal = line["Quantity"] * line["UnitPrice"] * share(line["Discount"])
    return exact if round_half_up(exact, places) == line["TotalPrice"] else line["TotalPrice"]


class LineRules(Rules):
    """A line takes currency and price from its parent's price book, and its parent sums up its lines.

    Attributes:
        object_name: The lines' object type.
        parent_object: Their parents'.
        parent_field: The lookup between them.
    """

    object_name: ClassVar[str]
    parent_object: ClassVar[str]
    parent_field: ClassVar[str]

    def roll_up(self, parent: Row, lines: list[Row], writer: Writer) -> dict[str, Any]:
        """The parent's fields that follow from its lines."""
        raise NotImplementedError

    def prepare(self, change: Change, writer: Writer) -> None:
        """Take over the parent's currency, and the product and list price of the price book entry."""
        parent = writer.parent(change.new, self.parent_object, self.parent_field)
        if parent is None:
            return  # The check of required fields refuses the line.
        self.before_line(change, parent, writer)
        if change.creating:
            change.new["CurrencyIsoCode"] = parent["CurrencyIsoCode"]
            self._take_entry(change.new, parent, writer)

    def before_line(self, change: Change, parent: Row, writer: Writer) -> None:
        """Refuse a change of lines that the parent does not allow any more."""

    def _take_entry(self, row: Row, parent: Row, writer: Writer) -> None:
        entry = writer.parent(row, "PricebookEntry", "PricebookEntryId") or self._find_entry(row, parent, writer)
        if entry is None:
            reason = "versions 3.0 and higher must specify pricebook entry id; others must specify product id"
            raise integrity("PricebookEntryId", reason)
        self._check_entry(row, entry, parent, writer)
        row["PricebookEntryId"] = entry["Id"]
        row["Product2Id"] = entry["Product2Id"]
        row["ListPrice"] = entry["UnitPrice"]

    def _find_entry(self, row: Row, parent: Row, writer: Writer) -> Row | None:
        """The entry of a line that names only its product."""
        if row["Product2Id"] is None:
            return None
        entries = writer.children("PricebookEntry", "Product2Id", row["Product2Id"])
        keys = ("Pricebook2Id", "CurrencyIsoCode")
        return next((entry for entry in entries if all(entry[key] == parent[key] for key in keys)), None)

    def _check_entry(self, row: Row, entry: Row, parent: Row, writer: Writer) -> None:
        name = self.parent_object.lower()
        product = writer.parent(entry, "Product2", "Product2Id")
        if not entry["IsActive"] or not (product and product["IsActive"]):
            raise integrity("PricebookEntryId", "pricebook entry is inactive")
        if row["Product2Id"] not in (None, entry["Product2Id"]):
            raise integrity("Product2Id", "the product is not that of the pricebook entry")
        if entry["CurrencyIsoCode"] != parent["CurrencyIsoCode"]:
            raise integrity("PricebookEntryId", f"pricebook entry currency code does not match {name} currency code")
        if parent["Pricebook2Id"] is None:
            self.without_price_book(parent, entry, writer)
        elif parent["Pricebook2Id"] != entry["Pricebook2Id"]:
            reason = f"pricebook entry is in a different pricebook than the one assigned to the {name}"
            raise integrity("PricebookEntryId", reason)

    def without_price_book(self, parent: Row, entry: Row, writer: Writer) -> None:
        """Refuse a line of a parent that has no price book.

        Raises:
            RowRejected: FIELD_INTEGRITY_EXCEPTION.
        """
        name = self.parent_object.lower()
        raise integrity("PricebookEntryId", f"the {name} has no pricebook assigned")

    def complete(self, change: Change, writer: Writer) -> None:
        """Calculate the line's total.

        Raises:
            RowRejected: Quantity or discount are out of bounds.
        """
        row = change.new
        self.check_quantity(row["Quantity"])
        discount = row.get("Discount")
        if discount is not None and not 0 <= discount <= HUNDRED:
            message = f"Discount: value outside of valid range on numeric field: {discount}"
            raise RowRejected.of("NUMBER_OUTSIDE_VALID_RANGE", message, ["Discount"])
        self.calculate(change, writer.places(row))

    def check_quantity(self, quantity: Decimal) -> None:
        """Refuse quantities that make no sense.

        Raises:
            RowRejected: FIELD_INTEGRITY_EXCEPTION.
        """
        if quantity == 0:
            raise integrity("Quantity", "Quantity must be nonzero")

    def calculate(self, change: Change, places: int) -> None:
        """Fill in the totals, rounded half up to the currency's decimal places."""
        row = change.new
        gross = row["Quantity"] * row["UnitPrice"]
        if "Subtotal" in row:
            row["Subtotal"] = round_half_up(gross, places)
        row["TotalPrice"] = round_half_up(gross * share(row.get("Discount")), places)

    def settle(self, change: Change, writer: Writer) -> None:
        """Bring the parent's sums up to date, which modifies the parent."""
        self.sum_up(change.new[self.parent_field], writer)

    def removed(self, row: Row, writer: Writer) -> None:
        """Bring the parent's sums up to date, unless it is deleted itself."""
        self.sum_up(row[self.parent_field], writer)

    def sum_up(self, parent_id: str, writer: Writer) -> None:
        """Roll the lines up into their parent, which must not be locked for it."""
        parent = writer.row(self.parent_object, parent_id)
        if parent:
            writer.locks.demand_free(parent_id)
            lines = writer.children(self.object_name, self.parent_field, parent_id)
            writer.amend(self.parent_object, parent_id, self.roll_up(parent, lines, writer))


def refuse_with_lines(change: Change, object_name: str, field: str, writer: Writer) -> None:
    """Refuse another currency or price book for a parent that has lines.

    Raises:
        RowRejected: FIELD_INTEGRITY_EXCEPTION.
    """
    if change.creating or not change.changed("CurrencyIsoCode", "Pricebook2Id"):
        return
    if writer.children(object_name, field, change.new["Id"]):
        name = "CurrencyIsoCode" if change.changed("CurrencyIsoCode") else "Pricebook2Id"
        raise integrity(name, "cannot be changed while there are line items")
