"""What the names in a query mean: field paths looked up in the org's schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from prefect_crm_erp.sandbox.salesforce.schema import Field, Schema, SObject
from prefect_crm_erp.sandbox.salesforce.soql import ast
from prefect_crm_erp.sandbox.salesforce.soql.diagnostics import (
    malformed,
    unknown_column,
    unknown_object,
    unknown_relationship,
)

MAX_PARENT_LEVELS = 5
"""How many parents a field path may climb."""

Row: TypeAlias = Mapping[str, Any]
"""A stored row: canonical field names, Python values."""

ParentLookup: TypeAlias = Callable[[str, str | None], Row | None]
"""Finds a row by object name and id."""


@dataclass(frozen=True, slots=True)
class BoundField:
    """A field reached from a row: by the lookups given (none for a field of the row itself).

    Attributes:
        lookups: the lookup fields to follow, nearest first.
        owner: the object that has the field.
        field: the field itself.
        position: where the query names it.
    """

    lookups: tuple[Field, ...]
    owner: SObject
    field: Field
    position: int

    @property
    def key(self) -> tuple[str, ...]:
        """What two mentions of the same field have in common."""
        return (*(lookup.name for lookup in self.lookups), self.field.name)

    @property
    def path(self) -> tuple[str, ...]:
        """The names in the schema's spelling: relationships, then the field."""
        return (*(lookup.relationship_name or lookup.name for lookup in self.lookups), self.field.name)

    def reader(self, parent: ParentLookup) -> Callable[[Row], Any]:
        """A function that gives the field's value for a row; None where a parent is missing."""
        name = self.field.name
        if not self.lookups:
            return lambda row: row[name]
        row_of = self.owner_row(parent)

        def read(row: Row) -> Any:
            owner = row_of(row)
            return None if owner is None else owner[name]

        return read

    def owner_row(self, parent: ParentLookup) -> Callable[[Row], Row | None]:
        """A function that gives the row that has the field: the row itself, or its parent."""
        hops = [(lookup.name, lookup.reference_to[0]) for lookup in self.lookups]

        def find(row: Row) -> Row | None:
            current: Row | None = row
            for lookup, target in hops:
                if current is None:
                    return None
                current = parent(target, current[lookup])
            return current

        return find


class Names:
    """The object that a query reads, and the aliases for it and for its parents.

    Args:
        schema: the org's object types.
        sobject: the object of the FROM clause.
        query: the query, for its aliases.
    """

    def __init__(self, schema: Schema, sobject: SObject, query: ast.Query) -> None:
        self._schema = schema
        self.sobject = sobject
        self._aliases: dict[str, tuple[str, ...]] = {sobject.name.lower(): ()}
        if query.source.alias:
            self._aliases[query.source.alias.lower()] = ()
        for joined in query.sources[1:]:
            self._join(joined)

    def _join(self, source: ast.Source) -> None:
        """An entry `c.Account a` of the FROM list: a short name for a parent."""
        path = self._expand(source.path.names)
        self._climb(path, source.path.position)
        self._aliases[(source.alias or source.path.names[-1]).lower()] = path

    def _expand(self, names: tuple[str, ...]) -> tuple[str, ...]:
        prefix = self._aliases.get(names[0].lower()) if len(names) > 1 else None
        return names if prefix is None else (*prefix, *names[1:])

    def field(self, path: ast.FieldPath) -> BoundField:
        """Look a path up.

        Raises:
            QueryProblem: INVALID_FIELD, no such relationship or field; MALFORMED_QUERY, more than five levels.
        """
        *parents, name = self._expand(path.names)
        lookups, owner = self._climb(tuple(parents), path.position)
        field = owner.fields.get(name.lower())
        if field is None:
            raise unknown_column(name, owner.name, path.position)
        return BoundField(lookups, owner, field, path.position)

    def _climb(self, names: tuple[str, ...], position: int) -> tuple[tuple[Field, ...], SObject]:
        if len(names) > MAX_PARENT_LEVELS:
            raise malformed(
                f"SOQL relationship depth exceeded: {MAX_PARENT_LEVELS} parent levels are allowed", position
            )
        lookups: list[Field] = []
        owner = self.sobject
        for name in names:
            lookup = owner.relationships.get(name.lower())
            if lookup is None:
                raise unknown_relationship(name, position)
            lookups.append(lookup)
            owner = self._schema.objects[lookup.reference_to[0].lower()]
        return tuple(lookups), owner


def find_object(schema: Schema, source: ast.Source) -> SObject:
    """The object that a FROM clause names.

    Raises:
        QueryProblem: INVALID_TYPE.
    """
    found = schema.objects.get(str(source.path).lower())
    if found is None:
        raise unknown_object(str(source.path), source.path.position)
    return found
