"""The sandbox's servers, on an address of this machine."""

import asyncio
import errno
import signal
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

from aiohttp import web

ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - people write these addresses
SHUTDOWN = 0.5  # seconds for the requests in progress


class PortTakenError(Exception):
    """An error that says why an address cannot be opened, such as a port that is in use."""


class Address(NamedTuple):
    """A host and a port."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """Return the URL at which this machine itself reaches the address."""
        host = ANY.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


@asynccontextmanager
async def serve(application: web.Application, address: Address) -> AsyncGenerator[Address]:
    """Serve an application, with port 0 on any free port; yield its address."""
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=SHUTDOWN)
    await runner.setup()
    try:
        site = web.TCPSite(runner, address.host, address.port)
        try:
            await site.start()
        except OSError as error:
            raise _explain(error, address) from None
        yield Address(address.host, address.port or runner.addresses[0][1])
    finally:
        await runner.cleanup()


def _explain(error: OSError, address: Address) -> PortTakenError:
    if error.errno == errno.EADDRINUSE:
        return PortTakenError(f"Port {address.port} is in use: choose another one by --port.")
    reason = error.strerror or type(error).__name__
    return PortTakenError(f"{address.host}, port {address.port}, cannot be opened: {reason}.")


def free_port() -> int:
    """Return a free loopback port, for a program that needs to be given one."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def end_by_signals() -> None:
    """Make the usual signals end the sandbox like Ctrl+C, so that everything is closed."""
    if (task := asyncio.current_task()) is None:
        return
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        with suppress(AttributeError, NotImplementedError):  # not on Windows
            asyncio.get_running_loop().add_signal_handler(getattr(signal, name), task.cancel)
