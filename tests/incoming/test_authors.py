"""People who write in the name of a chat, postings of a channel, and what somebody else wrote."""

import asyncio
from typing import Any

import pytest

from bot import texts
from bot.answers import preview
from bot.sandbox.faults import Refuse, Slow
from tests.support.door import Door, Json, OpenDoor
from tests.support.gemini_server import GeminiServer
from tests.support.messages import buttons
from tests.support.presses import acknowledge, answers_to_presses, press

GROUP, OTHER_GROUP, CHANNEL = -1_009_999_999_999, -1_008_888_888_888, -1_001_111_111_111
ANONYMOUS, AS_CHANNEL, TELEGRAM = 1087968824, 136817688, 777000
ADMIN, ANN, BOB = 7, 42, 43
FORWARDED: Json = {"type": "user", "date": 1, "sender_user": {"id": 5, "is_bot": False}}
FORWARDED["sender_user"]["first_name"] = "Cy"


def written(door: Door, author: str, text: str | None = None, **fields: Any) -> Json:
    """Return the update of a message in the group, in the name of its `author`."""
    telegram = door.telegram
    group, channel = telegram.group(GROUP, "Friends"), telegram.channel(CHANNEL, "News")
    sender, chat = {
        "anonymous": (telegram.person(ANONYMOUS, "Group", is_bot=True), group),
        "channel": (telegram.person(AS_CHANNEL, "Channel", is_bot=True), channel),
        "posting": (telegram.person(TELEGRAM, "Telegram"), channel),
        "member": (telegram.person(ANN, "Ann"), None),
    }[author]
    if author == "posting":
        origin = {"type": "channel", "date": 1, "chat": channel, "message_id": 3}
        fields |= {"is_automatic_forward": True, "forward_origin": origin}
    if chat:
        fields["sender_chat"] = chat
    return telegram.message(group, sender, text, **fields)


async def said(door: Door, author: str, text: str, **fields: Any) -> list[str]:
    """Let somebody write in the group; return the texts that came back."""
    sent = await door.deliver(written(door, author, text, **fields))
    return [message["text"] for message in sent]


def asked(gemini: GeminiServer) -> str:
    """Return the text of the last question as Gemini got it."""
    text: str = gemini.bodies[-1]["contents"][-1]["parts"][-1]["text"]
    return text


NAMES = {"anonymous": "Friends", "channel": "News"}
of_each = pytest.mark.parametrize("author", NAMES)


@of_each
async def test_a_question_in_the_name_of_a_chat_is_answered(
    door: Door, gemini: GeminiServer, author: str
) -> None:
    """By a mention, /ask, a caption and a reply; under the chat's name, for want of another."""
    first = await door.deliver(written(door, author, "@test_bot what time is it?"))
    assert asked(gemini) == f"{NAMES[author]}: what time is it?"
    await door.deliver(written(door, author, "/ask and there?"))
    assert asked(gemini) == f"{NAMES[author]}: and there?"
    await door.deliver(written(door, author, "Later?", reply_to=first[0]))
    assert asked(gemini).endswith(f"{NAMES[author]}: Later?")
    await door.deliver(written(door, author, photo=b"\xff\xd8", caption="@test_bot a cat?"))
    assert asked(gemini) == f"{NAMES[author]}: a cat?"
    assert await said(door, author, "Good morning") == []
    assert len(gemini.bodies) == 4


async def test_a_bot_in_the_name_of_a_chat_is_not_answered(
    door: Door, gemini: GeminiServer
) -> None:
    """Two bots would talk for ever."""
    group = door.telegram.group(GROUP, "Friends")
    robot = door.telegram.person(77, is_bot=True)
    for chat in (group, door.telegram.channel(CHANNEL)):
        fields: Json = {"sender_chat": chat}
        assert await door.deliver(door.telegram.message(group, robot, "/ask hi", **fields)) == []
    assert gemini.bodies == []


