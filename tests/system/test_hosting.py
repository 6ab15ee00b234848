"""What the pages in docs/, the Dockerfile and the unit promise, tried as they say it."""

import asyncio
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from sqlalchemy import make_url

from bot import backlog
from bot.__main__ import GRACE, USAGE_ERROR
from bot.connections import MOST_CONNECTIONS
from bot.sandbox.telegram import TelegramServer
from bot.settings import SECRET_HEADER, Settings, load_settings
from tests.support.door import OpenDoor
from tests.support.gemini_server import GeminiServer
from tests.support.messages import question
from tests.support.postgres import find_programs
from tests.support.processes import PATIENCE, ROOT, running
from tests.support.servers import free_port

WORKERS = 2
FROM_BUILD = "--from=build /app/"


def found(pattern: str, file: str) -> str:
    """Return the one place in a file of the repository that fits a pattern with one group."""
    [place] = re.findall(pattern, (ROOT / file).read_text(), re.MULTILINE)
    return str(place)


@pytest.mark.parametrize("command", [("-m", "bot"), ("-m", "uvicorn", "bot.app:app")], ids=str)
async def test_a_head_without_an_end_is_refused(
    environment: pytest.MonkeyPatch,
    telegram: TelegramServer,
    gemini: GeminiServer,
    sqlite_url: str,
    command: Sequence[str],
) -> None:
    """However much a stranger sends before any body begins, a server keeps little of it."""
    del telegram, gemini
    port = free_port()
    for name, value in {"DATABASE_URL": sqlite_url, "PORT": str(port)}.items():
        environment.setenv(name, value)
    arguments = ("--port", str(port)) if "uvicorn" in command else ()
    with running(*command, *arguments):
        writer = await connected(port)
        writer.write(b"POST /webhook HTTP/1.1\r\nHost: bot\r\nX-Long: ")
        with pytest.raises(ConnectionError):
            await pour(writer)
        writer.close()


