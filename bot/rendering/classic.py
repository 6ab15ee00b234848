"""Conversion of a model's Markdown to text and entities that Telegram accepts."""

import logging
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from heapq import heapify, heappop, heappush
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from bot.rendering.addresses import usable_url
from bot.rendering.characters import (
    SENTENCE_END,
    between_graphemes,
    clean,
    has_visible,
    is_blank,
    spaced,
    unit_offsets,
)
from bot.rendering.markdown import prepare

if TYPE_CHECKING:
    from telegramify_markdown import RenderConfig

logger = logging.getLogger(__name__)

MAX_UNITS = 4096
MAX_ENTITIES = 100

_QUOTES = ("blockquote", "expandable_blockquote")
_VERBATIM = ("pre", "code")
_STYLES = ("bold", "italic", "underline", "strikethrough", "spoiler")
_LANGUAGE = re.compile(r"[\w+#.-]{1,40}")

_MARGIN = "\n\t \u00a0\u3000"


@dataclass(frozen=True, slots=True)
class Piece:
    """One message: its text, and its entities as the Bot API's JSON (offsets in UTF-16 units)."""

    text: str
    entities: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class _Span:
    """An entity whose bounds count characters, so that no cut can split a surrogate pair."""

    start: int
    end: int
    kind: str
    url: str | None = None
    language: str | None = None


def render(markdown: str) -> list[Piece]:
    """Render `markdown` as messages of at most 4096 UTF-16 units and 100 entities each, in order.

    Blank text gives an empty list. Text that cannot be converted is returned unformatted.
    """
    markdown = clean(markdown)
    if not has_visible(markdown):
        return []
    try:
        text, spans = _convert(markdown)
    except BaseException as error:  # a panic of the parser, which is in Rust, is no Exception
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        # no traceback, since the exception may quote the text
        logger.warning("Markdown of %d characters was not converted: sent plain", len(markdown))
        text, spans = markdown, []
    else:
        if not has_visible(text):
            logger.warning("Markdown of %d characters shows nothing: sent plain", len(markdown))
            text, spans = markdown, []
    return list(_Pages(text, spans))


def paginate(text: str, max_units: int = MAX_UNITS) -> list[Piece]:
    """Cut plain text into messages of at most `max_units` UTF-16 units, in order."""
    return list(_Pages(clean(text), [], max_units))


def append_text(pieces: list[Piece], text: str) -> list[Piece]:
    """Return `pieces` with a plain paragraph at the end, in a message of its own if necessary."""
    if pieces:
        last = pieces[-1]
        longer = f"{last.text}\n\n{text}"
        if unit_offsets(longer)[-1] <= MAX_UNITS:
            return [*pieces[:-1], replace(last, text=longer)]
    return [*pieces, Piece(text)]


# -- Conversion -----------------------------------------------------------------------------------


@cache
def _config() -> "RenderConfig":
    from telegramify_markdown import RenderConfig

    config = RenderConfig.isolated()
    config.cite_expandable = False
    symbol = config.markdown_symbol
    symbol.heading_level_1 = symbol.heading_level_2 = ""
    symbol.heading_level_3 = symbol.heading_level_4 = ""
    symbol.unordered_list_item = "•"
    symbol.task_uncompleted = "⬜"
    return config


def _convert(markdown: str) -> tuple[str, list[_Span]]:
    from bot.rendering.conversion import convert

    converted, entities = convert(prepare(markdown), _config())
    starts = unit_offsets(converted)
    spans = []
    for entity in entities:
        start = bisect_left(starts, entity.offset)
        end = bisect_right(starts, entity.offset + entity.length) - 1
        spans.append(_Span(start, end, entity.type, entity.url, _language(entity.language)))
    text = spaced(converted)  # `&#11;` yields refused characters, replaced one for one
    return text, _repair(text, spans)


def _language(info: str | None) -> str | None:
    match = _LANGUAGE.match(info) if info else None
    return match.group() if match else None


# -- Repair: entities that nest as https://core.telegram.org/bots/api#messageentity requires ------


