"""The settings: old names, defaults, derived values, and what is refused."""

import logging
import re
from pathlib import Path

import pytest

from bot.logs.redaction import Redaction
from bot.settings import DEFAULT_MODEL, SettingsError, load_settings
from bot.settings.host import Host
from bot.settings.urls import shown_url
from tests.support.processes import ROOT


@pytest.fixture(autouse=True)
def only_the_required(environment: pytest.MonkeyPatch) -> None:
    """Start from the two required settings."""


def test_defaults() -> None:
    """Two values are enough; the rest has a default."""
    settings = load_settings()

    assert settings.gemini_model_name == DEFAULT_MODEL == "gemini-3.5-flash-lite"
    assert settings.max_history_messages == 50
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.enable_secure_webhook_token
    assert settings.owm_api_key is None
    assert settings.database_url.database == "db.sqlite"
    assert not settings.serverless
    assert settings.allowed_user_ids == settings.allowed_chat_ids == frozenset()
    assert settings.admin_user_ids == frozenset()
    assert settings.rate_limit_per_minute == 10
    assert settings.rate_limit_per_hour == 100
    assert settings.rate_limit_per_day == 500
    assert settings.answer_timeout == 240
    assert settings.max_concurrent_updates == 1000


@pytest.mark.parametrize(
    ("given", "ids"),
    [
        ("42", {42}),
        ("42,43", {42, 43}),
        (" 42 , 43,\n", {42, 43}),
        (",42,,43,", {42, 43}),
        (",", set()),
        (" ", set()),
    ],
)
@pytest.mark.parametrize("name", ["ALLOWED_USER_IDS", "ALLOWED_CHAT_IDS", "ADMIN_USER_IDS"])
def test_ids_are_a_comma_list(
    environment: pytest.MonkeyPatch, name: str, given: str, ids: set[int]
) -> None:
    """Spaces and stray commas do no harm."""
    environment.setenv(name, given)

    assert getattr(load_settings(), name.lower()) == ids


def test_groups_have_negative_ids(environment: pytest.MonkeyPatch) -> None:
    """A chat is a person's or a group; groups' ids are negative."""
    environment.setenv("ALLOWED_CHAT_IDS", "42, -1001234567890")

    assert load_settings().allowed_chat_ids == {42, -1001234567890}


def test_white_space_around_secrets_is_dropped(environment: pytest.MonkeyPatch) -> None:
    """A token pasted with a line end works."""
    environment.setenv("TELEGRAM_BOT_TOKEN", " 123456789:AAE-token \n")
    environment.setenv("GEMINI_API_KEY", "key\n")

    settings = load_settings()

    assert settings.telegram_bot_token.get_secret_value() == "123456789:AAE-token"
    assert settings.gemini_api_key.get_secret_value() == "key"


