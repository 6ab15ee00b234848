"""Replacing pooled connections to PostgreSQL that are dead."""

import asyncio
import time
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import AdaptedConnection, ExceptionContext
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry

from db.errors import is_refused_by_driver

UNHEARD = 0.2  # seconds after which the process may have been frozen and the server gone
IDLE_LIMIT = 20  # seconds after which a pooled connection is pinged before use
PING_TIMEOUT = 5  # seconds


def replace_dead_connections(engine: AsyncEngine) -> None:
    """Let an engine's pool check its connections before use, and discard the dead ones."""
    event.listen(engine.sync_engine, "checkin", _note_time)
    event.listen(engine.sync_engine, "checkout", _check_alive)
    event.listen(engine.sync_engine, "handle_error", _note_dead_connection)


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
    if error is not None and is_refused_by_driver(error):
        context.is_disconnect = True


async def _listen(_: Any) -> None:
    """Let the loop read what a server sent to a frozen process before it hung up."""
    for _ in range(8):  # asyncio's own loop needs four, with TLS five; uvloop fewer
        await asyncio.sleep(0)


async def _ping(connection: Any) -> None:
    await connection.execute("SELECT 1", timeout=PING_TIMEOUT)
