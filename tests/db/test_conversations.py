"""What is stored comes back, in order, and only to its own chat."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, insert, select, text
from sqlalchemy.exc import IntegrityError, StatementError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from db.conversations import (
    StoredMessage,
    clear_history,
    load_history,
    move_chat,
)
from db.engine import new_sessions, open_engine
from db.exchanges import NewExchange, NewMessage, add_exchange
from db.models import Access, ChatMessage, ChatSession
from db.transactions import transaction

CHAT = 42
# The largest id that Telegram may give out, a supergroup's and a user's beyond 32 bits
FAR_CHATS = [2**52, -(2**52), -1002_147_483_648, 7_000_000_000]


@pytest.fixture
async def engine(migrated_url: str) -> AsyncGenerator[AsyncEngine]:
    """Open an engine on a migrated database."""
    async with open_engine(migrated_url) as engine:
        yield engine


@pytest.fixture
async def sessions(engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    """Return the factory of sessions."""
    return new_sessions(engine)


@pytest.fixture
async def session(sessions: async_sessionmaker[AsyncSession]) -> AsyncGenerator[AsyncSession]:
    """Open one session, as for one update."""
    async with sessions() as session:
        yield session


async def history(
    session: AsyncSession, chat_id: int = CHAT, limit: int = 50
) -> list[StoredMessage]:
    async with transaction(session):
        return list(await load_history(session, chat_id, limit))


async def texts(session: AsyncSession, chat_id: int = CHAT, limit: int = 50) -> list[str | None]:
    return [message.text for message in await history(session, chat_id, limit)]


async def say(
    session: AsyncSession, question: str, answer: str = "Well.", chat_id: int = CHAT
) -> None:
    async with transaction(session):
        exchange = NewExchange(chat_id, NewMessage("user", question), NewMessage("model", answer))
        await add_exchange(session, exchange)


def watch_statements(engine: AsyncEngine) -> list[str]:
    """Return a list that grows by every statement from now on."""
    statements: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        statements.append(statement)

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    return statements


async def test_a_turn_comes_back_in_order(session: AsyncSession) -> None:
    """The question stands before its answer, and exchanges in the order of their storing."""
    for number in range(3):
        await say(session, f"question {number}", f"answer {number}")
    assert [(message.role, message.text) for message in await history(session)] == [
        (role, f"{word} {number}")
        for number in range(3)
        for role, word in (("user", "question"), ("model", "answer"))
    ]


async def test_everything_of_a_message_comes_back(session: AsyncSession) -> None:
    """Contents come back verbatim, with the order of their keys and every character."""
    content: list[dict[str, Any]] = [
        {"role": "model", "parts": [{"z": 1.0, "a": None}, {"thoughtSignature": "a+/="}]},
        {"role": "user", "parts": [{"text": "NUL \x00, half \ud83d, whole 🙂"}], "n": 2**60},
    ]
    question = NewMessage("user", "See this", "AgACAgIAAxk", message_ids=[7], update_id=9)
    answer = NewMessage("model", "A cat", None, content, "STOPPED", [8, 9], 2**40)
    async with transaction(session):
        await add_exchange(session, NewExchange(CHAT, question, answer))
    first, second = await history(session)
    assert first == StoredMessage(
        first.id, "user", "See this", "AgACAgIAAxk", None, None, "[7]", 9
    )
    assert second == StoredMessage(
        second.id, "model", "A cat", None, content, "STOPPED", second.ids, 2**40
    )
    assert [message.message_ids for message in (first, second)] == [[7], [8, 9]]
    assert second.content is not None
    assert [list(part) for part in second.content[0]["parts"]] == [
        ["z", "a"],
        ["thoughtSignature"],
    ]


async def test_no_content_is_null(session: AsyncSession) -> None:
    """A message without contents has no value there, not the JSON text `null`."""
    await say(session, "Hello")
    async with transaction(session):
        assert await session.scalar(text("SELECT count(content) FROM chat_message")) == 0


async def test_only_the_last_messages_are_loaded(session: AsyncSession) -> None:
    """The limit counts messages from the end; the order stays oldest first."""
    for number in range(3):
        await say(session, f"q{number}", f"a{number}")
    assert await texts(session, limit=3) == ["a1", "q2", "a2"]
    assert await texts(session, limit=1) == ["a2"]


async def test_no_history_is_no_query(engine: AsyncEngine, session: AsyncSession) -> None:
    """A limit of 0 asks the database nothing."""
    await say(session, "Hello")
    statements = watch_statements(engine)
    async with transaction(session):
        assert await load_history(session, CHAT, 0) == []
    assert [text for text in statements if not text.startswith("BEGIN")] == []


async def test_a_negative_limit_is_a_mistake(session: AsyncSession) -> None:
    """It means all to one database and an error to the other: neither is wanted."""
    with pytest.raises(ValueError, match="-1"):
        await load_history(session, CHAT, -1)


async def test_chats_do_not_see_each_other(session: AsyncSession) -> None:
    """Ids of all sizes and signs are chats of their own."""
    for chat_id in [CHAT, -CHAT, *FAR_CHATS]:
        await say(session, f"from {chat_id}", chat_id=chat_id)
    for chat_id in [CHAT, -CHAT, *FAR_CHATS]:
        assert await texts(session, chat_id) == [f"from {chat_id}", "Well."]
    assert await texts(session, 1) == []  # the id of the first chat's row


async def test_unknown_chats_have_no_history(session: AsyncSession) -> None:
    """A chat that never wrote has nothing to load and nothing to delete."""
    assert await texts(session, FAR_CHATS[0]) == []
    async with transaction(session):
        assert await clear_history(session, FAR_CHATS[0]) == 0


async def test_clearing_deletes_one_chats_messages(session: AsyncSession) -> None:
    """It says how many there were, and the others' stay."""
    await say(session, "Hello", chat_id=CHAT)
    await say(session, "Hello", chat_id=FAR_CHATS[0])
    async with transaction(session):
        assert await clear_history(session, CHAT) == 2
    assert await texts(session, CHAT) == []
    assert len(await texts(session, FAR_CHATS[0])) == 2
    await say(session, "Again", chat_id=CHAT)
    assert await texts(session, CHAT) == ["Again", "Well."]


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("a\x00b", "ab"),
        ("\x00", ""),
        ("half \ud83d", "half "),
        ("🙂 e\u0301 \u202e'\"\\%s :x {}", "🙂 e\u0301 \u202e'\"\\%s :x {}"),
        ("x" * 100_000, "x" * 100_000),
    ],
)
async def test_every_text_can_be_stored(session: AsyncSession, written: str, stored: str) -> None:
    """What a database refuses is left out, all else is as it was."""
    await say(session, written)
    assert await texts(session) == [stored, "Well."]


