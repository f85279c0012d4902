"""Customers: Tryton's parties with their identifiers, addresses and contact mechanisms."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from prefect_crm_erp.blocks.erp._tryton_accounts import credit_fields, credit_of
from prefect_crm_erp.blocks.erp._tryton_addresses import (
    address_values,
    countries_of,
    decode_address,
    same_address,
    state_codes,
    state_notes,
    used_for,
)
from prefect_crm_erp.blocks.erp._tryton_candidates import candidate_ids
from prefect_crm_erp.blocks.erp._tryton_customer_changes import party_changes, party_name
from prefect_crm_erp.blocks.erp._tryton_hierarchy import RELATIONS, Hierarchy
from prefect_crm_erp.blocks.erp._tryton_identifiers import keys_of, vat_identifier, vat_of
from prefect_crm_erp.blocks.erp._tryton_maps import Maps, encode_custom, one_line
from prefect_crm_erp.blocks.erp._tryton_mechanism_changes import MechanismChanges
from prefect_crm_erp.blocks.erp._tryton_mechanisms import MECHANISM_FIELDS, contacts_of, mechanisms_of, own_value
from prefect_crm_erp.blocks.erp._tryton_references import References
from prefect_crm_erp.blocks.erp._tryton_rpc import ANY_ACTIVE, SYSTEM, Database, Row
from prefect_crm_erp.blocks.erp._tryton_writing import after_write, by_id, send_encoded, tryton_id
from prefect_crm_erp.models.capabilities import Capabilities
from prefect_crm_erp.models.errors import RejectedRecordError, UnsupportedRecordError
from prefect_crm_erp.models.keys import chunks
from prefect_crm_erp.models.outcomes import Note, WriteResult, Written
from prefect_crm_erp.models.records import Company, Customer

PARTY = "party.party"
PARTS = ("addresses", "contact_mechanisms", "identifiers")
"""Related records that belong to a party, each with dates of change of its own."""

_FIELDS = (
    "name",
    "code",
    "active",
    "replaced_by",
    "customer_payment_term",
    "customer_currency",
    "tax_identifier.type",
    "tax_identifier.code_compact",
    *(f"identifiers.{name}" for name in ("type", "code")),
    *(f"addresses.{name}" for name in ("street", "city", "postal_code", "country", "subdivision.code")),
    *(f"addresses.{use}" for use in ("invoice", "delivery")),
    *(f"contact_mechanisms.{name}" for name in MECHANISM_FIELDS),
    "create_date",
    "write_date",
)
_DATES_OF_PARTS = tuple(f"{part}.{name}" for part in PARTS for name in ("create_date", "write_date"))
"""When what belongs to a party last changed; in a new party all has the party's own date."""
_KEYS_PER_SEARCH = 500


