"""The sandbox's Bot API server: its methods, its strictness and its faults, over HTTP."""

import asyncio
import json
import threading
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from typing import Any

import aiogram.methods
import aiohttp
import pytest
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import (
    ClientDecodeError,
    TelegramBadRequest,
    TelegramMigrateToChat,
    TelegramNetworkError,
    TelegramRetryAfter,
    TelegramServerError,
)
from aiogram.types import (
    BotCommand,
    BotCommandScopeAllPrivateChats,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    Message,
    MessageEntity,
    ReplyParameters,
)

from bot.sandbox.catalogue import METHODS
from bot.sandbox.faults import Drop, Flood, HtmlError, Refuse, ServerError, Slow
from bot.sandbox.telegram import TelegramServer
from bot.sandbox.wire import Call
from tests.support.servers import serve

TOKEN = "123456:TEST-token"
Json = dict[str, Any]
Server = tuple[TelegramServer, str]


@dataclass(frozen=True)
class Wire:
    """Raw calls of the Bot API, and the server that they reach."""

    session: aiohttp.ClientSession
    url: str
    telegram: TelegramServer

    async def call(self, method: str, **parameters: Any) -> Json:
        """Call a method with JSON and give the decoded answer."""
        url = f"{self.url}/bot{TOKEN}/{method}"
        async with self.session.post(url, json=parameters) as response:
            answer: Json = await response.json()
            assert response.status == answer.get("error_code", 200)
            return answer

    async def result(self, method: str, **parameters: Any) -> Any:
        """Give the result of a call that must succeed."""
        answer = await self.call(method, **parameters)
        assert answer["ok"], answer
        return answer["result"]

    async def refused(self, method: str, **parameters: Any) -> str:
        """Give why a call is a bad request."""
        answer = await self.call(method, **parameters)
        assert (answer["ok"], answer["error_code"]) == (False, 400)
        description: str = answer["description"]
        return description.removeprefix("Bad Request: ")


@pytest.fixture
def server() -> Iterator[Server]:
    """Serve a Telegram that knows Ann (1), a group (-100) and a channel (-200)."""
    telegram = TelegramServer(TOKEN)
    telegram.private_chat(telegram.person(1))
    telegram.group(-100, username="the_group")
    telegram.channel(-200)
    with serve(telegram.application()) as url:
        yield telegram, url


@pytest.fixture
async def wire(server: Server) -> AsyncGenerator[Wire]:
    """Open a raw client."""
    telegram, url = server
    async with aiohttp.ClientSession() as session:
        yield Wire(session, url, telegram)


@pytest.fixture
async def bot(server: Server) -> AsyncGenerator[Bot]:
    """Open an aiogram bot."""
    api = TelegramAPIServer.from_base(server[1])
    async with Bot(TOKEN, session=AiohttpSession(api=api)) as bot:
        yield bot


NO_ACTION = "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard"


def ann_says(telegram: TelegramServer, text: str | None = "hi", **fields: Any) -> Json:
    ann = telegram.person(1)
    return telegram.message(telegram.private_chat(ann), ann, text, **fields)


# aiogram's models understand every answer


async def test_aiogram_reads_messages(server: Server, bot: Bot) -> None:
    """A sent, a replied-to and an edited message arrive as aiogram's Message with all parts."""
    telegram, _ = server
    asked = ann_says(telegram)["message"]
    bold = MessageEntity(type="bold", offset=0, length=2)
    markup = InlineKeyboardMarkup(
        inline_keyboard=[[InlineKeyboardButton(text="Yes", callback_data="yes")]]
    )
    sent = await bot.send_message(
        1,
        "👉 hello",
        entities=[bold],
        reply_parameters=ReplyParameters(message_id=asked["message_id"]),
        reply_markup=markup,
        disable_notification=True,
    )
    assert (sent.text, sent.chat.id) == ("👉 hello", 1)
    assert [entity.model_dump() for entity in sent.entities or ()] == [bold.model_dump()]
    assert sent.from_user is not None
    assert sent.from_user.id == 123456
    assert sent.reply_to_message is not None
    assert sent.reply_to_message.text == "hi"
    assert sent.reply_markup is not None
    assert sent.reply_markup.model_dump() == markup.model_dump()
    edited = await bot.edit_message_text("bye", chat_id=1, message_id=sent.message_id)
    assert isinstance(edited, Message)
    assert (edited.text, edited.entities, edited.reply_markup) == ("bye", None, None)
    assert edited.edit_date
    assert [message["text"] for message in telegram.sent(1)] == ["bye"]
    assert await bot.delete_message(1, sent.message_id)
    assert telegram.sent() == []
    assert telegram.violations == []


async def test_aiogram_reads_the_rest(server: Server, bot: Bot) -> None:
    """The results of the other methods are read by aiogram, too."""
    telegram, url = server
    assert (await bot.get_me()).username == "test_bot"
    assert (await bot.get_chat("@the_group")).id == -100
    assert await bot.send_chat_action(1, "typing")
    assert await bot.send_message_draft(1, 7, text="Thin", can_stop=True)
    assert await bot.set_webhook(f"{url}/hook", secret_token="abc", allowed_updates=["message"])
    assert (await bot.get_webhook_info()).allowed_updates == ["message"]
    assert await bot.delete_webhook()
    commands = [BotCommand(command="start", description="Begin")]
    scope = BotCommandScopeAllPrivateChats()
    assert await bot.set_my_commands(commands, scope, "de")
    received = await bot.get_my_commands(scope, "de")
    assert [(command.command, command.description) for command in received] == [("start", "Begin")]
    assert await bot.delete_my_commands(scope, "de")
    assert await bot.set_my_name("Robo")
    assert (await bot.get_my_name()).name == "Robo"
    assert await bot.set_my_description("Long")
    assert (await bot.get_my_description()).description == "Long"
    assert await bot.set_my_short_description("Short")
    assert (await bot.get_my_short_description()).short_description == "Short"
    query = telegram.update(
        callback_query={"id": "q1", "from": telegram.person(1), "chat_instance": "1"}
    )
    telegram.deliver(query)
    telegram.deliver(ann_says(telegram, "/start", photo=b"jpeg"))
    assert await bot.answer_callback_query("q1")
    updates = await bot.get_updates(allowed_updates=["message", "callback_query"])
    assert [update.event_type for update in updates] == ["message"]
    assert telegram.violations == []


async def test_aiogram_downloads(server: Server, bot: Bot) -> None:
    """A file that aiogram asks for by its identifier arrives byte by byte."""
    file_id = server[0].add_file(b"bytes", "documents/a b.txt")
    content = await bot.download(file_id)
    assert content is not None
    assert content.read() == b"bytes"


# What people do


def test_messages_of_people(server: Server) -> None:
    """A message has the chat's next identifier, its sender, its marks and what it replies to."""
    telegram, _ = server
    ann = telegram.person(1, "Ann", "ann_b")
    group = telegram.group(-100)
    first = telegram.message(group, ann, "👉 /start@test_bot")
    second = telegram.message(group, ann, "yes", reply_to=first)
    assert first["update_id"] < second["update_id"]
    message = first["message"]
    assert (message["message_id"], second["message"]["message_id"]) == (1, 2)
    assert (message["from"], message["chat"]) == (ann, group)
    assert message["entities"] == [{"type": "bot_command", "offset": 3, "length": 15}]
    assert second["message"]["reply_to_message"]["text"] == message["text"]
    nested = telegram.message(group, ann, "x", reply_to=second["message"])["message"]
    assert "reply_to_message" not in nested["reply_to_message"]


