"""What the benchmark of invoices needs of an ERP that has the sample invoices, whichever ERP it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol

from benchmarks.invoices_data import SampleInvoice
from prefect_crm_erp.sandbox.tryton import TrytonAccess


@dataclass(frozen=True, slots=True)
class Keys:
    """What an ERP calls an invoice and what belongs to it.

    Attributes:
        invoice: Id of the invoice.
        number: The number that people know it by.
        lines: Ids of its lines, in their order.
        payment: Id of the move of its payment; None while there is none.
        paying_line: Id of the line of that move which pays the invoice.
    """

    invoice: int
    number: str
    lines: tuple[int, ...]
    payment: int | None
    paying_line: int | None


class InvoiceBooks(Protocol):
    """The books of a running ERP."""

    @property
    def access(self) -> TrytonAccess:
        """How to reach it."""

    def customer_id(self, number: int) -> int:
        """Id of a customer."""

    def keys(self, invoice: SampleInvoice) -> Keys:
        """What the ERP calls an invoice."""

    def change(self, invoices: Sequence[SampleInvoice]) -> None:
        """Let invoices become what they are after a change."""

    def check(self, invoices: Iterable[SampleInvoice]) -> None:
        """See by the ERP's own data that it has these invoices.

        Raises:
            RuntimeError: It does not.
        """


@dataclass(frozen=True, slots=True)
class InvoiceErp:
    """An ERP that the benchmark can run against.

    Attributes:
        name: What it is called.
        program: The program that it runs in, as its command line shows it.
        today: The day that its sample is made for.
        running: Starts it in a folder with the sample of so many invoices for that day, and stops it.
    """

    name: str
    program: str
    today: date
    running: Callable[[Path, int, date], AbstractContextManager[InvoiceBooks]]
