"""`python -m bot setup`: from settings to a webhook that answers, on servers and on Vercel."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import make_url

from bot import texts
from bot.__main__ import main
from bot.dispatcher import ALLOWED_UPDATES
from bot.sandbox.faults import Drop, Fault, Flood, HtmlError, Refuse
from bot.sandbox.telegram import TelegramServer
from bot.settings import load_settings
from db.engine import open_engine
from db.schema import HEAD, read_revision
from tests.support.credentials import TOKEN
from tests.support.door import open_door
from tests.support.former_databases import LEGACY
from tests.support.gemini_server import GeminiServer
from tests.support.postgres import LOCKED_ROLE, execute, in_own_loop
from tests.support.servers import free_port, serve

WRITES = ("set", "delete")


@pytest.fixture(autouse=True)
def deployment(
    environment: pytest.MonkeyPatch, telegram: TelegramServer, gemini: GeminiServer
) -> pytest.MonkeyPatch:
    """Give the bot an address, and servers that know its token and key."""
    del telegram, gemini
    environment.setattr("bot.telegram.client.PAUSES", ())
    environment.setenv("WEBHOOK_URL", "https://bot.example.com")
    for name in ("VERCEL", "VERCEL_ENV", "VERCEL_PROJECT_PRODUCTION_URL"):
        environment.delenv(name, raising=False)
    return environment


@pytest.fixture
def on_vercel(environment: pytest.MonkeyPatch, postgresql_url: str) -> pytest.MonkeyPatch:
    """Build for production on Vercel, as the old bot was deployed there."""
    environment.delenv("WEBHOOK_URL")
    environment.setenv("VERCEL", "1")
    environment.setenv("VERCEL_ENV", "production")
    environment.setenv("VERCEL_URL", "bot-4f2a-ann.vercel.app")
    environment.setenv("VERCEL_PROJECT_PRODUCTION_URL", "bot.vercel.app")
    environment.setenv("SQLALCHEMY_DATABASE_URI", postgresql_url)
    return environment


def changes(telegram: TelegramServer) -> list[str]:
    """Return the methods by which something was changed at Telegram."""
    return [call.method for call in telegram.calls if call.method.startswith(WRITES)]


def revision(url: str) -> str | None:
    """Ask the database for its revision, past the bot; None where it has no tables."""

    async def ask() -> str | None:
        async with open_engine(url) as engine:
            return await read_revision(engine)

    found: str | None = in_own_loop(ask)
    return found


def test_a_fresh_bot_is_set_up(
    environment: pytest.MonkeyPatch,
    telegram: TelegramServer,
    capsys: pytest.CaptureFixture[str],
    database_url: str,
) -> None:
    """Tables, webhook, secret, kinds of update, commands and descriptions: all is said."""
    environment.setenv("DATABASE_URL", database_url)

    assert main(["setup"]) == 0

    [call] = telegram.calls_of("setWebhook")
    assert call.parameters == {
        "url": "https://bot.example.com/webhook",
        "secret_token": load_settings().webhook_secret,
        "allowed_updates": ALLOWED_UPDATES,
        "max_connections": 100,
    }
    assert sorted(ALLOWED_UPDATES) == [
        "callback_query",
        "edited_message",
        "message",
        "stopped_message_generation",
    ]
    [menu] = telegram.calls_of("setMyCommands")
    assert [item["command"] for item in menu.parameters["commands"]] == list(texts.COMMANDS)
    [description] = telegram.calls_of("setMyDescription")
    assert description.parameters["description"] == texts.DESCRIPTION
    assert len(telegram.calls_of("setMyShortDescription")) == 1
    assert telegram.calls_of("setMyName") == []  # it has one
    assert revision(database_url) == HEAD
    kind = "SQLite" if "sqlite" in database_url else "PostgreSQL"
    printed = capsys.readouterr().out
    assert printed.splitlines() == [
        "@test_bot",
        "Gemini: gemini-3.5-flash-lite is there for this key",
        f"Database: {kind}, migrated from nothing to {HEAD}",
        "Webhook: https://bot.example.com/webhook, set, before: none; secret check on",
        "Profile: set commands, description, short description",
        "Write to the bot: https://t.me/test_bot",
    ]
    assert (load_settings().webhook_secret or "") not in printed


def test_to_repeat_it_changes_nothing(
    environment: pytest.MonkeyPatch,
    telegram: TelegramServer,
    capsys: pytest.CaptureFixture[str],
    database_url: str,
) -> None:
    """The second time only the webhook is told its secret again, which nobody can look up."""
    environment.setenv("DATABASE_URL", database_url)
    main(["setup"])
    telegram.calls.clear()
    capsys.readouterr()

    assert main(["setup"]) == 0

    assert changes(telegram) == ["setWebhook"]
    assert telegram.webhook["url"] == "https://bot.example.com/webhook"
    printed = capsys.readouterr().out
    assert ", up to date" in printed
    assert "/webhook, as before;" in printed
    assert "Profile: as before" in printed


def test_a_dry_run_changes_nothing(
    environment: pytest.MonkeyPatch,
    telegram: TelegramServer,
    capsys: pytest.CaptureFixture[str],
    database_url: str,
) -> None:
    """It says what it would do: no method that changes anything, and no table."""
    environment.setenv("DATABASE_URL", database_url)

    assert main(["setup", "--dry-run"]) == 0

    assert changes(telegram) == []
    file = load_settings().database_file
    assert file is None or not file.exists()
    assert revision(database_url) is None
    assert capsys.readouterr().out.splitlines()[2:] == [
        f"Database: {load_settings().database_name}, would migrate from nothing to {HEAD}",
        "Webhook: https://bot.example.com/webhook, would set, before: none; secret check on",
        "Profile: would set commands, description, short description",
    ]


def test_an_operators_own_texts_stay(telegram: TelegramServer) -> None:
    """What somebody wrote with @BotFather is not overwritten."""
    telegram.profile.setter("description")({"description": "Ann's assistant"})

    assert main(["setup"]) == 0

    written = [name for name in changes(telegram) if "My" in name]
    assert written == ["setMyCommands", "setMyShortDescription"]


def test_an_empty_name_is_filled(environment: pytest.MonkeyPatch) -> None:
    """A bot without a name gets ours."""
    server = TelegramServer(TOKEN, first_name="")
    with serve(server.application()) as url:
        environment.setenv("TELEGRAM_API_BASE_URL", url)

        assert main(["setup"]) == 0

    [call] = server.calls_of("setMyName")
    assert call.parameters == {"name": texts.NAME}


def test_what_the_address_carries_is_hidden(
    environment: pytest.MonkeyPatch, telegram: TelegramServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Telegram gets the whole address; a host's key in it is not printed."""
    environment.setenv("WEBHOOK_URL", "https://bot.example.com/?x-vercel-protection-bypass=hush")

    assert main(["setup"]) == 0

    registered = "https://bot.example.com/webhook?x-vercel-protection-bypass=hush"
    assert telegram.webhook["url"] == registered
    output = capsys.readouterr()
    assert "Webhook: https://bot.example.com/webhook?***," in output.out
    assert "hush" not in output.out + output.err


