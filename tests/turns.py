"""Turns of the tests that keep a whole machine busy: their processes are killed by the clock."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = Path(__file__).parent.parent / ".pytest_cache" / "busy"


@contextmanager
def turn(*, alone: bool) -> Iterator[None]:
    """Wait until nobody who wants to be alone is at work, and for `alone` until nobody is."""
    import fcntl  # not on Windows, where these tests do not run

    LOCK.parent.mkdir(exist_ok=True)
    with LOCK.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
