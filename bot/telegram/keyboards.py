"""The buttons below messages, and the users who may press them."""

import asyncio
from contextlib import suppress

from aiogram.exceptions import AiogramError
from aiogram.filters.callback_data import CallbackData
from aiogram.types import CallbackQuery, InlineKeyboardButton, InlineKeyboardMarkup, Message

from bot import texts
from bot.gemini import Ending

ACKNOWLEDGING_TIME = 2.0  # seconds to wait for Telegram's answer
# The user who may press the button. None stands for everyone who may use the bot in the chat: the
# author of a question in a chat's name is unknown
Author = int | None
CUT_OFF = {Ending.TOO_LONG, Ending.STOPPED, Ending.INTERRUPTED}  # the answer can be continued


class Stop(CallbackData, prefix="stop"):
    """The button that stops the answer being written, for the user who asked."""

    user_id: Author
    update_id: int


class Again(CallbackData, prefix="again"):
    """The button that requests a new answer to the last question, for the user who asked.

    `update_id` identifies the answer: once there is another one, the button is too old.
    """

    user_id: Author
    update_id: int


class Continue(CallbackData, prefix="more"):
    """The button that continues the last answer if it was cut off, for the user who asked."""

    user_id: Author
    update_id: int


class Retry(CallbackData, prefix="retry"):
    """The button that repeats a question that got no answer, for the user who asked."""

    user_id: Author
    update_id: int


def draft_id(update_id: int) -> int:
    """Return the nonzero id of an update's draft; it identifies the answer to stop."""
    return update_id or 1


def stop_keyboard(user_id: Author, update_id: int) -> InlineKeyboardMarkup:
    """Return the button that stops an answer, for when Telegram shows none of its own."""
    return _row({texts.STOP_BUTTON: Stop(user_id=user_id, update_id=update_id)})


def answer_keyboard(ending: Ending, user_id: Author, update_id: int) -> InlineKeyboardMarkup:
    """Return the buttons below an answer."""
    buttons: dict[str, CallbackData] = {
        texts.AGAIN_BUTTON: Again(user_id=user_id, update_id=update_id)
    }
    if ending in CUT_OFF:
        more = Continue(user_id=user_id, update_id=update_id)
        buttons = {texts.CONTINUE_BUTTON: more} | buttons
    return _row(buttons)


def retry_keyboard(user_id: Author, update_id: int) -> InlineKeyboardMarkup:
    """Return the button below a notice shown in place of an answer."""
    return _row({texts.RETRY_BUTTON: Retry(user_id=user_id, update_id=update_id)})


def is_offered(query: CallbackQuery) -> bool:
    """Tell whether the pressed button is below its message: clients can send made-up data.

    https://core.telegram.org/bots/api#callbackquery
    """
    markup = query.message.reply_markup if isinstance(query.message, Message) else None
    rows = markup.inline_keyboard if markup else []
    return any(button.callback_data == query.data for row in rows for button in row)


def is_theirs(query: CallbackQuery, callback_data: Stop | Again | Continue | Retry) -> bool:
    """Tell whether the user who pressed the button asked the question, or may have asked it."""
    return callback_data.user_id in {None, query.from_user.id}


async def acknowledge(query: CallbackQuery, text: str | None = None) -> None:
    """End a button's loading state, with an optional notice; ignore errors such as expiry."""
    with suppress(AiogramError, TimeoutError):
        async with asyncio.timeout(ACKNOWLEDGING_TIME):
            await query.answer(text)


def _row(buttons: dict[str, CallbackData]) -> InlineKeyboardMarkup:
    row = [
        InlineKeyboardButton(text=text, callback_data=data.pack())
        for text, data in buttons.items()
    ]
    return InlineKeyboardMarkup(inline_keyboard=[row])
