"""Preparation of Markdown for a converter that drops anything it cannot show."""

import re
from bisect import bisect_right, insort
from collections.abc import Callable, Iterator
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from bot.rendering.addresses import (
    MAX_URL_LENGTH,
    email_address,
    phone_number,
    usable_url,
    written,
)
from bot.rendering.emphasis import (
    JOINT,
    has_names,
    is_name,
    loosened,
    may_be_name,
    underscored,
)
from bot.rendering.tags import CANONICAL, Layout, may_have_tags, rewritten

if TYPE_CHECKING:
    from pyromark import Markdown

MAX_DEPTH = 50
MAX_TABLE_CELLS = 20_000

_PUNCTUATION = re.compile(r"([\\`*_\[\]<>~|$&!#()])")
_DELIMITER_ROW = re.compile(r"^[ \t>]*[|:\- \t]*-[|:\- \t]*$", re.MULTILINE)
_GROUP = rb"\{(?:[^{}$\n]|\{(?:[^{}$\n]|\{[^{}$\n]*\})*\}){1,500}\}"
_FORMULAS = (
    (
        re.compile(rb"(?P<whole>(?<!\\)\\\((?P<formula>(?:[^\\\n$]|\\[^()\n]){1,2000}?)\\\))"),
        b"$",
    ),
    (
        re.compile(rb"(?P<whole>(?<!\\)\\\[(?P<formula>(?:[^\\$]|\\[^\[\]]){1,4000}?)\\\])"),
        b"$$",
    ),
    (  # a formula that the parser missed because of a blank line or an apparent list in it
        re.compile(
            rb"^[ \t>]*(?P<whole>\$\$(?P<formula>[^$]{1,4000}?)\$\$)(?=[ \t.,;]*$)", re.MULTILINE
        ),
        b"$$",
    ),
    (  # an environment without dollar signs around it
        re.compile(
            rb"(?P<whole>(?P<formula>(?<!\\)\\begin\{(?P<name>(?:equation|align|aligned|alignat"
            rb"|alignedat|flalign|gather|gathered|multline|split|eqnarray|displaymath|d?cases"
            rb"|[pbBvV]?matrix|array)\*?)\}"
            rb"(?:[^\\$]|\\(?!begin\{(?P=name)\})[^$]){1,4000}?\\end\{(?P=name)\}))"
        ),
        b"$$",
    ),
    (
        re.compile(
            rb"(?P<whole>(?P<formula>(?<!\\)\\(?:(?:ce|pu|si|unit|num|boxed)%b|(?:SI|qty)%b%b)))"
            % (_GROUP, _GROUP, _GROUP)
        ),
        b"$",
    ),
)
_QUOTE_MARKS = re.compile(rb"\n[ \t>]+")
_FORMULA_SIGN = re.compile(rb"\\[A-Za-z]|[\^_=]")
_DEFINITION = re.compile(rb"^ {0,3}(?:> ?)*\[([^\[\]\n]+)\]:", re.MULTILINE)
_INFO = re.compile(r"[\w+#.-]*(?:,\S*)?(?:\s+(?:[\w-]+=.*|\{.*\}))?")
_OPERAND_BEFORE = re.compile(rb"[A-Za-z0-9)\]]")
_OPERAND_AFTER = re.compile(rb"[A-Za-z0-9(\[]")
_PIPES = re.compile(rb"(?<!\\)\|{2,}")
_CELL_SEPARATOR = re.compile(rb"(?<!\\)\|")
_CODE_OR_FORMULA = re.compile(rb"(`+)[^`\n]+\1(?!`)|\$[^$\s|][^$\n]*\$|\$\|[^$\n]+\|\$")
_IN_ADDRESS = re.compile(rb"[A-Za-z0-9._~:/?#@!$&'+,;=%*-]+")
_TRAILING = b"| \t\r\n"
_BLANK_LINE = re.compile(rb"\n[ \t>]*\n")
# Code comes first, so that a tag inside it is not read as one
_STRUCTURE = re.compile(
    rb"^[ \t>]*(?P<fence>`{3,}|~{3,})(?s:.*?)(?:^[ \t>]*(?P=fence)|\Z)|`[^`\n]*`"
    rb"|(?P<details><(?P<end>/?)details(?:\s[^<>]*)?>)"
    rb"|(?P<summary><summary(?:\s[^<>]*)?>\s*"
    rb"(?P<text>(?s:.{0,500}?)(?=</summary>)|[^\n]*)(?:</summary>)?)",
    re.IGNORECASE | re.MULTILINE,
)
_CONTAINERS = re.compile(rb"(?:[ \t>]|(?:[-*+]|\d{1,9}[.)])[ \t])*")
_NEXT_LINE = re.compile(rb"[ \t]*(?:\n[ \t]*)?")
_AMOUNT = re.compile(rb"\$\d[^\\^_={}<>+*]*\$")
_WORD = re.compile(rb"\s[A-Za-z\x80-\xff]{2}")
_RANGE = re.compile(rb"(?:[-~/(,;:]|\xe2\x80[\x93\x94]|\xe2\x89\x88)[ ~]*\$\Z")  # also dashes
_UNFINISHED = re.compile(rb"\$(?:[,;:)].*|.*[-:/,;(])\$", re.DOTALL)
_EMPHASIS = {"Emphasis": 1, "Strong": 2, "Strikethrough": 2}  # to the number of signs on each side
_AFTER_TEXT = frozenset({"BlockQuote", "CodeBlock", "Heading", "Table"})
_CAREFUL_PASSES = 3
_MAX_PASSES = 8


