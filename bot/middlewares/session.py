"""One database session and one reply for each update."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiogram import BaseMiddleware
from aiogram.types import CallbackQuery, Message, TelegramObject
from sqlalchemy.ext.asyncio import AsyncSession

from bot.answers.sending import Reply
from bot.telegram.client import PERMIT
from db.conversations import move_chat
from db.errors import DatabaseUnavailable
from db.transactions import transaction

logger = logging.getLogger(__name__)

Handler = Callable[[TelegramObject, dict[str, Any]], Awaitable[Any]]


class SessionMiddleware(BaseMiddleware):
    """The middleware that gives a handler its `session`, and the `reply` to a message.

    For a button, that is the message it is attached to. The session takes a connection only
    while a transaction is open.
    """

    async def __call__(self, handler: Handler, event: TelegramObject, data: dict[str, Any]) -> Any:
        """Open the session around the handler."""
        async with data["sessions"]() as session:
            data["session"] = session
            message = event.message if isinstance(event, CallbackQuery) else event
            if isinstance(message, Message):
                data["reply"] = Reply.to(message, data["bot"])
            result = await handler(event, data)
            if (permit := PERMIT.get()) and permit.moved:
                data["claim"].left = None  # it cannot be found in a chat that is gone
                await _store_moves(session, permit.moved)
            return result


async def _store_moves(session: AsyncSession, moved: Mapping[int, int]) -> None:
    """Move the stored data of groups to their new ids.

    An unreachable database is only logged: Telegram's own message about the move is still to
    come, and retrying the update would send messages again that people have read.
    """
    try:
        async with transaction(session):
            for old, new in moved.items():
                await move_chat(session, old, new)
    except DatabaseUnavailable as error:
        logger.warning("The move of %s is not stored yet: %s", list(moved), error)
