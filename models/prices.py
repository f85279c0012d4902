"""List prices: what a product costs in a price book of the CRM, and in which currency."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class ListPrice:
    """A product's price in the standard price book, in one currency.

    Attributes:
        entry_id: 18-character id of the price.
        price: In the currency's major unit.
        is_active: Whether deals may take it.
    """

    entry_id: str
    price: Decimal
    is_active: bool = True


@dataclass(frozen=True, slots=True)
class PricedProduct:
    """A product of the CRM with its list prices.

    Attributes:
        crm_id: 18-character id.
        sku: Its SKU.
        name: What people call it.
        prices: By ISO 4217 code; currencies without a price are left out.
    """

    crm_id: str
    sku: str
    name: str
    prices: Mapping[str, ListPrice]


@dataclass(frozen=True, slots=True)
class PriceChange:
    """A list price as it is to stand in the CRM.

    Attributes:
        product_id: 18-character id of the product.
        currency: ISO 4217 code.
        price: In the currency's major unit.
        entry_id: 18-character id of the price that is changed; None for one that is added.
    """

    product_id: str
    currency: str
    price: Decimal
    entry_id: str | None = None
