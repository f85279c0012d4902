"""What makes a deal fit to become an order, and what is assumed where something is missing."""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from prefect.blocks.core import Block
from pydantic import ConfigDict, Field

from prefect_crm_erp.blocks.form import DOCUMENTATION_URL, LOGO_URL, OrderedForm


class MissingProducts(StrEnum):
    """What happens to a deal with a product that the ERP does not have."""

    PARK = "park the deal"
    CREATE = "create the product in the ERP"
    INITIAL_LOAD = "create products while the ERP has none at all, then park the deal"


class DealsWithoutLines(StrEnum):
    """What happens to a deal without lines."""

    PARK = "park the deal"
    TOTAL_LINE = "one line with the total"


class CustomerField(StrEnum):
    """Fields that the minimum viable customer can ask for."""

    STREET = "billing.street"
    CITY = "billing.city"
    POSTAL_CODE = "billing.postal_code"
    PHONE = "phone"
    EMAIL = "email"
    VAT_NUMBER = "vat_number"


class OrderPolicy(OrderedForm, Block):
    """What makes a deal fit to become an order, and what is assumed where something is missing.

    Example:
        Load a saved policy and see what is assumed when an account has no payment terms:

        ```python
        from prefect_crm_erp.blocks import OrderPolicy

        policy = OrderPolicy.load("BLOCK_NAME")
        print(policy.default_payment_terms)
        ```
    """

    model_config = ConfigDict(extra="ignore")

    _block_type_name = "Order Policy"
    _block_type_slug = "order-policy"
    _logo_url = LOGO_URL
    _documentation_url = DOCUMENTATION_URL

    start_date: date | None = Field(
        default=None,
        title="Start date",
        description="Deals that closed before this day are left alone, for instance because they were ordered by hand.",
    )
    required_customer_fields: list[CustomerField] = Field(
        default_factory=lambda: [CustomerField.CITY],
        title="Required customer fields",
        description="What an account needs, besides its name and country, before a customer is made of it.",
    )
    default_payment_terms: str = Field(
        default="Net 30",
        title="Payment terms when none are given",
        description="Used, and flagged for Finance, when the account has no payment terms.",
    )
    missing_products: MissingProducts = Field(
        default=MissingProducts.PARK,
        title="Unknown products",
        description="What happens to a deal with a product that the ERP does not have.",
    )
    deals_without_lines: DealsWithoutLines = Field(
        default=DealsWithoutLines.PARK,
        title="Deals without lines",
        description="What happens to a deal that has a total and no lines.",
    )
    total_line_sku: str | None = Field(
        default=None,
        title="SKU of the total line",
        description="The ERP product that stands for a whole deal without lines.",
    )
    shipping_sku: str = Field(
        default="SHIPPING",
        title="SKU of shipping",
        description="The ERP product that a quote's shipping and handling is ordered as.",
    )
    prospect_types: list[str] = Field(
        default_factory=lambda: ["Prospect"],
        title="Prospect types",
        description="Account types that change with the first deal.",
    )
    customer_type: str = Field(
        default="Customer",
        title="Customer type",
        description="Account type that a prospect gets with its first deal.",
    )
    retry_base_seconds: int = Field(
        default=60, ge=1, title="First retry after", description="Seconds before the first retry; doubled each time."
    )
    retry_attempts: int = Field(
        default=6, ge=1, title="Retries", description="How often a deal is retried before it becomes a dead letter."
    )
