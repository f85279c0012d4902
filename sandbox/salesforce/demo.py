"""What is in a new org: the company itself, and the demo company's records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefect_crm_erp.sandbox.salesforce.objects.opportunities import STAGES, forecast_code

if TYPE_CHECKING:
    from prefect_crm_erp.sandbox.salesforce.org import Org

ORGANIZATION_NAME = "Northlight Instruments"
INTEGRATION_USERNAME = "integration@northlight-instruments.example"

CURRENCIES = (
    ("USD", "1", 2, True),
    ("GBP", "0.772727", 2, True),
    ("EUR", "0.909091", 2, True),
    ("JPY", "147.272727", 0, True),
    ("KWD", "0.309091", 3, True),
    ("CHF", "0.863636", 2, False),
)


def seed_minimum(org: Org) -> None:
    """What every org has: its company row, users, currencies with their rates, stages and the standard price book."""
    integration = org.provision(
        "User",
        {
            "Username": INTEGRATION_USERNAME,
            "FirstName": "ERP",
            "LastName": "Integration",
            "Email": INTEGRATION_USERNAME,
            "Alias": "erpint",
            "CurrencyIsoCode": "USD",
            "DefaultCurrencyIsoCode": "USD",
        },
    )
    assert integration
    org.provision("Organization", {"Id": org.organization_id, "Name": ORGANIZATION_NAME})
    for code, rate, places, active in CURRENCIES:
        org.provision(
            "CurrencyType",
            {
                "IsoCode": code,
                "ConversionRate": rate,
                "DecimalPlaces": places,
                "IsActive": active,
                "IsCorporate": code == "USD",
            },
        )
    for position, stage in enumerate(STAGES, 1):
        org.provision(
            "OpportunityStage",
            {
                "MasterLabel": stage.name,
                "ApiName": stage.name,
                "IsActive": True,
                "SortOrder": position,
                "IsClosed": stage.closed,
                "IsWon": stage.won,
                "ForecastCategory": forecast_code(stage.forecast_category),
                "ForecastCategoryName": stage.forecast_category,
                "DefaultProbability": stage.probability,
            },
        )
    org.provision("Pricebook2", {"Name": "Standard Price Book", "IsActive": True, "IsStandard": True})


def seed_demo(org: Org) -> None:
    """The demo company's records."""
