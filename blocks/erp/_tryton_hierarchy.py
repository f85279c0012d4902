"""The hierarchy of customers: relations between parties, where the module `party_relationship` is activated."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from prefect_crm_erp.blocks.erp._tryton_references import References
from prefect_crm_erp.blocks.erp._tryton_rpc import SYSTEM, Database, Row
from prefect_crm_erp.models.errors import MissingReferenceError, UnsupportedRecordError
from prefect_crm_erp.models.outcomes import Note
from prefect_crm_erp.models.records import Customer

RELATIONS = "relations"
"""The field of a party with its relations; it is there when the module is."""


class Hierarchy:
    """Reads and writes the parent of a party.

    Args:
        database: The connection.
        references: Its lookups.
        relation: Name of the relation type that leads from a subsidiary to its parent; empty for no hierarchy.
    """

    def __init__(self, database: Database, references: References, relation: str) -> None:
        self._database = database
        self._references = references
        self._relation = relation.strip()
        self._parties: dict[int, int] = {}

    @cached_property
    def is_kept(self) -> bool:
        """Whether the operator wants a hierarchy, and this Tryton has relations."""
        return bool(self._relation) and self._references.has("party.party", RELATIONS)

    @property
    def fields(self) -> list[str]:
        """Fields of a party to read for its parent."""
        return [f"{RELATIONS}.{name}" for name in ("type", "to")] if self.is_kept else []

    @property
    def trouble(self) -> str | None:
        """What keeps the hierarchy from working, for the operator; None when nothing does, or when none is wanted."""
        if not self.is_kept or self._type is not None:
            return None
        known = ", ".join(f"{name!r}" for name in self._references.relation_types.names()) or "none"
        return f"Tryton has no relation type {self._relation!r}, so parents are left alone; there are: {known}"

    @property
    def _type(self) -> int | None:
        return self._references.relation_types.find(self._relation)

    def parent(self, row: Row) -> str | None:
        """The id of a party's parent; the one that was related first when there are several."""
        relations = self._relations(row)
        return str(relations[0]["to"]) if relations else None

    def _relations(self, row: Row) -> list[Row]:
        if not row.get(RELATIONS):
            return []
        relations = [each for each in row[RELATIONS] if each["type"] == self._type]
        return sorted(relations, key=lambda each: int(each["id"]))

    def prepare(self, customers: Sequence[Customer]) -> None:
        """Look up the parents of customers that are not known yet, all in one call; Tryton itself may not do it."""
        given = {each.parent_id for each in customers if self.is_kept and each.parent_id is not None}
        wanted = {int(each) for each in given if each.isdecimal()} - self._parties.keys()
        rows = self._database.read("party.party", wanted, ["replaced_by"]) if wanted else []
        self._parties |= {row["id"]: row["replaced_by"] or row["id"] for row in rows}

    def commands(self, customer: Customer, row: Row) -> list[Any]:
        """Commands for the party's `relations`; empty when nothing differs or the parent is not set in the record.

        Args:
            customer: The customer.
            row: The party; an empty row for a new one.

        Raises:
            MissingReferenceError: Tryton has no such party.
            UnsupportedRecordError: The parent is the customer itself.
        """
        if "parent_id" not in customer.model_fields_set or not self.is_kept or self._type is None:
            return []
        if customer.parent_id is None:
            gone = [each["id"] for each in self._relations(row)]
            return [("delete", gone)] if gone else []
        return self._move_to(self._party(customer), self._relations(row))

    def _move_to(self, parent: int, relations: list[Row]) -> list[Any]:
        if parent in (each["to"] for each in relations):
            return []
        if not relations:
            return [("create", [{"type": self._type, "to": parent}])]
        first, *others = (each["id"] for each in relations)
        return [("write", [first], {"to": parent}), *([("delete", others)] if others else [])]

    def _party(self, customer: Customer) -> int:
        parent = str(customer.parent_id)
        if parent == customer.erp_id:
            raise UnsupportedRecordError("A customer cannot be its own parent", system=SYSTEM, fields=("parent_id",))
        party = self._parties.get(int(parent)) if parent.isdecimal() else None
        if party is None:
            raise MissingReferenceError(f"Tryton has no party with id {parent}", system=SYSTEM, fields=("parent_id",))
        return party

    def notes(self, customer: Customer) -> list[Note]:
        """What to say of a parent that this Tryton cannot keep."""
        trouble = self.trouble if customer.parent_id is not None else None
        return [Note("parent_id", f"{trouble}.", before=customer.parent_id)] if trouble else []
