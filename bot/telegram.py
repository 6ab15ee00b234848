"""The Bot API client: one Bot for a runtime, and what happens to a request that fails."""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.session.middlewares.base import (
    BaseRequestMiddleware,
    NextRequestMiddlewareType,
)
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import (
    ClientDecodeError,
    TelegramAPIError,
    TelegramNetworkError,
    TelegramRetryAfter,
    TelegramServerError,
)
from aiogram.methods import Response, TelegramMethod
from aiogram.methods.base import TelegramType
from aiohttp import ClientConnectorError

from bot.settings import Settings

LONGEST_WAIT = 15  # seconds; a longer `retry_after` is Telegram's to wait out
LEFT_ALONE = {"getUpdates", "sendChatAction"}  # the next one comes by itself
PAUSES = (0.5, 2.0)  # seconds before the second and the third try
KEEPALIVE = 10  # seconds
REQUEST_TIMEOUT = 20  # seconds for one request, within an update's 50

# Telegram could not be reached, or something on the way answered in its place (a proxy's HTML)
UNREACHABLE = (TelegramNetworkError, TelegramServerError, ClientDecodeError)

logger = logging.getLogger(__name__)


class Retries(BaseRequestMiddleware):
    """Send a request again after a wait that Telegram asks for, and when it was not reached.

    Where it may have been reached all the same, once: an answer that comes twice is better than
    one that is lost.
    """

    async def __call__(
        self,
        make_request: NextRequestMiddlewareType[TelegramType],
        bot: Bot,
        method: TelegramMethod[TelegramType],
    ) -> Response[TelegramType]:
        """Make the request, at most three times."""
        name = type(method).__api_method__
        if name in LEFT_ALONE:
            return await make_request(bot, method)
        for attempt, pause in enumerate(PAUSES):
            try:
                return await make_request(bot, method)
            except TelegramRetryAfter as error:
                if error.retry_after > LONGEST_WAIT:
                    raise
                logger.warning("%s: Telegram asks to wait %s s", name, error.retry_after)
                await asyncio.sleep(error.retry_after)
            except UNREACHABLE as error:
                uncertain = not isinstance(error.__cause__, ClientConnectorError)
                if uncertain and attempt:
                    raise
                certainty = "uncertain" if uncertain else "not sent"
                logger.warning("%s: %s (%s)", name, type(error).__name__, certainty)
                await asyncio.sleep(pause)
        return await make_request(bot, method)


def reason(error: TelegramAPIError) -> str:
    """Return why Telegram refuses, for the log: what it quotes may be what people wrote."""
    return re.sub(r"(['\"]).*\1", "'...'", error.message, flags=re.DOTALL)


class Session(AiohttpSession):
    """Keep connections for a short time only, and close them without a pause."""

    def __init__(self, base_url: str) -> None:
        super().__init__(api=TelegramAPIServer.from_base(base_url), timeout=REQUEST_TIMEOUT)
        # A frozen instance wakes up with dead connections
        self._connector_init["keepalive_timeout"] = KEEPALIVE
        self.middleware(Retries())

    async def make_request(
        self,
        bot: Bot,
        method: TelegramMethod[TelegramType],
        timeout: int | None = None,  # noqa: ASYNC109 - aiogram's signature
    ) -> TelegramType:
        """Make the request; an answer that is not even text is a proxy's, not Telegram's."""
        try:
            return await super().make_request(bot, method, timeout)
        except UnicodeDecodeError as error:
            raise TelegramNetworkError(method, "The answer is not Telegram's") from error

    async def close(self) -> None:
        """Close the connections; aiogram's way always sleeps, and a host may kill us meanwhile."""
        if self._session is not None:
            await self._session.close()


@asynccontextmanager
async def open_bot(settings: Settings) -> AsyncGenerator[Bot]:
    """Open the Bot API client inside the running loop, and close its connections at the end."""
    session = Session(settings.telegram_api_base_url)
    try:
        yield Bot(settings.telegram_bot_token.get_secret_value(), session=session)
    finally:
        await session.close()
