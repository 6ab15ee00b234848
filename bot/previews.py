"""The answer as it grows: a live draft in a private chat, elsewhere a message that is edited."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from enum import Enum, auto

from aiogram import Bot
from aiogram.enums import ChatType
from aiogram.exceptions import (
    TelegramBadRequest,
    TelegramForbiddenError,
    TelegramMigrateToChat,
    TelegramRetryAfter,
)
from aiogram.types import InlineKeyboardMarkup, Message, MessageEntity

from bot.buttons import draft_id, stop_keyboard
from bot.delivery import Delivery
from bot.rendering import Piece, append_text, render
from bot.telegram import PERMIT, reply_to, thread_of

PACE = 1.0  # seconds between two drafts: bots that send more are locked out for minutes
EDIT_PACE, GROUP_PACE = 2.0, 3.0  # seconds between two edits
KEEP_ALIVE = 20.0  # seconds; a draft lives for 30
ACTION_INTERVAL = 4.5  # seconds; Telegram shows a chat action for 5
# Seconds for a draft, and for a first message, that is on its way when the answer is complete
DRAFT_PATIENCE, MESSAGE_PATIENCE = 1.0, 10.0

# Telegram takes no drafts in this chat
REFUSED = (TelegramBadRequest, TelegramForbiddenError, TelegramMigrateToChat)

logger = logging.getLogger(__name__)


class Way(Enum):
    """How the answer is shown before it is complete."""

    DRAFT = auto()
    EDITS = auto()
    NOTHING = auto()


class Preview:
    """Show what there is of an answer, at the pace that Telegram bears.

    Nothing that fails in here harms the answer. `message_id` is that of the message that grows,
    whose place the answer takes; None where there is no such message.
    """

    def __init__(
        self,
        message: Message,
        bot: Bot,
        delivery: Delivery,
    ) -> None:
        self.message_id: int | None = (delivery.progress or {}).get("preview")
        self._delivery = delivery
        self._message = message
        self._bot = bot
        is_private = message.chat.type == ChatType.PRIVATE
        self._way = Way.DRAFT if is_private and self.message_id is None else Way.EDITS
        self._edit_pace = EDIT_PACE if is_private else GROUP_PACE
        self._text = self._activity = ""
        self._began = 0.0  # when the first text came, in the loop's time
        self._shown = Piece("")
        self._changed = asyncio.Event()
        self._sending = asyncio.Lock()

    def add(self, text: str) -> None:
        """Take in the next piece of the answer."""
        if not self._text:
            self._began = asyncio.get_running_loop().time()
        self._text += text
        self._activity = ""
        self._changed.set()

    def work(self, activity: str) -> None:
        """Take in what is done before the answer goes on."""
        self._activity = activity
        self._changed.set()

    @asynccontextmanager
    async def showing(self) -> AsyncGenerator[None]:
        """Show the answer while the block lasts; after it nothing of the preview is sent."""
        task = asyncio.create_task(self._run())
        try:
            try:
                yield
            except Exception:
                await self._settle(task)
                raise
            await self._settle(task)
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def _run(self) -> None:
        while self._way is not Way.NOTHING:
            self._changed.clear()
            try:
                pause, lifetime = await self._show()
            except TelegramRetryAfter as error:
                pause = lifetime = error.retry_after
            except REFUSED as error:
                self._give_way(error)
                continue
            except Exception as error:  # noqa: BLE001 - the answer itself comes by another way
                logger.warning(
                    "Chat %s: a preview failed: %s", self._chat_id, type(error).__name__
                )
                pause = lifetime = self._edit_pace
            await asyncio.sleep(pause)
            with suppress(TimeoutError):
                async with asyncio.timeout(lifetime - pause):
                    await self._changed.wait()

    async def _settle(self, task: "asyncio.Task[None]") -> None:
        """Let what is on its way arrive, for a while, and nothing follow it.

        A draft that came after the answer would stand below it for half a minute, an edit would
        take its place, and a message of which the answer knows nothing would stay.
        """
        patience = DRAFT_PATIENCE if self._way is Way.DRAFT else MESSAGE_PATIENCE
        patience = min(patience, self._delivery.time_left() / 2)
        with suppress(TimeoutError):
            async with asyncio.timeout(patience), self._sending:
                task.cancel()

    @property
    def _chat_id(self) -> int:
        return self._message.chat.id

    def _give_way(self, error: Exception) -> None:
        logger.warning("Chat %s takes no %s: %s", self._chat_id, self._way, type(error).__name__)
        self._way = Way.EDITS if self._way is Way.DRAFT else Way.NOTHING

    async def _show(self) -> tuple[float, float]:
        """Show what there is; return for how long at least and at most nothing is to be sent."""
        if self._way is Way.DRAFT:
            async with self._sending:
                await self._draft()
            return PACE, KEEP_ALIVE
        view = self._view()
        if not self._text:
            await self._bot.send_chat_action(
                self._chat_id, "typing", message_thread_id=thread_of(self._message)
            )
            return 0, ACTION_INTERVAL
        # A short answer is complete by then, and needs one message only
        early = self._began + self._edit_pace - asyncio.get_running_loop().time()
        if self.message_id is None and early > 0:
            return early, early
        if view != self._shown:
            async with self._sending:
                await self._edit(view)
            self._shown = view
        return self._edit_pace, KEEP_ALIVE

    async def _draft(self) -> None:
        view = self._view()
        await self._bot.send_message_draft(
            self._chat_id,
            draft_id(self._delivery.claim.update_id),
            text=view.text,
            entities=_entities(view),
            message_thread_id=thread_of(self._message),
            can_stop=True,
            keep_on_stop=True,
        )

    async def _edit(self, view: Piece) -> None:
        # A wait that Telegram asks for is not waited out here: the next view is a newer one
        if permit := PERMIT.get():
            PERMIT.set(replace(permit, deadline=asyncio.get_running_loop().time()))
        if self.message_id is not None:
            await self._bot.edit_message_text(
                view.text,
                chat_id=self._chat_id,
                message_id=self.message_id,
                entities=_entities(view),
                reply_markup=self._keyboard(),
            )
            return
        try:
            sent = await self._message.answer(
                view.text,
                entities=_entities(view),
                reply_parameters=reply_to(self._message),
                reply_markup=self._keyboard(),
            )
        except TelegramRetryAfter:
            raise
        except Exception:
            self._way = Way.NOTHING  # it may have been sent: another one would be the second
            raise
        self.message_id = sent.message_id
        await self._delivery.save({"preview": sent.message_id})

    def _keyboard(self) -> InlineKeyboardMarkup | None:
        author = self._message.from_user
        update_id = self._delivery.claim.update_id
        return stop_keyboard(author.id, update_id) if author else None

    def _view(self) -> Piece:
        """Return the end of the answer, as the final message would show it."""
        pieces = render(self._text)
        if self._activity:
            pieces = append_text(pieces, self._activity)
        return pieces[-1] if pieces else Piece("")


def _entities(piece: Piece) -> list[MessageEntity] | None:
    return [MessageEntity(**entity) for entity in piece.entities] or None
