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
    return _answers(message, bot) and {"text": text}


async def other_command(message: Message, bot: Bot) -> bool | dict[str, Any]:
    """Match a command that no handler took; hand on whether it was `meant_for_us`.

    In a group one without a bot's name is no command of ours: at most a question to the bot.
    """
    match = COMMAND.match(message.text or "")
    if not match:
        return False
    name = match[2]
    if name is None:
        return message.chat.type == ChatType.PRIVATE and {"meant_for_us": True}
    username = (await bot.me()).username or ""
    return {"meant_for_us": name.lower() == username.lower()}


def _answers(message: Message, bot: Bot) -> bool:
    """Tell whether a message is a person's reply to one of the bot's."""
    answered = message.reply_to_message
    # Each message of a forum topic seems to reply to the one that opened it
    if answered is None or answered.forum_topic_created:
        return False
    return answered.from_user is not None and answered.from_user.id == bot.id
