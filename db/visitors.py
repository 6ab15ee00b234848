"""What must be known of who writes."""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Integer, ScalarSelect, bindparam, literal_column, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql import Executable

from db.dialects import epoch_now
from db.models import Access, Preference, ProcessedUpdate, TelegramId, table_of

# Questions that are allowed, by the seconds in which they are
Limits = tuple[tuple[float, int], ...]

_CHAT = bindparam("chat_id", type_=TelegramId)
_PERSON = bindparam("person_id", type_=TelegramId)


class Known(NamedTuple):
    """What is known of a person in a chat.

    `statuses` are those of both, see `db.access`; `wait` is the seconds until the chat may ask
    again, 0 or less where it may now; `rich_messages` says when the person wants them, if they
    have said so.
    """

    statuses: frozenset[str] = frozenset()
    wait: float = 0.0
    rich_messages: str | None = None

    @classmethod
    def read(cls, row: Sequence[Any]) -> "Known":
        """Return what the columns of `known` hold."""
        person, chat, rich_messages, *waits = row
        return cls(frozenset({person, chat} - {None}), _longest(waits), rich_messages)


def known(limits: Limits) -> Sequence[ScalarSelect[Any]]:
    """Return columns for whatever statement has the parameters `chat_id` and `person_id`."""
    access, preference = table_of(Access).c, table_of(Preference).c
    return [
        select(access.status).where(access.id == _PERSON).scalar_subquery(),
        select(access.status).where(access.id == _CHAT).scalar_subquery(),
        select(preference.rich_messages).where(preference.person_id == _PERSON).scalar_subquery(),
        *_waits(limits),
    ]


async def waiting_time(session: AsyncSession, chat_id: int, limits: Limits) -> float:
    """Return the seconds until a chat may ask again; 0 or less where it may now."""
    if not limits:
        return 0.0
    return _longest((await session.execute(_waiting_time(limits), {"chat_id": chat_id})).one())


@cache
def _waiting_time(limits: Limits) -> Executable:
    return select(*_waits(limits))


def _waits(limits: Limits) -> Sequence[ScalarSelect[float]]:
    """Return for each limit the seconds until the chat may ask again; NULL where it may.

    Each window slides: of 10 a minute, the eleventh is allowed a minute after the first.
    """
    row = table_of(ProcessedUpdate).alias("asked").c
    # Word for word as the index has it: with "counted = 1" SQLite does not use it
    is_counted: ColumnElement[Any] = literal_column(f"asked.{row.counted.name}", Integer)
    # Not the plain parameter: of a chat that was busy, PostgreSQL would go through the latest
    # updates of all chats until it has met enough of that one
    chat_id = select(_CHAT).scalar_subquery()
    return [
        select(row.claimed_at + window - epoch_now())
        .where(row.chat_id == chat_id, is_counted)
        .order_by(row.claimed_at.desc())
        .offset(limit - 1)
        .limit(1)
        .scalar_subquery()
        for window, limit in limits
    ]


def _longest(waits: Iterable[float | None]) -> float:
    return max((wait for wait in waits if wait is not None), default=0.0)
