"""A group's quota: a number of places, one for each message that Telegram allows in a minute.

A place is taken for a minute, and a taken place cannot be taken again. So there are never more
messages than allowed, no matter how many instances send.
"""

from typing import Any, cast

from sqlalchemy import (
    CursorResult,
    Double,
    Integer,
    and_,
    bindparam,
    delete,
    func,
    literal,
    not_,
    select,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql import Executable

from db.dialects import InsertInto, built_once, epoch_now
from db.models import GroupPlace, TelegramId, table_of
from db.updates import PURGED_AT_ONCE

PLACES = table_of(GroupPlace)
row = PLACES.c

CLOCK_SLACK = 1.0  # seconds
KEPT_FOR = 3600.0  # seconds; a place that is free again is equal to a missing one


_CHAT = bindparam("chat", type_=TelegramId)
_MINUTE = bindparam("minute", type_=Double)
# Not if the database's clock has been set back since
_IS_TAKEN = row.taken_at.between(epoch_now() - _MINUTE, epoch_now() + CLOCK_SLACK)
# Until the place taken `rest` places before the latest one is free again
_WAIT = (
    select(row.taken_at + _MINUTE - epoch_now())
    .where(row.chat_id == _CHAT, _IS_TAKEN)
    .order_by(row.taken_at.desc())
    .offset(bindparam("rest"))
    .limit(1)
)


async def take_place(session: AsyncSession, chat_id: int, limit: int, minute: float) -> float:
    """Take a place in a group's quota; return 0, or the seconds until one is free.

    There are `limit` places, each taken for `minute` seconds. Every statement must see what others
    have committed: call it in `single_statement`.
    """
    values = {"chat": chat_id, "limit": limit, "minute": minute}
    while await session.scalar(_take_lowest(session), values) is None:
        wait: float | None = await session.scalar(_WAIT, values | {"rest": limit - 1})
        if wait is not None and wait > 0:
            return wait
        # There was a free place, but another process took it first
    return 0.0


async def purge(session: AsyncSession) -> int:
    """Delete places that were not taken within the last hour, at most a thousand; return how many.

    Rows locked by others are skipped.
    """
    old = (
        select(row.chat_id, row.place)
        .where(row.taken_at < epoch_now() - KEPT_FOR)
        .limit(PURGED_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    statement = delete(PLACES).where(tuple_(row.chat_id, row.place).in_(old))
    return cast("CursorResult[Any]", await session.execute(statement)).rowcount


@built_once
def _take_lowest(insert_into: InsertInto) -> Executable:
    """Return a statement that takes the lowest free place, unless another process is faster."""
    now, limit = epoch_now(), bindparam("limit", type_=Integer)
    places = select(literal(0).label("place")).cte("places", recursive=True)
    after = places.c.place + 1
    number = places.union_all(select(after).where(after < limit)).c.place
    taken = and_(row.chat_id == _CHAT, _IS_TAKEN)
    count = select(func.count()).select_from(PLACES).where(taken).scalar_subquery()
    free = (
        select(_CHAT, number, now)
        .where(count < limit, number.not_in(select(row.place).where(taken)))
        .order_by(number)
        .limit(1)
    )
    insert = insert_into(PLACES).from_select(["chat_id", "place", "taken_at"], free)
    return insert.on_conflict_do_update(
        index_elements=["chat_id", "place"],
        # Not `excluded`: the statement may have waited for another process
        set_={"taken_at": now},
        where=not_(_IS_TAKEN),
    ).returning(row.place)
