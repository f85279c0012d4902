"""Payments: moves of Tryton's books by which money came from a customer, or went back to one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from prefect_crm_erp.blocks.erp._tryton_applications import applications, company_amount, is_reversed, shares
from prefect_crm_erp.blocks.erp._tryton_changes import TIME, Place, Source
from prefect_crm_erp.blocks.erp._tryton_documents import (
    INVOICE,
    MONEY_JOURNALS,
    MOVE,
    MOVE_LINE,
    RECEIVABLE,
    balance,
    id_in,
    last_change,
)
from prefect_crm_erp.blocks.erp._tryton_invoices import INVOICES
from prefect_crm_erp.blocks.erp._tryton_rpc import Database, Row
from prefect_crm_erp.blocks.erp._tryton_writing import by_id
from prefect_crm_erp.models.documents import Payment, PaymentApplication, PaymentStatus
from prefect_crm_erp.models.keys import chunks
from prefect_crm_erp.models.money import ZERO

_IS_MONEY = ("journal.type", "in", list(MONEY_JOURNALS))
# A move that takes another one back has that one as its origin: it is no payment of its own.
PAYMENTS: tuple[Any, ...] = (
    ("state", "=", "posted"),
    _IS_MONEY,
    ("lines.account.type.receivable", "=", True),
    ["OR", ("origin", "=", None), ("origin", "not like", f"{MOVE},%")],
)
"""Clauses for the moves that are payments."""

_MONEY_LINES = (RECEIVABLE, ("move.state", "=", "posted"), ("move.journal.type", "in", list(MONEY_JOURNALS)))

_AMOUNTS = ("debit", "credit", "amount_second_currency", "second_currency.code")
_APPLIED = ("reconciliation", "invoice_payments")
_FIELDS = (
    "number",
    "state",
    "date",
    "description",
    "journal.name",
    "company.currency.code",
    "lines.account.type.receivable",
    "lines.party",
    *(f"lines.{name}" for name in (*_AMOUNTS, *_APPLIED, TIME)),
    TIME,
)
_TOGETHER_FIELDS = (*_AMOUNTS, *_APPLIED, "date", "maturity_date", "move.origin", "move.journal.type")
_INVOICE_FIELDS = ("currency.code", "total_amount", "additional_moves", "lines_to_pay.debit", "lines_to_pay.credit")
_IDS_PER_SEARCH = 500
_ROWS_PER_SEARCH = 2000


class Payments:
    """The payments of a connection's customers.

    Args:
        database: The connection.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, ids: Collection[int], company: int | None) -> list[Payment]:
        """Payments by the ids of their moves: one call for them, one for what settles them, one for the invoices."""
        moves = self._database.read(MOVE, ids, _FIELDS, company, only=PAYMENTS)
        lines = {move["id"]: [line for line in move["lines"] if _is_receivable(line)] for move in moves}
        settlements = _Settlements(self._database, [line for each in lines.values() for line in each])
        return [_payment(move, lines[move["id"]], settlements) for move in moves]

    # ------------------------------------------------------------------ changes

    def listing(self) -> list[Source]:
        """Where all payments are."""
        return [Source(MOVE, only=PAYMENTS)]

    def sources(self) -> list[Source]:
        """Where changes of payments show: at their moves and lines, and at the invoices that they pay."""
        times = (TIME, f"move.{TIME}")
        return [
            Source(MOVE_LINE, only=_MONEY_LINES, times=times, fields=("move.origin",), places=_places_of_lines),
            Source(INVOICE, only=INVOICES, fields=("party",), places=self._places_of_invoices),
        ]

    def _places_of_invoices(self, invoices: Sequence[Row]) -> Iterable[Place]:
        """The payments that changed invoices have, or may have had.

        A line that is noted at an invoice no more leaves no trace at itself: so payments of its customer that are not
        settled come, too.
        """
        by_invoice = {row["id"]: row[TIME] for row in invoices}
        by_party: dict[int, datetime] = {}
        for row in invoices:
            by_party[row["party"]] = max(by_party.get(row["party"], row[TIME]), row[TIME])
        for line in self._lines_about(list(by_invoice), list(by_party)):
            moments = [by_invoice[each] for each in line["invoice_payments"] if each in by_invoice]
            if not line["reconciliation"] and line["party"] in by_party:
                moments.append(by_party[line["party"]])
            yield max(moments), id_in(line["move"]["origin"], MOVE) or line["move"]["id"]

    def _lines_about(self, invoices: Sequence[int], parties: Sequence[int]) -> Iterator[Row]:
        money = list(_MONEY_LINES)
        fields = ["party", "reconciliation", "invoice_payments", "move.origin"]
        for chunk in chunks(invoices, _IDS_PER_SEARCH):
            yield from self._database.search(MOVE_LINE, [*money, ("invoice_payments", "in", chunk)], fields)
        for chunk in chunks(parties, _IDS_PER_SEARCH):
            unsettled = [("party", "in", chunk), ("reconciliation", "=", None)]
            yield from self._database.search(MOVE_LINE, [*money, *unsettled], fields)


