"""The sample invoices as they stand in an ERP's books: documents, moves and their lines, as rows of the stand-in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import chain, islice
from typing import Any, Final

from benchmarks.invoices_data import COMPANIES, LINES, PRODUCTS, SampleCustomer, SampleInvoice, SampleLine
from benchmarks.light_erp.store import Store, kept

Row = dict[str, Any]
_FIRST_CUSTOMER: Final = 101
_RECEIVABLE, _REVENUE, _TAX, _CASH = 1, 2, 3, 4
_SALES_JOURNAL, _MONEY_JOURNAL = 1, 2
_MOVE_LINES: Final = LINES + 4
_TERMS: Final = {"Net 30": 1, "Net 15": 2, "Net 60": 3}
_ZERO: Final = Decimal(0)
_BETWEEN: Final = timedelta(seconds=30)
_AT_ONCE: Final = 1000


def customer_id(number: int) -> int:
    """Id of a customer in the ERP."""
    return _FIRST_CUSTOMER + number


def invoice_id(invoice: SampleInvoice) -> int:
    """Id of an invoice in the ERP."""
    return invoice.number + 1


def line_id(invoice: SampleInvoice, place: int) -> int:
    """Id of a line of an invoice, whose place counts from 0."""
    return invoice.number * LINES + place + 1


def payment_id(invoice: SampleInvoice) -> int:
    """Id of the move of an invoice's payment."""
    return 2 * invoice.number + 2


def paying_line_id(invoice: SampleInvoice) -> int:
    """Id of the line of the payment that pays the invoice."""
    return _line_of_move(invoice, LINES + 3)


def fill(
    store: Store, customers: Sequence[SampleCustomer], invoices: Iterable[SampleInvoice], first_change: datetime
) -> None:
    """Write all of it into an empty stand-in.

    Args:
        store: The stand-in's database.
        customers: The customers.
        invoices: The invoices.
        first_change: Time of the first invoice's last change; each further one changed half a minute later.
    """
    for model, rows in _references(customers, first_change).items():
        store.save(model, rows)
    source = iter(invoices)
    while some := list(islice(source, _AT_ONCE)):
        for model, rows in documents(some, first_change).items():
            store.save(model, rows)


def documents(invoices: Sequence[SampleInvoice], first_change: datetime | None = None) -> dict[str, list[Row]]:
    """Rows of the invoices with their moves and payments, by model; without time where the stand-in gives it."""
    rows: dict[str, list[Row]] = {
        "account.invoice": [_invoice(each) for each in invoices],
        "account.invoice.line": list(chain.from_iterable(map(_lines, invoices))),
        "account.move": list(chain.from_iterable(map(_moves, invoices))),
        "account.move.line": list(chain.from_iterable(map(_move_lines, invoices))),
    }
    for each in chain.from_iterable(rows.values()):
        number = each.pop("of")
        if first_change is not None:
            each["last_modified_at"] = first_change + number * _BETWEEN
    return rows


def on_the_wire(rows: dict[str, list[Row]]) -> dict[str, list[Row]]:
    """Rows in the form in which the side door takes them."""
    return {model: [{name: kept(value) for name, value in row.items()} for row in some] for model, some in rows.items()}


# ---------------------------------------------------------------------- what documents refer to


def _references(customers: Sequence[SampleCustomer], changed: datetime) -> dict[str, list[Row]]:
    numbered = list(enumerate(COMPANIES, 1))
    own = [{"id": place, "code": code, "name": name} for place, (code, name, *_) in numbered]
    parties = [{"id": customer_id(each.number), "code": each.code, "name": each.name} for each in customers]
    return {
        "currency.currency": [
            {"id": place, "code": currency, "rate": Decimal(1), "active": True} for place, (*_, currency, _) in numbered
        ],
        "party.party": [*own, *parties],
        "company.company": [{"id": place, "party": place, "currency": place} for place, _ in numbered],
        "product.uom": [{"id": 1, "name": "Unit"}],
        "product.product": [
            {"id": place, "code": each.sku, "name": each.name} for place, each in enumerate(PRODUCTS, 1)
        ],
        "account.invoice.payment_term": [{"id": place, "name": name} for name, place in _TERMS.items()],
        "account.journal": [
            {"id": _SALES_JOURNAL, "name": "Revenue", "type": "revenue"},
            {"id": _MONEY_JOURNAL, "name": "Bank", "type": "cash"},
        ],
        "account.account.type": [
            {"id": 1, "name": "Receivable", "receivable": True},
            {"id": 2, "name": "Other", "receivable": False},
        ],
        "account.account": [
            {"id": _RECEIVABLE, "name": "Receivable", "type": 1},
            *({"id": each, "name": "Other", "type": 2} for each in (_REVENUE, _TAX, _CASH)),
        ],
        "account.fiscalyear": [
            {
                "id": 10 * place + back,
                "company": place,
                "start_date": date(changed.year - back + 1, 1, 1),
                "end_date": date(changed.year - back + 1, 12, 31),
            }
            for place, _ in numbered
            for back in range(4)
        ],
    }


