"""Rules for characters: which ones Telegram refuses, which are visible, and where to cut."""

import re
import unicodedata
from itertools import accumulate

_LINE_ENDS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
# Control characters and bidirectional embeddings, which Telegram itself deletes
_REFUSED = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\u202a-\u202e]")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_UNSEEN_CATEGORIES = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Me", "Mn", "Zl", "Zp", "Zs"})
_UNSEEN = frozenset("\u115f\u1160\u2800\u3164\uffa0\ufffc")
_BLANK = frozenset("\u180e\u200b\u2060\u2800\ufeff")
SENTENCE_END = re.compile(r"[.!?…]['\")\]»”]*\s|[。！？]")  # noqa: RUF001 - Chinese and Japanese full stops
_FLAG_LETTERS = "".join(map(chr, range(0x1F1E6, 0x1F200)))
_FLAG = re.compile(f"[{_FLAG_LETTERS}]{{2}}")
_WIDE = "字"
_LONGEST_GRAPHEME = 64
_LONGEST_MEASURED = 400  # characters; longer text fills several lines of any screen


def clean(text: str) -> str:
    """Remove the characters that Telegram refuses, and normalize line ends."""
    text = _LONE_SURROGATE.sub("\ufffd", text)
    return _REFUSED.sub("", _LINE_ENDS.sub("\n", text))


def spaced(text: str) -> str:
    """Replace each character that Telegram refuses with a space, which preserves the length."""
    if text.isprintable():
        return text
    return _REFUSED.sub(" ", _LINE_ENDS.sub("\n", text))


def _is_visible(char: str) -> bool:
    return char not in _UNSEEN and unicodedata.category(char) not in _UNSEEN_CATEGORIES


def has_visible(text: str) -> bool:
    """Tell whether a text has any visible character."""
    return any(map(_is_visible, text))


def is_blank(char: str) -> bool:
    """Tell whether a character is white space of any width."""
    return char.isspace() or char in _BLANK


def unit_offsets(text: str) -> list[int]:
    """Return the UTF-16 offset of each character and of the end."""
    if max(text, default="") <= "\uffff":
        return list(range(len(text) + 1))
    return list(accumulate((2 if char > "\uffff" else 1 for char in text), initial=0))


def between_graphemes(text: str, start: int, end: int) -> int:
    """Return the last place up to `end` where a cut does not split a grapheme.

    Graphemes of excessive length are split all the same.
    """
    around = text[end - 1 : end + 1]
    if around.isascii() and around != "\r\n":
        return end
    from wcwidth import iter_graphemes

    first = max(start, end - _LONGEST_GRAPHEME)
    before = text[start:first]
    flag_letters = len(before) - len(before.rstrip(_FLAG_LETTERS))
    first += flag_letters % 2  # the window begins between two flags
    *_, last = iter_graphemes(text[first : end + 1])
    at = end + 1 - len(last)
    return at if at > first else end


def display_width(text: str) -> int:
    """Return the width of a single-line text in cells of a fixed-width font."""
    if text.isascii() or len(text) > _LONGEST_MEASURED:
        return len(text)
    from wcwidth import wcswidth

    width = wcswidth(_FLAG.sub(_WIDE, text))  # wcswidth rescans a row of flags for each one
    return len(text) if width < 0 else width
