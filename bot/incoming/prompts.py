"""Prompts made of a message and its context: the model sees nothing else of Telegram."""

from collections.abc import Collection
from itertools import takewhile

from aiogram.enums import ChatType
from aiogram.types import (
    Message,
    MessageOriginChannel,
    MessageOriginChat,
    MessageOriginHiddenUser,
    MessageOriginUser,
)

from bot.chat.prompts import Prompt
from bot.incoming.content_kinds import read
from bot.incoming.filters import opens_topic, words
from bot.rendering.characters import between_graphemes

FORWARDED, ANSWERED = "[Forwarded from", "[In reply to"  # how a line of context begins
LONGEST_NAME = 60  # characters
LONGEST_QUOTE = 1500  # characters of a message that is replied to or quoted


def to_prompt(
    message: Message, text: str, bot_id: int, remembered: Collection[int] = ()
) -> Prompt | None:
    """Return the prompt of a message; None if it asks nothing. Raise AttachmentTooLarge.

    `text` is the message's text without the bot's name. In a group the prompt begins with the
    author's name. Before it, in brackets, come the source of a forwarded message and the text
    that is quoted or replied to, cut if it is long. `remembered` are the bot's messages that the
    model knows anyway.
    """
    attachment, question = read(message)
    text = text or question
    if not text.strip():
        return None
    context = (_source(message), _quoted(message, bot_id, remembered))
    return Prompt("\n".join(filter(None, (*context, _asked(message, text)))), attachment)


def edited_prompt(asked: Prompt, message: Message, text: str) -> Prompt | None:
    """Return the prompt of an edited message, in its old context; None if nothing changed.

    Raise AttachmentTooLarge.
    """
    attachment, question = read(message)
    text = text or question
    lines = asked.text.split("\n")
    context = list(takewhile(_is_context, lines))
    words = "\n".join(lines[len(context) :])
    # The author's name before the text may have changed: that is no edit of the question
    is_same = text == words or (not _is_private(message) and words.endswith(f": {text}"))
    prompt = Prompt("\n".join([*context, _asked(message, text)]), attachment)
    if not text.strip() or (is_same and prompt.file_id == asked.file_id):
        return None
    return prompt


def _is_private(message: Message) -> bool:
    return message.chat.type == ChatType.PRIVATE


def _asked(message: Message, text: str) -> str:
    name = _author(message)
    return text if _is_private(message) or name is None else f"{name}: {text}"


def _author(message: Message) -> str | None:
    """Return the name under which a message was written: a person's or a chat's."""
    author = message.sender_chat or message.from_user
    return _cut(author.full_name, LONGEST_NAME) if author else None


def _is_context(line: str) -> bool:
    return line.startswith((FORWARDED, ANSWERED)) and line.endswith("]")


def _source(message: Message) -> str | None:
    name = None
    match None if message.is_automatic_forward else message.forward_origin:
        case MessageOriginUser(sender_user=user):
            name = user.full_name
        case MessageOriginHiddenUser(sender_user_name=hidden):
            name = hidden
        case MessageOriginChat(sender_chat=chat) | MessageOriginChannel(chat=chat):
            name = chat.full_name
    return f"{FORWARDED} {_cut(name, LONGEST_NAME)}]" if name else None


def _quoted(message: Message, bot_id: int, remembered: Collection[int]) -> str | None:
    answered = message.reply_to_message
    if message.quote:
        said = message.quote.text
    elif answered is None or opens_topic(answered) or answered.message_id in remembered:
        return None
    else:
        said = words(answered)
    if not said.strip():
        return None
    is_own = answered and answered.from_user and answered.from_user.id == bot_id
    author = None if answered is None or is_own else _author(answered)
    return f"{ANSWERED} {author or 'this'}: {_cut(said, LONGEST_QUOTE)}]"


def _cut(text: str, limit: int) -> str:
    """Return a text on one line, cut to `limit` characters with an ellipsis if it is longer."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: between_graphemes(line, 0, limit - 1)]}…"
