"""The people and chats that the bot can see, and the messages in them."""

import copy
import time
from collections import defaultdict
from collections.abc import Collection
from threading import RLock
from typing import Any, Final

from bot.sandbox.events import Observe, unobserved
from bot.sandbox.parameters import Json, bad_request

# The field with the entities of each text field.
MARKS: Final = {"text": "entities", "caption": "caption_entities"}


def new_person(
    person_id: int,
    first_name: str,
    username: str | None,
    *,
    is_bot: bool,
    language_code: str | None,
) -> Json:
    """Make a User."""
    fields = {
        "id": person_id,
        "is_bot": is_bot,
        "first_name": first_name,
        "username": username,
        "language_code": language_code,
    }
    return {name: value for name, value in fields.items() if value is not None}


def without(message: Json, name: str) -> Json:
    """Copy a message without one of its fields."""
    return {key: value for key, value in message.items() if key != name}


class Chats:
    """The chats that the bot may write to, by identifier, with their messages and topics."""

    def __init__(self, bot: Json, lock: RLock, observe: Observe = unobserved) -> None:
        self._observe = observe
        self._bot = {name: bot[name] for name in ("id", "is_bot", "first_name", "username")}
        self._lock = lock
        self._chats: dict[int, Json] = {}
        self._messages: dict[tuple[int, int], Json] = {}
        self._by_bot: set[tuple[int, int]] = set()
        self._edit_hidden: set[tuple[int, int]] = set()
        self._topics: set[tuple[int, int]] = set()
        self._members: dict[tuple[int, int], Json] = {}
        self._last_ids: dict[int, int] = defaultdict(int)
        self.drafts: dict[int, Json] = {}

    def kept(self) -> Json:
        """Return the whole state, for `restore`."""
        return {
            "chats": list(self._chats.values()),
            "messages": [
                {"by_bot": place in self._by_bot, "message": message}
                for place, message in self._messages.items()
            ],
            "edit_hidden": sorted(self._edit_hidden & self._messages.keys()),
            "topics": sorted(self._topics),
            "members": [
                {"chat_id": chat_id, "member": member}
                for (chat_id, _), member in self._members.items()
            ],
            "last_ids": list(self._last_ids.items()),
        }

    def restore(self, kept: Json) -> None:
        """Restore the state that `kept` returned."""
        self._chats = {chat["id"]: chat for chat in kept["chats"]}
        for item in kept["messages"]:
            place = item["message"]["chat"]["id"], item["message"]["message_id"]
            self._messages[place] = item["message"]
            if item["by_bot"]:
                self._by_bot.add(place)
        # Files from the first version lack this field
        self._edit_hidden = {(chat_id, number) for chat_id, number in kept.get("edit_hidden", [])}
        self._topics = {(chat_id, thread_id) for chat_id, thread_id in kept["topics"]}
        for item in kept["members"]:
            self._members[item["chat_id"], item["member"]["user"]["id"]] = item["member"]
        self._last_ids.update(kept["last_ids"])

    def add(self, chat: Json) -> Json:
        """Make a chat known to the bot."""
        with self._lock:
            self._chats[chat["id"]] = chat
        return chat

    def all(self) -> list[Json]:
        """List the chats that the bot knows."""
        return list(self._chats.values())

    def find(self, chat_id: int | str | None) -> Json:
        """Return the chat with an identifier or @username; ApiError 400 if the bot knows none."""
        if not chat_id:
            raise bad_request("chat_id is empty")
        for chat in self._chats.values():
            username = "" if chat["type"] == "private" else chat.get("username")
            if chat["id"] == chat_id or (username and f"@{username}" == chat_id):
                return chat
        raise bad_request("chat not found")

    def join(self, chat: Json, person: Json, status: str) -> None:
        """Make a person a member of a chat, with the given status."""
        with self._lock:
            self._members[chat["id"], person["id"]] = {"user": person, "status": status}

    def member(self, chat: Json, user_id: int) -> Json:
        """Return a user's membership; ApiError 400 if the user was never seen in the chat."""
        member = self._members.get((chat["id"], user_id))
        if member is None:
            raise bad_request("member not found")
        return member

    def has_topic(self, chat_id: int, thread_id: int) -> bool:
        """Tell whether a message of this forum topic has been seen."""
        return (chat_id, thread_id) in self._topics

    def receive(self, chat: Json, sender: Json | None, fields: Json) -> Json:
        """Store an incoming message under the chat's next identifier."""
        with self._lock:
            self.add(chat)
            if sender and (chat["id"], sender["id"]) not in self._members:
                self.join(chat, sender, "member")
            message = self._store(chat, {"from": sender} if sender else {}, fields)
            thread_id = message.get("message_thread_id")
            if thread_id and (message.get("is_topic_message") or chat.get("is_forum")):
                self._topics.add((chat["id"], thread_id))
            self.changed(message)
            return copy.deepcopy(message)

    def open_topic(self, chat: Json, person: Json, created: Json) -> Json:
        """Store the message that opens a topic; its identifier becomes the topic's."""
        with self._lock:
            topic = {"forum_topic_created": created, "is_topic_message": True}
            message = self._store(chat, {"from": person}, topic)
            message["message_thread_id"] = message["message_id"]
            self._topics.add((chat["id"], message["message_id"]))
            self.changed(message)
            return copy.deepcopy(message)

    def send(self, chat: Json, fields: Json) -> Json:
        """Store a message from the bot, which ends the bot's draft in this chat."""
        author = {"sender_chat": chat} if chat["type"] == "channel" else {"from": self._bot}
        message = self._store(chat, author, fields)
        self._by_bot.add((chat["id"], message["message_id"]))
        self.draft(chat, None)
        self.changed(message)
        return message

    def draft(self, chat: Json, draft: Json | None) -> None:
        """Set the draft in a chat, or remove it with None."""
        if draft is not None:
            self.drafts[chat["id"]] = draft
        elif self.drafts.pop(chat["id"], None) is None:
            return
        thread_id = draft and draft.get("message_thread_id")
        place = {"chat_id": chat["id"], "message_thread_id": thread_id}
        self._observe({"type": "draft", **place, "draft": draft})

    def changed(self, message: Json) -> None:
        """Show observers a message that is new or has changed."""
        self._observe({"type": "message", "message": self._shown(message)})

    def _shown(self, message: Json) -> Json:
        """Return a message as people see it: without "edited" if only its buttons have changed."""
        place = message["chat"]["id"], message["message_id"]
        return {**message, "edit_hidden": True} if place in self._edit_hidden else message

    def edit(self, message: Json, fields: Json, names: Collection[str]) -> None:
        """Replace the fields in `names` of one of the bot's messages with new fields."""
        place = message["chat"]["id"], message["message_id"]
        content = set(names) - {"reply_markup"}
        if any(message.get(name) != fields.get(name) for name in content):
            self._edit_hidden.discard(place)
        elif "edit_date" not in message:
            self._edit_hidden.add(place)
        for name in names:
            message.pop(name, None)
        message |= {**fields, "edit_date": int(time.time())}
        self.changed(message)

    def _store(self, chat: Json, author: Json, fields: Json) -> Json:
        self._last_ids[chat["id"]] = message_id = self._last_ids[chat["id"]] + 1
        message = {
            "message_id": message_id,
            **author,
            "chat": chat,
            "date": int(time.time()),
            **fields,
        }
        self._messages[chat["id"], message_id] = copy.deepcopy(message)
        return self._messages[chat["id"], message_id]

    def rewrite(self, message: Json, fields: Json) -> Json:
        """Change the text or other fields of a person's existing message."""
        with self._lock:
            standing = self.standing(message)
            if self.is_by_bot(standing):
                raise ValueError("the message is the bot's")
            for name, marks in MARKS.items():
                if name in fields:
                    standing.pop(marks, None)
            standing |= copy.deepcopy(fields)
            self.changed(standing)
            return copy.deepcopy(standing)

    def age(self, message: Json, seconds: float) -> None:
        """Make an existing message older by this many seconds."""
        with self._lock:
            self.standing(message)["date"] -= int(seconds)

    def present(self, message: Json) -> Json:
        """Copy an existing message as an update shows it now, with the message it replies to."""
        with self._lock:
            shown = copy.deepcopy(self.standing(message))
            if replied := shown.pop("reply_to_message", None):
                replied = self.message(replied["chat"]["id"], replied["message_id"])
            if replied:
                shown["reply_to_message"] = copy.deepcopy(without(replied, "reply_to_message"))
            return shown

    def standing(self, message: Json) -> Json:
        """Return the stored message; ValueError if it has been deleted."""
        standing = self.message(message["chat"]["id"], message["message_id"])
        if standing is None:
            raise ValueError("the message does not stand")
        return standing

    def message(self, chat_id: int, message_id: Any) -> Json | None:
        """Return an existing message, or None if there is none."""
        return self._messages.get((chat_id, message_id))

    def is_by_bot(self, message: Json) -> bool:
        """Tell whether the bot sent the message."""
        return (message["chat"]["id"], message["message_id"]) in self._by_bot

    def delete(self, message: Json) -> None:
        """Remove a message from its chat."""
        place = {"chat_id": message["chat"]["id"], "message_id": message["message_id"]}
        del self._messages[place["chat_id"], place["message_id"]]
        self._observe({"type": "deleted", **place})

    def messages(self, chat_id: int) -> list[Json]:
        """Return the messages in one chat as people see them, in order."""
        return [self._shown(m) for (chat, _), m in self._messages.items() if chat == chat_id]

    def forget(self, chat_id: int) -> list[Json]:
        """Remove and return all messages in a chat, except those that opened its topics."""
        with self._lock:
            self.drafts.pop(chat_id, None)
            ids = [number for chat, number in self._messages if chat == chat_id]
            return [
                self._messages.pop((chat_id, number))
                for number in ids
                if "forum_topic_created" not in self._messages[chat_id, number]
            ]

    def sent(self, chat_id: int | None = None) -> list[Json]:
        """Copy the bot's existing messages in one chat or all, in the order of sending."""
        with self._lock:
            return [
                copy.deepcopy(message)
                for key, message in self._messages.items()
                if key in self._by_bot and chat_id in {None, key[0]}
            ]
