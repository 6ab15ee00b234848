"""Updates: their claims and leases, and what is left to do.

All functions but `check_state` are one statement; all but `claim` must be called inside a
transaction.

An owner claims an update for a limited time, the lease. A "running" update holds its chat: a
unique index lets only one update of a chat run at a time.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, NamedTuple, cast

from sqlalchemy import (
    Boolean,
    ColumnElement,
    CursorResult,
    Double,
    Integer,
    ScalarSelect,
    String,
    and_,
    bindparam,
    case,
    delete,
    exists,
    false,
    func,
    literal,
    literal_column,
    null,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql import Executable

from db.dialects import InsertInto, built_once, epoch_now, insert_into
from db.models import ProcessedUpdate, TelegramId, table_of
from db.senders import Limits, SenderRecord, sender_columns
from db.transactions import fetch

LEASE = 30.0  # seconds
KEPT_FOR = 2 * 24 * 3600.0  # seconds; Telegram sends an update again for one day
PURGED_AT_ONCE = 1000  # rows
LEFT_AT_ONCE = 100  # rows

# The columns that a claim sets
CLAIMED = ("chat_id", "person_id", "status", "owner", "lease_until", "claimed_at", "counted")

KEPT, RUNNING, BESIDE, DONE = "kept", "running", "beside", "done"

ROWS = table_of(ProcessedUpdate)
row = ROWS.c

# Spelled as in the index: with "counted = 1" SQLite does not use it
_IS_COUNTED: ColumnElement[Any] = literal_column(f"{ROWS.name}.{row.counted.name}", Integer)


class State(Enum):
    """The reason why a claim was refused."""

    BUSY = auto()  # another owner works on the update or on its chat
    DONE = auto()


@dataclass(frozen=True, slots=True)
class GrantedClaim:
    """The result of a claim: the owner may work on the update until the lease ends."""

    attempt: int
    progress: dict[str, Any] | None
    sender_record: SenderRecord


class ClaimKey(NamedTuple):
    """The identity of a claim."""

    update_id: int
    owner: str


class ClaimRequest(NamedTuple):
    """A request for a claim; with `holds_chat`, no other update of the chat may run."""

    update_id: int
    owner: str
    chat_id: int | None
    user_id: int | None
    holds_chat: bool


@built_once
def _claim(insert_into: InsertInto, limits: Limits) -> Executable:
    other, now = ROWS.alias().c, epoch_now()
    update_id = bindparam("update_id", type_=TelegramId)
    chat_id = bindparam("chat_id", type_=TelegramId)
    values: dict[str, ColumnElement[Any]] = {
        "update_id": update_id,
        "chat_id": chat_id,
        "person_id": bindparam("user_id", type_=TelegramId),
        "status": bindparam("status", type_=String),
        "owner": bindparam("owner", type_=String),
        "lease_until": now + bindparam("lease", type_=Double),
        "attempts": literal(1),
        "claimed_at": now,
        "counted": literal(bool(limits)),
    }
    held = exists().where(
        other.chat_id == chat_id,
        other.status == RUNNING,
        other.update_id != update_id,
        bindparam("holds_chat", type_=Boolean),
    )
    insert = insert_into(ROWS).from_select(list(values), select(*values.values()).where(~held))
    # A claim may be repeated if nobody knows how it ended
    is_ours = row.owner == insert.excluded.owner
    is_free = or_(row.status == KEPT, row.lease_until < now, is_ours)
    return insert.on_conflict_do_update(
        index_elements=["update_id"],
        set_={name: insert.excluded[name] for name in CLAIMED}
        | {
            "attempts": case((is_ours, row.attempts), else_=row.attempts + 1),
            "stop_requested": false(),
        },
        where=and_(row.status != DONE, is_free),
    ).returning(row.attempts, row.progress, *sender_columns(limits))


async def claim(
    session: AsyncSession, request: ClaimRequest, limits: Limits = ()
) -> GrantedClaim | None:
    """Claim a free update, and its chat; return None if it is not free.

    The same statement returns how long the limits make chat and user wait, which saves a round
    trip. With limits, the update counts as a question until it is finished.
    """
    status = RUNNING if request.holds_chat else BESIDE
    parameters = request._asdict() | {"status": status, "lease": LEASE}
    try:
        rows = await fetch(session, _claim(session, limits), parameters, repeatable=True)
    except IntegrityError:  # another update of the chat was claimed during the statement
        return None
    if not rows:
        return None
    found: Sequence[Any] = rows[0]
    attempt, progress, *rest = found
    return GrantedClaim(attempt, progress, SenderRecord.from_row(rest))


async def count(session: AsyncSession, key: ClaimKey) -> None:
    """Count an update as a question until it is done."""
    await _change(session, _are_held([key]), counted=True)


async def check_state(session: AsyncSession, request: ClaimRequest) -> State:
    """Return why a claim was refused; release an expired claim on the chat."""
    await session.execute(
        update(ROWS)
        .where(
            row.chat_id == request.chat_id, row.status == RUNNING, row.lease_until < epoch_now()
        )
        .values(status=KEPT, owner=None)
    )
    status = await session.scalar(select(row.status).where(row.update_id == request.update_id))
    return State.DONE if status == DONE else State.BUSY


async def renew(session: AsyncSession, keys: Collection[ClaimKey]) -> dict[str, bool]:
    """Renew leases; return the owners whose claims still hold.

    The values tell whether a user asked to stop the answer.
    """
    rows = await session.execute(
        update(ROWS)
        .where(_are_held(keys))
        .values(lease_until=epoch_now() + LEASE)
        .returning(row.owner, row.stop_requested)
    )
    return {owner: stop for owner, stop in rows if owner}


async def asked_to_stop(session: AsyncSession, keys: Collection[ClaimKey]) -> Sequence[str]:
    """Return the owners of those claims whose answers a user asked to stop."""
    owners = await session.scalars(select(row.owner).where(_are_held(keys), row.stop_requested))
    return [owner for owner in owners if owner]


async def release(session: AsyncSession, key: ClaimKey) -> None:
    """Release an update undone: it may be claimed again at once.

    Its attempts are counted from 0 again: only attempts that crash add up.
    """
    free = {"status": KEPT, "owner": None, "attempts": 0, "counted": False}
    await _change(session, _are_held([key]), **free)


async def save_progress(session: AsyncSession, key: ClaimKey, progress: dict[str, Any]) -> bool:
    """Store what is left to send; return False if the claim is lost."""
    return await _change(session, _are_held([key]), progress=progress) > 0


FINISH = (
    update(ROWS)
    .where(
        row.update_id == bindparam("of_update", type_=TelegramId),
        row.owner == bindparam("of_owner", type_=String),
        row.status.in_([RUNNING, BESIDE]),
    )
    .values(
        status=DONE,
        counted=bindparam("counted"),
        payload=None,
        progress=bindparam("left", type_=ROWS.c.progress.type),
    )
)


async def finish(
    session: AsyncSession, key: ClaimKey, *, counted: bool, left: dict[str, Any] | None
) -> bool:
    """Mark an update as done and delete its payload; return False if the claim is lost.

    `left` is stored for later updates, such as a question without an answer.
    """
    values = finish_values(key, counted=counted, left=left)
    result = await session.execute(FINISH, values)
    return cast("CursorResult[Any]", result).rowcount > 0


def finish_values(key: ClaimKey, *, counted: bool, left: dict[str, Any] | None) -> dict[str, Any]:
    """Return the parameters of FINISH."""
    held = {"of_update": key.update_id, "of_owner": key.owner}
    return held | {"counted": counted, "left": left}


async def is_done_by(session: AsyncSession, key: ClaimKey) -> bool:
    """Tell whether this owner has finished: a connection lost at a commit leaves it open."""
    done = exists().where(
        row.update_id == key.update_id, row.owner == key.owner, row.status == DONE
    )
    return bool(await session.scalar(select(done)))


async def mark_done(session: AsyncSession, keys: Collection[ClaimKey]) -> None:
    """Mark updates as done whose owners could not do so in time, even if their rows are gone.

    Updates that another owner works on by now are left alone.
    """
    rows = [
        {"update_id": key.update_id, "status": DONE, "claimed_at": epoch_now()} for key in keys
    ]
    insert = insert_into(session, ROWS).values(rows)
    is_ours = row.owner.in_([key.owner for key in keys])
    is_free = or_(row.status == KEPT, row.lease_until < epoch_now(), is_ours)
    await session.execute(
        insert.on_conflict_do_update(
            index_elements=["update_id"],
            set_={"status": DONE, "payload": null(), "progress": null()},
            where=and_(row.status != DONE, is_free),
        )
    )


async def read_left(
    session: AsyncSession, chat_id: int, update_id: int | None = None
) -> Sequence[dict[str, Any]]:
    """Return what was left of a done update of a chat, by default of the latest ones."""
    wanted = and_(row.chat_id == chat_id, row.status == DONE, row.progress.is_not(None))
    if update_id is not None:
        wanted = and_(wanted, row.update_id == update_id)
    statement = select(row.progress).where(wanted).order_by(row.claimed_at.desc())
    left = await session.scalars(statement.limit(LEFT_AT_ONCE))
    return [one for one in left if one is not None]


async def request_stop(session: AsyncSession, chat_id: int, update_id: int | None = None) -> bool:
    """Request a stop of the answers in a chat, or to one update; return whether there are any."""
    running = and_(row.chat_id == chat_id, row.status == RUNNING, row.lease_until > epoch_now())
    if update_id is not None:
        running = and_(running, row.update_id == update_id)
    return await _change(session, running, stop_requested=true()) > 0


async def keep(session: AsyncSession, payloads: dict[int, str]) -> None:
    """Store the JSON of updates, by id, until they are done; skip those already stored."""
    rows = [
        {"update_id": update_id, "status": KEPT, "claimed_at": epoch_now(), "payload": payload}
        for update_id, payload in payloads.items()
    ]
    statement = insert_into(session, ROWS).values(rows)
    await session.execute(statement.on_conflict_do_nothing(index_elements=["update_id"]))


async def left_over(session: AsyncSession) -> Sequence[str]:
    """Return the JSON of all stored updates that are not done, in order."""
    statement = select(row.payload).where(row.payload.is_not(None), row.status != DONE)
    payloads = await session.scalars(statement.order_by(row.update_id))
    return [payload for payload in payloads if payload is not None]


async def drop(session: AsyncSession, update_id: int) -> None:
    """Delete a stored update that needs no work."""
    await session.execute(delete(ROWS).where(row.update_id == update_id, row.status == KEPT))


async def purge(session: AsyncSession) -> int:
    """Delete updates older than two days, at most a thousand; return how many.

    Updates that Telegram will not send again stay until they are done; locked rows are skipped.
    """
    old = (
        select(row.update_id)
        .where(row.claimed_at < _before(KEPT_FOR), row.payload.is_(None))
        .order_by(row.claimed_at)
        .limit(PURGED_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    statement = delete(ROWS).where(row.update_id.in_(old.scalar_subquery()))
    return cast("CursorResult[Any]", await session.execute(statement)).rowcount


async def busiest_chats(session: AsyncSession, limit: int) -> Sequence[tuple[int, int]]:
    """Return the chats with the most questions in the last day, with their numbers."""
    questions = func.count()
    statement = (
        select(row.chat_id, questions)
        .where(_IS_COUNTED, row.claimed_at > _before(24 * 3600.0))
        .group_by(row.chat_id)
        .order_by(questions.desc(), row.chat_id)
        .limit(limit)
    )
    rows = (await session.execute(statement)).all()
    return [(chat_id, count) for chat_id, count in rows if chat_id is not None]


def _before(seconds: float) -> ScalarSelect[float]:
    """Return the time so many seconds ago; as a subquery, so that an index can be used."""
    return select(epoch_now() - seconds).scalar_subquery()


def _are_held(keys: Collection[ClaimKey]) -> ColumnElement[bool]:
    return and_(
        row.update_id.in_([key.update_id for key in keys]),
        row.owner.in_([key.owner for key in keys]),  # each claim has a different owner
        row.status.in_([RUNNING, BESIDE]),
    )


async def _change(session: AsyncSession, where: ColumnElement[bool], **values: Any) -> int:
    statement = update(ROWS).where(where).values(values)
    return cast("CursorResult[Any]", await session.execute(statement)).rowcount
