"""One process, several event loops in turn: what the replaced bot died of."""

import asyncio
import gc

import pytest
from fastapi.testclient import TestClient

from bot.app import app
from bot.polling import Poller
from bot.runtime import open_runtime
from bot.sandbox.telegram import TelegramServer
from bot.settings import SECRET_HEADER, load_settings
from tests.support.door import open_door
from tests.support.gemini_server import GeminiServer
from tests.support.messages import question


def by_test_client(telegram: TelegramServer, text: str) -> None:
    """Serve two updates over a lifespan in Starlette's loop."""
    secret = load_settings().webhook_secret or ""
    with TestClient(app, headers={SECRET_HEADER: secret}) as client:
        for number in range(2):
            update = question(telegram, f"{text} {number}")
            assert client.post("/webhook", json=update).status_code == 200


def by_asyncio_run(telegram: TelegramServer, text: str) -> None:
    """Serve two updates over a lifespan in a new loop."""

    async def serve() -> None:
        async with open_door(telegram) as door:
            for number in range(2):
                await door.say(f"{text} {number}")
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(serve(), debug=True)


def by_polling(telegram: TelegramServer, text: str) -> None:
    """Serve two updates by long polling in a new loop."""
    for number in range(2):
        telegram.deliver(question(telegram, f"{text} {number}"))

    async def poll() -> None:
        async with open_runtime(load_settings()) as runtime:
            poller = Poller(runtime)
            polling = asyncio.create_task(poller.run())
            await telegram.wait_for(
                lambda: telegram.sent()[-1:] and f"{text} 1" in telegram.sent()[-1]["text"]
            )
            polling.cancel()
            await asyncio.wait({polling})
            await poller.finish()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(poll(), debug=True)


@pytest.mark.slow("starts processes")
def test_one_process_serves_in_loop_after_loop(
    environment: pytest.MonkeyPatch,
    telegram: TelegramServer,
    gemini: GeminiServer,
    database_url: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each way to run serves in a loop of its own after any other; nothing is left open."""
    environment.setenv("DATABASE_URL", database_url)
    ways = [by_test_client, by_asyncio_run, by_asyncio_run, by_polling, by_test_client, by_polling]

    for number, way in enumerate(ways):
        way(telegram, f"{way.__name__} {number}")
        gc.collect()  # what was left open warns now, and warnings are errors

    expected = [
        f"You said: {way.__name__} {number} {turn}"
        for number, way in enumerate(ways)
        for turn in range(2)
    ]
    assert [message["text"] for message in telegram.sent()] == expected
    assert len(gemini.requests) == len(expected)
    for complaint in ("Event loop is closed", "never retrieved", "was destroyed", "Unclosed"):
        assert complaint not in caplog.text
