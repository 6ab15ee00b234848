"""Who may use the bot, and how often."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiogram import BaseMiddleware
from aiogram.dispatcher.flags import get_flag
from aiogram.types import CallbackQuery, Chat, Message, TelegramObject, User

from bot import texts
from bot.buttons import acknowledge
from bot.limits import limits_for
from bot.settings import Settings
from bot.trace import Outcome, Trace
from db import access
from db.engine import single_statement
from db.visitors import Known, read_visitor

Handler = Callable[[TelegramObject, dict[str, Any]], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who an update comes from: a chat, and its person where there is one."""

    chat_id: int
    person_id: int | None

    def is_admin(self, settings: Settings) -> bool:
        """Tell whether the settings make the person an administrator of the bot."""
        return self.person_id in settings.admin_user_ids

    def is_welcome(self, settings: Settings, known: Known) -> bool:
        """Tell whether the person or the chat is allowed, or everyone is."""
        return (
            settings.open_to_everyone
            or self.person_id in settings.allowed_user_ids
            or self.chat_id in settings.allowed_chat_ids
            or access.ALLOWED in known.statuses
        )


class AccessMiddleware(BaseMiddleware):
    """Let in whom the operator lets in, as often as the limits allow; all else ends here.

    What fits first decides: an administrator, a ban of the person or the chat, an allowed person,
    an allowed chat with all its members. An update without a person is its chat's.
    """

    async def __call__(self, handler: Handler, event: TelegramObject, data: dict[str, Any]) -> Any:
        """Call the handler for those who may."""
        if get_flag(data, "service", default=False):  # nobody has written it
            return await handler(event, data)
        visitor, settings = _visitor(data), data["settings"]
        is_admin = visitor.is_admin(settings)
        counts = get_flag(data, "question", default=False) and not is_admin
        limits = limits_for(settings, data["delivery"]) if counts else ()
        async with single_statement(data["session"]):
            known = await read_visitor(data["session"], visitor.chat_id, visitor.person_id, limits)
        if is_admin or await _admits(visitor, known, event, data):
            data["known"] = known
            return await handler(event, data)
        return None


def _visitor(data: dict[str, Any]) -> Visitor:
    chat: Chat = data["event_chat"]
    person: User | None = data.get("event_from_user")
    if person:
        return Visitor(chat.id, person.id)
    # The id of a private chat is its person's; those of groups are negative
    return Visitor(chat.id, chat.id if chat.id > 0 else None)


async def _admits(
    visitor: Visitor, known: Known, event: TelegramObject, data: dict[str, Any]
) -> bool:
    """Tell whether somebody who is no administrator may do this now; say so where not."""
    trace: Trace = data["trace"]
    banned = access.BANNED in known.statuses
    welcome = not banned and visitor.is_welcome(data["settings"], known)
    is_due = known.wait <= 0
    data["delivery"].counted = welcome and is_due and get_flag(data, "question", default=False)
    if banned:
        trace.end(Outcome.TURNED_AWAY, f"{visitor.person_id} is banned")
    elif not welcome:
        trace.end(Outcome.TURNED_AWAY, f"{visitor.person_id} is a stranger")
        await _turn_away(visitor, event, data)
    elif not is_due:
        trace.end(Outcome.TURNED_AWAY, "too many questions")
        if data.get("directly", True):  # else nobody has asked the bot: GROUP_TRIGGER=all
            await data["reply"].say(texts.too_many_questions(known.wait))
    return welcome and is_due


async def _turn_away(visitor: Visitor, event: TelegramObject, data: dict[str, Any]) -> None:
    """Tell a stranger who writes their id, once an hour; who presses a button gets an end."""
    person_id, session = visitor.person_id, data["session"]
    if isinstance(event, CallbackQuery):
        await acknowledge(event, texts.NOT_YOURS)
    if person_id is None or not isinstance(event, Message) or event.edit_date:
        return
    async with single_statement(session):
        is_due = await access.note_stranger(session, person_id)
    if not is_due:
        return
    try:
        await data["reply"].say(texts.stranger(person_id, visitor.chat_id))
    except BaseException:
        # Nobody was told: the next try, or the next message, may
        async with single_statement(session):
            await access.forget_stranger(session, person_id)
        raise
