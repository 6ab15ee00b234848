"""The built-in model behind the real bot: what each of its commands makes people see."""

import re
import struct
from collections.abc import AsyncGenerator, Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import pytest

from bot import texts
from bot.gemini import Ending, GeminiError, Kind
from bot.sandbox.gemini import create_application
from bot.sandbox.switches import GEMINI, Switch
from tests.support.door import Door, Json, OpenDoor
from tests.support.gemini_server import GeminiServer
from tests.support.messages import buttons, read
from tests.support.servers import serve
from tests.support.weather_server import WeatherServer

HASTE = 0.01  # of the pauses of a model that nobody watches
NOT_GEMINI = "not Gemini"
PATH = "/v1/models/gemini-3.5-flash-lite:streamGenerateContent?alt=sse"

PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 640, 480) + b"\x08\x02\x00\x00"
JPEG = (
    b"\xff\xd8\xff\xe0\x00\x04JF\xff\xff\xc4\x00\x03\x00"
    b"\xff\xc2\x00\x0b\x08" + struct.pack(">HH", 300, 1200) + b"\x01\x01\x11\x00"
)


def webp(kind: bytes, body: bytes) -> bytes:
    """Return the beginning of a WebP file with one chunk."""
    return b"RIFF\x00\x00\x00\x00WEBP" + kind + struct.pack("<I", len(body)) + body


LOSSY = webp(b"VP8 ", b"\x00\x00\x00\x9d\x01\x2a" + struct.pack("<HH", 0x4000 | 90, 60))
LOSSLESS = webp(b"VP8L", b"\x2f" + struct.pack("<I", 89 | 59 << 14) + b"\x00")
EXTENDED = webp(b"VP8X", bytes(4) + (89).to_bytes(3, "little") + (59).to_bytes(3, "little"))


@pytest.fixture
def faults(gemini: GeminiServer, environment: pytest.MonkeyPatch) -> Iterator[Switch]:
    """Serve the built-in model instead of the tests' own, in haste."""
    del gemini
    faults = Switch(GEMINI, lambda: None)
    environment.setattr("bot.gemini.client.FIRST_WAIT", 0.01)
    with serve(create_application(faults, pace=HASTE)) as url:
        environment.setenv("GOOGLE_GEMINI_BASE_URL", url)
        yield faults


@pytest.fixture
async def door(faults: Switch, opened: OpenDoor) -> AsyncGenerator[Door]:
    """Open the webhook application with the built-in model behind it."""
    del faults
    async with opened() as door:
        yield door


async def press(door: Door, message: Json, label: str) -> Json:
    """Press a button; return the last message that stands then."""
    update = door.telegram.press(message, door.telegram.person(42), label)
    await door.deliver(update)
    return door.telegram.sent()[-1]


def kinds(value: Any) -> set[str]:
    """Return the types of all blocks, and of all formats in a text."""
    if isinstance(value, list):
        return set().union(*map(kinds, value))
    if not isinstance(value, dict):
        return set()
    own = {value["type"]} if len(str(value.get("type", ""))) > 1 else set()
    return own.union(*map(kinds, value.values()))


def formats(message: Json) -> set[str]:
    """Return how a message is formatted, whichever kind it is of."""
    rich = message.get("rich_message")
    return kinds(rich["blocks"]) if rich else {e["type"] for e in message.get("entities", ())}


# -- What Telegram can show -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Show me a table", {"paragraph", "table", "bold"}),
        ("A formula, please", {"paragraph", "mathematical_expression"}),
        ("some code", {"pre", "code"}),
        ("task list", {"list", "paragraph"}),
        ("headings", {"heading", "paragraph"}),
        ("quote", {"blockquote", "italic"}),
        ("A spoiler?", {"spoiler"}),
        ("details", {"details", "paragraph", "bold"}),
        ("styles", {"bold", "italic", "strikethrough", "code", "text_link"}),
        (
            "a table and a quote",
            {"paragraph", "table", "bold", "blockquote", "italic"},
        ),
    ],
)
async def test_each_format_is_shown(door: Door, text: str, expected: set[str]) -> None:
    """Whoever asks for a format gets an answer with it, in one message."""
    [message] = await door.send(text=text)

    assert formats(message) == expected
    assert buttons(message) == [texts.AGAIN_BUTTON]


