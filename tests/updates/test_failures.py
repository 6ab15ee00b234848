"""What people are told, and what is kept, when Gemini, Telegram or the database fail."""

import asyncio
import logging
import math
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from bot import texts
from bot.gemini import GeminiError, Kind
from bot.sandbox.faults import Drop, Flood, HtmlError, Refuse, ServerError, Slow
from bot.sandbox.telegram import TelegramServer
from bot.settings import DEFAULT_MODEL
from db.engine import POOL
from tests.support.door import Door, OpenDoor, open_door
from tests.support.gemini_failures import (
    RETRY_INFO,
    blocked,
    empty,
    key_refused,
    model_unknown,
    no_quota,
    not_offered,
    overloaded,
    quota_exhausted,
    rate_limited,
    rejected,
    unpaid,
    unreachable,
)
from tests.support.gemini_server import GeminiServer
from tests.support.postgres import Cluster, open_cluster


@pytest.mark.parametrize(
    ("fail", "error"),
    [
        (not_offered, GeminiError(Kind.COUNTRY)),
        (unpaid, GeminiError(Kind.UNPAID)),
        (no_quota, GeminiError(Kind.NO_QUOTA)),
        (rate_limited, GeminiError(Kind.RATE_LIMITED, retry_after=40)),
        (quota_exhausted, GeminiError(Kind.QUOTA_EXHAUSTED)),
        (overloaded, GeminiError(Kind.OVERLOADED, retry_after=0)),
        (key_refused, GeminiError(Kind.KEY_REFUSED)),
        (model_unknown, GeminiError(Kind.MODEL_UNKNOWN)),
        (blocked, GeminiError(Kind.BLOCKED)),
        (empty, GeminiError(Kind.EMPTY)),
        (unreachable, GeminiError(Kind.UNREACHABLE)),
        (rejected, GeminiError(Kind.REJECTED)),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_each_failure_of_gemini_has_its_sentence(
    door: Door,
    gemini: GeminiServer,
    caplog: pytest.LogCaptureFixture,
    fail: Callable[[GeminiServer], None],
    error: GeminiError,
) -> None:
    """The person reads what fits the failure; nothing is stored, no secret is logged."""
    caplog.set_level(logging.INFO)
    caplog.set_level(logging.DEBUG, logger="bot")  # LOG_LEVEL=DEBUG is about ours alone
    fail(gemini)

    message = await door.say("Hello there")

    assert message["text"] == texts.failure(error)
    assert await door.messages() == []
    assert not [secret for secret in door.settings.secrets if secret and secret in caplog.text]
    assert "Hello there" not in caplog.text


def test_every_failure_has_a_sentence_of_its_own() -> None:
    """No two kinds of failure are told in the same words."""
    sentences = {texts.failure(GeminiError(kind)) for kind in Kind}

    assert len(sentences) == len(Kind)


def test_a_wait_is_told_in_seconds_or_minutes() -> None:
    """People read how long to wait."""
    assert "in 40 seconds" in texts.failure(GeminiError(Kind.RATE_LIMITED, retry_after=40))
    assert "in 5 minutes" in texts.failure(GeminiError(Kind.RATE_LIMITED, retry_after=290))


@pytest.mark.parametrize(
    "hint",
    ["1e99s", "9" * 400, "251604315600s", "1E308"],
)
async def test_a_wait_beyond_all_bounds(door: Door, gemini: GeminiServer, hint: str) -> None:
    """Whatever Google or a gateway names, people read why, and a wait that makes sense."""
    gemini.refuse(429, details=[{"@type": RETRY_INFO, "retryDelay": hint}])

    message = await door.say("Hello")

    assert (
        message["text"]
        == "I am getting too many questions right now. Please try again another day."
    )
    assert len(gemini.bodies) == 1


@pytest.mark.parametrize(
    "header",
    ["Fri, 31 Dec 99999999999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 GMT", "-5", "NaN", "inf"],
)
async def test_a_header_that_names_no_time(door: Door, gemini: GeminiServer, header: str) -> None:
    """It is asked again as if there were none."""
    gemini.refuse(429, headers={"Retry-After": header})

    assert (await door.say("Hello"))["text"] == "You said: Hello"


def test_a_long_wait_is_told_in_words() -> None:
    """Nobody reads of millions of hours."""
    sentences = [
        texts.failure(GeminiError(Kind.RATE_LIMITED, retry_after=seconds))
        for seconds in (-1.0, 86_400.0, 86_401.0, math.inf, math.nan)
    ]
    assert [sentence.partition("again ")[2] for sentence in sentences] == [
        "in 1 second.",
        "in 24 hours.",
        "another day.",
        "another day.",
        "another day.",
    ]
    assert texts.trouble_over(5 * 86_400) == "I can answer again. The problem lasted 5 days."
    assert texts.trouble_over(1.7e9) == "I can answer again. The problem lasted a very long time."


@pytest.fixture
def hasty(environment: pytest.MonkeyPatch) -> None:
    """Give every answer ten seconds, of which asking Gemini may take five."""
    environment.setenv("ANSWER_TIMEOUT", "10")
    environment.setattr("bot.answers.responder.SENDING_SHARE", 3 / 8)


@pytest.mark.usefixtures("hasty")
@pytest.mark.slow("waits for a deadline")
async def test_a_model_that_is_too_slow(door: Door, gemini: GeminiServer) -> None:
    """A model that does not answer within the deadline is given up, in time to say so."""
    gemini.hang(30)

    message = await door.say("Hello")

    assert message["text"] == texts.failure(GeminiError(Kind.TOO_SLOW))
    assert await door.messages() == []


async def test_the_operator_instructs_the_model(opened: OpenDoor, gemini: GeminiServer) -> None:
    """SYSTEM_INSTRUCTION goes along with each question."""
    async with opened(SYSTEM_INSTRUCTION="Answer like a pirate.") as door:
        await door.say("Hello")

    told = gemini.bodies[-1]["systemInstruction"]["parts"]
    assert told == [{"text": "Answer like a pirate."}]


async def test_an_unknown_model_falls_back(opened: OpenDoor, gemini: GeminiServer) -> None:
    """A model that Google does not know is replaced by the default, and the answer arrives."""
    gemini.answer("Hello")
    async with opened(GEMINI_MODEL_NAME="gemini-0-coal") as door:
        message = await door.say("Hello")

    assert message["text"] == "Hello"
    assert [request.model for request in gemini.requests] == ["gemini-0-coal", DEFAULT_MODEL]


async def test_nothing_is_stored_without_an_answer(door: Door, gemini: GeminiServer) -> None:
    """A failed call leaves nothing behind, and the next question is answered as usual."""
    gemini.block("SAFETY")
    await door.say("Something bad")
    assert await door.messages() == []

    gemini.answer("Hello")
    await door.say("Something good")

    assert len(gemini.requests[-1].body["contents"]) == 1


async def test_a_cut_off_answer_is_delivered_with_a_note(door: Door, gemini: GeminiServer) -> None:
    """What came before the stream broke is shown, noted as cut off, and stored."""
    gemini.cut("Once upon", " a time")

    message = await door.say("Tell me a story")

    assert message["text"].startswith("Once upon a time\n\n(The answer broke off here.")
    assert await door.messages() == [("user", "Tell me a story"), ("model", "Once upon a time")]


@pytest.mark.parametrize(
    ("description", "code"),
    [
        ("Forbidden: bot was blocked by the user", 403),
        ("Forbidden: user is deactivated", 403),
        ("Bad Request: chat not found", 400),
        ("Bad Request: not enough rights to send text messages to the chat", 400),
    ],
)
async def test_an_answer_that_telegram_refuses_for_good(
    door: Door, caplog: pytest.LogCaptureFixture, description: str, code: int
) -> None:
    """403 and 400 are logged and accepted, and nothing is stored."""
    caplog.set_level(logging.WARNING)
    door.telegram.faults.add(Refuse(code, description), method="sendMessage", times=None)

    assert await door.send(text="Hello") == []
    assert description.split(": ")[1] in caplog.text
    assert await door.messages() == []


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    "fault",
    [ServerError(502), HtmlError(502), Drop(before=True), Flood(retry_after=60)],
    ids=lambda fault: type(fault).__name__,
)
async def test_telegram_is_not_there_for_the_answer(
    door: Door, fault: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An update whose answer cannot be sent is asked for again, and nothing is stored."""
    monkeypatch.setattr("bot.telegram.client.PAUSES", (0.01, 0.01))
    door.telegram.faults.add(fault, method="sendMessage", times=None)
    update = door.question("Hello")

    response = await door.post(update)

    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert await door.messages() == []

    door.telegram.faults.clear()
    assert [message["text"] for message in await door.deliver(update)] == ["You said: Hello"]


@pytest.mark.parametrize(
    "fault",
    [ServerError(500), HtmlError(502), Drop(before=True), Flood(retry_after=1)],
    ids=lambda fault: type(fault).__name__,
)
async def test_a_passing_fault_of_telegram_goes_unnoticed(
    door: Door, fault: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that fails once is sent again."""
    monkeypatch.setattr("bot.telegram.client.PAUSES", (0.01, 0.01))
    door.telegram.faults.add(fault, method="sendMessage", times=1)

    assert (await door.say("Hello"))["text"] == "You said: Hello"


async def test_a_fault_of_our_own_is_excused_and_logged(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    """A handler that breaks tells the person so, and the operator why; the update is done."""
    await door.say("Hello")
    await door.change("UPDATE chat_message SET content = '5' WHERE role = 'model'")

    [message] = await door.send(text="Hello again")

    assert message["text"] == texts.UNEXPECTED
    assert "to_contents" in caplog.text


@pytest.mark.parametrize("photo_fault", ["gone", "unreachable", "too large"])
async def test_a_photo_that_cannot_be_had(
    door: Door, gemini: GeminiServer, photo_fault: str
) -> None:
    """A photo that Telegram does not serve gets its sentence; one out of reach comes again."""
    if photo_fault == "gone":
        door.telegram.faults.add(
            Refuse(400, "Bad Request: wrong file_id or the file is temporarily unavailable"),
            method="getFile",
        )
        [message] = await door.send(photo=b"\xff\xd8")
        assert message["text"] == texts.PHOTO_GONE
    elif photo_fault == "unreachable":
        door.telegram.faults.add(Drop(before=True), method="file", times=None)
        update = door.question(photo=b"\xff\xd8")
        assert (await door.post(update)).status_code == 503
        door.telegram.faults.clear()
        assert len(await door.deliver(update)) == 1
        return
    else:
        update = door.question(photo=b"\xff\xd8")
        for size in update["message"]["photo"]:
            size["file_size"] = 21_000_000
        [message] = await door.deliver(update)
        assert message["text"] == texts.PHOTO_TOO_LARGE
    assert gemini.requests == []
    assert await door.messages() == []


async def test_an_earlier_photo_that_is_gone_leaves_its_text(
    door: Door, gemini: GeminiServer
) -> None:
    """A photo that cannot be fetched again is left out; its caption stands."""
    await door.send(photo=b"\xff\xd8", caption="My cat")
    door.telegram.faults.add(Refuse(400, "Bad Request: wrong file_id"), method="getFile")

    await door.say("What colour was it?")

    assert gemini.requests[-1].body["contents"][0]["parts"] == [{"text": "My cat"}]


@pytest.mark.usefixtures("hasty")
@pytest.mark.slow("waits for a deadline")
async def test_the_total_deadline(door: Door, gemini: GeminiServer) -> None:
    """An update that outlasts its deadline comes again, and its answer is not asked for anew."""
    door.telegram.faults.add(Slow(30), method="sendMessage")
    update = door.question("Hello")

    response = await door.post(update)

    assert response.status_code == 503
    assert door.telegram.sent() == []
    assert await door.messages() == []

    assert [message["text"] for message in await door.deliver(update)] == ["You said: Hello"]
    assert await door.messages() == [("user", "Hello"), ("model", "You said: Hello")]
    assert len(gemini.requests) == 1


@pytest.mark.usefixtures("classic")
@pytest.mark.parametrize(
    "fault",
    [Flood(retry_after=2), ServerError(502), Drop(before=True), HtmlError(502)],
    ids=lambda fault: type(fault).__name__,
)
async def test_a_short_outage_in_the_middle_of_an_answer(
    door: Door, gemini: GeminiServer, monkeypatch: pytest.MonkeyPatch, fault: Any
) -> None:
    """The rest of an answer waits for Telegram, and keeps its order."""
    monkeypatch.setattr("bot.telegram.client.PAUSES", (0.01, 0.01))
    words = [f"word{number}" for number in range(1500)]
    gemini.answer(" ".join(words))
    door.telegram.faults.add(fault, method="sendMessage", after=1)

    messages = await door.send(text="Tell me all")

    assert len(messages) == 4
    assert " ".join(message["text"] for message in messages).split() == words
    assert len(await door.messages()) == 2


@pytest.mark.usefixtures("hasty", "classic")
@pytest.mark.parametrize(
    "fault",
    [Flood(retry_after=60), ServerError(502), HtmlError(502), Slow(30)],
    ids=lambda fault: type(fault).__name__,
)
@pytest.mark.slow("waits for the database to come back")
async def test_an_answer_goes_on_where_it_broke_off(
    door: Door, gemini: GeminiServer, monkeypatch: pytest.MonkeyPatch, fault: Any
) -> None:
    """When the rest cannot be sent in time the update comes again, and brings the rest alone."""
    monkeypatch.setattr("bot.telegram.client.PAUSES", (0.01, 0.01))
    words = [f"word{number}" for number in range(1500)]
    gemini.answer(" ".join(words))
    door.telegram.faults.add(fault, method="sendMessage", after=2, times=None)
    update = door.question("Tell me all")

    response = await door.post(update)

    assert response.status_code == 503
    assert len(door.telegram.sent()) == 2
    assert await door.messages() == []

    door.telegram.faults.clear()
    assert len(await door.deliver(update)) == 2
    sent = [message["text"] for message in door.telegram.sent()]
    assert " ".join(sent).split() == words
    assert len(gemini.requests) == 1
    assert [role for role, _ in await door.messages()] == ["user", "model"]


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("migrated_url", ["postgresql"], indirect=True)
@pytest.mark.slow("waits for a deadline")
async def test_a_database_that_is_slow_to_store_is_not_waited_for(
    door: Door, gemini: GeminiServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Once the answer was shown the update is done, whatever keeps it from being stored."""
    gemini.answer("Once upon", " a time", delay=1)
    update = door.question("A story")
    engine = create_async_engine(door.settings.database_url)

    posting = asyncio.create_task(door.post(update))
    await door.telegram.wait_for(lambda: gemini.requests)
    async with engine.begin() as connection:
        await connection.execute(text("LOCK TABLE chat_message IN ACCESS EXCLUSIVE MODE"))
        response = await posting
    await engine.dispose()

    assert response.status_code == 200
    assert [message["text"] for message in door.telegram.sent()] == ["Once upon a time"]
    assert "message in chat 42 is handled, but not stored" in caplog.text
    assert await door.messages() == []


async def test_a_message_of_which_nobody_knows_is_sent_once_more(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    """Twice is better than never: once more, not more often, and said in the log."""
    door.telegram.faults.add(Drop(before=False), method="sendMessage")

    messages = await door.send(text="Hello")

    assert [message["text"] for message in messages] == ["You said: Hello"] * 2
    assert "uncertain" in caplog.text


async def test_no_connection_is_held_while_others_work(
    opened: OpenDoor,
    environment: pytest.MonkeyPatch,
    telegram: TelegramServer,
    gemini: GeminiServer,
) -> None:
    """Ten chats share one connection, though model, photos and Telegram take their time."""
    environment.setitem(POOL, "pool_size", 1)
    environment.setitem(POOL, "max_overflow", 0)
    environment.setitem(POOL, "pool_timeout", 3)
    telegram.faults.add(Slow(1), method="sendMessage", times=None)
    telegram.faults.add(Slow(1), method="getFile", times=None)
    async with opened() as door:
        updates = []
        for number in range(10):
            gemini.answer("It is", " a cat", delay=1)
            person = telegram.person(100 + number)
            chat = telegram.private_chat(person)
            updates.append(telegram.message(chat, person, photo=b"\xff\xd8"))

        responses = await asyncio.gather(*map(door.post, updates))

        assert [response.status_code for response in responses] == [200] * 10
        assert len(await door.messages()) == 20


async def test_a_database_that_is_down(
    environment: pytest.MonkeyPatch,
    telegram: TelegramServer,
    gemini: GeminiServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The bot starts without its database, and asks for each update again."""
    environment.setenv("DATABASE_URL", "postgresql://ann:pa55word@127.0.0.1:1/bot")
    async with open_door(telegram) as door:
        update = door.question("Hello")

        response = await door.post(update)

    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert telegram.sent() == []
    assert gemini.requests == []
    assert "pa55word" not in caplog.text


async def test_a_database_that_goes_away_and_comes_back(
    environment: pytest.MonkeyPatch, telegram: TelegramServer, gemini: GeminiServer
) -> None:
    """An update during an outage is asked for again, and answered once the database is back."""
    with open_cluster() as cluster:
        environment.setenv("DATABASE_URL", cluster.url)
        async with open_door(telegram) as door:
            await door.say("Hello")
            asked = len(gemini.requests)
            cluster.stop()
            update = door.question("Are you there?")

            response = await door.post(update)

            assert response.status_code == 503
            assert int(response.headers["Retry-After"]) > 0
            assert len(gemini.requests) == asked
            cluster.start()
            [message] = await door.deliver(update)
            assert message["text"] == "You said: Are you there?"
            assert len(await door.messages()) == 4


@pytest.mark.usefixtures("hasty")
@pytest.mark.slow("waits for the database to come back")
async def test_an_answer_that_cannot_be_stored_is_not_repeated(
    environment: pytest.MonkeyPatch,
    telegram: TelegramServer,
    gemini: GeminiServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A database that stays away after the question costs the memory of it, no second answer."""
    with open_cluster() as cluster:
        environment.setenv("DATABASE_URL", cluster.url)
        async with open_door(telegram) as door:
            posting = await _lose_the_database(door, gemini, cluster)

            response = await posting

    assert response.status_code == 200
    assert [message["text"] for message in telegram.sent()][1:] == ["Once upon a time"]
    assert "message in chat 42 is handled, but not stored" in caplog.text


async def test_an_answer_is_stored_when_the_database_is_back(
    environment: pytest.MonkeyPatch, telegram: TelegramServer, gemini: GeminiServer
) -> None:
    """A database that restarts between question and answer costs nothing but a moment."""
    with open_cluster() as cluster:
        environment.setenv("DATABASE_URL", cluster.url)
        async with open_door(telegram) as door:
            posting = await _lose_the_database(door, gemini, cluster)
            await telegram.wait_for(lambda: len(telegram.sent()) == 2)
            cluster.start()

            response = await posting

            assert response.status_code == 200
            assert [text for _, text in await door.messages()][2:] == [
                "A story",
                "Once upon a time",
            ]
    assert len(telegram.sent()) == 2


@pytest.mark.usefixtures("classic")
@pytest.mark.slow("waits for the database to come back")
async def test_what_was_sent_is_noted_when_the_database_is_back(
    environment: pytest.MonkeyPatch,
    telegram: TelegramServer,
    gemini: GeminiServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An answer that breaks off after the database did goes on where it was all the same."""
    environment.setattr("bot.telegram.client.PAUSES", (0.01, 0.01))
    with open_cluster() as cluster:
        environment.setenv("DATABASE_URL", cluster.url)
        async with open_door(telegram) as door:
            await door.say("Hello")
            for fault in (Slow(1), Flood(retry_after=2), ServerError(502), ServerError(502)):
                telegram.faults.add(fault, method="sendMessage")
            words = [f"word{number}" for number in range(900)]
            gemini.answer(" ".join(words))
            update = door.question("Tell me all")
            posting = asyncio.create_task(door.post(update))
            await telegram.wait_for(lambda: len(gemini.requests) == 2)
            cluster.stop()
            await telegram.wait_for(lambda: "what was sent is not noted" in caplog.text)
            cluster.start()
            assert (await posting).status_code == 503

            await door.deliver(update)

            sent = [message["text"] for message in telegram.sent()[1:]]
            assert " ".join(sent).split() == words
            assert len(gemini.requests) == 2
            assert len(await door.messages()) == 4


async def _lose_the_database(
    door: Door, gemini: GeminiServer, cluster: Cluster
) -> "asyncio.Task[httpx2.Response]":
    """Stop the database while Gemini answers."""
    await door.say("Hello")
    gemini.answer("Once upon", " a time", delay=1)
    update = door.question("A story")
    posting = asyncio.create_task(door.post(update))
    await door.telegram.wait_for(lambda: len(gemini.requests) == 2)
    cluster.stop()
    return posting
