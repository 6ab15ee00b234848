"""Keep pictures and contents.

Revision ID: e91a6c0d5f28
Revises: c4d2b7f1e630
"""

import sqlalchemy as sa
from alembic import op

revision = "e91a6c0d5f28"
down_revision = "c4d2b7f1e630"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the file that a message came with, and the contents to be sent back verbatim."""
    op.add_column("chat_message", sa.Column("file_id", sa.Text()))
    op.add_column("chat_message", sa.Column("content", sa.JSON()))


def downgrade() -> None:
    """Keep the texts only."""
    op.drop_column("chat_message", "content")
    op.drop_column("chat_message", "file_id")
