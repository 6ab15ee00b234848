"""Inline keyboards: what their buttons may hold, and which of them a person can press."""

from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from bot.sandbox.parameters import Json, bad_request

CALLBACK_DATA_LIMIT: Final = 64
SCHEMES: Final = frozenset({"http", "https", "tg"})
# The possible actions of a button
ACTIONS: Final = frozenset(
    {
        "url", "callback_data", "web_app", "login_url", "switch_inline_query",
        "switch_inline_query_current_chat", "switch_inline_query_chosen_chat", "copy_text",
        "callback_game", "pay", "disabled",
    }
)  # fmt: skip


def check_data(data: Any) -> None:
    """Raise ApiError for callback_data that is not 1-64 bytes long."""
    if not 1 <= len(str(data).encode()) <= CALLBACK_DATA_LIMIT:
        raise bad_request("BUTTON_DATA_INVALID")


def check_url(url: Any) -> None:
    """Raise ApiError for an address to which a button cannot lead."""
    try:
        is_right = urlsplit(str(url)).scheme in SCHEMES
    except ValueError:
        is_right = False
    if not is_right:
        raise bad_request(f"inline keyboard button URL '{url}' is invalid: Wrong HTTP URL")


def read_keyboard(rows: Any, report: Callable[[str], None]) -> list[list[Json]]:
    """Check an inline_keyboard and return the rows that have buttons.

    `report` receives a mistake that Telegram forgives: of several actions it performs one.
    """
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        name = 'field "inline_keyboard" of the InlineKeyboardMarkup'
        raise bad_request(f"{name} must be an Array of Arrays")
    for row in rows:
        for button in row:
            _check_button(button, report)
    return [row for row in rows if row]


def _check_button(button: Any, report: Callable[[str], None]) -> None:
    if not isinstance(button, dict) or not button.get("text"):
        raise bad_request("can't parse inline keyboard button: Text buttons are unallowed")
    actions = sorted(name for name in ACTIONS & button.keys() if button[name] is not None)
    if not actions:
        reason = "Text buttons are unallowed in the inline keyboard"
        raise bad_request(f"can't parse inline keyboard button: {reason}")
    if len(actions) > 1:
        report(f"a button with {' and '.join(actions)}")
    if (url := button.get("url")) is not None:
        check_url(url)
    if (data := button.get("callback_data")) is not None:
        check_data(data)


def callback_buttons(content: Json) -> Iterator[Json]:
    """Yield the buttons with callback_data under a message, or in the parameters of a call."""
    markup = content.get("reply_markup")
    # The parameters of a refused call may be of any type.
    rows = markup.get("inline_keyboard") if isinstance(markup, dict) else None
    for row in rows if isinstance(rows, list) else ():
        for button in row if isinstance(row, list) else ():
            if isinstance(button, dict) and isinstance(button.get("callback_data"), str):
                yield button
