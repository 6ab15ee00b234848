"""A strict Telegram for loopback, which reports what the real one corrects silently."""

import asyncio
import copy
import threading
import time
from collections.abc import Callable, Iterable, MutableSequence, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Final, TypeVar

from aiohttp import web

from bot.sandbox.chats import MARKS, Chats, new_person, without
from bot.sandbox.entities import detect_entities
from bot.sandbox.events import Observe, unobserved
from bot.sandbox.faults import Faults, remembered
from bot.sandbox.files import Files
from bot.sandbox.gemini.pictures import look
from bot.sandbox.keyboards import callback_buttons
from bot.sandbox.messages import Messages
from bot.sandbox.methods import list_methods
from bot.sandbox.pace import find_haste
from bot.sandbox.parameters import Json, bad_request
from bot.sandbox.profile import Profile
from bot.sandbox.updates import Updates
from bot.sandbox.wire import SLIPS, BotApi, Call, Watch, unwatched

Result = TypeVar("Result")

# The widths of a photo's sizes, smallest first.
PHOTO_WIDTHS: Final = (90, 320, 800, 1280, 2560)


class TelegramServer:
    """Telegram as one bot sees it: HTTP for the bot, and plain calls from any thread for the rest.

    `calls` grows as calls are answered; `violations` names what Telegram forgives but a careful
    bot avoids; the last `kept` of each are kept, or all with None. Run `application()` without an
    access log, because the paths contain the token.
    """

    def __init__(
        self,
        token: str = "123456:TEST-token",  # noqa: S107 - an invented token, for loopback only
        *,
        username: str = "test_bot",
        first_name: str = "Test Bot",
        can_read_all_group_messages: bool = False,
        loopback_webhooks: bool = True,
        first_update_id: int = 1,
        folder: Path | None = None,
        observe: Observe = unobserved,
        watch: Watch = unwatched,
        kept: int | None = None,
    ) -> None:
        self.token = token
        self.bot: Json = {
            "id": int(token.partition(":")[0]),
            "is_bot": True,
            "first_name": first_name,
            "username": username,
            "can_join_groups": True,
            "can_read_all_group_messages": can_read_all_group_messages,
            "supports_inline_queries": False,
            "can_connect_to_business": False,
            "has_main_web_app": False,
            "has_topics_enabled": False,
        }
        self.violations: MutableSequence[str] = remembered(kept)
        self.faults = Faults(kept)
        self._lock = threading.RLock()
        self._presses = count(1)
        self._chats = Chats(self.bot, self._lock, observe)
        self._files = Files(self._lock, folder)
        self._messages = Messages(self._chats, self._report, observe)
        self.profile = Profile(first_name, observe)
        self._updates = Updates(
            self._lock,
            self._report,
            observe,
            loopback_webhooks=loopback_webhooks,
            first_id=first_update_id,
        )
        self._api = BotApi(
            token,
            list_methods(self.bot, self._messages, self.profile, self._updates, self._files),
            files=self._files,
            faults=self.faults,
            lock=self._lock,
            report=self._report,
            watch=watch,
            kept=kept,
        )
        self.calls: MutableSequence[Call] = self._api.calls

    def _report(self, violation: str) -> None:
        self.violations.append(violation)
        SLIPS.get([]).append(violation)

    def application(self, routes: Iterable[web.AbstractRouteDef] = ()) -> web.Application:
        """Make the application that answers the bot, with other routes as well."""
        application = self._api.application(routes)
        application.on_shutdown.append(self._end_poll)
        return application

    async def _end_poll(self, _: web.Application) -> None:
        self._updates.end_poll("")

    def kept(self) -> Json:
        """Return the whole state as JSON, for `restore`; the files are in their folder."""
        with self._lock:
            return {
                "chats": self._chats.kept(),
                "files": self._files.kept(),
                "profile": self.profile.kept(),
                "updates": self._updates.kept(),
            }

    def restore(self, kept: Json) -> None:
        """Continue from the state that another server's `kept` returned."""
        with self._lock:
            self._chats.restore(kept["chats"])
            self._files.restore(kept["files"])
            self.profile.restore(kept["profile"])
            self._updates.restore(kept["updates"])

    def person(
        self,
        id: int,  # noqa: A002 - the User's own field
        first_name: str = "Ann",
        username: str | None = None,
        *,
        is_bot: bool = False,
        language_code: str | None = "en",
    ) -> Json:
        """Make a User."""
        return new_person(id, first_name, username, is_bot=is_bot, language_code=language_code)

    def private_chat(self, person: Json) -> Json:
        """Open a person's chat with the bot."""
        names = ("id", "first_name", "last_name", "username")
        chat = {name: person[name] for name in names if name in person}
        return self._chats.add({**chat, "type": "private"})

    def group(
        self,
        id: int = -1001234567890,  # noqa: A002 - the Chat's own field
        title: str = "Group",
        **fields: Any,
    ) -> Json:
        """Add the bot to a supergroup; `is_forum=True` makes it a forum."""
        return self._chats.add({"id": id, "type": "supergroup", "title": title, **fields})

    def channel(
        self,
        id: int = -1009876543210,  # noqa: A002 - the Chat's own field
        title: str = "Channel",
        **fields: Any,
    ) -> Json:
        """Add the bot to a channel."""
        return self._chats.add({"id": id, "type": "channel", "title": title, **fields})

    @property
    def chats(self) -> list[Json]:
        """All chats that the bot may write to."""
        return self._chats.all()

    def chat(self, chat_id: int) -> Json:
        """Return a chat; ApiError 400 if there is none."""
        return self._chats.find(chat_id)

    def has_topic(self, chat_id: int, thread_id: int) -> bool:
        """Tell whether a forum has this topic."""
        return self._chats.has_topic(chat_id, thread_id)

    def open_topic(self, chat: Json, person: Json, created: Json) -> Json:
        """Open a topic in a forum for a person; its identifier is that of its first message."""
        return self._updates.new("message", self._chats.open_topic(chat, person, created))

    def member(self, chat: Json, person: Json, status: str = "administrator") -> None:
        """Change a person's status in a chat; by default, an author there is a "member"."""
        self._chats.join(chat, person, status)

    def message(
        self,
        chat: Json,
        sender: Json | None,
        text: str | None = None,
        *,
        caption: str | None = None,
        photo: bytes | Sequence[bytes] | None = None,
        reply_to: Json | None = None,
        **fields: Any,
    ) -> Json:
        """Write a message and return its update, not yet delivered.

        `photo` is one file for all sizes, or one per size from small to large. `reply_to` is a
        message or its update. A channel's post has no sender, or signs with `sender_chat`. Other
        fields of a Message are given as keywords and override computed ones.
        """
        content = _marked(text=text, caption=caption)
        if photo is not None:
            content["photo"] = self._photo(photo)
        if reply_to is not None:
            content["reply_to_message"] = _message_of(reply_to)
        if chat["type"] == "channel":
            content["sender_chat"] = chat
        message = self._chats.receive(chat, sender, content | fields)
        kind = "channel_post" if chat["type"] == "channel" else "message"
        return self._updates.new(kind, message)

    def edit(
        self,
        message: Json,
        text: str | None = None,
        *,
        caption: str | None = None,
        **fields: Any,
    ) -> Json:
        """Change a person's existing message, or its update's message, and return the new update.

        Raise ValueError if the message was deleted or is the bot's.
        """
        content = _marked(text=text, caption=caption) | {"edit_date": int(time.time())}
        changed = self._chats.rewrite(_message_of(message), content | fields)
        is_post = changed["chat"]["type"] == "channel"
        return self._updates.new("edited_channel_post" if is_post else "edited_message", changed)

    def age(self, message: Json, seconds: float) -> None:
        """Make an existing message, or its update's message, this many seconds older."""
        self._chats.age(_message_of(message), seconds)

    def press(self, message: Json, person: Json, data: str | None = None) -> Json:
        """Press a button under one of the bot's messages and return the callback_query update.

        `data` is the button's callback_data or label; without it there must be only one button.
        The query holds the message as it is now. Raise ValueError if there is nothing to press.
        """
        shown = self._chats.present(_message_of(message))
        pressed = [
            button["callback_data"]
            for button in callback_buttons(shown)
            if data is None or data in {button["callback_data"], button["text"]}
        ]
        if len(pressed) != 1 or not self._chats.is_by_bot(shown):
            raise ValueError(f"{len(pressed)} buttons to press")
        query = {
            "id": f"press-{next(self._presses)}",
            "from": person,
            "message": shown,
            "chat_instance": str(shown["chat"]["id"]),
            "data": pressed[0],
        }
        return self.update(callback_query=query)

    @property
    def unanswered(self) -> list[str]:
        """The identifiers of the callback queries that the bot has not answered."""
        return self._answered(lambda answers: answers == 0)

    @property
    def answered_again(self) -> list[str]:
        """The identifiers of the callback queries that the bot answered more than once."""
        return self._answered(lambda answers: answers > 1)

    def _answered(self, fits: Callable[[int], bool]) -> list[str]:
        with self._lock:
            queries = self._messages.callback_queries
            return [query_id for query_id, answers in queries.items() if fits(answers)]

    def update(self, **kind: Json) -> Json:
        """Wrap any other kind of update: `update(callback_query={...})`."""
        ((name, content),) = kind.items()
        if name == "callback_query":
            with self._lock:
                self._messages.callback_queries[content["id"]] = 0
        return self._updates.new(name, content)

    def deliver(self, update: Json) -> bool:
        """Queue an update for getUpdates; return False if allowed_updates excludes it."""
        return self._updates.deliver(update)

    def add_file(
        self, content: bytes, path: str | None = None, file_size: int | None = None
    ) -> str:
        """Store a file for getFile and return its file_id; `file_size` may claim to be larger."""
        return self._files.add(content, path, file_size)

    def file(self, file_id: str) -> bytes:
        """Return the contents of a stored file; ApiError 400 if there is none."""
        path: str = self._files.get({"file_id": file_id})["file_path"]
        return self._files.read(path)

    def sent(self, chat_id: int | None = None) -> list[Json]:
        """Copy the bot's existing messages in one chat or all, in the order of sending.

        A rich message has a `rich_message` instead of a text.
        """
        return self._chats.sent(chat_id)

    def messages(self, chat_id: int) -> list[Json]:
        """Return the messages in a chat as people see them, in order."""
        return self._chats.messages(chat_id)

    def standing(self, chat_id: int, message_id: int) -> Json:
        """Copy an existing message; ApiError 400 if there is none."""
        message = self._chats.message(self._chats.find(chat_id)["id"], message_id)
        if message is None:
            raise bad_request("there is no such message")
        return copy.deepcopy(message)

    def forget(self, chat_id: int) -> None:
        """Remove all messages in a chat with their files, except those that opened topics."""
        for message in self._chats.forget(chat_id):
            self._files.remove(size["file_id"] for size in message.get("photo", []))

    def end_draft(self, chat_id: int) -> None:
        """Remove the draft in a chat, as happens after 30 seconds without a new one."""
        self._chats.draft(self._chats.find(chat_id), None)

    def draft(self, chat_id: int) -> Json | None:
        """Return the current draft in a chat, which ends with the bot's next message there.

        It has a text or a `rich_message`.
        """
        return self._chats.drafts.get(chat_id)

    def calls_of(self, method: str) -> list[Call]:
        """Return the finished calls of one method ("file": downloads), whatever their result."""
        return [call for call in list(self.calls) if call.method.lower() == method.lower()]

    def too_fast(
        self,
        draft_pace: float,
        edit_pace: float,
        group_pace: float,
        group_limit: int = 20,
        minute: float = 60.0,
    ) -> list[str]:
        """Say where the bot was faster than a pace in seconds, or wrote too much to a group.

        A message grows as long as it has a button whose callback_data begins with "stop:"; its
        pace is `edit_pace` in a private chat and `group_pace` elsewhere.
        """
        return find_haste(
            list(self.calls),
            draft_pace=draft_pace,
            edit_pace=edit_pace,
            group_pace=group_pace,
            group_limit=group_limit,
            minute=minute,
        )

    @property
    def webhook(self) -> Json:
        """The webhook's url, secret_token and max_connections; empty if there is no webhook."""
        return dict(self._updates.webhook)

    def fail_delivery(self, message: str, ago: float = 0) -> None:
        """Record a failed delivery to the webhook, `ago` seconds in the past."""
        date = int(time.time() - ago)
        self._updates.last_error = {"last_error_date": date, "last_error_message": message}

    @property
    def pending(self) -> list[Json]:
        """The queued updates that have not been confirmed."""
        return self._updates.pending()

    def is_pending(self, update_id: int) -> bool:
        """Tell whether an update has not been confirmed."""
        return any(update["update_id"] == update_id for update in self.pending)

    def confirm(self, update_id: int) -> None:
        """Remove an update from the queue, because the webhook has accepted it."""
        self._updates.confirm(update_id)

    @property
    def polling(self) -> bool:
        """Whether the bot is waiting in getUpdates at this moment."""
        return self._updates.is_polling()

    async def wait_for(
        self,
        predicate: Callable[[], Result],
        timeout: float = 60,  # noqa: ASYNC109 - callers poll another thread's state
    ) -> Result:
        """Poll until the predicate is true and return its value; TimeoutError if it never is."""
        until = time.monotonic() + timeout
        while True:
            if result := predicate():
                return result
            if time.monotonic() >= until:
                raise TimeoutError(f"not so after {timeout} s")
            await asyncio.sleep(0.01)

    def _photo(self, photo: bytes | Sequence[bytes]) -> list[Json]:
        contents = [photo] * 3 if isinstance(photo, bytes) else list(photo)
        widths = PHOTO_WIDTHS[: len(contents)]
        return [
            {
                **self._files.describe(self.add_file(content)),
                **_size(content, width),
            }
            for width, content in zip(widths, contents, strict=True)
        ]


def _size(content: bytes, width: int) -> Json:
    """Return a photo's size in pixels, computed from its width if the bytes do not contain it."""
    width, height = look(content).size or (width, width * 3 // 4)
    return {"width": width, "height": height}


def _message_of(message: Json) -> Json:
    """Return an update's message, or the message itself, without the message it replied to."""
    if "update_id" in message:
        message = next(content for name, content in message.items() if name != "update_id")
    return without(message, "reply_to_message")


def _marked(**contents: str | None) -> Json:
    """Return a text or a caption, or both, with the entities that Telegram finds in them."""
    marked: Json = {}
    for name, value in contents.items():
        if value is not None:
            marked[name] = value
            marked |= {MARKS[name]: found} if (found := detect_entities(value)) else {}
    return marked
