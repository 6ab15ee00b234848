"""Who works on which update: claims, leases, and what is left to do.

Each is called inside a transaction, and all but `look` are one statement.

An update is claimed by an owner for a time, the lease. While it is "running" it holds its chat:
the database itself (a unique index) lets one update of a chat run at a time.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, NamedTuple, cast

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

CLAIMED = ("chat_id", "status", "owner", "lease_until", "claimed_at")  # the columns of a claim

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


class Held(NamedTuple):
    """A claim, as its owner names it."""

    update_id: int
    owner: str


@dataclass(frozen=True, slots=True)
class Wish:
    """Who wants to work on what: `holds_chat` where nobody else may work on the chat then."""

    update_id: int
    owner: str
    chat_id: int | None
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
        "claimed_at": now,
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


async def renew(session: AsyncSession, claims: Collection[Held]) -> dict[str, bool]:
    """Lengthen leases; return the owners whose claims still hold.

    The value says whether somebody asked to stop.
    """
    row = ProcessedUpdate
    rows = await session.execute(
        update(row)
        .where(_are_held(claims))
        .values(lease_until=epoch_now() + LEASE)
        .returning(row.owner, row.stop_requested)
        .execution_options(synchronize_session=False)
    )
    return {owner: stop for owner, stop in rows if owner}


async def asked_to_stop(session: AsyncSession, claims: Collection[Held]) -> Sequence[str]:
    """Return the owners, of those given, that somebody asked to stop."""
    row = ProcessedUpdate
    owners = await session.scalars(select(row.owner).where(_are_held(claims), row.stop_requested))
    return [owner for owner in owners if owner]


async def release(session: AsyncSession, claim: Held) -> None:
    """Give an update back undone: whoever comes next may claim it at once.

    Its tries are counted from the start: only those that break off without a word add up.
    """
    await _change(session, _are_held([claim]), status=KEPT, owner=None, attempts=0)


async def save_progress(session: AsyncSession, claim: Held, progress: dict[str, Any]) -> bool:
    """Keep what is left to send; return False where the claim is lost."""
    return await _change(session, _are_held([claim]), progress=progress) > 0


async def finish(
    session: AsyncSession, claim: Held, *, counted: bool, left: dict[str, Any] | None
) -> bool:
    """Mark an update as done and forget what it held; return False where the claim is lost.

    `left` is what a later update may want of it, such as a question that got no answer.
    """
    values = {"status": DONE, "counted": counted, "payload": None, "progress": left}
    return await _change(session, _are_held([claim]), **values) > 0


async def is_done_by(session: AsyncSession, claim: Held) -> bool:
    """Tell whether this owner has finished: who loses the connection at a commit cannot know."""
    row = ProcessedUpdate
    done = exists().where(
        row.update_id == claim.update_id, row.owner == claim.owner, row.status == DONE
    )
    return bool(await session.scalar(select(done)))


async def read_left(
    session: AsyncSession, chat_id: int, update_id: int | None = None
) -> dict[str, Any] | None:
    """Return what was left of an update of a chat that is done, by default of the latest one."""
    row = ProcessedUpdate
    wanted = and_(row.chat_id == chat_id, row.status == DONE, row.progress.is_not(None))
    if update_id is not None:
        wanted = and_(wanted, row.update_id == update_id)
    statement = select(row.progress).where(wanted).order_by(row.claimed_at.desc()).limit(1)
    left: dict[str, Any] | None = await session.scalar(statement)
    return left


async def request_stop(session: AsyncSession, chat_id: int, update_id: int | None = None) -> bool:
    """Ask whoever answers in a chat, or one update of it, to stop; tell whether somebody does."""
    row = ProcessedUpdate
    running = and_(row.chat_id == chat_id, row.status == RUNNING, row.lease_until > epoch_now())
    if update_id is not None:
        running = and_(running, row.update_id == update_id)
    return await _change(session, running, stop_requested=true()) > 0


async def keep(session: AsyncSession, payloads: dict[int, str]) -> None:
    """Store the JSON of updates, by id, until they are done; those that are known stay."""
    rows = [
        {"update_id": update_id, "status": KEPT, "claimed_at": epoch_now(), "payload": payload}
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
    """Delete updates of more than two days ago, at most a thousand; return how many.

    Those that Telegram will not send again stay until they are answered, and those that somebody
    else holds until the next time.
    """
    row = ProcessedUpdate
    old = (
        select(row.update_id)
        .where(row.claimed_at < epoch_now() - KEPT_FOR, row.payload.is_(None))
        .order_by(row.claimed_at)
        .limit(PURGED_AT_ONCE)
        .with_for_update(skip_locked=True)
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
        select(row.claimed_at + window - epoch_now())
        .where(row.chat_id == chat_id, row.counted)
        .order_by(row.claimed_at.desc())
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
        .where(row.counted, row.claimed_at > epoch_now() - 24 * 3600.0)
        .group_by(row.chat_id)
        .order_by(questions.desc(), row.chat_id)
        .limit(limit)
    )
    rows = (await session.execute(statement)).all()
    return [(chat_id, count) for chat_id, count in rows if chat_id is not None]


def _are_held(claims: Collection[Held]) -> ColumnElement[bool]:
    row = ProcessedUpdate
    return and_(
        row.update_id.in_([claim.update_id for claim in claims]),
        row.owner.in_([claim.owner for claim in claims]),  # it is another one for each claim
        row.status.in_([RUNNING, BESIDE]),
    )


async def _change(session: AsyncSession, where: ColumnElement[bool], **values: Any) -> int:
    statement = (
        update(ProcessedUpdate)
        .where(where)
        .values(values)
        .execution_options(synchronize_session=False)
    )
    return cast("CursorResult[Any]", await session.execute(statement)).rowcount
