"""Alembic's entry: brings a ledger's tables to a revision.

The package runs it through `blocks/ledger/schema.py`, which hands over its open connection. Developers write a new
revision against a database at the newest one (`-x url=` is the address of a scratch ledger)::

    alembic -c blocks/ledger/migrations/alembic.ini -x url=sqlite:////tmp/ledger.db upgrade head
    alembic -c blocks/ledger/migrations/alembic.ini -x url=sqlite:////tmp/ledger.db revision --autogenerate -m "…"
"""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from prefect_crm_erp.blocks.ledger.address import parse_url
from prefect_crm_erp.blocks.ledger.engine import create_ledger_engine
from prefect_crm_erp.blocks.ledger.schema import context_options


def migrate(connection: Connection) -> None:
    """Run the revisions that were asked for, in the transaction that the connection is in or in one of their own."""
    context.configure(connection=connection, **context_options())
    with context.begin_transaction():
        context.run_migrations()


def migrate_from_command_line() -> None:
    """Connect to the ledger that `-x url=` names."""
    url = context.get_x_argument(as_dictionary=True).get("url")
    if not url:
        raise SystemExit("Say which ledger: alembic -x url=sqlite:////path/to/file.db …")
    engine = create_ledger_engine(parse_url(url), for_migration=True).execution_options(writes=True)
    with engine.begin() as connection:
        migrate(connection)


if (open_connection := context.config.attributes.get("connection")) is not None:
    migrate(open_connection)
else:
    migrate_from_command_line()