def no_address(environment: pytest.MonkeyPatch, telegram: TelegramServer, _: str) -> None:
    """Leave the address out."""
    del telegram
    environment.delenv("WEBHOOK_URL")


def refused(fault: Fault, method: str) -> Callable[[pytest.MonkeyPatch, TelegramServer, str], Any]:
    """Let Telegram refuse a method."""
    return lambda _, telegram, __: telegram.faults.add(fault, method=method)


def setting(**variables: str) -> Callable[[pytest.MonkeyPatch, TelegramServer, str], Any]:
    """Set variables; `{url}` stands for the database's address."""

    def change(environment: pytest.MonkeyPatch, _: TelegramServer, url: str) -> None:
        for name, value in variables.items():
            parts = make_url(url)
            filled = value.format(
                port=parts.port, base=parts.database, role=LOCKED_ROLE, closed=free_port()
            )
            environment.setenv(name, filled)

    return change


WRONG = {
    "no address": (no_address, "WEBHOOK_URL is missing: set the public https address"),
    "token": (
        refused(Refuse(401, "Unauthorized"), "getMe"),
        "TELEGRAM_BOT_TOKEN is refused by Telegram: create a bot with @BotFather",
    ),
    "token of another server": (
        refused(Refuse(404, "Not Found"), "getMe"),
        "TELEGRAM_BOT_TOKEN is refused by Telegram: create a bot with @BotFather",
    ),
    "address": (
        refused(Refuse(400, "Bad Request: bad webhook: IP address 10.0.0.1"), "setWebhook"),
        "WEBHOOK_URL is refused by Telegram (Bad Request: bad webhook: IP address 10.0.0.1",
    ),
    "key": (
        setting(GEMINI_API_KEY="another-key-hush"),
        "GEMINI_API_KEY is refused at GOOGLE_GEMINI_BASE_URL, http://127.0.0.1:",
    ),
    "model": (
        setting(GEMINI_MODEL_NAME="gemini-99"),
        "GEMINI_MODEL_NAME is unknown (gemini-99) at GOOGLE_GEMINI_BASE_URL, http://127.0.0.1:",
    ),
    "database password": (
        setting(DATABASE_URL="postgresql://{role}:hush-hush@127.0.0.1:{port}/{base}"),
        "DATABASE_URL leads to no database (InvalidPasswordError): check the user and the pass",
    ),
    "database name": (
        setting(DATABASE_URL="postgresql://postgres@127.0.0.1:{port}/nothing"),
        "DATABASE_URL leads to no database (InvalidCatalogNameError): check the name at its end",
    ),
    "database port": (
        setting(POSTGRES_URL="postgresql://postgres@127.0.0.1:{closed}/bot"),
        "POSTGRES_URL leads to no database (ConnectionRefusedError): check host and port",
    ),
    "database host": (
        setting(SQLALCHEMY_DATABASE_URI="postgresql://postgres@bot.invalid/bot"),
        "SQLALCHEMY_DATABASE_URI leads to no database (gaierror): check the host in it",
    ),
}


