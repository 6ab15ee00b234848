"""Rules for emphasis in scripts without spaces, and for names in code that look like emphasis."""

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import Any

# A noncharacter, which the parser treats as a letter; it is removed from all parsed text
JOINT = "\ufdd0"
_JOINT = JOINT.encode()

_DELIMITERS = re.compile(r"[*~]+")
_RUN = re.compile(r"\*+|~~+|~")
_NAME = re.compile(rb"[A-Za-z][A-Za-z0-9]*(?:_+[A-Za-z0-9]+)*")
_DUNDER = re.compile(rb"__([A-Za-z][A-Za-z0-9_]{0,40}?)__")
_CALLED = re.compile(rb"\(|\.\w|\s?!?=")
_ATTRIBUTE = re.compile(rb"[\w)\]]\.|.?@", re.DOTALL)
_PATH_BEFORE = re.compile(rb"[\w.]/")
_PATH_AFTER = re.compile(rb"[/.]\w")
_UNDERSCORED = re.compile(
    rb"(?<![A-Za-z0-9_\\/&?=#.])(__?)(?!_)([^\s_/\\`$<>][^_\n/\\`$<>]{0,600})(?<!\s)\1(?![A-Za-z0-9_/])"
)
_QUOTES = (b'"', b"'")
_EMOJI_END = "\ufe0f\u20e3"
_OPENING = frozenset({"Ps", "Pi"})
_CLOSING = frozenset({"Pe", "Pf"})
_STOPS = frozenset("。，、；！？,.;!?")  # noqa: RUF001 - Chinese and Japanese punctuation
# Python names that `dir` does not list, and C, PHP and JavaScript names with outer underscores
_OTHER_NAMES = frozenset(
    {
        *("main", "all", "author", "version", "file", "path", "future", "builtins", "pycache"),
        *("slots", "enter", "exit", "aenter", "aexit", "await", "aiter", "anext", "missing"),
        *("copy", "deepcopy", "bytes", "index", "complex", "fspath", "prepare", "metadata"),
        *("tablename", "cached", "loader", "spec", "package", "debug", "wrapped"),
        *("FILE", "LINE", "DATE", "TIME", "FUNC", "FUNCTION", "CLASS", "METHOD", "DIR"),
        *("NAMESPACE", "TRAIT", "COUNTER", "STDC", "GNUC", "APPLE", "cplusplus", "attribute"),
        *("asm", "construct", "destruct", "invoke", "clone", "dirname", "filename", "proto"),
        *("typename", "schema", "tests", "mocks", "snapshots", "fixtures"),
    }
)
_OBJECTS: tuple[Any, ...] = (
    type,
    object,
    0,
    0.0,
    "",
    b"",
    [],
    {},
    set(),
    range(0),
    len,
    re,
    BaseException,
    property,
)


def loosened(markdown: str) -> str:
    """Let emphasis begin and end between letters and punctuation in scripts without spaces.

    CommonMark reads the asterisks of `含**「重点」**内容` as text: next to punctuation they count
    only with a space or punctuation on their other side. A joint between the two solves this.
    """
    parts: list[str] = []
    cursor = 0
    for match in _DELIMITERS.finditer(markdown):
        start, end = match.span()
        before, after = markdown[max(start - 1, 0) : start], markdown[end : end + 1]
        if _begins(before, after):
            text = _RUN.sub(_joined_after, match.group())
        elif _ends(before, after):
            text = _RUN.sub(_joined_before, match.group())
        else:
            continue
        parts += (markdown[cursor:start], text)
        cursor = end
    return "".join((*parts, markdown[cursor:]))


def is_name(source: bytes, start: int, end: int, width: int) -> bool:
    """Tell whether underscores enclose a name in code, like `__init__` or `a/_private_/b`."""
    name = source[start + width : end - width]
    before, after = source[max(start - 2, 0) : start], source[end : end + 3]
    if not _NAME.fullmatch(name):
        return False
    # If one side has more underscores, the rest is still to come: `__init_`
    if b"_" in name or (before[-1:] == b"_") != (after[:1] == b"_"):
        return True
    if width == 1:
        return bool(_PATH_BEFORE.fullmatch(before) and _PATH_AFTER.match(after))
    return name in _names() or _is_among_code(name, before, after)


