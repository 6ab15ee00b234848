"""Statements and transactions that are run in one go, on a single connection."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from db.engine import new_sessions, open_engine
from db.transactions import fetch, transact, transaction

ADD = text("INSERT INTO thing VALUES (:id) RETURNING id")
ALL = text("SELECT id FROM thing ORDER BY id")
SLOW = {  # a second or so
    "postgresql": text("SELECT pg_sleep(1)"),
    "sqlite": text(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000000)"
        " SELECT max(i) FROM n"
    ),
}


@pytest.fixture
async def session(database_url: str) -> AsyncGenerator[AsyncSession]:
    """Open a session on a table; a connection that is lost is missed at once."""
    options = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 5}
    async with open_engine(database_url, **options) as engine, new_sessions(engine)() as session:
        async with transaction(session):
            await session.execute(text("CREATE TABLE thing (id INTEGER PRIMARY KEY)"))
        yield session


async def things(session: AsyncSession) -> list[int]:
    return [number for (number,) in await fetch(session, ALL, {})]


async def add(session: AsyncSession, number: int) -> None:
    await fetch(session, ADD, {"id": number})


async def test_a_statement_is_kept_at_once_and_the_next_transaction_is_one(
    session: AsyncSession,
) -> None:
    """Whether it succeeds or fails, what follows on its connection can be taken back."""
    await add(session, 1)
    with pytest.raises(IntegrityError):
        await add(session, 1)
    with pytest.raises(LookupError):
        await break_off(session)
    assert await things(session) == [1]


async def break_off(session: AsyncSession) -> None:
    async with transaction(session):
        await add(session, 2)  # in the transaction that is open
        raise LookupError


@pytest.mark.parametrize("is_wanted", [True, False], ids=["wanted", "unwanted"])
async def test_a_transaction_is_kept_where_its_work_wants_it(
    session: AsyncSession, *, is_wanted: bool
) -> None:
    """All of it, or nothing; and nothing of one that fails."""

    def work(connection: Connection) -> bool:
        for number in (1, 2):
            connection.execute(ADD, {"id": number})
        return is_wanted

    assert await transact(session, work) is is_wanted
    assert await things(session) == ([1, 2] if is_wanted else [])

    def fail(connection: Connection) -> bool:
        connection.execute(ADD, {"id": 3})
        raise LookupError

    with pytest.raises(LookupError):
        await transact(session, fail)
    assert 3 not in await things(session)


async def test_what_is_called_off_leaves_nothing_behind(session: AsyncSession) -> None:
    """Neither a row, nor a lock, nor a connection that is not given back."""
    slow = SLOW[session.get_bind().dialect.name]

    def work(connection: Connection) -> bool:
        connection.execute(ADD, {"id": 1})
        connection.execute(slow)
        return True

    for _ in range(2):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await transact(session, work)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await fetch(session, slow, {})
    assert await things(session) == []
    await add(session, 1)
