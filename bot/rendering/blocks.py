"""Builder of the blocks of Telegram's rich messages from Markdown, as the Bot API's JSON."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bot.rendering.addresses import email_address, phone_number, usable_url
from bot.rendering.characters import has_visible, spaced
from bot.rendering.markdown import TooComplexError, events, prepare
from bot.rendering.notations import plain_latex
from bot.rendering.richtext import Line, RichText, Run, Style, rich_text, trimmed

Block = dict[str, Any]

MAX_LEVELS = 16

_STYLES = {"Emphasis": "italic", "Strong": "bold", "Strikethrough": "strikethrough"}
_BLOCK_TAGS = frozenset(
    {"Paragraph", "Heading", "List", "BlockQuote", "CodeBlock", "HtmlBlock", "Table"}
)
_DETAILS = re.compile(r"<(/?)details(?:\s([^<>]*))?>", re.IGNORECASE)
_LANGUAGE = re.compile(r"[\w+#.-]{1,40}")
_NO_SUMMARY = "…"


def build(markdown: str) -> list[Block]:
    """Return the blocks that show all of `markdown`, in order.

    Raises TooComplexError if it nests too deeply.
    """
    tree = _Tree()
    for event in events(prepare(markdown, rich=True)):
        tree.read(event)
    return tree.close()


@dataclass(slots=True)
class _Frame:
    """An open block and its content so far."""

    kind: str
    blocks: list[Block] = field(default_factory=list)
    opening: Block = field(default_factory=dict)
    summary: RichText | None = None
    is_over: bool = False


@dataclass(slots=True)
class _Table:
    aligns: list[str]
    rows: list[list[Block]] = field(default_factory=list)


class _Tree:
    """A builder that assembles the parser's events into blocks."""

    def __init__(self) -> None:
        self._frames = [_Frame("root")]
        self._table = _Table([])
        self._line = Line()
        self._in_summary = False
        self._code: list[str] | None = None
        self._language = ""
        self._unclosed = 0
        self._on_start: dict[str, Callable[[Any], None]] = {
            "List": self._start_list,
            "Item": self._start_item,
            "BlockQuote": self._start_quote,
            "CodeBlock": self._start_code,
            "HtmlBlock": self._start_html,
            "Table": self._start_table,
            "TableHead": self._start_row,
            "TableRow": self._start_row,
            "Link": self._start_link,
            "Image": self._start_link,
        }
        self._on_end: dict[str, Callable[[Any], None]] = {
            "Paragraph": lambda _: self._end_line(),
            "Heading": self._end_heading,
            "List": self._end_list,
            "Item": self._end_item,
            "BlockQuote": self._end_quote,
            "CodeBlock": self._end_code,
            "HtmlBlock": self._end_html,
            "TableCell": self._end_cell,
            "Table": self._end_table,
            "Link": lambda _: self._line.close(),
            "Image": lambda _: self._line.close(),
        }
        self._on_event: dict[str, Callable[[Any], None]] = {
            "Text": self._add_text,
            "Start": self._start,
            "End": self._end,
            "Code": self._add_code,
            "InlineMath": lambda text: self._line.add_formula(text, is_display=False),
            "DisplayMath": lambda text: self._line.add_formula(text, is_display=True),
            "InlineHtml": self._add_tag,
            "Html": self._add_text,
            "TaskListMarker": self._check_item,
        }

    def read(self, event: Any) -> None:
        """Process the next event."""
        if isinstance(event, str):
            self._add_bare(event)
        else:
            ((name, value),) = event.items()
            self._on_event[name](value)

    def close(self) -> list[Block]:
        """Close all open blocks and return the result."""
        self._end_line()
        self._close_to("root")
        return self._frames[0].blocks

    def _start(self, value: Any) -> None:
        tag, data = (value, None) if isinstance(value, str) else next(iter(value.items()))
        if tag in _STYLES:
            self._line.open(Style(_STYLES[tag]))
            return
        if tag in _BLOCK_TAGS:
            self._end_line()
        if tag in self._on_start:
            self._on_start[tag](data)

    def _end(self, value: Any) -> None:
        tag, data = (value, None) if isinstance(value, str) else next(iter(value.items()))
        if tag in _STYLES:
            self._line.close()
        elif tag in self._on_end:
            self._on_end[tag](data)

    def _add_bare(self, event: str) -> None:
        if event == "Rule":
            self._end_line()
            self._add({"type": "divider"})
        else:
            self._line.add_break()

    def _add(self, block: Block) -> None:
        self._frames[-1].blocks.append(block)

    # -- Text -------------------------------------------------------------------------------------

    def _add_text(self, text: str) -> None:
        if self._code is not None:
            self._code.append(text)
        else:
            self._line.add(text)

    def _add_code(self, code: str) -> None:
        self._line.add_code(code)

    def _add_tag(self, tag: str) -> None:
        if tag == "<tg-summary>" and self._lacks_summary() and not self._line.runs:
            self._in_summary = True
        elif tag == "</tg-summary>" and self._in_summary:
            self._end_line()
        else:
            self._line.add_html(tag)

    def _lacks_summary(self) -> bool:
        frame = self._frames[-1]
        return frame.kind == "details" and frame.summary is None and not frame.blocks

    def _end_line(self) -> None:
        """Turn the text read so far into a paragraph, or several with formulas between them."""
        if self._in_summary:
            self._in_summary = False
            self._frames[-1].summary = self._end_text()
            return
        line, self._line = self._line, self._line.finish()
        for part in line.parts():
            if isinstance(part, str):
                self._add({"type": "mathematical_expression", "expression": part})
            elif text := _visible(part):
                self._add({"type": "paragraph", "text": text})

    def _end_text(self) -> RichText | None:
        line, self._line = self._line, self._line.finish()
        return _visible(line.runs)

    def _end_heading(self, level: str) -> None:
        if text := self._end_text():
            self._add({"type": "heading", "text": text, "size": int(level.removeprefix("H"))})

    def _start_link(self, data: Any) -> None:
        url = data["dest_url"]
        email = email_address(f"mailto:{url}" if data["link_type"] == "Email" else url)
        style = Style("email_address", email) if email else None
        if phone := phone_number(url):
            style = Style("phone_number", phone)
        if usable_url(url):
            style = Style("url", url)
        self._line.open(style)

    # -- Code and tags ----------------------------------------------------------------------------

    def _start_code(self, kind: Any) -> None:
        info = kind["Fenced"] if isinstance(kind, dict) else ""
        match = _LANGUAGE.match(info.strip())
        self._code = []
        self._language = match.group() if match else ""

    def _end_code(self, _: Any) -> None:
        code = spaced("".join(self._code or ())).rstrip()
        self._code = None
        if not has_visible(code):
            return
        if self._language == "math":
            self._add({"type": "mathematical_expression", "expression": plain_latex(code).strip()})
        else:
            language = {"language": self._language} if self._language else {}
            self._add({"type": "pre", "text": code, **language})

    def _start_html(self, _: Any) -> None:
        self._code = []

    def _end_html(self, _: Any) -> None:
        html, self._code = "".join(self._code or ()), None
        if match := _DETAILS.fullmatch(html.strip()):
            if match[1]:
                self._end_details()
            else:
                is_open = "open" in (match[2] or "").casefold().split()
                self._push("details", {"is_open": True} if is_open else {})
        else:
            self._line.add(html)
            self._end_line()

    def _end_details(self) -> None:
        if self._frames[-1].kind == "details":
            self._pop()
        elif frame := next((f for f in reversed(self._frames) if f.kind == "details"), None):
            frame.is_over = True
        elif self._unclosed:
            self._unclosed -= 1
        else:
            self._line.add("</details>")
            self._end_line()

    # -- Blocks within blocks ---------------------------------------------------------------------

    def _push(self, kind: str, opening: Block) -> None:
        if len(self._frames) > MAX_LEVELS:
            raise TooComplexError("blocks nest too deeply")
        self._frames.append(_Frame(kind, opening=opening))

    def _pop(self) -> list[Block]:
        """Close a block and return its content; add `<details>` to the enclosing block."""
        frame = self._frames.pop()
        if frame.kind != "details":
            return frame.blocks
        if frame.blocks:
            summary = frame.summary or _NO_SUMMARY
            details = {"type": "details", "summary": summary, "blocks": frame.blocks}
            self._add(details | frame.opening)
        elif frame.summary:
            self._add({"type": "paragraph", "text": frame.summary})
        return []

    def _close_to(self, kind: str) -> _Frame:
        """Close any `<details>` left open in the innermost block of a kind; return that block."""
        while self._frames[-1].kind != kind:
            self._unclosed += 1
            self._pop()
        return self._frames[-1]

    def _start_list(self, first: int | None) -> None:
        self._push("list", {} if first is None else {"value": first})

    def _start_item(self, _: Any) -> None:
        opening = self._frames[-1].opening
        self._push("item", {"value": opening["value"], "type": "1"} if opening else {})
        if opening:
            opening["value"] += 1

    def _check_item(self, is_checked: bool) -> None:
        item = self._frames[-1].opening
        item["has_checkbox"] = True
        if is_checked:
            item["is_checked"] = True

    def _end_item(self, _: Any) -> None:
        self._end_line()
        item = self._close_to("item").opening
        if blocks := self._pop():
            self._add({"blocks": blocks, **item})

    def _end_list(self, _: Any) -> None:
        self._close_to("list")
        if items := self._pop():
            self._add({"type": "list", "items": items})
        self._close_over()

    def _close_over(self) -> None:
        """Close the `<details>` whose end tags were inside a list or quote."""
        while self._frames[-1].is_over:
            self._pop()

    def _start_quote(self, _: Any) -> None:
        self._push("quote", {})

    def _end_quote(self, _: Any) -> None:
        self._end_line()
        self._close_to("quote")
        if blocks := self._pop():
            self._add({"type": "blockquote", "blocks": blocks})
        self._close_over()

    # -- Tables -----------------------------------------------------------------------------------

    def _start_table(self, alignments: Any) -> None:
        aligns = ["left" if align == "None" else align.lower() for align in alignments]
        self._table = _Table(aligns)

    def _start_row(self, _: Any) -> None:
        self._table.rows.append([])

    def _end_cell(self, _: Any) -> None:
        table = self._table
        row = table.rows[-1]
        cell: Block = {"align": table.aligns[len(row)], "valign": "middle"}
        if text := self._end_text():
            cell["text"] = text
        if len(table.rows) == 1:
            cell["is_header"] = True
        row.append(cell)

    def _end_table(self, _: Any) -> None:
        rows = self._table.rows
        if any("text" in cell for row in rows for cell in row):
            self._add({"type": "table", "cells": rows, "is_bordered": True})


def _visible(runs: list[Run]) -> RichText | None:
    shown = trimmed(runs)
    return rich_text(shown) if any(has_visible(run.text) for run in shown) else None
