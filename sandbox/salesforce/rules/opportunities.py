"""Opportunities: stages, amounts that are the sum of their lines, and contact roles."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from prefect_crm_erp.sandbox.salesforce.change import Change
from prefect_crm_erp.sandbox.salesforce.checks import missing_fields
from prefect_crm_erp.sandbox.salesforce.image import Row
from prefect_crm_erp.sandbox.salesforce.objects.opportunities import forecast_code
from prefect_crm_erp.sandbox.salesforce.rules.base import Rules, integrity
from prefect_crm_erp.sandbox.salesforce.rules.lines import (
    HUNDRED,
    LineRules,
    net_total,
    refuse_with_lines,
    share,
    total,
)
from prefect_crm_erp.sandbox.salesforce.rules.syncing import start_syncing, stop_syncing
from prefect_crm_erp.sandbox.salesforce.values import round_half_up
from prefect_crm_erp.sandbox.salesforce.writer import Writer


class OpportunityRules(Rules):
    """The stage says how far an opportunity is; its lines, once there are any, say what it is worth."""

    def prepare(self, change: Change, writer: Writer) -> None:
        """Follow the stage, and let the lines' sums stand against what a client writes."""
        if change.old and change.old["HasOpportunityLineItem"]:
            for name in ("Amount", "TotalOpportunityQuantity"):
                change.new[name] = change.old[name]
        stage = _stage(change.new["StageName"], writer)
        if stage:
            _follow_stage(change, stage, writer)
        _date_fiscally(change.new)

    def complete(self, change: Change, writer: Writer) -> None:
        """Calculate the expected revenue.

        Raises:
            RowRejected: The lines or the synced quote forbid the change.
        """
        refuse_with_lines(change, "OpportunityLineItem", "OpportunityId", writer)
        quote = writer.parent(change.new, "Quote", "SyncedQuoteId")
        if quote and quote["OpportunityId"] != change.new["Id"]:
            raise integrity("SyncedQuoteId", "the quote belongs to another opportunity")
        change.new["ExpectedRevenue"] = expected_revenue(change.new, writer)

    def settle(self, change: Change, writer: Writer) -> None:
        """Carry on the account to the quotes, the synced quote to the lines, the contact to its role."""
        row = change.new
        if change.old and change.changed("AccountId"):
            for quote in writer.children("Quote", "OpportunityId", row["Id"]):
                writer.amend("Quote", quote["Id"], {"AccountId": row["AccountId"]}, touch=False)
        if change.creating and row["ContactId"]:
            role = {"OpportunityId": row["Id"], "ContactId": row["ContactId"], "IsPrimary": True}
            writer.insert(writer.schema.get("OpportunityContactRole"), role)
        if change.changed("SyncedQuoteId"):
            if change.before("SyncedQuoteId"):
                stop_syncing(change.before("SyncedQuoteId"), writer)
            if row["SyncedQuoteId"]:
                start_syncing(row["SyncedQuoteId"], writer)


def expected_revenue(row: Row, writer: Writer) -> Decimal | None:
    """Amount times probability."""
    if row["Amount"] is None:
        return None
    return round_half_up(row["Amount"] * (row["Probability"] or Decimal(0)) / HUNDRED, writer.places(row))


def _stage(name: str | None, writer: Writer) -> Row | None:
    return next(iter(writer.children("OpportunityStage", "ApiName", name)), None) if name else None


def _follow_stage(change: Change, stage: Row, writer: Writer) -> None:
    row = change.new
    row["IsClosed"], row["IsWon"] = stage["IsClosed"], stage["IsWon"]
    if change.changed("StageName"):
        row["LastStageChangeDate"] = None if change.creating else writer.now
        for name, default in (("Probability", "DefaultProbability"), ("ForecastCategoryName", "ForecastCategoryName")):
            if name not in change.given or row[name] is None:
                row[name] = stage[default]
    row["ForecastCategory"] = forecast_code(row["ForecastCategoryName"] or stage["ForecastCategoryName"])


