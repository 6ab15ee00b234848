"""No secret comes out: not in a line of the log, a page, a repr, nor in what ends a process."""

import asyncio
import html
import json
import logging
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, quote_plus

import httpx2
import pytest
from sqlalchemy import make_url

from bot.app import app
from bot.logs.redaction import redact
from bot.runtime import Runtime
from bot.sandbox.faults import Drop, Fault, HtmlError, Refuse, ServerError
from bot.sandbox.telegram import TelegramServer
from bot.settings import SECRET_HEADER, SettingsError
from tests.support.credentials import KEY, TOKEN
from tests.support.door import Door, open_door
from tests.support.gemini_server import GeminiServer
from tests.support.messages import question
from tests.support.postgres import LOCKED_ROLE, Postgres, open_cluster
from tests.support.processes import PATIENCE, ROOT
from tests.support.servers import free_port
from tests.support.weather_server import Fault as WeatherFault
from tests.support.weather_server import WeatherServer

PASSWORD = "p@ss w'ö\"rd/%x&+:?#"
WEBHOOK_SECRET = "made-up-webhook-secret"
WEATHER_KEY = "made-up-weather-key"
SECRETS = [TOKEN, KEY, WEBHOOK_SECRET, WEATHER_KEY, PASSWORD, TOKEN.partition(":")[2]]
SPELLINGS: list[Callable[[str], str]] = [
    str,
    quote,
    quote_plus,
    lambda text: quote(text, safe=""),
    lambda text: quote(text, safe=" +"),
    lambda text: repr(text)[1:-1],
    lambda text: json.dumps(text)[1:-1],
    html.escape,
]


def found(text: str) -> list[str]:
    """Return the secrets that are in a text, in any spelling."""
    return [secret for secret in SECRETS if any(spell(secret) in text for spell in SPELLINGS)]


def database(url: str, user: str = "locked") -> str:
    """Return the URL of a PostgreSQL database with an odd password."""
    return make_url(url).set(username=user, password=PASSWORD).render_as_string(False)


@pytest.fixture(autouse=True)
def secrets(environment: pytest.MonkeyPatch) -> Iterator[None]:
    """Set every secret that there is."""
    environment.setenv("TELEGRAM_WEBHOOK_SECRET", WEBHOOK_SECRET)
    environment.setenv("LOG_LEVEL", "DEBUG")
    environment.setenv("WEBHOOK_URL", f"https://ann:{WEBHOOK_SECRET}@bot.example.com")
    environment.setattr("bot.telegram.client.PAUSES", (0.01, 0.01), raising=False)
    factory = logging.getLogRecordFactory()
    yield
    logging.setLogRecordFactory(factory)


