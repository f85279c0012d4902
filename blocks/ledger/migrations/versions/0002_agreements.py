"""Agreements: what both systems had in the fields of a linked record when they were last in step."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "ledger_agreement",
        sa.Column("integration", _key(100), nullable=False),
        sa.Column("kind", _key(100), nullable=False),
        sa.Column("key", _key(255), nullable=False),
        sa.Column("erp", _key(100), nullable=False),
        sa.Column("values", sa.Text, nullable=False),
        sa.Column("run_id", _key(100), nullable=False),
        sa.Column("agreed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("integration", "kind", "key", "erp", name="pk_ledger_agreement"),
    )


def downgrade() -> None:
    """Drop the table; the next sync meets every record anew."""
    op.drop_table("ledger_agreement")


def _key(length: int) -> sa.types.TypeEngine[str]:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")
