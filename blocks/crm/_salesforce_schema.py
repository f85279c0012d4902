"""What an org's objects and fields are, asked once per connection."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """One field of an object, as the integration's user sees it.

    Attributes:
        name: The name as the org spells it.
        length: Greatest number of characters; 0 where that has no meaning.
        updateable: Whether the user may change it.
        relationship: Name under which a query reaches the record that it points to; None for other fields.
        targets: Objects that it may point to.
        choices: The only values that a restricted picklist takes; None where any value goes.
        scale: Decimal places of a number; 0 where that has no meaning.
    """

    name: str
    length: int
    updateable: bool
    relationship: str | None
    targets: tuple[str, ...]
    choices: frozenset[str] | None
    scale: int = 0


class Schema:
    """Objects and fields of the org, which the integration's user may see.

    Args:
        describe: Gives the describe of some objects by name, in one call; None for one that is not there.
    """

    def __init__(self, describe: Callable[[list[str]], Mapping[str, Mapping[str, Any] | None]]) -> None:
        self._describe = describe
        self._fields: dict[str, dict[str, FieldInfo] | None] = {}
        self._lock = threading.Lock()

    def load(self, objects: Iterable[str]) -> None:
        """Ask for several objects at once; those that are known already are not asked for again."""
        with self._lock:
            unknown = [name for name in dict.fromkeys(objects) if name not in self._fields]
            if unknown:
                for name, describe in self._describe(unknown).items():
                    self._fields[name] = None if describe is None else _fields_of(describe)

    def has_object(self, name: str) -> bool:
        """Whether the org has the object and shows it to the user."""
        self.load([name])
        return self._fields[name] is not None

    def field(self, object_name: str, path: str) -> FieldInfo | None:
        """A field, also of a related record (`Owner.Department`), whatever the case; None when there is none."""
        self.load([object_name])
        fields = self._fields[object_name] or {}
        head, _, rest = path.partition(".")
        if not rest:
            return fields.get(head.lower())
        lookup = self._lookup(fields, head)
        found = (self.field(target, rest) for target in lookup.targets) if lookup else iter(())
        return next((info for info in found if info), None)

    def spelled(self, object_name: str, path: str) -> str:
        """A path in the org's own spelling, which its answers use; unchanged when there is no such field."""
        head, _, rest = path.partition(".")
        info = self.field(object_name, path)
        if info is None:
            return path
        lookup = self._lookup(self._fields[object_name] or {}, head) if rest else None
        if lookup is None:
            return info.name
        target = next(name for name in lookup.targets if self.field(name, rest))
        return f"{lookup.relationship}.{self.spelled(target, rest)}"

    @staticmethod
    def _lookup(fields: Mapping[str, FieldInfo], relationship: str) -> FieldInfo | None:
        wanted = relationship.lower()
        return next((info for info in fields.values() if (info.relationship or "").lower() == wanted), None)


def _fields_of(describe: Mapping[str, Any]) -> dict[str, FieldInfo]:
    infos = (
        FieldInfo(
            field["name"],
            int(field.get("length") or 0),
            bool(field.get("updateable")),
            field.get("relationshipName"),
            tuple(field.get("referenceTo") or ()),
            _choices(field),
            int(field.get("scale") or 0),
        )
        for field in describe["fields"]
    )
    return {info.name.lower(): info for info in infos}


def _choices(field: Mapping[str, Any]) -> frozenset[str] | None:
    if not field.get("restrictedPicklist"):
        return None
    return frozenset(entry["value"] for entry in field.get("picklistValues") or () if entry.get("active"))