def _date_fiscally(row: Row) -> None:
    """The fiscal year is the calendar year."""
    if row["CloseDate"]:
        year, quarter = row["CloseDate"].year, (row["CloseDate"].month + 2) // 3
        row["FiscalYear"], row["FiscalQuarter"], row["Fiscal"] = year, quarter, f"{year} {quarter}"


class OpportunityLineRules(LineRules):
    """Lines of opportunities: either the unit price is given, or the total."""

    object_name = "OpportunityLineItem"
    parent_object = "Opportunity"
    parent_field = "OpportunityId"

    def prepare(self, change: Change, writer: Writer) -> None:
        """Take over what the entry says, and give the line its name."""
        super().prepare(change, writer)
        row = change.new
        parent = writer.parent(row, "Opportunity", "OpportunityId")
        product = writer.parent(row, "Product2", "Product2Id")
        if change.creating and parent and product:
            row["Name"] = f"{parent['Name']} {product['Name']}"[:376]
            row["ProductCode"] = product["ProductCode"]

    def without_price_book(self, parent: Row, entry: Row, writer: Writer) -> None:
        """The first line gives the opportunity its price book, if that is in use."""
        book = writer.parent(entry, "Pricebook2", "Pricebook2Id")
        if not (book and book["IsActive"]):
            raise integrity("PricebookEntryId", "the pricebook is inactive")
        writer.amend("Opportunity", parent["Id"], {"Pricebook2Id": entry["Pricebook2Id"]})

    def complete(self, change: Change, writer: Writer) -> None:
        """Calculate the line.

        Raises:
            RowRejected: Neither or both of unit price and total are given.
        """
        prices = {name for name in ("UnitPrice", "TotalPrice") if name in change.given and change.new[name] is not None}
        if len(prices) == 2:
            raise integrity("TotalPrice", "either UnitPrice or TotalPrice can be specified, not both")
        if not prices and change.new["UnitPrice"] is None:
            raise missing_fields(["TotalPrice"])
        super().complete(change, writer)

    def calculate(self, change: Change, places: int) -> None:
        """Work from the total to the unit price where the total is what was given."""
        row = change.new
        if "TotalPrice" not in change.given or row["TotalPrice"] is None:
            super().calculate(change, places)
            return
        divisor = row["Quantity"] * share(row["Discount"])
        if divisor == 0:
            raise integrity("TotalPrice", "a total cannot be given together with a discount of 100 %")
        row["UnitPrice"] = round_half_up(row["TotalPrice"] / divisor, places)
        row["Subtotal"] = round_half_up(row["Quantity"] * row["UnitPrice"], places)

    def roll_up(self, parent: Row, lines: list[Row], writer: Writer) -> dict[str, Any]:
        """Amount and quantity are the lines' sums."""
        sums = {
            "Amount": net_total(lines, parent, writer),
            "TotalOpportunityQuantity": total(lines, "Quantity"),
            "HasOpportunityLineItem": bool(lines),
        }
        return sums | {"ExpectedRevenue": expected_revenue(parent | sums, writer)}


class ContactRoleRules(Rules):
    """An opportunity has one primary contact."""

    def prepare(self, change: Change, writer: Writer) -> None:
        """Take over the opportunity's currency."""
        opportunity = writer.parent(change.new, "Opportunity", "OpportunityId")
        if opportunity:
            change.new["CurrencyIsoCode"] = opportunity["CurrencyIsoCode"]

    def settle(self, change: Change, writer: Writer) -> None:
        """A new primary contact takes the place of the one before."""
        row = change.new
        if not row["IsPrimary"]:
            return
        for other in writer.children("OpportunityContactRole", "OpportunityId", row["OpportunityId"]):
            if other["Id"] != row["Id"] and other["IsPrimary"]:
                writer.amend("OpportunityContactRole", other["Id"], {"IsPrimary": False})
        writer.amend("Opportunity", row["OpportunityId"], {"ContactId": row["ContactId"]}, touch=False)
