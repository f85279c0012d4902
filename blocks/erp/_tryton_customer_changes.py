"""What must be written to bring a party to the values of a customer: only what differs, and only what is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prefect_crm_erp.blocks.erp._tryton_addresses import (
    address_values,
    countries_of,
    decode_address,
    same_address,
    state_notes,
    used_for,
)
from prefect_crm_erp.blocks.erp._tryton_hierarchy import RELATIONS, Hierarchy
from prefect_crm_erp.blocks.erp._tryton_identifiers import keys_of, vat_identifier, vat_of
from prefect_crm_erp.blocks.erp._tryton_maps import Maps, encode_custom, one_line
from prefect_crm_erp.blocks.erp._tryton_mechanism_changes import MechanismChanges
from prefect_crm_erp.blocks.erp._tryton_references import References
from prefect_crm_erp.blocks.erp._tryton_rpc import SYSTEM, Row
from prefect_crm_erp.models.capabilities import Capabilities
from prefect_crm_erp.models.errors import RejectedRecordError
from prefect_crm_erp.models.outcomes import Note
from prefect_crm_erp.models.records import Address, Customer

_USES = (("invoice", "billing", "delivery"), ("delivery", "shipping", "invoice"))


def party_changes(
    customer: Customer,
    row: Row | None,
    maps: Maps,
    references: References,
    capabilities: Capabilities,
    hierarchy: Hierarchy,
    refusal: RejectedRecordError | None = None,
) -> tuple[Row, list[Note]]:
    """The field values to write, empty when nothing differs, and what to tell the operator.

    Only fields that are set in the customer count. Keys are added and never taken away; an empty address leaves the
    party's addresses alone.

    Raises:
        RejectedRecordError: The party is gone or deactivated.
        MissingReferenceError: The ERP does not have what a value refers to.
        UnsupportedRecordError: The parent is no party.
    """
    current = _active(customer, row)
    known = [decode_address(each, maps) for each in current["addresses"]]
    countries = countries_of(customer.billing, customer.shipping, *known)
    contacts, notes = MechanismChanges(customer, current["contact_mechanisms"], countries, refusal).commands()
    addresses = _AddressChanges(customer, current, maps, references, capabilities).commands()
    parts = {
        "identifiers": _identifier_changes(customer, current, maps, references),
        "addresses": addresses,
        "contact_mechanisms": contacts,
        RELATIONS: hierarchy.commands(customer, current),
    }
    values = _plain_changes(customer, current, maps, references)
    values |= {name: commands for name, commands in parts.items() if commands}
    notes += hierarchy.notes(customer)
    return values, notes + (state_notes(customer, references) if addresses else [])


def _active(customer: Customer, row: Row | None) -> Row:
    if row is None:
        raise RejectedRecordError(f"Tryton has no party with id {customer.erp_id} any more", system=SYSTEM)
    if row["active"]:
        return row
    name = f"{party_name(row)} ({row['code']})"
    if row["replaced_by"]:
        what = f"The customer {name} was merged into another one in Tryton, which is the one to change"
    else:
        what = f"The customer {name} is deactivated in Tryton; activate it there, or stop sending it changes"
    raise RejectedRecordError(what, system=SYSTEM, fields=("is_active",))


def party_name(row: Row) -> str:
    """A party's name; Tryton shows its number in place of one that is missing."""
    return row["name"] or f"[{row['code']}]"


def _plain_changes(customer: Customer, row: Row, maps: Maps, references: References) -> Row:
    now = maps.customer.decode(row) | {"name": party_name(row)}
    given = {name: getattr(customer, name) for name in customer.model_fields_set if name in now}
    wanted = {name: value for name, value in given.items() if _clean(now[name]) != _clean(value)}
    custom = encode_custom(customer.custom, references, "party.party")
    return maps.customer.encode(wanted) | {name: value for name, value in custom.items() if row[name] != value}


def _identifier_changes(customer: Customer, row: Row, maps: Maps, references: References) -> list[Any]:
    known = keys_of(row["identifiers"])
    keys = [key for key in (customer.key, *customer.other_keys) if key and key not in known]
    commands = _added([{"type": None, "code": key} for key in keys])
    if "vat_number" in customer.model_fields_set:
        commands += _vat_changes(customer, row, maps, references)
    return commands


def _vat_changes(customer: Customer, row: Row, maps: Maps, references: References) -> list[Any]:
    home = customer.billing.country or decode_address(used_for(row["addresses"], "invoice"), maps).country
    if customer.vat_number == vat_of(row["tax_identifier"], row["identifiers"], home):
        return []
    old = row["tax_identifier"]
    if not customer.vat_number:
        return [("delete", [old["id"]])] if old else []
    new = vat_identifier(customer.vat_number, home, references.identifier_types)
    return [("write", [old["id"]], new)] if old else _added([new])


def _added(rows: Sequence[Row]) -> list[Any]:
    return [("create", list(rows))] if rows else []


class _AddressChanges:
    """Changes of a party's addresses; an address that serves two uses is never changed for one of them alone."""

    def __init__(
        self, customer: Customer, row: Row, maps: Maps, references: References, capabilities: Capabilities
    ) -> None:
        self._customer = customer
        self._rows = [dict(each) for each in row["addresses"]]
        self._maps = maps
        self._references = references
        self._capabilities = capabilities

    def commands(self) -> list[Any]:
        """Commands for the party's `addresses`."""
        return [command for use, field, other in _USES for command in self._change(use, self._given(field), other)]

    def _given(self, field: str) -> Address | None:
        address: Address = getattr(self._customer, field)
        return address if field in self._customer.model_fields_set and not address.is_empty else None

    def _change(self, use: str, wanted: Address | None, other: str) -> list[Any]:
        current = used_for(self._rows, use)
        if wanted is None or (current and _cleaned(decode_address(current, self._maps)) == _cleaned(wanted)):
            return []
        values = address_values(wanted, self._maps, self._references, self._capabilities)
        if current and same_address(decode_address(current, self._maps), wanted):
            return [self._write(current, values, wanted)]
        known = next((row for row in self._rows if same_address(decode_address(row, self._maps), wanted)), None)
        if known:
            return [self._write(known, values | {use: True}, wanted), *self._unmark(current, use)]
        if current is None or self._is_shared(current, wanted, other):
            return [*_added([values | {use: True, other: not self._rows}]), *self._unmark(current, use)]
        return [self._write(current, values, wanted)]

    def _is_shared(self, row: Row, wanted: Address, other: str) -> bool:
        """Whether the row also serves the other use, which is to stay at another place."""
        others = self._given("billing" if other == "invoice" else "shipping")
        return used_for(self._rows, other) is row and (others is None or not same_address(others, wanted))

    @staticmethod
    def _write(row: Row, values: Row, address: Address) -> tuple[str, list[int], Row]:
        """The command; the row takes the values too, for the second use to see them."""
        row |= values | {"subdivision": _subdivision_row(address, values)}
        return ("write", [row["id"]], values)

    @staticmethod
    def _unmark(row: Row | None, use: str) -> list[Any]:
        if row is None or not row[use]:
            return []
        row[use] = False
        return [("write", [row["id"]], {use: False})]


def _subdivision_row(address: Address, values: Row) -> Row | None:
    if values.get("subdivision") is None:
        return None
    return {"id": values["subdivision"], "code": f"{address.country}-{address.state}"}


def _cleaned(address: Address) -> dict[str, Any]:
    return {name: _clean(value) for name, value in address.model_dump().items()}


def _clean(value: Any) -> Any:
    """A text as it is compared: without surplus white space; anything else as it is."""
    return one_line(value) if isinstance(value, str) else value
