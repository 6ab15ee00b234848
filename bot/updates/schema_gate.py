"""The gate before the database: updates wait until its schema is current."""

import asyncio
import logging

from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncEngine

from bot.logs.errors import log_error
from bot.updates.errors import RetryLater
from db.errors import DatabaseUnavailable
from db.migrate import migrate
from db.schema import HEAD, is_newer, read_revision

RETRY_AFTER = 10  # seconds

logger = logging.getLogger(__name__)


class Schema:
    """The database's schema: checked before use, and migrated if that is allowed."""

    def __init__(self, engine: AsyncEngine, url: URL, *, may_migrate: bool) -> None:
        self._engine = engine
        self._url = url
        self._may_migrate = may_migrate
        self._is_ready = self._was_ready = self._has_failed = False
        self._checking = asyncio.Lock()

    async def ensure(self) -> None:
        """Return if the schema is current, migrating if need be; raise RetryLater if it is not."""
        if self._is_ready:
            return
        async with self._checking:
            if not self._is_ready:
                await self._check()
                self._is_ready = self._was_ready = True

    def doubt(self) -> None:
        """Check again before the next update: after a failure the database may be another one."""
        self._is_ready = False

    async def ping(self) -> None:
        """Raise RetryLater if the database does not answer."""
        try:
            await read_revision(self._engine)
        except DatabaseUnavailable as error:
            raise RetryLater("The database does not answer", RETRY_AFTER) from error

    async def _check(self) -> None:
        try:
            revision = await read_revision(self._engine)
            if revision == HEAD:
                return
            if is_newer(revision):
                logger.warning("The database is newer than this bot (revision %s)", revision)
                return
            await self._catch_up(revision)
        except DatabaseUnavailable as error:
            raise RetryLater(str(error), RETRY_AFTER) from error

    async def _catch_up(self, revision: str | None) -> None:
        if revision is None and self._was_ready:  # restoring a backup creates them
            raise RetryLater("The database's tables are gone", RETRY_AFTER)
        if not self._may_migrate:
            logger.error(
                "The database is at revision %s, this bot needs %s: run `alembic upgrade head`",
                revision,
                HEAD,
            )
            raise RetryLater("The database schema is behind", RETRY_AFTER)
        logger.info("Migrating the database from revision %s to %s", revision, HEAD)
        try:
            await migrate(self._url)
        except DatabaseUnavailable:
            raise
        except Exception as error:
            if not self._has_failed:  # each update tries again, but one log line is enough
                self._has_failed = True
                log_error(
                    logger, "The migration failed (`alembic upgrade head` says why)", error=error
                )
            raise RetryLater("The migration failed", RETRY_AFTER) from error
