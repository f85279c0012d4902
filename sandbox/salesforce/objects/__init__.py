"""The org's object types, as data. `build_schema` puts them together."""

from __future__ import annotations

from prefect_crm_erp.sandbox.salesforce.objects import (
    accounts,
    company,
    documents,
    field_entries,
    opportunities,
    orders,
    products,
    quotes,
)
from prefect_crm_erp.sandbox.salesforce.schema import Schema


def build_schema() -> Schema:
    """A fresh schema with every object type of the org."""
    modules = (accounts, opportunities, quotes, orders, products, documents, field_entries, company)
    return Schema(sobject for module in modules for sobject in module.objects())
