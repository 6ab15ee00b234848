"""The delivery of pages to Telegram: as messages, as edits, or as drafts."""

from dataclasses import dataclass
from typing import Any

from aiogram import Bot
from aiogram.types import (
    InlineKeyboardMarkup,
    InputRichMessage,
    LinkPreviewOptions,
    MessageEntity,
    ReplyParameters,
)

from bot.rendering.classic import Piece
from bot.rendering.pages import Page
from bot.rendering.rich import RichPiece
from bot.telegram.destination import Address


@dataclass(frozen=True, slots=True)
class Writer:
    """The writer of pages to one chat, which picks the right method for each page."""

    bot: Bot
    address: Address

    async def send(
        self,
        page: Page,
        keyboard: InlineKeyboardMarkup | None = None,
        reply: ReplyParameters | None = None,
    ) -> int:
        """Send a page as a new message; return the message's id."""
        chat_id, thread_id = self.address.chat_id, self.address.thread_id
        if isinstance(page, RichPiece):
            sent = await self.bot.send_rich_message(
                chat_id,
                _rich_message(page),
                message_thread_id=thread_id,
                reply_parameters=reply,
                reply_markup=keyboard,
            )
        else:
            sent = await self.bot.send_message(
                chat_id,
                page.text,
                entities=_entities(page),
                link_preview_options=_no_preview(),
                message_thread_id=thread_id,
                reply_parameters=reply,
                reply_markup=keyboard,
            )
        return sent.message_id

    async def edit(
        self, message_id: int, page: Page, keyboard: InlineKeyboardMarkup | None = None
    ) -> None:
        """Replace a message and its buttons with a page and its buttons, if any."""
        chat_id = self.address.chat_id
        if isinstance(page, RichPiece):
            await self.bot.edit_message_text(
                chat_id=chat_id,
                message_id=message_id,
                rich_message=_rich_message(page),
                reply_markup=keyboard,
            )
        else:
            await self.bot.edit_message_text(
                page.text,
                chat_id=chat_id,
                message_id=message_id,
                entities=_entities(page),
                link_preview_options=_no_preview(),
                reply_markup=keyboard,
            )

    async def draft(self, page: Page, draft_id: int) -> None:
        """Show a page as a draft for half a minute, with Telegram's button to stop the answer."""
        chat_id, thread_id = self.address.chat_id, self.address.thread_id
        if isinstance(page, RichPiece):
            await self.bot.send_rich_message_draft(
                chat_id,
                draft_id,
                _rich_message(page),
                message_thread_id=thread_id,
                can_stop=True,
                keep_on_stop=True,
            )
        else:
            await self.bot.send_message_draft(
                chat_id,
                draft_id,
                text=page.text,
                entities=_entities(page),
                message_thread_id=thread_id,
                can_stop=True,
                keep_on_stop=True,
            )

    async def act(self) -> None:
        """Show "typing…" for five seconds."""
        await self.bot.send_chat_action(
            self.address.chat_id, "typing", message_thread_id=self.address.thread_id
        )


def _entities(piece: Piece) -> list[MessageEntity] | None:
    return [MessageEntity(**entity) for entity in piece.entities] or None


def _no_preview() -> LinkPreviewOptions:
    """Return the option that keeps clients from fetching an address that a model wrote."""
    return LinkPreviewOptions(is_disabled=True)


def _rich_message(piece: RichPiece) -> InputRichMessage:
    # Not validated: trying each block as one of 23 types would cost 40 times as much
    blocks: list[Any] = list(piece.blocks)
    return InputRichMessage.model_construct(blocks=blocks, is_rtl=piece.is_rtl or None)
