"""Connections to an SQLite file."""

import asyncio
import sqlite3
import time
from collections.abc import Callable

import aiosqlite


class Connection(aiosqlite.Connection):
    """A connection whose thread neither outlives a failure to connect nor holds up the exit."""

    def __init__(self, connector: Callable[[], sqlite3.Connection]) -> None:
        super().__init__(connector, iter_chunk_size=64)
        self._thread.daemon = True
        self._stopping: asyncio.Future[None] | None = None

    def stop(self) -> asyncio.Future[None] | None:
        """Ask the thread to end."""
        self._stopping = super().stop()
        return self._stopping

    async def open(self) -> "Connection":
        """Connect; raise sqlite3.Error when the thread, too, is done with it."""
        try:
            await self
        except sqlite3.Error:
            if self._stopping:
                await self._stopping
            raise
        return self


async def connect(file: str, *, timeout: float, foreign_keys: bool) -> Connection:  # noqa: ASYNC109 - of the driver
    """Open a file; wait up to `timeout` seconds for other writers.

    The driver's own transactions are off: they begin too late, and lose what two writers change.
    """

    def connector() -> sqlite3.Connection:
        connection = sqlite3.connect(
            file, timeout=timeout, isolation_level=None, check_same_thread=False
        )
        try:
            _switch_to_wal(connection, timeout)
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA foreign_keys = {foreign_keys:d}")
        except BaseException:
            connection.close()
            raise
        return connection

    return await Connection(connector).open()


def _switch_to_wal(connection: sqlite3.Connection, timeout: float) -> None:
    """Let readers and the writer work at once.

    SQLite does not wait by itself here: of two who make the switch, one is refused at once.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return
