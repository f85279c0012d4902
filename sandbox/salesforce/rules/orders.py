"""Orders: drafts that are activated once they have items, and hardly change afterwards."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from prefect_crm_erp.sandbox.salesforce.change import Change
from prefect_crm_erp.sandbox.salesforce.errors import RowRejected
from prefect_crm_erp.sandbox.salesforce.image import Row
from prefect_crm_erp.sandbox.salesforce.rules.base import Rules, integrity
from prefect_crm_erp.sandbox.salesforce.rules.lines import LineRules, refuse_with_lines, total
from prefect_crm_erp.sandbox.salesforce.writer import Writer

DRAFT, ACTIVATED = "Draft", "Activated"
_FIXED_WHEN_ACTIVATED = ("AccountId", "Pricebook2Id", "CurrencyIsoCode", "EffectiveDate")


class OrderRules(Rules):
    """An order starts as a draft, and is activated when it has items."""

    def prepare(self, change: Change, writer: Writer) -> None:
        """Number the order; what it is worth follows from its items."""
        row = change.new
        if change.creating:
            row["OrderNumber"] = f"{writer.image.count_up('OrderNumber') + 99:08d}"
            row["TotalAmount"] = Decimal(0)
        row["StatusCode"] = row["Status"]

    def complete(self, change: Change, writer: Writer) -> None:
        """Activate and deactivate.

        Raises:
            RowRejected: FAILED_ACTIVATION, or the order does not allow the change any more.
        """
        refuse_with_lines(change, "OrderItem", "OrderId", writer)
        if change.before("Status") == ACTIVATED:
            _refuse_fixed(change)
        if change.changed("Status"):
            _change_status(change, writer)

    def before_delete(self, row: Row, writer: Writer) -> None:
        """Refuse to delete an activated order.

        Raises:
            RowRejected: DELETE_FAILED.
        """
        if row["Status"] == ACTIVATED:
            message = f"Your attempt to delete {row['OrderNumber']} could not be completed because it is activated"
            raise RowRejected.of("DELETE_FAILED", message)


def _refuse_fixed(change: Change) -> None:
    changed = [name for name in _FIXED_WHEN_ACTIVATED if change.changed(name)]
    if changed:
        raise integrity(changed[0], "cannot be changed on an activated order")


def _change_status(change: Change, writer: Writer) -> None:
    row = change.new
    if row["Status"] != ACTIVATED:
        row["ActivatedDate"] = row["ActivatedById"] = None
        return
    if change.creating:
        message = "Choose a valid order status and save your changes. Ask your admin for details."
        raise RowRejected.of("FAILED_ACTIVATION", message, ["Status"])
    if change.given != {"Status"}:
        message = "The Status field is the only field that can be updated when an order is activated."
        raise RowRejected.of("FAILED_ACTIVATION", message, ["Status"])
    if not writer.children("OrderItem", "OrderId", row["Id"]):
        raise RowRejected.of("FAILED_ACTIVATION", "An order must have at least one product.", ["Status"])
    row["ActivatedDate"], row["ActivatedById"] = writer.now, writer.user_id


class OrderItemRules(LineRules):
    """Items of orders. They have no discount of their own: the unit price is what is charged."""

    object_name = "OrderItem"
    parent_object = "Order"
    parent_field = "OrderId"

    def prepare(self, change: Change, writer: Writer) -> None:
        """Take over what the entry says, and number the item."""
        super().prepare(change, writer)
        if change.creating:
            change.new["OrderItemNumber"] = f"{writer.image.count_up('OrderItemNumber'):010d}"

    def before_line(self, change: Change, parent: Row, writer: Writer) -> None:
        """Refuse to add or change items of an activated order.

        Raises:
            RowRejected: FIELD_INTEGRITY_EXCEPTION.
        """
        _refuse_activated(parent)

    def before_delete(self, row: Row, writer: Writer) -> None:
        """Refuse to delete items of an activated order.

        Raises:
            RowRejected: FIELD_INTEGRITY_EXCEPTION.
        """
        order = writer.parent(row, "Order", "OrderId")
        if order:
            _refuse_activated(order)

    def check_quantity(self, quantity: Decimal) -> None:
        """Refuse anything but a positive quantity: only reduction orders take goods back.

        Raises:
            RowRejected: FIELD_INTEGRITY_EXCEPTION.
        """
        if quantity <= 0:
            raise integrity("Quantity", "Quantity must be greater than zero")

    def calculate(self, change: Change, places: int) -> None:
        """Fill in the total; everything is still available for reduction."""
        super().calculate(change, places)
        change.new["AvailableQuantity"] = change.new["Quantity"]

    def roll_up(self, parent: Row, lines: list[Row], writer: Writer) -> dict[str, Any]:
        """The order's amount."""
        return {"TotalAmount": total(lines, "TotalPrice")}


def _refuse_activated(order: Row) -> None:
    if order["Status"] == ACTIVATED:
        raise integrity("OrderId", "products of an activated order cannot be added, changed or removed")
