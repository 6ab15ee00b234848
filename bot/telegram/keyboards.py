"""The buttons below messages, and who may press them."""

import asyncio
from contextlib import suppress

from aiogram.exceptions import AiogramError
from aiogram.filters.callback_data import CallbackData
from aiogram.types import CallbackQuery, InlineKeyboardButton, InlineKeyboardMarkup, Message

from bot import texts
from bot.gemini import Ending

ACKNOWLEDGING_TIME = 2.0  # seconds
# The person who may press the button; None is everybody who may use the bot in the chat, because
# the author of a question in a chat's name is unknown
Author = int | None
CUT_OFF = {Ending.TOO_LONG, Ending.STOPPED, Ending.INTERRUPTED}  # there is more to come


class Stop(CallbackData, prefix="stop"):
    """End the answer that is being written, for the person who asked."""

    user_id: Author
    update_id: int


class Again(CallbackData, prefix="again"):
    """Answer the last question anew, for the person who asked.

    `update_id` is that of the answer: once there is another one, the button is too old.
    """

    user_id: Author
    update_id: int


class Continue(CallbackData, prefix="more"):
    """Go on with the last answer, which was cut off, for the person who asked."""

    user_id: Author
    update_id: int


class Retry(CallbackData, prefix="retry"):
    """Ask the question of an update that got no answer once more, for the person who asked."""

    user_id: Author
    update_id: int


def draft_id(update_id: int) -> int:
    """Return the id of an update's draft, which is not zero: it tells whose answer is stopped."""
    return update_id or 1


def stop_keyboard(user_id: Author, update_id: int) -> InlineKeyboardMarkup:
    """Return the button that ends an answer, where Telegram shows none by itself."""
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
    """Return the button below a sentence that stands for an answer."""
    return _row({texts.RETRY_BUTTON: Retry(user_id=user_id, update_id=update_id)})


def is_offered(query: CallbackQuery) -> bool:
    """Tell whether the pressed button stands below its message: whoever presses may make one up.

    https://core.telegram.org/bots/api#callbackquery
    """
    markup = query.message.reply_markup if isinstance(query.message, Message) else None
    rows = markup.inline_keyboard if markup else []
    return any(button.callback_data == query.data for row in rows for button in row)


def is_theirs(query: CallbackQuery, callback_data: Stop | Again | Continue | Retry) -> bool:
    """Tell whether the person who pressed asked the question, or may have."""
    return callback_data.user_id in {None, query.from_user.id}


async def acknowledge(query: CallbackQuery, text: str | None = None) -> None:
    """End a button's waiting sign, with a sentence over the chat; it may be too late for that."""
    with suppress(AiogramError, TimeoutError):
        async with asyncio.timeout(ACKNOWLEDGING_TIME):
            await query.answer(text)


def _row(buttons: dict[str, CallbackData]) -> InlineKeyboardMarkup:
    row = [
        InlineKeyboardButton(text=text, callback_data=data.pack())
        for text, data in buttons.items()
    ]
    return InlineKeyboardMarkup(inline_keyboard=[row])
