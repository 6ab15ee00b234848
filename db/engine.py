"""The engine, its connections and short transactions."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, NullPool, Row, event, text
from sqlalchemy.engine import AdaptedConnection, ExceptionContext
from sqlalchemy.exc import (
    DBAPIError,
    DisconnectionError,
    InterfaceError,
    InternalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.sql import Executable
from sqlalchemy.util import greenlet_spawn

from db.stopwatch import database_time
from db.url import connect_arguments, parse_url

# Overflow connections are closed when they are returned, and each new one costs PostgreSQL a
# process. The one returned last is used first: it has the statements cached
POOL = {"pool_size": 10, "max_overflow": 5, "pool_timeout": 10, "pool_use_lifo": True}
STATEMENT_TIMEOUT = 30  # seconds
LOCK_TIMEOUT = 15  # seconds that a writer of SQLite waits for another
PATIENCE = 200  # milliseconds to wait for readers of SQLite's log before truncating it
TRIES, PAUSE = 5, 0.2  # to truncate, and the seconds between two
ERASES = "erases"  # set in a session whose transaction deletes messages
UNHEARD = 0.2  # seconds after which the process may have been frozen and the server gone
IDLE_LIMIT = 20  # seconds after which a pooled connection is pinged before use
PING_TIMEOUT = 5  # seconds

# Options of a connection for single statements; on SQLite `_begin` starts transactions
SINGLE_STATEMENT: dict[str, dict[str, Any]] = {
    "postgresql": {"isolation_level": "AUTOCOMMIT"},
    "sqlite": {"begins": False},
}

# Errors about a row's values: SQLSTATE classes for data, integrity and limits, and SQLite's codes
ROW_CLASSES = {"22", "23", "54"}
ROW_CODES = {sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG}
# Errors about names in a statement: a table is missing, or the right to use it
NAMES_CLASS, NAMES_CODE = "42", sqlite3.SQLITE_ERROR


class DatabaseUnavailable(Exception):
    """The error that the database cannot be reached or cannot work; its text has no secrets.

    `reason` is the name of the driver's error; `refuses` tells that the database was reached but
    refused a statement because a table or a right is missing.
    """

    def __init__(self, cause: BaseException) -> None:
        self.reason, self.refuses = _name(cause), _is_about_names(cause)
        if isinstance(cause, DatabaseUnavailable):
            self.reason, self.refuses = cause.reason, cause.refuses
        state = "refuses its work" if self.refuses else "cannot be reached"
        super().__init__(f"The database {state} ({self.reason})")


def unavailable(error: BaseException | None) -> DatabaseUnavailable | None:
    """Return the DatabaseUnavailable in an error's chain of causes, if there is one."""
    while error is not None and not isinstance(error, DatabaseUnavailable):
        error = error.__cause__
    return error


@asynccontextmanager
async def open_engine(url: str | URL, **options: Any) -> AsyncGenerator[AsyncEngine]:
    """Open a pooled engine for the running loop and dispose of it at the end.

    `options` override the pool's: pool_size, max_overflow, pool_timeout (seconds) etc.
    """
    engine = _new_engine(parse_url(url), foreign_keys=True, **(POOL | options))
    try:
        yield engine
    finally:
        await engine.dispose()


@asynccontextmanager
async def open_migration(url: str | URL) -> AsyncGenerator[AsyncConnection]:
    """Open one connection in a transaction that may copy tables on SQLite; commit at the end.

    Raise DatabaseUnavailable if it cannot be reached. A refused statement would be refused again,
    so such errors pass unchanged.
    """
    engine = _new_engine(parse_url(url), foreign_keys=False, poolclass=NullPool)
    try:
        with _translated(_is_unreachable):
            async with AsyncExitStack() as stack:
                with _translated(_always):
                    connection = await stack.enter_async_context(engine.begin())
                yield connection
    finally:
        await engine.dispose()


