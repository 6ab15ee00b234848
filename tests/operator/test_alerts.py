"""The admins are told when answers begin to fail, once, and once more when it is over."""

import asyncio
import re
from collections.abc import Callable

import pytest

from bot.backlog import Backlog
from bot.operator import alerts
from bot.runtime import open_runtime
from bot.sandbox.faults import Drop, Fault, Flood, Refuse, ServerError, Slow
from bot.sandbox.telegram import TelegramServer
from bot.settings import load_settings
from tests.support.door import Door, open_door
from tests.support.gemini_failures import (
    blocked,
    key_refused,
    model_unknown,
    no_quota,
    not_offered,
    overloaded,
    quota_exhausted,
    rejected,
    unpaid,
)
from tests.support.gemini_server import GeminiServer
from tests.support.messages import question
from tests.support.postgres import open_cluster

ANN, BOB = 7, 8  # admins
OVER = re.compile(r"I can answer again\. The problem lasted \d+ (second|minute)s?\.")


@pytest.fixture(autouse=True)
def admins(environment: pytest.MonkeyPatch, telegram: TelegramServer) -> None:
    """Let two people administer the bot, and have written to it."""
    environment.setattr(alerts, "SETTLED", -1)
    environment.setenv("ADMIN_USER_IDS", f"{ANN},{BOB}")
    for person in (ANN, BOB):
        telegram.private_chat(telegram.person(person))


def told(telegram: TelegramServer, admin: int = ANN) -> list[str]:
    """Return what an admin has read."""
    return [message["text"] for message in telegram.sent(admin)]


def model_is_back(gemini: GeminiServer) -> None:
    """Know the default model again."""
    gemini.models.add("gemini-3.5-flash-lite")


@pytest.mark.parametrize(
    ("cause", "problem"),
    [
        (key_refused, "GEMINI_API_KEY is refused at GOOGLE_GEMINI_BASE_URL, http://127.0.0.1:"),
        (quota_exhausted, "Today's quota of GEMINI_API_KEY is used up at GOOGLE_GEMINI_BASE_URL"),
        (model_unknown, "GEMINI_MODEL_NAME is unknown (gemini-3.5-flash-lite) at GOOGLE_GEMINI"),
        (not_offered, "Google does not offer the Gemini API in the country of the server at"),
        (unpaid, "The credit of GEMINI_API_KEY is used up at GOOGLE_GEMINI_BASE_URL"),
        (no_quota, "GEMINI_API_KEY has no quota at all for gemini-3.5-flash-lite at GOOGLE_"),
    ],
)
async def test_two_instances_tell_once(
    door: Door,
    second: Door,
    gemini: GeminiServer,
    cause: Callable[[GeminiServer], None],
    problem: str,
) -> None:
    """Whichever instance fails first tells each admin, and whichever answers first tells them."""
    telegram = door.telegram
    for each in (door, second, door):
        cause(gemini)
        await each.say("Hello")
    model_is_back(gemini)
    beginning = told(telegram)

    for each in (second, door, second):
        await each.say("Hello again")

    [first] = beginning
    assert first.startswith(f"I cannot answer at the moment. {problem}")
    assert first.endswith(" I will tell you when I can.")
    assert told(telegram) == told(telegram, BOB)
    assert told(telegram)[:1] == beginning
    assert len(told(telegram)) == 2
    assert OVER.fullmatch(told(telegram)[1])
    assert await door.rows("SELECT name FROM alert") == []


async def test_what_begins_anew_is_told_anew(door: Door, gemini: GeminiServer) -> None:
    """After it was over, the next time is another one."""
    for _ in range(2):
        key_refused(gemini)
        await door.say("Hello")
        await door.say("Hello again")

    assert len(told(door.telegram)) == 4


async def test_an_instance_that_starts_later_knows(
    environment: pytest.MonkeyPatch, door: Door, gemini: GeminiServer
) -> None:
    """The instance that told may be gone: the next one finds that it is over, or is silent."""
    environment.setattr(alerts, "RECHECK", 0)
    key_refused(gemini)
    await door.say("Hello")
    async with open_door(door.telegram) as another:
        key_refused(gemini)
        await another.say("Hello")
        assert len(told(door.telegram)) == 1
        await another.say("Hello")

    assert len(told(door.telegram)) == 2