async def test_commands_in_the_name_of_a_chat(door: Door) -> None:
    """/id says what can be said, and no choice is kept for all who write so anywhere."""
    [told] = await said(door, "anonymous", "/id")
    assert str(GROUP) in told
    assert str(ANONYMOUS) not in told
    [told] = await said(door, "channel", "/id@test_bot")
    assert str(CHANNEL) in told
    assert str(AS_CHANNEL) not in told
    for author in NAMES:
        assert await said(door, author, "/help") == [texts.HELP]
        assert await said(door, author, "/rich on") == [texts.RICH_MESSAGES_OF_NOBODY]
        assert await said(door, author, "/new_chat") == [texts.new_chat(0)]
        assert await said(door, author, "/stop") == [texts.NOTHING_TO_STOP]
    assert await door.rows("SELECT * FROM preference") == []


@of_each
async def test_the_chat_decides_who_may(
    opened: OpenDoor, gemini: GeminiServer, author: str
) -> None:
    """The ids that Telegram puts in their place open no door; the chat's does."""
    stand_ins = f"{ANN},{ANONYMOUS},{AS_CHANNEL}"
    async with opened(ALLOWED_USER_IDS=stand_ins, ALLOWED_CHAT_IDS=OTHER_GROUP) as door:
        [told] = await said(door, author, "@test_bot hello")
        assert told == texts.stranger(None, GROUP)
        assert str(GROUP) in told
        assert await said(door, author, "@test_bot hello") == []  # for an hour
        assert await said(door, author, "/help") == []
        assert gemini.bodies == []
    async with opened(ALLOWED_CHAT_IDS=GROUP) as door:
        assert len(await said(door, author, "@test_bot hello")) == 1


@of_each
async def test_nobody_administers_in_the_name_of_a_chat(opened: OpenDoor, author: str) -> None:
    """Not even where the operator named the id that Telegram puts in their place."""
    async with opened(ADMIN_USER_IDS=f"{ANONYMOUS},{AS_CHANNEL}", RATE_LIMIT_PER_MINUTE=1) as door:
        assert await said(door, author, f"/ban {BOB}") == []
        assert await said(door, author, f"/ban@test_bot {BOB}") == [texts.UNKNOWN_COMMAND]
        assert await door.rows("SELECT * FROM access") == []
        await said(door, author, "/ask one")
        [refused] = await said(door, "member", "/ask two")
        assert refused.startswith("That was a lot of questions")
        [refused] = await said(door, author, "/ask three")
        assert refused.startswith("That was a lot of questions")


async def test_a_channel_is_banned(opened: OpenDoor, gemini: GeminiServer) -> None:
    """By its id, or by a reply to what somebody wrote for it; others in the group are not."""
    async with opened(ADMIN_USER_IDS=ADMIN) as door:
        group, admin = door.telegram.group(GROUP, "Friends"), door.telegram.person(ADMIN)
        rude = written(door, "channel", "You are all stupid")

        async def command(text: str, reply_to: Json) -> str:
            update = door.telegram.message(group, admin, text, reply_to=reply_to)
            [answer] = await door.deliver(update)
            return str(answer["text"])

        assert await command("/allow", rude) == texts.whom("allow")
        anonymous = written(door, "anonymous", "Hello")
        assert await command("/ban", anonymous) == texts.whom("ban")
        assert await command("/ban", rude) == texts.banned(CHANNEL)
        assert await said(door, "channel", "/ask hello") == []
        assert await said(door, "channel", "/help") == []
        posting = written(door, "posting", "@test_bot hello")
        assert await door.deliver(posting) == []
        assert gemini.bodies == []
        for author in ("anonymous", "member"):
            assert len(await said(door, author, "/ask hello")) == 1
        await command("/unban", rude)
        assert len(await said(door, "channel", "/ask hello")) == 1
        await command(f"/ban {GROUP}", rude)
        for author in ("anonymous", "channel", "member"):
            assert await said(door, author, "/ask hello") == []


