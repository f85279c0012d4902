"""Collection: what was ordered, what was invoiced of it, and what came in, by customer, by month, or by whatever.

Amounts are with tax, since payments are, and in the currency of their document: nothing is converted, and each
currency has rows of its own. (An order is not booked: no ERP gives it an amount in its company's books.) An order
counts when it was placed, an invoice when it was issued and a payment when it came: over one month the three need not
be of the same deals.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Protocol, TypeVar

from prefect_crm_erp.models.documents import InvoiceStatus, PaymentStatus
from prefect_crm_erp.models.money import ZERO, round_to
from prefect_crm_erp.models.records import OrderStatus

_MEMBERS = {"order": "ordered", "invoice": "invoiced", "payment": "collected"}
_LEFT_OUT = {
    "order": frozenset(status.value for status in OrderStatus if not status.is_binding),
    "invoice": frozenset({InvoiceStatus.CANCELLED.value}),
    "payment": frozenset({PaymentStatus.CANCELLED.value}),
}


class Booked(Protocol):
    """A document as far as it counts here: of kind `order`, `invoice` or `payment`; others are passed over."""

    @property
    def kind(self) -> str:
        """What it is."""

    @property
    def status(self) -> str | None:
        """Where it stands; what is cancelled does not count, nor does an order that is not binding yet."""

    @property
    def currency(self) -> str | None:
        """ISO 4217 code of the document's currency."""

    @property
    def total(self) -> Decimal | None:
        """Total with tax; negative on a credit memo and a refund."""


Document = TypeVar("Document", bound=Booked)
Group = TypeVar("Group", bound=Hashable)


@dataclass(slots=True)
class Collected:
    """Orders and collection of one group. Amounts are with tax.

    Attributes:
        ordered: Total of the orders.
        invoiced: Total of the invoices less credit memos.
        collected: Total of the payments less refunds.
    """

    ordered: Decimal = ZERO
    invoiced: Decimal = ZERO
    collected: Decimal = ZERO

    def __add__(self, other: Collected) -> Collected:
        """Both together."""
        return Collected(self.ordered + other.ordered, self.invoiced + other.invoiced, self.collected + other.collected)

    @property
    def share(self) -> Decimal | None:
        """Collected for each unit ordered, to four decimal places; None when nothing was ordered."""
        return round_to(self.collected / self.ordered, 4, ROUND_HALF_EVEN) if self.ordered else None

    @property
    def invoiced_share(self) -> Decimal | None:
        """Collected for each unit invoiced, likewise."""
        return round_to(self.collected / self.invoiced, 4, ROUND_HALF_EVEN) if self.invoiced else None


def collection_summary(
    documents: Iterable[Document], by: Callable[[Document], Group]
) -> dict[tuple[Group, str], Collected]:
    """Sum up orders, invoices and payments; read once, and only the sums are held.

    Args:
        documents: Documents of all kinds in any order, each once.
        by: The group that a document belongs to: its account, its month.

    Returns:
        Sums by group and currency.

    Raises:
        ValueError: For a document without amount or currency, which would be missing in a sum.
    """
    summary: dict[tuple[Group, str], Collected] = {}
    for document in documents:
        if (member := _MEMBERS.get(document.kind)) is None or document.status in _LEFT_OUT[document.kind]:
            continue
        if document.total is None or document.currency is None:
            raise ValueError(f"A document of kind {document.kind} has no total, or no currency")
        row = summary.setdefault((by(document), document.currency), Collected())
        setattr(row, member, getattr(row, member) + document.total)
    return summary
