"""Engines: how they are opened, for PostgreSQL and for SQLite."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, NullPool, event
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

from db.errors import always, is_unreachable, translated
from db.liveness import replace_dead_connections
from db.url import connect_arguments, parse_url

# Overflow connections are closed when they are returned, and each new one costs PostgreSQL a
# process. The one returned last is used first: it has the statements cached
POOL = {"pool_size": 10, "max_overflow": 5, "pool_timeout": 10, "pool_use_lifo": True}
STATEMENT_TIMEOUT = 30  # seconds
LOCK_TIMEOUT = 15  # seconds that a writer of SQLite waits for another


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
        with translated(is_unreachable):
            async with AsyncExitStack() as stack:
                with translated(always):
                    connection = await stack.enter_async_context(engine.begin())
                yield connection
    finally:
        await engine.dispose()


def new_sessions(engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    """Return a factory of sessions whose objects stay readable after a commit."""
    return async_sessionmaker(engine, expire_on_commit=False)


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
    replace_dead_connections(engine)
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
