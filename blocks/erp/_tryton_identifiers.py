"""A party's identifiers: the CRM's keys and the VAT number, as Tryton keeps them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from stdnum import get_cc_module
from stdnum.eu.vat import MEMBER_STATES

from prefect_crm_erp.blocks.erp._tryton_rpc import Row
from prefect_crm_erp.models.contact_data import vat_number
from prefect_crm_erp.models.keys import is_salesforce_id

_EU_PREFIXES = frozenset(code.upper() for code in MEMBER_STATES) | {"EL", "XI"}
_OWN_PREFIX = {"GR": "EL"}


def is_key(identifier: Row) -> bool:
    """Whether an identifier is the key of a CRM account: without type, in the form of an 18-character id."""
    return identifier["type"] is None and len(identifier["code"]) == 18 and is_salesforce_id(identifier["code"])


def keys_of(identifiers: Sequence[Row]) -> list[str]:
    """The keys of the CRM accounts that a party is linked to, oldest first."""
    return [each["code"] for each in sorted(identifiers, key=lambda each: int(each["id"])) if is_key(each)]


def vat_of(tax_identifier: Row | None, identifiers: Sequence[Row], country: str | None) -> str | None:
    """The party's VAT number, compact and with its country's prefix.

    Args:
        tax_identifier: The identifier that Tryton itself takes for tax reports.
        identifiers: All identifiers; one without type that is no key is a number that was typed in by hand.
        country: ISO code of the party's country, for numbers without prefix.
    """
    if tax_identifier:
        return _with_prefix(tax_identifier["type"], tax_identifier["code_compact"])
    for each in identifiers:
        if each["type"] is None and not is_key(each):
            try:
                return vat_number(each["code"], country)
            except ValueError:
                return "".join(each["code"].split())
    return None


def _with_prefix(kind: str, compact: str) -> str:
    country, _, name = kind.upper().partition("_")
    prefix = _OWN_PREFIX.get(country, country)
    return compact if name != "VAT" or country == "EU" or compact.startswith(prefix) else f"{prefix}{compact}"


def vat_identifier(number: str, country: str | None, types: Collection[str]) -> Row:
    """The identifier that holds a VAT number, with the type that fits it.

    Args:
        number: VAT number, compact.
        country: ISO code of the address, for numbers without prefix.
        types: The types that this Tryton offers.
    """
    for kind in _fitting_types(number, country, types):
        return {"type": kind, "code": number}
    return {"type": None, "code": number}


def _fitting_types(number: str, country: str | None, types: Collection[str]) -> list[str]:
    head = number[:2].upper()
    if head in _EU_PREFIXES and "eu_vat" in types:
        return ["eu_vat"]
    prefixed = "gr_vat" if head == "EL" else f"{head.lower()}_vat"
    own = (country or "").lower()
    named = [kind for kind in (prefixed, f"{own}_vat") if kind in types]
    return named or [kind for kind in sorted(types) if own and kind.startswith(f"{own}_") and _is_valid(kind, number)]


def _is_valid(kind: str, number: str) -> bool:
    module = get_cc_module(*kind.split("_", 1))
    return bool(module and module.is_valid(number))
