"""Every update that is handled is claimed first."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from aiogram import BaseMiddleware
from aiogram.dispatcher.flags import get_flag
from aiogram.exceptions import AiogramError
from aiogram.types import Message, TelegramObject

from bot import texts
from bot.answers.sending import Reply
from bot.logs.update_log import Outcome
from bot.telegram.authors import person_of
from bot.telegram.client import PERMIT, Permit
from bot.updates.claims import Delivery
from bot.updates.limits import limits_of
from bot.updates.sender import Visitor
from db.senders import Limits

Handler = Callable[[TelegramObject, dict[str, Any]], Awaitable[Any]]

LAST_ATTEMPT = 5  # of those that end without a word: who is killed by an update gives it up
SENDING_TIME = 2  # seconds that the last try to send needs


class DeliveryMiddleware(BaseMiddleware):
    """Claim the update, and its chat unless the handler is flagged `beside`.

    It runs for updates that have a handler only: what nobody answers costs no round trip.
    """

    async def __call__(self, handler: Handler, event: TelegramObject, data: dict[str, Any]) -> Any:
        """Handle the update unless that was done before."""
        delivery: Delivery = data["delivery"]
        chat, person = data.get("event_chat"), data.get("event_from_user")
        if isinstance(event, Message):
            person = person_of(event)
        visitor = data["visitor"] = chat and Visitor.of(chat.id, person and person.id)
        limits: Limits = ()
        if get_flag(data, "question", default=False):
            data["gemini"].warm()  # while the database is asked
            if visitor and not visitor.is_admin(data["settings"]):
                limits = limits_of(data["settings"])
        holds_chat = not get_flag(data, "beside", default=False)
        if not await delivery.begin(data["session"], visitor, limits, holds_chat=holds_chat):
            data["trace"].end(Outcome.HANDLED_BEFORE)
            return None
        deadline = delivery.deadline - SENDING_TIME
        PERMIT.set(Permit(deadline, delivery.hold, delivery.take_place))
        if delivery.attempt > LAST_ATTEMPT and "answer" not in (delivery.progress or {}):
            data["trace"].end(Outcome.FAILED, f"it broke off {LAST_ATTEMPT} times")
            if isinstance(event, Message):
                place = None if event.edit_date else delivery.preview_id
                with suppress(AiogramError):
                    await Reply.to(event, data["bot"]).say(texts.UNEXPECTED, place)
            return None
        return await handler(event, data)
