"""Keeping an opportunity's lines the same as those of its synced quote.

Lines go from the quote to the opportunity. What is changed on the opportunity's side stays there.
"""

from __future__ import annotations

from prefect_crm_erp.sandbox.salesforce.image import Row
from prefect_crm_erp.sandbox.salesforce.removal import Removal
from prefect_crm_erp.sandbox.salesforce.writer import Writer

_SHARED = ("Quantity", "UnitPrice", "Discount", "ServiceDate", "Description")


def start_syncing(quote_id: str, writer: Writer) -> None:
    """Replace the opportunity's lines by those of the quote."""
    quote = writer.row("Quote", quote_id)
    if quote is None:
        return
    writer.amend("Quote", quote_id, {"IsSyncing": True})
    sobject = writer.schema.get("OpportunityLineItem")
    for line in writer.children(sobject.name, "OpportunityId", quote["OpportunityId"]):
        Removal(writer).delete(sobject, line["Id"])
    for line in writer.children("QuoteLineItem", "QuoteId", quote_id):
        carry_over(line, writer)


def stop_syncing(quote_id: str, writer: Writer) -> None:
    """Leave the opportunity's lines as they are from now on."""
    if writer.row("Quote", quote_id):
        writer.amend("Quote", quote_id, {"IsSyncing": False})


def carry_over(line: Row, writer: Writer) -> None:
    """Give the opportunity the line of its synced quote; nothing happens for any other quote."""
    quote = writer.row("Quote", line["QuoteId"])
    if quote is None or not quote["IsSyncing"]:
        return
    sobject = writer.schema.get("OpportunityLineItem")
    values = {name: line[name] for name in _SHARED}
    if writer.parent(line, sobject.name, "OpportunityLineItemId"):
        writer.modify(sobject, line["OpportunityLineItemId"], values)
        return
    values |= {"OpportunityId": quote["OpportunityId"], "PricebookEntryId": line["PricebookEntryId"]}
    counterpart = writer.insert(sobject, values)
    writer.amend("QuoteLineItem", line["Id"], {"OpportunityLineItemId": counterpart}, touch=False)


def withdraw(line: Row, writer: Writer) -> None:
    """Take away the opportunity's line whose counterpart in the synced quote was deleted."""
    quote = writer.row("Quote", line["QuoteId"])
    counterpart = writer.parent(line, "OpportunityLineItem", "OpportunityLineItemId")
    if quote and quote["IsSyncing"] and counterpart:
        Removal(writer).delete(writer.schema.get("OpportunityLineItem"), counterpart["Id"])
