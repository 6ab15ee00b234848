"""Words of others within the model's Markdown: they stay what they are."""

import re

# Neither ( nor ]: with a backslash they may be a formula's
_SIGNS = re.compile(r"([\\`*_\[<>~|$&#])")


def plain(text: str, longest: int = 100) -> str:
    """Return a text as one line of Markdown without any format, cut where it is long."""
    line = " ".join(text.split())
    line = line if len(line) <= longest else f"{line[: longest - 1]}…"
    return _SIGNS.sub(r"\\\1", line)


def code(text: str) -> str:
    """Return a text as code in a line."""
    return "`" + " ".join(text.replace("`", "'").split()) + "`"
