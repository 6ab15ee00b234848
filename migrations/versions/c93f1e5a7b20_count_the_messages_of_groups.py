"""Count the messages of groups.

Revision ID: c93f1e5a7b20
Revises: a4c8e27b9d16
"""

import sqlalchemy as sa
from alembic import op

revision = "c93f1e5a7b20"
down_revision = "a4c8e27b9d16"
branch_labels = None
depends_on = None

TELEGRAM_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the places of each group's minute, which all instances share."""
    op.create_table(
        "group_place",
        sa.Column("chat_id", TELEGRAM_ID, primary_key=True, autoincrement=False),
        sa.Column("place", sa.SmallInteger(), primary_key=True, autoincrement=False),
        sa.Column("taken_at", sa.Double(), nullable=False),
    )


def downgrade() -> None:
    """Forget them: each process counts for itself."""
    op.drop_table("group_place")
