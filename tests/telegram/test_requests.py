"""What becomes of a request to Telegram that fails: waited for, sent again, or given up."""

import asyncio
import logging
import re
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from aiogram import Bot
from aiogram.exceptions import (
    TelegramMigrateToChat,
    TelegramNetworkError,
    TelegramRetryAfter,
    TelegramServerError,
)
from aiogram.types import BufferedInputFile
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import create_async_engine

from bot import texts
from bot.sandbox.faults import Drop, Fault, Flood, HtmlError, Refuse, ServerError, Slow
from bot.sandbox.telegram import TelegramServer
from bot.settings import load_settings
from bot.telegram.client import PERMIT, UNREACHABLE, Permit, RequestMiddleware, open_bot
from db.models import Access
from tests.support.door import Door, OpenDoor
from tests.support.gemini_server import GeminiServer

CHAT = 42
GROUP, SUPERGROUP = -4242, -1_004_242_424_242
UPGRADED = "Bad Request: group chat was upgraded to a supergroup chat"

on_sqlite = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)


def gaps(telegram: TelegramServer) -> list[float]:
    """Return the seconds between the arrivals of messages, refused ones among them."""
    times = [call.at for call in telegram.calls_of("sendMessage")]
    return [later - earlier for earlier, later in pairwise(times)]


# By the front door


@pytest.mark.parametrize("fault", [Flood(1), Refuse(429, "Too Many Requests")], ids=["1 s", "-"])
async def test_a_flood_is_waited_out(door: Door, gemini: GeminiServer, fault: Fault) -> None:
    """The answer is sent when Telegram takes it again; the model is not asked twice."""
    door.telegram.faults.add(fault, method="sendMessage")

    [message] = await door.send(text="Hello")

    assert message["text"] == "You said: Hello"
    assert gaps(door.telegram)[0] >= 1
    assert len(gemini.requests) == 1
    assert len(await door.messages()) == 2


@on_sqlite
async def test_a_flood_keeps_the_order_of_its_chat_and_stops_no_other(door: Door) -> None:
    """Who writes later is not answered before, and the chat goes on slowly."""
    telegram = door.telegram
    telegram.faults.add(Flood(1), method="sendMessage", chat_id=CHAT)

    waiting = asyncio.create_task(door.send(CHAT, text="Hello"))
    await telegram.wait_for(lambda: telegram.calls_of("sendMessage"))
    beside = asyncio.create_task(door.send(CHAT, text="/help"))
    await door.send(43, text="Hi")
    await asyncio.gather(waiting, beside)

    messages = [message["text"] for message in telegram.sent()]
    assert messages == ["You said: Hi", "You said: Hello", texts.HELP]
    assert gaps(telegram)[-1] >= 1


