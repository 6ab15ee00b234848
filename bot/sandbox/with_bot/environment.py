"""The environment of the bot's process: of a real bot's settings, only those for answers."""

import os
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

from bot.sandbox.servers import free_port

# The settings that keep their values here; the sandbox chooses all others
TAKEN = (
    "ANSWER_TIMEOUT",
    "GEMINI_API_KEY",
    "GEMINI_MODEL_NAME",
    "GOOGLE_GEMINI_BASE_URL",
    "GROUP_TRIGGER",
    "LOG_FORMAT",
    "LOG_LEVEL",
    "MAX_HISTORY_CHARACTERS",
    "MAX_HISTORY_MESSAGES",
    "OWM_API_BASE_URL",
    "OWM_API_KEY",
    "RICH_MESSAGES",
    "SYSTEM_INSTRUCTION",
)
WITHHELD = (
    "ADMIN_USER_IDS",
    "ALLOWED_CHAT_IDS",
    "ALLOWED_USER_IDS",
    "AWS_LAMBDA_FUNCTION_NAME",
    "DATABASE_URL",
    "ENABLE_SECURE_WEBHOOK_TOKEN",
    "HOST",
    "MAX_CONCURRENT_UPDATES",
    "PORT",
    "POSTGRES_URL",
    "RATE_LIMIT_PER_DAY",
    "RATE_LIMIT_PER_HOUR",
    "RATE_LIMIT_PER_MINUTE",
    "SQLALCHEMY_DATABASE_URI",
    "TELEGRAM_API_BASE_URL",
    "TELEGRAM_BOT_TOKEN",
    "TELEGRAM_WEBHOOK_SECRET",
    "VERCEL",
    "VERCEL_ENV",
    "VERCEL_PROJECT_PRODUCTION_URL",
    "WEBHOOK_URL",
)
# Variables that the model's library reads without being told to
STRAY = ("GOOGLE_API_KEY", "GOOGLE_GENAI_")
LOOPBACK = "127.0.0.1,localhost,::1"
LIMITS = dict.fromkeys(("RATE_LIMIT_PER_MINUTE", "RATE_LIMIT_PER_HOUR", "RATE_LIMIT_PER_DAY"), "0")
SQLITE = "sqlite:///"
ROOT = Path(__file__).parents[3]


class SettingsFileError(Exception):
    """An error that says that `.env` cannot be read."""


def read_settings(file: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Read the settings for the model and the texts, from the environment or else the file.

    An empty variable in the environment counts as not set, whatever the file says.
    """
    try:
        written = dotenv_values(file) if file.is_file() else {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsFileError(f"{file} cannot be read ({type(error).__name__}).") from None
    given: dict[str, str | None] = {}
    for source in (written, environment):
        given |= {name.upper(): value for name, value in source.items()}
    return {name: value for name in TAKEN if (value := given.get(name))}


def make_environment(
    environment: Mapping[str, str],
    settings: Mapping[str, str],
    *,
    token: str,
    telegram: str,
    admin: int,
    database: str | None,
) -> dict[str, str]:
    """Return the variables of the bot's process, including its port and its Telegram server.

    Without a database, the bot uses its default: a SQLite file in its folder.
    """
    port = free_port()
    known = {*TAKEN, *WITHHELD}
    own = {
        name: value
        for name, value in environment.items()
        if name.upper() not in known and not name.upper().startswith(STRAY)
    }
    paths = [str(ROOT), *filter(None, [environment.get("PYTHONPATH")])]
    return {
        **own,
        **_proxies(environment),
        **LIMITS,
        "LOG_FORMAT": "text",
        **settings,
        "ADMIN_USER_IDS": str(admin),
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "PYTHONPATH": os.pathsep.join(paths),
        "TELEGRAM_API_BASE_URL": telegram,
        "TELEGRAM_BOT_TOKEN": token,
        "WEBHOOK_URL": f"http://127.0.0.1:{port}/webhook",
        **({"DATABASE_URL": _absolute(database)} if database else {}),
    }


def _proxies(environment: Mapping[str, str]) -> dict[str, str]:
    """Bypass proxies for connections on this machine."""
    direct = environment.get("no_proxy") or environment.get("NO_PROXY")
    if direct != "*":  # it stands for all hosts, and only when it is alone
        direct = f"{direct},{LOOPBACK}" if direct else LOOPBACK
    return {"no_proxy": direct, "NO_PROXY": direct}


def _absolute(url: str) -> str:
    """Resolve the path of a SQLite file here, not in the folder of the bot's process."""
    file = url.removeprefix(SQLITE)
    if file in {url, ""} or file.startswith(":memory:"):
        return url
    return f"{SQLITE}{Path(file).absolute()}"
