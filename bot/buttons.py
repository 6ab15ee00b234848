"""The buttons below messages, and who may press them."""

from aiogram.filters.callback_data import CallbackData
from aiogram.types import InlineKeyboardButton, InlineKeyboardMarkup

from bot import texts


class Stop(CallbackData, prefix="stop"):
    """End the answer that is being written, for the person who asked."""

    person_id: int


def stop_keyboard(person_id: int) -> InlineKeyboardMarkup:
    """Return the button that ends an answer, where Telegram shows none by itself."""
    button = InlineKeyboardButton(
        text=texts.STOP_BUTTON, callback_data=Stop(person_id=person_id).pack()
    )
    return InlineKeyboardMarkup(inline_keyboard=[[button]])
