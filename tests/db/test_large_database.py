"""What docs/scale.md tells an operator to run, on a filled database that the bot goes on using."""

import asyncio
import math
import re

import asyncpg  # type: ignore[import-untyped]  # it has no types
import pytest
from alembic import command

from bot.sandbox.telegram import TelegramServer
from db.migrate import configuration, migrate
from db.url import parse_url
from tests.support.door import open_door
from tests.support.gemini_server import GeminiServer
from tests.support.postgres import execute, in_own_loop
from tests.support.processes import ROOT
from tests.support.query_plans import ANN, PAST, assert_bounded, watched

OLD = 5_000  # messages that are a year old
COUNT = "SELECT count(*) FROM chat_message"
PLACES = "SELECT DISTINCT tableoid::regclass::text FROM chat_message ORDER BY 1"


def blocks(heading: str) -> list[str]:
    """Return the blocks of SQL below a heading of the page."""
    page = (ROOT / "docs/scale.md").read_text()
    [section] = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    found = re.findall(r"^```sql\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    return [str(block) for block in found]


async def rows(url: str, statement: str) -> list[tuple[object, ...]]:
    """Ask a database directly."""
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(statement)]
    finally:
        await connection.close()


@pytest.fixture
def filled_url(postgresql_url: str, environment: pytest.MonkeyPatch) -> str:
    """Return the URL of a PostgreSQL that has seen much, a part of it a year ago.

    No heartbeat purges it: what a purge reads is looked at elsewhere.
    """
    environment.setattr("bot.updates.claims.PURGE_INTERVAL", math.inf)
    in_own_loop(migrate, postgresql_url)
    old = f"UPDATE chat_message SET date = date - interval '1 year' WHERE id <= {OLD}"
    execute(postgresql_url, *PAST.filling("JSON"), old, "ANALYZE")
    environment.setenv("DATABASE_URL", postgresql_url)
    environment.setenv("RATE_LIMIT_PER_HOUR", "0")
    environment.setenv("RATE_LIMIT_PER_DAY", "0")
    return postgresql_url


@pytest.mark.slow("fills a large database")
async def test_old_messages_are_deleted_while_the_bot_answers(
    filled_url: str, telegram: TelegramServer, gemini: GeminiServer
) -> None:
    """What is older goes, batch by batch; what is younger stays, and so does what was asked."""
    deleting, vacuum = blocks("Delete what is old")
    async with open_door(telegram) as door:
        await door.say("Remember me", ANN)
        execute(filled_url, deleting, vacuum)
        await door.say("Who am I?", ANN)

    assert await rows(filled_url, COUNT) == [(2 * PAST.exchanges - OLD + 4,)]
    assert "Remember me" in str(gemini.bodies[-1]["contents"])


@pytest.mark.slow("fills a large database")
async def test_a_filled_table_becomes_a_partitioned_one(
    filled_url: str, telegram: TelegramServer, gemini: GeminiServer
) -> None:
    """The bot goes on with the past, Alembic sees no change, and an old part goes at once."""
    prepare, convert, *end, drop = blocks("Partition the messages")
    async with open_door(telegram) as door:
        await door.say("Remember me", ANN)
        execute(filled_url, prepare, convert)
        await door.say("Who am I?", ANN)
        assert "Remember me" in str(gemini.bodies[-1]["contents"])

        execute(filled_url, "SELECT setval('chat_message_id_seq', 6000000)")
        with watched() as statements:
            await door.say("And now?", ANN)
        assert "Who am I?" in str(gemini.bodies[-1]["contents"])
        places = [("parts.chat_message_0",), ("parts.chat_message_1",)]
        assert await rows(filled_url, PLACES) == places
        await assert_bounded(filled_url, statements)

        configured = configuration(parse_url(filled_url))
        await asyncio.to_thread(command.check, configured)
        await asyncio.to_thread(command.downgrade, configured, "-1")
        await asyncio.to_thread(command.upgrade, configured, "head")
        execute(filled_url, *end, drop)
        await door.say("And now?", ANN)
    assert await rows(filled_url, COUNT) == [(4,)]
