"""What comes as the body of an answer: events by their standard, gateways' ways, and too much."""

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest

from bot import texts
from bot.gemini import LONGEST_ANSWER, Ending, GeminiError, Kind
from bot.tools.weather import OTHER
from tests.support.door import Door, OpenDoor
from tests.support.gemini_server import Call, GeminiServer
from tests.support.messages import buttons, read
from tests.support.weather_server import Fault, WeatherServer


def chunk(text: str, finish: str | None = None) -> dict[str, Any]:
    """Return a chunk of an answer."""
    ending = {"finishReason": finish} if finish else {}
    return {"candidates": [{"content": {"role": "model", "parts": [{"text": text}]}} | ending]}


def encoded(text: str, finish: str | None = None, *, ascii_only: bool = False) -> bytes:
    """Return a chunk of an answer as JSON."""
    return json.dumps(chunk(text, finish), ensure_ascii=ascii_only).encode()


ONE, TWO = encoded("Grüße, "), encoded("日本 👍", "STOP")
WHOLE = "Grüße, 日本 👍"
PRETTY = json.dumps(chunk(WHOLE, "STOP"), indent=1).encode()
PLAIN = b"data: %b\r\n\r\ndata: %b\r\n\r\n" % (ONE, TWO)
STREAMS = {
    "CRLF": PLAIN,
    "LF": PLAIN.replace(b"\r\n", b"\n"),
    "CR": PLAIN.replace(b"\r\n", b"\r"),
    "ends of all kinds": b"data: %b\n\r\ndata: %b\r\n\r" % (ONE, TWO),
    "no blank": b"data:%b\n\ndata:%b\n\n" % (ONE, TWO),
    "comments": b": keep-alive\n\n:\ndata: %b\n: here as well\n\n:x\n\ndata: %b\n\n" % (ONE, TWO),
    "several lines": b"data: " + PRETTY.replace(b"\n", b"\ndata: ") + b"\n\n",
    "other fields": b"event: message\nid: 7\nretry: 3000\ndata: %b\n\nid\ndata: %b\n\n"
    % (ONE, TWO),
    "a ping": b"event: ping\ndata: ping\n\ndata: %b\n\ndata\n\ndata: %b\n\n" % (ONE, TWO),
    "[DONE]": b"data: %b\n\ndata: %b\n\ndata: [DONE]\n\ndata: nonsense\n\n" % (ONE, TWO),
    "a byte order mark": b"\xef\xbb\xbf" + PLAIN,
    "blank lines": b"\n\r\n \n\n" + PLAIN,
    "no end": PLAIN.rstrip(),
    "no end of the last line": b"data: %b\n\ndata: %b" % (ONE, TWO),
    "an array": b"[%b\r\n,\r\n%b]\n" % (ONE, TWO),
    "an array within an event": b"data: [%b,%b]\n\n" % (ONE, TWO),
    "one object": b"\n" + PRETTY,
}


def thirds(data: bytes) -> list[bytes]:
    """Cut a stream anywhere."""
    return [data[at : at + 3] for at in range(0, len(data), 3)]


def whole(data: bytes) -> list[bytes]:
    """Leave a stream in one piece."""
    return [data]


def lines(data: bytes) -> list[bytes]:
    """Cut a stream after each CR: an LF may follow in the next piece."""
    return [piece for piece in data.replace(b"\r", b"\r\0").split(b"\0") if piece]


@pytest.mark.parametrize("cut", [whole, thirds, lines])
@pytest.mark.parametrize("name", STREAMS)
async def test_a_stream_is_read(
    door: Door, gemini: GeminiServer, name: str, cut: Callable[[bytes], list[bytes]]
) -> None:
    """Whatever the standard allows and gateways do, the answer arrives whole, without a note."""
    gemini.pieces(*cut(STREAMS[name]))

    assert (await door.say("Hello"))["text"] == WHOLE