async def test_anonymous_administrators_forget(door: Door) -> None:
    """Only a group's own administrators can write in its name; for a channel anybody may write."""
    await said(door, "member", "/ask hello")
    assert await said(door, "channel", "/forget") == [texts.FORGET_REFUSED]
    assert await said(door, "anonymous", "/forget", forward_origin=FORWARDED) == []
    assert len(await door.messages()) == 2

    assert await said(door, "anonymous", "/forget") == [texts.FORGOTTEN]

    assert await door.messages() == []
    assert door.telegram.calls_of("getChatMember") == []


@of_each
async def test_buttons_of_a_chats_question_are_everybodys(
    environment: pytest.MonkeyPatch, door: Door, gemini: GeminiServer, author: str
) -> None:
    """Nobody knows who asked: each member may press, and after one of them the next."""
    environment.setattr(preview, "GROUP_PACE", 0.1)
    gemini.answer("One,", finish_reason="MAX_TOKENS")
    for answer in ("Two,", "three."):
        gemini.answer(answer, finish_reason="MAX_TOKENS" if answer == "Two," else "STOP")
    [old] = await door.deliver(written(door, author, "/ask count"))

    await door.deliver(press(door, old, texts.AGAIN_BUTTON, BOB))
    [new] = door.telegram.sent()
    assert (new["text"][:4], new["message_id"]) == ("Two,", old["message_id"])
    await door.deliver(press(door, new, texts.CONTINUE_BUTTON, ANN))
    rest = door.telegram.sent()[-1]

    assert (rest["text"], buttons(rest)) == ("three.", [texts.AGAIN_BUTTON])
    assert asked(gemini).startswith("Go on")
    assert await answers_to_presses(door) == [None, None]


@of_each
async def test_an_excuse_to_a_chat_is_everybodys(
    door: Door, gemini: GeminiServer, author: str
) -> None:
    """Whoever presses asks once more what was asked."""
    gemini.empty()
    gemini.empty()
    [excuse] = await door.deliver(written(door, author, "/ask a story"))
    gemini.answer("Once upon a time")

    await door.deliver(press(door, excuse, texts.RETRY_BUTTON, BOB))

    assert [message["text"] for message in door.telegram.sent()] == ["Once upon a time"]
    assert asked(gemini) == f"{NAMES[author]}: a story"


@of_each
async def test_a_chats_answer_is_stopped_by_everybody(
    environment: pytest.MonkeyPatch, door: Door, gemini: GeminiServer, author: str
) -> None:
    """As they may by /stop."""
    environment.setattr(preview, "GROUP_PACE", 0.1)
    environment.setattr(preview, "DRAWING_SHARE", 0)
    gemini.hang(20, "One, two")
    posting = asyncio.create_task(door.post(written(door, author, "/ask count")))
    await door.telegram.wait_for(lambda: bool(door.telegram.sent()))

    await door.post(press(door, door.telegram.sent()[0], texts.STOP_BUTTON, BOB))
    await posting

    [message] = door.telegram.sent()
    assert "(Stopped.)" in message["text"]


async def test_who_may_not_ask_may_not_press(opened: OpenDoor, gemini: GeminiServer) -> None:
    """Not below the answer to a chat's question either; and each press counts like a question."""
    async with opened(ADMIN_USER_IDS=ADMIN, RATE_LIMIT_PER_MINUTE=2) as door:
        await door.change(f"INSERT INTO access (id, status, since) VALUES ({BOB}, 'banned', 0)")
        [old] = await door.deliver(written(door, "anonymous", "/ask count"))
        update = press(door, old, texts.AGAIN_BUTTON, BOB)
        await door.deliver(update)
        await acknowledge(door, update)
        assert len(gemini.bodies) == 1
        await door.deliver(press(door, old, texts.AGAIN_BUTTON, ANN))
        await door.deliver(press(door, old, texts.AGAIN_BUTTON, ANN))
        assert len(gemini.bodies) == 2
        assert "a lot of questions" in str((await answers_to_presses(door))[-1])


@of_each
async def test_an_edited_question_of_a_chat(door: Door, gemini: GeminiServer, author: str) -> None:
    """It is answered anew like any other."""
    question = written(door, author, "/ask one")
    await door.deliver(question)

    await door.deliver(door.telegram.edit(question["message"], "/ask two"))

    assert asked(gemini) == f"{NAMES[author]}: two"
    assert len(door.telegram.sent()) == 1


