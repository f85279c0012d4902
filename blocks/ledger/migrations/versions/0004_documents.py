"""Documents of the ERPs that were copied to the CRM, and what accounts show of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

AMOUNT = sa.String(64)
AMOUNTS = ("untaxed", "total", "balance", "company_untaxed", "company_total", "company_balance")


def upgrade() -> None:
    """Create both tables."""
    _create_document()
    op.create_table(
        "ledger_account_sales",
        sa.Column("integration", _key(100), nullable=False),
        sa.Column("account", _key(255), nullable=False),
        sa.Column("changes", sa.Integer, nullable=False),
        sa.Column("shown_changes", sa.Integer),
        sa.Column("shown_on", sa.Date),
        sa.Column("sales", sa.Text),
        sa.Column("run_id", _key(100)),
        sa.PrimaryKeyConstraint("integration", "account", name="pk_ledger_account_sales"),
    )


def downgrade() -> None:
    """Drop both tables; the next run writes every document anew."""
    op.drop_table("ledger_account_sales")
    op.drop_table("ledger_document")


def _create_document() -> None:
    op.create_table(
        "ledger_document",
        sa.Column("integration", _key(100), nullable=False),
        sa.Column("kind", _key(100), nullable=False),
        sa.Column("erp", _key(100), nullable=False),
        sa.Column("erp_id", _key(255), nullable=False),
        sa.Column("number", sa.Text),
        sa.Column("company", _key(100), nullable=False),
        sa.Column("customer_id", _key(255), nullable=False),
        sa.Column("account", _key(255)),
        sa.Column("opportunity_id", _key(255)),
        *(sa.Column(name, sa.Text) for name in ("order_ids", "order_keys", "fingerprint", "children")),
        *(sa.Column(name, sa.Text) for name in ("type", "status", "currency", "company_currency")),
        *(sa.Column(name, sa.Date) for name in ("issued_on", "due_date", "paid_on")),
        *(sa.Column(name, AMOUNT) for name in AMOUNTS),
        sa.Column("is_open", sa.Boolean, nullable=False),
        sa.Column("modified_at", sa.DateTime(timezone=True)),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("integration", "kind", "erp", "erp_id", name="pk_ledger_document"),
    )
    by_account = ["integration", "account", "kind", "erp", "erp_id"]
    op.create_index("ix_ledger_document_account", "ledger_document", by_account)
    op.create_index("ix_ledger_document_due", "ledger_document", ["integration", "is_open", "due_date"])
    op.create_index("ix_ledger_document_opportunity", "ledger_document", ["integration", "opportunity_id"])


def _key(length: int) -> sa.types.TypeEngine[str]:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")
