"""How long the database takes, for whoever wants to know."""

from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from time import perf_counter


class Stopwatch:
    """Add up the time in which at least one of its blocks runs, in seconds."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._running = 0
        self._since = 0.0

    def __enter__(self) -> None:
        """Go on, unless it runs already."""
        if not self._running:
            self._since = perf_counter()
        self._running += 1

    def __exit__(self, *_: object) -> None:
        """Stop with the last block."""
        self._running -= 1
        if not self._running:
            self.seconds += perf_counter() - self._since


DATABASE_TIME: ContextVar[Stopwatch | None] = ContextVar("database_time", default=None)


def database_time() -> AbstractContextManager[None]:
    """Count a block for whoever measures the database's time in this context."""
    return DATABASE_TIME.get() or nullcontext()
