"""Customers, invoices and payments of a wholesaler's three companies: made up, and the same for one day every time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Final

CENT: Final = Decimal("0.01")
COMPANIES: Final = (
    ("US", "Northlight US Inc", "USD", Decimal(0)),
    ("UK", "Northlight UK Ltd", "GBP", Decimal("0.20")),
    ("DE", "Northlight DE GmbH", "EUR", Decimal("0.19")),
)
"""Code, name, currency and rate of tax."""
LINES: Final = 3
"""Lines of each invoice."""
_INVOICES_OF_ONE: Final = 20
_DAYS: Final = 360
_TERMS: Final = (("Net 30", 30), ("Net 15", 15), ("Net 60", 60))
_GOODS: Final = "Bracket Cable Clamp Coupling Filter Gasket Hinge Pump Sensor Switch Valve Winch".split()  # noqa: SIM905
_SIZES: Final = ("S", "M", "L")


@dataclass(frozen=True, slots=True)
class SampleProduct:
    """A product: its SKU and its name."""

    sku: str
    name: str


PRODUCTS: Final = tuple(
    SampleProduct(f"NL-{number:03}", f"{good} {size}")
    for number, (good, size) in enumerate(((good, size) for good in _GOODS for size in _SIZES), 100)
)


@dataclass(frozen=True, slots=True)
class SampleCustomer:
    """A customer; `company` is the place of the company that it buys from."""

    number: int
    name: str
    company: int

    @property
    def code(self) -> str:
        """What the ERP calls it."""
        return customer_code(self.number)

    @property
    def currency(self) -> str:
        """ISO code of the currency that it buys in."""
        return COMPANIES[self.company][2]


@dataclass(frozen=True, slots=True)
class SampleLine:
    """A line; `product` is the place of its product."""

    product: int
    quantity: int
    unit_price: Decimal

    @property
    def amount(self) -> Decimal:
        """Without tax."""
        return self.quantity * self.unit_price


@dataclass(frozen=True, slots=True)
class SampleInvoice:
    """An invoice, or a credit memo, whose quantities are negative.

    Attributes:
        number: Its place among all documents, from 0.
        customer: Number of the customer.
        company: Place of the company.
        paid: What was paid by its one payment; zero when there is none.
        paid_on: Day of the payment.
        reference: What the customer calls it.
    """

    number: int
    customer: int
    company: int
    date: date
    terms: str
    due: date
    lines: tuple[SampleLine, ...]
    paid: Decimal
    paid_on: date | None
    reference: str | None

    @property
    def name(self) -> str:
        """The number that people know it by."""
        return f"{COMPANIES[self.company][0]}-I{self.date.year}-{self.number + 1:06}"

    @property
    def currency(self) -> str:
        """ISO code of its currency, which is that of its company."""
        return COMPANIES[self.company][2]

    @property
    def untaxed(self) -> Decimal:
        """Sum of the lines."""
        return sum((line.amount for line in self.lines), Decimal(0))

    @property
    def tax(self) -> Decimal:
        """The tax on all lines."""
        return (self.untaxed * COMPANIES[self.company][3]).quantize(CENT)

    @property
    def total(self) -> Decimal:
        """With tax."""
        return self.untaxed + self.tax

    @property
    def balance(self) -> Decimal:
        """Not yet paid."""
        return self.total - self.paid

    @property
    def is_memo(self) -> bool:
        """Whether it is a credit memo."""
        return self.total < 0

    @property
    def status(self) -> str:
        """Where it stands, in the words that the CRM shows."""
        if not self.balance:
            return "Paid"
        return "Partly Paid" if self.paid else "Open"


def customer_code(number: int) -> str:
    """What the ERP calls a customer."""
    return f"C-{number + 1:05}"


def sample_customers(invoices: int) -> list[SampleCustomer]:
    """The customers of so many invoices: one for each twenty."""
    count = -(-invoices // _INVOICES_OF_ONE)
    return [SampleCustomer(number, f"Customer {number + 1:05}", number % len(COMPANIES)) for number in range(count)]


def sample_invoices(count: int, today: date) -> Iterator[SampleInvoice]:
    """Make invoices of the year before a day.

    Half of them are paid, one in ten in part; one in forty is a credit memo.
    """
    customers = sample_customers(count)
    return (_invoice(number, customers, today) for number in range(count))


def _invoice(number: int, customers: Sequence[SampleCustomer], today: date) -> SampleInvoice:
    random = Random(number)
    customer = customers[number % len(customers)]
    day = today - timedelta(days=random.randint(1, _DAYS))
    terms, days = random.choice(_TERMS)
    sign = -1 if number % 40 == 39 else 1
    invoice = SampleInvoice(
        number=number,
        customer=customer.number,
        company=customer.company,
        date=day,
        terms=terms,
        due=day + timedelta(days=days),
        lines=tuple(_line(random, sign) for _ in range(LINES)),
        paid=Decimal(0),
        paid_on=None,
        reference=f"PO {random.randint(10_000, 99_999)}" if random.random() < 0.3 else None,
    )
    if number % 10 > 5:
        return invoice
    part = invoice.total if number % 10 < 5 else (invoice.total / 3).quantize(CENT)
    return replace(invoice, paid=part, paid_on=min(today, day + timedelta(days=random.randint(0, 45))))


def _line(random: Random, sign: int) -> SampleLine:
    price = Decimal(random.randint(100, 99_999)) / 100
    return SampleLine(random.randrange(len(PRODUCTS)), sign * random.randint(1, 20), price)


def change_some(count: int, today: date) -> Iterator[SampleInvoice]:
    """One invoice in a hundred as it is after a change: paid, or with another reference where something was paid."""
    chosen = {min(count - 1, 100 * place + place % 10) for place in range(-(-count // 100))}
    for invoice in sample_invoices(count, today):
        if invoice.number in chosen:
            is_open = not invoice.paid and not invoice.is_memo
            news = {"paid": invoice.total, "paid_on": today} if is_open else {"reference": f"New {invoice.number}"}
            yield replace(invoice, **news)
