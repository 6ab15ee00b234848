"""The operator's settings: environment variables, also read from a `.env` file."""

import hashlib
import hmac
import re
from itertools import chain
from typing import Annotated, Literal, get_args
from urllib.parse import urlsplit, urlunsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import NoDecode, SettingsConfigDict

from bot.settings.host import Host
from bot.settings.urls import BaseUrl, carried_by
from db.settings import DatabaseSettings

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - the header's name
TELEGRAM_API = "https://api.telegram.org"
DEFAULT_MODEL = "gemini-3.5-flash-lite"
DEFAULT_SYSTEM_INSTRUCTION = (
    "You are a helpful assistant in a Telegram chat. Answer in the language of the person who"
    " writes, to the point, in plain Markdown."
)

WHERE_TO_GET_IT = {
    "TELEGRAM_BOT_TOKEN": "create a bot with @BotFather in Telegram and copy its token"
    " (/mybots shows it again)",
    "GEMINI_API_KEY": "create a key at https://aistudio.google.com/apikey",
    "TELEGRAM_WEBHOOK_SECRET": "use 1 to 256 of A-Z a-z 0-9 _ -, or leave it out",
    "WEBHOOK_URL": "set the public https address of this bot, like https://bot.example.com",
    "TELEGRAM_API_BASE_URL": "set an address like http://127.0.0.1:8081, or leave it out",
    "GOOGLE_GEMINI_BASE_URL": "set an address like https://proxy.example.com, or leave it out",
    "OWM_API_BASE_URL": "set an address like https://api.openweathermap.org, or leave it out",
    "MAX_HISTORY_MESSAGES": "set a whole number, 0 for no history; the default is 50",
    "MAX_HISTORY_CHARACTERS": "set a whole number from 1000; the default is 100000",
    "GROUP_TRIGGER": "set mention or all; the default is mention",
    "ALLOWED_USER_IDS": "set people's ids like 42, 43, or leave it out",
    "ALLOWED_CHAT_IDS": "set chats' ids like 42, -1001234567890, or leave it out",
    "ADMIN_USER_IDS": "set people's ids like 42, 43, or leave it out",
    "RICH_MESSAGES": "set auto, on or off; the default is auto",
    "RATE_LIMIT_PER_MINUTE": "set a whole number, 0 for no limit; the default is 10",
    "RATE_LIMIT_PER_HOUR": "set a whole number, 0 for no limit; the default is 100",
    "RATE_LIMIT_PER_DAY": "set a whole number, 0 for no limit; the default is 500",
    "ANSWER_TIMEOUT": "set whole seconds from 10 to 800; the default is 240",
    "MAX_CONCURRENT_UPDATES": "set a whole number from 1; the default is 1000",
    "LOG_FORMAT": "set text, json or auto; the default is auto",
    "LOG_LEVEL": "set DEBUG, INFO, WARNING or ERROR; the default is INFO",
    "PORT": "set a number from 1 to 65535; the default is 8000",
    "ENABLE_SECURE_WEBHOOK_TOKEN": "set true or false; the default is true",
}
EVERYONE = "Everyone may use this bot: set ALLOWED_USER_IDS or ALLOWED_CHAT_IDS to choose who may"
NO_FILES = (
    "DATABASE_URL must name a PostgreSQL: SQLite's file does not last on a serverless host."
    " On Vercel add one under Storage (Neon), which sets DATABASE_URL."
)
DATABASE_VARIABLES = "set SQLALCHEMY_DATABASE_URI or DATABASE_URL, or leave both out for SQLite"

Choice = Literal["auto", "on", "off"]  # when answers are sent as rich messages
CHOICES: tuple[Choice, ...] = get_args(Choice)


