"""The database's settings, from the environment and a file `.env`."""

import logging
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy import URL

from db.url import DatabaseUrlError, parse_url

# The first one that is set wins
VARIABLES = ("sqlalchemy_database_uri", "database_url", "postgres_url")
DEFAULT_URL = parse_url("sqlite:///db.sqlite")
FORMER_FILE = Path("instance/db.sqlite")  # where Flask put the default database

logger = logging.getLogger(__name__)


def _locate(value: object) -> URL:
    url = parse_url(value if isinstance(value, URL) else _text(value))
    if url.get_backend_name() != "sqlite" or url.database is None:
        return url
    if url == DEFAULT_URL and FORMER_FILE.exists() and not Path(url.database).exists():
        logger.warning("%s is used: there is no %s", FORMER_FILE, url.database)
        return url.set(database=str(FORMER_FILE))
    folder = Path(url.database).absolute().parent
    if not folder.is_dir():
        raise DatabaseUrlError(f"The folder of the SQLite file does not exist: {folder}")
    return url


def _text(value: object) -> str:
    if isinstance(value, URL):
        return value.render_as_string(hide_password=False)
    return str(value or "").strip()


DatabaseUrl = Annotated[URL, NoDecode, BeforeValidator(_locate)]


class DatabaseSettings(BaseSettings):
    """The URL of the database, in the variable in which it was given."""

    model_config = SettingsConfigDict(
        env_file=".env",
        extra="ignore",
        hide_input_in_errors=True,
        arbitrary_types_allowed=True,
    )

    sqlalchemy_database_uri: DatabaseUrl | None = None
    # Not `database_url`, which is the property
    host_database_url: DatabaseUrl | None = Field(default=None, validation_alias="database_url")
    postgres_url: DatabaseUrl | None = None

    @model_validator(mode="before")
    @classmethod
    def _keep_one(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Keep the first URL that is set, and warn about others that differ from it."""
        given = {name: text for name in VARIABLES if (text := _text(values.get(name)))}
        first = next(iter(given), "database_url")
        others = [name.upper() for name, text in given.items() if text != given[first]]
        if others:
            logger.warning("%s is used; %s differs", first.upper(), " and ".join(others))
        rest = {name: value for name, value in values.items() if name not in VARIABLES}
        return rest | {first: given.get(first, DEFAULT_URL)}

    @property
    def database_variable(self) -> str:
        """Return the name of the variable that the URL comes from, or the default one."""
        if self.sqlalchemy_database_uri:
            return "SQLALCHEMY_DATABASE_URI"
        return "POSTGRES_URL" if self.postgres_url else "DATABASE_URL"

    @property
    def database_name(self) -> str:
        """Return the name of the kind of database."""
        return {"postgresql": "PostgreSQL", "sqlite": "SQLite"}[
            self.database_url.get_backend_name()
        ]

    @property
    def database_file(self) -> Path | None:
        """Return SQLite's file; None for a database on a server."""
        url = self.database_url
        return Path(url.database or "") if url.get_backend_name() == "sqlite" else None

    @property
    def database_url(self) -> URL:
        """Return the URL with its asynchronous driver."""
        url = self.sqlalchemy_database_uri or self.host_database_url or self.postgres_url
        return url or DEFAULT_URL


def explain(error: ValidationError) -> str:
    """Return the errors in the settings in one line, without their values."""
    return "; ".join(
        f"{str(fault['loc'][0]).upper()}: {fault['msg'].removeprefix('Value error, ')}"
        for fault in error.errors(include_url=False, include_input=False)
    )
