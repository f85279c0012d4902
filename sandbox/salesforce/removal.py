"""Deleting, undeleting and merging rows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from prefect_crm_erp.sandbox.salesforce import checks
from prefect_crm_erp.sandbox.salesforce.errors import ApiError, RowRejected
from prefect_crm_erp.sandbox.salesforce.image import Row
from prefect_crm_erp.sandbox.salesforce.schema import (
    BIN_MEMBERS,
    CLEARED_LOOKUPS,
    DELETED_WITH,
    PURGED,
    ChildRelationship,
    SObject,
)
from prefect_crm_erp.sandbox.salesforce.writer import Writer

Lookup = tuple[str, str, str, str]
"""A lookup that leads somewhere: object type, id and field, and the id to which it leads."""

MOST_DUPLICATES = 2
"""How many rows Salesforce merges into a master at a time."""


class Removal:
    """Moves rows to the recycle bin and back.

    Args:
        writer: Writes in a user's name, inside a transaction.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def delete(self, sobject: SObject, record_id: str, *, purge: bool = False) -> None:
        """Delete a row and the rows that live and die with it.

        Args:
            sobject: Its object type.
            record_id: Its id.
            purge: For good: only a trace stays, so that the deletion can be reported.

        Raises:
            RowRejected: The row cannot be deleted.
        """
        row = self._writer.demand(sobject, record_id)
        if not sobject.deletable:
            raise RowRejected.of("INVALID_TYPE_FOR_OPERATION", f"entity type cannot be deleted: {sobject.label}")
        self._writer.rules_of(sobject.name).before_delete(row, self._writer)
        for lookup in sobject.owning_lookups:
            if row[lookup.name]:
                self._writer.locks.demand_free(row[lookup.name])
        self._bin(row["Id"], self._doomed(sobject, row), purge)

    def _doomed(self, sobject: SObject, root: Row) -> dict[str, tuple[SObject, Row]]:
        """The row and all that live and die with it, by id, parents first."""
        doomed = {root["Id"]: (sobject, root)}
        waiting = [(sobject, root)]
        while waiting:
            for child, dependent in self._dependents(*waiting.pop(0)):
                if child.on_delete == "cascade" and dependent["Id"] not in doomed:
                    self._writer.locks.demand_free(dependent["Id"])
                    doomed[dependent["Id"]] = (self._writer.schema.get(child.child_object), dependent)
                    waiting.append(doomed[dependent["Id"]])
        return doomed

    def _dependents(self, sobject: SObject, row: Row) -> Iterator[tuple[ChildRelationship, Row]]:
        for child in sobject.child_relationships:
            for dependent in self._writer.children(child.child_object, child.field, row["Id"]):
                yield child, dependent

    def _bin(self, root_id: str, doomed: dict[str, tuple[SObject, Row]], purge: bool) -> None:
        cleared = self._lookups_from_outside(doomed)
        gone: Row = {"IsDeleted": True, DELETED_WITH: root_id, PURGED: "yes" if purge else None}
        for record_id, (sobject, _) in doomed.items():
            self._writer.amend(sobject.name, record_id, gone)
        sobject, _ = doomed[root_id]
        self._writer.amend(sobject.name, root_id, {CLEARED_LOOKUPS: json.dumps(cleared)})
        for object_name, record_id, field, _ in cleared:
            self._writer.amend(object_name, record_id, {field: None})
        for sobject, row in doomed.values():
            self._writer.rules_of(sobject.name).removed(row, self._writer)

    def _lookups_from_outside(self, doomed: dict[str, tuple[SObject, Row]]) -> list[Lookup]:
        """What points to the rows from elsewhere and has to be emptied.

        Raises:
            RowRejected: DELETE_FAILED: a row elsewhere cannot do without one of them.
        """
        found: list[Lookup] = []
        for sobject, row in doomed.values():
            for child, dependent in self._dependents(sobject, row):
                if dependent["Id"] in doomed:
                    continue
                if child.on_delete == "restrict":
                    raise _still_needed(sobject, row, self._writer.schema.get(child.child_object), dependent)
                self._writer.locks.demand_free(dependent["Id"])
                found.append((child.child_object, dependent["Id"], child.field, row["Id"]))
        return found

    def undelete(self, sobject: SObject, record_id: str) -> None:
        """Bring back a row and what its deletion took along. Lookups that were emptied lead to it again.

        Raises:
            RowRejected: The row is not in the recycle bin, or cannot come back.
        """
        row = self._writer.find(sobject, record_id)
        if not row["IsDeleted"] or row[PURGED]:
            raise RowRejected.of("UNDELETE_FAILED", "Entity is not in the recycle bin")
        for lookup in sobject.owning_lookups:
            if row[lookup.name] and not self._writer.row(lookup.reference_to[0], row[lookup.name]):
                raise RowRejected.of("UNDELETE_FAILED", f"The parent {row[lookup.name][:15]} is in the recycle bin")
        returning = self._taken_along(sobject, row)
        for each, its_row in returning.values():
            self._restore(each, its_row)
        self._refill_lookups(json.loads(row[CLEARED_LOOKUPS] or "[]"))
        for each, its_row in returning.values():
            self._writer.rules_of(each.name).removed(its_row, self._writer)

    def _taken_along(self, sobject: SObject, root: Row) -> dict[str, tuple[SObject, Row]]:
        """The row and all that its deletion took along, by id, parents first."""
        returning = {root["Id"]: (sobject, root)}
        waiting = [(sobject, root)]
        while waiting:
            parent_object, parent = waiting.pop(0)
            for child in parent_object.child_relationships:
                table = self._writer.image.tables[child.child_object]
                for row in table.matching(child.field, [parent["Id"]]):
                    if row[DELETED_WITH] == root["Id"] and row["Id"] not in returning:
                        returning[row["Id"]] = (table.sobject, row)
                        waiting.append(returning[row["Id"]])
        return returning

    def _restore(self, sobject: SObject, row: Row) -> None:
        checks.check_unique(sobject, row, self._writer.image)
        changes: Row = {"IsDeleted": False, **dict.fromkeys(BIN_MEMBERS)}
        if sobject.mergeable:
            changes["MasterRecordId"] = None
        self._writer.amend(sobject.name, row["Id"], changes)

    def _refill_lookups(self, cleared: Sequence[Lookup]) -> None:
        """Lookups lead to their old row again unless they lead elsewhere by now."""
        for object_name, record_id, field, target_id in cleared:
            row = self._writer.row(object_name, record_id)
            if row and row[field] is None:
                self._writer.amend(object_name, record_id, {field: target_id})

    def merge(self, sobject: SObject, master_id: str, duplicate_ids: Sequence[str]) -> None:
        """Merge duplicates into a master.

        Raises:
            ApiError: 400 INVALID_TYPE_FOR_OPERATION.
            RowRejected: A row does not exist, is deleted, or is named twice.
        """
        if not sobject.mergeable:
            raise ApiError.of(400, "INVALID_TYPE_FOR_OPERATION", f"merge is not supported for {sobject.name}")
        master = self._writer.demand(sobject, master_id)
        losers = [self._writer.demand(sobject, duplicate_id) for duplicate_id in duplicate_ids]
        ids = {row["Id"] for row in losers}
        if not 0 < len(losers) <= MOST_DUPLICATES or len(ids) != len(losers) or master["Id"] in ids:
            message = f"1 to {MOST_DUPLICATES} different records can be merged into another one"
            raise RowRejected.of("INVALID_NUM_MERGE_RECORDS", message)
        for loser in losers:
            self._absorb(sobject, master["Id"], loser)
        self._writer.amend(sobject.name, master["Id"], self._circles(sobject, master["Id"]))

    def _absorb(self, sobject: SObject, master_id: str, loser: Row) -> None:
        for child in sobject.child_relationships:
            for dependent in self._writer.children(child.child_object, child.field, loser["Id"]):
                # A row never becomes its own parent, as it would where the master was a child of the loser.
                new_parent = master_id if dependent["Id"] != master_id else None
                self._writer.amend(child.child_object, dependent["Id"], {child.field: new_parent})
        gone: Row = {"IsDeleted": True, DELETED_WITH: loser["Id"], "MasterRecordId": master_id}
        self._writer.amend(sobject.name, loser["Id"], gone)

    def _circles(self, sobject: SObject, record_id: str) -> Row:
        """The row's own lookups that lead back to it, to be emptied: it was below a row that it took in."""
        own = [child.field for child in sobject.child_relationships if child.child_object == sobject.name]
        return {field: None for field in own if record_id in self._above(sobject, record_id, field)}

    def _above(self, sobject: SObject, record_id: str, field: str) -> set[str]:
        """Ids of the rows to which a lookup leads step by step."""
        found: set[str] = set()
        row = self._writer.row(sobject.name, record_id)
        while row and row[field] and row[field] not in found:
            found.add(row[field])
            row = self._writer.row(sobject.name, row[field])
        return found


def _still_needed(sobject: SObject, row: Row, child: SObject, dependent: Row) -> RowRejected:
    name_field = next((field.name for field in child.fields.values() if field.name_field), "Id")
    shown = row.get("Name") or row["Id"][:15]
    message = (
        f"Your attempt to delete {shown} could not be completed because it is associated with the following "
        f"{child.label_plural.lower()}.: {dependent[name_field]}"
    )
    return RowRejected.of("DELETE_FAILED", message)