async def test_rows_without_a_role_come_back_so(session: AsyncSession) -> None:
    """The first bot stored none; they stay in their place."""
    await say(session, "Hello")
    async with transaction(session):
        await session.execute(text("UPDATE chat_message SET role = NULL WHERE id = 1"))
    first, second = await history(session)
    assert (first.role, first.text, second.role) == (None, "Hello", "model")


async def test_the_order_is_that_of_the_ids(session: AsyncSession) -> None:
    """Dates do not count: both messages of an exchange have the same, and clocks go wrong."""
    await say(session, "first")
    await say(session, "second")
    async with transaction(session):
        await session.execute(text("UPDATE chat_message SET date = '2001-01-01' WHERE id > 2"))
    assert await texts(session) == ["first", "Well.", "second", "Well."]


async def test_both_messages_have_the_date_of_now(session: AsyncSession) -> None:
    """The date is stored as naive UTC, as it always was, and comes back aware."""
    before = datetime.now(UTC)
    await say(session, "Hello")
    async with transaction(session):
        dates = (await session.scalars(select(ChatMessage.date))).all()
        kind = "typeof(date)" if _is_sqlite(session) else "pg_typeof(date)::text"
        kinds = (await session.scalars(text(f"SELECT {kind} FROM chat_message"))).all()
    first, second = dates
    assert first == second
    assert first is not None
    assert first.tzinfo is UTC
    assert timedelta(0) <= first - before < timedelta(minutes=1)
    assert set(kinds) <= {"text", "timestamp without time zone"}


async def test_dates_are_converted_to_utc(session: AsyncSession) -> None:
    """Any zone is stored as the same moment; a time without a zone is refused."""
    await say(session, "Hello")
    moment = datetime(2026, 7, 1, 12, 30, 15, 123456, tzinfo=UTC)
    elsewhere = moment.astimezone(datetime.strptime("+0530", "%z").tzinfo)
    async with transaction(session):
        message = await session.get_one(ChatMessage, 1)
        message.date = elsewhere
    session.expire_all()
    async with transaction(session):
        assert (await session.get_one(ChatMessage, 1)).date == moment
        written = await session.scalar(
            text("SELECT CAST(date AS TEXT) FROM chat_message WHERE id = 1")
        )
        assert written == "2026-07-01 12:30:15.123456"
    with pytest.raises(StatementError, match="without a zone"):
        await _set_naive_date(session)


