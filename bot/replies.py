"""What the bot sends into a chat: the sign that it works, and the answer."""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiogram import Bot
from aiogram.exceptions import (
    AiogramError,
    TelegramAPIError,
    TelegramBadRequest,
    TelegramRetryAfter,
)
from aiogram.types import Message, MessageEntity, ReplyParameters

from bot import texts
from bot.conversation import Answer, Event
from bot.delivery import Delivery
from bot.gemini import Ending
from bot.rendering import Piece, append_text, render
from bot.telegram import UNREACHABLE, reason
from db.engine import DatabaseUnavailable

ABOUT_ENTITIES = re.compile("entit|url", re.IGNORECASE)
AGAIN = (TelegramRetryAfter, TimeoutError, *UNREACHABLE)  # a later try may succeed
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

    async def follow(self, events: AsyncGenerator[Event], stopped: asyncio.Event) -> Answer:
        """Take in the conversation's events and return the answer at their end.

        When somebody asks to stop, the answer ends where it is.
        """
        draft: list[str] = []
        reading = asyncio.create_task(self._read(events, draft))
        stopping = asyncio.create_task(stopped.wait())
        try:
            await asyncio.wait({reading, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():
                return Answer("".join(draft).strip(), Ending.STOPPED)
            return await reading
        finally:
            for task in (reading, stopping):
                task.cancel()
            await asyncio.wait({reading, stopping})

    async def finish(self, answer: Answer, delivery: Delivery) -> None:
        """Send the whole answer, in as many messages as it takes, in order.

        What was sent is noted after each message but the last, so that a later try goes on from
        there. What keeps the first message from being sent is raised; once people have read a
        part, only what a later try can mend.
        """
        pieces = self._pieces(answer)
        kept = {"answer": answer.to_json()}
        sent = (delivery.progress or {}).get("sent", 0)
        for count, piece in enumerate(pieces[sent:], start=sent):
            if count > sent:
                await self._note(delivery, kept | {"sent": count})
            try:
                async with asyncio.timeout_at(delivery.deadline):
                    await self._send(piece)
            except AGAIN:
                await self._note(delivery, kept | {"sent": count})
                raise
            except TelegramAPIError as error:
                if not count:
                    raise
                chat_id = self.message.chat.id
                logger.error(  # noqa: TRY400 - Telegram's reasons quote the text
                    "Chat %s got %d of %d messages: %s",
                    chat_id,
                    count,
                    len(pieces),
                    type(error).__name__,
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

    async def _read(self, events: AsyncGenerator[Event], draft: list[str]) -> Answer:
        async with aclosing(events):
            async for event in events:
                if isinstance(event, Answer):
                    return event
                draft.append(event.text)
        raise RuntimeError("A conversation's events end with its answer")

    async def _note(self, delivery: Delivery, progress: dict[str, Any]) -> None:
        try:
            await delivery.save(progress)
        except DatabaseUnavailable as error:
            # To stop here would send everything again
            logger.warning("Chat %s: what was sent is not noted: %s", self.message.chat.id, error)

    async def _send(self, piece: Piece) -> None:
        entities = [MessageEntity(**entity) for entity in piece.entities]
        try:
            await self._send_text(piece.text, entities)
        except TelegramBadRequest as error:
            if not entities or not ABOUT_ENTITIES.search(error.message):
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
