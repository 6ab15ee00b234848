"""The revision of a database's schema."""

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.engine import new_sessions
from db.errors import DatabaseUnavailable
from db.transactions import transaction

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
    "c93f1e5a7b20",
    "d7a2f4c81b35",
    "b83e5d1f6a07",
)
HEAD = KNOWN_REVISIONS[-1]

UNDEFINED_TABLE = "42P01"  # SQLSTATE


def is_newer(revision: str | None) -> bool:
    """Tell whether a later version of the bot has migrated the database."""
    return revision is not None and revision not in KNOWN_REVISIONS


async def read_revision(engine: AsyncEngine) -> str | None:
    """Return the revision that is stored in the database; None if there is none.

    Raise DatabaseUnavailable if it cannot be reached or refuses. It is one statement, as it runs
    at every start.
    """
    try:
        async with new_sessions(engine)() as session, transaction(session):
            revision = await session.scalar(text("SELECT version_num FROM alembic_version"))
    except DatabaseUnavailable as error:
        if _is_about_a_missing_table(error.__cause__):
            return None
        raise
    return None if revision is None else str(revision)


def recognise(connection: Connection) -> str | None:
    """Return the revision that fits tables made without migrations; None if there are none."""
    inspector = inspect(connection)
    tables = inspector.get_table_names()
    if "chat_message" not in tables:
        return None
    columns = {column["name"]: column for column in inspector.get_columns("chat_message")}
    updates = "processed_update"
    indexes = inspector.get_indexes(updates) if updates in tables else []
    names = {index["name"] for index in indexes}
    signs = {  # the newest first
        "b83e5d1f6a07": f"ix_{updates}_person" in names,
        "d7a2f4c81b35": f"ix_{updates}_payload" in names,
        "c93f1e5a7b20": "group_place" in tables,
        "a4c8e27b9d16": "update_id" in columns,
        "f2b86d40e7a9": "ending" in columns,
        "d05e7a91c3f4": "alert" in tables,
        "b7d03f5e8c12": updates in tables,
        "e91a6c0d5f28": "content" in columns,
        "bf58a291441b": "role" in columns,
        "ddd488dfb70c": not columns["chat_id"]["nullable"],
    }
    return next((revision for revision, is_there in signs.items() if is_there), KNOWN_REVISIONS[0])


def _is_about_a_missing_table(error: BaseException | None) -> bool:
    said = getattr(error, "orig", None)
    return getattr(said, "sqlstate", None) == UNDEFINED_TABLE or "no such table" in str(said)
