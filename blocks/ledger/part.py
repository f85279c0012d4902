"""What the parts of the ledger share."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from sqlalchemy import Row

from prefect_crm_erp.blocks.ledger.database import Database
from prefect_crm_erp.models.keys import chunks

IN_LIST = 500
"""Keys of one IN list: more make statements that databases refuse or plan badly."""

ROWS_PER_STATEMENT = 1000
"""Rows that are handed to the database at once: each of them is in memory twice while it is written."""


class Part:
    """A part of an integration's ledger.

    Args:
        database: The open database.
        integration: Name of the integration whose rows these are.
    """

    def __init__(self, database: Database, integration: str) -> None:
        self.database = database
        self.integration = integration


def distinct(keys: Iterable[str]) -> list[str]:
    """Every key once, sorted: rows that are always locked in the same order cannot deadlock."""
    return sorted(set(keys))


def lists_of(keys: Collection[str]) -> Iterator[list[str]]:
    """Cut keys into IN lists."""
    return chunks(distinct(keys), IN_LIST)


def members(entry: Any, names: Iterable[str]) -> dict[str, Any]:
    """An entry's members by name, to store it."""
    return {name: getattr(entry, name) for name in names}


def values(row: Row[Any], *without: str) -> dict[str, Any]:
    """A row's columns by name, to build an entry from."""
    return {name: value for name, value in row._mapping.items() if name not in without}
