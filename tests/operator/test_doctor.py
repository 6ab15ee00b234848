"""`python -m bot doctor`: each fault that is planted is found, with its mend."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn
from aiohttp import web
from sqlalchemy import make_url

from bot import BOT_HEADER, NAME
from bot.__main__ import main
from bot.operator import doctor
from bot.operator.doctor.findings import Finding
from bot.sandbox.faults import HtmlError, Refuse
from bot.sandbox.telegram import TelegramServer
from bot.settings import WHERE_TO_GET_IT, load_settings
from db.migrate import migrate
from db.schema import HEAD
from tests.support.credentials import KEY, TOKEN
from tests.support.former_databases import FIRST
from tests.support.gemini_failures import overloaded, quota_exhausted, rate_limited
from tests.support.gemini_server import GeminiServer
from tests.support.pgbouncer import find_pgbouncer, open_pooler
from tests.support.postgres import LOCKED_ROLE, execute, in_own_loop
from tests.support.servers import free_port, serve
from tests.support.weather_server import WeatherServer

ANN = "7"


@pytest.fixture(autouse=True)
def patient(environment: pytest.MonkeyPatch, migrated_sqlite_url: str) -> None:
    """Start from settings that leave nothing to say."""
    environment.setattr("bot.telegram.client.PAUSES", ())
    environment.setenv("DATABASE_URL", migrated_sqlite_url)
    environment.setenv("ALLOWED_USER_IDS", ANN)
    environment.setenv("ADMIN_USER_IDS", ANN)


@pytest.fixture(autouse=True)
def acquainted(telegram: TelegramServer) -> None:
    """Let the admin have written to the bot."""
    telegram.private_chat(telegram.person(int(ANN)))


@dataclass
class Plant:
    """What a test may break."""

    environment: pytest.MonkeyPatch
    telegram: TelegramServer
    gemini: GeminiServer
    postgresql_url: str

    def set(self, **variables: str) -> None:
        """Set variables; `{...}` stands for parts of the PostgreSQL address."""
        url = make_url(self.postgresql_url)
        for name, value in variables.items():
            parts = {"port": url.port, "base": url.database, "closed": free_port()}
            self.environment.setenv(name, value.format(**parts))


@pytest.fixture
def plant(
    environment: pytest.MonkeyPatch,
    telegram: TelegramServer,
    gemini: GeminiServer,
    postgresql_url: str,
) -> Plant:
    """Give the servers that the bot talks with."""
    return Plant(environment, telegram, gemini, postgresql_url)


Json = dict[str, Any]
Report = Callable[[], tuple[int, list[Json]]]


@pytest.fixture
def report(capsys: pytest.CaptureFixture[str]) -> Report:
    """Return a function that asks the doctor, for the status and the findings."""

    def ask() -> tuple[int, list[Json]]:
        capsys.readouterr()
        status = main(["doctor", "--json"])
        output = capsys.readouterr()
        shown = output.out + output.err
        assert [secret for secret in (TOKEN, KEY, "hush") if secret in shown] == []
        said = json.loads(output.out)
        assert said["ok"] is (status == 0)
        return status, said["findings"]

    return ask


@pytest.fixture
def deployed(plant: Plant) -> Iterator[str]:
    """Run the bot behind its webhook, set up; yield the address."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/webhook"
    plant.set(WEBHOOK_URL=url)
    assert main(["setup"]) == 0
    from bot.app import app

    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until = time.monotonic() + 20
        while not server.started and time.monotonic() < until:
            time.sleep(0.02)
        yield url
    finally:
        server.should_exit = True
        thread.join()


