"""`python -m bot sandbox`, as a process: the whole bot on this machine, with its page."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from bot.sandbox.with_bot.environment import TAKEN, WITHHELD
from bot.settings import Settings
from tests.support.processes import PATIENCE, ROOT, run, wait_for_port
from tests.support.sandbox_page import visit
from tests.support.servers import free_port

COMMAND = ("-m", "bot", "sandbox", "--no-browser")
STARTED = "Open http://"
REAL_TOKEN = "123456789:AAE-a-real-looking-token-0123456789"
TOKENS = re.compile(r"\d{6,}:[\w-]{20,}")


class Sandbox(NamedTuple):
    """A running sandbox: its process, the page's address, and what it has printed."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    @property
    def printed(self) -> str:
        return self.log.read_text()


def start(log: Path, port: int, *arguments: str) -> subprocess.Popen[bytes]:
    """Start the command in the current folder, in a group of processes of its own."""
    with log.open("wb") as output:
        return subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, *COMMAND, "--port", str(port), *arguments],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


async def until(condition: Callable[[], object], seconds: float) -> None:
    """Wait for something that another process does."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)


def group(process: subprocess.Popen[bytes]) -> dict[int, str]:
    """Return the command lines of the processes that a sandbox has started, and its own."""
    listing = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,pgid=,args="],  # noqa: S607 - of the system
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line.split(maxsplit=2) for line in listing.stdout.splitlines()]
    return {int(row[0]): row[2] for row in rows if int(row[1]) == process.pid and len(row) > 2}


@contextmanager
def sandbox(*arguments: str, end: signal.Signals = signal.SIGTERM) -> Iterator[Sandbox]:
    """Run a sandbox until the block ends, and see that nothing of it is left."""
    port = free_port()
    log = Path(f"printed-{port}.log").absolute()
    process = start(log, port, *arguments)
    try:
        until = time.monotonic() + PATIENCE
        while STARTED not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.05)
        yield Sandbox(process, f"http://127.0.0.1:{port}", log)
        os.killpg(process.pid, end) if end == signal.SIGINT else process.send_signal(end)
        assert process.wait(PATIENCE) == 0, log.read_text()
        assert group(process) == {}
    finally:
        for pid in group(process):
            os.kill(pid, signal.SIGKILL)
        process.wait(PATIENCE)
    assert "Traceback" not in log.read_text()
    assert log.read_text().endswith("The sandbox has ended.\n")


def failed(*arguments: str, port: int | None = None) -> tuple[int, str]:
    """Run a sandbox that must not start; return its status and what it printed."""
    log = Path("failed.log").absolute()
    process = start(log, port or free_port(), *arguments)
    try:
        status = process.wait(PATIENCE)
        assert group(process) == {}
    finally:
        for pid in group(process):
            os.kill(pid, signal.SIGKILL)
    return status, log.read_text().replace("The bot is being started ...\n", "")


@pytest.fixture(autouse=True)
def _bare(environment: pytest.MonkeyPatch) -> None:
    """Have no key, and of a real bot nothing but what must not be used."""
    for name in ("GEMINI_API_KEY", "LOG_FORMAT"):
        environment.delenv(name)
    environment.setenv("TELEGRAM_BOT_TOKEN", REAL_TOKEN)
    environment.setenv("ALLOWED_USER_IDS", "7")


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> list[str]:
    """Choose SQLite, which needs no word, or name a PostgreSQL."""
    if request.param == "sqlite":
        return []
    return ["--database", request.getfixturevalue("postgresql_url")]


@pytest.mark.slow("starts a sandbox of its own")
async def test_the_first_message(database: list[str], environment: pytest.MonkeyPatch) -> None:
    """One command, and the bot answers; it remembers after a restart. No secret is seen."""
    # Of another bot: none of it is used, and nothing leads out
    environment.setenv("DATABASE_URL", "postgresql://ann:hush@127.0.0.1:1/none")
    environment.setenv("TELEGRAM_API_BASE_URL", "http://127.0.0.1:1")
    Path(".env").write_text("WEBHOOK_URL=https://bot.example.com\nRICH_MESSAGES=off\n")
    with sandbox(*database) as running:
        assert "not for production" in running.printed
        assert "built-in model, not Gemini" in running.printed
        async with visit(running.url) as ann:
            assert ann.snapshot["model"]["builtin"] is True
            assert ann.snapshot["bot_running"] is True
            assert "Gemini" in ann.snapshot["bot"]["description"]
            names = [one["command"] for one in ann.snapshot["commands"]]
            assert "new_chat" in names
            assert "ban" not in names
            assert "ban" in [one["command"] for one in ann.snapshot["chat_commands"]["1001"]]
            assert (await ann.say("Hello"))["delivered"] is True
            answer = await ann.answer()
            assert "not Gemini" in answer["text"]
            entry = await ann.entry("message")
            assert (entry["status"], len(entry["attempts"])) == (200, 1)
            assert ann.of("draft")
            shown = ann.text
        assert Path("sandbox/db.sqlite").exists() is not bool(database)
        assert not Path("db.sqlite").exists()
        seen = shown + running.printed + Path("sandbox/bot.log").read_text()

    with sandbox(*database, end=signal.SIGINT) as running:
        async with visit(running.url) as ann:
            texts = [message.get("text") for message in ann.snapshot["chats"][0]["messages"]]
            assert texts == ["Hello", answer["text"]]
            await ann.say("history")
            assert "Hello" in (await ann.answer())["text"]
            seen += ann.text
    kept = Path("sandbox/telegram.json").read_text()
    assert TOKENS.findall(seen + kept) == []
    assert re.findall(r"[0-9a-f]{64}", seen + kept) == []  # the webhook's secret


@pytest.mark.slow("starts a sandbox of its own")
async def test_a_proxy_is_not_asked(environment: pytest.MonkeyPatch) -> None:
    """What runs on this machine is reached without one, nor by what Google's library looks for."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
        environment.setenv(name, "http://127.0.0.1:9")
    environment.setenv("NO_PROXY", "intranet.example")
    environment.setenv("GOOGLE_API_KEY", "another-key")
    environment.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    with sandbox() as running:
        async with visit(running.url) as ann:
            await ann.say("Hello")
            assert "not Gemini" in (await ann.answer())["text"]


