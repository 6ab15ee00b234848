"""The minute of a group: its places, one for each message that Telegram bears in that time.

A place is taken for a minute. There are as many as messages are allowed, and nobody takes one
that is taken: so there are never more, however many instances send.
"""

from typing import Any, cast

from sqlalchemy import (
    CursorResult,
    and_,
    delete,
    func,
    literal,
    select,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncSession

from db.dialects import epoch_now, insert_into
from db.models import GroupPlace, TelegramId
from db.updates import PURGED_AT_ONCE

KEPT_FOR = 3600.0  # seconds; after its minute a place says no more than one that is not there


async def take_place(session: AsyncSession, chat_id: int, limit: int, minute: float) -> float:
    """Take a place in a group's minute; return 0, or the seconds until there is one.

    Fewer than `limit` may be taken by then; `minute` is in seconds. Each statement must see what
    others have committed: call it by `single_statement`.
    """
    while not await _take_lowest(session, chat_id, limit, minute):
        row = GroupPlace
        wait = await session.scalar(
            select(row.taken_at + minute - epoch_now())
            .where(row.chat_id == chat_id)
            .order_by(row.taken_at.desc())
            .offset(limit - 1)
            .limit(1)
        )
        if wait is not None and wait > 0:
            return wait
        # There was one, but somebody else was faster
    return 0.0


async def purge(session: AsyncSession) -> int:
    """Delete places that nobody took for an hour, at most a thousand; return how many.

    Those that somebody else holds stay until the next time.
    """
    row = GroupPlace
    old = (
        select(row.chat_id, row.place)
        .where(row.taken_at < epoch_now() - KEPT_FOR)
        .limit(PURGED_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    statement = (
        delete(row)
        .where(tuple_(row.chat_id, row.place).in_(old))
        .execution_options(synchronize_session=False)
    )
    return cast("CursorResult[Any]", await session.execute(statement)).rowcount


async def _take_lowest(session: AsyncSession, chat_id: int, limit: int, minute: float) -> bool:
    """Take the lowest free place; return False where another was faster, or none is free."""
    row = GroupPlace
    now = epoch_now()
    places = select(literal(0).label("place")).cte(recursive=True)
    after = places.c.place + 1
    number = places.union_all(select(after).where(after < limit)).c.place
    taken = and_(row.chat_id == chat_id, row.taken_at > now - minute)
    count = select(func.count()).select_from(row).where(taken).scalar_subquery()
    free = (
        select(literal(chat_id, TelegramId), number, now)
        .where(count < limit, number.not_in(select(row.place).where(taken)))
        .order_by(number)
        .limit(1)
    )
    insert = insert_into(session, row).from_select(["chat_id", "place", "taken_at"], free)
    statement = insert.on_conflict_do_update(
        index_elements=["chat_id", "place"],
        # The time anew: it may have waited for whoever was faster
        set_={"taken_at": now},
        where=row.taken_at <= now - minute,
    )
    return await session.scalar(statement.returning(row.place)) is not None
