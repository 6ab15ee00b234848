"""What every test may ask for: the loopback servers, a database, and the bot behind its door."""

from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest

from bot.sandbox.telegram import TelegramServer
from tests.door import Door, open_door
from tests.gemini_server import GeminiServer
from tests.servers import serve
from tests.weather_server import WeatherServer

pytest_plugins = ["tests.databases"]

TOKEN = "123456789:AAE-made-up-for-the-tests-0123456789"
KEY = "made-up-gemini-key-0123456789"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Give a folder of its own and no setting but the two required ones."""
    for name in ("DATABASE_URL", "POSTGRES_URL", "SQLALCHEMY_DATABASE_URI", "OWM_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", TOKEN)
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    return monkeypatch


@pytest.fixture
def telegram(environment: pytest.MonkeyPatch) -> Iterator[TelegramServer]:
    """Serve the Bot API."""
    server = TelegramServer(TOKEN)
    with serve(server.application()) as url:
        environment.setenv("TELEGRAM_API_BASE_URL", url)
        yield server
    assert server.violations == []


@pytest.fixture
def gemini(environment: pytest.MonkeyPatch) -> Iterator[GeminiServer]:
    """Serve the Gemini API."""
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


@pytest.fixture
async def door(
    environment: pytest.MonkeyPatch,
    telegram: TelegramServer,
    gemini: GeminiServer,
    database_url: str,
) -> AsyncGenerator[Door]:
    """Open the webhook application on each database in turn."""
    del gemini
    environment.setenv("DATABASE_URL", database_url)
    async with open_door(telegram) as door:
        yield door