class Customers:
    """The customers of a connection.

    Args:
        database: The connection.
        references: Its lookups.
        maps: Its field maps.
        capabilities: What the connector declares.
        hierarchy: Parents of parties.
    """

    def __init__(
        self,
        database: Database,
        references: References,
        maps: Maps,
        capabilities: Capabilities,
        hierarchy: Hierarchy,
    ) -> None:
        self._database = database
        self._references = references
        self._maps = maps
        self._capabilities = capabilities
        self._hierarchy = hierarchy

    # ------------------------------------------------------------------ reading

    def find(self, keys: Collection[str], company: int | None) -> dict[str, list[Customer]]:
        """Customers by key. A party that was merged into another counts as that one, which then holds its key."""
        holders = self._holders(keys)
        parties = by_id(self._rows({party for ids in holders.values() for party in ids}, company))
        return {
            key: [self._decode(parties[party], key) for party in ids if party in parties]
            for key, ids in holders.items()
        }

    def read(self, ids: Collection[int], company: int | None) -> list[Customer]:
        """Customers by Tryton's ids, deactivated ones too; for one that was merged into another that one, once.

        Tryton notes at a merged party which one replaced it, so this costs a further call only where there is one.
        """
        rows = self._rows(ids, company)
        customers = [self._decode(row) for row in rows if not row["replaced_by"]]
        survivors = {row["replaced_by"] for row in rows if row["replaced_by"]}
        customers += self.read(survivors, company) if survivors else []
        return list({each.erp_id: each for each in customers}.values())

    def _rows(self, ids: Collection[int], company: int | None, more: Sequence[str] = _DATES_OF_PARTS) -> list[Row]:
        categories = ["categories"] if self._references.company_category else []
        fields = [*_FIELDS, *categories, *self._hierarchy.fields, *more]
        return self._database.read(PARTY, ids, fields, company) if ids else []

    def _holders(self, keys: Collection[str]) -> dict[str, list[int]]:
        """Ids of the parties that carry each key; a deactivated identifier (a merge leaves such) counts last."""
        found: dict[str, dict[int, bool]] = {}
        for chunk in chunks(dict.fromkeys(keys), _KEYS_PER_SEARCH):
            domain = [("code", "in", chunk), ("type", "=", None), ANY_ACTIVE]
            for row in self._database.search("party.identifier", domain, ["code", "party", "active"]):
                parties = found.setdefault(row["code"], {})
                parties[row["party"]] = parties.get(row["party"], False) or row["active"]
        return {
            key: [party for party, active in parties.items() if active] or list(parties)
            for key, parties in found.items()
        }

    def _decode(self, row: Row, key: str | None = None) -> Customer:
        billing = decode_address(used_for(row["addresses"], "invoice"), self._maps)
        keys = keys_of(row["identifiers"])
        own = key or (keys[0] if keys else None)
        mechanisms = mechanisms_of(row)
        return Customer(
            **self._maps.customer.decode(row) | {"name": party_name(row)},
            key=own,
            other_keys=tuple(each for each in keys if each != own),
            vat_number=vat_of(row["tax_identifier"], row["identifiers"], billing.country),
            billing=billing,
            shipping=decode_address(used_for(row["addresses"], "delivery"), self._maps),
            phone=own_value(mechanisms, "phone"),
            email=own_value(mechanisms, "email"),
            contacts=contacts_of(mechanisms),
            companies=self._companies(row),
            parent_id=self._hierarchy.parent(row),
            modified_at=modified_at(row),
        )

    def _companies(self, row: Row) -> tuple[str, ...]:
        """Ids of the companies that sell to a party; none where all do."""
        selling = self._references.selling_companies
        return tuple(selling[each] for each in row.get("categories") or () if each in selling)

    def candidates(self, customers: Sequence[Customer]) -> list[Customer]:
        """Parties with one of these VAT numbers, postal codes or names."""
        return self.read(candidate_ids(self._database, customers), None)

    # ------------------------------------------------------------------ writing

    def create(self, customers: Sequence[Customer], company: Company) -> list[WriteResult[Customer]]:
        """Create parties in one request."""
        self._prepare(customers)
        return send_encoded(customers, self._encode, lambda good, values: self._send_new(good, values, company))

    def _send_new(
        self, customers: list[Customer], encoded: list[tuple[Row, list[Note]]], company: Company
    ) -> list[WriteResult[Customer]]:
        try:
            ids = self._database.create(PARTY, [values for values, _ in encoded], int(company.id))
        except RejectedRecordError as refusal:
            if len(customers) > 1 or not encoded[0][0].get("contact_mechanisms"):
                raise
            # A number or address that only Tryton finds wrong must not lose the customer.
            encoded = [self._encode(customers[0], refusal=refusal)]
            ids = self._database.create(PARTY, [values for values, _ in encoded], int(company.id))
        # A new customer's credit is read along: a request of its own would cost more than all of these fields.
        rows = by_id(after_write(lambda: self._rows(ids, int(company.id), credit_fields(self._references))))
        return [
            Written(
                self._decode(rows[identifier], customer.key),
                notes=tuple(notes),
                credit=credit_of(rows[identifier], company),
            )
            for identifier, customer, (_, notes) in zip(ids, customers, encoded, strict=True)
        ]

    def _encode(self, customer: Customer, refusal: RejectedRecordError | None = None) -> tuple[Row, list[Note]]:
        if not one_line(customer.name):
            raise UnsupportedRecordError("A customer needs a name", system=SYSTEM, fields=("name",))
        countries = countries_of(customer.billing, customer.shipping)
        contacts, notes = MechanismChanges(customer, [], countries, refusal).commands()
        values: dict[str, Any] = {
            name: value
            for name, value in self._maps.customer.encode(customer.model_dump()).items()
            if value is not None
        }
        values["identifiers"] = [("create", self._identifiers(customer))]
        values["addresses"] = [("create", self._addresses(customer))]
        values["contact_mechanisms"] = contacts
        values[RELATIONS] = self._hierarchy.commands(customer, {})
        values |= encode_custom(customer.custom, self._references, PARTY)
        values = {name: value for name, value in values.items() if value != []}
        return values, [*notes, *self._hierarchy.notes(customer), *state_notes(customer, self._references)]

    def _identifiers(self, customer: Customer) -> list[Row]:
        keys = [{"type": None, "code": key} for key in (customer.key, *customer.other_keys) if key]
        if not customer.vat_number:
            return keys
        types = self._references.identifier_types
        return [*keys, vat_identifier(customer.vat_number, customer.billing.country, types)]

    def _addresses(self, customer: Customer) -> list[Row]:
        one_place = customer.shipping.is_empty or same_address(customer.billing, customer.shipping)
        wanted = [(customer.billing, True, one_place), (customer.shipping, customer.billing.is_empty, True)]
        used = wanted[:1] if one_place else [each for each in wanted if not each[0].is_empty]
        return [
            address_values(address, self._maps, self._references, self._capabilities)
            | {"invoice": invoice, "delivery": delivery}
            for address, invoice, delivery in used
            if not address.is_empty
        ]

    def update(self, customers: Sequence[Customer], company: Company) -> list[WriteResult[Customer]]:
        """Bring parties to these values, in one request; fields that are not set in a record stay as they are."""
        self._prepare(customers)
        custom = sorted({name for each in customers for name in each.custom})
        for each in customers:
            encode_custom(each.custom, self._references, PARTY)
        ids = [tryton_id(each) for each in customers]
        current = by_id(self._rows(ids, int(company.id), [*_DATES_OF_PARTS, *custom]))
        return send_encoded(
            customers,
            lambda customer: self._changes(customer, current),
            lambda good, changes: self._send_changes(good, changes, company, current),
        )

    def _changes(
        self, customer: Customer, current: dict[int, Row], refusal: RejectedRecordError | None = None
    ) -> tuple[Row, list[Note]]:
        row = current.get(tryton_id(customer))
        return party_changes(customer, row, self._maps, self._references, self._capabilities, self._hierarchy, refusal)

    def _send_changes(
        self,
        customers: list[Customer],
        encoded: list[tuple[Row, list[Note]]],
        company: Company,
        current: dict[int, Row],
    ) -> list[WriteResult[Customer]]:
        ids = [tryton_id(each) for each in customers]
        try:
            self._write(ids, encoded, company)
        except RejectedRecordError as refusal:
            if len(customers) > 1 or "contact_mechanisms" not in encoded[0][0]:
                raise
            encoded = [self._changes(customers[0], current, refusal)]
            self._write(ids, encoded, company)
        changed = [identifier for identifier, (values, _) in zip(ids, encoded, strict=True) if values]
        rows = current | by_id(after_write(lambda: self._rows(changed, int(company.id))))
        return [
            Written(self._decode(rows[identifier], customer.key), created=False, notes=tuple(notes))
            for identifier, customer, (_, notes) in zip(ids, customers, encoded, strict=True)
        ]

    def _write(self, ids: Sequence[int], encoded: Sequence[tuple[Row, list[Note]]], company: Company) -> None:
        changes = [(identifier, values) for identifier, (values, _) in zip(ids, encoded, strict=True) if values]
        if changes:
            self._database.write(PARTY, changes, int(company.id))

    def _prepare(self, customers: Sequence[Customer]) -> None:
        addresses = [address for each in customers for address in (each.billing, each.shipping)]
        self._references.prepare_subdivisions(state_codes(addresses))
        self._hierarchy.prepare(customers)


def modified_at(row: Row) -> datetime:
    """When a party or what belongs to it last changed."""
    parts = [row, *(each for part in PARTS for each in row[part] if "create_date" in each)]
    return max(part["write_date"] or part["create_date"] for part in parts)
