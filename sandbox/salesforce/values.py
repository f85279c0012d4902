"""Values of fields: from the wire to Python and back, rounding and comparison keys."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from typing import Any

from prefect_crm_erp.sandbox.salesforce.errors import RowRejected
from prefect_crm_erp.sandbox.salesforce.ids import MalformedId, to_18
from prefect_crm_erp.sandbox.salesforce.schema import Field, SObject

_EXACT = Context(prec=60, rounding=ROUND_HALF_UP)
_EMAIL = re.compile(r"[^@\s,;<>()\[\]\"]+@[^@\s,;<>()\[\]\"]+\.[^@\s,;<>()\[\]\".]{2,}")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")
_ADDRESS_PARTS = ("City", "Country", "GeocodeAccuracy", "Latitude", "Longitude", "PostalCode", "State", "Street")
_SHOWN = 255
_JSON_TOKENS = {str: "VALUE_STRING", bool: "VALUE_TRUE", dict: "START_OBJECT", list: "START_ARRAY"}


def round_half_up(amount: Decimal, places: int) -> Decimal:
    """An amount with exactly so many decimal places, half away from zero.

    Example:
        >>> round_half_up(Decimal("2.345"), 2)
        Decimal('2.35')
    """
    return amount.quantize(Decimal(1).scaleb(-places), context=_EXACT)


def parse(field: Field, value: Any) -> Any:
    """The Python value of what a client gave for a field.

    Accepts JSON values (numbers as int or Decimal), the texts of a CSV cell, and Python values. Text is trimmed,
    and text without content is no value at all, as Salesforce has it.

    Raises:
        RowRejected: The value does not fit the field's type or size.
    """
    if isinstance(value, str):
        value = value.strip() or None
    if value is None:
        return _parse_nothing(field)
    return _PARSERS[field.type](field, value)


def _parse_nothing(field: Field) -> None:
    if field.type == "boolean":
        raise RowRejected.of(
            "INVALID_TYPE_ON_FIELD_IN_RECORD", f"{field.label}: value not of required type: ", [field.name]
        )


def _unreadable(field: Field, value: Any) -> RowRejected:
    token = _JSON_TOKENS.get(type(value), "VALUE_NUMBER")
    shown = value if isinstance(value, str) else ""
    message = (
        f"Cannot deserialize instance of {field.type} from {token} value {shown} or request may be missing a required "
        "field"
    )
    return RowRejected.of("JSON_PARSER_ERROR", message, [field.name])


def _parse_text(field: Field, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise _unreadable(field, value)
    text = value if isinstance(value, str) else format(value, "f")
    # Salesforce counts UTF-16 units: an emoji takes two of a field's characters.
    if len(text) > field.length or len(text.encode("utf-16-le")) // 2 > field.length:
        message = f"{field.label}: data value too large: {text[:_SHOWN]} (max length={field.length})"
        raise RowRejected.of("STRING_TOO_LONG", message, [field.name])
    return text


def _parse_email(field: Field, value: Any) -> str:
    text = _parse_text(field, value)
    if not _EMAIL.fullmatch(text):
        raise RowRejected.of("INVALID_EMAIL_ADDRESS", f"{field.label}: invalid email address: {text}", [field.name])
    return text


def _parse_boolean(field: Field, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in {"true", "false", "1", "0"}:
        return value.lower() in {"true", "1"}
    raise _unreadable(field, value)


def _number(field: Field, value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal | float | str):
        raise _unreadable(field, value)
    text = str(value)
    if not _NUMBER.fullmatch(text):
        raise _unreadable(field, value)
    return Decimal(text)


def _parse_decimal(field: Field, value: Any) -> Decimal:
    amount = _number(field, value)
    try:
        # A currency's own places can be more than the field's (KWD has three): the row's rounding comes later.
        rounded = amount if field.type == "currency" else round_half_up(amount, field.scale)
    except InvalidOperation:
        raise _out_of_range(field, amount) from None
    if abs(rounded) >= Decimal(10) ** (field.precision - field.scale):
        raise _out_of_range(field, amount)
    return rounded


def _parse_integer(field: Field, value: Any) -> int:
    amount = _number(field, value)
    if abs(amount) >= Decimal(10) ** field.precision:
        raise _out_of_range(field, amount)
    if amount != amount.to_integral_value():
        raise _unreadable(field, value)
    return int(amount)


def _out_of_range(field: Field, amount: Decimal) -> RowRejected:
    message = f"{field.label}: value outside of valid range on numeric field: {amount}"
    return RowRejected.of("NUMBER_OUTSIDE_VALID_RANGE", message, [field.name])


def _parse_date(field: Field, value: Any) -> date:
    if isinstance(value, date):
        return value.date() if isinstance(value, datetime) else value
    # A moment is accepted for a day, too: its day is taken.
    if isinstance(value, str) and _DAY.match(value):
        try:
            return date.fromisoformat(value) if len(value) == 10 else datetime.fromisoformat(value).date()
        except ValueError:
            pass
    raise _unreadable(field, value)


def _parse_datetime(field: Field, value: Any) -> datetime:
    moment = value
    if isinstance(value, str) and _DAY.match(value):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise _unreadable(field, value) from None
    if not isinstance(moment, datetime):
        raise _unreadable(field, value)
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).replace(microsecond=0)


def _parse_reference(field: Field, value: Any) -> str:
    try:
        return to_18(value) if isinstance(value, str) else _reject_id(field, value)
    except MalformedId:
        return _reject_id(field, value)


def _reject_id(field: Field, value: Any) -> str:
    raise RowRejected.of("MALFORMED_ID", f"{field.label}: id value of incorrect type: {value}", [field.name])


def _parse_compound(field: Field, value: Any) -> Any:
    raise RowRejected.of(
        "INVALID_FIELD_FOR_INSERT_UPDATE", f"Unable to create/update fields: {field.name}", [field.name]
    )


_PARSERS: Mapping[str, Callable[[Field, Any], Any]] = {
    "string": _parse_text,
    "textarea": _parse_text,
    "picklist": _parse_text,
    "phone": _parse_text,
    "url": _parse_text,
    "email": _parse_email,
    "boolean": _parse_boolean,
    "currency": _parse_decimal,
    "double": _parse_decimal,
    "percent": _parse_decimal,
    "int": _parse_integer,
    "date": _parse_date,
    "datetime": _parse_datetime,
    "id": _parse_reference,
    "reference": _parse_reference,
    "address": _parse_compound,
}


def to_wire(sobject: SObject, row: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON members of a row, as far as it has fields; numbers stay Decimal for an exact encoder.

    Example:
        >>> from prefect_crm_erp.sandbox.salesforce.objects import build_schema
        >>> to_wire(build_schema().get("Account"), {"Name": "Acme", "Site": None})
        {'Name': 'Acme', 'Site': None}
    """
    return {name: _wire_value(value) for name, value in row.items() if name in sobject.names}


