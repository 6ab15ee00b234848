"""What the bot sends into a chat: the sign that it works, and the answer."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass

from aiogram import Bot
from aiogram.exceptions import AiogramError, TelegramBadRequest
from aiogram.types import Message, MessageEntity, ReplyParameters

from bot import texts
from bot.conversation import Answer, Event
from bot.rendering import Piece, append_text, render
from bot.telegram import reason

CHAT_ACTION_INTERVAL = 4.5  # seconds; Telegram shows a chat action for 5

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer one message: in its chat and topic, in a group as a reply to it."""

    message: Message
    bot: Bot

    @asynccontextmanager
    async def typing(self) -> AsyncGenerator[None]:
        """Show "typing…" in the chat until the block ends; its failure is only logged."""
        task = asyncio.create_task(self._keep_typing())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def follow(self, events: AsyncGenerator[Event]) -> Answer:
        """Take in the conversation's events and return the answer at their end."""
        async with aclosing(events):
            async for event in events:
                if isinstance(event, Answer):
                    return event
        raise RuntimeError("A conversation's events end with its answer")

    async def finish(self, answer: Answer) -> None:
        """Send the whole answer, in as many messages as it takes, in order."""
        pieces = render(answer.text)
        if note := texts.note(answer.ending):
            # Rendered apart: the answer may have broken off inside a code block
            pieces = append_text(pieces, note)
        for piece in pieces:
            await self._send(piece)

    async def say(self, text: str) -> None:
        """Send one of the bot's own sentences, as it is."""
        await self._send(Piece(text))

    async def _send(self, piece: Piece) -> None:
        entities = [MessageEntity(**entity) for entity in piece.entities]
        try:
            await self._send_text(piece.text, entities)
        except TelegramBadRequest as error:
            if not entities:
                raise
            logger.warning("Sending without entities: %s", reason(error))
            await self._send_text(piece.text, [])

    async def _send_text(self, text: str, entities: list[MessageEntity]) -> None:
        message = self.message
        reply_to = ReplyParameters(message_id=message.message_id, allow_sending_without_reply=True)
        await message.answer(
            text,
            entities=entities or None,
            reply_parameters=None if message.chat.type == "private" else reply_to,
        )

    async def _keep_typing(self) -> None:
        message = self.message
        thread_id = message.message_thread_id if message.is_topic_message else None
        while True:
            try:
                await self.bot.send_chat_action(
                    message.chat.id, "typing", message_thread_id=thread_id
                )
            except AiogramError as error:
                logger.warning("The chat action failed: %s", type(error).__name__)
            await asyncio.sleep(CHAT_ACTION_INTERVAL)
