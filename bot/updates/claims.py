"""One update's way from its claim to its end: once, and one at a time in its chat."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar
from uuid import uuid4

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from bot.logs.configure import origin
from bot.updates.errors import RetryLater
from bot.updates.sender import Visitor
from db import access, group_quota, updates
from db.engine import DatabaseUnavailable, single_statement, transaction, truncate_log
from db.exchanges import NewExchange, add_exchange, finish_with
from db.senders import Known, Limits, wait_behind

WAIT_TIMEOUT = 50.0  # seconds for others who work on the update or its chat; Telegram waits 60
HEARTBEATS = 3  # in the time of a lease
GLANCE = 1.0  # seconds between two looks at whether a stop was asked for
MARGIN = 1 / 6  # of a lease: so much of it must be left before a message is sent
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0  # seconds between two tries to claim
FINISH_TIMEOUT = 10.0  # seconds for one try to store
CLOSING_TIME = 2.0  # seconds of an update's time that are kept for its end
RELEASE_TIMEOUT = 2.0  # seconds; a lease that is not given back ends by itself
PLACE_TIMEOUT = 2.0  # seconds; but who waits for a writer of SQLite cannot be called off
RETRY_AFTER = 1.0  # seconds
PURGE_INTERVAL = 600.0  # seconds
REMEMBERED = 1000  # updates, while the database cannot be told
MARKED_AT_ONCE = 100

T = TypeVar("T")
Statement = Callable[[AsyncSession], Awaitable[T]]
Store = NewExchange | Statement[None]

logger = logging.getLogger(__name__)


def _pages(progress: dict[str, Any] | None) -> int:
    return len((progress or {}).get("ids", ()))


class LeaseLost(RetryLater):
    """Say that another process has taken over: whatever is left to do is its business."""

    def __init__(self) -> None:
        super().__init__("Another process has taken over", RETRY_AFTER)


class Delivery:
    """Hold the claim on one update while it is handled.

    `deadline`, in the running loop's time, ends the sending; `progress` is what an earlier try
    left, `attempt` how many broke off without a word, this one included; `known` is of who sent
    it; `stopped` is set when somebody asks to stop; `counted` says whether the update counts for
    the rate limits, and `left` what is kept of it when it is done.
    """

    def __init__(
        self, deliveries: "Deliveries", update_id: int, previous: asyncio.Future[bool] | None
    ) -> None:
        self.claim = updates.Held(update_id, owner=uuid4().hex)
        self.attempt = 0
        self.progress: dict[str, Any] | None = None
        self.known = Known()
        self.stopped = asyncio.Event()
        self.counted = False
        self.left: dict[str, Any] | None = None
        self.deadline = 0.0
        self.scope = asyncio.timeout(WAIT_TIMEOUT)
        self.lost = False
        self._deliveries = deliveries
        self._previous = previous
        self._held_until = 0.0  # by the wall clock: the others stand still in a frozen instance
        self._is_ours = False  # as far as we know: of a broken connection nobody does
        self._is_answered = False
        self._store: Store | None = None

    async def begin(
        self, session: AsyncSession, visitor: Visitor | None, limits: Limits, *, holds_chat: bool
    ) -> bool:
        """Claim the update, and with it the chat; return False where it was done before.

        What is `known` of the visitor is found on the way, those limits included.

        Wait for its turn in this process, then for those who hold it or the chat, at most 50
        seconds: after them RetryLater is raised. From then on there is the answer's timeout.
        """
        if self.claim.update_id in self._deliveries.answered:
            return False
        chat_id, person_id = (visitor.chat_id, visitor.person_id) if visitor else (None, None)
        holds_chat = holds_chat and chat_id is not None
        if holds_chat and self._previous:
            self.scope.reschedule(None)
            await asyncio.wait({self._previous})
            if self._previous.cancelled() or not self._previous.result():
                raise RetryLater("The update before it is not done", RETRY_AFTER)
        self._schedule(WAIT_TIMEOUT)
        wish = updates.Wish(*self.claim, chat_id, person_id, holds_chat)
        pause = FIRST_PAUSE
        while not await self._claim(session, wish, limits):
            if await self._run(lambda session: updates.look(session, wish)) is updates.State.DONE:
                return False
            await asyncio.sleep(pause)
            pause = min(1.5 * pause, LONGEST_PAUSE)
        await self._look_behind(wish, limits)
        self.deadline = self._schedule(self._deliveries.answer_timeout) - CLOSING_TIME
        return True

    @property
    def preview_id(self) -> int | None:
        """Return the message in which the answer grows, or grew in an earlier try."""
        return (self.progress or {}).get("preview")

    def time_left(self) -> float:
        """Return the seconds until the deadline."""
        return self.deadline - asyncio.get_running_loop().time()

    def due_in(self, wait: float) -> float:
        """Return the seconds that a question has to wait, 0 for none.

        What an earlier try began was let in then.
        """
        return 0.0 if self.progress else max(wait, 0.0)

    async def hold(self) -> None:
        """Make sure that the claim still holds; raise LeaseLost where it does not.

        To be called right before each message: who was frozen may have been taken over.
        """
        if time.time() > self._held_until - MARGIN * updates.LEASE:
            await self._deliveries.renew([self])
        if self.lost:
            raise LeaseLost

    async def take_place(self, chat_id: int, limit: int, minute: float) -> float | None:
        """Take a place in a group's minute; return 0, or the seconds until there is one.

        Fewer than `limit` may be taken by then. None where the database does not say.
        """
        try:
            async with asyncio.timeout(PLACE_TIMEOUT):
                return await self._run(
                    lambda session: group_quota.take_place(session, chat_id, limit, minute)
                )
        except (DatabaseUnavailable, SQLAlchemyError, TimeoutError) as error:
            kind = type(error).__name__
            logger.warning("Chat %s: this process counts a message alone: %s", chat_id, kind)
            return None

    async def fence(self, session: AsyncSession) -> None:
        """Renew the claim in a transaction that changes something; LeaseLost ends it."""
        if not await updates.renew(session, [self.claim]):
            raise LeaseLost

    async def save(self, **changes: Any) -> None:
        """Keep what the next try needs in order to go on, should this one end here."""
        self.progress = progress = (self.progress or {}) | changes
        try:
            is_saved = await self._run(
                lambda session: updates.save_progress(session, self.claim, progress)
            )
        except DatabaseUnavailable:
            _remember(self._deliveries.unsaved, self.claim.update_id, progress)
            raise
        self._deliveries.unsaved.pop(self.claim.update_id, None)
        if not is_saved:
            raise LeaseLost

    async def finish(self, session: AsyncSession, store: Store | None = None) -> None:
        """Mark the update as done, and `store` what came of it in the same transaction.

        People have read the answer by now: a database that cannot be reached is tried until the
        deadline. Raise LeaseLost where another process has taken over; nothing is stored then.
        """
        self._is_answered, self._store = True, store
        self._deliveries.answered[self.claim.update_id] = None
        pause = FIRST_PAUSE
        while True:
            limit = max(self.time_left(), CLOSING_TIME / 2)
            try:
                async with asyncio.timeout(min(limit, FINISH_TIMEOUT)):
                    return await self._finish(session)
            except (DatabaseUnavailable, TimeoutError) as error:
                if self.time_left() < pause:
                    self._store = None  # that it is done may still be stored
                    raise DatabaseUnavailable(error) from error
                logger.warning("Update %s is answered, not stored yet", self.claim.update_id)
            except SQLAlchemyError:  # it will not be stored; that it is done may be
                self._store = None
                raise
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def close(self, *, done: bool) -> None:
        """Bring the claim, where there still is one, to its end: done, or given back."""
        if not self._is_ours:
            return
        try:
            if done:
                async with self._deliveries.sessions() as session:
                    await self.finish(session, self._store)
        finally:
            self._deliveries.claimed.pop(self.claim, None)
            try:
                if self._is_ours:
                    await self._give_up()
            finally:
                if self._is_ours and self._is_answered:
                    _remember(self._deliveries.answered, self.claim.update_id, self.claim)

    def renewed(self, asked: float, *, stop: bool) -> None:
        """Note that the lease was renewed by a statement sent at `asked`, a time of the day."""
        self._held_until = asked + updates.LEASE
        if stop:
            self.stopped.set()

    def lose(self) -> None:
        """End the work: another process has taken over."""
        if self._is_answered:
            return  # to finish finds out by itself
        self.lost = True
        with suppress(RuntimeError):  # it has just ended by itself
            self._schedule(0)

    async def _claim(self, session: AsyncSession, wish: updates.Wish, limits: Limits) -> bool:
        asked = time.time()
        self._is_ours = True
        claim = await updates.claim(session, wish, limits)
        if claim is None:
            self._is_ours = False
            return False
        self.attempt, self.known = claim.attempt, claim.known
        unsaved = self._deliveries.unsaved.get(wish.update_id)
        # Another process may have gone on since
        is_ahead = unsaved is not None and _pages(unsaved) >= _pages(claim.progress)
        self.progress = unsaved if is_ahead else claim.progress
        self.renewed(asked, stop=False)
        self._deliveries.claimed[self.claim] = self
        if claim.attempt > 1:
            logger.info("Update %s: try %d", self.claim.update_id, claim.attempt)
        return True

    async def _look_behind(self, wish: updates.Wish, limits: Limits) -> None:
        """Let a question wait for those that its person asks in other chats at the same moment."""
        update_id, person_id = wish.update_id, wish.person_id
        if not limits or person_id is None or person_id == wish.chat_id:
            return
        wait = await self._run(
            lambda session: wait_behind(session, update_id, None, person_id, limits)
        )
        self.known = self.known._replace(wait=max(self.known.wait, wait))

    async def _finish(self, session: AsyncSession) -> None:
        store, counted, left = self._store, self.counted, self.left
        if not (
            isinstance(store, NewExchange)
            and await finish_with(session, store, self.claim, counted=counted, left=left)
        ):
            await self._finish_in_steps(session)
        self._is_ours = False
        self._deliveries.settle(self.claim)

    async def _finish_in_steps(self, session: AsyncSession) -> None:
        async with transaction(session):
            if not await updates.finish(session, self.claim, counted=self.counted, left=self.left):
                if await updates.is_done_by(session, self.claim):
                    return
                self.lost, self._is_ours = True, False
                self._deliveries.settle(self.claim)
                raise LeaseLost
            if isinstance(self._store, NewExchange):
                await add_exchange(session, self._store)
            elif self._store:
                await self._store(session)

    async def _give_up(self) -> None:
        """Give the update back unless its answer was read; soon: the process may be ending."""
        with suppress(DatabaseUnavailable, SQLAlchemyError, TimeoutError, LeaseLost):
            async with asyncio.timeout(RELEASE_TIMEOUT):
                if self._is_answered:
                    async with self._deliveries.sessions() as session:
                        await self._finish(session)
                else:
                    await self._run(lambda session: updates.release(session, self.claim))

    async def _run(self, statement: Statement[T]) -> T:
        async with self._deliveries.sessions() as session, single_statement(session):
            return await statement(session)

    def _schedule(self, seconds: float) -> float:
        when = asyncio.get_running_loop().time() + seconds
        self.scope.reschedule(when)
        return when


class Deliveries:
    """Keep the claims of one running bot: one heartbeat renews all their leases.

    While the database cannot be told, it knows which updates are `answered`, each with its claim
    once that is given up, and what is `unsaved` of the progress of others.
    """

    def __init__(self, sessions: async_sessionmaker[AsyncSession], answer_timeout: float) -> None:
        self.sessions = sessions
        self.answer_timeout = answer_timeout
        self.claimed: dict[updates.Held, Delivery] = {}
        self.answered: dict[int, updates.Held | None] = {}
        self.unsaved: dict[int, dict[str, Any]] = {}
        self._renewed = time.time()
        self._purged = 0.0

    @asynccontextmanager
    async def open(
        self, update_id: int, previous: asyncio.Future[bool] | None = None
    ) -> AsyncGenerator[Delivery]:
        """Open what an update needs to be claimed, and bring the claim to its end.

        It is done when the block ends, and given back when the block raises. `previous` is awaited
        before an update that holds its chat. Raise RetryLater where it must come again.
        """
        delivery = Delivery(self, update_id, previous)
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

    def settle(self, claim: updates.Held) -> None:
        """Forget a claim that the database knows to be over."""
        self.claimed.pop(claim, None)
        self.answered.pop(claim.update_id, None)
        self.unsaved.pop(claim.update_id, None)

    async def beat(self) -> None:
        """Renew the leases for ever, tell those whom somebody asks to stop, and tidy up."""
        async with asyncio.TaskGroup() as tidying:  # beside the leases, which must not wait for it
            while True:
                await asyncio.sleep(GLANCE)
                await self._beat_once()
                if abs(time.time() - self._purged) > PURGE_INTERVAL:
                    self._purged = time.time()
                    tidying.create_task(self._purge())

    async def _beat_once(self) -> None:
        try:
            if left := list(filter(None, self.answered.values())):
                await self._mark_as_done(left[:MARKED_AT_ONCE])
            if self.claimed:
                await self._look_after()
        except DatabaseUnavailable as error:
            logger.warning("The leases could not be renewed: %s", error)
        except Exception as error:  # noqa: BLE001 - whatever it was, the next beat must come
            # No message is sent once the lease is over, see Delivery.hold
            logger.warning("A heartbeat failed: %s", origin(error))

    async def _mark_as_done(self, claims: Sequence[updates.Held]) -> None:
        async with self.sessions() as session, single_statement(session):
            await updates.mark_done(session, claims)
        for claim in claims:
            self.settle(claim)

    async def _look_after(self) -> None:
        if abs(time.time() - self._renewed) > updates.LEASE / HEARTBEATS:
            await self.renew(list(self.claimed.values()))
            self._renewed = time.time()
        else:
            await self._glance()

    async def _purge(self) -> None:
        """Delete what is over, a part of it at a time, as long as a statement may take."""
        try:
            async with self.sessions() as session, single_statement(session):
                await access.purge_strangers(session)
                purged = await updates.purge(session), await group_quota.purge(session)
                if updates.PURGED_AT_ONCE in purged:
                    self._purged = 0.0  # the rest at the next beat
            async with self.sessions() as session:
                await truncate_log(session)
        except Exception as error:  # noqa: BLE001 - the leases are renewed beside it
            logger.warning("What is over is left for later: %s", type(error).__name__)

    async def _glance(self) -> None:
        claims = dict(self.claimed)
        async with self.sessions() as session, single_statement(session):
            stopped = await updates.asked_to_stop(session, claims)
        for claim, delivery in claims.items():
            if claim.owner in stopped:
                delivery.stopped.set()


def _remember(memory: dict[int, T], update_id: int, value: T) -> None:
    """Remember something of an update, and of all others the latest."""
    memory[update_id] = value
    if len(memory) > REMEMBERED:
        del memory[next(iter(memory))]


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
