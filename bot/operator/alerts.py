"""The admins are told when answers begin to fail, once, and once more when it is over."""

import asyncio
import logging
import time
from enum import StrEnum

from aiogram import Bot
from aiogram.exceptions import TelegramAPIError, TelegramRetryAfter
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from bot import texts
from bot.gemini import Gemini, GeminiError, Kind, Trait
from bot.logs.configure import origin
from bot.logs.update_log import Outcome, Trace
from bot.operator.problems import answers_fail, database_unreachable
from bot.settings import Settings
from bot.telegram.client import PERMIT, UNREACHABLE, reason
from db.alerts import end_alerts, note_told, raise_alert, take_back
from db.engine import DatabaseUnavailable, single_statement, unavailable

TELLING_TIME = 8.0  # seconds to reach an admin
RECHECK = 60.0  # seconds after which other instances may know better
SETTLED = 60.0  # seconds that trouble lasts at least: what comes and goes is told once a minute
PATIENCE = 10.0  # seconds; a database that is back before that was only restarted
CONNECTED = 120.0  # seconds; failures of the database that are further apart are two
MANY = 5  # failures in a row, of a kind that may pass by itself

logger = logging.getLogger(__name__)


class Trouble(StrEnum):
    """What keeps the bot from answering."""

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
    """Learn from every update whether answers fail, and tell the admins.

    Of what has to do with answers the database knows whether it was told: one instance tells for
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
        self._in_a_row = 0  # failed answers
        self._known: dict[Trouble, float] = {}  # since when this instance knows that it was told
        self._asked = 0.0  # when this instance asked last whether something is over
        self._down_since = self._down_last = 0.0
        self._down_told = self._refuses = False

    async def learn(self, trace: Trace) -> None:
        """Tell what an update shows; nothing that fails in here harms the update."""
        if not self._settings.admin_user_ids:
            return
        try:
            await self._learn(trace)
        except DatabaseUnavailable as error:
            await self.database_fails(error)
        except Exception as error:  # noqa: BLE001 - the update was handled, whatever this is
            logger.error("The admins could not be told: %s", origin(error))  # noqa: TRY400 - without the error's text

    async def database_fails(self, error: DatabaseUnavailable) -> None:
        """Tell that the database cannot be reached, when that has lasted for a while."""
        now = time.time()
        if now - self._down_last > CONNECTED:
            self._down_since = now
        self._down_last, self._refuses = now, error.refuses
        if self._down_told or now - self._down_since < PATIENCE:
            return
        self._down_told = True  # at once: many updates fail together
        problem = database_unreachable(error, self._settings)
        self._down_told = await self._tell(texts.trouble(str(problem)))

    async def database_works(self) -> None:
        """Tell that the database can be reached again, where it was told that it cannot."""
        since, told = self._down_since, self._down_told
        self._down_last, self._down_told, self._refuses = 0.0, False, False
        if told:
            await self._tell(texts.trouble_over(time.time() - since))

    async def _learn(self, trace: Trace) -> None:
        if failure := unavailable(trace.error):
            await self.database_fails(failure)
            return
        # Where a table is missing, what needs another one works all the same
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
        """Tell the admins, and note that; where nobody could be told, the next failure may."""
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
        # What is known for longer another instance may have ended meanwhile
        self._known = {each: at for each, at in self._known.items() if now - at < RECHECK}
        async with self._sessions() as session, single_statement(session):
            over = await end_alerts(session, list(Trouble), SETTLED)
        for trouble in over:
            self._known.pop(Trouble(trouble), None)
        if over:
            await self._tell(texts.trouble_over(max(over.values())))

    async def _tell(self, text: str) -> bool:
        """Write to all admins at once; return whether a later try would reach nobody more."""
        permit = PERMIT.set(None)  # this is no answer to the update: its claim does not matter
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
            # They must write to the bot first; to try again would change nothing
            logger.warning("Admin %s cannot be told: %s", admin, reason(error))
        return True
