"""Object types and their fields: what the org knows of itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from prefect_crm_erp.sandbox.salesforce.describe import describe_all, describe_object
from prefect_crm_erp.sandbox.salesforce.errors import ApiError

TEXT_TYPES = frozenset({"string", "textarea", "picklist", "email", "phone", "url"})
DECIMAL_TYPES = frozenset({"currency", "double", "percent"})

DELETED_WITH = "_DeletedWith"
CLEARED_LOOKUPS = "_ClearedLookups"
PURGED = "_Purged"
BIN_MEMBERS = (DELETED_WITH, CLEARED_LOOKUPS, PURGED)
"""Members of a row that are no fields, but about its deletion: the id of the row whose deletion took this one along,
the lookups of other rows that its own deletion emptied, and whether there is no way back from the recycle bin."""

OnDelete = Literal["clear", "cascade", "restrict"]


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of an object type.

    Attributes:
        type: Salesforce's name of the type, such as `string`, `currency` or `reference`.
        length: Greatest number of characters of a text.
        precision: Digits of a number, `scale` of them behind the point.
        required: Never empty. Together with `defaulted` the org fills it in where the client gives nothing.
        createable: Clients may give it with a new row.
        updateable: Clients may change it.
        external_id: Rows can be upserted by it.
        unique: No two rows that are not deleted share a value.
        case_sensitive: Two values that differ only in case are different.
        picklist: The values to choose from.
        restricted: Nothing else than these values is accepted.
        reference_to: Object types that a lookup may point to.
        relationship_name: The lookup's name in a query, `Account` for `AccountId`.
        child_relationship: Its name on the parent's side, `Opportunities`.
        on_delete: What happens to the row when the parent is deleted.
        calculated: A formula or roll-up: nobody writes it.
        auto_number: Counted up by the org.
        compound: The compound field of which this one is a part.
        indexed: Rows are found by it without a scan.
        filterable: May stand in a WHERE clause.
    """

    name: str
    label: str
    type: str
    length: int = 0
    precision: int = 0
    scale: int = 0
    required: bool = False
    defaulted: bool = False
    createable: bool = True
    updateable: bool = True
    external_id: bool = False
    id_lookup: bool = False
    unique: bool = False
    case_sensitive: bool = False
    picklist: tuple[str, ...] = ()
    restricted: bool = False
    default: Any = None
    reference_to: tuple[str, ...] = ()
    relationship_name: str | None = None
    child_relationship: str | None = None
    on_delete: OnDelete = "clear"
    calculated: bool = False
    auto_number: bool = False
    compound: str | None = None
    indexed: bool = False
    filterable: bool = True
    name_field: bool = False

    @property
    def custom(self) -> bool:
        """Whether an administrator added it."""
        return self.name.endswith("__c")

    @property
    def nillable(self) -> bool:
        """Whether it may be empty."""
        return not self.required

    @cached_property
    def is_text(self) -> bool:
        """Whether its values are texts, compared without regard to case."""
        return self.type in TEXT_TYPES

    @cached_property
    def is_decimal(self) -> bool:
        """Whether its values are `Decimal`."""
        return self.type in DECIMAL_TYPES

    @property
    def sortable(self) -> bool:
        """Whether rows can be ordered by it."""
        return self.filterable

    @property
    def upsertable(self) -> bool:
        """Whether rows can be upserted by it."""
        return self.external_id or self.id_lookup or self.type == "id"


@dataclass(frozen=True)
class ChildRelationship:
    """How a parent sees the rows that point to it.

    Attributes:
        name: The relationship's name in a subquery; None where Salesforce has none.
        child_object: The object whose rows point here.
        field: The lookup with which they do.
        on_delete: What happens to them when the parent is deleted.
    """

    name: str | None
    child_object: str
    field: str
    on_delete: OnDelete


