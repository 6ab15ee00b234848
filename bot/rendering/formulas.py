"""Conversion of formulas to readable text, with Unicode letters, signs and box drawing.

The tables of signs come from Telegramify-markdown, whose own parser takes seconds for `{{{…`.
Importing this module also imports that library.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby, zip_longest
from textwrap import dedent
from typing import NamedTuple
from unicodedata import combining

from telegramify_markdown.latex_escape.const import (
    COMBINING,
    FRAC_MAP,
    LATEX_STYLES,
    LATEX_SYMBOLS,
    NOT_MAP,
    SUBSCRIPTS,
    SUPERSCRIPTS,
    CombiningType,
)

from bot.rendering.characters import display_width
from bot.rendering.notations import MAX_LENGTH, plain_latex

MAX_LEVELS = 40
# Limits for formulas on several lines
MAX_ROWS, MAX_COLUMNS, MAX_WIDTH = 16, 16, 60

_ITEM = re.compile(r"\\(?:operatorname|hspace)\*|\\[A-Za-z]+|\\.|\s+|.", re.DOTALL)
# An operator's name is set off from adjacent letters
_BEFORE, _AFTER = "\x01", "\x02"
_SET_OFF = re.compile(rf"(?<=[\w)\]}}]){_BEFORE}|{_AFTER}(?=[\w√{_BEFORE}])")
_MARKS = re.compile(rf"[{_BEFORE}{_AFTER}]")
_SPACES = re.compile(r"\s+")
_COMPOUND = re.compile(r"[\s+\-*/=<>,;⋅±∓≤≥≠→\u00d7\u00f7\u2212]")
_PARENTHESIZED = re.compile(r"\([^()]*\)")
# A denominator that needs no brackets: a number, a letter with marks and scripts, or a word
_SCRIPTS = r"[\u0300-\u036f\u20d0-\u20ff\u2070-\u209c\u02b0-\u02ff\u1d2c-\u1d7f²³¹′']"  # noqa: RUF001 - a prime
_FACTOR = re.compile(rf"\d+(?:\.\d+)?|[d∂]?[^\W\d]{_SCRIPTS}*|[^\W\d_]{{3,}}")
_SIZES = re.compile(r"\\[bB]igg?[lrm]?|\\middle")

_PRIME = "\u2032"
_SYMBOLS = LATEX_SYMBOLS | {
    r"\langle": "⟨",
    r"\rangle": "⟩",
    r"\ne": "≠",
    r"\lbrace": "{",
    r"\rbrace": "}",
    r"\geqslant": "≥",
    r"\epsilon": "ϵ",
    r"\longmapsto": "⟼",
    r"\impliedby": "⇐",
    r"\rtimes": "⋊",
    r"\dotsb": "⋯",
    r"\dotsc": "…",
    r"\hdots": "…",
    r"\degree": "°",
    r"\>": " ",
    r"\/": "",
    r"\thinspace": " ",
    r"\enspace": " ",
    r"\hline": "",
    r"\mathstrut": "",
    r"\rm": "",
    r"\bf": "",
    r"\argmax": "arg max",
    r"\argmin": "arg min",
    r"\sech": "sech",
    r"\csch": "csch",
    r"\coth": "coth",
}
# LaTeX shows no space after these, so the text has none either
_LETTERS = frozenset(
    symbol for symbol in _SYMBOLS.values() if len(symbol) == 1 and symbol.isalpha()
)
_LETTERS |= {"∂", "∇"}
_SUBSCRIPTS = (
    SUBSCRIPTS | dict(zip("hklmnpst", "ₕₖₗₘₙₚₛₜ", strict=True)) | {",": ",", _PRIME: _PRIME}
)
_SUPERSCRIPTS = SUPERSCRIPTS | {char: char for char in f"*{_PRIME}†‡'"} | {"\u22a4": "ᵀ"}
_ALPHABETS = {
    r"\mathbb": r"\mathbb",
    r"\mathcal": r"\mathcal",
    r"\mathscr": r"\mathcal",
    r"\mathfrak": r"\mathfrak",
    r"\mathbf": r"\mathbf",
    r"\boldsymbol": r"\mathbf",
}
_ACCENTS = {
    r"\widehat": r"\hat",
    r"\widetilde": r"\tilde",
    r"\overrightarrow": r"\vec",
    r"\widebar": r"\bar",
}
_AS_THEY_ARE = frozenset(
    {
        r"\text", r"\textrm", r"\textup", r"\textnormal", r"\textsf", r"\texttt", r"\textit",
        r"\textbf", r"\mbox", r"\hbox", r"\emph", r"\mathrm", r"\mathit", r"\mathtt", r"\mathsf",
        r"\mathnormal", r"\mathop", r"\mathbin", r"\mathrel", r"\mathord", r"\mathopen",
        r"\mathclose", r"\mathpunct", r"\mathinner", r"\smash", r"\ensuremath",
    }
)  # fmt: skip
_DROPPED = frozenset(
    {r"\phantom", r"\hphantom", r"\vphantom", r"\hspace", r"\hspace*", r"\vspace", r"\color"}
)
_FRACTIONS = frozenset({r"\frac", r"\dfrac", r"\tfrac", r"\cfrac"})
_BINOMIALS = frozenset({r"\binom", r"\dbinom", r"\tbinom"})
_BRACES = frozenset({r"\overbrace", r"\underbrace"})
_STRUCK = frozenset({r"\cancel", r"\bcancel", r"\xcancel", r"\sout"})
_ARROWS = {r"\xrightarrow": ("—", "→"), r"\xleftarrow": ("←", "—")}
_OVER, _UNDER = frozenset({r"\overset", r"\stackrel"}), frozenset({r"\underset"})
_MATRICES = {
    "matrix": ("", ""),
    "smallmatrix": ("", ""),
    "array": ("", ""),
    "pmatrix": ("(", ")"),
    "bmatrix": ("[", "]"),
    "Bmatrix": ("{", "}"),
    "vmatrix": ("|", "|"),
    "Vmatrix": ("‖", "‖"),
    "cases": ("{", ""),
    "rcases": ("", "}"),
}
_TAKE_COLUMNS = frozenset({"array", "alignedat"})
# The first, last, other and middle lines of delimiters that span several lines
_TALL = {
    "(": "╭╰││",
    ")": "╮╯││",
    "[": "┌└││",
    "]": "┐┘││",
    "{": "⎧⎩⎪⎨",
    "}": "⎫⎭⎪⎬",
    "⌊": "│└││",
    "⌋": "│┘││",
    "⌈": "┌│││",
    "⌉": "┐│││",
}
_STRIKE = "\u0336"


class _UnreadableError(ValueError):
    """The formula is wrong, nests too deeply, or is too large for several lines."""


class _Box(NamedTuple):
    """Lines of equal width, one of which is level with the surrounding text."""

    lines: tuple[str, ...]
    base: int = 0


def readable(latex: str, *, on_one_line: bool = False) -> str:
    """Return a formula as text, or its source if it cannot be read."""
    source = latex.strip()
    if len(source) > MAX_LENGTH:
        return source
    plain = plain_latex(source)
    for is_flat in (True,) if on_one_line else (False, True):
        try:
            lines = _Reader(plain, is_flat=is_flat).read().lines
        except _UnreadableError:
            continue
        text = "\n".join(line.rstrip() for line in lines)
        return text if text.strip() else source
    return " ".join(source.split()) if on_one_line else source


class _Reader:
    """A reader of LaTeX that goes once from the first item to the last."""

    def __init__(self, latex: str, *, is_flat: bool) -> None:
        self._items = [match.group() for match in _ITEM.finditer(latex)]
        self._at = 0
        self._level = 0
        self._is_flat = is_flat

    def read(self) -> _Box:
        """Read the whole formula."""
        box = self._sequence()
        if self._at < len(self._items):  # lines without an enclosing environment
            self._at = 0
            box = self._aligned(self._rows())
        if self._at < len(self._items):
            raise _UnreadableError("a bracket too many")
        return _Box(tuple(line.strip() for line in box.lines)) if len(box.lines) == 1 else box

    # -- Tokens -----------------------------------------------------------------------------------

    def _next(self) -> str:
        return self._items[self._at] if self._at < len(self._items) else ""

    def _is_letter(self, at: int) -> bool:
        item = self._items[at] if at < len(self._items) else ""
        return item.isalnum() or _SYMBOLS.get(item) in _LETTERS

    def _take(self) -> str:
        item = self._next()
        self._at += 1
        return item

    def _skip_space(self) -> None:
        while self._next().isspace():
            self._at += 1

    def _expect(self, item: str) -> None:
        if self._take() != item:
            raise _UnreadableError("something is not closed")

    def _raw_group(self) -> str:
        """Return the text between braces unchanged."""
        first, level = self._at, 0
        while item := self._take():
            level += (item == "{") - (item == "}")
            if not level:
                return "".join(self._items[first : self._at])
        raise _UnreadableError("a brace is not closed")

    # -- Sequences --------------------------------------------------------------------------------

    def _sequence(self, closing: str = "}") -> _Box:
        """Read up to the end of a cell or group."""
        parts: list[str | _Box] = []
        while (item := self._next()) and item not in ("&", r"\\", r"\end", r"\right", closing):
            if item == "}":
                raise _UnreadableError("a brace too many")
            self._at += 1
            if item in "_^":
                self._add_script(parts, item)
            else:
                parts.append(self._atom(item))
        return _joined(parts)

    def _add_script(self, parts: list[str | _Box], sign: str) -> None:
        script = self._script(sign)
        if parts and isinstance(last := parts[-1], str) and last.endswith(_AFTER):
            parts[-1] = f"{last[:-1]}{script}{_AFTER}"
        else:
            parts.append(script)

    def _script(self, sign: str, text: str | None = None) -> str:
        text = self._argument() if text is None else text
        letters = _SUBSCRIPTS if sign == "_" else _SUPERSCRIPTS
        close = text.replace(" ", "")
        if all(char in letters for char in close):
            return "".join(letters[char] for char in close)
        is_clear = len(text) == 1 or (sign == "_" and text.isalpha())
        if is_clear and not self._next()[:1].isalnum():
            return f"{sign}{text}"
        return f"{sign}({text})"

    def _atom(self, item: str) -> str | _Box:
        self._level += 1
        if self._level > MAX_LEVELS:
            raise _UnreadableError("it nests too deeply")
        if item == "{":
            box = self._sequence()
            self._expect("}")
            atom = box if len(box.lines) > 1 else box.lines[0]
        elif item.startswith("\\"):
            atom = self._command(item)
        else:
            atom = " " if item.isspace() or item == "~" else item
        self._level -= 1
        return atom

    def _argument(self) -> str:
        """Read a command's argument, on one line."""
        self._skip_space()
        if not (item := self._next()) or item in ("&", r"\\", r"\end", r"\right", "}"):
            raise _UnreadableError("an argument is missing")
        self._at += 1
        return self._flat(lambda: _joined([self._atom(item)])).lines[0].strip()

    def _optional(self) -> str:
        if self._next() != "[":
            return ""
        self._at += 1
        text = self._flat(lambda: self._sequence("]")).lines[0]
        self._expect("]")
        return text.strip()

    def _flat(self, read: Callable[[], _Box]) -> _Box:
        before, self._is_flat = self._is_flat, True
        box = read()
        self._is_flat = before
        return box

    # -- Commands ---------------------------------------------------------------------------------

    def _command(self, item: str) -> str | _Box:
        if (symbol := _SYMBOLS.get(item)) is not None:
            if symbol in _LETTERS and self._next().isspace() and self._is_letter(self._at + 1):
                self._at += 1
            return _symbol(symbol)
        if item == r"\begin":
            return self._environment()
        if item == r"\left":
            return self._between_delimiters()
        if _SIZES.fullmatch(item):
            return ""
        return self._applied(item) or self._decorated(item)

    def _applied(self, item: str) -> str:
        """Read a command that combines its arguments; return an empty string for any other."""
        if item in _FRACTIONS:
            return _fraction(self._argument(), self._argument())
        if item == r"\sqrt":
            return _root(self._optional(), self._argument())
        if item in _BINOMIALS:
            return f"C({self._argument()}, {self._argument()})"
        if item in _OVER or item in _UNDER:
            sign, text = "^" if item in _OVER else "_", self._argument()
            return self._argument() + self._script(sign, text)
        if item in _ARROWS:
            labels = filter(None, reversed((self._optional(), self._argument())))
            return ", ".join(labels).join(_ARROWS[item])
        if item in (r"\operatorname", r"\operatorname*"):
            return f"{_BEFORE}{self._argument()}{_AFTER}"
        return ""

    def _decorated(self, item: str) -> str:
        """Read a command that changes how its argument looks, or an unknown one."""
        accent = _ACCENTS.get(item, item)
        if item in _AS_THEY_ARE:
            return self._argument_as_written()
        if item in _ALPHABETS:
            letters = LATEX_STYLES[_ALPHABETS[item]]
            return "".join(letters.get(char, char) for char in self._argument())
        if accent in COMBINING:
            return _accented(self._argument(), *COMBINING[accent])
        if item == r"\not":
            negated = self._argument()
            return NOT_MAP.get(negated, f"{negated[:1]}\u0338{negated[1:]}")
        if item in _STRUCK:
            return _on_each(self._argument(), _STRIKE)
        if item in _DROPPED:
            self._argument()
            return ""
        if item in _BRACES:
            return _in_brackets(self._argument())
        return self._special(item)

    def _special(self, item: str) -> str:
        if item in (r"\textcolor", r"\colorbox"):
            self._argument()
            return self._argument()
        if item == r"\pmod":
            return f" (mod {self._argument()})"
        if item == r"\substack":
            self._skip_space()
            self._expect("{")
            rows = self._rows()
            self._expect("}")
            return ", ".join("".join(row) for row in rows)
        while self._next() == "{":
            item += self._raw_group()
        return item

    def _argument_as_written(self) -> str:
        r"""Read an argument whose spaces are significant, as in `\text{if }x`."""
        self._skip_space()
        if self._next() != "{":
            return self._argument()
        self._at += 1
        text = self._flat(self._sequence).lines[0]
        self._expect("}")
        return text

    # -- Several lines ----------------------------------------------------------------------------

    def _between_delimiters(self) -> str | _Box:
        opening = self._delimiter()
        box = self._sequence("")
        self._expect(r"\right")
        return _enclosed(box, opening, self._delimiter())

    def _delimiter(self) -> str:
        self._skip_space()
        item = self._take()
        return "" if item == "." else _SYMBOLS.get(item, item)

    def _environment(self) -> str | _Box:
        self._skip_space()
        name = self._raw_group()[1:-1].removesuffix("*")
        self._optional()
        if name in _TAKE_COLUMNS:
            self._raw_group()
        rows = self._rows()
        self._expect(r"\end")
        self._skip_space()
        self._raw_group()
        if name not in _MATRICES:
            return self._aligned(rows)
        return self._matrix(rows, *_MATRICES[name])

    def _rows(self) -> list[list[str]]:
        """Read cells up to the end of an environment, each on one line."""
        rows: list[list[str]] = [[]]
        while True:
            rows[-1].append(self._flat(self._sequence).lines[0].strip())
            item = self._next()
            if item == "&":
                self._at += 1
            elif item == r"\\":
                self._at += 1
                self._optional()
                rows.append([])
            else:
                return [row for row in rows if any(row)]

    def _aligned(self, rows: list[list[str]]) -> _Box:
        """Stack equations, aligned at the source's alignment points."""
        if self._is_flat or len(rows) < 2:
            return _Box(("; ".join(" ".join(filter(None, row)) for row in rows),))
        widths = _widths(rows)
        sides = "><" * len(widths) if len(widths) > 1 else "<"
        lines = [" ".join(map(_justified, row, widths, sides)) for row in rows]
        return _box(dedent("\n".join(lines)).split("\n"))

    def _matrix(self, rows: list[list[str]], opening: str, closing: str) -> str | _Box:
        is_cases = opening == "{" and not closing
        if self._is_flat or len(rows) < 2:
            text = "; ".join(", ".join(row).replace(",,", ",") for row in rows)
            return f"{opening}{text}{'}' if is_cases else closing}"
        widths = _widths(rows)
        side = "<" if is_cases else "^"
        box = _box(["  ".join(map(_justified, row, widths, side * len(row))) for row in rows])
        if len(rows) > MAX_ROWS or _width(box) > MAX_WIDTH:
            raise _UnreadableError("it is too large for several lines")
        return _enclosed(box, opening, closing)


