"""Business rules: what Salesforce does with a row beyond storing it."""

from __future__ import annotations

from prefect_crm_erp.sandbox.salesforce.rules.accounts import AccountRules, PersonRules
from prefect_crm_erp.sandbox.salesforce.rules.base import Rules
from prefect_crm_erp.sandbox.salesforce.rules.company import CurrencyTypeRules, DatedConversionRateRules
from prefect_crm_erp.sandbox.salesforce.rules.documents import DetailRules, DocumentRules
from prefect_crm_erp.sandbox.salesforce.rules.opportunities import (
    ContactRoleRules,
    OpportunityLineRules,
    OpportunityRules,
)
from prefect_crm_erp.sandbox.salesforce.rules.orders import OrderItemRules, OrderRules
from prefect_crm_erp.sandbox.salesforce.rules.products import PricebookEntryRules, PriceBookRules, ProductRules
from prefect_crm_erp.sandbox.salesforce.rules.quotes import QuoteLineRules, QuoteRules

_RULES: dict[str, Rules] = {
    "Account": AccountRules(),
    "Contact": PersonRules(),
    "User": PersonRules(),
    "Opportunity": OpportunityRules(),
    "OpportunityLineItem": OpportunityLineRules(),
    "OpportunityContactRole": ContactRoleRules(),
    "Quote": QuoteRules(),
    "QuoteLineItem": QuoteLineRules(),
    "Order": OrderRules(),
    "OrderItem": OrderItemRules(),
    "Product2": ProductRules(),
    "Pricebook2": PriceBookRules(),
    "PricebookEntry": PricebookEntryRules(),
    "ERP_Order__c": DocumentRules(),
    "ERP_Order_Line__c": DetailRules(),
    "ERP_Delivery__c": DocumentRules(),
    "ERP_Delivery_Line__c": DetailRules(),
    "ERP_Invoice__c": DocumentRules(),
    "ERP_Invoice_Line__c": DetailRules(),
    "ERP_Payment__c": DocumentRules(),
    "ERP_Payment_Application__c": DetailRules(),
    "ERP_Field_Payment__c": DetailRules(),
    "ERP_Field_Return__c": DetailRules(),
    "ERP_Field_Return_Line__c": DetailRules(),
    "CurrencyType": CurrencyTypeRules(),
    "DatedConversionRate": DatedConversionRateRules(),
}
_NONE = Rules()


def rules_of(object_name: str) -> Rules:
    """The rules of an object type, by its canonical name."""
    return _RULES.get(object_name, _NONE)
