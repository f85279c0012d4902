"""Brings the ledger's tables to this version of the package, once, whoever comes first."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, text

from prefect_crm_erp.blocks.ledger.address import SYSTEM
from prefect_crm_erp.blocks.ledger.engine import create_ledger_engine
from prefect_crm_erp.blocks.ledger.tables import TABLE_PREFIX, Base
from prefect_crm_erp.models.errors import ConfigurationError

MIGRATIONS = Path(__file__).parent / "migrations"
VERSION_TABLE = f"{TABLE_PREFIX}version"
_MIGRATION_LOCK = 0x1ED6E4  # any number that no other program locks with in this database


def context_options() -> dict[str, Any]:
    """How Alembic looks at a ledger: at its own tables only, others may share the database."""
    return {
        "target_metadata": Base.metadata,
        "version_table": VERSION_TABLE,
        "include_name": lambda name, kind, _: kind != "table" or str(name).startswith(TABLE_PREFIX),
        "render_as_batch": True,  # SQLite alters a table by building it anew
        "transactional_ddl": True,
    }


@lru_cache(maxsize=1)
def _script() -> ScriptDirectory:
    return ScriptDirectory(str(MIGRATIONS))


def head() -> str:
    """The revision that this version of the package works with."""
    return str(_script().get_current_head())


def revision(connection: Connection) -> str | None:
    """The revision that a database is at; None for one without a ledger."""
    return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()


def migrate(engine: Engine, url: URL) -> bool:
    """Bring a ledger to the newest revision.

    Two processes may start at once: the second waits, and finds nothing to do.

    Returns:
        Whether there was something to do.

    Raises:
        ConfigurationError: The ledger is newer than the package.
    """
    with engine.begin() as connection:
        if _is_current(revision(connection)):
            return False
    migration_engine = create_ledger_engine(url, for_migration=True).execution_options(writes=True)
    with migration_engine.begin() as connection:
        _wait_for_others(connection)
        if _is_current(revision(connection)):
            return False
        run(connection, "upgrade", "head")
    engine.dispose()  # a connection that was open before does not see what SQLite's planner was told
    return True


def run(connection: Connection, direction: str, target: str) -> None:
    """Run Alembic's `upgrade` or `downgrade` in the connection's transaction."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    getattr(command, direction)(config, target)


def drift(connection: Connection) -> list[Any]:
    """Differences between the database and `tables.py`; none when the migrations are complete."""
    return list(compare_metadata(MigrationContext.configure(connection, opts=context_options()), Base.metadata))


def _is_current(found: str | None) -> bool:
    if found is not None and found not in {script.revision for script in _script().walk_revisions()}:
        raise ConfigurationError(
            f"The ledger was written by a newer version of prefect-crm-erp (revision {found}; this one knows up to "
            f"{head()}): update the package, or use another database",
            system=SYSTEM,
        )
    return found == head()


def _wait_for_others(connection: Connection) -> None:
    # On SQLite the transaction itself began with the write lock.
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
