"""One saved block that pairs a CRM with its ERPs, its policies and its ledger: what flows take as parameter."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from prefect.blocks.core import Block
from pydantic import Field, model_validator

from prefect_crm_erp.blocks.crm import AnyCRM
from prefect_crm_erp.blocks.crm.values import CustomFields
from prefect_crm_erp.blocks.erp import AnyERP
from prefect_crm_erp.blocks.form import DOCUMENTATION_URL, LOGO_URL, OrderedForm, holds_masked_secret
from prefect_crm_erp.blocks.ledger import Ledger
from prefect_crm_erp.blocks.policies import (
    AccountPolicy,
    ApprovalPolicy,
    CodeLists,
    CurrencyPolicy,
    CustomFieldMap,
    ErpSlot,
    OrderEntryPolicy,
    OrderPolicy,
    Subsidiary,
    SubsidiaryRouting,
)
from prefect_crm_erp.blocks.policies.routing import RoutingTable
from prefect_crm_erp.models.errors import ConfigurationError
from prefect_crm_erp.models.keys import fold

_OPTIONAL_ERPS = frozenset({"second_erp", "third_erp"})
_CONNECTIONS = ("crm", "erp", "second_erp", "third_erp", "ledger")


class Integration(OrderedForm, Block):
    """A CRM, the ERPs behind it, and the policies between them.

    Each system's credentials live in one block document, which this block refers to: whoever changes a password there
    changes it for every integration.

    Example:
        Load a saved integration and run quote-to-order with it:

        ```python
        from prefect_crm_erp.blocks import Integration
        from prefect_crm_erp.flows import quote_to_order

        integration = Integration.load("BLOCK_NAME")
        report = quote_to_order(integration=integration)
        print(report.written, report.queued)
        ```
    """

    _block_type_name = "CRM-ERP Integration"
    _block_type_slug = "crm-erp-integration"
    _logo_url = LOGO_URL
    _documentation_url = DOCUMENTATION_URL

    crm: AnyCRM = Field(title="CRM", description="Connection to the CRM that deals come from.")
    erp: AnyERP = Field(title="Main ERP", description="Connection to the ERP that orders go to.")
    second_erp: AnyERP | None = Field(
        default=None,
        title="Second ERP",
        description="Connection to a second ERP, for subsidiaries that have their own.",
    )
    third_erp: AnyERP | None = Field(
        default=None, title="Third ERP", description="Connection to a third ERP, for subsidiaries that have their own."
    )
    routing: SubsidiaryRouting = Field(
        title="Subsidiary routing", description="Which subsidiary, and with it which ERP and company, an order goes to."
    )
    ledger: Ledger = Field(
        default_factory=Ledger,
        title="Ledger",
        description="Database that remembers what was written, what waits, and how far the CRM has been read.",
    )
    orders: OrderPolicy = Field(
        default_factory=OrderPolicy, title="Order policy", description="What makes a deal fit to become an order."
    )
    order_entry: OrderEntryPolicy = Field(
        default_factory=OrderEntryPolicy,
        title="Order entry policy",
        description="What an order must pass before it is entered: dates, restricted items, owners, cash sales, files.",
    )
    accounts: AccountPolicy = Field(
        default_factory=AccountPolicy,
        title="Account sync policy",
        description="Who owns which field of accounts and customers, and which accounts belong in the ERP.",
    )
    approvals: ApprovalPolicy = Field(
        default_factory=ApprovalPolicy,
        title="Approval policy",
        description="Which orders are authorised beforehand, and who is told when an approval is late.",
    )
    code_lists: CodeLists = Field(
        default_factory=CodeLists, title="Code lists", description="Names that differ between the CRM and the ERP."
    )
    currency: CurrencyPolicy = Field(
        default_factory=CurrencyPolicy,
        title="Currency policy",
        description="Whose exchange rates rule, and how far values in the CRM and the ERP may be apart.",
    )
    custom_fields: CustomFieldMap = Field(
        default_factory=CustomFieldMap, title="Custom fields", description="Further fields that travel to the ERP."
    )
    ledger_name: str | None = Field(
        default=None,
        title="Name in the ledger",
        description="Name that the ledger keeps this integration's state under; the block's own name when empty.",
    )

    @model_validator(mode="before")
    @classmethod
    def _empty_is_none(cls, values: Any) -> Any:
        """A form sends an empty object for an ERP that was left empty."""
        if not isinstance(values, dict):
            return values
        return {name: None if name in _OPTIONAL_ERPS and value == {} else value for name, value in values.items()}

    @model_validator(mode="after")
    def _slots_are_filled(self) -> Integration:
        connections = self.erps()
        for subsidiary in self.routing.subsidiaries:
            if subsidiary.erp not in connections:
                raise ValueError(
                    f"The subsidiary {subsidiary.name!r} uses the {subsidiary.erp.value} ERP, which is not connected."
                )
        named = self.currency.rates_of
        if named and not any(fold(each.name) == fold(named) for each in self.routing.subsidiaries):
            raise ValueError(f"The currency policy takes the rates of {named!r}, which is none of the subsidiaries.")
        return self

    @property
    def rates_subsidiary(self) -> Subsidiary:
        """The subsidiary whose rates go to the CRM.

        Raises:
            ConfigurationError: There is no subsidiary at all.
        """
        named = fold(self.currency.rates_of)
        found = [each for each in self.routing.subsidiaries if not named or fold(each.name) == named]
        if not found:
            raise ConfigurationError("The routing names no subsidiary; add the one whose exchange rates rule")
        return found[0]

    @property
    def state_name(self) -> str:
        """Name that the ledger keeps this integration's state under."""
        return self.ledger_name or self._block_document_name or "default"

    def deal_fields(self) -> CustomFields:
        """The CRM fields to read with deals: those that travel, and those that routing and order entry look at."""
        mapped, policy = self.custom_fields.crm_fields(), self.order_entry
        account = tuple(dict.fromkeys((*mapped.account, *policy.account_fields())))
        return replace(mapped, account=account, facts=policy.deal_fields(), routing=self.routing.crm_fields())

    def routing_table(self, routing: SubsidiaryRouting | None = None) -> RoutingTable:
        """A routing (by default its own), compiled with the integration's spellings of countries and states."""
        return (routing or self.routing).table(self.code_lists.countries, self.code_lists.states)

    def check_references(self) -> None:
        """See that the connections still are references to their own saved blocks.

        A form of Prefect can save what it shows of a referred block, with asterisks for its secrets, in the place of
        the reference.

        Raises:
            ConfigurationError: That has happened; the message says what to choose again.
        """
        named = [(type(self).model_fields[name].title, getattr(self, name)) for name in _CONNECTIONS]
        lost = [str(title) for title, block in named if block is not None and holds_masked_secret(block)]
        if lost:
            raise ConfigurationError(
                f"The form has saved asterisks instead of the saved blocks for {', '.join(lost)}: edit the block "
                f"{self._block_document_name or 'CRM-ERP Integration'!r}, choose the saved block in every field "
                "again, also in the fields of the policies, and save",
                system="Prefect",
            )

    def erps(self) -> dict[ErpSlot, AnyERP]:
        """The ERP connections that are filled, by their place."""
        slots = {ErpSlot.MAIN: self.erp, ErpSlot.SECOND: self.second_erp, ErpSlot.THIRD: self.third_erp}
        return {slot: erp for slot, erp in slots.items() if erp is not None}
