"""Records of the senders of updates: access, preferences and rate limits."""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Integer, ScalarSelect, bindparam, literal_column, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql import Executable

from db.dialects import epoch_now
from db.models import Access, Preference, ProcessedUpdate, TelegramId, table_of

# Pairs of a window in seconds and the number of questions allowed in it
Limits = tuple[tuple[float, int], ...]

_CHAT = bindparam("chat_id", type_=TelegramId)
_USER = bindparam("user_id", type_=TelegramId)
_UPDATE = bindparam("update_id", type_=TelegramId)
# Not the plain parameters: for a busy chat, PostgreSQL would scan the latest updates of all chats
# until it had found enough of that one
_CHAT_ID, _USER_ID = select(_CHAT).scalar_subquery(), select(_USER).scalar_subquery()

UPDATES = table_of(ProcessedUpdate)
_ASKED = UPDATES.alias("asked").c
# Spelled as in the index: with "counted = 1" SQLite does not use it
_IS_COUNTED: ColumnElement[Any] = literal_column(f"asked.{_ASKED.counted.name}", Integer)


class SenderRecord(NamedTuple):
    """The stored data about a user in a chat.

    `statuses` are those of both, see `db.access`; `wait` is the seconds until both may ask again,
    0 or less if they may now; `rich_messages` is the user's choice, if there is one.
    """

    statuses: frozenset[str] = frozenset()
    wait: float = 0.0
    rich_messages: str | None = None

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> "SenderRecord":
        """Return the record in a row of `sender_columns`."""
        user, chat, rich_messages, *waits = row
        return cls(frozenset({user, chat} - {None}), _longest(waits), rich_messages)


def sender_columns(limits: Limits) -> Sequence[ScalarSelect[Any]]:
    """Return the columns of a SenderRecord, to be added to a statement.

    The statement's parameters must include `update_id`, `chat_id` and `user_id`.
    """
    access, preference = table_of(Access).c, table_of(Preference).c
    return [
        select(access.status).where(access.id == _USER).scalar_subquery(),
        select(access.status).where(access.id == _CHAT).scalar_subquery(),
        select(preference.rich_messages).where(preference.person_id == _USER).scalar_subquery(),
        *_waits(limits, _ASKED.update_id != _UPDATE),
    ]


async def rate_limit_wait(
    session: AsyncSession,
    update_id: int,
    chat_id: int | None,
    user_id: int | None,
    limits: Limits,
) -> float:
    """Return the seconds until a chat and a user may ask again; 0 or less if they may now.

    Updates claimed before this one count, including those in work: simultaneous questions in
    several chats did not see each other when they were claimed.
    """
    values = {"update_id": update_id, "chat_id": chat_id, "user_id": user_id}
    return _longest((await session.execute(_waits_before_claim(limits), values)).one())


@cache
def _waits_before_claim(limits: Limits) -> Executable:
    claimed_at = select(UPDATES.c.claimed_at).where(UPDATES.c.update_id == _UPDATE)
    return select(*_waits(limits, _ASKED.claimed_at < claimed_at.scalar_subquery()))


def _waits(limits: Limits, which: ColumnElement[bool]) -> Sequence[ScalarSelect[float]]:
    """Return for each limit the seconds until chat and user may ask again; NULL if they may.

    Each window slides: of 10 a minute, the eleventh is allowed a minute after the first.
    """
    by_chat, by_user = _ASKED.chat_id == _CHAT_ID, _ASKED.person_id == _USER_ID
    return [_wait(limit, by, which) for by in (by_chat, by_user) for limit in limits]


def _wait(limit: tuple[float, int], *which: ColumnElement[bool]) -> ScalarSelect[float]:
    window, count = limit
    return (
        select(_ASKED.claimed_at + window - epoch_now())
        .where(*which, _IS_COUNTED)
        .order_by(_ASKED.claimed_at.desc())
        .offset(count - 1)
        .limit(1)
        .scalar_subquery()
    )


def _longest(waits: Iterable[float | None]) -> float:
    return max((wait for wait in waits if wait is not None), default=0.0)
