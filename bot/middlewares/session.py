"""One database session for an update, and the conversation of its chat."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiogram import BaseMiddleware
from aiogram.types import Message, TelegramObject

from bot.conversation import Conversation
from bot.media import photo_fetcher
from bot.replies import Reply
from bot.telegram import PERMIT, thread_of
from db.engine import transaction
from db.queries import move_chat

Handler = Callable[[TelegramObject, dict[str, Any]], Awaitable[Any]]


class SessionMiddleware(BaseMiddleware):
    """Give a handler its `session`, and that of a message its `conversation` and `reply`.

    The session takes a connection only while a transaction is open.
    """

    async def __call__(self, handler: Handler, event: TelegramObject, data: dict[str, Any]) -> Any:
        """Open the session around the handler."""
        async with data["sessions"]() as session:
            data["session"] = session
            if isinstance(event, Message):
                data["reply"] = Reply(event, data["bot"])
                data["conversation"] = Conversation(
                    chat_id=event.chat.id,
                    thread_id=thread_of(event),
                    session=session,
                    delivery=data["delivery"],
                    gemini=data["gemini"],
                    toolbox=data["toolbox"],
                    settings=data["settings"],
                    fetch_media=photo_fetcher(data["bot"]),
                )
            result = await handler(event, data)
            if (permit := PERMIT.get()) and permit.moved:
                async with transaction(session):
                    for old, new in permit.moved.items():
                        await move_chat(session, old, new)
            return result
