"""Which revision of the schema a database has."""

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from db.engine import new_sessions, transaction

KNOWN_REVISIONS = (
    "af8fa7460019",
    "ddd488dfb70c",
    "bf58a291441b",
    "c4d2b7f1e630",
    "e91a6c0d5f28",
    "b7d03f5e8c12",
    "d05e7a91c3f4",
    "f2b86d40e7a9",
    "a4c8e27b9d16",
)
HEAD = KNOWN_REVISIONS[-1]

UNDEFINED_TABLE = "42P01"  # SQLSTATE


def is_newer(revision: str | None) -> bool:
    """Tell whether a later version of the bot has migrated the database."""
    return revision is not None and revision not in KNOWN_REVISIONS


async def read_revision(engine: AsyncEngine) -> str | None:
    """Return the revision that the database says it has; None when it says nothing.

    Raise DatabaseUnavailable when it cannot be reached, and SQLAlchemy's errors as they are when
    it refuses. One statement, as it is asked at every start.
    """
    try:
        async with new_sessions(engine)() as session, transaction(session):
            revision = await session.scalar(text("SELECT version_num FROM alembic_version"))
    except DBAPIError as error:
        if _is_about_a_missing_table(error):
            return None
        raise
    return None if revision is None else str(revision)


def recognise(connection: Connection) -> str | None:
    """Return the revision that fits tables made without migrations; None where there are none."""
    inspector = inspect(connection)
    if not inspector.has_table("chat_message"):
        return None
    columns = {column["name"]: column for column in inspector.get_columns("chat_message")}
    if "update_id" in columns:
        return "a4c8e27b9d16"
    if "ending" in columns:
        return "f2b86d40e7a9"
    if inspector.has_table("alert"):
        return "d05e7a91c3f4"
    if inspector.has_table("processed_update"):
        return "b7d03f5e8c12"
    if "content" in columns:
        return "e91a6c0d5f28"
    if "role" in columns:
        return "bf58a291441b"
    return "af8fa7460019" if columns["chat_id"]["nullable"] else "ddd488dfb70c"


def _is_about_a_missing_table(error: DBAPIError) -> bool:
    state = getattr(error.orig, "sqlstate", None)
    return state == UNDEFINED_TABLE or "no such table" in str(error.orig)
