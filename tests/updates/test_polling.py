"""Long polling: the bot on a machine that no webhook can reach."""

import asyncio
import signal
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from bot import texts
from bot.polling import poll
from bot.runtime import open_runtime
from bot.sandbox.faults import HtmlError, Refuse
from bot.sandbox.telegram import TelegramServer
from bot.settings import SettingsError, load_settings
from tests.support.gemini_server import GeminiServer
from tests.support.polling import polling, write
from tests.support.processes import PATIENCE, command

WARNINGS = "error,ignore:Inheritance class:DeprecationWarning"


def answers(
    telegram: TelegramServer, count: int, chat_id: int | None = None
) -> Callable[[], bool]:
    """Return a predicate: so many messages were sent."""
    return lambda: len(telegram.sent(chat_id)) >= count


@pytest.fixture(autouse=True)
def servers(
    environment: pytest.MonkeyPatch,
    telegram: TelegramServer,
    gemini: GeminiServer,
    migrated_url: str,
) -> None:
    """Poll against loopback servers, on each database."""
    del telegram, gemini
    environment.setenv("DATABASE_URL", migrated_url)


async def test_updates_are_answered(telegram: TelegramServer) -> None:
    """What people write is fetched, answered and confirmed."""
    write(telegram, "one")
    async with polling():
        await telegram.wait_for(answers(telegram, 1))
        write(telegram, "two")
        await telegram.wait_for(answers(telegram, 2))

    assert [message["text"] for message in telegram.sent()] == ["You said: one", "You said: two"]
    assert telegram.pending == []


async def test_a_chat_keeps_its_order_and_chats_run_side_by_side(
    telegram: TelegramServer, gemini: GeminiServer
) -> None:
    """A slow answer holds up its own chat, and no other."""
    write(telegram, "first", user_id=1)
    async with polling():
        with gemini.held("slow", " one"):
            await telegram.wait_for(lambda: gemini.requests)
            write(telegram, "second", user_id=1)
            write(telegram, "elsewhere", user_id=2)
            await telegram.wait_for(answers(telegram, 1))
        await telegram.wait_for(answers(telegram, 3))

    texts_ = [message["text"] for message in telegram.sent()]
    assert texts_ == ["You said: elsewhere", "slow one", "You said: second"]


async def test_a_batch_with_a_malformed_update_is_not_lost(telegram: TelegramServer) -> None:
    """An update that cannot be read costs none of its neighbours."""
    telegram.deliver(telegram.update(message={"text": "no chat, no date"}))
    telegram.deliver(telegram.update(telepathy={"x": 1}))
    write(telegram, "one")
    async with polling():
        await telegram.wait_for(answers(telegram, 1))

    assert [message["text"] for message in telegram.sent()] == ["You said: one"]


async def test_an_update_that_must_come_again_is_tried_again(
    telegram: TelegramServer, environment: pytest.MonkeyPatch
) -> None:
    """Where a webhook would answer 503, polling tries again, in the chat's order."""
    environment.setattr("bot.telegram.client.PAUSES", ())
    telegram.faults.add(HtmlError(502), method="sendMessage", times=1)
    write(telegram, "one")
    write(telegram, "two")
    async with polling():
        await telegram.wait_for(answers(telegram, 2))

    assert [message["text"] for message in telegram.sent()] == ["You said: one", "You said: two"]


async def test_polling_outlasts_an_outage(telegram: TelegramServer) -> None:
    """A failed poll is tried again."""
    telegram.faults.add(HtmlError(502), method="getUpdates", times=1)
    telegram.faults.add(HtmlError(502), method="getMe", times=3)
    write(telegram, "one")
    async with polling():
        await telegram.wait_for(answers(telegram, 1))


async def test_a_webhook_is_removed_and_named(
    telegram: TelegramServer, capsys: pytest.CaptureFixture[str], environment: pytest.MonkeyPatch
) -> None:
    """Polling takes over from a webhook, keeps what waits there, and says how to go back."""
    from bot.operator.setup import set_up

    environment.setenv("WEBHOOK_URL", "https://bot.example.com/hook?bypass=hush")
    await set_up(load_settings())
    write(telegram, "waiting")
    capsys.readouterr()
    async with polling():
        await telegram.wait_for(answers(telegram, 1))

    assert telegram.webhook == {}
    printed = capsys.readouterr().out
    assert "Removing the webhook https://bot.example.com/hook" in printed
    assert "WEBHOOK_URL=https://bot.example.com/hook" in printed
    assert "python -m bot setup" in printed
    assert "hush" not in printed


async def test_the_menu_is_set(telegram: TelegramServer) -> None:
    """The command menu shows each command."""
    write(telegram, "one")
    async with polling():
        await telegram.wait_for(answers(telegram, 1))

    [call] = telegram.calls_of("setMyCommands")
    assert [item["command"] for item in call.parameters["commands"]] == list(texts.COMMANDS)


