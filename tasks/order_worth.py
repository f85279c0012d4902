"""What orders are worth: the amount that their deals are compared with, and its value by both systems' rates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from prefect_crm_erp.blocks.crm.values import CrmObject
from prefect_crm_erp.blocks.ledger import CrossReference
from prefect_crm_erp.models.records import SalesOrder
from prefect_crm_erp.tasks.document_item import DocumentItem
from prefect_crm_erp.tasks.document_run import DocumentRun
from prefect_crm_erp.tasks.value import Sold, ask_ahead, valuation

Placed = tuple[DocumentItem, SalesOrder]
"""An order that came from a deal, on its way to the CRM."""

OBJECT_OF_KEY = {"006": CrmObject.OPPORTUNITY, "0Q0": CrmObject.QUOTE, "801": CrmObject.ORDER}
"""The kind of deal that a key belongs to, by its first three characters."""
_QUOTE = "0Q0"


def worth_of_orders(
    run: DocumentRun, placed: Sequence[Placed], bound: Mapping[str, Sequence[CrossReference]]
) -> dict[str, dict[str, Any]]:
    """What the deals of orders are to show of their worth, by the orders' keys in the ledger.

    The valuation is left as it is where the ERP cannot say its rate, or nobody knows the deal.

    Args:
        run: The run.
        placed: Orders that came from deals.
        bound: What the ledger knows of the deals' orders, by deal.
    """
    bindings = {item.key: bound[order.key][0] for item, order in placed if order.key in bound}
    sold = {item.key: each for item, order in placed if (each := _sold(run, item, order, bindings))}
    ask_ahead(run, list(sold.values()))
    found: dict[str, dict[str, Any]] = {}
    for item, order in placed:
        shown, trouble = valuation(run, sold[item.key]) if item.key in sold else (None, None)
        worth = {"valuation": shown} if shown and not trouble else {}
        found[item.key] = {"erp_amount": _total(order, bindings.get(item.key)), **worth}
    return found


def bound_orders(run: DocumentRun, placed: Iterable[Placed]) -> dict[str, list[CrossReference]]:
    """What the ledger knows of the deals that these orders come from, by deal."""
    keys = [key for item, _ in placed for key in item.order_keys]
    found: dict[str, list[CrossReference]] = {}
    for prefix, target in OBJECT_OF_KEY.items():
        mine = [key for key in keys if key.startswith(prefix)]
        found |= run.store.bound(target.value, mine)
    return found


def _total(order: SalesOrder, binding: CrossReference | None) -> Decimal | None:
    """The order's total as it is compared with the deal's: without tax, unless the deal shows its tax.

    An order that no deal was bound to shows all of it.
    """
    if binding is None:
        return order.total
    with_tax = binding.erp_total == order.total or order.key.startswith(_QUOTE)
    return order.untaxed if binding.erp_total == order.untaxed or not with_tax else order.total


def _sold(run: DocumentRun, item: DocumentItem, order: SalesOrder, bindings: dict[str, CrossReference]) -> Sold | None:
    """The order as its deal sold it; None where the ledger does not know the deal, or nobody the company."""
    binding, company = bindings.get(item.key), run.company_by_id(item.slot, order.company_id)
    if binding is None or company is None:
        return None
    by_date = OBJECT_OF_KEY.get(order.key[:3]) is CrmObject.OPPORTUNITY
    total = _total(order, binding)
    return Sold(item.slot, company, order.currency, binding.crm_total, total, order.order_date, by_date)
