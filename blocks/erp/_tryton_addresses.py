"""A party's addresses, as Tryton keeps them."""

from __future__ import annotations

from collections.abc import Sequence

from prefect_crm_erp.blocks.erp._tryton_maps import Maps
from prefect_crm_erp.blocks.erp._tryton_references import References
from prefect_crm_erp.blocks.erp._tryton_rpc import SYSTEM, Row
from prefect_crm_erp.models.capabilities import Capabilities
from prefect_crm_erp.models.errors import MissingReferenceError
from prefect_crm_erp.models.keys import fold, postcode_key
from prefect_crm_erp.models.outcomes import Note
from prefect_crm_erp.models.records import Address, Customer


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


def countries_of(*addresses: Address) -> list[str]:
    """ISO codes of the countries of addresses."""
    return [address.country for address in addresses if address.country]