async def test_a_format_is_shown_once(door: Door) -> None:
    """Naming a format twice does not repeat it."""
    message = await door.say("a table, please, a nice table")

    assert read(message).count("Mercury") == 1


async def test_everything_is_one_of_each(door: Door) -> None:
    """One message holds all that the bot's rich messages know."""
    [message] = await door.send(text="Everything!")

    blocks = {"heading", "paragraph", "table", "pre", "list", "blockquote", "details", "divider"}
    marks = {"bold", "italic", "underline", "strikethrough", "spoiler", "code", "url", "marked"}
    others = {"mathematical_expression", "subscript", "superscript"}
    assert formats(message) == blocks | marks | others


async def test_several_messages(door: Door) -> None:
    """A very long answer comes in several, each number's facts once and in their order."""
    messages = await door.send(text="very long")

    text = "\n".join(map(read, messages))
    numbers = re.findall(r"^(\d+) is ", text, re.MULTILINE)
    assert len(messages) > 1
    assert numbers == [str(number) for number in range(1, int(numbers[-1]) + 1)]
    assert "\n2 is even and prime. It is a Fibonacci number. In binary it is 10, in" in text
    assert "\n49 is odd: 7 \N{MULTIPLICATION SIGN} 7. It is a square." in text
    assert "in Roman numerals CXCIV, and its square is 37,636." in text
    assert [buttons(message) for message in messages[:-1]] == [[]] * (len(messages) - 1)


async def test_a_long_answer_without_rich_messages(door: Door) -> None:
    """A long answer is one rich message, and several of the other kind."""
    assert len(await door.send(text="A long answer, please")) == 1
    await door.say("/rich off")
    assert len(await door.send(text="A long answer, please")) == 2


async def test_the_answer_grows(opened: OpenDoor, gemini: GeminiServer) -> None:
    """At its usual pace the draft thinks first, and shows some words before all are there."""
    del gemini
    with serve(create_application()) as url:
        async with opened(GOOGLE_GEMINI_BASE_URL=url) as door:
            answer = await door.say("Hello")

            drafts = [call.parameters for call in door.telegram.calls_of("sendMessageDraft")]
    first, *shown = [draft.get("text", "") for draft in drafts]
    assert first == ""
    assert shown
    # The star of a word that is still being written stands there for a moment
    assert all(answer["text"].startswith(text.replace("*", "")) for text in shown)
    assert 0 < len(shown[0]) < len(answer["text"])


# -- Plain words ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["Hello!", "help", "What can you do?", "Are you Gemini?", "How high is the Everest?", "hmm"],
)
async def test_it_says_what_it_is(door: Door, text: str) -> None:
    """Whoever greets or asks learns that this is no Gemini, and what to try."""
    message = await door.say(text)

    assert NOT_GEMINI in read(message)
    assert "table" in read(message) or "help" in read(message)


@pytest.mark.parametrize(
    "words",
    [
        "[nobody]",
        "Note [1]",
        "What is a*b*c_d_ and ||x||?",
        r"\(x=1\) [a](b) <b> $HOME #1 \[y=2\]",
        "a `b` | c ~~d~~",
    ],
)
async def test_it_uses_the_words_of_the_question(door: Door, words: str) -> None:
    """What was written comes back as it was, whatever signs are in it."""
    message = await door.say(words)

    assert f"“{words}”" in message["text"]


async def test_a_long_text_is_no_command(door: Door) -> None:
    """A word within many is not meant as a command."""
    story = "Last summer we sat at a table for so long that nobody could remember a better code."

    assert "You wrote" in (await door.say(story))["text"]


