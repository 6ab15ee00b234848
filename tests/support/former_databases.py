"""The databases that the project's former bots left behind, as SQL, with rows in them."""

import re

from db.schema import KNOWN_REVISIONS

FIRST, SECOND, THIRD = KNOWN_REVISIONS[:3]

VERSION = """
CREATE TABLE alembic_version (
  version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))
"""

# The constraints have the names that PostgreSQL gives
FLASK_POSTGRESQL = (
    "CREATE TABLE chat_session (id SERIAL PRIMARY KEY, chat_id INTEGER NOT NULL UNIQUE)",
    (
        "CREATE TABLE chat_message (id SERIAL PRIMARY KEY,"
        " chat_id INTEGER NOT NULL REFERENCES chat_session (id),"
        " text TEXT, date TIMESTAMP WITHOUT TIME ZONE, role VARCHAR(20))"
    ),
)
FASTAPI_POSTGRESQL = (
    (
        "CREATE TABLE chat_session (id SERIAL PRIMARY KEY, chat_id INTEGER NOT NULL,"
        " CONSTRAINT uq_chat_session_chat_id UNIQUE (chat_id))"
    ),
    (
        "CREATE TABLE chat_message (id SERIAL PRIMARY KEY, chat_id INTEGER NOT NULL, text TEXT,"
        " date TIMESTAMP WITHOUT TIME ZONE, role VARCHAR(20),"
        " CONSTRAINT fk_chat_message_chat_session"
        " FOREIGN KEY (chat_id) REFERENCES chat_session (id))"
    ),
)
# Its model had time zones, its migrations had none
AWARE_POSTGRESQL = tuple(
    statement.replace("WITHOUT TIME ZONE", "WITH TIME ZONE") for statement in FLASK_POSTGRESQL
)
FASTAPI_SQLITE = (
    (
        "CREATE TABLE chat_session (id INTEGER NOT NULL PRIMARY KEY, chat_id INTEGER NOT NULL,"
        " CONSTRAINT uq_chat_session_chat_id UNIQUE (chat_id))"
    ),
    (
        "CREATE TABLE chat_message (id INTEGER NOT NULL PRIMARY KEY, chat_id INTEGER NOT NULL,"
        " text TEXT, date DATETIME, role VARCHAR(20),"
        " CONSTRAINT fk_chat_message_chat_session"
        " FOREIGN KEY (chat_id) REFERENCES chat_session (id))"
    ),
)
CREATED_SQLITE = (
    (
        "CREATE TABLE chat_session (id INTEGER NOT NULL, chat_id INTEGER NOT NULL,"
        " PRIMARY KEY (id), UNIQUE (chat_id))"
    ),
    (
        "CREATE TABLE chat_message (id INTEGER NOT NULL, chat_id INTEGER NOT NULL, text TEXT,"
        " date DATETIME, role VARCHAR(20), PRIMARY KEY (id),"
        " FOREIGN KEY (chat_id) REFERENCES chat_session (id))"
    ),
)
FIRST_SQLITE = (
    (
        "CREATE TABLE chat_message (id INTEGER NOT NULL, chat_id INTEGER, text TEXT,"
        " date DATETIME, PRIMARY KEY (id))"
    ),
    "CREATE TABLE chat_session (id INTEGER NOT NULL, chat_id INTEGER, PRIMARY KEY (id))",
)
FIRST_POSTGRESQL = (
    (
        "CREATE TABLE chat_message (id SERIAL PRIMARY KEY, chat_id INTEGER, text TEXT,"
        " date TIMESTAMP WITHOUT TIME ZONE)"
    ),
    "CREATE TABLE chat_session (id SERIAL PRIMARY KEY, chat_id INTEGER)",
)
# What a second revision left that failed half-way
LEFTOVER = (
    "CREATE TABLE _alembic_tmp_chat_message (id INTEGER NOT NULL, chat_id INTEGER NOT NULL)",
    "CREATE TABLE _alembic_tmp_chat_session (id INTEGER NOT NULL, chat_id INTEGER NOT NULL)",
)

SESSIONS = "INSERT INTO chat_session (chat_id) VALUES (111111), (-222222)"
MESSAGES = """
INSERT INTO chat_message (chat_id, text, date, role) VALUES
  (1, 'Hello', '2025-01-02 03:04:05.678900', NULL),
  (1, 'Hello back', '2025-01-02 03:04:05.678900', 'model'),
  (2, 'In a group: 🙂 "it''s" \\n', '2025-06-07 08:09:10.000000', 'user'),
  (2, NULL, NULL, NULL)
"""
ROWS = (SESSIONS, MESSAGES)

# Telegram's id, text
KEPT = [
    (111111, "Hello"),
    (111111, "Hello back"),
    (-222222, 'In a group: 🙂 "it\'s" \\n'),
    (-222222, None),
]

# At the first revision nothing kept the rows in order: sessions without a chat and twice the
# same chat, messages of no chat, of a row that is not there, of a chat by Telegram's id
STRAY_ROWS = (
    "INSERT INTO chat_session (chat_id) VALUES (111111), (-222222), (NULL), (111111), (NULL)",
    """
    INSERT INTO chat_message (chat_id, text) VALUES
      (1, 'a'), (2, 'b'), (NULL, 'c'), (4, 'd'), (3, 'e'), (5, 'f'), (6, 'g'), (7, 'h'),
      (-222222, 'i'), (6, 'j'), (333333, 'k')
    """,
)
STRAYS_KEPT = [
    (111111, "a"),
    (-222222, "b"),
    (0, "c"),
    (111111, "d"),
    (0, "e"),
    (0, "f"),
    (6, "g"),
    (7, "h"),
    (-222222, "i"),
    (6, "j"),
    (333333, "k"),
]


def versioned(revision: str, *statements: str) -> tuple[str, ...]:
    """Return the statements with the table in which Alembic notes the revision."""
    note = f"INSERT INTO alembic_version (version_num) VALUES ('{revision}')"
    return (VERSION, note, *statements)


WITHOUT_ROLE = tuple(statement.replace(", role VARCHAR(20)", "") for statement in CREATED_SQLITE)
ROWS_WITHOUT_ROLE = (SESSIONS, re.sub(r", (role|NULL|'model'|'user')\)", ")", MESSAGES))

LEGACY = {
    "flask-postgresql": ("postgresql", versioned(THIRD, *FLASK_POSTGRESQL, *ROWS)),
    "fastapi-postgresql": ("postgresql", versioned(THIRD, *FASTAPI_POSTGRESQL, *ROWS)),
    "fastapi-sqlite": ("sqlite", versioned(THIRD, *FASTAPI_SQLITE, *ROWS)),
    "unversioned-postgresql": ("postgresql", (*FLASK_POSTGRESQL, *ROWS)),
    "unversioned-aware-postgresql": (
        "postgresql",
        ("SET LOCAL TIME ZONE 'UTC'", *AWARE_POSTGRESQL, *ROWS),
    ),
    "unversioned-sqlite": ("sqlite", (*CREATED_SQLITE, *ROWS)),
}
