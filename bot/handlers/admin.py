"""The commands of the bot's administrators: /ban, /unban, /allow, /users.

For everyone else they do not exist. They are handled alongside the chat's questions.
"""

import re

from aiogram import Router
from aiogram.enums import ChatType
from aiogram.filters import CommandObject
from aiogram.types import Message
from sqlalchemy.ext.asyncio import AsyncSession

from bot import texts
from bot.answers.sending import Reply
from bot.handlers.flags import CONCURRENT
from bot.incoming.filters import Command, by_admin, opens_topic
from bot.settings import Settings
from bot.telegram.authors import channel_of, person_of
from bot.updates.claims import Claim
from db import access
from db.transactions import single_statement, transaction
from db.updates import busiest_chats

BUSIEST = 10  # chats


def with_target(message: Message, command: CommandObject) -> bool | dict[str, int]:
    """Match a command that names an id or replies to a message; pass that id on as `target`.

    A reply to a channel's message can ban or unban the channel, but not allow it.
    """
    arguments = (command.args or "").strip()
    if arguments:
        named = re.fullmatch(r"-?[1-9][0-9]{0,15}", arguments)  # Telegram's ids have 52 bits
        return bool(named) and {"target": int(arguments)}
    answered = message.reply_to_message
    if answered is None or opens_topic(answered):
        return False
    channel = None if command.command.lower() == "allow" else channel_of(answered)
    author = person_of(answered) or channel
    return author is not None and {"target": author.id}


router = Router(name=__name__)
router.message.filter(by_admin)


@router.message(Command("ban"), with_target, flags=CONCURRENT)
async def ban(
    _: Message,
    target: int,
    session: AsyncSession,
    settings: Settings,
    claim: Claim,
    reply: Reply,
) -> None:
    """Stop answering a person or a chat."""
    if target in settings.admin_user_ids:
        await reply.say(texts.BAN_OF_ADMIN)
        return
    async with transaction(session):
        await claim.renew_within(session)
        await access.set_standing(session, target, access.BANNED)
    await reply.say(texts.banned(target))


@router.message(Command("unban"), with_target, flags=CONCURRENT)
async def unban(
    _: Message,
    target: int,
    session: AsyncSession,
    settings: Settings,
    claim: Claim,
    reply: Reply,
) -> None:
    """Lift a ban."""
    async with transaction(session):
        await claim.renew_within(session)
        was_banned = await access.lift_ban(session, target)
    await reply.say(texts.unbanned(target, was_banned, settings.admits(target)))


@router.message(Command("allow"), with_target, flags=CONCURRENT)
async def allow(
    _: Message,
    target: int,
    session: AsyncSession,
    settings: Settings,
    claim: Claim,
    reply: Reply,
) -> None:
    """Allow a person, or a chat with all its members; this also lifts a ban."""
    async with transaction(session):
        await claim.renew_within(session)
        await access.set_standing(session, target, access.ALLOWED)
    await reply.say(texts.allowed(target, settings.open_to_everyone))


@router.message(Command("ban", "unban", "allow"), flags=CONCURRENT)
async def whom(_: Message, command: CommandObject, reply: Reply) -> None:
    """Ask for the id that is missing or wrong."""
    await reply.say(texts.whom(command.command))


@router.message(Command("users"), flags=CONCURRENT)
async def users(message: Message, session: AsyncSession, settings: Settings, reply: Reply) -> None:
    """List the administrators, the allowed and the banned ids, and the busiest chats."""
    if message.chat.type != ChatType.PRIVATE:
        await reply.say(texts.NOT_IN_GROUPS)  # members should not see the bot's other users
        return
    async with single_statement(session):
        known = await access.list_access(session)
        busiest = await busiest_chats(session, BUSIEST)
    lists = {
        "Admins": sorted(settings.admin_user_ids),
        "Allowed in the settings": sorted(settings.allowed_user_ids | settings.allowed_chat_ids),
        "Allowed by admins": [target for target, status in known if status == access.ALLOWED],
        "Banned": [target for target, status in known if status == access.BANNED],
    }
    await reply.say(texts.users(lists, busiest, settings.open_to_everyone))
