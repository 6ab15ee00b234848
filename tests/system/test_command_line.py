"""The commands: what they need, what they say, how they end."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from bot.__main__ import main
from bot.sandbox.telegram import TelegramServer
from bot.settings import load_settings
from tests.support.gemini_server import GeminiServer
from tests.support.messages import question
from tests.support.processes import PATIENCE, ROOT, run, wait_for_port
from tests.support.servers import free_port


@pytest.mark.parametrize("arguments", [(), ("--polling",), ("setup",)], ids=str)
@pytest.mark.parametrize(
    ("variable", "value", "line"),
    [
        ("TELEGRAM_BOT_TOKEN", "", "TELEGRAM_BOT_TOKEN is missing: create a bot with @BotFather"),
        ("GEMINI_API_KEY", "", "GEMINI_API_KEY is missing: create a key at https://aistudio"),
        ("TELEGRAM_BOT_TOKEN", "hush", "TELEGRAM_BOT_TOKEN does not look like a bot token"),
        ("MAX_HISTORY_MESSAGES", "-1", "MAX_HISTORY_MESSAGES is wrong: "),
        ("DATABASE_URL", "mysql://ann:hush@localhost/bot", "DATABASE_URL is wrong: "),
    ],
)
def test_a_wrong_setting_is_one_line(
    environment: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    variable: str,
    value: str,
    line: str,
) -> None:
    """A missing or wrong setting ends with one line that names it, and with status 2."""
    environment.setenv(variable, value)

    assert main(arguments) == 2

    [printed] = capsys.readouterr().err.splitlines()
    assert printed.startswith(line)
    assert "hush" not in printed


def test_the_command_itself_ends_with_one_line(environment: pytest.MonkeyPatch) -> None:
    """`python -m bot` without a token: one line, status 2, no traceback."""
    environment.delenv("TELEGRAM_BOT_TOKEN")

    done = run("-m", "bot")

    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("TELEGRAM_BOT_TOKEN is missing")


@pytest.mark.slow("starts processes")
def test_uvicorn_logs_the_same_line(environment: pytest.MonkeyPatch) -> None:
    """`uvicorn bot.app:app` without a token logs the line and does not start."""
    environment.delenv("TELEGRAM_BOT_TOKEN")

    done = run("-m", "uvicorn", "bot.app:app", "--port", str(free_port()))

    assert done.returncode != 0
    assert "TELEGRAM_BOT_TOKEN is missing: create a bot with @BotFather" in done.stderr


def test_importing_the_application_needs_nothing(tmp_path: Path) -> None:
    """`import bot.app` works with an empty environment, and writes nothing."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "import bot.app"],
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


def test_setup_and_polling_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    """One of the two would be ignored: none is."""
    with pytest.raises(SystemExit) as ended:
        main(["--polling", "setup"])

    assert ended.value.code == 2
    assert "not allowed with argument --polling" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "database"),
    [
        (["-m", "bot"], "sqlite_url"),
        (
            ["-m", "uvicorn", "bot.app:app", "--host", "127.0.0.1", "--port", "PORT"],
            "postgresql_url",
        ),
    ],
    ids=["python -m bot", "uvicorn"],
)
def test_the_server_serves(
    environment: pytest.MonkeyPatch,
    telegram: TelegramServer,
    gemini: GeminiServer,
    request: pytest.FixtureRequest,
    command: list[str],
    database: str,
) -> None:
    """Both ways to start the webhook migrate a fresh database, answer, and stop on SIGTERM."""
    gemini.answer("Hello, Ann")
    environment.setenv("DATABASE_URL", request.getfixturevalue(database))
    port = str(free_port())
    environment.setenv("PORT", port)
    update = question(telegram, "Hello")
    secret = load_settings().webhook_secret or ""
    with subprocess.Popen(  # noqa: S603 - our own interpreter
        [sys.executable, *(port if word == "PORT" else word for word in command)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            wait_for_port(int(port))
            response = httpx2.post(
                f"http://127.0.0.1:{port}/webhook",
                json=update,
                headers={"X-Telegram-Bot-Api-Secret-Token": secret},
                timeout=PATIENCE,
            )
        finally:
            process.send_signal(signal.SIGTERM)
            log, _ = process.communicate(timeout=PATIENCE)

    assert response.status_code == 200, log
    assert [message["text"] for message in telegram.sent()] == ["Hello, Ann"]
    assert f"Update {update['update_id']}: message in chat 42 is handled" in log
    assert "Hello" not in log
    assert secret not in log
    assert "Traceback" not in log
    assert re.search(r"Migrating the database from revision None to \w+", log)
