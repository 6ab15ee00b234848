"""Privacy mode: which messages in a group reach the bot."""

from collections.abc import Iterator
from typing import Final

from bot.sandbox.chats import MARKS
from bot.sandbox.parameters import Json

CONTENTS: Final = ("text", "caption", "photo")


def reaches(message: Json, bot: Json) -> bool:
    """Tell whether a message is for the bot: https://core.telegram.org/bots/features#privacy-mode.

    Service messages (a topic was opened) reach every bot.
    """
    if message["chat"]["type"] == "private" or not any(name in message for name in CONTENTS):
        return True
    replied = message.get("reply_to_message") or {}
    if (replied.get("from") or {}).get("id") == bot["id"]:
        return True
    name = f"@{bot['username']}".lower()
    return any(_is_for(kind, text.lower(), name) for kind, text in _marked(message))


def _is_for(kind: str, text: str, name: str) -> bool:
    if kind == "bot_command":
        return "@" not in text or text.endswith(name)
    return kind == "mention" and text == name


def _marked(message: Json) -> Iterator[tuple[str, str]]:
    """Yield the kinds of a message's entities, each with the text that it marks."""
    for field, marks in MARKS.items():
        text = message.get(field, "").encode("utf-16-le")
        for entity in message.get(marks, []):
            start = entity["offset"] * 2
            marked = text[start : start + entity["length"] * 2]
            yield entity["type"], marked.decode("utf-16-le", errors="replace")
