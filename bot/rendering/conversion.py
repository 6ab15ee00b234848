"""Converts prepared Markdown into text and entities, with formulas and tables of our own.

Importing it imports the converter.
"""

from typing import TYPE_CHECKING

from telegramify_markdown.converter import STANDARD_OPTIONS, EventWalker, _parse

from bot.rendering.characters import spaced
from bot.rendering.formulas import readable
from bot.rendering.tables import lay_out

if TYPE_CHECKING:
    from telegramify_markdown import RenderConfig
    from telegramify_markdown.entity import MessageEntity


def convert(prepared: str, config: "RenderConfig") -> tuple[str, list["MessageEntity"]]:
    """Return the text of a classic message, and its entities by UTF-16 offsets."""
    markdown, events = _parse(prepared, STANDARD_OPTIONS, latex_escape=False)
    text, entities, _ = _Walker(config, markdown).walk(events)
    return text, entities


class _Walker(EventWalker):
    """The converter, but for its tables, which count characters, and its formulas."""

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
