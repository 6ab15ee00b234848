"""The outcome and cost of an update, and the one line that the log has about it."""

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from time import perf_counter
from typing import Any, Literal

from db.stopwatch import DATABASE_TIME, Stopwatch

logger = logging.getLogger(__name__)


class Outcome(StrEnum):
    """The outcome of an update."""

    HANDLED = "handled"
    NOT_HANDLED = "not handled"
    HANDLED_BEFORE = "handled before"
    TURNED_AWAY = "turned away"
    REFUSED = "refused by Telegram"
    EXCUSED = "excused"  # the user was told why there is no answer
    STOPPED = "stopped"  # by a user
    INTERRUPTED = "broken off"  # by the model, in the middle of its answer
    CANCELLED = "cancelled"  # because this process is ending
    NOT_STORED = "handled, but not stored"
    DELAYED = "delayed"  # it must be delivered again
    MALFORMED = "malformed"
    FAILED = "failed"


_LEVELS = {
    Outcome.REFUSED: logging.WARNING,
    Outcome.EXCUSED: logging.WARNING,
    Outcome.INTERRUPTED: logging.WARNING,
    Outcome.CANCELLED: logging.WARNING,
    Outcome.NOT_STORED: logging.ERROR,
    Outcome.DELAYED: logging.WARNING,
    Outcome.MALFORMED: logging.WARNING,
    Outcome.FAILED: logging.ERROR,
}


@dataclass(slots=True)
class Trace:
    """A record of one update: its ids, times and tokens, but never what people wrote."""

    update_id: int
    kind: str
    chat_id: int | None = None
    outcome: Outcome = Outcome.NOT_HANDLED
    reason: str = ""
    error: Exception | None = None  # why there is no answer, for the admins
    answered: bool = False  # by the model
    tokens: Counter[str] = field(default_factory=Counter)
    database: Stopwatch = field(default_factory=Stopwatch)
    model: Stopwatch = field(default_factory=Stopwatch)
    telegram: Stopwatch = field(default_factory=Stopwatch)
    _started: float = field(default_factory=perf_counter)

    def end(self, outcome: Outcome, reason: str = "", error: Exception | None = None) -> None:
        """Record the outcome of the update."""
        self.outcome, self.reason, self.error = outcome, reason, error

    def end_well(self) -> None:
        """Record that the update was handled, unless a more precise outcome is known."""
        if self.outcome is Outcome.NOT_HANDLED:
            self.outcome = Outcome.HANDLED

    def log(self) -> None:
        """Write the line: as text for people and as fields for machines."""
        level = _LEVELS.get(self.outcome, logging.INFO)
        times = self._times()
        where = f" in chat {self.chat_id}" if self.chat_id is not None else ""
        why = f" ({self.reason})" if self.reason else ""
        total = times.pop("total")
        parts = [f"{name} {spent}" for name, spent in times.items() if spent]
        if self.tokens:
            parts.append(f"tokens {self.tokens['prompt']} + {self.tokens['answer']}")
        costs = f" ({', '.join(parts)})" if parts else ""
        logger.log(
            level,
            "Update %s: %s%s is %s%s, %s ms%s",
            self.update_id, self.kind, where, self.outcome, why, total, costs,
            extra={"fields": self._fields()},
        )  # fmt: skip

    def _times(self) -> dict[str, int]:
        """Return the milliseconds spent, by purpose."""
        spent = {
            "total": perf_counter() - self._started,
            "database": self.database.seconds,
            "model": self.model.seconds,
            "telegram": self.telegram.seconds,
        }
        return {name: round(1000 * seconds) for name, seconds in spent.items()}

    def _fields(self) -> dict[str, Any]:
        return {
            "update_id": self.update_id,
            "chat_id": self.chat_id,
            "kind": self.kind,
            "outcome": self.outcome,
            "reason": self.reason,
            "ms": self._times(),
            "tokens": dict(self.tokens),
        }


_TRACE: ContextVar[Trace | None] = ContextVar("trace", default=None)


@contextmanager
def tracing(trace: Trace) -> Iterator[None]:
    """Let the code called in the block add to a trace; write its line at the end."""
    token, database = _TRACE.set(trace), DATABASE_TIME.set(trace.database)
    try:
        yield
    finally:
        _TRACE.reset(token)
        DATABASE_TIME.reset(database)
        trace.log()


def spending(on: Literal["model", "telegram"]) -> AbstractContextManager[None]:
    """Count the block's duration as time the current update spends waiting for another service."""
    trace = _TRACE.get()
    if trace is None:
        return nullcontext()
    return trace.model if on == "model" else trace.telegram


def note_response(*, complete: bool, **tokens: int) -> None:
    """Record that the model has answered the current update, and add up the tokens."""
    if trace := _TRACE.get():
        trace.answered = complete
        trace.tokens.update(tokens)
