"""Every database that exists becomes the newest one, with every row."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.util import CommandError
from sqlalchemy import Connection, inspect
from sqlalchemy.exc import DBAPIError

from db.engine import open_engine, open_migration
from db.errors import DatabaseUnavailable
from db.migrate import configuration, migrate
from db.schema import HEAD, KNOWN_REVISIONS, read_revision
from db.url import parse_url
from tests.support.former_databases import (
    CREATED_SQLITE,
    FASTAPI_SQLITE,
    FIRST,
    FIRST_POSTGRESQL,
    FIRST_SQLITE,
    KEPT,
    LEFTOVER,
    LEGACY,
    ROWS,
    ROWS_WITHOUT_ROLE,
    SECOND,
    STRAY_ROWS,
    STRAYS_KEPT,
    THIRD,
    WITHOUT_ROLE,
    versioned,
)
from tests.support.postgres import Postgres
from tests.support.processes import PATIENCE, ROOT

PASSWORD = "hush-hush"

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(params=list(LEGACY.values()), ids=list(LEGACY))
async def legacy_url(request: pytest.FixtureRequest) -> str:
    """Return the URL of a database as a former bot left it, in turn."""
    kind, statements = request.param
    url: str = request.getfixturevalue(f"{kind}_url")
    await run(url, *statements)
    return url


async def run(url: str, *statements: str) -> list[tuple[Any, ...]]:
    """Run statements in one transaction; return the rows of the last."""
    rows: list[tuple[Any, ...]] = []
    async with open_migration(url) as connection:
        for statement in statements:
            result = await connection.exec_driver_sql(statement)
            rows = [tuple(row) for row in result] if result.returns_rows else []
    return rows


async def alembic(url: str, name: str, *arguments: str) -> None:
    """Run one of Alembic's commands in a thread, where it has its own loop."""
    await asyncio.to_thread(getattr(command, name), configuration(parse_url(url)), *arguments)


async def kept(url: str) -> list[tuple[Any, ...]]:
    """Return the chat, by Telegram's id, and the text of every message."""
    return await run(
        url,
        "SELECT chat_session.chat_id, text FROM chat_message"
        " JOIN chat_session ON chat_session.id = chat_message.chat_id ORDER BY chat_message.id",
    )


async def messages(url: str) -> list[tuple[Any, ...]]:
    """Return every message with all that the former bots stored."""
    return await run(url, "SELECT id, chat_id, text, date, role FROM chat_message ORDER BY id")


async def schema(url: str) -> dict[str, Any]:
    """Return what the database says of its tables, but for the constraints' names."""
    async with open_migration(url) as connection:
        return await connection.run_sync(_schema)


def _schema(connection: Connection) -> dict[str, Any]:
    inspector = inspect(connection)
    tables: dict[str, Any] = {}
    for table in inspector.get_table_names():
        tables[table] = {
            "columns": {
                column["name"]: (str(column["type"]), column["nullable"])
                for column in inspector.get_columns(table)
            },
            "primary key": inspector.get_pk_constraint(table)["constrained_columns"],
            "foreign keys": [
                (key["constrained_columns"], key["referred_table"], key["referred_columns"])
                for key in inspector.get_foreign_keys(table)
            ],
            "unique": [key["column_names"] for key in inspector.get_unique_constraints(table)],
            "indexes": {
                index["name"]: index["column_names"]
                for index in inspector.get_indexes(table)
                if not index["unique"]
            },
        }
    return tables


async def fresh_schema(url: str, postgres_server: Postgres | None, folder: Path) -> dict[str, Any]:
    """Return the schema of a new database of the same kind."""
    if url.startswith("sqlite"):
        fresh = f"sqlite:///{folder}/fresh.sqlite"
        await migrate(fresh)
        return await schema(fresh)
    assert postgres_server is not None
    fresh = postgres_server.create_database()
    try:
        await migrate(fresh)
        return await schema(fresh)
    finally:
        postgres_server.drop_database(fresh)


@pytest.fixture
def postgres_or_none(request: pytest.FixtureRequest) -> Postgres | None:
    """Return the server where the test's database lies on it."""
    if "sqlite" in request.node.name:
        return None
    server: Postgres = request.getfixturevalue("postgres_server")
    return server


async def test_a_legacy_database_keeps_every_row(legacy_url: str) -> None:
    """Ids, texts, dates and roles, also those that are NULL, are what they were."""
    await run(legacy_url, "UPDATE chat_message SET role = NULL WHERE id = 1")
    before = await messages(legacy_url)
    await migrate(legacy_url)
    after = await messages(legacy_url)
    assert [_naive(row) for row in before] == after
    assert [row[4] for row in after] == [None, "model", "user", None]
    assert await kept(legacy_url) == KEPT