async def connected(port: int) -> asyncio.StreamWriter:
    """Connect as soon as a server listens."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with suppress(ConnectionRefusedError):
                return (await asyncio.open_connection("127.0.0.1", port))[1]
            await asyncio.sleep(0.05)


async def pour(writer: asyncio.StreamWriter) -> None:
    """Send 20 MB."""
    for _ in range(20):
        writer.write(b"x" * 1024 * 1024)
        await writer.drain()


@pytest.mark.slow("starts servers as the docs say")
async def test_several_workers_answer_each_update_once(
    environment: pytest.MonkeyPatch,
    telegram: TelegramServer,
    gemini: GeminiServer,
    migrated_url: str,
) -> None:
    """The workers of docs/server.md share a database: an update that comes twice is answered once.

    They stop when they are told to.
    """
    environment.setenv("DATABASE_URL", migrated_url)
    flags = shlex.split(found(r"^ExecStart=\S+/uvicorn (.*)$", "docs/server.md"))
    port = str(free_port())
    command = ["-m", "uvicorn", *flags, "--workers", str(WORKERS), "--port", port]
    texts = [f"Message {number}" for number in range(10)]
    updates = [question(telegram, text, 42 + number % 4) for number, text in enumerate(texts)]
    # As Telegram's requests, they come to whichever worker takes the connection
    headers = {SECRET_HEADER: load_settings().webhook_secret or "", "Connection": "close"}

    with running(*command, servers=WORKERS) as log:
        async with httpx2.AsyncClient(headers=headers, timeout=PATIENCE) as client:
            responses = await asyncio.gather(
                *(
                    client.post(f"http://127.0.0.1:{port}/webhook", json=update)
                    for update in updates + updates
                )
            )

    assert [response.status_code for response in responses] == [200] * 20, log.read_text()
    answers = sorted(message["text"] for message in telegram.sent())
    assert answers == sorted(f"You said: {text}" for text in texts)
    assert len(gemini.bodies) == 10
    assert log.read_text().count("Finished server process") == WORKERS
    assert "Traceback" not in log.read_text()


def test_the_deploy_button_asks_for_what_is_needed() -> None:
    """One click asks for the two required settings and creates a PostgreSQL."""
    button = urlsplit(found(r"\[!\[Deploy with Vercel\]\([^)]*\)\]\((\S+)\)", "README.md"))
    query = {name: values[0] for name, values in parse_qs(button.query).items()}

    assert (button.scheme, button.netloc, button.path) == ("https", "vercel.com", "/new/clone")
    required = [name for name, field in Settings.model_fields.items() if field.is_required()]
    assert query["env"].lower().split(",") == required
    assert all(name in query["envDescription"] for name in ("@BotFather", "Gemini API key"))
    [store] = json.loads(query["stores"])
    assert (store["type"], store["protocol"], store["productSlug"]) == (
        "integration", "storage", "neon",
    )  # fmt: skip
    heading = query["envLink"].partition("#")[2].replace("-", " ")
    assert found(rf"(?i)^## ({heading})$", "README.md")
    assert query["envLink"].startswith(query["repository-url"] + "#")


def test_vercel_is_told_how_to_build_and_run() -> None:
    """The build sets everything up, and a function outlives the slowest answer."""
    told = json.loads((ROOT / "vercel.json").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]

    assert told["framework"] == "fastapi"
    assert told["buildCommand"] == "python -m bot setup"
    [(file, function)] = told["functions"].items()
    assert project["vercel"]["entrypoint"] == "bot.app:app"
    assert file == "bot/app.py"
    assert function["maxDuration"] == 300 > Settings.model_fields["answer_timeout"].default
    assert len(function["excludeFiles"]) <= 256
    assert {"builds", "routes", "rewrites"} & told.keys() == set()


def sqlite_backup(url: str, fresh_url: str) -> Callable[[], None]:
    """Copy a file as docs/backup.md does in Python; return what puts the copy into place."""
    file = Path(make_url(url).database or "")
    code = found(r'^python3 -c "(.*)"$', "docs/backup.md").replace("db.sqlite", file.name)
    subprocess.run([sys.executable, "-c", code], cwd=file.parent, check=True)  # noqa: S603 - our own interpreter

    def restore() -> None:
        shutil.move(file.parent / "copy.sqlite", make_url(fresh_url).database or "")

    return restore


def postgresql_backup(url: str, fresh_url: str) -> Callable[[], None]:
    """Dump a database as docs/backup.md does; return what loads the dump into another one."""
    run_as_written("pg_dump", url)
    return lambda: run_as_written("pg_restore", fresh_url)


def run_as_written(program: str, url: str) -> None:
    """Run the line of docs/backup.md that calls a program of PostgreSQL."""
    line = found(rf"^({program} .*)$", "docs/backup.md").replace("$DATABASE_URL", url)
    folder = find_programs() or Path()  # without one, the program is in the path
    arguments = shlex.split(line)[1:]
    subprocess.run([folder / program, *arguments], check=True)  # noqa: S603 - PostgreSQL's own program


@pytest.fixture
def fresh_url(migrated_url: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty database of the same kind as the one with our tables."""
    if migrated_url.startswith("sqlite"):
        return f"sqlite:///{tmp_path}/fresh.sqlite"
    url: str = request.getfixturevalue("postgresql_url")
    return url


@pytest.mark.slow("starts servers as the docs say")
async def test_a_backup_brings_the_conversation_back(
    opened: OpenDoor,
    telegram: TelegramServer,
    gemini: GeminiServer,
    migrated_url: str,
    fresh_url: str,
) -> None:
    """A copy that is made while the bot answers, restored elsewhere, holds what it was told."""
    back_up = sqlite_backup if migrated_url.startswith("sqlite") else postgresql_backup
    async with opened() as door:
        await door.say("My name is Ann")
        gemini.answer("One ", "moment", delay=4)  # longer than the copy takes
        asked = len(gemini.bodies)
        answering = asyncio.create_task(door.say("Say it slowly", 43))
        await telegram.wait_for(lambda: len(gemini.bodies) > asked)
        restore = await asyncio.to_thread(back_up, migrated_url, fresh_url)
        assert not answering.done()
        assert (await answering)["text"] == "One moment"
        await door.say("I was mistaken")
    await asyncio.to_thread(restore)

    async with opened(DATABASE_URL=fresh_url) as door:
        await door.say("What is my name?")

    contents = gemini.bodies[-1]["contents"]
    assert [part["text"] for content in contents for part in content["parts"]] == [
        "My name is Ann",
        "You said: My name is Ann",
        "What is my name?",
    ]


