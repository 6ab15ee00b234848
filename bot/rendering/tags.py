"""Conversion of HTML that a model mixes into its Markdown to the equivalent Markdown."""

import html
import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from bot.rendering.emphasis import JOINT
from bot.rendering.scripts import subscript, superscript

Spans = list[tuple[int, int]]

_JOINT = JOINT.encode()
_MAX_DEPTH = 16

_STYLES = {
    **dict.fromkeys(("b", "strong"), b"b"),
    **dict.fromkeys(("i", "em", "cite", "dfn", "var"), b"i"),
    **dict.fromkeys(("u", "ins"), b"u"),
    **dict.fromkeys(("s", "del", "strike"), b"s"),
    "mark": b"mark",
    "sub": b"sub",
    "sup": b"sup",
    "tg-spoiler": b"tg-spoiler",
}
CANONICAL = frozenset(
    [b"<br>", *(b"<%b%b>" % (end, name) for name in _STYLES.values() for end in (b"", b"/"))]
)
_CODE = frozenset({"code", "kbd", "samp", "tt"})
_HEADINGS = {f"h{level}": b"#" * level for level in range(1, 7)}
_LISTS = frozenset({"ul", "ol", "menu"})
_CELLS = frozenset({"td", "th"})
_BLOCKS = frozenset(
    {
        *("p", "div", "center", "section", "article", "header", "footer", "main", "nav", "aside"),
        *("figure", "figcaption", "address", "form", "fieldset", "legend", "dl", "dt", "dd"),
        *("caption", "hgroup"),
    }
)
_PLAIN = frozenset(
    {
        *(
            "span",
            "font",
            "small",
            "big",
            "label",
            "abbr",
            "acronym",
            "bdi",
            "bdo",
            "time",
            "data",
        ),
        *("nobr", "wbr", "ruby", "thead", "tbody", "tfoot", "colgroup", "col", "picture"),
        *("source", "button"),
    }
)
_RICH_BLOCKS = frozenset({"details", "summary"})  # supported by rich messages
_OTHERS = frozenset(
    {*("a", "img", "br", "hr", "q", "rt", "rp", "li", "pre", "blockquote", "table", "tr")}
)
_KNOWN = frozenset(
    {
        *_STYLES,
        *_CODE,
        *_HEADINGS,
        *_LISTS,
        *_CELLS,
        *_BLOCKS,
        *_PLAIN,
        *_OTHERS,
        *_RICH_BLOCKS,
    }
)
_BREAKS = frozenset({"br", "wbr"})
_VOID = frozenset({"br", "hr", "img", "wbr", "col", "source"})
_INLINE = frozenset({*_STYLES, *_CODE, *_PLAIN, "a", "q", "rt", "rp"})
_FLAT = frozenset({*_HEADINGS, *_CELLS, "a", "sub", "sup", "summary", "rp", "tr"})
_VERBATIM = frozenset({*_CODE, "pre"})
_CONTAINERS = frozenset({*_FLAT, *_VERBATIM, "blockquote"})