def _naive(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(
        value.replace(tzinfo=None) if hasattr(value, "tzinfo") else value for value in row
    )


async def test_a_legacy_database_gets_the_schema_of_a_new_one(
    legacy_url: str, postgres_or_none: Postgres | None, tmp_path: Path
) -> None:
    """Whoever made it, it ends as a new one, and Alembic finds nothing to do."""
    await migrate(legacy_url)
    assert await schema(legacy_url) == await fresh_schema(legacy_url, postgres_or_none, tmp_path)
    await alembic(legacy_url, "check")


async def test_a_legacy_database_goes_down_and_up(legacy_url: str) -> None:
    """The constraints of whichever bot are found and taken back; the rows stay."""
    await migrate(legacy_url)
    await alembic(legacy_url, "downgrade", FIRST)
    assert await run(legacy_url, "SELECT count(*) FROM chat_message") == [(4,)]
    # Nothing forbids it now
    await run(legacy_url, "INSERT INTO chat_message (text) VALUES ('of no chat')")
    await migrate(legacy_url)
    assert await kept(legacy_url) == [*KEPT, (0, "of no chat")]
    await alembic(legacy_url, "check")
    await alembic(legacy_url, "downgrade", "base")
    assert list(await schema(legacy_url)) == ["alembic_version"]
    await migrate(legacy_url)
    await alembic(legacy_url, "check")


@pytest.mark.parametrize(
    ("statements", "revision"),
    [
        (CREATED_SQLITE, THIRD),
        (WITHOUT_ROLE, SECOND),
        (FIRST_SQLITE, FIRST),
    ],
    ids=["third", "second", "first"],
)
async def test_tables_without_a_version_are_recognised(
    sqlite_url: str, statements: tuple[str, ...], revision: str
) -> None:
    """They are taken for the revision that fits their columns: the rest is done to them."""
    rows = ROWS if revision == THIRD else ROWS_WITHOUT_ROLE
    await run(sqlite_url, *statements, *rows)
    await alembic(sqlite_url, "upgrade", revision)
    async with open_engine(sqlite_url) as engine:
        assert await read_revision(engine) == revision
    await migrate(sqlite_url)
    assert await kept(sqlite_url) == KEPT
    await alembic(sqlite_url, "check")


async def test_our_own_tables_without_a_version_are_recognised(database_url: str) -> None:
    """A copy of the tables alone is our newest revision."""
    await migrate(database_url)
    await run(database_url, "DROP TABLE alembic_version")
    await migrate(database_url)
    await alembic(database_url, "check")


async def test_an_emptied_version_table_counts_as_none(sqlite_url: str) -> None:
    """What was stamped and lost its stamp is recognised, too."""
    await run(sqlite_url, *versioned(THIRD, *FASTAPI_SQLITE, *ROWS), "DELETE FROM alembic_version")
    await migrate(sqlite_url)
    assert await kept(sqlite_url) == KEPT


async def test_a_question_changes_nothing(sqlite_url: str) -> None:
    """`current` and `check` do not stamp what they look at."""
    await run(sqlite_url, *CREATED_SQLITE, *ROWS)
    await alembic(sqlite_url, "current")
    with pytest.raises(CommandError, match="not up to date"):
        await alembic(sqlite_url, "check")
    async with open_engine(sqlite_url) as engine:
        assert await read_revision(engine) is None


@pytest.mark.parametrize(
    ("kind", "statements"),
    [
        ("sqlite", versioned(FIRST, *FIRST_SQLITE, *LEFTOVER, *STRAY_ROWS)),
        ("sqlite", versioned(FIRST, *FIRST_SQLITE, *STRAY_ROWS)),
        ("sqlite", (*FIRST_SQLITE, *STRAY_ROWS)),
        ("postgresql", versioned(FIRST, *FIRST_POSTGRESQL, *STRAY_ROWS)),
    ],
    ids=["stuck-sqlite", "first-sqlite", "unversioned-sqlite", "first-postgresql"],
)
async def test_no_stray_message_is_lost(
    kind: str,
    statements: tuple[str, ...],
    request: pytest.FixtureRequest,
    postgres_or_none: Postgres | None,
    tmp_path: Path,
) -> None:
    """Rows that the second revision forbids get a chat of their own first."""
    url: str = request.getfixturevalue(f"{kind}_url")
    await run(url, *statements)
    await migrate(url)
    assert await kept(url) == STRAYS_KEPT
    sessions = await run(url, "SELECT chat_id FROM chat_session ORDER BY chat_id")
    assert sessions == [(-222222,), (0,), (6,), (7,), (111111,), (333333,)]
    assert await schema(url) == await fresh_schema(url, postgres_or_none, tmp_path)
    await alembic(url, "check")


@pytest.mark.slow("a process for each step")
async def test_each_step_goes_up_down_and_up(database_url: str) -> None:
    """Every revision can be taken back and done again with rows in place."""
    await alembic(database_url, "upgrade", FIRST)
    await run(database_url, *ROWS_WITHOUT_ROLE)
    before = await run(database_url, "SELECT id, chat_id, text, date FROM chat_message")
    for below, revision in pairwise(KNOWN_REVISIONS):
        await alembic(database_url, "upgrade", revision)
        there = await schema(database_url)
        await alembic(database_url, "downgrade", below)
        assert await schema(database_url) != there
        await alembic(database_url, "upgrade", revision)
        assert await schema(database_url) == there
    after = await run(database_url, "SELECT id, chat_id, text, date FROM chat_message")
    assert after == before
    await alembic(database_url, "check")


async def test_wide_ids_are_not_cut_off(postgresql_url: str) -> None:
    """A downgrade that would lose an id is refused, and nothing is changed."""
    await migrate(postgresql_url)
    await run(postgresql_url, f"INSERT INTO chat_session (chat_id) VALUES ({2**52})")
    before = await schema(postgresql_url)
    with pytest.raises(DBAPIError, match="out of range"):
        await alembic(postgresql_url, "downgrade", "base")
    assert await schema(postgresql_url) == before
    assert await run(postgresql_url, "SELECT chat_id FROM chat_session") == [(2**52,)]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_a_failed_migration_leaves_no_trace(
    kind: str, request: pytest.FixtureRequest
) -> None:
    """When a late revision fails, the ones before it are taken back as well."""
    url: str = request.getfixturevalue(f"{kind}_url")
    first = FIRST_SQLITE if kind == "sqlite" else FIRST_POSTGRESQL
    obstacle = "CREATE TABLE ix_chat_message_chat_id_id (id INTEGER)"
    await run(url, *versioned(FIRST, *first, *STRAY_ROWS), obstacle)
    before = (await schema(url), await run(url, "SELECT * FROM chat_message ORDER BY id"))
    with pytest.raises(DBAPIError, match="ix_chat_message_chat_id_id"):
        await migrate(url)
    after = (await schema(url), await run(url, "SELECT * FROM chat_message ORDER BY id"))
    assert after == before
    async with open_engine(url) as engine:
        assert await read_revision(engine) == FIRST


async def test_migrating_twice_changes_nothing(database_url: str) -> None:
    """A database that is there stays as it is."""
    await migrate(database_url)
    before = await schema(database_url)
    await migrate(database_url)
    assert await schema(database_url) == before


async def test_calls_at_once_in_one_process_are_safe(database_url: str) -> None:
    """Alembic works on one database at a time; the others wait."""
    await asyncio.gather(*(migrate(database_url) for _ in range(3)))
    await alembic(database_url, "check")


MIGRATE_EACH_LINE = """
import asyncio, sys
import alembic.command
from db.migrate import migrate
print("ready", flush=True)
for line in sys.stdin:
    try:
        asyncio.run(migrate(line.strip()))
    except Exception as error:
        print(repr(error), flush=True)
    else:
        print("done", flush=True)
"""


def start(program: str) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", program],
        cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[str]]]:
    """Start two processes that migrate each database they are told."""
    processes = [start(MIGRATE_EACH_LINE) for _ in range(2)]
    yield processes
    for process in processes:
        process.communicate(timeout=PATIENCE)


