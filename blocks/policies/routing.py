"""Which subsidiary an order belongs to: the account's field, else its country, else a person decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from prefect.blocks.core import Block
from pydantic import BaseModel, ConfigDict, Field, model_validator

from prefect_crm_erp.blocks.form import DOCUMENTATION_URL, LOGO_URL, OrderedForm
from prefect_crm_erp.models.geography import country_code, country_name
from prefect_crm_erp.models.keys import fold
from prefect_crm_erp.models.outcomes import Queue, Verdict
from prefect_crm_erp.models.records import Account


class ErpSlot(StrEnum):
    """The ERP connections that an integration has."""

    MAIN = "main"
    SECOND = "second"
    THIRD = "third"


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
    countries: list[str] = Field(
        default_factory=list,
        title="Countries",
        description="Billing countries whose orders belong here when the account names no subsidiary.",
    )


@dataclass(frozen=True, slots=True)
class Route:
    """Where a deal goes, and which rule said so."""

    subsidiary: Subsidiary
    rule: str


class SubsidiaryRouting(OrderedForm, Block):
    """Which subsidiary an order belongs to: the account's field, else the billing country, else Pending Review.

    There is no default subsidiary on purpose: an order in the wrong legal entity costs more than a question.

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

    @model_validator(mode="after")
    def _no_contradictions(self) -> SubsidiaryRouting:
        self.table()
        return self

    def table(self) -> RoutingTable:
        """The policy, compiled for many look-ups.

        Raises:
            ValueError: When a name or a country stands twice, or a country is not known.
        """
        return RoutingTable(self.subsidiaries)


class RoutingTable:
    """A routing policy, ready to route many deals.

    Attributes:
        by_name: Subsidiary by its folded name.
        by_country: Subsidiary by ISO 3166-1 alpha-2 code.
    """

    def __init__(self, subsidiaries: list[Subsidiary]) -> None:
        self.by_name: dict[str, Subsidiary] = {}
        self.by_country: dict[str, Subsidiary] = {}
        for subsidiary in subsidiaries:
            if fold(subsidiary.name) in self.by_name:
                raise ValueError(f"The subsidiary {subsidiary.name!r} stands twice.")
            self.by_name[fold(subsidiary.name)] = subsidiary
            self._add_countries(subsidiary)

    def route(self, account: Account, extra_countries: Mapping[str, str] | None = None) -> Route | Verdict:
        """Where an account's deals go.

        Args:
            account: The buyer, with its addresses as typed or converted.
            extra_countries: The company's own spellings of countries.

        Returns:
            The route, or the verdict that sends the deal to Pending Review.
        """
        if fold(account.subsidiary):
            return self._by_field(account)
        typed = account.billing.country or account.shipping.country
        code = country_code(typed, extra_countries)
        subsidiary = self.by_country.get(code or "")
        if subsidiary:
            return Route(subsidiary, f"billing country {code}")
        return self._no_country(account, typed, code)

    def _add_countries(self, subsidiary: Subsidiary) -> None:
        for text in subsidiary.countries:
            code = country_code(text)
            if code is None:
                raise ValueError(f"{subsidiary.name}: {text!r} is no country; write its name or its ISO code, like DE.")
            other = self.by_country.setdefault(code, subsidiary)
            if other is not subsidiary:
                raise ValueError(
                    f"{country_name(code)} belongs to {other.name} and to {subsidiary.name}; it can have one."
                )

    def _by_field(self, account: Account) -> Route | Verdict:
        subsidiary = self.by_name.get(fold(account.subsidiary))
        if subsidiary:
            return Route(subsidiary, f"account field says {subsidiary.name}")
        reason = (
            f"The account {account.name!r} names the subsidiary {account.subsidiary!r}, which the routing does not "
            "know; correct the account, or add the subsidiary to the routing"
        )
        return Verdict.queued(Queue.PENDING_REVIEW, reason, error="UnknownSubsidiary", fields=("subsidiary",))

    def _no_country(self, account: Account, typed: str | None, code: str | None) -> Verdict:
        if not typed:
            what = f"The account {account.name!r} has neither a subsidiary nor a billing country"
        elif code is None:
            what = f"The account {account.name!r} has the unknown country {typed!r}"
        else:
            what = f"No subsidiary serves {country_name(code)}, the country of the account {account.name!r}"
        reason = f"{what}; fill in the account's subsidiary or correct its country"
        return Verdict.queued(Queue.PENDING_REVIEW, reason, error="NoRoute", fields=("subsidiary", "billing.country"))
