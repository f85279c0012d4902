"""Quotes: their totals, and what they take from their opportunity."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from prefect_crm_erp.sandbox.salesforce.change import Change
from prefect_crm_erp.sandbox.salesforce.image import Row
from prefect_crm_erp.sandbox.salesforce.rules.base import Rules, integrity
from prefect_crm_erp.sandbox.salesforce.rules.lines import HUNDRED, LineRules, net_total, refuse_with_lines, total
from prefect_crm_erp.sandbox.salesforce.rules.syncing import carry_over, stop_syncing, withdraw
from prefect_crm_erp.sandbox.salesforce.values import round_half_up
from prefect_crm_erp.sandbox.salesforce.writer import Writer

_DISCOUNT_PLACES = 2


class QuoteRules(Rules):
    """A quote belongs to an opportunity, in whose currency it is made out."""

    def prepare(self, change: Change, writer: Writer) -> None:
        """Take over account, currency and price book, and count the quote."""
        row = change.new
        opportunity = writer.parent(row, "Opportunity", "OpportunityId")
        if opportunity is None or not change.creating:
            return
        row["AccountId"] = opportunity["AccountId"]
        row["CurrencyIsoCode"] = row["CurrencyIsoCode"] or opportunity["CurrencyIsoCode"]
        row["Pricebook2Id"] = row["Pricebook2Id"] or opportunity["Pricebook2Id"]
        row["QuoteNumber"] = f"{writer.image.count_up('QuoteNumber'):08d}"
        if row["CurrencyIsoCode"] != opportunity["CurrencyIsoCode"]:
            raise integrity("CurrencyIsoCode", "quote currency code does not match opportunity currency code")

    def complete(self, change: Change, writer: Writer) -> None:
        """Add up.

        Raises:
            RowRejected: The price book cannot be changed any more.
        """
        refuse_with_lines(change, "QuoteLineItem", "QuoteId", writer)
        lines = writer.children("QuoteLineItem", "QuoteId", change.new["Id"])
        change.new.update(quote_totals(change.new, lines, writer))

    def removed(self, row: Row, writer: Writer) -> None:
        """A quote that comes back is synced only if its opportunity still waits for it."""
        quote = writer.row("Quote", row["Id"])
        opportunity = writer.parent(row, "Opportunity", "OpportunityId")
        if quote and quote["IsSyncing"] and not (opportunity and opportunity["SyncedQuoteId"] == row["Id"]):
            stop_syncing(row["Id"], writer)


def quote_totals(quote: Row, lines: list[Row], writer: Writer) -> dict[str, Any]:
    """The fields of a quote that are sums.

    `Discount` is the share of the line discounts in the subtotal; a custom header discount is unknown to it.
    """
    subtotal, net = total(lines, "Subtotal"), net_total(lines, quote, writer)
    discount = round_half_up((subtotal - net) * HUNDRED / subtotal, _DISCOUNT_PLACES) if subtotal else None
    extras = (quote["Tax"] or Decimal(0)) + (quote["ShippingHandling"] or Decimal(0))
    return {
        "Subtotal": subtotal,
        "TotalPrice": net,
        "Discount": discount,
        "GrandTotal": net + extras,
        "LineItemCount": len(lines),
    }


class QuoteLineRules(LineRules):
    """Lines of quotes; those of a synced quote are the opportunity's lines as well."""

    object_name = "QuoteLineItem"
    parent_object = "Quote"
    parent_field = "QuoteId"

    def prepare(self, change: Change, writer: Writer) -> None:
        """Take over what the entry says, and number the line."""
        super().prepare(change, writer)
        if change.creating:
            change.new["LineNumber"] = f"{writer.image.count_up('QuoteLineNumber'):08d}"

    def settle(self, change: Change, writer: Writer) -> None:
        """Bring the quote up to date, and the opportunity that is synced with it."""
        super().settle(change, writer)
        carry_over(change.new, writer)

    def removed(self, row: Row, writer: Writer) -> None:
        """Bring the quote up to date, and the opportunity that is synced with it."""
        super().removed(row, writer)
        current = writer.row(self.object_name, row["Id"])
        if current:
            carry_over(current, writer)
        else:
            withdraw(row, writer)

    def roll_up(self, parent: Row, lines: list[Row], writer: Writer) -> dict[str, Any]:
        """The quote's totals."""
        return quote_totals(parent, lines, writer)