async def _set_naive_date(session: AsyncSession) -> None:
    async with transaction(session):
        (await session.get_one(ChatMessage, 2)).date = datetime(2026, 7, 1)  # noqa: DTZ001 - wrong on purpose


async def test_a_chat_is_created_once(
    engine: AsyncEngine, sessions: async_sessionmaker[AsyncSession]
) -> None:
    """First messages that come at the same time share one row, and none is lost.

    In which order they are stored is open.
    """
    del engine

    async def first(number: int) -> None:
        async with sessions() as session:
            await say(session, f"{number}")

    await asyncio.gather(*(first(number) for number in range(12)))
    async with sessions() as session:
        said = await texts(session)
        async with transaction(session):
            rows = (await session.scalars(select(ChatSession.chat_id))).all()
    assert rows == [CHAT]
    assert Counter(said) == Counter({str(number): 1 for number in range(12)} | {"Well.": 12})


async def test_a_known_chat_uses_up_no_number(session: AsyncSession) -> None:
    """The next new chat gets the next id, however much the others wrote."""
    for _ in range(5):
        await say(session, "Hello", chat_id=CHAT)
    await say(session, "Hello", chat_id=FAR_CHATS[0])
    async with transaction(session):
        ids = (await session.scalars(select(ChatSession.id).order_by(ChatSession.id))).all()
    assert ids == [1, 2]


async def test_an_update_takes_few_statements(engine: AsyncEngine, session: AsyncSession) -> None:
    """One to load, one to store (and two more for a chat's first exchange), one to delete.

    Besides, SQLite is told to keep nothing of what is deleted.
    """
    await say(session, "Hello")
    statements = watch_statements(engine)
    await texts(session)
    await say(session, "Hello again")
    async with transaction(session):
        await clear_history(session, CHAT)
    verbs = [statement.split()[0] for statement in statements]
    assert [verb for verb in verbs if verb not in {"BEGIN", "PRAGMA"}] == [
        "SELECT",
        "INSERT",
        "DELETE",
    ]


@pytest.mark.parametrize(
    ("topic", "order", "index"),
    [
        ("IS NULL", "", "ix_chat_message_chat_id_id"),
        ("BETWEEN 5 AND 5", "thread_id DESC, ", "ix_chat_message_topic"),
    ],
)
async def test_an_index_serves_the_history(
    session: AsyncSession, topic: str, order: str, index: str
) -> None:
    """The last messages of a conversation are found without reading all others."""
    prefix = "EXPLAIN QUERY PLAN" if _is_sqlite(session) else "EXPLAIN"
    chat = "(SELECT id FROM chat_session WHERE chat_id = 1)"
    query = (
        f"SELECT text FROM chat_message WHERE chat_id BETWEEN {chat} AND {chat}"
        f" AND thread_id {topic} ORDER BY chat_id DESC, {order}id DESC LIMIT 50"
    )
    async with transaction(session):
        if not _is_sqlite(session):
            # A table of no rows is read another way
            await session.execute(text("SET LOCAL enable_seqscan = off"))
            await session.execute(text("SET LOCAL enable_bitmapscan = off"))
        plan = "\n".join(map(str, await session.execute(text(f"{prefix} {query}"))))
    assert index in plan
    assert "Sort" not in plan
    assert "TEMP B-TREE" not in plan


OLD, NEW = -4242, -1_001_234_567_890  # a group, and the supergroup that it became


async def move(session: AsyncSession, old: int = OLD, new: int = NEW) -> None:
    async with transaction(session):
        await move_chat(session, old, new)


async def chats(session: AsyncSession) -> list[int]:
    async with transaction(session):
        return list(await session.scalars(select(ChatSession.chat_id).order_by(ChatSession.id)))


async def test_history_follows_a_group(session: AsyncSession) -> None:
    """All of it belongs to the new id, however often that is said; others keep theirs."""
    await say(session, "Hello", chat_id=OLD)
    await say(session, "Elsewhere")
    for _ in range(2):
        await move(session)
    assert await texts(session, OLD) == []
    assert await texts(session, NEW) == ["Hello", "Well."]
    assert await texts(session) == ["Elsewhere", "Well."]
    assert await chats(session) == [NEW, CHAT]


