"""Whatever a model writes arrives whole, in order, and once: by each kind of message."""

import asyncio
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from unicodedata import normalize

import pytest

from bot import texts
from bot.gemini import Ending
from bot.rendering.pages import to_pages
from bot.rendering.rich import calls_for_rich
from bot.sandbox.wire import Call
from bot.settings import CHOICES, Choice
from tests.support.corpus import ANSWERS, GROWING, UNFINISHED, Answer
from tests.support.door import Door, Json
from tests.support.gemini_server import GeminiServer
from tests.support.messages import accepted, read
from tests.support.telegram_failures import NO_DRAFTS

SCRIPTS = "²³¹⁰-ₜ"  # a power is a word of its own, as it is in a formula's source
WORD = re.compile(rf"[^\W_{SCRIPTS}]+|[{SCRIPTS}]+")
MARKER = re.compile(r"w\d\d")  # no such thing stands where nobody is to see it
# How the rest of a character of several begins: marks, joiners, skins, second halves of flags
TORN = re.compile(
    "[\u0300-\u036f\u200d\ufe0f\u20e3\U0001f3fb-\U0001f3ff\U0001f1f7\U0001f1ea\U0001f1f5]"
)
FIRST_PERSON = 1000
# How an answer is shown and where it is stored have nothing to do with each other
PLACES = [("off", "sqlite"), ("auto", "sqlite"), ("auto", "postgresql"), ("on", "postgresql")]
KINDS = {"off": {False}, "auto": {False, True}, "on": {True}}


@pytest.fixture(params=CHOICES)
def choice(request: pytest.FixtureRequest, environment: pytest.MonkeyPatch) -> str:
    """Set when rich messages are written."""
    setting: str = request.param
    environment.setenv("RICH_MESSAGES", setting)
    return setting


@pytest.fixture
def hurry(environment: pytest.MonkeyPatch) -> None:
    """Show an answer that grows twenty times a second."""
    for name in (
        "telegram.client.DRAFT_PACE",
        "answers.preview.DRAFT_PACE",
        "answers.preview.EDIT_PACE",
    ):
        environment.setattr(f"bot.{name}", 0.05)
    environment.setattr("bot.answers.preview.GROUP_PACE", 0.05)
    environment.setattr("bot.answers.preview.UNNOTICED", 0.0)


@contextmanager
def about(answer: str) -> Iterator[None]:
    """Name the answer in which an assertion fails."""
    try:
        yield
    except AssertionError as error:
        error.add_note(f"of the answer {answer!r}")
        raise


def is_rich(message: Mapping[str, Any]) -> bool:
    """Tell whether a message, or the parameters that made one, are rich."""
    return "rich_message" in message


def pieces(text: str, count: int = 5) -> list[str]:
    """Return a text in so many chunks, cut wherever that falls."""
    size = len(text) // count + 1
    return [text[start : start + size] for start in range(0, len(text), size)]


def stream(gemini: GeminiServer, text: str) -> None:
    """Let the model write a text, escaped in JSON as far as that goes."""
    chunks: list[Json] = [
        {"content": {"parts": [{"text": one}], "role": "model"}} for one in pieces(text)
    ]
    chunks[-1]["finishReason"] = "STOP"
    events = (json.dumps({"candidates": [chunk | {"index": 0}]}) for chunk in chunks)
    gemini.garbage("".join(f"data: {event}\r\n\r\n" for event in events).encode())


def in_order(shown: Sequence[str], answer: Answer, *, as_rich: bool) -> tuple[list[str], ...]:
    """Return what was read and what should be, in words or, of an exact answer, characters."""
    wanted = answer.shown(as_rich=as_rich)
    if answer.exact:
        return list("".join("".join(shown).split())), list("".join(wanted.split()))
    once = [*shown[:1], *(text.removeprefix(answer.again) for text in shown[1:])]
    return words("\n".join(once if as_rich else shown)), words(wanted)


def words(text: str) -> list[str]:
    """Return the words of a text, its powers and indices as plain digits and letters."""
    return [normalize("NFKC", word) for word in WORD.findall(text)]