class Output:
    """Everything that came out, gathered while a test runs."""

    def __init__(self, log: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
        self._log = log
        self._capfd = capfd
        self.answers: list[str] = []

    def text(self) -> str:
        """Return the log, standard output and error, and the answers."""
        records = [f"{vars(record)}" for record in self._log.records]
        return "\n".join([self._log.text, *records, *self._capfd.readouterr(), *self.answers])

    def keep(self, response: httpx2.Response) -> int:
        """Keep an answer; return its status."""
        self.answers.append(f"{response.headers} {response.text}")
        return response.status_code


@pytest.fixture
def output(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> Iterator[Output]:
    """Gather at every level, and look for secrets at the end."""
    caplog.set_level(logging.DEBUG)
    output = Output(caplog, capfd)
    yield output
    assert found(output.text()) == []


TELEGRAM_FAULTS: list[Fault] = [
    Refuse(401, "Unauthorized"),
    Refuse(404, "Not Found"),
    Refuse(400, f"Bad Request: wrong url https://x/bot{TOKEN}/ '{WEBHOOK_SECRET}'"),
    Refuse(403, f"Forbidden: {TOKEN}"),
    ServerError(502),
    HtmlError(502, f"<html>{TOKEN} {quote(TOKEN, safe='')}</html>".encode()),
    HtmlError(200, b"\xff\xfe"),
    Drop(before=True),
]


async def test_telegram_fails(
    environment: pytest.MonkeyPatch,
    telegram: TelegramServer,
    gemini: GeminiServer,
    migrated_sqlite_url: str,
    output: Output,
) -> None:
    """Whatever Telegram or a proxy before it answers, to each method and to a download."""
    del gemini
    environment.setenv("DATABASE_URL", migrated_sqlite_url)
    async with open_door(telegram) as door:
        for number, fault in enumerate(TELEGRAM_FAULTS):
            for method in ("sendMessage", "getFile", "file"):
                await _ask_with_a_photo(door, output, fault, method, user_id=100 + number)


async def _ask_with_a_photo(
    door: Door, output: Output, fault: Fault, method: str, user_id: int
) -> None:
    telegram = door.telegram
    telegram.faults.add(fault, method=method)
    person = telegram.person(user_id)
    chat = telegram.private_chat(person)
    update = telegram.message(chat, person, photo=b"\xff\xd8")
    assert output.keep(await door.post(update)) in {200, 503}
    telegram.faults.clear()


async def test_nobody_is_there(
    environment: pytest.MonkeyPatch, telegram: TelegramServer, output: Output, sqlite_url: str
) -> None:
    """Neither Telegram nor Gemini listens."""
    nowhere = f"http://127.0.0.1:{free_port()}"
    environment.setenv("GOOGLE_GEMINI_BASE_URL", nowhere)
    environment.setenv("TELEGRAM_API_BASE_URL", nowhere)
    environment.setenv("DATABASE_URL", sqlite_url)
    async with open_door(telegram) as door:
        update = question(telegram, "Hello")
        with suppress(TimeoutError):  # it is tried until the answer's time is over
            async with asyncio.timeout(2):
                output.keep(await door.post(update))


async def test_gemini_fails(
    environment: pytest.MonkeyPatch,
    telegram: TelegramServer,
    gemini: GeminiServer,
    migrated_sqlite_url: str,
    output: Output,
) -> None:
    """Whatever Gemini says, quoting the key, in each way to say it."""
    environment.setenv("DATABASE_URL", migrated_sqlite_url)
    quoted = f"Consumer 'api_key:{KEY}' and {quote(PASSWORD)}"
    faults: list[Callable[[], None]] = [
        *(lambda code=code: gemini.refuse(code, message=quoted) for code in (400, 401, 403, 404)),
        lambda: gemini.refuse(429, message=quoted, headers={"Retry-After": "60"}),
        lambda: gemini.refuse(503, message=quoted, headers={"Retry-After": "60"}),
        lambda: gemini.refuse(529, message=quoted),
        lambda: gemini.payloads({"candidates": [{"content": quoted}]}),
        lambda: gemini.payloads({"error": quoted}),
        lambda: gemini.garbage(f"data: {quoted}\r\n\r\n".encode()),
        lambda: gemini.refuse_midway("Once", code=500, message=quoted),
        gemini.block,
        lambda: gemini.cut("Once"),
    ]
    async with open_door(telegram) as door:
        for number, fault in enumerate(faults):
            fault()
            output.answers += [m["text"] for m in await door.send(200 + number, text="Hello")]
            gemini.forget()


@pytest.mark.parametrize("status", [0, 200, 302, 401, 500])
async def test_the_weather_fails(
    environment: pytest.MonkeyPatch,
    telegram: TelegramServer,
    gemini: GeminiServer,
    weather: WeatherServer,
    migrated_sqlite_url: str,
    output: Output,
    status: int,
) -> None:
    """The weather's key is in its URLs."""
    environment.setenv("DATABASE_URL", migrated_sqlite_url)
    where = {"Location": f"http://127.0.0.1:{free_port()}/?appid={WEATHER_KEY}"}
    weather.fault = WeatherFault(status, WEATHER_KEY.encode(), headers=where)
    gemini.call("get_current_weather", {"city": "Rome"})
    async with open_door(telegram) as door:
        output.answers += [m["text"] for m in await door.send(text="How is the weather?")]

    assert weather.requests
    # What the model is told of it goes to Google
    assert WEATHER_KEY not in json.dumps(gemini.bodies[-1])


async def test_the_database_fails(
    environment: pytest.MonkeyPatch,
    telegram: TelegramServer,
    gemini: GeminiServer,
    output: Output,
) -> None:
    """A password that is refused, a server that goes while it is needed, and one that is gone."""
    del gemini
    with open_cluster() as cluster:
        environment.setenv("DATABASE_URL", database(cluster.url, LOCKED_ROLE))
        async with open_door(telegram) as door:  # the role is not even there
            assert output.keep(await door.post({"update_id": 1, "message": _hello()})) == 503
        environment.setenv("DATABASE_URL", database(cluster.url, "postgres"))
        async with open_door(telegram) as door:
            await door.say("Hello")
            asking = asyncio.create_task(door.post({"update_id": 3, "message": _hello()}))
            await asyncio.to_thread(cluster.stop)
            output.keep(await asking)
            assert output.keep(await door.post({"update_id": 4, "message": _hello()})) == 503


def _hello() -> dict[str, object]:
    person = {"id": 42, "is_bot": False, "first_name": "Ann"}
    chat = {"id": 42, "type": "private"}
    return {"message_id": 1, "date": 1, "chat": chat, "from": person, "text": "Hello"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TELEGRAM_BOT_TOKEN", f"bot {TOKEN}"),
        ("GEMINI_API_KEY", f"{KEY} ö"),
        ("TELEGRAM_WEBHOOK_SECRET", f"{WEBHOOK_SECRET}!"),
        ("DATABASE_URL", f"mysql://ann:{quote(PASSWORD, safe='')}@localhost/bot"),
        ("DATABASE_URL", PASSWORD),
        ("DATABASE_URL", f"postgresql://ann:{quote(PASSWORD)}@localhost/bot?sslmode=x"),
        ("TELEGRAM_API_BASE_URL", f"ftp://ann:{quote(PASSWORD)}@localhost"),
        ("WEBHOOK_URL", f"http://ann:{quote(PASSWORD)}@localhost/{TOKEN}"),
        ("PORT", TOKEN),
    ],
)
async def test_settings_are_wrong(
    environment: pytest.MonkeyPatch, output: Output, name: str, value: str
) -> None:
    """What is wrong is named, in the log and in the error, and not quoted."""
    environment.setenv(name, value)

    with pytest.raises(SettingsError) as caught:
        async with app.router.lifespan_context(app):
            pass

    output.answers += [str(caught.value), repr(caught.value), *_raw(caught.value)]
    assert name in str(caught.value)


def _raw(error: BaseException) -> list[str]:
    """Return what Python itself would print of an error and its causes."""
    return traceback.format_exception(error)


@pytest.mark.usefixtures("telegram", "gemini", "weather")
async def test_nothing_that_lives_shows_a_secret(
    environment: pytest.MonkeyPatch, postgresql_url: str, output: Output
) -> None:
    """The repr of the runtime and of all its parts."""
    environment.setenv("DATABASE_URL", database(postgresql_url, "postgres"))
    async with app.router.lifespan_context(app) as state:
        runtime: Runtime = (state or {})["runtime"]
        parts = [getattr(runtime, name) for name in Runtime.__slots__]
        parts += [runtime.bot.session, runtime.schema, runtime.sessions.kw.get("bind")]
        texts = [f"{part!r} {part}" for part in (runtime, *parts)]
        shown = [text for text in texts if "ann:" not in text]

    output.answers += shown
    assert len(shown) >= len(texts) - 2  # the settings may hold addresses: see redact
    assert found(redact("\n".join(texts))) == []


async def test_what_nobody_caught(
    environment: pytest.MonkeyPatch,
    telegram: TelegramServer,
    migrated_sqlite_url: str,
    output: Output,
) -> None:
    """Tasks, callbacks, threads, warnings and hooks put no secret out."""
    environment.setenv("DATABASE_URL", migrated_sqlite_url)
    secret = f"https://api.telegram.org/bot{quote(TOKEN, safe='')}/getMe {WEBHOOK_SECRET} {KEY}"

    def fail() -> None:
        raise RuntimeError(secret)

    async def fail_later() -> None:
        fail()

    async with open_door(telegram):
        loop = asyncio.get_running_loop()
        loop.call_soon(fail)
        task = asyncio.create_task(fail_later())
        await asyncio.sleep(0.01)
        loop.call_exception_handler({"message": secret, "future": task})
        try:
            fail()
        except RuntimeError as error:
            sys.excepthook(type(error), error, error.__traceback__)
        with suppress(RuntimeError):
            task.result()

    assert "Nobody caught this: RuntimeError" in output._log.text  # noqa: SLF001 - our own


BROKEN = """
import os
raise RuntimeError("cannot work with " + os.environ["TELEGRAM_BOT_TOKEN"])
"""


def run(*arguments: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a Python command to its end."""
    return subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, *arguments],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, filter(None, [path, ROOT])))},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_a_command_that_breaks(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is unexpected ends `python -m bot` with status 1, a line and frames, no traceback."""
    del environment
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "uvicorn.py").write_text(BROKEN)

    done = run("-m", "bot", path=broken)

    assert done.returncode == 1
    assert done.stdout == ""
    first, *frames = done.stderr.splitlines()
    assert "CRITICAL" in first
    assert first.endswith("RuntimeError")
    assert all(line.startswith("  ") for line in frames)
    assert "uvicorn.py" in frames[-2]
    assert found(done.stderr) == []


@pytest.mark.slow("starts processes")
def test_a_server_that_cannot_start(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where the lifespan fails uvicorn writes the traceback, and leaves the secrets out."""
    environment.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/db.sqlite")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "aiosqlite.py").write_text(BROKEN)

    done = run("-m", "uvicorn", "bot.app:app", "--port", str(free_port()), path=broken)

    assert done.returncode != 0
    assert "cannot work with ***" in done.stderr
    assert found(done.stdout + done.stderr) == []


HOOKS = """
import asyncio, os, threading, warnings
from bot.logs.configure import configure_logging
from bot.settings import load_settings

settings = load_settings()
configure_logging(settings.log_level, settings.secrets)
url = f"https://api.telegram.org/bot{os.environ['TELEGRAM_BOT_TOKEN']}/getMe"
warnings.warn(url, ResourceWarning)
warnings.warn(url)

class Broken:
    def __del__(self):
        raise RuntimeError(url)

def fail():
    raise RuntimeError(url)

Broken()
thread = threading.Thread(target=fail)
thread.start()
thread.join()

async def main():
    task = asyncio.create_task(asyncio.to_thread(fail))
    await asyncio.wait({task})
    del task

asyncio.run(main(), debug=True)
try:
    fail()
except RuntimeError as error:
    raise KeyError(url) from error
"""


def test_what_python_itself_writes(environment: pytest.MonkeyPatch) -> None:
    """Warnings, threads, destructors, tasks and the end of the process."""
    del environment

    done = run("-c", HOOKS)

    assert done.returncode == 1
    assert done.stdout == ""
    for words in ("UserWarning", "in a thread", "could catch", "Task exception", "caught this: K"):
        assert words in done.stderr
    assert found(done.stderr) == []


@pytest.mark.slow("starts processes")
def test_a_server_in_trouble(
    environment: pytest.MonkeyPatch,
    telegram: TelegramServer,
    gemini: GeminiServer,
    postgres_server: Postgres,
) -> None:
    """A real server whose requests, Telegram and database all go wrong, until it is stopped."""
    del gemini
    url = postgres_server.create_database()
    environment.setenv("DATABASE_URL", database(url, "postgres"))
    port = free_port()
    telegram.faults.add(HtmlError(502, TOKEN.encode()), times=3)
    with subprocess.Popen(  # noqa: S603 - our own interpreter
        # uvicorn's own command has an access log, too
        [sys.executable, "-m", "uvicorn", "bot.app:app", "--port", str(port)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            answers = _trouble(f"http://127.0.0.1:{port}")
            postgres_server.drop_database(url)
            answers += _trouble(f"http://127.0.0.1:{port}")
        finally:
            process.send_signal(signal.SIGTERM)
            log, _ = process.communicate(timeout=PATIENCE)

    assert found(log + "".join(answers)) == []
    assert "Traceback" not in log
    assert "GET /bot***/getMe" in log
    assert "message in chat 42 is delayed (" in log


def _trouble(base_url: str) -> list[str]:
    right = {SECRET_HEADER: WEBHOOK_SECRET}
    with httpx2.Client(base_url=base_url, timeout=30) as client:
        _wait(client)
        answers = [
            client.get(f"/bot{TOKEN}/getMe"),
            client.get(f"/bot{quote(TOKEN, safe='')}/x?{quote(PASSWORD)}={WEBHOOK_SECRET}"),
            client.post("/webhook", content=b"{", headers=right),
            client.post("/webhook", content=b"{", headers={SECRET_HEADER: WEBHOOK_SECRET[:-1]}),
            client.post("/webhook", json={"update_id": 1, "message": _hello()}, headers=right),
        ]
    return [f"{answer.headers} {answer.text}" for answer in answers]


def _wait(client: httpx2.Client) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with suppress(httpx2.TransportError):
            client.get("/health")
            return
        time.sleep(0.05)
    raise TimeoutError("nobody listens")