async def test_an_answer_of_which_nobody_knows_is_sent_once_more(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    """Twice is better than never, and the log says so without a word of it."""
    door.telegram.faults.add(Drop(before=False), method="sendMessage")

    messages = await door.send(text="Hello")

    assert [message["text"] for message in messages] == ["You said: Hello"] * 2
    assert "Chat 42: sendMessage: TelegramNetworkError (uncertain, 1 so far)" in caplog.text
    assert "Hello" not in caplog.text
    assert len(await door.messages()) == 2


@pytest.mark.parametrize(
    ("code", "description"),
    [
        (403, "Forbidden: bot was blocked by the user"),
        (403, "Forbidden: bot was kicked from the supergroup chat"),
        (403, "Forbidden: bot is not a member of the supergroup chat"),
        (403, "Forbidden: user is deactivated"),
        (403, "Forbidden: bot can't initiate conversation with a user"),
        (400, "Bad Request: chat not found"),
        (400, "Bad Request: CHAT_WRITE_FORBIDDEN"),
        (400, "Bad Request: not enough rights to send text messages to the chat"),
        (400, "Bad Request: message thread not found"),
        (400, "Bad Request: TOPIC_CLOSED"),
        (400, "Bad Request: 'Hello there'"),
        (404, "Not Found: chat not found"),
        (413, "Request Entity Too Large"),
    ],
)
@on_sqlite
async def test_what_telegram_refuses_for_good_is_given_up(
    door: Door, caplog: pytest.LogCaptureFixture, code: int, description: str
) -> None:
    """The update is accepted after few tries, with one line for the operator; the chat goes on."""
    refusal = Refuse(code, description)
    door.telegram.faults.add(refusal, method="sendMessage", times=None)

    assert await door.send(text="Hello there") == []

    assert len(door.telegram.calls_of("sendMessage")) == 3  # the answer twice, and an excuse
    assert await door.messages() == []
    reason = re.sub("'.*'", "'...'", description)
    [line] = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert f"is refused by Telegram ({reason}), " in line.getMessage()
    assert "Hello there" not in caplog.text
    door.telegram.faults.clear()
    assert len(await door.send(text="Again")) == 1


ODD = [
    Refuse(409, "Conflict: try later"),
    Refuse(406, "Not Acceptable: 'Hello there'"),
    Refuse(402, "PAYMENT_REQUIRED"),
    Refuse(418, "I'm a teapot"),
    Refuse(420, "FLOOD"),
    Refuse(303, "USER_MIGRATE_4"),
]


@pytest.mark.parametrize("times", [1, 5], ids=["once", "for a while"])
@pytest.mark.parametrize("method", ["sendMessage", "editMessageText"])
@pytest.mark.parametrize("fault", ODD, ids=str)
@on_sqlite
async def test_what_is_neither_yes_nor_no_is_later(
    door: Door,
    gemini: GeminiServer,
    fault: Refuse,
    method: str,
    times: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """No answer is lost by an error of which nobody knows what it means."""
    gemini.answer("One")
    gemini.answer("Two")
    update = door.question("Hello there")
    if method == "editMessageText":
        [message] = await door.send(text="Hello")
        update = door.telegram.press(message, door.telegram.person(42), texts.AGAIN_BUTTON)
    door.telegram.faults.add(fault, method=method, times=times)

    deliveries = 1
    while (await door.post(update)).status_code == 503:
        deliveries += 1

    assert deliveries <= times
    answer = "One" if method == "sendMessage" else "Two"
    assert [message["text"] for message in door.telegram.sent()] == [answer]
    assert [text for role, text in await door.messages() if role == "model"] == [answer]
    assert "Hello there" not in caplog.text


@pytest.mark.parametrize("code", [420, 400, 303])
@on_sqlite
async def test_a_wait_in_words_is_waited_out(door: Door, code: int) -> None:
    """Telegram's inner errors may come through an own server as they are."""
    door.telegram.faults.add(Refuse(code, "FLOOD_WAIT_2"), method="sendMessage")

    assert (await door.say("Hello"))["text"] == "You said: Hello"
    assert gaps(door.telegram)[0] >= 2


CIRCLES = {
    "to itself": {GROUP: GROUP},
    "each other": {GROUP: SUPERGROUP, SUPERGROUP: GROUP},
    "three": {GROUP: SUPERGROUP, SUPERGROUP: -5, -5: GROUP},
    "into one": {GROUP: SUPERGROUP, SUPERGROUP: SUPERGROUP},
    "for ever": {GROUP: SUPERGROUP, SUPERGROUP: -5, -5: -6, -6: -7, -7: -8, -8: -9},
}


@pytest.mark.parametrize("circle", CIRCLES)
async def test_a_group_that_moves_in_a_circle(
    door: Door, gemini: GeminiServer, circle: str
) -> None:
    """The answer comes once Telegram knows better, where the group is; so does its history."""
    telegram, ann = door.telegram, door.telegram.person(42)
    group = telegram.group(GROUP, type="group")
    telegram.group(SUPERGROUP)
    await door.deliver(telegram.message(group, ann, "@test_bot hello"))
    for old, new in CIRCLES[circle].items():
        upgraded = Refuse(400, UPGRADED, {"migrate_to_chat_id": new})
        telegram.faults.add(upgraded, "sendMessage", chat_id=old, times=None)
    update = telegram.message(group, ann, "@test_bot and now?")
    assert (await door.post(update)).status_code == 503
    assert len(telegram.calls_of("sendMessage")) <= 1 + 4

    telegram.faults.clear()
    await door.deliver(update)

    assert [message["chat"]["id"] for message in telegram.sent()] == [GROUP] * 2
    assert await door.rows("SELECT chat_id FROM chat_session") == [(GROUP,)]
    assert len(gemini.requests) == 2


async def test_a_group_that_has_moved_twice(door: Door) -> None:
    """The answer follows it as far as it went."""
    telegram = door.telegram
    telegram.group(SUPERGROUP)
    group, middle = telegram.group(GROUP, type="group"), -1_004_242_424_243
    for old, new in ((GROUP, middle), (middle, SUPERGROUP)):
        upgraded = Refuse(400, UPGRADED, {"migrate_to_chat_id": new})
        telegram.faults.add(upgraded, chat_id=old, times=None)

    [message] = await door.deliver(telegram.message(group, telegram.person(42), "@test_bot hi"))

    assert message["chat"]["id"] == SUPERGROUP
    assert await door.rows("SELECT chat_id FROM chat_session") == [(SUPERGROUP,)]


@pytest.mark.parametrize("field", ["migrate_to_chat_id", "migrate_from_chat_id"])
async def test_a_group_that_became_itself_keeps_all(door: Door, field: str) -> None:
    """Neither its history nor a ban is lost."""
    telegram = door.telegram
    group = telegram.group()
    await door.deliver(telegram.message(group, telegram.person(42), "@test_bot hello"))
    await door.change(f"INSERT INTO access VALUES ({group['id']}, 'banned', 0)")

    update = telegram.message(group, telegram.person(42), **{field: group["id"]})
    assert await door.deliver(update) == []

    assert await door.rows("SELECT id FROM access") == [(group["id"],)]
    assert len(await door.messages()) == 2


PAGE = "<html><body>Störung, bitte später</body></html>"


@pytest.mark.parametrize(
    "page",
    [
        *(HtmlError(code) for code in (200, 301, 401, 403, 404, 413, 429, 502, 504)),
        *(HtmlError(code, PAGE.encode("cp1252")) for code in (200, 403, 404, 502)),
        HtmlError(404, PAGE.encode("utf-16")),
        HtmlError(404, PAGE.encode("utf-16"), "text/html; charset=utf-16"),
        HtmlError(403, PAGE.encode(), "text/html; charset=us-ascii"),
        HtmlError(403, b"caf\xe9", "text/html; charset=rot13"),
        HtmlError(404, b"caf\xe9", "text/html; charset=punycode"),
        HtmlError(404, b"caf\xe9", "text/html; charset=no-such"),
        HtmlError(200, b""),
        HtmlError(200, b"[" * 100_000, "application/json"),
        HtmlError(200, b"null", "application/json"),
        HtmlError(404, b'{"ok": false}', "application/json"),
        HtmlError(503, b'{"ok": false, "error_code": 503}', "application/json"),
        HtmlError(404, b'{"message": "no Route matched"}', "application/json"),
    ],
    ids=lambda page: f"{page.code}-{page.content_type}-{len(page.page)}",
)
@on_sqlite
async def test_a_page_in_telegrams_place_is_an_outage(
    door: Door, caplog: pytest.LogCaptureFixture, page: HtmlError
) -> None:
    """Whatever a proxy answers, it is no crash, no refused token and no lost answer."""
    for method in ("sendMessageDraft", "sendMessage"):
        door.telegram.faults.add(page, method=method)

    [message] = await door.send(text="Hello")

    assert message["text"] == "You said: Hello"
    assert len(door.telegram.calls_of("sendMessage")) == 2
    assert "(uncertain, 1 so far)" in caplog.text
    assert "refuse" not in caplog.text


@pytest.mark.usefixtures("classic")
async def test_an_answer_follows_its_group(door: Door, gemini: GeminiServer) -> None:
    """It arrives where the group is now, and so does the history."""
    gemini.answer("word " * 1500)
    telegram = door.telegram
    supergroup = telegram.group(SUPERGROUP)
    group = telegram.group(GROUP, type="group")
    upgraded = Refuse(400, UPGRADED, {"migrate_to_chat_id": SUPERGROUP})
    telegram.faults.add(upgraded, method="sendMessage", chat_id=GROUP, times=None)

    messages = await door.deliver(
        telegram.message(group, telegram.person(42), "@test_bot tell me")
    )

    assert len(messages) == 2
    assert [message["chat"]["id"] for message in messages] == [SUPERGROUP] * 2
    # The message that was answered has another number there
    assert not [message for message in messages if "reply_to_message" in message]
    asked = [call.parameters["chat_id"] for call in telegram.calls_of("sendMessage")]
    assert asked == [GROUP, SUPERGROUP, SUPERGROUP]
    assert await door.rows("SELECT chat_id FROM chat_session") == [(SUPERGROUP,)]
    await door.deliver(telegram.message(supergroup, telegram.person(42), "@test_bot and then?"))
    assert len(gemini.bodies[-1]["contents"]) == 3


def migration(telegram: TelegramServer, told_in: str) -> list[dict[str, Any]]:
    """Return what Telegram writes when a group becomes a supergroup: as a member, as nobody."""
    group, supergroup = telegram.group(GROUP, type="group"), telegram.group(SUPERGROUP)
    anonymous = telegram.person(1087968824, is_bot=True)
    leaving = telegram.message(group, telegram.person(42), migrate_to_chat_id=SUPERGROUP)
    joining = telegram.message(
        supergroup, anonymous, migrate_from_chat_id=GROUP, sender_chat=supergroup
    )
    return {"group": [leaving], "supergroup": [joining], "both": [leaving, joining]}[told_in]


@pytest.mark.parametrize("told_in", ["group", "supergroup", "both"])
async def test_a_history_follows_its_group(door: Door, gemini: GeminiServer, told_in: str) -> None:
    """The model remembers in the supergroup what was said in the group; nobody is disturbed."""
    telegram, ann = door.telegram, door.telegram.person(42)
    group, supergroup = telegram.group(GROUP, type="group"), telegram.group(SUPERGROUP)
    await door.deliver(telegram.message(group, ann, "@test_bot hello"))

    for update in migration(telegram, told_in):
        assert await door.deliver(update) == []

    assert await door.rows("SELECT chat_id FROM chat_session") == [(SUPERGROUP,)]
    await door.deliver(telegram.message(supergroup, ann, "@test_bot what did I say?"))
    assert len(gemini.bodies[-1]["contents"]) == 3


@pytest.mark.parametrize("told_in", ["group", "supergroup", "both"])
async def test_a_ban_follows_its_group(door: Door, told_in: str) -> None:
    """A banned group is no other for its new id."""
    engine = create_async_engine(door.settings.database_url)
    async with engine.begin() as connection:
        await connection.execute(insert(Access).values(id=GROUP, status="banned", since=0))
    await engine.dispose()

    for update in migration(door.telegram, told_in):
        assert await door.deliver(update) == []

    assert await door.rows("SELECT id, status FROM access") == [(SUPERGROUP, "banned")]


@pytest.mark.parametrize("told_in", ["group", "supergroup", "both", "answer"])
async def test_what_is_left_of_a_group_is_forgotten(
    door: Door, gemini: GeminiServer, told_in: str
) -> None:
    """/forget in the supergroup leaves no word of before: no open question, no half answer."""
    telegram, ann = door.telegram, door.telegram.person(42)
    group, supergroup = telegram.group(GROUP, type="group"), telegram.group(SUPERGROUP)
    telegram.member(supergroup, ann, "creator")
    gemini.block()
    await door.deliver(telegram.message(group, ann, "@test_bot something bad"))
    await door.change(
        "INSERT INTO processed_update"
        " (update_id, chat_id, status, owner, lease_until, attempts, claimed_at, progress) VALUES"
        f" (9001, {GROUP}, 'kept', NULL, NULL, 1, 1, '{{}}'),"
        f" (9002, {GROUP}, 'beside', 'dead', 1, 1, 1, '{{}}')"
    )
    if told_in == "answer":  # by the refusal of the next one, an excuse itself
        upgraded = Refuse(400, UPGRADED, {"migrate_to_chat_id": SUPERGROUP})
        telegram.faults.add(upgraded, method="sendMessage", chat_id=GROUP, times=None)
        gemini.block()
        await door.deliver(telegram.message(group, ann, "@test_bot something worse"))
    else:
        for update in migration(telegram, told_in):
            await door.deliver(update)

    [told] = await door.deliver(telegram.message(supergroup, ann, "/forget"))

    assert told["text"] == texts.FORGOTTEN
    assert await door.rows("SELECT * FROM processed_update WHERE progress IS NOT NULL") == []
    assert await door.rows("SELECT * FROM chat_session") == []
    assert await door.messages() == []


async def test_an_answer_that_broke_off_goes_on_in_the_supergroup(
    door: Door, gemini: GeminiServer
) -> None:
    """What was half sent when the group moved is sent to its end, though nobody forgets it."""
    telegram, ann = door.telegram, door.telegram.person(42)
    group = telegram.group(GROUP, type="group")
    telegram.group(SUPERGROUP)
    question = telegram.message(group, ann, "@test_bot what time is it?")
    kept = '{"answer": {"text": "It is noon.", "ending": "COMPLETE", "contents": null}}'
    await door.change(
        "INSERT INTO processed_update (update_id, chat_id, status, attempts, claimed_at, progress)"
        f" VALUES ({question['update_id']}, {GROUP}, 'kept', 1, 1, '{kept}')"
    )
    for update in migration(telegram, "both"):
        await door.deliver(update)
    upgraded = Refuse(400, UPGRADED, {"migrate_to_chat_id": SUPERGROUP})
    telegram.faults.add(upgraded, method="sendMessage", chat_id=GROUP, times=None)

    [answer] = await door.deliver(question)

    assert (answer["text"], answer["chat"]["id"]) == ("It is noon.", SUPERGROUP)
    assert gemini.bodies == []
    assert await door.rows("SELECT chat_id FROM chat_session") == [(SUPERGROUP,)]


async def test_the_operator_is_told_of_an_allowed_group_that_moved(
    opened: OpenDoor, caplog: pytest.LogCaptureFixture
) -> None:
    """A setting does not change by itself."""
    async with opened(ALLOWED_CHAT_IDS=GROUP) as door:
        await door.deliver(*migration(door.telegram, "group"))

    assert f"ALLOWED_CHAT_IDS names chat {GROUP}, which is {SUPERGROUP} now" in caplog.text


# One request after the other


@dataclass
class Claim:
    """Count how often the claim of an update is looked at; it is lost after `lasts` times."""

    lasts: int = 1000
    looked_at: int = 0
    moved: dict[int, int] = field(default_factory=dict)

    async def hold(self) -> None:
        self.looked_at += 1
        if self.looked_at > self.lasts:
            raise LookupError("lost")

    async def take_place(self, *_: object) -> None:
        """Say that no database counts what groups get."""


@asynccontextmanager
async def claimed(claim: Claim, seconds: float = 10) -> AsyncGenerator[Bot]:
    """Open the client for one update that has so many seconds."""
    async with open_bot(load_settings()) as bot:
        deadline = asyncio.get_running_loop().time() + seconds
        token = PERMIT.set(Permit(deadline, claim.hold, claim.take_place, claim.moved))
        try:
            yield bot
        finally:
            PERMIT.reset(token)


def middleware(bot: Bot) -> RequestMiddleware:
    [found] = bot.session.middleware
    assert isinstance(found, RequestMiddleware)
    return found


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again soon."""
    monkeypatch.setattr("bot.telegram.client.PAUSES", (0.05, 0.1))


@pytest.fixture
def chat(telegram: TelegramServer) -> int:
    """Open Ann's chat and a group."""
    telegram.group(SUPERGROUP)
    return int(telegram.private_chat(telegram.person(CHAT))["id"])


UNCERTAIN = [Drop(before=True), Drop(before=False), ServerError(), HtmlError(502), HtmlError(200)]


@pytest.mark.parametrize("fault", UNCERTAIN, ids=str)
async def test_a_message_is_sent_twice_at_most(
    telegram: TelegramServer, chat: int, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    """Then its failure is raised; each case is counted."""
    telegram.faults.add(fault, method="sendMessage", times=None)
    claim = Claim()

    async with claimed(claim) as bot:
        with pytest.raises(UNREACHABLE):
            await bot.send_message(chat, "Hello")

        assert middleware(bot).uncertain == 2
    assert len(telegram.calls_of("sendMessage")) == claim.looked_at == 2
    assert "uncertain, 2 so far" in caplog.text


@pytest.mark.parametrize("fault", UNCERTAIN, ids=str)
async def test_what_may_be_repeated_is_tried_three_times(
    telegram: TelegramServer, chat: int, fault: Fault
) -> None:
    """An edit or a question to Telegram is no doubled answer."""
    async with claimed(claim := Claim()) as bot:
        message = await bot.send_message(chat, "Hello")
        telegram.faults.add(fault, times=None)
        with pytest.raises(UNREACHABLE):
            await message.edit_text("Bye")
        with pytest.raises(UNREACHABLE):
            await bot.get_me()

        assert middleware(bot).uncertain == 0
    assert len(telegram.calls_of("editMessageText")) == 3
    assert len(telegram.calls_of("getMe")) == 3
    assert claim.looked_at == 1 + 3  # before the message, and before each edit


@pytest.mark.parametrize("fault", [Drop(), ServerError(), Flood(1)], ids=str)
async def test_what_comes_again_by_itself_is_left_alone(
    telegram: TelegramServer, chat: int, fault: Fault
) -> None:
    """A chat action or a draft is not sent again, and holds up nothing."""
    telegram.faults.add(fault, times=None)
    async with claimed(Claim()) as bot:
        with pytest.raises((*UNREACHABLE, TelegramRetryAfter)):
            await bot.send_chat_action(chat, "typing")
        with pytest.raises((*UNREACHABLE, TelegramRetryAfter)):
            await bot.send_message_draft(chat, 7, text="Hel")
    assert len(telegram.calls) == 2


async def test_a_lost_claim_sends_nothing_more(telegram: TelegramServer, chat: int) -> None:
    """The claim is looked at before each try: who was frozen may have been taken over."""
    telegram.faults.add(Drop(), method="sendMessage")
    async with claimed(Claim(lasts=1)) as bot:
        with pytest.raises(LookupError):
            await bot.send_message(chat, "Hello")
    assert telegram.sent() == []
    assert len(telegram.calls_of("sendMessage")) == 1


async def test_a_message_is_in_doubt_when_its_update_ends(
    telegram: TelegramServer, chat: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Who stops waiting for the answer does not know whether the message arrived."""
    telegram.faults.add(Slow(0.5), method="sendMessage")
    async with claimed(Claim()) as bot:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(bot.send_message(chat, "Hello"), 0.2)
        assert middleware(bot).uncertain == 1
    assert "Chat 42: sendMessage: CancelledError (uncertain, 1 so far)" in caplog.text


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_message_that_was_not_sent_is_no_doubt(
    telegram: TelegramServer, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    """A refused connection, and a TLS handshake that hangs, came before the message."""
    del telegram
    monkeypatch.setattr("bot.telegram.client.CONNECT_TIMEOUT", 0.2)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if scheme == "https":
            listener.listen()
        monkeypatch.setenv(
            "TELEGRAM_API_BASE_URL", f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
        )
        async with claimed(claim := Claim()) as bot:
            with pytest.raises(TelegramNetworkError):
                await bot.send_message(CHAT, "Hello")
            assert middleware(bot).uncertain == 0
    assert claim.looked_at == 3


@pytest.mark.parametrize("method", ["sendMessage", "getMe"])
async def test_a_flood_that_outlasts_the_update_is_not_waited_for(
    telegram: TelegramServer, chat: int, method: str
) -> None:
    """Whoever asked is told at once when Telegram takes it again."""
    telegram.faults.add(Flood(3), times=None)
    async with claimed(Claim(), seconds=2.5) as bot, asyncio.timeout(1):
        with pytest.raises(TelegramRetryAfter):
            await (bot.get_me() if method == "getMe" else bot.send_message(chat, "Hello"))
    assert len(telegram.calls_of(method)) == 1


async def test_what_cannot_be_written_is_nobodys_outage(
    telegram: TelegramServer, chat: int
) -> None:
    """Half a character is a fault of our own, and is not tried again."""
    async with claimed(claim := Claim()) as bot:
        with pytest.raises(UnicodeEncodeError):
            await bot.send_message(chat, "Half \ud83d")
    assert telegram.calls == []
    assert claim.looked_at == 1


async def test_a_request_of_no_update_waits_for_some_seconds(telegram: TelegramServer) -> None:
    """Setting up has no deadline of its own, and yet ends."""
    async with open_bot(load_settings()) as bot, asyncio.timeout(5):
        telegram.faults.add(Flood(1), method="getMe")
        await bot.get_me()
        telegram.faults.add(Flood(16), method="getMe")
        with pytest.raises(TelegramRetryAfter):
            await bot.get_me()


async def test_a_file_goes_along(telegram: TelegramServer) -> None:
    """Which JSON cannot hold."""
    url, certificate = "https://bot.example.com/webhook", BufferedInputFile(b"\xff", "a.pem")

    async with open_bot(load_settings()) as bot:
        await bot.set_webhook(url, certificate=certificate)

    (call,) = telegram.calls_of("setWebhook")
    assert call.parameters["url"] == url
    assert "a.pem" in [getattr(value, "filename", "") for value in call.parameters.values()]


async def test_a_failure_at_the_deadline_is_not_waited_for(
    telegram: TelegramServer, chat: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the next try would come too late, the failure is raised at once."""
    monkeypatch.setattr("bot.telegram.client.PAUSES", (3, 3))
    telegram.faults.add(ServerError(), times=None)
    async with claimed(Claim(), seconds=2) as bot, asyncio.timeout(1):
        with pytest.raises(TelegramServerError):
            await bot.send_message(chat, "Hello")


async def test_messages_wait_in_line(
    telegram: TelegramServer, chat: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first waits for Telegram, and the others for it; then they keep their distance."""
    monkeypatch.setattr("bot.telegram.client.DISTANCE", 0.2)
    telegram.faults.add(Flood(1), method="sendMessage", chat_id=chat)
    async with claimed(Claim()) as bot:
        await asyncio.gather(*(bot.send_message(chat, f"{n}") for n in range(4)))
    assert [message["text"] for message in telegram.sent()] == ["0", "1", "2", "3"]
    refused, *others = gaps(telegram)
    assert refused >= 1
    assert all(0.2 <= gap < 0.6 for gap in others)


@pytest.mark.parametrize(("chat_id", "distance"), [(CHAT, 0.2), (SUPERGROUP, 0.5)])
@pytest.mark.parametrize("lasts", [60, 0.1])
async def test_a_flooded_chat_is_slow_for_a_while(
    telegram: TelegramServer,
    chat: int,
    monkeypatch: pytest.MonkeyPatch,
    chat_id: int,
    distance: float,
    lasts: float,
) -> None:
    """A group is slower than a private chat, and both only for the time; an edit floods, too."""
    del chat
    for name, seconds in (("DISTANCE", 0.2), ("GROUP_DISTANCE", 0.5), ("SLOW_FOR", lasts)):
        monkeypatch.setattr(f"bot.telegram.client.{name}", seconds)
    async with claimed(Claim()) as bot:
        message = await bot.send_message(chat_id, "0")
        telegram.faults.add(Flood(1), method="editMessageText")
        await message.edit_text("1")
        await asyncio.sleep(0.15)
        for number in range(3):
            await bot.send_message(chat_id, f"{number}")
    expected = distance if lasts > 1 else 0
    assert all(expected <= gap < expected + 0.15 for gap in gaps(telegram)[1:])


async def test_a_pause_gives_way_to_the_deadline(telegram: TelegramServer, chat: int) -> None:
    """Rather soon after the last one than not at all."""
    telegram.faults.add(Flood(1), method="sendMessage")
    async with claimed(Claim(), seconds=1.8) as bot:
        for _ in range(2):
            await bot.send_message(chat, "Hello")
    assert gaps(telegram)[1] < 0.5


@pytest.mark.parametrize("seconds", [5, 0.5], ids=["answered", "given up"])
async def test_the_memory_of_floods_is_short(
    telegram: TelegramServer, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """Nothing stays of chats that wrote once and were slowed down."""
    monkeypatch.setattr("bot.telegram.client.SLOW_FOR", -2)
    telegram.faults.add(Flood(1), method="sendMessage", times=20)
    people = range(100, 120)
    for number in people:
        telegram.private_chat(telegram.person(number))
    async with claimed(Claim(), seconds) as bot:
        await asyncio.gather(
            *(bot.send_message(number, "Hi") for number in people), return_exceptions=True
        )
        requests = middleware(bot)
        assert len(requests._lines) == 0  # noqa: SLF001 - memory has no other face
        assert len(requests._floods) <= 1  # noqa: SLF001 - as above
    assert len(telegram.sent()) == (20 if seconds > 1 else 0)


async def test_a_message_moves_with_its_group(telegram: TelegramServer, chat: int) -> None:
    """It leaves behind what only the old chat knows; later ones go straight to the new one."""
    del chat
    upgraded = Refuse(400, UPGRADED, {"migrate_to_chat_id": SUPERGROUP})
    telegram.faults.add(upgraded, chat_id=GROUP, times=None)
    async with claimed(claim := Claim()) as bot:
        reply: Any = {"message_id": 7}
        for text in ("one", "two"):
            await bot.send_message(GROUP, text, message_thread_id=5, reply_parameters=reply)
        with pytest.raises(TelegramMigrateToChat):
            await bot.edit_message_text("three", chat_id=GROUP, message_id=1)
    assert claim.moved == {GROUP: SUPERGROUP}
    assert [call.parameters for call in telegram.calls_of("sendMessage")][1:] == [
        {"chat_id": SUPERGROUP, "text": text} for text in ("one", "two")
    ]
    assert [message["text"] for message in telegram.sent()] == ["one", "two"]