async def test_a_refused_token_is_named(telegram: TelegramServer) -> None:
    """A token that Telegram does not know ends the bot with the variable's name."""
    telegram.faults.add(Refuse(401, "Unauthorized"), method="getMe", times=None)

    with pytest.raises(SettingsError, match="TELEGRAM_BOT_TOKEN is refused"):
        await poll(load_settings())


async def test_what_was_not_answered_is_answered_at_the_next_start(
    telegram: TelegramServer, gemini: GeminiServer, environment: pytest.MonkeyPatch
) -> None:
    """An answer that outlasts the grace is kept, and so is what waits behind it, in order."""
    environment.setattr("bot.backlog.GRACE", 0.5)
    gemini.hang(30)
    write(telegram, "one")
    write(telegram, "two")
    async with polling():
        await telegram.wait_for(lambda: gemini.requests)
    assert telegram.sent() == []
    assert telegram.pending == []

    async with polling():
        await telegram.wait_for(answers(telegram, 2))

    assert [message["text"] for message in telegram.sent()] == ["You said: one", "You said: two"]


async def test_an_update_is_confirmed_when_it_is_kept(
    telegram: TelegramServer, gemini: GeminiServer
) -> None:
    """Telegram need not keep what the database keeps; when it is done, its text is gone."""
    write(telegram, "one")
    async with polling():
        with gemini.held("slow", " one"):
            await telegram.wait_for(lambda: gemini.requests)
            await telegram.wait_for(lambda: telegram.pending == [])
            assert telegram.sent() == []
            [kept] = await ask_database("SELECT payload FROM processed_update")
            assert "one" in kept[0]
        await telegram.wait_for(answers(telegram, 1))

    assert await ask_database("SELECT status, payload FROM processed_update") == [("done", None)]


async def test_what_is_not_ours_is_not_kept(telegram: TelegramServer) -> None:
    """What people say to each other in a group is forgotten at once."""
    person = telegram.person(42)
    telegram.deliver(telegram.message(telegram.group(-100, "Friends"), person, "Dinner?"))
    write(telegram, "one")
    async with polling():
        await telegram.wait_for(answers(telegram, 1))

    assert await ask_database("SELECT update_id, status FROM processed_update") == [(2, "done")]


async def test_help_does_not_wait_for_an_answer(
    telegram: TelegramServer, gemini: GeminiServer
) -> None:
    """/help is answered while the chat's question is, and what comes after waits for both."""
    write(telegram, "one")
    async with polling():
        with gemini.held("slow", " one"):
            await telegram.wait_for(lambda: gemini.requests)
            write(telegram, "/help")
            write(telegram, "two")
            await telegram.wait_for(answers(telegram, 1))
        await telegram.wait_for(answers(telegram, 3))

    sent = [message["text"] for message in telegram.sent()]
    assert sent == [texts.HELP, "slow one", "You said: two"]


async def test_stop_ends_an_answer(telegram: TelegramServer, gemini: GeminiServer) -> None:
    """/stop reaches the answer that is being written: what there is of it is sent and stored."""
    gemini.hang(30, "Once upon", " a time")
    write(telegram, "A story")
    async with polling():
        await telegram.wait_for(lambda: gemini.requests)
        await asyncio.sleep(0.5)
        write(telegram, "/stop")
        await telegram.wait_for(answers(telegram, 1))

    [message] = telegram.sent()
    assert message["text"] == "Once upon a time\n\n(Stopped.)"
    assert await ask_database("SELECT role, text FROM chat_message ORDER BY id") == [
        ("user", "A story"),
        ("model", "Once upon a time"),
    ]


async def test_what_was_kept_long_ago_is_answered_once(
    telegram: TelegramServer, gemini: GeminiServer, environment: pytest.MonkeyPatch
) -> None:
    """Old updates are forgotten in passing, but none that is in work."""
    environment.setattr("bot.updates.claims.POLL_INTERVAL", 0.1)
    environment.setattr("bot.backlog.GRACE", 0)
    gemini.hang(30)
    write(telegram, "one")
    async with polling():
        await telegram.wait_for(lambda: gemini.requests)
    await ask_database("UPDATE processed_update SET claimed_at = 1 RETURNING 1")
    gemini.answer("Once upon", " a time", delay=1)

    async with polling():
        await telegram.wait_for(answers(telegram, 1))

    assert [message["text"] for message in telegram.sent()] == ["Once upon a time"]
    assert await ask_database("SELECT status FROM processed_update") == [("done",)]


async def test_what_is_kept_is_not_forgotten_in_passing(
    telegram: TelegramServer, gemini: GeminiServer, environment: pytest.MonkeyPatch
) -> None:
    """What Telegram will not send again stays until it is answered, however old it is."""
    environment.setattr("bot.updates.claims.POLL_INTERVAL", 0.05)
    environment.setattr("bot.backlog.GRACE", 0)
    gemini.hang(30)
    write(telegram, "one")
    async with polling():
        await telegram.wait_for(lambda: gemini.requests)
    await ask_database("UPDATE processed_update SET claimed_at = 1 RETURNING 1")
    await ask_database(
        "INSERT INTO processed_update (update_id, status, claimed_at) VALUES (999, 'done', 1)"
        " RETURNING 1"
    )

    async with open_runtime(load_settings()):
        await asyncio.sleep(0.5)

    assert await ask_database("SELECT update_id FROM processed_update") == [(1,)]


