"""Which messages of the past Gemini receives."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from bot.chat.history import OMITTED
from tests.support.door import Door, OpenDoor
from tests.support.gemini_server import GeminiServer


async def insert(door: Door, rows: list[tuple[str | None, str | None]], user_id: int = 42) -> None:
    """Write messages into a person's chat, past the bot."""
    engine = create_async_engine(door.settings.database_url)
    async with engine.begin() as connection:
        await connection.execute(text(f"INSERT INTO chat_session (chat_id) VALUES ({user_id})"))
        [session_id] = (
            await connection.execute(
                text(f"SELECT id FROM chat_session WHERE chat_id = {user_id}")
            )
        ).one()
        for role, content in rows:
            await connection.execute(
                text(
                    "INSERT INTO chat_message (chat_id, role, text, date)"
                    " VALUES (:chat_id, :role, :text, CURRENT_TIMESTAMP)"
                ),
                {"chat_id": session_id, "role": role, "text": content},
            )
    await engine.dispose()


def history(gemini: GeminiServer) -> list[tuple[str, str]]:
    """Return role and text of what the latest request held before its question."""
    contents: list[dict[str, Any]] = gemini.requests[-1].body["contents"]
    return [
        (content["role"], "|".join(part["text"] for part in content["parts"]))
        for content in contents[:-1]
    ]


PAST: list[tuple[str | None, str | None]] = [
    ("user", "one"),
    ("model", "two"),
    ("user", "three"),
    ("model", "four"),
]


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (None, [("user", "one"), ("model", "two"), ("user", "three"), ("model", "four")]),
        ("4", [("user", "one"), ("model", "two"), ("user", "three"), ("model", "four")]),
        ("2", [("user", "three"), ("model", "four")]),
        ("3", [("user", OMITTED), ("model", "two"), ("user", "three"), ("model", "four")]),
        ("1", [("user", OMITTED), ("model", "four")]),
        ("0", []),
    ],
)
async def test_the_limit_takes_the_latest(
    opened: OpenDoor,
    gemini: GeminiServer,
    limit: str | None,
    expected: list[tuple[str, str]],
) -> None:
    """The last MAX_HISTORY_MESSAGES rows go along, oldest first; 0 means none."""
    async with opened(MAX_HISTORY_MESSAGES=limit) as door:
        await insert(door, PAST)

        await door.say("five")

    assert history(gemini) == expected


async def test_an_empty_history(door: Door, gemini: GeminiServer) -> None:
    """The first question travels alone."""
    await door.say("one")

    assert history(gemini) == []


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([(None, "old"), (None, "older")], [("user", "old|older|five")]),
        ([("model", "two")], [("user", OMITTED), ("model", "two")]),
        ([("user", "one"), ("user", "two")], [("user", "one|two|five")]),
        (
            [("user", "one"), ("model", "a"), ("model", "b")],
            [("user", "one"), ("model", "a|b")],
        ),
        ([("user", None), ("model", ""), ("user", "  ")], []),
        ([("assistant", "odd")], [("user", "odd|five")]),
    ],
)
async def test_broken_alternation_is_mended(
    door: Door, gemini: GeminiServer, rows: list[Any], expected: list[tuple[str, str]]
) -> None:
    """Old rows without a role, neighbours of one side and empty rows reach a strict Gemini."""
    await insert(door, rows)

    message = await door.say("five")

    assert message["text"].startswith("You said")
    contents = gemini.requests[-1].body["contents"]
    told = [
        (content["role"], "|".join(part["text"] for part in content["parts"]))
        for content in contents
    ]
    assert told == (expected if "five" in str(expected) else [*expected, ("user", "five")])


async def test_the_order_is_that_of_the_ids(door: Door, gemini: GeminiServer) -> None:
    """Rows of one moment keep the order in which they were written."""
    await insert(door, PAST)

    await door.say("five")

    assert [text for _, text in history(gemini)] == ["one", "two", "three", "four"]


async def test_a_session_is_created_once(door: Door) -> None:
    """A chat has one session row, whatever is said in it."""
    await door.say("one")
    await door.say("two")

    assert await door.rows("SELECT count(*) FROM chat_session") == [(1,)]
    assert await door.rows("SELECT count(*) FROM chat_message") == [(4,)]


async def test_both_turns_have_one_date(door: Door) -> None:
    """The user's and the model's row are written together, the user's first."""
    await door.say("one")

    rows = await door.rows("SELECT role, date FROM chat_message ORDER BY id")
    assert [role for role, _ in rows] == ["user", "model"]
    assert rows[0][1] == rows[1][1]


@pytest.mark.parametrize(("bound", "kept"), [(None, 25), ("8000", 2), ("4000", 1)])
async def test_long_messages_are_bounded_by_size(
    opened: OpenDoor,
    gemini: GeminiServer,
    bound: str | None,
    kept: int,
) -> None:
    """Fifty messages of 4,000 characters are not all sent: the newest that fit are, whole."""
    async with opened(MAX_HISTORY_CHARACTERS=bound) as door:
        numbered = [f"{number:04}" * 1000 for number in range(50)]
        await insert(door, list(zip(["user", "model"] * 25, numbered, strict=True)))

        await door.say("Now?")

    sent = [content for _, content in history(gemini) if content != OMITTED]
    assert sent == numbered[50 - kept :]


async def test_of_a_message_beyond_all_bounds_the_end_is_kept(
    opened: OpenDoor,
    gemini: GeminiServer,
) -> None:
    """Who answers to a very long answer means what they have read last."""
    async with opened(MAX_HISTORY_CHARACTERS=1000) as door:
        await insert(door, [("user", "Tell me all"), ("model", f"{'word ' * 1000}and the end")])

        await door.say("Which end?")

    role, said = history(gemini)[-1]
    assert (role, said[0], len(said)) == ("model", "…", 1001)
    assert said.endswith("word and the end")
