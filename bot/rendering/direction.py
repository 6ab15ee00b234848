"""Detection of the direction in which a text is read."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from bot.rendering.richtext import runs_of

_ARE_NO_PROSE = frozenset({"pre", "mathematical_expression"})
_TEXTS = ("summary", "text")
_CONTENTS = ("blocks", "items", "cells")
_LETTER = re.compile(r"[^\W\d_]")
_ADDRESS = re.compile(r"://|@|[a-z]\.[a-z]", re.IGNORECASE)
_WORDS = 300  # the most words examined
# Technical terms and names are Latin everywhere, so two words in five suffice, as in Google's code
_SHARE = 0.4


def is_rtl(blocks: Iterable[Mapping[str, Any]]) -> bool:
    """Tell whether most of a rich message's prose is Arabic, Hebrew or the like."""
    initials = islice((initial for text in _prose(blocks) for initial in _initials(text)), _WORDS)
    leftward = [unicodedata.bidirectional(initial) in ("R", "AL") for initial in initials]
    return bool(leftward) and sum(leftward) >= len(leftward) * _SHARE


def _prose(parts: Iterable[Any]) -> Iterator[str]:
    """Yield the text of blocks, items and rows, without code, formulas and addresses."""
    for part in parts:
        if isinstance(part, list):
            yield from _prose(part)
        elif part.get("type") not in _ARE_NO_PROSE:
            for name in _TEXTS:
                runs = runs_of(part.get(name))
                yield "".join(run.text for run in runs if not _is_code(run.styles, run.is_formula))
            for name in _CONTENTS:
                yield from _prose(part.get(name, ()))


def _is_code(styles: Iterable[Any], is_formula: bool) -> bool:
    return is_formula or any(style.kind == "code" for style in styles)


def _initials(text: str) -> Iterator[str]:
    """Yield the first letter of each word that is not an address."""
    for word in text.split():
        if not _ADDRESS.search(word) and (letter := _LETTER.search(word)):
            yield letter.group()
