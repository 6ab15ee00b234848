"""What SQLite's thread is asked to do, and what becomes of it when nobody waits any more."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import AsyncGenerator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import CursorResult, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from db.engine import new_sessions, open_engine
from db.errors import DatabaseUnavailable
from db.transactions import ERASES, single_statement, transaction, truncate_log
from tests.support.door import Door
from tests.support.gemini_server import GeminiServer

SLOW = text(  # a second or so
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000000)"
    " SELECT max(i) FROM n"
)
ADD = text("INSERT INTO thing VALUES (:id, :name)")
COUNT = text("SELECT count(*) FROM thing")

Sessions = async_sessionmaker[AsyncSession]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/db.sqlite"


@pytest.fixture
async def sessions(url: str) -> AsyncGenerator[Sessions]:
    """Open a file with a table; a connection that is lost is missed at once."""
    async with open_engine(url, pool_size=2, max_overflow=0, pool_timeout=1) as engine:
        sessions = new_sessions(engine)
        async with sessions() as session, transaction(session):
            await session.execute(text("CREATE TABLE thing (id INTEGER PRIMARY KEY, name TEXT)"))
        yield sessions


async def add(session: AsyncSession, number: int) -> None:
    await session.execute(ADD, {"id": number, "name": f"thing {number}"})


async def count(sessions: Sessions) -> int:
    async with sessions() as session, single_statement(session):
        number: int = (await session.execute(COUNT)).scalar_one()
        return number


async def test_rows_come_whole_and_are_counted(sessions: Sessions) -> None:
    """Many rows, none, and what was changed: as a cursor would say it."""
    rows = [(number, f"thing {number}") for number in range(1, 5001)]
    async with sessions() as session, transaction(session):
        await session.execute(ADD, [{"id": number, "name": name} for number, name in rows])
        found = await session.execute(text("SELECT id, name FROM thing ORDER BY id"))
        assert list(found.keys()) == ["id", "name"]
        assert [tuple(row) for row in found] == rows
        nothing = await session.execute(text("SELECT * FROM thing WHERE id < 0"))
        assert nothing.all() == []
        removed = await session.execute(text("DELETE FROM thing WHERE id <= 30 RETURNING id"))
        assert sorted(removed.scalars()) == list(range(1, 31))
        changed = await session.execute(text("UPDATE thing SET name = 'it' WHERE id <= 100"))
        assert cast("CursorResult[Any]", changed).rowcount == 70


async def test_errors_pass_as_they_are(sessions: Sessions) -> None:
    """The driver's classes and codes say what happened, and the next transaction is a new one."""
    async with sessions() as session:
        with pytest.raises(IntegrityError) as error:
            await add_twice(session)
        assert isinstance(error.value.orig, sqlite3.IntegrityError)
        assert error.value.orig.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
        with pytest.raises(DatabaseUnavailable) as refusal:
            async with single_statement(session):
                await session.execute(text("SELEKT 1"))
        assert isinstance(refusal.value.__cause__, OperationalError)
    assert await count(sessions) == 0


async def add_twice(session: AsyncSession) -> None:
    async with transaction(session):
        await add(session, 1)
        await add(session, 1)


async def test_statements_of_their_own_are_kept_at_once(sessions: Sessions) -> None:
    """What follows takes nothing of them back, and no transaction stays open behind them."""
    async with sessions() as session:
        with pytest.raises(LookupError):
            await break_off(session)
        async with sessions() as other, transaction(other):
            await add(other, 2)
    assert await count(sessions) == 2


async def break_off(session: AsyncSession) -> None:
    async with single_statement(session):
        await add(session, 1)
        raise LookupError


async def test_a_transaction_by_hand_does_not_outlive_its_block(sessions: Sessions) -> None:
    """Also what nobody but SQLite knows of is over when the connection goes back."""
    async with sessions() as session, single_statement(session):
        await session.execute(text("SAVEPOINT mine"))
        await add(session, 1)
    async with sessions() as session, transaction(session):
        await add(session, 2)
    assert await count(sessions) == 2


