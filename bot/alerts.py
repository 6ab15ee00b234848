"""The admins are told when answers begin to fail, once, and once more when it is over."""

import asyncio
import logging
import time
from enum import StrEnum

from aiogram import Bot
from aiogram.exceptions import TelegramAPIError, TelegramRetryAfter
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from bot import texts
from bot.gemini import Gemini, GeminiError, Kind
from bot.logs import origin
from bot.problems import database_unreachable, gemini_fails
from bot.settings import Settings
from bot.telegram import PERMIT, UNREACHABLE, reason
from bot.trace import Trace
from db.alerts import end_alerts, raise_alert
from db.engine import DatabaseUnavailable, single_statement

TELLING_TIME = 10.0  # seconds to reach the admins
RECHECK = 60.0  # seconds after which other instances may know better
PATIENCE = 10.0  # seconds; a database that is back before that was only restarted

logger = logging.getLogger(__name__)


def unavailable(error: Exception | None) -> DatabaseUnavailable | None:
    """Return the failure of the database that an error is, or that it comes from."""
    while error is not None and not isinstance(error, DatabaseUnavailable):
        cause = error.__cause__
        error = cause if isinstance(cause, Exception) else None
    return error


class Trouble(StrEnum):
    """What keeps the bot from answering."""

    KEY = "key"
    QUOTA = "quota"
    MODEL = "model"
    GEMINI = "gemini"


_TROUBLES = {
    Kind.KEY_REFUSED: Trouble.KEY,
    Kind.QUOTA_EXHAUSTED: Trouble.QUOTA,
    Kind.MODEL_UNKNOWN: Trouble.MODEL,
}


class Alerts:
    """Learn from every update whether answers fail, and tell the admins.

    Of what has to do with Gemini the database knows whether it was told: one instance tells for
    all. When the database itself is down, each instance tells what it finds.
    """

    def __init__(
        self,
        settings: Settings,
        bot: Bot,
        gemini: Gemini,
        sessions: async_sessionmaker[AsyncSession],
    ) -> None:
        self._settings = settings
        self._bot = bot
        self._gemini = gemini
        self._sessions = sessions
        self._known: dict[Trouble, float] = {}  # since when this instance knows that it was told
        self._asked = 0.0  # when this instance asked last whether something is over
        self._down_since: float | None = None
        self._down_told = False

    async def learn(self, trace: Trace) -> None:
        """Tell what an update shows; nothing that fails in here harms the update."""
        if not self._settings.admin_user_ids:
            return
        try:
            await self._learn(trace)
        except DatabaseUnavailable as error:
            await self.database_fails(error)
        except SQLAlchemyError as error:
            logger.error("The alerts cannot be reached: %s", origin(error))  # noqa: TRY400 - without the error's text

    async def database_fails(self, error: DatabaseUnavailable) -> None:
        """Tell that the database cannot be reached, when that has lasted for a while."""
        now = time.time()
        self._down_since = self._down_since or now
        if self._down_told or now - self._down_since < PATIENCE:
            return
        self._down_told = True  # at once: many updates fail together
        problem = database_unreachable(error, self._settings)
        self._down_told = await self._tell(texts.trouble(str(problem)))

    async def database_works(self) -> None:
        """Tell that the database can be reached again, where it was told that it cannot."""
        since, told = self._down_since, self._down_told
        self._down_since, self._down_told = None, False
        if since and told:
            await self._tell(texts.trouble_over(time.time() - since))

    async def _learn(self, trace: Trace) -> None:
        if failure := unavailable(trace.error):
            await self.database_fails(failure)
            return
        if trace.database.seconds:
            await self.database_works()
        if isinstance(trace.error, GeminiError):
            await self._fails(trace.error)
        elif trace.answered:
            await self._works()

    async def _fails(self, error: GeminiError) -> None:
        trouble = _TROUBLES.get(error.kind, Trouble.GEMINI if self._gemini.is_down else None)
        if trouble is None or time.time() - self._known.get(trouble, 0.0) < RECHECK:
            return
        async with self._sessions() as session, single_statement(session):
            is_new = await raise_alert(session, trouble)
        self._known[trouble] = time.time()
        problem = gemini_fails(error, self._settings)
        if is_new and not await self._tell(texts.trouble(str(problem))):
            # Nobody was told: the next failure may
            del self._known[trouble]
            async with self._sessions() as session, single_statement(session):
                await end_alerts(session, [trouble])

    async def _works(self) -> None:
        if not self._known and time.time() - self._asked < RECHECK:
            return
        self._known.clear()
        self._asked = time.time()
        async with self._sessions() as session, single_statement(session):
            over = await end_alerts(session, list(Trouble))
        if over:
            await self._tell(texts.trouble_over(max(over.values())))

    async def _tell(self, text: str) -> bool:
        """Write to each admin; return False where none could be reached, and a later try may."""
        permit = PERMIT.set(None)  # this is no answer to the update: its claim does not matter
        try:
            async with asyncio.timeout(TELLING_TIME):
                reached = await asyncio.gather(
                    *(self._write(admin, text) for admin in self._settings.admin_user_ids)
                )
        except TimeoutError:
            return False
        finally:
            PERMIT.reset(permit)
        return any(reached)

    async def _write(self, admin: int, text: str) -> bool:
        try:
            await self._bot.send_message(admin, text)
        except (TelegramRetryAfter, *UNREACHABLE) as error:
            logger.warning("Admin %s could not be told: %s", admin, type(error).__name__)
            return False
        except TelegramAPIError as error:
            # They must write to the bot first; to try again would change nothing
            logger.warning("Admin %s cannot be told: %s", admin, reason(error))
        return True
