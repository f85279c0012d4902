"""Blocks: what an operator configures. Loaded by Prefect through the `prefect.collections` entry point."""

from prefect_crm_erp.blocks.crm import Salesforce
from prefect_crm_erp.blocks.erp import Tryton
from prefect_crm_erp.blocks.integration import Integration
from prefect_crm_erp.blocks.ledger import Ledger
from prefect_crm_erp.blocks.policies import (
    AccountPolicy,
    AccountRule,
    CodeLists,
    Condition,
    CustomFieldMap,
    ErpCustomers,
    ErpSlot,
    FieldOwner,
    MappedField,
    NewCustomers,
    OrderPolicy,
    RoutingRule,
    Subsidiary,
    SubsidiaryRouting,
    SyncedField,
)

__all__ = [
    "AccountPolicy",
    "AccountRule",
    "CodeLists",
    "Condition",
    "CustomFieldMap",
    "ErpCustomers",
    "ErpSlot",
    "FieldOwner",
    "Integration",
    "Ledger",
    "MappedField",
    "NewCustomers",
    "OrderPolicy",
    "RoutingRule",
    "Salesforce",
    "Subsidiary",
    "SubsidiaryRouting",
    "SyncedField",
    "Tryton",
]
