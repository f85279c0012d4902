"""Saving rows: reading what the client gave, checks, rules, stamps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any

from prefect_crm_erp.sandbox.salesforce import checks
from prefect_crm_erp.sandbox.salesforce.change import Change
from prefect_crm_erp.sandbox.salesforce.errors import RowRejected
from prefect_crm_erp.sandbox.salesforce.ids import MalformedId, new_id, to_18
from prefect_crm_erp.sandbox.salesforce.image import Image, Row
from prefect_crm_erp.sandbox.salesforce.locks import Locks
from prefect_crm_erp.sandbox.salesforce.schema import Field, Schema, SObject
from prefect_crm_erp.sandbox.salesforce.values import address_of, round_half_up

if TYPE_CHECKING:
    from prefect_crm_erp.sandbox.salesforce.rules.base import Rules

DEFAULT_PLACES = 2
"""Decimal places of an amount whose currency the org does not know."""


@dataclass(kw_only=True)
class Writer:
    """Does one user's writing at one moment. Works inside a transaction of the image.

    Attributes:
        rules_of: The rules of an object type, by its canonical name.
        instance: Two characters of every id of this org.
        now: The stamp of everything that is written.
        trusted: The org itself writes: read-only fields and objects are open to it.
        rounds_sums: Amounts are rounded after the lines are summed up, not line by line.
        subsidiary_required: A validation rule refuses new accounts without their subsidiary.
        block_duplicates: The duplicate rule refuses a row instead of letting it pass.
    """

    image: Image
    locks: Locks
    rules_of: Callable[[str], Rules]
    instance: str
    now: datetime
    user_id: str | None
    trusted: bool = False
    rounds_sums: bool = False
    subsidiary_required: bool = False
    block_duplicates: bool = False

    @property
    def schema(self) -> Schema:
        """The object types."""
        return self.image.schema

    @cached_property
    def currency_places(self) -> dict[str, int]:
        """Decimal places by currency code."""
        return {row["IsoCode"]: row["DecimalPlaces"] for row in self.image.tables["CurrencyType"].rows.values()}

    @cached_property
    def active_currencies(self) -> frozenset[str]:
        """Codes of the currencies that may be used."""
        rows = self.image.tables["CurrencyType"].rows.values()
        return frozenset(row["IsoCode"] for row in rows if row["IsActive"])

    @cached_property
    def corporate_currency(self) -> str | None:
        """Code of the company's own currency."""
        rows = self.image.tables["CurrencyType"].rows.values()
        return next((row["IsoCode"] for row in rows if row["IsCorporate"]), None)

    def places(self, row: Row) -> int:
        """Decimal places of the row's amounts."""
        return self.currency_places.get(row.get("CurrencyIsoCode") or "", DEFAULT_PLACES)

    def row(self, object_name: str, record_id: str | None) -> Row | None:
        """A row that is not deleted, as it is now, whether readers see it yet or not."""
        found = self.image.tables[object_name].rows.get(record_id or "")
        return None if found is None or found["IsDeleted"] else found

    def parent(self, row: Row, object_name: str, field: str) -> Row | None:
        """The row that a lookup points to; None if it is empty or leads nowhere."""
        return self.row(object_name, row[field])

    def children(self, object_name: str, field: str, parent_id: str) -> list[Row]:
        """The rows that point to a parent and are not deleted."""
        found = self.image.tables[object_name].matching(field, [parent_id])
        return [row for row in found if not row["IsDeleted"]]

    def read_values(self, sobject: SObject, values: Any) -> dict[str, Any]:
        """What the client gave, as Python values by canonical names.

        Raises:
            RowRejected: All fields that are unknown or do not fit their type.
        """
        return checks.read_values(sobject, values, self._find_parent)

    def _find_parent(self, sobject: SObject, path: str, value: Any) -> str:
        lookup_name, _, key = path.partition(".")
        target = self.schema.get(sobject.fields[lookup_name.lower()].reference_to[0])
        field = target.fields.get(key.lower())
        if field is None or not field.upsertable:
            message = f"{key} is not an external id of {target.name}"
            raise RowRejected.of("INVALID_FIELD", message, [lookup_name])
        matches = [row for row in self.matching(target, field, value) if not row["IsDeleted"]]
        if not matches:
            message = f"Foreign key external ID: {value} not found for field {field.name} in entity {target.name}"
            raise RowRejected.of("INVALID_FIELD", message)
        if len(matches) > 1:
            message = f"{field.name}: more than one record found for external id {value}"
            raise RowRejected.of("DUPLICATE_EXTERNAL_ID", message, [field.name])
        return str(matches[0]["Id"])

    def matching(self, sobject: SObject, field: Field, value: Any) -> list[Row]:
        """Rows with that value, deleted ones included."""
        key = value.strip() if isinstance(value, str) else value
        return list(self.image.tables[sobject.name].matching(field.name, [key]))

    def insert(self, sobject: SObject, values: Any) -> str:
        """Save a new row and answer its id.

        Raises:
            RowRejected: The row breaks a rule.
        """
        if not sobject.createable and not self.trusted:
            raise RowRejected.of("INVALID_TYPE_FOR_OPERATION", f"entity type cannot be inserted: {sobject.label}")
        given = self.read_values(sobject, values)
        if not self.trusted:
            checks.check_writable(sobject, given, creating=True)
        # None asks for nothing in particular: the default stands.
        row = sobject.blank | {name: value for name, value in given.items() if value is not None}
        row["Id"] = given.get("Id") or self._next_id(sobject)
        self._fill_in(sobject, row)
        self._save(Change(sobject, row, None, frozenset(given)))
        return str(row["Id"])

    def _next_id(self, sobject: SObject) -> str:
        return new_id(sobject.key_prefix, self.instance, self.image.count_up(sobject.key_prefix))

    def _fill_in(self, sobject: SObject, row: Row) -> None:
        row["CreatedDate"] = row["CreatedDate"] or self.now
        row["CreatedById"] = self.user_id or row["Id"]  # The first user of all has nobody before it.
        if "ownerid" in sobject.fields and row["OwnerId"] is None:
            row["OwnerId"] = self.user_id

    def modify(self, sobject: SObject, record_id: str, values: Any) -> None:
        """Save new values of a row.

        Raises:
            RowRejected: The row does not exist, is deleted or locked, or breaks a rule.
        """
        old = self.demand(sobject, record_id)
        if not sobject.updateable and not self.trusted:
            raise RowRejected.of("INVALID_TYPE_FOR_OPERATION", f"entity type cannot be updated: {sobject.label}")
        given = self.read_values(sobject, values)
        if given.pop("Id", old["Id"]) != old["Id"]:
            raise RowRejected.of("INVALID_FIELD", "The Id field should not be specified in the sobject data.", ["Id"])
        if not self.trusted:
            checks.check_writable(sobject, given, creating=False)
        self._save(Change(sobject, old | given, old, frozenset(given)))

    def demand(self, sobject: SObject, record_id: str) -> Row:
        """The row, if it can be written.

        Raises:
            RowRejected: MALFORMED_ID, NOT_FOUND, ENTITY_IS_DELETED or UNABLE_TO_LOCK_ROW.
        """
        row = self.find(sobject, record_id)
        if row["IsDeleted"]:
            raise RowRejected.of("ENTITY_IS_DELETED", "entity is deleted")
        self.locks.demand_free(row["Id"])
        return row

    def find(self, sobject: SObject, record_id: str) -> Row:
        """The row of that id, deleted or not.

        Raises:
            RowRejected: MALFORMED_ID or NOT_FOUND.
        """
        try:
            long_id = to_18(record_id)
        except MalformedId:
            message = f"{sobject.label} ID: id value of incorrect type: {record_id}"
            raise RowRejected.of("MALFORMED_ID", message, ["Id"]) from None
        found = self.image.tables[sobject.name].rows.get(long_id)
        if found is None:
            raise RowRejected.of("NOT_FOUND", "The requested resource does not exist")
        return found

    def _save(self, change: Change) -> None:
        sobject, row = change.sobject, change.new
        rules = self.rules_of(sobject.name)
        self._lock_parents(change)
        checks.check_references(change, self.image)
        rules.prepare(change, self)
        self._default_currency(sobject, row)
        checks.check_required(change)
        if not self.trusted:
            checks.check_picklists(change, self.active_currencies)
        self._round_amounts(change)
        rules.complete(change, self)
        checks.check_unique(sobject, row, self.image)
        self._put(sobject, row)
        rules.settle(change, self)

    def _lock_parents(self, change: Change) -> None:
        """A row that lives and dies with its parent locks it while it is saved."""
        for lookup in change.sobject.owning_lookups:
            parent_id = change.new[lookup.name]
            if parent_id and (change.creating or change.changed(lookup.name)):
                self.locks.demand_free(parent_id)

    def _default_currency(self, sobject: SObject, row: Row) -> None:
        if "currencyisocode" in sobject.fields and row["CurrencyIsoCode"] is None:
            user = self.row("User", self.user_id)
            row["CurrencyIsoCode"] = (user and user["DefaultCurrencyIsoCode"]) or self.corporate_currency

    def _round_amounts(self, change: Change) -> None:
        everything = change.creating or "CurrencyIsoCode" in change.given
        places = self.places(change.new)
        for field in change.sobject.currency_fields:
            amount = change.new[field.name]
            if isinstance(amount, Decimal) and (everything or field.name in change.given):
                change.new[field.name] = round_half_up(amount, places)

    def amend(self, object_name: str, record_id: str, changes: Row, *, touch: bool = True) -> None:
        """Change a row on the org's own account: no checks and no rules.

        Args:
            object_name: The row's object type, in its canonical case.
            record_id: Its 18-character id.
            changes: New values; nothing is written if the row has them already.
            touch: Whether the change counts as a modification of the row, which pollers must see.
        """
        table = self.image.tables[object_name]
        old = table.rows[record_id]
        if touch or any(old[name] != value for name, value in changes.items()):
            self._put(table.sobject, old | changes, touch=touch)

    def _put(self, sobject: SObject, row: Row, *, touch: bool = True) -> None:
        if touch:
            row["LastModifiedDate"] = row["SystemModstamp"] = self.now
            row["LastModifiedById"] = self.user_id or row["Id"]
        for compound in sobject.compounds:
            row[compound.name] = address_of(compound.name.removesuffix("Address"), row)
        self.image.put(sobject.name, row)
