"""Policies: what an operator decides once and every run follows."""

from prefect_crm_erp.blocks.policies.code_lists import CodeLists
from prefect_crm_erp.blocks.policies.custom_fields import CustomFieldMap, MappedField
from prefect_crm_erp.blocks.policies.orders import OrderPolicy
from prefect_crm_erp.blocks.policies.routing import ErpSlot, Subsidiary, SubsidiaryRouting

__all__ = [
    "CodeLists",
    "CustomFieldMap",
    "ErpSlot",
    "MappedField",
    "OrderPolicy",
    "Subsidiary",
    "SubsidiaryRouting",
]
