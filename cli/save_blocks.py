"""Save an Integration block, and all that it refers to, on the Prefect server that is configured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefect.blocks.core import Block
from pydantic import SecretStr

from prefect_crm_erp.blocks import (
    AccountPolicy,
    ApprovalPolicy,
    CodeLists,
    Integration,
    Ledger,
    OrderPolicy,
    Salesforce,
    Subsidiary,
    SubsidiaryRouting,
    Tryton,
)
from prefect_crm_erp.blocks.policies.orders import MissingProducts

if TYPE_CHECKING:
    from prefect_crm_erp.cli.systems import Systems

COUNTRIES = {
    "US": ["US", "CA", "MX", "BR", "AR", "CL", "CO", "PE", "VE", "JP", "KR", "SG", "AU", "NZ", "KW", "AE"],
    "UK": ["GB", "IE"],
    "DE": ["DE", "AT", "CH", "FR", "BE", "NL", "LU", "IT", "ES", "PT", "SE", "NO", "DK", "FI", "PL", "CZ", "HU", "GR"],
}
"""Whose orders each subsidiary of the demo company takes when the account names none."""

SUFFIXES = {
    "crm": "salesforce",
    "erp": "tryton",
    "ledger": "ledger",
    "routing": "routing",
    "orders": "orders",
    "order_entry": "order-entry",
    "accounts": "accounts",
    "approvals": "approvals",
    "code_lists": "code-lists",
}
"""What is saved with an integration, and how its name ends when it has none yet."""


def save_integration(name: str, integration: Integration) -> Integration:
    """Save the connections, the ledger, the policies and the integration; overwrite what has the same names.

    Args:
        name: Name of the Integration block; what has no name yet is named after it.
        integration: The integration, whose parts need not be saved yet.

    Returns:
        The saved integration.
    """
    for field, suffix in SUFFIXES.items():
        block: Block = getattr(integration, field)
        block.save(block._block_document_name or f"{name}-{suffix}", overwrite=True)
    integration.save(name, overwrite=True)
    return integration


def sandbox_integration(name: str, systems: Systems, *, empty: bool = False) -> Integration:
    """The integration of the sandbox's two systems.

    Args:
        name: Name that the ledger keeps its state under.
        systems: The running systems.
        empty: Whether the ERP has no products: the first run then creates them from the CRM's.
    """
    return Integration(
        crm=salesforce_block(systems),
        erp=tryton_block(systems),
        ledger=Ledger(url=SecretStr(systems.ledger_url)),
        routing=routing_block(systems),
        orders=OrderPolicy(missing_products=MissingProducts.INITIAL_LOAD if empty else MissingProducts.PARK),
        accounts=AccountPolicy(),
        approvals=ApprovalPolicy(),
        code_lists=CodeLists(units={"Pack": "Unit", "Litre": "Unit", "Year": "Unit"}),
        ledger_name=name,
    )


def salesforce_block(systems: Systems) -> Salesforce:
    """A connection to the Salesforce sandbox, by OAuth client credentials."""
    access = systems.salesforce
    return Salesforce(
        instance_url=access.http_url,
        consumer_key=access.client_id,
        consumer_secret=SecretStr(access.client_secret),
        api_version=access.api_version,
    )


def tryton_block(systems: Systems) -> Tryton:
    """A connection to the sandbox's Tryton, as the integration's user."""
    access = systems.tryton
    return Tryton(
        server_url=access.url, database=access.database, username=access.user, password=SecretStr(access.password)
    )


def routing_block(systems: Systems) -> SubsidiaryRouting:
    """One subsidiary for each company of the ERP, with its countries."""
    return SubsidiaryRouting(
        subsidiaries=[
            Subsidiary(name=company.code, company=company.name, countries=COUNTRIES[company.code])
            for company in systems.tryton.companies
        ]
    )
