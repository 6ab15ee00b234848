"""However much is stored, an update reads a few rows of it, by an index."""

import math
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncSession

from bot import texts
from db import conversations, group_quota, updates
from db.engine import new_sessions, open_engine
from db.transactions import transaction
from db.updates import ClaimKey, ClaimRequest
from tests.support.door import OpenDoor
from tests.support.postgres import execute
from tests.support.presses import press
from tests.support.query_plans import ANN, PAST, assert_bounded, watched

DAILY = 1_100  # questions, of which Ann asked a thousand on each of two days
GROUP = -1_009_999_999_999
MINE = ClaimKey(2_000_000, "me")


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