class TooComplexError(ValueError):
    """The text nests too deeply, or its tables grow too large, for a chat message to show."""


class _Edit(NamedTuple):
    start: int
    end: int
    text: bytes


def prepare(markdown: str, *, rich: bool = False) -> str:
    r"""Rewrite `markdown` so that its conversion loses nothing that the user should see.

    Tags become Markdown, and those unknown to HTML become text; `||` makes a spoiler only around
    words of one paragraph; images become links; targets that cannot be linked are written out;
    outside code, `\(..\)`, `\[..\]` and equations without delimiters become dollar formulas;
    the signs in multiplications, names, prices and approximations are kept.
    With `rich`, anything that rich messages can show is kept: `<sub>`, `<sup>`, `<mark>`,
    `<details>` (each on lines of its own), and the content of table cells.
    Raises TooComplexError if the text would take too long or grow out of bounds.
    """
    source = _begin(markdown, rich=rich)
    _check_tables(source.decode())
    kind = _RichReading if rich else _Reading
    labels: set[str] = set()
    for count in range(_MAX_PASSES):
        reading = kind(source, labels, careful=count < _CAREFUL_PASSES)
        edits = reading.edits()
        if not edits:
            break
        source = _apply(source, edits)
    return source.decode()


def is_structured(markdown: str) -> bool:
    """Tell whether `markdown` has a table, formula, heading, task list or `<details>`."""
    reading = _RichReading(_begin(markdown, rich=True), set(), careful=True)
    reading.edits()
    return reading.is_structured


def _begin(markdown: str, *, rich: bool) -> bytes:
    """Return the source for the first pass, with tags as Markdown and emphasis as intended."""
    source = markdown.replace(JOINT, "").encode()
    if may_have_tags(source):
        source = rewritten(source, _layout(source), rich=rich)
    return loosened(source.decode()).encode()


def _layout(source: bytes) -> Layout:
    layout = Layout([], [], [])
    for event, span in _parser().events_with_range(source.decode()):
        if isinstance(event, dict) and (spans := _spans(layout, event)) is not None:
            spans.append((span["start"], span["end"]))
    return layout


