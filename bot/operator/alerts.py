"""Alerts for the admins: one message when answers begin to fail, and one when they work again."""

import asyncio
import logging
import time
from enum import StrEnum

from aiogram import Bot
from aiogram.exceptions import TelegramAPIError, TelegramRetryAfter
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from bot import texts
from bot.gemini import Gemini, GeminiError, Kind, Trait
from bot.logs.errors import log_error
from bot.logs.update_log import Outcome, Trace
from bot.operator.problems import answers_fail, database_unreachable
from bot.settings import Settings
from bot.telegram.client import PERMIT, UNREACHABLE, reason
from db.alerts import end_alerts, note_told, raise_alert, take_back
from db.errors import DatabaseUnavailable, unavailable
from db.transactions import single_statement

TELLING_TIME = 8.0  # seconds to send an alert to an admin
RECHECK = 60.0  # seconds after which other instances may have newer information
SETTLED = 60.0  # minimum seconds of trouble, so that flapping is reported once a minute
PATIENCE = 10.0  # seconds; a database that recovers sooner has only been restarted
CONNECTED = 120.0  # seconds; database failures further apart than this are separate ones
MANY = 5  # consecutive failures, of a kind that may pass by itself

logger = logging.getLogger(__name__)


class Trouble(StrEnum):
    """A reason why the bot cannot answer."""

    KEY = "key"
    QUOTA = "quota"
    MODEL = "model"
    COUNTRY = "country"
    CREDIT = "credit"
    NO_QUOTA = "no quota"
    GEMINI = "gemini"
    OTHER = "other"


_TROUBLES = {
    Kind.KEY_REFUSED: Trouble.KEY,
    Kind.QUOTA_EXHAUSTED: Trouble.QUOTA,
    Kind.MODEL_UNKNOWN: Trouble.MODEL,
    Kind.COUNTRY: Trouble.COUNTRY,
    Kind.UNPAID: Trouble.CREDIT,
    Kind.NO_QUOTA: Trouble.NO_QUOTA,
}


class Alerts:
    """The alerts to the admins, raised and ended by what each update shows.

    The database records which failures of answers have been reported, so that one instance reports
    for all. When the database itself is down, each instance reports what it finds.
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
        self._in_a_row = 0  # failed answers
        self._known: dict[Trouble, float] = {}  # when this instance learned they were reported
        self._asked = 0.0  # when this instance last asked whether any trouble has ended
        self._down_since = self._down_last = 0.0
        self._down_told = self._refuses = False

    async def learn(self, trace: Trace) -> None:
        """Report what an update shows; an error in here never harms the update."""
        if not self._settings.admin_user_ids:
            return
        try:
            await self._learn(trace)
        except DatabaseUnavailable as error:
            await self.database_fails(error)
        except Exception as error:  # noqa: BLE001 - the update has been handled by now
            log_error(logger, "The admins could not be told", error=error)

    async def database_fails(self, error: DatabaseUnavailable) -> None:
        """Report that the database cannot be reached, once that has lasted for a while."""
        now = time.time()
        if now - self._down_last > CONNECTED:
            self._down_since = now
        self._down_last, self._refuses = now, error.refuses
        if self._down_told or now - self._down_since < PATIENCE:
            return
        self._down_told = True  # set before sending: many updates fail at the same time
        problem = database_unreachable(error, self._settings)
        self._down_told = await self._tell(texts.trouble(str(problem)))

    async def database_works(self) -> None:
        """Report that the database can be reached again, if its failure was reported."""
        since, told = self._down_since, self._down_told
        self._down_last, self._down_told, self._refuses = 0.0, False, False
        if told:
            await self._tell(texts.trouble_over(time.time() - since))

    async def _learn(self, trace: Trace) -> None:
        if failure := unavailable(trace.error):
            await self.database_fails(failure)
            return
        # If one table is missing, queries on the others still succeed
        if trace.answered or (trace.database.seconds and not self._refuses):
            await self.database_works()
        if trace.error and trace.outcome in {Outcome.EXCUSED, Outcome.FAILED}:
            await self._fails(trace.error)
        elif trace.answered:
            await self._works()

    async def _fails(self, error: Exception) -> None:
        trouble = self._diagnose(error)
        if trouble is None or time.time() - self._known.get(trouble, 0.0) < RECHECK:
            return
        async with self._sessions() as session, single_statement(session):
            is_ours_to_tell = await raise_alert(session, trouble)
        self._known[trouble] = time.time()
        if is_ours_to_tell:
            await self._raise(trouble, texts.trouble(str(answers_fail(error, self._settings))))

    def _diagnose(self, error: Exception) -> Trouble | None:
        kind = error.kind if isinstance(error, GeminiError) else None
        if kind and Trait.OF_THE_QUESTION in kind.traits:
            return None
        self._in_a_row += 1
        if kind in _TROUBLES:
            return _TROUBLES[kind]
        if kind and self._gemini.is_down:
            return Trouble.GEMINI
        return Trouble.OTHER if self._in_a_row >= MANY else None

    async def _raise(self, trouble: Trouble, text: str) -> None:
        """Tell the admins and record it; if none was reached, the next failure tries again."""
        was_told = False
        try:
            was_told = await self._tell(text)
        finally:
            finish = note_told if was_told else take_back
            if not was_told:
                self._known.pop(trouble, None)
            async with self._sessions() as session, single_statement(session):
                await finish(session, trouble)

    async def _works(self) -> None:
        now, self._in_a_row = time.time(), 0
        if not self._known and now - self._asked < RECHECK:
            return
        self._asked = now
        # Another instance may have ended the older ones in the meantime
        self._known = {each: at for each, at in self._known.items() if now - at < RECHECK}
        async with self._sessions() as session, single_statement(session):
            over = await end_alerts(session, list(Trouble), SETTLED)
        for trouble in over:
            self._known.pop(Trouble(trouble), None)
        if over:
            await self._tell(texts.trouble_over(max(over.values())))

    async def _tell(self, text: str) -> bool:
        """Write to all admins at once; return False if none was reached and a retry may help."""
        permit = PERMIT.set(None)  # this does not answer the update, so its claim does not matter
        try:
            reached = await asyncio.gather(
                *(self._write(admin, text) for admin in self._settings.admin_user_ids)
            )
        finally:
            PERMIT.reset(permit)
        return any(reached)

    async def _write(self, admin: int, text: str) -> bool:
        try:
            async with asyncio.timeout(TELLING_TIME):
                await self._bot.send_message(admin, text)
        except (TelegramRetryAfter, TimeoutError, *UNREACHABLE) as error:
            logger.warning("Admin %s could not be told: %s", admin, type(error).__name__)
            return False
        except TelegramAPIError as error:
            # The admin must write to the bot first, so a retry would change nothing
            logger.warning("Admin %s cannot be told: %s", admin, reason(error))
        return True