@pytest.mark.parametrize("fault", WRONG)
def test_what_is_wrong_is_one_sentence(
    environment: pytest.MonkeyPatch,
    telegram: TelegramServer,
    capsys: pytest.CaptureFixture[str],
    postgresql_url: str,
    fault: str,
) -> None:
    """Each wrong setting is named with its mend, status 2 fails a build, nothing is changed."""
    cause, sentence = WRONG[fault]
    cause(environment, telegram, postgresql_url)

    assert main(["setup"]) == 2

    output = capsys.readouterr()
    [line] = output.err.splitlines()
    assert line.startswith(sentence)
    assert "hush" not in output.out + output.err
    assert [call for call in telegram.calls if call.method.startswith(WRITES) and call.ok] == []


def test_a_database_that_cannot_be_migrated_is_said(
    environment: pytest.MonkeyPatch,
    telegram: TelegramServer,
    capsys: pytest.CaptureFixture[str],
    postgresql_url: str,
) -> None:
    """What stands in the way of the tables fails the deployment, before anything is changed."""
    environment.setenv("DATABASE_URL", postgresql_url)
    execute(postgresql_url, "CREATE VIEW chat_session AS SELECT 1 AS id")

    assert main(["setup"]) == 2

    error = capsys.readouterr().err
    assert "DATABASE_URL leads to a database that cannot be migrated (ProgrammingError" in error
    assert "`alembic upgrade head` says more." in error
    assert changes(telegram) == []


@pytest.mark.parametrize("fault", [HtmlError(502), Drop()], ids=["a proxy's page", "no answer"])
@pytest.mark.parametrize("method", ["getMe", "setWebhook"])
def test_telegram_is_out_of_reach(telegram: TelegramServer, fault: Fault, method: str) -> None:
    """Without an answer from Telegram `setup` ends with one sentence."""
    telegram.faults.add(fault, method=method)

    with pytest.raises(SystemExit) as ended:
        main(["setup"])

    address = load_settings().telegram_api_base_url
    assert ended.value.code == (
        f"Telegram cannot be reached at TELEGRAM_API_BASE_URL, {address}: check the address, and"
        " whether that server runs."
    )