def _spans(layout: Layout, event: Any) -> list[tuple[int, int]] | None:
    """Return the list in a layout that an event belongs in, or None if there is none."""
    ((name, value),) = event.items()
    tag = _tag(value) if name == "Start" else name
    if tag in ("Code", "CodeBlock", "InlineMath", "DisplayMath"):
        return layout.code
    if tag in ("Table", "Heading") and name == "Start":
        return layout.lines
    return layout.blocks if tag == "HtmlBlock" and name == "Start" else None


def _check_tables(markdown: str) -> None:
    columns = max((row.count("-") and row.count("|") for row in _rows(markdown)), default=0)
    if columns > 1 and columns * markdown.count("\n") > MAX_TABLE_CELLS:
        raise TooComplexError("a table has too many cells")


def _rows(markdown: str) -> Iterator[str]:
    return (match.group() for match in _DELIMITER_ROW.finditer(markdown))


@cache
def _parser() -> "Markdown":
    import pyromark

    return pyromark.Markdown(
        options=pyromark.Options.ENABLE_TABLES
        | pyromark.Options.ENABLE_STRIKETHROUGH
        | pyromark.Options.ENABLE_TASKLISTS
        | pyromark.Options.ENABLE_MATH
    )


def events(prepared: str) -> Iterator[Any]:
    """Parse Markdown into the events listed at https://monosans.github.io/pyromark/events/."""
    return (_without_joints(event) for event in _parser().events(prepared))


def events_with_range(prepared: str) -> Iterator[tuple[Any, dict[str, int]]]:
    """Parse Markdown into events, each with the range of bytes it was read from."""
    for event, span in _parser().events_with_range(prepared):
        yield _without_joints(event), {"start": span["start"], "end": span["end"]}


