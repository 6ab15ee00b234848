"""The table of a campaign, as it stands in docs/reliability.md."""

from collections.abc import Callable, Iterable, Sequence

from tests.system.faults.campaign import Result

Row = tuple[str, Callable[[Result], object]]


def table(results: Sequence[Result]) -> str:
    """Return a Markdown table with a column for each set-up."""
    rows: list[Row] = [
        ("updates", lambda result: f"{result.updates:,}"),
        ("redeliveries on purpose", lambda result: result.redeliveries),
        *(_fault_row(name) for name in _fault_names(results)),
        ("faults injected", lambda result: f"{result.faults.total():,}"),
        ("lost", lambda result: f"**{result.verdict.lost}**"),
        ("out of order", lambda result: f"**{result.verdict.out_of_order}**"),
        ("doubled", lambda result: f"**{result.verdict.doubled}**"),
        ("at most: stopped in the window", lambda result: result.verdict.window),
        ("… and uncertain sends", lambda result: result.verdict.uncertain),
        ("doubled for neither reason", lambda result: f"**{result.verdict.unexplained}**"),
        ("stored wrongly", lambda result: result.verdict.stored_wrongly),
        ("answered by a sentence", lambda result: result.verdict.excused),
        ("5xx after recovery", lambda result: f"**{result.verdict.late_errors}**"),
        ("memory of the processes, MB", _memory),
        ("seconds", lambda result: round(result.seconds)),
        ("updates per second", lambda result: f"{result.updates / result.seconds:.1f}"),
    ]
    head = ["", *(result.setup for result in results)]
    lines = [_line(head), "|---|" + "---:|" * len(results)]
    lines += [_line([name, *map(value, results)]) for name, value in rows]
    return "\n".join(lines)


def explain(result: Result) -> str:
    """Return what speaks against the bot, and where to look."""
    lines = [f"{result.setup}: statuses {dict(sorted(result.statuses.items()))}"]
    lines += [f"{result.setup}: {line}" for line in result.verdict.evidence]
    return "\n".join(lines)


def _fault_names(results: Sequence[Result]) -> list[str]:
    names = {name for result in results for name in result.faults}
    return sorted(names, key=lambda name: (": " in name, name))


def _fault_row(name: str) -> Row:
    return name, lambda result: result.faults[name] or "-"


def _memory(result: Result) -> str:
    return ", ".join(f"{before:.0f} → {after:.0f}" for before, after in result.memory)


def _line(cells: Iterable[object]) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"
