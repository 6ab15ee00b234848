"""What of Telegram's JSON aiogram cannot read: its answers, details of updates, hostile ones."""

import json
import time
from typing import Any

import pytest

from bot import texts
from bot.sandbox.faults import Answer, Flood, HtmlError
from bot.sandbox.telegram import TelegramServer
from tests.support.door import Door, Json, OpenDoor
from tests.support.gemini_server import GeminiServer
from tests.support.messages import buttons, read

GROUP = -1_009_999_999_999

on_sqlite = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
HIDDEN = {"type": "hidden_user", "date": 1422450181}  # without the name that aiogram wants
STORY: Json = {"origin": {**HIDDEN, "sender_user_name": "x"}, "story": {}}
POLL = {"id": "1", "question": "Tea or coffee?"}  # without most of what aiogram wants

# What of the message just sent, or of the whole answer, is not as aiogram expects
UNREADABLE: list[Json] = [
    {"result": {"external_reply": STORY}},
    {"result": {"forward_origin": HIDDEN}},
    {"result": {"chat": {}}},
    {"result": {"date": "yesterday"}},
    {"result": {"entities": [{"type": "bold"}]}},
    {"result": {"rich_message": {"blocks": [{"type": "hologram"}]}}},
    {"result": {"reply_to_message": {"poll": POLL}}},
    {"result": {"from": "nobody", "photo": 7}},
    {"result": True},
    {"result": []},
    {"result": "sent"},
]


def forged(door: Door, text: str | None = "Hello", /, **details: Any) -> Json:
    """Return the update of a message of Ann's with details that Telegram does not send today."""
    update = door.question(text)
    update["message"] |= details
    return update


async def statuses(door: Door) -> set[str]:
    """Return how the database has its updates."""
    return {status for (status,) in await door.rows("SELECT status FROM processed_update")}


# Answers that are no JSON for us, or lack their result
TORN = [
    '{"ok": true}',
    '{"ok": true, "result": null}',
    '{"result": {"message_id": 7, "text": "You said: Hello"}, "ok": true}',
    '\ufeff{"ok": true, "result": {"message_id": 7}}',
    '{"ok":true,"result":{"message_id":7,"text":"You sa',
    '{"ok":true,"result":{"message_id":7,"x":' + "[" * 3000 + "]" * 3000 + "}}",
]


