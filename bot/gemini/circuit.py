"""A circuit breaker: while Gemini is down, users are told at once instead of waiting."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager

from bot.gemini.errors import GeminiError, Kind, Remedy, Trait

THRESHOLD = 3  # failures in a row
FIRST_PERIOD = 30.0  # seconds for which the circuit opens; doubled each time a probe fails
LONGEST_PERIOD = 120.0
GRACE = 3.0  # seconds left to calls that are already waiting when the circuit opens
PATIENCE = 10.0  # seconds; a timeout of a call with less time says nothing about Gemini
SOON = 5.0  # seconds; the shortest wait that users are told

logger = logging.getLogger(__name__)


class Circuit:
    """A circuit that lets calls pass when closed, none when open, one probe when half-open."""

    def __init__(self) -> None:
        self._kind: Kind | None = None  # why it is open
        self._failures = 0
        self._period = self._until = 0.0
        self._limit: float | None = None  # when calls already waiting give up
        self._probe: object | None = None
        self._waiting: set[asyncio.Timeout] = set()

    @property
    def is_open(self) -> bool:
        """Tell whether calls are refused, except for a probe."""
        return self._kind is not None

    @contextmanager
    def call(self, deadline: float) -> Iterator[None]:
        """Let a call pass and learn from its GeminiError; raise one if the call is refused."""
        hurried = deadline - _now() < PATIENCE
        call = self._admit()
        try:
            yield
        except GeminiError as error:
            if Trait.DOWN not in error.kind.traits:
                self.close()  # a refusal shows that Gemini is up
            elif error.kind is not Kind.TOO_SLOW or not (hurried or error.remedy is Remedy.AGAIN):
                self._fail(error.kind, call)
            raise
        finally:
            if self._probe is call:  # after a cancelled probe the next call probes
                self._probe = None

    @asynccontextmanager
    async def waiting(self) -> AsyncGenerator[None]:
        """Cancel the enclosed wait soon after the circuit opens, and raise GeminiError."""
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
        """Let all calls pass: any answer shows that Gemini is up."""
        self._failures = 0
        if self._kind:
            logger.warning("Gemini answers again: its circuit is closed")
            self._kind = self._probe = None
            self._limit_waiting(None)

    def _admit(self) -> object:
        call = object()
        if self._kind:
            # Never refused for longer than the period, even if the clock jumps
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
