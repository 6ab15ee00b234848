"""Who works on which update: claims, leases, and what is left to do.

Each is called inside a transaction, and all but `look` are one statement.

An update is claimed by an owner for a time, the lease. While it is "running" it holds its chat:
the database itself (a unique index) lets one update of a chat run at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    and_,
    delete,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from db.dialects import epoch_now, insert_into
from db.models import ProcessedUpdate, TelegramId

LEASE = 30.0  # seconds
KEPT_FOR = 2 * 24 * 3600.0  # seconds; Telegram sends an update again for one day
PURGED_AT_ONCE = 1000  # rows

CLAIMED = ("chat_id", "status", "owner", "lease_until")  # the columns of a claim

KEPT, RUNNING, BESIDE, DONE = "kept", "running", "beside", "done"


class State(Enum):
    """What stands in the way of a claim."""

    BUSY = auto()  # somebody works on the update, or on its chat
    DONE = auto()


@dataclass(frozen=True, slots=True)
class Claim:
    """An owner's right to work on an update until its lease ends."""

    attempt: int
    progress: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Wish:
    """Who wants to work on what: `holds_chat` where nobody else may work on the chat then."""

    update_id: int
    chat_id: int | None
    owner: str
    holds_chat: bool


async def claim(session: AsyncSession, wish: Wish) -> Claim | None:
    """Take an update that nobody works on, and its chat; None where it cannot be had now."""
    row = ProcessedUpdate
    other = aliased(ProcessedUpdate)
    now = epoch_now()
    values: dict[str, ColumnElement[Any]] = {
        "update_id": literal(wish.update_id, TelegramId),
        "chat_id": literal(wish.chat_id, TelegramId),
        "status": literal(RUNNING if wish.holds_chat else BESIDE),
        "owner": literal(wish.owner),
        "lease_until": now + LEASE,
        "attempts": literal(1),
        "created_at": now,
    }
    held = exists().where(
        other.chat_id == wish.chat_id,
        other.status == RUNNING,
        other.update_id != wish.update_id,
        literal(wish.holds_chat),
    )
    insert = insert_into(session, row).from_select(
        list(values), select(*values.values()).where(~held)
    )
    statement = insert.on_conflict_do_update(
        index_elements=["update_id"],
        set_={name: insert.excluded[name] for name in CLAIMED}
        | {"attempts": row.attempts + 1, "stop_requested": false()},
        where=or_(row.status == KEPT, and_(row.status != DONE, row.lease_until < now)),
    ).returning(row.attempts, row.progress)
    try:
        found = (await session.execute(statement)).one_or_none()
    except IntegrityError:  # another update of the chat was faster, by less than a statement
        return None
    return Claim(*found) if found else None


async def look(session: AsyncSession, wish: Wish) -> State:
    """Say why a claim was not granted, and free the chat of an owner whose lease is over."""
    row = ProcessedUpdate
    await session.execute(
        update(row)
        .where(row.chat_id == wish.chat_id, row.status == RUNNING, row.lease_until < epoch_now())
        .values(status=KEPT, owner=None)
        .execution_options(synchronize_session=False)
    )
    status = await session.scalar(select(row.status).where(row.update_id == wish.update_id))
    return State.DONE if status == DONE else State.BUSY


async def renew(session: AsyncSession, update_id: int, owner: str) -> bool | None:
    """Lengthen the lease; return whether a stop was asked for, None where the claim is lost."""
    row = ProcessedUpdate
    return await session.scalar(
        update(row)
        .where(_is_held(update_id, owner))
        .values(lease_until=epoch_now() + LEASE)
        .returning(row.stop_requested)
        .execution_options(synchronize_session=False)
    )


async def release(session: AsyncSession, update_id: int, owner: str) -> None:
    """Give an update back undone: whoever comes next may claim it at once."""
    await _change(session, _is_held(update_id, owner), status=KEPT, owner=None)


async def save_progress(
    session: AsyncSession, update_id: int, owner: str, progress: dict[str, Any]
) -> bool:
    """Keep what is left to send; return False where the claim is lost."""
    return await _change(session, _is_held(update_id, owner), progress=progress) > 0


