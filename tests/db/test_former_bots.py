"""Whoever comes from a former bot goes on with the conversations of that time."""

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from bot.sandbox.telegram import TelegramServer
from db.url import parse_url
from tests.support.door import open_door
from tests.support.former_databases import (
    FIRST,
    FIRST_SQLITE,
    LEFTOVER,
    LEGACY,
    ROWS_WITHOUT_ROLE,
    versioned,
)
from tests.support.gemini_server import GeminiServer

STUCK = {
    "stuck-sqlite": ("sqlite", versioned(FIRST, *FIRST_SQLITE, *LEFTOVER, *ROWS_WITHOUT_ROLE))
}
FORMER = LEGACY | STUCK


@pytest.mark.parametrize("name", FORMER)
async def test_a_former_conversation_goes_on(
    environment: pytest.MonkeyPatch,
    telegram: TelegramServer,
    gemini: GeminiServer,
    request: pytest.FixtureRequest,
    name: str,
) -> None:
    """The bot starts on any former database, and Gemini receives what was said before."""
    kind, statements = FORMER[name]
    url: str = request.getfixturevalue(f"{kind}_url")
    engine = create_async_engine(parse_url(url))
    async with engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement.replace(":", r"\:")))
    await engine.dispose()
    environment.setenv("DATABASE_URL", url)
    person = telegram.person(111111)
    big = telegram.person(7_000_000_000)
    group = telegram.group(-222222)

    async with open_door(telegram) as door:
        await door.say("Do you remember?", user_id=111111)
        alone = [
            (content["role"], [part["text"] for part in content["parts"]])
            for content in gemini.bodies[-1]["contents"]
        ]
        await door.deliver(telegram.message(group, person, "@test_bot and here?"))
        in_group = gemini.bodies[-1]["contents"][0]["parts"][0]["text"]
        await door.say("I am new", user_id=big["id"])
        rows = await door.rows("SELECT count(*) FROM chat_message")

    if name == "stuck-sqlite":  # it never learnt who said what
        assert alone == [("user", ["Hello", "Hello back", "Do you remember?"])]
    else:
        assert alone == [
            ("user", ["Hello"]),
            ("model", ["Hello back"]),
            ("user", ["Do you remember?"]),
        ]
    assert in_group == 'In a group: 🙂 "it\'s" \\n'
    assert rows == [(4 + 6,)]
