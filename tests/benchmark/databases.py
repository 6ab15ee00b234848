"""Databases with our tables, in which every chat has a past."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # it has no types

from tests.postgres import Postgres, execute, in_own_loop

HISTORY = 50  # messages of each chat
# As the bot has stored them: questions and answers in turn, each with Telegram's id
CHATS = (
    "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {chats})"
    " INSERT INTO chat_session (chat_id) SELECT n FROM c"
)
MESSAGES = (
    "WITH RECURSIVE m(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM m WHERE n < {history})"
    " INSERT INTO chat_message (chat_id, text, date, role, message_ids)"
    " SELECT s.id,"
    " CASE n % 2 WHEN 1 THEN '{question}' ELSE '{answer}' END, CURRENT_TIMESTAMP,"
    " CASE n % 2 WHEN 1 THEN 'user' ELSE 'model' END, CAST('[' || n || ']' AS {json})"
    " FROM chat_session s CROSS JOIN m ORDER BY s.id, n"
)
QUESTION = "What would you advise me to do about it, and why just that? " * 2
ANSWER = "It depends on what matters most to you: here is how I would weigh it. " * 4


@contextmanager
def postgresql(server: Postgres, chats: int) -> Iterator[str]:
    """Make a database on a server while the block lasts, and yield its URL."""
    url = server.create_database()
    try:
        _migrate(url)
        execute(url, *_fill(chats, "JSON"), "ANALYZE")
        yield url
    finally:
        server.drop_database(url)


def sqlite(file: Path, chats: int) -> str:
    """Make an SQLite file and return its URL."""
    url = f"sqlite:///{file}"
    _migrate(url)
    with closing(sqlite3.connect(file)) as connection, connection:
        for statement in _fill(chats, "TEXT"):
            connection.execute(statement)
    return url


def count_connections(url: str) -> int:
    """Return how many others are connected to a database."""

    async def ask() -> int:
        connection = await asyncpg.connect(url)
        try:
            count: int = await connection.fetchval(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        finally:
            await connection.close()
        return count

    found: int = in_own_loop(ask)
    return found


def _fill(chats: int, json: str) -> list[str]:
    words = {"question": QUESTION, "answer": ANSWER}
    messages = MESSAGES.format(history=HISTORY, json=json, **words)
    return [CHATS.format(chats=chats), messages]


def _migrate(url: str) -> None:
    from db.migrate import migrate  # it takes a second

    asyncio.run(migrate(url))
