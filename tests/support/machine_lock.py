"""A lock for the tests that keep a whole machine busy: their processes have time limits."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = Path(__file__).parent.parent.parent / ".pytest_cache" / "busy"


@contextmanager
def machine_lock(*, alone: bool) -> Iterator[None]:
    """Share the machine with other such tests; with `alone`, wait until none of them runs."""
    import fcntl  # not on Windows, where these tests do not run

    LOCK.parent.mkdir(exist_ok=True)
    with LOCK.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
