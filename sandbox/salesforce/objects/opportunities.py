"""Opportunities, their lines and contact roles, and the stages they pass."""

from __future__ import annotations

from typing import NamedTuple

from prefect_crm_erp.sandbox.salesforce.objects.accounts import LEAD_SOURCES
from prefect_crm_erp.sandbox.salesforce.objects.fields import (
    checkbox,
    currency,
    currency_code,
    date,
    datetime,
    erp_fields,
    integer,
    long_text,
    number,
    owner,
    percent,
    picklist,
    reference,
    sobject,
    text,
)
from prefect_crm_erp.sandbox.salesforce.schema import Field, SObject


class Stage(NamedTuple):
    """A step of the sales process, and what it says about the opportunity."""

    name: str
    probability: int
    forecast_category: str
    closed: bool = False
    won: bool = False


STAGES = (
    Stage("Prospecting", 10, "Pipeline"),
    Stage("Qualification", 10, "Pipeline"),
    Stage("Needs Analysis", 20, "Pipeline"),
    Stage("Value Proposition", 50, "Pipeline"),
    Stage("Id. Decision Makers", 60, "Pipeline"),
    Stage("Perception Analysis", 70, "Pipeline"),
    Stage("Proposal/Price Quote", 75, "Best Case"),
    Stage("Negotiation/Review", 90, "Commit"),
    Stage("Closed Won", 100, "Closed", closed=True, won=True),
    Stage("Closed Lost", 0, "Omitted", closed=True),
)
FORECAST_CATEGORIES = ("Omitted", "Pipeline", "Best Case", "Commit", "Closed")
CONTACT_ROLES = (
    "Business User",
    "Decision Maker",
    "Economic Buyer",
    "Economic Decision Maker",
    "Evaluator",
    "Executive Sponsor",
    "Influencer",
    "Technical Buyer",
    "Other",
)


def forecast_code(category_name: str) -> str:
    """The API name of a forecast category: `BestCase` for Best Case, `Forecast` for Commit."""
    return {"Commit": "Forecast", "Best Case": "BestCase"}.get(category_name, category_name)


FORECAST_CODES = tuple(forecast_code(name) for name in FORECAST_CATEGORIES)


def objects() -> list[SObject]:
    """Opportunity, OpportunityLineItem, OpportunityContactRole and OpportunityStage."""
    return [
        sobject("Opportunity", "006", _opportunity_fields(), plural="Opportunities"),
        sobject(
            "OpportunityLineItem", "00k", _line_fields(), label="Opportunity Product", plural="Opportunity Products"
        ),
        sobject("OpportunityContactRole", "00K", _contact_role_fields()),
        sobject("OpportunityStage", "01J", _stage_fields(), createable=False, updateable=False, deletable=False),
    ]


def _opportunity_fields() -> list[Field]:
    return [
        reference("AccountId", "Account", "Opportunities", on_delete="cascade"),
        reference("RecordTypeId", "RecordType", label="Record Type ID"),
        checkbox("IsPrivate", label="Private"),
        text("Name", 120, required=True, name_field=True),
        long_text("Description", 32000),
        picklist("StageName", tuple(stage.name for stage in STAGES), label="Stage", required=True, restricted=True),
        currency("Amount"),
        percent("Probability", 3, 0, label="Probability (%)", defaulted=True),
        currency("ExpectedRevenue", label="Expected Amount", calculated=True),
        number("TotalOpportunityQuantity", 18, 2, label="Quantity"),
        date("CloseDate", required=True),
        picklist(
            "Type",
            ("New Customer", "Existing Customer - Upgrade", "Existing Customer - Replacement"),
            label="Opportunity Type",
        ),
        text("NextStep", 255),
        picklist("LeadSource", LEAD_SOURCES),
        checkbox("IsClosed", label="Closed", calculated=True),
        checkbox("IsWon", label="Won", calculated=True),
        picklist("ForecastCategory", FORECAST_CODES, required=True, defaulted=True, calculated=True),
        picklist("ForecastCategoryName", FORECAST_CATEGORIES, label="Forecast Category", restricted=True),
        currency_code(required=True),
        checkbox("HasOpportunityLineItem", label="Has Line Item", calculated=True),
        reference("SyncedQuoteId", "Quote"),
        reference("Pricebook2Id", "Pricebook2", "Opportunities", label="Price Book ID"),
        owner(),
        reference("ContactId", "Contact", updateable=False),
        date("LastActivityDate", label="Last Activity", calculated=True),
        datetime("LastStageChangeDate", calculated=True),
        integer("FiscalQuarter", calculated=True),
        integer("FiscalYear", calculated=True),
        text("Fiscal", 6, label="Fiscal Period", calculated=True),
        datetime("LastViewedDate", calculated=True),
        datetime("LastReferencedDate", calculated=True),
        *erp_fields(),
        *_progress(),
    ]


def _progress() -> list[Field]:
    """How far the deal has come in the ERP: its approval, its delivery and its invoice."""
    return [
        datetime("ERP_Pending_Since__c"),
        datetime("ERP_Approved_At__c"),
        text("ERP_Payment_Terms__c", 80),
        date("ERP_Shipped_On__c"),
        text("ERP_Invoice_Number__c", 255),
        text("ERP_Invoice_Status__c", 40),
        currency("ERP_Invoiced__c"),
        currency("ERP_Open_Balance__c"),
    ]


def _line_fields() -> list[Field]:
    return [
        reference(
            "OpportunityId", "Opportunity", "OpportunityLineItems", on_delete="cascade", required=True, updateable=False
        ),
        integer("SortOrder", createable=False, updateable=True),
        reference(
            "PricebookEntryId",
            "PricebookEntry",
            "OpportunityLineItems",
            label="Price Book Entry ID",
            updateable=False,
            on_delete="restrict",
        ),
        reference("Product2Id", "Product2", "OpportunityLineItems", label="Product ID", updateable=False),
        text("ProductCode", 255, calculated=True),
        text("Name", 376, label="Opportunity Product Name", calculated=True, name_field=True),
        currency_code(required=True, createable=False, updateable=False),
        number("Quantity", 12, 2, required=True),
        percent("Discount"),
        currency("Subtotal", calculated=True),
        currency("TotalPrice"),
        currency("UnitPrice", label="Sales Price"),
        currency("ListPrice", calculated=True),
        date("ServiceDate", label="Date"),
        text("Description", 255, label="Line Description"),
    ]


def _contact_role_fields() -> list[Field]:
    return [
        reference(
            "OpportunityId",
            "Opportunity",
            "OpportunityContactRoles",
            on_delete="cascade",
            required=True,
            updateable=False,
        ),
        reference("ContactId", "Contact", "OpportunityContactRoles", on_delete="cascade", required=True),
        picklist("Role", CONTACT_ROLES),
        checkbox("IsPrimary", label="Primary"),
        currency_code(required=True, createable=False, updateable=False),
    ]


def _stage_fields() -> list[Field]:
    return [
        text("MasterLabel", 255, required=True, name_field=True),
        text("ApiName", 255, label="API Name", required=True, indexed=True),
        checkbox("IsActive", label="Is Active"),
        integer("SortOrder"),
        checkbox("IsClosed", label="Closed"),
        checkbox("IsWon", label="Won"),
        picklist("ForecastCategory", FORECAST_CODES, required=True),
        picklist("ForecastCategoryName", FORECAST_CATEGORIES),
        percent("DefaultProbability", 3, 0, label="Probability (%)"),
        text("Description", 255),
    ]