@dataclass(kw_only=True, eq=False)
class SObject:
    """An object type.

    Attributes:
        key_prefix: The first three characters of its rows' ids.
        fields: All its fields, by lower-case name, in the order of a describe.
        child_relationships: Lookups of others that point to it.
        mergeable: Rows can be merged (accounts and contacts).
    """

    name: str
    label: str
    label_plural: str
    key_prefix: str
    fields: dict[str, Field]
    child_relationships: list[ChildRelationship] = field(default_factory=list)
    createable: bool = True
    updateable: bool = True
    deletable: bool = True
    mergeable: bool = False

    @property
    def custom(self) -> bool:
        """Whether an administrator added it."""
        return self.name.endswith("__c")

    def field(self, name: str) -> Field:
        """The field of that name, in any case.

        Raises:
            ApiError: 400 INVALID_FIELD.
        """
        found = self.fields.get(name.lower())
        if found is None:
            raise ApiError.of(400, "INVALID_FIELD", no_such_column(name, self.name))
        return found

    @cached_property
    def relationships(self) -> dict[str, Field]:
        """Lookup fields by the lower-case name of their relationship."""
        return {f.relationship_name.lower(): f for f in self.fields.values() if f.relationship_name}

    @cached_property
    def compounds(self) -> list[Field]:
        """Fields that show several others together, such as `BillingAddress`."""
        return [f for f in self.fields.values() if f.type == "address"]

    @cached_property
    def currency_fields(self) -> list[Field]:
        """Fields with amounts in the row's currency."""
        return [f for f in self.fields.values() if f.type == "currency"]

    @cached_property
    def required_fields(self) -> list[Field]:
        """Fields in which clients must not leave nothing; the org itself sees to the others."""
        return [f for f in self.fields.values() if f.required and f.createable]

    @cached_property
    def owning_lookups(self) -> list[Field]:
        """Lookups to the parents with which rows are deleted."""
        return [f for f in self.fields.values() if f.on_delete == "cascade"]

    @cached_property
    def restricted_picklists(self) -> list[Field]:
        """Picklists that accept nothing but what they offer."""
        return [f for f in self.fields.values() if f.restricted]

    @cached_property
    def unique_fields(self) -> list[Field]:
        """Fields whose values no two rows share."""
        return [f for f in self.fields.values() if f.unique]

    @cached_property
    def names(self) -> frozenset[str]:
        """Canonical names of all fields."""
        return frozenset(f.name for f in self.fields.values())

    @cached_property
    def blank(self) -> dict[str, Any]:
        """A row before anything is filled in: every field, most of them empty."""
        return {f.name: f.default for f in self.fields.values()} | dict.fromkeys(BIN_MEMBERS)

    def child(self, relationship: str) -> ChildRelationship | None:
        """The child relationship of that name, in any case; None if there is none."""
        wanted = relationship.lower()
        return next((c for c in self.child_relationships if c.name and c.name.lower() == wanted), None)


def no_such_column(name: str, object_name: str) -> str:
    """Salesforce's sentence about a field that does not exist."""
    return f"No such column '{name}' on sobject of type {object_name}"


class Schema:
    """All object types of the org.

    Args:
        objects: The object types; what points to what is worked out here.

    Attributes:
        objects: By lower-case name.
        active_currencies: Tells the codes of the active currencies, which `CurrencyIsoCode` offers; set by the org.
    """

    def __init__(self, objects: Iterable[SObject]) -> None:
        self.objects = {sobject.name.lower(): sobject for sobject in objects}
        self._switched_off: dict[str, SObject] = {}
        self.by_key_prefix = {sobject.key_prefix: sobject for sobject in self.objects.values()}
        self.active_currencies: Callable[[], Sequence[str]] = tuple
        for sobject in self.objects.values():
            self._announce_to_parents(sobject)

    def _announce_to_parents(self, sobject: SObject) -> None:
        for lookup in sobject.fields.values():
            for parent in lookup.reference_to:
                self.objects[parent.lower()].child_relationships.append(
                    ChildRelationship(lookup.child_relationship, sobject.name, lookup.name, lookup.on_delete)
                )

    def get(self, name: str) -> SObject:
        """The object type of that name, in any case.

        Raises:
            ApiError: 404 NOT_FOUND, as for a path that names an unknown object.
        """
        found = self.objects.get(name.lower())
        if found is None:
            raise ApiError.of(404, "NOT_FOUND", "The requested resource does not exist")
        return found

    def offer(self, name: str, is_offered: bool) -> None:
        """Let an object be there for clients or not, as a feature that is switched on or off does; its rows stay."""
        key = name.lower()
        if is_offered and key in self._switched_off:
            self.objects[key] = self._switched_off.pop(key)
        elif not is_offered and key in self.objects:
            self._switched_off[key] = self.objects.pop(key)

    def describe(self, name: str, api_version: str = "64.0") -> dict[str, Any]:
        """The full describe of one object, as `/sobjects/{name}/describe` answers.

        Raises:
            ApiError: 404 NOT_FOUND.
        """
        return describe_object(self.get(name), self.active_currencies(), api_version)

    def describe_global(self, api_version: str = "64.0") -> dict[str, Any]:
        """The list of all objects, as `/sobjects` answers."""
        return describe_all(self.objects.values(), api_version)
