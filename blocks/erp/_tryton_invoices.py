"""Invoices and credit memos: Tryton's invoices to customers, once they are posted."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from decimal import Decimal
from typing import Any

from prefect_crm_erp.blocks.erp._tryton_changes import TIME, Place, Source
from prefect_crm_erp.blocks.erp._tryton_documents import (
    INVOICE,
    MONEY_JOURNALS,
    MOVE_LINE,
    RECEIVABLE,
    balance,
    id_in,
    key_of,
    last_change,
    orders_of,
)
from prefect_crm_erp.blocks.erp._tryton_maps import Maps, purchase_order
from prefect_crm_erp.blocks.erp._tryton_rpc import Database, Row
from prefect_crm_erp.models.documents import Invoice, InvoiceLine, InvoiceStatus, InvoiceType
from prefect_crm_erp.models.money import ZERO

_INVOICE_LINE = "account.invoice.line"
# What is cancelled as a draft was never posted, and has no move.
_POSTED = ["OR", ("state", "in", ["posted", "paid"]), [("state", "=", "cancelled"), ("move", "!=", None)]]
INVOICES: tuple[Any, ...] = (("type", "=", "out"), _POSTED)
"""Clauses for the documents that are told of."""

_HEADER = (
    "number",
    "reference",
    "state",
    "company.currency.code",
    "party",
    "currency.code",
    "invoice_date",
    "payment_term.name",
    "untaxed_amount",
    "tax_amount",
    "total_amount",
    "amount_to_pay",
    "reconciled",
    "cancel_move.origin",
    TIME,
)
_LINE = ("type", "product.code", "product.name", "description", "quantity", "unit.name", "unit_price", "amount")
_BOOKED = ("debit", "credit", "reconciliation", TIME)
_FIELDS = (
    *_HEADER,
    *(f"{sales}.{name}" for sales in ("sales", "origin_invoices.sales") for name in ("reference", "comment")),
    *(f"lines.{name}" for name in _LINE),
    *(f"move.lines.{name}" for name in ("origin", "debit", "credit")),
    *(f"lines_to_pay.{name}" for name in ("maturity_date", *_BOOKED)),
    *(f"payment_lines.{name}" for name in _BOOKED),
)


class Invoices:
    """The invoices and credit memos of a connection.

    Args:
        database: The connection.
        maps: Its field maps.
    """

    def __init__(self, database: Database, maps: Maps) -> None:
        self._database = database
        self._maps = maps

    def read(self, ids: Collection[int], company: int | None) -> list[Invoice]:
        """Documents by Tryton's ids, with their lines, up to 500 in one call; drafts are left out."""
        rows = self._database.read(INVOICE, ids, _FIELDS, company, only=INVOICES)
        return [self._decode(row) for row in rows]

    # ------------------------------------------------------------------ changes

    def listing(self) -> list[Source]:
        """Where all documents are."""
        return [Source(INVOICE, only=INVOICES)]

    def sources(self) -> list[Source]:
        """Where changes of documents show.

        What is paid on a document shows in the lines of moves that are owed by customers: a payment that is cancelled
        or applied in part, or a due date that is put off, leaves the document's own time as it was.
        """
        fields = ("move.origin", "move.journal.type", "invoice_payments")
        return [
            *self.listing(),
            Source(MOVE_LINE, only=(RECEIVABLE,), fields=fields, places=self._places),
        ]

    def _places(self, rows: Sequence[Row]) -> Iterable[Place]:
        """The documents that lines of moves belong to or are payments of."""
        elsewhere: dict[int, list[Row]] = {}
        for row in rows:
            billed = id_in(row["move"]["origin"], INVOICE)
            if billed is None and row["move"]["journal"]["type"] not in MONEY_JOURNALS:
                elsewhere.setdefault(row["move"]["id"], []).append(row)
            yield from ((row[TIME], each) for each in {billed, *row["invoice_payments"]} if each is not None)
        yield from self._places_elsewhere(elsewhere)

    def _places_elsewhere(self, rows: dict[int, list[Row]]) -> Iterable[Place]:
        """The documents whose terms were put off or passed on to somebody by moves of their own."""
        if not rows:
            return
        domain = [("additional_moves", "in", list(rows))]
        for invoice in self._database.search(INVOICE, domain, ["additional_moves"]):
            lines = [row for move in invoice["additional_moves"] for row in rows.get(move, ())]
            yield last_change(lines), invoice["id"]

    # ------------------------------------------------------------------ one document

    def _decode(self, row: Row) -> Invoice:
        sales = [*row["sales"], *(sale for origin in row["origin_invoices"] for sale in origin["sales"])]
        status = _status(row)
        due = [line["maturity_date"] for line in row["lines_to_pay"] if line["maturity_date"]]
        return Invoice(
            erp_id=str(row["id"]),
            number=row["number"],
            type=InvoiceType.CREDIT_MEMO if row["total_amount"] < 0 else InvoiceType.INVOICE,
            status=status,
            company_id=str(row["company"]["id"]),
            customer_id=str(row["party"]),
            currency=row["currency"]["code"],
            company_currency=row["company"]["currency"]["code"],
            date=row["invoice_date"],
            due_date=max(due, default=None),
            paid_on=row["reconciled"] if status is InvoiceStatus.PAID else None,
            payment_terms=row["payment_term"] and row["payment_term"]["name"],
            customer_reference=_customer_reference(row, sales),
            lines=tuple(self._line(position, line) for position, line in enumerate(row["lines"], start=1)),
            modified_at=last_change([row], row["lines_to_pay"], row["payment_lines"]),
            **orders_of(sales),
            **_amounts(row),
        )

    def _line(self, position: int, row: Row) -> InvoiceLine:
        # Tryton shows an amount on subtotals, too, which would count twice.
        counts = row["type"] == "line"
        values = self._maps.invoice_line.decode(row) | {"amount": row["amount"] if counts else ZERO}
        description = row["description"] or (row["product"] and row["product"]["name"])
        return InvoiceLine(**values, position=position, description=description)