class SettingsError(Exception):
    """An error that lists the missing or wrong variables, one per line, without their values."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


def _stripped(value: object) -> object:
    return value.strip() if isinstance(value, str) else value


def _ids(value: object) -> object:
    if not isinstance(value, str):
        return value
    entries = [entry.strip() for entry in value.split(",")]
    if not all(re.fullmatch(r"|[+-]?[0-9]{1,18}", entry) for entry in entries):
        raise ValueError("has an entry that is not a whole number")
    return frozenset(int(entry) for entry in entries if entry)


def _people(ids: frozenset[int]) -> frozenset[int]:
    if any(person <= 0 for person in ids):
        raise ValueError("has an entry that is not a person's id")
    return ids


# NoDecode: otherwise pydantic reads a list in a variable as JSON
ChatIds = Annotated[frozenset[int], NoDecode, BeforeValidator(_ids)]
PersonIds = Annotated[frozenset[int], NoDecode, BeforeValidator(_ids), AfterValidator(_people)]
Secret = Annotated[SecretStr, BeforeValidator(_stripped)]
LOWERED = BeforeValidator(lambda value: str(value).strip().lower())


class Settings(Host, DatabaseSettings):
    """Every setting of the bot; each field is the environment variable of the same name."""

    model_config = SettingsConfigDict(env_ignore_empty=True)

    telegram_bot_token: Secret
    gemini_api_key: Secret
    gemini_model_name: str = DEFAULT_MODEL
    system_instruction: str = DEFAULT_SYSTEM_INSTRUCTION
    max_history_messages: int = Field(default=50, ge=0)
    max_history_characters: int = Field(default=100_000, ge=1000)
    owm_api_key: Secret | None = None

    allowed_user_ids: PersonIds = frozenset()
    allowed_chat_ids: ChatIds = frozenset()
    admin_user_ids: PersonIds = frozenset()
    group_trigger: Annotated[Literal["mention", "all"], LOWERED] = "mention"
    rich_messages: Annotated[Choice, LOWERED] = "auto"
    rate_limit_per_minute: int = Field(default=10, ge=0)
    rate_limit_per_hour: int = Field(default=100, ge=0)
    rate_limit_per_day: int = Field(default=500, ge=0)
    answer_timeout: int = Field(default=240, ge=10, le=800)
    max_concurrent_updates: int = Field(default=1000, ge=1)

    telegram_api_base_url: BaseUrl = TELEGRAM_API
    google_gemini_base_url: BaseUrl | None = None
    owm_api_base_url: BaseUrl = "https://api.openweathermap.org"

    enable_secure_webhook_token: bool = True
    telegram_webhook_secret: Secret | None = None
    webhook_url: BaseUrl | None = None
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65535)
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"],
        BeforeValidator(lambda value: str(value).strip().upper()),
    ] = "INFO"
    log_format: Annotated[Literal["auto", "text", "json"], LOWERED] = "auto"

    @field_validator("telegram_bot_token")
    @classmethod
    def _is_a_bot_token(cls, value: SecretStr) -> SecretStr:
        if not re.fullmatch(r"\d+:[\w-]+", value.get_secret_value(), re.ASCII):
            raise ValueError("does not look like a bot token (123456789:AA...)")
        return value

    @field_validator("gemini_api_key")
    @classmethod
    def _fits_a_header(cls, value: SecretStr) -> SecretStr:
        if not re.fullmatch(r"[!-~]+", value.get_secret_value()):
            raise ValueError("does not look like an API key")
        return value

    @field_validator("telegram_webhook_secret")
    @classmethod
    def _is_a_secret_token(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not re.fullmatch(r"[A-Za-z0-9_-]{1,256}", value.get_secret_value()):
            raise ValueError("has characters that Telegram does not allow")
        return value

    @field_validator("webhook_url")
    @classmethod
    def _is_a_webhook(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        # A self-hosted Bot API server also delivers to http addresses
        if parts.scheme != "https" and info.data.get("telegram_api_base_url") == TELEGRAM_API:
            raise ValueError("is not an https address")
        return urlunsplit(parts._replace(path=parts.path or "/webhook"))

    @model_validator(mode="after")
    def _keeps_what_it_stores(self) -> "Settings":
        if self.serverless and self.database_url.get_backend_name() == "sqlite":
            variable = self.database_variable
            rest = "" if variable == "DATABASE_URL" else f" Remove {variable}, which names a file."
            raise ValueError(NO_FILES + rest)
        return self

    @property
    def webhook_address(self) -> str | None:
        """Return the webhook's address: WEBHOOK_URL, or else the production address on Vercel."""
        return self.webhook_url or (self.production_url and f"{self.production_url}/webhook")

    @property
    def webhook_secret(self) -> str | None:
        """Return the secret that Telegram must send in its header; None if the check is off.

        Without TELEGRAM_WEBHOOK_SECRET it is derived from the bot token, so that all instances and
        commands have the same secret.
        """
        if not self.enable_secure_webhook_token:
            return None
        if self.telegram_webhook_secret:
            return self.telegram_webhook_secret.get_secret_value()
        token = self.telegram_bot_token.get_secret_value()
        return hmac.new(token.encode(), b"webhook secret", hashlib.sha256).hexdigest()

    @property
    def open_to_everyone(self) -> bool:
        """Tell whether everyone may use the bot, because no users or chats are listed."""
        return not (self.allowed_user_ids or self.allowed_chat_ids)

    def admits(self, access_id: int) -> bool:
        """Tell whether the settings alone allow a person or chat to use the bot."""
        known = self.admin_user_ids | self.allowed_user_ids | self.allowed_chat_ids
        return self.open_to_everyone or access_id in known

    @property
    def secrets(self) -> list[str]:
        """List every secret value, for the log to leave out."""
        values = [
            secret.get_secret_value()
            for secret in (
                self.telegram_bot_token,
                self.gemini_api_key,
                self.telegram_webhook_secret,
                self.owm_api_key,
            )
            if secret
        ]
        urls = (
            self.telegram_api_base_url,
            self.google_gemini_base_url,
            self.owm_api_base_url,
            self.webhook_url,
        )
        carried = chain.from_iterable(carried_by(url) for url in urls if url)
        return [*values, self.webhook_secret or "", self.database_url.password or "", *carried]


def load_settings() -> Settings:
    """Read the settings; raise SettingsError with one line per missing or wrong variable."""
    try:
        return Settings()
    except ValidationError as error:
        # Not chained, because pydantic's text quotes the values
        lines = [_explain(details) for details in error.errors(include_url=False)]
        raise SettingsError(lines) from None


def _explain(details: ErrorDetails) -> str:
    problem = details["msg"].removeprefix("Value error, ")
    if not details["loc"]:  # the settings contradict each other: the message is a whole sentence
        return problem
    name = str(details["loc"][0]).upper()
    mend = WHERE_TO_GET_IT.get(name, DATABASE_VARIABLES)
    if details["type"] == "missing":
        return f"{name} is missing: {mend}."
    problem = problem[0].lower() + problem[1:]
    verb = "" if problem.startswith(("is ", "has ", "does ")) else "is wrong: "
    return f"{name} {verb}{problem}; {mend}."
