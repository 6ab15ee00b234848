"""Sending messages to a chat: whole answers, and the bot's own sentences."""

import asyncio
import logging
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from aiogram import Bot
from aiogram.exceptions import (
    AiogramError,
    TelegramAPIError,
    TelegramBadRequest,
    TelegramMigrateToChat,
    TelegramRetryAfter,
)
from aiogram.types import InlineKeyboardMarkup, Message

from bot import texts
from bot.chat.messages import Answer
from bot.gemini import Ending
from bot.rendering.classic import Piece
from bot.rendering.pages import Page, noted, simpler, to_pages, without_rich
from bot.rendering.rich import RichPiece
from bot.settings import CHOICES, Choice
from bot.telegram.client import REFUSED, TOKEN_REFUSED, UNKNOWN_ID, UNREACHABLE, fail_fast, reason
from bot.telegram.destination import Address
from bot.telegram.keyboards import answer_keyboard, retry_keyboard
from bot.telegram.sender import Writer
from bot.updates.claims import Claim
from bot.updates.errors import RetryLater
from db.conversations import StoredExchange
from db.errors import DatabaseUnavailable

ABOUT_ENTITIES = re.compile("entit|url", re.IGNORECASE)
# A later attempt to send may succeed
RETRYABLE = (TelegramRetryAfter, TimeoutError, *UNREACHABLE, *TOKEN_REFUSED)
RETIRING_TIME = 2.0  # seconds
GONE = re.compile("not found|can't be edited|MESSAGE_ID_INVALID", re.IGNORECASE)
UNCHANGED = re.compile("message is not modified", re.IGNORECASE)

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Sending:
    """The pages of an answer: those that have been sent, and those still to be sent.

    `places` are the messages that the pages overwrite, in order; `classic_from` is the number of
    the rich page that Telegram refused, `simple` the numbers of the refused classic pages. If
    Telegram refuses the rest, `refusal` says why, and `note` is the message that tells the user
    so: the next page overwrites it, unless it is the last page that the user has read.
    """

    answer: Answer
    places: Sequence[int]
    choice: Choice
    ids: list[int] = field(default_factory=list)  # of the messages that show the pages
    classic_from: int | None = None
    simple: list[int] = field(default_factory=list)
    note: int | None = None
    refusal: str | None = None
    pages: list[Page] = field(default_factory=list)
    simple_until: int = 0  # the number of the first page that may become simpler

    @classmethod
    def begin(
        cls, answer: Answer, places: Sequence[int], choice: Choice, progress: Mapping[str, Any]
    ) -> "Sending":
        """Return the sending of an answer, resumed from any `progress` of an earlier attempt."""
        sending = cls(
            answer,
            places,
            progress.get("choice", choice),
            ids=list(progress.get("ids", ())),
            classic_from=progress.get("classic_from"),
            simple=list(progress.get("simple", ())),
            note=progress.get("note"),
        )
        sending._paginate()
        return sending

    def simplify(self) -> bool:
        """Replace the refused next page with a simpler form; return False if there is none.

        A rich page becomes classic, and a classic one becomes smaller plain ones.
        """
        number = len(self.ids)
        if isinstance(self.page, RichPiece):
            self.classic_from = number
        elif number >= self.simple_until:
            self.simple.append(number)
        else:
            return False
        self._paginate()
        return True

    @property
    def page(self) -> Page | None:
        """Return the next page; None if all pages have been sent."""
        return self.pages[len(self.ids)] if len(self.ids) < len(self.pages) else None

    @property
    def is_last(self) -> bool:
        """Tell whether the next page is the last one."""
        return len(self.ids) == len(self.pages) - 1

    @property
    def place(self) -> int | None:
        """Return the message that the next page overwrites; None if it must be a new message.

        Once one page had to be sent as a new message, all later pages are sent after it.
        """
        if self.note is not None and self.note not in self.ids:
            return self.note
        sent = len(self.ids)
        in_place = self.ids == list(self.places[:sent])
        return self.places[sent] if in_place and sent < len(self.places) else None

    @property
    def shown(self) -> list[int]:
        """Return the messages that show the answer so far."""
        if self.note is None or self.note in self.ids:
            return self.ids
        return [*self.ids, self.note]

    @property
    def left_over(self) -> list[int]:
        """Return the places that have not been overwritten."""
        return [place for place in self.places if place not in self.shown]

    def progress(self) -> dict[str, Any]:
        """Return the state that the next attempt needs if this one ends here."""
        return {
            "answer": self.answer.to_json(),
            "ids": self.ids,
            "choice": self.choice,
            "classic_from": self.classic_from,
            "simple": self.simple,
            "note": self.note,
            "preview": next(iter(self.places), None),
        }

    def _paginate(self) -> None:
        note = texts.note(self.answer.ending, is_alone=self.answer.is_alone)
        choice = "off" if self.classic_from == 0 else self.choice
        self.pages = to_pages(self.answer.text, choice, note)
        if self.classic_from:
            rest = without_rich(self.pages[self.classic_from :])
            self.pages[self.classic_from :] = rest
        for number in self.simple:
            pieces = simpler(self.pages[number : number + 1])
            self.pages[number : number + 1] = pieces
            self.simple_until = number + len(pieces)


