"""What a subsidiary wants of its orders in Tryton: a price list, a tax rule, the beginning of their numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from prefect_crm_erp.blocks.erp._tryton_references import References
from prefect_crm_erp.blocks.erp._tryton_rpc import SYSTEM, Database, Row
from prefect_crm_erp.models.capabilities import OrderSettings
from prefect_crm_erp.models.errors import MissingReferenceError
from prefect_crm_erp.models.keys import fold
from prefect_crm_erp.models.records import Company

_SALE: Final = "sale.sale"
_SALES: Final = "sale.configuration"
_ACCOUNTS: Final = "account.configuration"
_PRICE_LIST: Final = "product.price_list"
_TAX_RULE: Final = "account.tax.rule"
_SEQUENCE: Final = "ir.sequence"
_FOR_SALES: Final = ("kind", "in", ["sale", "both"])


class Subsidiaries:
    """Price lists, tax rules and numbering of the companies of a connection, each looked up once.

    Args:
        database: The connection.
        references: Its lookups.
    """

    def __init__(self, database: Database, references: References) -> None:
        self._database = database
        self._references = references
        self._ids: dict[tuple[str, int, str], int] = {}
        self._default_rules: dict[int, int | None] = {}

    # ------------------------------------------------------------------ for orders

    def price_list(self, name: str, company: int) -> int:
        """The id of a company's price list.

        Raises:
            MissingReferenceError: The company has none of that name.
        """
        return self._id_of(_PRICE_LIST, name, company, "price list")

    def tax_rule(self, name: str, company: int, buyer: Row) -> int | None:
        """The rule that an order is taxed by instead of the company's default; None for a buyer with one of its own.

        Raises:
            MissingReferenceError: The company has none of that name.
        """
        rule = self._id_of(_TAX_RULE, name, company, "tax rule for sales")
        return rule if buyer["customer_tax_rule"] in (None, self._default_rule(company)) else None

    def _default_rule(self, company: int) -> int | None:
        if company not in self._default_rules:
            self._default_rules[company] = self._configuration(_ACCOUNTS, "default_customer_tax_rule", company)
        return self._default_rules[company]

    def _id_of(self, model: str, name: str, company: int, what: str) -> int:
        key = (model, company, fold(name))
        if key not in self._ids:
            self._ids |= {(model, company, fold(row["name"])): row["id"] for row in self._rows(model, company)}
        if key not in self._ids:
            raise MissingReferenceError(f"The ERP has no {what} {name!r} of this company. Add it there.", system=SYSTEM)
        return self._ids[key]

    def _rows(self, model: str, company: int) -> list[Row]:
        only = [_FOR_SALES] if model == _TAX_RULE else []
        return self._database.search(model, [("company", "=", company), *only], ["name"], company=company)

    def _configuration(self, model: str, field: str, company: int) -> int | None:
        rows = self._database.search(model, [], [field], company=company)
        return rows[0][field] if rows else None

    # ------------------------------------------------------------------ before a run

    def unfit(self, company: Company, wanted: OrderSettings) -> Iterator[str]:
        """Why Tryton cannot do what a subsidiary wants; nothing when it can."""
        if wanted.price_list:
            yield from self._unfit_price_list(company, wanted.price_list)
        if wanted.tax_rule:
            yield from self._unfit_tax_rule(company, wanted.tax_rule)
        if wanted.order_prefix:
            yield from self._unfit_prefix(company, wanted.order_prefix)

    def _unfit_price_list(self, company: Company, name: str) -> Iterator[str]:
        if not self._references.has(_SALE, "price_list") or not self._references.may_read(_PRICE_LIST):
            yield (
                f"orders have no price list like {name!r}: activate the module sale_price_list, and let the "
                "integration's user read price lists"
            )
            return
        yield from self._unknown(_PRICE_LIST, "price list", name, company)

    def _unfit_tax_rule(self, company: Company, name: str) -> Iterator[str]:
        if not self._references.may_read(_TAX_RULE) or not self._references.may_read(_ACCOUNTS):
            yield f"the integration's user may not read tax rules like {name!r}: add it to the group of accounting"
            return
        yield from self._unknown(_TAX_RULE, "tax rule for sales", name, company)

    def _unknown(self, model: str, what: str, name: str, company: Company) -> Iterator[str]:
        names = [row["name"] for row in self._rows(model, int(company.id))]
        if fold(name) not in {fold(each) for each in names}:
            known = f"there are: {', '.join(sorted(names))}" if names else "there is none"
            yield f"{company.name} has no {what} {name!r}; {known}"

    def _unfit_prefix(self, company: Company, prefix: str) -> Iterator[str]:
        """Tryton numbers orders by the company's sequence: the prefix cannot be sent, but must be that one's."""
        if not self._references.may_read(_SALES) or not self._references.may_read(_SEQUENCE):
            yield f"the integration's user may not see how orders are numbered, so that {prefix!r} cannot be checked"
            return
        number = self._configuration(_SALES, "sale_sequence", int(company.id))
        rows = self._database.read(_SEQUENCE, [number] if number else [], ["name", "prefix"], int(company.id))
        if not any((row["prefix"] or "").startswith(prefix) for row in rows):
            told = ", ".join(f"{row['name']!r}, which begins with {row['prefix'] or ''!r}" for row in rows) or "no one"
            yield (
                f"{company.name} numbers its orders by the sequence {told}, not with {prefix!r}: change the prefix of "
                "the sequence there"
            )
