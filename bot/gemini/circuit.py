"""A circuit breaker: while Gemini is down, people hear so at once instead of waiting for it."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager

from bot.gemini.errors import GeminiError, Kind, Remedy, Trait

THRESHOLD = 3  # failures in a row
FIRST_PERIOD = 30.0  # seconds that the circuit is open; doubled each time the probe fails
LONGEST_PERIOD = 120.0
GRACE = 3.0  # seconds that are left to those who wait already when the circuit opens
PATIENCE = 10.0  # seconds; who had less than that for an answer knows nothing of Gemini
SOON = 5.0  # seconds; the shortest wait that people are told

logger = logging.getLogger(__name__)


class Circuit:
    """Closed it lets calls pass, open it refuses them, half-open it lets one pass as a probe."""

    def __init__(self) -> None:
        self._kind: Kind | None = None  # why it is open
        self._failures = 0
        self._period = self._until = 0.0
        self._limit: float | None = None  # until when those may wait who wait already
        self._probe: object | None = None
        self._waiting: set[asyncio.Timeout] = set()

    @property
    def is_open(self) -> bool:
        """Tell whether calls are refused, but for a probe."""
        return self._kind is not None

    @contextmanager
    def call(self, deadline: float) -> Iterator[None]:
        """Let a call pass and learn from its GeminiError; raise one where it may not pass."""
        hurried = deadline - _now() < PATIENCE
        call = self._admit()
        try:
            yield
        except GeminiError as error:
            if Trait.DOWN not in error.kind.traits:
                self.close()  # a refusal is an answer
            elif error.kind is not Kind.TOO_SLOW or not (hurried or error.remedy is Remedy.AGAIN):
                self._fail(error.kind, call)
            raise
        finally:
            if self._probe is call:  # it may have been cancelled: the next one probes then
                self._probe = None

    @asynccontextmanager
    async def waiting(self) -> AsyncGenerator[None]:
        """Give up what is awaited in here soon after the circuit has opened."""
        try:
            async with asyncio.timeout_at(self._limit) as limit:
                self._waiting.add(limit)
                try:
                    yield
                finally:
                    self._waiting.discard(limit)
        except TimeoutError:
            if limit.expired() and self._kind:
                raise self._refusal(self._kind) from None
            raise

    def close(self) -> None:
        """Let all calls pass: Gemini has answered, whatever it was."""
        self._failures = 0
        if self._kind:
            logger.warning("Gemini answers again: its circuit is closed")
            self._kind = self._probe = None
            self._limit_waiting(None)

    def _admit(self) -> object:
        call = object()
        if self._kind:
            # Never longer than it was opened for, whatever becomes of the clock
            if self._probe or 0 < self._until - _now() <= self._period:
                raise self._refusal(self._kind)
            logger.warning("Gemini's circuit is half-open: one call probes it")
            self._probe = call
            self._limit = None
        return call

    def _fail(self, kind: Kind, call: object) -> None:
        self._failures += 1
        if self._kind is None and self._failures >= THRESHOLD:
            self._period = FIRST_PERIOD
        elif self._probe is call:
            self._period = min(2 * self._period, LONGEST_PERIOD)
        else:
            return
        self._kind, self._until = kind, _now() + self._period
        logger.error("Gemini is down (%s): its circuit is open for %g s", kind.name, self._period)
        self._limit_waiting(_now() + GRACE)

    def _limit_waiting(self, when: float | None) -> None:
        self._limit = when
        for limit in self._waiting:
            if not limit.expired():
                limit.reschedule(when)

    def _refusal(self, kind: Kind) -> GeminiError:
        return GeminiError(kind, max(SOON, self._until - _now()), reason="its circuit is open")


def _now() -> float:
    return asyncio.get_running_loop().time()