async def finish(session: AsyncSession, update_id: int, owner: str, *, counted: bool) -> bool:
    """Mark an update as done and forget what it held; return False where the claim is lost.

    To finish twice is no fault: who commits and loses the connection cannot know whether it did.
    """
    row = ProcessedUpdate
    ours = and_(row.update_id == update_id, row.owner == owner, row.status != KEPT)
    values = {"status": DONE, "counted": counted, "payload": None, "progress": None}
    return await _change(session, ours, **values) > 0


async def request_stop(session: AsyncSession, chat_id: int) -> bool:
    """Ask whoever answers in a chat to stop; return whether somebody does."""
    row = ProcessedUpdate
    running = and_(row.chat_id == chat_id, row.status == RUNNING, row.lease_until > epoch_now())
    return await _change(session, running, stop_requested=true()) > 0


async def keep(session: AsyncSession, payloads: dict[int, str]) -> None:
    """Store the JSON of updates, by id, until they are done; those that are known stay."""
    rows = [
        {"update_id": update_id, "status": KEPT, "created_at": epoch_now(), "payload": payload}
        for update_id, payload in payloads.items()
    ]
    statement = insert_into(session, ProcessedUpdate).values(rows)
    await session.execute(statement.on_conflict_do_nothing(index_elements=["update_id"]))


async def left_over(session: AsyncSession) -> Sequence[str]:
    """Return the JSON of all updates that were kept and are not done, in their order."""
    row = ProcessedUpdate
    statement = select(row.payload).where(row.payload.is_not(None), row.status != DONE)
    payloads = await session.scalars(statement.order_by(row.update_id))
    return [payload for payload in payloads if payload is not None]


async def drop(session: AsyncSession, update_id: int) -> None:
    """Forget an update that was kept and needs no work."""
    row = ProcessedUpdate
    await session.execute(
        delete(row)
        .where(row.update_id == update_id, row.status == KEPT)
        .execution_options(synchronize_session=False)
    )


async def purge(session: AsyncSession) -> int:
    """Delete updates of more than two days ago, at most a thousand; return how many."""
    row = ProcessedUpdate
    old = (
        select(row.update_id)
        .where(row.created_at < epoch_now() - KEPT_FOR)
        .order_by(row.created_at)
        .limit(PURGED_AT_ONCE)
    )
    statement = (
        delete(row)
        .where(row.update_id.in_(old.scalar_subquery()))
        .execution_options(synchronize_session=False)
    )
    return cast("CursorResult[Any]", await session.execute(statement)).rowcount


async def waiting_time(session: AsyncSession, chat_id: int, limits: dict[float, int]) -> float:
    """Return the seconds until a chat may ask again; 0 or less where it may now.

    `limits` are questions by the seconds in which they are allowed; 0 questions: no limit. Each
    window slides: of 10 a minute, the eleventh is allowed a minute after the first.
    """
    row = ProcessedUpdate
    waits = [
        select(row.created_at + window - epoch_now())
        .where(row.chat_id == chat_id, row.counted)
        .order_by(row.created_at.desc())
        .offset(limit - 1)
        .limit(1)
        .scalar_subquery()
        for window, limit in limits.items()
        if limit
    ]
    if not waits:
        return 0.0
    found = (await session.execute(select(*waits))).one()
    return max((wait for wait in found if wait is not None), default=0.0)


async def busiest_chats(session: AsyncSession, limit: int) -> Sequence[tuple[int, int]]:
    """Return the chats with the most questions of the last day, and how many those are."""
    row = ProcessedUpdate
    questions = func.count()
    statement = (
        select(row.chat_id, questions)
        .where(row.counted, row.created_at > epoch_now() - 24 * 3600.0)
        .group_by(row.chat_id)
        .order_by(questions.desc(), row.chat_id)
        .limit(limit)
    )
    rows = (await session.execute(statement)).all()
    return [(chat_id, count) for chat_id, count in rows if chat_id is not None]


def _is_held(update_id: int, owner: str) -> ColumnElement[bool]:
    row = ProcessedUpdate
    return and_(row.update_id == update_id, row.owner == owner, row.status.in_([RUNNING, BESIDE]))


async def _change(session: AsyncSession, where: ColumnElement[bool], **values: Any) -> int:
    statement = (
        update(ProcessedUpdate)
        .where(where)
        .values(values)
        .execution_options(synchronize_session=False)
    )
    return cast("CursorResult[Any]", await session.execute(statement)).rowcount
