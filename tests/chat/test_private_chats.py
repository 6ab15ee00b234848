"""What people send in private chats, and what they get."""

import asyncio
import base64
from typing import Any

import pytest

from bot import texts
from bot.gemini import Gemini
from tests.support.door import Door
from tests.support.gemini_server import GeminiServer

JPEG = b"\xff\xd8\xff\xe0 a small picture"
BIG = 2**52 - 1


def parts(gemini: GeminiServer, turn: int = -1) -> list[dict[str, Any]]:
    """Return the parts of one turn of the latest request to Gemini."""
    contents: list[dict[str, Any]] = gemini.requests[-1].body["contents"]
    turn_parts: list[dict[str, Any]] = contents[turn]["parts"]
    return turn_parts


async def test_a_text_is_answered(door: Door, gemini: GeminiServer) -> None:
    """A text goes to Gemini once, and its streamed answer comes back whole in one message."""
    gemini.answer("Hello", ", ", "Ann!")

    message = await door.say("Good morning")

    assert message["text"] == "Hello, Ann!"
    assert len(gemini.requests) == 1
    assert parts(gemini) == [{"text": "Good morning"}]
    assert await door.messages() == [("user", "Good morning"), ("model", "Hello, Ann!")]


async def test_a_sign_of_life_comes_before_the_answer(door: Door, gemini: GeminiServer) -> None:
    """The first sign of life comes before the model is asked for anything."""
    gemini.answer("Hel", "lo", delay=0.5)
    update = door.question("Good morning")

    posting = asyncio.create_task(door.post(update))
    await door.telegram.wait_for(lambda: door.telegram.calls)

    assert [call.method for call in door.telegram.calls] == ["sendMessageDraft"]
    await posting
    assert door.telegram.calls[-1].method == "sendMessage"


async def test_the_model_remembers(door: Door, gemini: GeminiServer) -> None:
    """The second question travels with the first one and its answer."""
    gemini.answer("Hello, Ann")
    gemini.answer("Ann")
    await door.say("I am Ann")

    message = await door.say("Who am I?")

    assert message["text"] == "Ann"
    assert gemini.requests[-1].body["contents"] == [
        {"role": "user", "parts": [{"text": "I am Ann"}]},
        {"role": "model", "parts": [{"text": "Hello, Ann"}]},
        {"role": "user", "parts": [{"text": "Who am I?"}]},
    ]


async def test_chats_do_not_mix(door: Door, gemini: GeminiServer) -> None:
    """What one person said is not in another's history."""
    await door.say("I am Ann", user_id=1)
    await door.say("I am Bob", user_id=2)

    assert gemini.requests[-1].body["contents"] == [
        {"role": "user", "parts": [{"text": "I am Bob"}]}
    ]


@pytest.mark.parametrize("user_id", [1, 2**31, 5_000_000_000, BIG])
async def test_ids_of_any_size_are_kept(door: Door, gemini: GeminiServer, user_id: int) -> None:
    """Ids that do not fit into 32 bits are answered and remembered."""
    await door.say("one", user_id=user_id)
    await door.say("two", user_id=user_id)

    assert len(gemini.requests[-1].body["contents"]) == 3
    assert await door.rows("SELECT chat_id FROM chat_session") == [(user_id,)]


@pytest.mark.parametrize("command", ["/start", "/start@test_bot", "/start payload", "/START"])
async def test_start_greets(door: Door, gemini: GeminiServer, command: str) -> None:
    """/start is ours in each of its forms, and Gemini is not asked."""
    assert (await door.say(command))["text"] == texts.START
    assert gemini.requests == []


async def test_id_says_what_the_settings_want(door: Door, gemini: GeminiServer) -> None:
    """/id tells a person's id, and in a group the group's as well."""
    person = door.telegram.person(42)
    group = door.telegram.group()

    assert (await door.say("/id"))["text"] == "Your id is 42."
    [message] = await door.deliver(door.telegram.message(group, person, "/id"))

    assert message["text"] == f"Your id is 42. This chat's id is {group['id']}."
    assert gemini.requests == []


@pytest.mark.parametrize("command", ["/help", "/help@Test_Bot"])
async def test_help_says_what_works(door: Door, gemini: GeminiServer, command: str) -> None:
    """/help names what works."""
    assert (await door.say(command))["text"] == texts.HELP
    assert gemini.requests == []


@pytest.mark.parametrize(
    "command", ["/new_chat", "/new", "/reset", "/clear", "/new_chat@test_bot"]
)
async def test_new_chat_forgets(door: Door, gemini: GeminiServer, command: str) -> None:
    """/new_chat under each of its names deletes the chat's messages and says how many."""
    await door.say("I am Ann", user_id=1)
    await door.say("I am Bob", user_id=2)

    message = await door.say(command, user_id=1)

    assert message["text"] == texts.new_chat(2)
    assert await door.messages() == [("user", "I am Bob"), ("model", "You said: I am Bob")]
    await door.say("Who am I?", user_id=1)
    assert gemini.requests[-1].body["contents"] == [
        {"role": "user", "parts": [{"text": "Who am I?"}]}
    ]


async def test_new_chat_in_a_new_chat(door: Door) -> None:
    """There is a kind word where there is nothing to forget."""
    assert (await door.say("/new_chat"))["text"] == texts.new_chat(0)


@pytest.mark.parametrize("command", ["/start@other_bot", "/new_chat@other_bot", "/foo@other_bot"])
async def test_commands_for_another_bot_are_not_ours(
    door: Door, gemini: GeminiServer, command: str
) -> None:
    """A command that names another bot gets no answer."""
    assert await door.send(text=command) == []
    assert gemini.requests == []


