"""The differences between PostgreSQL's and SQLite's dialects of SQL."""

from collections.abc import Callable, Hashable
from functools import cache
from typing import Any

from sqlalchemy import Double, FunctionElement, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import Executable

from db.models import Base

Insert = postgresql.Insert | sqlite.Insert
InsertInto = Callable[[type[Base] | Table], Insert]

# The two dialects' classes have nothing but their names in common
_INSERTS: dict[str, InsertInto] = {
    "postgresql": postgresql.insert,
    "sqlite": sqlite.insert,
}


def insert_into(session: AsyncSession, table: type[Base] | Table) -> Insert:
    """Return an INSERT that supports ON CONFLICT."""
    return _INSERTS[session.get_bind().dialect.name](table)


def built_once(build: Callable[..., Executable]) -> Callable[..., Executable]:
    """Cache the statements that a function builds, by dialect and arguments.

    Building a statement takes longer than running it. The function gets an INSERT that supports
    ON CONFLICT; its callers pass the session instead.
    """

    @cache
    def built(dialect: str, *arguments: Hashable) -> Executable:
        return build(_INSERTS[dialect], *arguments)

    def of_session(session: AsyncSession, *arguments: Hashable) -> Executable:
        return built(session.get_bind().dialect.name, *arguments)

    return of_session


class epoch_now(FunctionElement[float]):  # noqa: N801 - a function in SQL
    """The database's time in seconds since 1970: the clocks of instances differ."""

    type = Double()
    inherit_cache = True


@compiles(epoch_now, "postgresql")
def _on_postgresql(*_: Any, **__: Any) -> str:
    return "extract(epoch FROM clock_timestamp())::double precision"


@compiles(epoch_now, "sqlite")
def _on_sqlite(*_: Any, **__: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"
