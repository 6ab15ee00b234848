"""How answers look in Telegram: formatted, whole, in order, whatever the model wrote."""

import pytest

from bot import texts
from bot.gemini import Ending, GeminiError, Kind
from bot.sandbox.faults import Refuse
from tests.support.door import Door
from tests.support.gemini_server import GeminiServer
from tests.support.messages import buttons


def utf16(text: str) -> int:
    """Return a text's length as Telegram counts it."""
    return len(text.encode("utf-16-le")) // 2


async def test_markdown_becomes_entities(door: Door, gemini: GeminiServer) -> None:
    """What the model marks as bold and code arrives as bold and code."""
    gemini.answer("Use **bold** and `code`")

    message = await door.say("How?")

    assert message["text"] == "Use bold and code"
    assert [(mark["type"], mark["offset"], mark["length"]) for mark in message["entities"]] == [
        ("bold", 4, 4),
        ("code", 13, 4),
    ]


@pytest.mark.usefixtures("classic")
async def test_a_long_answer_comes_in_order(door: Door, gemini: GeminiServer) -> None:
    """An answer longer than a message comes in several, each valid, nothing lost."""
    words = [f"word{number}" for number in range(3000)]
    gemini.answer(*(f"{word} " for word in words))

    messages = await door.send(text="Tell me all")

    assert len(messages) > 5
    assert all(utf16(message["text"]) <= 4096 for message in messages)
    assert " ".join(message["text"] for message in messages).split() == words
    assert await door.messages() == [("user", "Tell me all"), ("model", " ".join(words))]


@pytest.mark.usefixtures("classic")
async def test_a_code_block_is_not_broken(door: Door, gemini: GeminiServer) -> None:
    """A code block that fits into one message stays in one."""
    code = "\n".join(f"line_{number} = {number}" for number in range(150))
    gemini.answer("text " * 600 + f"\n\n```python\n{code}\n```\n\nThat is it.")

    messages = await door.send(text="Show me")

    blocks = [
        message["text"].encode("utf-16-le")[
            2 * mark["offset"] : 2 * (mark["offset"] + mark["length"])
        ]
        for message in messages
        for mark in message.get("entities", [])
        if mark["type"] == "pre"
    ]
    assert [block.decode("utf-16-le").strip() for block in blocks] == [code]


@pytest.mark.usefixtures("classic")
async def test_a_message_with_many_entities(door: Door, gemini: GeminiServer) -> None:
    """More than 100 entities come in several messages, none of them ignored."""
    gemini.answer("\n".join(f"- **{number}**" for number in range(250)))

    messages = await door.send(text="Count")

    marks = [mark for message in messages for mark in message.get("entities", [])]
    assert max(len(message["entities"]) for message in messages) <= 100
    assert len([mark for mark in marks if mark["type"] == "bold"]) == 250


@pytest.mark.parametrize("place", ["private", "group"])
@pytest.mark.usefixtures("classic")
async def test_no_client_fetches_what_a_model_wrote(
    environment: pytest.MonkeyPatch, door: Door, gemini: GeminiServer, place: str
) -> None:
    """Links have no preview: in a message that is sent, grows, gives way, or is an excuse."""
    environment.setattr("bot.answers.preview.GROUP_PACE", 0.3)
    telegram, ann = door.telegram, door.telegram.person(42)
    chat = telegram.private_chat(ann) if place == "private" else telegram.group()
    link = "See https://example.com/?secret=1 and [this](https://example.com/2)."
    gemini.answer(link, " And", " that.", delay=0.5)
    gemini.answer(link)
    gemini.block("SAFETY")
    [message] = await door.deliver(telegram.message(chat, ann, "/ask where?"))
    await door.deliver(telegram.press(message, ann, texts.AGAIN_BUTTON))
    await door.deliver(telegram.message(chat, ann, "/ask more?"))

    shown = [*telegram.calls_of("sendMessage"), *telegram.calls_of("editMessageText")]
    assert len(shown) >= 3
    for call in shown:
        assert call.parameters["link_preview_options"] == {"is_disabled": True}