def stored(answer: Answer) -> str:
    """Return an answer as the database can hold it."""
    return answer.markdown.strip().replace("\x00", "").encode(errors="ignore").decode()


@pytest.mark.parametrize(("choice", "migrated_url"), PLACES, indirect=True)
@pytest.mark.slow("sends every document of the corpus")
async def test_an_answer_arrives_whole_in_order_and_once(
    choice: Choice, door: Door, gemini: GeminiServer
) -> None:
    """All words of all answers, in the kind of message that the setting asks for."""
    for user_id, (name, answer) in enumerate(ANSWERS.items(), FIRST_PERSON):
        stream(gemini, answer.markdown)

        response = await door.post(door.question("Write", user_id))

        messages, as_rich = door.telegram.sent(user_id), answer.is_rich(choice)
        with about(name):
            assert response.status_code == 200
            assert {is_rich(message) for message in messages} == {as_rich}
            shown = list(map(read, messages))
            read_words, words = in_order(shown, answer, as_rich=as_rich)
            assert read_words == words
            assert [text[:9] for text in shown if TORN.match(text)] == []
    assert [call for call in door.telegram.calls if not call.ok] == []
    wanted = list(map(stored, ANSWERS.values()))
    assert [text for role, text in await door.messages() if role == "model"] == wanted


@pytest.mark.parametrize("name", UNFINISHED)
@pytest.mark.slow("waits for each edit")
def test_every_beginning_can_be_shown(name: str) -> None:
    """Wherever the stream is cut: valid drafts and messages, with every word that is complete."""
    markdown = UNFINISHED[name]
    for end in range(len(markdown) + 1):
        beginning = markdown[:end]
        for choice in CHOICES:
            shown = list(map(accepted, to_pages(beginning, choice)))
            assert MARKER.findall("\n".join(shown)) == MARKER.findall(beginning), beginning


@pytest.mark.parametrize("name", UNFINISHED)
def test_what_looks_rich_stays_rich(name: str) -> None:
    """The next characters do not take back that an answer calls for a rich message."""
    markdown = UNFINISHED[name]
    looks = [calls_for_rich(markdown[:end]) for end in range(len(markdown) + 1)]
    assert looks == sorted(looks)


SIGNS = {
    "pipes in code": ("| A | B |\n|-|-|\n| `x || y` | z |", "x || y | z"),
    "pipes in a formula": ("| A | B |\n|-|-|\n| $|x|$ | z |", "|x| | z"),
    "cells too many": ("| A | B |\n|-|-|\n| x | y | z |", "x | y | z"),
    "only spoilers": ("| A | B |\n|-|-|\n| x | y || z |", "x | y || z"),
    "address": ("A\n\nhttps://one.test/*a*/_b_/**c**", "https://one.test/*a*/_b_/**c**"),
    "after an address": ("A\n\nhttps://one.test/\u3001**y**", "https://one.test/\u3001y"),
    "shell": ("A\n\nSet $HOME, then run `$(ls)`.", "Set $HOME, then run $(ls)."),
    "target written out": ("A\n\n[x][r]\n\n[r]: /y", "x (/y)"),
    "quote in an item": ("- A\n  > x", "x"),
    "code in an item": ("> - A\n>   ```\n>   x\n>   ```", "x"),
}


@pytest.mark.parametrize(("markdown", "line"), SIGNS.values(), ids=SIGNS.keys())
@pytest.mark.parametrize("choice", ["off", "on"])
def test_signs_stay(markdown: str, line: str, choice: Choice) -> None:
    """The last line shows what a reader needs of its signs, and nothing of the line before."""
    [page] = to_pages(markdown, choice)
    lines = re.sub(" +", " ", accepted(page)).split("\n")
    assert lines[-1].strip() == line
    assert any("A" in one for one in lines[:-1])


async def grow(
    door: Door, gemini: GeminiServer, update: Json, text: str, ending: str = "STOP"
) -> "asyncio.Task[object]":
    """Ask for an answer that is written in steps; return as soon as its writing begins."""
    asked = len(gemini.bodies)
    gemini.answer(*pieces(text), "", delay=0.1, finish_reason=ending)
    posting: asyncio.Task[object] = asyncio.create_task(door.post(update))
    await door.telegram.wait_for(lambda: len(gemini.bodies) > asked)
    return posting


