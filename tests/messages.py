"""What people see of the bot's messages."""

from typing import Any

from bot.rendering.rich import plain_text

Json = dict[str, Any]


def read(message: Json) -> str:
    """Return what people read in a message, classic or rich."""
    if "rich_message" in message:
        return plain_text(message["rich_message"]["blocks"])
    return str(message["text"])


def buttons(message: Json) -> list[str]:
    """Return what stands on the buttons below a message."""
    rows = message.get("reply_markup", {}).get("inline_keyboard", [])
    return [button["text"] for row in rows for button in row]