async def test_people_edit(wire: Wire) -> None:
    """An edited message keeps its place and date, and stands with its new text and marks."""
    telegram = wire.telegram
    asked = ann_says(telegram, "/start", caption="@ann_b")
    update = telegram.edit(asked, "see #tag", colour="red")
    edited = update["edited_message"]
    assert update["update_id"] == asked["update_id"] + 1
    kept = ("message_id", "date", "from", "chat", "caption_entities")
    assert all(edited[name] == asked["message"][name] for name in kept)
    assert (edited["text"], edited["colour"]) == ("see #tag", "red")
    assert edited["entities"] == [{"type": "hashtag", "offset": 4, "length": 4}]
    assert edited["edit_date"] >= edited["date"]
    again = telegram.edit(edited, "plain", caption="plain")["edited_message"]
    assert not again.keys() & {"entities", "caption_entities"}
    reply = {"message_id": edited["message_id"]}
    sent = await wire.result("sendMessage", chat_id=1, text="yes", reply_parameters=reply)
    assert sent["reply_to_message"] == again
    with pytest.raises(ValueError, match="is the bot's"):
        telegram.edit(sent, "no")
    await wire.result("deleteMessage", chat_id=1, message_id=edited["message_id"])
    with pytest.raises(ValueError, match="does not stand"):
        telegram.edit(asked, "no")


def test_channels_edit(server: Server) -> None:
    """A changed post is an update of its own kind."""
    telegram, _ = server
    post = telegram.message(telegram.channel(-200), None, "news")
    assert telegram.edit(post, "olds")["edited_channel_post"]["text"] == "olds"


def test_messages_of_chats(server: Server) -> None:
    """A channel posts as itself, and a group's anonymous administrator as the group."""
    telegram, _ = server
    channel, group = telegram.channel(-200), telegram.group(-100)
    post = telegram.message(channel, None, "news")["channel_post"]
    assert post["sender_chat"] == channel
    assert "from" not in post
    anonymous = telegram.message(group, telegram.person(2), "x", sender_chat=group)["message"]
    assert anonymous["sender_chat"] == group


def test_photos(server: Server) -> None:
    """A photo comes in ascending sizes with bytes of their own, and its caption is marked."""
    telegram, _ = server
    message = ann_says(telegram, None, photo=[b"s", b"large"], caption="@ann_b")["message"]
    small, large = message["photo"]
    assert (small["file_size"], large["file_size"]) == (1, 5)
    assert small["width"] < large["width"]
    assert small["file_id"] != large["file_id"]
    assert message["caption_entities"][0]["type"] == "mention"
    assert "text" not in message
    assert len(ann_says(telegram, None, photo=b"one")["message"]["photo"]) == 3


# The wire


@pytest.mark.parametrize("form", ["json", "urlencoded", "multipart", "query"])
async def test_forms_of_a_request(wire: Wire, form: str) -> None:
    """Parameters are the same in a JSON body, in both kinds of form, and in the query."""
    entities = [{"type": "bold", "offset": 0, "length": 2}]
    fields = {"chat_id": "1", "text": "hi", "entities": json.dumps(entities)}
    fields["disable_notification"] = "true"
    url = f"{wire.url}/bot{TOKEN}/SENDmessage"
    arguments: Json = {"data": fields}
    if form == "json":
        arguments = {"json": {**fields, "chat_id": 1, "entities": entities, "reply_markup": None}}
    elif form == "multipart":
        with aiohttp.MultipartWriter("form-data") as writer:
            for name, value in fields.items():
                part = writer.append(value)
                part.set_content_disposition("form-data", name=name)
        arguments = {"data": writer}
    elif form == "query":
        arguments = {"params": fields}
    verb = "GET" if form == "query" else "POST"
    async with wire.session.request(verb, url, **arguments) as response:
        assert (await response.json())["result"]["entities"] == entities
    (call,) = wire.telegram.calls_of("sendMessage")
    assert call.parameters == {
        "chat_id": 1,
        "text": "hi",
        "entities": entities,
        "disable_notification": True,
    }
    assert (call.method, call.ok, call.error_code) == ("sendMessage", True, None)
    assert wire.telegram.violations == []


@pytest.mark.parametrize(
    ("path", "code", "description"),
    [
        ("bot123456:wrong/getMe", 401, "Unauthorized"),
        ("file/bot123456:wrong/a", 401, "Unauthorized"),
        (f"bot{TOKEN}/getMee", 404, "Not Found: method not found"),
        (
            f"bot{TOKEN}/sendphoto",
            404,
            "Not Found: sendPhoto is not simulated by this sandbox",
        ),
        (f"file/bot{TOKEN}/none", 404, "Not Found"),
        ("elsewhere", 404, "Not Found"),
    ],
)
async def test_wrong_addresses(wire: Wire, path: str, code: int, description: str) -> None:
    """A wrong token, method, file or path is refused in Telegram's JSON."""
    async with wire.session.get(f"{wire.url}/{path}") as response:
        answer = {"ok": False, "error_code": code, "description": description}
        assert (response.status, await response.json()) == (code, answer)


@pytest.mark.parametrize("body", ["{", "[]"])
async def test_body_that_is_no_object(wire: Wire, body: str) -> None:
    """A JSON body must be an object."""
    url = f"{wire.url}/bot{TOKEN}/getMe"
    headers = {"Content-Type": "application/json"}
    async with wire.session.post(url, data=body, headers=headers) as response:
        assert response.status == 400
    assert wire.telegram.calls[0].ok is False


@pytest.mark.parametrize(
    ("method", "name", "value"),
    [
        ("sendMessage", "chat_id", "x"),
        ("sendMessage", "text", 5),
        ("sendMessage", "entities", "[{"),
        ("sendMessage", "entities", {}),
        ("sendMessage", "reply_parameters", []),
        ("sendMessage", "disable_notification", "maybe"),
        ("getUpdates", "limit", True),
        ("getUpdates", "limit", [1]),
    ],
)
async def test_parameters_of_a_wrong_kind(wire: Wire, method: str, name: str, value: Any) -> None:
    """A value that the method cannot read is a bad request that names the parameter."""
    parameters = {"chat_id": 1, "text": "hi"} if method == "sendMessage" else {}
    assert name in await wire.refused(method, **{**parameters, name: value})


async def test_careless_parameters_are_violations(wire: Wire) -> None:
    """An unknown parameter and an identifier beyond 52 bits are reported, a large one is not."""
    wire.telegram.private_chat(wire.telegram.person(2**52 - 1))
    await wire.result("sendMessage", chat_id=2**52 - 1, text="hi")
    assert wire.telegram.violations == []
    await wire.result("getMe", colour="red")
    await wire.refused("sendMessage", chat_id=2**52, text="hi")
    assert wire.telegram.violations == [
        "getMe: unknown parameter colour",
        "sendMessage: chat_id has more than 52 bits",
    ]


