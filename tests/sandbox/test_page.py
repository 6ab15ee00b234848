"""The sandbox's page over HTTP, with a stand-in for the bot's webhook."""

import asyncio
import base64
import json
import re
import struct
import time
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from bot.sandbox import world as worlds
from bot.sandbox.guard import guard
from bot.sandbox.servers import Address, serve
from bot.sandbox.site import FOLDER, HEADERS, Page
from bot.sandbox.stage import FORUM, GROUP
from bot.sandbox.store import StoreError
from bot.sandbox.switches import FAULTS
from bot.sandbox.world import World, open_world
from tests.support.sandbox_page import Json, Visitor, visit
from tests.support.servers import until

TOKEN = "1000000001:made-up-for-the-sandbox-0123456789"
SECRET = "made-up-webhook-secret"
MODEL = {"builtin": True, "name": "a model"}
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 64, 48) + b"\x08\x06\0\0\0"
ANYWHERE = "0.0.0.0"  # noqa: S104 - nothing listens there
MODULE_HEADERS = HEADERS | {"Cache-Control": "no-cache"}
JSON_HEADERS = {"Content-Type": "application/json"}


HELLO = {"chat_id": 1001, "person_id": 1001, "text": "Hello"}


class Webhook:
    """Takes updates as a bot would, and answers with what is queued, else 200."""

    def __init__(self) -> None:
        self.updates: list[Json] = []
        self.secrets: list[str | None] = []
        self.times: list[float] = []
        self.answers: deque[web.Response] = deque()
        self.gate = asyncio.Event()
        self.gate.set()

    async def take(self, request: web.Request) -> web.Response:
        self.times.append(time.monotonic())
        self.updates.append(await request.json())
        self.secrets.append(request.headers.get("X-Telegram-Bot-Api-Secret-Token"))
        await self.gate.wait()
        return self.answers.popleft() if self.answers else web.Response()

    def application(self) -> web.Application:
        application = web.Application()
        application.router.add_post("/webhook", self.take)
        return application

    async def got(self, count: int) -> list[Json]:
        """Wait for so many deliveries, and give them."""
        await until(lambda: len(self.updates) >= count)
        return self.updates

    @property
    def texts(self) -> list[str]:
        return [update["message"]["text"] for update in self.updates if "message" in update]


class Scene:
    """A page, the bot's side of it, and what the bot's webhook gets."""

    def __init__(self, visitor: Visitor, webhook: Webhook, world: World, hook: str) -> None:
        self.visitor = visitor
        self.webhook = webhook
        self.world = world
        self._hook = hook

    async def call(self, method: str, **parameters: Any) -> Json:
        """Call the Bot API as the bot does."""
        url = f"{self.visitor.url}/bot{TOKEN}/{method}"
        async with self.visitor.session.post(url, json=parameters) as response:
            answer: Json = await response.json()
            return answer

    async def register(self, **more: Any) -> None:
        """Set the webhook."""
        answer = await self.call("setWebhook", url=self._hook, secret_token=SECRET, **more)
        assert answer["ok"]


@asynccontextmanager
async def open_scene(folder: Path, *, told: str = "127.0.0.1", real: bool = False) -> Any:
    webhook = Webhook()
    async with (
        open_world(TOKEN, MODEL | {"builtin": not real}, folder) as world,
        serve(webhook.application(), Address("127.0.0.1", 0)) as hook,
    ):
        application = world.telegram.application(Page(world).routes())
        application.middlewares.append(guard(told))
        application.on_shutdown.append(world.close)
        async with (
            serve(application, Address("127.0.0.1", 0)) as address,
            visit(address.url) as visitor,
        ):
            yield Scene(visitor, webhook, world, f"{hook.url}/webhook")


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncGenerator[Scene]:
    """Open a page whose bot has set its webhook."""
    async with open_scene(tmp_path) as scene:
        await scene.register()
        yield scene


# What is there


