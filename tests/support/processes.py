"""Python commands in processes of their own."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parent.parent.parent
STARTED = "Application startup complete"
PATIENCE = 180  # seconds to wait for another process, as some machines are busy

_numbers = count(1)


@asynccontextmanager
async def command(
    *arguments: str, output: int | IO[str] = PIPE, **variables: str
) -> AsyncGenerator[Process]:
    """Run a Python command in the current folder, as users do; leave no process behind."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | variables,
        stdout=output,
        stderr=PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


@contextmanager
def running(*arguments: str, folder: Path = ROOT, servers: int = 1) -> Iterator[Path]:
    """Run a Python command in a folder until the block ends, and yield the path of its log.

    The block begins when `servers` servers are ready.
    """
    log = Path(f"server-{next(_numbers)}.log").absolute()
    with (
        log.open("wb") as output,
        subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, *arguments], cwd=folder, stdout=output, stderr=output
        ) as process,
    ):
        try:
            until = time.monotonic() + PATIENCE
            while log.read_text().count(STARTED) < servers:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < until, log.read_text()
                time.sleep(0.05)
            yield log
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def wait_for_port(port: int) -> None:
    """Wait until a process listens on a port of 127.0.0.1. Raises TimeoutError."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"nobody listens on {port}")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a Python command in the current folder, with the package on its path."""
    return subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
