"""What invoices, payments and deliveries have in common: where they come from, and when they last changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal

from prefect_crm_erp.blocks.erp._tryton_changes import TIME
from prefect_crm_erp.blocks.erp._tryton_rpc import Row
from prefect_crm_erp.models.divisions import deal_key
from prefect_crm_erp.models.keys import is_salesforce_id, salesforce_id
from prefect_crm_erp.models.money import ZERO

INVOICE = "account.invoice"
MOVE = "account.move"
MOVE_LINE = "account.move.line"
RECEIVABLE = ("account.type.receivable", "=", True)
"""Clause for the lines of moves that are owed by customers, or to them."""

MONEY_JOURNALS = ("cash", "statement")
"""Types of the journals of money that comes and goes; `statement` is there with bank statements."""


def key_of(reference: str | None) -> str:
    """The CRM's key in a sale's reference, ids in their 18-character form; empty for a sale that was born in Tryton."""
    if not reference:
        return ""
    deal = deal_key(reference)
    return salesforce_id(deal) + reference.removeprefix(deal) if is_salesforce_id(deal) else ""


def orders_of(sales: Iterable[Row]) -> dict[str, tuple[str, ...]]:
    """The fields `order_ids` and `order_keys` of what belongs to these sales, each once, in the order of their ids."""
    references = dict(sorted((row["id"], row["reference"]) for row in sales))
    keys = dict.fromkeys(deal_key(key_of(reference)) for reference in references.values())
    return {"order_ids": tuple(map(str, references)), "order_keys": tuple(key for key in keys if key)}


def id_in(reference: str | None, model: str) -> int | None:
    """The id in a reference such as `account.invoice,5`; None when it is one to another model, or to nothing."""
    name, _, identifier = (reference or "").partition(",")
    return int(identifier) if name == model and identifier.isdigit() else None


def balance(lines: Iterable[Row]) -> Decimal:
    """What lines of moves add to an account, in the company's currency: positive for what a customer owes."""
    return sum((line["debit"] - line["credit"] for line in lines), ZERO)


def last_change(*groups: Sequence[Row]) -> datetime:
    """The time of the latest change of any of these rows."""
    moments: list[datetime] = [row[TIME] for group in groups for row in group]
    return max(moments)
