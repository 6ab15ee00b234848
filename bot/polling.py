"""Long polling: fetch updates and store them until they are answered."""

import asyncio
import logging
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TypeVar

from aiogram.exceptions import AiogramError, TelegramRetryAfter
from aiogram.methods import TelegramMethod

from bot.backlog import Backlog, RawUpdate
from bot.dispatcher import ALLOWED_UPDATES
from bot.logs.redaction import redact
from bot.operator.problems import token_refused
from bot.runtime import Runtime, open_runtime
from bot.settings import Settings
from bot.settings.urls import shown_url
from bot.telegram.client import TOKEN_REFUSED
from bot.telegram.profile import introduce

POLL_TIMEOUT = 30  # seconds that Telegram keeps a request open
LONGEST_PAUSE = 30  # seconds between two attempts

T = TypeVar("T")

logger = logging.getLogger(__name__)


class GetRawUpdates(TelegramMethod[list[RawUpdate]]):
    """A getUpdates without parsing: aiogram's own fails for a whole batch with one bad update."""

    __returning__ = list[RawUpdate]
    __api_method__ = "getUpdates"

    offset: int | None = None
    limit: int | None = None
    timeout: int | None = None
    allowed_updates: list[str] | None = None


async def poll(settings: Settings) -> None:
    """Run the bot by long polling until SIGINT or SIGTERM; finish the answers in progress.

    Raise SettingsError if Telegram refuses the token.
    """
    async with _stop_signals() as stopped, open_runtime(settings) as runtime:
        poller = Poller(runtime)
        working = asyncio.create_task(poller.run())
        stopping = asyncio.create_task(stopped.wait())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            working.cancel()
            await poller.finish()
        with suppress(asyncio.CancelledError):
            await working


class Poller:
    """The loop that fetches updates and passes them to the backlog.

    Telegram considers an update handled once a later one is requested; by then it is stored in
    the database, until it is done.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._backlog = Backlog(runtime)
        self._next = 0

    async def run(self) -> None:
        """Take over from a webhook, introduce the bot, and fetch updates until cancelled."""
        await _persist(partial(_take_over, self._runtime))
        await self._backlog.resume()
        while True:
            updates = await _persist(partial(self._fetch, POLL_TIMEOUT))
            await self._backlog.take(updates)
            if updates:
                self._next = updates[-1]["update_id"] + 1

    async def finish(self) -> None:
        """Wait at most 20 seconds for answers in progress, and confirm the stored updates."""
        await self._backlog.finish()
        if self._next:
            with suppress(AiogramError):
                await self._fetch(0, limit=1)

    async def _fetch(self, patience: int, limit: int | None = None) -> list[RawUpdate]:
        """Request updates, which confirms all earlier ones."""
        request = GetRawUpdates(
            offset=self._next or None,
            limit=limit,
            timeout=patience,
            allowed_updates=ALLOWED_UPDATES,
        )
        return await self._runtime.bot(request, request_timeout=patience + 10)


async def _take_over(runtime: Runtime) -> None:
    """Remove the webhook, if there is one, introduce the bot, and print its name."""
    bot, settings = runtime.bot, runtime.settings
    me = await bot.me()
    webhook = await bot.get_webhook_info()
    if webhook.url:
        url = redact(shown_url(webhook.url))
        print(f"Removing the webhook {url}. To restore it: WEBHOOK_URL={url} python -m bot setup")
        await bot.delete_webhook(drop_pending_updates=False)
    try:
        await introduce(bot, settings.admin_user_ids)
    except AiogramError as error:
        logger.warning("The bot's profile could not be set: %s", type(error).__name__)
    print(
        f"I am @{me.username}, answering with {settings.gemini_model_name},"
        f" remembering in {settings.database_name}.\n"
        f"Write to me: https://t.me/{me.username}. Stop me with Ctrl+C."
    )


async def _persist(call: Callable[[], Awaitable[T]]) -> T:
    """Repeat a call until Telegram answers; raise SettingsError if it refuses the token."""
    pause = 1.0
    while True:
        try:
            return await call()
        except TOKEN_REFUSED:
            raise token_refused().error() from None
        except TelegramRetryAfter as error:
            pause = max(pause, error.retry_after)
            logger.warning("Telegram asks to wait %.0f s", pause)
        except AiogramError as error:
            # Not the error's text, which may quote users' messages
            kind = type(error).__name__
            logger.warning("Telegram: %s; trying again in %.0f s", kind, pause)
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


@asynccontextmanager
async def _stop_signals() -> AsyncGenerator[asyncio.Event]:
    """Turn SIGINT and SIGTERM into an event."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    signals = (signal.SIGINT, signal.SIGTERM)
    # Windows has no such handlers: there Ctrl+C cancels the command
    with suppress(NotImplementedError):
        for number in signals:
            loop.add_signal_handler(number, stopped.set)
    try:
        yield stopped
    finally:
        with suppress(NotImplementedError):
            for number in signals:
                loop.remove_signal_handler(number)
