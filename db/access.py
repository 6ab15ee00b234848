"""Allowed and banned users and chats, and notified strangers; each function is one statement."""

from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import CursorResult, and_, delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from db.dialects import epoch_now, insert_into
from db.models import Access

ALLOWED, BANNED, STRANGER = "allowed", "banned", "stranger"
TOLD_FOR = 3600.0  # seconds before a stranger is notified again


async def set_standing(session: AsyncSession, access_id: int, status: str) -> None:
    """Allow or ban a user or chat, whatever its status was before."""
    insert = insert_into(session, Access).values(id=access_id, status=status, since=epoch_now())
    changed = {"status": insert.excluded.status, "since": insert.excluded.since}
    await session.execute(insert.on_conflict_do_update(index_elements=["id"], set_=changed))


async def lift_ban(session: AsyncSession, access_id: int) -> bool:
    """Delete a ban; return whether there was one."""
    return await _delete(session, access_id, BANNED) > 0


async def is_banned(session: AsyncSession, access_id: int) -> bool:
    """Tell whether a user or chat is banned."""
    banned = select(Access.id).where(Access.id == access_id, Access.status == BANNED)
    return await session.scalar(banned) is not None


async def note_stranger(session: AsyncSession, access_id: int) -> bool:
    """Note that a stranger is notified now; return False if that was done within the hour."""
    insert = insert_into(session, Access).values(id=access_id, status=STRANGER, since=epoch_now())
    statement = insert.on_conflict_do_update(
        index_elements=["id"],
        set_={"since": insert.excluded.since},
        where=and_(Access.status == STRANGER, Access.since < epoch_now() - TOLD_FOR),
    )
    return await session.scalar(statement.returning(Access.id)) is not None


async def forget_stranger(session: AsyncSession, access_id: int) -> None:
    """Delete the note: the stranger could not be notified."""
    await _delete(session, access_id, STRANGER)


async def list_access(session: AsyncSession) -> Sequence[tuple[int, str]]:
    """Return all allowed and banned ids with their statuses, the latest first."""
    statement = (
        select(Access.id, Access.status)
        .where(Access.status != STRANGER)
        .order_by(Access.since.desc(), Access.id)
    )
    return [(access_id, status) for access_id, status in await session.execute(statement)]


async def purge_strangers(session: AsyncSession) -> int:
    """Delete the strangers who may be notified again; return how many."""
    old = and_(Access.status == STRANGER, Access.since < epoch_now() - TOLD_FOR)
    statement = delete(Access).where(old).execution_options(synchronize_session=False)
    return cast("CursorResult[Any]", await session.execute(statement)).rowcount


async def _delete(session: AsyncSession, access_id: int, status: str) -> int:
    statement = (
        delete(Access)
        .where(Access.id == access_id, Access.status == status)
        .execution_options(synchronize_session=False)
    )
    return cast("CursorResult[Any]", await session.execute(statement)).rowcount
