"""Transactions, the pool, and every way in which a database cannot be reached."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError, InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from db.engine import new_sessions, open_engine
from db.errors import DatabaseUnavailable
from db.liveness import IDLE_LIMIT
from db.migrate import migrate
from db.transactions import fetch, transaction
from tests.support.engine_sessions import PASSWORD, ask, dialect, is_unavailable, open_session
from tests.support.postgres import (
    LOCKED_ROLE,
    Cluster,
    Postgres,
    execute,
    open_cluster,
    temporary_folder,
)

BACKEND = text("SELECT pg_backend_pid()")


@pytest.fixture
def own_cluster() -> Iterator[Cluster]:
    """Run a PostgreSQL server that the test may stop."""
    if os.environ.get("TEST_POSTGRES_URL"):
        pytest.skip("The server is not ours to stop")
    with open_cluster() as cluster:
        yield cluster


@pytest.fixture
def shared_cluster(postgres_server: Postgres) -> Cluster:
    """Return the session's server where it is ours."""
    if postgres_server.cluster is None:
        pytest.skip("The server is not ours to set up")
    return postgres_server.cluster


def count_checked_out(engine: AsyncEngine) -> int:
    count: int = engine.pool.checkedout()  # type: ignore[attr-defined]  # of queue pools only
    return count


async def test_a_transaction_commits_and_gives_the_connection_back(database_url: str) -> None:
    """What was written is there for others as soon as the block ends."""
    async with open_engine(database_url) as engine, new_sessions(engine)() as session:
        async with transaction(session):
            await session.execute(text("CREATE TABLE thing (id INTEGER)"))
            assert count_checked_out(engine) == 1
        assert count_checked_out(engine) == 0
        async with transaction(session):
            await session.execute(text("INSERT INTO thing VALUES (1)"))
        async with new_sessions(engine)() as other, transaction(other):
            assert await other.scalar(text("SELECT count(*) FROM thing")) == 1


async def test_an_error_takes_everything_back(database_url: str) -> None:
    """Whatever leaves the block by an exception leaves no trace, not even a table."""
    async with open_session(database_url) as session:
        with pytest.raises(LookupError):
            await break_off(session)
        with pytest.raises(DatabaseUnavailable):
            async with transaction(session):
                await session.execute(text("SELECT * FROM thing"))


async def break_off(session: AsyncSession) -> None:
    async with transaction(session):
        await session.execute(text("CREATE TABLE thing (id INTEGER)"))
        raise LookupError


def state(code: str) -> str:
    """Return a statement that PostgreSQL answers with an SQLSTATE."""
    return f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{code}'; END $$"


LATER = {
    "sqlite": ["SELECT * FROM gone", "SELECT gone FROM thing", "SELEKT 1"],
    "postgresql": [
        "SELECT * FROM gone",
        "SELECT gone FROM thing",
        "INSERT INTO thing VALUES (1) ON CONFLICT (name) DO NOTHING",  # its index is to come
        *map(state, ["42501", "25006", "53100", "53200", "53300", "57014", "57P01", "57P03"]),
        *map(state, ["40001", "40P01", "55P03", "58030", "0A000", "XX000", "XX001", "P0001"]),
    ],
}
FINAL = {
    "sqlite": ["INSERT INTO thing VALUES (1, 'x')", "INSERT INTO thing VALUES ('one', 'x')"],
    "postgresql": [
        "INSERT INTO thing VALUES (1, 'x')",
        "INSERT INTO thing VALUES (2, NULL)",
        "SELECT 1 / 0",
        *map(state, ["22021", "22003", "22P05", "23503", "23514", "54000", "54001"]),
    ],
}


async def test_only_what_is_about_the_row_is_final(database_url: str) -> None:
    """A missing table, right or disk may be back soon; what a row holds stays as it is."""
    async with open_session(database_url) as session:
        async with transaction(session):
            table = "CREATE TABLE thing (id INTEGER PRIMARY KEY, name TEXT NOT NULL)"
            await session.execute(text(table))
            await session.execute(text("INSERT INTO thing VALUES (1, 'x')"))
        for raised, statements in ((DatabaseUnavailable, LATER), (DBAPIError, FINAL)):
            for statement in statements[dialect(session)]:
                with pytest.raises(raised):
                    async with transaction(session):
                        await session.execute(text(statement))


async def test_a_value_that_the_driver_refuses_is_final(postgresql_url: str) -> None:
    """It never comes to the database, whose state has nothing to do with it."""
    async with open_session(postgresql_url) as session:
        with pytest.raises(DBAPIError):
            async with transaction(session):
                await session.execute(text("SELECT CAST(:n AS integer)"), {"n": 2**40})