@pytest.mark.parametrize("way", ["variable", "option"])
@pytest.mark.slow("starts a sandbox of its own")
async def test_the_built_in_model_beside_a_key(way: str, environment: pytest.MonkeyPatch) -> None:
    """A key in `.env` does not bar the way to it."""
    Path(".env").write_text("GEMINI_API_KEY=a-key-in-a-file\n")
    if way == "variable":
        environment.setenv("GEMINI_API_KEY", "")
    with sandbox(*(["--built-in"] if way == "option" else [])) as running:
        assert "built-in model, not Gemini" in running.printed
        async with visit(running.url) as ann:
            assert ann.snapshot["model"]["builtin"] is True


@pytest.mark.slow("starts a sandbox of its own")
async def test_the_bot_starts_again(environment: pytest.MonkeyPatch) -> None:
    """When somebody wants it and when it dies; what was written meanwhile is answered."""
    environment.setenv("LOG_LEVEL", "WARNING")
    with sandbox() as running:
        async with visit(running.url) as ann:
            [before] = _bots(running)
            await ann.do("restart")
            await ann.event(lambda event: event["type"] == "bot" and not event["running"])
            await ann.say("Hello")
            await ann.event(lambda event: event["type"] == "bot" and event["running"])
            await ann.answer()
            [after] = _bots(running)
            assert after != before
            assert "The bot has ended" not in running.printed

            mark = len(ann.events)
            os.kill(after, signal.SIGKILL)
            await ann.event(lambda event: event["type"] == "bot" and not event["running"], mark)
            await ann.say("Are you there?")
            await ann.event(lambda event: event["type"] == "bot" and event["running"], mark)
            await ann.answer(after=mark)
            assert "The bot has ended, and is started again" in running.printed


