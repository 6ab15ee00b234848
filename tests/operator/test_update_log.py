"""One line of the log for each update: for people in a terminal, as JSON on servers."""

import asyncio
import json
import logging
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from bot.logs.configure import JsonFormatter, configure_logging
from bot.sandbox.faults import Refuse, Slow
from bot.sandbox.telegram import TelegramServer
from bot.settings import SECRET_HEADER, load_settings
from tests.support.door import Door, Json, OpenDoor
from tests.support.gemini_failures import key_refused
from tests.support.gemini_server import GeminiServer
from tests.support.messages import question
from tests.support.processes import PATIENCE, ROOT, wait_for_port
from tests.support.servers import free_port


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the lines of the log that are about an update."""
    return [record.getMessage() for record in caplog.records if record.name.endswith("update_log")]


def fields(caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    """Return the fields of the last such line."""
    record = next(each for each in reversed(caplog.records) if each.name == "bot.logs.update_log")
    found: dict[str, Any] = vars(record)["fields"]
    return found


async def test_an_answer_is_one_line(
    door: Door, gemini: GeminiServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Ids, kind, outcome, what the time was spent on, and tokens; never what people wrote."""
    caplog.set_level(logging.INFO)
    usage = {"promptTokenCount": 315, "candidatesTokenCount": 42, "thoughtsTokenCount": 7}
    gemini.answer("The secret", " garden", delay=0.3, usage=usage)
    door.telegram.faults.add(Slow(0.2), method="sendMessage")
    update = door.question("Where is it?")

    await door.deliver(update)

    [line] = lines(caplog)
    expected = (
        rf"Update {update['update_id']}: message in chat 42 is handled, \d+ ms"
        r" \(database \d+, model \d+, telegram \d+, tokens 315 \+ 42\)"
    )
    assert re.fullmatch(expected, line)
    assert "garden" not in caplog.text
    found = fields(caplog)
    assert (found["update_id"], found["chat_id"]) == (update["update_id"], 42)
    assert (found["kind"], found["outcome"]) == ("message", "handled")
    assert found["tokens"] == {"prompt": 315, "answer": 42, "thoughts": 7, "cached": 0}
    spent = found["ms"]
    assert spent["model"] >= 300
    assert spent["telegram"] >= 200
    assert 0 < spent["database"] < spent["total"]
    assert spent["total"] >= 500


