"""Connections to an SQLite file."""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Self

import aiosqlite

from db.thread_call import ThreadCall


class Cursor:
    """The parts of a cursor that SQLAlchemy uses; all rows are read when a statement runs."""

    arraysize = 1

    def __init__(self, connection: "Connection") -> None:
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self._rows: Sequence[Any] = ()
        self._connection = connection

    async def __aenter__(self) -> Self:  # noqa: D105
        return self

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        """Run a statement."""
        await self._run(sqlite3.Cursor.execute, sql, parameters)

    async def executemany(self, sql: str, parameters: Iterable[Sequence[Any]]) -> None:
        """Run a statement once for each set of parameters."""
        await self._run(sqlite3.Cursor.executemany, sql, parameters)

    async def fetchall(self) -> Sequence[Any]:
        """Return the rows."""
        return self._rows

    async def close(self) -> None:
        """Do nothing: all rows have been read."""

    async def _run(self, method: Callable[..., Any], sql: str, parameters: Any) -> None:
        outcome = await self._connection.run(method, sql, parameters)
        self._rows, self.description, self.rowcount, self.lastrowid = outcome


class Connection(aiosqlite.Connection):
    """A connection whose thread neither outlives a failure to connect nor holds up the exit.

    Its thread is called once for each statement and once for a transaction's end.
    """

    def __init__(self, connector: Callable[[], sqlite3.Connection]) -> None:
        super().__init__(connector, iter_chunk_size=64)
        self._thread.daemon = True
        self._stopping: asyncio.Future[None] | None = None
        self._is_begun = False

    def begin(self) -> None:
        """Begin a transaction; its first statement waits for other writers."""
        self._is_begun = True

    async def commit(self) -> None:
        """Commit the transaction, if there is one."""
        await self._end(sqlite3.Connection.commit)

    async def rollback(self) -> None:
        """Roll back the transaction, if there is one."""
        await self._end(sqlite3.Connection.rollback)

    def cursor(self) -> Cursor:  # type: ignore[override]  # for SQLAlchemy alone
        """Return a new cursor."""
        return Cursor(self)

    async def run(self, method: Callable[..., Any], sql: str, parameters: Any) -> tuple[Any, ...]:
        """Run a cursor's method; return rows, description, count, last id; raise sqlite3.Error."""
        outcome: tuple[Any, ...] = await self._execute(
            self._run, self._is_begun, method, sql, parameters
        )
        return outcome

    def stop(self) -> asyncio.Future[None] | None:
        """Ask the thread to end."""
        self._stopping = super().stop()
        return self._stopping

    async def open(self) -> "Connection":
        """Connect; on failure, raise sqlite3.Error once the thread has ended as well."""
        try:
            await self
        except sqlite3.Error:
            if self._stopping:
                await self._stopping
            raise
        return self

    def _run(
        self, is_begun: bool, method: Callable[..., Any], sql: str, parameters: Any
    ) -> tuple[Any, ...]:
        connection = self._conn
        if is_begun and not connection.in_transaction:
            # With the write lock from the start: upgrading from a read lock could fail later
            connection.execute("BEGIN IMMEDIATE")
        cursor = connection.cursor()
        try:
            method(cursor, sql, parameters)
            rows = cursor.fetchall()  # before this, the row count is unreliable
            return rows, cursor.description, cursor.rowcount, cursor.lastrowid
        finally:
            cursor.close()

    async def _end(self, how: Callable[[sqlite3.Connection], None]) -> None:
        is_begun, self._is_begun = self._is_begun, False
        if is_begun or self._conn.in_transaction:
            await self._execute(how, self._conn)

    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run a function in the thread."""
        if not self._running or not self._connection:
            raise ValueError("Connection closed")  # as SQLAlchemy expects it
        call = ThreadCall(partial(fn, *args, **kwargs))
        self._tx.put_nowait((None, call))
        return await call.result()


async def connect(file: str, *, timeout: float, foreign_keys: bool) -> Connection:  # noqa: ASYNC109 - of the driver
    """Open a file; wait up to `timeout` seconds for other writers.

    The driver's own transactions are off: they begin too late, so that updates could be lost.
    """

    def connector() -> sqlite3.Connection:
        connection = sqlite3.connect(
            file, timeout=timeout, isolation_level=None, check_same_thread=False
        )
        try:
            _switch_to_wal(connection, timeout)
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(
                "PRAGMA secure_delete = ON"
            )  # deleted text does not stay in free pages
            connection.execute(f"PRAGMA foreign_keys = {foreign_keys:d}")
        except BaseException:
            connection.close()
            raise
        return connection

    return await Connection(connector).open()


def _switch_to_wal(connection: sqlite3.Connection, timeout: float) -> None:
    """Switch to write-ahead logging, so that readers and a writer do not block each other.

    SQLite's busy timeout does not apply here: of two concurrent switches one fails at once.
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
