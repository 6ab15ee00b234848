"""The means to answer a message that was admitted."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiogram import BaseMiddleware
from aiogram.types import TelegramObject

from bot.answers.responder import Responder
from bot.answers.sending import Reply
from bot.chat.conversation import Conversation
from bot.incoming.attachments import attachment_fetcher
from bot.settings import CHOICES

Handler = Callable[[TelegramObject, dict[str, Any]], Awaitable[Any]]


class ResponderMiddleware(BaseMiddleware):
    """The middleware that adds `conversation` and `responder` for a message or its button."""

    async def __call__(self, handler: Handler, event: TelegramObject, data: dict[str, Any]) -> Any:
        """Put together everything the answer needs."""
        if "reply" in data:
            data |= _responder_and_conversation(data["reply"], data)
        return await handler(event, data)


def _responder_and_conversation(reply: Reply, data: dict[str, Any]) -> dict[str, Any]:
    settings = data["settings"]
    conversation = Conversation(
        chat_id=reply.address.chat_id,
        thread_id=reply.address.thread_id,
        session=data["session"],
        claim=data["claim"],
        gemini=data["gemini"],
        toolbox=data["toolbox"],
        settings=settings,
        fetch_attachment=attachment_fetcher(data["bot"]),
    )
    # The user's own choice, or else the operator's
    wish = data["claim"].sender_record.rich_messages
    choice = next((one for one in CHOICES if one == wish), settings.rich_messages)
    responder = Responder(conversation, reply, data["claim"], data["trace"], choice)
    return {"conversation": conversation, "responder": responder}
