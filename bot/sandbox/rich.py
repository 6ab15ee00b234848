"""Rich messages: the schema of their blocks and texts, Telegram's limits, and its responses.

The schema is that of Bot API 10.3; media, HTML and Markdown are not simulated. How Telegram
counts levels is not documented: here each block and typed text is one deeper than its container.
"""

import json
import unicodedata
from collections.abc import Callable, Container, Mapping, Sequence
from enum import Enum, auto
from typing import Any, Final, NamedTuple

from bot.sandbox.entities import check_url
from bot.sandbox.keyboards import check_data
from bot.sandbox.parameters import ApiError, Json, bad_request

# https://core.telegram.org/bots/api#rich-message-formatting-options
CHARACTER_LIMIT: Final = 32_768
BLOCK_LIMIT: Final = 500
LEVEL_LIMIT: Final = 16
COLUMN_LIMIT: Final = 20
ROW_OF_BUTTONS_LIMIT: Final = 8


class Kind(Enum):
    """The type of a field in the schema."""

    STRING = auto()
    NUMBER = auto()
    BOOLEAN = auto()
    OBJECT = auto()
    URL = auto()
    DATA = auto()
    EMOJI_ID = auto()
    USER = auto()
    SHOWN = auto()  # a String that counts as text
    TEXT = auto()  # a RichText with something visible in it
    INLINE = auto()  # a RichText of at least one character
    BLOCKS = auto()
    ITEMS = auto()
    ROWS = auto()
    BUTTON = auto()
    BUTTONS = auto()


# An object's fields by name; a question mark after the name marks an optional field.
Schema = Mapping[str, Kind]

_TEXT: Final = {"text": Kind.TEXT}
_INLINE: Final = {"text": Kind.INLINE}
_QUOTATION: Final = _TEXT | {"credit?": Kind.TEXT}

MESSAGE: Final[Schema] = {
    "blocks": Kind.BLOCKS,
    "is_rtl?": Kind.BOOLEAN,
    "skip_entity_detection?": Kind.BOOLEAN,
}
BLOCKS: Final[Mapping[str, Schema]] = {
    "paragraph": _TEXT,
    "heading": _TEXT | {"size": Kind.NUMBER},
    "pre": _TEXT | {"language?": Kind.STRING},
    "footer": _TEXT,
    "divider": {},
    "mathematical_expression": {"expression": Kind.SHOWN},
    "anchor": {"name": Kind.STRING},
    "list": {"items": Kind.ITEMS},
    "blockquote": {"blocks": Kind.BLOCKS, "credit?": Kind.TEXT},
    "expandable_blockquote": _QUOTATION,
    "pullquote": _QUOTATION,
    "table": {
        "cells": Kind.ROWS,
        "is_bordered?": Kind.BOOLEAN,
        "is_striped?": Kind.BOOLEAN,
        "is_compact?": Kind.BOOLEAN,
        "caption?": Kind.TEXT,
    },
    "details": {"summary": Kind.TEXT, "blocks": Kind.BLOCKS, "is_open?": Kind.BOOLEAN},
    "buttons": {"buttons": Kind.BUTTONS, "align?": Kind.STRING},
    "thinking": _TEXT,
}
DRAFT_ONLY: Final = "thinking"
NOT_SIMULATED: Final = frozenset(
    {
        "photo", "video", "audio", "animation", "document", "voice_note", "collage", "slideshow",
        "map",
    }
)  # fmt: skip
ITEM: Final[Schema] = {
    "blocks": Kind.BLOCKS,
    "has_checkbox?": Kind.BOOLEAN,
    "is_checked?": Kind.BOOLEAN,
    "value?": Kind.NUMBER,
    "type?": Kind.STRING,
}
CELL: Final[Schema] = {
    "align": Kind.STRING,
    "valign": Kind.STRING,
    "text?": Kind.INLINE,
    "is_header?": Kind.BOOLEAN,
    "colspan?": Kind.NUMBER,
    "rowspan?": Kind.NUMBER,
}
BUTTON: Final[Schema] = {
    "text": Kind.TEXT,
    "style?": Kind.STRING,
    "url?": Kind.URL,
    "callback_data?": Kind.DATA,
    "web_app?": Kind.OBJECT,
    "login_url?": Kind.OBJECT,
    "switch_inline_query?": Kind.STRING,
    "switch_inline_query_current_chat?": Kind.STRING,
    "switch_inline_query_chosen_chat?": Kind.OBJECT,
    "copy_text?": Kind.OBJECT,
    "disabled?": Kind.OBJECT,
}
BUTTON_TEXTS: Final = frozenset({"custom_emoji", "date_time"})
TEXTS: Final[Mapping[str, Schema]] = {
    **dict.fromkeys(
        (
            "bold", "italic", "underline", "strikethrough", "spoiler", "subscript", "superscript",
            "marked", "code",
        ),
        _INLINE,
    ),
    "date_time": _INLINE | {"unix_time": Kind.NUMBER, "date_time_format": Kind.STRING},
    "text_mention": _INLINE | {"user": Kind.USER},
    "custom_emoji": {"custom_emoji_id": Kind.EMOJI_ID, "alternative_text": Kind.SHOWN},
    "mathematical_expression": {"expression": Kind.SHOWN},
    "url": _INLINE | {"url": Kind.URL},
    "email_address": _INLINE | {"email_address": Kind.STRING},
    "phone_number": _INLINE | {"phone_number": Kind.STRING},
    "bank_card_number": _INLINE | {"bank_card_number": Kind.STRING},
    "mention": _INLINE | {"username": Kind.STRING},
    "hashtag": _INLINE | {"hashtag": Kind.STRING},
    "cashtag": _INLINE | {"cashtag": Kind.STRING},
    "bot_command": _INLINE | {"bot_command": Kind.STRING},
    "button": {"button": Kind.BUTTON},
    "anchor": {"name": Kind.STRING},
    "anchor_link": _INLINE | {"anchor_name": Kind.STRING},
    "reference": _INLINE | {"name": Kind.STRING},
    "reference_link": _INLINE | {"reference_name": Kind.STRING},
}  # fmt: skip
# The values allowed in fields with a limited choice: in the schema and in words.
CHOICES: Final[Mapping[str, tuple[Container[Any], str]]] = {
    "size": (range(1, 7), "1-6"),
    "type": (("a", "A", "i", "I", "1"), "one of a, A, i, I, 1"),
    "align": (("left", "center", "right"), "one of left, center, right"),
    "valign": (("top", "middle", "bottom"), "one of top, middle, bottom"),
    "style": (
        ("danger", "success", "primary", "link"),
        "one of danger, success, primary, link",
    ),
    "colspan": (range(1, COLUMN_LIMIT + 1), f"1-{COLUMN_LIMIT}"),
    "rowspan": (range(1, BLOCK_LIMIT + 1), f"1-{BLOCK_LIMIT}"),
}

