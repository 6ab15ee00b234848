"""The quick selection of the tests, and the option that runs them all.

A quick run covers every behaviour once: tests that are marked as slow are left out, a test that
runs on each database takes one of them, and a test that starts servers takes a few of its cases.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any
from zlib import crc32

import pytest

CASES = 2  # of a test that starts servers
DATABASES = {"migrated_url", "database_url"}  # the parameters that name the kind of a database
SERVERS = {"telegram", "gemini", "door", "opened"}

LEFT_OUT = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that runs every test."""
    parser.addoption("--all", action="store_true", help="run every test, also the slow ones")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.stash[LEFT_OUT] = 0
    slow = "slow(reason): runs only with --all, or when it is named"
    config.addinivalue_line("markers", slow)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what a quick run does not need, unless tests are named one by one."""
    if config.option.all or any("::" in argument for argument in config.args):
        return
    chosen = set(_chosen(items))
    left_out = [item for item in items if item not in chosen]
    config.stash[LEFT_OUT] = len(left_out)
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item in chosen]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the process that prints the report how many tests its worker left out."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["left_out"] = session.config.stash[LEFT_OUT]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Remember how many tests a worker left out; all workers leave out the same ones."""
    node.config.stash[LEFT_OUT] = getattr(node, "workeroutput", {}).get("left_out", 0)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say what was left out, and how to run it."""
    if left_out := config.stash[LEFT_OUT]:
        terminalreporter.write_line(f"{left_out} tests were left out: --all runs them too")


def _chosen(items: Sequence[pytest.Item]) -> Iterator[pytest.Item]:
    functions: defaultdict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        if item.get_closest_marker("slow") is None:
            functions[item.nodeid.partition("[")[0]].append(item)
    for name, cases in functions.items():
        on_one = _one(name, cases)
        yield from _spread(on_one) if SERVERS & _fixtures(cases[0]) else on_one


def _one(name: str, cases: Sequence[pytest.Item]) -> Sequence[pytest.Item]:
    """Return the cases on one database: half of the tests take each of them."""
    kinds = sorted({kind for case in cases if (kind := _database(case))})
    if not kinds:
        return cases
    kind = kinds[crc32(name.encode()) % len(kinds)]
    return [case for case in cases if _database(case) == kind]


def _spread(cases: Sequence[pytest.Item]) -> Sequence[pytest.Item]:
    """Return the first case, the last, and what is needed between them."""
    if len(cases) <= CASES:
        return cases
    return [cases[round(number * (len(cases) - 1) / (CASES - 1))] for number in range(CASES)]


def _database(case: pytest.Item) -> str | None:
    parameters = getattr(getattr(case, "callspec", None), "params", {})
    return next((str(parameters[name]) for name in DATABASES & set(parameters)), None)


def _fixtures(case: pytest.Item) -> set[str]:
    return set(getattr(case, "fixturenames", ()))
