"""The three set-ups: PostgreSQL, PostgreSQL through pgbouncer, SQLite; and how each goes away."""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import asyncpg  # type: ignore[import-untyped]  # it has no types

from tests.support.pgbouncer import Pooler, open_pooler
from tests.support.postgres import Cluster, in_own_loop, open_cluster

Rows = list[tuple[Any, ...]]
Outage = Callable[[float], None]  # lasts so many seconds
SETUPS = ("PostgreSQL", "pgbouncer", "SQLite")


class Database(Protocol):
    """What the campaign needs of a database: `url` is the bot's, `direct_url` passes no pooler."""

    url: str
    direct_url: str
    outages: dict[str, Outage]

    def rows(self, statement: str) -> Rows:
        """Ask past the bot."""


class PostgreSQL:
    """A server of our own, perhaps with a pooler in front."""

    def __init__(self, cluster: Cluster, pooler: Pooler | None = None) -> None:
        self._cluster = cluster
        self.direct_url = cluster.url
        self.url = pooler.url(cluster.url) if pooler else cluster.url
        self.outages: dict[str, Outage] = {
            "database restart": partial(_restart, cluster),
            **({"pooler restart": partial(_restart, pooler)} if pooler else {}),
        }

    def rows(self, statement: str) -> Rows:
        async def fetch() -> Rows:
            connection = await asyncpg.connect(self.direct_url)
            try:
                return [tuple(row) for row in await connection.fetch(statement)]
            finally:
                await connection.close()

        found: Rows = in_own_loop(fetch)
        return found


class SQLite:
    """A file. There is no server to restart: instead somebody else holds its lock."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.url = self.direct_url = f"sqlite:///{file}"
        self.outages: dict[str, Outage] = {"database lock": self._lock}

    def rows(self, statement: str) -> Rows:
        with closing(sqlite3.connect(self._file, timeout=30)) as connection:
            return connection.execute(statement).fetchall()

    def _lock(self, seconds: float) -> None:
        with closing(sqlite3.connect(self._file, timeout=30)) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            time.sleep(seconds)
            connection.rollback()


@contextmanager
def open_database(setup: str, folder: Path) -> Iterator[Database]:
    """Open one of the set-ups while the block lasts, with our tables."""
    if setup == "SQLite":
        yield _migrated(SQLite(folder / "db.sqlite"))
        return
    with open_cluster() as cluster:
        if setup == "PostgreSQL":
            yield _migrated(PostgreSQL(cluster))
            return
        with open_pooler(cluster.url) as pooler:
            yield _migrated(PostgreSQL(cluster, pooler))


def _restart(server: Cluster | Pooler, seconds: float) -> None:
    server.stop()
    time.sleep(seconds)
    server.start()


def _migrated(database: Database) -> Database:
    from db.migrate import migrate

    asyncio.run(migrate(database.direct_url))
    return database
