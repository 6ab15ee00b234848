"""Quoting of other people's text within the model's Markdown, so that it stays unchanged."""

import re

# Neither ( nor ], which may delimit a formula after a backslash
_SIGNS = re.compile(r"([\\`*_\[<>~|$&#])")


def plain(text: str, longest: int = 100) -> str:
    """Return a text as one line of unformatted Markdown, of at most `longest` characters."""
    line = " ".join(text.split())
    line = line if len(line) <= longest else f"{line[: longest - 1]}…"
    return _SIGNS.sub(r"\\\1", line)


def code(text: str) -> str:
    """Return a text as inline code."""
    return "`" + " ".join(text.replace("`", "'").split()) + "`"
