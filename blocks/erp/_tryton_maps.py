"""Which canonical field is which field of Tryton, both ways."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any

from prefect_crm_erp.blocks.erp._tryton_references import NameTable, References
from prefect_crm_erp.models.errors import ConfigurationError, UnsupportedRecordError
from prefect_crm_erp.models.field_map import Codec, FieldMap, FieldPair
from prefect_crm_erp.models.keys import clean_text
from prefect_crm_erp.models.money import to_decimal

PURCHASE_ORDER = "Customer's purchase order: "
"""Leads the line of a sale's comment that holds the buyer's number; Tryton's own `reference` holds the CRM's key."""

_SYSTEM = "Tryton"


# ---------------------------------------------------------------------- text


def one_line(text: str | None) -> str | None:
    """Text for a field of one line, where Tryton refuses tabs and line ends; None when nothing is left."""
    return clean_text(_printable(text))


def many_lines(text: str | None) -> str | None:
    """Text for a field of several lines; None when nothing is left."""
    lines = (line.strip() for line in _printable(text).splitlines())
    return "\n".join(lines).strip() or None


def _printable(text: str | None) -> str:
    """Without control characters and lone surrogates, which databases refuse."""
    return "".join(char for char in text or "" if char.isspace() or unicodedata.category(char) not in ("Cc", "Cs"))


# ---------------------------------------------------------------------- codecs

_TEXT = Codec(encode=one_line)
_LINES = Codec(encode=many_lines)
_ID = Codec(encode=int, decode=str)


@lru_cache(maxsize=10_000)
def _quantity(number: float) -> Decimal:
    """A quantity without the `.0` that a whole float carries, and the minus of a negative zero."""
    exact = Decimal(repr(number or 0)).normalize()
    return exact.quantize(Decimal(1)) if exact == exact.to_integral_value() else exact


# Quantities are floats in Tryton, and their shortest decimal form is what it computes with.
QUANTITY = Codec(encode=float, decode=_quantity)


def _named(table: NameTable) -> Codec:
    return Codec(encode=table.id_of, decode=table.name_of)


def _read_only(canonical: str, vendor: str, codec: Codec = Codec()) -> FieldPair:
    return FieldPair(canonical, vendor, codec, writable=False)


# ---------------------------------------------------------------------- tables


class Maps:
    """The field maps of a connection; names of referred records are looked up in its references.

    Raises:
        MissingReferenceError: While encoding, when the ERP has no record of that name.
    """

    def __init__(self, references: References) -> None:
        terms, currencies = _named(references.payment_terms), _named(references.currencies)
        self.customer = FieldMap(
            [
                _read_only("erp_id", "id", _ID),
                _read_only("number", "code"),
                _read_only("is_active", "active"),
                FieldPair("name", "name", _TEXT),
                FieldPair("payment_terms", "customer_payment_term", terms),
                FieldPair("currency", "customer_currency", currencies),
            ]
        )
        self.address = FieldMap(
            [
                FieldPair("street", "street", _LINES),
                FieldPair("city", "city", _TEXT),
                FieldPair("postal_code", "postal_code", _TEXT),
                FieldPair("country", "country", _named(references.countries)),
                _read_only("state", "subdivision.code", Codec(decode=lambda code: code.split("-", 1)[-1])),
            ]
        )
        self.product = FieldMap(
            [
                _read_only("erp_id", "id", _ID),
                _read_only("key", "code"),
                _read_only("name", "template.name"),
                _read_only("unit", "sale_uom.name"),
                _read_only("unit_symbol", "sale_uom.symbol"),
                _read_only("is_service", "type", Codec(decode=lambda kind: kind == "service")),
                _read_only("list_price", "sale_price_uom"),
            ]
        )
        self.order = FieldMap(
            [
                _read_only("erp_id", "id", _ID),
                _read_only("number", "number"),
                FieldPair("key", "reference", _TEXT),
                FieldPair("company_id", "company", _ID),
                FieldPair("customer_id", "party", _ID),
                FieldPair("currency", "currency", currencies),
                FieldPair("order_date", "sale_date"),
                FieldPair("payment_terms", "payment_term", terms),
                FieldPair("description", "description", _TEXT),
                _read_only("untaxed", "untaxed_amount"),
                _read_only("tax", "tax_amount"),
                _read_only("total", "total_amount"),
                _read_only("created_at", "create_date"),
            ]
        )
        self.line = FieldMap(
            [
                _read_only("product_id", "product.id", _ID),
                _read_only("sku", "product.code"),
                FieldPair("description", "description", _LINES),
                FieldPair("quantity", "quantity", QUANTITY),
                FieldPair("unit_price", "unit_price"),
                _read_only("amount", "amount"),
            ]
        )
        self.invoice_line = FieldMap(
            [
                _read_only("erp_id", "id", _ID),
                _read_only("product_id", "product.id", _ID),
                _read_only("sku", "product.code"),
                _read_only("quantity", "quantity", QUANTITY),
                _read_only("unit", "unit.name"),
                _read_only("unit_price", "unit_price"),
            ]
        )
        self.delivery_line = FieldMap(
            [
                _read_only("erp_id", "id", _ID),
                _read_only("product_id", "product.id", _ID),
                _read_only("sku", "product.code"),
                _read_only("description", "product.name"),
                _read_only("quantity", "quantity", QUANTITY),
                _read_only("unit", "unit.name"),
            ]
        )


# ---------------------------------------------------------------------- the buyer's purchase order


def with_purchase_order(comment: str | None, number: str | None) -> str | None:
    """A sale's comment with this purchase-order number as its first line, and nothing else changed."""
    others = [line for line in (comment or "").splitlines() if not line.startswith(PURCHASE_ORDER)]
    first = [PURCHASE_ORDER + number] if number else []
    return "\n".join(first + others) or None


