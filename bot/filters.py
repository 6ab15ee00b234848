"""Which messages are for this bot."""

import re
from typing import Any

from aiogram import Bot
from aiogram.enums import ChatType
from aiogram.types import Message

COMMAND = re.compile(r"/(\w{1,32})(?:@(\w+))?(?:\s|$)", re.ASCII)


def from_person(message: Message) -> bool:
    """Tell whether a person wrote it under their own name: no bot, no channel."""
    author = message.from_user
    return author is not None and not author.is_bot and message.sender_chat is None


async def addressed(message: Message, bot: Bot) -> bool | dict[str, Any]:
    """Tell whether the bot is meant; hand on `text` without the bot's name.

    In a private chat every message is, in a group a mention or a reply to the bot.
    """
    text = message.text or message.caption or ""
    if message.chat.type == ChatType.PRIVATE:
        return {"text": text}
    username = (await bot.me()).username
    mention = re.compile(rf"(?<!\w)@{username}\b", re.IGNORECASE)
    if username and mention.search(text):
        return {"text": mention.sub("", text, count=1).strip()}
    answered = message.reply_to_message
    if answered and answered.from_user and answered.from_user.id == bot.id:
        return {"text": text}
    return False


async def other_command(message: Message, bot: Bot) -> bool | dict[str, Any]:
    """Match a command that no handler took; hand on whether it was `meant_for_us`."""
    match = COMMAND.match(message.text or "")
    if not match:
        return False
    mention = match[2]
    if mention is None:
        return {"meant_for_us": message.chat.type == ChatType.PRIVATE}
    username = (await bot.me()).username or ""
    return {"meant_for_us": mention.lower() == username.lower()}
