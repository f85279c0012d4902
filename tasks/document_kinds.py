"""The kinds of documents that come back from an ERP, and what of each stands in the CRM and in the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from prefect_crm_erp.blocks.crm.values import DocumentObject
from prefect_crm_erp.models.documents import Delivery, Invoice, Payment
from prefect_crm_erp.models.records import Record, SalesOrder

AnyDocument = SalesOrder | Delivery | Invoice | Payment

_NOT_ON_A_LINE = frozenset({"erp_id", "product_id", "invoice_id", "currency", "list_price", "custom"})


@dataclass(frozen=True, slots=True)
class DocumentKind:
    """One kind of document.

    Attributes:
        name: The ledger's kind, and the value by which parts and other documents are linked to one.
        record: Its canonical record.
        object: Its copy in the CRM.
        part: The copies of what belongs to it.
        parts: Attribute of the record with what belongs to it.
        shown: Attributes of the record that the copy has as they are.
    """

    name: str
    record: type[Record]
    object: DocumentObject
    part: DocumentObject
    parts: str
    shown: tuple[str, ...]

    def values(self, document: AnyDocument) -> dict[str, Any]:
        """What the copy has of the document itself, without links."""
        return {name: getattr(document, name) for name in self.shown}

    def parts_of(self, document: AnyDocument) -> Sequence[tuple[str, Record, dict[str, Any]]]:
        """What belongs to a document: id, record and values without links; positions count from 1."""
        parts: Sequence[Record] = getattr(document, self.parts)
        return [
            (getattr(part, "erp_id", None) or f"{document.erp_id}/{position}", part, _part_values(part, position))
            for position, part in enumerate(parts, 1)
        ]


def _part_values(part: Record, position: int) -> dict[str, Any]:
    values = {name: getattr(part, name) for name in _names_of(type(part))}
    return values if "company_amount" in values else {"position": position} | values


@cache
def _names_of(kind: type[Record]) -> tuple[str, ...]:
    """What a copy has of parts of a kind."""
    return tuple(name for name in kind.model_fields if name not in _NOT_ON_A_LINE)


_TOTALS = ("untaxed", "tax", "total")

ORDERS: Final = DocumentKind(
    "order",
    SalesOrder,
    DocumentObject.ORDER,
    DocumentObject.ORDER_LINE,
    "lines",
    (
        "number",
        "status",
        "order_date",
        "customer_reference",
        "payment_terms",
        *_TOTALS,
        "created_at",
        "created_by",
        "pending_since",
        "approved_at",
        "modified_at",
    ),
)
DELIVERIES: Final = DocumentKind(
    "delivery",
    Delivery,
    DocumentObject.DELIVERY,
    DocumentObject.DELIVERY_LINE,
    "lines",
    ("number", "status", "is_return", "planned_on", "shipped_on", "tracking", "modified_at"),
)
INVOICES: Final = DocumentKind(
    "invoice",
    Invoice,
    DocumentObject.INVOICE,
    DocumentObject.INVOICE_LINE,
    "lines",
    (
        "number",
        "type",
        "status",
        "date",
        "due_date",
        "paid_on",
        "customer_reference",
        "payment_terms",
        *_TOTALS,
        "balance",
        "company_currency",
        "company_untaxed",
        "company_total",
        "company_balance",
        "modified_at",
    ),
)
PAYMENTS: Final = DocumentKind(
    "payment",
    Payment,
    DocumentObject.PAYMENT,
    DocumentObject.PAYMENT_APPLICATION,
    "applications",
    (
        "number",
        "status",
        "method",
        "reference",
        "date",
        "amount",
        "company_currency",
        "company_amount",
        "modified_at",
    ),
)
KINDS: Final[Mapping[str, DocumentKind]] = {each.name: each for each in (ORDERS, DELIVERIES, INVOICES, PAYMENTS)}