# ---------------------------------------------------------------------- documents


def _line_of_move(invoice: SampleInvoice, place: int) -> int:
    return invoice.number * _MOVE_LINES + place + 1


def _move_id(invoice: SampleInvoice) -> int:
    return 2 * invoice.number + 1


def _invoice(invoice: SampleInvoice) -> Row:
    is_paid = not invoice.balance
    return {
        "of": invoice.number,
        "id": invoice_id(invoice),
        "number": invoice.name,
        "reference": invoice.reference,
        "type": "out",
        "state": "paid" if is_paid else "posted",
        "company": invoice.company + 1,
        "party": customer_id(invoice.customer),
        "currency": invoice.company + 1,
        "invoice_date": invoice.date,
        "payment_term": _TERMS[invoice.terms],
        "untaxed_amount": invoice.untaxed,
        "tax_amount": invoice.tax,
        "total_amount": invoice.total,
        "amount_to_pay": invoice.balance,
        "reconciled": invoice.paid_on if is_paid else None,
        "move": _move_id(invoice),
        "lines_to_pay": [_line_of_move(invoice, 0)],
        "payment_lines": [paying_line_id(invoice)] if invoice.paid else [],
    }


def _lines(invoice: SampleInvoice) -> list[Row]:
    return [_line(invoice, place, line) for place, line in enumerate(invoice.lines)]


def _line(invoice: SampleInvoice, place: int, line: SampleLine) -> Row:
    return {
        "of": invoice.number,
        "id": line_id(invoice, place),
        "invoice": invoice_id(invoice),
        "type": "line",
        "product": line.product + 1,
        "description": None,
        "quantity": float(line.quantity),
        "unit": 1,
        "unit_price": line.unit_price,
        "amount": line.amount,
    }


def _moves(invoice: SampleInvoice) -> Iterator[Row]:
    common = {"of": invoice.number, "state": "posted", "company": invoice.company + 1}
    yield common | {
        "id": _move_id(invoice),
        "number": f"M{_move_id(invoice):07}",
        "date": invoice.date,
        "journal": _SALES_JOURNAL,
        "origin": f"account.invoice,{invoice_id(invoice)}",
    }
    if invoice.paid:
        yield common | {
            "id": payment_id(invoice),
            "number": f"M{payment_id(invoice):07}",
            "date": invoice.paid_on,
            "description": f"Statement {invoice.name}",
            "journal": _MONEY_JOURNAL,
        }


def _move_lines(invoice: SampleInvoice) -> Iterator[Row]:
    billed, party = _move_id(invoice), customer_id(invoice.customer)
    settled = None if invoice.balance else invoice_id(invoice)
    yield _booked(
        invoice, 0, billed, _RECEIVABLE, invoice.total, party=party, maturity_date=invoice.due, reconciliation=settled
    )
    for place, line in enumerate(invoice.lines):
        origin = f"account.invoice.line,{line_id(invoice, place)}"
        yield _booked(invoice, 1 + place, billed, _REVENUE, -line.amount, origin=origin)
    if invoice.tax:
        yield _booked(invoice, LINES + 1, billed, _TAX, -invoice.tax)
    if invoice.paid:
        payment = payment_id(invoice)
        yield _booked(invoice, LINES + 2, payment, _CASH, invoice.paid)
        yield _booked(invoice, LINES + 3, payment, _RECEIVABLE, -invoice.paid, party=party, reconciliation=settled)


def _booked(invoice: SampleInvoice, place: int, move: int, account: int, amount: Decimal, **further: Any) -> Row:
    return {
        "of": invoice.number,
        "id": _line_of_move(invoice, place),
        "move": move,
        "company": invoice.company + 1,
        "account": account,
        "date": invoice.date if move % 2 else invoice.paid_on,
        "debit": max(amount, _ZERO),
        "credit": max(-amount, _ZERO),
        **further,
    }
