"""What the bot sends into a chat: the sign that it works, and the answer."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

from aiogram import Bot
from aiogram.exceptions import AiogramError, TelegramBadRequest, TelegramRetryAfter
from aiogram.types import Message, MessageEntity, ReplyParameters

from bot import texts
from bot.conversation import Answer, Event
from bot.rendering import Piece, append_text, render
from bot.telegram import UNREACHABLE, reason

PAUSE = 2.0  # seconds before a message is tried again in the middle of an answer
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
            await asyncio.wait({task})

    async def follow(self, events: AsyncGenerator[Event]) -> Answer:
        """Take in the conversation's events and return the answer at their end."""
        async with aclosing(events):
            async for event in events:
                if isinstance(event, Answer):
                    return event
        raise RuntimeError("A conversation's events end with its answer")

    async def finish(self, answer: Answer, deadline: float) -> None:
        """Send the whole answer, in as many messages as it takes, in order.

        What keeps the first message from being sent is raised. Once people have read a part, the
        rest is tried until `deadline`, in the running loop's time, and never begun anew.
        """
        first, *rest = self._pieces(answer)
        async with asyncio.timeout_at(deadline):
            await self._send(first)
        for count, piece in enumerate(rest, start=1):
            try:
                async with asyncio.timeout_at(deadline):
                    await self._insist(piece)
            except (TimeoutError, AiogramError) as error:
                chat_id, kind = self.message.chat.id, type(error).__name__
                logger.error(  # noqa: TRY400 - Telegram's reasons quote the text
                    "Chat %s got %d of %d messages: %s", chat_id, count, len(rest) + 1, kind
                )
                return

    async def say(self, text: str) -> None:
        """Send one of the bot's own sentences, as it is."""
        await self._send(Piece(text))

    def _pieces(self, answer: Answer) -> list[Piece]:
        pieces = render(answer.text)
        note = texts.note(answer.ending)
        # Rendered apart: the answer may have broken off inside a code block
        return append_text(pieces, note) if note else pieces

    async def _insist(self, piece: Piece) -> None:
        """Send a piece however long Telegram makes us wait."""
        while True:
            try:
                return await self._send(piece)
            except TelegramRetryAfter as error:
                await asyncio.sleep(error.retry_after)
            except UNREACHABLE:
                await asyncio.sleep(PAUSE)

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
            pause = CHAT_ACTION_INTERVAL
            try:
                await self.bot.send_chat_action(
                    message.chat.id, "typing", message_thread_id=thread_id
                )
            except TelegramRetryAfter as error:
                pause = error.retry_after
            except AiogramError as error:
                logger.warning("The chat action failed: %s", type(error).__name__)
            await asyncio.sleep(pause)
