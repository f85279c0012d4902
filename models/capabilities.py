"""What a system can do, as plain data that the connectors declare and that tasks and laws read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN
from enum import StrEnum

from prefect_crm_erp.models.records import Record


class Idempotency(StrEnum):
    """How a system keeps a second create with the same key from making a second record."""

    NATIVE_KEY = "the system refuses or replays a second create with the same key"
    SEARCH_FIRST = "the connector looks the key up before it creates"


class NameList(StrEnum):
    """Lists of names that people keep in an ERP and that records refer to."""

    PAYMENT_TERMS = "payment terms"
    UNITS = "units of measure"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a connector can do.

    Attributes:
        reads: Canonical record types that it reads.
        writes: Canonical record types that it writes.
        page_size: Records of one read request.
        batch_size: Records of one write request; 1 when the system has no batches.
        idempotency: How a doubled create is prevented.
        price_digits: Decimal places of a unit price.
        rounding: How the system rounds a line amount (a `decimal` rounding mode).
        has_subsidiaries: Whether one connection serves several companies.
        confirms_orders: Whether an order is placed in two steps, draft then confirmed.
        submits_orders: Whether a draft can be left to the ERP's people, who approve it there.
        changes: Record types of which it reports changes since a time.
        needs_state: Countries (ISO alpha-2) whose addresses need a state.
        has_contacts: Whether customers have contact persons.
        has_hierarchy: Whether a customer can have a parent.
        takes_list_prices: Whether an order line can keep its list price, so that the ERP's rules see its discount.
        writers: Threads that create customers side by side: one prepares a request while another waits for its answer.
        tells_stock: Whether it says how many of a product are there to be sold.
        tells_listed_prices: Whether it says what products cost by one of its price lists.
    """

    reads: frozenset[type[Record]]
    writes: frozenset[type[Record]]
    page_size: int
    batch_size: int
    idempotency: Idempotency
    price_digits: int = 4
    rounding: str = ROUND_HALF_EVEN
    has_subsidiaries: bool = False
    confirms_orders: bool = False
    submits_orders: bool = False
    changes: frozenset[type[Record]] = frozenset()
    needs_state: frozenset[str] = frozenset({"US", "CA", "AU"})
    has_contacts: bool = False
    has_hierarchy: bool = False
    takes_list_prices: bool = False
    writers: int = 1
    tells_stock: bool = False
    tells_listed_prices: bool = False


@dataclass(frozen=True, slots=True)
class OrderSettings:
    """What a company wants of its orders in its ERP, by the names that the ERP knows; None leaves it to the ERP.

    Attributes:
        price_list: Price list that its orders name.
        tax_rule: Rule that its orders are taxed by.
        order_prefix: What the numbers of its orders begin with.
    """

    price_list: str | None = None
    tax_rule: str | None = None
    order_prefix: str | None = None

    @property
    def wanted(self) -> list[str]:
        """What is asked for, in words."""
        named = {"price list": self.price_list, "tax rule": self.tax_rule, "order prefix": self.order_prefix}
        return [f"{what} {name!r}" for what, name in named.items() if name]


@dataclass(frozen=True, slots=True)
class SystemInfo:
    """What a system says of itself when the connection is checked.

    Attributes:
        name: What people call it: `Tryton 8.0 at erp.example.com`.
        user: The user that the integration works as.
        version: The system's version, when it tells.
        details: Further facts for the operator.
    """

    name: str
    user: str
    version: str | None = None
    details: Mapping[str, str] | None = None