# Postings of the group's channel


@pytest.mark.parametrize("trigger", ["mention", "all"])
async def test_a_posting_is_context(opened: OpenDoor, gemini: GeminiServer, trigger: str) -> None:
    """The channel's name stands before its words; only a mention makes them a question."""
    async with opened(GROUP_TRIGGER=trigger) as door:
        posting = written(door, "posting", "The moon is cheese")
        for update in (posting, written(door, "posting", photo=b"\xff\xd8", caption="Look")):
            assert await door.deliver(update) == []
        for text in ("/ask is that so?", "/help", "/new_chat@test_bot"):
            assert await said(door, "posting", text) == []
        assert gemini.bodies == []

        await said(door, "member", "@test_bot is that so?", reply_to=posting)
        assert asked(gemini) == "[In reply to News: The moon is cheese]\nAnn: is that so?"
        await said(door, "anonymous", "@test_bot really?", reply_to=posting)
        assert asked(gemini) == "[In reply to News: The moon is cheese]\nFriends: really?"
        anonymous = written(door, "anonymous", "No it is not")
        await said(door, "member", "/ask and this?", reply_to=anonymous)
        assert asked(gemini) == "[In reply to Friends: No it is not]\nAnn: and this?"
        assert len(await said(door, "posting", "@test_bot what do you think?")) == 1
        assert asked(gemini) == "News: what do you think?"


# What somebody else wrote


