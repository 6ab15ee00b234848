"""The bot's own Telegram user; its owner may rename it while the bot is running."""

import asyncio
import logging
import time

from aiogram import Bot
from aiogram.exceptions import AiogramError
from aiogram.types import User

FRESH_FOR = 180.0  # seconds before Telegram is asked again
FORMER_FOR = 3600.0  # seconds for which the bot still answers to its former name
ASKING_TIME = 3.0  # seconds to wait for Telegram's answer

logger = logging.getLogger(__name__)


class Identity:
    """The bot as Telegram knows it, and the names to which it answers."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot
        self._me: User | None = None
        self._asked_at = 0.0
        self._former: str | None = None
        self._changed_at = 0.0
        self._asking = asyncio.Lock()

    async def me(self) -> User:
        """Return the bot's user, refreshed every few minutes; raise AiogramError if unknown.

        Once the user is known, a failed refresh changes nothing.
        """
        if self._me is None:
            self._me, self._asked_at = await self._bot.get_me(), time.time()
        async with self._asking:
            if _is_past(self._asked_at, FRESH_FOR):
                self._asked_at = time.time()
                await self._refresh(self._me)
        return self._me

    async def is_called(self, name: str) -> bool:
        """Tell whether a username is the bot's; raise AiogramError if its name is still unknown.

        For an unfamiliar name Telegram is asked again, at most once every few minutes.
        """
        if not self._answers_to(name):
            await self.me()
        return self._answers_to(name)

    def _answers_to(self, name: str) -> bool:
        names = {self._me.username} if self._me else set()
        if not _is_past(self._changed_at, FORMER_FOR):
            names.add(self._former)
        return name.lower() in {known.lower() for known in names if known}

    async def _refresh(self, known: User) -> None:
        try:
            async with asyncio.timeout(ASKING_TIME):
                self._me = await self._bot.get_me()
        except (AiogramError, TimeoutError) as error:
            logger.warning("Telegram does not say the bot's name: %s", type(error).__name__)
            return
        if self._me.username != known.username:
            self._former, self._changed_at = known.username, time.time()
            logger.info("The bot is @%s now", self._me.username)


def _is_past(moment: float, seconds: float) -> bool:
    return abs(time.time() - moment) > seconds  # also if the clock was set back
