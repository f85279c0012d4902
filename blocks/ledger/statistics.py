"""What SQLite's planner is told of the ledger's tables.

Without figures it takes every table for a small one, and reads all documents of an integration to find those of some
opportunities. The figures are of a large ledger, and stay as they are: a plan that is right for many rows does no harm
to few. PostgreSQL finds out by itself.
"""

from __future__ import annotations

from itertools import groupby
from typing import Final

from sqlalchemy import Connection, text

from prefect_crm_erp.blocks.ledger.tables import TABLE_PREFIX

_ROWS: Final = 1_000_000
_USUAL_VALUES: Final = 100
_VALUES: Final = {
    **dict.fromkeys(("integration", "erp"), 1),
    **dict.fromkeys(("kind", "queue", "status", "company", "is_open"), 4),
    **dict.fromkeys(("run", "run_id", "due_date", "resolved_at"), 1_000),
    "account": 20_000,
    "opportunity_id": 200_000,
    **dict.fromkeys(("id", "key", "erp_id"), _ROWS),
}
"""How many values a column has in a large ledger."""

_COLUMNS: Final = text(
    "SELECT tables.name, indexes.name, columns.name FROM sqlite_master AS tables, "
    "pragma_index_list(tables.name) AS indexes, pragma_index_info(indexes.name) AS columns "
    "WHERE tables.type = 'table' AND instr(tables.name, :prefix) = 1 "
    "ORDER BY tables.name, indexes.name, columns.seqno"
)


def tell_sizes(connection: Connection) -> None:
    """Write the figures for all indexes that the ledger has; on PostgreSQL nothing.

    SQLite reads them when it opens the file.
    """
    if connection.dialect.name != "sqlite":
        return
    forget_sizes(connection)
    found = connection.execute(_COLUMNS, {"prefix": TABLE_PREFIX}).all()
    for (table, index), rows in groupby(found, key=lambda row: (row[0], row[1])):
        figures = {"table": table, "index": index, "figures": _figures([row[2] for row in rows])}
        connection.execute(text("INSERT INTO sqlite_stat1 VALUES (:table, :index, :figures)"), figures)


def forget_sizes(connection: Connection) -> None:
    """Take the figures back."""
    if connection.dialect.name == "sqlite":
        connection.execute(text(f"ANALYZE {TABLE_PREFIX}version"))  # makes the table of figures, where it is missing
        connection.execute(text("DELETE FROM sqlite_stat1 WHERE instr(tbl, :prefix) = 1"), {"prefix": TABLE_PREFIX})


def _figures(columns: list[str]) -> str:
    """Rows of a table, and how many of them share the values of the first column, of the first two, and so on.

    Example:
        >>> _figures(["integration", "opportunity_id"])
        '1000000 1000000 5'
    """
    figures = [_ROWS]
    for column in columns:
        figures.append(max(figures[-1] // _VALUES.get(column, _USUAL_VALUES), 1))
    return " ".join(str(figure) for figure in figures)
