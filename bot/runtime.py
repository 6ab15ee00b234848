"""The runtime: the clients and the engine of a running bot, and the entrance for updates."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiogram import Bot
from aiogram.dispatcher.event.bases import UNHANDLED
from aiogram.exceptions import AiogramError
from aiogram.types import Update, User
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from bot.dispatcher import dispatcher
from bot.gemini import Gemini, open_gemini
from bot.incoming.parsing import kind_of, parse_update
from bot.logs.errors import log_error
from bot.logs.update_log import Outcome, Trace, tracing
from bot.operator.alerts import Alerts
from bot.settings import EVERYONE, Settings
from bot.startup.garbage_collector import freeze_imports
from bot.telegram.client import PERMIT, open_bot
from bot.telegram.identity import Identity
from bot.tools import Toolbox, open_toolbox
from bot.updates.claims import Claim, Claims, open_claims
from bot.updates.errors import RetryLater
from bot.updates.schema_gate import Schema
from db.engine import new_sessions, open_engine
from db.errors import DatabaseUnavailable, unavailable

INTRODUCTION_TIMEOUT = 3.0  # seconds

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Runtime:
    """The clients and the engine of one running bot."""

    settings: Settings
    bot: Bot
    identity: Identity
    gemini: Gemini
    toolbox: Toolbox
    sessions: async_sessionmaker[AsyncSession]
    claims: Claims
    schema: Schema
    alerts: Alerts
    slots: asyncio.Semaphore  # for updates in progress

    async def who_am_i(self) -> User | None:
        """Return the bot's own user; None if Telegram does not answer within 3 seconds."""
        try:
            async with asyncio.timeout(INTRODUCTION_TIMEOUT):
                return await self.identity.me()
        except (AiogramError, TimeoutError) as error:
            logger.warning("Telegram did not tell the bot's name: %s", type(error).__name__)
            return None

    async def feed(
        self, raw: dict[str, Any], previous: asyncio.Future[bool] | None = None
    ) -> bool:
        """Handle one raw update to its end; return False if it needs no handling.

        An update that holds its chat waits for `previous` first. Raise RetryLater if the same
        update must be sent again. Every other outcome is final and logged.
        """
        trace = Trace(raw["update_id"], kind_of(raw))
        try:
            with tracing(trace):
                update = parse_update(raw, trace, self.bot)
                if update is not None:
                    await self._handle(update, trace, previous)
        except RetryLater:
            await self.alerts.learn(trace)
            raise
        await self.alerts.learn(trace)
        return trace.outcome not in {Outcome.NOT_HANDLED, Outcome.MALFORMED}

    async def _handle(
        self, update: Update, trace: Trace, previous: asyncio.Future[bool] | None
    ) -> None:
        permit = PERMIT.set(None)
        try:
            async with self.claims.open(update.update_id, previous) as claim:
                await self.schema.ensure()
                await self._dispatch(update, claim, trace)
        except RetryLater as error:
            trace.end(Outcome.DELAYED, str(error), error)
            if unavailable(error):
                self.schema.doubt()
            raise
        except asyncio.CancelledError:
            trace.end(Outcome.CANCELLED)
            raise
        except (DatabaseUnavailable, SQLAlchemyError) as error:  # the answer was sent
            log_error(logger, "Update %s is not marked as done", update.update_id, error=error)
            trace.end(Outcome.NOT_STORED, error=error)
        finally:
            PERMIT.reset(permit)

    async def _dispatch(self, update: Update, claim: Claim, trace: Trace) -> None:
        try:
            result = await dispatcher.feed_update(
                self.bot,
                update,
                settings=self.settings,
                identity=self.identity,
                gemini=self.gemini,
                toolbox=self.toolbox,
                sessions=self.sessions,
                claim=claim,
                trace=trace,
            )
        except RetryLater:
            raise
        except Exception as error:  # noqa: BLE001 - it would fail again and block its chat
            log_error(logger, "Update %s failed", update.update_id, error=error)
            trace.end(Outcome.FAILED, error=error)
        else:
            if result is not UNHANDLED:
                trace.end_well()


@asynccontextmanager
async def open_runtime(settings: Settings) -> AsyncGenerator[Runtime]:
    """Open everything that updates need in the running loop; close it in reverse.

    The bot starts even if the database cannot be reached: updates wait for it.
    """
    if settings.open_to_everyone:
        logger.warning("%s", EVERYONE)
    freeze_imports("the bot's import")
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(open_engine(settings.database_url))
        sessions = new_sessions(engine)
        bot = await stack.enter_async_context(open_bot(settings))
        gemini = await stack.enter_async_context(open_gemini(settings))
        claims = open_claims(sessions, settings.answer_timeout)
        runtime = Runtime(
            settings=settings,
            bot=bot,
            identity=Identity(bot),
            gemini=gemini,
            toolbox=await stack.enter_async_context(open_toolbox(settings)),
            sessions=sessions,
            claims=await stack.enter_async_context(claims),
            schema=Schema(engine, settings.database_url, may_migrate=not settings.serverless),
            alerts=Alerts(settings, bot, gemini, sessions),
            slots=asyncio.Semaphore(settings.max_concurrent_updates),
        )
        try:
            await runtime.schema.ensure()
        except RetryLater as error:
            logger.error("The bot starts, but cannot answer yet: %s", error)  # noqa: TRY400 - said
        yield runtime
