"""What products cost by a price list, as Tryton itself works it out; no formula is read here."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from decimal import Decimal
from typing import Any, Final

from prefect.logging import get_logger

from prefect_crm_erp.blocks.erp._tryton_references import References
from prefect_crm_erp.blocks.erp._tryton_rpc import ANY_ACTIVE, Context, Database
from prefect_crm_erp.blocks.erp._tryton_subsidiaries import Subsidiaries
from prefect_crm_erp.blocks.erp._tryton_taxes import Delivery, Taxes
from prefect_crm_erp.models.errors import RejectedRecordError
from prefect_crm_erp.models.keys import chunks
from prefect_crm_erp.models.records import Company

_PRODUCT: Final = "product.product"
_LIST: Final = "product.price_list"
_PRODUCTS_PER_CALL: Final = 500
_REFUSED: Final = "UserError"
_NOBODY: Final = Delivery(party=None, address=None, rule=None)


class PriceLists:
    """The price lists of a connection.

    Args:
        database: The connection.
        references: Its lookups.
        subsidiaries: Price lists by name.
        taxes: Taxes of lines, for lists whose prices include them.
    """

    def __init__(self, database: Database, references: References, subsidiaries: Subsidiaries, taxes: Taxes) -> None:
        self._database = database
        self._references = references
        self._subsidiaries = subsidiaries
        self._taxes = taxes
        self._with_taxes: dict[int, bool] = {}

    def prices(self, name: str, ids: Collection[int], company: Company) -> dict[int, Decimal]:
        """What one of each product costs by a company's list, before taxes, as on a line of a sale of that list.

        Raises:
            MissingReferenceError: The company has no list of that name.
        """
        number = int(company.id)
        price_list = self._subsidiaries.price_list(name, number)
        context = self._database.context(number) | {
            "price_list": price_list,
            "currency": self._references.currencies.id_of(company.currency),
            "quantity": 1,
        }
        found: dict[int, Decimal] = {}
        for taxes, some in self._by_taxes(price_list, ids, number):
            for part in chunks(some, _PRODUCTS_PER_CALL):
                found |= self._ask(part, context | {"taxes": taxes})
        return found

    def _by_taxes(self, price_list: int, ids: Collection[int], company: int) -> Iterator[tuple[list[int], list[int]]]:
        """Products with the taxes that Tryton takes out of their prices; none where the list's are without anyway."""
        if not self._includes_taxes(price_list, company):
            yield [], list(ids)
            return
        groups: dict[tuple[int, ...], list[int]] = {}
        for row in self._database.read(_PRODUCT, ids, ["account_category"], company):
            taxes = self._taxes.of_line(row["id"], row["account_category"], _NOBODY, company, None)
            groups.setdefault(taxes, []).append(row["id"])
        yield from ((list(taxes), some) for taxes, some in groups.items())

    def _includes_taxes(self, price_list: int, company: int) -> bool:
        if price_list not in self._with_taxes:
            rows = self._database.read(_LIST, [price_list], ["tax_included"], company)
            self._with_taxes[price_list] = any(row["tax_included"] for row in rows)
        return self._with_taxes[price_list]

    def _ask(self, ids: Sequence[int], context: Context) -> dict[int, Decimal]:
        """Prices of some products; a formula that fails for one of them costs the others nothing."""
        try:
            return self._told(ids, context)
        except RejectedRecordError as error:
            if error.code != _REFUSED:
                raise
            if len(ids) == 1:
                get_logger(__name__).warning("Product %s has no price by the price list: %s", ids[0], error)
                return {}
        half = len(ids) // 2
        return self._ask(ids[:half], context) | self._ask(ids[half:], context)

    def _told(self, ids: Sequence[int], context: Context) -> dict[int, Decimal]:
        domain: list[Any] = [("id", "in", list(ids)), ANY_ACTIVE]
        method, fields = f"model.{_PRODUCT}.search_read", ["sale_price_uom"]
        rows = self._database.rpc.call(method, domain, 0, None, None, fields, context=context)
        return {row["id"]: row["sale_price_uom"] for row in rows if row["sale_price_uom"] is not None}
