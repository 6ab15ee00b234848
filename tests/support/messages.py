"""Users' messages to the bot, and the readable content of its messages."""

import json
from collections.abc import Mapping
from typing import Any

from bot.rendering.pages import Page
from bot.rendering.rich import RichPiece, plain_text
from bot.sandbox.entities import format_text
from bot.sandbox.rich import read_rich_message
from bot.sandbox.telegram import TelegramServer

Json = dict[str, Any]


def question(
    telegram: TelegramServer, text: str | None = None, user_id: int = 42, **message: Any
) -> Json:
    """Create the update for a user's message in a private chat."""
    person = telegram.person(user_id)
    return telegram.message(telegram.private_chat(person), person, text, **message)


def read(message: Mapping[str, Any]) -> str:
    """Return the readable text of a message, classic or rich, or of the bot's request for one."""
    rich = message.get("rich_message")
    if isinstance(rich, str):  # JSON, as the bot sent it
        rich = json.loads(rich)
    return plain_text(rich["blocks"]) if rich else str(message.get("text", ""))


def buttons(message: Json) -> list[str]:
    """Return the labels of the buttons below a message."""
    rows = message.get("reply_markup", {}).get("inline_keyboard", [])
    return [button["text"] for row in rows for button in row]


def accepted(page: Page) -> str:
    """Return what people read of a page, which Telegram takes as a draft and as a message."""
    if not isinstance(page, RichPiece):
        text, _, violations = format_text(page.text, page.entities)
        assert violations == []
        assert text.strip()
        return text
    for is_draft in (True, False):
        message, violations = read_rich_message({"blocks": [*page.blocks]}, is_draft=is_draft)
        assert violations == []
    return plain_text(message["blocks"])