@pytest.mark.slow("starts a sandbox of its own")
async def test_nobody_need_read_what_it_prints() -> None:
    """Where its output's reader has gone, the bot is kept alive and the end is the same."""
    log, port = Path("printed").absolute(), free_port()
    os.mkfifo(log)
    reader = os.open(log, os.O_RDONLY | os.O_NONBLOCK)
    process = start(log, port)
    os.close(reader)
    try:
        running = Sandbox(process, f"http://127.0.0.1:{port}", log)
        await asyncio.to_thread(wait_for_port, port)
        async with visit(running.url) as ann:
            await ann.event(lambda event: event.get("bot_running") or event.get("running"))
            mark = len(ann.events)
            [bot] = _bots(running)
            os.kill(bot, signal.SIGKILL)
            await ann.event(lambda event: event["type"] == "bot" and not event["running"], mark)
            await ann.say("Hello")
            await ann.answer()
        process.terminate()
        assert process.wait(PATIENCE) == 0
    finally:
        for pid in group(process):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.slow("starts a sandbox of its own")
async def test_it_waits_for_an_answer() -> None:
    """One that is being written when the sandbox ends is there afterwards, whole."""
    with sandbox(end=signal.SIGINT) as running:
        async with visit(running.url) as ann:
            await ann.say("think")
            await ann.event(lambda event: event["type"] == "draft")
    assert "One answer is still being written" in running.printed
    kept = Path("sandbox/telegram.json").read_text()
    assert "I have thought about it" in kept


@pytest.mark.slow("starts a sandbox of its own")
async def test_the_bot_ends_with_the_sandbox() -> None:
    """Also where that had no time to end it."""
    log = Path("printed.log").absolute()
    process = start(log, free_port())
    try:
        await until(lambda: STARTED in log.read_text(), PATIENCE)
        process.kill()
        process.wait(PATIENCE)
        await until(lambda: not group(process), PATIENCE)
    finally:
        for pid in group(process):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.slow("starts a sandbox of its own")
async def test_a_broken_request_is_not_for_the_terminal() -> None:
    """It is answered, and stands in a file."""
    with sandbox() as running:
        port = int(running.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\noops\r\n\r\n")
            assert b" 400 " in connection.recv(4096)
    assert "oops" not in running.printed
    assert len(running.printed.splitlines()) == 5
    assert "Error handling request" in Path("sandbox/page.log").read_text()


def _bots(running: Sandbox) -> list[int]:
    commands = group(running.process)
    return [pid for pid, command in commands.items() if command.endswith("child.py")]


@pytest.mark.slow("starts a sandbox of its own")
async def test_one_sandbox_in_a_folder() -> None:
    """A second one says so, and so does one whose port is taken; the first one goes on."""
    with sandbox("--folder", "here") as running:
        status, printed = failed("--folder", "here")
        assert status == 2
        assert re.fullmatch(r".*/here is in use by another sandbox: .* --folder\.\n", printed)
        port = int(running.url.rpartition(":")[2])
        status, printed = failed("--folder", "there", port=port)
        assert status == 2
        assert printed == f"Port {port} is in use: choose another one by --port.\n"
        async with visit(running.url) as ann:
            assert (await ann.say("Hello"))["delivered"]


@pytest.mark.slow("starts a sandbox of its own")
async def test_it_stays_on_this_machine() -> None:
    """Beyond loopback it listens only when told twice."""
    status, printed = failed("--host", "0.0.0.0")  # noqa: S104 - it is refused
    assert status == 2
    assert len(printed.splitlines()) == 1
    assert "add --beyond-loopback" in printed
    assert not Path("sandbox").exists()
    with sandbox("--host", "0.0.0.0", "--beyond-loopback") as running:  # noqa: S104 - told twice
        port = int(running.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.2", port), timeout=5):
            pass
        async with visit(running.url) as ann:
            assert ann.snapshot["open"] is True


@pytest.mark.parametrize(
    ("variable", "arguments", "sentence"),
    [
        (("GROUP_TRIGGER", "none"), [], r"GROUP_TRIGGER is wrong: .*"),
        (
            ("LOG_LEVEL", "INFO"),
            ["--database", "postgresql://ann:hush@127.0.0.1:1/none"],
            r"DATABASE_URL leads to no database \(ConnectionRefusedError\): .*",
        ),
        (("LOG_LEVEL", "INFO"), ["--database", "mysql://ann:hush@h/b"], r"DATABASE_URL is .*"),
        (("LOG_LEVEL", "INFO"), ["--folder", "file"], r".*/file cannot be used: .*"),
        (("LOG_LEVEL", "INFO"), ["--folder", "broken"], r".*telegram.json cannot be read .*"),
    ],
)
@pytest.mark.slow("starts a sandbox of its own")
def test_what_is_wrong_is_one_sentence(
    environment: pytest.MonkeyPatch,
    variable: tuple[str, str],
    arguments: list[str],
    sentence: str,
) -> None:
    """It names what to mend, without secrets; and leaves nothing behind."""
    environment.setenv(*variable)
    Path("file").touch()
    Path("broken").mkdir()
    Path("broken/telegram.json").write_text("{")

    status, printed = failed(*arguments)

    assert (status, len(printed.splitlines())) == (2, 1), printed
    assert re.match(sentence, printed)
    assert "hush" not in printed


@pytest.mark.parametrize("command", ["bot sandbox", "bot.sandbox"])
@pytest.mark.parametrize("port", ["65536", "-1", "80a"])
def test_a_wrong_port_is_one_sentence(command: str, port: str) -> None:
    """It says what a port is: no traceback, and nothing of the code."""
    done = run("-m", *command.split(), f"--port={port}")

    assert done.returncode == 2
    assert "65535" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.slow("starts a sandbox of its own")
def test_a_wrong_file_is_one_sentence() -> None:
    """So is a `.env` that is no text, and a setting in it that is wrong."""
    Path(".env").write_bytes(b"\xff\xfe\0")
    assert failed() == (2, ".env cannot be read (UnicodeDecodeError).\n")
    Path(".env").write_text("group_trigger=none\n")
    status, printed = failed()
    assert (status, printed[:22]) == (2, "GROUP_TRIGGER is wrong")


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM], ids=lambda end: end.name)
@pytest.mark.slow("starts a sandbox of its own")
async def test_it_may_end_while_it_starts(end: signal.Signals) -> None:
    """Then no process is left, either."""
    log = Path("printed.log").absolute()
    process = start(log, free_port())
    try:
        while "is being started" not in log.read_text():  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.2)
        os.killpg(process.pid, end) if end == signal.SIGINT else process.send_signal(end)
        assert process.wait(PATIENCE) == 0
        assert group(process) == {}
    finally:
        for pid in group(process):
            os.kill(pid, signal.SIGKILL)
    assert "Traceback" not in log.read_text()


