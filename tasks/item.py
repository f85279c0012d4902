"""A deal on its way from the CRM to the ERP, with what the road has added to it so far."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from prefect_crm_erp.blocks.ledger import CrossReference
from prefect_crm_erp.blocks.policies.routing import ErpSlot, Route
from prefect_crm_erp.models.keys import fingerprint
from prefect_crm_erp.models.money import ZERO
from prefect_crm_erp.models.outcomes import Change, Note, Verdict
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.models.records import Company, Customer, Deal, SalesOrder

PLANNED = "(new)"
"""Stands in a dry run for the id of what the ERP does not have yet."""


class Item:
    """One deal on its way.

    Attributes:
        deal: The deal as it was read.
        notes: What was put right, assumed or flagged.
        customer: The buyer: cleaned from the account, then as it stands in the ERP.
        route: Subsidiary and the rule that chose it.
        company: The subsidiary's company in its ERP.
        order: The sales order: as it will be sent, then as it stands in the ERP.
        expected: Total without tax that the ERP must arrive at, in the deal's currency.
        verdict: How the road ended; None while it goes on.
        binding: What the ledger says the deal already became.
        changes: Field by field, what was (or in a dry run would be) written.
        is_left_waiting: Whether it stays in its queue without having been tried.
    """

    __slots__ = (
        "binding",
        "changes",
        "company",
        "customer",
        "deal",
        "expected",
        "is_left_waiting",
        "notes",
        "order",
        "route",
        "verdict",
    )

    def __init__(self, deal: Deal) -> None:
        self.deal = deal
        self.notes: list[Note] = []
        self.customer: Customer | None = None
        self.route: Route | None = None
        self.company: Company | None = None
        self.order: SalesOrder | None = None
        self.expected: Decimal = ZERO
        self.verdict: Verdict | None = None
        self.binding: CrossReference | None = None
        self.changes: list[Change] = []
        self.is_left_waiting = False

    @property
    def key(self) -> str:
        """18-character id of the deal: the key of its order everywhere."""
        return self.deal.crm_id

    @property
    def account_key(self) -> str:
        """18-character id of the deal's account."""
        return self.deal.account.crm_id if self.deal.account else ""

    @property
    def slot(self) -> ErpSlot:
        """The ERP connection that the deal is routed to."""
        if self.route is None:
            raise LookupError(f"{self.key} is not routed yet")
        return self.route.subsidiary.erp

    @property
    def currency(self) -> str:
        """Transaction currency of the deal, in capitals."""
        return (self.deal.currency or "").upper()

    def content_digest(self) -> str:
        """Fingerprint of what the order is made of; other changes of the deal do not touch the order."""
        deal = self.deal
        lines = [
            [line.sku, line.quantity, line.amount, line.description, line.unit, line.custom] for line in deal.lines
        ]
        content: list[Any] = [lines, self.currency, deal.header_discount_percent, deal.shipping, deal.tax or ZERO]
        return fingerprint([*content, deal.customer_reference, self.account_key, deal.custom])

    def evaluation_digest(self) -> str:
        """Fingerprint of all that decides whether the deal can go on: the deal and its account."""
        account = self.deal.account.model_dump(mode="json", exclude={"modified_at"}) if self.deal.account else None
        return fingerprint([self.content_digest(), account, self.deal.push_to_erp, str(self.deal.closed_on)])


def open_items(page: Page[Item]) -> Iterator[Item]:
    """The items of a page whose road goes on."""
    return (item for item in page.records if item.verdict is None)
