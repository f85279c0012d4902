"""The hooks at which rules take part in saving and deleting a row."""

from __future__ import annotations

from prefect_crm_erp.sandbox.salesforce.change import Change
from prefect_crm_erp.sandbox.salesforce.errors import RowRejected
from prefect_crm_erp.sandbox.salesforce.image import Row
from prefect_crm_erp.sandbox.salesforce.writer import Writer


class Rules:
    """The rules of an object type that has none of its own: every hook leaves the row as it is."""

    def prepare(self, change: Change, writer: Writer) -> None:
        """Fill in what the row inherits or what follows from what was given, before required fields are checked."""

    def complete(self, change: Change, writer: Writer) -> None:
        """Refuse what the business does not allow, and calculate; amounts are rounded already."""

    def settle(self, change: Change, writer: Writer) -> None:
        """Carry the change on to other rows, after the row has been saved."""

    def before_delete(self, row: Row, writer: Writer) -> None:
        """Refuse a deletion that a user asks for."""

    def removed(self, row: Row, writer: Writer) -> None:
        """Carry on to other rows that this one has gone to the recycle bin, or has come back."""


def integrity(field: str, reason: str) -> RowRejected:
    """A FIELD_INTEGRITY_EXCEPTION in Salesforce's usual form."""
    return RowRejected.of("FIELD_INTEGRITY_EXCEPTION", f"field integrity exception: {field} ({reason})", [field])
