"""Code lists: what one system calls by another name than the other."""

from __future__ import annotations

from prefect.blocks.core import Block
from pydantic import ConfigDict, Field

from prefect_crm_erp.blocks.form import DOCUMENTATION_URL, LOGO_URL, OrderedForm
from prefect_crm_erp.models.keys import fold

# Units that are the same thing under two names, in both directions.
_SAME_UNITS = (
    {"", "ea", "each", "u", "unit", "units", "pc", "pcs", "piece", "pieces", "stk"},
    {"h", "hour", "hours", "hr"},
    {"d", "day", "days"},
)


class CodeLists(OrderedForm, Block):
    """Names that differ between the CRM and the ERP: payment terms, units, countries and states.

    Example:
        Load saved code lists and translate a payment term:

        ```python
        from prefect_crm_erp.blocks import CodeLists

        code_lists = CodeLists.load("BLOCK_NAME")
        print(code_lists.payment_term("NET30"))
        ```
    """

    model_config = ConfigDict(extra="ignore")

    _block_type_name = "Code Lists"
    _block_type_slug = "code-lists"
    _logo_url = LOGO_URL
    _documentation_url = DOCUMENTATION_URL

    payment_terms: dict[str, str] = Field(
        default_factory=dict,
        title="Payment terms",
        description='Name in the CRM to name in the ERP, like {"NET30": "Net 30"}; the same names need no entry.',
    )
    units: dict[str, str] = Field(
        default_factory=dict,
        title="Units of measure",
        description='Unit in the CRM to unit in the ERP, like {"Pack": "Unit"}; the same names need no entry.',
    )
    countries: dict[str, str] = Field(
        default_factory=dict,
        title="Countries",
        description='The company\'s own spellings of countries to ISO codes, like {"Deutschl.": "DE"}.',
    )
    states: dict[str, str] = Field(
        default_factory=dict,
        title="States",
        description='The company\'s own spellings of states to ISO codes without the country, like {"Calif.": "CA"}.',
    )

    def payment_term(self, name: str) -> str:
        """The ERP's name of a payment term."""
        return _translate(self.payment_terms, name)

    def crm_payment_term(self, name: str) -> str:
        """The CRM's name of a payment term of the ERP; of several the first."""
        return next((crm for crm, erp in self.payment_terms.items() if fold(erp) == fold(name)), name)

    def same_unit(self, crm_unit: str | None, *erp_names: str | None) -> bool:
        """Whether a unit of the CRM is the ERP's (by name or symbol); a deal that names no unit takes the ERP's."""
        if not fold(crm_unit):
            return True
        wanted = fold(_translate(self.units, crm_unit or ""))
        names = {fold(name) for name in erp_names if name}
        return wanted in names or any(wanted in group and names & group for group in _SAME_UNITS)


def _translate(table: dict[str, str], name: str) -> str:
    folded = {fold(key): value for key, value in table.items()}
    return folded.get(fold(name), name)
