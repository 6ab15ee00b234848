"""One database session for an update, and the conversation of its chat."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiogram import BaseMiddleware
from aiogram.types import Message, TelegramObject

from bot.conversation import Conversation
from bot.media import photo_fetcher
from bot.replies import Reply

Handler = Callable[[TelegramObject, dict[str, Any]], Awaitable[Any]]


class SessionMiddleware(BaseMiddleware):
    """Give a message's handler its `conversation` and `reply`.

    The session takes a connection only while a transaction is open.
    """

    async def __call__(self, handler: Handler, event: TelegramObject, data: dict[str, Any]) -> Any:
        """Open the session around the handler."""
        if not isinstance(event, Message):
            return await handler(event, data)
        async with data["sessions"]() as session:
            data["reply"] = Reply(event, data["bot"])
            data["conversation"] = Conversation(
                chat_id=event.chat.id,
                session=session,
                gemini=data["gemini"],
                toolbox=data["toolbox"],
                settings=data["settings"],
                fetch_media=photo_fetcher(data["bot"]),
            )
            return await handler(event, data)
