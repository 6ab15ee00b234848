"""Exactly once and in order: redeliveries, second instances, owners that die or freeze."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it has no types
import httpx2
import pytest
import uvicorn
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from bot import texts
from bot.app import app
from bot.sandbox.faults import Slow
from bot.sandbox.telegram import TelegramServer
from bot.settings import SECRET_HEADER, load_settings
from tests.support.claims import NEVER, steal
from tests.support.door import Door, OpenDoor, open_door, wait_for_rows
from tests.support.gemini_server import GeminiServer
from tests.support.messages import question
from tests.support.postgres import execute
from tests.support.servers import free_port
from tests.system.benchmark.proxy import open_proxy

Json = dict[str, Any]
LONG_AGO = "1"  # as SQL
# What ends a transaction, and a statement that is one, in PostgreSQL's protocol
COMMIT, SYNC = b"COMMIT", b"S\0\0\0\4"


async def claim_for_another(
    door: Door, update_id: int, lease_until: str, chat_id: int = 42
) -> None:
    """Let another process work on an update."""
    await door.change(
        "INSERT INTO processed_update"
        " (update_id, chat_id, status, owner, lease_until, attempts, claimed_at)"
        f" VALUES ({update_id}, {chat_id}, 'running', 'another', {lease_until}, 1, {NEVER})",
    )


def sent(door: Door) -> list[str]:
    """Return what people have read."""
    return [message["text"] for message in door.telegram.sent()]


async def test_a_redelivery_waits_for_the_first_try(
    door: Door, second: Door, gemini: GeminiServer
) -> None:
    """The same update at once, here and at another instance, is answered once: 200 for all."""
    gemini.answer("Once upon", " a time", delay=0.5)
    update = door.question("A story")

    responses = await asyncio.gather(*(each.post(update) for each in (door, second, door, second)))

    assert [response.status_code for response in responses] == [200] * 4
    assert sent(door) == ["Once upon a time"]
    assert len(gemini.requests) == 1
    assert await door.messages() == [("user", "A story"), ("model", "Once upon a time")]


async def test_a_redelivery_after_the_answer_is_accepted(door: Door, second: Door) -> None:
    """What was answered is not answered again, by no instance."""
    update = door.question("Hello")
    for each in (door, second, door):
        assert (await each.post(update)).status_code == 200

    assert sent(door) == ["You said: Hello"]
    assert len(await door.messages()) == 2


async def test_a_redelivery_does_not_wait_for_ever(
    door: Door, gemini: GeminiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before Telegram hangs up it is told to come again; the first try goes on."""
    monkeypatch.setattr("bot.updates.claims.WAIT_TIMEOUT", 0.4)
    update = door.question("A story")
    with gemini.held("Once upon", " a time"):
        first = asyncio.create_task(door.post(update))
        await door.telegram.wait_for(lambda: gemini.requests)

        again = await door.post(update)

    assert again.status_code == 503
    assert int(again.headers["Retry-After"]) > 0
    assert (await first).status_code == 200
    assert (await door.post(update)).status_code == 200
    assert sent(door) == ["Once upon a time"]


async def test_one_update_of_a_chat_at_a_time(
    door: Door, second: Door, gemini: GeminiServer
) -> None:
    """The next question of a chat waits for the answer, also at another instance."""
    gemini.answer("Ann", " it is", delay=0.5)
    first = asyncio.create_task(door.post(door.question("My name is Ann")))
    await door.telegram.wait_for(lambda: gemini.requests)

    assert (await second.post(door.question("What is my name?"))).status_code == 200

    assert (await first).status_code == 200
    assert sent(door) == ["Ann it is", "You said: What is my name?"]
    said = [content["parts"][0]["text"] for content in gemini.requests[-1].body["contents"]]
    assert said == ["My name is Ann", "Ann it is", "What is my name?"]


