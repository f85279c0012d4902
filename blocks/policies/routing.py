"""Which subsidiary an order belongs to: by the account's field, rules or countries; else a person decides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import pycountry
from prefect.blocks.core import Block
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from prefect_crm_erp.blocks.crm.values import RoutingFields
from prefect_crm_erp.blocks.form import DOCUMENTATION_URL, LOGO_URL, OrderedForm
from prefect_crm_erp.models.capabilities import OrderSettings
from prefect_crm_erp.models.outcomes import Verdict
from prefect_crm_erp.models.records import Account, Deal
from prefect_crm_erp.models.routing import Policy
from prefect_crm_erp.models.routing_facts import Choice, Choices, Explanation, Fact, Facts, Rule


class ErpSlot(StrEnum):
    """The ERP connections that an integration has."""

    MAIN = "main"
    SECOND = "second"
    THIRD = "third"


class SeveralCompanies(StrEnum):
    """What becomes of a deal whose lines lead to several subsidiaries."""

    REVIEW = "review"
    SPLIT = "split"


class Subsidiary(BaseModel):
    """A legal entity of the company, and where its books are kept.

    Example:
        >>> Subsidiary(name="UK", company="Northlight Instruments Ltd", countries=["GB", "IE"]).erp
        <ErpSlot.MAIN: 'main'>
    """

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, title="Name", description="Name as the account's subsidiary field shows it.")
    company: str = Field(
        min_length=1, title="ERP company", description="Code, name or number of the company in its ERP."
    )
    erp: ErpSlot = Field(
        default=ErpSlot.MAIN, title="ERP connection", description="Which of the integration's ERP connections it uses."
    )
    currency: str | None = Field(
        default=None,
        title="Currency",
        description="ISO code of its books, to be checked against the ERP's company before a run; not when empty.",
    )
    countries: list[str] = Field(
        default_factory=list,
        title="Countries",
        description="Billing countries that belong here when the account names no subsidiary and no rule matches.",
    )
    restricted_items: list[str] = Field(
        default_factory=list,
        title="Restricted items",
        description="SKUs that this subsidiary does not sell; a deal with one of them is reviewed.",
    )

    price_list: str | None = Field(
        default=None,
        title="Price list",
        description=(
            "Price list of the ERP that its orders name, their prices stay the deal's; price-book-sync makes a price "
            "book of it. None when empty."
        ),
    )
    tax_rule: str | None = Field(
        default=None,
        title="Tax rule",
        description=(
            "Tax rule of the ERP for its orders, but for those of customers with a rule of their own; the company's "
            "default when empty."
        ),
    )
    order_prefix: str | None = Field(
        default=None,
        title="Order prefix",
        description="What the numbers of its orders begin with in the ERP, like UK-; any when empty.",
    )

    @property
    def order_settings(self) -> OrderSettings:
        """What it wants of its orders in the ERP."""
        return OrderSettings(self.price_list, self.tax_rule, self.order_prefix)

    @field_validator("price_list", "tax_rule", "order_prefix")
    @classmethod
    def _none_if_blank(cls, text: str | None) -> str | None:
        return (text or "").strip() or None

    @field_validator("currency")
    @classmethod
    def _known_currency(cls, text: str | None) -> str | None:
        code = (text or "").strip().upper()
        if code and pycountry.currencies.get(alpha_3=code) is None:
            raise ValueError(f"{text!r} is no currency; write its ISO code, like EUR")
        return code or None


class RoutingRule(BaseModel):
    """A rule of the routing: all conditions that are filled in must hold, and any value of a condition suffices.

    Example:
        >>> RoutingRule(name="Service in Ireland", subsidiary="UK", countries=["IE"], product_lines=["Services"]).name
        'Service in Ireland'
    """

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, title="Name", description="Name of the rule, which reports and reasons show.")
    subsidiary: str = Field(
        min_length=1, title="Subsidiary", description="Name of the subsidiary that gets what the rule matches."
    )
    countries: list[str] = Field(
        default_factory=list,
        title="Countries",
        description="Billing countries, or shipping countries of accounts without a billing country.",
    )
    states: list[str] = Field(
        default_factory=list, title="States", description="States or provinces of these countries, like California."
    )
    currencies: list[str] = Field(
        default_factory=list, title="Currencies", description="ISO codes of the deal's currency, like EUR."
    )
    product_lines: list[str] = Field(
        default_factory=list,
        title="Product lines",
        description="Product lines of the deal's lines; where they lead to several subsidiaries, the policy for that.",
    )
    record_types: list[str] = Field(
        default_factory=list,
        title="Record types",
        description="Names of the deal's record type, like Service Contract.",
    )
    owner_regions: list[str] = Field(
        default_factory=list, title="Owner's regions", description="Regions of the deal's owner, like EMEA Sales."
    )

    def compiled(self) -> Rule:
        """The rule as the engine reads it."""
        conditions: dict[Fact, Sequence[str]] = {
            Fact.COUNTRY: self.countries,
            Fact.STATE: self.states,
            Fact.CURRENCY: self.currencies,
            Fact.PRODUCT_LINE: self.product_lines,
            Fact.RECORD_TYPE: self.record_types,
            Fact.OWNER_REGION: self.owner_regions,
        }
        return Rule(self.name, self.subsidiary, conditions)


@dataclass(frozen=True, slots=True)
class Route:
    """Where a deal goes, and which rule said so."""

    subsidiary: Subsidiary
    rule: str


@dataclass(frozen=True, slots=True)
class Routes:
    """Where the lines of a deal go that is divided among several subsidiaries.

    Attributes:
        by_line: The route of each line, in their order.
        names: Names of the subsidiaries, each once: `US + UK`.
        rule: What chose them, for people.
    """

    by_line: tuple[Route, ...]
    names: str
    rule: str


class SubsidiaryRouting(OrderedForm, Block):
    """Which subsidiary an order belongs to: the account's field, else the rules in order, else the country.

    What none of them decides goes to Pending Review. There is no default subsidiary on purpose: an order in the wrong
    legal entity costs more than a question.

    Example:
        Load a saved routing and see where a country's orders go:

        ```python
        from prefect_crm_erp.blocks import SubsidiaryRouting

        routing = SubsidiaryRouting.load("BLOCK_NAME")
        print(routing.table().by_country["GB"].name)
        ```
    """

    _block_type_name = "Subsidiary Routing"
    _block_type_slug = "subsidiary-routing"
    _logo_url = LOGO_URL
    _documentation_url = DOCUMENTATION_URL

    subsidiaries: list[Subsidiary] = Field(
        min_length=1, title="Subsidiaries", description="The legal entities that orders can go to."
    )
    rules: list[RoutingRule] = Field(
        default_factory=list,
        title="Rules",
        description="Asked from first to last when the account names no subsidiary; the first that matches decides.",
    )
    several_companies: SeveralCompanies = Field(
        default=SeveralCompanies.REVIEW,
        title="Deals of several companies",
        description=(
            "A deal whose lines lead to several subsidiaries is reviewed by a person, or split: one order for each "
            "subsidiary, with its lines only."
        ),
    )
    product_line_field: str = Field(
        default="Family",
        min_length=1,
        title="Product line field",
        description="Field of the CRM's products that holds the product line, for rules that ask for it.",
    )
    owner_region_field: str = Field(
        default="UserRole.Name",
        min_length=1,
        title="Owner's region field",
        description="Field of the CRM's users that holds their region, for rules that ask for it, like Region__c.",
    )

    intercompany: bool = Field(
        default=False,
        title="Orders of own companies",
        description="Whether orders of customers that are own companies go through; otherwise they are reviewed.",
    )

    @model_validator(mode="after")
    def _no_contradictions(self) -> SubsidiaryRouting:
        self.table()
        return self

    def table(
        self, countries: Mapping[str, str] | None = None, states: Mapping[str, str] | None = None
    ) -> RoutingTable:
        """The policy, compiled for many look-ups.

        Args:
            countries: The company's own spellings of countries, with their ISO codes.
            states: The company's own spellings of states, with their codes.

        Raises:
            ValueError: When the policy contradicts itself, or names what does not exist.
        """
        return RoutingTable(self.subsidiaries, self.rules, countries, states, divides=self.divides)

    @property
    def divides(self) -> bool:
        """Whether a deal may become several orders."""
        return self.several_companies is SeveralCompanies.SPLIT

    def crm_fields(self) -> RoutingFields:
        """What the rules ask of the CRM besides what is read anyway."""
        return RoutingFields(
            record_types=_values(rule.record_types for rule in self.rules),
            product_lines=_values(rule.product_lines for rule in self.rules),
            product_line_field=self.product_line_field.strip(),
            owner_regions=_values(rule.owner_regions for rule in self.rules),
            owner_region_field=self.owner_region_field.strip(),
        )


class RoutingTable:
    """A routing policy, ready to route many deals.

    Attributes:
        by_name: Subsidiary by its name.
        by_country: Subsidiary by ISO 3166-1 alpha-2 code, for what no rule matches.
    """

    def __init__(
        self,
        subsidiaries: Sequence[Subsidiary],
        rules: Sequence[RoutingRule] = (),
        countries: Mapping[str, str] | None = None,
        states: Mapping[str, str] | None = None,
        *,
        divides: bool = False,
    ) -> None:
        self.by_name = {each.name: each for each in subsidiaries}
        if len(self.by_name) < len(subsidiaries):
            names = [each.name for each in subsidiaries]
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"The subsidiary {twice!r} stands twice.")
        own = {each.name: each.countries for each in subsidiaries}
        self._policy = Policy(own, [rule.compiled() for rule in rules], countries, states, divides=divides)
        self.by_country = {code: self.by_name[name] for code, name in self._policy.by_country.items()}

    def route(self, account: Account, deal: Deal | None = None) -> Route | Routes | Verdict:
        """Where a deal goes, or an account without one.

        Args:
            account: The buyer, with its addresses as typed or converted.
            deal: Its deal; rules that ask for facts of a deal do not apply without one.

        Returns:
            The route, the routes of a deal that is divided, or the verdict that sends the record to Pending Review.
        """
        outcome = self._policy.route(_facts(account, deal))
        if isinstance(outcome, Choices):
            routes = tuple(self.taken(choice) for choice in outcome.by_line)
            return Routes(routes, outcome.subsidiary, outcome.rule)
        return self.taken(outcome) if isinstance(outcome, Choice) else outcome

    def explain(self, account: Account, deal: Deal | None = None) -> Explanation:
        """As `route`, with what every step of the policy says."""
        return self._policy.explain(_facts(account, deal))

    def taken(self, choice: Choice) -> Route:
        """The route that a choice leads to."""
        return Route(self.by_name[choice.subsidiary], choice.rule)


def _facts(account: Account, deal: Deal | None) -> Facts:
    return Facts.of_account(account) if deal is None else Facts.of_deal(account, deal)


def _values(lists: Iterable[list[str]]) -> tuple[str, ...]:
    """Values of several rules, each once."""
    return tuple(dict.fromkeys(value.strip() for values in lists for value in values))