def _is_among_code(name: bytes, before: bytes, after: bytes) -> bool:
    if before[-1:] in _QUOTES and after[:1] == before[-1:]:
        return True
    if name.islower() and (_PATH_BEFORE.fullmatch(before) or _PATH_AFTER.match(after)):
        return True
    return bool(_ATTRIBUTE.fullmatch(before) or _CALLED.match(after))


def underscored(source: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield start, end and replacement of underscored text beside letters without spaces."""
    for match in _UNDERSCORED.finditer(source):
        start, end = match.span()
        before = source[max(start - 4, 0) : start].decode(errors="ignore")[-1:]
        after = source[end : end + 4].decode(errors="ignore")[:1]
        if not _is_plain_name(match[2]) and (_is_loose(before) or _is_loose(after)):
            sign = b"*" * len(match[1])
            yield start, end, sign + _JOINT + match[2] + _JOINT + sign


def _is_plain_name(text: bytes) -> bool:
    return bool(_NAME.fullmatch(text)) and (text.islower() or text in _names())


def _is_loose(char: str) -> bool:
    return _is_letter(char) and _is_unspaced(char)


def may_be_name(text: bytes) -> bool:
    """Tell whether a text is `__like_this__`, which is ambiguous without other names."""
    match = _DUNDER.fullmatch(text)
    return match is not None and match[1].islower()


def has_names(source: bytes) -> bool:
    """Tell whether the source has a known name with two underscores on both sides."""
    return any(match[1] in _names() for match in _DUNDER.finditer(source))


@cache
def _names() -> frozenset[bytes]:
    """Return names that are known to have two underscores on both sides, without these."""
    known = {name.strip("_") for thing in _OBJECTS for name in dir(thing) if name[:2] == "__"}
    return frozenset(name.encode() for name in known | _OTHER_NAMES)


def _joined_after(run: re.Match[str]) -> str:
    return run.group() if run.group() == "~" else run.group() + JOINT


def _joined_before(run: re.Match[str]) -> str:
    return run.group() if run.group() == "~" else JOINT + run.group()


def _begins(before: str, after: str) -> bool:
    """Tell whether delimiters between a letter and a following sign may begin emphasis."""
    return (
        _is_sign(after)
        and _is_letter(before)
        and (_is_unspaced(before) or _is_unspaced(after))
        and unicodedata.category(after) not in _CLOSING
        and after not in _STOPS
    )


def _ends(before: str, after: str) -> bool:
    """Tell whether delimiters between a sign and a following letter may end emphasis."""
    return (
        _is_sign(before)
        and _is_letter(after)
        and (_is_unspaced(before) or _is_unspaced(after))
        and unicodedata.category(before) not in _OPENING
        and before != "\\"
    )


def _is_sign(char: str) -> bool:
    return char != "" and unicodedata.category(char)[0] in "PS"


def _is_letter(char: str) -> bool:
    return not (char == "" or char.isspace() or _is_sign(char))


@cache
def _scripts() -> re.Pattern[str]:
    """Return a pattern of the letters from Hebrew on, without later Latin and Greek ones."""
    return re.compile("[\u0590-\u1cff\u2c80-\ua71f\ua800-\uab2f\uab70-\ufaff\ufb1d-\U0003ffff]")


def _is_unspaced(char: str) -> bool:
    """Tell whether a character is an emoji or belongs to a script that may lack spaces."""
    if char.isascii():
        return False
    return (
        char in _EMOJI_END
        or unicodedata.east_asian_width(char) in "WFH"
        or unicodedata.category(char) == "So"
        or (not _is_sign(char) and _scripts().match(char) is not None)
    )