async def test_what_comes_and_goes_is_told_once_a_minute(
    environment: pytest.MonkeyPatch, door: Door, gemini: GeminiServer
) -> None:
    """A key that works every other time sends nobody a message for each."""
    environment.setattr(alerts, "SETTLED", 60)
    for _ in range(3):
        key_refused(gemini)
        await door.say("Hello")
        await door.say("Hello again")
    assert len(told(door.telegram)) == 1
    await door.change("UPDATE alert SET since = since - 61")

    await door.say("Once more")

    assert len(told(door.telegram)) == 2


async def test_what_fails_again_and_again_is_told(door: Door, gemini: GeminiServer) -> None:
    """Whatever it is: the fifth answer in a row that fails; what a question causes is not one."""
    for number in range(5):
        assert told(door.telegram) == []
        rejected(gemini)
        await door.say(f"Hello {number}")
        blocked(gemini)
        await door.say("Something bad")

    [text] = told(door.telegram)
    assert "The requests are refused (REJECTED: 400 INVALID_ARGUMENT)" in text


async def test_faults_of_our_own_are_told(environment: pytest.MonkeyPatch, door: Door) -> None:
    """So is a bot that breaks at each question."""
    environment.setattr("bot.chat.conversation.MAX_ROUNDS", None)
    for number in range(5):
        await door.say(f"Hello {number}")

    [text] = told(door.telegram)
    assert "The last answers all failed (TypeError): read the bot's log." in text


async def test_one_slow_admin_holds_nobody_up(
    environment: pytest.MonkeyPatch, door: Door, gemini: GeminiServer
) -> None:
    """The others are told once, and the updates go on after a moment."""
    environment.setattr(alerts, "TELLING_TIME", 0.3)
    door.telegram.faults.add(Slow(5), method="sendMessage", chat_id=BOB, times=None)
    began = asyncio.get_running_loop().time()
    for _ in range(3):
        key_refused(gemini)
        await door.say("Hello")

    assert len(told(door.telegram)) == 1
    assert asyncio.get_running_loop().time() - began < 4


async def test_an_end_in_the_middle_of_telling(
    door: Door, second: Door, gemini: GeminiServer
) -> None:
    """Who is stopped before anybody was told leaves it to the next."""
    for admin in (ANN, BOB):
        door.telegram.faults.add(Slow(3), method="sendMessage", chat_id=admin)
    key_refused(gemini)
    posting = asyncio.create_task(door.post(door.question("Hello")))
    await door.telegram.wait_for(lambda: door.telegram.faults.happened)
    posting.cancel()
    await asyncio.wait({posting})
    assert await door.rows("SELECT name FROM alert") == []

    key_refused(gemini)
    await second.say("Hello")

    assert len(told(door.telegram)) == 1


async def test_who_died_while_telling_is_replaced(door: Door, gemini: GeminiServer) -> None:
    """What was noted by an instance that is gone, and told by nobody, is told after a while."""
    insert = "INSERT INTO alert (name, since) VALUES ('key', {})"
    await door.change(insert.format(9e9))
    key_refused(gemini)
    await door.say("Hello")
    assert told(door.telegram) == []
    await door.change("UPDATE alert SET since = 1")
    async with open_door(door.telegram) as another:
        key_refused(gemini)
        await another.say("Hello")

    assert len(told(door.telegram)) == 1


@pytest.mark.usefixtures("classic")
async def test_the_rest_of_an_older_answer_proves_nothing(
    environment: pytest.MonkeyPatch, door: Door, gemini: GeminiServer
) -> None:
    """An answer from before the trouble that is sent to its end is no sign of the trouble's."""
    environment.setattr("bot.telegram.client.PAUSES", ())
    environment.setattr(alerts, "RECHECK", 0)
    gemini.answer(" ".join(f"word{number}" for number in range(900)))
    door.telegram.faults.add(ServerError(502), method="sendMessage", after=1)
    update = door.question("Tell me all")
    assert (await door.post(update)).status_code == 503
    key_refused(gemini)
    await door.say("Hello", user_id=43)

    await door.deliver(update)

    assert len(told(door.telegram)) == 1