def _places_of_lines(rows: Sequence[Row]) -> Iterable[Place]:
    return [(row[TIME], id_in(row["move"]["origin"], MOVE) or row["move"]["id"]) for row in rows]


class _Settlements:
    """What lines of payments are reconciled with, and the invoices that this concerns.

    Args:
        database: The connection.
        lines: The lines of the payments.
    """

    def __init__(self, database: Database, lines: Sequence[Row]) -> None:
        self._together: dict[int, list[Row]] = defaultdict(list)
        for chunk in chunks({line["reconciliation"] for line in lines} - {None}, _IDS_PER_SEARCH):
            domain = [("reconciliation", "in", chunk)]
            for row in database.search(MOVE_LINE, domain, _TOGETHER_FIELDS, rows_per_call=_ROWS_PER_SEARCH):
                self._together[row["reconciliation"]].append(row)
        rows = [row for together in self._together.values() for row in together]
        self.invoices = by_id(list(_invoices_of(database, [*lines, *rows])))
        self._elsewhere = {
            move: invoice["id"] for invoice in self.invoices.values() for move in invoice["additional_moves"]
        }

    def together(self, line: Row) -> list[Row]:
        """All lines of a line's reconciliation."""
        return self._together.get(line["reconciliation"], [])

    def invoice_of(self, row: Row) -> int | None:
        """The invoice that a line which is not a payment belongs to."""
        if row["move"]["journal"]["type"] in MONEY_JOURNALS:
            return None
        return id_in(row["move"]["origin"], INVOICE) or self._elsewhere.get(row["move"]["id"])


def _invoices_of(database: Database, lines: Sequence[Row]) -> Iterator[Row]:
    """Invoices that lines are payments of or belong to."""
    moves = [line["move"] for line in lines if "move" in line]
    billed = {each for move in moves if (each := id_in(move["origin"], INVOICE)) is not None}
    wanted = billed | {invoice for line in lines for invoice in line["invoice_payments"]}
    others = {move["id"] for move in moves if id_in(move["origin"], INVOICE) is None}
    for chunk in chunks(sorted(wanted | others), _IDS_PER_SEARCH):
        mine = [("id", "in", [each for each in chunk if each in wanted])]
        theirs = [("additional_moves", "in", [each for each in chunk if each in others])]
        yield from database.search(INVOICE, ["OR", mine, theirs], _INVOICE_FIELDS, rows_per_call=_ROWS_PER_SEARCH)


# ---------------------------------------------------------------------- one payment


def _is_receivable(line: Row) -> bool:
    kind = line["account"]["type"]
    return bool(kind and kind["receivable"])


def _payment(move: Row, lines: Sequence[Row], settlements: _Settlements) -> Payment:
    reversed_ = any(is_reversed(line, move["id"], settlements.together(line)) for line in lines)
    currency = move["company"]["currency"]["code"]
    applied = [] if reversed_ else [each for line in lines for each in _applied(line, settlements, currency)]
    return Payment(
        erp_id=str(move["id"]),
        number=move["number"],
        reference=move["description"] or None,
        status=PaymentStatus.CANCELLED if reversed_ else PaymentStatus.POSTED,
        method=move["journal"]["name"],
        company_id=str(move["company"]["id"]),
        customer_id=str(_payer(lines)),
        date=move["date"],
        company_currency=currency,
        company_amount=-balance(lines),
        applications=tuple(applied),
        modified_at=last_change([move], lines),
        **_in_transaction_currency(lines, currency),
    )


def _applied(line: Row, settlements: _Settlements, company_currency: str) -> Iterator[PaymentApplication]:
    parts = shares(line, settlements.together(line), settlements.invoice_of)
    return applications(line, parts, settlements.invoices, company_currency)


def _payer(lines: Sequence[Row]) -> int:
    """The customer of a payment: of the largest amount, where one move pays for several."""
    amounts: dict[int, Decimal] = defaultdict(Decimal)
    for line in lines:
        amounts[line["party"]] += abs(company_amount(line))
    return max(amounts, key=lambda party: amounts[party])


def _in_transaction_currency(lines: Sequence[Row], company_currency: str) -> dict[str, Any]:
    """Currency and amount: the company's own where the lines do not share another one."""
    codes = {line["second_currency"]["code"] if line["second_currency"] else company_currency for line in lines}
    if len(codes) > 1 or company_currency in codes:
        return {"currency": company_currency, "amount": -balance(lines)}
    return {"currency": codes.pop(), "amount": -sum((line["amount_second_currency"] for line in lines), ZERO)}
