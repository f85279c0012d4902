"""Whose exchange rates rule, which currencies are kept in step, and how far two values may be apart."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from prefect.blocks.core import Block
from pydantic import ConfigDict, Field, field_validator

from prefect_crm_erp.blocks.form import DOCUMENTATION_URL, LOGO_URL, OrderedForm
from prefect_crm_erp.models.currencies import currency_code


class CurrencyPolicy(OrderedForm, Block):
    """Whose exchange rates rule, which currencies are kept in step, and how far two values may be apart.

    Orders always keep the currency and amount of their deal: rates are for what the CRM shows beside it, and for
    reports.

    Example:
        Load a saved policy and see from which variance on a deal is flagged:

        ```python
        from prefect_crm_erp.blocks import CurrencyPolicy

        policy = CurrencyPolicy.load("BLOCK_NAME")
        print(policy.tolerance_percent)
        ```
    """

    model_config = ConfigDict(extra="ignore")

    _block_type_name = "Currency Policy"
    _block_type_slug = "currency-policy"
    _logo_url = LOGO_URL
    _documentation_url = DOCUMENTATION_URL

    rates_of: str | None = Field(
        default=None,
        title="Rates of",
        description="Name of the subsidiary whose ERP rates go to the CRM; the first of the routing when empty.",
    )
    currencies: list[str] = Field(
        default_factory=list,
        title="Currencies",
        description="Currencies (ISO codes, like EUR) whose rates go to the CRM; all that both have when empty.",
    )
    tolerance_percent: Decimal = Field(
        default=Decimal(2),
        ge=0,
        title="Tolerance in percent",
        description="A CRM value that differs from the ERP's by more than this is flagged in the reconciliation.",
    )

    @field_validator("currencies")
    @classmethod
    def _codes(cls, codes: list[str]) -> list[str]:
        """Codes in their exact form; one that is no money any more is refused with its successor."""
        today = datetime.now(UTC).date()
        return list(dict.fromkeys(currency_code(code, today).code for code in codes if code.strip()))

    @field_validator("rates_of")
    @classmethod
    def _empty_is_none(cls, name: str | None) -> str | None:
        """A form sends an empty text for a field that was left empty."""
        return name.strip() or None if name else None
