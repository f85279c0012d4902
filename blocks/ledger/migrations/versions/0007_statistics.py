"""Statistics: SQLite is told how large tables become, so that it reads by the keys that it is given."""

from __future__ import annotations

from alembic import op

from prefect_crm_erp.blocks.ledger.statistics import forget_sizes, tell_sizes

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Tell."""
    tell_sizes(op.get_bind())


def downgrade() -> None:
    """Take it back."""
    forget_sizes(op.get_bind())
