"""More than the bot can do at once: turned away soon, at no cost."""

import asyncio
import logging
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import suppress

import httpx2
import pytest

from bot.app import BODY_LIMIT
from bot.sandbox.telegram import TelegramServer
from tests.support.door import Door, open_door
from tests.support.gemini_server import GeminiServer


@pytest.fixture(autouse=True)
def small(environment: pytest.MonkeyPatch) -> None:
    """Let two updates be in work at a time."""
    environment.setenv("MAX_CONCURRENT_UPDATES", "2")


class Trickle:
    """A body that comes in slowly, or not at all; it knows how much of it was read."""

    def __init__(self, data: bytes = b"", pause: float = 30) -> None:
        self.read = 0
        self.started = asyncio.Event()
        self._data = data
        self._pause = pause

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the same piece again and again."""
        self.started.set()
        while True:
            await asyncio.sleep(self._pause)
            self.read += len(self._data)
            yield self._data


async def test_the_third_of_two_comes_again(
    door: Door, gemini: GeminiServer, caplog: pytest.LogCaptureFixture
) -> None:
    """While two are in work others are told when to come again; then they are answered."""
    caplog.set_level(logging.WARNING)
    with gemini.held("Slow", " answer"), gemini.held("Slow", " answer"):
        working = [asyncio.create_task(door.post(door.question("Hello", user))) for user in (1, 2)]
        await door.telegram.wait_for(lambda: len(gemini.requests) == 2)
        updates = [door.question("Hello", user) for user in range(3, 13)]

        refused = await asyncio.gather(*map(door.post, updates))

    assert {response.status_code for response in refused} == {503}
    assert {response.headers["Retry-After"] for response in refused} == {"5"}
    assert {response.content for response in refused} == {b""}
    assert {response.status_code for response in await asyncio.gather(*working)} == {200}
    assert (await door.deliver(updates[0]))[-1]["text"] == "You said: Hello"
    lines = [r.getMessage() for r in caplog.records if "Too many" in r.getMessage()]
    assert lines == ["Too many updates in work: 1 must come again"]


async def test_what_was_turned_away_is_counted(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    """A second later the line says how many there were since."""
    blocking = await _block(door)
    for _ in range(4):
        await door.post({"update_id": 1})
    await asyncio.sleep(1.01)
    await door.post({"update_id": 1})
    await _give_up(blocking)

    lines = [r.getMessage() for r in caplog.records if "Too many" in r.getMessage()]
    assert [line.split(": ")[1] for line in lines] == ["1 must come again", "4 must come again"]


async def test_a_wrong_secret_takes_no_place(door: Door) -> None:
    """Strangers are told so before and after; the health page stays open."""
    wrong = {"X-Telegram-Bot-Api-Secret-Token": "wrong"}
    blocking = await _block(door)

    response = await door.client.post("/webhook", json={"update_id": 1}, headers=wrong)

    assert response.status_code == 401
    assert (await door.client.get("/health")).status_code == 200
    await _give_up(blocking)
    assert (await door.post({"update_id": 1})).status_code == 200


async def test_a_body_that_does_not_come(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that trickles in holds its place for a while only, and answers 408."""
    monkeypatch.setattr("bot.app.BODY_TIMEOUT", 0.3)
    bodies = [Trickle(), Trickle(b" ", 0.01)]

    responses = await asyncio.gather(
        *(door.client.post("/webhook", content=body) for body in bodies)
    )

    assert [response.status_code for response in responses] == [408, 408]
    assert (await door.post({"update_id": 1})).status_code == 200


async def test_a_client_that_hangs_up(door: Door) -> None:
    """Whoever is gone before the body has come gives the place back."""
    for _ in range(3):
        await _give_up(await _block(door))

    assert (await door.post({"update_id": 1})).status_code == 200


async def test_no_body_is_read_of_what_is_turned_away(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    """Hundreds of requests with a mebibyte each leave no trace in memory."""
    caplog.set_level(logging.ERROR, logger="httpx2")  # or the lines themselves are kept
    blocking = await _block(door)
    bodies = [Trickle(b" " * BODY_LIMIT, 0) for _ in range(400)]

    async def flood(some: list[Trickle]) -> set[int]:
        post = door.client.post
        return {(await post("/webhook", content=body)).status_code for body in some}

    await flood(bodies[:100])
    tracemalloc.start()
    statuses = await flood(bodies[100:])
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert statuses == {503}
    assert sum(body.read for body in bodies) == 0
    assert grown < BODY_LIMIT
    await _give_up(blocking)


async def _block(door: Door) -> list[asyncio.Task[httpx2.Response]]:
    """Take both places with bodies that do not come."""
    bodies = [Trickle() for _ in range(2)]
    blocking = [asyncio.create_task(door.client.post("/webhook", content=body)) for body in bodies]
    for body in bodies:
        await body.started.wait()
    return blocking


async def _give_up(blocking: list[asyncio.Task[httpx2.Response]]) -> None:
    for task in blocking:
        task.cancel()
    for task in blocking:
        with suppress(asyncio.CancelledError):
            await task


@pytest.mark.usefixtures("gemini")
async def test_a_thousand_by_default(
    environment: pytest.MonkeyPatch, telegram: TelegramServer
) -> None:
    """Without a setting nobody is turned away who is one of a thousand."""
    environment.delenv("MAX_CONCURRENT_UPDATES")
    async with open_door(telegram) as door:
        assert door.settings.max_concurrent_updates == 1000
