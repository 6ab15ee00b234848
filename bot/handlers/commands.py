"""The commands for everyone: /start, /help, /id, /new_chat and its aliases, and more."""

from aiogram import Bot, Router
from aiogram.enums import ChatMemberStatus, ChatType
from aiogram.exceptions import TelegramBadRequest
from aiogram.filters import CommandObject
from aiogram.types import Message
from sqlalchemy.ext.asyncio import AsyncSession

from bot import texts
from bot.answers.sending import Reply
from bot.chat.conversation import Conversation
from bot.handlers.flags import CONCURRENT
from bot.incoming.filters import Command, by_admin, is_command, other_command
from bot.settings import CHOICES, Settings
from bot.telegram.authors import channel_of, person_of
from bot.updates.claims import Claim
from db.conversations import forget_chat
from db.preferences import rich_messages, set_rich_messages
from db.transactions import single_statement, transaction

GROUP_ADMINS = {ChatMemberStatus.CREATOR, ChatMemberStatus.ADMINISTRATOR}

router = Router(name=__name__)
router.message.filter(is_command)


@router.message(Command("start"))
async def start(_: object, reply: Reply) -> None:
    """Greet the user."""
    await reply.say(texts.START)


@router.message(Command("help"), flags=CONCURRENT)
async def help_(_: object, reply: Reply) -> None:
    """Say what the bot can do."""
    await reply.say(texts.HELP)


@router.message(Command("id"), flags=CONCURRENT)
async def id_(message: Message, reply: Reply) -> None:
    """Show the ids that the operator's settings refer to."""
    author = person_of(message) or channel_of(message)
    await reply.say(texts.ids(author.id if author else None, message.chat.id))


@router.message(Command("new_chat", "new", "reset", "clear"))
async def new_chat(_: object, conversation: Conversation, reply: Reply) -> None:
    """Forget the chat's messages."""
    await reply.say(texts.new_chat(await conversation.clear()))


@router.message(Command("rich"))
async def rich(
    message: Message,
    command: CommandObject,
    session: AsyncSession,
    settings: Settings,
    reply: Reply,
) -> None:
    """Show or change when a user gets rich messages."""
    person, wish = person_of(message), (command.args or "").strip().lower()
    if person is None:
        await reply.say(texts.RICH_MESSAGES_OF_NOBODY)
        return
    if wish and wish not in CHOICES:
        await reply.say(texts.RICH_MESSAGES_WRONG)
        return
    async with single_statement(session):
        if wish:
            await set_rich_messages(session, person.id, wish)
        chosen = await rich_messages(session, person.id)
    await reply.say(texts.rich_messages(chosen or settings.rich_messages))


@router.message(Command("forget"))
async def forget(
    message: Message,
    bot: Bot,
    session: AsyncSession,
    claim: Claim,
    settings: Settings,
    reply: Reply,
) -> None:
    """Delete everything stored about the chat; in a group, only administrators may ask for it."""
    if not by_admin(message, settings) and not await _owns_chat(message, bot):
        await reply.say(texts.FORGET_REFUSED)
        return
    async with transaction(session):
        # A process that was frozen must not delete messages written since
        await claim.renew_within(session)
        await forget_chat(session, message.chat.id)
    await reply.say(texts.FORGOTTEN)


@router.message(other_command)
async def unknown_command(_: object, reply: Reply) -> None:
    """Answer a command that the bot does not know."""
    await reply.say(texts.UNKNOWN_COMMAND)


async def _owns_chat(message: Message, bot: Bot) -> bool:
    """Tell whether a chat is the author's own: their private chat, or a group they administer.

    Only a group's administrators can write in its own name.
    """
    author = person_of(message)
    if author is None:
        return message.sender_chat is not None and message.sender_chat.id == message.chat.id
    if message.chat.type == ChatType.PRIVATE:
        return True
    try:
        member = await bot.get_chat_member(message.chat.id, author.id)
    except TelegramBadRequest:  # they have left, or the members are hidden from the bot
        return False
    return member.status in GROUP_ADMINS
