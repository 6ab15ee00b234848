"""However much is stored, an update reads a few rows of it, by an index."""

import math
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from bot import texts
from db import conversations, group_quota, updates
from db.engine import new_sessions, open_engine, transaction
from db.updates import ClaimKey, ClaimRequest
from tests.chat.test_regeneration import press
from tests.support.door import OpenDoor
from tests.support.postgres import execute
from tests.system.benchmark.pasts import Past

# An exchange in five is one of Ann's: her chat alone has 4,000 messages
ANN = 42
PAST = Past(
    "20,000",
    exchanges=10_000,
    chats=2_000,
    chat="CASE n % 5 WHEN 0 THEN 41 ELSE n % 2000 END",
    asked=1,
    recent=10_000,
    noted=2_000,
)
LARGE = {"chat_message", "chat_session", "processed_update"}
LARGE |= {"chat_message_0"}  # where the messages are partitioned
DAILY = 1_100  # questions, of which Ann asked a thousand on each of two days
# Rows that are made up, and an index in which there is only what is looked for
SMALL = {"CONSTANT", "places", "ix_processed_update_payload"}
MOST = 4_300  # rows that a statement reads: the limits look at those, of chat and person
GROUP = -1_009_999_999_999
MINE = ClaimKey(2_000_000, "me")

Statement = tuple[str, Any]


@pytest.fixture
def filled_url(migrated_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the URL of a database that has seen much, and that no heartbeat purges."""
    monkeypatch.setattr("bot.updates.claims.PURGE_INTERVAL", math.inf)
    if migrated_url.startswith("sqlite"):
        with closing(sqlite3.connect(make_url(migrated_url).database or "")) as connection:
            for statement in [*PAST.filling("TEXT"), "ANALYZE"]:
                connection.execute(statement)
            connection.commit()
    else:
        execute(migrated_url, *PAST.filling("JSON"), "ANALYZE")
    return migrated_url


@contextmanager
def watched() -> Iterator[list[Statement]]:
    """Yield a list that grows by every statement of ours on any connection."""
    statements: list[Statement] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if statement.split(maxsplit=1)[0] in {"DELETE", "INSERT", "SELECT", "UPDATE", "WITH"}:
            statements.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def assert_bounded(url: str, statements: Sequence[Statement], most: int = MOST) -> None:
    """Make sure that no statement reads a large table from end to end, or many rows of it."""
    assert statements
    async with open_engine(url) as engine:
        for statement, parameters in statements:
            async with engine.connect() as connection:
                explain = _on_sqlite if engine.dialect.name == "sqlite" else _on_postgresql
                scanned, rows = await explain(connection, statement, parameters)
                await connection.rollback()
            assert (scanned, max(rows, most)) == (set(), most), statement


async def _on_postgresql(
    connection: AsyncConnection, statement: str, parameters: Any
) -> tuple[set[str], int]:
    """Return the tables that are read from end to end, and how many rows are read at all."""
    # Done, not only planned: it is rolled back
    explained = await connection.exec_driver_sql(
        f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters
    )
    plan = explained.scalar_one()[0]
    scans = [node for node in _nodes(plan["Plan"]) if node.get("Relation Name") in LARGE]
    whole = {node["Relation Name"] for node in scans if node["Node Type"] == "Seq Scan"}
    return whole, sum(map(_rows, scans))


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for below in node.get("Plans", ()):
        yield from _nodes(below)


def _rows(scan: dict[str, Any]) -> int:
    read = scan["Actual Rows"] + scan.get("Rows Removed by Filter", 0)
    return int(read * scan["Actual Loops"])


async def _on_sqlite(
    connection: AsyncConnection, statement: str, parameters: Any
) -> tuple[set[str], int]:
    """Return the tables that are read from end to end; how many rows it reads, it does not say."""
    explained = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
    steps = [row.detail.split() for row in explained]
    # By its alias, where it has one: whatever is not known to be small counts as large
    return {step[1] for step in steps if step[0] == "SCAN" and not SMALL & {*step}}, 0


async def test_what_people_do_reads_few_rows(opened: OpenDoor, filled_url: str) -> None:
    """A question, its answer anew, an edit, one in a group: in the chat with the longest past."""
    async with opened(RATE_LIMIT_PER_HOUR=0, RATE_LIMIT_PER_DAY=DAILY) as door:
        group = door.telegram.group(GROUP, "Friends")
        ann = door.telegram.person(ANN, "Ann")
        with watched() as statements:
            question = door.question("Hello")
            [answer] = await door.deliver(question)
            await door.deliver(press(door, answer, texts.AGAIN_BUTTON))
            await door.deliver(door.telegram.edit(question["message"], "Hello again"))
            await door.deliver(door.telegram.message(group, ann, "/ask Hello"))
            await door.deliver(question)  # it comes twice
            await door.say("/stop")
    await assert_bounded(filled_url, statements)
    whole = "\n".join(statement for statement, _ in statements)
    assert all(f"{verb} " in whole for verb in ("INSERT INTO chat_message", "UPDATE chat_message"))


STATEMENTS: tuple[Callable[[AsyncSession], Awaitable[Any]], ...] = (
    lambda session: updates.claim(session, ClaimRequest(*MINE, ANN, ANN, holds_chat=True)),
    lambda session: updates.check_state(session, ClaimRequest(*MINE, ANN, ANN, holds_chat=True)),
    lambda session: updates.renew(session, [MINE]),
    lambda session: updates.asked_to_stop(session, [MINE]),
    lambda session: updates.save_progress(session, MINE, {}),
    lambda session: updates.request_stop(session, ANN),
    lambda session: updates.finish(session, MINE, counted=True, left=None),
    lambda session: updates.read_left(session, ANN),
    updates.left_over,
    lambda session: conversations.last_exchange(session, ANN),
    lambda session: conversations.load_history(session, ANN, 50, 7),
    lambda session: conversations.find_question(session, ANN, 7),
    lambda session: conversations.find_question(session, ANN, 7, 7),
    lambda session: group_quota.take_place(session, GROUP, 20, 60.0),
    lambda session: conversations.forget_chat(session, ANN + 1),
    lambda session: conversations.clear_history(session, ANN + 2),
    lambda session: conversations.move_chat(session, ANN + 3, GROUP),
)


async def test_each_statement_reads_few_rows(filled_url: str) -> None:
    """Also those that only a heartbeat, a start or a button needs."""
    for statement in STATEMENTS:
        async with open_engine(filled_url) as engine, new_sessions(engine)() as session:
            with watched() as statements:
                async with transaction(session):
                    await statement(session)
        await assert_bounded(filled_url, statements)


async def test_what_is_over_is_found_by_its_time(
    monkeypatch: pytest.MonkeyPatch, filled_url: str
) -> None:
    """A purge reads what it deletes, here one update or two, and nothing of what stays."""
    monkeypatch.setattr(updates, "PURGED_AT_ONCE", 10)
    async with open_engine(filled_url) as engine, new_sessions(engine)() as session:
        with watched() as statements:
            async with transaction(session):
                await updates.purge(session)
    await assert_bounded(filled_url, statements, most=30)
