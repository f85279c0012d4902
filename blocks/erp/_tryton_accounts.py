"""What Tryton's books and sales say of customers: credit, whether they have bought, and when that last changed."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal

from prefect_crm_erp.blocks.erp._tryton_changes import Source
from prefect_crm_erp.blocks.erp._tryton_references import References
from prefect_crm_erp.blocks.erp._tryton_rpc import Database, Domain, Row
from prefect_crm_erp.models.credit import CreditPosition
from prefect_crm_erp.models.money import ZERO
from prefect_crm_erp.models.records import Company

_INVOICE, _SALE = "account.invoice", "sale.sale"
_OUT = ("type", "=", "out")
_NOT_CANCELLED = ("state", "!=", "cancelled")
_CONFIRMED = ("state", "in", ["confirmed", "processing", "done"])
_POSTED = ("state", "in", ["posted", "paid"])
_CREDIT_FIELDS = ("credit_limit_amount", "credit_amount", "receivable")
_ROWS_PER_CALL = 5000


class CustomerAccounts:
    """Credit and purchases of the customers of a connection.

    Args:
        database: The connection.
        references: Its lookups.
    """

    def __init__(self, database: Database, references: References) -> None:
        self._database = database
        self._references = references

    def credit(self, customers: Collection[int], company: Company) -> dict[str, CreditPosition]:
        """Credit positions by party id, all fields in one call; without the credit limit module there is no limit."""
        fields = credit_fields(self._references)
        rows = self._database.read("party.party", customers, fields, int(company.id)) if fields else []
        return {str(row["id"]): position for row in rows if (position := credit_of(row, company))}

    def have_bought(self, customers: Collection[int], *, standing_only: bool = False) -> frozenset[str]:
        """Those of the parties that have a sale that is not cancelled, or an invoice; in two calls, as a rule."""
        bought: set[int] = set()
        sold, billed = (_CONFIRMED, _POSTED) if standing_only else (_NOT_CANCELLED, _NOT_CANCELLED)
        for model, only in ((_SALE, [sold]), (_INVOICE, [_OUT, billed])):
            if self._references.may_read(model):
                bought |= self._parties_in(model, only, set(customers) - bought)
        return frozenset(str(each) for each in bought)

    def _parties_in(self, model: str, only: Domain, wanted: set[int]) -> set[int]:
        """Those of the parties that a model has rows of; a full page is followed by one for those not seen yet."""
        found: set[int] = set()
        while left := sorted(wanted - found):
            rows = self._database.first(model, [("party", "in", left), *only], ["party"], _ROWS_PER_CALL)
            found |= {row["party"] for row in rows}
            if len(rows) < _ROWS_PER_CALL:
                break
        return found

    def sources(self) -> list[Source]:
        """Where changes of a customer's credit position show, as far as the user may read there."""
        sources = [Source(_INVOICE, "party", only=(_OUT,)), Source(_SALE, "party")]
        return [each for each in sources if self._references.may_read(each.model)]


def credit_fields(references: References) -> list[str]:
    """Fields of a party that tell its credit, as far as the database has them."""
    return [name for name in _CREDIT_FIELDS if references.has("party.party", name)]


def credit_of(row: Row, company: Company) -> CreditPosition | None:
    """What a party's row says of its credit at the company that it was read for; None when it was not asked."""
    if not any(name in row for name in _CREDIT_FIELDS):
        return None
    outstanding: Decimal = row.get("receivable", ZERO)
    used: Decimal = row.get("credit_amount", outstanding)
    return CreditPosition(row.get("credit_limit_amount"), used, company.currency, outstanding)
