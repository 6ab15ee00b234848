"""Claims on updates: each is handled once, and one at a time in its chat."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar
from uuid import uuid4

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from bot.logs.errors import origin
from bot.updates.errors import RetryLater
from bot.updates.sender import Sender
from db import access, group_quota, updates
from db.errors import DatabaseUnavailable
from db.exchanges import NewExchange, add_exchange, finish_with
from db.senders import Limits, SenderRecord, rate_limit_wait
from db.transactions import single_statement, transaction, truncate_log

WAIT_TIMEOUT = 50.0  # seconds for other owners of the update or its chat; Telegram waits 60
HEARTBEATS = 3  # in the time of a lease
POLL_INTERVAL = 1.0  # seconds between two checks for stop requests
MARGIN = 1 / 6  # of a lease: that much must be left when a message is sent
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0  # seconds between two attempts to claim
FINISH_TIMEOUT = 10.0  # seconds for one attempt to store
CLOSING_TIME = 2.0  # seconds of an update's time reserved for finishing it
STORING_TIMEOUT = 2.0  # seconds that a repetition waits for the answer to be stored
RELEASE_TIMEOUT = 2.0  # seconds; a lease that is not released expires by itself
PLACE_TIMEOUT = 2.0  # seconds; waiting for another writer of SQLite cannot be cancelled, though
RETRY_AFTER = 1.0  # seconds
PURGE_INTERVAL = 600.0  # seconds
REMEMBERED = 1000  # updates, while the database cannot be reached
MARKED_AT_ONCE = 100

T = TypeVar("T")
Statement = Callable[[AsyncSession], Awaitable[T]]
Store = NewExchange | Statement[None]

logger = logging.getLogger(__name__)


class LeaseLost(RetryLater):
    """The error that another process has taken over; it does whatever is left to do."""

    def __init__(self) -> None:
        super().__init__("Another process has taken over", RETRY_AFTER)


class Claim:
    """The claim on one update while it is handled.

    `deadline`, in the running loop's time, ends the sending. `progress` is what an earlier attempt
    left; `attempt` counts the attempts that crashed, plus this one. `sender_record` is what the
    database knows of the sender. `stopped` is set when a user asks to stop the answer. `counted`
    tells whether the update counts towards the rate limits; `left` is what is kept of the update
    when it is done.
    """

    def __init__(
        self, claims: "Claims", update_id: int, previous: asyncio.Future[bool] | None
    ) -> None:
        self.key = updates.ClaimKey(update_id, owner=uuid4().hex)
        self.attempt = 0
        self.progress: dict[str, Any] | None = None
        self.sender_record = SenderRecord()
        self.stopped = asyncio.Event()
        self.counted = False
        self.left: dict[str, Any] | None = None
        self.deadline = 0.0
        self.scope = asyncio.timeout(WAIT_TIMEOUT)
        self.lost = False
        self._claims = claims
        self._previous = previous
        self._held_until = 0.0  # by the wall clock: the others stand still in a frozen instance
        self._is_ours = False  # as far as is known: a broken connection leaves it open
        self._is_answered = False
        self._store: Store | None = None

    async def begin(
        self, session: AsyncSession, sender: Sender | None, limits: Limits, *, holds_chat: bool
    ) -> bool:
        """Claim the update and, with `holds_chat`, its chat; return False if it was done before.

        The same statement loads the sender's record, including the wait that `limits` impose.

        Wait for the previous update of the chat in this process, then at most 50 seconds for other
        owners of the update or the chat; raise RetryLater after that. From then on the answer
        timeout applies.
        """
        if self.key.update_id in self._claims.answered:
            await self._wait_until_stored()
        if self.key.update_id in self._claims.answered:
            return False
        chat_id, user_id = (sender.chat_id, sender.user_id) if sender else (None, None)
        holds_chat = holds_chat and chat_id is not None
        if holds_chat and self._previous:
            self.scope.reschedule(None)
            await asyncio.wait({self._previous})
            if self._previous.cancelled() or not self._previous.result():
                raise RetryLater("The previous update of its chat is not done", RETRY_AFTER)
        self._schedule(WAIT_TIMEOUT)
        request = updates.ClaimRequest(*self.key, chat_id, user_id, holds_chat)
        pause = FIRST_PAUSE
        while not await self._claim(session, request, limits):
            state = await self._run(lambda session: updates.check_state(session, request))
            if state is updates.State.DONE:
                return False
            await asyncio.sleep(pause)
            pause = min(1.5 * pause, LONGEST_PAUSE)
        await self._add_wait_of_other_chats(request, limits)
        self.deadline = self._schedule(self._claims.answer_timeout) - CLOSING_TIME
        return True

    @property
    def preview_id(self) -> int | None:
        """Return the message that shows the growing answer, also that of an earlier attempt."""
        return (self.progress or {}).get("preview")

    def time_left(self) -> float:
        """Return the seconds until the deadline."""
        return self.deadline - asyncio.get_running_loop().time()

    def due_in(self, wait: float) -> float:
        """Return the seconds that the question has to wait; 0 if an earlier attempt began it."""
        return 0.0 if self.progress else max(wait, 0.0)

    async def ensure_held(self) -> None:
        """Raise LeaseLost unless the claim still holds.

        Call it right before each message: while a process was frozen, another may have taken over.
        """
        if time.time() > self._held_until - MARGIN * updates.LEASE:
            await self._claims.renew([self])
        if self.lost:
            raise LeaseLost

    async def take_place(self, chat_id: int, limit: int, minute: float) -> float | None:
        """Take a place in a group's quota; return 0, or the seconds until one is free.

        The quota is `limit` messages in `minute` seconds. Return None if the database does not
        answer.
        """
        try:
            async with asyncio.timeout(PLACE_TIMEOUT):
                return await self._run(
                    lambda session: group_quota.take_place(session, chat_id, limit, minute)
                )
        except (DatabaseUnavailable, SQLAlchemyError, TimeoutError) as error:
            kind = type(error).__name__
            logger.warning("Chat %s: counting a message in this process only: %s", chat_id, kind)
            return None

    async def renew_within(self, session: AsyncSession) -> None:
        """Renew the claim in the caller's transaction; raise LeaseLost to roll it back."""
        if not await updates.renew(session, [self.key]):
            raise LeaseLost

    async def save(self, **changes: Any) -> None:
        """Save what the next attempt needs to go on, in case this one ends here."""
        self.progress = progress = (self.progress or {}) | changes
        try:
            is_saved = await self._run(
                lambda session: updates.save_progress(session, self.key, progress)
            )
        except DatabaseUnavailable:
            _remember(self._claims.unsaved, self.key.update_id, progress)
            raise
        self._claims.unsaved.pop(self.key.update_id, None)
        if not is_saved:
            raise LeaseLost

    async def finish(self, session: AsyncSession, store: Store | None = None) -> None:
        """Mark the update as done and `store` its result in the same transaction.

        The answer has been read by now, so an unreachable database is retried until the deadline.
        Raise LeaseLost if another process has taken over; nothing is stored then.
        """
        self._is_answered, self._store = True, store
        self._claims.answered[self.key.update_id] = None
        pause = FIRST_PAUSE
        while True:
            limit = max(self.time_left(), CLOSING_TIME / 2)
            try:
                async with asyncio.timeout(min(limit, FINISH_TIMEOUT)):
                    return await self._finish(session)
            except (DatabaseUnavailable, TimeoutError) as error:
                if self.time_left() < pause:
                    self._store = None  # the update may still be marked as done
                    raise DatabaseUnavailable(error) from error
                logger.warning("Update %s is answered, but not stored yet", self.key.update_id)
            except SQLAlchemyError:  # it cannot be stored, but the update can be marked as done
                self._store = None
                raise
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def close(self, *, done: bool) -> None:
        """End the claim, if it is still held: mark the update as done, or release it."""
        if not self._is_ours:
            return
        try:
            if done:
                async with self._claims.sessions() as session:
                    await self.finish(session, self._store)
        finally:
            self._claims.held.pop(self.key, None)
            try:
                if self._is_ours:
                    await self._give_up()
            finally:
                if self._is_ours and self._is_answered:
                    _remember(self._claims.answered, self.key.update_id, self.key)

    def renewed(self, asked: float, *, stop: bool) -> None:
        """Note that a statement sent at `asked`, by the wall clock, renewed the lease."""
        self._held_until = asked + updates.LEASE
        if stop:
            self.stopped.set()

    def lose(self) -> None:
        """End the work: another process has taken over."""
        if self._is_answered:
            return  # `finish` finds out by itself
        self.lost = True
        with suppress(RuntimeError):  # it has just ended by itself
            self._schedule(0)

    async def _claim(
        self, session: AsyncSession, request: updates.ClaimRequest, limits: Limits
    ) -> bool:
        asked = time.time()
        self._is_ours = True
        granted = await updates.claim(session, request, limits)
        if granted is None:
            self._is_ours = False
            return False
        self.attempt, self.sender_record = granted.attempt, granted.sender_record
        unsaved = self._claims.unsaved.get(request.update_id)
        # Another process may have gone on since
        is_ahead = unsaved is not None and _pages(unsaved) >= _pages(granted.progress)
        self.progress = unsaved if is_ahead else granted.progress
        self.renewed(asked, stop=False)
        self._claims.held[self.key] = self
        if granted.attempt > 1:
            logger.info("Update %s: attempt %d", self.key.update_id, granted.attempt)
        return True

    async def _wait_until_stored(self) -> None:
        """Wait while this process stores the answer, and so may still lose its lease.

        Raise RetryLater after a while: an update that is reported as done never comes again.
        """
        for _ in range(round(STORING_TIMEOUT / FIRST_PAUSE)):
            if self._claims.answered.get(self.key.update_id, self.key):
                return
            await asyncio.sleep(FIRST_PAUSE)
        raise RetryLater("Its answer is being stored", RETRY_AFTER)

    async def _add_wait_of_other_chats(
        self, request: updates.ClaimRequest, limits: Limits
    ) -> None:
        """Count the questions that the user asks in other chats at the same moment."""
        update_id, user_id = request.update_id, request.user_id
        if not limits or user_id is None or user_id == request.chat_id:
            return
        wait = await self._run(
            lambda session: rate_limit_wait(session, update_id, None, user_id, limits)
        )
        record = self.sender_record
        self.sender_record = record._replace(wait=max(record.wait, wait))

    async def _finish(self, session: AsyncSession) -> None:
        store, counted, left = self._store, self.counted, self.left
        if not (
            isinstance(store, NewExchange)
            and await finish_with(session, store, self.key, counted=counted, left=left)
        ):
            await self._finish_in_steps(session)
        self._is_ours = False
        self._claims.forget(self.key)

    async def _finish_in_steps(self, session: AsyncSession) -> None:
        async with transaction(session):
            if not await updates.finish(session, self.key, counted=self.counted, left=self.left):
                if await updates.is_done_by(session, self.key):
                    return
                self.lost, self._is_ours = True, False
                self._claims.forget(self.key)
                raise LeaseLost
            if isinstance(self._store, NewExchange):
                await add_exchange(session, self._store)
            elif self._store:
                await self._store(session)

    async def _give_up(self) -> None:
        """Release the update, or finish an answered one; soon, as the process may be ending."""
        with suppress(DatabaseUnavailable, SQLAlchemyError, TimeoutError, LeaseLost):
            async with asyncio.timeout(RELEASE_TIMEOUT):
                if self._is_answered:
                    async with self._claims.sessions() as session:
                        await self._finish(session)
                else:
                    await self._run(lambda session: updates.release(session, self.key))

    async def _run(self, statement: Statement[T]) -> T:
        async with self._claims.sessions() as session, single_statement(session):
            return await statement(session)

    def _schedule(self, seconds: float) -> float:
        when = asyncio.get_running_loop().time() + seconds
        self.scope.reschedule(when)
        return when


