"""The largest discount of a sale."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any

from trytond.model import fields
from trytond.pool import PoolMeta

_HUNDRED = Decimal(100)


class Sale(metaclass=PoolMeta):
    """A sale that tells its largest discount."""

    __name__ = "sale.sale"
    lines: Any
    currency: Any

    largest_discount = fields.Function(
        fields.Numeric(
            "Largest Discount",
            help="The largest discount of a product, in percent of its base price; rounding is no discount.",
        ),
        "get_largest_discount",
    )

    def get_largest_discount(self, name: str) -> Decimal:
        """The largest discount among the products, in percent; 0 when there is none.

        Lines of the same product and base price count together: what was sold for one amount may stand on two lines, so
        that their unit prices come to it. Half of the currency's smallest unit is no discount: an amount that was
        rounded to it may be that much less.
        """
        full: dict[Any, Decimal] = defaultdict(Decimal)
        paid: dict[Any, Decimal] = defaultdict(Decimal)
        for line in self.lines:
            if line.type == "line" and line.base_price and line.quantity and line.quantity > 0:
                product = line.product, line.base_price
                full[product] += Decimal(repr(line.quantity)) * line.base_price
                paid[product] += line.amount
        rounding = self.currency.rounding / 2
        given = {product: full[product] - paid[product] - rounding for product in full}
        return max((given[product] / full[product] * _HUNDRED for product in full), default=Decimal(0)).max(Decimal(0))