@pytest.mark.parametrize(
    "body",
    [
        b"<!DOCTYPE html><title>Log in</title>",
        b"upstream connect error",
        b"[1, 2]",
        b"{]",
        b"[" * 100_000,
        b'data: "words"\n\n',
        b"data: " + b"9" * 5000 + b"\n\n",
        b": nothing but comments\n\n",
    ],
)
async def test_what_is_no_answer(door: Door, gemini: GeminiServer, body: bytes) -> None:
    """A page, or nonsense, in place of an answer means that Gemini is not there."""
    gemini.pieces(body)

    message = await door.say("Hello")

    assert message["text"] == texts.failure(GeminiError(Kind.UNREACHABLE))


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "limit: 0, x"}}',
        b'[{"error": {"code": 429, "message": "Doesn\'t have a free quota tier."}}]',
        b'event: error\ndata: {"error": {"code": 429, "message": "limit: 0"}}\n\n',
    ],
)
@pytest.mark.parametrize("code", [200, 429])
async def test_an_error_in_place_of_events(
    door: Door, gemini: GeminiServer, body: bytes, code: int
) -> None:
    """An error is understood whatever status and form it has."""
    gemini.respond_with(code, body)

    message = await door.say("Hello")

    assert message["text"] == texts.failure(GeminiError(Kind.NO_QUOTA))


@pytest.mark.parametrize(
    "texts_",
    [
        ("Hi \ud83d", "\ude00!"),
        ("Hi \ud83d", "", "\ude00!"),
        ("Hi \ud83d", "\ude00 and \ud83d", "\ude00", "!"),
        ("Hi ", "\ud83d", "\ude00!"),
        ("\ud83d", "\ude00!"),
    ],
)
async def test_halves_of_a_character(
    door: Door, gemini: GeminiServer, texts_: tuple[str, ...]
) -> None:
    """A character that comes in two chunks is one, in the message and in the history."""
    events = (b"data: %b\n\n" % encoded(text, ascii_only=True) for text in texts_)
    gemini.pieces(*events, b"data: %b\n\n" % encoded("", "STOP"))

    message = await door.say("Hello")

    expected = "".join(texts_).encode("utf-16", "surrogatepass").decode("utf-16")
    assert message["text"] == expected
    assert await door.messages() == [("user", "Hello"), ("model", expected)]


@pytest.mark.parametrize("texts_", [("Hi \ud83d",), ("Hi \ud83d", " there"), ("Hi", "\ude00")])
async def test_a_half_alone(door: Door, gemini: GeminiServer, texts_: tuple[str, ...]) -> None:
    """What is no character does not keep the answer from arriving."""
    events = (b"data: %b\n\n" % encoded(text, ascii_only=True) for text in texts_)
    gemini.pieces(*events, b"data: %b\n\n" % encoded("", "STOP"))

    assert (await door.say("Hello"))["text"].startswith("Hi")


async def test_an_answer_in_one_chunk(door: Door, gemini: GeminiServer) -> None:
    """Of 10 MB at once people read as much as of any other answer, and may go on."""
    gemini.answer("word " * 2_000_000)

    messages = await door.send(text="Tell me all")

    assert read(messages[-1]).endswith(str(texts.note(Ending.TOO_LONG)))
    assert texts.CONTINUE_BUTTON in buttons(messages[-1])