def new_sessions(engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    """Return a factory of sessions whose objects stay readable after a commit."""
    return async_sessionmaker(engine, expire_on_commit=False)


@asynccontextmanager
async def transaction(session: AsyncSession) -> AsyncGenerator[None]:
    """Run one short transaction; commit and return the connection to the pool at its end.

    Raise DatabaseUnavailable for every error that is not about this transaction's rows alone:
    even a missing table or right may be back soon.
    """
    async with _begin_session(session):
        yield
    if session.info.pop(ERASES, False):
        with suppress(
            DatabaseUnavailable
        ):  # the rows are deleted; the next purge truncates the log
            await truncate_log(session)


async def truncate_log(session: AsyncSession) -> None:
    """Truncate SQLite's log, which may hold deleted text; wait briefly for its current readers.

    Other writers have to wait meanwhile.
    """
    if session.get_bind().dialect.name != "sqlite":
        return
    async with single_statement(session):
        await session.execute(text(f"PRAGMA busy_timeout = {PATIENCE}"))
        try:
            for _ in range(TRIES):
                is_busy = await session.scalar(text("PRAGMA wal_checkpoint(TRUNCATE)"))
                if not is_busy:
                    return
                await asyncio.sleep(PAUSE)
        finally:
            await session.execute(text(f"PRAGMA busy_timeout = {LOCK_TIMEOUT * 1000:.0f}"))


@asynccontextmanager
async def single_statement(session: AsyncSession) -> AsyncGenerator[None]:
    """Run statements in autocommit mode: nothing is sent before and after each.

    Raise DatabaseUnavailable as `transaction` does.
    """
    async with _begin_session(session, SINGLE_STATEMENT[session.get_bind().dialect.name]):
        yield


async def fetch(
    session: AsyncSession,
    statement: Executable,
    values: Mapping[str, Any],
    *,
    repeatable: bool = False,
) -> Sequence[Row[Any]]:
    """Return the rows of a statement, which commits by itself unless a transaction is open.

    If its connection turns out to be dead, the statement is run once more on a new one; one that
    may have been run already only if it is `repeatable`.

    It takes one switch into SQLAlchemy's greenlet: 0.28 ms of processor time, where a block of
    `single_statement` takes 0.45 ms. Raise DatabaseUnavailable as `transaction` does.
    """
    if session.in_transaction():
        return (await session.execute(statement, values)).all()
    run = partial(greenlet_spawn, _fetch, session.get_bind(), statement, values)
    with database_time(), _translated(is_unavailable):
        try:
            return await run()
        except (OSError, DBAPIError) as error:
            if not (_is_refused_by_driver(error) or (repeatable and _is_lost(error))):
                raise
        return await run()


def _fetch(engine: Engine, statement: Executable, values: Mapping[str, Any]) -> Sequence[Row[Any]]:
    with _connected(engine) as connection:
        connection.execution_options(**SINGLE_STATEMENT[engine.dialect.name])
        rows = connection.execute(statement, values).all()
        connection.commit()
        return rows


async def transact(session: AsyncSession, work: Callable[[Connection], bool]) -> bool:
    """Run a transaction in one greenlet switch; commit it if the work returns True.

    The session must have no transaction open. Raise DatabaseUnavailable as `transaction` does.
    """
    with database_time(), _translated(is_unavailable):
        return await greenlet_spawn(_transact, session.get_bind(), work)


def _transact(engine: Engine, work: Callable[[Connection], bool]) -> bool:
    with _connected(engine) as connection:
        is_done = work(connection)
        if is_done:
            connection.commit()
        return is_done


def _connected(engine: Engine) -> Connection:
    with _translated(_always):
        return engine.connect()


@asynccontextmanager
async def _begin_session(
    session: AsyncSession, options: Mapping[str, Any] | None = None
) -> AsyncGenerator[None]:
    with database_time(), _translated(is_unavailable):
        async with session.begin():
            with _translated(_always):
                await session.connection(execution_options=options)
            yield


def is_unavailable(error: BaseException) -> bool:
    """Tell whether an error is not about rows: the database is gone, full or being restored."""
    if not isinstance(error, DBAPIError):
        return isinstance(error, OSError | PoolTimeout)
    if isinstance(getattr(error.orig, "__cause__", None), ValueError):
        return False  # the driver itself rejects a value
    return error.connection_invalidated or not (
        _state(error)[:2] in ROW_CLASSES or _code(error) in ROW_CODES
    )


def _is_refused_by_driver(error: BaseException) -> bool:
    """Tell whether the driver cannot use its connection and has sent nothing."""
    return (
        isinstance(error, InterfaceError | InternalError)
        and not _state(error)  # else the server reported it
        and is_unavailable(error)
    )


def _is_lost(error: BaseException) -> bool:
    """Tell whether the connection was lost while a statement may have been running."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated
    return isinstance(error, ConnectionError)


def _is_unreachable(error: BaseException) -> bool:
    return is_unavailable(error) and not _is_about_names(error)


def _is_about_names(error: BaseException) -> bool:
    return isinstance(error, DBAPIError) and (
        _state(error)[:2] == NAMES_CLASS or _code(error) == NAMES_CODE
    )


def _state(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or ""


def _code(error: DBAPIError) -> int:
    code: int = getattr(error.orig, "sqlite_errorcode", sqlite3.SQLITE_OK)
    return code & 0xFF  # the primary result code


@contextmanager
def _translated(means_unavailable: Callable[[BaseException], bool]) -> Iterator[None]:
    try:
        yield
    except (OSError, SQLAlchemyError, UnicodeError) as error:
        if not means_unavailable(error):
            raise
        raise DatabaseUnavailable(error) from error


def _always(_: BaseException) -> bool:
    """Return True: every error while connecting means that there is no connection."""
    return True


def _name(error: BaseException) -> str:
    if isinstance(error, DBAPIError) and error.orig:
        # The driver's own class says more than SQLAlchemy's
        error = error.orig.__cause__ or error.orig
    return type(error).__name__


def _new_engine(url: URL, *, foreign_keys: bool, **options: Any) -> AsyncEngine:
    if url.get_backend_name() == "sqlite":
        return _new_sqlite_engine(url, foreign_keys=foreign_keys, **options)
    return _new_postgresql_engine(url, **options)


def _new_postgresql_engine(url: URL, **options: Any) -> AsyncEngine:
    url, arguments = connect_arguments(url)
    if "pool_size" in options:
        # A migration of a large table may take longer
        arguments["command_timeout"] = STATEMENT_TIMEOUT
    # hide_parameters: users' messages stay out of the errors' texts
    engine = create_async_engine(url, connect_args=arguments, hide_parameters=True, **options)
    event.listen(engine.sync_engine, "checkin", _note_time)
    event.listen(engine.sync_engine, "checkout", _check_alive)
    event.listen(engine.sync_engine, "handle_error", _note_dead_connection)
    return engine


def _new_sqlite_engine(url: URL, *, foreign_keys: bool, **options: Any) -> AsyncEngine:
    from db.sqlite import connect

    file = str(Path(url.database or "").absolute())
    creator = partial(connect, file, timeout=LOCK_TIMEOUT, foreign_keys=foreign_keys)
    engine = create_async_engine(url, async_creator=creator, hide_parameters=True, **options)
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


def _begin(connection: Connection) -> None:
    """Begin the transaction with its first statement: one call of the thread for both."""
    if connection.get_execution_options().get("begins", True):
        driver: Any = connection.connection.driver_connection
        driver.begin()


def _note_time(_: AdaptedConnection | None, record: ConnectionPoolEntry) -> None:
    record.info["idle_since"] = time.time()


def _check_alive(connection: AdaptedConnection, record: ConnectionPoolEntry, _: object) -> None:
    """Replace a connection that the server has closed.

    asyncpg knows of it once the loop has read from the socket; only after an idle time is a ping
    sent. All by the wall clock: the other clocks stand still in a frozen instance.
    """
    idle = abs(time.time() - record.info.pop("idle_since", time.time()))
    if idle > UNHEARD:
        connection.run_async(_listen)
    if connection.driver_connection.is_closed():
        raise DisconnectionError("closed by the server")
    if idle < IDLE_LIMIT:
        return
    try:
        connection.run_async(_ping)
    except Exception as error:  # whatever it was, the ping failed
        raise DisconnectionError("no answer") from error


def _note_dead_connection(context: ExceptionContext) -> None:
    """Let the pool discard the connections if the driver cannot use one that it holds for open.

    So it is after the server's last words, until the end of the stream has been read as well.
    """
    error = context.sqlalchemy_exception
    if error is not None and _is_refused_by_driver(error):
        context.is_disconnect = True


async def _listen(_: Any) -> None:
    """Let the loop read what a server sent to a frozen process before it hung up."""
    for _ in range(8):  # asyncio's own loop needs four, with TLS five; uvloop fewer
        await asyncio.sleep(0)


async def _ping(connection: Any) -> None:
    await connection.execute("SELECT 1", timeout=PING_TIMEOUT)
