"""Makes Markdown safe for a converter that drops what it cannot show."""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

MAX_DEPTH = 50
MAX_TABLE_CELLS = 20_000
MAX_URL_LENGTH = 2048

_WEB_SCHEMES = frozenset({"http", "https"})
_APP_SCHEMES = frozenset({"tg", "ton"})
_PUNCTUATION = re.compile(r"([\\`*_\[\]<>~|$&!#()])")
_DELIMITER_ROW = re.compile(r"^[ \t>]*[|:\- \t]*-[|:\- \t]*$", re.MULTILINE)
_LINE_BREAK_TAG = re.compile(rb"<br\s*/?>\s*", re.IGNORECASE)
_INLINE_FORMULA = re.compile(rb"(?<!\\)\\\(((?:[^\\\n$]|\\[^()\n]){1,2000}?)\\\)")
_DISPLAY_FORMULA = re.compile(rb"(?<!\\)\\\[((?:[^\\$]|\\[^\[\]]){1,4000}?)\\\]")
_FORMULA_SIGN = re.compile(rb"\\[A-Za-z]|[\^_=]")
_DEFINITION = re.compile(rb"^ {0,3}(?:> ?)*\[([^\[\]\n]+)\]:", re.MULTILINE)
_INFO = re.compile(r"[\w+#.-]*(?:,\S*)?(?:\s+(?:[\w-]+=.*|\{.*\}))?")
_OPERAND_BEFORE = re.compile(rb"[A-Za-z0-9)\]]")
_OPERAND_AFTER = re.compile(rb"[A-Za-z0-9(\[]")
_PIPES = re.compile(rb"(?<!\\)\|{2,}")
_BLANK_LINE = re.compile(rb"\n[ \t>]*\n")
_CAREFUL_PASSES = 3
_MAX_PASSES = 8


class TooComplexError(ValueError):
    """The text nests, or its tables grow, beyond what a chat message can show."""


class _Edit(NamedTuple):
    start: int
    end: int
    text: bytes


def usable_url(url: str) -> bool:
    """Tell whether Telegram takes `url` as the target of a link."""
    if len(url) > MAX_URL_LENGTH or any(char.isspace() or not char.isprintable() for char in url):
        return False
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.scheme in _WEB_SCHEMES:
        return any(char in host for char in ".:")
    return parts.scheme in _APP_SCHEMES and bool(host)


def prepare(markdown: str) -> str:
    r"""Rewrite `markdown` so that conversion to entities loses nothing a reader should see.

    Raw HTML becomes text; `||` makes a spoiler only around words of one paragraph; images become
    links; targets that cannot be linked are written out; `\(..\)` and `\[..\]` become dollar
    formulas outside code; the asterisks of a multiplication stay.
    Raises TooComplexError for what would take long or grow out of bounds.
    """
    _check_tables(markdown)
    source = markdown.encode()
    for count in range(_MAX_PASSES):
        reading = _Reading(source, careful=count < _CAREFUL_PASSES)
        edits = reading.edits()
        if not edits:
            break
        source = _apply(source, edits)
    return source.decode()


def _check_tables(markdown: str) -> None:
    columns = max((row.count("-") and row.count("|") for row in _rows(markdown)), default=0)
    if columns > 1 and columns * markdown.count("\n") > MAX_TABLE_CELLS:
        raise TooComplexError("a table has too many cells")


def _rows(markdown: str) -> Iterator[str]:
    return (match.group() for match in _DELIMITER_ROW.finditer(markdown))


def _parse(source: bytes) -> Iterable[tuple[Any, Any]]:
    import pyromark

    options = (
        pyromark.Options.ENABLE_TABLES
        | pyromark.Options.ENABLE_STRIKETHROUGH
        | pyromark.Options.ENABLE_TASKLISTS
        | pyromark.Options.ENABLE_MATH
    )
    return pyromark.events_with_range(source.decode(), options=options)


def _apply(source: bytes, edits: list[_Edit]) -> bytes:
    parts: list[bytes] = []
    cursor = 0
    for edit in sorted(edits, key=lambda edit: (edit.start, -edit.end)):
        if edit.start < cursor:  # the next pass sees it again
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
        self.url = data["dest_url"]
        self.automatic = data["link_type"] in ("Autolink", "Email")
        self.start = start
        self.end = end
        self.content_end = start