async def test_gemini_is_down(door: Door, gemini: GeminiServer) -> None:
    """One overload is nobody's business; when the circuit opens, the admins hear of it."""
    for number in range(3):
        assert told(door.telegram) == []
        overloaded(gemini)
        await door.say(f"Hello {number}")

    [text] = told(door.telegram)
    assert "Gemini is overloaded at the moment" in text


async def test_without_admins_nothing_is_done(
    environment: pytest.MonkeyPatch, door: Door, gemini: GeminiServer
) -> None:
    """Who told nobody whom to tell has the log."""
    environment.delenv("ADMIN_USER_IDS")
    async with open_door(door.telegram) as lonely:
        key_refused(gemini)
        await lonely.say("Hello")

    assert [call.parameters["chat_id"] for call in door.telegram.calls_of("sendMessage")] == [42]
    assert await door.rows("SELECT name FROM alert") == []


@pytest.mark.parametrize(
    ("fault", "again"),
    [(Drop(), True), (Flood(60), True), (Refuse(403, "Forbidden: bot was blocked"), False)],
    ids=["no answer", "429", "403"],
)
async def test_admins_who_cannot_be_reached(
    environment: pytest.MonkeyPatch, door: Door, gemini: GeminiServer, fault: Fault, again: bool
) -> None:
    """Where nobody could be told the next failure tells; who blocked the bot does not want it."""
    environment.setattr("bot.telegram.client.PAUSES", ())
    for admin in (ANN, BOB):
        door.telegram.faults.add(fault, method="sendMessage", chat_id=admin)
    key_refused(gemini)
    assert "does not accept this bot's API key" in (await door.send(text="Hello"))[0]["text"]
    key_refused(gemini)
    assert "does not accept this bot's API key" in (await door.send(text="Hello again"))[0]["text"]

    assert len(told(door.telegram)) == again


async def test_the_database_is_down(
    environment: pytest.MonkeyPatch, telegram: TelegramServer, gemini: GeminiServer
) -> None:
    """An outage is told by the instance that finds it, a restart is not; the updates wait."""
    del gemini
    with open_cluster() as cluster:
        environment.setenv("DATABASE_URL", cluster.url)
        async with open_door(telegram) as door:
            await door.say("Hello")
            cluster.stop()
            update = door.question("Are you there?")
            assert (await door.post(update)).status_code == 503
            assert told(telegram) == []
            environment.setattr(alerts, "PATIENCE", 0)

            assert (await door.post(update)).status_code == 503
            assert (await door.post(update)).status_code == 503

            assert told(telegram) == told(telegram, BOB)
            [text] = told(telegram)
            assert "DATABASE_URL leads to no database (ConnectionRefusedError): check" in text
            cluster.start()
            await door.deliver(update)
            await door.say("Hello again")
            assert OVER.fullmatch(told(telegram)[1])
            assert len(told(telegram)) == 2


async def test_polling_tells_of_the_database_as_well(
    environment: pytest.MonkeyPatch, telegram: TelegramServer, gemini: GeminiServer
) -> None:
    """There an update is kept before it is handled: that fails first."""
    del gemini
    environment.setattr(alerts, "PATIENCE", 0)
    with open_cluster() as cluster:
        environment.setenv("DATABASE_URL", cluster.url)
        async with open_runtime(load_settings()) as runtime:
            backlog = Backlog(runtime)
            cluster.stop()
            update = question(telegram, "Hello")
            taking = asyncio.create_task(backlog.take([update]))
            await telegram.wait_for(lambda: told(telegram))
            cluster.start()
            await taking
            await backlog.finish()

    assert len(told(telegram)) == 2
    assert [message["text"] for message in telegram.sent(42)] == ["You said: Hello"]
