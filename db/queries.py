"""What the bot reads and writes of conversations; each is called inside a transaction."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, cast

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    Row,
    ScalarSelect,
    and_,
    delete,
    exists,
    insert,
    literal,
    null,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from db.dialects import insert_into
from db.models import (
    Access,
    ChatMessage,
    ChatSession,
    Preference,
    ProcessedUpdate,
    TelegramId,
)

# Nothing that a session has loaded is changed along with the rows
_UNTRACKED = {"synchronize_session": False}


class StoredMessage(NamedTuple):
    """A message as it was stored; the rows of the bot's first version have no role.

    `message_ids` are those of Telegram's messages; empty where they were not kept.
    """

    id: int
    role: str | None
    text: str | None
    file_id: str | None
    content: list[dict[str, Any]] | None
    ending: str | None = None
    message_ids: Sequence[int] = ()
    update_id: int | None = None


class StoredTurn(NamedTuple):
    """A question and its answer."""

    question: StoredMessage
    answer: StoredMessage


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to be stored: `file_id` is Telegram's, `content` Gemini's, kept verbatim.

    `ending` says how an answer was cut off; `message_ids` and `update_id` are Telegram's.
    """

    role: Literal["user", "model"]
    text: str
    file_id: str | None = None
    content: list[dict[str, Any]] | None = None
    ending: str | None = None
    message_ids: Sequence[int] = ()
    update_id: int | None = None

    def values(self) -> dict[str, Any]:
        """Return what its row holds besides its place."""
        return {
            "role": self.role,
            "text": _storable(self.text),
            "file_id": self.file_id,
            "content": self.content,
            "ending": self.ending,
            "message_ids": list(self.message_ids) or None,
            "update_id": self.update_id,
        }


_COLUMNS = (
    ChatMessage.id,
    ChatMessage.role,
    ChatMessage.text,
    ChatMessage.file_id,
    ChatMessage.content,
    ChatMessage.ending,
    ChatMessage.message_ids,
    ChatMessage.update_id,
)


async def load_history(
    session: AsyncSession,
    chat_id: int,
    limit: int,
    thread_id: int | None = None,
    *,
    before: int | None = None,
) -> Sequence[StoredMessage]:
    """Return a conversation's last messages, oldest first, at most `limit`; for 0 ask nothing.

    Each topic of a chat is a conversation of its own, and so is what stands in none. `before` is
    the id of the first message that is not wanted any more.
    """
    if limit < 0:
        raise ValueError(f"The limit cannot be {limit}")
    if limit == 0:
        return []
    wanted = _in_conversation(chat_id, thread_id)
    if before is not None:
        wanted = and_(wanted, ChatMessage.id < before)
    statement = select(*_COLUMNS).where(wanted).order_by(ChatMessage.id.desc()).limit(limit)
    rows = (await session.execute(statement)).all()
    return [_stored(row) for row in reversed(rows)]


async def last_turn(
    session: AsyncSession, chat_id: int, thread_id: int | None = None
) -> StoredTurn | None:
    """Return a conversation's last question with its answer; None where there is no such pair."""
    messages = await load_history(session, chat_id, 2, thread_id)
    if [message.role for message in messages] != ["user", "model"]:
        return None
    return StoredTurn(*messages)


async def find_turn(
    session: AsyncSession, chat_id: int, update_id: int, thread_id: int | None = None
) -> StoredTurn | None:
    """Return the turn of a conversation that an update brought; None where it is gone."""
    wanted = and_(_in_conversation(chat_id, thread_id), ChatMessage.update_id == update_id)
    rows = await session.execute(select(*_COLUMNS).where(wanted).order_by(ChatMessage.id))
    messages = [_stored(row) for row in rows]
    return StoredTurn(*messages) if len(messages) == len(StoredTurn._fields) else None


async def add_turn(
    session: AsyncSession,
    chat_id: int,
    question: NewMessage,
    answer: NewMessage,
    thread_id: int | None = None,
) -> None:
    """Store both messages of a turn with one date, the question first; create the chat."""
    await _ensure_session(session, chat_id)
    place = {
        "chat_id": _session_id(chat_id),
        "date": datetime.now(UTC),
        "thread_id": thread_id,
    }
    rows = [place | message.values() for message in (question, answer)]
    await session.execute(insert(ChatMessage).values(rows))


async def replace_turn(
    session: AsyncSession, turn: StoredTurn, question: NewMessage, answer: NewMessage
) -> None:
    """Put another question and answer in the place of a turn; one that is gone stays so."""
    for old, new in ((turn.question, question), (turn.answer, answer)):
        statement = update(ChatMessage).where(ChatMessage.id == old.id).values(new.values())
        await session.execute(statement, execution_options=_UNTRACKED)


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
        delete(ChatSession).where(ChatSession.chat_id == chat_id), execution_options=_UNTRACKED
    )
    await session.execute(  # a private chat has the id of its person
        delete(Preference).where(Preference.person_id == chat_id), execution_options=_UNTRACKED
    )


async def move_chat(session: AsyncSession, old: int, new: int) -> None:
    """Let history and access of a group follow it to its new id; again does no harm.

    What the new chat has already stays: its messages come behind those stored before them.
    """
    # Telegram counts the messages of the new group from the start
    unnumbered = (
        update(ChatMessage)
        .where(ChatMessage.chat_id == _session_id(old))
        .values(message_ids=null(), update_id=None)
    )
    await session.execute(unnumbered, execution_options=_UNTRACKED)
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


def _stored(row: Row[Any]) -> StoredMessage:
    message = StoredMessage._make(row)
    return message._replace(message_ids=message.message_ids or ())


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
