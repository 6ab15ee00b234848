"""A stopwatch for the time that the database takes."""

from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from time import perf_counter


class Stopwatch:
    """The sum of the seconds in which at least one of its blocks ran."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._running = 0
        self._since = 0.0

    def __enter__(self) -> None:
        """Start, unless it is running already."""
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
    """Measure a block with the context's stopwatch, if there is one."""
    return DATABASE_TIME.get() or nullcontext()
