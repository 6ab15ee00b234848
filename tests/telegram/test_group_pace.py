"""What Telegram bears in a group within a minute, over all instances of the bot."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from bot.sandbox.faults import Drop, Refuse
from bot.sandbox.wire import Call
from db.engine import new_sessions, open_engine
from db.group_quota import take_place
from db.transactions import single_statement
from tests.support.door import Door, Json, open_door, wait_for_rows
from tests.support.gemini_server import GeminiServer

GROUP, OTHER = -1_009_999_999_999, -1_008_888_888_888
SECONDS = 4.0  # of a minute in these tests
TRAVEL = 1.0  # seconds between the count of a message and its arrival, at most
PLACES = f"SELECT count(*) FROM group_place WHERE chat_id = {GROUP}"
CLOCKS = 0.005  # seconds by which SQLite's clock and ours may differ
TALE = [f"word{number} " for number in range(12)]

Take = Callable[..., Awaitable[float]]


@pytest.fixture
def short_minute(environment: pytest.MonkeyPatch) -> None:
    """Let the group's minute be over soon."""
    environment.setattr("bot.telegram.client.MINUTE", SECONDS)


def in_group(door: Door, words: str, group: int = GROUP) -> Json:
    """Return the update of a message that Ann writes in a group."""
    chat = door.telegram.group(group, "Friends")
    return door.telegram.message(chat, door.telegram.person(42, "Ann"), words)


async def at_once(*posts: tuple[Door, str], group: int = GROUP) -> None:
    """Post messages of a group at the same moment; each must be accepted."""
    responses = await asyncio.gather(
        *(door.post(in_group(door, words, group)) for door, words in posts)
    )
    assert {response.status_code for response in responses} == {200}


def written(door: Door, group: int = GROUP) -> list[Call]:
    """Return the messages and edits that reached Telegram for a group, in their order."""
    calls = [*door.telegram.calls_of("sendMessage"), *door.telegram.calls_of("editMessageText")]
    about = [call for call in calls if call.parameters["chat_id"] == group]
    return sorted(about, key=lambda call: call.at)


def assert_bearable(calls: list[Call]) -> None:
    """Make sure that of any twenty-one the last came a minute after the first."""
    times = [call.at for call in calls]
    crowded = [late - early for early, late in zip(times, times[20:], strict=False)]
    assert min(crowded) >= SECONDS - TRAVEL


@asynccontextmanager
async def locked(door: Door) -> AsyncGenerator[None]:
    """Keep everybody from the places of groups: on SQLite, from all writing."""
    engine = create_async_engine(door.settings.database_url, poolclass=NullPool)
    is_file = engine.dialect.name == "sqlite"
    async with engine.connect() as connection:
        lock = "LOCK TABLE group_place IN ACCESS EXCLUSIVE MODE"
        await connection.execute(text("BEGIN IMMEDIATE" if is_file else lock))
        try:
            yield
        finally:
            await connection.rollback()
    await engine.dispose()


@pytest.mark.usefixtures("short_minute")
async def test_instances_share_what_a_group_bears(door: Door, second: Door) -> None:
    """Whichever is asked, and at the same moment: no more than twenty; each answer comes once."""
    await at_once(*[(door, "/id@test_bot"), (second, "/id@test_bot")] * 12)

    calls = written(door)
    assert len(calls) == 24
    assert all(call.ok for call in calls)
    assert_bearable(calls)
    replied = Counter(call.parameters["reply_parameters"]["message_id"] for call in calls)
    assert set(replied.values()) == {1}
    assert await door.rows(PLACES) == [(20,)]


async def test_another_group_has_a_minute_of_its_own(door: Door, second: Door) -> None:
    """A group that is full holds no other up, nor a private chat."""
    await at_once(*[(door, "/id@test_bot")] * 20)
    began = time.monotonic()

    await at_once(*[(second, "/id@test_bot")] * 20, group=OTHER)
    await second.say("/id")

    assert time.monotonic() - began < 10
    assert len(written(door, OTHER)) == 20


