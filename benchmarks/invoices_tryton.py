"""The sample invoices in the real Tryton, which has posted them itself, and what it tells of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from benchmarks.invoices_data import SampleInvoice, customer_code, sample_customers
from benchmarks.invoices_erp import InvoiceErp, Keys
from benchmarks.invoices_posting import CUSTOMER, INVOICE, Clerk
from benchmarks.invoices_template import prepared
from benchmarks.surroundings import TRYTON
from benchmarks.tryton_client import Row, TrytonReader
from prefect_crm_erp.sandbox.tryton import TrytonAccess, TrytonSandbox

_OF_INVOICE: Final = (
    *("number", "description", "reference", "state", "lines", "payment_lines", "reconciled"),
    *("untaxed_amount", "tax_amount", "total_amount", "amount_to_pay", "currency.code", "party.code"),
)
_EXAMPLES: Final = 5


class TrytonBooks:
    """The books of a running Tryton, read by a client that is not the connector.

    Args:
        access: How to reach it.
        count: How many invoices it has.
    """

    def __init__(self, access: TrytonAccess, count: int) -> None:
        self.access = access
        self._reader = TrytonReader(access)
        codes = {each.code: each.number for each in sample_customers(count)}
        found = self._reader.rows(CUSTOMER, [("code", "in", list(codes))], ["code"])
        self._customers = {codes[row["code"]]: int(row["id"]) for row in found}
        self._read()

    def customer_id(self, number: int) -> int:
        """Id of a customer."""
        return self._customers[number]

    def keys(self, invoice: SampleInvoice) -> Keys:
        """What Tryton calls an invoice."""
        row = self._invoices[invoice.name]
        line = row["payment_lines"][0] if row["payment_lines"] else None
        return Keys(row["id"], row["number"], tuple(sorted(row["lines"])), self._moves.get(line), line)

    def change(self, invoices: Sequence[SampleInvoice]) -> None:
        """Let the clerk enter payments and references."""
        with Clerk(self.access) as clerk:
            for invoice in invoices:
                row = self._invoices[invoice.name]
                if row["amount_to_pay"] != invoice.balance:
                    clerk.pay(row["id"], invoice)
                else:
                    clerk.write(INVOICE, invoice.company, [row["id"]], {"reference": invoice.reference})
        self._read()

    def check(self, invoices: Iterable[SampleInvoice]) -> None:
        """See by Tryton's own data that it has these invoices, and no others.

        Raises:
            RuntimeError: It does not.
        """
        self._read()
        expected = {each.name: _values(each) for each in invoices}
        has = {name: _told(row) for name, row in self._invoices.items()}
        if wrong := [name for name in expected.keys() | has.keys() if expected.get(name) != has.get(name)]:
            examples = "; ".join(f"{has.get(name)} instead of {expected.get(name)}" for name in wrong[:_EXAMPLES])
            raise RuntimeError(f"Tryton does not have the sample: {len(wrong)} invoices differ: {examples}")

    def _read(self) -> None:
        rows = self._reader.rows(INVOICE, [("type", "=", "out"), ("state", "in", ["posted", "paid"])], _OF_INVOICE)
        self._invoices = {row["description"]: row for row in rows}
        lines = [line for row in rows for line in row["payment_lines"]]
        paying = self._reader.rows("account.move.line", [("id", "in", lines)], ["move"])
        self._moves: dict[int | None, int] = {row["id"]: row["move"] for row in paying}


def _values(invoice: SampleInvoice) -> tuple[object, ...]:
    amounts = (invoice.untaxed, invoice.tax, invoice.total, invoice.balance)
    return (
        *amounts,
        invoice.currency,
        invoice.reference,
        customer_code(invoice.customer),
        not invoice.balance,
        len(invoice.lines),
    )


def _told(row: Row) -> tuple[object, ...]:
    amounts = (row["untaxed_amount"], row["tax_amount"], row["total_amount"], row["amount_to_pay"])
    named = (row["currency."]["code"], row["reference"], row["party."]["code"])
    return (*amounts, *named, row["state"] == "paid", len(row["lines"]))


@contextmanager
def _running(folder: Path, count: int, today: date) -> Iterator[TrytonBooks]:
    with TrytonSandbox(folder / "tryton", empty=True, begin_with=prepared(count, today)) as sandbox:
        yield TrytonBooks(sandbox.access, count)


def tryton() -> InvoiceErp:
    """Tryton, with a sample for the first day of the year, so that what was prepared lasts until its end."""
    return InvoiceErp("tryton", TRYTON, date(datetime.now(UTC).year, 1, 1), _running)
