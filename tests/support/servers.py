"""Loopback servers that run on an event loop in a thread of their own.

The application under test may then open and close as many event loops as it needs.
"""

import asyncio
import random
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from aiohttp import web

T = TypeVar("T")


class LoopThread:
    """An event loop that runs in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the loop and return its result, with a timeout of 30 seconds."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    def close(self) -> None:
        """Stop the loop and its thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@contextmanager
def serve(application: web.Application, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve an application on a loopback address, by default a free port; yield its base URL."""
    thread = LoopThread()
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    try:
        yield thread.run(_start(runner, host, port))
    finally:
        thread.run(_stop(runner))
        thread.close()


async def _start(runner: web.AppRunner, host: str, port: int) -> str:
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    await site.start()
    host, port = runner.addresses[0][:2]
    return f"http://{host}:{port}"


async def _stop(runner: web.AppRunner) -> None:
    """Close the server, also the connections that it was accepting at that moment."""
    for site in list(runner.sites):
        await site.stop()
    for _ in range(3):  # the loop calls the server for a new connection a round or two later
        await asyncio.sleep(0)
    await runner.cleanup()


def free_port() -> int:
    """Return a free port of 127.0.0.1 for a program that has to be given one.

    It is below the range that the system assigns from, so no other program is given it meanwhile.
    """
    while True:
        port = random.randint(10_000, 30_000)  # noqa: S311 - protects no secret
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


async def until(condition: Callable[..., object]) -> None:
    """Wait for a condition to be met in a server's thread, for at most a minute."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - an Event cannot be shared by two loops
            await asyncio.sleep(0.01)
