"""Duplicates: which records look like the same company, in one system or across several.

Three rules, the most certain first: the same VAT number; the same name and postal code; like names at the same postal
code. Records with different VAT numbers are different companies whatever else they share. Only records that share a
VAT number or a postal code are compared, so that the work grows with the number of records and not with its square.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Final

from rapidfuzz import fuzz, process

from prefect_crm_erp.models.matching import SIMILAR_WORD, is_like

CRM: Final = "CRM"
"""The CRM as an entry's system; an ERP goes by the name of its connection."""
WINDOW: Final = 100
"""Names of one postal code that a name is compared with. Where there are more, those are chosen that stand next to it
in the alphabet, read from the front and read from the back: a misspelling at one end leaves the other end alone."""
Place = tuple[str, str]
"""System and id of a record."""


class Likeness(StrEnum):
    """Why records are taken for one company, the most certain first."""

    VAT_NUMBER = "same VAT number"
    NAME = "same name and postal code"
    LIKE_NAME = "like names at the same postal code"


_RANK: Final = {likeness: rank for rank, likeness in enumerate(Likeness)}


@dataclass(frozen=True, slots=True)
class Entry:
    """What is kept of a record to compare it.

    Attributes:
        system: `CRM`, or the name of an ERP connection.
        id: The system's own id.
        name: As people read it.
        name_key: Normal form of the name.
        postcode: Normal form of the postal code; empty when there is none.
        country: ISO 3166-1 alpha-2 code; None when it is unknown.
        vat: VAT number in its compact form; None when there is none.
        number: Number that people know the record by.
        accounts: Ids of the CRM records that an ERP's record names as its own.
    """

    system: str
    id: str
    name: str
    name_key: str
    postcode: str = ""
    country: str | None = None
    vat: str | None = None
    number: str | None = None
    accounts: tuple[str, ...] = ()

    @property
    def place(self) -> Place:
        """System and id."""
        return self.system, self.id

    @property
    def is_comparable(self) -> bool:
        """Whether it has what at least one of the rules needs."""
        return bool(self.vat or (self.postcode and self.name_key))


@dataclass(frozen=True, slots=True)
class Group:
    """Records that look like one company.

    Attributes:
        units: The records; those that are linked to each other stand together and count as one.
        likeness: The least certain of the rules that brought them together.
    """

    units: tuple[tuple[Entry, ...], ...]
    likeness: Likeness

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All records."""
        return tuple(entry for unit in self.units for entry in unit)

    @property
    def surplus(self) -> int:
        """How many there are beyond the first."""
        return len(self.units) - 1

    @property
    def lacks_link(self) -> bool:
        """Whether an account and a customer of it look alike, and neither is linked to the other's system."""
        systems = {frozenset(entry.system for entry in unit) for unit in self.units}
        return any(CRM in ours and CRM not in theirs and theirs - ours for ours in systems for theirs in systems)


@dataclass(frozen=True, slots=True)
class Duplicates:
    """What a search has found.

    Attributes:
        groups: The groups, the most certain first, then the largest.
        units: Records that were looked at; those that are linked to each other count as one.
    """

    groups: tuple[Group, ...]
    units: int

    @property
    def surplus(self) -> int:
        """Records in a group beyond the first one."""
        return sum(group.surplus for group in self.groups)


def find_duplicates(entries: Iterable[Entry], links: Iterable[tuple[Place, Place]] = ()) -> Duplicates:
    """Group records that look like one company; the result does not depend on the order of the records.

    Args:
        entries: The records of one system, or of several.
        links: Records that are known to be one company, by system and id; those with different VAT numbers are
            compared as if they were not linked.

    Example:
        >>> pair = [Entry(CRM, "1", "Acme", "acme", "10115"), Entry(CRM, "2", "ACME Ltd", "acme", "10115")]
        >>> [(group.surplus, group.likeness.value) for group in find_duplicates(pair).groups]
        [(1, 'same name and postal code')]
    """
    by_place = {entry.place: entry for entry in entries}
    ordered = [by_place[place] for place in sorted(by_place)]
    position = {entry.place: index for index, entry in enumerate(ordered)}
    sets = _Sets(ordered)
    for one, other in sorted(links):
        if one in position and other in position:
            sets.join(position[one], position[other], None)
    units = [sets.root(index) for index in range(len(ordered))]
    _join_by_vat(ordered, sets)
    _join_by_name(ordered, sets)
    return Duplicates(tuple(_groups(ordered, sets, units)), len(set(units)))


