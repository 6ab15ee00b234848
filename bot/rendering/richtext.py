"""Formatted text, as runs, which can be cut, and as Telegram's RichText."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from bot.rendering.characters import (
    SENTENCE_END,
    between_graphemes,
    has_visible,
    is_blank,
    spaced,
    unit_offsets,
)
from bot.rendering.notations import plain_latex

RichText = str | list[Any] | dict[str, Any]

_ADDRESSES = {
    "url": "url",
    "email_address": "email_address",
    "phone_number": "phone_number",
}
_FORMULA = "mathematical_expression"
_TAGS = {
    "b": "bold",
    "i": "italic",
    "u": "underline",
    "s": "strikethrough",
    "sub": "subscript",
    "sup": "superscript",
    "mark": "marked",
    "tg-spoiler": "spoiler",
}
_TAG = re.compile(r"<(/?)([a-z-]+)>")


class Style(NamedTuple):
    """The format of a run: its type in the Bot API, and the address if it is a link."""

    kind: str
    address: str = ""


class Run(NamedTuple):
    """A piece of text or a whole formula with the same styles throughout, outer ones first."""

    text: str
    styles: tuple[Style, ...] = ()
    is_formula: bool = False


class Line:
    """The text of the block being read."""

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self._styles: list[Style | None] = []
        self._current: tuple[Style, ...] = ()
        self._displays: list[int] = []
        self._tags: dict[str, tuple[int, int]] = {}

    def open(self, style: Style | None) -> None:
        """Begin a style; None, or a style that is already active, has no effect."""
        self._styles.append(style)
        if style and all(style.kind != other.kind for other in self._current):
            self._current = (*self._current, style)
        else:
            self._styles[-1] = None

    def close(self) -> None:
        """End the most recent style."""
        if self._styles.pop():
            self._current = self._current[:-1]

    def add(self, text: str) -> None:
        """Add text in the current styles."""
        if self.runs and self.runs[-1].text == "\n":
            text = text.lstrip(" ")
        if text:
            self.runs.append(Run(spaced(text), self._current))

    def add_code(self, text: str) -> None:
        """Add code."""
        self.runs.append(Run(spaced(text), (*self._current, Style("code"))))

    def add_formula(self, source: str, *, is_display: bool) -> None:
        """Add a formula, which may become a block of its own."""
        source = plain_latex(spaced(source)).strip()
        if has_visible(source):
            if is_display and not self._current:
                self._displays.append(len(self.runs))
            self.runs.append(Run(source, self._current, is_formula=True))

    def add_break(self) -> None:
        """Add a line break, except after a `<br>` at the end of a line."""
        if not (self.runs and self.runs[-1].text == "\n"):
            self._break()

    def _break(self) -> None:
        if self.runs and self.runs[-1].text.endswith(" ") and not self.runs[-1].is_formula:
            self.runs[-1] = self.runs[-1]._replace(text=self.runs[-1].text.rstrip(" "))
        self.runs.append(Run("\n", self._current))

    def add_html(self, tag: str) -> None:
        """Add a tag, which formats the text between it and its counterpart in this line."""
        match = _TAG.fullmatch(tag)
        kind = _TAGS.get(match[2]) if match else None
        if tag == "<br>":
            self._break()
        elif match is None or kind is None:
            self.add(tag.replace("tg-summary", "summary"))
        elif not match[1]:
            self._tags.setdefault(kind, (len(self.runs), len(self._current)))
        elif kind in self._tags:
            self._format(kind)

    def _format(self, kind: str) -> None:
        first, level = self._tags.pop(kind)
        for index in range(first, len(self.runs)):
            styles = self.runs[index].styles
            if all(style.kind != kind for style in styles):
                inside = (*styles[:level], Style(kind), *styles[level:])
                self.runs[index] = self.runs[index]._replace(styles=inside)

    def finish(self) -> "Line":
        """End the line and return a new one in which open tags continue."""
        following = Line()
        following._tags = dict.fromkeys(self._tags, (0, 0))
        for kind in list(self._tags):
            self._format(kind)
        return following

    def parts(self) -> Iterator[list[Run] | str]:
        """Yield stretches of text and, between them, the formulas that have lines of their own."""
        start = 0
        for at in self._displays:
            if self._ends_line(at) and self._begins_line(at):
                yield self.runs[start:at]
                yield self.runs[at].text
                start = at + 1
        yield self.runs[start:]

    def _begins_line(self, at: int) -> bool:
        return self._nearest(range(at - 1, -1, -1)).endswith("\n")

    def _ends_line(self, at: int) -> bool:
        return self._nearest(range(at + 1, len(self.runs))).startswith("\n")

    def _nearest(self, places: range) -> str:
        texts = (self.runs[place].text for place in places)
        return next((text for text in texts if text.strip(" ")), "\n")


def trimmed(runs: Iterable[Run]) -> list[Run]:
    """Remove white space from both ends."""
    kept = [run for run in runs if run.text]
    while kept and is_blank(kept[0].text[0]):
        kept[:1] = _shortened(kept[0], _left_trimmed(kept[0].text))
    while kept and is_blank(kept[-1].text[-1]):
        kept[-1:] = _shortened(kept[-1], _right_trimmed(kept[-1].text))
    return kept


def _shortened(run: Run, text: str) -> list[Run]:
    return [run._replace(text=text)] if text else []


def _left_trimmed(text: str) -> str:
    return next((text[at:] for at, char in enumerate(text) if not is_blank(char)), "")


def _right_trimmed(text: str) -> str:
    end = len(text)
    while end and is_blank(text[end - 1]):
        end -= 1
    return text[:end]


def rich_text(runs: Sequence[Run]) -> RichText:
    """Nest runs as RichText: a string, an object, or a list without adjacent strings."""
    if len(runs) == 1 and not (runs[0].styles or runs[0].is_formula):
        return runs[0].text
    parts = list(_merged(_nested(runs, 0)))
    return parts[0] if len(parts) == 1 else parts


def _nested(runs: Iterable[Run], level: int) -> Iterator[str | dict[str, Any]]:
    for style, grouped in groupby(runs, key=lambda run: _style_at(run, level)):
        group = list(grouped)
        if style is None:
            for run in group:
                yield {"type": _FORMULA, "expression": run.text} if run.is_formula else run.text
        elif any(has_visible(run.text) for run in group):
            yield _styled(style, list(_merged(_nested(group, level + 1))))
        else:
            yield "".join(run.text for run in group)


def _style_at(run: Run, level: int) -> Style | None:
    return run.styles[level] if level < len(run.styles) else None


def _styled(style: Style, parts: list[str | dict[str, Any]]) -> dict[str, Any]:
    styled: dict[str, Any] = {"type": style.kind, "text": parts[0] if len(parts) == 1 else parts}
    if style.kind in _ADDRESSES:
        styled[_ADDRESSES[style.kind]] = style.address
    return styled


def _merged(parts: Iterable[str | dict[str, Any]]) -> Iterator[str | dict[str, Any]]:
    for is_text, group in groupby(parts, key=lambda part: isinstance(part, str)):
        if is_text:
            yield "".join(part for part in group if isinstance(part, str))
        else:
            yield from group


def runs_of(text: Any, styles: tuple[Style, ...] = ()) -> Iterator[Run]:
    """Split RichText, including kinds that only Telegram creates, into runs."""
    if isinstance(text, str):
        yield Run(text, styles)
    elif isinstance(text, list):
        for part in text:
            yield from runs_of(part, styles)
    elif isinstance(text, Mapping):
        yield from _runs_of_object(text, styles)


def _runs_of_object(text: Mapping[str, Any], styles: tuple[Style, ...]) -> Iterator[Run]:
    if isinstance(formula := text.get("expression"), str):
        yield Run(formula, styles, is_formula=True)
    elif "text" in text:
        kind = str(text.get("type"))
        address = text.get(_ADDRESSES.get(kind, ""), "")
        yield from runs_of(text["text"], (*styles, Style(kind, str(address))))
    else:  # a custom emoji or a button in the text
        yield from runs_of(text.get("alternative_text") or text.get("button"), styles)


def units(text: str) -> int:
    """Return the length in UTF-16 units; Telegram may count one or two of these per character."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def cut(runs: Sequence[Run], room: int) -> tuple[list[Run], list[Run]]:
    """Split runs after at most `room` units: after a sentence, or else after a word."""
    text = "".join(run.text for run in runs)
    at = cut_point(text, room)
    start = 0
    for index, run in enumerate(runs):
        end = start + len(run.text)
        if end > at:
            kept = 0 if run.is_formula else at - start
            first, last = run._replace(text=run.text[:kept]), run._replace(text=run.text[kept:])
            return [*runs[:index], first], [last, *runs[index + 1 :]]
        start = end
    return list(runs), []


def cut_point(text: str, room: int, separators: tuple[str, ...] = (" ", "\n")) -> int:
    """Return the best place to cut a text whose first part has room for `room` units."""
    offsets = unit_offsets(text[: room + 1])
    end = next((at - 1 for at, offset in enumerate(offsets) if offset > room), len(text))
    if end == len(text) or end <= 0:
        return end
    sentences = SENTENCE_END.finditer(text, end // 2, end) if " " in separators else ()
    *_, after_sentence = (0, *(match.end() for match in sentences))
    best = after_sentence or max(text.rfind(separator, 0, end) + 1 for separator in separators)
    return between_graphemes(text, 0, best or end)
