"""What PostgreSQL and SQLite say in different words."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Double, FunctionElement
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.ext.compiler import compiles

from db.models import Base

Insert = postgresql.Insert | sqlite.Insert

# One statement in two dialects: their classes only share the names
_INSERTS: dict[str, Callable[[type[Base]], Insert]] = {
    "postgresql": postgresql.insert,
    "sqlite": sqlite.insert,
}


def insert_into(session: AsyncSession, table: type[Base]) -> Insert:
    """Return an INSERT that can say ON CONFLICT."""
    return _INSERTS[session.get_bind().dialect.name](table)


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
