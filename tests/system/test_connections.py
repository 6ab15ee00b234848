"""Strangers who hold connections open keep nobody from the bot."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import NamedTuple

import httpx2
import pytest

from bot.sandbox.telegram import TelegramServer
from bot.settings import SECRET_HEADER, load_settings
from tests.support.door import Door
from tests.support.messages import question
from tests.support.processes import running, wait_for_port
from tests.support.query_plans import watched
from tests.support.servers import free_port

resource = pytest.importorskip("resource", reason="Windows has no limit of open files")

MANY = 1100
HEAD_TIMEOUT = 4  # seconds
SERVER = f"""
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))
from bot import connections
connections.HEAD_TIMEOUT = connections.WRITE_TIMEOUT = {HEAD_TIMEOUT}
from bot.__main__ import main
main([])
"""
REQUEST = b"GET /health HTTP/1.1\r\nHost: bot\r\n\r\n"
STRANGE = b"POST /webhook HTTP/1.1\r\nHost: bot\r\nContent-Length: 1000000000\r\n\r\n"


class Stranger(NamedTuple):
    """A connection that somebody holds open."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


@pytest.fixture(autouse=True)
def files() -> None:
    """Let the strangers of a test, all in this process, open their connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 2 * MANY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 2 * MANY), hard))


@pytest.fixture
async def port(
    environment: pytest.MonkeyPatch,
    telegram: TelegramServer,
    gemini: object,
    migrated_sqlite_url: str,
) -> AsyncGenerator[int]:
    """Run the webhook in a process that may open 1,024 files."""
    del telegram, gemini
    number = free_port()
    environment.setenv("DATABASE_URL", migrated_sqlite_url)
    environment.setenv("PORT", str(number))
    with running("-c", SERVER):
        wait_for_port(number)
        yield number


@asynccontextmanager
async def strangers(port: int, says: bytes) -> AsyncGenerator[list[Stranger]]:
    """Hold connections open on which something was said."""
    opened: list[Stranger] = []
    try:
        for _ in range(MANY):
            opened.append(Stranger(*await asyncio.open_connection("127.0.0.1", port)))
            opened[-1].writer.write(says)
        yield opened
    finally:
        for stranger in opened:
            stranger.writer.transport.abort()


async def drip(opened: list[Stranger], byte: bytes) -> None:
    """Say one more byte on each connection, again and again."""
    while True:
        await asyncio.sleep(0.5)
        for stranger in opened:
            if not stranger.writer.is_closing():
                stranger.writer.write(byte)


async def is_answered(telegram: TelegramServer, port: int, text: str) -> bool:
    """Post an update as Telegram does."""
    update = question(telegram, text)
    secret = {SECRET_HEADER: load_settings().webhook_secret or ""}
    async with httpx2.AsyncClient(timeout=60) as client:
        response = await client.post(
            f"http://127.0.0.1:{port}/webhook", json=update, headers=secret
        )
    return response.status_code == 200 and telegram.sent()[-1]["text"] == f"You said: {text}"


async def are_gone(opened: list[Stranger]) -> bool:
    """Tell whether the server has closed them all, whatever it said before."""

    async def read(stranger: Stranger) -> None:
        try:
            while await stranger.reader.read(65536):
                pass
        except ConnectionError:
            pass

    try:
        async with asyncio.timeout(2 * HEAD_TIMEOUT + 10):
            await asyncio.gather(*map(read, opened))
    except TimeoutError:
        return False
    return True


@pytest.mark.parametrize(
    ("says", "byte"),
    [(b"", b""), (b"POST /webhook HTTP/1.1\r\nX: ", b"a"), (STRANGE, b"a")],
    ids=["silent", "a head byte by byte", "a body byte by byte"],
)
@pytest.mark.slow("opens more than a thousand connections")
async def test_telegram_is_served_meanwhile(
    telegram: TelegramServer, port: int, says: bytes, byte: bytes
) -> None:
    """1,100 connections are more than there are files; soon they are all closed."""
    async with strangers(port, says) as opened:
        dripping = asyncio.create_task(drip(opened, byte))
        assert await is_answered(telegram, port, "one")
        assert await is_answered(telegram, port, "two")
        assert await are_gone(opened)
        assert await is_answered(telegram, port, "three")
        dripping.cancel()


@pytest.mark.slow("opens more than a thousand connections")
async def test_what_waits_for_a_next_request_gives_way(
    telegram: TelegramServer, port: int
) -> None:
    """Connections on which something was asked are kept, up to half of the files."""
    async with strangers(port, REQUEST) as opened:
        assert await is_answered(telegram, port, "one")
        await asyncio.sleep(HEAD_TIMEOUT + 2)
        assert await is_answered(telegram, port, "two")
        latest = opened[-1]
        await latest.reader.readuntil(b"}")
        latest.writer.write(REQUEST)
        answer = await latest.reader.readuntil(b"}")
        assert json.loads(answer[answer.index(b"{") :])["name"]


@pytest.mark.slow("opens more than a thousand connections")
async def test_who_does_not_read_gives_way(telegram: TelegramServer, port: int) -> None:
    """Answers that nobody takes are not kept."""
    page = b"GET / HTTP/1.1\r\nHost: bot\r\nAccept: text/html\r\n\r\n"
    async with strangers(port, b"") as opened:
        for stranger in opened[-100:]:
            stranger.writer.transport.pause_reading()  # type: ignore[attr-defined]
            stranger.writer.write(page * 3000)
        await asyncio.sleep(2 * HEAD_TIMEOUT)
        assert await is_answered(telegram, port, "one")


async def test_ready_asks_the_database_once_a_second(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks, and however often, also where the answer takes its time."""
    monkeypatch.setattr("bot.app.READY_FOR", 30)
    with watched() as statements:
        responses = await asyncio.gather(*(door.client.get("/ready") for _ in range(100)))
    assert {response.status_code for response in responses} == {200}
    assert len([text for text, _ in statements if "alembic_version" in text]) == 1
    monkeypatch.setattr("bot.app.READY_FOR", 0)
    with watched() as statements:
        await door.client.get("/ready")
    assert len([text for text, _ in statements if "alembic_version" in text]) == 1