_TAG = re.compile(
    rb"<(?P<end>/?)(?P<name>[A-Za-z][A-Za-z0-9-]*)"
    rb"(?P<attributes>(?:\s(?:[^<>\"']|\"[^\"<>]*\"|'[^'<>]*')*+)?)(?P<void>/?)>"
)
_TOKEN = re.compile(
    rb"^[ \t>]*(?P<fence>`{3,}|~{3,})(?s:.*?)(?:^[ \t>]*(?P=fence)|\Z)|(?<!`)`[^`\n]+`(?!`)"
    rb"|<!-- ?| ?-->|" + _TAG.pattern,
    re.MULTILINE,
)
_DOCUMENT = re.compile(rb"<(?:html|head|body)[\s>]|<!doctype\s+html", re.IGNORECASE)
_ATTRIBUTES = re.compile(rb"\s*(?:/|open|hidden|[\w:-]+\s*=.*)?\s*", re.DOTALL | re.IGNORECASE)
_MARGIN = re.compile(rb"(?:[ \t>]|(?:[-*+]|\d{1,9}[.)])[ \t])*+")
_INDENTATION = re.compile(rb"(?<=\n)(?: {4}|\t)[ \t]*")
_NO_TEXT_BEFORE = frozenset({b"", *(bytes([sign]) for sign in b" \t\r\n([{\"'`|")})
_NO_TEXT_AFTER = frozenset({b"", *(bytes([sign]) for sign in b" \t\r\n.,:;!?)]}\"'`|")})
_BREAK = re.compile(rb"[ \t]*\n\s*")
_BRACKET = re.compile(rb"(?<!\\)[\[\]]")
_PIPE = re.compile(rb"(?<!\\)\|")
_SIGNS = re.compile(r"</?[a-z-]+>|(\*{1,3}|~~|`)(?=\S)(.*?)\1|\\")
_UNSAFE = re.compile(r"[\s<>\\]")
_TICKS = re.compile(rb"`+")
_SPOILER = re.compile(rb"class\s*=\s*[\"']?tg-spoiler", re.IGNORECASE)
_LANGUAGE = re.compile(rb"language-([\w+#.-]+)")


class Layout(NamedTuple):
    """The places of code, of single-line content (tables and headings) and of HTML blocks."""

    code: Spans
    lines: Spans
    blocks: Spans


class _Token(NamedTuple):
    start: int
    end: int
    name: str  # "" for code and comments
    is_end: bool = False
    attributes: bytes = b""
    partner: int = -1  # the token that closes this one or is closed by it


@dataclass(slots=True)
class _Buffer:
    """The content of a tag."""

    opening: int
    name: str
    parts: list[bytes] = field(default_factory=list)
    cells: int = 0

    def text(self) -> bytes:
        return b"".join(self.parts)


def may_have_tags(source: bytes) -> bool:
    """Tell whether the source may contain a tag."""
    return b"<!--" in source or any(
        match["name"].decode().lower() in _KNOWN for match in _TAG.finditer(source)
    )


def rewritten(source: bytes, layout: Layout, *, rich: bool) -> bytes:
    """Return the source with its tags as Markdown or as one of a few supported plain tags.

    The following remain text: tags used as a word, as in "the <p> tag"; names unknown to HTML or
    meant for forms, media and scripts; a document that is HTML as a whole.
    """
    tokens = _tokens(source, layout)
    if any(not _inside(layout.code, match.start()) for match in _DOCUMENT.finditer(source)):
        return _as_text(source, tokens)
    return _Writer(source, layout, tokens, rich=rich).write()


def _as_text(source: bytes, tokens: list[_Token]) -> bytes:
    starts = [0, *(token.start for token in tokens if token.name.isalnum()), len(source)]
    return b"\\".join(source[start:end] for start, end in pairwise(starts))


# -- Reading --------------------------------------------------------------------------------------


def _inside(spans: Spans, offset: int) -> tuple[int, int] | None:
    at = bisect_right(spans, offset, key=lambda span: span[0]) - 1
    return spans[at] if at >= 0 and spans[at][1] > offset else None


def _tokens(source: bytes, layout: Layout) -> list[_Token]:
    tokens: list[_Token] = []
    position, last_comment, is_comment = 0, source.rfind(b"-->"), False
    while match := _TOKEN.search(source, position):
        start, position = match.span()
        if span := _inside(layout.code, start):
            position = max(span[1], start + 1)
        elif match.group().strip() in (b"<!--", b"-->"):
            if is_comment != (match[0][:1] == b"<") and start <= last_comment:
                is_comment = not is_comment
                tokens.append(_Token(start, position, "!"))
        elif match["name"] is not None:
            tokens += [_read(match)] if _is_tag(match) else []
        elif _inside(layout.blocks, start):
            tokens.append(_Token(start, position, ""))
        elif (inner := source.find(b"<", start + 1, position)) >= 0:
            position = inner  # the parser, which sees more context, found no code here
    return _paired(tokens)