@pytest.mark.usefixtures("short_minute")
async def test_what_has_to_wait_keeps_its_order(
    door: Door, second: Door, gemini: GeminiServer
) -> None:
    """Answers come when the minute that another instance has filled is over, one by one, once."""
    await at_once(*[(second, "/id@test_bot")] * 20)
    for number in range(3):
        gemini.answer(f"Answer {number}")
    posts = []
    for number, instance in enumerate((door, second, door)):
        question = in_group(door, f"/ask Question {number}")
        posts.append(asyncio.create_task(instance.post(question)))
        await asyncio.sleep(0.3)  # the one before it holds the chat by now

    assert {(await post).status_code for post in posts} == {200}

    calls = written(door)
    assert [call.parameters["text"] for call in calls[20:]] == [f"Answer {n}" for n in range(3)]
    assert_bearable(calls)
    assert [content for _, content in await door.messages()][1::2] == [
        f"Answer {n}" for n in range(3)
    ]


async def test_previews_leave_room_for_answers(
    environment: pytest.MonkeyPatch, door: Door, second: Door, gemini: GeminiServer
) -> None:
    """Of fourteen that any instance has sent none is left for a preview; the answer comes."""
    environment.setattr("bot.answers.preview.GROUP_PACE", 0.1)
    await at_once(*[(second, "/id@test_bot")] * 13)
    gemini.answer(*TALE, delay=0.3)

    await at_once((door, "/ask a story"))

    first, *others = written(door)[13:]
    assert first.parameters["text"] != "".join(TALE).strip()
    assert [call.parameters["text"] for call in others] == ["".join(TALE).strip()]
    await at_once(*[(second, "/id@test_bot")] * 5)
    assert await door.rows(PLACES) == [(20,)]


async def test_each_try_counts(door: Door, gemini: GeminiServer) -> None:
    """A message of which nobody knows may have arrived, and so may the next one."""
    gemini.answer("Noon")
    door.telegram.faults.add(Drop(before=False), method="sendMessage")

    await at_once((door, "/ask the time"))

    assert len(written(door)) == 2
    assert await door.rows(PLACES) == [(2,)]


async def test_a_supergroup_has_a_minute_of_its_own(door: Door) -> None:
    """What is sent into the new group counts there."""
    door.telegram.group(OTHER)
    upgraded = "Bad Request: group chat was upgraded to a supergroup chat"
    moved = Refuse(400, upgraded, {"migrate_to_chat_id": OTHER})
    door.telegram.faults.add(moved, chat_id=GROUP)

    await at_once((door, "/id@test_bot"))

    assert [message["chat"]["id"] for message in door.telegram.sent()] == [OTHER]
    rows = await door.rows("SELECT chat_id FROM group_place ORDER BY chat_id")
    assert rows == [(GROUP,), (OTHER,)]


