"""The bot's front door: the webhook application with its lifespan, and users' updates."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from starlette.types import Receive, Scope, Send

from bot.app import app
from bot.sandbox.telegram import TelegramServer
from bot.settings import SECRET_HEADER, Settings, load_settings
from tests.support.messages import question

Json = dict[str, Any]

opened = 0  # doors so far


@dataclass(frozen=True)
class Door:
    """A client that posts updates to the running application and inspects the results."""

    client: httpx2.AsyncClient
    telegram: TelegramServer
    settings: Settings

    async def post(self, update: Json) -> httpx2.Response:
        """Post one update with the right secret."""
        return await self.client.post("/webhook", json=update)

    async def say(self, text: str, user_id: int = 42) -> Json:
        """Send a user's text in a private chat; return the last message that came back."""
        return (await self.send(user_id, text=text))[-1]

    async def send(self, user_id: int = 42, **message: Any) -> Sequence[Json]:
        """Send a user's message in a private chat; return the messages that came back."""
        return await self.deliver(self.question(user_id=user_id, **message))

    def question(self, text: str | None = None, user_id: int = 42, **message: Any) -> Json:
        """Create the update for a user's message in a private chat."""
        return question(self.telegram, text, user_id, **message)

    async def deliver(self, update: Json) -> Sequence[Json]:
        """Post an update that must be accepted; return the messages sent in response."""
        before = len(self.telegram.sent())
        response = await self.post(update)
        assert response.status_code == 200
        return self.telegram.sent()[before:]

    async def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Query the database directly, bypassing the bot."""
        engine = create_async_engine(self.settings.database_url, poolclass=NullPool)
        try:
            async with engine.connect() as connection:
                return [tuple(row) for row in await connection.execute(text(statement))]
        finally:
            await engine.dispose()

    async def change(self, *statements: str) -> None:
        """Change the database directly, bypassing the bot."""
        engine = create_async_engine(self.settings.database_url, poolclass=NullPool)
        try:
            async with engine.begin() as connection:
                for statement in statements:
                    await connection.execute(text(statement))
        finally:
            await engine.dispose()

    async def messages(self) -> list[tuple[str, str]]:
        """Return the role and text of all stored messages, in order."""
        return [
            (role, content)
            for role, content in await self.rows("SELECT role, text FROM chat_message ORDER BY id")
        ]


OpenDoor = Callable[..., AbstractAsyncContextManager[Door]]  # takes settings by name


@asynccontextmanager
async def open_door(telegram: TelegramServer) -> AsyncGenerator[Door]:
    """Run the application's lifespan and a client of the application in this event loop."""
    global opened  # noqa: PLW0603 - a count
    opened += 1
    settings = load_settings()
    async with app.router.lifespan_context(app) as state:

        async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, "state": dict(state or {})}, receive, send)

        client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(with_state),
            base_url="http://bot",
            headers={SECRET_HEADER: settings.webhook_secret or ""},
        )
        async with client:
            yield Door(client, telegram, settings)


async def wait_for_rows(door: Door, statement: str) -> None:
    """Wait until a statement finds something."""
    async with asyncio.timeout(10):
        while not await door.rows(statement):  # noqa: ASYNC110 - another process's change
            await asyncio.sleep(0.02)