def drafts(door: Door, chat_id: int) -> list[Call]:
    """Return the drafts in a chat, in order, without empty ones."""
    return [
        call
        for call in door.telegram.calls
        if call.method in {"sendMessageDraft", "sendRichMessageDraft"}
        and call.parameters["chat_id"] == chat_id
        and read(call.parameters)
    ]


@pytest.mark.parametrize(("choice", "migrated_url"), PLACES, indirect=True)
@pytest.mark.slow("waits for each edit")
async def test_an_answer_that_breaks_off_looks_as_it_did(
    choice: Choice, hurry: None, door: Door, gemini: GeminiServer
) -> None:
    """Drafts of unfinished Markdown are taken, and the message shows what the last one did."""
    del hurry
    beginnings = [
        text[: len(text) * fifth // 5] for text in UNFINISHED.values() for fifth in range(1, 6)
    ]
    updates = [door.question("Write", FIRST_PERSON + n) for n in range(len(beginnings))]
    postings = [
        await grow(door, gemini, update, text, "MAX_TOKENS")
        for update, text in zip(updates, beginnings, strict=True)
    ]
    await asyncio.gather(*postings)

    note = f"\n\n{texts.note(Ending.TOO_LONG)}"
    last = 0
    for user_id, beginning in enumerate(beginnings, FIRST_PERSON):
        with about(beginning):
            [message] = door.telegram.sent(user_id)
            whole = read(message)
            assert whole.endswith(note)
            assert MARKER.findall(whole) == MARKER.findall(beginning)
            shown = drafts(door, user_id)
            assert shown
            for draft in shown:
                words = MARKER.findall(read(draft.parameters))
                assert words == MARKER.findall(beginning)[: len(words)]
                # A mark alone, "- " say, is no rich message yet
                assert is_rich(draft.parameters) in KINDS[choice] or not words
            same = [one for one in shown if read(one.parameters) == whole.removesuffix(note)]
            assert {is_rich(one.parameters) for one in same} <= {is_rich(message)}
            last += bool(same)
    assert last > len(beginnings) / 2
    assert [call for call in door.telegram.calls if not call.ok] == []


@pytest.mark.parametrize("choice", ["auto"], indirect=True)
@pytest.mark.parametrize("kind", ["private", "group"])
@pytest.mark.slow("waits for each edit")
async def test_an_answer_that_grows_in_a_message_ends_as_the_whole(
    kind: str,
    choice: Choice,
    hurry: None,
    door: Door,
    gemini: GeminiServer,
) -> None:
    """Where there are no drafts one message is edited, and nothing is sent twice."""
    del hurry
    for method in ("sendMessageDraft", "sendRichMessageDraft"):
        door.telegram.faults.add(NO_DRAFTS, method=method, times=None)
    chats, postings = [], []
    for number, name in enumerate(GROWING, FIRST_PERSON):
        person = door.telegram.person(number)
        is_group = kind == "group"
        chat = door.telegram.group(-number) if is_group else door.telegram.private_chat(person)
        update = door.telegram.message(chat, person, "/ask Write")
        postings.append(await grow(door, gemini, update, ANSWERS[name].markdown))
        chats.append(chat["id"])
    await asyncio.gather(*postings)

    for chat_id, name in zip(chats, GROWING, strict=True):
        with about(name):
            answer, messages = ANSWERS[name], door.telegram.sent(chat_id)
            as_rich = answer.is_rich(choice)
            assert {is_rich(message) for message in messages} == {as_rich}
            read_words, words = in_order(list(map(read, messages)), answer, as_rich=as_rich)
            assert read_words == words
            made = [
                call.method
                for call in door.telegram.calls
                if call.parameters.get("chat_id") == chat_id and call.ok
            ]
            assert "editMessageText" in made
            sent = made.count("sendMessage") + made.count("sendRichMessage")
            assert sent == len(messages)
