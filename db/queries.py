"""What the bot reads and writes of conversations; each is called inside a transaction."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, cast

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    ScalarSelect,
    and_,
    delete,
    exists,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from db.dialects import insert_into
from db.models import Access, ChatMessage, ChatSession, ProcessedUpdate, TelegramId

# Nothing that a session has loaded is changed along with the rows
_UNTRACKED = {"synchronize_session": False}


class StoredMessage(NamedTuple):
    """A message as it was stored; the rows of the bot's first version have no role."""

    role: str | None
    text: str | None
    file_id: str | None
    content: list[dict[str, Any]] | None
    ending: str | None = None


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to be stored: `file_id` is Telegram's, `content` Gemini's, kept verbatim.

    `ending` says how an answer was cut off.
    """

    role: Literal["user", "model"]
    text: str
    file_id: str | None = None
    content: list[dict[str, Any]] | None = None
    ending: str | None = None


async def load_history(
    session: AsyncSession, chat_id: int, limit: int, thread_id: int | None = None
) -> Sequence[StoredMessage]:
    """Return a conversation's last messages, oldest first, at most `limit`; for 0 ask nothing.

    Each topic of a chat is a conversation of its own, and so is what stands in none.
    """
    if limit < 0:
        raise ValueError(f"The limit cannot be {limit}")
    if limit == 0:
        return []
    statement = (
        select(
            ChatMessage.role,
            ChatMessage.text,
            ChatMessage.file_id,
            ChatMessage.content,
            ChatMessage.ending,
        )
        .where(_in_conversation(chat_id, thread_id))
        .order_by(ChatMessage.id.desc())
        .limit(limit)
    )
    rows = (await session.execute(statement)).all()
    return [StoredMessage(*row) for row in reversed(rows)]


async def add_turn(
    session: AsyncSession,
    chat_id: int,
    question: NewMessage,
    answer: NewMessage,
    thread_id: int | None = None,
) -> None:
    """Store both messages of a turn with one date, the question first; create the chat."""
    await _ensure_session(session, chat_id)
    now = datetime.now(UTC)
    rows = [
        {
            "chat_id": _session_id(chat_id),
            "date": now,
            "role": message.role,
            "text": _storable(message.text),
            "file_id": message.file_id,
            "content": message.content,
            "ending": message.ending,
            "thread_id": thread_id,
        }
        for message in (question, answer)
    ]
    await session.execute(insert(ChatMessage).values(rows))


async def clear_history(session: AsyncSession, chat_id: int, thread_id: int | None = None) -> int:
    """Delete a conversation's messages and return how many there were."""
    return await _delete_messages(session, _in_conversation(chat_id, thread_id))


async def forget_chat(session: AsyncSession, chat_id: int) -> None:
    """Delete all that is stored of a chat, and what is left of answers that broke off."""
    await _delete_messages(session, ChatMessage.chat_id == _session_id(chat_id))
    await session.execute(
        update(ProcessedUpdate)
        .where(ProcessedUpdate.chat_id == chat_id)
        .values(progress=None)
        .execution_options(**_UNTRACKED)
    )
    await session.execute(
        delete(ChatSession)
        .where(ChatSession.chat_id == chat_id)
        .execution_options(synchronize_session=False)
    )


async def move_chat(session: AsyncSession, old: int, new: int) -> None:
    """Let history and access of a group follow it to its new id; again does no harm.

    What the new chat has already stays: its messages come behind those stored before them.
    """
    await _rename(session, Access.id, old, new)
    await session.execute(delete(Access).where(Access.id == old), execution_options=_UNTRACKED)
    await _rename(session, ChatSession.chat_id, old, new)
    # Both rows stay as they are until the end, and so does what others store in them
    both = select(ChatSession.id).where(ChatSession.chat_id.in_([old, new]))
    await session.execute(both.order_by(ChatSession.id).with_for_update())
    joined = (
        update(ChatMessage)
        .where(ChatMessage.chat_id == _session_id(old))
        .values(chat_id=_session_id(new))
    )
    await session.execute(joined, execution_options=_UNTRACKED)
    await session.execute(
        delete(ChatSession).where(ChatSession.chat_id == old), execution_options=_UNTRACKED
    )


async def _rename(
    session: AsyncSession, column: InstrumentedAttribute[int], old: int, new: int
) -> None:
    """Change an id where the new one is free; another instance may take it right now."""
    taken = select(column).where(column == new).correlate(None)
    statement = update(column.class_).where(column == old, ~taken.exists()).values({column: new})
    with suppress(IntegrityError):
        async with session.begin_nested():
            await session.execute(statement, execution_options=_UNTRACKED)


async def _delete_messages(session: AsyncSession, which: ColumnElement[bool]) -> int:
    statement = delete(ChatMessage).where(which)
    result = await session.execute(statement, execution_options=_UNTRACKED)
    return cast("CursorResult[Any]", result).rowcount


def _in_conversation(chat_id: int, thread_id: int | None) -> ColumnElement[bool]:
    topic = ChatMessage.thread_id
    in_topic = topic.is_(None) if thread_id is None else topic == thread_id
    return and_(ChatMessage.chat_id == _session_id(chat_id), in_topic)


def _session_id(chat_id: int) -> ScalarSelect[int]:
    return select(ChatSession.id).where(ChatSession.chat_id == chat_id).scalar_subquery()


async def _ensure_session(session: AsyncSession, chat_id: int) -> None:
    """Create the chat's row unless it is there, also when another instance does so now."""
    # Without the condition each turn would use up a number of the sequence
    absent = select(literal(chat_id, TelegramId)).where(
        ~exists().where(ChatSession.chat_id == chat_id)
    )
    statement = (
        insert_into(session, ChatSession)
        .from_select(["chat_id"], absent)
        .on_conflict_do_nothing(index_elements=["chat_id"])
    )
    await session.execute(statement)


def _storable(text: str) -> str:
    """Leave out what a database refuses: NUL characters and halves of surrogate pairs."""
    return text.replace("\x00", "").encode("utf-8", "ignore").decode()
