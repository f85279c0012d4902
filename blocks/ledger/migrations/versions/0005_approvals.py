"""When orders were put up for approval and approved, and of what people were told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_DOCUMENT = "ledger_document"


def upgrade() -> None:
    """Add the times of orders, and the table of notices.

    Orders count as not written, so that the next run reads the times of those that are known already.
    """
    with op.batch_alter_table(_DOCUMENT) as table:
        table.add_column(sa.Column("submitted_at", sa.DateTime(timezone=True)))
        table.add_column(sa.Column("approved_at", sa.DateTime(timezone=True)))
    op.create_index("ix_ledger_document_status", _DOCUMENT, ["integration", "kind", "status"])
    op.create_index("ix_ledger_document_approved", _DOCUMENT, ["integration", "approved_at"])
    op.execute("UPDATE ledger_document SET fingerprint = NULL WHERE kind = 'order'")
    op.create_table(
        "ledger_notice",
        sa.Column("integration", _key(100), nullable=False),
        sa.Column("kind", _key(100), nullable=False),
        sa.Column("key", _key(255), nullable=False),
        sa.Column("channel", _key(255), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told", sa.Text, nullable=False),
        sa.Column("times", sa.Integer, nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("integration", "kind", "key", "channel", name="pk_ledger_notice"),
    )


def downgrade() -> None:
    """Drop both; people are told once more of what waits."""
    op.drop_table("ledger_notice")
    op.drop_index("ix_ledger_document_approved", _DOCUMENT)
    op.drop_index("ix_ledger_document_status", _DOCUMENT)
    with op.batch_alter_table(_DOCUMENT) as table:
        table.drop_column("approved_at")
        table.drop_column("submitted_at")


def _key(length: int) -> sa.types.TypeEngine[str]:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")
