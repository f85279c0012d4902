"""JSON whose numbers keep every digit: Decimals in, Decimals out, never a float."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import orjson


def loads(text: str | bytes) -> Any:
    """Read JSON; a number with a fraction or an exponent becomes a Decimal.

    Raises:
        ValueError: When the text is no JSON.

    Example:
        >>> loads('{"UnitPrice": 58.990}')
        {'UnitPrice': Decimal('58.990')}
    """
    return json.loads(text, parse_float=Decimal, parse_constant=_refuse)


def dumps(value: Any) -> bytes:
    """Write JSON; a Decimal becomes a number with just its digits.

    Raises:
        TypeError: For what JSON cannot hold: a float (it is not exact), an infinite Decimal, an object.

    Example:
        >>> dumps({"ERP_Amount__c": Decimal("58.990")})
        b'{"ERP_Amount__c":58.990}'
    """
    _refuse_floats(value)
    return orjson.dumps(value, default=_number)


def _number(value: Any) -> orjson.Fragment:
    if isinstance(value, Decimal) and value.is_finite():
        return orjson.Fragment(format(value, "f"))
    raise TypeError(f"{value!r} cannot be written as JSON")


def _refuse_floats(value: Any) -> None:
    if isinstance(value, float):
        raise TypeError(f"{value!r} is a float, which is not exact")
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list | tuple):
        return
    for item in value:
        _refuse_floats(item)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")