async def test_the_loop_runs_on_while_a_writer_waits(sessions: Sessions) -> None:
    """Who holds the file must be able to go on, or both would wait for ever."""
    async with sessions() as first, sessions() as second:

        async def write() -> None:
            async with transaction(second):
                await add(second, 2)

        async with transaction(first):
            await add(first, 1)
            writing = asyncio.create_task(write())
            await asyncio.sleep(0.05)
            assert not writing.done()
        await asyncio.wait_for(writing, 5)
    assert await count(sessions) == 2


async def test_a_transaction_that_was_refused_can_still_begin(
    url: str, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who goes on after a locked file is in a transaction again, not without one."""
    monkeypatch.setattr("db.engine.LOCK_TIMEOUT", 0.1)
    async with open_engine(url) as engine, new_sessions(engine)() as second:
        with pytest.raises(LookupError):
            await go_on(second, sessions)
    assert await count(sessions) == 1


async def go_on(refused: AsyncSession, sessions: Sessions) -> None:
    async with transaction(refused):
        async with sessions() as first, transaction(first):
            await add(first, 1)
            with pytest.raises(OperationalError):
                await add(refused, 2)
        await add(refused, 2)
        raise LookupError


async def test_a_statement_that_is_called_off(sessions: Sessions) -> None:
    """Its transaction is taken back, its lock is free, its connection is replaced."""
    for _ in range(3):  # more than there are connections
        async with sessions() as session:
            with pytest.raises(TimeoutError):
                await call_off(session)
            async with transaction(session):
                await session.execute(text("DELETE FROM thing"))
    assert await count(sessions) == 0


async def call_off(session: AsyncSession) -> None:
    async with asyncio.timeout(0.05), transaction(session):
        await add(session, 1)
        await session.execute(SLOW)


async def test_no_thread_outlives_the_engine(url: str) -> None:
    """Nor does one whose statement was called off."""
    before = set(threading.enumerate())
    async with open_engine(url) as engine, new_sessions(engine)() as session:
        async with transaction(session):
            await session.execute(text("CREATE TABLE thing (id INTEGER, name TEXT)"))
        with pytest.raises(TimeoutError):
            await call_off(session)
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
        assert not thread.is_alive()


LONG = "overflow " * 2000


@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("command", ["/forget", "/new_chat"])
async def test_what_is_deleted_is_in_no_file(
    door: Door, gemini: GeminiServer, tmp_path: Path, command: str
) -> None:
    """Neither in the database, in its free pages, nor in the log; others are at work meanwhile."""
    await door.say("Bobs words", user_id=43)
    for number in range(30):
        await door.say(f"secretive {number}")
    await door.say(f"secretive {LONG}")
    gemini.answer("secretive, says the model")
    await door.send(photo=b"\xff\xd8", caption="secretive as well")
    assert "secretive" in traces(tmp_path)

    await asyncio.gather(door.say(command), door.say("Bob goes on", user_id=43))

    assert "secretive" not in traces(tmp_path)
    assert "overflow overflow" not in traces(tmp_path)
    assert "Bobs words" in traces(tmp_path)


def traces(folder: Path) -> str:
    return "".join(file.read_bytes().decode("latin-1") for file in folder.glob("test.sqlite*"))


async def test_who_reads_holds_up_no_deletion(tmp_path: Path, sessions: Sessions) -> None:
    """The log is emptied later then; whoever deletes does not wait for long."""
    with closing(sqlite3.connect(tmp_path / "db.sqlite", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute(str(COUNT)).fetchall()
        started = time.monotonic()
        async with sessions() as session, transaction(session):
            await add(session, 1)
            session.info[ERASES] = True
        assert time.monotonic() - started < 5
    assert await count(sessions) == 1
    log = tmp_path / "db.sqlite-wal"
    assert log.stat().st_size > 0
    async with sessions() as session:
        await truncate_log(session)
    assert log.stat().st_size == 0