def purchase_order(comment: str | None) -> str | None:
    """The purchase-order number in a sale's comment."""
    for line in (comment or "").splitlines():
        if line.startswith(PURCHASE_ORDER):
            return line.removeprefix(PURCHASE_ORDER).strip() or None
    return None


# ---------------------------------------------------------------------- fields of the company's own


def encode_custom(custom: dict[str, Any], references: References, model: str) -> dict[str, Any]:
    """Values of fields that a field map adds, in the types of Tryton's fields.

    Raises:
        ConfigurationError: The model has no such field.
        UnsupportedRecordError: The value does not fit the field's type.
    """
    return {name: _encode_custom(name, value, references, model) for name, value in custom.items()}


def _encode_custom(name: str, value: Any, references: References, model: str) -> Any:
    definition = references.fields(model).get(name)
    if definition is None:
        raise ConfigurationError(f"{model} has no field {name!r}; change the custom field map", system=_SYSTEM)
    encode = _CUSTOM.get(definition["type"])
    if encode is None:
        raise UnsupportedRecordError(
            f"The field {name!r} is of type {definition['type']}, which a field map cannot fill", system=_SYSTEM
        )
    try:
        return None if value is None else encode(value)
    except (TypeError, ValueError) as error:
        raise UnsupportedRecordError(f"{value!r} does not fit the field {name!r}: {error}", system=_SYSTEM) from None


def _as_date(value: Any) -> date:
    return value if isinstance(value, date) else date.fromisoformat(str(value)[:10])


def _as_bool(value: Any) -> bool:
    return value if isinstance(value, bool) else str(value).strip().casefold() in ("true", "yes", "1")


_CUSTOM: dict[str, Callable[[Any], Any]] = {
    "char": lambda value: one_line(str(value)),
    "text": lambda value: many_lines(str(value)),
    "selection": str,
    "integer": int,
    "float": lambda value: float(to_decimal(value)),
    "numeric": to_decimal,
    "boolean": _as_bool,
    "date": _as_date,
}
