"""A deal on its way from the CRM to the ERP, with what the road has added to it so far."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from prefect_crm_erp.blocks.ledger import CrossReference
from prefect_crm_erp.models.divisions import Sent
from prefect_crm_erp.models.exchange import Valuation
from prefect_crm_erp.models.keys import fingerprint
from prefect_crm_erp.models.money import ZERO
from prefect_crm_erp.models.records import Account, Deal, SalesOrder
from prefect_crm_erp.tasks.traveller import Traveller

if TYPE_CHECKING:
    from prefect_crm_erp.tasks.parts import Part


class Item(Traveller):
    """One deal on its way.

    Attributes:
        deal: The deal as it was read, then as it was put right on the way.
        as_read: The deal as it was read.
        order: The sales order: as it will be sent, then as it stands in the ERP.
        valuation: What it is worth beyond its currency; None while that need not be looked at.
        expected: Total without tax that the ERP must arrive at, in the deal's currency.
        bindings: All orders that the ledger knows of the deal; `binding` is the first of them.
        parts: What goes on in its place, where it is divided.
        left_to_people: Why the integration does not confirm the order: it fits none of the scenarios that were
            authorised beforehand; None when it may.
    """

    __slots__ = ("as_read", "bindings", "deal", "expected", "left_to_people", "order", "valuation")

    def __init__(self, deal: Deal) -> None:
        super().__init__()
        self.deal = self.as_read = deal
        self.bindings: tuple[CrossReference, ...] = ()
        self.parts: tuple[Part, ...] = ()
        self.order: SalesOrder | None = None
        self.expected: Decimal = ZERO
        self.left_to_people: str | None = None
        self.valuation: Valuation | None = None

    @property
    def deal_key(self) -> str:
        """18-character id of the deal."""
        return self.deal.crm_id

    @property
    def key(self) -> str:
        """18-character id of the deal: the key of its order everywhere."""
        return self.deal_key

    @property
    def claims(self) -> tuple[str, ...]:
        """Keys that a run holds while it orders the deal."""
        return (self.key,)

    @property
    def label(self) -> str:
        """Number of the deal, or its name."""
        return self.deal.number or self.deal.name

    @property
    def title(self) -> str:
        """Number and name of the deal, as reports show it."""
        return self.deal.label

    @property
    def account(self) -> Account | None:
        """The account that buys."""
        return self.deal.account

    @property
    def currency(self) -> str:
        """Transaction currency of the deal, in capitals."""
        return (self.deal.currency or "").upper()

    @property
    def is_divided(self) -> bool:
        """Whether several subsidiaries have, or are to have, an order of it."""
        return bool(self.parts) or len(self.bindings) > 1

    def take(self, references: Sequence[CrossReference]) -> None:
        """What the ledger knows of the deal's orders."""
        self.bindings = tuple(references)
        self.binding = next(iter(references), None)

    def intents(self) -> dict[str, str]:
        """What is noted before it is sent, by key."""
        return {self.key: str(Sent(self.content_digest(), self.slot.value))}

    def content_digest(self) -> str:
        """Fingerprint of what the order is made of, as the CRM says it; other changes do not touch the order."""
        deal = self.as_read
        lines = [
            [line.sku, line.quantity, line.amount, line.description, line.unit, line.custom] for line in deal.lines
        ]
        currency = (deal.currency or "").upper()
        content: list[Any] = [
            lines or deal.total,
            currency,
            deal.header_discount_percent,
            deal.shipping,
            deal.tax or ZERO,
        ]
        return fingerprint([*content, deal.customer_reference, self.account_key, deal.custom])

    def evaluation_digest(self) -> str:
        """Fingerprint of all that decides whether the deal can go on: the deal and its account."""
        account = self.deal.account.model_dump(mode="json", exclude={"modified_at"}) if self.deal.account else None
        deal = self.deal
        decides = [deal.push_to_erp, str(deal.closed_on), deal.owner_id, deal.facts]
        routed_by = [deal.record_type, deal.owner_region, *(line.product_line for line in deal.lines)]
        return fingerprint([self.content_digest(), account, *decides, *([routed_by] if any(routed_by) else [])])
