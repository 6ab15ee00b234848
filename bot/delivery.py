"""One update's way from its claim to its end: once, and one at a time in its chat."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar
from uuid import uuid4

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from bot.errors import RetryLater
from db import access, updates
from db.engine import DatabaseUnavailable, single_statement, transaction

WAIT_TIMEOUT = 50.0  # seconds for others who work on the update or its chat; Telegram waits 60
HEARTBEATS = 3  # in the time of a lease
GLANCE = 1.0  # seconds between two looks at whether a stop was asked for
MARGIN = 1 / 6  # of a lease: so much of it must be left before a message is sent
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0  # seconds between two tries to claim
FINISH_TIMEOUT = 10.0  # seconds for one try to store
CLOSING_TIME = 2.0  # seconds of an update's time that are kept for its end
RELEASE_TIMEOUT = 2.0  # seconds; a lease that is not given back ends by itself
RETRY_AFTER = 1.0  # seconds
PURGE_INTERVAL = 600.0  # seconds

T = TypeVar("T")
Statement = Callable[[AsyncSession], Awaitable[T]]

logger = logging.getLogger(__name__)


class LeaseLost(RetryLater):
    """Say that another process has taken over: whatever is left to do is its business."""

    def __init__(self) -> None:
        super().__init__("Another process has taken over", RETRY_AFTER)


class Delivery:
    """Hold the claim on one update while it is handled.

    `deadline`, in the running loop's time, ends the sending; `progress` is what an earlier try
    left; `stopped` is set when somebody asks to stop; `counted` says whether the update counts
    for the rate limits.
    """

    def __init__(
        self, deliveries: "Deliveries", update_id: int, turn: asyncio.Future[Any] | None
    ) -> None:
        self.claim = updates.Held(update_id, owner=uuid4().hex)
        self.progress: dict[str, Any] | None = None
        self.stopped = asyncio.Event()
        self.counted = False
        self.deadline = 0.0
        self.scope = asyncio.timeout(WAIT_TIMEOUT)
        self.lost = False
        self._deliveries = deliveries
        self._turn = turn
        self._held_until = 0.0  # by the wall clock: the others stand still in a frozen instance

    async def begin(self, chat_id: int | None, *, holds_chat: bool) -> bool:
        """Claim the update, and with it the chat; return False where it was done before.

        Wait for its turn in this process, then for those who hold it or the chat, at most 50
        seconds: after them RetryLater is raised. From then on there is the answer's timeout.
        """
        holds_chat = holds_chat and chat_id is not None
        if holds_chat and self._turn:
            self.scope.reschedule(None)
            await asyncio.wait({self._turn})
        self._schedule(WAIT_TIMEOUT)
        wish = updates.Wish(*self.claim, chat_id, holds_chat)
        pause = FIRST_PAUSE
        while not await self._claim(wish):
            if await self._run(lambda session: updates.look(session, wish)) is updates.State.DONE:
                return False
            await asyncio.sleep(pause)
            pause = min(1.5 * pause, LONGEST_PAUSE)
        self.deadline = self._schedule(self._deliveries.answer_timeout) - CLOSING_TIME
        return True

    async def hold(self) -> None:
        """Make sure that the claim still holds; raise LeaseLost where it does not.

        To be called right before each message: who was frozen may have been taken over.
        """
        if time.time() > self._held_until - MARGIN * updates.LEASE:
            await self._deliveries.renew([self])
        if self.lost:
            raise LeaseLost

    async def fence(self, session: AsyncSession) -> None:
        """Renew the claim in a transaction that changes something; LeaseLost ends it."""
        if not await updates.renew(session, [self.claim]):
            raise LeaseLost

    async def save(self, progress: dict[str, Any]) -> None:
        """Keep what the next try needs in order to go on, should this one end here."""
        if not await self._run(
            lambda session: updates.save_progress(session, self.claim, progress)
        ):
            raise LeaseLost

    async def finish(self, session: AsyncSession, store: Statement[None] | None = None) -> None:
        """Mark the update as done, and `store` what came of it in the same transaction.

        People have read the answer by now: a database that cannot be reached is tried until the
        deadline. Raise LeaseLost where another process has taken over; nothing is stored then.
        """
        loop, pause = asyncio.get_running_loop(), FIRST_PAUSE
        while True:
            left = max(self.deadline - loop.time(), CLOSING_TIME / 2)
            try:
                async with asyncio.timeout(min(left, FINISH_TIMEOUT)):
                    return await self._finish(session, store)
            except (DatabaseUnavailable, TimeoutError) as error:
                if self.deadline < loop.time() + pause:
                    raise DatabaseUnavailable(error) from error
                logger.warning("Update %s is answered, not stored yet", self.claim.update_id)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def close(self, *, done: bool) -> None:
        """Bring the claim, where there still is one, to its end: done, or given back."""
        if self.claim not in self._deliveries.claimed:
            return
        try:
            if done:
                async with self._deliveries.sessions() as session:
                    await self.finish(session)
            else:
                await self._release()
        finally:
            self._deliveries.claimed.pop(self.claim, None)

    def renewed(self, asked: float, *, stop: bool) -> None:
        """Note that the lease was renewed by a statement sent at `asked`, a time of the day."""
        self._held_until = asked + updates.LEASE
        if stop:
            self.stopped.set()

    def lose(self) -> None:
        """End the work: another process has taken over."""
        self.lost = True
        with suppress(RuntimeError):  # it has just ended by itself
            self._schedule(0)

    async def _claim(self, wish: updates.Wish) -> bool:
        asked = time.time()
        claim = await self._run(lambda session: updates.claim(session, wish))
        if claim is None:
            return False
        self.progress = claim.progress
        self.renewed(asked, stop=False)
        self._deliveries.claimed[self.claim] = self
        if claim.attempt > 1:
            logger.info("Update %s: try %d", self.claim.update_id, claim.attempt)
        return True

    async def _finish(self, session: AsyncSession, store: Statement[None] | None) -> None:
        async with transaction(session):
            if await updates.finish(session, self.claim, counted=self.counted):
                if store:
                    await store(session)
            elif not await updates.is_done_by(session, self.claim):
                self.lost = True
                raise LeaseLost
        self._deliveries.claimed.pop(self.claim, None)

    async def _release(self) -> None:
        with suppress(DatabaseUnavailable, SQLAlchemyError, TimeoutError):
            async with asyncio.timeout(RELEASE_TIMEOUT):
                await self._run(lambda session: updates.release(session, self.claim))

    async def _run(self, statement: Statement[T]) -> T:
        async with self._deliveries.sessions() as session, single_statement(session):
            return await statement(session)

    def _schedule(self, seconds: float) -> float:
        when = asyncio.get_running_loop().time() + seconds
        self.scope.reschedule(when)
        return when


class Deliveries:
    """Keep the claims of one running bot: one heartbeat renews all their leases."""

    def __init__(self, sessions: async_sessionmaker[AsyncSession], answer_timeout: float) -> None:
        self.sessions = sessions
        self.answer_timeout = answer_timeout
        self.claimed: dict[updates.Held, Delivery] = {}

    @asynccontextmanager
    async def open(
        self, update_id: int, turn: asyncio.Future[Any] | None = None
    ) -> AsyncGenerator[Delivery]:
        """Open what an update needs to be claimed, and bring the claim to its end.

        It is done when the block ends, and given back when the block raises. `turn` is awaited
        before an update that holds its chat. Raise RetryLater where it must come again.
        """
        delivery = Delivery(self, update_id, turn)
        done = False
        try:
            async with delivery.scope:
                yield delivery
                done = True
        except TimeoutError:
            if delivery.lost:
                raise LeaseLost from None
            raise RetryLater("It took too long", RETRY_AFTER) from None
        finally:
            await delivery.close(done=done)

    async def renew(self, deliveries: Iterable[Delivery]) -> None:
        """Renew leases; end the work of those that are lost."""
        asked = time.time()
        claims = {delivery.claim: delivery for delivery in deliveries}
        async with self.sessions() as session, single_statement(session):
            held = await updates.renew(session, claims)
        for claim, delivery in claims.items():
            if claim.owner in held:
                delivery.renewed(asked, stop=held[claim.owner])
            elif self.claimed.pop(claim, None):  # else it was done meanwhile
                delivery.lose()

    async def beat(self) -> None:
        """Renew the leases for ever, tell those whom somebody asks to stop, and tidy up."""
        renewed, purged = time.time(), 0.0
        while True:
            await asyncio.sleep(GLANCE)
            if not self.claimed:
                continue
            try:
                if abs(time.time() - renewed) > updates.LEASE / HEARTBEATS:
                    renewed = time.time()
                    await self.renew(list(self.claimed.values()))
                else:
                    await self._glance()
                if abs(time.time() - purged) > PURGE_INTERVAL:
                    purged = time.time()
                    await self._purge()
            except (DatabaseUnavailable, SQLAlchemyError) as error:
                # No message is sent once the lease is over, see Delivery.hold
                logger.warning("The leases could not be renewed: %s", type(error).__name__)

    async def _purge(self) -> None:
        async with self.sessions() as session, single_statement(session):
            await updates.purge(session)
            await access.purge_strangers(session)

    async def _glance(self) -> None:
        claims = dict(self.claimed)
        async with self.sessions() as session, single_statement(session):
            stopped = await updates.asked_to_stop(session, claims)
        for claim, delivery in claims.items():
            if claim.owner in stopped:
                delivery.stopped.set()


@asynccontextmanager
async def open_deliveries(
    sessions: async_sessionmaker[AsyncSession], answer_timeout: float
) -> AsyncGenerator[Deliveries]:
    """Open the claims of one running bot, with their heartbeat in the running loop."""
    deliveries = Deliveries(sessions, answer_timeout)
    heartbeat = asyncio.create_task(deliveries.beat())
    try:
        yield deliveries
    finally:
        heartbeat.cancel()
        await asyncio.wait({heartbeat})
