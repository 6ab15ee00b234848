"""Create the tables.

Revision ID: af8fa7460019
Revises:
"""

import sqlalchemy as sa
from alembic import op

revision = "af8fa7460019"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create chat_session and chat_message."""
    op.create_table(
        "chat_message",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("chat_id", sa.Integer()),
        sa.Column("text", sa.Text()),
        sa.Column("date", sa.DateTime()),
    )
    op.create_table(
        "chat_session",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("chat_id", sa.Integer()),
    )


def downgrade() -> None:
    """Drop both, with all that people wrote."""
    op.drop_table("chat_session")
    op.drop_table("chat_message")
