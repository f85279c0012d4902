"""Policies: what an operator decides once and every run follows."""

from prefect_crm_erp.blocks.policies.accounts import (
    AccountPolicy,
    AccountRule,
    Condition,
    ErpCustomers,
    FieldOwner,
    NewCustomers,
    SyncedField,
)
from prefect_crm_erp.blocks.policies.approvals import ApprovalPolicy, Scenario
from prefect_crm_erp.blocks.policies.code_lists import CodeLists
from prefect_crm_erp.blocks.policies.currency import CurrencyPolicy
from prefect_crm_erp.blocks.policies.custom_fields import CustomFieldMap, MappedField
from prefect_crm_erp.blocks.policies.order_entry import DealRule, OrderEntryPolicy, OwnerCheck, Restriction
from prefect_crm_erp.blocks.policies.orders import OrderPolicy
from prefect_crm_erp.blocks.policies.routing import (
    ErpSlot,
    RoutingRule,
    SeveralCompanies,
    Subsidiary,
    SubsidiaryRouting,
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
    "MappedField",
    "NewCustomers",
    "OrderEntryPolicy",
    "OrderPolicy",
    "OwnerCheck",
    "Restriction",
    "RoutingRule",
    "Scenario",
    "SeveralCompanies",
    "Subsidiary",
    "SubsidiaryRouting",
    "SyncedField",
]
