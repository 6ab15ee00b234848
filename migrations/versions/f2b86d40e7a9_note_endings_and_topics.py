"""Note endings and topics.

Revision ID: f2b86d40e7a9
Revises: d05e7a91c3f4
"""

import sqlalchemy as sa
from alembic import op

revision = "f2b86d40e7a9"
down_revision = "d05e7a91c3f4"
branch_labels = None
depends_on = None

TELEGRAM_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
IN_TOPIC = sa.text("thread_id IS NOT NULL")


def upgrade() -> None:
    """Add how an answer was cut off, and the topic in which a message stands."""
    op.add_column("chat_message", sa.Column("ending", sa.String(20)))
    op.add_column("chat_message", sa.Column("thread_id", TELEGRAM_ID))
    op.create_index(
        "ix_chat_message_topic",
        "chat_message",
        ["chat_id", "thread_id", "id"],
        postgresql_where=IN_TOPIC,
        sqlite_where=IN_TOPIC,
    )


def downgrade() -> None:
    """Take all answers for whole, and all topics of a chat for one conversation."""
    op.drop_index("ix_chat_message_topic", "chat_message")
    op.drop_column("chat_message", "thread_id")
    op.drop_column("chat_message", "ending")
