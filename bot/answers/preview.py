"""The answer as it grows: a live draft in a private chat, an edited message elsewhere."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from enum import Enum, auto
from time import perf_counter

from aiogram.exceptions import (
    AiogramError,
    TelegramBadRequest,
    TelegramForbiddenError,
    TelegramMigrateToChat,
    TelegramNotFound,
    TelegramRetryAfter,
)
from aiogram.types import InlineKeyboardMarkup

from bot.rendering.classic import Piece
from bot.rendering.pages import Page, to_pages
from bot.rendering.rich import RichPiece
from bot.settings import Choice
from bot.telegram.client import DRAFT_PACE, fail_fast
from bot.telegram.keyboards import draft_id, stop_keyboard
from bot.telegram.sender import Writer
from bot.updates.claims import Claim

EDIT_PACE, GROUP_PACE = 2.0, 3.0  # seconds between two edits
KEEP_ALIVE = 20.0  # seconds; a draft lives for 30
ACTION_INTERVAL = 4.5  # seconds; Telegram shows a chat action for 5
# Seconds before the first view: an answer that is complete by then feels immediate
UNNOTICED = 0.1
DRAWING_SHARE = 20  # seconds of rest for each second spent drawing a view
# Seconds to wait for a draft, or a message, still on its way when the answer is complete
DRAFT_PATIENCE, MESSAGE_PATIENCE = 1.0, 10.0

# Telegram does not accept this kind of preview in this chat, or does not know it at all
REFUSED = (TelegramBadRequest, TelegramForbiddenError, TelegramMigrateToChat, TelegramNotFound)

EMPTY = Piece("")  # as a draft, Telegram shows it as "Thinking…"

logger = logging.getLogger(__name__)


class Way(Enum):
    """The way an answer is shown before it is complete."""

    DRAFT = auto()
    EDITS = auto()
    NOTHING = auto()


class Preview:
    """The preview of a growing answer, updated at the pace that Telegram allows.

    No failure in here harms the answer. `message_id` is the message that grows, which the final
    answer overwrites; None if there is no such message.
    """

    def __init__(
        self, writer: Writer, claim: Claim, choice: Choice, message_id: int | None
    ) -> None:
        self.message_id = message_id
        self._writer = writer
        self._address = writer.address
        self._claim = claim
        self._choice = choice
        is_private = self._address.is_private
        self._way = Way.DRAFT if is_private and message_id is None else Way.EDITS
        self._edit_pace = EDIT_PACE if is_private else GROUP_PACE
        self._text = self._activity = ""
        self._began = 0.0  # when the first text arrived, in the loop's time
        self._tried: Page | None = None
        self._shown: Page | None = None
        self._shown_at = 0.0
        self._changed = asyncio.Event()
        self._sending = asyncio.Lock()

    def add(self, text: str) -> None:
        """Add the next piece of the answer."""
        if not self._text:
            self._began = asyncio.get_running_loop().time()
        self._text += text
        self._activity = ""
        self._changed.set()

    def work(self, activity: str) -> None:
        """Note the activity that the rest of the answer is waiting for."""
        self._activity = activity
        self._changed.set()

    @asynccontextmanager
    async def showing(self) -> AsyncGenerator[None]:
        """Show the answer while the block runs; send no more previews after it."""
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
        await asyncio.sleep(UNNOTICED)
        while self._way is not Way.NOTHING:
            self._changed.clear()
            try:
                pause, lifetime = await self._show()
            except TelegramRetryAfter as error:
                pause = lifetime = error.retry_after
            except REFUSED as error:
                self._give_way(error)
                continue
            except Exception as error:  # noqa: BLE001 - the answer itself is sent separately
                logger.warning(
                    "Chat %s: a preview failed: %s", self._address.chat_id, type(error).__name__
                )
                pause = lifetime = self._edit_pace
            await asyncio.sleep(pause)
            with suppress(TimeoutError):
                async with asyncio.timeout(lifetime - pause):
                    await self._changed.wait()

    async def _settle(self, task: "asyncio.Task[None]") -> None:
        """Wait a while for a view that is on its way, and let nothing follow it.

        A draft that arrived after the answer would stay below it for half a minute, an edit would
        overwrite it, and a message sent without the answer's knowledge would remain.
        """
        patience = DRAFT_PATIENCE if self._way is Way.DRAFT else MESSAGE_PATIENCE
        patience = min(patience, self._claim.time_left() / 2)
        with suppress(TimeoutError):
            async with asyncio.timeout(patience), self._sending:
                task.cancel()

    def _give_way(self, error: Exception) -> None:
        """Fall back to the next best way: classic messages, then edits, then nothing."""
        is_rich = isinstance(self._tried, RichPiece)
        what = "rich messages" if is_rich else self._way
        chat_id = self._address.chat_id
        logger.warning("Chat %s takes no %s: %s", chat_id, what, type(error).__name__)
        if is_rich:
            self._choice = "off"
        else:
            self._way = Way.EDITS if self._way is Way.DRAFT else Way.NOTHING

    async def _show(self) -> tuple[float, float]:
        """Show the answer so far; return the least and the most seconds until the next view."""
        if self._way is Way.EDITS and not self._text:
            with suppress(AiogramError):
                await self._writer.act()
            return 0, ACTION_INTERVAL
        is_draft = self._way is Way.DRAFT
        pace = DRAFT_PACE if is_draft else self._edit_pace
        # A short answer is complete by then, and needs only one message
        early = self._began + pace - asyncio.get_running_loop().time()
        if not is_draft and self._shown is None and early > 0:
            return early, early
        began = perf_counter()
        view = self._tried = self._view()
        # A very long answer is drawn less often, so that other users do not have to wait
        pace = max(pace, DRAWING_SHARE * (perf_counter() - began))
        if view == self._shown and (not is_draft or self._age() < KEEP_ALIVE):
            return 0, max(KEEP_ALIVE - self._age(), pace)
        # If Telegram asks for a wait, this view is not sent again: the next one will be newer
        async with self._sending:
            with fail_fast():
                await (self._draft(view) if is_draft else self._edit(view))
        self._shown, self._shown_at = view, asyncio.get_running_loop().time()
        return pace, max(pace, KEEP_ALIVE)

    def _age(self) -> float:
        return asyncio.get_running_loop().time() - self._shown_at

    async def _draft(self, view: Page) -> None:
        await self._writer.draft(view, draft_id(self._claim.key.update_id))

    async def _edit(self, view: Page) -> None:
        keyboard = stop_keyboard(self._address.user_id, self._claim.key.update_id)
        if self.message_id is None:
            self.message_id = await self._send(view, keyboard)
            await self._note()
            return
        await self._note()  # saved first, so that the overwritten answer can be put back
        await self._writer.edit(self.message_id, view, keyboard)

    async def _note(self) -> None:
        if self._claim.preview_id is None:
            await self._claim.save(preview=self.message_id)

    async def _send(self, view: Page, keyboard: InlineKeyboardMarkup | None) -> int:
        """Send the message that will grow."""
        try:
            return await self._writer.send(view, keyboard, self._address.reply)
        except (TelegramRetryAfter, *REFUSED):
            raise
        except Exception:
            self._way = Way.NOTHING  # it may have been sent: a retry could show it twice
            raise

    def _view(self) -> Page:
        """Return the end of the answer, as the final message would show it."""
        pages = to_pages(self._text, self._choice, self._activity or None)
        view = pages[-1] if pages else EMPTY
        if isinstance(view, RichPiece):
            self._choice = "on"  # once rich, it stays rich
        return view