def test_all_is_well(
    deployed: str, plant: Plant, report: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 0, nothing to mend, no secret; each thing that was looked at is named."""
    status, findings = report()

    assert status == 0
    assert [finding for finding in findings if finding["status"] != "ok"] == []
    said: dict[str, list[str]] = {finding["check"]: [] for finding in findings}
    for finding in findings:
        said[finding["check"]].append(finding["text"])
    assert list(said) == ["settings", "token", "webhook", "database", "gemini", "tools", "clock"]
    assert said["token"] == [
        "@test_bot (Test Bot)",
        (
            "in groups the bot sees commands, mentions and replies (privacy mode is on); topics"
            " in private chats are off"
        ),
    ]
    assert said["webhook"] == [
        deployed,
        "the bot answers there, and to our secret",
        "0 updates wait",
    ]
    assert said["database"][0].startswith("SQLite, ")
    assert said["gemini"][0].startswith("gemini-3.5-flash-lite answers, first words after 0.")
    assert main(["doctor"]) == 0
    printed = capsys.readouterr().out
    assert printed.endswith("All is well.\n")
    assert f"ok    webhook   {deployed}\n" in printed
    assert [secret for secret in (TOKEN, KEY, plant.telegram.webhook["secret_token"])
            if secret in printed] == []  # fmt: skip


def test_it_takes_seconds(deployed: str, report: Report) -> None:
    """All is looked at side by side."""
    del deployed
    started = time.monotonic()
    report()

    assert time.monotonic() - started < 10


def empty(plant: Plant) -> None:
    """Name a database without tables."""
    plant.set(DATABASE_URL="postgresql://postgres@127.0.0.1:{port}/{base}")


def at_revision(plant: Plant, revision: str) -> None:
    """Name a database that another version of the bot has left."""
    empty(plant)
    execute(
        plant.postgresql_url,
        "CREATE TABLE alembic_version (version_num VARCHAR(32))",
        f"INSERT INTO alembic_version VALUES ('{revision}')",
    )


def behind(plant: Plant) -> None:
    """Leave the database at an older revision, where nobody migrates in passing."""
    at_revision(plant, FIRST)
    plant.set(VERCEL="1")


def newer(plant: Plant) -> None:
    """Let a later bot have migrated the database."""
    at_revision(plant, "of_tomorrow")


def locked(plant: Plant) -> None:
    """Say a wrong password; that there is no such role is not told to strangers."""
    address = f"postgresql://{LOCKED_ROLE}:hush-hush@127.0.0.1:{{port}}/{{base}}"
    plant.set(DATABASE_URL=address)


def changed(*statements: str) -> Callable[[Plant], None]:
    """Name a database of this bot that somebody has changed since."""

    def change(plant: Plant) -> None:
        empty(plant)
        in_own_loop(migrate, plant.postgresql_url)
        execute(plant.postgresql_url, *statements)

    return change


def powerless(plant: Plant) -> None:
    """Have a role that may know the revision, and read the rest."""
    changed(
        "DROP ROLE IF EXISTS powerless",
        "CREATE ROLE powerless LOGIN",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO powerless",
    )(plant)
    plant.set(DATABASE_URL="postgresql://powerless@127.0.0.1:{port}/{base}")


def read_only(plant: Plant) -> None:
    """Name a database that takes no changes."""
    changed()(plant)
    name = make_url(plant.postgresql_url).database
    execute(
        plant.postgresql_url, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'
    )


def setting(**variables: str) -> Callable[[Plant], None]:
    """Set variables."""
    return lambda plant: plant.set(**variables)


def no_token(plant: Plant) -> None:
    """Leave the token out."""
    plant.environment.delenv("TELEGRAM_BOT_TOKEN")


def refused(code: int) -> Callable[[Plant], None]:
    """Let Telegram refuse the token."""
    return lambda plant: plant.telegram.faults.add(
        Refuse(code, "Refused"), method="getMe", times=None
    )


def away(plant: Plant) -> None:
    """Let a proxy answer in Telegram's place."""
    plant.telegram.faults.add(HtmlError(502), times=None)


def model_gone(plant: Plant) -> None:
    """Let Google know no model of that name."""
    plant.gemini.models.discard("gemini-3.5-flash-lite")


def open_to_all(plant: Plant) -> None:
    """Let everybody in."""
    plant.environment.delenv("ALLOWED_USER_IDS")


def nobody_to_tell(plant: Plant) -> None:
    """Name no admin."""
    plant.environment.delenv("ADMIN_USER_IDS")


def by(fault: Callable[[GeminiServer], None]) -> Callable[[Plant], None]:
    """Let Gemini fail."""
    return lambda plant: fault(plant.gemini)


BOTFATHER = "create a bot with @BotFather"
NO_SQLITE = "SQLite's file does not last on a serverless host. On Vercel add one under Storage"
FAULTS: dict[str, tuple[Callable[[Plant], None], str, str, str, str]] = {
    "no token": (no_token, "settings", "failure", "TELEGRAM_BOT_TOKEN is missing", BOTFATHER),
    "odd token": (
        setting(TELEGRAM_BOT_TOKEN="hush"),
        "settings",
        "failure",
        "TELEGRAM_BOT_TOKEN does not look like a bot token",
        BOTFATHER,
    ),
    "no number": (
        setting(MAX_HISTORY_MESSAGES="many"),
        "settings",
        "failure",
        "MAX_HISTORY_MESSAGES is wrong",
        "set a whole number, 0 for no history",
    ),
    "another database": (
        setting(DATABASE_URL="mysql://ann:hush@localhost/bot"),
        "settings",
        "failure",
        "DATABASE_URL is wrong",
        "set SQLALCHEMY_DATABASE_URI or DATABASE_URL",
    ),
    "SQLite on Vercel": (
        setting(VERCEL="1"),
        "settings",
        "failure",
        "DATABASE_URL must name a PostgreSQL",
        NO_SQLITE,
    ),
    "everyone": (
        open_to_all,
        "settings",
        "warning",
        "Everyone may use this bot, on your key",
        "set ALLOWED_USER_IDS or ALLOWED_CHAT_IDS",
    ),
    "nobody to tell": (
        nobody_to_tell,
        "settings",
        "warning",
        "Nobody is told when answers begin to fail",
        "set ADMIN_USER_IDS",
    ),
    "no secret check": (
        setting(ENABLE_SECURE_WEBHOOK_TOKEN="false"),
        "settings",
        "warning",
        "ENABLE_SECURE_WEBHOOK_TOKEN is off",
        "leave it out",
    ),
    "token refused": (
        refused(401),
        "token",
        "failure",
        "TELEGRAM_BOT_TOKEN is refused by Telegram",
        BOTFATHER,
    ),
    "Telegram away": (
        away,
        "token",
        "failure",
        "Telegram cannot be reached at TELEGRAM_API_BASE_URL",
        "check the address",
    ),
    "no webhook": (
        setting(WEBHOOK_URL="https://bot.example.com"),
        "webhook",
        "failure",
        "Telegram knows no webhook of this bot",
        "run `python -m bot setup`",
    ),
    "no webhook wanted": (
        lambda _: None,
        "webhook",
        "warning",
        "There is none: the bot answers while `python -m bot --polling` runs",
        "set WEBHOOK_URL to the bot's public address",
    ),
    "database password": (
        locked,
        "database",
        "failure",
        "DATABASE_URL leads to no database (InvalidPasswordError)",
        "check the user and the password",
    ),
    "database port": (
        setting(DATABASE_URL="postgresql://postgres@127.0.0.1:{closed}/bot"),
        "database",
        "failure",
        "DATABASE_URL leads to no database (ConnectionRefusedError)",
        "check host and port",
    ),
    "database host": (
        setting(DATABASE_URL="postgresql://postgres@bot.invalid/bot"),
        "database",
        "failure",
        "DATABASE_URL leads to no database (gaierror)",
        "check the host in it",
    ),
    "database name": (
        setting(DATABASE_URL="postgresql://postgres@127.0.0.1:{port}/nothing"),
        "database",
        "failure",
        "DATABASE_URL leads to no database (InvalidCatalogNameError)",
        "check the name at its end",
    ),
    "database empty": (
        empty,
        "database",
        "warning",
        "The database is empty",
        "nothing: the bot brings it up to date when it starts",
    ),
    "database behind on Vercel": (
        behind,
        "database",
        "failure",
        f"The database is older than this bot (revision {FIRST}, not {HEAD})",
        "run `python -m bot setup`",
    ),
    "no database file": (
        setting(DATABASE_URL="sqlite:///nothing.sqlite"),
        "database",
        "warning",
        "There is no nothing.sqlite yet",
        "nothing: the bot brings it up to date when it starts",
    ),
    "admin unknown": (
        setting(ADMIN_USER_IDS="7,4711"),
        "settings",
        "warning",
        "Admin 4711 cannot be told when answers fail",
        "write /start to the bot once, from that account",
    ),
    "database in the middle of a restore": (
        changed("ALTER TABLE chat_message RENAME TO gone"),
        "database",
        "failure",
        "The database of DATABASE_URL refuses its work (UndefinedTableError)",
        "a table or a column is missing: wait for the end of the restore",
    ),
    "database without a right": (
        powerless,
        "database",
        "failure",
        "The database of DATABASE_URL refuses its work (InsufficientPrivilegeError)",
        "grant its user all rights to its tables",
    ),
    "database read-only": (
        read_only,
        "database",
        "failure",
        "DATABASE_URL leads to no database (ReadOnlySQLTransactionError)",
        "its server takes no changes",
    ),
    "database newer": (
        newer,
        "database",
        "warning",
        "The database is newer than this bot (revision of_tomorrow)",
        "update the bot",
    ),
    "no certificate": (
        setting(DATABASE_URL="postgresql://h/b?sslmode=verify-full&sslrootcert=/etc/hostname"),
        "database",
        "failure",
        "DATABASE_URL is wrong: sslrootcert is not a certificate file",
        "mend it",
    ),
    "key refused": (
        setting(GEMINI_API_KEY="another-key-hush"),
        "gemini",
        "failure",
        "GEMINI_API_KEY is refused at GOOGLE_GEMINI_BASE_URL, http://127.0.0.1:",
        "set a key of that server",
    ),
    "model unknown": (
        model_gone,
        "gemini",
        "failure",
        "GEMINI_MODEL_NAME is unknown (gemini-3.5-flash-lite) at GOOGLE_GEMINI_BASE_URL",
        "set a name that this server knows",
    ),
    "model retired": (
        setting(GEMINI_MODEL_NAME="gemini-2.5-pro"),
        "gemini",
        "warning",
        "gemini-2.5-pro is retired",
        "set GEMINI_MODEL_NAME=gemini-3.8-flash",
    ),
    "quota": (
        by(quota_exhausted),
        "gemini",
        "failure",
        "Today's quota of GEMINI_API_KEY is used up",
        "wait until tomorrow, or raise it there",
    ),
    "rate": (
        by(rate_limited),
        "gemini",
        "failure",
        "The requests of GEMINI_API_KEY are limited at the moment at GOOGLE_GEMINI_BASE_URL",
        "wait a minute",
    ),
    "overload": (
        by(overloaded),
        "gemini",
        "failure",
        "Gemini is overloaded at the moment",
        "set another GEMINI_MODEL_NAME",
    ),
    "Gemini away": (
        setting(GOOGLE_GEMINI_BASE_URL="http://127.0.0.1:{closed}"),
        "gemini",
        "failure",
        "at GOOGLE_GEMINI_BASE_URL, http://127.0.0.1:",
        "check that the address does not end in a version such as v1beta",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found(plant: Plant, report: Report, name: str) -> None:
    """It is named with the right mend; a warning alone is no failure; nothing secret is said."""
    cause, check, kind, what, mend = FAULTS[name]
    cause(plant)

    status, findings = report()

    named = [each for each in findings if each["check"] == check and what in each["text"]]
    assert len(named) == 1, findings
    assert named[0]["status"] == kind
    assert mend in named[0]["mend"]
    assert status == (kind == "failure")
    unexpected = [each for each in findings if each["status"] == "failure" and each not in named]
    assert unexpected == []


@contextmanager
def host(
    status: int, body: str = "", path: str = "/webhook", *, is_bot: bool = False
) -> Iterator[str]:
    """Serve what stands in the bot's place, or in front of it."""

    async def answer(_: web.Request) -> web.Response:
        headers = {"Location": "https://www.example.com"} if status // 100 == 3 else {}
        headers |= {BOT_HEADER: NAME} if is_bot else {}
        return web.Response(status=status, text=body, content_type="text/html", headers=headers)

    application = web.Application()
    application.router.add_post(path, answer)
    with serve(application) as url:
        yield url


WEBHOOK_ANSWERS: dict[str, tuple[int, bool, str, str]] = {
    "protection": (
        401,
        False,
        "The host's protection answers 401 before the bot is asked",
        "turn it off for production (on Vercel: Settings, Deployment Protection)",
    ),
    "other secret": (
        401,
        True,
        "The bot at the address has another secret than these settings",
        "use one TELEGRAM_BOT_TOKEN and one TELEGRAM_WEBHOOK_SECRET for both",
    ),
    "wrong path": (
        404,
        False,
        "Nothing of the bot's is at this path of the address (404)",
        "set WEBHOOK_URL to the bot's address, which ends in /webhook",
    ),
    "redirect": (308, False, "The address leads on to another one", "set WEBHOOK_URL to the last"),
    "firewall": (403, False, "A firewall or proxy refuses requests", "let POST requests to"),
    "not migrated": (503, False, "The bot asks for its updates again later", "the bot's log"),
    "does not start": (500, False, "The bot does not start, or the proxy", "read the host's log"),
    "somebody else": (200, False, "Somebody else answers at the address", "set WEBHOOK_URL to"),
}


@pytest.mark.parametrize("name", WEBHOOK_ANSWERS)
def test_what_stands_in_the_way_of_the_webhook_is_found(
    plant: Plant, report: Report, name: str
) -> None:
    """The doctor knocks at the address itself, and says what it means."""
    code, is_bot, what, mend = WEBHOOK_ANSWERS[name]
    with host(code, "<html>Authentication Required</html>", is_bot=is_bot) as url:
        plant.set(WEBHOOK_URL=url)
        assert main(["setup"]) == 0

        status, findings = report()

    [found] = [each for each in findings if each["status"] == "failure"]
    assert found["check"] == "webhook"
    assert what in found["text"]
    assert mend in found["mend"]
    assert status == 1


DELIVERIES: dict[str, tuple[str, str, str]] = {
    "refused": ("Connection refused", "Nobody listens at the address", "start the bot"),
    "unknown host": (
        "Failed to resolve host: Name or service not known",
        "names a host",
        "domain",
    ),
    "TLS": (
        "SSL error {error:0A000086:SSL routines::certificate verify failed}",
        "has no certificate that Telegram trusts",
        "renew it with its whole chain",
    ),
    "private": ("IP address 10.0.0.1 is reserved", "inside a private network", "public address"),
    "slow": ("Read timeout expired", "takes more than a minute to answer", "read its log"),
    "too large": (
        "Wrong response from the webhook: 413 Request Entity Too Large",
        "refuses large requests",
        "client_max_body_size",
    ),
    "odd": ("Something of tomorrow", "Telegram cannot deliver", "read the host's log"),
}


@pytest.mark.parametrize("name", DELIVERIES)
def test_what_telegram_met_is_explained(
    deployed: str, plant: Plant, report: Report, name: str
) -> None:
    """The last failed delivery is told with its mend, for as long as it is news."""
    del deployed
    message, what, mend = DELIVERIES[name]
    plant.telegram.fail_delivery(message, ago=60)

    status, findings = report()

    [found] = [each for each in findings if each["mend"]]
    assert (found["check"], found["status"], status) == ("webhook", "warning", 0)
    assert what in found["text"]
    assert message in found["text"]
    assert mend in found["mend"]
    plant.telegram.fail_delivery(message, ago=3600)
    assert [each for each in report()[1] if each["mend"]] == []


def test_only_telegram_can_reach_the_bot(plant: Plant, report: Report) -> None:
    """Where we see nothing, what Telegram met is explained."""
    plant.set(WEBHOOK_URL="http://127.0.0.1:{closed}")
    assert main(["setup"]) == 0
    said = {}
    for error in ("401 Unauthorized", "404 Not Found"):
        plant.telegram.fail_delivery(f"Wrong response from the webhook: {error}")
        [found] = [each for each in report()[1] if each["status"] == "failure"]
        said[error[:3]] = (found["text"], found["mend"])

    assert "wants another secret than Telegram sends" in said["401"][0]
    assert "run `python -m bot setup`; if it stays so, turn off" in said["401"][1]
    assert "Nothing of the bot's is at this path" in said["404"][0]


def test_a_bot_behind_a_path_of_its_own(plant: Plant, report: Report) -> None:
    """A proxy may give it any address, and let nothing else through."""
    with host(400, path="/my/bot", is_bot=True) as url:
        plant.set(WEBHOOK_URL=f"{url}/my/bot")
        assert main(["setup"]) == 0

        status, findings = report()

    assert status == 0
    assert "the bot answers there, and to our secret" in [each["text"] for each in findings]


def test_a_check_that_breaks_hides_no_other(plant: Plant, report: Report) -> None:
    """Whatever happens in one, the report is whole, and JSON."""

    async def broken(_: object) -> list[Finding]:
        raise RuntimeError("hush")

    plant.environment.setitem(doctor.CHECKS, "tools", broken)

    status, findings = report()

    assert status == 1
    [found] = [each for each in findings if each["status"] == "failure"]
    assert found["text"] == "This could not be looked at (RuntimeError)"
    assert {each["check"] for each in findings} >= {"token", "database", "gemini", "clock"}


def test_a_check_without_an_end_is_ended(plant: Plant, report: Report) -> None:
    """A server that says nothing is a finding after some seconds."""
    plant.environment.setattr(doctor, "TIMEOUT", 1.0)
    plant.gemini.hang(5)

    _, findings = report()

    [found] = [each for each in findings if each["status"] == "failure"]
    assert (found["check"], found["text"]) == ("gemini", "There is no answer within 1 s")


def test_a_secret_that_is_a_word_breaks_no_json(plant: Plant, report: Report) -> None:
    """What is left out of the report are texts, not its form."""
    plant.set(TELEGRAM_WEBHOOK_SECRET="true", OWM_API_KEY="check")

    assert report()[0] == 0


def test_to_look_leaves_nothing_behind(plant: Plant, report: Report) -> None:
    """A database that is not there yet is not made by the doctor."""
    plant.set(DATABASE_URL="sqlite:///fresh.sqlite")

    report()

    assert not Path("fresh.sqlite").exists()


def test_telegram_has_an_old_secret(deployed: str, plant: Plant, report: Report) -> None:
    """The bot knows our secret and Telegram gets 401: it must be told the secret again."""
    del deployed
    plant.telegram.fail_delivery("Wrong response from the webhook: 401 Unauthorized")

    status, findings = report()

    [found] = [each for each in findings if each["mend"]]
    assert found["text"] == "Telegram sends another secret than the bot wants"
    assert found["mend"] == "run `python -m bot setup`"
    assert status == 1
    assert main(["setup"]) == 0
    assert report()[0] == 0


def test_nobody_listens(plant: Plant, report: Report) -> None:
    """A bot that does not run is a fault, also before Telegram has noticed it."""
    plant.set(WEBHOOK_URL="http://127.0.0.1:{closed}")
    assert main(["setup"]) == 0

    status, findings = report()

    assert status == 1
    [found] = [each for each in findings if each["status"] == "failure"]
    assert found["text"] == "Nobody listens at the address (Connection refused)"


def test_an_address_that_is_not_ours_gets_no_secret(plant: Plant, report: Report) -> None:
    """A webhook that somebody else has set is named; what only Telegram should know stays here."""
    seen: list[str] = []

    async def note(request: web.Request) -> web.Response:
        seen.append(str(request.headers))
        return web.Response()

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", note)
    with serve(application) as url:
        plant.set(WEBHOOK_URL=f"{url}/webhook")
        assert main(["setup"]) == 0
        plant.set(WEBHOOK_URL="https://bot.example.com")

        status, findings = report()

    texts = [each["text"] for each in findings if each["status"] == "failure"]
    assert texts[0] == (
        f"Telegram delivers to {url}/webhook instead of https://bot.example.com/webhook"
    )
    assert status == 1
    assert len(seen) == 1
    assert "Secret-Token" not in "".join(seen)


def test_updates_that_are_not_delivered(deployed: str, plant: Plant, report: Report) -> None:
    """What an older setup did not ask for, and what piles up."""
    person = plant.telegram.person(42)
    chat = plant.telegram.private_chat(person)
    for number in range(21):
        plant.telegram.deliver(plant.telegram.message(chat, person, f"Hello {number}"))
    secret = plant.telegram.webhook["secret_token"]
    parameters = {"url": deployed, "secret_token": secret, "allowed_updates": ["message"]}
    url = f"{load_settings().telegram_api_base_url}/bot{TOKEN}/setWebhook"
    assert httpx2.post(url, json=parameters).status_code == 200

    status, findings = report()

    mends = {each["text"]: each["mend"] for each in findings if each["mend"]}
    assert mends == {
        "Telegram does not deliver callback_query, edited_message, stopped_message_generation": (
            "run `python -m bot setup`"
        ),
        "21 updates wait to be delivered": (
            "mend the faults above; else the model answers more slowly than people write"
        ),
    }
    assert status == 1


@pytest.mark.parametrize(
    ("shift", "what"), [(3600, "is 3600 s behind"), (-120, "is 120 s ahead"), (3, None)]
)
def test_a_wrong_clock_is_found(
    plant: Plant, report: Report, shift: int, what: str | None
) -> None:
    """The machine's clock is compared with the Bot API server's."""
    server = TelegramServer(TOKEN)
    application = server.application()

    async def date(_: web.Request, response: web.StreamResponse) -> None:
        response.headers["Date"] = formatdate(time.time() + shift, usegmt=True)

    application.on_response_prepare.append(date)
    with serve(application) as url:
        plant.set(TELEGRAM_API_BASE_URL=url)

        _, findings = report()

    [found] = [each for each in findings if each["check"] == "clock"]
    if what is None:
        assert (found["status"], found["text"]) == ("ok", "right")
    else:
        seconds = int("".join(filter(str.isdigit, found["text"])))
        assert abs(seconds - abs(shift)) <= 2
        assert what.split()[-1] in found["text"]
        assert found["status"] == "warning"
        assert "NTP" in found["mend"]


def test_the_weather_key_is_tried(
    plant: Plant, report: Report, weather: WeatherServer, environment: pytest.MonkeyPatch
) -> None:
    """Both functions work, or say what the weather's server says."""
    _, findings = report()
    works = [each["text"] for each in findings if each["check"] == "tools"]
    environment.setenv("OWM_API_KEY", "another-weather-key")

    status, findings = report()

    del plant, weather
    assert works == ["get_current_weather works", "get_forecast_weather works"]
    failing = [each for each in findings if each["check"] == "tools"]
    assert [each["status"] for each in failing] == ["warning"] * 2
    assert "OpenWeatherMap refuses the bot's key" in failing[0]["text"]
    assert "check OWM_API_KEY" in failing[0]["mend"]
    assert status == 0


@pytest.mark.parametrize(("privacy", "said"), [(False, "is on"), (True, "is off")])
def test_privacy_mode_and_topics_are_told(
    plant: Plant, report: Report, privacy: bool, said: str
) -> None:
    """What the bot sees in groups is a setting of @BotFather's."""
    plant.telegram.bot["can_read_all_group_messages"] = privacy
    plant.telegram.bot["has_topics_enabled"] = privacy

    _, findings = report()

    texts = [each["text"] for each in findings if each["check"] == "token"]
    assert f"(privacy mode {said})" in texts[1]
    assert texts[1].endswith("topics in private chats are on") is privacy


def test_a_pooler_is_seen(plant: Plant, report: Report, migrated_postgresql_url: str) -> None:
    """Whether the bot talks with PostgreSQL itself, or with pgbouncer."""
    if find_pgbouncer() is None:
        pytest.skip("pgbouncer is not installed; CI installs it")
    plant.environment.setenv("DATABASE_URL", migrated_postgresql_url)
    reached = partial(_first, report, "database")
    assert reached().startswith("PostgreSQL, ")
    with open_pooler(migrated_postgresql_url) as pooler:
        plant.environment.setenv("DATABASE_URL", pooler.url(migrated_postgresql_url))

        assert reached().startswith("PostgreSQL, behind a pooler, ")


def _first(report: Report, check: str) -> str:
    return next(str(each["text"]) for each in report()[1] if each["check"] == check)


def test_without_settings_it_still_reports(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """For people: each fault with its mend on a line of its own."""
    environment.delenv("TELEGRAM_BOT_TOKEN")
    environment.setenv("PORT", "none")

    assert main(["doctor"]) == 1

    output = capsys.readouterr()
    folder = Path.cwd()
    assert output.out.splitlines()[:3] == [
        f"ok    settings  read from the environment and {folder}/.env, which is not there",
        "FAIL  settings  TELEGRAM_BOT_TOKEN is missing",
        f"                -> {WHERE_TO_GET_IT['TELEGRAM_BOT_TOKEN']}",
    ]
    assert "PORT is wrong" in output.out
    assert output.out.endswith("Something is wrong: see above.\n")
    assert output.err == ""
