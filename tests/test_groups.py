"""In a group the bot speaks when it is spoken to."""

from typing import Any

import pytest

from bot import texts
from tests.door import Door
from tests.gemini_server import GeminiServer

GROUP = -1_009_999_999_999


def in_group(door: Door, text: str | None = None, **message: Any) -> dict[str, Any]:
    """Return the update of a message that Ann writes in the group."""
    person = door.telegram.person(42, "Ann")
    group = door.telegram.group(GROUP, "Friends")
    return door.telegram.message(group, person, text, **message)


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("@test_bot what time is it?", "what time is it?"),
        ("What time is it, @Test_Bot?", "What time is it, ?"),
    ],
)
async def test_a_mention_is_answered(
    door: Door, gemini: GeminiServer, text: str, question: str
) -> None:
    """A mention anywhere in the text asks the bot, whose name is no part of the question."""
    gemini.answer("Noon")
    update = in_group(door, text)

    [message] = await door.deliver(update)

    assert message["text"] == "Noon"
    assert message["chat"]["id"] == GROUP
    assert message["reply_to_message"]["message_id"] == update["message"]["message_id"]
    assert gemini.requests[-1].body["contents"][-1]["parts"] == [{"text": question}]
    assert await door.rows("SELECT chat_id FROM chat_session") == [(GROUP,)]


async def test_a_reply_to_the_bot_is_answered(door: Door, gemini: GeminiServer) -> None:
    """Who replies to the bot need not mention it."""
    gemini.answer("Noon")
    gemini.answer("Midnight")
    [noon] = await door.deliver(in_group(door, "@test_bot what time is it?"))

    [message] = await door.deliver(in_group(door, "And later?", reply_to=noon))

    assert message["text"] == "Midnight"


async def test_a_photo_with_a_mention_is_answered(door: Door, gemini: GeminiServer) -> None:
    """A mention in a caption counts."""
    gemini.answer("A cat")

    [message] = await door.deliver(in_group(door, photo=b"\xff\xd8", caption="@test_bot what?"))

    assert message["text"] == "A cat"


@pytest.mark.parametrize("text", ["/start", "/help@test_bot", "/new_chat"])
async def test_commands_are_answered(door: Door, text: str) -> None:
    """Commands work in groups."""
    assert len(await door.deliver(in_group(door, text))) == 1


async def test_an_unknown_command_gets_a_hint(door: Door, gemini: GeminiServer) -> None:
    """A command that names this bot and that nobody knows points to /help."""
    [message] = await door.deliver(in_group(door, "/opt@test_bot what is this folder?"))

    assert message["text"] == texts.UNKNOWN_COMMAND
    assert gemini.requests == []


async def test_a_word_with_a_slash_is_no_command(door: Door, gemini: GeminiServer) -> None:
    """Whoever mentions the bot or replies to it asks a question, though it begins with a slash."""
    gemini.answer("For packages")
    gemini.answer("For devices")

    [first] = await door.deliver(in_group(door, "/opt @test_bot, what is this folder?"))
    [second] = await door.deliver(in_group(door, "/dev and this one?", reply_to=first))

    assert [first["text"], second["text"]] == ["For packages", "For devices"]
    questions = [body["contents"][-1]["parts"] for body in gemini.bodies]
    assert questions == [
        [{"text": "/opt , what is this folder?"}],
        [{"text": "/dev and this one?"}],
    ]


async def test_a_bare_mention_is_asked_back(door: Door, gemini: GeminiServer) -> None:
    """A mention without a question gets a question."""
    [message] = await door.deliver(in_group(door, "@test_bot"))

    assert message["text"] == texts.NOTHING_ASKED
    assert gemini.requests == []


@pytest.mark.parametrize(
    "text",
    [
        "Good morning everybody",
        "@test_bot_two hello",
        "write to me@test_bot.example",
        "/start@other_bot",
        "/unknown",
        "/unknown what is this?",
        "/unknown@other_bot @test_bot",
    ],
)
async def test_other_talk_is_left_alone(door: Door, gemini: GeminiServer, text: str) -> None:
    """What is not meant for the bot gets no answer and is not stored."""
    assert await door.deliver(in_group(door, text)) == []
    assert gemini.requests == []
    assert await door.messages() == []


async def test_a_reply_to_somebody_else_is_left_alone(door: Door, gemini: GeminiServer) -> None:
    """Two people may talk about the bot's business without it."""
    first = in_group(door, "Lunch?")["message"]

    assert await door.deliver(in_group(door, "Yes!", reply_to=first)) == []
    assert gemini.requests == []


async def test_a_topic_that_the_bot_opened_is_no_reply(door: Door, gemini: GeminiServer) -> None:
    """In a forum each message hangs on the one that opened its topic: nobody replied to it."""
    topic = {
        "message_id": 7,
        "from": {name: door.telegram.bot[name] for name in ("id", "is_bot", "first_name")},
        "chat": door.telegram.group(GROUP, "Friends", is_forum=True),
        "date": 1,
        "message_thread_id": 7,
        "is_topic_message": True,
        "forum_topic_created": {"name": "Lunch", "icon_color": 7322096},
    }
    fields = {"reply_to": topic, "message_thread_id": 7, "is_topic_message": True}

    assert await door.deliver(in_group(door, "Pizza?", **fields)) == []
    assert gemini.requests == []
    assert len(await door.deliver(in_group(door, "Pizza, @test_bot?", **fields))) == 1


async def test_a_sticker_in_a_group_is_left_alone(door: Door) -> None:
    """What the bot cannot read is no business of its own in a group."""
    update = in_group(door, dice={"emoji": "🎲", "value": 3})

    assert await door.deliver(update) == []


async def test_channels_are_not_answered(door: Door, gemini: GeminiServer) -> None:
    """A message in the name of a channel gets no answer, even with a mention."""
    channel = door.telegram.channel(-1_001_111_111_111)
    update = in_group(door, "@test_bot hello", sender_chat=channel)

    assert await door.deliver(update) == []
    assert gemini.requests == []


async def test_bots_in_groups_are_not_answered(door: Door, gemini: GeminiServer) -> None:
    """A bot that mentions this one gets no answer."""
    robot = door.telegram.person(77, is_bot=True)
    group = door.telegram.group(GROUP, "Friends")
    update = door.telegram.message(group, robot, "@test_bot hello")

    assert await door.deliver(update) == []
    assert gemini.requests == []
