"""The org: what a client can do with its rows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from prefect_crm_erp.sandbox.salesforce import values as wire_values
from prefect_crm_erp.sandbox.salesforce.clock import Clock
from prefect_crm_erp.sandbox.salesforce.demo import seed_demo, seed_minimum
from prefect_crm_erp.sandbox.salesforce.errors import ApiError, MultipleMatches, RowRejected
from prefect_crm_erp.sandbox.salesforce.ids import MalformedId, is_id, new_id, new_instance, to_18
from prefect_crm_erp.sandbox.salesforce.image import Image, Row
from prefect_crm_erp.sandbox.salesforce.locks import Locks
from prefect_crm_erp.sandbox.salesforce.objects import build_schema
from prefect_crm_erp.sandbox.salesforce.removal import Removal
from prefect_crm_erp.sandbox.salesforce.rules import rules_of
from prefect_crm_erp.sandbox.salesforce.schema import PURGED, Field, SObject
from prefect_crm_erp.sandbox.salesforce.store import Store
from prefect_crm_erp.sandbox.salesforce.writer import Writer

DuplicateRule = Literal["allow", "block"]
AmountRounding = Literal["lines", "sum"]


class Org:
    """A Salesforce org. All methods may be called from any thread; names and ids are taken in any of their forms.

    Rows that are handed out belong to the org: they are to be read, not changed.

    Args:
        directory: Where the rows are kept, so that they survive a restart; None for an org in memory.
        clock: The org's time.
        empty: Start without the demo company's records. An org that is found in the directory is left as it is.

    Attributes:
        schema: The object types.
        organization_id: The 18-character id of the org itself.
        duplicate_rule: What happens to a second account with the same name and postal code.
        subsidiary_required: Whether a new account needs its subsidiary.
        amount_rounding: Amounts of opportunities and quotes are the sum of rounded `lines`, or, as Salesforce itself
            does it, the rounded `sum` of exact lines, which can differ from what the lines show by a cent.
    """

    def __init__(self, directory: Path | None, clock: Clock | None = None, *, empty: bool = True) -> None:
        self.schema = build_schema()
        self.clock = clock or Clock()
        self.duplicate_rule: DuplicateRule = "allow"
        self.subsidiary_required = False
        self.amount_rounding: AmountRounding = "lines"
        self._empty = empty
        self._locks = Locks(self.clock)
        self._store = Store(directory, self.schema) if directory else None
        self._image = Image(self.schema, self.clock, self._store)
        self.schema.active_currencies = self._active_currencies
        self._instance = self._setting("instance", new_instance())
        self.organization_id = self._setting("organization_id", new_id("00D", self._instance, 1))
        if not self._image.tables["Organization"].rows:
            self._seed(empty)

    def _setting(self, name: str, default: str) -> str:
        found = self._store.setting(name) if self._store else None
        if found is None and self._store:
            self._store.set_setting(name, default)
        return found or default

    def _seed(self, empty: bool) -> None:
        with self.transaction():
            seed_minimum(self)
            if not empty:
                seed_demo(self)

    def _active_currencies(self) -> Sequence[str]:
        return [row["IsoCode"] for row in self._image.visible_rows("CurrencyType") if row["IsActive"]]

    def close(self) -> None:
        """Close the file in which the org is kept."""
        if self._store:
            self._store.close()

    @property
    def integration_user_id(self) -> str:
        """The user in whose name the org is written when nobody else is named."""
        return str(next(iter(self._image.tables["User"].rows)))

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing: what is written in the body is undone when the body raises. Nested ones are savepoints."""
        return self._image.transaction()

    def _writer(self, user_id: str | None, **options: Any) -> Writer:
        users = self._image.tables["User"].rows
        return Writer(
            image=self._image,
            locks=self._locks,
            rules_of=rules_of,
            instance=self._instance,
            now=self.clock.now(),
            user_id=to_18(user_id) if user_id else next(iter(users), None),
            rounds_sums=self.amount_rounding == "sum",
            subsidiary_required=self.subsidiary_required,
            **options,
        )

    def create(
        self,
        obj: str,
        values: Mapping[str, Any],
        user_id: str | None = None,
        *,
        allow_duplicates: bool = False,
    ) -> str:
        """Save a new row.

        Args:
            obj: Its object type.
            values: Its fields, as JSON or Python values.
            user_id: Who creates it; the integration user unless named.
            allow_duplicates: The client has seen the duplicate rule's warning and saves all the same.

        Returns:
            Its 18-character id.

        Raises:
            ApiError: There is no such object type.
            RowRejected: The row breaks a rule.
        """
        sobject = self.schema.get(obj)
        with self.transaction():
            return self._writer(user_id, block_duplicates=self._blocks(allow_duplicates)).insert(sobject, values)

    def _blocks(self, allow_duplicates: bool) -> bool:
        return self.duplicate_rule == "block" and not allow_duplicates

    def provision(self, obj: str, values: Mapping[str, Any], user_id: str | None = None) -> str:
        """Save a new row as the org's own installation does: read-only fields and objects are open.

        Raises:
            RowRejected: The row breaks a rule all the same.
        """
        with self.transaction():
            return self._writer(user_id, trusted=True).insert(self.schema.get(obj), values)

    def update(
        self,
        obj: str,
        record_id: str,
        values: Mapping[str, Any],
        user_id: str | None = None,
        *,
        allow_duplicates: bool = False,
    ) -> None:
        """Save new values of a row; fields that are not named stay as they are.

        Raises:
            ApiError: There is no such object type.
            RowRejected: The row does not exist (NOT_FOUND), is deleted (ENTITY_IS_DELETED), locked
                (UNABLE_TO_LOCK_ROW), or breaks a rule.
        """
        sobject = self.schema.get(obj)
        with self.transaction():
            writer = self._writer(user_id, block_duplicates=self._blocks(allow_duplicates))
            writer.modify(sobject, record_id, values)

    def upsert(
        self,
        obj: str,
        ext_field: str,
        ext_value: Any,
        values: Mapping[str, Any],
        user_id: str | None = None,
        *,
        allow_duplicates: bool = False,
    ) -> tuple[str, bool]:
        """Update the row that an external id names, or create it.

        Args:
            obj: The object type.
            ext_field: A field that is an external id, or `Id`.
            ext_value: Its value. Without one, `Id` creates a row, and every other field is refused.
            values: The row's other fields.
            user_id: Who writes.
            allow_duplicates: The client has seen the duplicate rule's warning and saves all the same.

        Returns:
            The row's id, and whether it was created.

        Raises:
            ApiError: There is no such object type or external id.
            MultipleMatches: Several rows have the external id.
            RowRejected: The row breaks a rule.
        """
        sobject = self.schema.get(obj)
        field = self._external_id(sobject, ext_field)
        rest = {name: value for name, value in values.items() if name.lower() != field.name.lower()}
        with self.transaction():
            writer = self._writer(user_id, block_duplicates=self._blocks(allow_duplicates))
            if field.type == "id":
                return _upsert_by_id(writer, sobject, ext_value, rest)
            return _upsert_by_key(writer, sobject, field, ext_value, rest)

    def _external_id(self, sobject: SObject, name: str) -> Field:
        field = sobject.fields.get(name.lower())
        if field is None or not field.upsertable:
            message = f"Provided external ID field does not exist or is not accessible: {name}"
            raise ApiError.of(404, "NOT_FOUND", message)
        return field

    def delete(self, obj: str, record_id: str, user_id: str | None = None) -> None:
        """Move a row to the recycle bin, together with the rows that live and die with it.

        Raises:
            ApiError: There is no such object type.
            RowRejected: NOT_FOUND, ENTITY_IS_DELETED, DELETE_FAILED, or the row is locked.
        """
        sobject = self.schema.get(obj)
        with self.transaction():
            Removal(self._writer(user_id)).delete(sobject, record_id)

    def purge(self, obj: str, record_id: str, user_id: str | None = None) -> None:
        """Delete a row for good, together with the rows that live and die with it; only `deleted` still tells of it.

        Raises:
            ApiError: There is no such object type.
            RowRejected: NOT_FOUND, ENTITY_IS_DELETED, DELETE_FAILED, or the row is locked.
        """
        sobject = self.schema.get(obj)
        with self.transaction():
            Removal(self._writer(user_id)).delete(sobject, record_id, purge=True)

    def undelete(self, obj: str, record_id: str, user_id: str | None = None) -> None:
        """Bring a row back from the recycle bin, together with what its deletion took along.

        Raises:
            RowRejected: UNDELETE_FAILED, or a unique value has been taken meanwhile.
        """
        sobject = self.schema.get(obj)
        with self.transaction():
            Removal(self._writer(user_id)).undelete(sobject, record_id)

    def merge(self, obj: str, master_id: str, duplicate_ids: Sequence[str], user_id: str | None = None) -> None:
        """Merge duplicates into a master: they go to the recycle bin, their children move to the master.

        Raises:
            ApiError: Rows of this object type cannot be merged.
            RowRejected: A row does not exist, is deleted, or is named twice.
        """
        sobject = self.schema.get(obj)
        with self.transaction():
            Removal(self._writer(user_id)).merge(sobject, master_id, duplicate_ids)

    def get(self, obj: str, record_id: str) -> Row:
        """A copy of a row, as readers see it.

        Raises:
            ApiError: 404 NOT_FOUND, or ENTITY_IS_DELETED.
        """
        row = self.row_by_id(obj, record_id)
        if row is None:
            message = "The requested resource does not exist"
            if not is_id(record_id):
                message = f"Provided external ID field does not exist or is not accessible: {record_id}"
            raise ApiError.of(404, "NOT_FOUND", message)
        if row["IsDeleted"]:
            raise ApiError.of(404, "ENTITY_IS_DELETED", "entity is deleted")
        return dict(row)

    def row_by_id(self, obj: str, record_id: str) -> Row | None:
        """A row, deleted or not, as readers see it; None if there is none."""
        try:
            row = self._image.visible_row(self.schema.get(obj).name, to_18(record_id))
        except MalformedId:
            return None
        return None if row is None or row[PURGED] else row

    def rows(self, obj: str, include_deleted: bool = False) -> Iterator[Row]:
        """All rows of an object type as readers see them, with Python values."""
        every = self._image.visible_rows(self.schema.get(obj).name)
        hidden = PURGED if include_deleted else "IsDeleted"
        return (row for row in every if not row[hidden])

    def rows_by_field(
        self, obj: str, field: str, values: Collection[Any], include_deleted: bool = False
    ) -> Iterator[Row]:
        """The rows whose field has one of the values, as readers see them.

        Text is compared without its case (unless the field is case-sensitive), ids in both of their forms. `Id`,
        lookups, external ids and a few others are indexed; any other field takes a scan.
        """
        sobject = self.schema.get(obj)
        found = self._image.visible_matching(sobject.name, sobject.field(field).name, values)
        hidden = PURGED if include_deleted else "IsDeleted"
        return (row for row in found if not row[hidden])

    def find_by_external_id(self, obj: str, field: str, value: Any) -> list[str]:
        """Ids of the rows with that external id, as readers see them.

        Raises:
            ApiError: 404 NOT_FOUND: the field is no external id.
        """
        name = self._external_id(self.schema.get(obj), field).name
        return [row["Id"] for row in self.rows_by_field(obj, name, [value])]

    def lock(self, record_id: str, seconds: float) -> None:
        """Have another user hold a row for so many seconds.

        Raises:
            ApiError: 400 MALFORMED_ID.
        """
        if not is_id(record_id):
            raise ApiError.of(400, "MALFORMED_ID", f"malformed id {record_id}")
        self._locks.hold(to_18(record_id), seconds)

    def updated(self, obj: str, start: datetime, end: datetime) -> list[str]:
        """Ids of the rows that were created or changed in the span; its end does not belong to it."""
        return [row["Id"] for row in self.rows(obj) if start <= row["SystemModstamp"] < end]

    def deleted(self, obj: str, start: datetime, end: datetime) -> list[tuple[str, datetime]]:
        """Ids of the rows that were deleted in the span, and when; its end does not belong to it."""
        rows = self._image.visible_rows(self.schema.get(obj).name)
        gone = (row for row in rows if row["IsDeleted"] and start <= row["SystemModstamp"] < end)
        return [(row["Id"], row["SystemModstamp"]) for row in gone]

    def reset(self, empty: bool | None = None) -> None:
        """Back to the state in which the org was started; ids go on, so that none comes up twice.

        Args:
            empty: Without (True) or with (False) the demo company's records, whatever it was started with.
        """
        with self._image.lock:
            self._locks.release_all()
            self.clock.restore()
            self.duplicate_rule, self.amount_rounding, self.subsidiary_required = "allow", "lines", False
            self._image.clear()
            self._seed(self._empty if empty is None else empty)

    def to_wire(self, obj: str, row: Mapping[str, Any]) -> dict[str, Any]:
        """JSON values of a row, or of some of its fields; numbers stay Decimal, to be written digit by digit."""
        return wire_values.to_wire(self.schema.get(obj), row)

    def from_wire(self, obj: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Python values of what a client sent, by canonical field names.

        Raises:
            RowRejected: INVALID_FIELD, JSON_PARSER_ERROR, STRING_TOO_LONG … for each field that is wrong.
        """
        with self._image.lock:
            return self._writer(None).read_values(self.schema.get(obj), values)


def _upsert_by_id(writer: Writer, sobject: SObject, record_id: Any, values: Mapping[str, Any]) -> tuple[str, bool]:
    if record_id in (None, ""):
        return writer.insert(sobject, values), True
    writer.modify(sobject, record_id, values)
    return to_18(record_id), False


def _upsert_by_key(
    writer: Writer, sobject: SObject, field: Field, value: Any, values: Mapping[str, Any]
) -> tuple[str, bool]:
    key = wire_values.parse(field, value)
    if key is None:
        raise RowRejected.of("MISSING_ARGUMENT", f"{field.name} not specified")
    matches = [row["Id"] for row in writer.matching(sobject, field, key) if not row["IsDeleted"]]
    if len(matches) > 1:
        raise MultipleMatches(sobject.name, matches)
    if not matches:
        return writer.insert(sobject, {**values, field.name: key}), True
    # The key is written as well: it may have come with another case.
    writer.modify(sobject, matches[0], {**values, field.name: key})
    return matches[0], False