@dataclass(frozen=True, slots=True)
class Reply:
    """The bot's response to a message, in its chat and topic; in a group sent as a reply."""

    address: Address
    bot: Bot

    @classmethod
    def to(cls, message: Message, bot: Bot) -> "Reply":
        """Return the reply to a message."""
        return cls(Address.of(message), bot)

    def answering(self, question_id: int | None, user_id: int | None) -> "Reply":
        """Return the reply to another message, for the given user."""
        return replace(self, address=self.address.answering(question_id, user_id))

    @property
    def writer(self) -> Writer:
        """Return the writer for the chat and topic."""
        return Writer(self.bot, self.address)

    async def say(self, text: str, place: int | None = None) -> int:
        """Send one of the bot's own sentences, or overwrite a message with it; return the id."""
        return await self._put(Piece(text), place, None)

    async def excuse(self, text: str, place: int | None, update_id: int) -> int:
        """Say why there is no answer, with a button to ask once more; return the message's id."""
        keyboard = retry_keyboard(self.address.user_id, update_id)
        return await self._put(Piece(text), place, keyboard)

    async def restore(self, exchange: StoredExchange, choice: Choice) -> None:
        """Put back the beginning of an answer that a new one had begun to overwrite."""
        places, update_id = exchange.answer.message_ids, exchange.answer.update_id
        sending = Sending.begin(Answer.of(exchange), places, choice, {})
        for other in CHOICES:
            if len(sending.pages) != len(places):  # it was shown with another choice
                sending = Sending.begin(Answer.of(exchange), places, other, {})
        if sending.page is None or sending.place is None or update_id is None:
            return
        keyboard = self._keyboard(sending, update_id)
        with suppress(AiogramError, DatabaseUnavailable, RetryLater):
            await self.writer.edit(sending.place, sending.page, keyboard)

    async def finish(self, sending: Sending, claim: Claim) -> None:
        """Send the whole answer in order, in as many messages as it takes.

        Progress is saved after each message but the last, so that a later attempt continues from
        there. Raise any error that keeps the first message from being sent; once the user has
        read a part, only errors that a later attempt can overcome. If Telegram refuses the rest,
        the user is told.
        """
        while sending.page is not None and sending.refusal is None:
            if sending.ids:
                await self._note(claim, sending)
            try:
                async with asyncio.timeout_at(claim.deadline):
                    await self._send(sending.page, sending, claim.key.update_id)
            except RETRYABLE:
                await self._note(claim, sending)
                raise
        if sending.refusal is not None:
            await self._note(claim, sending)
        for place in sending.left_over:
            await self._remove(place)

    async def retire(self, message_id: int) -> None:
        """Remove the buttons from an answer that is no longer the last, if that is quick."""
        with suppress(AiogramError, TimeoutError), fail_fast():  # buttons that stay just expire
            async with asyncio.timeout(RETIRING_TIME):
                await self.bot.edit_message_reply_markup(
                    chat_id=self.address.chat_id, message_id=message_id
                )

    async def _send(self, page: Page, sending: Sending, update_id: int) -> None:
        """Send the next page; if it is refused for good, replace it with a simpler form."""
        keyboard = self._keyboard(sending, update_id)
        try:
            sending.ids.append(await self._put(page, sending.place, keyboard))
        except REFUSED as error:
            if sending.simplify():
                self._log_refusal(page, error)
                return
            if not sending.ids:
                raise
            sending.refusal = reason(error)
            await self._break_off(sending, update_id)
        else:
            await self._take_note_away(sending, sending.ids[:-1])
            sending.note = None

    def _log_refusal(self, page: Page, error: TelegramAPIError) -> None:
        is_rich = isinstance(page, RichPiece)  # a server that is too old accepts none at all
        level, kind = (logging.WARNING, "rich") if is_rich else (logging.INFO, "such")
        logger.log(
            level, "Chat %s takes no %s message: %s", self.address.chat_id, kind, reason(error)
        )

    async def _break_off(self, sending: Sending, update_id: int) -> None:
        """Say below the sent part that the rest is missing, with a button to continue."""
        keyboard = answer_keyboard(Ending.INTERRUPTED, self.address.user_id, update_id)
        count, total = len(sending.ids), len(sending.pages)
        logger.error("Chat %s got %d of %d messages", self.address.chat_id, count, total)
        try:
            note = await self._put(Piece(texts.NOT_ALL_SENT), sending.place, keyboard)
        except REFUSED:  # the last page sent may still be editable
            last = noted(sending.pages[count - 1], texts.NOT_ALL_SENT)
            with suppress(*REFUSED):
                if await self._replace(sending.ids[-1], last, keyboard):
                    sending.note = sending.ids[-1]
        else:
            await self._take_note_away(sending, sending.ids)
            sending.note = note

    async def _take_note_away(self, sending: Sending, ids: Sequence[int]) -> None:
        """Restore the page to which the note about the missing rest was added."""
        note = sending.note
        if note is not None and note in ids:
            with suppress(AiogramError, DatabaseUnavailable, RetryLater):
                await self.writer.edit(note, sending.pages[ids.index(note)])

    def _keyboard(self, sending: Sending, update_id: int) -> InlineKeyboardMarkup | None:
        """Return the buttons below the next page; only the last page has any."""
        if not sending.is_last:
            return None
        return answer_keyboard(sending.answer.ending, self.address.user_id, update_id)

    async def _put(
        self, page: Page, place: int | None, keyboard: InlineKeyboardMarkup | None
    ) -> int:
        """Send a page or overwrite a message with it; drop its entities if they are invalid."""
        try:
            return await self._put_once(page, place, keyboard)
        except TelegramBadRequest as error:
            if (
                isinstance(page, RichPiece)
                or not page.entities
                or not ABOUT_ENTITIES.search(error.message)
            ):
                raise
            logger.warning("Sending without entities: %s", reason(error))
            return await self._put_once(Piece(page.text), place, keyboard)

    async def _put_once(
        self, page: Page, place: int | None, keyboard: InlineKeyboardMarkup | None
    ) -> int:
        if place is not None and await self._replace(place, page, keyboard):
            return place
        return await self.writer.send(page, keyboard, self.address.reply)

    async def _replace(
        self, message_id: int, page: Page, keyboard: InlineKeyboardMarkup | None
    ) -> bool:
        """Overwrite a message with a page; return False if the message cannot be overwritten.

        Raise TelegramBadRequest if the page is at fault.
        """
        if message_id == UNKNOWN_ID:
            return False
        try:
            await self.writer.edit(message_id, page, keyboard)
        except TelegramMigrateToChat:  # the old group's messages can no longer be edited
            return False
        except TelegramBadRequest as error:
            if UNCHANGED.search(error.message):
                return True
            is_rich = isinstance(page, RichPiece)
            if (is_rich and not GONE.search(error.message)) or (
                not is_rich and ABOUT_ENTITIES.search(error.message)
            ):
                raise
            return False
        return True

    async def _remove(self, message_id: int) -> None:
        """Delete a leftover message of the replaced answer; if too old, mark it as replaced."""
        with suppress(AiogramError, DatabaseUnavailable, RetryLater):
            try:
                await self.bot.delete_message(self.address.chat_id, message_id)
            except TelegramBadRequest:
                await self.writer.edit(message_id, Piece(texts.REPLACED))

    async def _note(self, claim: Claim, sending: Sending) -> None:
        try:
            await claim.save(**sending.progress())
        except DatabaseUnavailable as error:
            # Stopping here would mean sending everything again
            logger.warning("Chat %s: what was sent is not noted: %s", self.address.chat_id, error)
