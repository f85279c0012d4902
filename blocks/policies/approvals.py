"""Approvals of orders: what needs none, and who is told when one is late."""

from __future__ import annotations

from decimal import Decimal

from prefect.blocks.core import Block
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from prefect_crm_erp.blocks.form import DOCUMENTATION_URL, LOGO_URL, OrderedForm
from prefect_crm_erp.models.approvals import OrderFacts
from prefect_crm_erp.models.geography import country_code, country_name
from prefect_crm_erp.models.keys import fold


class Scenario(BaseModel):
    """A kind of order that Finance has authorised beforehand. All conditions must hold; an empty one always does.

    Example:
        >>> scenario = Scenario(name="Standard pricing", existing_customers_only=True, discount_up_to=5)
        >>> scenario.in_words()
        'Standard pricing: existing customers, no line discounted by more than 5 %'
    """

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, title="Name", description="Name of the scenario, like Standard pricing.")
    existing_customers_only: bool = Field(
        default=False,
        title="Existing customers only",
        description="Whether the customer must have an order or invoice that stands in the ERP already.",
    )
    discount_up_to: float | None = Field(
        default=None,
        ge=0,
        le=100,
        title="Discount up to",
        description="No line may be discounted by more than this many percent of its list price; 0 is standard "
        "pricing.",
    )
    amount_up_to: int | None = Field(
        default=None,
        gt=0,
        title="Amount up to",
        description="The order may come to this much without tax, in whole units of its company's currency.",
    )
    countries: list[str] = Field(
        default_factory=list,
        title="Countries",
        description="Billing countries of the customer, as names or ISO codes; empty for all.",
    )
    currencies: list[str] = Field(
        default_factory=list, title="Currencies", description="ISO codes of the order's currency; empty for all."
    )

    @field_validator("countries")
    @classmethod
    def _known_countries(cls, countries: list[str]) -> list[str]:
        unknown = [each for each in countries if country_code(each) is None]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is no country; write its name or its ISO code, like DE.")
        return countries

    @model_validator(mode="after")
    def _has_a_condition(self) -> Scenario:
        if not self.conditions():
            raise ValueError(f"The scenario {self.name!r} has no condition, so that every order would fit it.")
        return self

    def conditions(self) -> list[str]:
        """Its conditions as a person reads them."""
        told = ["existing customers"] if self.existing_customers_only else []
        if self.discount_up_to is not None:
            told.append(f"no line discounted by more than {self.discount_up_to:g} %")
        if self.amount_up_to is not None:
            told.append(f"up to {self.amount_up_to:,} in the company's currency")
        told += (
            [" or ".join(country_name(str(country_code(each))) for each in self.countries)] if self.countries else []
        )
        return told + ([" or ".join(self.currencies)] if self.currencies else [])

    def in_words(self) -> str:
        """The scenario as a person reads it."""
        return f"{self.name}: {', '.join(self.conditions())}"

    def objections(self, order: OrderFacts) -> list[str]:
        """Why an order does not fit; empty when it does."""
        found = ["the customer has not bought yet"] if self.existing_customers_only and not order.has_bought else []
        if self.discount_up_to is not None and order.discount > Decimal(repr(self.discount_up_to)):
            found.append(f"a line is discounted by {order.discount:.2f} %")
        if self.amount_up_to is not None and not self._is_affordable(order):
            shown = "no rate is known" if order.amount is None else f"it comes to {order.amount:,.2f}"
            found.append(f"{shown} {order.company_currency}")
        if self.countries and order.country not in {country_code(each) for each in self.countries}:
            found.append(f"the customer is in {country_name(order.country) if order.country else 'no country'}")
        if self.currencies and fold(order.currency) not in {fold(each) for each in self.currencies}:
            found.append(f"it is in {order.currency}")
        return found

    def _is_affordable(self, order: OrderFacts) -> bool:
        return order.amount is not None and self.amount_up_to is not None and order.amount <= self.amount_up_to


class ApprovalPolicy(OrderedForm, Block):
    """Approvals of orders: what needs none, and who is told when one is late.

    Without scenarios the integration confirms every order, and the ERP's own rules decide which of them wait. With
    scenarios it confirms those that fit one, and leaves the others to the ERP's people. The ERP's rules stay in force.

    Example:
        Load a saved policy and read what Finance has authorised beforehand:

        ```python
        from prefect_crm_erp.blocks import ApprovalPolicy

        policy = ApprovalPolicy.load("BLOCK_NAME")
        for scenario in policy.scenarios:
            print(scenario.in_words())
        ```
    """

    model_config = ConfigDict(extra="ignore")

    _block_type_name = "Approval Policy"
    _block_type_slug = "approval-policy"
    _logo_url = LOGO_URL
    _documentation_url = DOCUMENTATION_URL

    scenarios: list[Scenario] = Field(
        default_factory=list,
        title="Pre-authorised scenarios",
        description="Orders that fit one of them are confirmed at once, all others wait for the ERP's people; "
        "without any, every order is confirmed.",
    )
    report_after_hours: float = Field(
        default=24,
        gt=0,
        title="Report after",
        description="Orders that have waited for an approval for more than this many hours are reported.",
    )
    alert_after_hours: float = Field(
        default=48,
        gt=0,
        title="Alert after",
        description="After more than this many hours the deal's owner and the owner's manager are told.",
    )
    remind_after_hours: float | None = Field(
        default=None,
        gt=0,
        title="Remind after",
        description="Hours after which they are told again of an order that still waits; never when empty.",
    )
    notifications: list[str] = Field(
        default_factory=list,
        title="Notification blocks",
        description="Saved blocks that send the alerts, as type/name like slack-webhook/sales or "
        "sendgrid-email/approvals; the event for automations is emitted in any case.",
    )
    fallback_email: str | None = Field(
        default=None,
        title="Told when nobody else can be",
        description="E-mail address for alerts of deals that have neither an active owner nor an active manager.",
    )

    @model_validator(mode="after")
    def _reports_before_it_alerts(self) -> ApprovalPolicy:
        if self.alert_after_hours < self.report_after_hours:
            raise ValueError("Alerts cannot come before the report: “Alert after” is less than “Report after”.")
        return self

    @field_validator("notifications")
    @classmethod
    def _are_slugs(cls, slugs: list[str]) -> list[str]:
        stripped = [each.strip().strip("/") for each in slugs if each.strip()]
        wrong = [each for each in stripped if each.count("/") != 1]
        if wrong:
            raise ValueError(f"{wrong[0]!r} names no block; write its type and its name, like slack-webhook/sales.")
        return list(dict.fromkeys(stripped))

    def authorise(self, order: OrderFacts) -> tuple[Scenario | None, str]:
        """The first scenario that an order fits; else why it fits none, as a sentence's end."""
        objections: list[str] = []
        for scenario in self.scenarios:
            found = scenario.objections(order)
            if not found:
                return scenario, ""
            objections.append(f"{scenario.name}: {' and '.join(found)}")
        return None, "; ".join(objections)