# Messages


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"text": "hi"}, "chat_id is empty"),
        ({"chat_id": 5, "text": "hi"}, "chat not found"),
        ({"chat_id": "@nobody", "text": "hi"}, "chat not found"),
        ({"chat_id": 1}, "message text is empty"),
        ({"chat_id": 1, "text": " \n"}, "message text is empty"),
        ({"chat_id": 1, "text": "x" * 4097}, "message is too long"),
        (
            {"chat_id": 1, "text": "hi", "parse_mode": "HTML"},
            "parse_mode HTML is not simulated: send entities",
        ),
        (
            {"chat_id": 1, "text": "hi", "entities": [{}]},
            "can't parse MessageEntity: Can't find field \"type\"",
        ),
        (
            {"chat_id": 1, "text": "hi", "reply_parameters": {"message_id": 99}},
            "message to be replied not found",
        ),
        ({"chat_id": -100, "text": "hi", "message_thread_id": 5}, "message thread not found"),
        (
            {"chat_id": 1, "text": "hi", "reply_markup": {"inline_keyboard": [[{}]]}},
            "can't parse inline keyboard button: Text buttons are unallowed",
        ),
        (
            {
                "chat_id": 1,
                "text": "hi",
                "reply_markup": {"inline_keyboard": [[{"text": "a", "callback_data": "é" * 33}]]},
            },
            "BUTTON_DATA_INVALID",
        ),
        (
            {
                "chat_id": 1,
                "text": "hi",
                "reply_markup": {"inline_keyboard": [[{"text": "a"}]]},
            },
            NO_ACTION,
        ),
        *(
            (
                {
                    "chat_id": 1,
                    "text": "hi",
                    "reply_markup": {"inline_keyboard": [[{"text": "a", "url": url}]]},
                },
                f"inline keyboard button URL '{url}' is invalid: Wrong HTTP URL",
            )
            for url in ("javascript:alert(1)", "example.org", "http://[oops", 5)
        ),
        *(
            (
                {"chat_id": 1, "text": "hi", "reply_markup": {"inline_keyboard": rows}},
                'field "inline_keyboard" of the InlineKeyboardMarkup must be an Array of Arrays',
            )
            for rows in (5, [{"text": "a", "callback_data": "b"}])
        ),
    ],
)
async def test_refused_messages(wire: Wire, parameters: Json, reason: str) -> None:
    """What Telegram does not send is refused in its words and stands nowhere."""
    assert await wire.refused("sendMessage", **parameters) == reason
    assert wire.telegram.sent() == []
    call = wire.telegram.calls[-1]
    assert (call.ok, call.error_code, call.description) == (False, 400, f"Bad Request: {reason}")


async def test_a_button_has_one_action(wire: Wire) -> None:
    """Telegram performs one of several: that is reported."""
    for url in ("https://example.org", "tg://resolve?domain=a", "http://example.org"):
        row = [{"text": "a", "url": url, "callback_data": None}]
        await wire.result(
            "sendMessage", chat_id=1, text="hi", reply_markup={"inline_keyboard": [row]}
        )
    assert wire.telegram.violations == []
    row = [{"text": "a", "url": "https://example.org", "callback_data": "b"}]
    await wire.result("sendMessage", chat_id=1, text="hi", reply_markup={"inline_keyboard": [row]})
    assert wire.telegram.violations == ["a button with callback_data and url"]


def test_all_methods_are_known() -> None:
    """What aiogram can call is simulated or said not to be."""
    names = {
        getattr(method, "__api_method__", None)
        for method in vars(aiogram.methods).values()
        if isinstance(method, type)
    }
    assert {name for name in names if isinstance(name, str)} == METHODS


async def test_what_is_not_simulated(wire: Wire) -> None:
    """A method of the real Bot API that is missing here is reported."""
    assert (await wire.call("SENDPHOTO", chat_id=1))["error_code"] == 404
    assert wire.telegram.violations == ["sendPhoto is not simulated by this sandbox"]


async def test_a_bounded_record() -> None:
    """A server that runs for long keeps the last of what it records."""
    telegram = TelegramServer(TOKEN, kept=3)
    telegram.private_chat(telegram.person(1))
    telegram.faults.add(Refuse(403, "Forbidden"), "getChat", times=None)
    with serve(telegram.application()) as url:
        async with aiohttp.ClientSession() as session:
            wire = Wire(session, url, telegram)
            for number in range(5):
                await wire.call("getChat", chat_id=1)
                await wire.call("sendPhoto", chat_id=number)
    assert [call.method for call in telegram.calls] == ["sendPhoto", "getChat", "sendPhoto"]
    assert (len(telegram.violations), len(telegram.faults.happened)) == (3, 3)


async def test_sent_text_is_trimmed(wire: Wire) -> None:
    """White space around a text goes, and its entities move along."""
    entities = [{"type": "bold", "offset": 2, "length": 4}]
    sent = await wire.result("sendMessage", chat_id=1, text="\n hi  ", entities=entities)
    assert (sent["text"], sent["entities"]) == (
        "hi",
        [{"type": "bold", "offset": 0, "length": 2}],
    )


async def test_entity_violations_are_reported(wire: Wire) -> None:
    """What Telegram mends in silence is sent and reported."""
    entities = [{"type": "bold", "offset": 0, "length": 0}]
    sent = await wire.result("sendMessage", chat_id=1, text="hi", entities=entities)
    assert "entities" not in sent
    assert wire.telegram.violations == ["empty bold entity"]


async def test_reply_to_a_message_that_is_gone(wire: Wire) -> None:
    """With the permission to do without, the message is sent as no reply."""
    reply = {"message_id": 99, "allow_sending_without_reply": True}
    sent = await wire.result("sendMessage", chat_id=1, text="hi", reply_parameters=reply)
    assert "reply_to_message" not in sent


async def test_reply_in_another_chat(wire: Wire) -> None:
    """A reply may name the chat of its message; what is not simulated is reported."""
    asked = ann_says(wire.telegram)["message"]
    reply = {"message_id": asked["message_id"], "chat_id": 1}
    sent = await wire.result("sendMessage", chat_id=-100, text="hi", reply_parameters=reply)
    assert sent["reply_to_message"]["chat"]["id"] == 1
    assert wire.telegram.violations == []
    await wire.result(
        "sendMessage", chat_id=1, text="hi", reply_parameters={**reply, "quote": "h"}
    )
    assert wire.telegram.violations == ["reply_parameters.quote is not simulated"]


async def test_topics(wire: Wire) -> None:
    """A topic that was seen takes messages, also as replies; a mere thread of a group does not."""
    telegram = wire.telegram
    ann, forum = telegram.person(1), telegram.group(-300, is_forum=True)
    asked = telegram.message(forum, ann, "hi", message_thread_id=5, is_topic_message=True)
    sent = await wire.result("sendMessage", chat_id=-300, text="yes", message_thread_id=5)
    assert (sent["message_thread_id"], sent["is_topic_message"]) == (5, True)
    reply = {"message_id": asked["message"]["message_id"]}
    sent = await wire.result("sendMessage", chat_id=-300, text="yes", reply_parameters=reply)
    assert sent["message_thread_id"] == 5
    assert await wire.result("sendChatAction", chat_id=-300, action="typing", message_thread_id=5)
    telegram.message(telegram.group(-100), ann, "hi", message_thread_id=6)
    reason = await wire.refused("sendMessage", chat_id=-100, text="no", message_thread_id=6)
    assert reason == "message thread not found"