async def test_a_mistake_of_ours_passes_as_it_is(database_url: str) -> None:
    """A nested transaction is no fault of the database."""
    async with open_session(database_url) as session:
        with pytest.raises(InvalidRequestError):
            async with transaction(session), transaction(session):
                pass


async def test_an_error_does_not_quote_what_people_wrote(database_url: str) -> None:
    """Parameters stay out of the errors' texts, which end up in logs."""
    async with open_session(database_url) as session:
        with pytest.raises(DatabaseUnavailable) as error:
            async with transaction(session):
                await session.execute(text("SELECT * FROM thing WHERE id = :id"), {"id": PASSWORD})
    assert PASSWORD not in "".join(traceback.format_exception(error.value))


async def test_an_exhausted_pool_is_unavailable(database_url: str) -> None:
    """Who gets no connection in time is told so, and the next one gets it."""
    pool = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 0.1}
    async with (
        open_engine(database_url, **pool) as engine,
        new_sessions(engine)() as first,
        new_sessions(engine)() as second,
    ):
        async with transaction(first):
            with pytest.raises(DatabaseUnavailable):
                await ask(second)
        assert await ask(second)


async def test_many_transactions_share_a_few_connections(database_url: str) -> None:
    """More work than the pool has connections waits for its turn."""
    async with open_engine(database_url, pool_size=2, max_overflow=0) as engine:

        async def work() -> object:
            async with new_sessions(engine)() as session:
                return await ask(session)

        answers = await asyncio.gather(*(work() for _ in range(20)))
        assert len(answers) == 20
        assert len(set(answers)) <= 2


async def test_nobody_listens() -> None:
    """A wrong port is unavailable, whatever the password."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))  # taken, and refusing
        port = listener.getsockname()[1]
        said = await is_unavailable(f"postgresql://me:{PASSWORD}@127.0.0.1:{port}/name")
    assert said == "The database cannot be reached (ConnectionRefusedError)"


async def test_nobody_answers() -> None:
    """A server that accepts and is silent is unavailable when the time is over."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        url = f"postgresql://me:{PASSWORD}@127.0.0.1:{port}/name?sslmode=disable&connect_timeout=1"
        assert "TimeoutError" in await is_unavailable(url)


@pytest.mark.parametrize("host", ["no-such-host.invalid", f"{'x' * 70}.invalid"])
async def test_no_such_host(host: str) -> None:
    """A name that cannot be looked up, or is none, is unavailable."""
    await is_unavailable(f"postgresql://me:{PASSWORD}@{host}/name")


async def test_no_such_database(postgresql_url: str) -> None:
    """The server is there, the database is not."""
    assert "InvalidCatalogName" in await is_unavailable(f"{postgresql_url}_gone")


async def test_a_refused_password(shared_cluster: Cluster) -> None:
    """A wrong password is unavailable, and is not repeated."""
    right = PASSWORD[::-1]
    execute(
        shared_cluster.url,
        f"DROP ROLE IF EXISTS {LOCKED_ROLE}",
        f"CREATE ROLE {LOCKED_ROLE} LOGIN PASSWORD '{right}'",
    )
    url = shared_cluster.url.replace("postgres@", f"{LOCKED_ROLE}:{{}}@")
    async with open_session(url.format(right)) as session:
        assert await ask(session)
    assert "InvalidPassword" in await is_unavailable(url.format(PASSWORD))


async def test_too_many_clients(shared_cluster: Cluster) -> None:
    """A server whose places are all taken is unavailable."""
    execute(
        shared_cluster.url,
        "DROP ROLE IF EXISTS lonely",
        "CREATE ROLE lonely LOGIN CONNECTION LIMIT 1",
    )
    url = shared_cluster.url.replace("postgres@", "lonely@")
    async with open_session(url) as session, transaction(session):
        await session.execute(text("SELECT 1"))
        assert "TooManyConnections" in await is_unavailable(url)


async def test_a_stopped_server_is_unavailable_until_it_is_back(own_cluster: Cluster) -> None:
    """Pooled connections of a stopped server are replaced as soon as it is back."""
    async with open_session(own_cluster.url) as session:
        assert await ask(session)
        own_cluster.stop()
        with pytest.raises(DatabaseUnavailable):
            await ask(session)
        own_cluster.start()
        assert await ask(session)


async def test_a_server_that_stops_within_a_transaction(own_cluster: Cluster) -> None:
    """The statement after it is unavailable, and so is the commit."""
    async with open_session(own_cluster.url) as session:
        with pytest.raises(DatabaseUnavailable):
            await stop_within(session, own_cluster)
        assert not session.in_transaction()


