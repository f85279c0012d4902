"""Deleting, undeleting and merging rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prefect_crm_erp.sandbox.salesforce import checks
from prefect_crm_erp.sandbox.salesforce.errors import ApiError, RowRejected
from prefect_crm_erp.sandbox.salesforce.image import Row
from prefect_crm_erp.sandbox.salesforce.rules import rules_of
from prefect_crm_erp.sandbox.salesforce.schema import DELETED_WITH, ChildRelationship, SObject
from prefect_crm_erp.sandbox.salesforce.writer import Writer

MOST_DUPLICATES = 2
"""How many rows Salesforce merges into a master at a time."""


class Removal:
    """Moves rows to the recycle bin and back.

    Args:
        writer: Writes in a user's name, inside a transaction.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def delete(self, sobject: SObject, record_id: str) -> None:
        """Delete a row and the rows that live and die with it.

        Raises:
            RowRejected: The row cannot be deleted.
        """
        row = self._writer.demand(sobject, record_id)
        if not sobject.deletable:
            raise RowRejected.of("INVALID_TYPE_FOR_OPERATION", f"entity type cannot be deleted: {sobject.label}")
        rules_of(sobject.name).before_delete(row, self._writer)
        for lookup in sobject.owning_lookups:
            if row[lookup.name]:
                self._writer.locks.demand_free(row[lookup.name])
        self._bin(sobject, row, root_id=row["Id"])

    def _bin(self, sobject: SObject, row: Row, root_id: str) -> None:
        self._writer.amend(sobject.name, row["Id"], {"IsDeleted": True, DELETED_WITH: root_id})
        for child in sobject.child_relationships:
            self._release_children(child, sobject, row, root_id)
        rules_of(sobject.name).removed(row, self._writer)

    def _release_children(self, child: ChildRelationship, sobject: SObject, row: Row, root_id: str) -> None:
        children = self._writer.children(child.child_object, child.field, row["Id"])
        if children and child.on_delete == "restrict":
            raise _still_needed(sobject, row, self._writer.schema.get(child.child_object), children)
        for dependent in children:
            self._writer.locks.demand_free(dependent["Id"])
            if child.on_delete == "cascade":
                self._bin(self._writer.schema.get(child.child_object), dependent, root_id)
            else:
                self._writer.amend(child.child_object, dependent["Id"], {child.field: None})

    def undelete(self, sobject: SObject, record_id: str) -> None:
        """Bring back a row and what its deletion took along.

        Raises:
            RowRejected: The row is not in the recycle bin, or cannot come back.
        """
        row = self._writer.find(sobject, record_id)
        if not row["IsDeleted"]:
            raise RowRejected.of("UNDELETE_FAILED", "Entity is not in the recycle bin")
        for lookup in sobject.owning_lookups:
            if row[lookup.name] and not self._writer.row(lookup.reference_to[0], row[lookup.name]):
                raise RowRejected.of("UNDELETE_FAILED", f"The parent {row[lookup.name][:15]} is in the recycle bin")
        self._restore(sobject, row, root_id=row[DELETED_WITH] or row["Id"])

    def _restore(self, sobject: SObject, row: Row, root_id: str) -> None:
        checks.check_unique(sobject, row, self._writer.image)
        changes: Row = {"IsDeleted": False, DELETED_WITH: None}
        if "masterrecordid" in sobject.fields:
            changes["MasterRecordId"] = None
        self._writer.amend(sobject.name, row["Id"], changes)
        for child, dependent in self._taken_along(sobject, row, root_id):
            self._restore(child, dependent, root_id)
        rules_of(sobject.name).removed(row, self._writer)

    def _taken_along(self, sobject: SObject, row: Row, root_id: str) -> Iterator[tuple[SObject, Row]]:
        for child in sobject.child_relationships:
            if child.on_delete == "cascade":
                table = self._writer.image.tables[child.child_object]
                for dependent in list(table.matching(child.field, [row["Id"]])):
                    if table.rows[dependent["Id"]][DELETED_WITH] == root_id:
                        yield table.sobject, dependent

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
        self._writer.amend(sobject.name, master["Id"], {})

    def _absorb(self, sobject: SObject, master_id: str, loser: Row) -> None:
        for child in sobject.child_relationships:
            for dependent in self._writer.children(child.child_object, child.field, loser["Id"]):
                # A row never becomes its own parent, as it would where the master was a child of the loser.
                new_parent = master_id if dependent["Id"] != master_id else None
                self._writer.amend(child.child_object, dependent["Id"], {child.field: new_parent})
        gone: Row = {"IsDeleted": True, DELETED_WITH: loser["Id"], "MasterRecordId": master_id}
        self._writer.amend(sobject.name, loser["Id"], gone)


def _still_needed(sobject: SObject, row: Row, child: SObject, children: Sequence[Row]) -> RowRejected:
    name_field = next((field.name for field in child.fields.values() if field.name_field), "Id")
    shown = row.get("Name") or row["Id"][:15]
    message = (
        f"Your attempt to delete {shown} could not be completed because it is associated with the following "
        f"{child.label_plural.lower()}.: {', '.join(str(dependent[name_field]) for dependent in children[:5])}"
    )
    return RowRejected.of("DELETE_FAILED", message)