def test_no_setting_is_named_that_was_not_set(
    environment: pytest.MonkeyPatch, telegram: TelegramServer
) -> None:
    """Where it is Telegram's own server that cannot be reached, no variable is to blame."""
    environment.setattr(
        "bot.operator.problems.TELEGRAM_API", load_settings().telegram_api_base_url
    )
    telegram.faults.add(Drop(), method="getMe")

    with pytest.raises(SystemExit, match=r"^Telegram cannot be reached: check the connection"):
        main(["setup"])


@pytest.mark.parametrize(
    ("method", "fault"),
    [
        ("getMyName", Refuse(404, "Not Found: method not found")),
        ("getMyCommands", Flood(3600)),
        ("setMyCommands", Refuse(400, "Bad Request: BOT_COMMAND_INVALID")),
        ("setMyDescription", HtmlError(502)),
        ("setMyShortDescription", Refuse(403, "Forbidden: not for you")),
    ],
)
def test_the_profile_is_decoration(
    telegram: TelegramServer, capsys: pytest.CaptureFixture[str], method: str, fault: Fault
) -> None:
    """A name or menu that cannot be set fails no deployment whose webhook is."""
    telegram.faults.add(fault, method=method)

    assert main(["setup"]) == 0

    assert telegram.webhook["url"] == "https://bot.example.com/webhook"
    assert "Profile: not all of it is set (" in capsys.readouterr().out


def test_what_else_telegram_refuses_is_a_sentence(telegram: TelegramServer) -> None:
    """No exception leaves the command."""
    telegram.faults.add(Refuse(409, "Conflict: try later"), method="setWebhook")

    with pytest.raises(SystemExit, match=r"^Telegram refuses: Conflict: try later"):
        main(["setup"])


def test_a_newer_database_is_left_alone(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], postgresql_url: str
) -> None:
    """After a step back to an older bot, its tables are used as they are."""
    environment.setenv("DATABASE_URL", postgresql_url)
    execute(
        postgresql_url,
        "CREATE TABLE alembic_version (version_num VARCHAR(32))",
        "INSERT INTO alembic_version VALUES ('of_tomorrow')",
    )

    assert main(["setup"]) == 0

    said = "Database: PostgreSQL, newer than this bot (revision of_tomorrow), left as it is"
    assert said in capsys.readouterr().out


def test_an_endpoint_that_is_wrong_fails_the_deployment(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An address for Gemini that leads nowhere is a setting to mend."""
    environment.setenv("GOOGLE_GEMINI_BASE_URL", f"http://127.0.0.1:{free_port()}")

    assert main(["setup"]) == 2

    assert "at GOOGLE_GEMINI_BASE_URL, http://127.0.0.1:" in capsys.readouterr().err


def test_the_address_before_is_shown_without_its_key(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What an older address carried is nobody's business either."""
    environment.setenv("WEBHOOK_URL", "https://old.example.com/?key=hush-hush")
    main(["setup"])
    environment.setenv("WEBHOOK_URL", "https://bot.example.com")
    capsys.readouterr()

    main(["setup"])

    output = capsys.readouterr()
    assert "before: https://old.example.com/webhook?***;" in output.out
    assert "hush" not in output.out + output.err


def test_telegrams_wait_is_passed_on(telegram: TelegramServer) -> None:
    """Where Telegram wants a longer wait, `setup` says how long."""
    telegram.faults.add(Flood(60), method="setWebhook")

    with pytest.raises(SystemExit, match="try again in 60 seconds"):
        main(["setup"])


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("gemini-3.5-flash-lite", "Gemini: not sure that it answers. Gemini is overloaded"),
        ("gemini-2.5-pro", "Gemini: not sure that it answers. GEMINI_MODEL_NAME is unknown"),
    ],
)
def test_what_passes_by_itself_fails_no_deployment(
    environment: pytest.MonkeyPatch,
    gemini: GeminiServer,
    telegram: TelegramServer,
    capsys: pytest.CaptureFixture[str],
    model: str,
    said: str,
) -> None:
    """An overloaded Gemini, and a retired model for which Google takes another, are told only."""
    environment.setenv("GEMINI_MODEL_NAME", model)
    if "overloaded" in said:
        gemini.refuse_to_describe(503)
    gemini.models.discard("gemini-2.5-pro")

    assert main(["setup"]) == 0

    assert said in capsys.readouterr().out
    assert telegram.webhook["url"] == "https://bot.example.com/webhook"


