"""The people and chats of the page, and what these people do."""

import base64
import binascii
from collections.abc import Callable
from typing import Any, Final

from bot.sandbox.entities import utf16_length
from bot.sandbox.gemini.pictures import UNKNOWN, look
from bot.sandbox.parameters import Json, bad_request
from bot.sandbox.privacy import reaches
from bot.sandbox.telegram import TelegramServer

ADMIN: Final = 1001
PEOPLE: Final = {ADMIN: "Ann", 1002: "Ben", 1003: "Cleo"}
GROUP: Final = -1001000000001
FORUM: Final = -1001000000002
TOPICS: Final = ("Ideas", "Questions")
TEXT_LIMIT: Final = 4096  # UTF-16 units that a client can send in one message
CAPTION_LIMIT: Final = 1024
PHOTO_LIMIT: Final = 10 * 1024 * 1024  # bytes
TOPIC_COLOR: Final = 0x6FB9F0


class Stage:
    """The people's actions: write, edit, press and stop; `deliver` takes the resulting updates."""

    def __init__(
        self,
        telegram: TelegramServer,
        deliver: Callable[[Json], bool],
        sees_all: Callable[[], bool],
        show: Callable[[Json], None],
    ) -> None:
        self._telegram = telegram
        self._deliver = deliver
        self._sees_all = sees_all
        self._show = show
        self.people = {
            number: telegram.person(number, name, name.lower()) for number, name in PEOPLE.items()
        }
        self._presses: dict[str, Json] = {}

    def set_up(self) -> None:
        """Open the chats, unless they were restored."""
        known = {chat["id"] for chat in self._telegram.chats}
        if known:
            return
        for person in self.people.values():
            self._telegram.private_chat(person)
        for chat in (
            self._telegram.group(GROUP, "Book club"),
            self._telegram.group(FORUM, "Workshop", is_forum=True),
        ):
            for number, person in self.people.items():
                status = "administrator" if number == ADMIN else "member"
                self._telegram.member(chat, person, status)
        for name in TOPICS:
            self._new_topic(FORUM, self.people[ADMIN], name)

    def chats(self) -> list[Json]:
        """Return all chats as the page shows them."""
        return [self.chat(chat["id"]) for chat in self._telegram.chats]

    def chat(self, chat_id: int) -> Json:
        """Return a chat as the page shows it: with its members, topics, messages and draft."""
        chat = self._telegram.chat(chat_id)
        messages = self._telegram.messages(chat_id)
        draft = self._telegram.draft(chat_id)
        return {
            "chat": chat,
            "members": [chat_id] if chat_id in self.people else list(self.people),
            "topics": [
                {
                    "message_thread_id": message["message_id"],
                    "name": message["forum_topic_created"]["name"],
                }
                for message in messages
                if "forum_topic_created" in message
            ],
            "messages": messages,
            "drafts": [{"message_thread_id": None, "draft": draft}] if draft else [],
        }

    def message(self, wanted: Json) -> Json:
        """Write a message, and tell whether it is delivered to the bot."""
        chat, person = self._place(wanted)
        update = self._telegram.message(chat, person, **_content(wanted), **self._reply(wanted))
        return {"message": update["message"], "delivered": self._tell(update, update["message"])}

    def edit(self, wanted: Json) -> Json:
        """Change a person's own message: its text, or the caption of a photo."""
        _, person = self._place(wanted)
        message = self._telegram.standing(wanted["chat_id"], _number(wanted, "message_id"))
        if message["from"]["id"] != person["id"]:
            raise bad_request("people edit their own messages only")
        if not message.keys() & {"photo", "text"}:
            raise bad_request("there is nothing to edit in this message")
        field = "caption" if "photo" in message else "text"
        text = _written(wanted, CAPTION_LIMIT if field == "caption" else TEXT_LIMIT)
        if message.get(field) == text:
            return {"message": message, "delivered": False}
        update = self._telegram.edit(message, **{field: text})
        changed = update["edited_message"]
        return {"message": changed, "delivered": self._tell(update, changed)}

    def press(self, wanted: Json) -> Json:
        """Press a button below one of the bot's messages."""
        chat, person = self._place(wanted)
        message = self._telegram.standing(chat["id"], _number(wanted, "message_id"))
        try:
            update = self._telegram.press(message, person, _text(wanted, "data"))
        except ValueError:
            raise bad_request("there is no such button") from None
        query_id = update["callback_query"]["id"]
        self._presses[query_id] = {"person_id": person["id"], "chat_id": chat["id"]}
        self._deliver(update)
        return {"callback_query_id": query_id}

    def pressed(self, query_id: str) -> Json | None:
        """Return the chat and person of a button press, or None for one before the start."""
        return self._presses.pop(query_id, None)

    def stop(self, wanted: Json) -> Json:
        """Press the Stop button of the answer that is being written in a chat."""
        chat = self._telegram.chat(_number(wanted, "chat_id"))
        draft = self._telegram.draft(chat["id"])
        if not draft or not draft["can_stop"]:
            raise bad_request("there is nothing to stop")
        stopped = {"chat": chat, "draft_id": draft["draft_id"]}
        if not draft["keep_on_stop"]:
            self._telegram.end_draft(chat["id"])
        self._deliver(self._telegram.update(stopped_message_generation=stopped))
        return {}

    def topic(self, wanted: Json) -> Json:
        """Open a topic in the forum."""
        chat, person = self._place(wanted)
        if not chat.get("is_forum"):
            raise bad_request("there are no topics in this chat")
        name = _text(wanted, "name", 128).strip()
        if not name:
            raise bad_request("a topic needs a name")
        update = self._new_topic(chat["id"], person, name)
        self._show({"type": "chat", "chat": self.chat(chat["id"])})
        self._deliver(update)
        thread_id = update["message"]["message_id"]
        return {"chat": self.chat(chat["id"]), "message_thread_id": thread_id}

    def forget(self, _: Json) -> Json:
        """Empty all chats; the bot keeps its own history."""
        for chat in self._telegram.chats:
            self._telegram.forget(chat["id"])
            self._show({"type": "chat", "chat": self.chat(chat["id"])})
        return {}

    def _place(self, wanted: Json) -> tuple[Json, Json]:
        chat = self._telegram.chat(_number(wanted, "chat_id"))
        person = self.people.get(_number(wanted, "person_id"))
        if person is None or (chat["type"] == "private" and chat["id"] != person["id"]):
            raise bad_request("this person is not in this chat")
        return chat, person

    def _reply(self, wanted: Json) -> Json:
        """Return the fields of a message that say where it belongs."""
        chat_id, thread_id = wanted["chat_id"], _number_or_none(wanted, "message_thread_id")
        fields: Json = {}
        if thread_id:
            if not self._telegram.has_topic(chat_id, thread_id):
                raise bad_request("there is no such topic")
            fields = {"message_thread_id": thread_id, "is_topic_message": True}
        if replied := _number_or_none(wanted, "reply_to") or thread_id:
            fields["reply_to"] = message = self._telegram.standing(chat_id, replied)
            if quote := wanted.get("quote"):
                fields["quote"] = _quote(message, quote)
        return fields

    def _new_topic(self, chat_id: int, person: Json, name: str) -> Json:
        created = {"name": name, "icon_color": TOPIC_COLOR}
        return self._telegram.open_topic(self._telegram.chat(chat_id), person, created)

    def _tell(self, update: Json, message: Json) -> bool:
        if not (self._sees_all() or reaches(message, self._telegram.bot)):
            return False
        return self._deliver(update)


