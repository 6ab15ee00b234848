"""The buttons below messages, and who may press them."""

from aiogram.filters.callback_data import CallbackData
from aiogram.types import InlineKeyboardButton, InlineKeyboardMarkup

from bot import texts


class Stop(CallbackData, prefix="stop"):
    """End the answer that is being written, for the person who asked."""

    person_id: int
    update_id: int


def draft_id(update_id: int) -> int:
    """Return the id of an update's draft, which is not zero: it tells whose answer is stopped."""
    return update_id or 1


def stop_keyboard(person_id: int, update_id: int) -> InlineKeyboardMarkup:
    """Return the button that ends an answer, where Telegram shows none by itself."""
    button = InlineKeyboardButton(
        text=texts.STOP_BUTTON,
        callback_data=Stop(person_id=person_id, update_id=update_id).pack(),
    )
    return InlineKeyboardMarkup(inline_keyboard=[[button]])
