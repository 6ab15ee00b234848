"""Keep alerts.

Revision ID: d05e7a91c3f4
Revises: b7d03f5e8c12
"""

import sqlalchemy as sa
from alembic import op

revision = "d05e7a91c3f4"
down_revision = "b7d03f5e8c12"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table of what is wrong and was told to the admins."""
    op.create_table(
        "alert",
        sa.Column("name", sa.String(20), primary_key=True),
        sa.Column("since", sa.Double(), nullable=False),
        sa.Column("told", sa.Boolean(), server_default=sa.false(), nullable=False),
    )


def downgrade() -> None:
    """Forget it: what is still wrong is told once more."""
    op.drop_table("alert")
