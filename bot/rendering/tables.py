"""Layout of tables as fixed-width text."""

import unicodedata
from itertools import zip_longest

from bot.rendering.characters import display_width

MAX_PADDING = 80  # cells; wider columns do not line up on any screen and would inflate the table
_BETWEEN, _CROSSING = " | ", "-+-"
# Keeps right-to-left text within its column
_LEFT_TO_RIGHT_MARK = "\u200e"


def lay_out(rows: list[list[str]]) -> str:
    """Return the rows, the first of which is the header, as lines with aligned columns."""
    rows = [[_isolated(cell) for cell in row] for row in rows]
    measured = [[display_width(cell) for cell in row] for row in rows]
    columns = zip_longest(*measured, fillvalue=0)
    widths = [min(max(column), MAX_PADDING) for column in columns]
    lines = [
        _BETWEEN.join(
            cell + " " * (width - taken)
            for cell, taken, width in zip(row, sizes, widths, strict=False)
        )
        for row, sizes in zip(rows, measured, strict=True)
    ]
    if len(lines) > 1:
        lines.insert(1, _CROSSING.join("-" * width for width in widths))
    return "\n".join(lines)


def _isolated(cell: str) -> str:
    is_leftward = not cell.isascii() and any(
        unicodedata.bidirectional(char) in ("R", "AL") for char in cell
    )
    return f"{_LEFT_TO_RIGHT_MARK}{cell}{_LEFT_TO_RIGHT_MARK}" if is_leftward else cell
