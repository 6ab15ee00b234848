"""What the operator can set: environment variables, and the same names in a file `.env`."""

import hashlib
import hmac
import re
from typing import Annotated, Literal
from urllib.parse import urlsplit, urlunsplit

from pydantic import (
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsConfigDict

from db.settings import DatabaseSettings

TELEGRAM_API = "https://api.telegram.org"
DEFAULT_MODEL = "gemini-3.5-flash-lite"
DEFAULT_SYSTEM_INSTRUCTION = (
    "You are a helpful assistant in a Telegram chat. Answer in the language of the person who"
    " writes, to the point, in plain Markdown."
)

WHERE_TO_GET_IT = {
    "TELEGRAM_BOT_TOKEN": "create a bot with @BotFather in Telegram and copy its token",
    "GEMINI_API_KEY": "create a key at https://aistudio.google.com/apikey",
    "TELEGRAM_WEBHOOK_SECRET": "use 1 to 256 of A-Z a-z 0-9 _ -, or leave it out",
    "WEBHOOK_URL": "set the public https address of this bot, like https://bot.example.com",
    "TELEGRAM_API_BASE_URL": "set an address like http://127.0.0.1:8081, or leave it out",
    "GOOGLE_GEMINI_BASE_URL": "set an address like https://proxy.example.com, or leave it out",
    "OWM_API_BASE_URL": "set an address like https://api.openweathermap.org, or leave it out",
    "MAX_HISTORY_MESSAGES": "set a whole number, 0 for no history; the default is 50",
    "LOG_LEVEL": "set DEBUG, INFO, WARNING or ERROR; the default is INFO",
    "PORT": "set a number from 1 to 65535; the default is 8000",
    "ENABLE_SECURE_WEBHOOK_TOKEN": "set true or false; the default is true",
}
DATABASE_VARIABLES = "set SQLALCHEMY_DATABASE_URI or DATABASE_URL, or leave both out for SQLite"


class SettingsError(Exception):
    """Say which variables are missing or wrong, a line each, without their values."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


def token_refused() -> SettingsError:
    """Say that Telegram does not know the token."""
    mend = WHERE_TO_GET_IT["TELEGRAM_BOT_TOKEN"]
    return SettingsError([f"TELEGRAM_BOT_TOKEN is refused by Telegram: {mend}."])


def shown_url(url: str) -> str:
    """Leave out what a URL may carry besides the address: hosts put their keys into the query."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=host, query="***" if parts.query else ""))


def _base_url(value: str) -> str:
    parts = urlsplit(value.strip())
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("is not an http or https address")
    return urlunsplit(parts._replace(path=parts.path.rstrip("/")))


def _stripped(value: object) -> object:
    return value.strip() if isinstance(value, str) else value


BaseUrl = Annotated[str, BeforeValidator(_base_url)]
Secret = Annotated[SecretStr, BeforeValidator(_stripped)]


class Settings(DatabaseSettings):
    """Hold every setting of the bot; each field is the environment variable of the same name."""

    model_config = SettingsConfigDict(env_ignore_empty=True)

    telegram_bot_token: Secret
    gemini_api_key: Secret
    gemini_model_name: str = DEFAULT_MODEL
    system_instruction: str = DEFAULT_SYSTEM_INSTRUCTION
    max_history_messages: int = Field(default=50, ge=0)
    owm_api_key: Secret | None = None

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

    # Set by the hosts themselves, not by people
    vercel: str | None = None
    aws_lambda_function_name: str | None = None

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
        # A Bot API server of one's own delivers to http as well
        if parts.scheme != "https" and info.data.get("telegram_api_base_url") == TELEGRAM_API:
            raise ValueError("is not an https address")
        return urlunsplit(parts._replace(path=parts.path or "/webhook"))

    @property
    def webhook_secret(self) -> str | None:
        """Return what Telegram must send in its secret header; None when the check is off.

        Without TELEGRAM_WEBHOOK_SECRET it is derived from the bot token, so that every instance
        and every command knows the same one.
        """
        if not self.enable_secure_webhook_token:
            return None
        if self.telegram_webhook_secret:
            return self.telegram_webhook_secret.get_secret_value()
        token = self.telegram_bot_token.get_secret_value()
        return hmac.new(token.encode(), b"webhook secret", hashlib.sha256).hexdigest()

    @property
    def serverless(self) -> bool:
        """Tell whether the host starts an instance for a request and may freeze it after."""
        return bool(self.vercel or self.aws_lambda_function_name)

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
        return [*values, self.webhook_secret or "", self.database_url.password or ""]


def load_settings() -> Settings:
    """Read the settings; raise SettingsError with a line for each that is missing or wrong."""
    try:
        return Settings()
    except ValidationError as error:
        # Not chained: pydantic's text quotes the values
        lines = [_explain(details) for details in error.errors(include_url=False)]
        raise SettingsError(lines) from None


def _explain(details: ErrorDetails) -> str:
    name = str(details["loc"][0]).upper() if details["loc"] else ""
    mend = WHERE_TO_GET_IT.get(name, DATABASE_VARIABLES)
    if details["type"] == "missing":
        return f"{name} is missing: {mend}."
    problem = details["msg"].removeprefix("Value error, ")
    problem = problem[0].lower() + problem[1:]
    verb = "" if problem.startswith(("is ", "has ", "does ")) else "is wrong: "
    return f"{name} {verb}{problem}; {mend}."