def _content(wanted: Json) -> Json:
    if photo := wanted.get("photo"):
        content: Json = {"photo": [_bytes(photo)]}
        if caption := wanted.get("caption"):
            content["caption"] = _text({"caption": caption}, "caption", CAPTION_LIMIT)
        return content
    return {"text": _written(wanted, TEXT_LIMIT)}


def _written(wanted: Json, limit: int) -> str:
    text = wanted.get("text")
    if not isinstance(text, str) or not text.strip():
        raise bad_request("write something first")
    return _text({"text": text.strip()}, "text", limit)


def _bytes(photo: Any) -> bytes:
    try:
        content = base64.b64decode(photo, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise bad_request("the photo is not base64") from None
    if len(content) > PHOTO_LIMIT:
        raise bad_request("a photo has 10 MB at most")
    if look(content).kind == UNKNOWN:
        raise bad_request("only PNG, JPEG, WebP and GIF pictures can be sent")
    return content


def _quote(message: Json, quote: Any) -> Json:
    text = message.get("text") or message.get("caption") or ""
    if not isinstance(quote, str) or not ("rich_message" in message or quote in text):
        raise bad_request("the quote is not in the message that it is from")
    # The positions between the blocks of a rich message are not counted
    position = utf16_length(text[: text.find(quote)]) if text else 0
    return {"text": quote, "position": position, "is_manual": True}


def _number(wanted: Json, name: str) -> int:
    value = wanted.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise bad_request(f"{name} is not a number")
    return value


def _number_or_none(wanted: Json, name: str) -> int | None:
    return None if wanted.get(name) is None else _number(wanted, name)


def _text(wanted: Json, name: str, limit: int | None = None) -> str:
    value = wanted.get(name)
    if not isinstance(value, str):
        raise bad_request(f"{name} is not a text")
    if limit and utf16_length(value) > limit:
        raise bad_request(f"{name} is longer than {limit} characters")
    return value