async def test_the_first_event_shows_everything(scene: Scene) -> None:
    """People, chats, topics and switches are there at once, and a second page sees the same."""
    shown = scene.visitor.snapshot
    assert [person["first_name"] for person in shown["people"]] == ["Ann", "Ben", "Cleo"]
    assert [(chat["chat"]["id"], chat["members"]) for chat in shown["chats"]] == [
        (1001, [1001]),
        (1002, [1002]),
        (1003, [1003]),
        (GROUP, [1001, 1002, 1003]),
        (FORUM, [1001, 1002, 1003]),
    ]
    assert [topic["name"] for topic in shown["chats"][-1]["topics"]] == ["Ideas", "Questions"]
    assert shown["bot"]["username"] == "sandbox_bot"
    assert shown["model"] == MODEL
    assert shown["open"] is False
    assert shown["switches"] == {
        "telegram": "off",
        "gemini": "off",
        "times": None,
        "privacy": True,
    }
    await scene.visitor.say("Hello")
    async with visit(scene.visitor.url) as second:
        assert second.snapshot["chats"][0]["messages"][0]["text"] == "Hello"
        await scene.visitor.say("Both see this")
        event = await second.event(lambda e: e["type"] == "message")
        assert event["message"]["text"] == "Both see this"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html"),
        ("/style.css", "text/css"),
        ("/main.js", "text/javascript"),
        ("/favicon.svg", "image/svg+xml"),
    ],
)
async def test_the_page_comes_with_the_package(scene: Scene, path: str, kind: str) -> None:
    """Its files are served, with a policy that lets nothing in from elsewhere."""
    async with scene.visitor.session.get(scene.visitor.url + path) as response:
        assert (response.status, response.content_type) == (200, kind)
        assert "default-src 'self'" in response.headers["Content-Security-Policy"]
        assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_the_modules_of_the_page(scene: Scene) -> None:
    """Each is served and needed, under the page's policy; none imports one that imports it."""
    order: list[str] = []

    async def follow(name: str, importers: tuple[str, ...] = ()) -> None:
        assert name not in importers
        if name in order:
            return
        async with scene.visitor.session.get(f"{scene.visitor.url}/{name}") as response:
            assert (response.status, response.content_type) == (200, "text/javascript")
            assert response.headers.items() >= MODULE_HEADERS.items()
            imported = re.findall(
                r'^(?:import|\}) .*from "\./(.*)";$', await response.text(), re.MULTILINE
            )
        for other in imported:
            await follow(other, (*importers, name))
        order.append(name)

    await follow("main.js")

    assert sorted(order) == sorted(file.name for file in FOLDER.glob("*.js"))


@pytest.mark.parametrize("path", ["/site.py", "/%2e%2e/site.py", "/..%2fsite.py", "/none.js"])
async def test_nothing_else_is_served(scene: Scene, path: str) -> None:
    """What lies beside the page's files cannot be read."""
    url = URL(scene.visitor.url + path, encoded=True)
    async with scene.visitor.session.get(url) as response:
        assert response.status == 404


# The way of an update


async def test_a_message_is_an_update(scene: Scene) -> None:
    """What a person writes is posted to the webhook with the secret, and entered."""
    answer = await scene.visitor.say("Hello /help")

    [update] = await scene.webhook.got(1)
    assert answer == {"message": update["message"], "delivered": True}
    assert update["message"]["from"]["first_name"] == "Ann"
    assert update["message"]["entities"] == [{"type": "bot_command", "offset": 6, "length": 5}]
    assert scene.webhook.secrets == [SECRET]
    entry = await scene.visitor.entry("message")
    assert (entry["kind"], entry["chat_id"], entry["status"]) == ("update", 1001, 200)
    assert entry["request"] == update
    assert [(one["status"], one["error"]) for one in entry["attempts"]] == [(200, None)]
    assert (await scene.call("getWebhookInfo"))["result"]["pending_update_count"] == 0


async def test_a_chat_has_its_order(scene: Scene) -> None:
    """The next message of a chat comes after a 2xx for the last; other chats do not wait."""
    scene.webhook.gate.clear()
    for text in ("one", "two"):
        await scene.visitor.say(text)
    await scene.visitor.say("elsewhere", chat_id=1002, person_id=1002)
    await scene.webhook.got(2)
    await asyncio.sleep(0.1)
    assert sorted(scene.webhook.texts) == ["elsewhere", "one"]

    scene.webhook.gate.set()

    await scene.webhook.got(3)
    assert scene.webhook.texts[-1] == "two"


async def test_what_is_not_accepted_comes_again(scene: Scene) -> None:
    """The same update comes again at once, then after Retry-After, and holds up its chat."""
    scene.webhook.answers.extend(
        [web.Response(status=500), web.Response(status=503, headers={"Retry-After": "3"})]
    )
    await scene.visitor.say("one")
    await scene.visitor.say("two")

    updates = await scene.webhook.got(4)

    assert scene.webhook.texts == ["one", "one", "one", "two"]
    assert len({update["update_id"] for update in updates}) == 2
    first, second, third, _ = scene.webhook.times
    assert second - first < 1.9
    assert third - second > 2.9
    entry = await scene.visitor.entry("message", lambda entry: entry["ok"])
    assert [attempt["status"] for attempt in entry["attempts"]] == [500, 503, 200]
    info = (await scene.call("getWebhookInfo"))["result"]
    assert "503" in info["last_error_message"]


async def test_nobody_listens(tmp_path: Path) -> None:
    """What waits for a bot that is not there is delivered as soon as it is."""
    async with open_scene(tmp_path) as scene:
        await scene.visitor.say("early")
        answer = await scene.call("setWebhook", url="http://127.0.0.1:9/webhook")
        assert answer["ok"]
        entry = await scene.visitor.entry("message", lambda entry: len(entry["attempts"]) > 1)
        assert (entry["ok"], entry["status"]) == (False, None)
        assert entry["attempts"][0]["error"] == "ClientConnectorError"
        await scene.register()
        assert (await scene.webhook.got(1))[0]["message"]["text"] == "early"


async def test_only_what_the_bot_wants(tmp_path: Path) -> None:
    """Kinds outside of allowed_updates do not reach it."""
    async with open_scene(tmp_path) as scene:
        await scene.register(allowed_updates=["edited_message"])
        said = await scene.visitor.say("Hello")
        assert said["delivered"] is False
        place = {"chat_id": 1001, "person_id": 1001, "message_id": said["message"]["message_id"]}
        await scene.visitor.do("edit", **place, text="Hello again")
        [update] = await scene.webhook.got(1)
        assert update["edited_message"]["text"] == "Hello again"


