"""A party's addresses, phone and e-mail, as Tryton keeps them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import phonenumbers

from prefect_crm_erp.blocks.erp._tryton_maps import Maps, one_line
from prefect_crm_erp.blocks.erp._tryton_references import References
from prefect_crm_erp.blocks.erp._tryton_rpc import SYSTEM, Row
from prefect_crm_erp.models.capabilities import Capabilities
from prefect_crm_erp.models.errors import MissingReferenceError
from prefect_crm_erp.models.keys import fold, postcode_key
from prefect_crm_erp.models.outcomes import Note
from prefect_crm_erp.models.records import Address, Customer

_PHONES = ("phone", "mobile")
_SHORTEST_PHONE = 6
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_AS_TYPED = {"phone": "Phone, as typed in the CRM", "email": "E-mail, as typed in the CRM"}


# ---------------------------------------------------------------------- addresses


def address_values(address: Address, maps: Maps, references: References, capabilities: Capabilities) -> Row:
    """An address as fields of a `party.address`.

    Raises:
        MissingReferenceError: Tryton does not have the country, or the state of a country whose addresses need one.
    """
    values = maps.address.encode(address.model_dump())
    if address.country and address.state:
        code = f"{address.country}-{address.state}"
        values["subdivision"] = references.subdivision(code)
        if values["subdivision"] is None and address.country in capabilities.needs_state:
            raise MissingReferenceError(f"The ERP has no state {code}. Add it there.", system=SYSTEM, fields=("state",))
    elif "state" in address.model_fields_set:
        values["subdivision"] = None
    return values


def state_notes(customer: Customer, references: References) -> list[Note]:
    """What to say of states that Tryton has no record of, and that were left out."""
    notes = []
    for field, address in (("billing.state", customer.billing), ("shipping.state", customer.shipping)):
        if address.country and address.state and references.subdivision(f"{address.country}-{address.state}") is None:
            text = f"The ERP has no state {address.country}-{address.state}; it is left out."
            notes.append(Note(field, text, before=address.state))
    return notes


def state_codes(addresses: Sequence[Address]) -> list[str]:
    """ISO 3166-2 codes of the states that addresses name."""
    return [f"{each.country}-{each.state}" for each in addresses if each.country and each.state]


def used_for(rows: Sequence[Row], use: str) -> Row | None:
    """The address that Tryton takes for `invoice` or `delivery`: the first that is marked for it, else the first."""
    return next((row for row in rows if row[use]), rows[0] if rows else None)


def decode_address(row: Row | None, maps: Maps) -> Address:
    """An address row as an address; empty for None."""
    return Address(**maps.address.decode(row)) if row else Address()


def same_address(left: Address, right: Address) -> bool:
    """Whether two addresses are one place, whatever the spelling of their street."""
    return _place(left) == _place(right)


def _place(address: Address) -> tuple[str, ...]:
    plain = (fold(address.street), fold(address.city), fold(address.state), fold(address.country))
    return (*plain, postcode_key(address.postal_code))


# ---------------------------------------------------------------------- phone and e-mail


def phone_of(mechanisms: Sequence[Row]) -> str | None:
    """The party's phone number as Tryton shows it, or what stands in its place because it is no number."""
    return _value_of(mechanisms, "phone")


def email_of(mechanisms: Sequence[Row]) -> str | None:
    """The party's e-mail address, or what stands in its place because it is none."""
    return _value_of(mechanisms, "email")


def contact_row(mechanisms: Sequence[Row], field: str) -> Row | None:
    """The contact mechanism that holds a customer's `phone` or `email`."""
    kinds = _PHONES if field == "phone" else ("email",)
    typed = [row for row in mechanisms if row["type"] in kinds]
    return next(iter(typed or [row for row in mechanisms if row["name"] == _AS_TYPED[field]]), None)


def _value_of(mechanisms: Sequence[Row], field: str) -> str | None:
    row = contact_row(mechanisms, field)
    return row["value"] if row else None


def contact_values(
    field: str, text: str, countries: Iterable[str], *, as_typed: bool = False
) -> tuple[Row, list[Note]]:
    """A phone number or e-mail address as a contact mechanism.

    Tryton refuses a party with a wrong number; such a one is kept as it was typed, of type `other`, with a note.

    Args:
        field: `phone` or `email`.
        text: The number or address.
        countries: ISO codes of the party's addresses; national numbers are read for them.
        as_typed: Keep it as typed in any case.
    """
    value = one_line(text) or ""
    valid = _is_phone(value, countries) if field == "phone" else bool(_EMAIL.fullmatch(value))
    if valid and not as_typed:
        return {"type": field, "value": value, "name": None}, []
    what = "phone number" if field == "phone" else "e-mail address"
    note = Note(field, f"{value!r} is no {what} that the ERP takes; it is kept there as other contact.", before=value)
    return {"type": "other", "value": value, "name": _AS_TYPED[field]}, [note]


def countries_of(*addresses: Address) -> list[str]:
    """ISO codes of the countries of addresses."""
    return [address.country for address in addresses if address.country]


def _is_phone(text: str, countries: Iterable[str]) -> bool:
    return any(_valid_in(text, country) for country in (*countries, None))


def _valid_in(text: str, country: str | None) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(text, country))
    except phonenumbers.NumberParseException:
        return False


def same_phone(left: str | None, right: str | None) -> bool:
    """Whether two phone numbers are one, whatever their spaces; the international prefix counts when both have it."""
    longer, shorter = sorted((re.sub(r"\D", "", text or "") for text in (left, right)), key=len, reverse=True)
    national = shorter.lstrip("0")
    if len(national) < _SHORTEST_PHONE:
        return (left or "").split() == (right or "").split()
    return longer == shorter or longer.endswith(national)


def same_email(left: str | None, right: str | None) -> bool:
    """Whether two e-mail addresses are one."""
    return (left or "").strip().casefold() == (right or "").strip().casefold()


def clean(value: Any) -> Any:
    """A text as it is compared: without surplus white space; anything else as it is."""
    return one_line(value) if isinstance(value, str) else value
