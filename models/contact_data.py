"""Phone and VAT numbers as people type them, checked and brought to their normal forms."""

from __future__ import annotations

from functools import lru_cache

import phonenumbers
from stdnum import get_cc_module
from stdnum.exceptions import ValidationError

# Countries whose VAT numbers are written with another prefix than their ISO code.
_VAT_PREFIX = {"GR": "EL"}
_EU = frozenset(
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split()  # noqa: SIM905
)


@lru_cache(maxsize=4096)
def phone_e164(text: str | None, country: str | None) -> str | None:
    """A phone number in E.164 form (`+493074321`), or None when it cannot be one.

    Args:
        text: As typed, with or without the international prefix.
        country: ISO 3166-1 alpha-2 code that a national number is read for.
    """
    try:
        number = phonenumbers.parse(text or "", country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


@lru_cache(maxsize=4096)
def vat_number(text: str | None, country: str | None) -> str | None:
    """A VAT number in its compact form with its country's prefix, checked with its check digits.

    Args:
        text: As typed: `DE 136 695 976`, `136695976` with country `DE`.
        country: ISO 3166-1 alpha-2 code of the address, for a number without prefix.

    Returns:
        The compact number; a number of a country without known rules comes back as typed, without white space.

    Raises:
        ValueError: When the number is wrong for its country.
    """
    compact = "".join((text or "").split()).upper().replace("-", "").replace(".", "")
    if not compact:
        return None
    prefix = _vat_prefix(compact, country)
    module = get_cc_module(prefix.lower(), "vat") if prefix else None
    if module is None or prefix is None:
        return compact
    written = _VAT_PREFIX.get(prefix, prefix)
    try:
        return f"{written}{module.validate(compact).removeprefix(written)}"
    except ValidationError as error:
        raise ValueError(f"{text!r} is no VAT number of {prefix}: {error}") from None


def _vat_prefix(compact: str, country: str | None) -> str | None:
    head = "GR" if compact[:2] == "EL" else compact[:2]
    if head in _EU | {"GB", "CH", "NO"}:
        return head
    return country if country in _EU | {"GB", "CH", "NO"} else None
