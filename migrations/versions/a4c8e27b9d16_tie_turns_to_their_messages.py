"""Tie turns to their messages.

Revision ID: a4c8e27b9d16
Revises: f2b86d40e7a9
"""

import sqlalchemy as sa
from alembic import op

revision = "a4c8e27b9d16"
down_revision = "f2b86d40e7a9"
branch_labels = None
depends_on = None

LEFT = sa.text("status = 'done' AND progress IS NOT NULL")
TELEGRAM_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add by which Telegram messages and which update a turn came, and what people prefer."""
    op.add_column("chat_message", sa.Column("message_ids", sa.JSON()))
    op.add_column("chat_message", sa.Column("update_id", TELEGRAM_ID))
    op.create_table(
        "preference",
        sa.Column("person_id", TELEGRAM_ID, primary_key=True, autoincrement=False),
        sa.Column("rich_messages", sa.String(10), nullable=False),
    )
    op.create_index(
        "ix_processed_update_left",
        "processed_update",
        ["chat_id"],
        postgresql_where=LEFT,
        sqlite_where=LEFT,
    )


def downgrade() -> None:
    """Forget them: no answer has a button then, and everybody gets what the operator set."""
    op.drop_index("ix_processed_update_left", "processed_update")
    op.drop_table("preference")
    op.drop_column("chat_message", "update_id")
    op.drop_column("chat_message", "message_ids")
