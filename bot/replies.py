"""What the bot sends into a chat: the answer as it grows, and the answer."""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiogram import Bot
from aiogram.exceptions import (
    TelegramAPIError,
    TelegramBadRequest,
    TelegramMigrateToChat,
    TelegramRetryAfter,
)
from aiogram.types import Message, MessageEntity

from bot import texts
from bot.conversation import Answer, Event, Working
from bot.delivery import Delivery
from bot.gemini import Ending, TextDelta
from bot.previews import Preview
from bot.rendering import Piece, append_text, render
from bot.telegram import UNREACHABLE, reason, reply_to
from db.engine import DatabaseUnavailable

ABOUT_ENTITIES = re.compile("entit|url", re.IGNORECASE)
AGAIN = (TelegramRetryAfter, TimeoutError, *UNREACHABLE)  # a later try may succeed
UNCHANGED = re.compile("message is not modified", re.IGNORECASE)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer one message: in its chat and topic, in a group as a reply to it."""

    message: Message
    bot: Bot

    @asynccontextmanager
    async def preview(self, delivery: Delivery) -> AsyncGenerator[Preview]:
        """Show the answer as it grows, until the block ends; its failure is only logged."""
        preview = Preview(self.message, self.bot, delivery)
        async with preview.showing():
            yield preview

    async def follow(
        self, events: AsyncGenerator[Event], preview: Preview, stopped: asyncio.Event
    ) -> Answer:
        """Show the conversation's events, and return the answer at their end.

        When somebody asks to stop, the answer ends where it is.
        """
        draft: list[str] = []
        reading = asyncio.create_task(self._read(events, preview, draft))
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

    async def finish(self, answer: Answer, delivery: Delivery, preview_id: int | None) -> None:
        """Send the whole answer, in as many messages as it takes, in order.

        The first one takes the place of the preview, where that is a message. What was sent is
        noted after each message but the last, so that a later try goes on from there. What keeps
        the first message from being sent is raised; once people have read a part, only what a
        later try can mend.
        """
        pieces = self._pieces(answer)
        kept = {"answer": answer.to_json(), "preview": preview_id}
        sent = (delivery.progress or {}).get("sent", 0)
        for count, piece in enumerate(pieces[sent:], start=sent):
            if count > sent:
                await self._note(delivery, kept | {"sent": count})
            try:
                async with asyncio.timeout_at(delivery.deadline):
                    await self._send(piece, None if count else preview_id)
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

    async def say(self, text: str, preview_id: int | None = None) -> None:
        """Send one of the bot's own sentences as it is, in the place of a preview's message."""
        await self._send(Piece(text), preview_id)

    def _pieces(self, answer: Answer) -> list[Piece]:
        pieces = render(answer.text)
        note = texts.note(answer.ending)
        # Rendered apart: the answer may have broken off inside a code block
        return append_text(pieces, note) if note else pieces

    async def _read(
        self, events: AsyncGenerator[Event], preview: Preview, draft: list[str]
    ) -> Answer:
        async with aclosing(events):
            async for event in events:
                match event:
                    case Answer():
                        return event
                    case Working(tool):
                        preview.work(texts.working(tool))
                    case TextDelta(text):
                        draft.append(text)
                        preview.add(text)
        raise RuntimeError("A conversation's events end with its answer")

    async def _note(self, delivery: Delivery, progress: dict[str, Any]) -> None:
        try:
            await delivery.save(progress)
        except DatabaseUnavailable as error:
            # To stop here would send everything again
            logger.warning("Chat %s: what was sent is not noted: %s", self.message.chat.id, error)

    async def _send(self, piece: Piece, preview_id: int | None) -> None:
        entities = [MessageEntity(**entity) for entity in piece.entities]
        try:
            await self._write(piece.text, entities, preview_id)
        except TelegramBadRequest as error:
            if not entities or not ABOUT_ENTITIES.search(error.message):
                raise
            logger.warning("Sending without entities: %s", reason(error))
            await self._write(piece.text, [], preview_id)

    async def _write(
        self, text: str, entities: list[MessageEntity], preview_id: int | None
    ) -> None:
        if preview_id is not None and await self._replace(preview_id, text, entities):
            return
        await self.message.answer(
            text, entities=entities or None, reply_parameters=reply_to(self.message)
        )

    async def _replace(self, message_id: int, text: str, entities: list[MessageEntity]) -> bool:
        """Put a text in the place of a message; return False where Telegram refuses that."""
        try:
            await self.bot.edit_message_text(
                text,
                chat_id=self.message.chat.id,
                message_id=message_id,
                entities=entities or None,
            )
        except TelegramMigrateToChat:  # what stood in the group cannot be changed any more
            return False
        except TelegramBadRequest as error:
            if ABOUT_ENTITIES.search(error.message):
                raise
            return bool(UNCHANGED.search(error.message))
        return True
