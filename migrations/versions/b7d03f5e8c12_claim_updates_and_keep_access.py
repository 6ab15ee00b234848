"""Claim updates and keep access.

Revision ID: b7d03f5e8c12
Revises: e91a6c0d5f28
"""

import sqlalchemy as sa
from alembic import op

revision = "b7d03f5e8c12"
down_revision = "e91a6c0d5f28"
branch_labels = None
depends_on = None

TELEGRAM_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
RUNNING = sa.text("status = 'running'")
COUNTED = sa.text("counted")


def upgrade() -> None:
    """Add the table of updates in work, and that of who is allowed or banned."""
    op.create_table(
        "processed_update",
        sa.Column("update_id", TELEGRAM_ID, primary_key=True, autoincrement=False),
        sa.Column("chat_id", TELEGRAM_ID),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("owner", sa.String(32)),
        sa.Column("lease_until", sa.Double()),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("claimed_at", sa.Double(), nullable=False),
        sa.Column("counted", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("stop_requested", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("payload", sa.Text()),
        sa.Column("progress", sa.JSON()),
    )
    op.create_index(
        "uq_processed_update_running",
        "processed_update",
        ["chat_id"],
        unique=True,
        postgresql_where=RUNNING,
        sqlite_where=RUNNING,
    )
    op.create_index(
        "ix_processed_update_counted",
        "processed_update",
        ["chat_id", "claimed_at"],
        postgresql_where=COUNTED,
        sqlite_where=COUNTED,
    )
    op.create_index("ix_processed_update_claimed_at", "processed_update", ["claimed_at"])
    op.create_table(
        "access",
        sa.Column("id", TELEGRAM_ID, primary_key=True, autoincrement=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
    )


def downgrade() -> None:
    """Forget both: updates in work are then answered as if they came for the first time."""
    op.drop_table("access")
    op.drop_table("processed_update")
