"""Long polling: fetch updates, and answer each chat's in order, chats side by side."""

import asyncio
import logging
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, TypeVar

from aiogram.exceptions import (
    AiogramError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramUnauthorizedError,
)
from aiogram.methods import TelegramMethod

from bot.dispatcher import ALLOWED_UPDATES
from bot.errors import RetryLater
from bot.menu import set_menu
from bot.runtime import Runtime, open_runtime
from bot.settings import Settings, shown_url, token_refused

POLL_TIMEOUT = 30  # seconds that Telegram keeps a request open
GRACE = 20  # seconds for the answers in flight when the bot is stopped
LONGEST_PAUSE = 30  # seconds between two tries

T = TypeVar("T")
RawUpdate = dict[str, Any]

logger = logging.getLogger(__name__)


class GetRawUpdates(TelegramMethod[list[RawUpdate]]):
    """Fetch updates as they came: aiogram's own refuses a whole batch for one it can't read."""

    __returning__ = list[RawUpdate]
    __api_method__ = "getUpdates"

    offset: int | None = None
    limit: int | None = None
    timeout: int | None = None
    allowed_updates: list[str] | None = None


async def poll(settings: Settings) -> None:
    """Run the bot by long polling until SIGINT or SIGTERM; finish what is in flight.

    Raise SettingsError when Telegram refuses the token.
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
    """Fetch updates and hand them to the runtime, each chat's one after the other.

    Telegram takes an update as handled once a later one is asked for. So while some are in work,
    it is asked again for all from the oldest of them on, 100 at most, and those that are known
    are passed over: whatever ends the bot, what was not answered comes again.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._next = 0
        self._in_work: dict[int, asyncio.Task[None]] = {}
        self._done: set[int] = set()
        self._last_of_chat: dict[int | None, asyncio.Task[None]] = {}
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Take over from a webhook, introduce the bot, and fetch updates for ever."""
        await _persist(partial(_take_over, self._runtime))
        while True:
            for update in await _persist(
                partial(self._fetch, 0 if self._in_work else POLL_TIMEOUT)
            ):
                if update["update_id"] not in self._in_work.keys() | self._done:
                    self._start(update)
            if self._in_work:
                tasks = self._in_work.values()
                await asyncio.wait(tasks, timeout=1, return_when=asyncio.FIRST_COMPLETED)

    async def finish(self) -> None:
        """Wait for the answers in flight, at most 20 seconds, and confirm what was handled."""
        self._stopping.set()
        if self._in_work:
            logger.info("Finishing %d updates", len(self._in_work))
            _, unfinished = await asyncio.wait(self._in_work.values(), timeout=GRACE)
            for task in unfinished:
                task.cancel()
            await asyncio.gather(*unfinished, return_exceptions=True)
        if self._next:
            with suppress(AiogramError):
                await self._fetch(0, limit=1)

    async def _fetch(self, patience: int, limit: int | None = None) -> list[RawUpdate]:
        """Ask for updates, and so confirm all before the oldest in work."""
        offset = min(self._in_work, default=self._next)
        self._done = {update_id for update_id in self._done if update_id >= offset}
        request = GetRawUpdates(
            offset=offset or None, limit=limit, timeout=patience, allowed_updates=ALLOWED_UPDATES
        )
        return await self._runtime.bot(request, request_timeout=patience + 10)

    def _start(self, update: RawUpdate) -> None:
        update_id, chat_id = update["update_id"], _chat_id(update)
        self._next = update_id + 1
        task = asyncio.create_task(self._handle(update, self._last_of_chat.get(chat_id)))
        self._in_work[update_id] = self._last_of_chat[chat_id] = task

        def forget(task: asyncio.Task[None]) -> None:
            if self._last_of_chat.get(chat_id) is task:
                del self._last_of_chat[chat_id]

        task.add_done_callback(forget)

    async def _handle(self, update: RawUpdate, previous: asyncio.Task[None] | None) -> None:
        """Handle an update after the one before it in its chat, again and again if need be."""
        if previous:
            await asyncio.wait({previous})
            if previous in self._in_work.values():
                return  # it waits for the next start, and so do those behind it
        pause = 1.0
        while (wait := await self._feed(update)) is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), max(pause, wait))
                return  # still in work: it is not confirmed, and comes at the next start
            pause = min(2 * pause, LONGEST_PAUSE)
        del self._in_work[update["update_id"]]
        self._done.add(update["update_id"])

    async def _feed(self, update: RawUpdate) -> float | None:
        """Feed the runtime; return the seconds to wait where the update must be tried again."""
        try:
            await self._runtime.feed(update)
        except RetryLater as error:
            logger.warning("Update %s must be tried again: %s", update["update_id"], error)
            return error.retry_after
        return None


async def _take_over(runtime: Runtime) -> None:
    """Remove the webhook, if there is one, set the menu, and say who is here."""
    bot, settings = runtime.bot, runtime.settings
    me = await bot.me()
    webhook = await bot.get_webhook_info()
    if webhook.url:
        url = shown_url(webhook.url)
        print(f"Removing the webhook {url}. To restore it: WEBHOOK_URL={url} python -m bot setup")
        await bot.delete_webhook(drop_pending_updates=False)
    try:
        await set_menu(bot)
    except AiogramError as error:
        logger.warning("The command menu was not set: %s", type(error).__name__)
    database = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}[
        settings.database_url.get_backend_name()
    ]
    print(
        f"I am @{me.username}, answering with {settings.gemini_model_name},"
        f" remembering in {database}. Stop me with Ctrl+C.",
        flush=True,
    )


async def _persist(call: Callable[[], Awaitable[T]]) -> T:
    """Make a call until Telegram answers; raise SettingsError when it refuses the token."""
    pause = 1.0
    while True:
        try:
            return await call()
        except (TelegramUnauthorizedError, TelegramNotFound):
            raise token_refused() from None
        except TelegramRetryAfter as error:
            pause = max(pause, error.retry_after)
            logger.warning("Telegram asks to wait %.0f s", pause)
        except AiogramError as error:
            logger.warning("Telegram: %s; trying again in %.0f s", error, pause)
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


def _chat_id(update: RawUpdate) -> int | None:
    """Find the chat of any kind of update, as far as it has one."""
    for event in update.values():
        match event:
            case {"chat": {"id": int(chat_id)}} | {"message": {"chat": {"id": int(chat_id)}}}:
                return chat_id
    return None


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