async def test_markup_of_other_kinds(wire: Wire) -> None:
    """A keyboard for replies is accepted but no part of the message; nonsense is reported."""
    markup: Json = {"keyboard": [[{"text": "a"}]]}
    sent = await wire.result("sendMessage", chat_id=1, text="hi", reply_markup=markup)
    assert "reply_markup" not in sent
    assert wire.telegram.violations == []
    await wire.result("sendMessage", chat_id=1, text="hi", reply_markup={"buttons": []})
    assert wire.telegram.violations == ["reply_markup of no known kind"]


async def test_channel_messages(wire: Wire) -> None:
    """In a channel the bot writes as the channel, and the message counts as its own."""
    sent = await wire.result("sendMessage", chat_id=-200, text="news")
    assert sent["sender_chat"]["id"] == -200
    assert "from" not in sent
    assert len(wire.telegram.sent(-200)) == 1


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({}, "message identifier is not specified"),
        ({"message_id": 99}, "message to edit not found"),
        ({"message_id": 1}, "message can't be edited"),
        ({"message_id": 2, "text": " "}, "message text is empty"),
        (
            {"message_id": 2, "text": "old "},
            (
                "message is not modified: specified new message content and reply markup are "
                "exactly the same as a current content and reply markup of the message"
            ),
        ),
    ],
)
async def test_refused_edits(wire: Wire, parameters: Json, reason: str) -> None:
    """What cannot be edited is refused in Telegram's words and stays as it is."""
    ann_says(wire.telegram)
    await wire.result("sendMessage", chat_id=1, text="old")
    edit = {"chat_id": 1, "text": "new", **parameters}
    assert await wire.refused("editMessageText", **edit) == reason
    assert [message["text"] for message in wire.telegram.sent()] == ["old"]


@pytest.mark.parametrize(
    "change",
    [
        {"text": "new"},
        {"entities": [{"type": "bold", "offset": 0, "length": 3}]},
        {"reply_markup": {"inline_keyboard": [[{"text": "a", "callback_data": "b"}]]}},
    ],
)
async def test_edits(wire: Wire, change: Json) -> None:
    """A change of text, entities or keyboard alone is a change."""
    sent = await wire.result("sendMessage", chat_id=1, text="old")
    target = {"chat_id": 1, "message_id": sent["message_id"]}
    edited = await wire.result("editMessageText", **target, **{"text": "old", **change})
    assert edited.items() >= change.items()
    assert wire.telegram.sent() == [edited]


def keyboard(*data: str) -> Json:
    """Make an inline keyboard whose buttons are labelled with their data in capitals."""
    return {"inline_keyboard": [[{"text": each.upper(), "callback_data": each} for each in data]]}


async def test_edits_of_markup(wire: Wire) -> None:
    """A keyboard comes, changes and goes without the text; the same one again is refused."""
    sent = await wire.result("sendMessage", chat_id=1, text="old")
    target = {"chat_id": 1, "message_id": sent["message_id"]}

    async def change(markup: Json | None) -> Json:
        answer: Json = await wire.result("editMessageReplyMarkup", **target, reply_markup=markup)
        assert answer["text"] == "old"
        return answer

    async def unchanged(markup: Json | None) -> bool:
        reason = await wire.refused("editMessageReplyMarkup", **target, reply_markup=markup)
        return reason.startswith("message is not modified")

    assert await unchanged(None)
    assert await unchanged({"inline_keyboard": [[]]})
    assert (await change(keyboard("a")))["reply_markup"] == keyboard("a")
    assert await unchanged(keyboard("a"))
    assert (await change(keyboard("b")))["reply_markup"] == keyboard("b")
    assert "reply_markup" not in await change({"inline_keyboard": []})
    ann_says(wire.telegram)
    edit = {"chat_id": 1, "reply_markup": keyboard("a")}
    reason = await wire.refused("editMessageReplyMarkup", **edit, message_id=2)
    assert reason == "message can't be edited"
    reason = await wire.refused("editMessageReplyMarkup", **edit, message_id=3)
    assert reason == "message to edit not found"


async def test_deletions(wire: Wire) -> None:
    """The bot deletes what it sent, and others' messages only in private chats."""
    telegram = wire.telegram
    own = await wire.result("sendMessage", chat_id=-100, text="x")
    others = telegram.message(telegram.group(-100), telegram.person(1), "y")["message"]
    private = ann_says(telegram)["message"]

    async def refused(message: Json) -> str:
        return await wire.refused("deleteMessage", chat_id=-100, message_id=message["message_id"])

    assert await wire.result("deleteMessage", chat_id=-100, message_id=own["message_id"])
    assert await refused(own) == "message to delete not found"
    assert await refused(others) == "message can't be deleted"
    assert await wire.result("deleteMessage", chat_id=1, message_id=private["message_id"])
    assert telegram.sent() == []


async def test_old_messages_stay(wire: Wire) -> None:
    """After 48 hours a message is not deleted any more."""
    for kept in (await wire.result("sendMessage", chat_id=1, text="x"), ann_says(wire.telegram)):
        wire.telegram.age(kept, 48 * 60 * 60 - 60)
    wire.telegram.age(kept, 120)
    assert await wire.result("deleteMessage", chat_id=1, message_id=1)
    for method, ids in (
        ("deleteMessage", {"message_id": 2}),
        ("deleteMessages", {"message_ids": [2]}),
    ):
        reason = await wire.refused(method, chat_id=1, **ids)
        assert reason == "message can't be deleted for everyone"


async def test_many_deletions(wire: Wire) -> None:
    """Messages go together, without those that are gone, or stay together."""
    telegram = wire.telegram
    for text in "abc":
        await wire.result("sendMessage", chat_id=-100, text=text)
    assert await wire.result("deleteMessages", chat_id=-100, message_ids=[1, 1, 9])
    telegram.message(telegram.group(-100), telegram.person(1), "d")
    reason = await wire.refused("deleteMessages", chat_id=-100, message_ids=[2, 4])
    assert reason == "message can't be deleted"
    assert [message["text"] for message in telegram.sent()] == ["b", "c"]


@pytest.mark.parametrize(
    ("message_ids", "reason"),
    [
        ([], "message identifiers are not specified"),
        (list(range(101)), "too many message identifiers specified"),
        (["a"], "message identifier is not a Number"),
    ],
)
async def test_refused_deletions(wire: Wire, message_ids: list[Any], reason: str) -> None:
    """The identifiers of messages to delete are 1-100 numbers."""
    assert await wire.refused("deleteMessages", chat_id=1, message_ids=message_ids) == reason


async def test_read_messages_are_copies(wire: Wire) -> None:
    """What a reader does to a message does not reach the server."""
    await wire.result("sendMessage", chat_id=1, text="hi")
    wire.telegram.sent()[0]["text"] = "changed"
    assert wire.telegram.sent()[0]["text"] == "hi"