# -- Text -----------------------------------------------------------------------------------------


def _symbol(text: str) -> str:
    name = text.strip()
    if len(name) > 1 and name.replace(" ", "").isalpha() and name.isascii():
        return f"{_BEFORE}{name}{_AFTER}"
    return " " if text.isspace() else text


def _tidy(text: str) -> str:
    return _SPACES.sub(" ", _MARKS.sub("", _SET_OFF.sub(" ", text)))


def _fraction(above: str, below: str) -> str:
    if text := FRAC_MAP.get((above, below)):
        return text
    above = _in_brackets(above)
    if not (_FACTOR.fullmatch(below) or _PARENTHESIZED.fullmatch(below)):
        below = f"({below})"
    return f"{above}/{below}"


def _in_brackets(text: str) -> str:
    is_whole = _PARENTHESIZED.fullmatch(text) or not _COMPOUND.search(text)
    return text if is_whole else f"({text})"


def _root(index: str, radicand: str) -> str:
    sign = {"": "√", "2": "√", "3": "∛", "4": "∜"}.get(index)
    if sign is None:
        sign = "".join(_SUPERSCRIPTS.get(char, char) for char in index) + "√"
    return sign + (radicand if _FACTOR.fullmatch(radicand) else f"({radicand})")


def _on_each(text: str, mark: str) -> str:
    return "".join(char if combining(char) else char + mark for char in text)