async def test_a_database_that_is_slow_to_count_holds_up_no_answer(
    environment: pytest.MonkeyPatch,
    door: Door,
    gemini: GeminiServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The answer goes out, and is stored once the database is back."""
    environment.setattr("db.engine.LOCK_TIMEOUT", 1)  # SQLite's, of which nobody can be called off
    gemini.answer("No", "on", delay=1)
    async with open_door(door.telegram) as second:
        posting = asyncio.create_task(second.post(in_group(door, "/ask the time")))
        await door.telegram.wait_for(lambda: gemini.bodies)

        async with locked(door):
            await door.telegram.wait_for(door.telegram.sent)
        assert (await posting).status_code == 200

    assert [message["text"] for message in door.telegram.sent()] == ["Noon"]
    assert (await door.messages())[-1] == ("model", "Noon")
    assert f"Chat {GROUP}: counting a message in this process only: " in caplog.text


@pytest.mark.usefixtures("short_minute")
async def test_without_the_database_each_process_counts(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    """What one instance alone sends stays bearable, also after it had counted with others."""
    await at_once(*[(door, "/id@test_bot")] * 10)
    await door.change("ALTER TABLE group_place RENAME TO gone")
    try:
        await at_once(*[(door, "/id@test_bot")] * 15)
    finally:
        await door.change("ALTER TABLE gone RENAME TO group_place")

    assert len(written(door)) == 25
    assert_bearable(written(door))
    assert f"Chat {GROUP}: counting a message in this process only: " in caplog.text


async def test_old_places_are_forgotten(environment: pytest.MonkeyPatch, door: Door) -> None:
    """Those that nobody took for an hour are deleted in passing, however many; others stay."""
    await at_once((door, "/id@test_bot"))
    old = "SELECT chat_id - {n}, place, taken_at - 3700 FROM group_place"
    for n in range(1, 6):
        await door.change(f"INSERT INTO group_place {old.format(n=n)} WHERE chat_id = {GROUP}")
    environment.setattr("db.group_quota.PURGED_AT_ONCE", 2)
    environment.setattr("db.updates.PURGED_AT_ONCE", 2)
    environment.setattr("bot.updates.claims.POLL_INTERVAL", 0.05)

    async with open_door(door.telegram):
        await wait_for_rows(
            door, "SELECT 1 FROM (SELECT count(*) AS n FROM group_place) AS c WHERE n = 1"
        )

    assert await door.rows("SELECT chat_id, place FROM group_place") == [(GROUP, 0)]


# The statement itself


@asynccontextmanager
async def taking(url: str) -> AsyncGenerator[Take]:
    """Yield what takes a place of a group, for a limit and the seconds of a minute."""
    async with open_engine(url, pool_size=30) as engine:
        sessions = new_sessions(engine)

        async def take(limit: int = 20, minute: float = 60.0) -> float:
            async with sessions() as session, single_statement(session):
                return await take_place(session, GROUP, limit, minute)

        yield take


async def execute(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Run a statement and return its rows."""
    async with open_engine(url) as engine, engine.begin() as connection:
        result = await connection.execute(text(statement))
        return [tuple(row) for row in result] if result.returns_rows else []


@pytest.mark.parametrize("limit", [20, 14])
async def test_nobody_takes_a_place_that_is_taken(migrated_url: str, limit: int) -> None:
    """Of sixty at once so many get one; the others hear how long it is full."""
    async with taking(migrated_url) as take:
        waits = await asyncio.gather(*(take(limit) for _ in range(60)))

    assert waits.count(0.0) == limit
    assert all(50 < wait <= 60 for wait in waits if wait)
    places = await execute(migrated_url, "SELECT place FROM group_place ORDER BY place")
    assert places == [(place,) for place in range(limit)]


async def test_what_answers_have_taken_counts_for_previews(migrated_url: str) -> None:
    """Also where it is the first places that have come free."""
    async with taking(migrated_url) as take:
        for _ in range(20):
            assert await take() == 0
        earlier = "UPDATE group_place SET taken_at = taken_at - 70 WHERE place < 14"
        await execute(migrated_url, earlier)

        waits = [await take(14) for _ in range(9)]

    assert waits[:8] == [0.0] * 8
    assert 50 < waits[8] <= 60


async def test_a_clock_that_was_set_back_holds_up_nobody(migrated_url: str) -> None:
    """What was taken in the future was taken by a clock that went wrong."""
    async with taking(migrated_url) as take:
        for _ in range(20):
            assert await take() == 0
        await execute(migrated_url, "UPDATE group_place SET taken_at = taken_at + 1800")

        waits = [await take() for _ in range(21)]

    assert waits[:20] == [0.0] * 20
    assert 50 < waits[20] <= 60


async def test_places_come_free_one_by_one(migrated_url: str) -> None:
    """Whoever takes them, twenty-one are never taken within a minute."""
    minute, until = 0.5, time.monotonic() + 3
    began: list[float] = []
    ended: list[float] = []
    async with taking(migrated_url) as take:

        async def go_on() -> None:
            while (start := time.monotonic()) < until:
                wait = await take(minute=minute)
                if wait == 0:
                    began.append(start)
                    ended.append(time.monotonic())
                await asyncio.sleep(wait)

        await asyncio.gather(*(go_on() for _ in range(15)))

    # Each was taken between the two, so that the twentieth after it ended a minute after it began
    pairs = zip(sorted(began), sorted(ended)[20:], strict=False)
    assert min(end - start for start, end in pairs) >= minute - CLOCKS
    assert 40 < len(ended) <= 20 * (3 / minute + 1)
