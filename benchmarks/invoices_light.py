"""The sample invoices in the light stand-in, which takes any number of them at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

from benchmarks import invoices_books as rows
from benchmarks.invoices_data import SampleInvoice, sample_customers, sample_invoices
from benchmarks.invoices_erp import InvoiceErp, Keys
from benchmarks.light_erp.process import PROGRAM, change_records, light_erp
from benchmarks.light_erp.store import Store
from prefect_crm_erp.sandbox.tryton import TrytonAccess

_FIRST_CHANGE: Final = timedelta(days=40)


class LightBooks:
    """The books of a running stand-in.

    Args:
        access: How to reach it.
    """

    def __init__(self, access: TrytonAccess) -> None:
        self.access = access

    def customer_id(self, number: int) -> int:
        """Id of a customer."""
        return rows.customer_id(number)

    def keys(self, invoice: SampleInvoice) -> Keys:
        """What the stand-in calls an invoice."""
        lines = tuple(rows.line_id(invoice, place) for place in range(len(invoice.lines)))
        payment = (rows.payment_id(invoice), rows.paying_line_id(invoice)) if invoice.paid else (None, None)
        return Keys(rows.invoice_id(invoice), invoice.name, lines, *payment)

    def change(self, invoices: Sequence[SampleInvoice]) -> None:
        """Save the rows of the invoices anew."""
        change_records(self.access.url, rows.on_the_wire(rows.documents(invoices)))

    def check(self, invoices: Iterable[SampleInvoice]) -> None:
        """Nothing to see: its rows are made of the same invoices, and it works nothing out by itself."""


@contextmanager
def _running(folder: Path, count: int, today: date) -> Iterator[LightBooks]:
    file = folder / "erp.sqlite"
    store = Store(file)
    rows.fill(store, sample_customers(count), sample_invoices(count, today), datetime.now(UTC) - _FIRST_CHANGE)
    store.close()
    with light_erp(file) as access:
        yield LightBooks(access)


def light() -> InvoiceErp:
    """The stand-in, with a sample for today."""
    return InvoiceErp("light", PROGRAM, datetime.now(UTC).date(), _running)
