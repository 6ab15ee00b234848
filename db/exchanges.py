"""Store exchanges; every function but `finish_with` needs a transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal, NamedTuple, cast

from sqlalchemy import (
    ColumnElement,
    Connection,
    CursorResult,
    Insert,
    Select,
    bindparam,
    desc,
    exists,
    insert,
    select,
    union_all,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql import Executable

from db.conversations import MESSAGES, SESSIONS, StoredExchange
from db.dialects import InsertInto, built_once
from db.models import TelegramId
from db.transactions import fetch, transact
from db.updates import FINISH, ClaimKey, finish_values, row


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to be stored: `file_id` is Telegram's, `content` Gemini's, kept verbatim.

    `ending` tells how an answer was cut off; `message_ids` and `update_id` are Telegram's.
    """

    role: Literal["user", "model"]
    text: str
    file_id: str | None = None
    content: list[dict[str, Any]] | None = None
    ending: str | None = None
    message_ids: Sequence[int] = ()
    update_id: int | None = None

    def values(self) -> dict[str, Any]:
        """Return the columns of its row, except its chat, topic and date."""
        return {
            "role": self.role,
            "text": _storable(self.text),
            "file_id": self.file_id,
            "content": self.content,
            "ending": self.ending,
            "message_ids": list(self.message_ids) or None,
            "update_id": self.update_id,
        }


class NewExchange(NamedTuple):
    """An exchange to be stored, in a chat or one of its topics."""

    chat_id: int
    question: NewMessage
    answer: NewMessage
    thread_id: int | None = None

    def values(self) -> dict[str, Any]:
        """Return the parameters of the statements that add it."""
        values = {"chat": self.chat_id, "date": datetime.now(UTC), "thread_id": self.thread_id}
        for message in (self.question, self.answer):
            values |= {f"{message.role}_{name}": value for name, value in message.values().items()}
        return values


async def add_exchange(session: AsyncSession, exchange: NewExchange) -> None:
    """Store an exchange, the question first, both with one date; create the chat's row."""
    values = exchange.values()
    while not cast("CursorResult[Any]", await session.execute(_ADD_EXCHANGE, values)).rowcount:
        await session.execute(_add_session(session), {"chat": exchange.chat_id})


async def finish_with(
    session: AsyncSession,
    exchange: NewExchange,
    key: ClaimKey,
    *,
    counted: bool,
    left: dict[str, Any] | None,
) -> bool:
    """Mark an update as done and add its exchange, in one go; tell whether that was possible.

    If not, nothing has changed: the claim is lost, or the chat has no exchange yet.
    """
    values = exchange.values() | finish_values(key, counted=counted, left=left)
    if session.get_bind().dialect.name == "sqlite":  # its statements cannot change two tables
        return await transact(session, partial(_finish_with, values))
    return bool(await fetch(session, _FINISH_WITH_EXCHANGE, values))


async def replace_exchange(
    session: AsyncSession, exchange: StoredExchange, question: NewMessage, answer: NewMessage
) -> None:
    """Replace the messages of a stored exchange; do nothing if it was deleted."""
    for old, new in ((exchange.question, question), (exchange.answer, answer)):
        statement = update(MESSAGES).where(MESSAGES.c.id == old.id).values(new.values())
        await session.execute(statement)


_CHAT = bindparam("chat", type_=TelegramId)
_HAS_SESSION = exists().where(SESSIONS.c.chat_id == _CHAT)


def _added(*conditions: ColumnElement[bool]) -> Insert:
    """Return a statement that adds an exchange; it adds no row if the chat has no session."""
    messages = [_message(role).where(*conditions) for role in ("user", "model")]
    exchange = union_all(*messages).order_by(desc("role"))
    return insert(MESSAGES).from_select(exchange.selected_columns.keys(), exchange)


def _message(role: str) -> Select[Any]:
    """Select a row to add from parameters; no row if the chat has no session yet."""
    names = {name: name for name in ("date", "thread_id")}
    names |= {field.name: f"{role}_{field.name}" for field in fields(NewMessage)}
    values = [
        bindparam(parameter, type_=MESSAGES.c[name].type).label(name)
        for name, parameter in names.items()
    ]
    return select(SESSIONS.c.id.label("chat_id"), *values).where(SESSIONS.c.chat_id == _CHAT)


def _finish_with(values: dict[str, Any], connection: Connection) -> bool:
    return all(connection.execute(part, values).rowcount for part in (FINISH, _ADD_EXCHANGE))


_ADD_EXCHANGE = _added()
_DONE = FINISH.where(_HAS_SESSION).returning(row.update_id).cte("done")
_FINISH_WITH_EXCHANGE = _added(select(_DONE).exists()).returning(MESSAGES.c.id)


@built_once
def _add_session(insert_into: InsertInto) -> Executable:
    """Create the chat's row unless it exists or another instance creates it right now."""
    # Without the condition each conflict would consume a number of the sequence
    absent = select(_CHAT).where(~_HAS_SESSION)
    statement = insert_into(SESSIONS).from_select(["chat_id"], absent)
    return statement.on_conflict_do_nothing(index_elements=["chat_id"])


def _storable(text: str) -> str:
    """Remove what a database refuses: NUL characters and lone surrogates."""
    return text.replace("\x00", "").encode("utf-8", "ignore").decode()