async def stop_within(session: AsyncSession, cluster: Cluster) -> None:
    async with transaction(session):
        await session.execute(text("CREATE TABLE thing (id INTEGER)"))
        cluster.stop()


async def test_a_unix_socket_reaches_the_server(shared_cluster: Cluster) -> None:
    """The socket's folder may stand in the query."""
    socket_of = f"host={shared_cluster.folder}&port={shared_cluster.port}"
    async with open_session(f"postgresql://postgres@/postgres?{socket_of}") as session:
        assert await ask(session)


async def test_a_killed_connection_is_replaced(
    postgres_server: Postgres, postgresql_url: str
) -> None:
    """A pooled connection that the server has ended costs the next transaction nothing.

    Nor does one that was ended while the process stood still, as our loop does here.
    """
    async with open_session(postgresql_url, pool_size=1, max_overflow=0) as session:
        before = await ask(session)
        execute(postgres_server.url, f"SELECT pg_terminate_backend({before}, 10000)")
        time.sleep(0.3)  # noqa: ASYNC251 - stand still
        after = await ask(session)
        assert after not in {before, None}


async def test_a_connection_is_asked_only_after_idle_time(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is kept as long as it lives; after 20 s by the wall clock it must answer first."""
    async with open_session(postgresql_url, pool_size=1, max_overflow=0) as session:
        before = await ask(session)
        queries = await watch_queries(session)
        assert await ask(session) == before
        assert "SELECT 1" not in queries
        let_time_pass(monkeypatch)
        assert await ask(session) == before
        assert queries.count("SELECT 1") == 1


async def watch_queries(session: AsyncSession) -> list[str]:
    """Return a list that grows by what the pooled connection sends from now on."""
    queries: list[str] = []
    async with transaction(session):
        raw = await (await session.connection()).get_raw_connection()
        driver: Any = raw.driver_connection
    driver.add_query_logger(lambda record: queries.append(record.query))
    return queries


def let_time_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Move the wall clock on, as for a frozen instance that wakes up."""
    later = time.time() + IDLE_LIMIT + 1
    monkeypatch.setattr("db.liveness.time.time", lambda: later)


async def test_a_half_open_connection_is_replaced_after_idle_time(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection whose other end is gone without a word is found out by asking."""
    monkeypatch.setattr("db.liveness.PING_TIMEOUT", 0.2)
    async with open_relayed(postgresql_url, pool_size=1) as (relay, session):
        before = await ask(session)
        relay.cut()
        let_time_pass(monkeypatch)
        assert await ask(session) not in {before, None}


@pytest.mark.parametrize("way", ["last words alone", "reset"])
async def test_a_statement_on_a_dead_connection_is_repeated_on_a_new_one(
    postgres_server: Postgres, postgresql_url: str, way: str
) -> None:
    """The loss is only noticed by the statement: by the driver's state or by a reset."""
    async with open_relayed(postgresql_url, pool_size=2) as (relay, session):
        before = await ask(session)
        if way == "reset":
            relay.reset()
        else:
            relay.hides_hang_ups = True
            execute(postgres_server.url, f"SELECT pg_terminate_backend({before}, 10000)")
            await asyncio.sleep(0.1)
        ((after,),) = await fetch(session, BACKEND, {}, repeatable=True)
        relay.hides_hang_ups = False
        assert after != before
        assert await ask(session) == after


async def test_a_statement_that_may_have_run_is_not_repeated(postgresql_url: str) -> None:
    """Only a repeatable one is, as the server may have done its work before the reset."""
    async with open_relayed(postgresql_url, pool_size=1) as (relay, session):
        before = await ask(session)
        relay.reset()
        with pytest.raises(DatabaseUnavailable):
            await fetch(session, BACKEND, {})
        assert await ask(session) not in {before, None}


@asynccontextmanager
async def open_relayed(
    postgresql_url: str, pool_size: int
) -> AsyncGenerator[tuple["Relay", AsyncSession]]:
    """Open a session on a database that is reached through a relay."""
    server = make_url(postgresql_url)
    relay = Relay(server.host or "", server.port or 5432)
    async with relay.listen() as port:
        url = server.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
        async with open_session(url, pool_size=pool_size, max_overflow=0) as session:
            yield relay, session


class Relay:
    """A relay to a server; the connections that exist can be cut in several ways."""

    def __init__(self, host: str, port: int) -> None:
        self.hides_hang_ups = False
        self._target = (host, port)
        self._generation = self._first_alive = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []

    @asynccontextmanager
    async def listen(self) -> AsyncGenerator[int]:
        """Listen on a free port."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            for writer in self._writers:
                writer.close()

    def cut(self) -> None:
        """Let nothing more through the connections that there are."""
        self._generation += 1

    def reset(self) -> None:
        """Reset the connections that there are as soon as something is sent."""
        self._generation += 1
        self._first_alive = self._generation

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        self._writers += [writer, far_writer]
        for source, target in ((reader, far_writer), (far_reader, writer)):
            self._tasks.add(asyncio.create_task(self._pass_on(source, target, writer)))

    async def _pass_on(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        near: asyncio.StreamWriter,
    ) -> None:
        generation = self._generation
        try:
            while data := await reader.read(65536):
                if generation < self._first_alive:
                    near.transport.abort()
                elif generation == self._generation:
                    writer.write(data)
        finally:
            if not self.hides_hang_ups:
                writer.close()


async def test_a_missing_folder_is_unavailable(tmp_path: Path) -> None:
    """SQLite cannot open a file in a folder that is not there."""
    said = await is_unavailable(f"sqlite:///{tmp_path}/gone/db.sqlite")
    assert said == "The database cannot be reached (OperationalError)"


async def test_a_folder_is_no_database(tmp_path: Path) -> None:
    """Nor can it open a folder."""
    await is_unavailable(f"sqlite:///{tmp_path}")


async def test_another_file_is_no_database(tmp_path: Path) -> None:
    """A file that is something else is unavailable, and stays as it is."""
    file = tmp_path / "notes.txt"
    file.write_text("Not a database at all. " * 100)
    await is_unavailable(f"sqlite:///{file}")
    assert file.read_text() == "Not a database at all. " * 100


async def test_a_locked_file_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits too long for another writer is told so."""
    monkeypatch.setattr("db.engine.LOCK_TIMEOUT", 0.1)
    url = f"sqlite:///{tmp_path}/db.sqlite"
    async with open_session(url) as first, transaction(first):
        await first.execute(text("SELECT 1"))
        await is_unavailable(url)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Make a folder that every account may enter."""
    folder = temporary_folder()
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


AS_NOBODY = """
import aiosqlite, asyncio, os, sys  # before the account changes: it may read no other module
from tests.support.engine_sessions import is_unavailable
if os.geteuid() == 0:
    os.seteuid(65534)
print(asyncio.run(is_unavailable(sys.argv[1])))
"""


def test_a_read_only_file_is_unavailable(open_folder: Path) -> None:
    """A file system that allows no writing is unavailable, not a crash."""
    file = open_folder / "db.sqlite"
    asyncio.run(migrate(f"sqlite:///{file}"))
    file.chmod(0o444)
    open_folder.chmod(0o555)
    # In a process of its own: root may write everywhere, and must give that up
    result = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", AS_NOBODY, f"sqlite:///{file}"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (result.returncode, result.stderr) == (0, "")
    assert "cannot be reached" in result.stdout


async def test_writers_of_one_file_lose_nothing(tmp_path: Path) -> None:
    """Reading and writing back in one transaction is safe between two engines."""
    url = f"sqlite:///{tmp_path}/db.sqlite"
    async with open_engine(url) as first, open_engine(url) as second:
        async with new_sessions(first)() as session, transaction(session):
            await session.execute(text("CREATE TABLE counter AS SELECT 0 AS value"))

        async def count(engine: AsyncEngine) -> None:
            for _ in range(25):
                async with new_sessions(engine)() as session, transaction(session):
                    value = await session.scalar(text("SELECT value FROM counter"))
                    new = {"value": (value or 0) + 1}
                    await session.execute(text("UPDATE counter SET value = :value"), new)

        await asyncio.gather(*(count(engine) for engine in (first, second) for _ in range(2)))
        async with new_sessions(first)() as session, transaction(session):
            assert await session.scalar(text("SELECT value FROM counter")) == 100


async def test_sqlite_is_set_up(tmp_path: Path) -> None:
    """Readers do not wait for writers, and foreign keys are watched."""
    async with open_session(f"sqlite:///{tmp_path}/db.sqlite") as session, transaction(session):
        assert await session.scalar(text("PRAGMA journal_mode")) == "wal"
        assert await session.scalar(text("PRAGMA synchronous")) == 1
        assert await session.scalar(text("PRAGMA foreign_keys")) == 1
        assert await session.scalar(text("PRAGMA busy_timeout")) == 15_000


async def test_nothing_is_prepared_under_a_name(postgresql_url: str) -> None:
    """Behind a pooler a statement kept by name would be another client's."""
    async with open_session(postgresql_url) as session:
        for _ in range(3):
            async with transaction(session):
                await session.execute(text("SELECT 1"))
        async with transaction(session):
            assert await session.scalar(text("SELECT count(*) FROM pg_prepared_statements")) == 0
