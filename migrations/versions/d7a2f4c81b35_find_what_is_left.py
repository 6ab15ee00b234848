"""Find what is left of updates without reading all of them.

Revision ID: d7a2f4c81b35
Revises: c93f1e5a7b20
"""

import sqlalchemy as sa
from alembic import op

revision = "d7a2f4c81b35"
down_revision = "c93f1e5a7b20"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let an index serve all that is left of a chat, and another one what was kept."""
    _create("ix_processed_update_progress", "chat_id", "progress IS NOT NULL")
    _create("ix_processed_update_payload", "update_id", "payload IS NOT NULL")
    op.drop_index("ix_processed_update_left", "processed_update")


def downgrade() -> None:
    """Take the former index back."""
    _create("ix_processed_update_left", "chat_id", "status = 'done' AND progress IS NOT NULL")
    op.drop_index("ix_processed_update_payload", "processed_update")
    op.drop_index("ix_processed_update_progress", "processed_update")


def _create(name: str, column: str, where: str) -> None:
    op.create_index(
        name,
        "processed_update",
        [column],
        postgresql_where=sa.text(where),
        sqlite_where=sa.text(where),
    )
