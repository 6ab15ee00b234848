"""What was measured, as tables for people and as JSON."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from os import cpu_count
from platform import machine, python_version, system

from tests.system.benchmark.figures import COLUMNS, OURS, OURS_ON_SQLITE, PAIRS, Figure, Figures

# What the project holds itself to, and strives for; printed, never asserted: machines differ
TARGETS = {
    OURS: {
        "rate": "200 (aim 350)",
        "cpu": "4 (aim 2.5)",
        "start": "1.6",
        "gemini": "2.2",
        "import": "1.2",
        "memory": "130",
    },
    OURS_ON_SQLITE: {"cpu": "5"},
}


def tables(figures: Figures) -> str:
    """Return the tables in Markdown."""
    lines = [_line(["", *COLUMNS.values()]), "|---|" + "---:|" * len(COLUMNS)]
    for name, row in figures.rows.items():
        lines.append(_line([name, *(_number(row.get(column)) for column in COLUMNS)]))
        if name in PAIRS:
            ratios = figures.ratios[name]
            lines.append(_line(["… to hand-written", *map(_ratio, map(ratios.get, COLUMNS))]))
    for name, targets in TARGETS.items():
        lines.append(
            _line(
                [
                    f"target {name.removeprefix('this bot ')}",
                    *(targets.get(column, "") for column in COLUMNS),
                ]
            )
        )
    lines += [
        "",
        _line(["", "this bot", "hand-written", "ratio", "target"]),
        "|---|---:|---:|---:|---:|",
    ]
    lines += [_line(_cells(figure)) for figure in figures.besides]
    calls = ", ".join(f"{name} {count:.2f}" for name, count in figures.calls.items())
    return "\n".join([*lines, "", f"Calls for one question: {calls}"])


def as_json(figures: Figures, command: str) -> str:
    """Return all figures with what they were measured on."""
    about = {
        "command": command,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{system()} {machine()}, {cpu_count()} cores, Python {python_version()}",
        "columns": COLUMNS,
        "targets": TARGETS,
    }
    return json.dumps(about | asdict(figures), indent=2)


def _cells(figure: Figure) -> list[str]:
    unit = f", {figure.unit}" if figure.unit else ""
    return [
        f"{figure.name}{unit}",
        _number(figure.ours),
        _number(figure.by_hand),
        _ratio(figure.ratio),
        figure.target,
    ]


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g} times"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