async def test_an_unknown_command_gets_a_hint(door: Door, gemini: GeminiServer) -> None:
    """A command that nobody knows points to /help, and does not cost a call."""
    assert (await door.say("/fly now"))["text"] == texts.UNKNOWN_COMMAND
    assert gemini.requests == []


async def test_a_path_is_not_a_command(door: Door, gemini: GeminiServer) -> None:
    """A text that only begins with a slash is a question."""
    gemini.answer("A file with user names")

    assert (await door.say("/etc/passwd is what?"))["text"] == "A file with user names"


async def test_a_photo_with_a_caption(door: Door, gemini: GeminiServer) -> None:
    """The caption is the question, and the largest size goes along as bytes."""
    gemini.answer("A cat")

    [message] = await door.send(photo=[b"tiny", JPEG], caption="What is this?")

    assert message["text"] == "A cat"
    encoded = base64.b64encode(JPEG).decode()
    assert parts(gemini) == [
        {"inlineData": {"mimeType": "image/jpeg", "data": encoded}},
        {"text": "What is this?"},
    ]
    assert await door.messages() == [("user", "What is this?"), ("model", "A cat")]


async def test_a_photo_without_a_caption(door: Door, gemini: GeminiServer) -> None:
    """A bare photo is described."""
    await door.send(photo=JPEG)

    assert parts(gemini)[1] == {"text": "describe this image"}


async def test_the_largest_size_that_fits_is_used(door: Door, gemini: GeminiServer) -> None:
    """A size that Telegram does not serve gives way to the next smaller one."""
    person = door.telegram.person(42)
    chat = door.telegram.private_chat(person)
    update = door.telegram.message(chat, person, photo=[b"tiny", JPEG, b"too large"])
    update["message"]["photo"][-1]["file_size"] = 20_000_001

    await door.deliver(update)

    assert base64.b64decode(parts(gemini)[0]["inlineData"]["data"]) == JPEG


async def test_a_question_about_an_earlier_photo(door: Door, gemini: GeminiServer) -> None:
    """The photos of the last three photo turns go along again, older ones as their text."""
    pictures = [JPEG + bytes([number]) for number in range(5)]
    for number, picture in enumerate(pictures):
        await door.send(photo=picture, caption=f"photo {number}")

    await door.say("Which was the best?")

    contents = gemini.requests[-1].body["contents"]
    sent = [
        base64.b64decode(part["inlineData"]["data"])
        for content in contents
        for part in content["parts"]
        if "inlineData" in part
    ]
    captions = [content["parts"][-1]["text"] for content in contents[:-1:2]]
    assert sent == pictures[-3:]
    assert captions == [f"photo {number}" for number in range(5)]


async def test_a_new_photo_counts_among_the_last_three(door: Door, gemini: GeminiServer) -> None:
    """With the photo that is asked about, two earlier ones go along."""
    for number in range(4):
        await door.send(photo=JPEG + bytes([number]))

    pictures = [
        part
        for content in gemini.requests[-1].body["contents"]
        for part in content["parts"]
        if "inlineData" in part
    ]
    assert len(pictures) == 3


@pytest.mark.parametrize(
    "kind",
    [
        {"voice": {"file_id": "v", "file_unique_id": "v", "duration": 1}},
        {
            "sticker": {
                "file_id": "s",
                "file_unique_id": "s",
                "type": "regular",
                "width": 1,
                "height": 1,
                "is_animated": False,
                "is_video": False,
            }
        },
        {"document": {"file_id": "d", "file_unique_id": "d"}},
        {"location": {"latitude": 1.0, "longitude": 1.0}},
        {"contact": {"phone_number": "1", "first_name": "Bob"}},
        {"dice": {"emoji": "🎲", "value": 3}},
        {"video": {"file_id": "v", "file_unique_id": "v", "width": 1, "height": 1, "duration": 1}},
        {"something_of_tomorrow": {"x": 1}},
    ],
    ids=lambda kind: next(iter(kind)),
)
async def test_other_kinds_get_a_kind_sentence(
    door: Door, gemini: GeminiServer, kind: dict[str, Any]
) -> None:
    """What the bot cannot read is answered by what it can."""
    [message] = await door.send(**kind)

    assert message["text"] == texts.UNSUPPORTED
    assert gemini.requests == []
    assert await door.messages() == []


@pytest.mark.parametrize(
    "service",
    [
        {"pinned_message": {"message_id": 1, "date": 0, "chat": {"id": 42, "type": "private"}}},
        {"message_auto_delete_timer_changed": {"message_auto_delete_time": 60}},
        {"write_access_allowed": {}},
    ],
    ids=lambda kind: next(iter(kind)),
)
async def test_service_messages_are_ignored(door: Door, service: dict[str, Any]) -> None:
    """What Telegram writes into the chat itself is not answered."""
    assert await door.send(**service) == []


async def test_edits_are_ignored(door: Door, gemini: GeminiServer) -> None:
    """A message that was edited late is accepted and not answered."""
    update = door.question("Hello")
    message = update.pop("message")
    update["edited_message"] = message | {"edit_date": message["date"] + 3600}

    assert await door.deliver(update) == []
    assert gemini.requests == []


async def test_bots_are_not_answered(door: Door, gemini: GeminiServer) -> None:
    """Two bots do not talk to each other."""
    robot = door.telegram.person(77, is_bot=True)
    update = door.telegram.message(door.telegram.private_chat(robot), robot, "Hello")

    assert await door.deliver(update) == []
    assert gemini.requests == []


async def test_only_a_question_needs_the_sdk(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its import begins with a question, and never stands in the way of /start."""
    begun: list[Gemini] = []

    def note(gemini: Gemini) -> None:
        begun.append(gemini)

    monkeypatch.setattr(Gemini, "warm", note)

    await door.say("/start")
    assert begun == []

    await door.say("Hello")
    assert len(begun) == 1