@on_sqlite
class TestAnswers:
    """What Telegram says it has done is done: it is not asked for once more."""

    @pytest.mark.parametrize("changes", UNREADABLE, ids=str)
    @pytest.mark.parametrize("status", [200, 500])
    async def test_an_answer_is_sent_once(
        self, door: Door, gemini: GeminiServer, changes: Json, status: int
    ) -> None:
        """The message is stored as sent, with its id where Telegram tells it."""
        door.telegram.faults.add(Answer(changes, status), "sendMessage", times=None)

        [message] = await door.send(text="Hello")

        assert message["text"] == "You said: Hello"
        assert len(door.telegram.calls_of("sendMessage")) == 1
        assert len(gemini.bodies) == 1
        assert await statuses(door) == {"done"}
        known = isinstance(changes["result"], dict)
        statement = "SELECT CAST(message_ids AS TEXT) FROM chat_message WHERE role = 'model'"
        [[ids]] = await door.rows(statement)
        assert json.loads(ids) == [message["message_id"] if known else 0]

    @pytest.mark.parametrize("answer", TORN, ids=range(len(TORN)))
    async def test_a_torn_answer_is_one(self, door: Door, answer: str) -> None:
        """The id of the message is read where there is one, and nothing is sent again."""
        page = HtmlError(200, answer.encode(), "application/json; charset=utf-8")
        door.telegram.faults.add(page, "sendMessage")

        await door.post(door.question("Hello"))

        assert [call.method for call in door.telegram.calls].count("sendMessage") == 1
        statement = "SELECT CAST(message_ids AS TEXT) FROM chat_message WHERE role = 'model'"
        assert await door.rows(statement) == [("[7]" if "message_id" in answer else "[0]",)]

    @pytest.mark.parametrize("changes", UNREADABLE, ids=str)
    async def test_a_sentence_of_the_bot_is_sent_once(self, door: Door, changes: Json) -> None:
        """So is the excuse for an answer that there is not."""
        door.telegram.faults.add(Answer(changes), "sendMessage", times=None)

        await door.send(text="/help")
        await door.send(location={"latitude": 1, "longitude": 1})

        said = [message["text"] for message in door.telegram.sent()]
        assert said == [texts.HELP, texts.UNSUPPORTED]
        assert await statuses(door) == {"done"}

    @pytest.mark.usefixtures("classic")
    @pytest.mark.parametrize("changes", UNREADABLE, ids=str)
    async def test_each_page_is_sent_once(
        self, door: Door, gemini: GeminiServer, changes: Json
    ) -> None:
        """Later pages come behind the one of which nothing but its being sent is known."""
        gemini.answer(" ".join(f"word{number}" for number in range(1200)))
        door.telegram.faults.add(Answer(changes), "sendMessage", times=None)

        pages = await door.send(text="A long one")

        words = " ".join(page["text"] for page in pages).split()
        assert words == [f"word{number}" for number in range(1200)]
        assert len(pages) == 3

    @pytest.mark.parametrize("changes", UNREADABLE, ids=str)
    async def test_a_rich_message_is_sent_once(
        self, door: Door, gemini: GeminiServer, changes: Json
    ) -> None:
        """A rich answer does not become a classic one beside it."""
        gemini.answer("# Title\n\n| a | b |\n|---|---|\n| 1 | 2 |")
        door.telegram.faults.add(Answer(changes), "sendRichMessage", times=None)

        [message] = await door.send(text="A table")

        assert "rich_message" in message

    @pytest.mark.parametrize("changes", UNREADABLE, ids=str)
    async def test_an_edit_is_made_once(
        self, door: Door, gemini: GeminiServer, changes: Json
    ) -> None:
        """The new answer stands in the place of the old one, and is no message of its own."""
        gemini.answer("Old")
        gemini.answer("New")
        old = await door.say("Hello")
        door.telegram.faults.add(Answer(changes), "editMessageText", times=None)

        pressed = door.telegram.press(old, door.telegram.person(42), texts.AGAIN_BUTTON)
        assert await door.deliver(pressed) == []

        assert [message["text"] for message in door.telegram.sent()] == ["New"]

    async def test_an_answer_grows_in_one_message(
        self, door: Door, gemini: GeminiServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """In a group the message that grows is the one that the answer takes over."""
        monkeypatch.setattr("bot.answers.preview.GROUP_PACE", 0.1)
        gemini.answer("One ", "two ", "three", delay=0.2)
        door.telegram.faults.add(Answer(UNREADABLE[0]), "sendMessage", times=None)
        group, ann = door.telegram.group(GROUP, "Friends"), door.telegram.person(42)

        await door.deliver(door.telegram.message(group, ann, "@test_bot count"))

        assert [message["text"] for message in door.telegram.sent()] == ["One two three"]

    @pytest.mark.parametrize(
        "member",
        [
            {"status": "administrator", "user": {"id": 42, "is_bot": False, "first_name": "A"}},
            {"status": "administrator"},
            {"status": "creator", "is_anonymous": "perhaps"},
            {"status": "overlord"},
            [],
        ],
        ids=str,
    )
    async def test_forget_does_not_wait_for_a_better_answer(self, door: Door, member: Any) -> None:
        """A member whose newest rights are missing is one; what is no member has no rights."""
        telegram = door.telegram
        group, ann = telegram.group(GROUP, "Friends"), telegram.person(42)
        await door.deliver(telegram.message(group, ann, "@test_bot hello"))
        # Telegram's own answer has all fields, of which only those that are given are to stay
        stray = dict.fromkeys(("user", "status", "is_anonymous", "can_be_edited"))
        changes = {"result": stray | member} if isinstance(member, dict) else {"result": member}
        telegram.faults.add(Answer(changes), "getChatMember", times=None)

        [reply] = await door.deliver(telegram.message(group, ann, "/forget"))

        is_known = isinstance(member, dict) and "user" in member
        assert reply["text"] == (texts.FORGOTTEN if is_known else texts.FORGET_REFUSED)
        assert bool(await door.messages()) is not is_known
        assert await statuses(door) == {"done"}

    @pytest.mark.parametrize("wait", [1, 1.0, 0.4])
    async def test_a_flood_may_last_a_part_of_a_second(self, door: Door, wait: float) -> None:
        """The wait that Telegram asks for is read, however it is written."""
        flooded = {"ok": False, "error_code": 429, "description": "Too Many Requests"}
        flooded |= {"parameters": {"retry_after": wait, "new": None}}
        door.telegram.faults.add(Flood(0), "sendMessage")
        door.telegram.faults.add(Answer(flooded, 429), "sendMessageDraft", times=None)

        [message] = await door.send(text="Hello")

        assert message["text"] == "You said: Hello"


REPLY: Json = {
    "message_id": 7, "date": 1, "chat": {"id": 42, "type": "private", "first_name": "Ann"},
    "from": {"id": 43, "is_bot": False, "first_name": "Bob"}, "text": "Tea is better",
}  # fmt: skip

# What is unreadable in a message, and what the model must read of it all the same
DETAILS: list[tuple[Json, str]] = [
    ({"forward_origin": HIDDEN}, "Hello"),
    ({"forward_origin": {"type": "wormhole"}}, "Hello"),
    ({"forward_origin": 5}, "Hello"),
    ({"external_reply": STORY}, "Hello"),
    ({"external_reply": {}}, "Hello"),
    ({"external_reply": {"origin": HIDDEN}}, "Hello"),
    ({"reply_to_message": REPLY | {"poll": POLL}}, "[In reply to Bob: Tea is better]\nHello"),
    ({"reply_to_message": REPLY | {"story": {}}}, "[In reply to Bob: Tea is better]\nHello"),
    ({"reply_to_message": REPLY | {"forward_origin": HIDDEN}}, "Tea is better"),
    ({"reply_to_message": {"text": "Tea"}}, "Hello"),
    ({"reply_to_message": []}, "Hello"),
    ({"reply_to_message": REPLY | {"entities": [{}] * 600}}, "[In reply to Bob: Tea is better]"),
    ({"new_chat_photo": [[]] * 600, "entities": [{"type": "bold"}] * 600}, "Hello"),
    ({"quote": {"text": 5}}, "Hello"),
    ({"quote": {"text": "Tea", "position": "first"}}, "Hello"),
    ({"entities": [{"type": "bold"}, {"type": "bold", "offset": 0, "length": 5}]}, "Hello"),
    ({"entities": [[], None, 7]}, "Hello"),
    ({"entities": "all of it"}, "Hello"),
    ({"link_preview_options": {"is_disabled": "maybe"}}, "Hello"),
    ({"reply_markup": {"inline_keyboard": [[{"style": "big"}]]}}, "Hello"),
    ({"chat_background_set": {"type": {"type": "chat_theme"}}}, "Hello"),
    ({"pinned_message": REPLY | {"chat": {}}}, "Hello"),
    ({"giveaway": {"chats": [{}]}}, "Hello"),
    ({"edit_date": "now"}, "Hello"),
    ({"author_signature": 5, "media_group_id": {}}, "Hello"),
]


@on_sqlite
class TestDetails:
    """One unreadable detail does not cost the message."""

    @pytest.mark.parametrize(("details", "asked"), DETAILS, ids=range(len(DETAILS)))
    async def test_the_rest_of_the_message_is_answered(
        self, door: Door, gemini: GeminiServer, details: Json, asked: str
    ) -> None:
        """The model reads what can be read, and people get one answer."""
        [message] = await door.deliver(forged(door, **details))

        assert asked in gemini.bodies[-1]["contents"][-1]["parts"][0]["text"]
        assert "Hello" in message["text"]
        assert await statuses(door) == {"done"}

    @pytest.mark.parametrize(
        "details",
        [
            {"chat": {}}, {"chat": {"id": "forty-two", "type": "private"}}, {"chat": None},
            {"from": {"id": 42}}, {"from": 42}, {"sender_chat": {}}, {"text": 5},
            {"message_id": "first"}, {"date": {}}, {"message_thread_id": "General"},
        ],
        ids=str,
    )  # fmt: skip
    async def test_an_update_without_chat_sender_or_content_is_dropped(
        self, door: Door, caplog: pytest.LogCaptureFixture, details: Json
    ) -> None:
        """The log has one line of it, with no word of what people wrote; the chat goes on."""
        update = forged(door, "my secret plan", **details)

        assert await door.deliver(update) == []

        [line] = [record.getMessage() for record in caplog.records if record.levelno >= 30]
        assert f"Update {update['update_id']}: message is malformed" in line
        assert "secret plan" not in caplog.text
        assert (await door.say("Hello"))["text"] == "You said: Hello"

    async def test_the_log_names_what_is_left_out(
        self, door: Door, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The operator learns of it, by the names of fields alone."""
        await door.deliver(forged(door, external_reply=STORY))

        assert "was parsed without message.external_reply.story\n" in caplog.text

    @pytest.mark.parametrize(
        "forgery",
        [
            {"my secret plan": {"text": "my secret plan"}},
            {"message": "my secret plan"},
            {"message": {"my secret plan": 1}},
            {"message": {"chat": {"my secret plan": {}}, "text": {"my secret plan": 1}}},
            {"callback_query": {"id": "my secret plan", "message": ["my secret plan"]}},
            {"edited_message": {"forward_origin": {"type": "my secret plan"}}},
            {"inline_query": {"id": "1", "from": {}, "query": "my secret plan", "offset": 7}},
        ],
        ids=str,
    )
    async def test_forged_fields_are_in_no_log(
        self, door: Door, caplog: pytest.LogCaptureFixture, forgery: Json
    ) -> None:
        """Whatever the fields are called and hold, the log has the names that Telegram has."""
        assert await door.deliver({"update_id": 1, **forgery}) == []

        assert "Update 1: " in caplog.text
        assert "secret plan" not in caplog.text

    @pytest.mark.parametrize("details", [{"forward_origin": HIDDEN}, {"via_bot": {}}], ids=str)
    async def test_a_forwarded_command_is_nobodys_own(
        self, opened: OpenDoor, details: Json
    ) -> None:
        """Who a message comes from being unreadable, it is still not its sender's own."""
        async with opened(ADMIN_USER_IDS="42") as door:
            await door.deliver(forged(door, "/ban 43", **details))

            assert await door.rows("SELECT id FROM access") == []

    @pytest.mark.parametrize(
        "details",
        [
            {"reply_to_message": REPLY | {"poll": POLL}},
            {"rich_message": {"blocks": [{"type": "hologram", "light": 5}]}},
            {"external_reply": STORY},
            {"forward_origin": HIDDEN},
            {"entities": [{}]},
        ],
        ids=str,
    )
    async def test_a_button_works_below_a_message_with_an_unknown_detail(
        self, door: Door, gemini: GeminiServer, details: Json
    ) -> None:
        """It is pressed below a message that Telegram shows by then in a newer way."""
        gemini.answer("Old")
        gemini.answer("New")
        old = await door.say("Hello")
        pressed = door.telegram.press(old, door.telegram.person(42), texts.AGAIN_BUTTON)
        pressed["callback_query"]["message"] |= details

        await door.deliver(pressed)

        assert [message["text"] for message in door.telegram.sent()] == ["New"]

    async def test_an_edit_with_an_unknown_detail_is_answered(self, door: Door) -> None:
        """The answer changes with the question, as with any other edit."""
        asked = door.question("Hello")
        await door.deliver(asked)
        edited = door.telegram.edit(asked["message"], text="Goodbye")
        edited["edited_message"]["external_reply"] = STORY

        await door.deliver(edited)

        assert [message["text"] for message in door.telegram.sent()] == ["You said: Goodbye"]

    async def test_an_older_server_sends_fewer_rights(
        self, door: Door, caplog: pytest.LogCaptureFixture
    ) -> None:
        """An administrator's rights of tomorrow are no reason to call an update malformed."""
        ann = door.telegram.person(42)
        member = {"status": "administrator", "user": ann, "can_be_edited": False}
        event = {
            "chat": door.telegram.group(GROUP, "Friends"), "from": ann, "date": 1,
            "old_chat_member": {"status": "left", "user": ann}, "new_chat_member": member,
        }  # fmt: skip

        assert await door.deliver({"update_id": 1, "my_chat_member": event}) == []

        assert "my_chat_member in chat -1009999999999 is not handled" in caplog.text
        assert "malformed" not in caplog.text


def nested(inner: Any, depth: int, **outer: Any) -> Any:
    """Put something into as many objects, in a list and without one by turns, as `text`."""
    for level in range(depth):
        inner = outer | {"text": [inner, "."] if level % 2 else inner}
    return inner


def boxed(block: Any, depth: int, kind: str, name: str = "blocks") -> Any:
    """Put a block into as many blocks."""
    for _ in range(depth):
        block = {"type": kind, name: [block]}
    return block


def rich(*blocks: Any) -> Json:
    """Return a rich message without any other text."""
    return {"text": None, "rich_message": {"blocks": list(blocks)}}


STYLES = ("bold", "italic", "underline", "strikethrough", "spoiler", "marked", "url", "hologram")
BOXES = ("block_quotation", "details", "expandable_block_quotation", "collage", "slideshow")
MARKS = ("\u0301", "\u200d", "\ufe0f", "\u0e33", "\u1100", "\u202e", "🏴", "\U0001f1e9", "*", "`")


def hostile() -> list[Json]:
    """Return two hundred messages that anybody might forward or forge."""
    paragraph = {"type": "paragraph", "text": "x"}
    messages: list[Json] = []
    for depth in (3, 4, 5, 8, 16, 60, 300):
        for style in STYLES:
            text = nested("x", depth, type=style, url="https://example.com")
            messages.append(rich({"type": "paragraph", "text": text}))
        for kind in BOXES:
            text = nested("x", min(depth, 8), type="bold")
            messages.append(rich(boxed({"type": "paragraph", "text": text}, depth, kind)))
        items = boxed(paragraph, depth, "list", "items")
        cells = {"type": "table", "cells": [[{"text": nested("x", depth, type="code")}]]}
        messages += [rich(items), rich(cells), {"reply_to_message": REPLY | rich(items)}]
        messages.append({"reply_to_message": _replies(depth)})
        messages.append({"pinned_message": _replies(depth)})
        messages.append({"unheard_of": nested([], depth)})
    wide = {"type": "paragraph", "text": [nested("x", 10, type="bold")] * 500}
    messages += [rich(*[paragraph] * 20_000), rich(wide), rich(*[wide] * 3)]
    for mark in MARKS:
        messages += [
            {"text": f"@test_bot {mark * 40_000}"},
            {"text": f"{mark * 40_000} @test_bot"},
        ]
        messages.append({"text": f"/ask {mark * 40_000}"})
        messages.append({"reply_to_message": REPLY | {"text": mark * 40_000}})
        messages.append({"from": REPLY["from"] | {"first_name": mark * 40_000}})
    keyboard: Json = {"inline_keyboard": [[{}] * 200] * 200}
    messages += [{"reply_markup": keyboard}, {"new_chat_members": [{}] * 5000}]
    messages.append({"reply_to_message": REPLY | {str(n): {} for n in range(5000)}})
    for count in (100, 1000, 10_000):
        bold: Json = {"type": "bold", "offset": 0, "length": 1}
        entity: Any
        for entity in (
            bold,
            {"type": "bold"},
            bold | {"offset": 2**70},
            bold | {"length": -1},
            [],
        ):
            messages += [
                {"entities": [entity] * count},
                {"quote": {"text": "x", "entities": [entity] * count}},
            ]
    return messages


def _replies(depth: int) -> Json:
    message = REPLY
    for _ in range(depth):
        message = REPLY | {"reply_to_message": message}
    return message


@on_sqlite
@pytest.mark.slow("measures 200 updates")
async def test_no_message_holds_the_loop(door: Door, gemini: GeminiServer) -> None:
    """Two hundred hostile messages cost the loop's thread less than a tenth of a second each."""
    await door.say("Hello")
    cases = hostile()
    assert len(cases) >= 200
    for number, details in enumerate(cases, 1000):
        costs = [1.0]
        for user_id in (number, number + 1000, number + 2000):
            if min(costs) < 0.1:  # else something was built that later updates share
                break
            gemini.answer("Fine")
            update = door.question("Hello", user_id)
            update["message"] |= details
            body = json.dumps(update)
            began = time.thread_time()
            assert (await door.client.post("/webhook", content=body)).status_code == 200
            costs.append(time.thread_time() - began)
            gemini.forget()
        assert min(costs) < 0.1, str(details)[:200]


async def test_rich_messages_are_read_to_the_end(door: Door, gemini: GeminiServer) -> None:
    """What people read in a message of the usual depth is what the model reads."""
    text = nested("deep", 12, type="bold")
    blocks = [
        {"type": "paragraph", "text": text},
        boxed({"type": "paragraph", "text": "last"}, 14, "details"),
    ]

    await door.deliver(forged(door, **rich(*blocks)))

    [part] = gemini.bodies[-1]["contents"][-1]["parts"]
    assert part["text"].startswith("deep")
    assert part["text"].endswith("last")


async def test_the_bot_reads_its_own_nested_answer(door: Door, gemini: GeminiServer) -> None:
    """A reply to it, a button below it and Telegram's echo of it cost no more than any other."""
    gemini.answer("# Title\n\n> > > - ***~~[deep](https://example.com)~~***")
    answer = await door.say("Nest")
    assert "rich_message" in answer

    [reply] = await door.send(text="And then?", reply_to=answer)

    assert read(reply) == "You said: And then?"
    assert buttons(reply) == [texts.AGAIN_BUTTON]


def test_the_server_changes_its_answers(telegram: TelegramServer) -> None:
    """No fault is left over in the tests above: each strikes."""
    telegram.faults.add(Answer({"result": True}), "getMe")
    assert telegram.faults.take("getMe") == Answer({"result": True})
