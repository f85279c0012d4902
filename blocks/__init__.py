"""Blocks: what an operator configures. Loaded by Prefect through the `prefect.collections` entry point."""

from prefect_crm_erp.blocks.crm import Salesforce
from prefect_crm_erp.blocks.erp import Tryton
from prefect_crm_erp.blocks.integration import Integration
from prefect_crm_erp.blocks.ledger import Ledger
from prefect_crm_erp.blocks.policies import (
    CodeLists,
    CustomFieldMap,
    ErpSlot,
    MappedField,
    OrderPolicy,
    Subsidiary,
    SubsidiaryRouting,
)

__all__ = [
    "CodeLists",
    "CustomFieldMap",
    "ErpSlot",
    "Integration",
    "Ledger",
    "MappedField",
    "OrderPolicy",
    "Salesforce",
    "Subsidiary",
    "SubsidiaryRouting",
    "Tryton",
]
