"""Alembic's entry: run what it was asked for in one transaction on the settings' database."""  # noqa: INP001 - Alembic loads it by path

import asyncio
from logging.config import fileConfig
from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from alembic.util import CommandError
from pydantic import ValidationError
from sqlalchemy import URL, Connection, text

from db.engine import open_migration
from db.errors import DatabaseUnavailable
from db.models import Base, UtcDateTime
from db.schema import recognise
from db.settings import DatabaseSettings, explain

LOCK_KEY = 4052026110517  # any number, as long as every process uses the same


def read_url() -> URL:
    """Return the caller's URL, else that of the settings."""
    if "url" in context.config.attributes:
        url: URL = context.config.attributes["url"]
        return url
    try:
        return DatabaseSettings().database_url
    except ValidationError as error:
        # Not chained: pydantic's text quotes the values
        raise CommandError(explain(error)) from None


def render_item(kind: str, item: Any, _: AutogenContext) -> str | Literal[False]:
    """Write our column type into new revisions as what it is in the database."""
    return "sa.DateTime()" if kind == "type" and isinstance(item, UtcDateTime) else False


def run(connection: Connection) -> None:
    """Do the work inside the connection's transaction, one process at a time."""
    if connection.dialect.name == "postgresql":
        # Of the transaction, not of the session: that kind leaks through poolers
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        transactional_ddl=True,
        render_item=render_item,
    )
    adopt(connection)
    context.run_migrations()


def adopt(connection: Connection) -> None:
    """Stamp tables that were made without migrations, before a command that changes something."""
    migration = context.get_context()
    if "destination_rev" not in migration.opts or migration.get_current_heads():
        return
    if revision := recognise(connection):
        migration.stamp(context.script, revision)


async def run_online(url: URL) -> None:
    """Run on the database, in one transaction for all revisions."""
    async with open_migration(url) as connection:
        await connection.run_sync(run)


def run_offline(url: URL) -> None:
    """Write the statements to the standard output."""
    context.configure(url=url, target_metadata=Base.metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


def main() -> None:
    """Run online or offline; end the command line with one sentence if there is no database."""
    from_command_line = context.config.config_file_name is not None
    if from_command_line:
        fileConfig(str(context.config.config_file_name), disable_existing_loggers=False)
    url = read_url()
    if context.is_offline_mode():
        return run_offline(url)
    try:
        asyncio.run(run_online(url))
    except DatabaseUnavailable as error:
        if from_command_line:
            raise CommandError(str(error)) from error
        raise


main()
