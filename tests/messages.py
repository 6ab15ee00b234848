"""What people see of the bot's messages."""

import json
from collections.abc import Mapping
from typing import Any

from bot.rendering.rich import plain_text

Json = dict[str, Any]


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