def test_production_on_vercel(
    on_vercel: pytest.MonkeyPatch, telegram: TelegramServer, postgresql_url: str
) -> None:
    """The webhook is on the production's domain: a deployment's own is behind its protection."""
    del on_vercel

    assert main(["setup"]) == 0

    assert telegram.webhook["url"] == "https://bot.vercel.app/webhook"
    assert telegram.webhook["secret_token"] == load_settings().webhook_secret
    assert revision(postgresql_url) == HEAD


@pytest.mark.parametrize("kind", ["preview", "development", ""])
def test_previews_touch_nothing(
    on_vercel: pytest.MonkeyPatch,
    telegram: TelegramServer,
    gemini: GeminiServer,
    capsys: pytest.CaptureFixture[str],
    postgresql_url: str,
    kind: str,
) -> None:
    """A preview is built without any setting, and asks nobody anything."""
    on_vercel.setenv("VERCEL_ENV", kind)
    assert main(["setup"]) == 0
    on_vercel.delenv("TELEGRAM_BOT_TOKEN")
    on_vercel.delenv("GEMINI_API_KEY")
    on_vercel.delenv("SQLALCHEMY_DATABASE_URI")

    assert main(["setup"]) == 0

    output = capsys.readouterr()
    assert output.out == 2 * "This is a preview deployment: nothing is set up.\n"
    assert (telegram.calls, gemini.requests, output.err) == ([], [], "")
    assert revision(postgresql_url) is None


@pytest.mark.parametrize(
    ("variables", "rest"),
    [
        ({}, ""),
        ({"DATABASE_URL": "sqlite:///db.sqlite"}, ""),
        (
            {"SQLALCHEMY_DATABASE_URI": "sqlite:////tmp/db.sqlite"},
            " Remove SQLALCHEMY_DATABASE_URI, which names a file.",
        ),
    ],
    ids=["none", "DATABASE_URL", "SQLALCHEMY_DATABASE_URI"],
)
@pytest.mark.parametrize("arguments", [["setup"], []], ids=["setup", "serve"])
def test_sqlite_is_refused_on_vercel(
    on_vercel: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variables: dict[str, str],
    rest: str,
    arguments: Sequence[str],
) -> None:
    """One sentence names DATABASE_URL, and what stands in its way."""
    on_vercel.delenv("SQLALCHEMY_DATABASE_URI")
    for name, value in variables.items():
        on_vercel.setenv(name, value)

    assert main(arguments) == 2

    assert capsys.readouterr().err == (
        "DATABASE_URL must name a PostgreSQL: SQLite's file does not last on a serverless host."
        f" On Vercel add one under Storage (Neon), which sets DATABASE_URL.{rest}\n"
    )


@pytest.mark.parametrize(
    "former", ["flask-postgresql", "fastapi-postgresql", "unversioned-postgresql"]
)
async def test_an_old_deployment_is_updated_in_place(
    on_vercel: pytest.MonkeyPatch,
    telegram: TelegramServer,
    gemini: GeminiServer,
    postgresql_url: str,
    former: str,
) -> None:
    """Same project, variables and database: the build migrates, and the bot remembers."""
    _, statements = LEGACY[former]
    execute(postgresql_url, *statements)
    on_vercel.setenv("ENABLE_SECURE_WEBHOOK_TOKEN", "True")
    on_vercel.setenv("TELEGRAM_WEBHOOK_SECRET", "of-the-old-bot")

    assert await asyncio.to_thread(main, ["setup"]) == 0
    async with open_door(telegram) as door:
        await door.say("Do you remember?", user_id=111111)
        [(stored,)] = await door.rows("SELECT version_num FROM alembic_version")

    said = [content["parts"][0]["text"] for content in gemini.bodies[-1]["contents"]]
    assert said == ["Hello", "Hello back", "Do you remember?"]
    assert telegram.webhook["secret_token"] == "of-the-old-bot"
    assert stored == HEAD
