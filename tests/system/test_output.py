"""What the commands print: there at once, and never the end of their work."""

import asyncio
import os
import signal
import subprocess
import sys
from asyncio.subprocess import Process
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from bot.sandbox.faults import Slow
from bot.sandbox.telegram import TelegramServer
from tests.support.gemini_server import GeminiServer
from tests.support.messages import question
from tests.support.processes import PATIENCE, ROOT, command
from tests.support.servers import free_port

FULL = Path("/dev/full")  # Linux has it: a disk without room
SANDBOX = ("bot", "sandbox", "--no-browser")


@pytest.fixture(autouse=True)
def _servers(
    environment: pytest.MonkeyPatch,
    telegram: TelegramServer,
    gemini: GeminiServer,
    migrated_sqlite_url: str,
) -> None:
    """Serve Telegram and Gemini to commands that need them."""
    del telegram, gemini
    environment.setenv("DATABASE_URL", migrated_sqlite_url)
    environment.setenv("WEBHOOK_URL", "https://bot.example.com")


async def printed(process: Process, last: str) -> str:
    """Read what a running command prints, up to its last words."""
    assert process.stdout
    async with asyncio.timeout(PATIENCE):
        return (await process.stdout.readuntil(last.encode())).decode()


@contextmanager
def nowhere(kind: str) -> Iterator[IO[str]]:
    """Open an output that takes nothing: a pipe that nobody reads, or a full disk."""
    if kind == "full disk":
        with FULL.open("w") as output:
            yield output
    else:
        reader, writer = os.pipe()
        os.close(reader)
        with os.fdopen(writer, "w") as output:
            yield output


@pytest.mark.parametrize(
    ("arguments", "last"),
    [
        (("bot", "--polling"), "Stop me with Ctrl+C.\n"),
        (SANDBOX, "Ctrl+C ends it.\n"),
        (("bot.sandbox",), "Ctrl+C ends it.\n"),
        (("tests.system.faults", "SQLite"), "seed "),
    ],
    ids=["polling", "sandbox", "Telegram alone", "campaign"],
)
@pytest.mark.slow("starts processes")
async def test_lines_come_while_it_runs(
    environment: pytest.MonkeyPatch, tmp_path: Path, arguments: tuple[str, ...], last: str
) -> None:
    """Nothing waits in a buffer until the command ends: people and programs wait for it."""
    environment.setenv("TMPDIR", str(tmp_path))
    port = ["--port", str(free_port())] if "sandbox" in " ".join(arguments) else []
    async with command("-m", *arguments, *port) as process:
        await printed(process, last)
        assert process.returncode is None
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.communicate(), PATIENCE)


async def test_setup_says_what_it_does_while_it_does_it(telegram: TelegramServer) -> None:
    """Each step is printed when it is done, however long the next one takes."""
    telegram.faults.add(Slow(PATIENCE), method="getWebhookInfo")
    async with command("-m", "bot", "setup") as process:
        lines = (await printed(process, "Database: ")).splitlines()
        assert process.returncode is None
    assert lines[0] == "@test_bot"
    assert lines[1].startswith("Gemini: ")


NOWHERE = ["pipe", *(["full disk"] if FULL.exists() else [])]


@pytest.mark.parametrize("kind", NOWHERE)
@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ("bot --help", 0),
        ("bot sandbox --help", 0),
        ("bot.sandbox --help", 0),
        ("bot doctor", 1),
        ("bot doctor --json", 1),
        ("bot setup", 0),
    ],
)
@pytest.mark.slow("starts processes")
def test_a_reader_may_go_away(
    telegram: TelegramServer, arguments: str, status: int, kind: str
) -> None:
    """`| head` gets what it wants; the command does all it does, and nothing else is printed."""
    with nowhere(kind) as output:
        done = subprocess.run(  # noqa: S603 - our own interpreter
            [sys.executable, "-m", *arguments.split()],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=output,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (done.returncode, done.stderr.decode()) == (status, "")
    assert bool(telegram.webhook.get("url")) == (arguments == "bot setup")


@pytest.mark.parametrize("kind", NOWHERE)
@pytest.mark.slow("starts processes")
async def test_the_bot_answers_without_a_reader(telegram: TelegramServer, kind: str) -> None:
    """Polling goes on, whatever becomes of its output, and ends as it does else."""
    with nowhere(kind) as output:
        async with command("-m", "bot", "--polling", output=output) as process:
            telegram.deliver(question(telegram, "Hello"))
            await telegram.wait_for(telegram.sent, PATIENCE)
            process.send_signal(signal.SIGTERM)
            _, errors = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode == 0
    assert "Traceback" not in errors.decode()
    assert "BrokenPipe" not in errors.decode()


async def test_the_log_may_be_read_no_more(telegram: TelegramServer) -> None:
    """`2>&1 | head -1`: the bot answers all the same, and ends with its own status."""
    shell = 'exec "$0" -m bot --polling 2>&1 | head -n 1; exit "${PIPESTATUS[0]}"'
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", shell, sys.executable,
        env=os.environ | {"PYTHONPATH": str(ROOT), "LOG_LEVEL": "DEBUG"},
        start_new_session=True,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        for _ in range(3):
            telegram.deliver(question(telegram, "Hello"))
        await telegram.wait_for(lambda: len(telegram.sent()) == 3, PATIENCE)
    finally:
        os.killpg(process.pid, signal.SIGINT)
        _, errors = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert (process.returncode, errors) == (0, b"")


@pytest.mark.slow("starts processes")
def test_there_may_be_no_output_at_all(telegram: TelegramServer) -> None:
    """With both streams closed (`>&- 2>&-`) a command does its work."""
    done = subprocess.run(
        ["bash", "-c", 'exec "$0" -m bot setup >&- 2>&-', sys.executable],  # noqa: S607
        env=os.environ | {"PYTHONPATH": str(ROOT), "LOG_FORMAT": "auto"},
        check=False,
    )
    assert done.returncode == 0
    assert telegram.webhook["url"] == "https://bot.example.com/webhook"


@pytest.mark.slow("starts processes")
def test_an_encoding_may_lack_a_character(telegram: TelegramServer) -> None:
    """A name in Cyrillic is escaped where the output knows ASCII alone."""
    telegram.bot["first_name"] = "Бот"
    done = subprocess.run(
        [sys.executable, "-m", "bot", "doctor"],
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    assert rb"@test_bot (\u0411\u043e\u0442)" in done.stdout
    assert b"Traceback" not in done.stderr