def _status(row: Row) -> InvoiceStatus:
    """Where a document stands.

    Tryton calls an invoice cancelled, too, that was credited in full by a credit memo. That is a document of its own,
    and told of: such an invoice is settled, or sums would count the credit alone. It waits for ever for the payment of
    an invoice over nothing, which nobody will make.
    """
    if row["state"] == "cancelled" and not _is_credited(row):
        return InvoiceStatus.CANCELLED
    if row["state"] in ("paid", "cancelled") or not row["total_amount"]:
        return InvoiceStatus.PAID
    return InvoiceStatus.OPEN if row["amount_to_pay"] == row["total_amount"] else InvoiceStatus.PARTLY_PAID


def _is_credited(row: Row) -> bool:
    return id_in(row["cancel_move"] and row["cancel_move"]["origin"], INVOICE) is not None


def _amounts(row: Row) -> dict[str, Decimal]:
    """Amounts of a document; those in the company's currency as they are booked, not converted anew."""
    revenue = [line for line in row["move"]["lines"] if id_in(line["origin"], _INVOICE_LINE) is not None]
    open_lines = [line for line in row["lines_to_pay"] + row["payment_lines"] if not line["reconciliation"]]
    is_open = row["state"] == "posted"
    return {
        "untaxed": row["untaxed_amount"],
        "tax": row["tax_amount"],
        "total": row["total_amount"],
        "balance": row["amount_to_pay"] if is_open else ZERO,
        "company_untaxed": -balance(revenue),
        "company_total": balance(row["lines_to_pay"]),
        "company_balance": balance(open_lines) if is_open else ZERO,
    }


def _customer_reference(row: Row, sales: Sequence[Row]) -> str | None:
    """The buyer's own number: of the sales' purchase orders, else what somebody noted on the document."""
    numbers = filter(None, (purchase_order(sale["comment"]) for sale in sales))
    noted = row["reference"] if not key_of(row["reference"]) else None
    return ", ".join(dict.fromkeys(numbers)) or noted or None