def test_a_dotenv_file_is_read(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A `.env` gives what the environment does not, which wins."""
    environment.delenv("GEMINI_API_KEY")
    lines = ["GEMINI_API_KEY=from-file", "PORT=9000", "SECRET_KEY=unused", "TELEGRAM_BOT_TOKEN=x"]
    (tmp_path / ".env").write_text("\n".join(lines))

    settings = load_settings()

    assert settings.gemini_api_key.get_secret_value() == "from-file"
    assert settings.port == 9000
    assert settings.telegram_bot_token.get_secret_value() != "x"


def test_an_empty_variable_is_an_absent_one(environment: pytest.MonkeyPatch) -> None:
    """A copied `.env.example` with blanks works."""
    for name in ("OWM_API_KEY", "TELEGRAM_WEBHOOK_SECRET", "GEMINI_MODEL_NAME", "PORT"):
        environment.setenv(name, "")

    settings = load_settings()

    assert settings.owm_api_key is None
    assert settings.gemini_model_name == DEFAULT_MODEL


@pytest.mark.parametrize(
    ("value", "expected"),
    [("True", True), ("true", True), ("1", True), ("on", True), ("False", False), ("0", False)],
)
def test_the_secret_check_is_a_boolean(
    environment: pytest.MonkeyPatch, value: str, expected: bool
) -> None:
    """Every spelling of yes means yes: none switches the check off silently."""
    environment.setenv("ENABLE_SECURE_WEBHOOK_TOKEN", value)

    assert (load_settings().webhook_secret is not None) is expected


def test_the_derived_secret(environment: pytest.MonkeyPatch) -> None:
    """Without a secret of its own the webhook has one that only the token's owner can know."""
    first = load_settings().webhook_secret
    environment.setenv("TELEGRAM_BOT_TOKEN", "123456789:AAE-another")
    second = load_settings().webhook_secret
    environment.setenv("TELEGRAM_WEBHOOK_SECRET", "mine")

    assert first
    assert second
    assert first != second
    assert len(first) == 64
    assert load_settings().webhook_secret == "mine"


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("MAX_HISTORY_MESSAGES", "-1", "is wrong: input should be greater than or equal to 0"),
        ("MAX_HISTORY_MESSAGES", "many", "is wrong: input should be a valid integer"),
        ("PORT", "0", "is wrong"),
        ("LOG_LEVEL", "LOUD", "is wrong"),
        ("TELEGRAM_WEBHOOK_SECRET", "with space", "has characters that Telegram does not allow"),
        ("ENABLE_SECURE_WEBHOOK_TOKEN", "perhaps", "is wrong"),
        ("TELEGRAM_API_BASE_URL", "localhost:8081", "is not an http or https address"),
        ("GOOGLE_GEMINI_BASE_URL", "ftp://x", "is not an http or https address"),
        ("WEBHOOK_URL", "bot.example.com", "is not an http or https address"),
        ("WEBHOOK_URL", "http://bot.example.com", "is not an https address"),
        ("GEMINI_API_KEY", "kéy", "does not look like an API key"),
        ("ALLOWED_USER_IDS", "42, @ann", "has an entry that is not a whole number; set people's"),
        ("ALLOWED_USER_IDS", "42; 43", "has an entry that is not a whole number; set people's"),
        ("ALLOWED_USER_IDS", "-1001", "has an entry that is not a person's id; set people's"),
        ("ALLOWED_CHAT_IDS", "[42]", "has an entry that is not a whole number; set chats'"),
        ("ALLOWED_CHAT_IDS", "1" * 30, "has an entry that is not a whole number; set chats'"),
        ("ADMIN_USER_IDS", "1_0", "has an entry that is not a whole number; set people's"),
        ("ADMIN_USER_IDS", "0", "has an entry that is not a person's id; set people's"),
        ("RICH_MESSAGES", "yes", "is wrong: input should be 'auto', 'on' or 'off'; set auto, on"),
        ("GROUP_TRIGGER", "some", "is wrong: input should be 'mention' or 'all'; set mention"),
        ("LOG_FORMAT", "xml", "is wrong: input should be 'auto', 'text' or 'json'; set text"),
        ("MAX_HISTORY_CHARACTERS", "1", "is wrong: input should be greater than or equal to 1000"),
        ("OWM_API_BASE_URL", "owm", "is not an http or https address; set an address"),
        ("RATE_LIMIT_PER_MINUTE", "-1", "is wrong: input should be greater than or equal to 0"),
        ("RATE_LIMIT_PER_HOUR", "ten", "is wrong: input should be a valid integer"),
        ("RATE_LIMIT_PER_DAY", "1.5", "is wrong: input should be a valid integer"),
        ("ANSWER_TIMEOUT", "9", "is wrong: input should be greater than or equal to 10"),
        ("ANSWER_TIMEOUT", "801", "is wrong: input should be less than or equal to 800"),
        ("MAX_CONCURRENT_UPDATES", "0", "is wrong: input should be greater than or equal to 1"),
        ("TELEGRAM_BOT_TOKEN", "123:with space", "does not look like a bot token"),
    ],
)
def test_wrong_values_are_named(
    environment: pytest.MonkeyPatch, name: str, value: str, line: str
) -> None:
    """Each wrong value is one line with the variable, the fault and the mend."""
    environment.setenv(name, value)

    with pytest.raises(SettingsError) as caught:
        load_settings()

    [told] = caught.value.lines
    assert told.startswith(f"{name} {line}")
    assert "; " in told
    assert "DATABASE" not in told  # what mends another one
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("given", "registered"),
    [
        ("https://x.example", "https://x.example/webhook"),
        ("https://x.example/", "https://x.example/webhook"),
        ("https://x.example/?key=a/", "https://x.example/webhook?key=a/"),
        ("https://x.example?key=a", "https://x.example/webhook?key=a"),
        ("https://x.example/hook/", "https://x.example/hook"),
        (" https://x.example/hook?key=a\n", "https://x.example/hook?key=a"),
    ],
)
def test_the_webhook_has_a_route(
    environment: pytest.MonkeyPatch, given: str, registered: str
) -> None:
    """The route is appended where the address has no path of its own."""
    environment.setenv("WEBHOOK_URL", given)

    assert load_settings().webhook_url == registered