async def test_drafts(wire: Wire) -> None:
    """A draft stands in a private chat, may be empty, and ends with the next message there."""
    draft = {"draft_id": 7, "text": "", "can_stop": True, "keep_on_stop": False}
    assert await wire.result("sendMessageDraft", chat_id=1, draft_id=7, can_stop=True)
    assert wire.telegram.draft(1) == draft
    assert await wire.result("sendMessageDraft", chat_id=1, draft_id=7, text="an")
    assert wire.telegram.draft(1) == {**draft, "text": "an", "can_stop": False}
    await wire.result("sendMessage", chat_id=-100, text="elsewhere")
    assert wire.telegram.draft(1)
    await wire.result("sendMessage", chat_id=1, text="answer")
    assert wire.telegram.draft(1) is None


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"chat_id": -100, "draft_id": 1}, "TEXTDRAFT_PEER_INVALID"),
        ({"chat_id": 1}, "invalid draft identifier specified"),
        ({"chat_id": 1, "draft_id": 0}, "invalid draft identifier specified"),
        ({"chat_id": 1, "draft_id": 1, "text": "x" * 4097}, "message is too long"),
        ({"chat_id": 9, "draft_id": 1}, "chat not found"),
    ],
)
async def test_refused_drafts(wire: Wire, parameters: Json, reason: str) -> None:
    """No drafts outside private chats, without an identifier, or beyond a message's limits."""
    assert await wire.refused("sendMessageDraft", **parameters) == reason


async def test_chat_actions(wire: Wire) -> None:
    """Known actions in known chats are accepted, others are not."""
    assert await wire.result("sendChatAction", chat_id=1, action="typing")
    reason = "wrong parameter action in request"
    assert await wire.refused("sendChatAction", chat_id=1, action="dancing") == reason
    assert await wire.refused("sendChatAction", chat_id=9, action="typing") == "chat not found"


async def test_callback_queries(wire: Wire) -> None:
    """A query is answered once, with a short text."""
    wire.telegram.update(callback_query={"id": "q"})
    answer = "answerCallbackQuery"
    assert await wire.refused(answer, callback_query_id="q", text="x" * 201) == "MESSAGE_TOO_LONG"
    assert await wire.result(answer, callback_query_id="q", text="x" * 200)
    assert "query is too old" in await wire.refused(answer, callback_query_id="q")


async def test_pressed_buttons(server: Server, bot: Bot) -> None:
    """A query holds its own identifier, the button's data, and the message as it stands now."""
    telegram, _ = server
    ann = telegram.person(1)
    first = ann_says(telegram)
    asked = ann_says(telegram, "old", reply_to=first)
    sent = await bot.send_message(
        1,
        "?",
        reply_parameters=ReplyParameters(message_id=asked["message"]["message_id"]),
        reply_markup=InlineKeyboardMarkup.model_validate(keyboard("a")),
    )
    standing = telegram.sent(1)[0]
    telegram.deliver(telegram.press(standing, ann))
    await bot.edit_message_text(
        "!",
        chat_id=1,
        message_id=sent.message_id,
        reply_markup=InlineKeyboardMarkup.model_validate(keyboard("b", "c")),
    )
    telegram.edit(asked, "new")
    for data in ("b", "C"):
        telegram.deliver(telegram.press(standing, ann, data))
    queries = [update.callback_query for update in await bot.get_updates()]
    shown = [(query.data, query.message.text) for query in queries if query]  # type: ignore[union-attr]
    assert shown == [("a", "?"), ("b", "!"), ("c", "!")]
    assert len({query.id for query in queries if query}) == 3
    replied = telegram.press(standing, ann, "b")["callback_query"]["message"]["reply_to_message"]
    assert (replied["text"], "reply_to_message" in replied) == ("new", False)
    await bot.delete_message(1, asked["message"]["message_id"])
    query = telegram.press(standing, ann, "b")["callback_query"]
    assert "reply_to_message" not in query["message"]
    assert query["from"] == ann


async def test_what_cannot_be_pressed(wire: Wire) -> None:
    """There must be one button to press, under a message of the bot that stands."""
    telegram, ann = wire.telegram, wire.telegram.person(1)
    bare = await wire.result("sendMessage", chat_id=1, text="x")
    markup = keyboard("a", "b")
    markup["inline_keyboard"] += [[{"text": "Web", "url": "https://example.org"}]]
    two = await wire.result("sendMessage", chat_id=1, text="x", reply_markup=markup)
    for message, data in (
        (bare, None),
        (two, None),
        (two, "c"),
        (two, "Web"),
        (ann_says(telegram, reply_markup=keyboard("a")), "a"),
    ):
        with pytest.raises(ValueError, match="to press"):
            telegram.press(message, ann, data)
    await wire.result("deleteMessage", chat_id=1, message_id=two["message_id"])
    with pytest.raises(ValueError, match="does not stand"):
        telegram.press(two, ann, "a")
    assert telegram.unanswered == []


async def test_answers_to_queries_are_counted(wire: Wire) -> None:
    """A query without an answer is listed, and so is one with two."""
    telegram, ann = wire.telegram, wire.telegram.person(1)
    sent = await wire.result("sendMessage", chat_id=1, text="x", reply_markup=keyboard("a"))
    first, second = (telegram.press(sent, ann)["callback_query"]["id"] for _ in range(2))
    answer = "answerCallbackQuery"
    assert telegram.unanswered == [first, second]
    assert await wire.refused(answer, callback_query_id=first, text="x" * 201)
    assert telegram.unanswered == [first, second]
    assert await wire.result(answer, callback_query_id=first)
    assert (telegram.unanswered, telegram.answered_again) == ([second], [])
    for text in ("", "x" * 201):
        reason = await wire.refused(answer, callback_query_id=first, text=text)
        assert "query is too old" in reason
    assert "query is too old" in await wire.refused(answer, callback_query_id="none")
    assert (telegram.unanswered, telegram.answered_again) == ([second], [first])


async def test_chats_are_found(wire: Wire) -> None:
    """A public chat is found by its username, a person is not."""
    wire.telegram.private_chat(wire.telegram.person(2, username="bob_b"))
    assert (await wire.result("getChat", chat_id="@the_group"))["id"] == -100
    assert await wire.refused("getChat", chat_id="@bob_b") == "chat not found"
    assert await wire.refused("getChat", chat_id="@None") == "chat not found"


@pytest.mark.parametrize("status", ["creator", "administrator", "member", "left", "kicked"])
async def test_members(server: Server, bot: Bot, status: str) -> None:
    """Somebody's membership is what a test made it, and aiogram reads it."""
    telegram, _ = server
    group, ann = telegram.group(-100), telegram.person(1)
    telegram.message(group, ann, "hi")
    assert (await bot.get_chat_member(-100, 1)).status == "member"

    telegram.member(group, ann, status)
    telegram.message(group, ann, "hi")

    member = await bot.get_chat_member(-100, 1)
    assert (member.status, member.user.id) == (status, 1)


