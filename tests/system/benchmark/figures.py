"""The figures: a table with a row for each application, and what is said besides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from tests.system.benchmark.processes import BOT, HAND_WRITTEN

COLUMNS = {
    "rate": "updates/s",
    "cpu": "CPU ms per update",
    "start": "spawn to first answered /start, s",
    "gemini": "spawn to first Gemini answer, s",
    "import": "import with .pyc, s",
    "memory": "RSS after start, MiB",
}
ROWS = {
    "hand-written, PostgreSQL": HAND_WRITTEN,
    "hand-written, SQLite": HAND_WRITTEN,
    "this bot on PostgreSQL": BOT,
    "this bot on SQLite": BOT,
}
BASE, BASE_ON_SQLITE, OURS, OURS_ON_SQLITE = ROWS
PAIRS = {OURS: BASE, OURS_ON_SQLITE: BASE_ON_SQLITE}

Values = Mapping[str, Sequence[float]]  # one of each round, by row


@dataclass(frozen=True, slots=True)
class Figure:
    """One of the figures besides the table."""

    name: str
    unit: str
    ours: float
    by_hand: float | None = None
    ratio: float | None = None
    target: str = ""


@dataclass(slots=True)
class Figures:
    """All of them: `rows` and their `ratios` to hand-written ones, by the names in COLUMNS.

    `calls` are those of the two APIs for one question; with `faults` nothing else is worth a look.
    """

    rows: dict[str, dict[str, float]] = field(default_factory=lambda: {name: {} for name in ROWS})
    ratios: dict[str, dict[str, float | None]] = field(
        default_factory=lambda: {name: {} for name in PAIRS}
    )
    besides: list[Figure] = field(default_factory=list)
    calls: dict[str, float] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def fill(self, column: str, values: Values) -> None:
        """Fill a column with the medians of all rounds."""
        for name, own in values.items():
            self.rows[name][column] = median(own)
        for name, base in PAIRS.items():
            if base in values:
                self.ratios[name][column] = paired_ratio(values[name], values[base])

    def add(self, name: str, unit: str, values: Values, target: str = "") -> None:
        """Add what was measured of both that are on PostgreSQL, or of the bot alone."""
        ours, by_hand = values[OURS], values.get(BASE)
        ratio = paired_ratio(ours, by_hand) if by_hand else None
        figure = Figure(
            name, unit, median(ours), median(by_hand) if by_hand else None, ratio, target
        )
        self.besides.append(figure)


def paired_ratio(ours: Sequence[float], by_hand: Sequence[float]) -> float | None:
    """Return the median of the rounds' ratios: both of a round saw the same weather.

    None where a run was so short that it took no time.
    """
    pairs = [(own, other) for own, other in zip(ours, by_hand, strict=True) if other]
    return median(own / other for own, other in pairs) if pairs else None