def _repair(text: str, spans: Iterable[_Span]) -> list[_Span]:
    groups: dict[str, list[_Span]] = {}
    for span in spans:
        if span.kind != "text_link" or usable_url(span.url or ""):
            groups.setdefault(span.kind, []).append(span)
    quoted = (_trimmed(text, span) for kind in _QUOTES for span in groups.get(kind, ()))
    quotes = _merged(quoted)
    quote_ends = sorted({at for quote in quotes for at in (quote.start, quote.end)})

    solid = [span for kind in ("text_link", *_VERBATIM) for span in groups.get(kind, ())]
    solid = _disjoint(_cut(solid, quote_ends))
    verbatim = [span for span in solid if span.kind in _VERBATIM]

    result = [*quotes, *solid]
    for kind in _STYLES:
        styled = _cut(_merged(groups.get(kind, ())), quote_ends)
        result += _without(styled, verbatim)
    trimmed = (_trimmed(text, span) for span in result)
    return _nested(span for span in trimmed if span.start < span.end)


def _merged(spans: Iterable[_Span]) -> list[_Span]:
    merged: list[_Span] = []
    for span in sorted(spans, key=lambda span: span.start):
        if merged and span.start < merged[-1].end:
            merged[-1] = replace(merged[-1], end=max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return merged


def _cut(spans: Iterable[_Span], points: list[int]) -> list[_Span]:
    cut: list[_Span] = []
    for span in spans:
        inside = points[bisect_right(points, span.start) : bisect_left(points, span.end)]
        bounds = [span.start, *inside, span.end]
        cut += (replace(span, start=start, end=end) for start, end in pairwise(bounds))
    return cut


def _disjoint(spans: Iterable[_Span]) -> list[_Span]:
    disjoint: list[_Span] = []
    end = 0
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        if span.end > end:
            disjoint.append(replace(span, start=max(span.start, end)))
            end = span.end
    return disjoint


def _without(spans: Iterable[_Span], holes: list[_Span]) -> list[_Span]:
    """Cut the sorted, disjoint `holes` out of `spans`."""
    starts, ends = [hole.start for hole in holes], [hole.end for hole in holes]
    kept: list[_Span] = []
    for span in spans:
        start = span.start
        inside = range(bisect_right(ends, start), bisect_left(starts, span.end))
        for hole in (holes[index] for index in inside):
            kept.append(replace(span, start=start, end=max(hole.start, start)))
            start = hole.end
        kept.append(replace(span, start=start, end=max(span.end, start)))
    return kept


def _trimmed(text: str, span: _Span) -> _Span:
    """Shrink a span to its visible text; code, and a quote around it, keep their indentation."""
    if span.kind in _VERBATIM:
        return _trimmed_right(text, span)
    start, margin = span.start, "\n" if span.kind in _QUOTES else _MARGIN
    while start < span.end and text[start] in margin:
        start += 1
    return _trimmed_right(text, replace(span, start=start))


def _trimmed_right(text: str, span: _Span) -> _Span:
    end = min(span.end, len(text))
    while end > span.start and is_blank(text[end - 1]):
        end -= 1
    return replace(span, end=end if has_visible(text[span.start : end]) else span.start)


def _nested(spans: Iterable[_Span]) -> list[_Span]:
    """Sort spans, outer ones first, and split those that partly overlap another."""
    queue = [(span.start, -span.end, _rank(span), index, span) for index, span in enumerate(spans)]
    heapify(queue)
    nested: list[_Span] = []
    enclosing: list[_Span] = []
    while queue:
        start, _, rank, index, span = heappop(queue)
        while enclosing and enclosing[-1].end <= start:
            enclosing.pop()
        if enclosing and enclosing[-1].end < span.end:
            middle = enclosing[-1].end
            heappush(queue, (middle, -span.end, rank, index, replace(span, start=middle)))
            span = replace(span, end=middle)
        enclosing.append(span)
        nested.append(span)
    return nested


def _rank(span: _Span) -> int:
    return 0 if span.kind in _QUOTES else 2 if span.kind in _VERBATIM else 1


# -- Splitting ------------------------------------------------------------------------------------


class _Pages:
    """A cutter of text with well-nested spans into messages."""

    def __init__(self, text: str, spans: list[_Span], max_units: int = MAX_UNITS) -> None:
        self._text = text
        self._spans = spans
        self._max_units = max_units
        self._starts = [span.start for span in spans]
        self._units = unit_offsets(text)
        self._verbatim = [span for span in spans if span.kind in _VERBATIM]
        self._verbatim_starts = [span.start for span in self._verbatim]

    def __iter__(self) -> Iterator[Piece]:
        start = 0
        carried: list[_Span] = []
        while start < len(self._text):
            end = self._cut_after(start, len(carried))
            first, last = bisect_left(self._starts, start), bisect_left(self._starts, end)
            inside = [*carried, *self._spans[first:last]]
            piece = self._piece(start, end, inside)
            if piece:
                yield piece
            carried = [span for span in inside if span.end > end]
            start = end

    def _piece(self, start: int, end: int, spans: list[_Span]) -> Piece | None:
        start, end = self._stripped(start, end)
        if not has_visible(self._text[start:end]):
            return None
        entities = (self._entity(span, start, end) for span in spans)
        return Piece(self._text[start:end], tuple(entity for entity in entities if entity))

    def _entity(self, span: _Span, start: int, end: int) -> dict[str, Any] | None:
        span = replace(span, start=max(span.start, start), end=min(span.end, end))
        span = _trimmed_right(self._text, span)
        if span.start >= span.end:
            return None
        offset, units = self._units[start], self._units
        entity: dict[str, Any] = {
            "type": span.kind,
            "offset": units[span.start] - offset,
            "length": units[span.end] - units[span.start],
        }
        if span.url:
            entity["url"] = span.url
        if span.language and span.kind == "pre":
            entity["language"] = span.language
        return entity

    def _stripped(self, start: int, end: int) -> tuple[int, int]:
        text = self._text
        while end > start and is_blank(text[end - 1]):
            end -= 1
        first = start
        while first < end and is_blank(text[first]):
            first += 1
        around = self._verbatim_around(first)
        if around:  # Telegram keeps the indentation of code that starts a message
            line = text.rfind("\n", start, first) + 1
            first = max(start, line, min(around.start, first))
        return first, end

    def _verbatim_around(self, at: int) -> _Span | None:
        """Return the code that the character at `at` belongs to."""
        index = bisect_right(self._verbatim_starts, at) - 1
        if index >= 0 and at < self._verbatim[index].end:
            return self._verbatim[index]
        return None

    def _block_cut_by(self, at: int) -> _Span | None:
        """Return the code block that a cut before the character at `at` would break."""
        span = self._verbatim_around(at)
        return span if span and span.kind == "pre" and span.start < at else None

    def _fits(self, span: _Span) -> bool:
        return self._units[span.end] - self._units[span.start] <= self._max_units

    def _cut_after(self, start: int, carried: int) -> int:
        end = bisect_right(self._units, self._units[start] + self._max_units) - 1
        index = bisect_left(self._starts, start) + MAX_ENTITIES - carried
        if index < len(self._starts):
            end = min(end, self._starts[index])
        if end >= len(self._text):
            return len(self._text)
        block = self._block_cut_by(end)
        if block is None:
            return self._boundary(start, end)
        if block.start > start and self._fits(block) and self._has_text(start, block.start):
            return block.start
        line = self._text.rfind("\n", max(start, block.start), end) + 1
        return (
            line if line > max(start, block.start) else between_graphemes(self._text, start, end)
        )

    def _has_text(self, start: int, end: int) -> bool:
        return not all(map(is_blank, self._text[start:end]))

    def _boundary(self, start: int, end: int) -> int:
        length = end - start
        best = (
            self._after("\n\n", start + length // 2, end)
            or self._after("\n", start + length // 4, end)
            or self._after_sentence(start + length // 2, end)
            or self._after(" ", start, end)
            or self._after("\n", start, end)
        )
        return between_graphemes(self._text, start, best or end)

    def _after(self, separator: str, low: int, high: int) -> int:
        """Return the position after the last `separator` outside code blocks, or 0."""
        while (at := self._text.rfind(separator, low, high)) >= 0:
            at += len(separator)
            block = self._block_cut_by(at)
            if block is None:
                return at
            high = block.start
        return 0

    def _after_sentence(self, low: int, high: int) -> int:
        ends = [match.end() for match in SENTENCE_END.finditer(self._text, low, high)]
        return next((at for at in reversed(ends) if not self._block_cut_by(at)), 0)