async def test_people_are_told_apart(door: Door) -> None:
    """In a group the answer is for who asked; what they reply to is no command."""
    ben, group = door.telegram.person(43, "Ben"), door.telegram.group()
    said = door.telegram.message(group, door.telegram.person(42, "Ann"), "a table")
    update = door.telegram.message(group, ben, "@test_bot and you?", reply_to=said)

    [message] = await door.deliver(update)

    assert message["text"].startswith("Ben, you wrote “and you?”")


# -- Memory ---------------------------------------------------------------------------------------


async def test_it_remembers(door: Door, second: Door) -> None:
    """It counts what it is given, by any instance, and nothing is left in a new chat."""
    assert "first message" in (await door.say("history"))["text"]
    await door.say("/new_chat")
    await door.say("My name is Ann")
    await door.send(photo=PNG, caption="This is me")

    text = (await second.say("What do you remember?"))["text"]

    assert "4 messages" in text
    assert "2 of yours (with 1 picture) and 2 of mine" in text
    assert "began with “My name is Ann”, and your last question was “This is me”" in text
    await door.say("/new_chat")
    assert "no message before" in (await door.say("So?"))["text"]
    assert "2 messages before" in (await door.say("So?"))["text"]


# -- Pictures -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("photo", "kind", "pixels"),
    [
        (PNG, "PNG", "640 × 480"),  # noqa: RUF001 - the sign
        (JPEG, "JPEG", "1200 × 300"),  # noqa: RUF001
        (LOSSY, "WebP", "90 × 60"),  # noqa: RUF001
        (LOSSLESS, "WebP", "90 × 60"),  # noqa: RUF001
        (EXTENDED, "WebP", "90 × 60"),  # noqa: RUF001
    ],
    ids=["PNG", "JPEG", "lossy", "lossless", "extended"],
)
async def test_a_photo_is_measured(door: Door, photo: bytes, kind: str, pixels: str) -> None:
    """It says what is sure of a photo: its kind and its size."""
    message = await door.send(photo=photo, caption="a table?")

    [text] = [sent["text"] for sent in message]
    assert f"a {kind} picture, {pixels} pixels, {len(photo)} bytes" in text
    assert "table" not in text


@pytest.mark.parametrize(
    ("photo", "answer"),
    [
        (b"GIF89a" + struct.pack("<HH", 9, 7), "a GIF picture, 9 × 7 pixels"),  # noqa: RUF001
        (PNG[:20], "a PNG picture, 20 bytes"),
        (b"\xff\xd8\xff\xd9", "a JPEG picture, 4 bytes"),
        (b"\xff\xd8 no marker", "a JPEG picture, 12 bytes"),
        (b"?", "a picture of a kind that I do not know, 1 byte."),
    ],
    ids=["GIF", "short", "ended", "broken", "unknown"],
)
async def test_a_broken_photo_is_told_as_such(door: Door, photo: bytes, answer: str) -> None:
    """What cannot be read of a photo is not made up."""
    [message] = await door.send(photo=photo)

    assert answer in message["text"]


async def test_a_picture_is_asked_for(door: Door) -> None:
    """Without a photo it says how to send one."""
    assert "Send me a photo" in (await door.say("A picture"))["text"]


# -- Functions ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "zones"),
    [
        ("time", ["UTC"]),
        ("What time is it?", ["UTC"]),
        ("time in Tokyo", ["Asia/Tokyo"]),
        ("What time is it in New York right now?", ["America/New_York"]),
        ("time in Rome and Kathmandu", ["Europe/Rome", "Asia/Kathmandu"]),
        ("the time in Nowhere", ["UTC"]),
    ],
)
async def test_the_clock_is_asked(door: Door, text: str, zones: list[str]) -> None:
    """It calls the function that tells the time, and says what that gave."""
    message = await door.say(text)

    told = re.findall(
        r"I have called get_date_time\(time_zone=(\S+)\), which says (\S+ \S+)\.", message["text"]
    )
    assert [zone for zone, _ in told] == zones
    for zone, moment in told:
        local = datetime.fromisoformat(moment).replace(tzinfo=ZoneInfo(zone))
        assert abs((datetime.now(UTC) - local).total_seconds()) < 60