@pytest.mark.parametrize("size", [40, 100_000])
async def test_an_answer_without_end(door: Door, gemini: GeminiServer, size: int) -> None:
    """It ends at a length that people read, with a note and a button to go on."""
    words = "word " * (size // 5)
    gemini.flood(b"data: %b\n\n" % encoded(words))

    messages = await door.send(text="Tell me all")

    [_, (_, answer)] = await door.messages()
    assert LONGEST_ANSWER - 1 <= len(answer) <= LONGEST_ANSWER
    assert await door.rows("SELECT ending FROM chat_message WHERE role = 'model'") == [
        (Ending.TOO_LONG.name,)
    ]
    assert read(messages[-1]).endswith(str(texts.note(Ending.TOO_LONG)))
    assert texts.CONTINUE_BUTTON in buttons(messages[-1])
    assert len(messages) < 20


FLOODS = {
    "comments": b": keep-alive\n\n" * 1000,
    "one line": b"data: " + b"x" * 20_000,
    "one event": b"data: " + b" " * 20_000 + b"\n",
    "thoughts": b"data: %b\n\n"
    % json.dumps(
        {"candidates": [{"content": {"parts": [{"text": "Hm" * 9000, "thought": True}]}}]}
    ).encode(),
    "blank lines": b"\r\n" * 20_000,
    "JSON": b"[" + b"1," * 20_000,
    "objects": b"data: " + b"[]," * 20_000,
}


@pytest.mark.parametrize("name", FLOODS)
async def test_a_flood_that_holds_no_answer(door: Door, gemini: GeminiServer, name: str) -> None:
    """Whatever does not end is given up after some megabytes."""
    gemini.flood(FLOODS[name])

    message = await door.say("Hello")

    assert message["text"] == texts.failure(GeminiError(Kind.UNREACHABLE))


async def test_a_bomb(door: Door, gemini: GeminiServer) -> None:
    """Of a compressed body no more is unpacked than is read."""
    packed = gzip.compress(b": nothing\n\n" * 10_000_000)
    gemini.pieces(packed, headers={"Content-Encoding": "gzip"})

    message = await door.say("Hello")

    assert message["text"] == texts.failure(GeminiError(Kind.UNREACHABLE))


async def test_a_compressed_answer(door: Door, gemini: GeminiServer) -> None:
    """One that is compressed is read as any other."""
    gemini.pieces(gzip.compress(PLAIN), headers={"Content-Encoding": "gzip"})

    assert (await door.say("Hello"))["text"] == WHOLE


@pytest.mark.parametrize("encoding", ["", "gzip"])
async def test_a_huge_error(door: Door, gemini: GeminiServer, encoding: str) -> None:
    """Its status says what it means, and its beginning is enough."""
    body = b'{"error": {"message": "' + b"x" * 50_000_000
    body = gzip.compress(body) if encoding else body
    gemini.respond_with(402, body, **({"Content-Encoding": encoding} if encoding else {}))

    message = await door.say("Hello")

    assert message["text"] == texts.failure(GeminiError(Kind.UNPAID))


async def test_thousands_of_calls(
    opened: OpenDoor, gemini: GeminiServer, weather: WeatherServer
) -> None:
    """Of one round eight are made; each has its result, so that Google takes them back."""
    calls = [Call("get_current_weather", {"city": f"Rome,{number}"}) for number in range(5000)]
    gemini.calls(*calls)
    gemini.answer("Sunny")
    async with opened() as door:
        message = await door.say("How is the weather?")

    assert message["text"] == "Sunny"
    assert len(weather.requests) == 8
    _, asked, answered = gemini.bodies[-1]["contents"]
    assert len(asked["parts"]) == len(answered["parts"]) == 8
    assert "thoughtSignature" in asked["parts"][0]


async def test_the_weather_is_asked_once(
    opened: OpenDoor, gemini: GeminiServer, weather: WeatherServer
) -> None:
    """The same call, in one round or the next, is made once; another question asks anew."""
    rome = Call("get_current_weather", {"city": "Rome"})
    again = Call("get_current_weather", {"unit": "metric", "city": "Rome"})
    imperial = Call("get_current_weather", {"city": "Rome", "unit": "imperial"})
    gemini.calls(rome, again, imperial)
    gemini.calls(again)
    gemini.answer("Warm")
    async with opened() as door:
        await door.say("How is the weather?")
        assert [request["units"] for request in weather.requests] == ["metric", "imperial"]
        results = gemini.bodies[-1]["contents"][-1]["parts"]
        assert results[0]["functionResponse"]["response"]["success"] is True

        gemini.calls(rome)
        await door.say("And now?")
    assert len(weather.requests) == 3


@pytest.mark.parametrize("encoding", ["", "gzip"])
async def test_a_weather_report_without_end(
    opened: OpenDoor, gemini: GeminiServer, weather: WeatherServer, encoding: str
) -> None:
    """Of the weather's body no more is read than it has, however it is packed."""
    body = b" " * 100_000_000
    if encoding:
        weather.fault = Fault(body=gzip.compress(body), headers={"Content-Encoding": encoding})
    else:
        weather.fault = Fault(body=body)
    gemini.calls(Call("get_current_weather", {"city": "Rome"}))
    gemini.answer("I cannot tell")
    async with opened() as door:
        message = await door.say("How is the weather?")

    assert message["text"] == "I cannot tell"
    [result] = gemini.bodies[-1]["contents"][-1]["parts"]
    assert result["functionResponse"]["response"] == {"success": False, "error": OTHER}


async def test_a_photo_that_is_larger_than_said(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more of a file is read than Telegram gives to bots."""
    monkeypatch.setattr("bot.incoming.attachments.DOWNLOAD_LIMIT", 100_000)
    update = door.question(photo=[b"\xff\xd8" + b"x" * 500_000], caption="What is this?")
    update["message"]["photo"][-1]["file_size"] = 1000

    [message] = await door.deliver(update)

    assert message["text"] == texts.PHOTO_GONE