@pytest.fixture(params=["sqlite", "postgresql"])
def several_urls(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[str]]:
    """Yield the URLs of several empty databases."""
    if request.param == "sqlite":
        yield [f"sqlite:///{tmp_path}/{number}.sqlite" for number in range(8)]
        return
    server: Postgres = request.getfixturevalue("postgres_server")
    urls = [server.create_database() for _ in range(8)]
    yield urls
    for url in urls:
        server.drop_database(url)


async def test_processes_may_migrate_at_once(
    processes: list[subprocess.Popen[str]], several_urls: list[str]
) -> None:
    """Instances that start together do not get into each other's way."""
    for url in ["", *several_urls]:
        for process in processes:
            if url and process.stdin:
                process.stdin.write(f"{url}\n")
                process.stdin.flush()
        said = [process.stdout.readline() for process in processes if process.stdout]
        assert said == (["done\n"] * 2 if url else ["ready\n"] * 2)
    for url in several_urls:
        async with open_engine(url) as engine:
            assert await read_revision(engine) == HEAD


async def test_an_unreachable_database_is_said_to_be_so(tmp_path: Path) -> None:
    """Migrating raises what transactions raise."""
    for url in ("postgresql://127.0.0.1:1/name", f"sqlite:///{tmp_path}/gone/db.sqlite"):
        with pytest.raises(DatabaseUnavailable):
            await migrate(url)