class Claims:
    """The claims of one running bot; one heartbeat renews all their leases.

    While the database cannot be reached, `answered` remembers the updates that have been answered,
    each with the key of its claim once that is given up, and `unsaved` the progress of the others.
    """

    def __init__(self, sessions: async_sessionmaker[AsyncSession], answer_timeout: float) -> None:
        self.sessions = sessions
        self.answer_timeout = answer_timeout
        self.held: dict[updates.ClaimKey, Claim] = {}
        self.answered: dict[int, updates.ClaimKey | None] = {}
        self.unsaved: dict[int, dict[str, Any]] = {}
        self._renewed = time.time()
        self._purged = 0.0

    @asynccontextmanager
    async def open(
        self, update_id: int, previous: asyncio.Future[bool] | None = None
    ) -> AsyncGenerator[Claim]:
        """Open a claim on an update, to be begun in the block, and end it after the block.

        The update is done when the block ends, and released when the block raises. An update that
        holds its chat waits for `previous` first. Raise RetryLater if it must be sent again.
        """
        claim = Claim(self, update_id, previous)
        done = False
        try:
            async with claim.scope:
                yield claim
                done = True
        except TimeoutError:
            if claim.lost:
                raise LeaseLost from None
            raise RetryLater("It took too long", RETRY_AFTER) from None
        finally:
            await claim.close(done=done)

    async def renew(self, claims: Iterable[Claim]) -> None:
        """Renew leases; end the work on claims that are lost."""
        asked = time.time()
        by_key = {claim.key: claim for claim in claims}
        async with self.sessions() as session, single_statement(session):
            held = await updates.renew(session, by_key)
        for key, claim in by_key.items():
            if key.owner in held:
                claim.renewed(asked, stop=held[key.owner])
            elif self.held.pop(key, None):  # else it was done meanwhile
                claim.lose()

    def forget(self, key: updates.ClaimKey) -> None:
        """Forget a claim that is over in the database."""
        self.held.pop(key, None)
        self.answered.pop(key.update_id, None)
        self.unsaved.pop(key.update_id, None)

    async def run_heartbeat(self) -> None:
        """Renew leases, pass on stop requests and purge old rows, until cancelled."""
        async with asyncio.TaskGroup() as purging:  # in a task: the leases must not wait for it
            while True:
                await asyncio.sleep(POLL_INTERVAL)
                await self._heartbeat()
                if abs(time.time() - self._purged) > PURGE_INTERVAL:
                    self._purged = time.time()
                    purging.create_task(self._purge())

    async def _heartbeat(self) -> None:
        try:
            if left := list(filter(None, self.answered.values())):
                await self._mark_done(left[:MARKED_AT_ONCE])
            if self.held:
                await self._renew_or_poll()
        except DatabaseUnavailable as error:
            logger.warning("The leases could not be renewed: %s", error)
        except Exception as error:  # noqa: BLE001 - whatever it was, the heartbeat must go on
            # No message is sent once the lease is over, see Claim.ensure_held
            logger.warning("A heartbeat failed: %s", origin(error))

    async def _mark_done(self, keys: Sequence[updates.ClaimKey]) -> None:
        async with self.sessions() as session, single_statement(session):
            await updates.mark_done(session, keys)
        for key in keys:
            self.forget(key)

    async def _renew_or_poll(self) -> None:
        if abs(time.time() - self._renewed) > updates.LEASE / HEARTBEATS:
            await self.renew(list(self.held.values()))
            self._renewed = time.time()
        else:
            await self._poll_stop_requests()

    async def _purge(self) -> None:
        """Delete old rows, in batches small enough for one statement."""
        try:
            async with self.sessions() as session, single_statement(session):
                await access.purge_strangers(session)
                purged = await updates.purge(session), await group_quota.purge(session)
                if updates.PURGED_AT_ONCE in purged:
                    self._purged = 0.0  # the rest at the next heartbeat
            async with self.sessions() as session:
                await truncate_log(session)
        except Exception as error:  # noqa: BLE001 - the heartbeat must go on
            logger.warning("Old rows could not be deleted: %s", type(error).__name__)

    async def _poll_stop_requests(self) -> None:
        by_key = dict(self.held)
        async with self.sessions() as session, single_statement(session):
            stopped = await updates.asked_to_stop(session, by_key)
        for key, claim in by_key.items():
            if key.owner in stopped:
                claim.stopped.set()


def _pages(progress: dict[str, Any] | None) -> int:
    return len((progress or {}).get("ids", ()))


def _remember(memory: dict[int, T], update_id: int, value: T) -> None:
    """Remember a value for an update; drop the oldest of too many."""
    memory[update_id] = value
    if len(memory) > REMEMBERED:
        del memory[next(iter(memory))]


@asynccontextmanager
async def open_claims(
    sessions: async_sessionmaker[AsyncSession], answer_timeout: float
) -> AsyncGenerator[Claims]:
    """Open the claims of one running bot, with their heartbeat in the running loop."""
    claims = Claims(sessions, answer_timeout)
    heartbeat = asyncio.create_task(claims.run_heartbeat())
    try:
        yield claims
    finally:
        heartbeat.cancel()
        await asyncio.wait({heartbeat})
