"""A way to the database that counts round trips, and that may be long."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.support.servers import LoopThread

LATENESS = 0.0005  # seconds; the loop sleeps whole milliseconds, and half a one too long


@dataclass(slots=True)
class Proxy:
    """Pass on what both sides say; `delay` is the seconds that each answer takes longer.

    A round trip begins where a client speaks that was last spoken to. All of it runs in a thread
    of a process that has nothing else to do.
    """

    target: int
    port: int = 0
    delay: float = 0.0
    trips: int = 0

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client until one side hangs up."""
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.target)
        state = _State()
        there = asyncio.create_task(self._ask(reader, server_writer, state))
        back = asyncio.create_task(self._answer(server_reader, writer, state))
        try:
            await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            there.cancel()
            back.cancel()
            writer.close()
            server_writer.close()

    async def _ask(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, state: "_State"
    ) -> None:
        while data := await reader.read(65536):
            if not state.server_works:
                state.server_works = True
                self.trips += 1
            writer.write(data)

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, state: "_State"
    ) -> None:
        later = asyncio.get_running_loop().call_later
        while data := await reader.read(65536):
            state.server_works = False
            if self.delay:
                later(self.delay - LATENESS, writer.write, data)
            else:
                writer.write(data)


@dataclass(slots=True)
class _State:
    server_works: bool = False


@contextmanager
def open_proxy(target: int) -> Iterator[Proxy]:
    """Listen on a free port while the block lasts."""
    proxy = Proxy(target)
    thread = LoopThread()
    try:
        server = thread.run(asyncio.start_server(proxy.connect, "127.0.0.1", 0))
        proxy.port = server.sockets[0].getsockname()[1]
        try:
            yield proxy
        finally:
            thread.run(_hang_up(server))
    finally:
        thread.close()


async def _hang_up(server: asyncio.Server) -> None:
    server.close()
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