async def test_unknown_members(wire: Wire) -> None:
    """Who was never seen in a chat is no member that the bot can ask for."""
    assert await wire.refused("getChatMember", chat_id=-100, user_id=7) == "member not found"
    assert await wire.refused("getChatMember", chat_id=-100) == "invalid user_id specified"
    assert await wire.refused("getChatMember", chat_id=-9, user_id=1) == "chat not found"


# Files


async def test_files(wire: Wire) -> None:
    """A file is downloaded from the path that getFile gives, and 20 MB are the limit."""
    limit = 20 * 1024 * 1024
    file_id = wire.telegram.add_file(b"bytes", file_size=limit)
    file = await wire.result("getFile", file_id=file_id)
    assert file["file_size"] == limit
    async with wire.session.get(f"{wire.url}/file/bot{TOKEN}/{file['file_path']}") as response:
        assert await response.read() == b"bytes"
    assert wire.telegram.calls_of("file")[0].parameters == {"path": "photos/file_1.jpg"}
    large = wire.telegram.add_file(b"bytes", file_size=limit + 1)
    assert await wire.refused("getFile", file_id=large) == "file is too big"
    reason = "wrong file_id or the file is temporarily unavailable"
    assert await wire.refused("getFile", file_id="none") == reason
    assert await wire.refused("getFile") == "file_id not specified"


# Updates


def ids(updates: list[Json]) -> list[int]:
    return [update["update_id"] for update in updates]


async def test_offsets(wire: Wire) -> None:
    """Updates come again until an offset confirms them; a negative one keeps the last few."""
    queue = [ann_says(wire.telegram) for _ in range(5)]
    for update in queue:
        assert wire.telegram.deliver(update)
    assert await wire.result("getUpdates") == queue
    assert ids(await wire.result("getUpdates", limit=2)) == [1, 2]
    assert ids(await wire.result("getUpdates", offset=3)) == [3, 4, 5]
    assert ids(await wire.result("getUpdates", offset=-2)) == [4, 5]
    assert ids(wire.telegram.pending) == [4, 5]
    assert await wire.result("getUpdates", offset=6) == []
    assert wire.telegram.pending == []


async def test_allowed_updates(wire: Wire) -> None:
    """The choice of kinds is kept until the next one; without any, rare kinds are left out."""
    telegram = wire.telegram

    def kinds_taken() -> list[bool]:
        reaction = telegram.update(message_reaction={})
        return [telegram.deliver(ann_says(telegram)), telegram.deliver(reaction)]

    assert kinds_taken() == [True, False]
    await wire.result("getUpdates", allowed_updates=["message_reaction"])
    assert kinds_taken() == [False, True]
    await wire.result("getUpdates")
    assert kinds_taken() == [False, True]
    await wire.result("getUpdates", allowed_updates=[])
    assert kinds_taken() == [True, False]
    assert telegram.violations == []
    await wire.result("getUpdates", allowed_updates=["massage"])
    assert telegram.violations == ["allowed_updates: unknown kind 'massage'"]


async def test_long_polling_wakes(wire: Wire) -> None:
    """An update from another thread ends the waiting at once; without one it ends by itself."""
    assert await wire.result("getUpdates", timeout=1) == []
    update = ann_says(wire.telegram)
    timer = threading.Timer(0.1, wire.telegram.deliver, [update])
    timer.start()
    async with asyncio.timeout(20):
        assert await wire.result("getUpdates", timeout=50) == [update]
    timer.join()


async def start_polling(wire: Wire) -> asyncio.Task[Json]:
    """Start a getUpdates that waits, and be sure that it does."""
    task = asyncio.create_task(wire.call("getUpdates", timeout=50))
    await wire.telegram.wait_for(lambda: wire.telegram.polling)
    return task


async def test_one_poll_at_a_time(wire: Wire) -> None:
    """A second getUpdates ends the first with a conflict and works itself."""
    first = await start_polling(wire)
    assert await wire.result("getUpdates") == []
    assert not wire.telegram.polling
    assert await first == {
        "ok": False,
        "error_code": 409,
        "description": (
            "Conflict: terminated by other getUpdates request; "
            "make sure that only one bot instance is running"
        ),
    }


async def test_polling_and_webhook_exclude_each_other(wire: Wire) -> None:
    """A webhook ends a waiting getUpdates and forbids more of them until it is deleted."""
    first = await start_polling(wire)
    await wire.result("setWebhook", url="https://example.org/hook")
    assert "terminated by setWebhook request" in (await first)["description"]
    answer = await wire.call("getUpdates")
    assert answer["error_code"] == 409
    assert answer["description"] == (
        "Conflict: can't use getUpdates method while webhook is active; "
        "use deleteWebhook to delete the webhook first"
    )
    await wire.result("deleteWebhook")
    await wire.result("getUpdates")


async def test_shutdown_ends_polls_and_slow_answers() -> None:
    """A server that stops answers those who wait instead of keeping them."""
    telegram = TelegramServer(TOKEN)
    telegram.faults.add(Slow(60), method="getMe")
    async with aiohttp.ClientSession() as session, asyncio.timeout(20):
        with serve(telegram.application()) as url:
            wire = Wire(session, url, telegram)
            poll = await start_polling(wire)
            slow = asyncio.create_task(wire.call("getMe"))
            await telegram.wait_for(lambda: not telegram.faults)
        assert (await poll)["ok"]
        assert (await slow)["ok"]


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        (
            {"url": "http://example.org/"},
            "bad webhook: An HTTPS URL must be provided for webhook",
        ),
        (
            {"url": "https://example.org:8080/"},
            "bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443",
        ),
        ({"url": "https://[x"}, "bad webhook: Wrong URL"),
        (
            {"url": "https://a.org", "secret_token": "a b"},
            "secret token contains unallowed characters",
        ),
        ({"url": "https://a.org", "secret_token": "a" * 257}, "secret token is too long"),
    ],
)
async def test_refused_webhooks(wire: Wire, parameters: Json, reason: str) -> None:
    """A webhook needs HTTPS, one of four ports and a plain secret."""
    assert await wire.refused("setWebhook", **parameters) == reason
    assert wire.telegram.webhook == {}


async def test_webhooks(wire: Wire) -> None:
    """A webhook is kept with its settings, reported without its secret, and goes again."""
    telegram = wire.telegram
    telegram.deliver(ann_says(telegram))
    secret = "aZ09_-" + "a" * 250
    hook = {"url": "https://example.org:8443/hook", "secret_token": secret, "max_connections": 9}
    assert await wire.result("setWebhook", **hook, allowed_updates=["message"])
    assert telegram.webhook == hook
    assert await wire.result("getWebhookInfo") == {
        "url": hook["url"],
        "has_custom_certificate": False,
        "pending_update_count": 1,
        "max_connections": 9,
        "allowed_updates": ["message"],
    }
    assert await wire.result("setWebhook", url="", drop_pending_updates=True)
    info = await wire.result("getWebhookInfo")
    assert (info["url"], info["pending_update_count"], telegram.webhook) == ("", 0, {})


async def test_too_many_connections_are_a_violation(wire: Wire) -> None:
    """The number of connections is brought to what Telegram allows, and reported."""
    await wire.result("setWebhook", url="https://a.org", max_connections=101)
    assert wire.telegram.webhook["max_connections"] == 100
    assert wire.telegram.violations == ["max_connections 101 is not within 1-100"]


