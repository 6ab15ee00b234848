"""All that one platform's instances reach: Telegram, Gemini, a database; and how it breaks off."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it has no types
from aiohttp import web
from aiohttp.typedefs import Handler
from sqlalchemy import make_url

from bot.sandbox.telegram import TelegramServer
from tests.support.credentials import KEY, TOKEN
from tests.support.gemini_server import GeminiServer
from tests.support.postgres import Postgres
from tests.support.servers import serve
from tests.system.vercel.instance import Json, Request
from tests.system.vercel.platform import Platform

SECRET = "made-up-webhook-secret-0123456789"
LONGEST_PAUSE = 2.0  # seconds between two tries of Telegram
OK, UNAVAILABLE = 200, 503


class Connections:
    """The connections that a loopback server has."""

    def __init__(self) -> None:
        self._transports: set[asyncio.Transport] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def watch(self, application: web.Application) -> web.Application:
        """Take note of the connections on which requests come."""

        @web.middleware
        async def note(request: web.Request, handler: Handler) -> web.StreamResponse:
            self._loop = asyncio.get_running_loop()
            if request.transport is not None:
                self._transports.add(request.transport)
            return await handler(request)

        application.middlewares.append(note)
        return application

    def close(self) -> int:
        """Close all from any thread; return how many were open."""
        opened = [transport for transport in self._transports if not transport.is_closing()]
        self._transports.clear()
        for transport in opened:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(transport.close)
        return len(opened)


class World:
    """Telegram, Gemini and a database of their own for one platform."""

    def __init__(self, database_url: str, postgres: Postgres) -> None:
        self.telegram = TelegramServer(TOKEN)
        self.gemini = GeminiServer(key=KEY)
        self.connections = {"Telegram": Connections(), "Gemini": Connections()}
        self.database_url = database_url
        self.settings: dict[str, str] = {}
        self._admin_url = postgres.url

    @contextmanager
    def open(self) -> Iterator[None]:
        """Serve Telegram and Gemini while the block lasts."""
        applications = {
            "Telegram": self.telegram.application(),
            "Gemini": self.gemini.application(),
        }
        with ExitStack() as stack:
            urls = {
                name: stack.enter_context(serve(self.connections[name].watch(application)))
                for name, application in applications.items()
            }
            self.settings = {
                "TELEGRAM_BOT_TOKEN": TOKEN,
                "TELEGRAM_WEBHOOK_SECRET": SECRET,
                "TELEGRAM_API_BASE_URL": urls["Telegram"],
                "GEMINI_API_KEY": KEY,
                "GOOGLE_GEMINI_BASE_URL": urls["Gemini"],
                "DATABASE_URL": self.database_url,
                "RATE_LIMIT_PER_MINUTE": "0",
            }
            yield

    @property
    def secrets(self) -> list[str]:
        """List what no log may hold."""
        password = make_url(self.database_url).password
        return [TOKEN, KEY, SECRET, *([password] if password else [])]

    def write(self, person_id: int, text: str) -> Request:
        """Let a person write in a private chat; return the request that Telegram makes of it."""
        person = self.telegram.person(person_id)
        update = self.telegram.message(self.telegram.private_chat(person), person, text)
        headers = {
            "content-type": "application/json",
            "x-telegram-bot-api-secret-token": SECRET,
        }
        return Request("POST", "/webhook", json.dumps(update), headers)

    async def deliver(self, platform: Platform, request: Request) -> list[int]:
        """Send a request until it is accepted; return all statuses, 0 for no answer at all.

        One try follows the other, as Telegram does it.
        """
        statuses: list[int] = []
        pause = 0.1
        while True:
            statuses.append(await _status(platform, request))
            if statuses[-1] == OK:
                return statuses
            assert statuses[-1] in {0, UNAVAILABLE}
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def cut(self) -> Mapping[str, int]:
        """Close all connections at the far end; return how many each had."""
        closed = {name: connections.close() for name, connections in self.connections.items()}
        terminated = await self._fetch(
            self._admin_url,
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = $1",
            make_url(self.database_url).database,
        )
        return closed | {"the database": len(terminated)}

    async def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask the database past the bot."""
        return await self._fetch(self.database_url, statement, *values)

    def questions(self, text: str) -> list[list[str]]:
        """Return the texts of each request to Gemini whose last one is `text`."""
        asked = [_texts(body) for body in self.gemini.bodies]
        return [texts for texts in asked if texts[-1] == text]

    async def _fetch(self, url: str, statement: str, *values: object) -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(url)
        try:
            return [tuple(row) for row in await connection.fetch(statement, *values)]
        finally:
            await connection.close()


async def _status(platform: Platform, request: Request) -> int:
    try:
        return await platform.call(request)
    except ConnectionError:
        return 0


def _texts(body: Json) -> list[str]:
    parts = [part for content in body["contents"] for part in content["parts"]]
    return [part["text"] for part in parts if "text" in part]
