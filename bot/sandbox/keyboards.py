"""Inline keyboards: what their buttons may hold, and which of them a person can press."""

from collections.abc import Iterator
from typing import Any, Final

from bot.sandbox.parameters import Json, bad_request

CALLBACK_DATA_LIMIT: Final = 64


def check_data(data: Any) -> None:
    """Raise ApiError for a callback_data that is not of 1-64 bytes."""
    if not 1 <= len(str(data).encode()) <= CALLBACK_DATA_LIMIT:
        raise bad_request("BUTTON_DATA_INVALID")


def read_keyboard(rows: Any) -> list[list[Json]]:
    """Check an inline_keyboard and give the rows in which there are buttons."""
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        name = 'field "inline_keyboard" of the InlineKeyboardMarkup'
        raise bad_request(f"{name} must be an Array of Arrays")
    for row in rows:
        for button in row:
            _check_button(button)
    return [row for row in rows if row]


def _check_button(button: Any) -> None:
    if not isinstance(button, dict) or not button.get("text"):
        raise bad_request("can't parse inline keyboard button: Text buttons are unallowed")
    if (data := button.get("callback_data")) is not None:
        check_data(data)


def callback_buttons(content: Json) -> Iterator[Json]:
    """Yield the buttons with callback_data under a message, or in the parameters of a call."""
    markup = content.get("reply_markup")
    # The parameters of a refused call may be anything.
    rows = markup.get("inline_keyboard") if isinstance(markup, dict) else None
    for row in rows if isinstance(rows, list) else ():
        for button in row if isinstance(row, list) else ():
            if isinstance(button, dict) and isinstance(button.get("callback_data"), str):
                yield button