async def test_a_stop_keeps_the_order_of_what_must_be_tried_again(
    telegram: TelegramServer, gemini: GeminiServer, environment: pytest.MonkeyPatch
) -> None:
    """What waits behind an update that is to be tried again waits for the next start as well."""
    environment.setattr("bot.telegram.client.PAUSES", ())
    telegram.faults.add(HtmlError(502), method="sendMessage")
    write(telegram, "one")
    write(telegram, "two")
    async with polling():
        await telegram.wait_for(lambda: telegram.calls_of("sendMessage"))
        await asyncio.sleep(0.3)
    assert telegram.sent() == []

    async with polling():
        await telegram.wait_for(answers(telegram, 2))

    assert [message["text"] for message in telegram.sent()] == ["You said: one", "You said: two"]
    assert len(gemini.requests) == 2


async def test_a_limit_counts_from_when_a_question_is_worked_on(
    telegram: TelegramServer, gemini: GeminiServer, environment: pytest.MonkeyPatch
) -> None:
    """Questions that had to wait for a slow answer are not free of the limit."""
    environment.setenv("RATE_LIMIT_PER_MINUTE", "2")
    environment.setattr("bot.updates.limits.MINUTE", 1.5)
    gemini.answer("slow", " one", delay=1)
    for number in range(5):
        write(telegram, f"question {number}")
    async with polling():
        await telegram.wait_for(answers(telegram, 5))

    assert len(gemini.requests) <= 3


@pytest.mark.parametrize("migrated_url", ["postgresql"], indirect=True)
async def test_an_answer_that_was_read_is_stored_at_the_stop(
    telegram: TelegramServer, gemini: GeminiServer, environment: pytest.MonkeyPatch
) -> None:
    """A stop between sending and storing does not give the update back."""
    environment.setattr("bot.backlog.GRACE", 0.5)
    gemini.answer("Once upon", " a time", delay=0.3)
    write(telegram, "A story")
    engine = create_async_engine(load_settings().database_url, poolclass=NullPool)
    async with polling(finish=False) as poller:
        await telegram.wait_for(lambda: gemini.requests)
        async with engine.begin() as connection:
            await connection.execute(text("SELECT 1 FROM processed_update FOR UPDATE"))
            await telegram.wait_for(answers(telegram, 1))
            stopping = asyncio.create_task(poller.finish())
            await asyncio.sleep(1)
        await stopping
    await engine.dispose()

    assert await ask_database("SELECT status FROM processed_update") == [("done",)]
    assert len(await ask_database("SELECT text FROM chat_message")) == 2


async def ask_database(statement: str) -> list[tuple[Any, ...]]:
    """Ask the database directly, past the bot."""
    engine = create_async_engine(load_settings().database_url, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            rows = [tuple(row) for row in await connection.execute(text(statement))]
            await connection.commit()
            return rows
    finally:
        await engine.dispose()


async def test_a_page_in_another_encoding_is_an_outage(telegram: TelegramServer) -> None:
    """What a proxy writes in its own encoding ends neither the polling nor an answer."""
    page = HtmlError(502, "<html>Störung</html>".encode("latin-1"))
    for method in ("getUpdates", "sendMessageDraft", "sendMessage"):
        telegram.faults.add(page, method=method)
    write(telegram, "one")
    async with polling():
        await telegram.wait_for(answers(telegram, 1))

    assert [message["text"] for message in telegram.sent()] == ["You said: one"]


@pytest.mark.parametrize(
    ("number", "migrated_url"),
    [(signal.SIGINT, "sqlite"), (signal.SIGTERM, "postgresql")],
    indirect=["migrated_url"],
)
async def test_a_signal_finishes_what_is_in_flight(
    telegram: TelegramServer, gemini: GeminiServer, number: signal.Signals
) -> None:
    """The command says who it is; on a signal it finishes its answer, confirms it and ends."""
    gemini.answer("Once upon", " a time", delay=2)
    async with command("-m", "bot", "--polling", PYTHONWARNINGS=WARNINGS) as process:
        write(telegram, "Tell me a story")
        await telegram.wait_for(lambda: gemini.requests, timeout=PATIENCE)

        process.send_signal(number)
        out, err = await asyncio.wait_for(process.communicate(), PATIENCE)

    assert process.returncode == 0, err.decode()
    assert [message["text"] for message in telegram.sent()] == ["Once upon a time"]
    assert telegram.pending == []
    settings = load_settings()
    kind = "PostgreSQL" if "postgresql" in settings.database_url.drivername else "SQLite"
    assert f"I am @test_bot, answering with {settings.gemini_model_name}" in out.decode()
    assert f"remembering in {kind}" in out.decode()
    assert "Traceback" not in err.decode()
    assert not [secret for secret in settings.secrets if secret and secret in (out + err).decode()]