class _Reading:
    """One pass of the parser over the source, collecting the edits it calls for."""

    def __init__(self, source: bytes, *, careful: bool) -> None:
        self._source = source
        self._careful = careful
        self._edits: list[_Edit] = []
        self._code: list[tuple[int, int]] = []
        self._tables: list[tuple[int, int]] = []
        self._labels: set[str] = set()
        self._open: list[_Target] = []
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
        """Read the whole source."""
        for event, span in _parse(self._source):
            self._read(event, span["start"], span["end"])
        self._read_formulas()
        self._read_definitions()
        self._read_pipes()
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
        elif tag in ("Emphasis", "Strong"):
            self._read_emphasis(start, end, 1 if tag == "Emphasis" else 2)
        elif tag == "CodeBlock":
            self._code.append((start, end))
            self._read_info(value[tag], start)
        elif tag == "Table":
            self._tables.append((start, end))
        elif tag == "HtmlBlock":
            self._read_html_block(start, end)
        elif tag in ("List", "BlockQuote"):
            self._deepen()
        self._in_cell |= tag == "TableCell"
        self._in_heading |= tag == "Heading"

    def _end(self, tag: str) -> None:
        if tag in ("Link", "Image"):
            target = self._open.pop()
            if self._open:
                outer = self._open[-1]
                outer.content_end = max(outer.content_end, target.end)
            self._read_target(target)
        elif tag in ("List", "BlockQuote"):
            self._depth -= 1
        elif tag == "TableCell":
            self._in_cell = False
        elif tag == "Heading":
            self._in_heading = False

    def _deepen(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise TooComplexError("lists or quotes nest too deeply")

    def _read_code(self, start: int, end: int) -> None:
        self._code.append((start, end))

    def _read_info(self, kind: Any, start: int) -> None:
        """Move what is no language from the fence's line into the code."""
        if not isinstance(kind, dict) or _INFO.fullmatch(kind["Fenced"].strip()):
            return
        source = self._source
        line = source.rfind(b"\n", 0, start) + 1
        prefix = re.sub(rb"[^>\s]", b" ", source[line:start])
        fence = start + len(source[start:]) - len(source[start:].lstrip(source[start : start + 1]))
        self._edit(fence, fence, b"\n" + prefix)

    def _read_html_block(self, start: int, end: int) -> None:
        """Make the block's first tag text: what follows is read as Markdown in the next pass."""
        self._code.append((start, end))
        if self._careful:
            at = self._source.index(b"<", start, end)
            line_break = _LINE_BREAK_TAG.match(self._source, at, end)
            after, text = (line_break.end(), b"\n") if line_break else (at, b"\\")
            self._edit(at, after, text)

    def _read_inline_html(self, start: int, end: int) -> None:
        tag = self._source[start:end]
        if tag in (b"<tg-spoiler>", b"</tg-spoiler>"):
            return
        if _LINE_BREAK_TAG.fullmatch(tag):
            self._edit(start, end, b" " if self._in_cell or self._in_heading else b"\n")
        else:
            self._edit(start, start, b"\\")

    def _read_html(self, start: int, end: int) -> None:
        if self._careful:
            return
        for match in re.finditer(b"<", self._source[start:end]):
            self._edit(start + match.start(), start + match.start(), b"\\")

    def _read_formula(self, start: int, end: int) -> None:
        self._code.append((start, end))
        if self._in_cell:  # the converter would write it ahead of the table
            text = self._source[start:end].strip(b"$").replace(b"`", b"'")
            self._edit(start, end, b"`" + text + b"`")
        elif b"||" in self._source[start:end]:
            self._edit(start, end, _PIPES.sub(_spaced, self._source[start:end]))

    def _read_emphasis(self, start: int, end: int, width: int) -> None:
        """Keep the asterisks of `2*3*4` and `x**2 + y**2`."""
        source = self._source
        between_operands = (
            source[start : start + 1] == b"*"
            and _OPERAND_BEFORE.fullmatch(source[max(start - 1, 0) : start])
            and _OPERAND_AFTER.fullmatch(source[start + width : start + width + 1])
        )
        if between_operands:
            self._edit(start, start + width, b"\\*" * width)
            self._edit(end - width, end, b"\\*" * width)

    def _read_target(self, target: _Target) -> None:
        if target.automatic or not target.url or target.url.startswith("tg://emoji?"):
            return
        is_image = target.kind == "Image"
        sign = "🖼 ".encode() if is_image else b""
        opening = target.start + len("![" if is_image else "[")
        closing = max(target.content_end, opening)
        if self._open:  # an image in a link: the link is what counts
            self._edit(target.start, opening, sign)
            self._edit(closing, target.end, b"")
        elif closing == opening:
            self._edit(target.start, target.end, sign + _escape(target.url))
        else:
            self._edit(target.start, opening, sign + b"[")
            if self._in_cell or not usable_url(target.url):
                # a link to nowhere stays plain, and its brackets keep delimiters apart
                self._edit(closing, target.end, b"]()" + _in_parentheses(target.url))

    def _read_formulas(self) -> None:
        for pattern, dollars in ((_INLINE_FORMULA, b"$"), (_DISPLAY_FORMULA, b"$$")):
            for match in pattern.finditer(self._source):
                formula = match.group(1).strip()
                if _FORMULA_SIGN.search(formula) and not self._is_code(match.start()):
                    self._edit(match.start(), match.end(), dollars + formula + dollars)

    def _read_definitions(self) -> None:
        """Show a link definition that nothing refers to: a list of sources, most likely."""
        for match in _DEFINITION.finditer(self._source):
            label = _label(match.group(1).decode())
            if label not in self._labels and not self._is_code(match.start(1)):
                self._edit(match.start(1) - 1, match.start(1), b"\\[")

    def _read_pipes(self) -> None:
        """Tag what is a spoiler, and keep the converter from seeing one in `a || b`."""
        runs = (run for run in _PIPES.finditer(self._source) if not self._is_code(run.start()))
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


def _inside(spans: list[tuple[int, int]], offset: int) -> bool:
    """Tell whether one of the sorted, disjoint spans holds the offset."""
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
    return b" (" + _escape(url.removeprefix("mailto:")) + b")"
