"""Databases with our tables, in which every chat has a past."""

import asyncio
import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg  # type: ignore[import-untyped]  # it has no types

from tests.support.postgres import Postgres, execute, in_own_loop

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


# What was answered since an update, in the order in which it was stored
ANSWERED = (
    "SELECT s.chat_id, m.update_id, CAST(m.message_ids AS text)"
    " FROM chat_message m JOIN chat_session s ON s.id = m.chat_id"
    " WHERE m.role = 'model' AND m.update_id >= $1 ORDER BY m.id"
)
MESSAGE_SIZE = (
    "SELECT CAST(pg_total_relation_size('chat_message') AS double precision) / count(*)"
    " FROM chat_message"
)


class Answered(NamedTuple):
    """An answer that was stored: its chat, the update that asked, and Telegram's id of it."""

    chat_id: int
    update_id: int
    message_id: int


@contextmanager
def postgresql(server: Postgres, filling: Sequence[str]) -> Iterator[str]:
    """Make a database on a server while the block lasts, fill it, and yield its URL."""
    url = server.create_database()
    try:
        _migrate(url)
        execute(url, *filling, "ANALYZE")
        yield url
    finally:
        server.drop_database(url)


def sqlite(file: Path, filling: Sequence[str]) -> str:
    """Make an SQLite file, fill it, and return its URL."""
    url = f"sqlite:///{file}"
    _migrate(url)
    with closing(sqlite3.connect(file)) as connection, connection:
        for statement in filling:
            connection.execute(statement)
    return url


def filling(chats: int, json: str) -> list[str]:
    """Return the statements for chats of 50 messages each; `json` is the dialect's type."""
    words = {"question": QUESTION, "answer": ANSWER}
    messages = MESSAGES.format(history=HISTORY, json=json, **words)
    return [CHATS.format(chats=chats), messages]


def count_connections(url: str) -> int:
    """Return how many others are connected to a database."""
    count: int = _value(
        url,
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    return count


def answered(url: str, first_id: int) -> list[Answered]:
    """Return the answers to updates from an id on, in the order in which they were stored."""
    rows = _rows(url, ANSWERED, first_id)
    return [Answered(chat, update, json.loads(messages)[0]) for chat, update, messages in rows]


def written(url: str) -> int:
    """Return how many bytes the server has written to its log, of all databases."""
    return int(_value(url, "SELECT pg_current_wal_insert_lsn() - '0/0'"))


def message_size(url: str) -> float:
    """Return the bytes that a message takes, with its part of the indexes."""
    size: float = _value(url, MESSAGE_SIZE)
    return size


def _value(url: str, statement: str) -> Any:
    [[value]] = _rows(url, statement)
    return value


def _rows(url: str, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    async def ask() -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(url)
        try:
            return [tuple(row) for row in await connection.fetch(statement, *values)]
        finally:
            await connection.close()

    found: list[tuple[Any, ...]] = in_own_loop(ask)
    return found


def _migrate(url: str) -> None:
    from db.migrate import migrate  # it takes a second

    asyncio.run(migrate(url))
