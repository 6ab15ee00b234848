"""Conversations: stored messages are loaded, searched, deleted and moved.

All functions but `load_history` and `last_exchange` must be called inside a transaction.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from typing import Any, NamedTuple, cast

from sqlalchemy import (
    BindParameter,
    Column,
    ColumnElement,
    CursorResult,
    Result,
    ScalarSelect,
    Text,
    and_,
    bindparam,
    delete,
    null,
    or_,
    select,
    update,
)
from sqlalchemy import cast as cast_to
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql import Executable

from db.dialects import epoch_now
from db.models import (
    Access,
    ChatMessage,
    ChatSession,
    Preference,
    ProcessedUpdate,
    TelegramId,
    table_of,
)
from db.transactions import ERASES, fetch
from db.updates import DONE, KEPT


class StoredMessage(NamedTuple):
    """A stored message; rows of the bot's first version have no role."""

    id: int
    role: str | None
    text: str | None
    file_id: str | None
    content: list[dict[str, Any]] | None
    ending: str | None = None
    ids: str | None = None  # JSON, parsed on demand: often only the last message's are needed
    update_id: int | None = None

    @property
    def message_ids(self) -> Sequence[int]:
        """Return the ids of Telegram's messages; empty if they were not stored."""
        return json.loads(self.ids) if self.ids else ()


class StoredExchange(NamedTuple):
    """A question and its answer."""

    question: StoredMessage
    answer: StoredMessage


LOOKED_AT = 30  # messages that are searched for an edited question

SESSIONS, MESSAGES = table_of(ChatSession), table_of(ChatMessage)
UPDATES, ACCESS, PREFERENCES = map(table_of, (ProcessedUpdate, Access, Preference))

_COLUMNS = tuple(
    cast_to(MESSAGES.c.message_ids, Text) if name == "ids" else MESSAGES.c[name]
    for name in StoredMessage._fields
)


async def load_history(
    session: AsyncSession,
    chat_id: int,
    limit: int,
    thread_id: int | None = None,
    *,
    before: int | None = None,
) -> Sequence[StoredMessage]:
    """Return a conversation's last messages, oldest first, at most `limit`; no query for 0.

    Each topic of a chat is a separate conversation, and so are the messages outside topics. Only
    messages with an id less than `before` are returned.
    """
    if limit < 0:
        raise ValueError(f"The limit cannot be {limit}")
    if limit == 0:
        return []
    statement = _history(in_topic=thread_id is not None, ends=before is not None)
    values = {"chat_id": chat_id, "thread_id": thread_id, "before": before, "limit": limit}
    rows = await fetch(session, statement, values, repeatable=True)
    return [StoredMessage._make(row) for row in reversed(rows)]


@cache
def _history(*, in_topic: bool, ends: bool) -> Executable:
    wanted, newest = _of_conversation(in_topic=in_topic)
    if ends:
        wanted = [*wanted, MESSAGES.c.id < bindparam("before")]
    return select(*_COLUMNS).where(*wanted).order_by(*newest).limit(bindparam("limit"))


def _of_conversation(
    *, in_topic: bool
) -> tuple[Sequence[ColumnElement[bool]], Sequence[ColumnElement[Any]]]:
    """Return conditions for a conversation's messages and an order with the newest first."""
    # BETWEEN with equal bounds, and ordered by the column: so PostgreSQL must scan the index back
    # from the newest. It assumes that all chats are short, and would read and sort a long one
    chat_id = _session_id(bindparam("chat_id", type_=TelegramId))
    thread_id = bindparam("thread_id", type_=TelegramId)
    wanted: list[ColumnElement[bool]] = [MESSAGES.c.chat_id.between(chat_id, chat_id)]
    newest = [MESSAGES.c.chat_id.desc()]
    if in_topic:
        wanted.append(MESSAGES.c.thread_id.between(thread_id, thread_id))
        newest.append(MESSAGES.c.thread_id.desc())
    else:
        wanted.append(MESSAGES.c.thread_id.is_(None))
    return wanted, [*newest, MESSAGES.c.id.desc()]


async def last_exchange(
    session: AsyncSession, chat_id: int, thread_id: int | None = None
) -> StoredExchange | None:
    """Return a conversation's last question with its answer; None if there is no such pair."""
    messages = await load_history(session, chat_id, 2, thread_id)
    if [message.role for message in messages] != ["user", "model"]:
        return None
    return StoredExchange(*messages)


async def find_exchange(
    session: AsyncSession, chat_id: int, update_id: int, thread_id: int | None = None
) -> StoredExchange | None:
    """Return the exchange that an update led to; None if it was deleted."""
    wanted = and_(_in_conversation(chat_id, thread_id), MESSAGES.c.update_id == update_id)
    rows = await session.execute(select(*_COLUMNS).where(wanted).order_by(MESSAGES.c.id))
    messages = [StoredMessage._make(row) for row in rows]
    return StoredExchange(*messages) if len(messages) == len(StoredExchange._fields) else None


