"""Products: Tryton's product variants, known by their code."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

from prefect_crm_erp.blocks.erp._tryton_maps import Maps, encode_custom, one_line
from prefect_crm_erp.blocks.erp._tryton_references import References
from prefect_crm_erp.blocks.erp._tryton_rpc import ANY_ACTIVE, SYSTEM, Database, Row
from prefect_crm_erp.blocks.erp._tryton_writing import after_write, by_id, send_encoded, tryton_id
from prefect_crm_erp.models.errors import ConfigurationError, RejectedRecordError, UnsupportedRecordError
from prefect_crm_erp.models.keys import chunks
from prefect_crm_erp.models.outcomes import WriteResult, Written
from prefect_crm_erp.models.records import Company, Product

PRODUCT = "product.product"
TEMPLATE = "product.template"

_FIELDS = (
    "code",
    "active",
    "salable",
    "template.name",
    "template.active",
    "type",
    "sale_uom.name",
    "sale_uom.symbol",
    "default_uom.name",
    "sale_price_uom",
    "create_date",
    "write_date",
)
_STOCK = ["forecast_quantity", "default_uom.factor", "sale_uom.factor"]
_KEYS_PER_SEARCH = 500


@dataclass(frozen=True, slots=True)
class ProductDefaults:
    """What a created product gets when the record does not say.

    Attributes:
        goods_category: Account category of goods; it decides taxes and accounts.
        services_category: Account category of services.
        unit: Unit of measure.
    """

    goods_category: str
    services_category: str
    unit: str


class Products:
    """The products of a connection.

    Args:
        database: The connection.
        references: Its lookups.
        maps: Its field maps.
        defaults: What created products get.
    """

    def __init__(self, database: Database, references: References, maps: Maps, defaults: ProductDefaults) -> None:
        self._database = database
        self._references = references
        self._maps = maps
        self._defaults = defaults

    def find(self, keys: Collection[str], company: int | None) -> dict[str, list[Product]]:
        """Products by SKU; a deactivated one only where no active one has the SKU."""
        found: dict[str, list[Product]] = {}
        for chunk in chunks(dict.fromkeys(keys), _KEYS_PER_SEARCH):
            for row in self._database.search(PRODUCT, [("code", "in", chunk), ANY_ACTIVE], _FIELDS, company=company):
                found.setdefault(row["code"], []).append(self._decode(row, company))
        return {key: [each for each in same if each.is_active] or same for key, same in found.items()}

    def read(self, ids: Collection[int], company: int | None) -> list[Product]:
        """Products by Tryton's ids."""
        return [self._decode(row, company) for row in self._database.read(PRODUCT, ids, _FIELDS, company)]

    def stock(self, ids: Collection[int], company: int) -> dict[int, Decimal]:
        """What a company's warehouse has of products today, less what is planned to leave it, in their sales unit."""
        warehouse = self._references.warehouse(company)
        if warehouse is None:
            raise ConfigurationError(
                "It cannot be told which warehouse a company sells from; name one in the connection", system=SYSTEM
            )
        context = self._database.context(company)
        context |= {"locations": [warehouse], "stock_date_end": datetime.now(UTC).date()}
        domain = [("id", "in", list(ids)), ANY_ACTIVE]
        rows = self._database.rpc.call(f"model.{PRODUCT}.search_read", domain, 0, None, None, _STOCK, context=context)
        return {row["id"]: _in_sales_unit(row) for row in rows}

    def _decode(self, row: Row, company: int | None) -> Product:
        values = self._maps.product.decode(row)
        priced = company is not None and values["list_price"] is not None
        return Product(
            **values | {"key": row["code"] or "", "list_price": values["list_price"] if priced else None},
            currency=self._references.currency_of(company) if company is not None and priced else None,
            is_active=bool(row["active"] and row["template"]["active"] and row["salable"]),
            modified_at=row["write_date"] or row["create_date"],
        )

    # ------------------------------------------------------------------ writing

    def create(self, products: Sequence[Product], company: Company) -> list[WriteResult[Product]]:
        """Create product templates with one variant each, in one request."""
        number = int(company.id)

        def send(good: list[Product], values: list[Row]) -> list[WriteResult[Product]]:
            templates = self._database.create(TEMPLATE, values, number)
            return after_write(lambda: self._created(templates, number))

        return send_encoded(products, lambda product: self._encode(product, company), send)

    def _created(self, templates: list[int], company: int) -> list[WriteResult[Product]]:
        rows = self._database.search(
            PRODUCT, [("template", "in", templates), ANY_ACTIVE], [*_FIELDS, "template"], company=company
        )
        products = {row["template"]["id"]: self._decode(row, company) for row in rows}
        return [Written(products[template]) for template in templates]

    def _encode(self, product: Product, company: Company) -> Row:
        self._refuse_unfit(product, company)
        category = self._defaults.services_category if product.is_service else self._defaults.goods_category
        unit = self._references.unit(product.unit or product.unit_symbol or self._defaults.unit)
        return {
            "name": one_line(product.name) or product.key,
            "type": "service" if product.is_service else "goods",
            "default_uom": unit,
            "sale_uom": unit,
            "salable": product.is_active,
            "account_category": self._references.categories.id_of(category),
            "list_price": product.list_price,
            "products": [("create", [{"suffix_code": product.key, "active": True}])],
            **encode_custom(product.custom, self._references, TEMPLATE),
        }

    def _refuse_unfit(self, product: Product, company: Company) -> None:
        if product.list_price is not None and product.currency not in (None, company.currency):
            raise UnsupportedRecordError(
                f"The list price of {product.key} is in {product.currency}; {company.name} has {company.currency}",
                system=SYSTEM,
            )
        if self._gives_codes:
            raise UnsupportedRecordError(
                "Tryton numbers products itself (product configuration, sequence of products), so a product cannot "
                "have the SKU as its code; create it there",
                system=SYSTEM,
            )

    @cached_property
    def _gives_codes(self) -> bool:
        """Whether a created product gets a code from a sequence, which would stand before the SKU."""
        rows = self._database.search("product.configuration", [], ["template_sequence"])
        return any(row["template_sequence"] for row in rows)

    def update(self, products: Sequence[Product], company: Company) -> list[WriteResult[Product]]:
        """Bring products to these values; fields that are not set in a record stay as they are."""
        number = int(company.id)
        ids = [tryton_id(each) for each in products]
        rows = by_id(self._database.read(PRODUCT, ids, _FIELDS, number))

        def send(good: list[Product], values: list[Row]) -> list[WriteResult[Product]]:
            good_ids = [tryton_id(each) for each in good]
            changes = [(rows[each]["template"]["id"], new) for each, new in zip(good_ids, values, strict=True) if new]
            if changes:
                self._database.write(TEMPLATE, changes, number)
            return [Written(each, created=False) for each in after_write(lambda: self.read(good_ids, number))]

        return send_encoded(products, lambda product: self._changes(product, rows, company), send)

    def _changes(self, product: Product, rows: dict[int, Row], company: Company) -> Row:
        row = rows.get(tryton_id(product))
        if row is None:
            raise RejectedRecordError(f"Tryton has no product with id {product.erp_id} any more", system=SYSTEM)
        now, given = self._decode(row, int(company.id)), product.model_fields_set
        wanted: dict[str, Any] = {"name": one_line(product.name), "list_price": product.list_price}
        changed = {name: value for name, value in wanted.items() if name in given and value != getattr(now, name)}
        if "list_price" in changed and row["default_uom"]["name"] != row["sale_uom"]["name"]:
            units = row["default_uom"]["name"], row["sale_uom"]["name"]
            message = "{} is priced by the unit {} in Tryton and sold by the unit {}; change its price there"
            raise UnsupportedRecordError(message.format(product.key, *units), system=SYSTEM)
        if "is_active" in given and product.is_active != now.is_active:
            changed |= {"salable": product.is_active} | (_revived(row) if product.is_active else {})
        return changed | encode_custom(product.custom, self._references, TEMPLATE)


def _in_sales_unit(row: Row) -> Decimal:
    """A quantity, which Tryton counts in the product's own unit; its floats are read in their shortest form."""
    quantity, own, sold = (
        Decimal(repr(number))
        for number in (row["forecast_quantity"] or 0, row["default_uom"]["factor"], row["sale_uom"]["factor"])
    )
    return quantity * own / sold


def _revived(row: Row) -> Row:
    return {"active": True, "products": [("write", [row["id"]], {"active": True})]}
