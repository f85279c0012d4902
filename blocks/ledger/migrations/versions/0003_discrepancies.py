"""Discrepancies: in which fields linked records differ, and how many reconciliations in a row."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "ledger_discrepancy",
        sa.Column("integration", _key(100), nullable=False),
        sa.Column("kind", _key(100), nullable=False),
        sa.Column("key", _key(255), nullable=False),
        sa.Column("erp", _key(100), nullable=False),
        sa.Column("field", _key(255), nullable=False),
        sa.Column("crm_value", sa.Text),
        sa.Column("erp_value", sa.Text),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("erp_id", sa.Text, nullable=False),
        sa.Column("erp_number", sa.Text),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("times", sa.Integer, nullable=False),
        sa.Column("run_id", _key(100), nullable=False),
        sa.PrimaryKeyConstraint("integration", "kind", "key", "erp", "field", name="pk_ledger_discrepancy"),
    )


def downgrade() -> None:
    """Drop the table; the next reconciliation counts anew."""
    op.drop_table("ledger_discrepancy")


def _key(length: int) -> sa.types.TypeEngine[str]:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")