async def test_loopback_webhooks_may_be_forbidden() -> None:
    """Plain HTTP on loopback passes by default and does not where it is switched off."""
    async with aiohttp.ClientSession() as session:
        for allowed in (True, False):
            telegram = TelegramServer(TOKEN, loopback_webhooks=allowed)
            with serve(telegram.application()) as url:
                answer = await Wire(session, url, telegram).call("setWebhook", url=url)
                assert answer["ok"] is allowed


# Pace


def call(method: str, at: float, chat_id: Any = 1, code: int | None = None, **more: Any) -> Call:
    """Record a call; `message_id` and `stop` say which message it leaves, and whether growing."""
    parameters = {"chat_id": chat_id}
    if more.get("stop"):
        parameters["reply_markup"] = keyboard("again", "stop:1")
    if method.startswith("edit"):
        parameters["message_id"] = more["message_id"]
        more["message_id"] = None
    message_id = more.get("message_id")
    return Call(method, parameters, code is None, code, None, at, message_id)


def growing(method: str, at: float, chat_id: Any = 1, **more: Any) -> Call:
    return call(method, at, chat_id, **{"message_id": 7, "stop": True, **more})


SLOW_GROUP = [call("sendMessage", at * 3.1, -100, message_id=at) for at in range(21)]
FULL_GROUP = [
    call(method, at * 2.9, -100, message_id=at)
    for at, method in enumerate(
        ["sendMessage", "sendRichMessage", "editMessageText", "editMessageReplyMarkup"] * 6
    )
]


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        (
            [call("sendMessageDraft", 0), call("sendRichMessageDraft", 0.25)],
            ["drafts in 1: 0.250 s apart, pace 0.5 s"],
        ),
        (
            [call("sendRichMessageDraft", 0.25, code=400), call("sendMessageDraft", 0, code=None)],
            ["drafts in 1: 0.250 s apart, pace 0.5 s"],
        ),
        ([call("sendMessageDraft", 0), call("sendMessageDraft", 0.5)], []),
        ([call("sendMessageDraft", 0), call("sendMessageDraft", 0.25, 2)], []),
        ([call("sendMessageDraft", 0), call("sendMessageDraft", 0.25, code=429)], []),
        ([call("sendMessageDraft", 0), call("sendMessage", 0.25, message_id=1)], []),
        (
            [growing("sendMessage", 0), growing("editMessageText", 0.75)],
            ["message 7 of 1: 0.750 s apart, pace 1 s"],
        ),
        (
            [growing("sendRichMessage", 0, -100), growing("editMessageReplyMarkup", 2, -100)],
            ["message 7 of -100: 2.000 s apart, pace 3 s"],
        ),
        (
            [
                growing("editMessageText", 0, "@the_group"),
                growing("editMessageText", 2, "@the_group"),
            ],
            ["message 7 of @the_group: 2.000 s apart, pace 3 s"],
        ),
        ([growing("sendMessage", 0), growing("editMessageText", 1)], []),
        ([growing("sendMessage", 0), growing("editMessageText", 0.5, stop=False)], []),
        ([growing("sendMessage", 0, stop=False), growing("editMessageText", 0.5)], []),
        ([growing("sendMessage", 0), growing("editMessageText", 0.5, message_id=8)], []),
        ([growing("sendMessage", 0), growing("editMessageText", 0.5, 2)], []),
        ([growing("sendMessage", 0), growing("editMessageText", 0.5, code=429)], []),
        ([growing("sendMessage", 0, message_id=None)] * 2, []),
        (
            [
                growing("editMessageText", 0),
                growing("editMessageText", 0.2, stop=False),
                growing("editMessageText", 0.5),
            ],
            ["message 7 of 1: 0.500 s apart, pace 1 s"],
        ),
        (SLOW_GROUP, []),
        (FULL_GROUP, ["group -100: 21 messages and edits within 60.0 s, limit 20"]),
        (FULL_GROUP[:20], []),
        ([call("deleteMessage", 0, -100)] * 21, []),
        ([call("sendMessage", at, 1, message_id=at) for at in range(21)], []),
        ([call("sendMessage", at, -100, code=429) for at in range(21)], []),
    ],
)
def test_pace(calls: list[Call], expected: list[str]) -> None:
    """What came too soon is told, and nothing that only looks so."""
    telegram = TelegramServer(TOKEN)
    telegram.calls += calls
    assert telegram.too_fast(0.5, 1, 3) == expected


async def test_pace_of_real_calls(wire: Wire) -> None:
    """A sent message and its edit are known to be the same one."""
    stop = keyboard("stop:1")
    sent = await wire.result("sendMessage", chat_id=1, text="a", reply_markup=stop)
    target = {"chat_id": 1, "message_id": sent["message_id"]}
    await wire.result("editMessageText", **target, text="ab", reply_markup=stop)
    await wire.result("editMessageText", **target, text="abc")
    (haste,) = wire.telegram.too_fast(60, 60, 60)
    assert haste.startswith(f"message {sent['message_id']} of 1: ")
    assert wire.telegram.too_fast(0, 0, 0) == []


async def test_pace_of_odd_calls(wire: Wire) -> None:
    """Calls that were refused for their form are no obstacle."""
    for markup in ("[{", "{}", {"inline_keyboard": 5}, {"inline_keyboard": [[5], 5]}, [5]):
        await wire.call("editMessageText", chat_id=1, message_id=9, text="x", reply_markup=markup)
    assert wire.telegram.too_fast(1, 1, 1) == []


# The bot's profile


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"commands": ["start"]}, "can't parse BotCommand: expected an Object"),
        ({"commands": [{"command": "Start", "description": "x"}]}, "BOT_COMMAND_INVALID"),
        ({"commands": [{"command": "a" * 33, "description": "x"}]}, "BOT_COMMAND_INVALID"),
        ({"commands": [{"command": "a"}]}, "BOT_COMMAND_DESCRIPTION_INVALID"),
        (
            {"commands": [{"command": "a", "description": "x" * 257}]},
            "BOT_COMMAND_DESCRIPTION_INVALID",
        ),
        ({"commands": [{"command": "a", "description": "x"}] * 101}, "BOT_COMMANDS_TOO_MUCH"),
        ({"commands": [], "language_code": "deu"}, "invalid language code specified"),
        (
            {"commands": [], "scope": {"type": "galaxy"}},
            "can't parse BotCommandScope: Unsupported type specified",
        ),
        (
            {"commands": [], "scope": {"type": "chat"}},
            "can't parse BotCommandScope: Can't find field \"chat_id\"",
        ),
    ],
)
async def test_refused_commands(wire: Wire, parameters: Json, reason: str) -> None:
    """Commands, languages and scopes that Telegram does not know are refused."""
    assert await wire.refused("setMyCommands", **parameters) == reason


async def test_commands_by_scope_and_language(wire: Wire) -> None:
    """Commands are kept for exactly one scope and language each."""
    commands = [{"command": "a_9" + "b" * 29, "description": "x" * 256}] * 100
    chat = {"scope": {"type": "chat", "chat_id": 1}, "language_code": "de"}
    assert await wire.result("setMyCommands", commands=commands, **chat)
    assert await wire.result("getMyCommands", **chat) == commands
    assert await wire.result("getMyCommands", language_code="de") == []
    assert await wire.result("getMyCommands", scope=chat["scope"]) == []
    assert await wire.result("deleteMyCommands", **chat)
    assert await wire.result("getMyCommands", **chat) == []


