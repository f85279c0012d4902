"""Payment terms of documents: an account shows those of its last invoice, and where that one stands."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; accounts show more than before, so that the figures of all of them are worked out anew."""
    op.add_column("ledger_document", sa.Column("payment_terms", sa.Text))
    sales = sa.table("ledger_account_sales", sa.column("shown_changes", sa.Integer))
    op.execute(sa.update(sales).values(shown_changes=None))


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("ledger_document", "payment_terms")
