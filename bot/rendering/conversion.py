"""Conversion of prepared Markdown, with its tags, formulas and tables, to text and entities.

Importing this module also imports the converter.
"""

import re
from typing import Any

from telegramify_markdown import MessageEntity, RenderConfig
from telegramify_markdown.converter import EventWalker

from bot.rendering.characters import spaced
from bot.rendering.formulas import readable
from bot.rendering.markdown import events_with_range
from bot.rendering.tables import lay_out

_STYLES = {
    "b": "bold",
    "i": "italic",
    "u": "underline",
    "s": "strikethrough",
    "tg-spoiler": "spoiler",
}
_TAG = re.compile(r"<(/?)([a-z-]+)>")


def convert(prepared: str, config: RenderConfig) -> tuple[str, list[MessageEntity]]:
    """Return the text and entities of prepared Markdown."""
    text, entities, _ = _Walker(config, prepared).walk(tuple(events_with_range(prepared)))
    return text, entities


class _Walker(EventWalker):
    """The library's converter, with our own tables and formulas.

    The library's tables count characters instead of width, and its formulas are hard to read.
    """

    def __init__(self, config: RenderConfig, source: str) -> None:
        super().__init__(config, source)
        self._has_broken = False

    def _handle_event(self, event: Any) -> None:
        is_break = event[0] == {"InlineHtml": "<br>"}
        if not (self._has_broken and event[0] == "SoftBreak"):
            super()._handle_event(event)
        self._has_broken = is_break

    def _on_inline_html(self, html: str) -> None:
        match = _TAG.fullmatch(html)
        if html == "<br>":
            self._break_line()
        elif match and match[2] in _STYLES:
            kind = _STYLES[match[2]]
            if match[1]:
                self._pop_entity(kind)
            else:
                self._push_entity(kind)

    def _break_line(self) -> None:
        if self._in_table_cell or self._heading_entities:
            self._on_text(" ")
        else:
            self._on_hard_break()

    def _format_table(self, rows: list[list[str]]) -> str:
        return lay_out([[spaced(cell) for cell in row] for row in rows])

    def _on_inline_math(self, math: str) -> None:
        self._on_inline_code(readable(math, on_one_line=True))

    def _on_end_code_block(self) -> None:
        if self._code_block_lang == "math":
            self._code_block_lang = ""
            self._code_block_parts = [readable("".join(self._code_block_parts))]
        super()._on_end_code_block()

    def _on_display_math(self, math: str, source_range: dict[str, int] | None = None) -> None:
        if self._in_table_cell:
            self._on_inline_math(math)
            return
        if not math.strip():
            return
        self._on_start_code_block({"Fenced": "math"}, self._source_start(source_range))
        self._on_text(math)
        self._on_end_code_block()
