"""Tie messages to their chat.

Revision ID: ddd488dfb70c
Revises: af8fa7460019
"""

import sqlalchemy as sa
from alembic import context, op

revision = "ddd488dfb70c"
down_revision = "af8fa7460019"
branch_labels = None
depends_on = None

# The names that PostgreSQL gives by itself
FOREIGN_KEY = "chat_message_chat_id_fkey"
UNIQUE = "chat_session_chat_id_key"
# SQLite has unnamed constraints; these are their names while a table is copied
NAMING = {
    "fk": "%(table_name)s_%(column_0_name)s_fkey",
    "uq": "%(table_name)s_%(column_0_name)s_key",
}

# Rows that the constraints would refuse. No message is lost:
# - a message whose chat_id is no session's id belongs to the session with that number as
#   Telegram's chat id, which is created where there is none;
# - messages without a chat belong to chat 0, and so do sessions without one: no chat of
#   Telegram has that number, so nobody is shown them;
# - sessions of one chat become one, the oldest.
ADOPT_SESSIONS = "UPDATE chat_session SET chat_id = 0 WHERE chat_id IS NULL"
# Noted first: a new session may get the very id that another stray message names
NOTE_STRAYS = """
CREATE TEMPORARY TABLE stray AS
SELECT id, coalesce(chat_id, 0) AS chat_id FROM chat_message
WHERE chat_id IS NULL OR chat_id NOT IN (SELECT id FROM chat_session)
"""
CREATE_SESSIONS = """
INSERT INTO chat_session (chat_id)
SELECT DISTINCT chat_id FROM stray WHERE chat_id NOT IN (SELECT chat_id FROM chat_session)
"""
ADOPT_STRAYS = """
UPDATE chat_message SET chat_id = (
  SELECT min(chat_session.id) FROM chat_session
  JOIN stray ON stray.chat_id = chat_session.chat_id WHERE stray.id = chat_message.id
) WHERE id IN (SELECT id FROM stray)
"""
FORGET_STRAYS = "DROP TABLE stray"
JOIN_SESSIONS = """
UPDATE chat_message SET chat_id = (
  SELECT min(oldest.id) FROM chat_session AS oldest
  JOIN chat_session AS other ON other.chat_id = oldest.chat_id
  WHERE other.id = chat_message.chat_id
) WHERE chat_id NOT IN (SELECT min(id) FROM chat_session GROUP BY chat_id)
"""
DROP_DOUBLES = """
DELETE FROM chat_session WHERE id NOT IN (SELECT min(id) FROM chat_session GROUP BY chat_id)
"""
REPAIR = (
    ADOPT_SESSIONS,
    NOTE_STRAYS,
    CREATE_SESSIONS,
    ADOPT_STRAYS,
    FORGET_STRAYS,
    JOIN_SESSIONS,
    DROP_DOUBLES,
)


def upgrade() -> None:
    """Repair the rows, then forbid that it happens again."""
    if op.get_context().dialect.name == "sqlite":
        # Left by the first bot, whose revision failed here each time it was tried
        op.execute("DROP TABLE IF EXISTS _alembic_tmp_chat_message")
        op.execute("DROP TABLE IF EXISTS _alembic_tmp_chat_session")
    for statement in REPAIR:
        op.execute(statement)
    with op.batch_alter_table("chat_session") as batch:
        batch.alter_column("chat_id", existing_type=sa.Integer(), nullable=False)
        batch.create_unique_constraint(UNIQUE, ["chat_id"])
    with op.batch_alter_table("chat_message") as batch:
        batch.alter_column("chat_id", existing_type=sa.Integer(), nullable=False)
        batch.create_foreign_key(FOREIGN_KEY, "chat_session", ["chat_id"], ["id"])


def downgrade() -> None:
    """Allow what the first revision allowed."""
    foreign_key, unique = constraint_names()
    with op.batch_alter_table("chat_message", naming_convention=NAMING) as batch:
        batch.drop_constraint(foreign_key, type_="foreignkey")
        batch.alter_column("chat_id", existing_type=sa.Integer(), nullable=True)
    with op.batch_alter_table("chat_session", naming_convention=NAMING) as batch:
        batch.drop_constraint(unique, type_="unique")
        batch.alter_column("chat_id", existing_type=sa.Integer(), nullable=True)


def constraint_names() -> tuple[str, str]:
    """Look up what the bot that made the database called its constraints."""
    if context.is_offline_mode():
        return FOREIGN_KEY, UNIQUE
    inspector = sa.inspect(op.get_bind())
    (foreign_key,) = inspector.get_foreign_keys("chat_message")
    (unique,) = inspector.get_unique_constraints("chat_session")
    return foreign_key["name"] or FOREIGN_KEY, unique["name"] or UNIQUE