def test_no_setting_slips_through() -> None:
    """Each is either taken over or the sandbox's own: none of a real bot's is used by chance."""
    names = {
        (field.validation_alias or name).upper()  # type: ignore[union-attr]
        for name, field in Settings.model_fields.items()
    }
    assert names == {*TAKEN, *WITHHELD}


@pytest.mark.slow("starts a sandbox of its own")
async def test_a_bot_of_ones_own() -> None:
    """The Bot API and the page alone, for whatever speaks HTTP."""
    port, log = free_port(), Path("printed.log").absolute()
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: ASYNC220, S603 - our own interpreter
            [sys.executable, "-m", "bot.sandbox", "--port", str(port), "--token", "7:own"],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=output,
            stderr=output,
        )
    try:
        await until(lambda: STARTED in log.read_text(), PATIENCE)
        async with visit(f"http://127.0.0.1:{port}") as ann:
            assert ann.snapshot["model"] == {"builtin": False, "name": "your bot"}
            assert ann.snapshot["bot_running"] is True

            async def call(method: str, **parameters: object) -> Any:
                url = f"{ann.url}/bot7:own/{method}"
                async with ann.session.post(url, json=parameters) as response:
                    return (await response.json())["result"]

            assert (await call("getMe"))["id"] == 7
            await ann.say("Hello")
            [update] = await call("getUpdates", timeout=5)
            assert update["message"]["text"] == "Hello"
            await call("getUpdates", offset=update["update_id"] + 1)
            assert (await ann.entry("message"))["ok"] is True
            await call("sendMessage", chat_id=1001, text="Hello, Ann")
            assert (await ann.answer())["text"] == "Hello, Ann"
            assert "your own" in await ann.refused("restart")
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait(PATIENCE)
    assert "Traceback" not in log.read_text()
