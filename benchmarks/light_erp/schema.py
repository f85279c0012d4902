"""What the stand-in has of Tryton's models: just the fields that the connector reads, under Tryton's names."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """Type of a plain field."""

    TEXT = "text"
    INTEGER = "integer"
    FLOAT = "float"
    DECIMAL = "decimal"
    DAY = "date"
    TIME = "datetime"
    BOOLEAN = "boolean"


@dataclass(frozen=True, slots=True)
class One:
    """A field with the id of one record of another model."""

    model: str


@dataclass(frozen=True, slots=True)
class Parts:
    """Records of another model that name this one in a field of theirs."""

    model: str
    field: str


@dataclass(frozen=True, slots=True)
class Several:
    """Records of another model that are tied to this one by a table of pairs.

    Attributes:
        model: The other model.
        table: The table.
        mine: Its column with the ids of this model.
        theirs: Its column with the ids of the other one.
        is_kept_here: Whether pairs are saved with records of this model; the other side only shows them.
    """

    model: str
    table: str
    mine: str
    theirs: str
    is_kept_here: bool = True


Field = Kind | One | Parts | Several
_CHANGED: Final[dict[str, Field]] = {"last_modified_at": Kind.TIME}

_NAMED: Final[dict[str, Field]] = {"name": Kind.TEXT}
_LINES_OF_INVOICE = Several("account.move.line", "invoice_lines_to_pay", "invoice", "line")
_PAYMENTS_OF_INVOICE = Several("account.move.line", "invoice_payment_lines", "invoice", "line")

MODELS: Final[dict[str, dict[str, Field]]] = {
    "currency.currency": {"code": Kind.TEXT, "rate": Kind.DECIMAL, "active": Kind.BOOLEAN},
    "party.party": {"name": Kind.TEXT, "code": Kind.TEXT},
    "party.address": {"party": One("party.party")},
    "company.company": {"party": One("party.party"), "currency": One("currency.currency")},
    "stock.location": {"name": Kind.TEXT, "code": Kind.TEXT, "type": Kind.TEXT, "address": One("party.address")},
    "product.uom": _NAMED,
    "product.product": {"code": Kind.TEXT, "name": Kind.TEXT},
    "account.invoice.payment_term": _NAMED,
    "account.journal": {"name": Kind.TEXT, "type": Kind.TEXT},
    "account.account.type": {"name": Kind.TEXT, "receivable": Kind.BOOLEAN},
    "account.account": {"name": Kind.TEXT, "type": One("account.account.type")},
    "account.fiscalyear": {"company": One("company.company"), "start_date": Kind.DAY, "end_date": Kind.DAY},
    "sale.sale": {"number": Kind.TEXT, "reference": Kind.TEXT, "comment": Kind.TEXT, **_CHANGED},
    "account.invoice": {
        "number": Kind.TEXT,
        "reference": Kind.TEXT,
        "type": Kind.TEXT,
        "state": Kind.TEXT,
        "company": One("company.company"),
        "party": One("party.party"),
        "currency": One("currency.currency"),
        "invoice_date": Kind.DAY,
        "payment_term": One("account.invoice.payment_term"),
        "untaxed_amount": Kind.DECIMAL,
        "tax_amount": Kind.DECIMAL,
        "total_amount": Kind.DECIMAL,
        "amount_to_pay": Kind.DECIMAL,
        "reconciled": Kind.DAY,
        "move": One("account.move"),
        "cancel_move": One("account.move"),
        "additional_moves": Several("account.move", "invoice_additional_moves", "invoice", "move"),
        "lines": Parts("account.invoice.line", "invoice"),
        "lines_to_pay": _LINES_OF_INVOICE,
        "payment_lines": _PAYMENTS_OF_INVOICE,
        "sales": Several("sale.sale", "invoice_sales", "invoice", "sale"),
        "origin_invoices": Several("account.invoice", "invoice_origins", "invoice", "origin"),
        **_CHANGED,
    },
    "account.invoice.line": {
        "invoice": One("account.invoice"),
        "type": Kind.TEXT,
        "product": One("product.product"),
        "description": Kind.TEXT,
        "quantity": Kind.FLOAT,
        "unit": One("product.uom"),
        "unit_price": Kind.DECIMAL,
        "amount": Kind.DECIMAL,
        **_CHANGED,
    },
    "account.move": {
        "number": Kind.TEXT,
        "state": Kind.TEXT,
        "date": Kind.DAY,
        "description": Kind.TEXT,
        "journal": One("account.journal"),
        "company": One("company.company"),
        "origin": Kind.TEXT,
        "lines": Parts("account.move.line", "move"),
        **_CHANGED,
    },
    "account.move.line": {
        "move": One("account.move"),
        "company": One("company.company"),
        "account": One("account.account"),
        "party": One("party.party"),
        "date": Kind.DAY,
        "maturity_date": Kind.DAY,
        "origin": Kind.TEXT,
        "debit": Kind.DECIMAL,
        "credit": Kind.DECIMAL,
        "amount_second_currency": Kind.DECIMAL,
        "second_currency": One("currency.currency"),
        "reconciliation": Kind.INTEGER,
        "invoice_payments": Several("account.invoice", "invoice_payment_lines", "line", "invoice", is_kept_here=False),
        **_CHANGED,
    },
}
"""Fields by model; each has an `id`, too."""


class UnknownToStandIn(LookupError):
    """The stand-in was asked for something that it does not have of Tryton."""


def field_of(model: str, name: str) -> Field:
    """A field of a model.

    Raises:
        UnknownToStandIn: There is no such model or field here.
    """
    if name == "id":
        return Kind.INTEGER
    try:
        return MODELS[model][name]
    except KeyError:
        raise UnknownToStandIn(f"The stand-in has no {model}.{name}") from None


def table_of(model: str) -> str:
    """The table of a model's records."""
    return model.replace(".", "_")
