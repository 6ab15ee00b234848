"""Sessions on a database, and what is said when it cannot be reached."""

import traceback
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from db.engine import new_sessions, open_engine
from db.errors import DatabaseUnavailable
from db.transactions import transaction

PASSWORD = "hush-hush"


@asynccontextmanager
async def open_session(url: str, **options: float) -> AsyncGenerator[AsyncSession]:
    async with open_engine(url, **options) as engine, new_sessions(engine)() as session:
        yield session


async def ask(session: AsyncSession) -> object:
    """Run a transaction that asks for the number of the server's process, or 1."""
    statement = "SELECT 1" if dialect(session) == "sqlite" else "SELECT pg_backend_pid()"
    async with transaction(session):
        return await session.scalar(text(statement))


def dialect(session: AsyncSession) -> str:
    return session.get_bind().dialect.name


async def is_unavailable(url: str, **options: float) -> str:
    """Expect that the database cannot be reached; return what is said of it."""
    async with open_session(url, **options) as session:
        with pytest.raises(DatabaseUnavailable) as unavailable:
            await ask(session)
        assert not session.in_transaction()
    assert PASSWORD not in "".join(traceback.format_exception(unavailable.value))
    return str(unavailable.value)
