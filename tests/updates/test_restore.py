"""A database without its tables or rights, as in the middle of a restore: updates wait for it."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from alembic import command
from sqlalchemy import make_url

from bot.operator import alerts
from bot.sandbox.faults import Flood
from bot.sandbox.telegram import TelegramServer
from bot.settings import load_settings
from db.migrate import configuration, migrate
from db.models import Base
from db.schema import HEAD, KNOWN_REVISIONS
from db.url import parse_url
from tests.support.door import Door, Json, open_door
from tests.support.gemini_server import GeminiServer
from tests.support.polling import polling, write
from tests.support.postgres import execute, in_own_loop

ADMIN = 7

Change = tuple[str, str]  # what breaks the database, and what mends it


def without(table: str, column: str | None = None) -> Change:
    """Take a table away, or a column of it."""
    away, back = f"ALTER TABLE {table} RENAME", f"ALTER TABLE gone_{table} RENAME TO {table}"
    if column:
        away, back = f"{away} COLUMN {column} TO gone", f"{away} COLUMN gone TO {column}"
        return away, back
    return f"{away} TO gone_{table}", back


pytestmark = pytest.mark.usefixtures("gemini", "telegram")


@pytest.fixture
def hasty(environment: pytest.MonkeyPatch) -> None:
    """Give every answer ten seconds."""
    environment.setenv("ANSWER_TIMEOUT", "10")


@pytest.fixture
async def door(
    environment: pytest.MonkeyPatch, telegram: TelegramServer, database_url: str
) -> AsyncGenerator[Door]:
    """Open the webhook on a database whose tables a test may change."""
    environment.setenv("DATABASE_URL", database_url)
    async with open_door(telegram) as opened:
        yield opened


async def assert_waits(door: Door, change: Change) -> None:
    """Break the database: questions wait, nobody is told anything; then each is answered once."""
    telegram, before = door.telegram, len(door.telegram.sent())
    questions = [door.question("Hello", person) for person in range(50, 53)]
    await door.change(change[0])
    for _ in range(2):
        responses = [await door.post(each) for each in questions]
        assert {response.status_code for response in responses} == {503}
        assert all(int(response.headers["Retry-After"]) > 0 for response in responses)
    assert telegram.sent()[before:] == []
    await door.change(change[1])
    for _ in range(2):
        responses = [await door.post(each) for each in questions]
        assert {response.status_code for response in responses} == {200}
    said = [message["text"] for message in telegram.sent()[before:]]
    assert said == ["You said: Hello"] * len(questions)


async def test_questions_wait_for_what_is_missing(door: Door) -> None:
    """Whichever table or column it is."""
    for change in (
        without("chat_message"),
        without("chat_message", "ending"),
        without("processed_update"),
        without("processed_update", "progress"),
        without("access"),
        without("preference"),
    ):
        await assert_waits(door, change)


@pytest.fixture
async def limited(
    environment: pytest.MonkeyPatch, telegram: TelegramServer, postgresql_url: str
) -> AsyncGenerator[Door]:
    """Open the webhook as a role of which rights may be taken; `door.settings` are its owner's."""
    await migrate(postgresql_url)
    role = f"limited_{uuid4().hex}"
    execute(
        postgresql_url,
        f"CREATE ROLE {role} LOGIN",
        f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}",
        f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role}",
    )
    environment.setenv("DATABASE_URL", postgresql_url)
    owners = load_settings()
    theirs = make_url(postgresql_url).set(username=role)
    environment.setenv("DATABASE_URL", theirs.render_as_string(hide_password=False))
    async with open_door(telegram) as opened:
        yield Door(opened.client, telegram, owners)
    execute(postgresql_url, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


async def test_questions_wait_for_a_right(limited: Door) -> None:
    """Whichever it is: to read, to write, to the tables or the whole schema."""
    [(role,)] = await limited.rows("SELECT rolname FROM pg_roles WHERE rolname LIKE 'limited_%'")
    for right in (
        "SELECT ON chat_message",
        "SELECT ON chat_session",
        "INSERT ON processed_update",
        "ALL ON access",
        "USAGE ON SCHEMA public",
    ):
        owner = "PUBLIC" if "SCHEMA" in right else role
        await assert_waits(limited, (f"REVOKE {right} FROM {owner}", f"GRANT {right} TO {owner}"))


async def ask_while_it_breaks(door: Door, gemini: GeminiServer, change: str) -> asyncio.Task[int]:
    """Break the database while Gemini answers; return what the webhook says to it."""
    gemini.answer("Once upon", " a time", delay=1)
    asked, update = len(gemini.requests), door.question("A story")

    async def post() -> int:
        return (await door.post(update)).status_code

    posting = asyncio.create_task(post())
    await door.telegram.wait_for(lambda: len(gemini.requests) > asked)
    await door.change(change)
    await door.telegram.wait_for(lambda: texts_of(door.telegram)[-1:] == ["Once upon a time"])
    await asyncio.sleep(0.5)
    # Telegram waits for a minute at most: then the update comes again, until it is told of the end
    again = await door.post(update)
    assert again.status_code == 503
    return posting


def texts_of(telegram: TelegramServer) -> Sequence[str]:
    return [message["text"] for message in telegram.sent()]


@pytest.mark.parametrize("table", ["chat_message", "processed_update"])
@pytest.mark.slow("waits for the database to come back")
async def test_an_answer_is_stored_when_the_table_is_back(
    door: Door, gemini: GeminiServer, table: str
) -> None:
    """What people have read is not sent again meanwhile, and is remembered afterwards."""
    await door.say("Hello")
    gone, back = without(table)

    posting = await ask_while_it_breaks(door, gemini, gone)
    await asyncio.sleep(1)
    await door.change(back)

    assert await posting == 200
    assert texts_of(door.telegram) == ["You said: Hello", "Once upon a time"]
    assert [text for _, text in await door.messages()][2:] == ["A story", "Once upon a time"]


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("table", ["chat_message", "processed_update"])
@pytest.mark.slow("waits for the database to come back")
async def test_an_answer_is_not_repeated_when_the_table_is_back_too_late(
    door: Door, gemini: GeminiServer, caplog: pytest.LogCaptureFixture, table: str
) -> None:
    """The update is marked as done as soon as that can be, whoever asks for it again."""
    caplog.set_level(logging.INFO)
    await door.say("Hello")
    gone, back = without(table)

    assert await (await ask_while_it_breaks(door, gemini, gone)) == 200

    assert "message in chat 42 is handled, but not stored" in caplog.text
    await door.change(back)
    undone = "SELECT update_id FROM processed_update WHERE status <> 'done'"
    for _ in range(30):
        if not await door.rows(undone):
            break
        await asyncio.sleep(0.1)
    assert await door.rows(undone) == []
    async with open_door(door.telegram) as other:
        update = {**door.question("A story"), "update_id": 2}
        assert await other.deliver(update) == []
    assert texts_of(door.telegram) == ["You said: Hello", "Once upon a time"]


@pytest.mark.usefixtures("hasty")
@pytest.mark.slow("waits for the database to come back")
async def test_polling_answers_once_what_came_during_a_restore(
    environment: pytest.MonkeyPatch,
    telegram: TelegramServer,
    gemini: GeminiServer,
    database_url: str,
) -> None:
    """Questions wait; one that was answered as the table went is not answered anew."""
    environment.setenv("DATABASE_URL", database_url)
    async with open_door(telegram) as opened:
        door = opened
        await door.say("Hello")
    gone, back = without("processed_update")
    async with polling():
        gemini.answer("Once upon", " a time", delay=1)
        write(telegram, "A story")
        await telegram.wait_for(lambda: len(gemini.requests) == 2)
        await door.change(gone)
        write(telegram, "Are you there?", user_id=43)
        await telegram.wait_for(lambda: texts_of(telegram)[1:] == ["Once upon a time"])
        await asyncio.sleep(9)  # past the answer's time
        assert len(texts_of(telegram)) == 2
        await door.change(back, "UPDATE processed_update SET lease_until = 0")
        await telegram.wait_for(lambda: len(texts_of(telegram)) == 3, timeout=30)
    async with polling():
        write(telegram, "And now?")
        await telegram.wait_for(lambda: len(texts_of(telegram)) == 4)
    assert texts_of(telegram)[1:] == [
        "Once upon a time",
        "You said: Are you there?",
        "You said: And now?",
    ]
    assert await door.rows("SELECT 1 FROM processed_update WHERE payload IS NOT NULL") == []


WORDS = " ".join(f"word{number}" for number in range(1500))  # four pages


async def break_off(environment: pytest.MonkeyPatch, door: Door, gemini: GeminiServer) -> Json:
    """Let an answer break off after two pages, of which the database was told of one."""
    environment.setattr("bot.telegram.client.PAUSES", ())
    gemini.answer("Hello")
    gemini.answer(WORDS)
    await door.say("Hello")
    door.telegram.faults.add(Flood(retry_after=2), method="sendMessage", after=1)
    door.telegram.faults.add(Flood(retry_after=60), method="sendMessage", after=2)
    update = door.question("Tell me all")
    posting = asyncio.create_task(door.post(update))
    await door.telegram.wait_for(lambda: len(door.telegram.calls_of("sendMessage")) == 3)
    gone, back = without("processed_update")
    await door.change(gone)
    assert (await posting).status_code == 503
    await door.change(back, "UPDATE processed_update SET lease_until = 0")
    return update


@pytest.mark.usefixtures("classic", "hasty")
async def test_an_answer_that_broke_off_goes_on_where_it_was(
    environment: pytest.MonkeyPatch, door: Door, gemini: GeminiServer
) -> None:
    """What the database could not be told of the pages that were sent, the process remembers."""
    update = await break_off(environment, door, gemini)

    assert (await door.post(update)).status_code == 200

    assert " ".join(texts_of(door.telegram)[1:]) == WORDS
    assert len(gemini.requests) == 2


@pytest.mark.usefixtures("classic", "hasty")
@pytest.mark.slow("waits for the database to come back")
async def test_what_another_process_sent_since_is_not_sent_again(
    environment: pytest.MonkeyPatch, door: Door, gemini: GeminiServer
) -> None:
    """What a process remembers of an answer may be less than the database has by then."""
    async with open_door(door.telegram) as other:
        update = await break_off(environment, door, gemini)
        door.telegram.faults.add(Flood(retry_after=60), method="sendMessage", after=2)
        assert (await other.post(update)).status_code == 503

        assert (await door.post(update)).status_code == 200

    _, first, second, again, *others = texts_of(door.telegram)
    assert second == again  # only the process that sent it knew of it
    assert " ".join([first, second, *others]) == WORDS


async def test_an_older_database_is_brought_up_to_date(door: Door) -> None:
    """What was restored from before an update of the bot is migrated, though the bot had begun."""
    await door.say("Hello")
    in_own_loop(_downgrade, door, KNOWN_REVISIONS[-2])
    update = door.question("Hello again")

    statuses = [(await door.post(update)).status_code for _ in range(3)]

    assert statuses[1:] == [200, 200]
    assert texts_of(door.telegram) == ["You said: Hello", "You said: Hello again"]
    assert await door.rows("SELECT version_num FROM alembic_version") == [(HEAD,)]


async def _downgrade(door: Door, revision: str) -> None:
    url = parse_url(door.settings.database_url)
    await asyncio.to_thread(command.downgrade, configuration(url), revision)


async def test_tables_that_are_gone_are_left_to_the_restore(door: Door) -> None:
    """A bot that had its tables makes none in the way of those that are to come."""
    await door.say("Hello")
    tables = ["alembic_version", *(table.name for table in reversed(Base.metadata.sorted_tables))]
    await door.change(*(f"DROP TABLE {table}" for table in tables))
    update = door.question("Hello again")
    for _ in range(3):
        assert (await door.post(update)).status_code == 503
        assert (await door.client.get("/ready")).status_code == 503
    for table in tables:
        with pytest.raises(Exception, match=r"no such table|does not exist"):
            await door.rows(f"SELECT 1 FROM {table}")
    await migrate(door.settings.database_url)

    assert [message["text"] for message in await door.deliver(update)] == ["You said: Hello again"]
    assert await door.deliver(update) == []


@asynccontextmanager
async def administered(
    environment: pytest.MonkeyPatch, telegram: TelegramServer, url: str
) -> AsyncGenerator[Door]:
    """Open the webhook with an admin who is told at once."""
    environment.setattr(alerts, "PATIENCE", 0)
    environment.setenv("ADMIN_USER_IDS", str(ADMIN))
    environment.setenv("DATABASE_URL", url)
    telegram.private_chat(telegram.person(ADMIN))
    async with open_door(telegram) as opened:
        yield opened


async def test_admins_are_told_what_is_missing(
    environment: pytest.MonkeyPatch, telegram: TelegramServer, database_url: str
) -> None:
    """Once, though commands work meanwhile; and that it is over with the first answer."""
    async with administered(environment, telegram, database_url) as door:
        gone, back = without("chat_message")
        await door.change(gone)
        for _ in range(2):
            assert (await door.post(door.question("Hello"))).status_code == 503
            await door.say("/help")
        [told] = [message["text"] for message in telegram.sent(ADMIN)]
        name = "OperationalError" if "sqlite" in database_url else "UndefinedTableError"
        assert f"The database of DATABASE_URL refuses its work ({name}): a table or a" in told
        await door.change(back)
        await door.say("Hello")
        assert telegram.sent(ADMIN)[1]["text"].startswith("I can answer again.")
        assert len(telegram.sent(ADMIN)) == 2
