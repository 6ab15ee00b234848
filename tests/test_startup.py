"""What the bot finds at its start: no database, an old one, a newer one."""

import logging
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from bot.sandbox.telegram import TelegramServer
from bot.settings import load_settings
from db.migrate import migrate
from db.schema import HEAD
from tests.door import Json, open_door
from tests.gemini_server import GeminiServer

pytestmark = pytest.mark.usefixtures("gemini")


def hello(telegram: TelegramServer) -> Json:
    """Return the update of a message in a private chat."""
    person = telegram.person(42)
    return telegram.message(telegram.private_chat(person), person, "Hello")


async def execute(statement: str) -> None:
    """Change the database of the settings, past the bot."""
    engine = create_async_engine(load_settings().database_url)
    async with engine.begin() as connection:
        await connection.execute(text(statement))
    await engine.dispose()


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
    database_url: str,
) -> None:
    """There nobody migrates in passing: 503, a line in the log, and the answer once it is done."""
    environment.setenv("DATABASE_URL", database_url)
    environment.setenv("VERCEL", "1")
    async with open_door(telegram) as door:
        update = hello(telegram)

        response = await door.post(update)

        assert response.status_code == 503
        assert int(response.headers["Retry-After"]) > 0
        assert f"this bot needs {HEAD}: run `alembic upgrade head`" in caplog.text
        assert telegram.sent() == []
        await migrate(database_url)
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
    await execute("UPDATE alembic_version SET version_num = 'of_tomorrow'")
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
    await execute("CREATE VIEW chat_session AS SELECT 1 AS id")
    async with open_door(telegram) as door:
        update = hello(telegram)
        assert (await door.post(update)).status_code == 503
        assert "The migration failed" in caplog.text
        await execute("DROP VIEW chat_session")

        assert len(await door.deliver(update)) == 1


async def test_the_former_default_file_is_used(
    environment: pytest.MonkeyPatch,
    telegram: TelegramServer,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    gemini: GeminiServer,
    sqlite_template: Path,
) -> None:
    """Where only the Flask bot's instance/db.sqlite is, that one is used, and said."""
    caplog.set_level(logging.WARNING)
    (tmp_path / "instance").mkdir()
    (tmp_path / "instance/db.sqlite").write_bytes(sqlite_template.read_bytes())
    environment.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/instance/db.sqlite")
    async with open_door(telegram) as door:
        await door.say("I am Ann")
    environment.delenv("DATABASE_URL")

    async with open_door(telegram) as door:
        await door.say("Who am I?")

    assert len(gemini.bodies[-1]["contents"]) == 3
    assert "instance/db.sqlite is used" in caplog.text
    assert not (tmp_path / "db.sqlite").exists()
