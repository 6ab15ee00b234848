"""Conversion of a model's Markdown to rich messages: blocks within Telegram's limits."""

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

from bot.rendering.blocks import MAX_LEVELS, Block, build
from bot.rendering.characters import clean, has_visible
from bot.rendering.direction import is_rtl
from bot.rendering.markdown import TooComplexError, is_structured
from bot.rendering.richtext import cut, cut_point, rich_text, runs_of, trimmed, units

logger = logging.getLogger(__name__)

# https://core.telegram.org/bots/api#rich-message-formatting-options
MAX_UNITS = 32_768
MAX_BLOCKS = 500
MAX_COLUMNS = 20

_CONTENTS = ("blocks", "items", "cells")
_TEXTS = ("text", "expression", "summary", "caption")
_SIGNS = re.compile(
    r"[|#$]|\\[(\[]|\\[A-Za-z]+\{|\[[ xX]\]|<details|[`~]{3}[ \t]*math|^[ \t>]*(?:=+|-+)[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
# A list item that has only just begun would make a heading of the line before it
_BEGUN_ITEM = re.compile(r"\n[ \t>]*-[ \t]*\Z")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RichPiece:
    """One rich message: its blocks, as the Bot API's JSON, and whether they read right to left."""

    blocks: tuple[dict[str, Any], ...]
    is_rtl: bool = False


class Size(NamedTuple):
    """The quantities that Telegram limits in a rich message."""

    units: int = 0
    blocks: int = 0
    levels: int = 0
    columns: int = 0


def render_rich(markdown: str) -> list[RichPiece] | None:
    """Render `markdown` as rich messages within Telegram's limits, in order.

    Returns None if rich messages cannot show it: it has no visible content, nests too deeply, or
    has a table that is too wide or a formula or row that is too large for any message.
    """
    return _attempt(_render, clean(markdown))


def calls_for_rich(markdown: str) -> bool:
    """Tell whether `markdown` has elements that only rich messages show.

    These are tables, formulas, headings, task lists and `<details>`.
    """
    markdown = _BEGUN_ITEM.sub("", clean(markdown))
    return bool(_SIGNS.search(markdown) and _attempt(is_structured, markdown))


def append_rich(pieces: list[RichPiece], text: str) -> list[RichPiece]:
    """Return `pieces` with a plain paragraph at the end, in a message of its own if necessary."""
    paragraph = {"type": "paragraph", "text": text}
    if pieces:
        last = pieces[-1]
        longer = replace(last, blocks=(*last.blocks, paragraph))
        if _left(_EMPTY, longer.blocks):
            return [*pieces[:-1], longer]
        return [*pieces, replace(last, blocks=(paragraph,))]
    return [RichPiece((paragraph,))]


def _render(markdown: str) -> list[RichPiece] | None:
    if not has_visible(markdown):
        return None
    blocks = build(markdown)
    size = measure(blocks)
    if size.levels > MAX_LEVELS or size.columns > MAX_COLUMNS:
        return None
    leftward = is_rtl(blocks)
    # Telegram does not accept dividers alone as content
    pages = (page for page in _pages(blocks) if measure(page).units)
    return [RichPiece(tuple(page), leftward) for page in pages] or None


def _attempt(read: Callable[[str], T], markdown: str) -> T | None:
    try:
        return read(markdown)
    except TooComplexError:
        return None
    except BaseException as error:  # a panic of the parser, which is in Rust, is no Exception
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        # no traceback, since the exception may quote the text
        logger.warning("Markdown of %d characters made no rich message", len(markdown))
        return None


# -- Size -----------------------------------------------------------------------------------------


def measure(blocks: Iterable[Mapping[str, Any]]) -> Size:
    """Measure blocks by the strictest count: items and rows are blocks, and styles are levels."""
    total = Size()
    for size in _sizes(blocks):
        total = Size(
            total.units + size.units,
            total.blocks + size.blocks,
            max(total.levels, size.levels),
            max(total.columns, size.columns),
        )
    return total


def _sizes(parts: Iterable[Any], level: int = 1) -> Iterator[Size]:
    """Yield the size of each block, item and row, without its content."""
    for part in parts:
        if isinstance(part, list):
            yield _row_size(part, level - 1)
            continue
        yield _text_size([part[name] for name in _TEXTS if name in part], level)
        for name in _CONTENTS:
            if name in part:
                yield from _sizes(part[name], level + 1)


def _row_size(row: Sequence[Mapping[str, Any]], level: int) -> Size:
    size = _text_size([cell["text"] for cell in row if "text" in cell], level)
    return size._replace(columns=len(row))


def _text_size(texts: list[Any], level: int) -> Size:
    length = styles = 0
    for run in runs_of(texts):
        length += units(run.text)
        styles = max(styles, len(run.styles) + run.is_formula)
    return Size(length, 1, level + styles)


# -- Splitting ------------------------------------------------------------------------------------

_EMPTY = Size(MAX_UNITS, MAX_BLOCKS)
_NONE = Size()


def _left(room: Size, parts: Iterable[Any]) -> Size | None:
    """Return the room left beside blocks, items or rows, or None if they do not fit."""
    left_units, left_blocks = room.units, room.blocks
    for size in _sizes(parts):
        left_units -= size.units
        left_blocks -= size.blocks
        if left_units < 0 or left_blocks < 0:
            return None
    return Size(left_units, left_blocks)


def _pages(blocks: Sequence[Block]) -> Iterator[list[Block]]:
    """Fill messages one after another, none of which ends with a heading of the next."""
    waiting = list(reversed(blocks))
    page: list[Block] = []
    room = _EMPTY
    while waiting:
        block = waiting.pop()
        if left := _left(room, [block]):
            page.append(block)
            room = left
            continue
        first, page, rest = _divide(page, room, block)
        yield first
        waiting += reversed(rest)
        room = _left(_EMPTY, page) or _NONE
    if page:
        yield page


def _divide(page: list[Block], room: Size, block: Block) -> tuple[list[Block], ...]:
    """Return a full message, the beginning of the next one, and the blocks that follow."""
    kept = _before_headings(page)
    if kept and (_left(_EMPTY, [block]) or _is_half_full(room)):
        return page[:kept], page[kept:], [block]
    if parts := _cut(block, room):
        return [*page, parts[0]], [], [parts[1]]
    if page:
        return page, [], [block]
    raise TooComplexError("a block is too large for a message")


def _before_headings(blocks: Sequence[Block]) -> int:
    """Return the number of blocks before the headings at the end."""
    count = len(blocks)
    while count and _is_heading(blocks[count - 1]):
        count -= 1
    return count


def _is_heading(part: Any) -> bool:
    return isinstance(part, Mapping) and part.get("type") == "heading"


def _is_half_full(room: Size) -> bool:
    return room.units < MAX_UNITS // 2 or room.blocks < MAX_BLOCKS // 2


def _cut(block: Block, room: Size) -> tuple[Block, Block] | None:
    """Split a block into two of its kind so that the first fits; return None if impossible."""
    if room.units <= 0 or room.blocks <= 0:
        return None
    for name in _CONTENTS:
        if name in block:
            return _cut_within(block, name, room)
    return _cut_text(block, room.units)


def _cut_within(block: Block, name: str, room: Size) -> tuple[Block, Block] | None:
    """Split between rows, items or inner blocks, or within the first if it alone is too large.

    A table's header and the summary of `<details>` appear in both parts.
    """
    head = block[name][:1] if name == "cells" else []
    inner = block[name][len(head) :]
    left = _left(room, [block | {name: head}])
    if left is None:
        return None
    fitting = _count_fitting(inner, left)
    if fitting:
        fitting = _before_headings(inner[:fitting]) or fitting
        first, last = inner[:fitting], inner[fitting:]
    elif name != "cells" and (parts := _cut(inner[0], left)):
        first, last = [parts[0]], [parts[1], *inner[1:]]
    else:
        return None
    return block | {name: head + first}, block | {name: head + last}


def _count_fitting(parts: list[Any], room: Size) -> int:
    count = 0
    for part in parts:
        left = _left(room, [part])
        if left is None:
            break
        room = left
        count += 1
    return count


def _cut_text(block: Block, room: int) -> tuple[Block, Block] | None:
    if block["type"] == "pre":
        return _cut_code(block, room)
    if "text" not in block:
        return None
    parts = [trimmed(part) for part in cut(list(runs_of(block["text"])), room)]
    if not all(any(has_visible(run.text) for run in part) for part in parts):
        return None
    first, last = ({**block, "text": rich_text(part)} for part in parts)
    return first, last


def _cut_code(block: Block, room: int) -> tuple[Block, Block] | None:
    code = block["text"]
    at = cut_point(code, room, ("\n",))
    first, last = code[:at].rstrip("\n"), code[at:]
    if not (has_visible(first) and has_visible(last)):
        return None
    return {**block, "text": first}, {**block, "text": last}


# -- Reading --------------------------------------------------------------------------------------


def plain_text(blocks: Iterable[Mapping[str, Any]]) -> str:
    """Return the readable text of blocks, including kinds that only Telegram sends."""
    return "\n\n".join(filter(None, map(_read, blocks)))


def _read(block: Mapping[str, Any]) -> str:
    parts = [
        _read_text(block.get("summary")),
        _read_text(block if "expression" in block else block.get("text")),
        *map(_read_item, _objects(block.get("items"))),
        *map(_read_row, _values(block.get("cells"))),
        plain_text(_objects(block.get("blocks"))),
        _read_text(block.get("caption")),
        _read_text(block.get("credit")),
    ]
    return "\n".join(filter(None, parts))


def _values(values: Any) -> list[Any]:
    return values if isinstance(values, list) else []


def _objects(values: Any) -> list[Mapping[str, Any]]:
    return [value for value in _values(values) if isinstance(value, Mapping)]


def _read_text(text: Any) -> str:
    return "".join(run.text for run in runs_of(text))


def _read_row(row: Any) -> str:
    return " | ".join(_read_text(cell.get("text")) for cell in _objects(row))


def _read_item(item: Mapping[str, Any]) -> str:
    text = "\n".join(filter(None, map(_read, _objects(item.get("blocks")))))
    return f"{_label(item)} {text}".replace("\n", "\n  ")


def _label(item: Mapping[str, Any]) -> str:
    if item.get("has_checkbox"):
        return "✅" if item.get("is_checked") else "⬜"
    if label := item.get("label"):
        return str(label)
    return f"{item['value']}." if "value" in item else "•"
