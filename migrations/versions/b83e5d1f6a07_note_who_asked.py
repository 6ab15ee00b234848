"""Note who asked, so that people have limits of their own.

Revision ID: b83e5d1f6a07
Revises: d7a2f4c81b35
"""

import sqlalchemy as sa
from alembic import op

revision = "b83e5d1f6a07"
down_revision = "d7a2f4c81b35"
branch_labels = None
depends_on = None

TABLE, COLUMN, INDEX = "processed_update", "person_id", "ix_processed_update_person"
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the person, and the index that gives their questions of the last day."""
    op.add_column(TABLE, sa.Column(COLUMN, ID, nullable=True))
    counted = sa.text("counted")
    op.create_index(
        INDEX, TABLE, [COLUMN, "claimed_at"], postgresql_where=counted, sqlite_where=counted
    )


def downgrade() -> None:
    """Remove both."""
    op.drop_index(INDEX, TABLE)
    op.drop_column(TABLE, COLUMN)