async def find_question(
    session: AsyncSession, chat_id: int, message_id: int, thread_id: int | None = None
) -> StoredMessage | None:
    """Return the question that one of Telegram's messages asked in a conversation.

    None if it asked nothing, or is not among the latest messages.
    """
    wanted, newest = _of_conversation(in_topic=thread_id is not None)
    ids = cast_to(MESSAGES.c.message_ids, Text)
    # Filtered in Python: with a condition in SQL, PostgreSQL reads the whole conversation
    latest = select(MESSAGES.c.id, ids).where(*wanted).order_by(*newest).limit(LOOKED_AT)
    rows = await session.execute(latest, {"chat_id": chat_id, "thread_id": thread_id})
    found = [number for number, ids in rows if ids and message_id in json.loads(ids)]
    if not found:
        return None
    asked = and_(MESSAGES.c.id.in_(found), MESSAGES.c.role == "user")
    row = (await session.execute(select(*_COLUMNS).where(asked).limit(1))).first()
    return StoredMessage._make(row) if row else None


async def clear_history(session: AsyncSession, chat_id: int, thread_id: int | None = None) -> int:
    """Delete a conversation's messages and return how many there were."""
    return await _delete_messages(session, _in_conversation(chat_id, thread_id))


async def forget_chat(session: AsyncSession, chat_id: int) -> None:
    """Delete everything stored about a chat, including parts of unfinished answers."""
    await _delete_messages(session, MESSAGES.c.chat_id == _session_id(chat_id))
    left = and_(UPDATES.c.chat_id == chat_id, UPDATES.c.progress.is_not(None))
    await session.execute(update(UPDATES).where(left).values(progress=None))
    await session.execute(delete(SESSIONS).where(SESSIONS.c.chat_id == chat_id))
    await session.execute(  # a private chat has its user's id
        delete(PREFERENCES).where(PREFERENCES.c.person_id == chat_id)
    )


async def move_chat(session: AsyncSession, old: int, new: int) -> None:
    """Move a group's history, access and unfinished work to its new id; repeating it is harmless.

    The new chat's own data stays; messages stay in the order in which they were stored.
    """
    if old == new:
        return
    # Telegram numbers the messages of the new group from 1 again
    unnumbered = (
        update(MESSAGES)
        .where(MESSAGES.c.chat_id == _session_id(old))
        .values(message_ids=null(), update_id=None)
    )
    await session.execute(unnumbered)
    await _rename(session, ACCESS.c.id, old, new)
    await session.execute(delete(ACCESS).where(ACCESS.c.id == old))
    await _rename(session, SESSIONS.c.chat_id, old, new)
    # Both rows are locked until the end, so that others' messages wait
    both = select(SESSIONS.c.id).where(SESSIONS.c.chat_id.in_([old, new]))
    await session.execute(both.order_by(SESSIONS.c.id).with_for_update())
    joined = (
        update(MESSAGES)
        .where(MESSAGES.c.chat_id == _session_id(old))
        .values(chat_id=_session_id(new))
    )
    await session.execute(joined)
    await session.execute(delete(SESSIONS).where(SESSIONS.c.chat_id == old))
    await _move_progress(session, old, new)


async def _move_progress(session: AsyncSession, old: int, new: int) -> None:
    """Move unfinished answers to the new chat, so that /forget finds them there.

    What is left of updates that are done refers to messages of the old chat, and is deleted.
    """
    left = and_(UPDATES.c.chat_id == old, UPDATES.c.progress.is_not(None))
    unclaimed = or_(
        UPDATES.c.status == KEPT,
        and_(UPDATES.c.status != DONE, UPDATES.c.lease_until < epoch_now()),
    )
    await session.execute(
        update(UPDATES).where(left, UPDATES.c.status == DONE).values(progress=None)
    )
    await session.execute(
        update(UPDATES).where(left, unclaimed).values(chat_id=new, status=KEPT, owner=None)
    )


async def _rename(session: AsyncSession, column: Column[int], old: int, new: int) -> None:
    """Change an id unless the new one is taken, even by another instance right now."""
    taken = select(column).where(column == new).correlate(None)
    statement = update(column.table).where(column == old, ~taken.exists()).values({column: new})
    with suppress(IntegrityError):
        async with session.begin_nested():
            await session.execute(statement)


async def _delete_messages(session: AsyncSession, which: ColumnElement[bool]) -> int:
    session.info[ERASES] = True
    statement = delete(MESSAGES).where(which)
    return _count(await session.execute(statement))


def _count(result: Result[Any]) -> int:
    return cast("CursorResult[Any]", result).rowcount


def _in_conversation(chat_id: int, thread_id: int | None) -> ColumnElement[bool]:
    topic = MESSAGES.c.thread_id
    in_topic = topic.is_(None) if thread_id is None else topic == thread_id
    return and_(MESSAGES.c.chat_id == _session_id(chat_id), in_topic)


def _session_id(chat_id: int | BindParameter[int]) -> ScalarSelect[int]:
    return select(SESSIONS.c.id).where(SESSIONS.c.chat_id == chat_id).scalar_subquery()
