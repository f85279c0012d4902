"""What keeps accounts and customers in step: who owns which field, and which accounts belong in the ERP."""

from __future__ import annotations

from datetime import date, timedelta
from enum import StrEnum
from typing import Any

from prefect.blocks.core import Block
from pydantic import BaseModel, ConfigDict, Field, model_validator

from prefect_crm_erp.blocks.crm.values import ContactScope
from prefect_crm_erp.blocks.form import DOCUMENTATION_URL, LOGO_URL, OrderedForm
from prefect_crm_erp.models.keys import fold
from prefect_crm_erp.models.matching import SIMILAR_WORD
from prefect_crm_erp.models.ownership import Owner, Rule, TieBreaker
from prefect_crm_erp.models.records import Account


class SyncedField(StrEnum):
    """Fields of a customer that both systems have."""

    NAME = "name"
    BILLING = "billing address"
    SHIPPING = "shipping address"
    PHONE = "phone"
    VAT_NUMBER = "VAT number"
    PAYMENT_TERMS = "payment terms"
    PARENT = "parent"
    CONTACTS = "contacts"

    @property
    def canonical(self) -> str:
        """The field's name in canonical records."""
        return _CANONICAL[self]


_CANONICAL = {
    SyncedField.NAME: "name",
    SyncedField.BILLING: "billing",
    SyncedField.SHIPPING: "shipping",
    SyncedField.PHONE: "phone",
    SyncedField.VAT_NUMBER: "vat_number",
    SyncedField.PAYMENT_TERMS: "payment_terms",
    SyncedField.PARENT: "parent",
    SyncedField.CONTACTS: "contacts",
}
_NEVER_EMPTY = frozenset(
    {SyncedField.NAME, SyncedField.BILLING, SyncedField.PAYMENT_TERMS}
)  # an ERP needs them: what one side lacks is filled from the other
_ONLY_CRM = frozenset({SyncedField.CONTACTS, SyncedField.PARENT})


class FieldOwner(BaseModel):
    """Who owns a field.

    Example:
        >>> FieldOwner(field="phone", owner="the latest change").in_doubt
        <TieBreaker.PERSON: 'a person'>
    """

    model_config = ConfigDict(extra="forbid")

    field: SyncedField = Field(title="Field", description="The field.")
    owner: Owner = Field(
        title="Owner", description="Whose value stands; a change on the other side is reverted by the next sync."
    )
    in_doubt: TieBreaker = Field(
        default=TieBreaker.PERSON,
        title="In doubt",
        description="Who decides when the latest change wins and both sides have changed within the grace period.",
    )


class NewCustomers(StrEnum):
    """When an account that the ERP does not have yet becomes a customer there."""

    FIRST_DEAL = "with their first deal"
    RULES = "when one of the rules fits, or with their first deal"
    ALL = "at once, every account"


class Condition(StrEnum):
    """How a rule compares a field."""

    IS = "is one of"
    IS_NOT = "is none of"
    FILLED = "is filled in"
    EMPTY = "is empty"


class AccountRule(BaseModel):
    """A condition that makes an account a customer of the ERP.

    Example:
        >>> rule = AccountRule(field="Type", condition="is one of", values=["Customer"])
        >>> rule.fits({"Type": "customer"})
        True
    """

    model_config = ConfigDict(extra="forbid")

    field: str = Field(
        min_length=1, title="Account field", description="Name as the CRM's set-up shows it, like Type or Tier__c."
    )
    condition: Condition = Field(default=Condition.IS, title="Condition", description="How the field is compared.")
    values: list[str] = Field(
        default_factory=list, title="Values", description="Values to compare with, whatever their case."
    )

    @model_validator(mode="after")
    def _has_values(self) -> AccountRule:
        if self.condition in (Condition.IS, Condition.IS_NOT) and not self.values:
            raise ValueError(f"The rule on {self.field} {self.condition.value} … names no value.")
        return self

    def fits(self, facts: dict[str, Any]) -> bool:
        """Whether an account with these fields fits."""
        value = facts.get(self.field)
        shown = fold(str(value)) if value is not None else ""
        if self.condition is Condition.FILLED:
            return bool(shown)
        if self.condition is Condition.EMPTY:
            return not shown
        is_named = shown in {fold(each) for each in self.values}
        return is_named if self.condition is Condition.IS else not is_named

    def in_words(self) -> str:
        """The rule as a person reads it."""
        return " ".join([self.field, self.condition.value, ", ".join(self.values)]).strip()


class ErpCustomers(StrEnum):
    """What happens to a customer of the ERP that no account belongs to."""

    LINK = "link it to its account where there is one"
    CREATE = "link it, or create an account once it has bought"


