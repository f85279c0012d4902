"""Taxes of order lines, as Tryton's own rules give them.

Creating a sale over the wire does not run what fills the form when a person types it in, so the taxes have to be sent.
Tryton is asked for them with the call that its client makes when a product is chosen, once for each combination that
its rules look at.
"""

from __future__ import annotations

from dataclasses import dataclass

from prefect_crm_erp.blocks.erp._tryton_rpc import Database, Row


@dataclass(frozen=True, slots=True)
class TaxCase:
    """What Tryton's tax rules look at: product category, customer's rule, and where goods go from and to."""

    company: int
    category: int | None
    rule: int | None
    warehouse: int | None
    country: int | None
    subdivision: int | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """Whom an order is for, the address that its goods go to, the rule that it is taxed by; None where there is none.

    Attributes:
        is_overruled: Whether the rule is another one than the party has.
    """

    party: int | None
    address: Row | None
    rule: int | None
    is_overruled: bool = False


class Taxes:
    """The taxes of a connection, asked for once per case.

    Args:
        database: The connection.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[TaxCase, tuple[int, ...]] = {}

    def of_line(
        self, product: int, category: int | None, delivery: Delivery, company: int, warehouse: int | None
    ) -> tuple[int, ...]:
        """Ids of the taxes of a line."""
        place = delivery.address or {}
        subdivision = (place.get("subdivision") or {}).get("id")
        case = TaxCase(company, category, delivery.rule, warehouse, place.get("country"), subdivision)
        if case not in self._known:
            self._known[case] = self._ask(product, delivery, company, warehouse)
        return self._known[case]

    def _ask(self, product: int, delivery: Delivery, company: int, warehouse: int | None) -> tuple[int, ...]:
        line: Row = {
            "id": -1,
            "type": "line",
            "product": product,
            "quantity": 1.0,
            "taxes": [],
            "company": company,
            "warehouse": warehouse,
            "sale": -1,
            "_parent_sale.company": company,
            "_parent_sale.party": delivery.party,
            "_parent_sale.shipment_address": delivery.address["id"] if delivery.address else None,
        }
        if delivery.is_overruled:
            # The party as it would be with this rule; nothing of it is saved.
            line |= {"_parent_sale._parent_party.id": delivery.party}
            line |= {"_parent_sale._parent_party.customer_tax_rule": delivery.rule}
        context = self._database.context(company)
        changed = self._database.rpc.call("model.sale.line.on_change", line, ["product"], context=context)
        return tuple(tax["id"] for _, tax in (changed.get("taxes") or {}).get("add", ()))
