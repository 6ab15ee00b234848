"""The benchmark in its shortest form: that it measures, never how fast."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.machine_lock import machine_lock
from tests.support.postgres import find_programs
from tests.support.processes import ROOT
from tests.system.benchmark.databases import Answered
from tests.system.benchmark.figures import BASE, COLUMNS, OURS, OURS_ON_SQLITE, PAIRS, ROWS
from tests.system.benchmark.scale import faults

BESIDES = (
    "p99 with a model of",
    "CPU per streamed chunk",
    "round trips to",
    "added by a database",
)
CALLS = {"editMessageReplyMarkup", "sendMessage", "streamGenerateContent"}

# What it reads of a process stands in /proc
pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="Linux only")


@pytest.fixture
def needed() -> None:
    """Skip where there is no PostgreSQL; in CI there must be."""
    if not os.environ.get("TEST_POSTGRES_URL") and find_programs() is None:
        reason = "There is no PostgreSQL: set PG_BIN to its programs, or TEST_POSTGRES_URL"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.mark.usefixtures("needed")
@pytest.mark.slow("measures each row in processes of its own")
def test_it_measures_every_row_and_column(tmp_path: Path) -> None:
    """Each update is answered once, each figure is printed, and the JSON holds them all."""
    file = tmp_path / "figures.json"
    command = [sys.executable, "-m", "tests.system.benchmark", "--tiny", "--json", str(file)]

    with machine_lock(alone=False):
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - ours

    assert run.returncode == 0, run.stdout + run.stderr
    for text in (*ROWS, *COLUMNS.values(), *BESIDES, *CALLS):
        assert text in run.stdout
    figures = json.loads(file.read_text())
    assert figures["faults"] == []
    for name in (OURS, OURS_ON_SQLITE):
        assert figures["rows"][name].keys() == COLUMNS.keys()
        assert figures["ratios"][name].keys() == COLUMNS.keys() - {"import"}
    assert figures["rows"][BASE].keys() == COLUMNS.keys() - {"import"}
    assert figures["calls"].keys() >= CALLS
    assert figures["calls"]["sendMessage"] == 1
    assert PAIRS.keys() <= figures["rows"].keys()


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        ([(1, 10, 100), (2, 11, 101), (1, 12, 102)], ""),
        ([(1, 12, 100), (2, 11, 101), (1, 10, 102)], "update 10 was stored late"),
        ([(1, 10, 102), (2, 11, 101), (1, 12, 100)], "update 10 was sent late"),
        ([(1, 10, 100), (2, 11, 101), (1, 10, 102), (1, 12, 103)], "update 10 was stored late or"),
        ([(1, 10, 100), (2, 11, 101)], "2 answers to 3 updates"),
    ],
)
@pytest.mark.slow("measures each row in processes of its own")
def test_what_several_processes_do_wrong_is_noted(
    answers: list[tuple[int, int, int]], found: str
) -> None:
    """Answers that were stored or sent out of turn, or twice, or not at all."""
    said = "; ".join(faults([Answered(*answer) for answer in answers], 3))
    assert found in said
    assert bool(found) == bool(said)