def _wire_value(value: Any) -> Any:
    kind = type(value)
    if kind is str or value is None or kind is bool or kind is int:
        return value
    if kind is Decimal:
        return wire_number(value)
    if kind is datetime:
        return wire_datetime(value)
    if kind is date:
        return value.isoformat()
    return {name: _wire_value(part) for name, part in value.items()}


def wire_number(amount: Decimal) -> Decimal:
    """The number as Salesforce writes it: one decimal place at least, no zeros behind the last digit that counts.

    Example:
        >>> str(wire_number(Decimal("4250.00"))), str(wire_number(Decimal("0.125")))
        ('4250.0', '0.125')
    """
    places = -int(amount.normalize(_EXACT).as_tuple().exponent)
    return round_half_up(amount, max(places, 1))


def wire_datetime(moment: datetime) -> str:
    """The moment as Salesforce writes it: milliseconds, and an offset without a colon.

    Example:
        >>> wire_datetime(datetime(2026, 3, 1, 12, 30, tzinfo=UTC))
        '2026-03-01T12:30:00.000+0000'
    """
    return f"{moment:%Y-%m-%dT%H:%M:%S}.000+0000"


def address_of(prefix: str, row: Mapping[str, Any]) -> dict[str, Any] | None:
    """The compound value of an address; None when every part is empty."""
    parts = {part[0].lower() + part[1:]: row[prefix + part] for part in _ADDRESS_PARTS}
    return parts if any(value is not None for value in parts.values()) else None


def comparison_key(field: Field, value: Any) -> Any:
    """What is compared when rows are looked up by a field: text without its case, ids in their long form.

    A malformed id has no key: it equals no row.
    """
    if not isinstance(value, str):
        return value
    if field.type in {"id", "reference"}:
        try:
            return to_18(value)
        except MalformedId:
            return None
    return value if field.case_sensitive else value.lower()