async def test_refused_entities_leave_the_text(door: Door, gemini: GeminiServer) -> None:
    """Where Telegram refuses the formatting, the same text goes out plain."""
    gemini.answer("Use **bold**")
    refusal = Refuse(400, "Bad Request: can't parse entities: unsupported entity")
    door.telegram.faults.add(refusal, method="sendMessage")

    [message] = await door.send(text="How?")

    assert message["text"] == "Use bold"
    assert "entities" not in message


@pytest.mark.parametrize("text", ["***", "# ", "```\n```", "[](http://x)", "<br>", "---"])
async def test_an_answer_of_marks_alone_is_shown(
    door: Door, gemini: GeminiServer, text: str
) -> None:
    """Markdown that renders to nothing is not a silent bot."""
    gemini.answer(text)

    assert len(await door.send(text="Draw")) == 1


async def test_an_invisible_answer_is_none(door: Door, gemini: GeminiServer) -> None:
    """An answer of nothing that can be seen is told as an empty one."""
    gemini.answer("\u200b")

    message = await door.say("Draw")

    assert message["text"] == texts.failure(GeminiError(Kind.EMPTY))
    assert await door.messages() == []


async def test_a_note_stands_outside_an_open_code_block(door: Door, gemini: GeminiServer) -> None:
    """An answer cut off inside a code block has its note after it, not in it."""
    gemini.answer("```python\nprint(1)", finish_reason="MAX_TOKENS")

    [message] = await door.send(text="Code")

    [block] = [mark for mark in message["entities"] if mark["type"] == "pre"]
    assert message["text"][block["offset"] :][: block["length"]].strip() == "print(1)"
    assert message["text"].endswith(texts.note(Ending.TOO_LONG) or "?")


FILTERED = ["SAFETY", "RECITATION", "LANGUAGE", "PROHIBITED_CONTENT", "SPII"]
BROKEN = ["MAX_TOKENS", "OTHER", "MALFORMED_FUNCTION_CALL", None]


@pytest.mark.parametrize("reason", [*FILTERED, *BROKEN], ids=str)
async def test_each_finish_reason_has_its_note_and_buttons(
    door: Door, gemini: GeminiServer, reason: str | None
) -> None:
    """What was written stays, why it ends there stands below; what may go on can go on."""
    gemini.answer("One, two", finish_reason=reason)

    message = await door.say("Count")

    words, note = message["text"].split("\n\n")
    assert words == "One, two"
    assert note in {texts.note(ending) for ending in Ending}
    goes_on = [texts.CONTINUE_BUTTON] if reason in BROKEN else []
    assert buttons(message) == [*goes_on, texts.AGAIN_BUTTON]


async def test_no_two_finish_reasons_are_told_alike(door: Door, gemini: GeminiServer) -> None:
    """Each filter of Google's has a note of its own, and a sentence of its own without a word."""
    notes, sentences = set(), set()
    for reason in [*FILTERED, "MAX_TOKENS", "OTHER"]:
        gemini.answer("One, two", finish_reason=reason)
        notes.add((await door.say("Count"))["text"])
        gemini.answer(finish_reason=reason)
        gemini.answer(finish_reason=reason)  # for those that are asked once more
        sentences.add((await door.say("Count"))["text"])
        gemini.forget()

    assert (len(notes), len(sentences)) == (7, 7)


@pytest.mark.parametrize(
    ("reason", "label"),
    [
        ("SAFETY", texts.RETRY_BUTTON),
        ("RECITATION", texts.RETRY_BUTTON),
        ("MAX_TOKENS", texts.RETRY_BUTTON),
        ("OTHER", texts.RETRY_BUTTON),
        ("LANGUAGE", None),
        ("PROHIBITED_CONTENT", None),
        ("SPII", None),
    ],
)
async def test_what_may_work_now_has_a_button(
    door: Door, gemini: GeminiServer, reason: str, label: str | None
) -> None:
    """Where the same question would bring the same, there is none: it can be edited."""
    gemini.answer(finish_reason=reason)
    gemini.answer(finish_reason=reason)

    message = await door.say("Count")

    assert buttons(message) == ([label] if label else [])
