"""The fuzzer, in short: `python -m tests.system.fuzzer` sends 10,000 bodies."""

import logging
from pathlib import Path

import pytest

from tests.system import fuzzer

BODIES = 2000


@pytest.mark.usefixtures("environment")
@pytest.mark.slow("a long search")
async def test_nothing_that_comes_in_does_harm(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """No 5xx, no secret, no traceback, no error in the log, and a question is answered after."""
    for name in ("httpx2", "bot", "asyncio"):
        caplog.set_level(logging.ERROR, logger=name)  # or the lines themselves are kept
    with fuzzer.house(str(tmp_path)) as telegram:
        report = await fuzzer.fuzz(BODIES, 1, telegram)

    assert report.faults == []
    assert report.answered
    assert report.requests.total() == BODIES
    assert {200, 400, 401, 404, 405, 413} <= report.statuses.keys()


async def test_the_fuzzer_sees_what_is_wrong() -> None:
    """A secret in any spelling and a traceback are seen; other text is not."""
    for text in (*fuzzer.SECRETS, "Traceback (most recent call last):"):
        assert fuzzer.leaks(f"a {text} b".encode())
    assert not fuzzer.leaks(b"Update 7: message in chat 42 is handled")
