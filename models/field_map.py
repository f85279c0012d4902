"""Field maps: two-way tables between canonical fields and a vendor's, with a codec for each pair.

One table gives both directions, so reading what was written gives back what was meant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final


def same(value: Any) -> Any:
    """The value as it is."""
    return value


@dataclass(frozen=True, slots=True)
class Codec:
    """How one value is written to and read from the vendor's form."""

    encode: Callable[[Any], Any] = same
    decode: Callable[[Any], Any] = same


@dataclass(frozen=True, slots=True)
class FieldPair:
    """One canonical field and where the vendor keeps it.

    Attributes:
        canonical: Canonical field, dotted for nested records: `billing.city`, or `custom.Region__c`.
        vendor: The vendor's field, dotted for related records: `Account.BillingCity`.
        codec: How the value is written and read.
        writable: Whether the vendor's field may be written.
    """

    canonical: str
    vendor: str
    codec: Codec = Codec()
    writable: bool = True


class FieldMap:
    """A table of field pairs.

    Example:
        >>> pairs = FieldMap([FieldPair("name", "Name"), FieldPair("billing.city", "BillingCity")])
        >>> pairs.encode({"name": "Acme", "billing": {"city": "Bonn"}})
        {'Name': 'Acme', 'BillingCity': 'Bonn'}
        >>> pairs.decode({"Name": "Acme", "BillingCity": "Bonn"})
        {'name': 'Acme', 'billing': {'city': 'Bonn'}}
    """

    def __init__(self, pairs: Iterable[FieldPair]) -> None:
        self.pairs = tuple(pairs)
        self._written = tuple((_steps(pair.canonical), pair) for pair in self.pairs if pair.writable)
        self._read = tuple((_steps(pair.vendor), "." in pair.canonical, pair) for pair in self.pairs)

    def __add__(self, more: Iterable[FieldPair]) -> FieldMap:
        """The map with further pairs."""
        return FieldMap((*self.pairs, *more))

    @property
    def vendor_fields(self) -> list[str]:
        """The vendor's field names, each once, in the order of the table."""
        return list(dict.fromkeys(pair.vendor for pair in self.pairs))

    def encode(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Write canonical values in the vendor's form; canonical fields that are absent are left out."""
        values: dict[str, Any] = {}
        for steps, pair in self._written:
            value = _look_up(record, steps) if steps else record.get(pair.canonical, _ABSENT)
            if value is not _ABSENT:
                values[pair.vendor] = None if value is None else pair.codec.encode(value)
        return values

    def decode(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Read the vendor's values into canonical form; what the row does not have is left out."""
        record: dict[str, Any] = {}
        for steps, becomes_nested, pair in self._read:
            value = _look_up(row, steps) if steps else row.get(pair.vendor, _ABSENT)
            if value is _ABSENT:
                continue
            value = None if value is None else pair.codec.decode(value)
            if becomes_nested:
                _put(record, pair.canonical, value)
            else:
                record[pair.canonical] = value
        return record


_ABSENT: Final = object()
"""Stands for the value of a field that a record does not have."""


def _steps(path: str) -> tuple[str, ...]:
    """The steps of a dotted path; none for a plain name."""
    return tuple(path.split(".")) if "." in path else ()


def _look_up(source: Mapping[str, Any], steps: tuple[str, ...]) -> Any:
    """The value at the end of a path; None where a record on the way is missing (a null lookup)."""
    current: Any = source
    for step in steps:
        if current is None:
            return None
        if not isinstance(current, dict | Mapping) or step not in current:
            return _ABSENT
        current = current[step]
    return current


def _put(target: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for parent in parents:
        target = target.setdefault(parent, {})
    target[last] = value