@pytest.fixture
def command_line(tmp_path: Path) -> Run:
    """Return a function that runs a module with the given variables alone."""

    def run_module(
        *arguments: str, folder: Path = ROOT, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
        return subprocess.run(  # noqa: S603 - our own programs
            [sys.executable, "-m", *arguments],
            cwd=folder, env=kept | {"HOME": str(tmp_path)} | variables,
            capture_output=True, text=True, check=False, timeout=PATIENCE,
        )  # fmt: skip

    return run_module


@pytest.mark.parametrize("variable", ["SQLALCHEMY_DATABASE_URI", "DATABASE_URL", "POSTGRES_URL"])
async def test_a_url_is_all_that_alembic_needs(
    variable: str, sqlite_url: str, command_line: Run
) -> None:
    """`alembic upgrade head` works with any of the three variables and nothing else."""
    result = command_line("alembic", "upgrade", "head", **{variable: sqlite_url})
    assert (result.returncode, result.stdout) == (0, "")
    assert await run(sqlite_url, "SELECT * FROM alembic_version") == [(HEAD,)]


@pytest.mark.slow("starts processes")
def test_alembics_commands_work(postgresql_url: str, command_line: Run) -> None:
    """Upgrade, check, downgrade, check, history: from the command line, on PostgreSQL."""
    for arguments, status, said in [
        (("upgrade", "head"), 0, ""),
        (("check",), 0, "No new upgrade operations"),
        (("downgrade", "-1"), 0, ""),
        (("check",), 255, "FAILED: Target database is not up to date."),
        (("current",), 0, KNOWN_REVISIONS[-2]),
        (("history",), 0, f"<base> -> {FIRST}, Create the tables."),
    ]:
        result = command_line("alembic", *arguments, DATABASE_URL=postgresql_url)
        assert result.returncode == status, result.stderr
        assert said in result.stdout


async def test_the_statements_can_be_written_out(
    postgresql_url: str, command_line: Run, postgres_server: Postgres, tmp_path: Path
) -> None:
    """`--sql` reaches no database; what it writes makes the same schema."""
    url = f"postgresql://me:{PASSWORD}@127.0.0.1:1/name"
    result = command_line("alembic", "upgrade", "head", "--sql", DATABASE_URL=url)
    assert result.returncode == 0, result.stderr
    assert PASSWORD not in result.stdout + result.stderr
    statements = result.stdout.split(";\n")
    await run(postgresql_url, *(s for s in statements if s.strip() not in {"BEGIN", "COMMIT", ""}))
    expected = await fresh_schema(postgresql_url, postgres_server, tmp_path)
    assert await schema(postgresql_url) == expected


@pytest.mark.slow("starts processes")
def test_a_new_revision_can_be_generated(
    tmp_path: Path, sqlite_url: str, command_line: Run
) -> None:
    """What is missing in the database is written into a revision that then works."""
    copy = tmp_path / "copy"
    for folder in ("db", "migrations"):
        shutil.copytree(ROOT / folder, copy / folder)
    shutil.copy(ROOT / "alembic.ini", copy)
    newest = next(copy.glob(f"migrations/versions/{HEAD}_*.py"))
    newest.unlink()
    variables = {"DATABASE_URL": sqlite_url, "PYTHONDONTWRITEBYTECODE": "1"}
    for arguments in (
        ("upgrade", "head"),
        ("revision", "--autogenerate", "-m", "Keep more", "--rev-id", "abc"),
        ("upgrade", "head"),
        ("check",),
    ):
        result = command_line("alembic", *arguments, folder=copy, **variables)
        assert result.returncode == 0, result.stderr
    written = (copy / "migrations/versions/abc_keep_more.py").read_text()
    assert written.startswith('"""Keep more.\n')
    assert "op.add_column('processed_update', sa.Column('person_id'" in written


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (f"postgresql://me:{PASSWORD}@127.0.0.1:1/name", "cannot be reached (Connection"),
        (f"mysql://me:{PASSWORD}@host/name", "DATABASE_URL: Only PostgreSQL and SQLite"),
        ("sqlite:////no/such/folder/db.sqlite", "folder of the SQLite file does not exist"),
    ],
)
def test_a_wrong_url_is_one_line(url: str, reason: str, command_line: Run) -> None:
    """The command line says in one line what is wrong, without a traceback or a password."""
    result = command_line("alembic", "upgrade", "head", DATABASE_URL=url)
    assert result.returncode != 0
    said = result.stdout + result.stderr
    assert reason in said
    assert len(said.splitlines()) == 1
    assert PASSWORD not in said
