"""The claim on an update, taken before it is handled."""

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
from bot.updates.claims import Claim
from bot.updates.limits import limits_of
from bot.updates.sender import Sender
from db.senders import Limits

Handler = Callable[[TelegramObject, dict[str, Any]], Awaitable[Any]]

LAST_ATTEMPT = 5  # give up after this many crashed attempts
LAST_SEND_TIME = 2  # seconds that the last attempt to send needs


class ClaimMiddleware(BaseMiddleware):
    """The middleware that claims an update, and its chat unless the handler has flag `concurrent`.

    It runs only for updates that have a handler: the others cost no round trip.
    """

    async def __call__(self, handler: Handler, event: TelegramObject, data: dict[str, Any]) -> Any:
        """Handle the update unless it was handled before."""
        claim: Claim = data["claim"]
        chat, person = data.get("event_chat"), data.get("event_from_user")
        if isinstance(event, Message):
            person = person_of(event)
        sender = data["sender"] = chat and Sender.of(chat.id, person and person.id)
        limits: Limits = ()
        if get_flag(data, "question", default=False):
            data["gemini"].warm()  # while the database is queried
            if sender and not sender.is_admin(data["settings"]):
                limits = limits_of(data["settings"])
        holds_chat = not get_flag(data, "concurrent", default=False)
        if not await claim.begin(data["session"], sender, limits, holds_chat=holds_chat):
            data["trace"].end(Outcome.HANDLED_BEFORE)
            return None
        deadline = claim.deadline - LAST_SEND_TIME
        PERMIT.set(Permit(deadline, claim.ensure_held, claim.take_place))
        if claim.attempt > LAST_ATTEMPT and "answer" not in (claim.progress or {}):
            data["trace"].end(Outcome.FAILED, f"it broke off {LAST_ATTEMPT} times")
            if isinstance(event, Message):
                place = None if event.edit_date else claim.preview_id
                with suppress(AiogramError):
                    await Reply.to(event, data["bot"]).say(texts.UNEXPECTED, place)
            return None
        return await handler(event, data)
