"""The tables."""

from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Table,
    Text,
    TypeDecorator,
    false,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

# On SQLite every INTEGER has 64 bits, and existing tables keep their type
TelegramId = BigInteger().with_variant(Integer(), "sqlite")


class UtcDateTime(TypeDecorator[datetime]):
    """Store an aware datetime as naive UTC, as the old tables do, and return it aware."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Return the time in UTC without its zone; raise ValueError for a naive one."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("A time without a zone is ambiguous")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Return the stored time with its zone, UTC."""
        return value.replace(tzinfo=UTC) if value else None


class Base(DeclarativeBase):
    """The base of all models; its metadata holds their tables."""


def table_of(model: type[Base]) -> Table:
    """Return a model's table, for statements that need no ORM."""
    return cast("Table", model.__table__)


class ChatSession(Base):
    """A chat that wrote to the bot; `chat_id` is Telegram's."""

    __tablename__ = "chat_session"

    id: Mapped[int] = mapped_column(primary_key=True)
    chat_id: Mapped[int] = mapped_column(TelegramId, unique=True)


class ChatMessage(Base):
    """One message of a conversation; `chat_id` is the id of its chat_session, not Telegram's.

    `role` is NULL in rows that are older than the column. `ending` tells how an answer was cut
    off; NULL for a complete one. `thread_id` is Telegram's id of the topic, which has its own
    conversation. `content` holds a list of Gemini's contents that must be sent back verbatim.
    It is JSON, not JSONB: PostgreSQL then keeps the exact text, with its order of keys, and
    accepts the escape of a NUL character; no query looks inside. `message_ids` are Telegram's, of
    the question or of all parts of the answer, and `update_id` is that of the update that led to
    the exchange; both are NULL in older rows.
    """

    __tablename__ = "chat_message"
    # For the last messages of a chat or a topic without reading all of them
    __table_args__ = (
        Index("ix_chat_message_chat_id_id", "chat_id", "id"),
        Index(
            "ix_chat_message_topic",
            "chat_id",
            "thread_id",
            "id",
            postgresql_where=text("thread_id IS NOT NULL"),
            sqlite_where=text("thread_id IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    chat_id: Mapped[int] = mapped_column(ForeignKey("chat_session.id"))
    text: Mapped[str | None] = mapped_column(Text)
    date: Mapped[datetime | None] = mapped_column(UtcDateTime)
    role: Mapped[str | None] = mapped_column(String(20))
    file_id: Mapped[str | None] = mapped_column(Text)
    ending: Mapped[str | None] = mapped_column(String(20))
    thread_id: Mapped[int | None] = mapped_column(TelegramId)
    content: Mapped[list[dict[str, Any]] | None] = mapped_column(JSON(none_as_null=True))
    message_ids: Mapped[list[int] | None] = mapped_column(JSON(none_as_null=True))
    update_id: Mapped[int | None] = mapped_column(TelegramId)


class ProcessedUpdate(Base):
    """An update from Telegram: its owner, its status and what is left to do.

    `status` is "kept" (unclaimed), "running" (its owner works on it and holds the chat),
    "beside" (its owner works on it without holding the chat) or "done". Times are seconds since
    1970 by the database's clock; `claimed_at` is the time of the last claim, or of storing.
    `payload` is the update's JSON until it is done, if Telegram will not send it again.
    `progress` is an answer that was sent in part or, when the update is done, a question without
    an answer. `counted` marks questions, which count towards the limits of their chat and of the
    user in `person_id`; updates in work count until they turn out to be no questions.
    """

    __tablename__ = "processed_update"
    __table_args__ = (
        # One update of a chat at a time
        Index(
            "uq_processed_update_running",
            "chat_id",
            unique=True,
            postgresql_where=text("status = 'running'"),
            sqlite_where=text("status = 'running'"),
        ),
        # A chat's questions of the last day, for the rate limits
        Index(
            "ix_processed_update_counted",
            "chat_id",
            "claimed_at",
            postgresql_where=text("counted"),
            sqlite_where=text("counted"),
        ),
        # And a user's, in all chats
        Index(
            "ix_processed_update_person",
            "person_id",
            "claimed_at",
            postgresql_where=text("counted"),
            sqlite_where=text("counted"),
        ),
        Index("ix_processed_update_claimed_at", "claimed_at"),
        # A chat's partly sent answers and unanswered questions
        Index(
            "ix_processed_update_progress",
            "chat_id",
            postgresql_where=text("progress IS NOT NULL"),
            sqlite_where=text("progress IS NOT NULL"),
        ),
        # Updates to resume at a start
        Index(
            "ix_processed_update_payload",
            "update_id",
            postgresql_where=text("payload IS NOT NULL"),
            sqlite_where=text("payload IS NOT NULL"),
        ),
    )

    update_id: Mapped[int] = mapped_column(TelegramId, primary_key=True, autoincrement=False)
    chat_id: Mapped[int | None] = mapped_column(TelegramId)
    status: Mapped[str] = mapped_column(String(10))
    owner: Mapped[str | None] = mapped_column(String(32))
    lease_until: Mapped[float | None] = mapped_column(Double)
    attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    claimed_at: Mapped[float] = mapped_column(Double)
    counted: Mapped[bool] = mapped_column(Boolean, server_default=false())
    stop_requested: Mapped[bool] = mapped_column(Boolean, server_default=false())
    payload: Mapped[str | None] = mapped_column(Text)
    progress: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    person_id: Mapped[int | None] = mapped_column(TelegramId)


class Access(Base):
    """A user or chat, by Telegram's id: "allowed", "banned", or a notified "stranger".

    `since` is in seconds since 1970 by the database's clock.
    """

    __tablename__ = "access"

    id: Mapped[int] = mapped_column(TelegramId, primary_key=True, autoincrement=False)
    status: Mapped[str] = mapped_column(String(10))
    since: Mapped[float] = mapped_column(Double)


class Preference(Base):
    """A user's own settings, by Telegram's id, which override the operator's."""

    __tablename__ = "preference"

    person_id: Mapped[int] = mapped_column(TelegramId, primary_key=True, autoincrement=False)
    rich_messages: Mapped[str] = mapped_column(String(10))


class Alert(Base):
    """A current problem, and whether the admins were told about it.

    `since` is in seconds since 1970 by the database's clock.
    """

    __tablename__ = "alert"

    name: Mapped[str] = mapped_column(String(20), primary_key=True)
    since: Mapped[float] = mapped_column(Double)
    told: Mapped[bool] = mapped_column(Boolean, server_default=false())


class GroupPlace(Base):
    """One of the messages that Telegram allows in a group within a minute; see db.group_quota.

    `taken_at` is in seconds since 1970 by the database's clock.
    """

    __tablename__ = "group_place"

    chat_id: Mapped[int] = mapped_column(TelegramId, primary_key=True, autoincrement=False)
    place: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    taken_at: Mapped[float] = mapped_column(Double)
