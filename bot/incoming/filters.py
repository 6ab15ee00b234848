"""Filters for the messages that are meant for this bot."""

import re
from itertools import islice
from typing import Any, Literal

from aiogram import Bot
from aiogram import filters as aiogram_filters
from aiogram.enums import ChatType
from aiogram.types import Message

from bot.rendering.rich import plain_text
from bot.settings import Settings
from bot.telegram.authors import person_of
from bot.telegram.identity import Identity

ASK = re.compile(r"/ask(?:@\w+)?(?:\s|$)", re.ASCII | re.IGNORECASE)
COMMAND = re.compile(r"/(\w{1,32})(?:@(\w+))?(?:\s|$)", re.ASCII)
MENTION = re.compile(r"(?<!\w)@([A-Za-z0-9_]{1,32})(?!\w)")
MENTIONS = 50  # the most that are checked in one message

# The users that Telegram names as the authors of messages written in the name of a chat, and of
# the posts of a group's linked channel: https://core.telegram.org/bots/api#message
STAND_INS = frozenset({1087968824, 136817688, 777000})


class Command(aiogram_filters.Command):
    """A command for this bot, by any of its names, in the author's own words."""

    def __init__(self, *commands: str) -> None:
        super().__init__(*commands, ignore_case=True, ignore_mention=True)

    async def __call__(  # type: ignore[override]  # aiogram passes arguments by name
        self, message: Message, bot: Bot, identity: Identity
    ) -> bool | dict[str, Any]:
        """Match the command; pass it on as `command`."""
        if not is_command(message):
            return False
        found = await super().__call__(message, bot)
        if not isinstance(found, dict):
            return False
        name = found["command"].mention
        return found if name is None or await identity.is_called(name) else False


def from_people(message: Message) -> bool:
    """Tell whether a person, not a bot, wrote a message, in their own name or in a chat's."""
    author = message.from_user
    in_name_of_chat = message.sender_chat is not None and (
        author is None or not author.is_bot or author.id in STAND_INS
    )
    return in_name_of_chat or person_of(message) is not None


def in_own_words(message: Message) -> bool:
    """Tell whether a message is its author's own writing.

    A forwarded text is someone else's, and so is one that was inserted through another bot.
    """
    return message.forward_origin is None and message.via_bot is None


def by_admin(message: Message, settings: Settings) -> bool:
    """Tell whether an administrator of the bot wrote a message, in their own words."""
    author = person_of(message)
    return in_own_words(message) and author is not None and author.id in settings.admin_user_ids


async def addressed(
    message: Message, bot: Bot, settings: Settings, identity: Identity
) -> dict[str, Any] | Literal[False]:
    """Match a message for the bot; pass on `text` without the bot's name, and `directly`.

    In a private chat every message matches. In a group a mention, a reply to the bot and /ask do;
    with GROUP_TRIGGER=all every message of its members does, though not `directly`. A command for
    another bot never matches.
    """
    text = words(message)
    if in_own_words(message):
        if await _is_for_another_bot(text, identity):
            return False
        if asked := ASK.match(text):
            return {"text": text[asked.end() :].strip(), "directly": True}
    if message.chat.type == ChatType.PRIVATE:
        return {"text": text, "directly": True}
    for mention in islice(MENTION.finditer(text), MENTIONS):
        if await identity.is_called(mention[1]):
            rest = text[: mention.start()] + text[mention.end() :]
            return {"text": rest.strip(), "directly": True}
    directly = replies_to(message, bot.id)
    # A channel's post also appears in its group, but is not addressed to anyone there
    is_talk = settings.group_trigger == "all" and not message.is_automatic_forward
    return {"text": text, "directly": directly} if directly or is_talk else False


def words(message: Message) -> str:
    """Return the text that people read in a message; empty if it has none."""
    if message.rich_message:
        return plain_text(message.rich_message.model_dump(exclude_none=True)["blocks"])
    return message.text or message.caption or ""


def is_command(message: Message) -> bool:
    """Tell whether a message looks like its author's command, before each command is tried."""
    return in_own_words(message) and (message.text or "").lstrip().startswith("/")


async def other_command(message: Message, identity: Identity) -> bool:
    """Match a command for this bot that no handler took.

    In a group, a command without a bot's name is not ours: at most a question to the bot.
    """
    match = COMMAND.match(message.text or "")
    if not match or match[1].lower() == "ask":
        return False
    if match[2] is None:
        return message.chat.type == ChatType.PRIVATE
    return await identity.is_called(match[2])


def opens_topic(message: Message) -> bool:
    """Tell whether a message opened a forum topic.

    Every message in the topic looks like a reply to it.
    """
    return message.forum_topic_created is not None


def replies_to(message: Message, bot_id: int) -> bool:
    """Tell whether a message was written as a reply to one of the bot's messages."""
    answered = message.reply_to_message
    if answered is None or opens_topic(answered):
        return False
    return answered.from_user is not None and answered.from_user.id == bot_id


async def _is_for_another_bot(text: str, identity: Identity) -> bool:
    """Tell whether a text is a command that names another bot."""
    match = COMMAND.match(text)
    return match is not None and match[2] is not None and not await identity.is_called(match[2])