def _accented(text: str, mark: str, kind: int) -> str:
    if kind == CombiningType.EveryChar:
        return _on_each(text, mark)
    if kind == CombiningType.LastChar:
        return text + mark
    return text[:1] + mark + text[1:]


# -- Boxes ----------------------------------------------------------------------------------------


def _box(lines: Sequence[str]) -> _Box:
    width = max(map(display_width, lines))
    width = width if width <= MAX_WIDTH else 0
    return _Box(tuple(_justified(line, width, "<") for line in lines), (len(lines) - 1) // 2)


def _width(box: _Box) -> int:
    return max(map(display_width, box.lines))


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    if max(map(len, rows)) > MAX_COLUMNS:
        raise _UnreadableError("it has too many columns")
    measured = [[display_width(cell) for cell in row] for row in rows]
    widths = [max(column) for column in zip_longest(*measured, fillvalue=0)]
    return [width if width <= MAX_WIDTH else 0 for width in widths]


def _justified(text: str, width: int, side: str) -> str:
    room = max(width - display_width(text), 0)
    left = {"<": 0, ">": room, "^": room // 2}[side]
    return " " * left + text + " " * (room - left)


def _enclosed(box: _Box, opening: str, closing: str) -> str | _Box:
    count = len(box.lines)
    if count == 1:
        return f"{opening}{box.lines[0].strip()}{closing}"
    left, right = _tall(opening, count), _tall(closing, count)
    lines = zip(left, box.lines, right, strict=True)
    return _Box(tuple(" ".join(filter(None, line)) for line in lines), box.base)


def _tall(delimiter: str, count: int) -> list[str]:
    """Return the parts of a delimiter that is `count` lines high."""
    first, last, other, middle = [*_TALL.get(delimiter, ())] or [delimiter] * 4
    parts = [first, *[other] * (count - 2), last]
    if count > 2:
        parts[(count - 1) // 2] = middle
    return parts


def _joined(parts: Iterable[str | _Box]) -> _Box:
    """Place text and boxes side by side."""
    boxes: list[_Box] = []
    for is_text, group in groupby(parts, key=lambda part: isinstance(part, str)):
        if is_text:
            boxes.append(_Box((_tidy("".join(part for part in group if isinstance(part, str))),)))
        else:
            boxes += (part for part in group if isinstance(part, _Box))
    for end in (0, -1):
        if len(boxes) > 1 and boxes[end].lines == (" ",):
            del boxes[end]
    if len(boxes) > 1:
        return _beside(boxes)
    return boxes[0] if boxes else _Box(("",))


def _beside(boxes: Sequence[_Box]) -> _Box:
    above = max(box.base for box in boxes)
    below = max(len(box.lines) - box.base for box in boxes)
    if sum(map(_width, boxes)) > MAX_WIDTH:
        raise _UnreadableError("it is too wide for several lines")
    padded = []
    for box in boxes:
        blank = (" " * _width(box),)
        over, under = above - box.base, below - (len(box.lines) - box.base)
        padded.append((*blank * over, *box.lines, *blank * under))
    return _Box(tuple(map("".join, zip(*padded, strict=True))), above)
