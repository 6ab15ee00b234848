"""Python commands in processes of their own."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

ROOT = Path(__file__).parent.parent
STARTED = "Application startup complete"

_numbers = count(1)


@contextmanager
def running(*arguments: str, folder: Path = ROOT, servers: int = 1) -> Iterator[Path]:
    """Run a Python command in a folder until the block ends, and yield its log.

    The block begins when that many servers are ready.
    """
    log = Path(f"server-{next(_numbers)}.log").absolute()
    with (
        log.open("wb") as output,
        subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, *arguments], cwd=folder, stdout=output, stderr=output
        ) as process,
    ):
        try:
            until = time.monotonic() + 60
            while log.read_text().count(STARTED) < servers:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < until, log.read_text()
                time.sleep(0.05)
            yield log
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
