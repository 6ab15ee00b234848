"""The backlog: updates that Telegram will not send again, stored until they are done."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, TypeVar

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from bot.logs.errors import log_error
from bot.runtime import Runtime
from bot.updates.errors import RetryLater
from db import updates
from db.errors import DatabaseUnavailable, unavailable
from db.transactions import single_statement

GRACE = 20  # seconds for the answers in progress when the bot is stopped
RESUME_TIMEOUT = 3  # seconds
TRIED_FOR = 24 * 3600  # seconds, as long as Telegram itself would retry
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds between two attempts

T = TypeVar("T")
RawUpdate = dict[str, Any]

logger = logging.getLogger(__name__)


class Backlog:
    """Stored updates, answered in order within a chat and concurrently across chats."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._in_work: set[asyncio.Task[bool]] = set()
        self._last_of_chat: dict[int | None, asyncio.Task[bool]] = {}
        self._stopping = asyncio.Event()

    async def resume(self) -> None:
        """Start the updates that an earlier process left undone."""
        left = await self._insist(updates.left_over)
        if left:
            logger.info("Resuming %d updates", len(left))
        for payload in left:
            self._start(json.loads(payload))

    async def take(self, raw_updates: Sequence[RawUpdate]) -> None:
        """Store updates, then start them; once this returns they may be confirmed.

        Wait while the maximum number of updates is in progress.
        """
        if not raw_updates:
            return
        payloads = {update["update_id"]: json.dumps(update) for update in raw_updates}
        await self._insist(partial(updates.keep, payloads=payloads))
        for update in raw_updates:
            self._start(update)
        while len(self._in_work) >= self._runtime.settings.max_concurrent_updates:
            await asyncio.wait(self._in_work, return_when=asyncio.FIRST_COMPLETED)

    def previous_of(self, update: RawUpdate) -> asyncio.Future[bool] | None:
        """Return a failed predecessor for a new update of a chat with older ones in work."""
        chat_id = _chat_id(update)
        if chat_id is None or chat_id not in self._last_of_chat:
            return None
        refused = asyncio.get_running_loop().create_future()
        refused.set_result(False)
        return refused

    async def finish(self) -> None:
        """Wait at most 20 seconds for answers in progress; the next start resumes the rest."""
        self._stopping.set()
        if not self._in_work:
            return
        logger.info("Finishing %d updates", len(self._in_work))
        _, unfinished = await asyncio.wait(self._in_work, timeout=GRACE)
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)

    def _start(self, update: RawUpdate) -> None:
        chat_id = _chat_id(update)
        task = asyncio.create_task(self._handle(update, self._last_of_chat.get(chat_id)))
        self._in_work.add(task)
        self._last_of_chat[chat_id] = task

        def forget(task: asyncio.Task[bool]) -> None:
            self._in_work.discard(task)
            if self._last_of_chat.get(chat_id) is task:
                del self._last_of_chat[chat_id]

        task.add_done_callback(forget)

    async def _handle(self, update: RawUpdate, previous: asyncio.Task[bool] | None) -> bool:
        """Handle an update, with retries; finish after the earlier updates of its chat.

        Return whether it is done: if not, it and the later ones are left for the next start.
        """
        pause, give_up_at = FIRST_PAUSE, asyncio.get_running_loop().time() + TRIED_FOR
        while (wait := await self._feed(update, previous)) is not None:
            if asyncio.get_running_loop().time() > give_up_at:
                logger.error("Giving up on update %s", update["update_id"])
                with suppress(DatabaseUnavailable, SQLAlchemyError):
                    await self._drop(update["update_id"])
                break
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), max(pause, wait))
                return False
            pause = min(2 * pause, LONGEST_PAUSE)
        if previous:
            await asyncio.wait({previous})
            return not previous.cancelled() and previous.result()
        return True

    async def _feed(self, update: RawUpdate, previous: asyncio.Task[bool] | None) -> float | None:
        """Feed the runtime; return the seconds to wait before a retry, None if it is done."""
        update_id = update["update_id"]
        try:
            if not await self._runtime.feed(update, previous):
                await self._drop(update_id)
        except RetryLater as error:
            return error.retry_after
        except Exception as error:  # noqa: BLE001 - later updates wait for it
            log_error(logger, "Update %s failed and stays stored", update_id, error=error)
        return None

    async def _drop(self, update_id: int) -> None:
        await self._run(partial(updates.drop, update_id=update_id))

    async def _insist(self, statement: Callable[[AsyncSession], Awaitable[T]]) -> T:
        """Run a statement, retrying until the database can be reached."""
        pause, has_failed = FIRST_PAUSE, False
        while True:
            try:
                await self._runtime.schema.ensure()
                result = await self._run(statement)
            except (DatabaseUnavailable, RetryLater) as error:
                logger.warning("%s; trying again in %.0f s", error, pause)
                has_failed = True
                if cause := unavailable(error):
                    self._runtime.schema.doubt()
                    await self._runtime.alerts.database_fails(cause)
            else:
                if has_failed:
                    await self._runtime.alerts.database_works()
                return result
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _run(self, statement: Callable[[AsyncSession], Awaitable[T]]) -> T:
        async with self._runtime.sessions() as session, single_statement(session):
            return await statement(session)


@asynccontextmanager
async def open_backlog(runtime: Runtime) -> AsyncGenerator[Backlog]:
    """Resume stored updates while the block runs; finish the answers in progress at its end.

    The block starts once the stored updates are loaded, or after 3 seconds.
    """
    backlog = Backlog(runtime)
    resuming = asyncio.create_task(backlog.resume())
    try:
        await asyncio.wait({resuming}, timeout=RESUME_TIMEOUT)
        yield backlog
    finally:
        resuming.cancel()
        await asyncio.wait({resuming})
        await backlog.finish()


def _chat_id(update: RawUpdate) -> int | None:
    """Return the id of an update's chat, if it has one."""
    for event in update.values():
        match event:
            case {"chat": {"id": int(chat_id)}} | {"message": {"chat": {"id": int(chat_id)}}}:
                return chat_id
    return None
