"""Servers that come back under another address: their names are looked up again."""

import os
import socket
import sys
import time
from typing import Any
from urllib.parse import urlsplit

import pytest

from bot import texts
from bot.gemini import GeminiError, Kind
from bot.sandbox.telegram import TelegramServer
from tests.support.door import OpenDoor
from tests.support.gemini_server import GeminiServer
from tests.support.servers import serve

pytestmark = [
    pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True),
    pytest.mark.skipif(sys.platform == "darwin", reason="has no address 127.0.0.2"),
]

NAME, OLD, NEW = "server.test", "127.0.0.2", "127.0.0.1"
TELEGRAM, GEMINI = "TELEGRAM_API_BASE_URL", "GOOGLE_GEMINI_BASE_URL"
NAMES_LIVE = 10  # seconds


class Names:
    """A resolver for one name, and the clock by which the bot's clients forget what it said."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.address = OLD
        self.passed = 0.0
        self._resolve = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self.resolve)
        monkeypatch.setattr("aiohttp.connector.monotonic", lambda: time.monotonic() + self.passed)

    def resolve(self, host: Any, *args: Any, **options: Any) -> Any:
        """Resolve the name as it is now, and all others as ever."""
        return self._resolve(self.address if host == NAME else host, *args, **options)

    def name(self, monkeypatch: pytest.MonkeyPatch, setting: str) -> int:
        """Have the bot reach a server by the name; return the server's port."""
        port = urlsplit(os.environ[setting]).port or 0
        monkeypatch.setenv(setting, f"http://{NAME}:{port}")
        return port


@pytest.fixture
def names(environment: pytest.MonkeyPatch) -> Names:
    """Look up the name here."""
    environment.setattr("bot.telegram.client.PAUSES", ())
    return Names(environment)


async def test_the_bot_api_moves(
    environment: pytest.MonkeyPatch, names: Names, telegram: TelegramServer, opened: OpenDoor
) -> None:
    """An answer waits for the server's new address ten seconds and no longer."""
    port = names.name(environment, TELEGRAM)
    async with opened() as door:
        with serve(telegram.application(), OLD, port):
            await door.say("Hello")
        names.address = NEW
        update = door.question("Are you there?")
        assert (await door.post(update)).status_code == 503

        names.passed = NAMES_LIVE

        [message] = await door.deliver(update)
        assert message["text"] == "You said: Are you there?"


async def test_gemini_moves(
    environment: pytest.MonkeyPatch, names: Names, gemini: GeminiServer, opened: OpenDoor
) -> None:
    """The next question after ten seconds finds it."""
    port = names.name(environment, GEMINI)
    async with opened() as door:
        with serve(gemini.application(), OLD, port):
            await door.say("Hello")
        names.address = NEW
        sentence = (await door.say("Are you there?"))["text"]
        assert sentence == texts.failure(GeminiError(Kind.UNREACHABLE))

        names.passed = NAMES_LIVE

        assert (await door.say("And now?"))["text"] == "You said: And now?"