def test_a_server_of_ones_own_takes_http(environment: pytest.MonkeyPatch) -> None:
    """Telegram delivers to https alone; a Bot API server beside the bot to http as well."""
    environment.setenv("WEBHOOK_URL", "http://127.0.0.1:8000")
    environment.setenv("TELEGRAM_API_BASE_URL", "http://127.0.0.1:8081")

    assert load_settings().webhook_url == "http://127.0.0.1:8000/webhook"


def test_an_address_is_shown_without_secrets() -> None:
    """Neither a password nor a query of an address is shown."""
    shown = shown_url("https://ann:hush@x.example:8443/hook?key=hush")

    assert shown == "https://x.example:8443/hook?***"


def test_all_faults_are_told_at_once(environment: pytest.MonkeyPatch) -> None:
    """Who misses two settings learns of both."""
    environment.delenv("TELEGRAM_BOT_TOKEN")
    environment.delenv("GEMINI_API_KEY")

    with pytest.raises(SettingsError) as caught:
        load_settings()

    assert len(caught.value.lines) == 2


@pytest.mark.parametrize("name", ["VERCEL", "AWS_LAMBDA_FUNCTION_NAME"])
def test_serverless_hosts_are_known(environment: pytest.MonkeyPatch, name: str) -> None:
    """The host says itself that it is one."""
    environment.setenv(name, "1")
    environment.setenv("DATABASE_URL", "postgresql://localhost/bot")

    assert load_settings().serverless


def test_secrets_do_not_show(environment: pytest.MonkeyPatch) -> None:
    """Neither repr nor str of the settings quotes a secret."""
    environment.setenv("DATABASE_URL", "postgresql://ann:pa55word@localhost/bot")
    environment.setenv("OWM_API_KEY", "weather-key")
    settings = load_settings()

    shown = f"{settings!r} {settings}"

    assert [secret for secret in settings.secrets if secret and secret in shown] == []
    assert "pa55word" in settings.secrets


def test_the_log_leaves_secrets_out() -> None:
    """A secret in a message, its arguments or a traceback is replaced."""
    redaction = Redaction(["hush-hush"])
    try:
        int("hush-hush")
    except ValueError as error:
        failure = (type(error), error, error.__traceback__)
    arguments = ("hush-hush",)

    record = redaction("x", logging.ERROR, "x", 1, "it is %s", arguments, failure)
    line = logging.Formatter().format(record)

    assert "it is ***" in line
    assert "invalid literal for int() with base 10: '***'" in line
    assert "hush" not in line


def test_any_bot_token_is_left_out() -> None:
    """Even a token that is not in the settings, as in a URL of an error, is replaced."""
    path = "/bot12345678:AAF-abcdefghijklmnopqrstuv/x"

    record = Redaction([])("x", logging.ERROR, "x", 1, path, None, None)

    assert record.getMessage() == "/bot***/x"


def test_every_setting_is_explained() -> None:
    """`.env.example` names each setting once, below a line that explains it."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    settings = {
        line.lstrip("#").partition("=")[0]: lines[position - 1]
        for position, line in enumerate(lines)
        if re.match(r"#?[A-Z_]+=", line)
    }

    fields = type(load_settings()).model_fields
    known = {str(field.validation_alias or name).upper() for name, field in fields.items()}
    set_by_hosts = {name.upper() for name in Host.model_fields}
    assert set(settings) == known - set_by_hosts | {"SECRET_KEY"}
    assert all(line.startswith("# ") for line in settings.values())
