"""Which messages are for this bot."""

import re
from typing import Any, Literal

from aiogram import Bot
from aiogram.enums import ChatType
from aiogram.types import Message

from bot.rendering.rich import plain_text
from bot.settings import Settings

ASK = re.compile(r"/ask(?:@\w+)?(?:\s|$)", re.ASCII | re.IGNORECASE)
COMMAND = re.compile(r"/(\w{1,32})(?:@(\w+))?(?:\s|$)", re.ASCII)


def from_person(message: Message) -> bool:
    """Tell whether a person wrote it under their own name: no bot, no channel."""
    author = message.from_user
    return author is not None and not author.is_bot and message.sender_chat is None


def by_admin(message: Message, settings: Settings) -> bool:
    """Tell whether an administrator of the bot wrote it, in their own words.

    A forwarded text is somebody else's, and so is one that another bot put in.
    """
    author = message.from_user
    is_own = message.forward_origin is None and message.via_bot is None
    return is_own and author is not None and author.id in settings.admin_user_ids


async def addressed(
    message: Message, bot: Bot, settings: Settings
) -> dict[str, Any] | Literal[False]:
    """Tell whether the bot is meant; hand on `text` without the bot's name, and `directly`.

    In a private chat every message is, in a group a mention, a reply to the bot and /ask, or with
    GROUP_TRIGGER=all every message, though not `directly`; a command for another bot never is.
    """
    if await _is_for_another_bot(message, bot):
        return False
    text = words(message)
    if asked := ASK.match(text):
        return {"text": text[asked.end() :].strip(), "directly": True}
    if message.chat.type == ChatType.PRIVATE:
        return {"text": text, "directly": True}
    username = (await bot.me()).username
    mention = re.compile(rf"(?<!\w)@{username}\b", re.IGNORECASE)
    if username and mention.search(text):
        return {"text": mention.sub("", text, count=1).strip(), "directly": True}
    directly = replies_to(message, bot.id)
    if not directly and settings.group_trigger != "all":
        return False
    return {"text": text, "directly": directly}


def words(message: Message) -> str:
    """Return what people read in a message; empty where it has no words."""
    if message.rich_message:
        return plain_text(message.rich_message.model_dump(exclude_none=True)["blocks"])
    return message.text or message.caption or ""


def is_command(message: Message) -> bool:
    """Tell whether a message looks like a command, before each is tried."""
    return (message.text or "").lstrip().startswith("/")


async def other_command(message: Message, bot: Bot) -> bool:
    """Match a command for this bot that no handler took.

    In a group one without a bot's name is no command of ours: at most a question to the bot.
    """
    match = COMMAND.match(message.text or "")
    if not match or match[1].lower() == "ask":
        return False
    if match[2] is None:
        return message.chat.type == ChatType.PRIVATE
    return not await _is_for_another_bot(message, bot)


def opens_topic(message: Message) -> bool:
    """Tell whether a message opened a forum topic: each one in it seems to reply to that."""
    return message.forum_topic_created is not None


def replies_to(message: Message, bot_id: int) -> bool:
    """Tell whether a message is a person's reply to one of the bot's."""
    answered = message.reply_to_message
    if answered is None or opens_topic(answered):
        return False
    return answered.from_user is not None and answered.from_user.id == bot_id


async def _is_for_another_bot(message: Message, bot: Bot) -> bool:
    """Tell whether a message is a command with another bot's name."""
    match = COMMAND.match(message.text or "")
    if match is None or match[2] is None:
        return False
    return match[2].lower() != ((await bot.me()).username or "").lower()
