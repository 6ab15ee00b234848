"""What a run without options leaves out, and how it says so."""

import pytest

from tests.support.processes import run

SLOW = ("tests/rendering/test_emphasis.py", "-k", "test_cost_grows_with_the_length_alone")
SENTENCE = " tests were left out: --all runs them too"


@pytest.mark.parametrize("processes", ["0", "1"])
def test_what_is_left_out_is_said(processes: str) -> None:
    """The slow tests are left out, and the report says how to run them."""
    said = report(*SLOW, "-n", processes)
    assert SENTENCE in said
    assert " passed" not in said


def test_everything_runs_on_request() -> None:
    """With --all, nothing is left out."""
    said = report(*SLOW, "--all", "--collect-only")
    assert "test_cost_grows_with_the_length_alone" in said
    assert SENTENCE not in said


def test_a_test_that_is_named_runs() -> None:
    """A slow test that is named is not left out."""
    said = report("::".join(SLOW[::2]), "--collect-only")
    assert "test_cost_grows_with_the_length_alone" in said
    assert SENTENCE not in said


def report(*arguments: str) -> str:
    """Run pytest, and return what it prints."""
    return run("-m", "pytest", "-p", "no:cacheprovider", *arguments).stdout
