"""What people write to the bot, and what they see of its messages."""

import json
from collections.abc import Mapping
from typing import Any

from bot.rendering.rich import plain_text
from bot.sandbox.telegram import TelegramServer

Json = dict[str, Any]


def question(
    telegram: TelegramServer, text: str | None = None, user_id: int = 42, **message: Any
) -> Json:
    """Make the update of a person who writes in a private chat."""
    person = telegram.person(user_id)
    return telegram.message(telegram.private_chat(person), person, text, **message)


def read(message: Mapping[str, Any]) -> str:
    """Return what people read in a message, classic or rich, or in what the bot wrote for one."""
    rich = message.get("rich_message")
    if isinstance(rich, str):  # as the bot wrote it
        rich = json.loads(rich)
    return plain_text(rich["blocks"]) if rich else str(message.get("text", ""))


def buttons(message: Json) -> list[str]:
    """Return what stands on the buttons below a message."""
    rows = message.get("reply_markup", {}).get("inline_keyboard", [])
    return [button["text"] for row in rows for button in row]
