"""Whatever comes in, from people, the model or Telegram, no answer is lost and nothing breaks."""

import asyncio
import json
import logging
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import create_async_engine

from bot import texts
from bot.gemini import GeminiError, Kind
from bot.sandbox.telegram import TelegramServer
from db.models import ChatMessage, ChatSession
from tests.support import strategies
from tests.support.door import Door, Json, OpenDoor
from tests.support.gemini_server import Call, GeminiServer
from tests.support.messages import read
from tests.support.weather_server import WeatherServer

# `HYPOTHESIS_PROFILE=campaign` looks for new examples, many; otherwise all runs are the same
CAMPAIGN = os.environ.get("HYPOTHESIS_PROFILE") == "campaign"


def examples(number: int) -> settings:
    """Try so many examples, in a campaign two hundred times as many."""
    return settings(
        max_examples=number * (200 if CAMPAIGN else 1),
        derandomize=not CAMPAIGN,
        deadline=None,
        suppress_health_check=[
            # A house stands for all examples: each of them begins with a visit of somebody new
            HealthCheck.function_scoped_fixture,
            # Each example travels through three servers and a database
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
        ],
    )


@dataclass(repr=False)
class House:
    """The bot behind its door, for one visitor after the other."""

    runner: asyncio.Runner
    doors: Sequence[Door]
    gemini: GeminiServer
    log: pytest.LogCaptureFixture
    visitors: Iterator[int] = field(default_factory=lambda: count(1000))
    visitor: int = 0

    @property
    def telegram(self) -> TelegramServer:
        """The Bot API."""
        return self.doors[0].telegram

    @contextmanager
    def visit(self) -> Iterator[None]:
        """Let somebody new in; when they leave, nobody has broken a rule."""
        self.begin()
        yield
        assert self.telegram.violations == []
        assert [r.getMessage() for r in self.log.records if r.levelno >= logging.ERROR] == []

    def begin(self) -> None:
        """Forget the last visitor."""
        self.visitor = next(self.visitors)
        self.gemini.forget()
        self.log.clear()
        self.telegram.violations.clear()

    def post(self, body: bytes, door: int = 0) -> int:
        """Post a body; return the status."""
        client = self.doors[door].client
        return self.runner.run(client.post("/webhook", content=body)).status_code

    def say(self, text: str, door: int = 0) -> list[str]:
        """Let the visitor write; return the texts that came back."""
        person = self.telegram.person(self.visitor)
        update = self.telegram.message(self.telegram.private_chat(person), person, "")
        # Put in here, for the sandbox cannot mark up half a character
        update["message"]["text"] = text
        before = len(self.sent())
        # Escaped, so that the body may hold what UTF-8 cannot
        assert self.post(json.dumps(update).encode(), door) == 200
        return self.sent()[before:]

    def sent(self) -> list[str]:
        """Return the texts that the visitor got, in order."""
        return [read(message) for message in self.telegram.sent(self.visitor)]

    def stored(self) -> list[tuple[str, str]]:
        """Return role and text of the visitor's messages in the database, in order."""
        rows = self.runner.run(
            self.doors[0].rows(
                "SELECT role, text FROM chat_message"
                " JOIN chat_session ON chat_session.id = chat_message.chat_id"
                f" WHERE chat_session.chat_id = {self.visitor} ORDER BY chat_message.id"
            )
        )
        return [(role, text) for role, text in rows]

    def remember(self, rows: list[Json]) -> None:
        """Write messages into the visitor's chat, past the bot."""
        self.runner.run(self._remember(rows))

    async def _remember(self, rows: list[Json]) -> None:
        engine = create_async_engine(self.doors[0].settings.database_url)
        async with engine.begin() as connection:
            new = insert(ChatSession).values(chat_id=self.visitor).returning(ChatSession.id)
            chat_id = (await connection.execute(new)).scalar_one()
            for row in rows:
                await connection.execute(insert(ChatMessage).values(chat_id=chat_id, **row))
        await engine.dispose()


LIMITS = ("50", "0", "1", "2", "3", "7")


@pytest.fixture
def house(
    request: pytest.FixtureRequest,
    opened: OpenDoor,
    telegram: TelegramServer,
    gemini: GeminiServer,
    caplog: pytest.LogCaptureFixture,
) -> Iterator[House]:
    """Open the webhook application once for all examples, or once for each limit asked for."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        doors = []
        try:
            for limit in getattr(request, "param", ["50"]):
                opening = opened(MAX_HISTORY_MESSAGES=limit)
                doors.append(runner.run(stack.enter_async_context(opening)))
            yield House(runner, doors, gemini, caplog)
        finally:
            runner.run(stack.aclose())
            telegram.violations.clear()  # each visit has looked at its own


def storable(text: str) -> str:
    """Return what of a text a database can hold."""
    return "".join(char for char in text if char != "\x00" and not "\ud800" <= char <= "\udfff")


def words(text: str) -> list[str]:
    """Return a text's runs of letters."""
    return re.findall(r"[^\W\d_]+", text)


def is_plain(char: str) -> bool:
    """Tell whether there can be no doubt that a character is seen."""
    return char.isascii() and char.isalnum()


# -- People ---------------------------------------------------------------------------------------

SENTENCES = {
    texts.START,
    texts.HELP,
    texts.UNKNOWN_COMMAND,
    texts.NOTHING_ASKED,
    texts.UNSUPPORTED,
    texts.new_chat(0),
}