async def test_chats_do_not_wait_for_each_other(door: Door, gemini: GeminiServer) -> None:
    """A slow answer holds up its own chat alone."""
    with gemini.held("slow", " one"):
        slow = asyncio.create_task(door.post(door.question("one", user_id=1)))
        await door.telegram.wait_for(lambda: gemini.requests)

        await door.post(door.question("two", user_id=2))

        assert sent(door) == ["You said: two"]
    await slow


async def test_help_does_not_wait(door: Door, gemini: GeminiServer) -> None:
    """/help reads no history: it is answered while the chat is busy, and once."""
    with gemini.held("slow", " one"):
        slow = asyncio.create_task(door.post(door.question("one")))
        await door.telegram.wait_for(lambda: gemini.requests)
        update = door.question("/help")

        await door.post(update)
        await door.post(update)

        assert sent(door) == [texts.HELP]
    await slow


async def test_what_a_dead_process_left_is_taken_over(
    door: Door, gemini: GeminiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a lease is over its update is answered by whoever gets it next, to its end."""
    monkeypatch.setattr("bot.updates.claims.POLL_INTERVAL", 0.1)
    gemini.answer("Once upon", " a time", delay=0.5)
    update = door.question("A story")
    await claim_for_another(door, update["update_id"], LONG_AGO)
    await door.change("UPDATE processed_update SET stop_requested = true")

    assert (await door.post(update)).status_code == 200

    assert sent(door) == ["Once upon a time"]
    assert await door.rows("SELECT status, attempts FROM processed_update") == [("done", 2)]


async def test_an_update_that_kills_is_given_up(door: Door, gemini: GeminiServer) -> None:
    """After five processes died of an update, the sixth says so and is done with it."""
    update = door.question("Boom")
    await claim_for_another(door, update["update_id"], LONG_AGO)
    await door.change("UPDATE processed_update SET attempts = 5")

    assert (await door.post(update)).status_code == 200

    assert sent(door) == [texts.UNEXPECTED]
    assert gemini.requests == []
    assert await door.rows("SELECT status FROM processed_update") == [("done",)]


async def test_a_chat_that_a_dead_process_held_is_freed(door: Door) -> None:
    """The chat's other updates do not wait for one whose lease is over."""
    await claim_for_another(door, 1000, LONG_AGO)

    assert (await door.post(door.question("Hello"))).status_code == 200

    assert sent(door) == ["You said: Hello"]


async def test_what_a_living_process_holds_is_left_to_it(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a lease lasts nobody else works on the update, nor on its chat."""
    monkeypatch.setattr("bot.updates.claims.WAIT_TIMEOUT", 0.3)
    update = door.question("Hello")
    await claim_for_another(door, update["update_id"], NEVER)

    assert (await door.post(update)).status_code == 503
    assert (await door.post(door.question("And now?"))).status_code == 503
    assert sent(door) == []


@pytest.mark.parametrize("heartbeat", [True, False], ids=["heartbeat", "frozen"])
async def test_who_loses_the_lease_sends_nothing(
    door: Door, gemini: GeminiServer, monkeypatch: pytest.MonkeyPatch, *, heartbeat: bool
) -> None:
    """Whether the heartbeat tells, or the look before sending: the other one will answer."""
    monkeypatch.setattr("db.updates.LEASE", 0.3)
    monkeypatch.setattr("bot.updates.claims.POLL_INTERVAL", 0.1 if heartbeat else 1000)
    with gemini.held("Once upon", " a time"):
        posting = asyncio.create_task(door.post(door.question("A story")))
        await door.telegram.wait_for(lambda: gemini.requests)
        await steal(door)
        if heartbeat:  # it tells while nothing comes
            await posting
        else:  # nobody takes an update over before its lease is over
            await asyncio.sleep(0.3)

    assert (await posting).status_code == 503
    assert sent(door) == []
    assert await door.messages() == []
    [(owner,)] = await door.rows("SELECT owner FROM processed_update")
    assert owner == "another"


@pytest.mark.parametrize("past", [[], ["Hello"]], ids=["first exchange", "later exchange"])
async def test_who_loses_the_lease_while_it_sends_stores_nothing(
    door: Door, past: Sequence[str]
) -> None:
    """The other one stores what it answers; of this one nobody knows whether it came first."""
    for words in past:
        await door.say(words)
    stored = await door.messages()
    door.telegram.faults.add(Slow(1.5), "sendMessage")
    posting = asyncio.create_task(door.post(door.question("A story")))
    await door.telegram.wait_for(lambda: door.telegram.faults.happened)
    await steal(door)

    assert (await posting).status_code == 503

    assert await door.messages() == stored
    assert await door.rows("SELECT 1 FROM processed_update WHERE status = 'running'")


async def test_a_long_answer_keeps_its_lease(
    door: Door, second: Door, gemini: GeminiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The heartbeat holds a claim for many times its lease: no other instance takes over."""
    await door.say("Hello")  # the first call imports Google's SDK, which takes its time
    monkeypatch.setattr("db.updates.LEASE", 2)
    monkeypatch.setattr("bot.updates.claims.POLL_INTERVAL", 0.1)
    gemini.answer("Once upon", " a time", delay=4.5)
    update = door.question("A story")

    responses = await asyncio.gather(door.post(update), second.post(update))

    assert [response.status_code for response in responses] == [200, 200]
    assert sent(door) == ["You said: Hello", "Once upon a time"]
    assert len(gemini.requests) == 2


async def test_an_instance_that_wakes_up_in_time_goes_on(
    door: Door, gemini: GeminiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lease that is over, but that nobody has taken, is taken up again before sending."""
    monkeypatch.setattr("db.updates.LEASE", 0.1)
    monkeypatch.setattr("bot.updates.claims.POLL_INTERVAL", 1000)
    gemini.answer("Once upon", " a time", delay=0.5)

    assert (await door.say("A story"))["text"] == "Once upon a time"
    assert len(await door.messages()) == 2


@pytest.mark.parametrize("migrated_url", ["postgresql"], indirect=True)
async def test_who_lost_the_lease_clears_no_history(
    door: Door, opened: OpenDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """/new_chat of a process that was frozen leaves alone what was said since."""
    await door.say("Hello")
    monkeypatch.setattr("bot.updates.claims.POLL_INTERVAL", 1000)
    url = door.settings.database_url
    with open_proxy(url.port or 0) as proxy:
        far = url.set(host="127.0.0.1", port=proxy.port)
        async with opened(DATABASE_URL=far.render_as_string(hide_password=False)) as frozen:
            await frozen.client.get("/ready")
            proxy.delay = 1.0
            posting = asyncio.create_task(frozen.post(door.question("/new_chat")))
            # By now the claim is on its way back
            await wait_for_rows(door, "SELECT 1 FROM processed_update WHERE status = 'running'")
            await steal(door)
            proxy.delay = 0.0

            assert (await posting).status_code == 503

    assert len(await door.messages()) == 2
    assert len(sent(door)) == 1


@pytest.mark.parametrize("words", ["/help", "A story"])
@pytest.mark.parametrize("migrated_url", ["postgresql"], indirect=True)
async def test_a_database_that_gives_up_on_a_statement_is_asked_again(
    door: Door, telegram: TelegramServer, words: str
) -> None:
    """A statement that took too long is no fault of ours, nor one to excuse."""
    name = door.settings.database_url.database
    await door.change(f"ALTER DATABASE \"{name}\" SET statement_timeout = '200ms'")
    engine = create_async_engine(door.settings.database_url, poolclass=NullPool)
    try:
        async with open_door(telegram) as impatient:
            telegram.faults.add(Slow(0.7), method="sendMessage")
            update = impatient.question(words)
            posting = asyncio.create_task(impatient.post(update))
            await wait_for_rows(door, "SELECT 1 FROM processed_update")
            async with engine.begin() as connection:
                await connection.execute(text("SET statement_timeout = 0"))
                await connection.execute(text("SELECT 1 FROM processed_update FOR UPDATE"))
                await telegram.wait_for(telegram.sent)
                await asyncio.sleep(0.7)
            assert (await posting).status_code == 200
    finally:
        await door.change(f'ALTER DATABASE "{name}" RESET statement_timeout')
        await engine.dispose()

    assert sent(door) == [texts.HELP if words == "/help" else f"You said: {words}"]
    assert await door.rows("SELECT status FROM processed_update") == [("done",)]


async def test_a_commit_of_which_nobody_knows_is_not_repeated(
    environment: pytest.MonkeyPatch,
    telegram: TelegramServer,
    gemini: GeminiServer,
    migrated_postgresql_url: str,
) -> None:
    """When the connection breaks after the commit, question and answer are stored once.

    The first exchange of a chat is stored by a transaction, each later one by a single statement.
    """
    del gemini
    wire = Wire(migrated_postgresql_url)
    async with wire.open() as url:
        environment.setenv("DATABASE_URL", url)
        async with open_door(telegram) as door:
            for words, end in (("Hello", COMMIT), ("Again", SYNC)):
                wire.cut_after(b"INSERT INTO chat_message", end)
                await door.say(words)
                assert wire.was_cut

            said = [f"You said: {words}" for words in ("Hello", "Again")]
            assert sent(door) == said
            stored = [("user", "Hello"), ("model", said[0]), ("user", "Again"), ("model", said[1])]
            assert await door.messages() == stored
            assert await door.rows("SELECT status FROM processed_update") == [("done",)] * 2


async def test_a_claim_of_which_nobody_knows_is_taken_up_at_once(
    environment: pytest.MonkeyPatch,
    telegram: TelegramServer,
    gemini: GeminiServer,
    migrated_postgresql_url: str,
) -> None:
    """When the connection breaks after a claim was stored, nobody waits for it to expire."""
    del gemini
    wire = Wire(migrated_postgresql_url)
    async with wire.open() as url:
        environment.setenv("DATABASE_URL", url)
        async with open_door(telegram) as door:
            wire.cut_after(b"INSERT INTO processed_update", SYNC)
            await door.say("Hello")
            assert wire.was_cut

            assert sent(door) == ["You said: Hello"]
            done = await door.rows("SELECT status, attempts FROM processed_update")
            assert done == [("done", 1)]


class Wire:
    """Lead to a database; lose the server's word on how a statement ended."""

    def __init__(self, url: str) -> None:
        self.was_cut = False
        self._url = make_url(url)
        self._marker = self._end = b""
        self._is_marked = self._cuts = False
        self._writers: list[asyncio.StreamWriter] = []

    def cut_after(self, marker: bytes, end: bytes) -> None:
        """Lose, once, what the server says to the first `end` from a marker on."""
        self._marker, self._end = marker, end
        self.was_cut = self._is_marked = False

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[str]:
        """Yield the URL of this end."""
        server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        yield self._url.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
        server.close()
        for writer in self._writers:
            writer.transport.abort()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, to_server = await asyncio.open_connection(self._url.host, self._url.port)
        self._writers += [writer, to_server]
        with suppress(ConnectionError):
            await asyncio.gather(self._ask(reader, to_server), self._answer(answers, writer))

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            self._is_marked |= self._marker in data
            self._cuts |= self._is_marked and self._end in data and not self.was_cut
            writer.write(data)
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if self._cuts:
                self._cuts, self.was_cut = False, True
                break
            writer.write(data)
        writer.close()


async def test_an_answer_arrives_after_its_client_hung_up(
    environment: pytest.MonkeyPatch,
    telegram: TelegramServer,
    gemini: GeminiServer,
    migrated_url: str,
) -> None:
    """The first try works on when Telegram gave it up; what it sends again is then done."""
    environment.setenv("DATABASE_URL", migrated_url)
    gemini.answer("Once upon", " a time", delay=1)
    update = question(telegram, "A story")
    async with running_server() as client:
        with pytest.raises(httpx2.ReadTimeout):
            await client.post("/webhook", json=update, timeout=0.5)
        await telegram.wait_for(telegram.sent)

        assert (await client.post("/webhook", json=update)).status_code == 200

    assert [message["text"] for message in telegram.sent()] == ["Once upon a time"]


@asynccontextmanager
async def running_server() -> AsyncGenerator[httpx2.AsyncClient]:
    """Serve the application by uvicorn in this loop."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, lifespan="on"))
    serving = asyncio.create_task(server.serve())
    secret = load_settings().webhook_secret or ""
    async with httpx2.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", headers={SECRET_HEADER: secret}
    ) as client:
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.02)
        yield client
    server.should_exit = True
    await serving


async def test_old_updates_are_forgotten(
    door: Door, gemini: GeminiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of more than two days ago are deleted in passing, younger ones are kept."""
    monkeypatch.setattr("bot.updates.claims.POLL_INTERVAL", 0.1)
    await claim_for_another(door, 1001, LONG_AGO, chat_id=1)
    await door.change("UPDATE processed_update SET claimed_at = 1")
    await claim_for_another(door, 1002, LONG_AGO, chat_id=2)
    gemini.answer("Once upon", " a time", delay=1)

    await door.say("A story")

    rows = await door.rows("SELECT update_id FROM processed_update WHERE update_id > 1000")
    assert rows == [(1002,)]


@pytest.mark.parametrize("host", ["VERCEL", "server"])
async def test_tidying_up_waits_for_nobody(
    environment: pytest.MonkeyPatch,
    telegram: TelegramServer,
    gemini: GeminiServer,
    migrated_postgresql_url: str,
    caplog: pytest.LogCaptureFixture,
    host: str,
) -> None:
    """Old rows that somebody holds are left for later, and hold no answer up."""
    environment.setattr("bot.updates.claims.POLL_INTERVAL", 0.05)
    environment.setenv(host, "1")
    environment.setenv("DATABASE_URL", migrated_postgresql_url)
    execute(
        migrated_postgresql_url,
        "INSERT INTO processed_update (update_id, status, claimed_at) VALUES (1001, 'done', 1)",
    )
    gemini.answer("Once upon", " a time", delay=1)
    gemini.answer("Once more", " upon a time", delay=0.5)
    connection = await asyncpg.connect(migrated_postgresql_url)
    try:
        async with connection.transaction():
            await connection.execute("SELECT 1 FROM processed_update FOR UPDATE")
            async with open_door(telegram) as door:
                began = asyncio.get_running_loop().time()
                assert (await door.say("A story"))["text"] == "Once upon a time"
                assert asyncio.get_running_loop().time() - began < 5
        assert "left for later" not in caplog.text
        assert await connection.fetchval("SELECT count(*) FROM processed_update") == 2
        async with open_door(telegram) as door:
            await door.say("Another")
        left = await connection.fetch("SELECT update_id FROM processed_update")
        assert 1001 not in [row["update_id"] for row in left]
    finally:
        await connection.close()


async def test_the_webhook_goes_on_with_what_polling_left(
    opened: OpenDoor,
    telegram: TelegramServer,
    gemini: GeminiServer,
) -> None:
    """What was kept by a bot that polled is answered by one that serves, in order."""
    async with opened() as door:
        for words in ("one", "two"):
            update = door.question(words)
            await door.change(
                "INSERT INTO processed_update (update_id, status, claimed_at, payload)"
                f" VALUES ({update['update_id']}, 'kept', {NEVER}, '{json.dumps(update)}')",
            )
    gemini.answer("slow", " one", delay=1)
    async with opened() as door:
        three = door.question("three")
        assert (await door.post(three)).status_code == 503
        assert [answer["text"] for answer in await door.deliver(door.question("/help"))] == [
            texts.HELP
        ]
        await telegram.wait_for(lambda: len(telegram.sent()) >= 2)
        while (await door.post(three)).status_code == 503:  # noqa: ASYNC110 - as Telegram does
            await asyncio.sleep(0.05)

    assert sent(door) == [texts.HELP, "slow one", "You said: two", "You said: three"]
