"""Sales orders as Tryton's sales: everything that an order refers to, resolved in few calls for a page."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from prefect_crm_erp.blocks.erp._tryton_addresses import decode_address, same_address, used_for
from prefect_crm_erp.blocks.erp._tryton_maps import Maps, encode_custom, one_line, with_purchase_order
from prefect_crm_erp.blocks.erp._tryton_references import References
from prefect_crm_erp.blocks.erp._tryton_rpc import ANY_ACTIVE, SYSTEM, Database, Row
from prefect_crm_erp.blocks.erp._tryton_subsidiaries import Subsidiaries
from prefect_crm_erp.blocks.erp._tryton_taxes import Delivery, Taxes
from prefect_crm_erp.blocks.erp._tryton_writing import by_id
from prefect_crm_erp.models.errors import (
    MissingReferenceError,
    RejectedRecordError,
    UnsupportedRecordError,
)
from prefect_crm_erp.models.keys import chunks
from prefect_crm_erp.models.money import round_to
from prefect_crm_erp.models.outcomes import Note
from prefect_crm_erp.models.records import Address, OrderLine, SalesOrder

SALE = "sale.sale"
LINE = "sale.line"

_BUYER_FIELDS = (
    "name",
    "active",
    "customer_tax_rule",
    "customer_payment_term",
    *(f"addresses.{name}" for name in ("street", "city", "postal_code", "country", "subdivision.code")),
    *(f"addresses.{use}" for use in ("invoice", "delivery")),
)
_PRODUCT_FIELDS = ("code", "active", "salable", "template.active", "sale_uom", "account_category")
_DRAFT_VALUES = {"invoice_method": "order", "shipment_method": "order"}
_CODES_PER_SEARCH = 500
PRICE_DIGITS = 4
"""Decimal places of a price, as Tryton comes."""


class OrderValues:
    """Turns sales orders into values of Tryton's sales, for one company.

    Args:
        database: The connection.
        references: Its lookups.
        maps: Its field maps.
        taxes: Its taxes.
        subsidiaries: What its companies want of their orders.
    """

    def __init__(
        self, database: Database, references: References, maps: Maps, taxes: Taxes, subsidiaries: Subsidiaries
    ) -> None:
        self._database = database
        self._references = references
        self._maps = maps
        self._taxes = taxes
        self._subsidiaries = subsidiaries
        self._products: dict[tuple[int, int], Row] = {}
        self._product_ids: dict[str, int] = {}

    def prepare(self, orders: Sequence[SalesOrder], company: int) -> dict[int, Row]:
        """Read what the orders refer to: products that are not known yet, and the buyers afresh.

        Returns:
            The buyers by their id.
        """
        lines = [line for order in orders for line in order.lines]
        self._find_products({line.sku for line in lines if not line.product_id and line.sku})
        self._read_products(filter(None, (self._product_id(line) for line in lines)), company)
        buyers = {int(order.customer_id) for order in orders if order.customer_id.isdigit()}
        return by_id(self._database.read("party.party", buyers, _BUYER_FIELDS, company)) if buyers else {}

    def encode(self, order: SalesOrder, company: int, buyers: dict[int, Row]) -> tuple[Row, list[Note]]:
        """Values of a sale with its lines, and what to tell the operator.

        Raises:
            MissingReferenceError: The ERP does not have the customer, a product, the currency or the payment term.
            RejectedRecordError: The customer is deactivated.
            UnsupportedRecordError: A line names no product.
        """
        buyer = _buyer(order, buyers)
        billing, shipping, notes = _addresses(order, buyer, self._maps)
        warehouse = self._references.warehouse(company)
        rule = self._subsidiaries.tax_rule(order.tax_rule, company, buyer) if order.tax_rule else None
        delivery = Delivery(buyer["id"], shipping, rule or buyer["customer_tax_rule"], is_overruled=rule is not None)
        values = self._header(order, buyer) | {
            "company": company,
            "invoice_address": billing["id"] if billing else None,
            "shipment_address": shipping["id"] if shipping else None,
            "lines": [("create", [self._line(line, delivery, company, warehouse) for line in order.lines])],
        }
        if order.price_list:
            values["price_list"] = self._subsidiaries.price_list(order.price_list, company)
        return values | ({"warehouse": warehouse} if warehouse else {}), notes

    def _header(self, order: SalesOrder, buyer: Row) -> Row:
        # An order that was born in Tryton has no key, and keeps the reference that somebody gave it there.
        unset = {"lines"} if order.key else {"lines", "key"}
        values = self._maps.order.encode(order.model_dump(exclude=unset))
        if not order.payment_terms:
            del values["payment_term"]
            if buyer["customer_payment_term"]:
                values["payment_term"] = buyer["customer_payment_term"]
        custom = encode_custom(order.custom, self._references, SALE)
        comment = with_purchase_order(custom.get("comment"), one_line(order.customer_reference))
        return values | _DRAFT_VALUES | custom | {"comment": comment}

    # ------------------------------------------------------------------ lines

    def _line(self, line: OrderLine, delivery: Delivery, company: int, warehouse: int | None) -> Row:
        product = self._product(line, company)
        taxes = self._taxes.of_line(product["id"], product["account_category"], delivery, company, warehouse)
        values = self._maps.line.encode(line.model_dump()) | self._base_price(line)
        return values | {
            "type": "line",
            "product": product["id"],
            "unit": product["sale_uom"],
            "taxes": [("add", list(taxes))],
            **encode_custom(line.custom, self._references, LINE),
        }

    def _base_price(self, line: OrderLine) -> Row:
        """What Tryton reckons the discount from; it takes part in no amount. Of the module sale_discount."""
        if line.list_price is None or not self._references.has(LINE, "base_price"):
            return {}
        return {"base_price": round_to(line.list_price, PRICE_DIGITS)}

    def _product(self, line: OrderLine, company: int) -> Row:
        identifier = self._product_id(line)
        product = self._products.get((company, identifier)) if identifier else None
        name = line.sku or line.product_id
        if product is None and name:
            raise MissingReferenceError(f"The ERP has no product {name}. Add it there.", system=SYSTEM)
        if product is None:
            raise UnsupportedRecordError("An order line needs a product", system=SYSTEM)
        if not _is_for_sale(product):
            raise MissingReferenceError(
                f"The product {product['code']} is not for sale in the ERP: it is deactivated or not salable",
                system=SYSTEM,
            )
        return product

    def _product_id(self, line: OrderLine) -> int | None:
        if line.product_id:
            return int(line.product_id) if line.product_id.isdigit() else None
        return self._product_ids.get(line.sku or "")

    def _find_products(self, codes: Collection[str]) -> None:
        for chunk in chunks(sorted(code for code in codes if code not in self._product_ids), _CODES_PER_SEARCH):
            for row in self._database.search(
                "product.product", [("code", "in", chunk), ANY_ACTIVE], ["code", "active"]
            ):
                if row["active"] or row["code"] not in self._product_ids:
                    self._product_ids[row["code"]] = row["id"]

    def _read_products(self, ids: Iterable[int], company: int) -> None:
        # One that was not for sale may be by now.
        unknown = {each for each in ids if not _is_for_sale(self._products.get((company, each)))}
        if unknown:
            rows = self._database.read("product.product", unknown, _PRODUCT_FIELDS, company)
            self._products |= {(company, row["id"]): row for row in rows}


def _is_for_sale(product: Row | None) -> bool:
    return bool(product and product["active"] and product["template"]["active"] and product["salable"])


def _buyer(order: SalesOrder, buyers: dict[int, Row]) -> Row:
    buyer = buyers.get(int(order.customer_id)) if order.customer_id.isdigit() else None
    if buyer is None:
        raise MissingReferenceError(f"The ERP has no customer with id {order.customer_id}", system=SYSTEM)
    if not buyer["active"]:
        raise RejectedRecordError(
            f"The customer {buyer['name']} is deactivated in Tryton; activate it there, or link the account anew",
            system=SYSTEM,
        )
    return buyer


def _addresses(order: SalesOrder, buyer: Row, maps: Maps) -> tuple[Row | None, Row | None, list[Note]]:
    """The buyer's addresses that an order names, else the buyer's own for invoices and for deliveries."""
    notes: list[Note] = []
    chosen: list[Row | None] = []
    for field, use, wanted in (("billing", "invoice", order.billing), ("shipping", "delivery", order.shipping)):
        row = _matching(wanted, buyer["addresses"], maps)
        if row is None:
            row = used_for(buyer["addresses"], use)
            if row and not wanted.is_empty:
                notes.append(_other_address_note(field, use, buyer["name"], wanted))
        chosen.append(row)
    return chosen[0], chosen[1], notes


def _matching(wanted: Address, rows: Sequence[Row], maps: Maps) -> Row | None:
    if wanted.is_empty:
        return None
    return next((row for row in rows if same_address(decode_address(row, maps), wanted)), None)


def _other_address_note(field: str, use: str, name: str, wanted: Address) -> Note:
    text = f"{name} has no such address in the ERP; its {use} address there is used."
    place = ", ".join(filter(None, (wanted.street, wanted.postal_code, wanted.city, wanted.country)))
    return Note(field, text, flag="Sales", before=place)