async def test_two_histories_are_joined(session: AsyncSession) -> None:
    """What was said in the new chat meanwhile comes behind what was said before."""
    await say(session, "before", chat_id=OLD)
    await say(session, "after", chat_id=NEW)
    await move(session)
    assert await texts(session, NEW) == ["before", "Well.", "after", "Well."]
    assert await chats(session) == [NEW]


async def test_a_group_without_history_moves(session: AsyncSession) -> None:
    """There is nothing to move then, and nothing is made."""
    await move(session)
    assert await chats(session) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({OLD: "banned"}, {NEW: "banned"}),
        ({OLD: "allowed", CHAT: "banned"}, {NEW: "allowed", CHAT: "banned"}),
        ({OLD: "banned", NEW: "allowed"}, {NEW: "allowed"}),
        ({NEW: "banned"}, {NEW: "banned"}),
    ],
)
async def test_access_follows_a_group(
    session: AsyncSession, before: dict[int, str], after: dict[int, str]
) -> None:
    """A ban or a permission moves along, unless the new id has its own."""
    rows = [{"id": id_, "status": status, "since": 0.0} for id_, status in before.items()]
    async with transaction(session):
        await session.execute(insert(Access).values(rows))
    await move(session)
    async with transaction(session):
        found = (await session.scalars(select(Access))).all()
    assert {row.id: row.status for row in found} == after


async def test_everybody_moves_the_group_at_once(
    sessions: async_sessionmaker[AsyncSession],
) -> None:
    """Instances that learn of it at the same time, in either chat, do not disturb each other."""

    async def learn() -> None:
        async with sessions() as session:
            await move(session)

    async def go_on(number: int) -> None:
        async with sessions() as session:
            await say(session, f"after {number}", chat_id=NEW)

    async with sessions() as session:
        await say(session, "before", chat_id=OLD)
    await asyncio.gather(*(learn() for _ in range(5)), *map(go_on, range(5)))
    async with sessions() as session:
        said = await texts(session, NEW)
        assert await chats(session) == [NEW]
    assert said[:2] == ["before", "Well."]
    assert len(said) == 12


@pytest.mark.parametrize("busy", [OLD, NEW])
@pytest.mark.parametrize("known", [{OLD}, {OLD, NEW}])
@pytest.mark.parametrize("migrated_url", ["postgresql"], indirect=True)
async def test_a_turn_that_is_being_stored_is_waited_for(
    sessions: async_sessionmaker[AsyncSession], busy: int, known: set[int]
) -> None:
    """It is joined, whichever of both chats it belongs to, and whether that was known or not."""
    async with sessions() as mover, sessions() as other:
        for chat_id in sorted(known, reverse=True):
            await say(mover, "before", chat_id=chat_id)
        async with transaction(other):
            exchange = NewExchange(busy, NewMessage("user", "after"), NewMessage("model", "Well."))
            await add_exchange(other, exchange)
            moving = asyncio.create_task(move(mover))
            await asyncio.sleep(0.3)
            assert not moving.done()
        await moving
        assert await texts(mover, NEW) == ["before", "Well."] * len(known) + ["after", "Well."]
        assert await chats(mover) == [NEW]


@pytest.mark.parametrize("migrated_url", ["postgresql"], indirect=True)
async def test_a_turn_is_stored_while_the_group_moves(
    sessions: async_sessionmaker[AsyncSession],
) -> None:
    """What goes to the old id at the last moment goes along."""
    async with sessions() as mover, sessions() as other:
        await say(mover, "before", chat_id=OLD)
        async with transaction(mover):
            await move_chat(mover, OLD, NEW)
            storing = asyncio.create_task(say(other, "meanwhile", chat_id=OLD))
            await asyncio.sleep(0.3)
            assert not storing.done()
        await storing
        await move(mover)
        assert await texts(mover, NEW) == ["before", "Well.", "meanwhile", "Well."]


async def test_a_message_needs_its_chat(session: AsyncSession) -> None:
    """The database itself refuses a message of no chat."""
    for chat_id in ("NULL", "99"):
        with pytest.raises(IntegrityError):
            await _insert(session, chat_id)


async def _insert(session: AsyncSession, chat_id: str) -> None:
    async with transaction(session):
        await session.execute(text(f"INSERT INTO chat_message (chat_id) VALUES ({chat_id})"))


def _is_sqlite(session: AsyncSession) -> bool:
    return session.get_bind().dialect.name == "sqlite"