async def test_the_weather_is_asked(
    weather: WeatherServer, faults: Switch, opened: OpenDoor
) -> None:
    """It calls the function that takes a city, once for each, and tells a failure as one."""
    del faults
    async with opened() as door:
        text = (await door.say("weather in Rome, Atlantis and Oslo?"))["text"]
        assert "city=Rome" in (await door.say("How is the weather?"))["text"]

    assert [r["q"] for r in weather.requests] == ["Rome", "Atlantis", "Oslo", "Rome"]
    assert text.count("• temperature: 21.5") == 2
    assert "get_current_weather(city=Atlantis), which failed: OpenWeatherMap does not" in text


async def test_without_a_function_it_says_so(door: Door) -> None:
    """Where the bot offers no weather, it says what is missing."""
    assert "OWM_API_KEY" in (await door.say("weather in Rome"))["text"]


# -- What goes wrong ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind"),
    [("refuse", Kind.UNSAFE), ("an empty answer", Kind.EMPTY), ("overload", Kind.OVERLOADED)],
)
async def test_people_read_why_there_is_no_answer(door: Door, text: str, kind: Kind) -> None:
    """Whoever asks for a failure gets the bot's sentence for it."""
    message = await door.say(text)

    assert message["text"] == texts.failure(GeminiError(kind))
    assert buttons(message) == [texts.RETRY_BUTTON]


async def test_an_overload_passes(door: Door) -> None:
    """Try again brings an answer, and whoever wants another overload gets one."""
    for _ in range(2):
        excuse = await door.say("overload")
        assert excuse["text"] == texts.failure(GeminiError(Kind.OVERLOADED))

        message = await press(door, excuse, texts.RETRY_BUTTON)

        assert message["text"].startswith("I was overloaded")


async def test_a_cut_off_answer_goes_on(door: Door) -> None:
    """Continue brings the rest, word for word, and nothing more is there then."""
    begun = await door.say("Be cut off, please")
    assert begun["text"].endswith(str(texts.note(Ending.TOO_LONG)))
    assert buttons(begun) == [texts.CONTINUE_BUTTON, texts.AGAIN_BUTTON]
    assert "December" not in begun["text"]

    rest = await press(door, begun, texts.CONTINUE_BUTTON)

    months = re.findall(r"[A-Z][a-z]+(?=[, .])", begun["text"] + rest["text"])
    assert [month for month in months if month.endswith(("uary", "ber"))] == [
        "January",
        "February",
        "September",
        "October",
        "November",
        "December",
    ]
    assert "nothing more to say" in (await door.say("go on"))["text"]


async def test_code_goes_on_as_code(door: Door, faults: Switch) -> None:
    """An answer that broke off within its code goes on in code of the same language."""
    faults.set("cut", 1)
    begun = await door.say("code")
    assert begun["text"].endswith(str(texts.note(Ending.INTERRUPTED)))

    rest = await press(door, begun, texts.CONTINUE_BUTTON)

    [code] = [entity for entity in rest["entities"] if entity["type"] == "pre"]
    assert code["language"] == "python"
    assert "print(primes(30))" in rest["text"]


@pytest.mark.parametrize("text", ["go on", "continue"])
async def test_nothing_goes_on_in_a_new_chat(door: Door, text: str) -> None:
    """Where nothing was said there is no more of it."""
    assert "nothing more to say" in (await door.say(text))["text"]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("quota", Kind.QUOTA_EXHAUSTED),
        ("overload", Kind.OVERLOADED),
        ("error", Kind.OVERLOADED),
        ("silent", Kind.EMPTY),
    ],
)
async def test_a_fault_brings_its_sentence(
    door: Door, faults: Switch, fault: str, kind: Kind
) -> None:
    """As long as a fault is switched on, people read what the bot says of it."""
    faults.set(fault, None)
    assert (await door.say("Hello"))["text"] == texts.failure(GeminiError(kind))

    faults.set("off", None)
    assert NOT_GEMINI in (await door.say("Hello"))["text"]