def copied(source: str) -> set[str]:
    """Return what the Dockerfile copies from the repository (""), or from another stage."""
    dockerfile = (ROOT / "Dockerfile").read_text()
    return set(re.findall(rf"^COPY {source}(\w\S*|\.venv) \S+$", dockerfile, re.MULTILINE))


@pytest.mark.slow("starts servers as the docs say")
def test_the_image_runs_and_knows_its_health(
    environment: pytest.MonkeyPatch, telegram: TelegramServer, gemini: GeminiServer, tmp_path: Path
) -> None:
    """The bot starts from no other files than the image has; the check fails for all but it."""
    del telegram
    image = tmp_path / "app"
    image.mkdir()
    for name in copied(FROM_BUILD) - {".venv"}:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, image / name)
    check = json.loads(found(r"^    CMD (\[.*\])$", "Dockerfile"))
    command = json.loads(found(r"^CMD (\[.*\])$", "Dockerfile"))
    assert check[0] == command[0] == "python"

    def health() -> int:
        done = subprocess.run([sys.executable, *check[1:]], capture_output=True, check=False)  # noqa: S603 - our own interpreter
        return done.returncode

    environment.setenv("PORT", str(free_port()))
    assert health() == 1
    with running(*command[1:], folder=image):
        assert health() == 0
    assert health() == 1
    somebody_else = make_url(os.environ["GOOGLE_GEMINI_BASE_URL"]).port
    environment.setenv("PORT", str(somebody_else))
    assert health() == 1
    assert gemini.requests == []


def test_the_image_has_all_that_was_built() -> None:
    """What is copied into the second stage is there, and nothing of the bot is left in the first.

    What .dockerignore hides cannot be copied.
    """
    shown = re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)

    assert copied("") == set(shown)
    assert copied(FROM_BUILD) == set(shown) - {"pyproject.toml"} | {".venv"}


def test_the_unit_fits_the_bot(
    environment: pytest.MonkeyPatch, telegram: TelegramServer, gemini: GeminiServer
) -> None:
    """The unit's command serves, may write its file, and is not repeated for a wrong setting."""
    del telegram, gemini
    unit = "docs/gemini-telegram-bot.service"
    folder = found(r"^WorkingDirectory=(.*)$", unit)
    program, *arguments = shlex.split(found(r"^ExecStart=(.*)$", unit))
    state = found(r"^StateDirectory=(.*)$", unit)

    assert program == f"{folder}/.venv/bin/python"
    assert found(r"^RestartPreventExitStatus=(.*)$", unit) == str(USAGE_ERROR)
    assert int(found(r"^LimitNOFILE=(\d+)$", unit)) >= 2 * MOST_CONNECTIONS
    database = make_url(found(r"^Environment=DATABASE_URL=(.*)$", unit)).database or ""
    assert Path(database).parent == Path("/var/lib") / state
    environment.setenv("PORT", port := str(free_port()))
    environment.setenv("DATABASE_URL", f"sqlite:///{Path('db.sqlite').absolute()}")
    with running(*arguments):
        assert httpx2.get(f"http://127.0.0.1:{port}/health").status_code == 200


@pytest.mark.parametrize(
    ("pattern", "file"),
    [
        (r"^TimeoutStopSec=(\d+)$", "docs/gemini-telegram-bot.service"),
        (r"^docker run .* --stop-timeout (\d+) \\\n.* -p ", "docs/docker.md"),
        (r"stop_grace_period: (\d+)s$", "docs/docker.md"),
    ],
)
def test_a_stop_leaves_time_for_the_answers(pattern: str, file: str) -> None:
    """Nobody kills the bot before its own time for what is in flight is over."""
    assert int(found(pattern, file)) > GRACE + backlog.GRACE
