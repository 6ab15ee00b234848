"""Only the necessary I/O, written by hand: `uvicorn tests.system.benchmark.baseline:app`.

It reads 50 messages, asks Gemini, sends the answer and stores both messages. It knows no second
try, no claim, no limit, no draft, no button: whatever the bot costs more is the price of those,
and of its libraries.
"""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AsyncExitStack
from typing import Any, Protocol

from tests.system.benchmark.wire import Connections

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Rows = list[tuple[str, str]]

HISTORY = (
    "SELECT role, text FROM chat_message"
    " WHERE chat_id = (SELECT id FROM chat_session WHERE chat_id = $1) ORDER BY id DESC LIMIT 50"
)
STORE = (
    "INSERT INTO chat_message (chat_id, role, text, date)"
    " SELECT id, 'user', $2, CURRENT_TIMESTAMP FROM chat_session WHERE chat_id = $1"
    " UNION ALL"
    " SELECT id, 'model', $3, CURRENT_TIMESTAMP FROM chat_session WHERE chat_id = $1"
)
STREAM = "/v1beta/models/bench:streamGenerateContent?alt=sse"
SYSTEM = {"parts": [{"text": "You are a helpful assistant in Telegram."}]}


class Store(Protocol):
    """A database, whose every statement is a transaction of its own."""

    async def load(self, chat_id: int) -> Rows:
        """Return role and text of the last 50 messages, the newest first."""

    async def add(self, chat_id: int, question: str, answer: str) -> None:
        """Store both messages."""


class PostgreSQL:
    """A pool of asyncpg's."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    async def load(self, chat_id: int) -> Rows:
        return [tuple(row) for row in await self._pool.fetch(HISTORY, chat_id)]

    async def add(self, chat_id: int, question: str, answer: str) -> None:
        await self._pool.execute(STORE, chat_id, question, answer)


class SQLite:
    """A connection of aiosqlite's."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def load(self, chat_id: int) -> Rows:
        return list(await self._connection.execute_fetchall(_own(HISTORY), (chat_id,)))

    async def add(self, chat_id: int, question: str, answer: str) -> None:
        cursor = await self._connection.execute(_own(STORE), (chat_id, question, answer))
        await cursor.close()


class Handler:
    """Answer updates."""

    def __init__(self) -> None:
        port = int(os.environ["TELEGRAM_API_BASE_URL"].rsplit(":", 1)[1])
        self._cloud = Connections(port)
        self._store: Store

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Speak ASGI."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        body = b""
        more = True
        while more:
            event = await receive()
            body += event.get("body", b"")
            more = event.get("more_body", False)
        await self._handle(json.loads(body)["message"])
        head = [(b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body"})

    async def _live(self, receive: Receive, send: Send) -> None:
        async with AsyncExitStack() as stack:
            await receive()
            self._store = await _open(os.environ["DATABASE_URL"], stack)
            stack.callback(self._cloud.close)
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def _handle(self, message: Message) -> None:
        chat_id, text = message["chat"]["id"], message["text"]
        if text == "/start":
            await self._say(chat_id, "Hello")
            return
        history = await self._store.load(chat_id)
        answer = await self._ask([*reversed(history), ("user", text)])
        await self._say(chat_id, answer)
        await self._store.add(chat_id, text, answer)

    async def _ask(self, messages: Rows) -> str:
        contents = [{"role": role, "parts": [{"text": text}]} for role, text in messages]
        body = json.dumps({"contents": contents, "systemInstruction": SYSTEM}).encode()
        _, stream = await self._cloud.post(STREAM, body)
        events = [json.loads(line[6:]) for line in stream.split(b"\r\n") if line]
        parts = [event["candidates"][0]["content"]["parts"][0]["text"] for event in events]
        return "".join(parts)

    async def _say(self, chat_id: int, text: str) -> None:
        body = json.dumps({"chat_id": chat_id, "text": text}).encode()
        await self._cloud.post("/botbench/sendMessage", body)


async def _open(url: str, stack: AsyncExitStack) -> Store:
    if url.startswith("sqlite"):
        import aiosqlite

        file = url.removeprefix("sqlite:///")
        connection = await stack.enter_async_context(aiosqlite.connect(file, isolation_level=None))
        await connection.execute("PRAGMA journal_mode = WAL")
        await connection.execute("PRAGMA synchronous = NORMAL")
        return SQLite(connection)
    import asyncpg  # type: ignore[import-untyped]  # it has no types

    # The pool's own question after each use would be a round trip
    pool = asyncpg.create_pool(url, min_size=1, max_size=15, reset=_nothing)
    return PostgreSQL(await stack.enter_async_context(pool))


def _own(statement: str) -> str:
    """Return a statement with SQLite's placeholders."""
    return statement.replace("$", "?")


async def _nothing(_: Any) -> None:
    await asyncio.sleep(0)


app = Handler()
