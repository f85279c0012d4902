"""Accounts and their contacts."""

from __future__ import annotations

from prefect_crm_erp.sandbox.salesforce.objects.fields import (
    address,
    checkbox,
    currency,
    currency_code,
    date,
    datetime,
    email,
    erp_key,
    integer,
    long_text,
    number,
    owner,
    phone,
    picklist,
    push_to_erp,
    reference,
    sobject,
    sync_fields,
    text,
    url,
)
from prefect_crm_erp.sandbox.salesforce.schema import Field, SObject

ACCOUNT_TYPES = (
    "Prospect",
    "Customer",
    "Customer - Direct",
    "Customer - Channel",
    "Channel Partner / Reseller",
    "Installation Partner",
    "Technology Partner",
    "Other",
)
INDUSTRIES = (
    "Agriculture",
    "Biotechnology",
    "Chemicals",
    "Education",
    "Energy",
    "Environmental",
    "Food & Beverage",
    "Government",
    "Healthcare",
    "Manufacturing",
    "Retail",
    "Technology",
    "Utilities",
    "Other",
)
LEAD_SOURCES = ("Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Trade Show", "Other")
PAYMENT_TERMS = ("Due on receipt", "Net 15", "Net 30", "Net 45", "Net 60")
SALUTATIONS = ("Mr.", "Ms.", "Mrs.", "Dr.", "Prof.", "Mx.")


def objects() -> list[SObject]:
    """Account and Contact."""
    return [
        sobject("Account", "001", _account_fields(), mergeable=True),
        sobject("Contact", "003", _contact_fields(), mergeable=True),
    ]


def _account_fields() -> list[Field]:
    return [
        reference("MasterRecordId", "Account", label="Master Record ID", createable=False, updateable=False),
        text("Name", 255, label="Account Name", required=True, name_field=True, indexed=True),
        picklist("Type", ACCOUNT_TYPES, label="Account Type"),
        reference("ParentId", "Account", "ChildAccounts", label="Parent Account ID"),
        *address("Billing"),
        *address("Shipping"),
        phone(label="Account Phone"),
        phone("Fax", label="Account Fax"),
        text("AccountNumber", 40),
        url("Website"),
        text("Sic", 20, label="SIC Code"),
        picklist("Industry", INDUSTRIES),
        currency("AnnualRevenue", 18, 0),
        integer("NumberOfEmployees", label="Employees"),
        picklist("Ownership", ("Public", "Private", "Subsidiary", "Other")),
        text("TickerSymbol", 20),
        long_text("Description", 32000, label="Account Description"),
        picklist("Rating", ("Hot", "Warm", "Cold"), label="Account Rating"),
        text("Site", 80, label="Account Site"),
        currency_code(required=True),
        owner(),
        date("LastActivityDate", label="Last Activity", calculated=True),
        datetime("LastViewedDate", calculated=True),
        datetime("LastReferencedDate", calculated=True),
        picklist("AccountSource", LEAD_SOURCES),
        erp_key(),
        picklist("ERP_Subsidiary__c", ("US", "UK", "DE"), restricted=True),
        push_to_erp(),
        *_mirror(),
        *_sales(),
        picklist("Payment_Terms__c", PAYMENT_TERMS),
        text("VAT_Number__c", 20),
        text("Legacy_Code__c", 20, external_id=True, indexed=True),
    ]


def _mirror() -> list[Field]:
    """What the integration shows of the ERP's customer. The amounts have a currency of their own: plain numbers."""
    return [
        text("ERP_Customer_Number__c", 40),
        number("ERP_Credit_Limit__c"),
        number("ERP_Outstanding__c"),
        number("ERP_Credit_Used__c"),
        text("ERP_Credit_Currency__c", 3),
        text("ERP_Payment_Terms__c", 80),
        *sync_fields(),
    ]


def _sales() -> list[Field]:
    """What an account shows of its invoices and payments, in its own currency."""
    return [
        currency("ERP_Sales_This_Year__c"),
        currency("ERP_Sales_Last_Year__c"),
        currency("ERP_Open_Balance__c"),
        currency("ERP_Overdue_Balance__c"),
        number("ERP_Days_Overdue__c", 6, 0),
        number("ERP_Days_To_Pay__c", 6, 1),
        date("ERP_Last_Invoice_Date__c"),
        text("ERP_Last_Invoice_Number__c", 80),
        text("ERP_Last_Invoice_Status__c", 40),
        text("ERP_Last_Invoice_Terms__c", 80),
        currency("ERP_Average_Order__c"),
    ]


def _contact_fields() -> list[Field]:
    return [
        reference("MasterRecordId", "Contact", label="Master Record ID", createable=False, updateable=False),
        reference("AccountId", "Account", "Contacts", on_delete="cascade"),
        text("LastName", 80, required=True),
        text("FirstName", 40),
        picklist("Salutation", SALUTATIONS),
        text("Name", 121, label="Full Name", required=True, defaulted=True, calculated=True, name_field=True),
        *address("Other"),
        *address("Mailing"),
        phone(label="Business Phone"),
        phone("Fax", label="Business Fax"),
        phone("MobilePhone"),
        phone("HomePhone"),
        reference("ReportsToId", "Contact", label="Reports To ID"),
        email(id_lookup=True, indexed=True),
        text("Title", 128),
        text("Department", 80),
        picklist("LeadSource", LEAD_SOURCES),
        date("Birthdate"),
        long_text("Description", 32000, label="Contact Description"),
        currency_code(required=True),
        owner(),
        checkbox("HasOptedOutOfEmail", label="Email Opt Out"),
        checkbox("DoNotCall", label="Do Not Call"),
        date("LastActivityDate", label="Last Activity", calculated=True),
        datetime("LastViewedDate", calculated=True),
        datetime("LastReferencedDate", calculated=True),
        text("Legacy_Code__c", 20, external_id=True, indexed=True),
    ]
