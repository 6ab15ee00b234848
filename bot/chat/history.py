"""A chat's stored messages, as the contents that Gemini accepts."""

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter, ne
from typing import Any

from bot.chat.attachments import FetchedFile
from db.conversations import StoredMessage

Content = dict[str, Any]

CUT_OFF = "[This answer was cut off here.]"
GO_ON = (
    "Go on exactly where your last answer was cut off, as if there had been no break: without an"
    " introduction, and without repeating any of it. Open a code block again if one was open."
)
OMITTED = "[The messages before this one are not shown.]"


def to_contents(
    messages: Iterable[StoredMessage], files: Mapping[str, FetchedFile], question: Content
) -> list[Content]:
    """Turn stored messages, oldest first, and a question into contents with alternating roles.

    `files` holds those that could be fetched again, by file id. Rows from the bot's first version
    have no role and count as the user's; rows without text or file are left out.
    """
    contents = [content for message in messages for content in _contents(message, files)]
    if contents and contents[0]["role"] == "model":
        contents.insert(0, user_content(OMITTED))
    return _alternating([*contents, question])


def newest(messages: Sequence[StoredMessage], characters: int) -> Sequence[StoredMessage]:
    """Return the newest messages, oldest first, that together fit into a number of characters.

    If even the very last message is too long, its end is kept.
    """
    left = characters
    for position in reversed(range(len(messages))):
        size = _size(messages[position])
        if size > left:
            rest = messages[position + 1 :]
            return rest or [_end_of(messages[position], left)]
        left -= size
    return messages


def _size(message: StoredMessage) -> int:
    return len(json.dumps(message.content)) if message.content else len(message.text or "")


def _end_of(message: StoredMessage, characters: int) -> StoredMessage:
    return message._replace(text=f"…{(message.text or '')[-characters:]}", content=None)


def user_content(text: str, file: FetchedFile | None = None) -> Content:
    """Return a user's turn: the attached file first, as Gemini's documentation advises."""
    parts: list[dict[str, Any]] = [{"text": text}] if text else []
    if file:
        encoded = base64.b64encode(file.data).decode()
        parts.insert(0, {"inlineData": {"mimeType": file.mime_type, "data": encoded}})
    return {"role": "user", "parts": parts}


def _contents(message: StoredMessage, files: Mapping[str, FetchedFile]) -> Sequence[Content]:
    if message.content:
        return message.content
    text = (message.text or "").strip()
    if message.role == "model":
        text = f"{text}\n\n{CUT_OFF}" if text and message.ending else text
        return [{"role": "model", "parts": [{"text": text}]}] if text else []
    file = files.get(message.file_id or "")
    return [user_content(text, file)] if text or file else []


def _alternating(contents: list[Content]) -> list[Content]:
    """Join adjacent turns of one role: Gemini refuses two in a row from the same side."""
    roles = [content["role"] for content in contents]
    if all(map(ne, roles, roles[1:])):  # nearly always the case
        return contents
    return [
        {"role": role, "parts": [part for content in turn for part in content["parts"]]}
        for role, turn in groupby(contents, key=itemgetter("role"))
    ]