async def test_again(scene: Scene) -> None:
    """An update is sent once more with the same number when somebody wants it."""
    await scene.visitor.say("Hello")
    entry = await scene.visitor.entry("message")

    await scene.visitor.do("again", entry=entry["id"])

    first, second = await scene.webhook.got(2)
    assert first == second
    await scene.visitor.entry("message", lambda entry: len(entry["attempts"]) == 2)
    assert await scene.visitor.refused("again", entry=0) == "There is no such update any more."


async def test_an_entry_has_the_time_of_its_last_attempt(scene: Scene) -> None:
    """Neither what it waited in the queue nor what lies between two attempts is in it."""
    scene.webhook.gate.clear()
    await scene.visitor.say("one")
    await scene.visitor.say("two")
    await scene.webhook.got(1)
    await asyncio.sleep(0.6)
    scene.webhook.gate.set()

    second = await scene.visitor.entry(
        "message", lambda e: e["request"]["message"]["text"] == "two"
    )

    assert second["ms"] == second["attempts"][0]["ms"] < 500
    await scene.visitor.do("again", entry=second["id"])
    again = await scene.visitor.entry("message", lambda entry: len(entry["attempts"]) == 2)
    assert again["ms"] < 500


@pytest.mark.parametrize(
    ("body", "shown", "violations"),
    [
        (b"", None, []),
        (b'{"ok": true}', {"ok": True}, []),
        (b"\xff" + b"x" * 10_000, "\N{REPLACEMENT CHARACTER}" + "x" * 4095, []),
        (
            b'{"method": "sendMessage", "chat_id": 1001, "text": "Hello"}',
            {"method": "sendMessage", "chat_id": 1001, "text": "Hello"},
            ["a method in the webhook's answer is not simulated"],
        ),
    ],
)
async def test_what_the_webhook_answers(
    scene: Scene, body: bytes, shown: Any, violations: list[str]
) -> None:
    """It is entered, cut where it is long; a method in it is named, for it is not performed."""
    scene.webhook.answers.append(web.Response(body=body))
    await scene.visitor.say("Hello")
    entry = await scene.visitor.entry("message")
    assert (entry["response"], entry["violations"]) == (shown, violations)


# What people do


@pytest.mark.parametrize(
    ("text", "more", "reaches"),
    [
        ("Hello all", {}, False),
        ("/help", {}, True),
        ("/help@sandbox_bot", {}, True),
        ("/help@other_bot", {}, False),
        ("👉 @Sandbox_Bot, hello", {}, True),
        ("mail@sandbox_bot.example", {}, False),
        ("What do you mean?", {"reply_to": "bot"}, True),
        ("What do you mean?", {"reply_to": "person"}, False),
    ],
)
async def test_privacy(scene: Scene, text: str, more: Json, reaches: bool) -> None:
    """In a group the bot sees what is meant for it, and all without its privacy mode."""
    said = await scene.visitor.say("First", GROUP)
    sent = (await scene.call("sendMessage", chat_id=GROUP, text="Hello"))["result"]
    ids = {"bot": sent["message_id"], "person": said["message"]["message_id"]}
    if "reply_to" in more:
        more = {"reply_to": ids[more["reply_to"]]}

    assert (await scene.visitor.say(text, GROUP, 1002, **more))["delivered"] is reaches

    await scene.visitor.do("switches", privacy=False)
    assert (await scene.call("getMe"))["result"]["can_read_all_group_messages"] is True
    assert (await scene.visitor.say(text, GROUP, 1002, **more))["delivered"] is True


async def test_a_topic(scene: Scene) -> None:
    """A topic is opened by a message; what is said in it replies to that, as Telegram has it."""
    opened = await scene.visitor.do("topic", chat_id=FORUM, person_id=1002, name=" Plans ")
    thread_id = opened["message_thread_id"]
    assert opened["chat"]["topics"][-1] == {"message_thread_id": thread_id, "name": "Plans"}
    await scene.visitor.event(lambda event: event["type"] == "chat")

    said = await scene.visitor.say("/help", FORUM, 1003, message_thread_id=thread_id)

    assert said["message"]["message_thread_id"] == thread_id
    assert said["message"]["is_topic_message"] is True
    assert said["message"]["reply_to_message"]["forum_topic_created"]["name"] == "Plans"
    first, second = await scene.webhook.got(2)
    assert first["message"]["forum_topic_created"]["name"] == "Plans"
    assert second["message"] == said["message"]
    sent = await scene.call("sendMessage", chat_id=FORUM, text="Yes", message_thread_id=thread_id)
    assert sent["result"]["is_topic_message"] is True
    refused = await scene.visitor.refused("topic", chat_id=GROUP, person_id=1002, name="Plans")
    assert refused == "There are no topics in this chat."


