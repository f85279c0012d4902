"""What routing asks of a record, and what it says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from prefect_crm_erp.models.outcomes import Verdict
from prefect_crm_erp.models.records import Account, Deal


class Fact(StrEnum):
    """What a rule can ask of a record, in the words of an operator."""

    COUNTRY = "country"
    STATE = "state"
    CURRENCY = "currency"
    PRODUCT_LINE = "product line"
    RECORD_TYPE = "record type"
    OWNER_REGION = "owner's region"


OF_DEALS: Final = (Fact.CURRENCY, Fact.PRODUCT_LINE, Fact.RECORD_TYPE, Fact.OWNER_REGION)
"""Facts that only a deal has; a rule that asks for one of them says nothing of an account without a deal."""


@dataclass(frozen=True, slots=True)
class Line:
    """What routing needs of a deal's line.

    Attributes:
        label: What people know the line by.
        product_line: Product line of its product, as typed; None when it has none.
    """

    label: str
    product_line: str | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a record that is to be routed, as it was typed.

    Attributes:
        account: Name of the account.
        subsidiary: The account's subsidiary field.
        country: Billing country; the shipping country when there is none.
        state: State of the same address.
        is_billing: Whether country and state are those of the billing address.
        currency: ISO 4217 code of the deal.
        lines: Lines of the deal.
        record_type: Record type of the deal.
        owner_region: Region of the deal's owner.
        is_deal: Whether the record is a deal; else it is an account alone.
    """

    account: str | None = None
    subsidiary: str | None = None
    country: str | None = None
    state: str | None = None
    is_billing: bool = True
    currency: str | None = None
    lines: tuple[Line, ...] = ()
    record_type: str | None = None
    owner_region: str | None = None
    is_deal: bool = False

    @classmethod
    def of_account(cls, account: Account) -> Facts:
        """The facts of an account without a deal."""
        billing = bool(account.billing.country)
        place = account.billing if billing else account.shipping
        return cls(
            account.name, account.subsidiary, place.country, place.state, is_billing=billing or not place.country
        )

    @classmethod
    def of_deal(cls, account: Account, deal: Deal) -> Facts:
        """The facts of a deal and its account."""
        billing = bool(account.billing.country)
        place = account.billing if billing else account.shipping
        lines = tuple(
            Line(f"line {position} ({line.product_name or line.sku or 'without a product'})", line.product_line)
            for position, line in enumerate(deal.lines, start=1)
        )
        return cls(
            account.name,
            account.subsidiary,
            place.country,
            place.state,
            billing or not place.country,
            deal.currency,
            lines,
            deal.record_type,
            deal.owner_region,
            is_deal=True,
        )


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a policy: all its filled conditions must hold, any value of a condition suffices.

    Attributes:
        name: What people call it.
        subsidiary: Name of the subsidiary that it leads to.
        conditions: Accepted values by fact, as typed. States belong to the countries of the same rule.
    """

    name: str
    subsidiary: str
    conditions: Mapping[Fact, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Choice:
    """The subsidiary of a record.

    Attributes:
        subsidiary: Its name.
        rule: What chose it, for people: `rule 'Probes'`, `billing country GB`, `account field says UK`.
    """

    subsidiary: str
    rule: str


@dataclass(frozen=True, slots=True)
class Choices:
    """The subsidiaries of a deal whose lines lead to several.

    Attributes:
        by_line: The choice of each line, in their order.
    """

    by_line: tuple[Choice, ...]

    @property
    def subsidiary(self) -> str:
        """Names of the subsidiaries, each once: `US + UK`."""
        return " + ".join(dict.fromkeys(each.subsidiary for each in self.by_line))

    @property
    def rule(self) -> str:
        """What chose them, for people."""
        return "; ".join(dict.fromkeys(f"{each.subsidiary} by {each.rule}" for each in self.by_line))


class Answer(StrEnum):
    """What a rule says of a record."""

    MATCHED = "matched"
    LATER = "would match, but another one came first"
    NO = "does not match"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True, slots=True)
class Said:
    """What one step of a policy says of one record.

    Attributes:
        rule: Name of the step: the account's field, a rule, or the countries of a subsidiary.
        subsidiary: Where it leads; None for a field that is empty or not known.
        answer: Whether it matched.
        why: The same in words.
    """

    rule: str
    subsidiary: str | None
    answer: Answer
    why: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where a record goes, and what every step of the policy says of it, in their order.

    Attributes:
        outcome: The choice, the choices of a divided deal, or the verdict that sends it to Pending Review.
        said: One entry for each step.
    """

    outcome: Choice | Choices | Verdict
    said: tuple[Said, ...]

    @property
    def subsidiary(self) -> str | None:
        """Name of the chosen subsidiary, of several all; None for Pending Review."""
        return self.outcome.subsidiary if isinstance(self.outcome, Choice | Choices) else None
