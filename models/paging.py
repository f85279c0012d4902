"""Pages and cursors: records travel some 200 at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

R = TypeVar("R")


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """A place in a stream of changes, ordered by (modified, id): the last record that was dealt with.

    Attributes:
        modified_at: Aware UTC time that the source system gave the record.
        record_id: The record's id, which orders records of the same second.
    """

    modified_at: datetime
    record_id: str = ""


class Page(Generic[R]):
    """Some 200 records of a stream, and what the page knows of itself.

    A plain class on purpose: Prefect walks lists, dataclasses and models among a task's arguments value by value, and
    leaves this alone.

    Attributes:
        records: The records, in the order of the stream.
        number: Position of the page in its run, from 1.
        cursor: The place after the last record; None when the records come by id instead of by time.
        expected: Records that the source says the whole stream has; None when it does not say.
    """

    __slots__ = ("cursor", "expected", "number", "records")

    def __init__(
        self, records: list[R], *, number: int = 1, cursor: Cursor | None = None, expected: int | None = None
    ) -> None:
        self.records = records
        self.number = number
        self.cursor = cursor
        self.expected = expected

    def __iter__(self) -> Iterator[R]:
        """The records in order."""
        return iter(self.records)

    def __len__(self) -> int:
        """How many records the page has."""
        return len(self.records)

    def __repr__(self) -> str:
        """Its position and size; never the records' content."""
        return f"Page(number={self.number}, records={len(self.records)})"