async def test_a_rich_message_is_quoted(scene: Scene) -> None:
    """Its words stand in its blocks."""
    rich = {"blocks": [{"type": "paragraph", "text": "one two"}]}
    sent = (await scene.call("sendRichMessage", chat_id=1001, rich_message=rich))["result"]
    said = await scene.visitor.say("Why?", reply_to=sent["message_id"], quote="two")
    assert said["message"]["quote"]["text"] == "two"


async def test_reply_quote_and_edit(scene: Scene) -> None:
    """A reply carries what it replies to and a quote its place; one edits only one's own."""
    sent = (await scene.call("sendMessage", chat_id=1001, text="👉 one two"))["result"]
    said = await scene.visitor.say("Why?", reply_to=sent["message_id"], quote="two")
    assert said["message"]["reply_to_message"]["text"] == "👉 one two"
    assert said["message"]["quote"] == {"text": "two", "position": 7, "is_manual": True}
    place = {"chat_id": 1001, "person_id": 1001}

    await scene.visitor.do(
        "edit", **place, message_id=said["message"]["message_id"], text="Why not?"
    )

    _, update = await scene.webhook.got(2)
    assert update["edited_message"]["text"] == "Why not?"
    assert "edit_date" in update["edited_message"]
    refused = await scene.visitor.refused(
        "edit", **place, message_id=sent["message_id"], text="Mine"
    )
    assert refused == "People edit their own messages only."
    own = said["message"]["message_id"]
    for text in ("", " ", None):
        sentence = await scene.visitor.refused("edit", **place, message_id=own, text=text)
        assert sentence == "Write something first."
    for quote in ("three", ["two"]):
        reply = {"text": "Why?", "reply_to": sent["message_id"], "quote": quote}
        sentence = await scene.visitor.refused("message", **place, **reply)
        assert sentence == "The quote is not in the message that it is from."
    assert len(scene.webhook.updates) == 2


async def test_a_photo(scene: Scene) -> None:
    """A photo has its true size, the bot fetches its bytes, and the page shows it."""
    photo = base64.b64encode(PNG).decode()
    said = await scene.visitor.do(
        "message", chat_id=1001, person_id=1001, photo=photo, caption="What is this?"
    )
    [size] = said["message"]["photo"]
    assert (size["width"], size["height"], size["file_size"]) == (64, 48, len(PNG))
    assert said["message"]["caption"] == "What is this?"
    session, url = scene.visitor.session, scene.visitor.url
    async with session.get(f"{url}/files/{size['file_id']}") as response:
        assert (response.content_type, await response.read()) == ("image/png", PNG)
    path = (await scene.call("getFile", file_id=size["file_id"]))["result"]["file_path"]
    async with session.get(f"{url}/file/bot{TOKEN}/{path}") as response:
        assert await response.read() == PNG
    for wrong in (f"/files/{size['file_id']}9", "/files/..%2Ftelegram.json"):
        async with session.get(url + wrong) as response:
            assert response.status == 404


async def test_press(scene: Scene) -> None:
    """A pressed button is a query of its own, and its answer says for whom it is."""
    button = {"text": "Yes", "callback_data": "yes"}
    markup = {"inline_keyboard": [[button]]}
    sent = await scene.call("sendMessage", chat_id=GROUP, text="Well?", reply_markup=markup)
    place = {"chat_id": GROUP, "message_id": sent["result"]["message_id"], "person_id": 1002}
    scene.webhook.gate.clear()
    await scene.visitor.say("/help", GROUP, 1002)  # does not hold up the button
    await scene.webhook.got(1)

    query_id = (await scene.visitor.do("press", **place, data="yes"))["callback_query_id"]

    _, update = await scene.webhook.got(2)
    scene.webhook.gate.set()
    assert update["callback_query"]["id"] == query_id
    assert update["callback_query"]["message"]["text"] == "Well?"
    await scene.call("answerCallbackQuery", callback_query_id=query_id, text="Thanks")
    answered = await scene.visitor.event(lambda event: event["type"] == "answered")
    assert answered == {
        "type": "answered",
        "callback_query_id": query_id,
        "person_id": 1002,
        "chat_id": GROUP,
        "text": "Thanks",
        "show_alert": False,
    }
    assert await scene.visitor.refused("press", **place, data="no") == "There is no such button."