async def test_a_cut_answer_shows_what_came(door: Door, faults: Switch) -> None:
    """A stream that breaks leaves its first half, with a note."""
    faults.set("cut", None)

    text = (await door.say("Hello"))["text"]

    assert text.startswith("Hello! I am the sandbox's built-in model")
    assert text.endswith(str(texts.note(Ending.INTERRUPTED)))


async def test_a_slow_answer_is_whole(door: Door, faults: Switch) -> None:
    """A slow model says the same."""
    usual = await door.say("table")
    faults.set("slow", 1)

    assert (await door.say("table"))["rich_message"] == usual["rich_message"]


@pytest.mark.parametrize("text", ["slow", "think about it"])
async def test_patience_is_rewarded(door: Door, text: str) -> None:
    """Who asks for a slow answer gets one."""
    assert "answer" in (await door.say(text))["text"]


# -- The protocol ---------------------------------------------------------------------------------


def user(*parts: Json) -> Json:
    return {"role": "user", "parts": list(parts)}


CALL: Json = {"name": "get_date_time", "args": {}, "id": "call-1"}
RESPONSE: Json = {"name": "get_date_time", "response": {}, "id": "call-1"}


@pytest.mark.parametrize(
    ("contents", "complaint"),
    [
        ([], "contents is not specified"),
        ([user()], "must not be empty"),
        ([{"role": "model", "parts": [{"text": "Hi"}]}], "begin and end with a user turn"),
        ([user({"text": "Hi"}), user({"text": "Hi"})], "alternate"),
        (
            [
                user({"text": "time"}),
                {"role": "model", "parts": [{"functionCall": CALL}]},
                user({"functionResponse": RESPONSE}),
            ],
            "missing a thought_signature",
        ),
    ],
)
async def test_it_refuses_what_google_refuses(contents: list[Json], complaint: str) -> None:
    """The bot's mistakes show in the sandbox as they would with the real key."""
    with serve(create_application(pace=0)) as url:
        async with (
            aiohttp.ClientSession(url, headers={"x-goog-api-key": "any"}) as http,
            http.post(PATH, json={"contents": contents}) as response,
        ):
            error = (await response.json())["error"]

    assert (response.status, error["status"]) == (400, "INVALID_ARGUMENT")
    assert complaint in error["message"]


async def test_a_cut_stream_is_cut_on_the_wire() -> None:
    """The connection breaks within a chunk, as it does on a bad day."""
    faults = Switch(GEMINI, lambda: None)
    faults.set("cut", None)
    with serve(create_application(faults, pace=0)) as url:
        async with (
            aiohttp.ClientSession(url, headers={"x-goog-api-key": "any"}) as http,
            http.post(PATH, json={"contents": [user({"text": "Hi"})]}) as response,
        ):
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()


async def test_models_are_described_to_whoever_has_a_key() -> None:
    """It lists one model, describes each, and wants a key, whichever."""
    with serve(create_application()) as url:
        async with aiohttp.ClientSession(url) as http:
            key = {"x-goog-api-key": "any"}
            async with http.get("/v1/models") as refused:
                assert refused.status == 403
            async with http.get("/v1/models", headers=key) as listed:
                [model] = (await listed.json())["models"]
            async with http.get("/v1beta/models/gemini-flash-latest", headers=key) as described:
                assert (await described.json())["name"] == "models/gemini-flash-latest"
            async with http.get("/v1/models/gemini-flash-latest", headers=key) as unknown:
                assert unknown.status == 404
    assert model["name"] == "models/gemini-3.5-flash-lite"