def _without_joints(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace(JOINT, "")
    if isinstance(value, dict):
        return {key: _without_joints(inner) for key, inner in value.items()}
    return value


def _apply(source: bytes, edits: list[_Edit]) -> bytes:
    parts: list[bytes] = []
    cursor = 0
    for edit in sorted(edits, key=lambda edit: (edit.start, -edit.end)):
        if edit.start < cursor:  # left for the next pass
            continue
        parts += (source[cursor : edit.start], edit.text)
        cursor = edit.end
    return b"".join((*parts, source[cursor:]))


def _escape(text: str) -> bytes:
    return _PUNCTUATION.sub(r"\\\1", text).encode()


class _Target:
    """A link or image that is open while its content is read."""

    def __init__(self, kind: str, data: dict[str, str], start: int, end: int) -> None:
        self.kind = kind
        self.url = data["dest_url"].replace(JOINT, "")
        self.automatic = data["link_type"] in ("Autolink", "Email")
        self.start = start
        self.end = end
        self.content_end = start


class _Reading:
    """One pass of the parser over the source, and the edits that it calls for.

    `labels` are those that links refer to, including in earlier passes.
    """

    def __init__(self, source: bytes, labels: set[str], *, careful: bool) -> None:
        self._source = source
        self._careful = careful
        self._edits: list[_Edit] = []
        self._code: list[tuple[int, int]] = []
        self._tables: list[tuple[int, int]] = []
        self._row = self._cell = (0, 0)
        self._overfull: list[tuple[int, int]] = []
        self._labels = labels
        self._items = 0
        self._open: list[_Target] = []
        self._targets: list[tuple[int, int]] = []
        self._depth = 0
        self._in_cell = False
        self._in_heading = False
        self._on_event: dict[str, Callable[[int, int], None]] = {
            "Code": self._read_code,
            "InlineHtml": self._read_inline_html,
            "Html": self._read_html,
            "InlineMath": self._read_formula,
            "DisplayMath": self._read_formula,
        }

    def edits(self) -> list[_Edit]:
        """Read the whole source and return the edits."""
        for event, span in _parser().events_with_range(self._source.decode()):
            self._read(event, span["start"], span["end"])
        self._read_formulas()
        self._read_definitions()
        self._read_pipes()
        self._read_underscores()
        return self._edits

    def _edit(self, start: int, end: int, text: bytes) -> None:
        if self._source[start:end] != text:
            self._edits.append(_Edit(start, end, text))

    def _read(self, event: Any, start: int, end: int) -> None:
        if isinstance(event, str):
            return
        ((name, value),) = event.items()
        if self._open and name != "End":
            self._open[-1].content_end = max(self._open[-1].content_end, end)
        if name == "Start":
            self._start(_tag(value), value, start, end)
        elif name == "End":
            self._end(_tag(value))
        elif name in self._on_event:
            self._on_event[name](start, end)

    def _start(self, tag: str, value: Any, start: int, end: int) -> None:
        if tag in ("Link", "Image"):
            self._open.append(_Target(tag, value[tag], start, end))
            self._labels.add(_label(value[tag]["id"]))
        elif tag in _EMPHASIS:
            self._read_emphasis(start, end, _EMPHASIS[tag])
        elif self._items and tag in _AFTER_TEXT:
            self._separate(start)
        if tag == "CodeBlock":
            self._code.append((start, end))
            self._read_info(value[tag], start)
        elif tag == "Table":
            self._tables.append((start, end))
        elif tag == "HtmlBlock":
            self._read_html_block(start, end)
        elif tag in ("List", "BlockQuote"):
            self._deepen()
        self._mark(tag, start, end)

    def _mark(self, tag: str, start: int, end: int) -> None:
        """Remember the element that contains the following events."""
        self._items += tag == "Item"
        self._in_heading |= tag == "Heading"
        if tag == "TableRow":
            self._row = start, end
        elif tag == "TableCell":
            self._in_cell, self._cell = True, (start, end)

    def _end(self, tag: str) -> None:
        if tag in ("Link", "Image"):
            target = self._open.pop()
            if self._open:
                outer = self._open[-1]
                outer.content_end = max(outer.content_end, target.end)
            self._read_target(target)
        elif tag in ("List", "BlockQuote"):
            self._depth -= 1
        elif tag == "Item":
            self._items -= 1
        elif tag == "TableCell":
            self._in_cell = False
        elif tag == "TableRow":
            self._read_row()
        elif tag == "Heading":
            self._in_heading = False

    def _deepen(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise TooComplexError("lists or quotes nest too deeply")

    def _separate(self, start: int) -> None:
        """Put a blank line between an item's text and a block, since the converter adds none."""
        line = self._source.rfind(b"\n", 0, start) + 1
        before = self._source[self._source.rfind(b"\n", 0, max(line - 1, 0)) + 1 : line]
        prefix = self._source[line:start]
        if before.strip(b" \t\r\n>") and not prefix.strip(b" \t>"):
            self._edit(line, line, prefix.rstrip() + b"\n")

    def _read_row(self) -> None:
        """Keep the text after a row's last column, which the parser would drop.

        The most likely cause is code in a cell whose pipes do not end cells.
        """
        (start, end), (_, last) = self._row, self._cell
        rest = self._source[last:end].rstrip(_TRAILING)
        if not rest:
            return
        self._overfull.append(self._row)
        spans = [match.span() for match in _CODE_OR_FORMULA.finditer(self._source, start, end)]
        pipes = [at for span in spans for at in self._separators(*span)]
        for at in pipes or self._separators(last, last + len(rest)):
            self._edit(at, at, b"\\")

    def _separators(self, start: int, end: int) -> list[int]:
        return [match.start() for match in _CELL_SEPARATOR.finditer(self._source, start, end)]

    def _read_code(self, start: int, end: int) -> None:
        self._code.append((start, end))

    def _read_info(self, kind: Any, start: int) -> None:
        """Move text on the fence's line that does not name a language into the code."""
        if not isinstance(kind, dict) or _INFO.fullmatch(kind["Fenced"].strip()):
            return
        source = self._source
        line = source.rfind(b"\n", 0, start) + 1
        prefix = re.sub(rb"[^>\s]", b" ", source[line:start])
        fence = start + len(source[start:]) - len(source[start:].lstrip(source[start : start + 1]))
        self._edit(fence, fence, b"\n" + prefix)

    def _read_html_block(self, start: int, end: int) -> None:
        """Turn the block's first tag into text, so the next pass reads the rest as Markdown."""
        self._code.append((start, end))
        if self._careful:
            at = self._source.index(b"<", start, end)
            self._edit(at, at, b"\\")

    def _read_inline_html(self, start: int, end: int) -> None:
        if self._source[start:end] not in CANONICAL:
            self._edit(start, start, b"\\")

    def _read_html(self, start: int, end: int) -> None:
        if self._careful:
            return
        for match in re.finditer(b"<", self._source[start:end]):
            self._edit(start + match.start(), start + match.start(), b"\\")

    def _read_formula(self, start: int, end: int) -> None:
        if self._is_shell(start, end) or self._is_prices(start, end):
            return
        self._code.append((start, end))
        if not self._in_cell and b"||" in self._source[start:end]:
            self._edit(start, end, _PIPES.sub(_spaced, self._source[start:end]))

    def _is_shell(self, start: int, end: int) -> bool:
        """Recognize and escape a dollar sign, as in $HOME, whose formula would break up code."""
        if b"`" not in self._source[start:end] or self._source.startswith(b"$$", start):
            return False
        self._edit(start, start, b"\\")
        return True

    def _is_prices(self, start: int, end: int) -> bool:
        """Recognize and escape prices such as `US$20-$30`, `$5 and 10$`, `~$5/~$6` and `$A:$B`."""
        formula, follows = self._source[start:end], self._source[end : end + 1]
        is_formula = formula.startswith(b"$$") or not (
            follows.isdigit()
            or (_AMOUNT.fullmatch(formula) and (_WORD.search(formula) or _RANGE.search(formula)))
            or (follows.isalpha() and _UNFINISHED.fullmatch(formula))
        )
        if not is_formula:
            self._escape_signs(start, end, 1)
        return not is_formula

    def _read_emphasis(self, start: int, end: int, width: int) -> None:
        """Keep the signs in `2*3*4`, `x**2 + y**2`, `__init__`, `~5` and addresses."""
        source = self._source
        if source[start : start + 1] == b"~" != source[start + 1 : start + 2]:
            self._escape_signs(start, end, 1)
            return
        between_operands = (
            source[start : start + 1] == b"*"
            and _OPERAND_BEFORE.fullmatch(source[max(start - 1, 0) : start])
            and _OPERAND_AFTER.fullmatch(source[start + width : start + width + 1])
        )
        if between_operands or self._is_in_address(start) or self._is_name(start, end, width):
            self._escape_signs(start, end, width)

    def _escape_signs(self, start: int, end: int, width: int) -> None:
        sign = b"\\" + self._source[start : start + 1]
        self._edit(start, start + width, sign * width)
        self._edit(end - width, end, sign * width)

    def _is_name(self, start: int, end: int, width: int) -> bool:
        if not self._source.startswith(b"_", start):
            return False
        return is_name(self._source, start, end, width) or (
            may_be_name(self._source[start:end]) and self._has_names
        )

    @cached_property
    def _has_names(self) -> bool:
        return has_names(self._source)

    def _read_underscores(self) -> None:
        for start, end, text in underscored(self._source):
            word = re.split(rb"\s", self._source[max(start - MAX_URL_LENGTH, 0) : start])[-1]
            is_address = b"://" in word
            if not (is_address or self._is_code(start) or _inside(self._targets, start)):
                self._edit(start, end, text)

    def _is_in_address(self, at: int) -> bool:
        before = self._source[max(at - MAX_URL_LENGTH, 0) : at]
        scheme, _, rest = before.rpartition(b"://")
        return scheme.endswith((b"http", b"https")) and _IN_ADDRESS.fullmatch(rest) is not None

    def _read_target(self, target: _Target) -> None:
        if target.automatic or not target.url or target.url.startswith("tg://emoji?"):
            return
        is_image = target.kind == "Image"
        sign = "🖼 ".encode() if is_image else b""
        opening = target.start + len("![" if is_image else "[")
        closing = max(target.content_end, opening)
        self._targets.append((closing, target.end))
        if self._open:  # the link takes precedence over an image in it
            self._edit(target.start, opening, sign)
            self._edit(closing, target.end, b"")
        elif closing == opening:
            self._edit(target.start, target.end, sign + _escape(target.url))
        else:
            self._edit(target.start, opening, sign + b"[")
            if not self._is_linkable(target.url):
                # a link without a target stays plain, and its brackets keep delimiters apart
                self._edit(closing, target.end, b"]()" + _in_parentheses(target.url))

    def _is_linkable(self, url: str) -> bool:
        return not self._in_cell and usable_url(url)

    def _read_formulas(self) -> None:
        written: list[tuple[int, int]] = []
        for pattern, dollars in _FORMULAS:
            for match in pattern.finditer(self._source):
                start = match.start("whole")
                if (
                    _FORMULA_SIGN.search(match["formula"])
                    and not self._is_code(start)
                    and not _inside(written, start)
                ):
                    insort(written, match.span("whole"))
                    self._write_formula(match, dollars)

    def _write_formula(self, match: re.Match[bytes], dollars: bytes) -> None:
        """Write a formula on one line, where nothing in it looks like a list, quote or heading."""
        start, end = match.span("whole")
        formula = match["formula"]
        if b">" in self._source[self._source.rfind(b"\n", 0, start) + 1 : start]:
            formula = _QUOTE_MARKS.sub(b" ", formula)
        self._edit(start, end, dollars + b" ".join(formula.split()) + dollars)

    def _read_definitions(self) -> None:
        """Show link definitions that nothing refers to, most likely a list of sources."""
        for match in _DEFINITION.finditer(self._source):
            label = _label(match.group(1).decode())
            if label not in self._labels and not self._is_code(match.start(1)):
                self._edit(match.start(1) - 1, match.start(1), b"\\[")

    def _read_pipes(self) -> None:
        """Tag spoilers, and keep the converter from seeing one in `a || b`."""
        kept = (self._code, self._overfull)
        runs = (
            run
            for run in _PIPES.finditer(self._source)
            if not any(_inside(spans, run.start()) for spans in kept)
        )
        opening: re.Match[bytes] | None = None
        for run in runs:
            if _inside(self._tables, run.start()):
                self._edit(*run.span(), _spaced(run))
            elif opening is None:
                opening = run
            elif self._is_spoiler(opening, run):
                self._edit(*opening.span(), b"<tg-spoiler>")
                self._edit(*run.span(), b"</tg-spoiler>")
                opening = None
            else:
                self._edit(*opening.span(), _escaped(opening))
                opening = run
        if opening:
            self._edit(*opening.span(), _escaped(opening))

    def _is_spoiler(self, opening: re.Match[bytes], closing: re.Match[bytes]) -> bool:
        text = self._source[opening.end() : closing.start()]
        return (
            len(opening.group()) == len(closing.group()) == 2
            and not text[:1].isspace()
            and not text[-1:].isspace()
            and not _BLANK_LINE.search(text)
        )

    def _is_code(self, offset: int) -> bool:
        return _inside(self._code, offset)


class _RichReading(_Reading):
    """A pass that keeps everything that rich messages can show."""

    def __init__(self, source: bytes, labels: set[str], *, careful: bool) -> None:
        super().__init__(source, labels, careful=careful)
        self.is_structured = False
        self._open_details = 0
        self._in_structure = False
        self._on_event["TaskListMarker"] = self._read_structure

    def _read_structure(self, *_: int) -> None:
        self.is_structured = True

    def _start(self, tag: str, value: Any, start: int, end: int) -> None:
        if tag in ("Table", "Heading") or value == {"CodeBlock": {"Fenced": "math"}}:
            self._read_structure()
        super()._start(tag, value, start, end)

    def _read_html_block(self, start: int, end: int) -> None:
        first = self._source.index(b"<", start, end)
        match = _STRUCTURE.match(self._source, first, end)
        self._in_structure = match is not None
        if match is None:
            super()._read_html_block(start, end)
            return
        self._code.append((start, end))
        prefix, cursor = self._prefix(first), first
        for match in _STRUCTURE.finditer(self._source, first, end):
            if match["details"] or match["summary"]:
                text = self._read_part(match)
                cursor = self._isolate(match.span(), text, prefix, (cursor, end))

    def _read_part(self, match: re.Match[bytes]) -> bytes:
        if match["summary"]:  # inline for the parser, so that `1.` in it does not begin a list
            return b"<tg-summary>" + b" ".join(match["text"].split()) + b"</tg-summary>"
        self._open_details = max(0, self._open_details + (-1 if match["end"] else 1))
        self._read_structure()
        return match["details"]

    def _prefix(self, at: int) -> bytes:
        """Return the prefix that continues the surrounding lists and quotes on a new line."""
        match = _CONTAINERS.match(self._source, self._source.rfind(b"\n", 0, at) + 1, at)
        return re.sub(rb"[^>\s]", b" ", match.group()) if match else b""

    def _isolate(
        self, tag: tuple[int, int], text: bytes, prefix: bytes, around: tuple[int, int]
    ) -> int:
        """Put a tag between blank lines, unindented, and return the end of the edit."""
        start, end = tag
        source, gap = self._source, (b"\n" + prefix) * 2
        line = max(source.rfind(b"\n", 0, start) + 1, around[0])
        if source[line:start].strip(b" \t>"):
            text = gap + text
        else:
            text = text if line == around[0] else prefix + text
            start = line
        if text.endswith(b"summary>") or source[end : around[1]].strip(b" \t>\n"):
            text += gap
            after = _NEXT_LINE.match(source, end, around[1])
            end = after.end() if after and b">" not in prefix else end
        self._edit(start, end, text)
        return end

    def _read_inline_html(self, start: int, end: int) -> None:
        match = _STRUCTURE.fullmatch(self._source, start, end)
        if match and match["end"] and self._open_details and not (self._in_cell or self._open):
            text, prefix = self._read_part(match), self._prefix(start)
            self._isolate((start, end), text, prefix, (0, len(self._source)))

    def _separate(self, start: int) -> None:
        """Leave blocks where they are, since they are blocks in rich messages as well."""

    def _read_html(self, start: int, end: int) -> None:
        if not self._in_structure:
            super()._read_html(start, end)

    def _read_formula(self, start: int, end: int) -> None:
        if not (self._is_shell(start, end) or self._is_prices(start, end)):
            self._read_structure()
            self._code.append((start, end))

    def _is_linkable(self, url: str) -> bool:
        return usable_url(url) or bool(email_address(url) or phone_number(url))

    def _write_formula(self, match: re.Match[bytes], dollars: bytes) -> None:
        self._read_structure()
        super()._write_formula(match, dollars)


def _inside(spans: list[tuple[int, int]], offset: int) -> bool:
    """Tell whether one of the sorted, disjoint spans contains the offset."""
    at = bisect_right(spans, offset, key=lambda span: span[0])
    return at > 0 and spans[at - 1][1] > offset


def _spaced(run: re.Match[bytes]) -> bytes:
    return b" ".join([b"|"] * len(run.group()))


def _escaped(run: re.Match[bytes]) -> bytes:
    return b"\\|" * len(run.group())


def _tag(value: Any) -> str:
    return value if isinstance(value, str) else str(next(iter(value)))


def _label(text: str) -> str:
    return " ".join(text.split()).casefold()


def _in_parentheses(url: str) -> bytes:
    return b" (" + _escape(written(url)) + b")"
