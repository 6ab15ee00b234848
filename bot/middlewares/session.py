"""One database session for an update, and what answers it."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiogram import BaseMiddleware
from aiogram.types import CallbackQuery, Message, TelegramObject
from sqlalchemy.ext.asyncio import AsyncSession

from bot.answers.sending import Reply
from bot.telegram.client import PERMIT
from db.conversations import move_chat
from db.engine import DatabaseUnavailable, transaction

logger = logging.getLogger(__name__)

Handler = Callable[[TelegramObject, dict[str, Any]], Awaitable[Any]]


class SessionMiddleware(BaseMiddleware):
    """Give a handler its `session`, and the `reply` to a message.

    A button's message is the one below which it stands. The session takes a connection only
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
                data["claim"].left = None  # nobody finds it in the chat that is gone
                await _store_moves(session, permit.moved)
            return result


async def _store_moves(session: AsyncSession, moved: Mapping[int, int]) -> None:
    """Let what is stored follow groups to their new ids.

    Where the database cannot be told, Telegram's own word of the move still comes: to begin anew
    would send again what people have read.
    """
    try:
        async with transaction(session):
            for old, new in moved.items():
                await move_chat(session, old, new)
    except DatabaseUnavailable as error:
        logger.warning("The move of %s is not stored yet: %s", list(moved), error)