def _is_tag(match: re.Match[bytes]) -> bool:
    name = match["name"].decode().lower()
    return name in _KNOWN and _ATTRIBUTES.fullmatch(match["attributes"]) is not None


def _read(match: re.Match[bytes]) -> _Token:
    name, attributes = match["name"].decode().lower(), match["attributes"]
    if name == "span" and _SPOILER.search(attributes):
        name = "tg-spoiler"
    return _Token(*match.span(), name, bool(match["end"]), attributes)


def _paired(tokens: list[_Token]) -> list[_Token]:
    """Match each end tag with the last unmatched start tag of its kind."""
    waiting: dict[str, list[int]] = {}
    for index, token in enumerate(tokens):
        if not token.is_end:
            waiting.setdefault(_kind(token), []).append(index)
        elif opened := waiting.get(_kind(token)):
            first = opened.pop()
            tokens[first] = tokens[first]._replace(partner=index)
            tokens[index] = token._replace(partner=first, name=tokens[first].name)
    return tokens


def _kind(token: _Token) -> str:
    return "span" if token.name == "tg-spoiler" and b"class" in token.attributes else token.name


def _attribute(token: _Token, name: str) -> str:
    pattern = rf"(?:^|\s){name}\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))"
    match = re.search(pattern, token.attributes.decode(), re.IGNORECASE)
    return next((group for group in match.groups() if group is not None), "") if match else ""


# -- Writing --------------------------------------------------------------------------------------