@examples(15)
@given(text=strategies.TEXTS)
def test_any_text_is_answered_once(house: House, text: str) -> None:
    """Whatever a person writes reaches Gemini as it is, or is met with a kind sentence."""
    with house.visit():
        house.gemini.answer("Yes.")

        [answer] = house.say(text)

        if house.gemini.requests:
            assert answer == "Yes."
            asked = [{"role": "user", "parts": [{"text": text}]}]
            assert [body["contents"] for body in house.gemini.bodies] == [asked]
            assert house.stored() == [("user", storable(text)), ("model", "Yes.")]
        else:
            assert answer in SENTENCES
            assert house.stored() == []


@examples(8)
@given(text=strategies.BROKEN_TEXTS)
def test_halves_of_characters_do_no_harm(house: House, text: str) -> None:
    """A text with lone surrogates, which only JSON's escapes can carry, is answered once."""
    with house.visit():
        house.gemini.answer("Yes.")

        assert len(house.say(text)) == 1


# -- The model ------------------------------------------------------------------------------------


@examples(12)
@given(chunks=strategies.chunked(strategies.ANSWERS))
def test_any_answer_arrives(house: House, chunks: list[str]) -> None:
    """Whatever the model writes is sent in valid messages and stored as it was written."""
    text = "".join(chunks)
    with house.visit():
        house.gemini.answer(*chunks)
        house.gemini.answer(*chunks)  # Gemini is asked again where it said nothing

        messages = house.say("Tell me")

        if house.stored() or any(map(is_plain, text)):
            assert house.stored() == [("user", "Tell me"), ("model", storable(text.strip()))]
            assert "".join(messages)
        else:
            assert messages == [texts.failure(GeminiError(Kind.EMPTY))]


@examples(15)
@given(
    chunks=strategies.chunked(
        st.one_of(strategies.DOCUMENTS, strategies.LONG_DOCUMENTS, strategies.OPEN_FENCES)
    )
)
def test_no_word_of_an_answer_is_lost(house: House, chunks: list[str]) -> None:
    """Each word of a document arrives once and in order, in valid messages, formatted or not."""
    text = "".join(chunks)
    with house.visit():
        house.gemini.answer(*chunks)

        messages = house.say("Tell me")

        assert house.stored() == [("user", "Tell me"), ("model", text.strip())]
        assert seen(" ".join(messages)) == seen(text)


def seen(text: str) -> list[str]:
    """Return the words that a reader should see: not those of the markup itself."""
    return words(re.sub(r"https://1\.1/|<br>|&lt;", " ", text))


ARGUMENT_TEXTS = st.sampled_from(["Rome", "metric", "2026-01-01", "/", "../x", "\x00"])
ARGUMENTS = st.dictionaries(
    st.sampled_from(["time_zone", "city", "units", "date", "", "x"]),
    st.one_of(strategies.FINITE_JSON, strategies.SHORT, ARGUMENT_TEXTS),
    max_size=3,
)
FUNCTIONS = st.one_of(
    st.sampled_from(["get_date_time", "get_current_weather", "get_forecast_weather"]),
    strategies.SHORT,
)
# Past the check of names, into the function itself
TIME_ZONES = st.fixed_dictionaries({"time_zone": st.one_of(strategies.SHORT, ARGUMENT_TEXTS)})
CALLS = st.lists(
    st.one_of(
        st.builds(Call, FUNCTIONS, ARGUMENTS),
        st.builds(Call, st.just("get_date_time"), TIME_ZONES),
    ),
    min_size=1,
    max_size=3,
)


@examples(10)
@given(rounds=st.lists(CALLS, min_size=1, max_size=3))
def test_any_function_call_is_answered(
    weather: WeatherServer, house: House, rounds: list[list[Call]]
) -> None:
    """Whatever functions the model calls, with whatever arguments, the answer follows."""
    del weather
    with house.visit():
        for calls in rounds:
            house.gemini.calls(*calls)
        house.gemini.answer("Yes.")

        assert house.say("Do it") == ["Yes."]
        assert house.say("And now?") == ["You said: And now?"]

        assert len(house.stored()) == 4


# -- The past -------------------------------------------------------------------------------------


@pytest.mark.parametrize("house", [LIMITS], indirect=True, ids=["limits"])
@examples(15)
@given(data=st.data(), door=st.integers(0, len(LIMITS) - 1))
def test_any_history_is_accepted(house: House, data: st.DataObject, door: int) -> None:
    """Whatever rows are stored, and whichever of them are taken, a strict Gemini takes them."""
    with house.visit():
        signature = house.gemini.sign("an earlier signature")
        file_ids = ["gone", house.telegram.add_file(b"\xff\xd8\xff\xe0")]
        house.remember(data.draw(strategies.histories(signature, file_ids)))
        house.gemini.answer("Yes.")

        assert house.say("And now?", door) == ["Yes."]

        assert len(house.gemini.requests) == 1


# -- Telegram -------------------------------------------------------------------------------------


@examples(20)
@given(update=strategies.UPDATES)
def test_any_update_is_accepted(house: House, update: Json) -> None:
    """Whatever the update is, the log does not quote it, and the next one is answered."""
    house.begin()
    house.telegram.private_chat(strategies.PERSON)
    house.telegram.group(strategies.GROUP["id"])

    is_possible = 0 <= update["update_id"] < 2**63
    assert house.post(json.dumps(update).encode()) == (200 if is_possible else 400)

    assert strategies.PRIVATE_WORD not in house.log.text
    house.gemini.forget()
    house.gemini.answer("Yes.")
    assert house.say("Good morning") == ["Yes."]