COMMANDS = (
    "/new_chat", "/forget", "/stop", "/start", "/help", "/id", "/rich on", "/nothing",
    f"/ban {BOB}", f"/allow {BOB}", "/users", "/ask what?", "/help@other_bot",
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_forwarded_command_is_a_text(
    opened: OpenDoor, gemini: GeminiServer, command: str
) -> None:
    """In a private chat it is a question like each forwarded text, in a group nothing."""
    async with opened(ADMIN_USER_IDS=ANN) as door:
        await door.say("Hello")
        ways: list[Json] = [{"forward_origin": FORWARDED}, {"via_bot": ROBOT}]
        for number, fields in enumerate(ways):
            stored = await door.messages()
            assert await said(door, "member", command, **fields) == []
            assert await said(door, "anonymous", command, **fields) == []
            assert await door.messages() == stored
            await door.send(text=command, **fields)
            source = "" if number else "[Forwarded from Cy]\n"
            assert asked(gemini) == f"{source}{command}"
            assert len(await door.messages()) == len(stored) + 2
        assert await door.rows("SELECT * FROM access") == []
        assert await door.rows("SELECT * FROM preference") == []


ROBOT = {"id": 5, "is_bot": True, "first_name": "Robot"}


async def test_a_forwarded_stop_stops_nothing(door: Door, gemini: GeminiServer) -> None:
    """The answer goes on to its end."""
    gemini.answer("One, ", "two", delay=0.5)
    await door.send(text="/stop", forward_origin=FORWARDED)

    assert [message["text"] for message in door.telegram.sent()] == ["One, two"]


@pytest.mark.parametrize("trigger", ["mention", "all"])
async def test_a_caption_for_another_bot(
    opened: OpenDoor, gemini: GeminiServer, trigger: str
) -> None:
    """It is no question of ours, in whatever chat, nor once it was edited to be one."""
    photo: Json = {"photo": b"\xff\xd8"}
    async with opened(GROUP_TRIGGER=trigger) as door:
        for caption in ("/ask@other_bot what?", "/cat@other_bot", "/ask@Other_Bot @test_bot?"):
            update = written(door, "member", **photo, caption=caption)
            assert await door.deliver(update) == []
            assert await door.send(**photo, caption=caption) == []
        own = written(door, "member", **photo, caption="/ask@Test_Bot what?")
        assert len(await door.deliver(own)) == 1
        assert asked(gemini) == "Ann: what?"
        edited = door.telegram.edit(own["message"], caption="/ask@other_bot what now?")
        await door.deliver(edited)
        assert len(gemini.bodies) == 1


# The bot's name


def rename(door: Door, name: str) -> None:
    """Let the bot's owner give it another name."""
    door.telegram.bot["username"] = name


async def test_a_renamed_bot_answers_to_its_names(
    environment: pytest.MonkeyPatch, door: Door, gemini: GeminiServer
) -> None:
    """To the new one in mentions and commands, and to the old one for an hour."""
    await said(door, "member", "@test_bot hello")
    rename(door, "New_Bot")
    assert await said(door, "member", "@new_bot hello") == []  # Telegram was asked just now
    environment.setattr("bot.telegram.identity.FRESH_FOR", 0.0)

    for name in ("NEW_bot", "test_bot"):
        assert len(await said(door, "member", f"Well, @{name}?")) == 1
        assert asked(gemini) == "Ann: Well, ?"
        assert await said(door, "member", f"/help@{name}") == [texts.HELP]
        assert await said(door, "member", f"/nothing@{name}") == [texts.UNKNOWN_COMMAND]
        assert len(await said(door, "member", f"/ask@{name} why?")) == 1
        assert await said(door, "member", f"/stop@{name}") == [texts.NOTHING_TO_STOP]
    assert await said(door, "member", "@other_bot hello") == []
    assert await said(door, "member", "/help@other_bot") == []
    environment.setattr("bot.telegram.identity.FORMER_FOR", 0.0)
    assert await said(door, "member", "@test_bot hello") == []
    assert await said(door, "member", "/help@test_bot") == []
    assert len(await said(door, "member", "@new_bot hello")) == 1
    page = await door.client.get("/")
    assert "New_Bot" in page.text


async def test_the_name_is_asked_for_seldom(environment: pytest.MonkeyPatch, door: Door) -> None:
    """Once for all updates of some minutes, and only where a name is not known."""
    for _ in range(3):
        await said(door, "member", "@test_bot hello @ann @bob @somebody_else")
        await said(door, "member", "@ann @bob hello")
        await said(door, "member", "/help@other_bot")
        await said(door, "member", "Good morning")
    assert len(door.telegram.calls_of("getMe")) == 1
    environment.setattr("bot.telegram.identity.FRESH_FOR", 0.0)
    for _ in range(3):
        await said(door, "member", "@test_bot hello")
        await said(door, "member", "/help@test_bot")
        await said(door, "member", "Good morning")
    assert len(door.telegram.calls_of("getMe")) == 1
    await said(door, "member", "@ann hello")
    assert len(door.telegram.calls_of("getMe")) == 2


@pytest.mark.parametrize("fault", [Refuse(401, "Unauthorized"), Slow(5)], ids=str)
async def test_the_name_stays_while_nobody_says_it(
    environment: pytest.MonkeyPatch, door: Door, gemini: GeminiServer, fault: Refuse | Slow
) -> None:
    """A failure changes nothing, and the next update does not wait for it again."""
    environment.setattr("bot.telegram.identity.ASKING_TIME", 0.3)
    await said(door, "member", "@test_bot hello")
    environment.setattr("bot.telegram.identity.FRESH_FOR", 0.0)
    rename(door, "new_bot")
    door.telegram.faults.add(fault, method="getMe", times=None)

    assert await said(door, "member", "@new_bot hello") == []
    environment.setattr("bot.telegram.identity.FRESH_FOR", 180.0)
    assert await said(door, "member", "@new_bot hello") == []
    assert len(await said(door, "member", "@test_bot hello")) == 1
    assert len(gemini.bodies) == 2
    door.telegram.faults.clear()
    environment.setattr("bot.telegram.identity.FRESH_FOR", 0.0)
    assert len(await said(door, "member", "@new_bot hello")) == 1


async def test_many_mentions_hold_up_nobody(door: Door, gemini: GeminiServer) -> None:
    """Of a message that names a crowd only the first are looked at."""
    crowd = " ".join(f"@somebody{number}" for number in range(300))
    assert await said(door, "member", crowd) == []
    assert len(await said(door, "member", f"@test_bot {crowd}")) == 1
    assert len(gemini.bodies) == 1
