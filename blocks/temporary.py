"""Temporary databases: for what a run has to remember of each record, so that its memory does not grow with them."""

from __future__ import annotations

import sqlite3


def temporary_database(*statements: str) -> sqlite3.Connection:
    """An empty database that the system removes by itself, for one writer at a time.

    Args:
        statements: What makes its tables.
    """
    # An empty name is a temporary file; nothing of it has to outlive the process, not even its own mistakes.
    database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    for statement in ("pragma journal_mode = off", "pragma synchronous = off", *statements, "begin"):
        database.execute(statement)
    return database
