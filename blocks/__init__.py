"""Blocks: what an operator configures. Loaded by Prefect through the `prefect.collections` entry point."""

from prefect_crm_erp.blocks.crm import Salesforce
from prefect_crm_erp.blocks.erp import Tryton
from prefect_crm_erp.blocks.integration import Integration
from prefect_crm_erp.blocks.ledger import Ledger
from prefect_crm_erp.blocks.policies import (
    AccountPolicy,
    AccountRule,
    ApprovalPolicy,
    CodeLists,
    Condition,
    CurrencyPolicy,
    CustomFieldMap,
    DealRule,
    ErpCustomers,
    ErpSlot,
    FieldOwner,
    MappedField,
    NewCustomers,
    OrderEntryPolicy,
    OrderPolicy,
    OwnerCheck,
    Restriction,
    RoutingRule,
    Scenario,
    Subsidiary,
    SubsidiaryRouting,
    SyncedField,
)

__all__ = [
    "AccountPolicy",
    "AccountRule",
    "ApprovalPolicy",
    "CodeLists",
    "Condition",
    "CurrencyPolicy",
    "CustomFieldMap",
    "DealRule",
    "ErpCustomers",
    "ErpSlot",
    "FieldOwner",
    "Integration",
    "Ledger",
    "MappedField",
    "NewCustomers",
    "OrderEntryPolicy",
    "OrderPolicy",
    "OwnerCheck",
    "Restriction",
    "RoutingRule",
    "Salesforce",
    "Scenario",
    "Subsidiary",
    "SubsidiaryRouting",
    "SyncedField",
    "Tryton",
]