_FORMS: Final = ("html", "markdown", "blocks")
# Separators, control and format characters are invisible.
_INVISIBLE: Final = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf"})
_ROMAN: Final = (
    (1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"),
    (40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"),
)  # fmt: skip
_NUMERALS: Final = range(1, 4000)


def read_rich_message(raw: Json, *, is_draft: bool = False) -> tuple[Json, list[str]]:
    """Check an InputRichMessage and make the RichMessage that Telegram sends back.

    Return the message, and the errors that Telegram ignores silently but a careful bot avoids.
    Raise ApiError for anything Telegram refuses.
    """
    _check_encoding(raw)
    _check_form(raw)
    walk = _Walk(is_draft=is_draft)
    fields = walk.fields("InputRichMessage", raw, MESSAGE, 0)
    if not walk.visible:
        raise _empty()
    message = {"blocks": fields["blocks"], **({"is_rtl": True} if fields.get("is_rtl") else {})}
    return message, walk.violations


def _check_encoding(raw: Json) -> None:
    try:
        json.dumps(raw, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise bad_request("strings must be encoded in UTF-8") from None


def _check_form(raw: Json) -> None:
    forms = [name for name in _FORMS if raw.get(name) is not None]
    if len(forms) != 1:
        raise bad_request("exactly one of html, markdown and blocks must be specified")
    if forms != ["blocks"]:
        raise bad_request(f"{forms[0]} is not simulated: send blocks")
    if raw.get("media") is not None:
        raise bad_request("media is not simulated: send blocks without any")


class _Spot(NamedTuple):
    """A field's position in a message: its object, its name and its level of nesting."""

    owner: str
    name: str
    level: int


class _Walk:
    """A walk through a message that counts everything with a limit."""

    def __init__(self, *, is_draft: bool) -> None:
        self.violations: list[str] = []
        self.characters = 0
        self.visible = 0
        self._is_draft = is_draft
        self._blocks = 0

    def fields(self, owner: str, item: Any, schema: Schema, level: int) -> Json:
        """Read an object's known fields, without those that are null."""
        _check_object(owner, item)
        fields = {}
        for key, kind in schema.items():
            name = key.removesuffix("?")
            if (value := item.get(name)) is not None:
                fields[name] = _READERS[kind](self, _Spot(owner, name, level), value)
            elif key == name:
                raise _missing(owner, name)
        known = {key.removesuffix("?") for key in schema}
        unknown = sorted(name for name in item.keys() - known if item[name] is not None)
        self.violations += [f"{owner}: unknown field {name}" for name in unknown]
        return fields

    def block(self, item: Any, level: int) -> Json:
        """Read a block."""
        kind = _type_of("InputRichBlock", item)
        if kind in NOT_SIMULATED:
            raise bad_request(f"{kind} blocks are not simulated")
        if kind == DRAFT_ONLY and not self._is_draft:
            raise bad_request(f"{kind} blocks can be sent only in drafts")
        self.count_block()
        return self._typed("InputRichBlock", item, BLOCKS, level)

    def text(self, value: Any, level: int) -> Any:
        """Read a RichText; `level` is the level of the typed texts in it."""
        if isinstance(value, str):
            return self.count_text(value)
        if isinstance(value, list):
            return [self.text(part, level) for part in value]
        return self._typed("RichText", value, TEXTS, level)

    def _typed(self, owner: str, item: Any, types: Mapping[str, Schema], level: int) -> Json:
        kind = _type_of(owner, item)
        if kind not in types:
            raise _unparsable(owner, f'type "{kind}" is unsupported')
        if level > LEVEL_LIMIT:
            raise bad_request("RICH_MESSAGE_DEPTH_INVALID")
        fields = {name: value for name, value in item.items() if name != "type"}
        return {"type": kind, **self.fields(owner, fields, types[kind], level)}

    def count_text(self, text: str) -> str:
        """Count a text's characters (other limits count UTF-16 units) and return the text."""
        self.characters += len(text)
        if self.characters > CHARACTER_LIMIT:
            raise bad_request("RICH_MESSAGE_TEXT_TOO_LONG")
        self.visible += sum(unicodedata.category(symbol) not in _INVISIBLE for symbol in text)
        return text

    def count_block(self) -> None:
        """Count a block, or anything that counts as one."""
        self._blocks += 1
        if self._blocks > BLOCK_LIMIT:
            raise bad_request("RICH_MESSAGE_BLOCKS_TOO_MANY")


def _string(_: _Walk, spot: _Spot, value: Any) -> str:
    return str(_chosen(spot, _shaped(spot, value, str, "String")))


def _number(_: _Walk, spot: _Spot, value: Any) -> int:
    if isinstance(value, bool):
        raise _mistyped(spot, "Number")
    return int(_chosen(spot, _shaped(spot, value, int, "Number")))


def _boolean(_: _Walk, spot: _Spot, value: Any) -> bool:
    return bool(_shaped(spot, value, bool, "Boolean"))


def _object(_: _Walk, spot: _Spot, value: Any) -> Json:
    return dict(_shaped(spot, value, dict, "Object"))


def _array(spot: _Spot, value: Any) -> list[Any]:
    array = list(_shaped(spot, value, list, "Array"))
    if not array:
        raise _empty()
    return array


def _url(walk: _Walk, spot: _Spot, value: Any) -> str:
    url = _string(walk, spot, value)
    check_url(url)
    return url


def _data(walk: _Walk, spot: _Spot, value: Any) -> str:
    data = _string(walk, spot, value)
    check_data(data)
    return data


def _emoji_id(walk: _Walk, spot: _Spot, value: Any) -> str:
    emoji_id = _string(walk, spot, value)
    if not emoji_id.isdecimal():
        raise bad_request("invalid custom emoji identifier specified")
    return emoji_id


def _user(walk: _Walk, spot: _Spot, value: Any) -> Json:
    user = _object(walk, spot, value)
    if not isinstance(user.get("id"), int):
        raise _missing(spot.owner, "id")
    return user


def _shown(walk: _Walk, spot: _Spot, value: Any) -> str:
    text = _string(walk, spot, value)
    if not text.strip():
        raise _empty()
    return walk.count_text(text)


def _text(walk: _Walk, spot: _Spot, value: Any) -> Any:
    before = walk.visible
    text = walk.text(value, spot.level + 1)
    if walk.visible == before:
        raise _empty()
    return text


def _inline(walk: _Walk, spot: _Spot, value: Any) -> Any:
    before = walk.characters
    text = walk.text(value, spot.level + 1)
    if walk.characters == before:
        raise _empty()
    return text


def _blocks(walk: _Walk, spot: _Spot, value: Any) -> list[Json]:
    return [walk.block(item, spot.level + 1) for item in _array(spot, value)]


def _items(walk: _Walk, spot: _Spot, value: Any) -> list[Json]:
    items: list[Json] = []
    number = 0
    for item in _array(spot, value):
        walk.count_block()
        fields = walk.fields("InputRichBlockListItem", item, ITEM, spot.level)
        number = fields.get("value", number + 1)
        items.append({"label": _label(fields, number), **fields})
    return items


def _rows(walk: _Walk, spot: _Spot, value: Any) -> list[list[Json]]:
    before = walk.visible
    rows = [_row(walk, spot, row) for row in _array(spot, value)]
    if walk.visible == before:
        raise _empty()
    if _columns(rows) > COLUMN_LIMIT:
        raise bad_request("RICH_MESSAGE_TABLE_COLS_TOO_MANY")
    return rows


def _row(walk: _Walk, spot: _Spot, row: Any) -> list[Json]:
    walk.count_block()
    cells = _array(spot, row)
    return [walk.fields("RichBlockTableCell", cell, CELL, spot.level) for cell in cells]


def _columns(rows: Sequence[Sequence[Json]]) -> int:
    """Count the columns of the widest row, including cells that extend into it from above."""
    widest = 0
    spans: list[tuple[int, int]] = []
    for row in rows:
        spans = [(height - 1, width) for height, width in spans if height > 1]
        spans += [(cell.get("rowspan", 1), cell.get("colspan", 1)) for cell in row]
        widest = max(widest, sum(width for _, width in spans))
    return widest


def _button(walk: _Walk, spot: _Spot, value: Any) -> Json:
    owner = "RichMessageButton"
    button = walk.fields(owner, value, BUTTON, spot.level)
    actions = button.keys() - {"text", "style"}
    if len(actions) != 1:
        raise _unparsable(owner, "exactly one action must be specified")
    if button.get("style") == "link" and "callback_data" not in actions:
        raise _unparsable(owner, 'style "link" is allowed only for callback buttons')
    text = button["text"]
    for part in text if isinstance(text, list) else [text]:
        if not isinstance(part, str) and part["type"] not in BUTTON_TEXTS:
            raise _unparsable(owner, f"{part['type']} is not allowed in a button")
    return button


def _buttons(walk: _Walk, spot: _Spot, value: Any) -> list[Json]:
    buttons = _array(spot, value)
    if len(buttons) > ROW_OF_BUTTONS_LIMIT:
        raise _unparsable(spot.owner, f"more than {ROW_OF_BUTTONS_LIMIT} buttons in a row")
    return [_button(walk, spot, button) for button in buttons]


def _label(item: Json, number: int) -> str:
    if item.get("has_checkbox"):
        return "☑" if item.get("is_checked") else "☐"
    if not item.keys() & {"type", "value"}:
        return "•"
    kind = item.get("type", "1")
    numeral = str(number)
    if kind != "1" and number in _NUMERALS:
        numeral = _roman(number) if kind in "iI" else _letters(number)
    return f"{numeral.upper() if kind.isupper() else numeral}."


def _roman(number: int) -> str:
    numeral = ""
    for value, sign in _ROMAN:
        times, number = divmod(number, value)
        numeral += sign * times
    return numeral


def _letters(number: int) -> str:
    letters = ""
    while number:
        number, place = divmod(number - 1, 26)
        letters = chr(ord("a") + place) + letters
    return letters


def _type_of(owner: str, item: Any) -> str:
    _check_object(owner, item)
    kind = item.get("type")
    if kind is None:
        raise _missing(owner, "type")
    return str(_shaped(_Spot(owner, "type", 0), kind, str, "String"))


def _check_object(owner: str, item: Any) -> None:
    if not isinstance(item, dict):
        raise _unparsable(owner, "expected an Object")


def _shaped(spot: _Spot, value: Any, shape: type, name: str) -> Any:
    if not isinstance(value, shape):
        raise _mistyped(spot, name)
    return value


def _chosen(spot: _Spot, value: Any) -> Any:
    if spot.name in CHOICES:
        choices, words = CHOICES[spot.name]
        if value not in choices:
            raise _unparsable(spot.owner, f'Field "{spot.name}" must be {words}')
    return value


def _unparsable(owner: str, reason: str) -> ApiError:
    return bad_request(f"can't parse {owner}: {reason}")


def _missing(owner: str, name: str) -> ApiError:
    return _unparsable(owner, f'Can\'t find field "{name}"')


def _mistyped(spot: _Spot, shape: str) -> ApiError:
    return _unparsable(spot.owner, f'Field "{spot.name}" must be of type {shape}')


def _empty() -> ApiError:
    return bad_request("RICH_MESSAGE_CONTENT_REQUIRED")


_READERS: Final[Mapping[Kind, Callable[[_Walk, _Spot, Any], Any]]] = {
    Kind.STRING: _string,
    Kind.NUMBER: _number,
    Kind.BOOLEAN: _boolean,
    Kind.OBJECT: _object,
    Kind.URL: _url,
    Kind.DATA: _data,
    Kind.EMOJI_ID: _emoji_id,
    Kind.USER: _user,
    Kind.SHOWN: _shown,
    Kind.TEXT: _text,
    Kind.INLINE: _inline,
    Kind.BLOCKS: _blocks,
    Kind.ITEMS: _items,
    Kind.ROWS: _rows,
    Kind.BUTTON: _button,
    Kind.BUTTONS: _buttons,
}
