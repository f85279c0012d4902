"""What Tryton itself says of Northwind's orders: each there once, in the right company, exact to the cent."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from benchmarks.common import Dates
from benchmarks.northwind_data import CURRENCY, Order
from benchmarks.tryton_client import Row, TrytonReader
from prefect_crm_erp.sandbox.tryton import TrytonAccess

_STANDING: Final = ("confirmed", "processing", "done")
_SALE_FIELDS: Final = (
    "number",
    "reference",
    "state",
    "company",
    "currency.code",
    "sale_date",
    "untaxed_amount",
    "tax_amount",
    "lines.type",
    "lines.quantity",
    "lines.product.code",
)
_WRITTEN_MODELS: Final = (
    "sale.sale",
    "sale.line",
    "party.party",
    "party.address",
    "party.identifier",
    "product.template",
    "product.product",
)


@dataclass(slots=True)
class Proof:
    """How the books differ from what was sold.

    Attributes:
        orders: Orders that stand in the books, confirmed or beyond.
        not_written: Orders that do not.
        doubled: Surplus sales: a second one for the same order, or one for no order at all.
        wrong_totals: Orders whose total without tax, or currency, is not the CSV's.
        wrong_company: Orders that another company booked than their customer's country says.
        wrong_lines: Orders with other products, quantities or another date.
        untaxed: Sum of all totals without tax.
        tax: Sum of all taxes.
        examples: Some of the differences, in words.
    """

    orders: int = 0
    not_written: int = 0
    doubled: int = 0
    wrong_totals: int = 0
    wrong_company: int = 0
    wrong_lines: int = 0
    untaxed: Decimal = Decimal(0)
    tax: Decimal = Decimal(0)
    examples: list[str] = field(default_factory=list)


class Books:
    """Tryton's records, read by the integration's user with a client that is not the connector.

    Args:
        access: How to reach Tryton.
    """

    def __init__(self, access: TrytonAccess) -> None:
        self._access = access
        self._reader = TrytonReader(access)

    def prove(self, expected: Mapping[str, Order]) -> Proof:
        """Compare all sales with the orders.

        Args:
            expected: The orders by the reference that their sales must carry.
        """
        sales = self._reader.rows("sale.sale", [("state", "!=", "cancelled")], _SALE_FIELDS)
        return compare(sales, expected, {company.id: company.code for company in self._access.companies})

    def dates(self) -> Dates:
        """When each record was created and last changed, by model and id."""
        return self._reader.dates(_WRITTEN_MODELS)


def compare(sales: Sequence[Row], expected: Mapping[str, Order], companies: Mapping[int, str]) -> Proof:
    """Compare sales with the orders that they must be.

    Args:
        sales: Rows of Tryton's sales, without the cancelled ones.
        expected: The orders by the reference that their sales must carry.
        companies: Codes of the companies by id.
    """
    by_reference: dict[str | None, list[Row]] = defaultdict(list)
    for sale in sales:
        by_reference[sale["reference"]].append(sale)
    proof = Proof()
    for reference, order in expected.items():
        _compare_order(order, by_reference.pop(reference, []), companies, proof)
    strays = [str(sale["number"]) for rows in by_reference.values() for sale in rows]
    proof.doubled += len(strays)
    proof.examples += [f"{number}: a sale that belongs to no order" for number in strays]
    return proof


def _compare_order(order: Order, sales: Sequence[Row], companies: Mapping[int, str], proof: Proof) -> None:
    proof.doubled += max(0, len(sales) - 1)
    standing = [sale for sale in sales if sale["state"] in _STANDING]
    if not standing:
        proof.not_written += 1
        proof.examples.append(f"{order.id}: not written ({[sale['state'] for sale in sales] or 'no sale'})")
        return
    sale = standing[0]
    proof.orders += 1
    proof.untaxed += sale["untaxed_amount"]
    proof.tax += sale["tax_amount"]
    total, company = (sale["untaxed_amount"], sale["currency."]["code"]), companies[sale["company"]]
    if total != (order.total, CURRENCY):
        proof.wrong_totals += 1
        proof.examples.append(f"{order.id}: {total[0]} {total[1]} instead of {order.total} {CURRENCY}")
    if company != order.customer.company:
        proof.wrong_company += 1
        proof.examples.append(f"{order.id}: booked by {company} instead of {order.customer.company}")
    if (sale["sale_date"], _sold(sale)) != (order.date, _ordered(order)):
        proof.wrong_lines += 1
        proof.examples.append(f"{order.id}: {dict(_sold(sale))} on {sale['sale_date']}")


def _sold(sale: Row) -> Counter[str]:
    """Pieces by product; an order line may have become two lines with prices of their own."""
    pieces: Counter[str] = Counter()
    for line in sale["lines."]:
        if line["type"] == "line":
            pieces[line["product."]["code"]] += line["quantity"]
    return pieces


def _ordered(order: Order) -> Counter[str]:
    pieces: Counter[str] = Counter()
    for line in order.lines:
        pieces[line.product.sku] += line.quantity
    return pieces
