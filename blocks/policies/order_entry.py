"""What an order must pass before it is entered: its date, its lines, who sells it, and whether cash is secured."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any

from prefect.blocks.core import Block
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from prefect_crm_erp.blocks.form import DOCUMENTATION_URL, LOGO_URL, OrderedForm
from prefect_crm_erp.blocks.policies.accounts import AccountRule
from prefect_crm_erp.models.geography import country_code
from prefect_crm_erp.models.keys import fold


class OwnerCheck(StrEnum):
    """Who may sell to an account."""

    ANYBODY = "anybody"
    OWNER = "the account's owner"
    MANAGERS = "the account's owner, or the owner's manager"


class DealRule(AccountRule):
    """A condition on a field of a deal, or on a column of a batch file.

    Example:
        >>> DealRule(field="Paid__c", condition="is one of", values=["true"]).fits({"Paid__c": True})
        True
    """

    field: str = Field(
        min_length=1,
        title="Deal field",
        description="Name as the CRM's set-up shows it, like Payment_Secured__c; of a batch file, name of the column.",
    )


class Restriction(BaseModel):
    """Items that may not be sold, or not to some countries.

    Example:
        >>> Restriction(sku="LASER-*", countries=["RU"]).forbids("laser-4", ["RU"])
        True
    """

    model_config = ConfigDict(extra="forbid")

    sku: str = Field(
        min_length=1, title="SKU", description="SKU of the item, with * for any characters: LASER-* is a whole family."
    )
    countries: list[str] = Field(
        default_factory=list,
        title="Countries",
        description="Countries that it may not be sold to, by ISO code or name; when empty, it may not be sold at all.",
    )
    reason: str | None = Field(
        default=None, title="Why", description="What the sales rep reads, like: discontinued, sell NL-410 instead."
    )

    @field_validator("countries")
    @classmethod
    def _are_known(cls, names: list[str]) -> list[str]:
        codes = {name: country_code(name) for name in names}
        unknown = [name for name, code in codes.items() if code is None]
        if unknown:
            raise ValueError(f"Unknown countries: {', '.join(unknown)}.")
        return [str(code) for code in codes.values()]

    def forbids(self, sku: str, countries: Iterable[str | None]) -> bool:
        """Whether an item may not be sold to one of these countries (ISO 3166-1 alpha-2 codes)."""
        return bool(_pattern(self.sku).fullmatch(sku.strip())) and (
            not self.countries or not set(self.countries).isdisjoint(countries)
        )


class OrderEntryPolicy(OrderedForm, Block):
    """What an order must pass before it is entered into the ERP; by default everything passes.

    Example:
        Load a saved policy and see who may sell to an account:

        ```python
        from prefect_crm_erp.blocks import OrderEntryPolicy

        policy = OrderEntryPolicy.load("BLOCK_NAME")
        print(policy.owner_check.value)
        ```
    """

    model_config = ConfigDict(extra="ignore")

    _block_type_name = "Order Entry Policy"
    _block_type_slug = "order-entry-policy"
    _logo_url = LOGO_URL
    _documentation_url = DOCUMENTATION_URL

    most_days_back: int | None = Field(
        default=None,
        ge=0,
        title="Days back",
        description="How many days before today an order may be dated; older ones wait in Manual Review. "
        "No limit when empty.",
    )
    most_days_ahead: int | None = Field(
        default=None,
        ge=0,
        title="Days ahead",
        description="How many days after today an order may be dated; later ones wait in Manual Review. "
        "No limit when empty.",
    )
    back_dated_needs_stock: bool = Field(
        default=False,
        title="Back-dated orders need stock",
        description="Whether an order that is dated before today waits in Manual Review when the ERP has less of an "
        "item than is ordered.",
    )
    restrictions: list[Restriction] = Field(
        default_factory=list,
        title="Restricted items",
        description="Items that may not be sold, or not to some countries; such orders are Data Quality Exceptions.",
    )
    owner_check: OwnerCheck = Field(
        default=OwnerCheck.ANYBODY,
        title="Who may sell to an account",
        description="A deal of anybody else waits in Pending Review, and alerts.",
    )
    sells_to_all: list[str] = Field(
        default_factory=list,
        title="May sell to any account",
        description="CRM users by name, user name or e-mail address, and departments whose users may.",
    )
    territory_field: str | None = Field(
        default=None,
        title="Territory in the CRM",
        description="Account field with the territory, like Territory__c. An order of an account whose territory is "
        "another in the ERP waits in Pending Review, and alerts.",
    )
    erp_territory_field: str | None = Field(
        default=None,
        title="Territory in the ERP",
        description="The ERP's field of a customer (text or selection) with the territory that the ERP has assigned.",
    )
    cash_terms: list[str] = Field(
        default_factory=list,
        title="Payment terms of cash sales",
        description="Payment terms, as the CRM or the ERP names them, that make an order a cash sale.",
    )
    cash_rules: list[DealRule] = Field(
        default_factory=list,
        title="Rules for cash sales",
        description="A deal that fits one of these is a cash sale, whatever its payment terms.",
    )
    secured_rules: list[DealRule] = Field(
        default_factory=list,
        title="Secured when",
        description="The payment of a cash sale is secured when one of these fits; until then it waits in "
        "Pending Review.",
    )
    batch_folder: Path | None = Field(
        default=None,
        title="Folder of batch files",
        description="Absolute path of the folder that files of orders are read from; nothing outside of it is read. "
        "No files are read when empty.",
    )
    batch_megabytes: int = Field(
        default=50,
        ge=1,
        le=2000,
        title="Largest batch file",
        description="Files of orders that have more megabytes than this are refused.",
    )

    @field_validator("batch_folder", "territory_field", "erp_territory_field", mode="before")
    @classmethod
    def _empty_is_none(cls, value: Any) -> Any:
        """A form sends an empty text for a field that was left empty."""
        return None if isinstance(value, str) and not value.strip() else value

    @model_validator(mode="after")
    def _is_clear(self) -> OrderEntryPolicy:
        if self.batch_folder is not None and not self.batch_folder.is_absolute():
            raise ValueError("The folder of batch files needs its whole path, from the root.")
        if bool(self.territory_field) is not bool(self.erp_territory_field):
            raise ValueError("Territories are compared when both of their fields are named.")
        if (self.cash_terms or self.cash_rules) and not self.secured_rules:
            raise ValueError("Cash sales need a rule that says when their payment is secured.")
        return self

    @property
    def checks_deals(self) -> bool:
        """Whether anything but the stock is checked."""
        checks_dates = self.most_days_back is not None or self.most_days_ahead is not None
        checks_people = self.owner_check is not OwnerCheck.ANYBODY
        return bool(checks_dates or checks_people or self.restrictions or self.cash_terms or self.cash_rules)

    def account_fields(self) -> tuple[str, ...]:
        """Account fields that the checks look at."""
        return (self.territory_field,) if self.territory_field else ()

    def deal_fields(self) -> tuple[str, ...]:
        """Deal fields that the rules look at."""
        return tuple(dict.fromkeys(rule.field for rule in (*self.cash_rules, *self.secured_rules)))

    def restriction(self, sku: str, countries: Iterable[str | None]) -> Restriction | None:
        """The restriction by which an item may not be sold to one of these countries, if there is one."""
        places = list(countries)
        return next((each for each in self.restrictions if each.forbids(sku, places)), None)

    def cash_because(self, facts: dict[str, Any], payment_terms: Iterable[str | None]) -> str | None:
        """Why a deal is a cash sale; None when it is none.

        Args:
            facts: The fields of the rules, by name.
            payment_terms: The account's, as the CRM and as the ERP names them.
        """
        named = {fold(terms) for terms in self.cash_terms}
        terms = next((each for each in payment_terms if each and fold(each) in named), None)
        if terms:
            return f"its payment terms are {terms}"
        return next((rule.in_words() for rule in self.cash_rules if _fits(rule, facts)), None)

    def is_secured(self, facts: dict[str, Any]) -> bool:
        """Whether the payment of a cash sale is secured."""
        return any(_fits(rule, facts) for rule in self.secured_rules)

    def territory(self, account: Mapping[str, Any]) -> str | None:
        """The territory of an account, of whose fields those of the policy are given."""
        value = _at(account, self.territory_field) if self.territory_field else None
        return None if value is None else str(value)


def _fits(rule: DealRule, facts: Mapping[str, Any]) -> bool:
    return rule.fits({rule.field: _at(facts, rule.field)})


def _at(values: Mapping[str, Any], path: str) -> Any:
    """A field by its name, or that of a related record by its path, like Owner.Name."""
    current: Any = values
    for step in path.split(".") if path not in values else [path]:
        current = current.get(step) if isinstance(current, Mapping) else None
    return current


@lru_cache(maxsize=1024)
def _pattern(sku: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, sku.strip().split("*"))), re.IGNORECASE | re.DOTALL)
