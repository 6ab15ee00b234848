"""Access control: permission to use the bot, and how often."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiogram import BaseMiddleware
from aiogram.dispatcher.flags import get_flag
from aiogram.types import CallbackQuery, Message, TelegramObject

from bot import texts
from bot.logs.update_log import Outcome, Trace
from bot.telegram.authors import channel_of
from bot.telegram.keyboards import acknowledge
from bot.updates.claims import Claim
from bot.updates.sender import Sender
from db import access
from db.transactions import single_statement

Handler = Callable[[TelegramObject, dict[str, Any]], Awaitable[Any]]


class AccessMiddleware(BaseMiddleware):
    """The middleware that admits allowed senders, within the limits; all others end here.

    The first match decides: an administrator, a ban of the person or the chat, an allowed person,
    an allowed chat with all its members. An update without a person comes from its chat, and a
    channel in whose name a person writes can be banned like a person.
    """

    async def __call__(self, handler: Handler, event: TelegramObject, data: dict[str, Any]) -> Any:
        """Call the handler if the sender may use the bot."""
        if get_flag(data, "service", default=False):  # no user has written it
            return await handler(event, data)
        sender: Sender = data["sender"]
        if sender.is_admin(data["settings"]) or await _admits(sender, event, data):
            return await handler(event, data)
        return None


async def _admits(sender: Sender, event: TelegramObject, data: dict[str, Any]) -> bool:
    """Tell whether a sender who is not an administrator may do this now; if not, say so."""
    trace: Trace = data["trace"]
    claim: Claim = data["claim"]
    record = claim.sender_record
    banned = access.BANNED in record.statuses or await _is_of_banned_channel(event, data)
    welcome = not banned and sender.is_welcome(data["settings"], record)
    is_due = not claim.due_in(record.wait)
    claim.counted = welcome and is_due and get_flag(data, "question", default=False)
    if banned:
        trace.end(Outcome.TURNED_AWAY, f"{sender.id} is banned")
    elif not welcome:
        trace.end(Outcome.TURNED_AWAY, f"{sender.id} is a stranger")
        await _turn_away(sender, event, data)
    elif not is_due:
        trace.end(Outcome.TURNED_AWAY, "too many questions")
        if data.get("directly", True):  # otherwise the bot was not asked: GROUP_TRIGGER=all
            await data["reply"].say(texts.too_many_questions(record.wait))
    return welcome and is_due


async def _is_of_banned_channel(event: TelegramObject, data: dict[str, Any]) -> bool:
    """Tell whether a message was written in the name of a banned channel."""
    channel = channel_of(event) if isinstance(event, Message) else None
    if channel is None:
        return False
    async with single_statement(data["session"]):
        return await access.is_banned(data["session"], channel.id)


async def _turn_away(sender: Sender, event: TelegramObject, data: dict[str, Any]) -> None:
    """Tell a stranger their id, at most once an hour; only acknowledge a pressed button.

    An anonymous author is told the chat's id.
    """
    session = data["session"]
    if isinstance(event, CallbackQuery):
        await acknowledge(event, texts.NOT_YOURS)
    if not isinstance(event, Message) or event.edit_date:
        return
    async with single_statement(session):
        is_due = await access.note_stranger(session, sender.id)
    if not is_due:
        return
    try:
        await data["reply"].say(texts.stranger(sender.user_id, sender.chat_id))
    except BaseException:
        # The stranger was not told: the next attempt, or the next message, may do it
        async with single_statement(session):
            await access.forget_stranger(session, sender.id)
        raise