async def test_texts_by_language(wire: Wire) -> None:
    """A text in a language goes before the one for all; without any there is the default."""
    assert await wire.result("getMyName") == {"name": "Test Bot"}
    assert await wire.result("setMyDescription", description="all")
    assert await wire.result("setMyDescription", description="alle", language_code="de")
    for language, text in (("de", "alle"), ("fr", "all")):
        answer = await wire.result("getMyDescription", language_code=language)
        assert answer == {"description": text}
    assert await wire.result("setMyName")
    assert await wire.result("getMyName") == {"name": "Test Bot"}
    assert await wire.result("getMyShortDescription") == {"short_description": ""}


@pytest.mark.parametrize(
    ("method", "field", "limit"),
    [
        ("setMyName", "name", 64),
        ("setMyDescription", "description", 512),
        ("setMyShortDescription", "short_description", 120),
    ],
)
async def test_limits_of_texts(wire: Wire, method: str, field: str, limit: int) -> None:
    """A text of the limit's length passes, a longer one does not."""
    assert await wire.result(method, **{field: "x" * limit})
    assert "is too long" in await wire.refused(method, **{field: "x" * (limit + 1)})


# Faults


async def test_aiogram_reads_the_errors(server: Server, bot: Bot) -> None:
    """Each kind of fault raises what aiogram raises with the real Telegram."""
    faults = server[0].faults
    migration = Refuse(400, "Bad Request: group chat was upgraded", {"migrate_to_chat_id": -5})
    for fault, expected in (
        (Flood(3), TelegramRetryAfter),
        (ServerError(502, "Bad Gateway"), TelegramServerError),
        (HtmlError(502), ClientDecodeError),
        (migration, TelegramMigrateToChat),
        (Refuse(400, "Bad Request: no"), TelegramBadRequest),
        (Drop(before=True), TelegramNetworkError),
        (Drop(before=False), TelegramNetworkError),
    ):
        faults.add(fault, method="sendMessage")
        with pytest.raises(expected):
            await bot.send_message(1, "hi")
    assert await bot.send_message(1, "hi")


async def test_flood(wire: Wire) -> None:
    """A flood answers 429 with the seconds to wait, in the body and in the header."""
    wire.telegram.faults.add(Flood(retry_after=3), method="getMe")
    async with wire.session.get(f"{wire.url}/bot{TOKEN}/getMe") as response:
        assert response.headers["Retry-After"] == "3"
        assert await response.json() == {
            "ok": False,
            "error_code": 429,
            "description": "Too Many Requests: retry after 3",
            "parameters": {"retry_after": 3},
        }
    assert await wire.result("getMe")


@pytest.mark.parametrize(
    "fault", [Flood(), ServerError(), HtmlError(), Refuse(403, "Forbidden: no"), Drop()]
)
async def test_a_fault_before_processing_changes_nothing(wire: Wire, fault: Any) -> None:
    """A call that a fault refuses leaves no message, but a record of the failure."""
    wire.telegram.faults.add(fault)
    with pytest.raises(
        (aiohttp.ServerDisconnectedError, AssertionError, aiohttp.ContentTypeError)
    ):
        await wire.result("sendMessage", chat_id=1, text="hi")
    assert wire.telegram.sent() == []
    (call,) = wire.telegram.calls
    assert (call.ok, call.error_code) == (False, getattr(fault, "code", call.error_code))


async def test_html_error(wire: Wire) -> None:
    """A proxy's page comes with its status and its encoding."""
    wire.telegram.faults.add(HtmlError(503))
    async with wire.session.get(f"{wire.url}/bot{TOKEN}/getMe") as response:
        assert (response.status, response.content_type) == (503, "text/html")
    wire.telegram.faults.add(HtmlError(200, b"\xfc", "text/html; charset=latin-1"))
    async with wire.session.get(f"{wire.url}/bot{TOKEN}/getMe") as response:
        assert (response.status, response.charset) == (200, "latin-1")
        assert await response.read() == b"\xfc"


@pytest.mark.parametrize("before", [True, False])
async def test_dropped_connections(wire: Wire, *, before: bool) -> None:
    """A connection breaks before the message is sent, or after it, and the next one works."""
    wire.telegram.faults.add(Drop(before=before))
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await wire.call("sendMessage", chat_id=1, text="hi")
    assert len(wire.telegram.sent()) == (0 if before else 1)
    (call,) = wire.telegram.calls
    assert (call.ok, call.error_code) == (not before, None)
    assert await wire.result("getMe")


async def test_slow_answer(wire: Wire) -> None:
    """A slow call works later than the others, which do not wait for it."""
    telegram = wire.telegram
    telegram.faults.add(Slow(2), method="sendMessage")
    slow = asyncio.create_task(wire.result("sendMessage", chat_id=1, text="hi"))
    await telegram.wait_for(lambda: not telegram.faults)
    assert await wire.result("getMe")
    assert telegram.sent() == []
    assert await slow in telegram.sent()
    assert [call.method for call in telegram.calls] == ["getMe", "sendMessage"]


async def test_file_faults(wire: Wire) -> None:
    """Downloads fail on demand, and methods do not with them."""
    path = (await wire.result("getFile", file_id=wire.telegram.add_file(b"x")))["file_path"]
    wire.telegram.faults.add(ServerError(500), method="file")
    assert await wire.result("getMe")
    statuses = []
    for _ in range(2):
        async with wire.session.get(f"{wire.url}/file/bot{TOKEN}/{path}") as response:
            statuses.append(response.status)
    assert statuses == [500, 200]


async def test_scope_of_faults(wire: Wire) -> None:
    """A fault waits its turn, counts only calls that fit, and ends after its times."""
    telegram = wire.telegram
    telegram.faults.add(Flood(), method="SendMessage", times=2, chat_id=1, after=1)

    async def codes(chat_id: int, count: int) -> list[int | None]:
        answers = [await wire.call("sendMessage", chat_id=chat_id, text="x") for _ in range(count)]
        return [answer.get("error_code") for answer in answers]

    assert await codes(-100, 2) == [None, None]
    assert await wire.result("sendChatAction", chat_id=1, action="typing")
    assert await codes(1, 4) == [None, 429, 429, None]


async def test_lasting_faults_are_cleared(wire: Wire) -> None:
    """A fault without a number of times lasts until all are cleared."""
    wire.telegram.faults.add(ServerError(), times=None)
    for _ in range(3):
        assert (await wire.call("getMe"))["error_code"] == 500
    wire.telegram.faults.clear()
    assert await wire.result("getMe")


async def test_waiting_for_what_never_comes(wire: Wire) -> None:
    """Polling gives what it waited for, or ends with a TimeoutError."""
    assert await wire.telegram.wait_for(lambda: "there") == "there"
    with pytest.raises(TimeoutError):
        await wire.telegram.wait_for(wire.telegram.sent, timeout=0.05)