async def test_a_draft_and_stop(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A draft is shown, can be stopped, and is gone with the message or after its time."""
    draft = {"chat_id": 1001, "draft_id": 7, "can_stop": True, "keep_on_stop": True}
    assert await scene.visitor.refused("stop", chat_id=1001) == "There is nothing to stop."
    await scene.call("sendMessageDraft", **draft, text="")
    shown = await scene.visitor.event(lambda event: event["type"] == "draft")
    assert shown["draft"] == {
        "draft_id": 7,
        "text": "",
        "can_stop": True,
        "keep_on_stop": True,
    }

    await scene.visitor.do("stop", chat_id=1001)

    [update] = await scene.webhook.got(1)
    assert update["stopped_message_generation"]["draft_id"] == 7
    await scene.call("sendMessage", chat_id=1001, text="So far")
    gone = await scene.visitor.event(lambda event: event.get("draft", 0) is None)
    assert (gone["chat_id"], gone["message_thread_id"]) == (1001, None)

    monkeypatch.setattr(worlds, "DRAFT_LIFETIME", 0.05)
    before = len(scene.visitor.events)
    await scene.call("sendMessageDraft", **draft, text="Never finished")
    await scene.visitor.event(lambda event: event.get("draft", 0) is None, before)


@pytest.mark.parametrize(
    ("what", "fields", "sentence"),
    [
        ("message", {"chat_id": 1001, "person_id": 1002, "text": "Hello"}, "This person is not"),
        ("message", {"chat_id": 7, "person_id": 1001, "text": "Hello"}, "Chat not found."),
        ("message", {"chat_id": 1001, "person_id": 1001, "text": "  "}, "Write something"),
        ("message", {"chat_id": 1001, "person_id": 1001}, "Write something first."),
        ("message", HELLO | {"reply_to": [1]}, "Reply_to is not a number."),
        ("message", HELLO | {"reply_to": {}}, "Reply_to is not a number."),
        ("message", HELLO | {"message_thread_id": [3]}, "Message_thread_id is not a number."),
        ("message", HELLO | {"text": "\ud83d"}, "This text holds half a character"),
        ("message", HELLO | {"photo": "AAEC"}, "Only PNG, JPEG, WebP and GIF pictures"),
        ("again", {"entry": []}, "There is no such update any more."),
        ("switches", {"times": True}, "There is no such switch"),
        ("switches", {"privacy": 1}, "There is no such switch"),
        ("switches", {"telegram": []}, "There is no such switch"),
        ("message", {"chat_id": 1001, "person_id": 1001, "text": "x" * 4097}, "Text is longer"),
        ("message", {"chat_id": 1001, "person_id": 1001, "photo": "?"}, "The photo is not"),
        ("message", {"chat_id": "x", "person_id": 1001, "text": "Hello"}, "Chat_id is not a"),
        (
            "message",
            {"chat_id": 1001, "person_id": 1001, "text": "Hello", "reply_to": 99},
            "There is no such message.",
        ),
        (
            "message",
            {"chat_id": FORUM, "person_id": 1001, "text": "Hello", "message_thread_id": 99},
            "There is no such topic.",
        ),
        ("switches", {"telegram": "broken"}, "There is no such switch"),
        ("fly", {}, "There is no such thing to do."),
    ],
)
async def test_what_cannot_be_done(scene: Scene, what: str, fields: Json, sentence: str) -> None:
    """It is refused with a sentence, and nothing reaches the bot."""
    assert (await scene.visitor.refused(what, **fields)).startswith(sentence)
    assert scene.webhook.updates == []


async def test_forget(scene: Scene) -> None:
    """All chats are emptied; topics stay, and numbers go on."""
    await scene.visitor.say("Hello")
    await scene.visitor.do("forget")
    cleared = await scene.visitor.event(lambda event: event["type"] == "chat")
    assert cleared["chat"]["messages"] == []
    assert (await scene.visitor.say("Hello"))["message"]["message_id"] == 2
    async with visit(scene.visitor.url) as second:
        assert len(second.snapshot["chats"][-1]["topics"]) == 2


async def test_forgotten_photos(tmp_path: Path) -> None:
    """They are gone from the disk too, and no name comes twice, even after a restart."""
    photo = base64.b64encode(PNG).decode()
    fields = {"chat_id": 1001, "person_id": 1001, "photo": photo}
    async with open_scene(tmp_path) as scene:
        await scene.visitor.do("message", **fields)
        await scene.visitor.do("forget")
        assert [file for file in (tmp_path / "files").rglob("*") if file.is_file()] == []
        said = await scene.visitor.do("message", **fields)
        await scene.visitor.do("message", **fields | {"chat_id": 1002, "person_id": 1002})
    async with open_scene(tmp_path) as scene:
        more = await scene.visitor.do("message", **fields)
        ids = [one["message"]["photo"][0]["file_id"] for one in (said, more)]
        assert ids == ["file-2", "file-4"]
    assert (tmp_path / "telegram.json").stat().st_mode & 0o777 == 0o600


async def test_forgetting_is_written_soon(scene: Scene, tmp_path: Path) -> None:
    """What was emptied is not there again after a power cut."""
    await scene.visitor.say("Hello")
    file = tmp_path / "telegram.json"
    await until(lambda: file.exists() and "Hello" in file.read_text())
    await scene.webhook.got(1)
    await scene.visitor.entry("message")
    await scene.visitor.do("forget")
    await until(lambda: "Hello" not in file.read_text())


async def test_restart(scene: Scene) -> None:
    """The page asks for a new process of the bot, and learns how it is."""
    asked: list[bool] = []
    scene.world.restart = lambda: asked.append(True)
    await scene.visitor.do("restart")
    assert asked == [True]
    scene.world.runs(True)
    assert (await scene.visitor.event(lambda e: e["type"] == "bot"))["running"] is True


# What the bot does


async def test_calls_are_entered(scene: Scene) -> None:
    """Each call has its parameters, answer, time and broken rules; no secret is shown."""
    entities = [{"type": "bold", "offset": 0, "length": 0}]
    await scene.call("sendMessage", chat_id=1001, text="Hello", entities=entities)
    sent = await scene.visitor.entry("sendMessage")
    assert (sent["kind"], sent["ok"], sent["status"]) == ("call", True, 200)
    assert sent["request"] == {"chat_id": 1001, "text": "Hello", "entities": entities}
    assert sent["response"]["result"]["text"] == "Hello"
    assert sent["violations"] == ["empty bold entity"]
    assert sent["ms"] >= 0
    await scene.call("sendMessage", chat_id=1001, text="")
    refused = await scene.visitor.entry("sendMessage", lambda entry: not entry["ok"])
    assert (refused["status"], refused["violations"]) == (400, [])
    assert refused["response"]["description"] == "Bad Request: message text is empty"
    await scene.register(max_connections=5)
    assert (await scene.visitor.entry("setWebhook"))["request"]["secret_token"] == "***"
    await scene.visitor.say("Hello")
    await scene.visitor.entry("message")
    async with visit(scene.visitor.url) as second:
        for secret in (SECRET, TOKEN, TOKEN.partition(":")[2]):
            assert secret not in scene.visitor.text + second.text


async def test_what_the_bot_says_of_itself(scene: Scene) -> None:
    """Commands, those of one chat, the description, actions, edits and deletions are shown."""
    commands = [{"command": "help", "description": "Help"}]
    scope = {"type": "chat", "chat_id": 1001}
    await scene.call("setMyCommands", commands=commands)
    await scene.call("setMyCommands", commands=commands * 2, scope=scope)
    await scene.call("setMyDescription", description="I answer")
    await scene.call("sendChatAction", chat_id=1001, action="typing")
    sent = (await scene.call("sendMessage", chat_id=1001, text="One"))["result"]
    place = {"chat_id": 1001, "message_id": sent["message_id"]}
    await scene.call("editMessageText", **place, text="Two")
    await scene.call("deleteMessage", **place)

    deleted = await scene.visitor.event(lambda event: event["type"] == "deleted")

    assert deleted == {"type": "deleted", **place}
    assert scene.visitor.of("commands")[-1] == {
        "type": "commands",
        "commands": commands,
        "chat_commands": {"1001": commands * 2},
    }
    assert scene.visitor.of("bot")[-1]["bot"]["description"] == "I answer"
    assert scene.visitor.of("action")[-1]["action"] == "typing"
    assert [event["message"]["text"] for event in scene.visitor.of("message")] == ["One", "Two"]


async def test_only_the_buttons_were_edited(tmp_path: Path) -> None:
    """People do not see such a message as edited, also later; the bot is told what always is."""
    markup = {"inline_keyboard": [[{"text": "Yes", "callback_data": "yes"}]]}
    async with open_scene(tmp_path) as scene:
        for text in ("buttons", "text", "text, then buttons", "buttons, then text", "by text"):
            sent = await scene.call("sendMessage", chat_id=1001, text=text, reply_markup=markup)
            place = {"chat_id": 1001, "message_id": sent["result"]["message_id"]}
            if text.startswith("text"):
                await scene.call("editMessageText", **place, text=text + "!", reply_markup=markup)
            if text.startswith("by text"):
                answer = await scene.call("editMessageText", **place, text=text)
            if "buttons" in text:
                answer = await scene.call("editMessageReplyMarkup", **place)
            if text.endswith("then text"):
                answer = await scene.call("editMessageText", **place, text=text + "!")
            assert "edit_date" in answer["result"]
            assert "edit_hidden" not in answer["result"]
        await scene.visitor.event(lambda e: _is_hidden(e.get("message", {})) == ("by text", True))
        shown = (await visit_once(scene))["chats"][0]["messages"]
    expected = [
        ("buttons", True),
        ("text!", False),
        ("text, then buttons!", False),
        ("buttons, then text!", False),
        ("by text", True),
    ]
    assert [_is_hidden(message) for message in shown] == expected
    async with open_scene(tmp_path) as scene:
        shown = scene.visitor.snapshot["chats"][0]["messages"]
        assert [_is_hidden(message) for message in shown] == expected


def _is_hidden(message: Json) -> tuple[str | None, bool]:
    return message.get("text"), message.get("edit_hidden", False)


# What goes wrong on purpose


@pytest.mark.parametrize(("state", "status"), [("flood", 429), ("error", 500)])
async def test_telegram_refuses(scene: Scene, state: str, status: int) -> None:
    """Once, for sending only; then the switch is off again."""
    await scene.visitor.do("switches", telegram=state, times=1)
    assert (await scene.call("getMe"))["ok"]
    answer = await scene.call("sendMessage", chat_id=1001, text="Hello")
    assert answer["error_code"] == status
    assert (await scene.call("sendMessage", chat_id=1001, text="Hello"))["ok"]
    await scene.visitor.event(
        lambda e: e["type"] == "switches" and e["switches"]["telegram"] == "off"
    )
    await scene.visitor.do("switches", telegram=state, times=None)
    for _ in range(2):
        assert not (await scene.call("sendMessage", chat_id=1001, text="Hello"))["ok"]
    await scene.visitor.do("switches", telegram="off")
    assert (await scene.call("sendMessage", chat_id=1001, text="Hello"))["ok"]


@pytest.mark.parametrize("switch", ["telegram", "gemini"])
async def test_how_often_is_chosen_afterwards(scene: Scene, switch: str) -> None:
    """It counts also for a fault that is on already."""
    await scene.visitor.do("switches", **{switch: "error"}, times=None)
    await scene.visitor.do("switches", times=1)
    if switch == "telegram":
        answers = [await scene.call("getChat", chat_id=1001) for _ in range(2)]
        assert [answer["ok"] for answer in answers] == [False, True]
    else:
        assert [scene.world.switches.gemini.take() for _ in range(2)] == ["error", "off"]


async def test_faults_strike_all_but_a_start(scene: Scene) -> None:
    """A bot can start again meanwhile; nothing else works."""
    await scene.visitor.do("switches", telegram="error")
    await scene.register()
    commands = [{"command": "help", "description": "Help"}]
    assert (await scene.call("setMyCommands", commands=commands))["ok"]
    for method in ("getMe", "getWebhookInfo", "getMyName", "deleteMyCommands"):
        assert (await scene.call(method))["ok"]
    for method in ("answerCallbackQuery", "deleteMessage", "getFile", "getChatMember"):
        assert (await scene.call(method))["error_code"] == 500


async def test_telegram_is_cut_off(scene: Scene) -> None:
    """The message is there, but the bot does not learn it."""
    await scene.visitor.do("switches", telegram="cut", times=1)
    with pytest.raises(aiohttp.ClientError):
        await scene.call("sendMessage", chat_id=1001, text="Hello")
    assert (await scene.visitor.answer())["text"] == "Hello"
    entry = await scene.visitor.entry("sendMessage")
    assert (entry["ok"], entry["status"]) == (False, None)


async def test_telegram_is_slow(scene: Scene) -> None:
    """The call takes its time."""
    await scene.visitor.do("switches", telegram="slow", times=1)
    start = time.monotonic()
    assert (await scene.call("sendMessage", chat_id=1001, text="Hello"))["ok"]
    assert time.monotonic() - start >= FAULTS["slow"].seconds  # type: ignore[union-attr]
    assert (await scene.visitor.entry("sendMessage"))["ms"] >= 2900


async def test_updates_come_twice(scene: Scene) -> None:
    """The same update is delivered twice, beside each other."""
    await scene.visitor.do("switches", telegram="twice", times=1)
    scene.webhook.gate.clear()
    await scene.visitor.say("Hello")
    first, second = await scene.webhook.got(2)
    scene.webhook.gate.set()
    assert first == second
    await scene.visitor.say("Once")
    await scene.webhook.got(3)
    entry = await scene.visitor.entry("message", lambda entry: len(entry["attempts"]) == 2)
    assert entry["ok"] is True
    assert scene.webhook.texts == ["Hello", "Hello", "Once"]


async def test_gemini_fails_as_often_as_wanted(scene: Scene) -> None:
    """The built-in model is told what to do; then the switch is off."""
    await scene.visitor.do("switches", gemini="quota", times=1)
    assert [scene.world.switches.gemini.take() for _ in range(2)] == ["quota", "off"]
    shown = await scene.visitor.event(
        lambda e: e["type"] == "switches" and e["switches"]["gemini"] == "off"
    )
    assert shown["switches"]["times"] == 1


async def test_the_real_gemini_does_not_fail_on_demand(tmp_path: Path) -> None:
    """The switch says so."""
    async with open_scene(tmp_path, real=True) as scene:
        sentence = await scene.visitor.refused("switches", gemini="quota")
        assert sentence == "The real Gemini answers, and does not fail on demand."


# Who may ask


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:8080"}, 200),
        ({"Host": "[::1]:8080"}, 200),
        ({"Host": "attacker.example"}, 403),
        ({"Host": "192.0.2.1"}, 403),
        ({"Host": "[oops"}, 403),
        ({"Origin": "http://attacker.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Content-Type": "text/plain"}, 415),
    ],
    ids=str,
)
async def test_other_sites_are_kept_out(scene: Scene, headers: Json, status: int) -> None:
    """Neither another site's page nor a name that was made to lead here can use the page."""
    url = f"{scene.visitor.url}/do/message"
    body = json.dumps({"chat_id": 1001, "person_id": 1001, "text": "Hello"})
    async with scene.visitor.session.post(
        url, data=body, headers=JSON_HEADERS | headers
    ) as response:
        assert response.status == status
    if status == 403:
        async with scene.visitor.session.get(
            f"{scene.visitor.url}/events", headers=headers
        ) as response:
            assert response.status == 403
        assert scene.visitor.of("message") == []


@pytest.mark.parametrize(("mode", "status"), [("navigate", 200), ("no-cors", 403)])
async def test_a_link_leads_to_the_page(scene: Scene, mode: str, status: int) -> None:
    """Another site may have one, and no more."""
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": mode}
    async with scene.visitor.session.get(f"{scene.visitor.url}/", headers=headers) as response:
        assert response.status == status


async def test_a_wrong_token_is_not_entered(scene: Scene) -> None:
    """Who has none can neither call nor fill the journal."""
    url = f"{scene.visitor.url}/bot1:wrong/sendMessage"
    async with scene.visitor.session.post(url, json={"chat_id": 1001}) as response:
        assert response.status == 401
    await scene.call("getMe")
    await scene.visitor.entry("getMe")
    assert [event["entry"]["title"] for event in scene.visitor.of("entry")].count(
        "sendMessage"
    ) == 0


@pytest.mark.parametrize(
    ("told", "host", "status"),
    [
        ("sandbox.example", "sandbox.example", 200),
        ("sandbox.example", "192.0.2.1:8080", 200),
        (ANYWHERE, "192.0.2.1:8080", 200),
        (ANYWHERE, "attacker.example", 403),
    ],
)
async def test_beyond_loopback(tmp_path: Path, told: str, host: str, status: int) -> None:
    """There it answers to what it was told and to addresses, which no name can stand for."""
    async with (
        open_scene(tmp_path, told=told) as scene,
        scene.visitor.session.get(f"{scene.visitor.url}/", headers={"Host": host}) as response,
    ):
        assert response.status == status


@pytest.mark.parametrize("path", ["/do/message", "/math"])
@pytest.mark.parametrize("body", ["", "[]", "{", '"text"', "[" * 100_000])
async def test_what_is_no_object(scene: Scene, path: str, body: str) -> None:
    """It is refused."""
    url = scene.visitor.url + path
    async with scene.visitor.session.post(url, data=body, headers=JSON_HEADERS) as response:
        assert response.status == 400


# Formulas


@pytest.mark.parametrize(
    ("tex", "display", "status", "part"),
    [
        (r"\frac{a}{b}", False, 200, "<mfrac>"),
        (r"\sum_{i=0}^n x_i", True, 200, 'display="block"'),
        (r"a < b", False, 200, "&lt;"),
        (r"\href{javascript:alert(1)}{x}", False, 200, "<mi>x</mi>"),
        (r"\text{<script>alert(1)</script>}", False, 422, ""),
        (r"\text{<b onclick=1>}", False, 422, ""),
        (r"\begin{matrix} a", False, 422, ""),
        ("", False, 422, ""),
        (None, False, 422, ""),
        ("\ud83d", False, 400, ""),
        ("x" * 4_001, False, 422, ""),
    ],
)
async def test_formulas(
    scene: Scene, tex: str | None, display: bool, status: int, part: str
) -> None:
    """TeX comes as MathML and nothing else; what is none is refused."""
    body = {"tex": tex, "display": display}
    async with scene.visitor.session.post(f"{scene.visitor.url}/math", json=body) as response:
        assert response.status == status
        text = await response.text()
    assert part in text
    assert "javascript" not in text
    assert "script>" not in text


# What is kept


async def test_a_restart_goes_on(tmp_path: Path) -> None:
    """Chats, photos, commands and what waits are there again, and no number comes twice."""
    async with open_scene(tmp_path) as scene:
        await scene.register()
        await scene.call("setMyCommands", commands=[{"command": "help", "description": "Help"}])
        photo = base64.b64encode(PNG).decode()
        said = await scene.visitor.do("message", chat_id=1001, person_id=1001, photo=photo)
        await scene.visitor.do("topic", chat_id=FORUM, person_id=1001, name="Plans")
        [first, *_] = await scene.webhook.got(2)
        sent = await scene.call("sendMessage", chat_id=1001, text="Hello")
        await scene.call("deleteWebhook")
        await scene.visitor.say("Later", chat_id=1002, person_id=1002)
        before = (await visit_once(scene))["chats"]

    async with open_scene(tmp_path) as scene:
        assert scene.visitor.snapshot["chats"] == before
        assert scene.visitor.snapshot["commands"][0]["command"] == "help"
        await scene.register()
        [late] = await scene.webhook.got(1)
        assert late["message"]["text"] == "Later"
        assert late["update_id"] > first["update_id"]
        more = await scene.visitor.say("More")
        assert more["message"]["message_id"] == sent["result"]["message_id"] + 1
        assert (await scene.webhook.got(2))[1]["update_id"] > late["update_id"]
        place = {"chat_id": 1001, "message_id": sent["result"]["message_id"]}
        assert (await scene.call("editMessageText", **place, text="Edited"))["ok"]
        file_id = said["message"]["photo"][0]["file_id"]
        async with scene.visitor.session.get(f"{scene.visitor.url}/files/{file_id}") as response:
            assert await response.read() == PNG
    assert SECRET not in (tmp_path / "telegram.json").read_text()


async def visit_once(scene: Scene) -> Json:
    async with visit(scene.visitor.url) as visitor:
        return visitor.snapshot


async def test_changes_are_written_soon(scene: Scene, tmp_path: Path) -> None:
    """Not only at the end: a power cut costs a second."""
    await scene.visitor.say("Hello")
    file = tmp_path / "telegram.json"
    await until(lambda: file.exists() and "Hello" in file.read_text())


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"version": 99}', '{"version": 1}'])
async def test_what_cannot_be_read_stays(tmp_path: Path, content: str) -> None:
    """A file that is broken or of another version is named, and not written over."""
    file = tmp_path / "telegram.json"
    file.write_text(content)
    with pytest.raises(StoreError, match="remove it to begin anew"):
        async with open_scene(tmp_path):
            pass
    assert file.read_text() == content
