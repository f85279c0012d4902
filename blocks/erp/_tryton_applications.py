"""Where a customer's money went: which line of a payment pays how much of which invoice.

Tryton says it in two ways. Before an invoice is settled, the lines that pay a part of it are noted at the invoice. Once
it is settled, its lines are reconciled with those that pay it: any number of invoices, payments, credit memos and
write-offs in one reconciliation, whose sum is zero.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from prefect_crm_erp.blocks.erp._tryton_documents import MONEY_JOURNALS, MOVE, id_in
from prefect_crm_erp.blocks.erp._tryton_rpc import Row
from prefect_crm_erp.models.documents import PaymentApplication
from prefect_crm_erp.models.money import ZERO, round_money, split_amount


@dataclass(frozen=True, slots=True)
class Share:
    """What one line of a payment pays of one invoice.

    Attributes:
        line: Id of the line.
        invoice: Id of the invoice or credit memo.
        part: How much of the line it is: so much of `whole`, in whatever unit.
        whole: The whole line in that unit.
    """

    line: int
    invoice: int
    part: Decimal = Decimal(1)
    whole: Decimal = Decimal(1)


def shares(line: Row, together: Sequence[Row], invoice_of: Callable[[Row], int | None]) -> list[Share]:
    """What a line of a payment pays.

    Args:
        line: The line of the payment.
        together: All lines that it is reconciled with, and itself; empty while it is not.
        invoice_of: The invoice that a line of a move belongs to, or None.
    """
    if not line["reconciliation"]:
        return [Share(line["id"], invoice) for invoice in line["invoice_payments"][:1]]
    return [each for each in _settled(together, invoice_of) if each.line == line["id"]]


def is_reversed(line: Row, move: int, together: Iterable[Row]) -> bool:
    """Whether a line of a payment is reconciled with the move that takes the payment back."""
    return bool(line["reconciliation"]) and any(id_in(each["move"]["origin"], MOVE) == move for each in together)


def _settled(together: Sequence[Row], invoice_of: Callable[[Row], int | None]) -> Iterator[Share]:
    """What each payment in a reconciliation pays: first the invoice that it is noted at, then the oldest that is open.

    A payment pays what is owed, and a refund what is owed to the customer.
    """
    owed: dict[int, Decimal] = defaultdict(Decimal)
    payments: list[Row] = []
    measure = _measure(together)
    for row in sorted(together, key=lambda each: (each["maturity_date"] or each["date"], each["id"])):
        invoice = invoice_of(row)
        if invoice is not None:
            owed[invoice] += measure(row)
        elif row["move"]["journal"]["type"] in MONEY_JOURNALS and id_in(row["move"]["origin"], MOVE) is None:
            payments.append(row)
    left = {row["id"]: -measure(row) for row in payments}
    for noted in (True, False):
        for row in payments:
            for invoice in row["invoice_payments"] if noted else list(owed):
                paid = _least(left[row["id"]], owed.get(invoice, ZERO))
                if paid:
                    left[row["id"]] -= paid
                    owed[invoice] -= paid
                    yield Share(row["id"], invoice, abs(paid), abs(measure(row)))


def _least(paid: Decimal, owed: Decimal) -> Decimal:
    """The smaller of two amounts, when both have one sign; else zero."""
    return min(paid, owed, key=abs) if paid * owed > 0 else ZERO


def _measure(together: Sequence[Row]) -> Callable[[Row], Decimal]:
    """How lines are compared: in their transaction currency when they share one, else in the company's.

    What was booked for a change of rates meanwhile is in the company's currency alone, and pays nothing.
    """
    currencies = {row["second_currency"]["code"] for row in together if row["amount_second_currency"]}
    plain = [row for row in together if not row["amount_second_currency"] and not _is_of_rates(row)]
    if len(currencies) == 1 and not plain:
        return lambda row: row["amount_second_currency"] or ZERO
    return company_amount


def _is_of_rates(row: Row) -> bool:
    journal = row["move"]["journal"]["type"]
    return journal not in MONEY_JOURNALS and row["move"]["origin"] is None


def company_amount(row: Row) -> Decimal:
    """A line's amount in the company's currency, positive for what a customer owes."""
    amount: Decimal = row["debit"] - row["credit"]
    return amount


# ---------------------------------------------------------------------- amounts


def applications(
    line: Row, parts: Sequence[Share], invoices: dict[int, Row], company_currency: str
) -> Iterator[PaymentApplication]:
    """The applications of a line of a payment.

    Args:
        line: The line.
        parts: What it pays.
        invoices: The invoices by id, with currency, total and the lines that they are booked with.
        company_currency: ISO 4217 code of the company's currency.
    """
    in_company = _split(-company_amount(line), parts, company_currency)
    for position, share in enumerate(parts):
        currency = invoices[share.invoice]["currency"]
        if line["amount_second_currency"] and line["second_currency"]["code"] == currency["code"]:
            amount = _split(-line["amount_second_currency"], parts, currency["code"])[position]
        else:
            amount = _at_rate_of(invoices[share.invoice], in_company[position])
        yield PaymentApplication(
            erp_id=f"{share.line}-{share.invoice}",
            invoice_id=str(share.invoice),
            amount=amount,
            currency=currency["code"],
            company_amount=in_company[position],
        )


def _split(amount: Decimal, parts: Sequence[Share], currency: str) -> list[Decimal]:
    """An amount by the parts of it; what they leave over goes to no invoice."""
    if not parts:
        return []
    rest = parts[0].whole - sum((share.part for share in parts), ZERO)
    split = split_amount(abs(amount), [*(share.part for share in parts), rest], currency)
    return [each.copy_sign(amount) for each in split[: len(parts)]]


def _at_rate_of(invoice: Row, company_amount: Decimal) -> Decimal:
    """An amount in the company's currency in that of an invoice, at the rate that the invoice was booked at."""
    booked = sum((line["debit"] - line["credit"] for line in invoice["lines_to_pay"]), ZERO)
    if booked in (invoice["total_amount"], ZERO):
        return company_amount
    return round_money(company_amount * invoice["total_amount"] / booked, invoice["currency"]["code"])
