"""What the bot finds at its start: no database, an old one, a newer one."""

import gc
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from bot.sandbox.telegram import TelegramServer
from bot.settings import load_settings
from db.migrate import SCRIPTS, migrate
from db.schema import HEAD
from tests.support.door import open_door
from tests.support.former_databases import LEGACY
from tests.support.gemini_server import GeminiServer
from tests.support.messages import question
from tests.support.postgres import execute

pytestmark = pytest.mark.usefixtures("gemini")


async def change(statement: str) -> None:
    """Change the database of the settings, past the bot."""
    engine = create_async_engine(load_settings().database_url)
    async with engine.begin() as connection:
        await connection.execute(text(statement))
    await engine.dispose()


async def test_what_stays_is_not_looked_at_again(
    telegram: TelegramServer, migrated_sqlite_url: str, environment: pytest.MonkeyPatch
) -> None:
    """The garbage collector leaves out what the imports brought, and comes less often."""
    environment.setenv("DATABASE_URL", migrated_sqlite_url)
    async with open_door(telegram):
        assert gc.get_freeze_count() > 100_000
        assert gc.get_threshold()[0] > 700


@pytest.fixture
def stranger(postgresql_url: str) -> Iterator[str]:
    """Make a role that may do nothing, whose password is its name."""
    role = f"stranger_{uuid4().hex}"
    execute(postgresql_url, f"CREATE ROLE {role} LOGIN PASSWORD '{role}'")
    yield role
    execute(postgresql_url, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


async def test_a_fresh_database_is_migrated(
    environment: pytest.MonkeyPatch, telegram: TelegramServer, database_url: str
) -> None:
    """On a server the bot makes its own tables at the start."""
    environment.setenv("DATABASE_URL", database_url)
    async with open_door(telegram) as door:
        assert (await door.say("Hello"))["text"] == "You said: Hello"
        assert await door.rows("SELECT version_num FROM alembic_version") == [(HEAD,)]


async def test_on_serverless_a_schema_that_is_behind_waits(
    environment: pytest.MonkeyPatch,
    telegram: TelegramServer,
    caplog: pytest.LogCaptureFixture,
    postgresql_url: str,
) -> None:
    """There nobody migrates in passing: 503, a line in the log, and the answer once it is done."""
    environment.setenv("DATABASE_URL", postgresql_url)
    environment.setenv("VERCEL", "1")
    async with open_door(telegram) as door:
        update = question(telegram, "Hello")

        response = await door.post(update)

        assert response.status_code == 503
        assert int(response.headers["Retry-After"]) > 0
        assert f"this bot needs {HEAD}: run `alembic upgrade head`" in caplog.text
        assert telegram.sent() == []
        await migrate(postgresql_url)
        assert [message["text"] for message in await door.deliver(update)] == ["You said: Hello"]


async def test_a_newer_database_is_used_as_it_is(
    environment: pytest.MonkeyPatch,
    telegram: TelegramServer,
    caplog: pytest.LogCaptureFixture,
    database_url: str,
) -> None:
    """After a step back to an older bot it goes on with the newer tables, and says so."""
    environment.setenv("DATABASE_URL", database_url)
    await migrate(database_url)
    await change("UPDATE alembic_version SET version_num = 'of_tomorrow'")
    async with open_door(telegram) as door:
        assert (await door.say("Hello"))["text"] == "You said: Hello"

    assert "The database is newer than this bot (revision of_tomorrow)" in caplog.text


async def test_a_migration_that_fails_costs_no_update(
    environment: pytest.MonkeyPatch,
    telegram: TelegramServer,
    caplog: pytest.LogCaptureFixture,
    database_url: str,
) -> None:
    """What stands in the way of the tables is logged; updates wait until it is gone."""
    environment.setenv("DATABASE_URL", database_url)
    await change("CREATE VIEW chat_session AS SELECT 1 AS id")
    async with open_door(telegram) as door:
        update = question(telegram, "Hello")
        for _ in range(3):
            assert (await door.post(update)).status_code == 503
        assert caplog.text.count("The migration failed (`alembic upgrade head` says why)") == 1
        assert caplog.text.count("is delayed (The migration failed)") == 3
        assert f"{SCRIPTS.name}/versions/" in caplog.text
        assert not any(record.exc_text for record in caplog.records)  # their texts quote rows
        await change("DROP VIEW chat_session")

        assert len(await door.deliver(update)) == 1


async def test_a_role_without_rights_costs_no_update(
    environment: pytest.MonkeyPatch,
    telegram: TelegramServer,
    caplog: pytest.LogCaptureFixture,
    postgresql_url: str,
    stranger: str,
) -> None:
    """A database that refuses to be read is logged; updates wait until the role may read it."""
    await migrate(postgresql_url)
    url = make_url(postgresql_url).set(username=stranger, password=stranger)
    environment.setenv("DATABASE_URL", url.render_as_string(hide_password=False))
    async with open_door(telegram) as door:
        update = question(telegram, "Hello")

        response = await door.post(update)

        assert response.status_code == 503
        assert int(response.headers["Retry-After"]) > 0
        assert telegram.sent() == []
        assert "The database refuses its work (InsufficientPrivilegeError)" in caplog.text
        kinds = ("TABLES", "SEQUENCES")
        grants = [f"GRANT ALL ON ALL {kind} IN SCHEMA public TO {stranger}" for kind in kinds]
        execute(postgresql_url, *grants)
        assert [message["text"] for message in await door.deliver(update)] == ["You said: Hello"]


async def test_the_former_default_file_is_used(
    telegram: TelegramServer,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    gemini: GeminiServer,
) -> None:
    """Whoever set no database goes on with the file of the Flask bot, and the log says so."""
    caplog.set_level(logging.WARNING)
    (tmp_path / "instance").mkdir()
    _, statements = LEGACY["unversioned-sqlite"]
    with closing(sqlite3.connect(tmp_path / "instance/db.sqlite")) as connection:
        connection.executescript(";".join(statements))

    async with open_door(telegram) as door:
        await door.say("Do you remember?", user_id=111111)

    contents = gemini.bodies[-1]["contents"]
    assert [content["parts"][0]["text"] for content in contents] == [
        "Hello",
        "Hello back",
        "Do you remember?",
    ]
    assert "instance/db.sqlite is used" in caplog.text
    assert not (tmp_path / "db.sqlite").exists()
