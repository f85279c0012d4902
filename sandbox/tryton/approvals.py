"""Approvals of sales, as a company sets them up in Tryton: who must agree to large orders and to large discounts.

An order over 50,000 needs the VP Finance, one with a discount of more than 20 % the Sales Director, one with both
needs both. They are rules on the button that confirms a sale. A user who is not of the rule's group may press it, too:
the sale then stays a quotation until somebody of each group has pressed it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from trytond.pyson import And, Equal, Eval, Get, Greater, PYSONEncoder

from prefect_crm_erp.sandbox.tryton.rpc import TrytonRpc

VP_FINANCE: Final = "VP Finance"
"""Name of the group that approves large orders, and what its one user is called."""

SALES_DIRECTOR: Final = "Sales Director"
"""Name of the group that approves large discounts, and what its one user is called."""

LIMIT: Final = 50_000
"""An order may come to this much without tax, in its company's currency, before it needs an approval."""

DISCOUNT: Final = 20
"""A product may be discounted by this many percent of its base price before the order needs an approval."""

_SALE: Final = "sale.sale"
_RULE: Final = "ir.model.button.rule"


def require_approvals(rpc: TrytonRpc) -> None:
    """Set the rules up; does nothing when they are there already.

    Args:
        rpc: A session of the administrator.
    """
    confirm, draft = (_button(rpc, name) for name in ("confirm", "draft"))
    if rpc(f"model.{_RULE}.search_count", [("button", "=", confirm)], {}):
        return
    finance, sales = (_group(rpc, name) for name in (VP_FINANCE, SALES_DIRECTOR))
    values = [_limit_rule(company, limits) | {"group": finance} for company, limits in _limits(rpc)]
    values.append(_discount_rule() | {"group": sales})
    rpc(f"model.{_RULE}.create", [each | {"button": confirm, "number_user": 1} for each in values], {})
    # Who takes an order back to draft takes the approvals back with it.
    rpc("model.ir.model.button.write", [draft], {"reset": [("add", [confirm])]}, {})


def _button(rpc: TrytonRpc, name: str) -> int:
    domain = [("model", "=", _SALE), ("name", "=", name)]
    (button,) = rpc("model.ir.model.button.search", domain, 0, None, None, {})
    return int(button)


def _group(rpc: TrytonRpc, name: str) -> int:
    (group,) = rpc("model.res.group.search", [("name", "=", name)], 0, None, None, {})
    return int(group)


def _limits(rpc: TrytonRpc) -> list[tuple[dict[str, Any], dict[str, float]]]:
    """Each company, with what the limit is in each currency at today's rates.

    A rule can compare and not reckon, so that the rates are in it; with other rates it is set up anew.
    """
    companies = rpc("model.company.company.search_read", [], 0, None, None, ["party.name", "currency.rate"], {})
    currencies = rpc("model.currency.currency.search_read", [], 0, None, None, ["code", "rate", "rounding"], {})
    return [(company, _in_currencies(company["currency."]["rate"], currencies)) for company in companies]


def _in_currencies(own_rate: Decimal, currencies: list[dict[str, Any]]) -> dict[str, float]:
    exact = {each["code"]: (LIMIT * each["rate"] / own_rate, each["rounding"]) for each in currencies if each["rate"]}
    return {code: float(limit.quantize(rounding)) for code, (limit, rounding) in exact.items()}


def _limit_rule(company: dict[str, Any], limits: dict[str, float]) -> dict[str, Any]:
    sale = Eval("self", {})
    currency = Get(Get(sale, "_parent_currency", {}), "code", "")
    is_large = Greater(Get(sale, "untaxed_amount", 0), Get(limits, currency, LIMIT))
    condition = And(Equal(Get(sale, "company", 0), company["id"]), is_large)
    return {
        "description": f"Over {LIMIT:,} without tax: {VP_FINANCE} of {company['party.']['name']}",
        "condition": PYSONEncoder().encode(condition),
    }


def _discount_rule() -> dict[str, Any]:
    condition = Greater(Get(Eval("self", {}), "largest_discount", 0), DISCOUNT)
    return {
        "description": f"A discount of more than {DISCOUNT} %: {SALES_DIRECTOR}",
        "condition": PYSONEncoder().encode(condition),
    }
