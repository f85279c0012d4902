"""First tables: runs and their records, claims, cross-references, watermarks, queues, audit."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)
AMOUNT = sa.String(64)
CHOICE = sa.String(40)
OPEN = sa.text("resolved_at IS NULL")


def upgrade() -> None:
    """Create all tables."""
    _create_run()
    _create_run_record()
    _create_claim()
    _create_cross_reference()
    _create_watermark()
    _create_parked()
    _create_audit()


def downgrade() -> None:
    """Drop all tables, with everything that the ledger knows."""
    for table in ("audit", "parked", "watermark", "cross_reference", "claim", "run_record", "run"):
        op.drop_table(f"ledger_{table}")


def _key(length: int) -> sa.types.TypeEngine[str]:
    # The collation "C" compares character by character, whatever the locale of the server.
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def _integration() -> sa.Column[str]:
    return sa.Column("integration", _key(100), nullable=False)


def _kind_and_key() -> tuple[sa.Column[str], sa.Column[str]]:
    return sa.Column("kind", _key(100), nullable=False), sa.Column("key", _key(255), nullable=False)


def _id(table: str) -> tuple[sa.Column[int], sa.PrimaryKeyConstraint]:
    return sa.Column("id", ROW_ID, nullable=False), sa.PrimaryKeyConstraint("id", name=f"pk_{table}")


def _create_run() -> None:
    op.create_table(
        "ledger_run",
        *_id("ledger_run"),
        _integration(),
        sa.Column("run_id", _key(100), nullable=False),
        sa.Column("flow", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("dry_run", sa.Boolean, nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("finished_at", TIME),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("source_count", sa.Integer),
        sa.Column("summary", sa.Text),
        sa.UniqueConstraint("integration", "run_id", name="uq_ledger_run_integration_run_id"),
    )
    op.create_index("ix_ledger_run_integration_started_at", "ledger_run", ["integration", "started_at"])


def _create_run_record() -> None:
    op.create_table(
        "ledger_run_record",
        *_id("ledger_run_record"),
        sa.Column("run", ROW_ID, nullable=False),
        sa.Column("key", _key(255), nullable=False),
        sa.Column("was_read", sa.Boolean, nullable=False),
        sa.Column("modified_at", TIME),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("outcome", CHOICE),
        sa.Column("queue", CHOICE),
        sa.Column("reason", sa.Text, nullable=False),
        *(sa.Column(name, sa.Text) for name in ("account", "subsidiary", "erp_id", "erp_number", "currency")),
        sa.Column("crm_total", AMOUNT),
        sa.Column("erp_total", AMOUNT),
        *(sa.Column(name, sa.Text) for name in ("crm_url", "erp_url", "notes", "changes")),
        sa.ForeignKeyConstraint(
            ["run"], ["ledger_run.id"], name="fk_ledger_run_record_run_ledger_run", ondelete="CASCADE"
        ),
        sa.UniqueConstraint("run", "key", name="uq_ledger_run_record_run_key"),
    )
    op.create_index("ix_ledger_run_record_run_id", "ledger_run_record", ["run", "id"])


def _create_claim() -> None:
    op.create_table(
        "ledger_claim",
        _integration(),
        *_kind_and_key(),
        sa.Column("run_id", _key(100)),
        sa.Column("claimed_at", TIME),
        sa.Column("expires_at", TIME),
        sa.Column("fingerprint", sa.Text),
        sa.Column("intended_at", TIME),
        sa.PrimaryKeyConstraint("integration", "kind", "key", name="pk_ledger_claim"),
    )


def _create_cross_reference() -> None:
    op.create_table(
        "ledger_cross_reference",
        _integration(),
        *_kind_and_key(),
        sa.Column("erp", _key(100), nullable=False),
        sa.Column("company", _key(100), nullable=False),
        sa.Column("erp_id", _key(255), nullable=False),
        sa.Column("erp_number", sa.Text),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("currency", sa.Text),
        sa.Column("crm_total", AMOUNT),
        sa.Column("erp_total", AMOUNT),
        sa.Column("run_id", _key(100), nullable=False),
        sa.Column("bound_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("integration", "kind", "key", "erp", "company", name="pk_ledger_cross_reference"),
    )
    by_erp_id = ["integration", "kind", "erp", "erp_id"]
    op.create_index("ix_ledger_cross_reference_erp_id", "ledger_cross_reference", by_erp_id)


def _create_watermark() -> None:
    op.create_table(
        "ledger_watermark",
        _integration(),
        sa.Column("stream", _key(255), nullable=False),
        sa.Column("modified_at", TIME, nullable=False),
        sa.Column("record_id", _key(255), nullable=False),
        sa.Column("advanced_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("integration", "stream", name="pk_ledger_watermark"),
    )


def _create_parked() -> None:
    op.create_table(
        "ledger_parked",
        *_id("ledger_parked"),
        _integration(),
        *_kind_and_key(),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("queue", CHOICE, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        *(sa.Column(name, sa.Text) for name in ("error", "fields", "fingerprint")),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("run_id", _key(100), nullable=False),
        sa.Column("first_parked_at", TIME, nullable=False),
        sa.Column("parked_at", TIME, nullable=False),
        sa.Column("next_attempt_at", TIME),
        sa.Column("resolved_at", TIME),
        sa.Column("resolution", sa.Text),
    )
    identity = ["integration", "kind", "key"]
    op.create_index(
        "uq_ledger_parked_open", "ledger_parked", identity, unique=True, sqlite_where=OPEN, postgresql_where=OPEN
    )
    op.create_index("ix_ledger_parked_queue", "ledger_parked", ["integration", "queue", "resolved_at"])


def _create_audit() -> None:
    op.create_table(
        "ledger_audit",
        *_id("ledger_audit"),
        _integration(),
        *_kind_and_key(),
        sa.Column("system", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("target_id", sa.Text),
        sa.Column("changes", sa.Text),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("run_id", _key(100)),
        sa.Column("at", TIME, nullable=False),
    )
    op.create_index("ix_ledger_audit_key", "ledger_audit", ["integration", "kind", "key", "id"])
