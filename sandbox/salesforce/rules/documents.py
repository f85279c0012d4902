"""Copies of an ERP's documents: what Salesforce does with the name of a custom object's row."""

from __future__ import annotations

from prefect_crm_erp.sandbox.salesforce.change import Change
from prefect_crm_erp.sandbox.salesforce.rules.base import Rules
from prefect_crm_erp.sandbox.salesforce.writer import Writer


class DocumentRules(Rules):
    """A document's name is a text."""

    def prepare(self, change: Change, writer: Writer) -> None:
        """Name a row by its id where nobody has given it a name."""
        row = change.new
        row["Name"] = row["Name"] or row["Id"]


class DetailRules(Rules):
    """Lines of a document, and what is recorded in the field, have a running number for a name."""

    def prepare(self, change: Change, writer: Writer) -> None:
        """Number a new row."""
        if change.creating:
            change.new["Name"] = f"{writer.image.count_up(change.sobject.name):09d}"
