"""Users' messages to the bot, and the readable content of its messages."""

import json
from collections.abc import Mapping
from typing import Any

from bot.rendering.rich import plain_text
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
