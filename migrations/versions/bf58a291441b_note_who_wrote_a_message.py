"""Note who wrote a message.

Revision ID: bf58a291441b
Revises: ddd488dfb70c
"""

import sqlalchemy as sa
from alembic import op

revision = "bf58a291441b"
down_revision = "ddd488dfb70c"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the role; it stays NULL in the rows that are there."""
    op.add_column("chat_message", sa.Column("role", sa.String(20)))


def downgrade() -> None:
    """Forget who wrote what."""
    op.drop_column("chat_message", "role")
