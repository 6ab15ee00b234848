"""One database session for an update, and what answers it."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiogram import BaseMiddleware
from aiogram.types import CallbackQuery, Message, TelegramObject
from sqlalchemy.ext.asyncio import AsyncSession

from bot.answering import Answering
from bot.conversation import Conversation
from bot.media import photo_fetcher
from bot.replies import Reply
from bot.telegram import PERMIT
from db.engine import transaction
from db.queries import move_chat

Handler = Callable[[TelegramObject, dict[str, Any]], Awaitable[Any]]


class SessionMiddleware(BaseMiddleware):
    """Give a handler its `session`; of a message also `reply`, `conversation` and `answering`.

    A button's message is the one below which it stands. The session takes a connection only
    while a transaction is open.
    """

    async def __call__(self, handler: Handler, event: TelegramObject, data: dict[str, Any]) -> Any:
        """Open the session around the handler."""
        async with data["sessions"]() as session:
            data["session"] = session
            message = event.message if isinstance(event, CallbackQuery) else event
            if isinstance(message, Message):
                data |= _answering(message, session, data)
            result = await handler(event, data)
            if (permit := PERMIT.get()) and permit.moved:
                async with transaction(session):
                    for old, new in permit.moved.items():
                        await move_chat(session, old, new)
            return result


def _answering(message: Message, session: AsyncSession, data: dict[str, Any]) -> dict[str, Any]:
    reply = Reply.to(message, data["bot"])
    conversation = Conversation(
        chat_id=message.chat.id,
        thread_id=reply.address.thread_id,
        session=session,
        delivery=data["delivery"],
        gemini=data["gemini"],
        toolbox=data["toolbox"],
        settings=data["settings"],
        fetch_media=photo_fetcher(data["bot"]),
    )
    return {
        "reply": reply,
        "conversation": conversation,
        "answering": Answering(conversation, reply, data["delivery"], data["trace"]),
    }