def default_owners() -> list[FieldOwner]:
    """Who owns what unless somebody decides otherwise: the ERP what invoices need, the CRM what sales knows."""
    return [
        FieldOwner(field=SyncedField.NAME, owner=Owner.CRM),
        FieldOwner(field=SyncedField.BILLING, owner=Owner.ERP),
        FieldOwner(field=SyncedField.SHIPPING, owner=Owner.CRM),
        FieldOwner(field=SyncedField.PHONE, owner=Owner.LATEST),
        FieldOwner(field=SyncedField.VAT_NUMBER, owner=Owner.LATEST, in_doubt=TieBreaker.ERP),
        FieldOwner(field=SyncedField.PAYMENT_TERMS, owner=Owner.ERP),
        FieldOwner(field=SyncedField.PARENT, owner=Owner.CRM),
        FieldOwner(field=SyncedField.CONTACTS, owner=Owner.CRM),
    ]


class AccountPolicy(OrderedForm, Block):
    """What keeps accounts and customers in step: who owns which field, and which accounts belong in the ERP.

    Credit limit, balance and invoices are the ERP's in any case; the CRM shows a read-only copy.

    Example:
        Load a saved policy and see who owns the billing address:

        ```python
        from prefect_crm_erp.blocks import AccountPolicy, SyncedField

        policy = AccountPolicy.load("BLOCK_NAME")
        print(policy.rule(SyncedField.BILLING).owner)
        ```
    """

    model_config = ConfigDict(extra="ignore")

    _block_type_name = "Account Sync Policy"
    _block_type_slug = "account-sync-policy"
    _logo_url = LOGO_URL
    _documentation_url = DOCUMENTATION_URL

    owners: list[FieldOwner] = Field(
        default_factory=default_owners,
        title="Owners of the fields",
        description="Who owns which field; a field that is missing here has the usual owner.",
    )
    grace_seconds: int = Field(
        default=60,
        ge=0,
        title="Grace period",
        description="Changes of both sides that are fewer seconds apart than this count as simultaneous.",
    )
    signed_off_by_sales: str | None = Field(
        default=None,
        title="Signed off by (sales)",
        description="Who agreed to the owners for sales, like the chief revenue officer.",
    )
    signed_off_by_finance: str | None = Field(
        default=None,
        title="Signed off by (finance)",
        description="Who agreed to the owners for finance, like the chief financial officer.",
    )
    signed_off_on: date | None = Field(
        default=None, title="Signed off on", description="Day on which both had agreed to the owners."
    )
    new_customers: NewCustomers = Field(
        default=NewCustomers.FIRST_DEAL,
        title="New customers",
        description="When an account that the ERP does not have yet becomes a customer there.",
    )
    rules: list[AccountRule] = Field(
        default_factory=list,
        title="Rules for new customers",
        description="Accounts that fit one of these become customers before their first deal.",
    )
    erp_customers: ErpCustomers = Field(
        default=ErpCustomers.CREATE,
        title="Customers without account",
        description="What happens to a customer of the ERP that no account belongs to.",
    )
    similarity: int = Field(
        default=SIMILAR_WORD,
        ge=50,
        le=100,
        title="Similarity of names",
        description="From which similarity of its words, in percent, a name at the same postal code may be the same "
        "company, so that a person is asked.",
    )
    contacts: ContactScope = Field(
        default=ContactScope.BILLING, title="Contacts", description="Which contacts of an account travel to the ERP."
    )

    @model_validator(mode="after")
    def _owners_are_clear(self) -> AccountPolicy:
        named = [row.field for row in self.owners]
        twice = sorted({field.value for field in named if named.count(field) > 1})
        if twice:
            raise ValueError(f"A field has one owner; named twice: {', '.join(twice)}.")
        for row in self.owners:
            if row.field in _ONLY_CRM and row.owner is not Owner.CRM:
                raise ValueError(f"The CRM owns {row.field.value}; they do not come back from the ERP.")
        if self.new_customers is NewCustomers.RULES and not self.rules:
            raise ValueError("“New customers” asks for rules; add one, or choose when else accounts become customers.")
        return self

    @property
    def grace(self) -> timedelta:
        """The grace period."""
        return timedelta(seconds=self.grace_seconds)

    @property
    def is_signed_off(self) -> bool:
        """Whether sales and finance have both agreed to the owners, and the day is known."""
        return bool(self.signed_off_by_sales and self.signed_off_by_finance and self.signed_off_on)

    def rule(self, field: SyncedField) -> Rule:
        """How differences in a field are settled."""
        chosen = {row.field: row for row in (*default_owners(), *self.owners)}[field]
        return Rule(chosen.owner, chosen.in_doubt, field not in _NEVER_EMPTY, field in _ONLY_CRM)

    def field_rules(self) -> dict[str, Rule]:
        """How differences are settled, for each standard field by its canonical name."""
        return {field.canonical: self.rule(field) for field in SyncedField}

    def rule_fields(self) -> tuple[str, ...]:
        """CRM fields that the rules for new customers look at."""
        return tuple(dict.fromkeys(rule.field for rule in self.rules))

    def becomes_customer(self, account: Account) -> str | None:
        """Why an account becomes a customer before its first deal; None when it does not.

        Args:
            account: The account, with the fields of the rules in `custom`.
        """
        if self.new_customers is NewCustomers.ALL:
            return "every account becomes a customer"
        if self.new_customers is NewCustomers.FIRST_DEAL:
            return None
        return next((rule.in_words() for rule in self.rules if rule.fits(account.custom)), None)
