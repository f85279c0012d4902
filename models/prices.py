"""List prices: what a product costs in a price book of the CRM, and in which currency."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

PriceKey = tuple[str | None, str]
"""Where a price stands: 18-character id of the price book (None for the standard one) and ISO 4217 code."""


@dataclass(frozen=True, slots=True)
class PriceBook:
    """A price book of the CRM besides the standard one.

    Attributes:
        crm_id: 18-character id.
        name: What people call it; several may have one name.
        is_active: Whether deals may take prices of it.
        is_archived: Whether it was put away for good.
    """

    crm_id: str
    name: str
    is_active: bool = True
    is_archived: bool = False


@dataclass(frozen=True, slots=True)
class ListPrice:
    """A product's price in a price book, in one currency.

    Attributes:
        entry_id: 18-character id of the price.
        price: In the currency's major unit.
        is_active: Whether deals may take it.
        follows_standard: Whether it has none of its own, and changes with that of the standard price book.
    """

    entry_id: str
    price: Decimal
    is_active: bool = True
    follows_standard: bool = False


@dataclass(frozen=True, slots=True)
class PricedProduct:
    """A product of the CRM with its list prices.

    Attributes:
        crm_id: 18-character id.
        sku: Its SKU.
        name: What people call it.
        prices: By price book and currency; where it has no price is left out.
    """

    crm_id: str
    sku: str
    name: str
    prices: Mapping[PriceKey, ListPrice]


@dataclass(frozen=True, slots=True)
class PriceChange:
    """A list price as it is to stand in the CRM.

    Attributes:
        product_id: 18-character id of the product.
        currency: ISO 4217 code.
        price: In the currency's major unit.
        entry_id: 18-character id of the price that is changed; None for one that is added.
        book: 18-character id of its price book; None for the standard one.
    """

    product_id: str
    currency: str
    price: Decimal
    entry_id: str | None = None
    book: str | None = None
