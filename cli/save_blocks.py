"""Save an Integration block, and all that it refers to, on the Prefect server that is configured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import SecretStr

from prefect_crm_erp.blocks import (
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


def save_integration(name: str, systems: Systems, *, empty: bool = False) -> Integration:
    """Save the connections, the ledger, the policies and the integration; overwrite what has the same names.

    Args:
        name: Name of the Integration block; the others are named after it.
        systems: The running systems.
        empty: Whether the ERP has no products: the first run then creates them from the CRM's.

    Returns:
        The saved integration.
    """
    crm = salesforce_block(systems)
    crm.save(f"{name}-salesforce", overwrite=True)
    erp = tryton_block(systems)
    erp.save(f"{name}-tryton", overwrite=True)
    ledger = Ledger(url=SecretStr(systems.ledger_url))
    ledger.save(f"{name}-ledger", overwrite=True)
    routing = routing_block(systems)
    routing.save(f"{name}-routing", overwrite=True)
    code_lists = CodeLists(units={"Pack": "Unit", "Litre": "Unit", "Year": "Unit"})
    code_lists.save(f"{name}-code-lists", overwrite=True)
    orders = OrderPolicy(missing_products=MissingProducts.INITIAL_LOAD if empty else MissingProducts.PARK)
    orders.save(f"{name}-orders", overwrite=True)
    integration = Integration(
        crm=crm, erp=erp, ledger=ledger, routing=routing, orders=orders, code_lists=code_lists, ledger_name=name
    )
    integration.save(name, overwrite=True)
    return integration


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