class _Sets:
    """Disjoint sets of records; two with different VAT numbers are never joined."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._parents = list(range(len(entries)))
        self._vat = [entry.vat for entry in entries]
        self._ranks = [0] * len(entries)

    def root(self, index: int) -> int:
        """The record that stands for the whole set."""
        parents = self._parents
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = parents[index]
        return index

    def join(self, one: int, other: int, likeness: Likeness | None) -> bool:
        """Make two sets one; False when they have different VAT numbers. None for a link, which is no likeness."""
        ours, theirs = sorted((self.root(one), self.root(other)))
        if ours == theirs:
            return True
        if self._vat[ours] and self._vat[theirs] and self._vat[ours] != self._vat[theirs]:
            return False
        self._parents[theirs] = ours
        self._vat[ours] = self._vat[ours] or self._vat[theirs]
        rank = _RANK[likeness] if likeness else 0
        self._ranks[ours] = max(self._ranks[ours], self._ranks[theirs], rank)
        return True

    def likeness(self, root: int) -> Likeness:
        """The least certain rule that brought a set together."""
        return tuple(Likeness)[self._ranks[root]]


# -------------------------------------------------------------------- the rules


def _join_by_vat(entries: Sequence[Entry], sets: _Sets) -> None:
    first: dict[str, int] = {}
    for index, entry in enumerate(entries):
        if entry.vat:
            sets.join(first.setdefault(entry.vat, index), index, Likeness.VAT_NUMBER)


def _join_by_name(entries: Sequence[Entry], sets: _Sets) -> None:
    """The same names at each postal code first, then the like ones."""
    blocks: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for index, entry in enumerate(entries):
        if entry.postcode and entry.name_key:
            blocks[entry.postcode][entry.name_key].append(index)
    chosen = [
        {name: _join_same(entries, sets, block[name]) for name in sorted(block)} for _, block in sorted(blocks.items())
    ]
    for companies in chosen:
        for one, other in _like_pairs(list(companies)):
            _join_like(entries, sets, companies[one], companies[other])


def _join_same(entries: Sequence[Entry], sets: _Sets, block: Sequence[int]) -> list[int]:
    """Join records of one name and postal code; one record for each company that they turn out to be.

    Records that lack a country or a VAT number come last: they join a company, and do not bring two together.
    """
    companies: list[int] = []
    for index in sorted(block, key=lambda each: (entries[each].country is None, entries[each].vat is None, each)):
        near = companies[:WINDOW]
        if not any(_join(entries, sets, each, index, Likeness.NAME) for each in near):
            companies.append(index)
    return companies


def _join_like(entries: Sequence[Entry], sets: _Sets, ours: Sequence[int], theirs: Sequence[int]) -> None:
    for one in ours[:WINDOW]:
        for other in theirs[:WINDOW]:
            _join(entries, sets, one, other, Likeness.LIKE_NAME)


def _join(entries: Sequence[Entry], sets: _Sets, one: int, other: int, likeness: Likeness) -> bool:
    ours, theirs = entries[one].country, entries[other].country
    return not (ours and theirs and ours != theirs) and sets.join(one, other, likeness)


def _like_pairs(names: Collection[str]) -> Iterator[tuple[str, str]]:
    """Pairs of like names among those of one postal code."""
    yield from _run_together(names)
    by_words = {name: " ".join(sorted(name.split())) for name in names}
    yield from _like_neighbours(sorted(names, key=lambda name: (by_words[name], name)), by_words)
    if len(names) > WINDOW + 1:
        yield from _like_neighbours(sorted(names, key=lambda name: (by_words[name][::-1], name)), by_words)


def _run_together(names: Collection[str]) -> Iterator[tuple[str, str]]:
    """Names that differ in their spaces only."""
    first: dict[str, str] = {}
    for name in sorted(names):
        other = first.setdefault(name.replace(" ", ""), name)
        if other != name:
            yield other, name


def _like_neighbours(names: Sequence[str], by_words: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Like names among those that stand near each other.

    Names that are like each other word by word are so as a whole, which is looked at first, a window in one call.
    """
    words = [by_words[name] for name in names]
    for index, name in enumerate(names):
        near = words[index + 1 : index + 1 + WINDOW]
        for _, _, place in process.extract(
            words[index], near, scorer=fuzz.ratio, processor=None, score_cutoff=SIMILAR_WORD - 1, limit=None
        ):
            if is_like(name, names[index + 1 + place]):
                yield name, names[index + 1 + place]


# -------------------------------------------------------------------- the result


def _groups(entries: Sequence[Entry], sets: _Sets, units: Sequence[int]) -> list[Group]:
    members: dict[int, dict[int, list[Entry]]] = defaultdict(lambda: defaultdict(list))
    for index, entry in enumerate(entries):
        members[sets.root(index)][units[index]].append(entry)
    found = [
        Group(tuple(tuple(unit) for unit in of_root.values()), sets.likeness(root))
        for root, of_root in members.items()
        if len(of_root) > 1
    ]
    return sorted(found, key=lambda group: (_RANK[group.likeness], -group.surplus, group.entries[0].place))


# -------------------------------------------------------------------- rates


class Band(StrEnum):
    """A duplicate rate by the benchmark: below 5 %, 5 to 15 %, above 15 %."""

    GOOD = "good"
    TYPICAL = "typical"
    POOR = "poor"


@dataclass(frozen=True, slots=True)
class DuplicateRate:
    """How many of the records are duplicates, and what two instruments say of it.

    Attributes:
        scope: What was looked at, for people.
        records: Records that were looked at.
        surplus: Those in a group beyond the first one.

    Example:
        >>> rate = DuplicateRate("Salesforce", records=80, surplus=9)
        >>> rate.percent, rate.band.value, rate.points
        (Decimal('11.3'), 'typical', 5)
    """

    scope: str
    records: int
    surplus: int

    @property
    def percent(self) -> Decimal:
        """The rate in percent, with one decimal; the bands go by this figure."""
        share = Decimal(100 * self.surplus) / max(self.records, 1)
        return share.quantize(Decimal("0.1"), ROUND_HALF_UP)

    @property
    def band(self) -> Band:
        """The benchmark's band: good below 5 %, poor above 15 %."""
        if self.percent < 5:
            return Band.GOOD
        return Band.TYPICAL if self.percent <= 15 else Band.POOR

    @property
    def points(self) -> int:
        """Points of the 100-point data quality rubric: 25 below 5 %, 15 up to 10 %, 5 above."""
        if self.percent < 5:
            return 25
        return 15 if self.percent <= 10 else 5