class _Writer:
    """A writer that rewrites a source from one tag to the next."""

    def __init__(self, source: bytes, layout: Layout, tokens: list[_Token], *, rich: bool) -> None:
        self._source = source
        self._layout = layout
        self._tokens = tokens
        self._rich = rich
        self._buffers = [_Buffer(-1, "")]
        self._flat = self._verbatim = 0
        self._has_text = False  # in the line being written
        self._is_fresh = True  # nothing written since the last gap
        self._line = (-1, b"")
        self._lists: list[int | None] = []
        self._rows = 0
        self._in_table = False
        self._handlers: dict[str, Callable[[_Token], None]] = {
            **dict.fromkeys(_STYLES, self._write_style),
            **dict.fromkeys(_PLAIN, lambda _: None),
            **dict.fromkeys(_BLOCKS, self._write_block),
            **dict.fromkeys(_LISTS, self._write_list),
            **dict.fromkeys(_CELLS, lambda _: self._append(b" ")),
            "br": self._write_break,
            "hr": self._write_rule,
            "img": self._write_image,
            "q": lambda token: self._append(("\u201d" if token.is_end else "\u201c").encode()),
            "rt": lambda token: self._append(b")" if token.is_end else b"("),
            "li": self._write_item,
            "table": self._write_table,
            "tr": lambda _: self._newline(),
            "details": self._write_block,
            "summary": self._write_block,
        }
        self._closers: dict[str, Callable[[_Token, bytes], None]] = {
            **dict.fromkeys(_CODE, self._close_code),
            **dict.fromkeys(_HEADINGS, self._close_heading),
            **dict.fromkeys(_CELLS, self._close_cell),
            "a": self._close_link,
            "sub": self._close_script,
            "sup": self._close_script,
            "summary": self._close_summary,
            "rp": lambda *_: None,
            "tr": self._close_row,
            "pre": self._close_pre,
            "blockquote": self._close_quote,
        }

    def write(self) -> bytes:
        cursor = 0
        for index, token in enumerate(self._tokens):
            self._write_text(cursor, token.start)
            self._write_token(index, token)
            cursor = token.end
        self._write_text(cursor, len(self._source))
        while len(self._buffers) > 1:
            self._close()
        return self._buffers[0].text()

    # -- Text -------------------------------------------------------------------------------------

    def _write_text(self, start: int, end: int) -> None:
        text = self._source[start:end]
        block = _inside(self._layout.blocks, start)
        if block and not self._verbatim:
            inner = block[1] - start
            text = _INDENTATION.sub(b"", text[:inner]) + text[inner:]
        if self._is_fresh and start:
            text = text.lstrip(b" \t")
        if self._in_table and not text.strip():
            return
        if self._lists and not self._verbatim:
            text = _BREAK.sub(b" " if self._has_text else b"", text)
        self._append(text)

    def _append(self, text: bytes) -> None:
        if not text:
            return
        self._buffers[-1].parts.append(text)
        line = text.rfind(b"\n") + 1
        if self._has_text and not line:
            return
        match = _MARGIN.match(text, line)
        self._has_text = match is not None and match.end() < len(text)
        self._is_fresh = self._is_fresh and not text.strip(b" \t\r\n>")

    def _prefix(self, at: int) -> bytes:
        """Return the prefix that continues the surrounding lists and quotes on a new line."""
        start = self._source.rfind(b"\n", 0, at) + 1
        if self._line[0] != start:
            match = _MARGIN.match(self._source, start, at)
            margin = match.group() if match else b""
            self._line = start, margin
        margin = self._line[1]
        return re.sub(rb"[^>\s]", b" ", margin) if margin.strip() else b""

    def _gap(self, token: _Token) -> None:
        """Begin a paragraph."""
        if self._is_flat(token):
            self._append(b" ")
        elif self._lists:
            if self._has_text:
                self._newline(token)
        elif self._has_text:
            self._append((b"\n" + self._prefix(token.start)) * 2)
            self._is_fresh = True
        elif not self._is_fresh:
            prefix = self._prefix(token.start)
            if not self._line[1].strip(b" \t>"):  # no item begins on this line
                self._append(b"\n" + prefix)
            self._is_fresh = True

    def _newline(self, token: _Token | None = None) -> None:
        if self._has_text:
            indentation = b" " * sum(2 if number is None else 3 for number in self._lists)
            self._append(b"\n" + (self._prefix(token.start) if token else b"") + indentation)

    def _is_flat(self, token: _Token) -> bool:
        return self._flat > 0 or _inside(self._layout.lines, token.start) is not None

    # -- Tags -------------------------------------------------------------------------------------

    def _write_token(self, index: int, token: _Token) -> None:
        source = self._source[token.start : token.end]
        if self._verbatim and not self._closes(token):
            self._write_verbatim(token, source)
        elif token.name == "":
            self._append(source)
        elif self._rich and token.name in _RICH_BLOCKS and not self._is_flat(token):
            if token.name == "details" and token.partner > index and self._has_text:
                self._gap(token)
            self._append(source)
        elif token.name != "!":
            self._write_tag(index, token, source)

    def _write_tag(self, index: int, token: _Token, source: bytes) -> None:
        if not self._is_markup(token):
            self._append(b"\\" + source)
        elif token.is_end and self._closes(token):
            self._close(token)
        elif self._opens(token):
            self._open(index, token)
        elif token.name in self._handlers:
            self._handlers[token.name](token)

    def _write_verbatim(self, token: _Token, source: bytes) -> None:
        if token.name == "br":
            self._append(b"\n")
        elif token.partner < 0 or token.name not in _INLINE:
            self._append(source)

    def _is_markup(self, token: _Token) -> bool:
        """Tell whether a tag is markup, rather than a word as in "the <p> tag"."""
        if token.partner >= 0 or token.attributes.strip(b" \t\r\n/") or token.name in _BREAKS:
            return True
        before, after = self._around(token)
        if token.name in _INLINE:  # as in "some <b>words", whose end is still to come
            begins, ends = before in _NO_TEXT_BEFORE, after in _NO_TEXT_AFTER
            return ends and not begins if token.is_end else begins and not ends
        if not (before or after):  # alone on its line
            return True
        ends = token.is_end or token.name in _VOID
        return after not in _NO_TEXT_AFTER or (ends and before not in _NO_TEXT_BEFORE)

    def _around(self, token: _Token) -> tuple[bytes, bytes]:
        """Return the characters before and after a tag, empty at a line's margin and end."""
        before = self._source[max(token.start - 1, 0) : token.start] if self._has_text else b""
        return before, self._source[token.end : token.end + 1].strip(b"\r\n")

    def _opens(self, token: _Token) -> bool:
        is_container = token.name in _CONTAINERS and not (
            self._rich and token.name in ("sub", "sup")
        )
        fits = len(self._buffers) < _MAX_DEPTH
        return is_container and not token.is_end and token.partner >= 0 and fits

    def _open(self, index: int, token: _Token) -> None:
        if token.name in ("pre", "blockquote", "summary", *_HEADINGS):
            self._gap(token)
        elif token.name == "tr":
            self._newline(token)
        self._flat += token.name in _FLAT
        self._verbatim += token.name in _VERBATIM
        self._buffers.append(_Buffer(index, token.name))

    def _closes(self, token: _Token) -> bool:
        """Tell whether an end tag closes an open buffer, and with it those opened inside."""
        return token.is_end and any(
            buffer.opening == token.partner for buffer in self._buffers[1:]
        )

    def _close(self, token: _Token | None = None) -> None:
        """Close open buffers up to and including the tag's own, or only the innermost one."""
        while True:
            buffer = self._buffers.pop()
            self._flat -= buffer.name in _FLAT
            self._verbatim -= buffer.name in _VERBATIM
            self._closers[buffer.name](self._tokens[buffer.opening], buffer.text())
            if token is None or buffer.opening == token.partner:
                return

    # -- Inline -----------------------------------------------------------------------------------

    def _write_style(self, token: _Token) -> None:
        if token.partner < 0:
            return
        name = _STYLES[token.name]
        if name == b"mark" and not self._rich:
            name = b"b"
        # At the beginning of a line, the tag would start a block of HTML
        joint = b"" if self._has_text or token.is_end else _JOINT
        self._append(joint + b"<%b%b>" % (b"/" if token.is_end else b"", name))

    def _write_break(self, _: _Token) -> None:
        self._append((b"" if self._has_text else _JOINT) + b"<br>")

    def _write_image(self, token: _Token) -> None:
        alt, source = _attribute(token, "alt"), _attribute(token, "src")
        picture = _escaped(alt.encode())
        if source and not source.lower().startswith("data:"):
            picture = b"![" + picture + b"](<" + _target(source) + b">)"
        self._append(picture)

    def _close_link(self, opening: _Token, text: bytes) -> None:
        label, url = b" ".join(text.split()), _attribute(opening, "href").strip()
        if not url or url.startswith("#"):
            self._append(text)
        else:
            label = label if label.startswith(b"![") else _escaped(label)
            self._append(b"[" + label + b"](<" + _target(url) + b">)")

    def _close_script(self, opening: _Token, text: bytes) -> None:
        plain = html.unescape(_SIGNS.sub(r"\2", text.decode()))
        shifted = superscript(plain) if opening.name == "sup" else subscript(plain)
        self._append(re.sub(r"([\[\]_*~<`])", r"\\\1", shifted).encode())

    def _close_code(self, opening: _Token, text: bytes) -> None:
        del opening
        code = html.unescape(b" ".join(text.split()).decode()).encode()
        if self._verbatim:
            self._append(text)
        elif code:
            self._append(_ticked(code))

    # -- Blocks -----------------------------------------------------------------------------------

    def _write_block(self, token: _Token) -> None:
        self._gap(token)

    def _write_rule(self, token: _Token) -> None:
        self._gap(token)
        if not self._is_flat(token):
            self._append(b"---")
            self._gap(token)

    def _close_heading(self, opening: _Token, text: bytes) -> None:
        self._write_line(opening, _HEADINGS[opening.name] + b" ", text)

    def _close_summary(self, opening: _Token, text: bytes) -> None:
        if text.strip():
            self._write_line(opening, _JOINT + b"<b>", text.strip() + b"</b>")

    def _write_line(self, opening: _Token, sign: bytes, text: bytes) -> None:
        line = b" ".join(text.split())
        self._append(line if self._is_flat(opening) else sign + line)
        self._gap(opening)

    def _close_pre(self, opening: _Token, text: bytes) -> None:
        code = html.unescape(text.decode()).encode().strip(b"\n")
        if self._is_flat(opening) or not code.strip():
            self._append(_ticked(b" ".join(code.split())) if code.strip() else b"")
            return
        language = _LANGUAGE.search(self._source, opening.start, opening.end + 80)
        ticks = b"`" * max(3, 1 + max(map(len, _TICKS.findall(code)), default=0))
        fence = [ticks + (language[1] if language else b""), *code.split(b"\n"), ticks]
        self._append((b"\n" + self._prefix(opening.start)).join(fence))
        self._gap(opening)

    def _close_quote(self, opening: _Token, text: bytes) -> None:
        if self._is_flat(opening):
            self._append(b" ".join(text.split()))
        else:
            lines = (b"> " + line.lstrip(b" \t") for line in text.strip().split(b"\n"))
            self._append((b"\n" + self._prefix(opening.start)).join(lines))
        self._gap(opening)

    def _write_list(self, token: _Token) -> None:
        if token.partner < 0:
            self._gap(token)
        elif not token.is_end:
            if not self._lists:
                self._gap(token)
            self._lists.append(1 if token.name == "ol" else None)
        elif self._lists:
            self._lists.pop()
            if not self._lists:
                self._gap(token)

    def _write_item(self, token: _Token) -> None:
        if token.is_end:
            return
        if self._is_flat(token):
            self._append(" • ".encode())
            return
        number = self._lists.pop() if self._lists else None
        if self._has_text:
            self._newline(token)
            self._has_text = False
        elif self._lists and not self._is_fresh:
            self._append(b" " * sum(2 if outer is None else 3 for outer in self._lists))
        self._append(b"- " if number is None else b"%d. " % number)
        self._lists.append(None if number is None else number + 1)
        self._is_fresh = True

    # -- Tables -----------------------------------------------------------------------------------

    def _write_table(self, token: _Token) -> None:
        self._gap(token)
        if not self._is_flat(token):
            self._rows = 0
            self._in_table = not token.is_end and token.partner >= 0

    def _close_cell(self, opening: _Token, text: bytes) -> None:
        del opening
        cell = b" ".join(text.split())
        row = self._buffers[-1]
        if row.name == "tr":
            row.cells += 1
            self._append(b"| " + _PIPE.sub(rb"\\|", cell) + b" ")
        else:
            self._append(cell + b" ")

    def _close_row(self, opening: _Token, text: bytes) -> None:
        columns = len(_PIPE.findall(text))
        if self._is_flat(opening) or not columns:
            self._append(b" ".join(text.split()) + b" ")
            return
        prefix = self._prefix(opening.start)
        self._append(b" ".join(text.split()) + b" |")
        if self._in_table and not self._rows:
            self._append(b"\n" + prefix + b"|" + b"-|" * columns)
        self._rows += 1


def _escaped(text: bytes) -> bytes:
    return _BRACKET.sub(rb"\\\g<0>", text)


def _target(url: str) -> bytes:
    return _UNSAFE.sub(lambda match: f"%{ord(match.group()):02X}", url).encode()


def _ticked(code: bytes) -> bytes:
    ticks = b"`" * (1 + max(map(len, _TICKS.findall(code)), default=0))
    space = b" " if code.startswith(b"`") or code.endswith(b"`") else b""
    return ticks + space + code + space + ticks
