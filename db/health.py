"""The state of a database: its revision, its latency, and whether a pooler is in between."""

import time
from dataclasses import dataclass
from statistics import median
from typing import Any

from sqlalchemy import delete, false, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.dialects import epoch_now
from db.engine import new_sessions
from db.models import Base
from db.schema import HEAD, read_revision
from db.transactions import transaction

PINGS = 5


@dataclass(frozen=True, slots=True)
class Health:
    """The state of a database; `latency` is that of a statement, in seconds.

    `ahead` is how many seconds the database's clock is ahead of this machine's.
    """

    revision: str | None
    latency: float
    ahead: float
    pooled: bool


async def examine(engine: AsyncEngine) -> Health:
    """Examine a database; raise DatabaseUnavailable if it cannot be reached or refuses."""
    revision = await read_revision(engine)
    async with new_sessions(engine)() as session, transaction(session):
        connection = await session.connection()
        if revision == HEAD:
            await _try_rights(connection)
        latency = median([await _ping(connection) for _ in range(PINGS)])
        now = float(await session.scalar(select(epoch_now())) or 0)
        ahead = now - time.time() + latency / 2
        return Health(revision, latency, ahead, await _is_pooled(connection))


async def _try_rights(connection: AsyncConnection) -> None:
    """Read and change zero rows of each table: that fails if a table or a right is missing."""
    for table in Base.metadata.sorted_tables:
        none = select(table).where(false())
        await connection.execute(insert(table).from_select(list(table.columns), none))
        column = next(iter(table.columns))
        await connection.execute(update(table).where(false()).values({column: column}))
        await connection.execute(delete(table).where(false()))


async def _ping(connection: AsyncConnection) -> float:
    started = time.perf_counter()
    await connection.execute(text("SELECT 1"))
    return time.perf_counter() - started


async def _is_pooled(connection: AsyncConnection) -> bool:
    """Tell whether the server process differs from the one that accepted the connection."""
    if connection.dialect.name != "postgresql":
        return False
    raw: Any = (await connection.get_raw_connection()).driver_connection
    return bool(await connection.scalar(text("SELECT pg_backend_pid()")) != raw.get_server_pid())
