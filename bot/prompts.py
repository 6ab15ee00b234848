"""What a message asks, with what it refers to: the model sees nothing else of Telegram."""

from aiogram.enums import ChatType
from aiogram.types import (
    Message,
    MessageOriginChannel,
    MessageOriginChat,
    MessageOriginHiddenUser,
    MessageOriginUser,
)

from bot.filters import opens_topic

LONGEST_NAME = 60  # characters
LONGEST_QUOTE = 1500  # characters of a message that is answered or quoted


def prompt_text(message: Message, text: str, bot_id: int) -> str:
    """Return a question as the model reads it.

    In a group it begins with the name of who asks; what is quoted, replied to or forwarded stands
    before it in brackets, cut where it is long.
    """
    asked = text
    if message.chat.type != ChatType.PRIVATE and message.from_user and text:
        asked = f"{_cut(message.from_user.full_name, LONGEST_NAME)}: {text}"
    context = (_source(message), _quoted(message, bot_id))
    return "\n".join(filter(None, (*context, asked)))


def _source(message: Message) -> str | None:
    name = None
    match message.forward_origin:
        case MessageOriginUser(sender_user=user):
            name = user.full_name
        case MessageOriginHiddenUser(sender_user_name=hidden):
            name = hidden
        case MessageOriginChat(sender_chat=chat) | MessageOriginChannel(chat=chat):
            name = chat.full_name
    return f"[Forwarded from {_cut(name, LONGEST_NAME)}]" if name else None


def _quoted(message: Message, bot_id: int) -> str | None:
    answered = message.reply_to_message
    author = answered.from_user if answered else None
    if message.quote:
        words = message.quote.text
    elif answered is None or opens_topic(answered) or (author and author.id == bot_id):
        return None  # what the bot itself said is remembered
    else:
        words = answered.text or answered.caption or ""
    if not words.strip():
        return None
    whose = f" {_cut(author.full_name, LONGEST_NAME)}" if author and author.id != bot_id else ""
    return f"[In reply to{whose or ' this'}: {_cut(words, LONGEST_QUOTE)}]"


def _cut(text: str, limit: int) -> str:
    """Return a text on one line, with an ellipsis where it was longer."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
