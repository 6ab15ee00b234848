"""Make room for every chat.

Revision ID: c4d2b7f1e630
Revises: bf58a291441b
"""

import sqlalchemy as sa
from alembic import context, op

revision = "c4d2b7f1e630"
down_revision = "bf58a291441b"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Widen Telegram's ids to 64 bits and index a chat's messages in their order."""
    if op.get_context().dialect.name == "postgresql":
        op.alter_column(
            "chat_session", "chat_id", existing_type=sa.Integer(), type_=sa.BigInteger()
        )
        drop_time_zone()
    op.create_index("ix_chat_message_chat_id_id", "chat_message", ["chat_id", "id"])


def downgrade() -> None:
    """Narrow the ids again; PostgreSQL refuses while there is one that does not fit."""
    op.drop_index("ix_chat_message_chat_id_id", "chat_message")
    if op.get_context().dialect.name == "postgresql":
        op.alter_column(
            "chat_session", "chat_id", existing_type=sa.BigInteger(), type_=sa.Integer()
        )


def drop_time_zone() -> None:
    """Make the dates naive UTC where tables were made from a model with time zones."""
    if context.is_offline_mode():
        return
    columns = sa.inspect(op.get_bind()).get_columns("chat_message")
    (date,) = (column["type"] for column in columns if column["name"] == "date")
    if isinstance(date, sa.DateTime) and date.timezone:
        op.alter_column(
            "chat_message",
            "date",
            existing_type=sa.DateTime(timezone=True),
            type_=sa.DateTime(),
            postgresql_using="date AT TIME ZONE 'UTC'",
        )
