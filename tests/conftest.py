"""Fixtures for all tests: the loopback servers, databases, and the bot behind its door."""

import asyncio
import gc
import logging
import shutil
from collections.abc import AsyncGenerator, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import make_url

from bot.logs.configure import NOISY, OURS
from bot.sandbox.telegram import TelegramServer
from db.migrate import migrate
from db.models import Base
from tests.support.credentials import KEY, TOKEN
from tests.support.gemini_server import GeminiServer
from tests.support.postgres import Postgres, execute
from tests.support.servers import serve
from tests.support.weather_server import WeatherServer

if TYPE_CHECKING:
    from tests.support.door import Door, OpenDoor

pytest_plugins = ["tests.support.databases", "tests.support.selection"]

LONG = ("test_every_update_is_answered_once_and_in_order", "test_the_bot_works_on_vercel")
WORKERS = 4  # in the README's command


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[pytest.MonkeyPatch]:
    """Give the test a folder of its own and no settings except the two required ones.

    The log levels, which the commands set, are restored afterwards. As by default, Python buffers
    a command's output to a pipe or a file, and stores its bytecode.
    """
    for name in ("PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("DATABASE_URL", "POSTGRES_URL", "SQLALCHEMY_DATABASE_URI", "OWM_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", TOKEN)
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    monkeypatch.setenv("LOG_FORMAT", "text")
    loggers = [logging.getLogger(name) for name in (None, *OURS, *NOISY)]
    levels = [logger.level for logger in loggers]
    yield monkeypatch
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@pytest.fixture
def classic(environment: pytest.MonkeyPatch) -> None:
    """Turn off rich messages, so that long answers come in several messages."""
    environment.setenv("RICH_MESSAGES", "off")


@pytest.fixture
def telegram(environment: pytest.MonkeyPatch) -> Iterator[TelegramServer]:
    """Serve the Bot API."""
    server = TelegramServer(TOKEN)
    with serve(server.application()) as url:
        environment.setenv("TELEGRAM_API_BASE_URL", url)
        yield server
    assert server.violations == []
    assert server.unanswered == []


def haste(server: TelegramServer, instances: int) -> list[str]:
    """Return the places where the bot exceeded the pace set by the test or by default.

    Each instance keeps its own pace; the limit for groups applies to all instances together.
    """
    from bot.answers import preview
    from bot.telegram import client

    paces = (client.DRAFT_PACE, preview.EDIT_PACE, preview.GROUP_PACE)
    return server.too_fast(
        *(paces if instances == 1 else (0.0, 0.0, 0.0)),
        group_limit=client.GROUP_LIMIT,
        minute=client.MINUTE - 1,
    )


@pytest.fixture
def gemini(environment: pytest.MonkeyPatch) -> Iterator[GeminiServer]:
    """Serve the Gemini API, without a rate limit for users."""
    environment.setenv("RATE_LIMIT_PER_MINUTE", "0")
    server = GeminiServer(key=KEY)
    with serve(server.application()) as url:
        environment.setenv("GOOGLE_GEMINI_BASE_URL", url)
        yield server


@pytest.fixture
def weather(environment: pytest.MonkeyPatch) -> Iterator[WeatherServer]:
    """Serve OpenWeatherMap, and give the bot a key for it."""
    server = WeatherServer("made-up-weather-key")
    with serve(server.application()) as url:
        environment.setenv("OWM_API_BASE_URL", url)
        environment.setenv("OWM_API_KEY", "made-up-weather-key")
        yield server


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Migrate one SQLite file that all tests copy."""
    path = tmp_path_factory.mktemp("template") / "db.sqlite"
    asyncio.run(migrate(f"sqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def shared_postgresql_url(postgres_server: Postgres) -> Iterator[str]:
    """Migrate one PostgreSQL database that tests use one after another."""
    url = postgres_server.create_database()
    asyncio.run(migrate(url))
    yield url
    postgres_server.drop_database(url)


@pytest.fixture
def migrated_sqlite_url(sqlite_template: Path, sqlite_url: str) -> str:
    """Return the URL of an SQLite file with our tables."""
    shutil.copy(sqlite_template, make_url(sqlite_url).database or "")
    return sqlite_url


@pytest.fixture
def migrated_postgresql_url(shared_postgresql_url: str) -> str:
    """Return the URL of a PostgreSQL database with our tables, all empty."""
    execute(
        shared_postgresql_url,
        # A connection that the last test left open would block the statement
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
        _emptying(),
    )
    return shared_postgresql_url


def _emptying() -> str:
    """Return the statement that empties our tables, with TRUNCATE (30 ms) only for large ones."""
    tables = [table.name for table in reversed(Base.metadata.sorted_tables)]
    sizes = ", ".join(f"pg_relation_size('{table}')" for table in tables)
    deletes = "".join(f"DELETE FROM {table};" for table in tables)
    return f"""
        DO $$ BEGIN
            LOCK TABLE {", ".join(tables)};
            IF greatest({sizes}) > 100000 THEN
                TRUNCATE {", ".join(tables)} RESTART IDENTITY;
            ELSE
                {deletes}
                PERFORM setval(sequencename::regclass, 1, false) FROM pg_sequences;
            END IF;
        END $$
    """


@pytest.fixture(params=["sqlite", "postgresql"])
def migrated_url(request: pytest.FixtureRequest) -> str:
    """Return the URL of a database with our tables; each test runs on both kinds of database.

    Tests may change only the rows; a test that changes the schema takes `database_url`.
    """
    url: str = request.getfixturevalue(f"migrated_{request.param}_url")
    return url


@pytest.fixture
def opened(
    environment: pytest.MonkeyPatch,
    telegram: TelegramServer,
    gemini: GeminiServer,
    migrated_url: str,
) -> "OpenDoor":
    """Return a function that opens the webhook application with settings, on each database.

    Settings also apply to applications opened later; a setting of None changes nothing.
    """
    from tests.support.door import open_door  # only when needed, as aiogram takes seconds

    del gemini
    environment.setenv("DATABASE_URL", migrated_url)

    def open_with(**settings: object) -> AbstractAsyncContextManager["Door"]:
        for name, value in settings.items():
            if value is not None:
                environment.setenv(name, str(value))
        return open_door(telegram)

    return open_with


@pytest.fixture
async def door(telegram: TelegramServer, opened: "OpenDoor") -> AsyncGenerator["Door"]:
    """Open the webhook application on each database in turn."""
    from tests.support import door

    before = door.opened
    async with opened() as first:
        yield first
    assert haste(telegram, door.opened - before) == []


@pytest.fixture
async def second(door: "Door", opened: "OpenDoor") -> AsyncGenerator["Door"]:
    """Open a second instance on the same database."""
    del door
    async with opened() as other:
        yield other


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let each worker, which gets a section of the list, begin with a test that waits for long."""
    long = [item for item in items if item.name.startswith(LONG)]
    total, start = len(items), 0
    items[:] = [item for item in items if item not in long]
    for item, workers in zip(long, range(WORKERS, 0, -1), strict=False):
        items.insert(start, item)
        start += (total - start) // workers


def pytest_collection_finish() -> None:
    """Exempt the hundreds of thousands of imported objects from garbage collection."""
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the tests' measurements, since a worker's own output would be lost."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{name}: {value}")
