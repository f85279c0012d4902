"""Orders of divided deals: what a deal shows of all of them together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from prefect_crm_erp.blocks.ledger import CrossReference, Document
from prefect_crm_erp.models.divisions import PartPrint, deal_key, status_together
from prefect_crm_erp.models.money import ZERO
from prefect_crm_erp.models.records import OrderStatus, SalesOrder
from prefect_crm_erp.tasks.document_item import DocumentItem
from prefect_crm_erp.tasks.document_kinds import ORDERS
from prefect_crm_erp.tasks.document_remember import as_document
from prefect_crm_erp.tasks.document_run import DocumentRun

_Identity = tuple[str, str]
"""ERP connection and ERP id of an order."""


def told_together(
    run: DocumentRun,
    placed: Sequence[tuple[DocumentItem, SalesOrder]],
    bound: Mapping[str, Sequence[CrossReference]],
) -> dict[str, dict[str, Any]]:
    """What divided deals show of all their orders, by the orders' keys in the ledger; nothing for other deals.

    An order that this run has not read counts as the ledger knows it. While some have not arrived there is no status.

    Args:
        run: The run.
        placed: Orders that came from deals.
        bound: What the ledger knows of the deals' orders, by deal.
    """
    divided = {deal: refs for deal, refs in bound.items() if PartPrint.read(refs[0].fingerprint)}
    known = _known(run, [ref for refs in divided.values() for ref in refs])
    known |= {(item.slot.value, item.erp_id): as_document(item) for item, _ in placed}
    return {
        item.key: _told(order, divided[key], known) for item, order in placed if (key := deal_key(order.key)) in divided
    }


def _known(run: DocumentRun, references: Sequence[CrossReference]) -> dict[_Identity, Document]:
    found: dict[_Identity, Document] = {}
    for erp in dict.fromkeys(each.erp for each in references):
        mine = run.store.documents(ORDERS.name, erp, [each.erp_id for each in references if each.erp == erp])
        found |= {(erp, erp_id): document for erp_id, document in mine.items()}
    return found


def _told(
    order: SalesOrder, references: Sequence[CrossReference], known: Mapping[_Identity, Document]
) -> dict[str, Any]:
    together = [(each, known.get((each.erp, each.erp_id))) for each in references]
    amounts = [amount_of(each, found) for each, found in together]
    said: dict[str, Any] = {
        "erp_order_number": ", ".join(_numbers(together)),
        "erp_amount": sum((each or ZERO for each in amounts), ZERO),
    }
    first = PartPrint.read(references[0].fingerprint)
    if first is None or len(references) < first.parts:
        return said
    status = status_together([_status(found) for _, found in together])
    said["erp_status"] = status.value if status else None
    if order.status is OrderStatus.PENDING_APPROVAL or status is not OrderStatus.PENDING_APPROVAL:
        said |= {"erp_pending_since": order.pending_since, "erp_approved_at": order.approved_at}
    return said


def _numbers(together: Sequence[tuple[CrossReference, Document | None]]) -> Iterator[str]:
    for each, found in together:
        yield (found.number if found else None) or each.erp_number or each.erp_id


def _status(found: Document | None) -> OrderStatus:
    """Where an order stands; one that was placed and not read since was approved then."""
    return OrderStatus(found.status) if found and found.status else OrderStatus.APPROVED


def amount_of(reference: CrossReference, found: Document | None) -> Decimal | None:
    """The total of an order as it was compared with its part of the deal: without tax, unless that shows its tax."""
    if found is None or found.total is None:
        return reference.erp_total
    return found.total if reference.crm_total == reference.erp_total == found.total else found.untaxed
