"""Migrate a database to the newest schema while the event loop runs."""

import asyncio
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import URL

from db.url import parse_url

if TYPE_CHECKING:
    from alembic.config import Config

SCRIPTS = Path(__file__).parent.parent / "migrations"

# Alembic keeps its context in a global of the process
_one_at_a_time = threading.Lock()


async def migrate(url: str | URL) -> None:
    """Upgrade the database to the newest revision in a thread.

    Any number of processes may do so at once. It is one transaction: after an error the database
    is unchanged. Raise DatabaseUnavailable if it cannot be reached.
    """
    await asyncio.to_thread(_upgrade, parse_url(url))


def configuration(url: URL) -> "Config":
    """Return Alembic's configuration for a database; alembic.ini is for the command line."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    # Not as an option: options are interpolated, and passwords may contain %
    config.attributes["url"] = url
    return config


def _upgrade(url: URL) -> None:
    from alembic import command

    with _one_at_a_time:
        command.upgrade(configuration(url), "head")