async def test_all_rounds_of_an_answer_are_counted(
    door: Door, gemini: GeminiServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The tokens are those of every request that the answer took."""
    caplog.set_level(logging.INFO)
    gemini.call("get_date_time", {})
    gemini.answer("It is late")

    await door.say("What time is it?")

    assert len(gemini.bodies) == 2
    assert fields(caplog)["tokens"]["prompt"] == 2 * 7


async def test_a_pressed_button_names_its_chat(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    """It is the one of the message below which the button stands."""
    caplog.set_level(logging.INFO)
    person = door.telegram.person(42)
    [answer] = await door.deliver(
        door.telegram.message(door.telegram.group(-1001), person, "/ask Where is it?")
    )

    await door.post(door.telegram.press(answer, person))

    assert ": callback_query in chat -1001 is handled, " in lines(caplog)[-1]
    assert fields(caplog)["chat_id"] == -1001


def repeated(door: Door) -> list[Json]:
    """Send the same update twice."""
    return [door.question("Hello")] * 2


def blocked(door: Door) -> list[Json]:
    """Block the bot."""
    blocked = Refuse(403, "Forbidden: bot was blocked")
    door.telegram.faults.add(blocked, method="sendMessage", times=None)
    return [door.question("Hello")]


def banned(door: Door) -> list[Json]:
    """Write as somebody who is banned."""
    return [door.question("/ban 42", user_id=7), door.question("Hello")]


def too_often(door: Door) -> list[Json]:
    """Ask more often than the limit allows."""
    return [door.question("Hello", user_id=43) for _ in range(3)]


@pytest.mark.parametrize(
    ("send", "outcome", "level"),
    [
        (repeated, "handled before", "INFO"),
        (blocked, "refused by Telegram (Forbidden: bot was blocked)", "WARNING"),
        (banned, "turned away (42 is banned)", "INFO"),
        (too_often, "turned away (too many questions)", "INFO"),
    ],
)
async def test_every_end_is_told(
    opened: OpenDoor,
    caplog: pytest.LogCaptureFixture,
    send: Callable[[Door], list[Json]],
    outcome: str,
    level: str,
) -> None:
    """What became of an update is said in a word, and why."""
    caplog.set_level(logging.INFO)
    async with opened(ADMIN_USER_IDS=7, RATE_LIMIT_PER_MINUTE=2) as door:
        updates = send(door)
        for update in updates:
            await door.post(update)

    assert f" is {outcome}, " in lines(caplog)[-1]
    assert len(lines(caplog)) == len(updates)
    last = next(
        record for record in reversed(caplog.records) if record.name.endswith("update_log")
    )
    assert last.levelname == level


async def test_an_excuse_names_its_reason(
    door: Door, gemini: GeminiServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Why there was no answer is in the same line."""
    key_refused(gemini)

    await door.say("Hello")

    [line] = lines(caplog)
    assert " is excused (KEY_REFUSED: 403 PERMISSION_DENIED), " in line


def serve(command: list[str], **streams: Any) -> subprocess.Popen[bytes]:
    """Start the bot."""
    return subprocess.Popen(  # noqa: S603 - our own interpreter
        [sys.executable, "-m", *command],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        **streams,
    )


def ask(telegram: TelegramServer, port: str) -> Json:
    """Post a question; return its update."""
    update = question(telegram, "Where is the garden?")
    wait_for_port(int(port))
    headers = {SECRET_HEADER: load_settings().webhook_secret or ""}
    url = f"http://127.0.0.1:{port}/webhook"
    assert httpx2.post(url, json=update, headers=headers, timeout=PATIENCE).status_code == 200
    return update


@pytest.mark.parametrize("command", ["bot", "uvicorn"])
@pytest.mark.usefixtures("gemini")
def test_servers_log_json(
    environment: pytest.MonkeyPatch,
    telegram: TelegramServer,
    migrated_sqlite_url: str,
    command: str,
) -> None:
    """Where nobody looks at a terminal each line is JSON, the server's own included."""
    port = str(free_port())
    environment.setenv("LOG_FORMAT", "auto")
    environment.setenv("PORT", port)
    environment.setenv("DATABASE_URL", migrated_sqlite_url)
    start = ["bot"] if command == "bot" else ["uvicorn", "bot.app:app", "--port", port]
    with serve(start, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            update = ask(telegram, port)
        finally:
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=PATIENCE)

    written = output.decode().splitlines()
    # uvicorn says two things before it asks the application anything
    log = [json.loads(line) for line in written if not re.match("INFO: +(Started|Waiting)", line)]
    [line] = [each for each in log if each["logger"] == "bot.logs.update_log"]
    assert line["update_id"] == update["update_id"]
    assert line["level"] == "INFO"
    assert line["outcome"] == "handled"
    assert line["ms"]["model"] > 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", line["time"])
    posted = [each for each in log if '"POST /webhook HTTP/1.1" 200' in each["message"]]
    assert len(posted) == (command == "uvicorn")
    assert b"garden" not in output


@pytest.mark.usefixtures("gemini")
def test_in_a_terminal_the_log_is_text(
    environment: pytest.MonkeyPatch, telegram: TelegramServer, migrated_sqlite_url: str
) -> None:
    """Who starts the bot by hand reads lines."""
    port = str(free_port())
    environment.setenv("LOG_FORMAT", "auto")
    environment.setenv("PORT", port)
    environment.setenv("DATABASE_URL", migrated_sqlite_url)
    ours, theirs = pty.openpty()
    try:
        with serve(["bot"], stdout=theirs, stderr=theirs) as process:
            try:
                ask(telegram, port)
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(PATIENCE)
        text = os.read(ours, 65536).decode()
    finally:
        os.close(ours)
        os.close(theirs)

    assert re.search(
        r"\d INFO bot\.logs\.update_log: Update \d+: message in chat 42 is handled, \d+ ms", text
    )


def test_a_secret_of_digits_breaks_no_line() -> None:
    """A short password that is a part of an id: the line is JSON, and the id a number."""
    factory = logging.getLogRecordFactory()
    record = logging.makeLogRecord({"msg": "x", "fields": {"chat_id": 91234, "ms": {"total": 1}}})
    try:
        configure_logging("INFO", ["1234"])
        line = json.loads(JsonFormatter().format(record))
    finally:
        logging.setLogRecordFactory(factory)

    assert (line["chat_id"], line["ms"]) == (91234, {"total": 1})


async def test_a_stopped_answer_says_so(
    door: Door, gemini: GeminiServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Whether a person or the model ended it is told."""
    gemini.hang(5, "Once upon a time")
    posting = asyncio.create_task(door.post(door.question("A story")))
    await door.telegram.wait_for(lambda: gemini.bodies)
    await door.send(text="/stop")
    await posting
    gemini.cut("Once upon", " a time")
    await door.say("Another")

    said = [line.split(" is ")[1].split(",")[0] for line in lines(caplog)]
    assert said == ["handled", "stopped", "broken off"]


async def test_an_end_of_the_process_is_told(
    door: Door, gemini: GeminiServer, caplog: pytest.LogCaptureFixture
) -> None:
    """An update that is cut off by a shutdown is not taken for one that nobody wanted."""
    gemini.hang(5)
    posting = asyncio.create_task(door.post(door.question("Hello")))
    await door.telegram.wait_for(lambda: gemini.bodies)

    posting.cancel()
    await asyncio.wait({posting})

    assert " is cancelled, " in lines(caplog)[-1]


def test_a_handler_without_a_formatter_gets_json() -> None:
    """The handler of Vercel's runtime writes a record's message, whatever the format is."""
    said: list[str] = []

    class Platform(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    root, factory = logging.getLogger(), logging.getLogRecordFactory()
    handlers, level = root.handlers, root.level
    root.handlers = [Platform()]
    try:
        configure_logging("INFO", ["hush-hush"], "json")
        extra = {"fields": {"chat_id": 42, "reason": "hush-hush"}}
        logging.getLogger("bot").info("It is %s", "hush-hush", extra=extra)
    finally:
        root.handlers = handlers
        root.setLevel(level)
        logging.setLogRecordFactory(factory)

    [line] = map(json.loads, said)
    assert (line["message"], line["level"], line["chat_id"]) == ("It is ***", "INFO", 42)
    assert line["reason"] == "***"


async def test_side_by_side_each_has_its_own_times(
    door: Door, gemini: GeminiServer, caplog: pytest.LogCaptureFixture
) -> None:
    """What one update waits for is not counted for another."""
    caplog.set_level(logging.INFO)
    gemini.answer("Late", delay=0)
    gemini.answer("Slow", " answer", delay=0.5)
    first, second = door.question("One"), door.question("Two", user_id=43)
    quick = asyncio.create_task(door.post(first))
    await door.telegram.wait_for(lambda: len(gemini.bodies) == 1)

    await asyncio.gather(quick, door.post(second))

    spent = {
        vars(record)["fields"]["chat_id"]: vars(record)["fields"]["ms"]["model"]
        for record in caplog.records
        if record.name.endswith("update_log")
    }
    assert spent[43] >= 500 > spent[42]
