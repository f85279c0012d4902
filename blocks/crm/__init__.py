"""CRM connections: one CRM, one file, one line here."""

from prefect_crm_erp.blocks.crm.salesforce import Salesforce

AnyCRM = Salesforce

__all__ = ["AnyCRM", "Salesforce"]
