"""Further fields of a company's own, mapped without code."""

from __future__ import annotations

from enum import StrEnum

from prefect.blocks.core import Block
from pydantic import BaseModel, ConfigDict, Field

from prefect_crm_erp.blocks.crm.values import CustomFields
from prefect_crm_erp.blocks.form import DOCUMENTATION_URL, LOGO_URL, OrderedForm
from prefect_crm_erp.models.ownership import Owner, Rule, TieBreaker


class MappedRecord(StrEnum):
    """Records that further fields can be mapped for."""

    ACCOUNT = "account to customer"
    DEAL = "deal to sales order"
    LINE = "deal line to order line"


class MappedField(BaseModel):
    """One field of the CRM and the ERP's field that takes its value."""

    model_config = ConfigDict(extra="forbid")

    record: MappedRecord = Field(title="Record", description="Which record the field belongs to.")
    crm_field: str = Field(
        min_length=1, title="CRM field", description="Name as the CRM's set-up shows it, like Region__c."
    )
    erp_field: str = Field(min_length=1, title="ERP field", description="Name of the ERP's field, like comment.")
    owner: Owner = Field(
        default=Owner.CRM,
        title="Owner",
        description="Whose value stands, for a field of accounts; deals and their lines go from the CRM to the ERP.",
    )
    in_doubt: TieBreaker = Field(
        default=TieBreaker.PERSON,
        title="In doubt",
        description="Who decides when the latest change wins and both sides have changed within the grace period.",
    )


class CustomFieldMap(OrderedForm, Block):
    """Further fields that travel between the CRM and the ERP, without code; checked before a run writes anything.

    Example:
        Load a saved map and list its fields:

        ```python
        from prefect_crm_erp.blocks import CustomFieldMap

        custom_fields = CustomFieldMap.load("BLOCK_NAME")
        for row in custom_fields.rows:
            print(row.crm_field, row.erp_field)
        ```
    """

    model_config = ConfigDict(extra="ignore")

    _block_type_name = "Custom Field Map"
    _block_type_slug = "custom-field-map"
    _logo_url = LOGO_URL
    _documentation_url = DOCUMENTATION_URL

    rows: list[MappedField] = Field(
        default_factory=list, title="Fields", description="The fields that travel besides the standard ones."
    )

    def crm_fields(self) -> CustomFields:
        """The CRM's fields to read, by record."""
        return CustomFields(
            account=self._names(MappedRecord.ACCOUNT),
            deal=self._names(MappedRecord.DEAL),
            line=self._names(MappedRecord.LINE),
        )

    def pairs(self, record: MappedRecord) -> list[tuple[str, str]]:
        """CRM field and ERP field of a record."""
        return [(row.crm_field, row.erp_field) for row in self.rows if row.record is record]

    def account_rules(self) -> dict[str, Rule]:
        """How differences in the further fields of accounts are settled, by the ERP's field."""
        return {row.erp_field: Rule(row.owner, row.in_doubt) for row in self.rows if row.record is MappedRecord.ACCOUNT}

    def _names(self, record: MappedRecord) -> tuple[str, ...]:
        return tuple(dict.fromkeys(crm for crm, _ in self.pairs(record)))
