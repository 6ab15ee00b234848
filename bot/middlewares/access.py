"""Who may use the bot, and how often."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiogram import BaseMiddleware
from aiogram.dispatcher.flags import get_flag
from aiogram.types import CallbackQuery, Chat, Message, TelegramObject, User
from sqlalchemy.ext.asyncio import AsyncSession

from bot import texts
from bot.buttons import acknowledge
from bot.limits import count_question
from bot.settings import Settings
from bot.trace import Outcome, Trace
from db import access
from db.engine import single_statement

Handler = Callable[[TelegramObject, dict[str, Any]], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who an update comes from: a chat, and its person where there is one."""

    chat_id: int
    person_id: int | None

    @property
    def ids(self) -> set[int]:
        """Return all by which the visitor may be known."""
        return {self.chat_id} | ({self.person_id} if self.person_id else set())

    def is_admin(self, settings: Settings) -> bool:
        """Tell whether the settings make the person an administrator of the bot."""
        return self.person_id in settings.admin_user_ids

    def is_welcome(self, settings: Settings, standing: dict[int, str]) -> bool:
        """Tell whether the person or the chat is allowed, or everyone is."""
        return (
            settings.open_to_everyone
            or self.person_id in settings.allowed_user_ids
            or self.chat_id in settings.allowed_chat_ids
            or access.ALLOWED in standing.values()
        )


class AccessMiddleware(BaseMiddleware):
    """Let in whom the operator lets in, as often as the limits allow; all else ends here.

    What fits first decides: an administrator, a ban of the person or the chat, an allowed person,
    an allowed chat with all its members. An update without a person is its chat's.
    """

    async def __call__(self, handler: Handler, event: TelegramObject, data: dict[str, Any]) -> Any:
        """Call the handler for those who may."""
        visitor = _visitor(data)
        from_telegram = get_flag(data, "service", default=False)  # nobody has written it
        if (
            from_telegram
            or visitor.is_admin(data["settings"])
            or await _admits(visitor, event, data)
        ):
            return await handler(event, data)
        return None


def _visitor(data: dict[str, Any]) -> Visitor:
    chat: Chat = data["event_chat"]
    person: User | None = data.get("event_from_user")
    if person:
        return Visitor(chat.id, person.id)
    # The id of a private chat is its person's; those of groups are negative
    return Visitor(chat.id, chat.id if chat.id > 0 else None)


async def _admits(visitor: Visitor, event: TelegramObject, data: dict[str, Any]) -> bool:
    """Tell whether somebody who is no administrator may do this now; say so where not."""
    settings: Settings = data["settings"]
    session: AsyncSession = data["session"]
    trace: Trace = data["trace"]
    wait = 0.0
    async with single_statement(session):
        standing = await access.standing(session, visitor.ids)
        banned = access.BANNED in standing.values()
        welcome = not banned and visitor.is_welcome(settings, standing)
        if welcome and get_flag(data, "question", default=False):
            wait = await count_question(
                session, settings, data["delivery"], visitor.chat_id, visitor.person_id
            )
    if banned:
        trace.end(Outcome.TURNED_AWAY, f"{visitor.person_id} is banned")
    elif not welcome:
        trace.end(Outcome.TURNED_AWAY, f"{visitor.person_id} is a stranger")
        await _turn_away(visitor, event, data)
    elif wait > 0:
        trace.end(Outcome.TURNED_AWAY, "too many questions")
        if data.get("directly", True):  # else nobody has asked the bot: GROUP_TRIGGER=all
            await data["reply"].say(texts.too_many_questions(wait))
    return welcome and wait <= 0


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
