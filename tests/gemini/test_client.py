"""The Gemini client against a strict Gemini API on loopback."""

import asyncio
import gc
import logging
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from bot.gemini import (
    Ending,
    FunctionCall,
    Gemini,
    GeminiError,
    Kind,
    Response,
    TextDelta,
    Usage,
    encode,
    open_gemini,
)
from bot.gemini.client import _new_client
from bot.settings import DEFAULT_MODEL, Settings
from tests.support.gemini_server import KEY, Call, GeminiServer
from tests.support.servers import serve, until

JSON = dict[str, Any]
QUESTION: JSON = {"role": "user", "parts": [{"text": "Hi, my secret garden?"}]}
CLOCK: JSON = {
    "name": "get_date_time",
    "description": "Tell the time.",
    "parametersJsonSchema": {"type": "object", "properties": {"zone": {"type": "string"}}},
}
PER_DAY: JSON = {
    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
    "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}],
}


def retry_info(delay: str) -> JSON:
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}


@pytest.fixture(name="server")
def running_server() -> GeminiServer:
    return GeminiServer()


@pytest.fixture(name="base_url")
def address(server: GeminiServer) -> Iterator[str]:
    with serve(server.application()) as base_url:
        yield base_url


def settings_for(base_url: str, *, key: str = KEY, model: str = DEFAULT_MODEL) -> Settings:
    return Settings(
        telegram_bot_token="123456789:AA",
        gemini_api_key=key,
        gemini_model_name=model,
        google_gemini_base_url=base_url,
    )


@pytest.fixture
async def gemini(base_url: str) -> AsyncGenerator[Gemini]:
    async with opened(base_url) as gemini:
        yield gemini


@asynccontextmanager
async def opened(base_url: str, **settings: str) -> AsyncGenerator[Gemini]:
    async with open_gemini(settings_for(base_url, **settings)) as gemini:
        gemini.first_wait = 0.01
        yield gemini


def ask(
    gemini: Gemini,
    contents: Sequence[JSON] = (QUESTION,),
    *,
    functions: Sequence[JSON] = (CLOCK,),
    allow_calls: bool = True,
    system_instruction: str = "Be brief.",
    seconds: float = 30.0,
) -> AsyncGenerator[TextDelta | Response]:
    return gemini.stream(
        encode(contents),
        system_instruction=system_instruction,
        functions=functions,
        allow_calls=allow_calls,
        deadline=asyncio.get_running_loop().time() + seconds,
    )


async def answered(
    gemini: Gemini, contents: Sequence[JSON] = (QUESTION,), **options: Any
) -> tuple[list[str], Response]:
    events = [event async for event in ask(gemini, contents, **options)]
    last = events.pop()
    assert isinstance(last, Response)
    texts = [event.text for event in events if isinstance(event, TextDelta)]
    assert len(texts) == len(events)
    return texts, last


async def failed(gemini: Gemini, **options: Any) -> GeminiError:
    with pytest.raises(GeminiError) as caught:
        await answered(gemini, **options)
    return caught.value


class TestAnswers:
    async def test_chunks_arrive_one_by_one(self, server: GeminiServer, gemini: Gemini) -> None:
        """Each chunk's text is passed on before the next one has come."""
        server.answer("Hello", " world", delay=20)
        async with aclosing(ask(gemini)) as events:
            assert await anext(events) == TextDelta("Hello")

    async def test_response(self, server: GeminiServer, gemini: Gemini) -> None:
        """The response at the end holds the whole text as one part, and the token counts."""
        usage = {
            "promptTokenCount": 1,
            "candidatesTokenCount": 2,
            "thoughtsTokenCount": 3,
            "cachedContentTokenCount": 4,
            "totalTokenCount": 10,
        }
        server.answer("Hello", " world", usage=usage)
        texts, response = await answered(gemini)
        assert texts == ["Hello", " world"]
        assert response == Response(
            content={"role": "model", "parts": [{"text": "Hello world"}]},
            calls=(),
            ending=Ending.COMPLETE,
            usage=Usage(prompt=1, answer=2, thoughts=3, cached=4, total=10),
        )

    async def test_thoughts_are_dropped(self, server: GeminiServer, gemini: Gemini) -> None:
        """Thoughts are neither shown nor kept."""
        server.parts([{"text": "Hmm", "thought": True}], [{"text": "Yes"}])
        texts, response = await answered(gemini)
        assert texts == ["Yes"]
        assert response.content["parts"] == [{"text": "Yes"}]

    async def test_signed_text_stays_apart(self, server: GeminiServer, gemini: Gemini) -> None:
        """A text with a signature is not merged, and both go back as they came."""
        server.answer("Hello", " world", signature="??>>~~")
        _, response = await answered(gemini)
        first, second = response.content["parts"]
        assert first == {"text": "Hello world"}
        assert second.keys() == {"text", "thoughtSignature"}
        server.answer("Again")
        texts, _ = await answered(gemini, [QUESTION, response.content, QUESTION])
        assert texts == ["Again"]

    async def test_leading_white_space_waits(self, server: GeminiServer, gemini: Gemini) -> None:
        """White space alone is not passed on: it is no message."""
        server.answer("\n", " ", "Hello", " ", "world")
        texts, _ = await answered(gemini)
        assert texts == ["\n Hello", " ", "world"]

    async def test_nulls_are_nothing(self, server: GeminiServer, gemini: Gemini) -> None:
        """Gateways that write null for what Google leaves out lose and spoil nothing."""
        texts = [{"text": "Hel", "thought": None}, {"text": "lo", "inlineData": None}]
        usage = {"promptTokenCount": 3, "candidatesTokenCount": None}
        server.payloads(
            {"candidates": None, "promptFeedback": None, "usageMetadata": None},
            {"candidates": [{"content": None, "finishReason": None}]},
            {"candidates": [{"content": {"role": "model", "parts": None}}]},
            {"candidates": [{"content": {"parts": texts}, "finishReason": "STOP"}]},
            {"candidates": [{"content": {"parts": [{"text": None}]}, "finishReason": None}]},
            {"usageMetadata": usage},
        )
        shown, response = await answered(gemini)
        assert "".join(shown) == "Hello"
        assert response.content["parts"] == [{"text": "Hello"}]
        assert response.ending is Ending.COMPLETE
        assert (response.usage.prompt, response.usage.answer) == (3, 0)

    async def test_unknown_values_and_fields(self, server: GeminiServer, gemini: Gemini) -> None:
        """What is newer than this program does no harm, and goes back to Google as it came."""
        part = {"text": "Hello", "novelty": {"a": 1}}
        code = {"executableCode": {"language": "COBOL", "code": "x"}}
        content = {"role": "model", "parts": [part, {"novelty": 1}, code]}
        server.payloads({"candidates": [{"content": content, "finishReason": "NOVEL"}], "new": 1})
        texts, response = await answered(gemini)
        assert texts == ["Hello"]
        assert response.content["parts"] == content["parts"]
        assert response.ending is Ending.INTERRUPTED

    @pytest.mark.parametrize(
        ("reason", "ending"),
        [
            ("STOP", Ending.COMPLETE),
            ("MAX_TOKENS", Ending.TOO_LONG),
            ("SAFETY", Ending.UNSAFE),
            ("RECITATION", Ending.RECITED),
            ("PROHIBITED_CONTENT", Ending.FORBIDDEN),
            ("BLOCKLIST", Ending.FORBIDDEN),
            ("SPII", Ending.PERSONAL),
            ("LANGUAGE", Ending.UNKNOWN_LANGUAGE),
            ("OTHER", Ending.INTERRUPTED),
            ("MALFORMED_FUNCTION_CALL", Ending.INTERRUPTED),
            (None, Ending.INTERRUPTED),
        ],
    )
    async def test_endings(
        self, server: GeminiServer, gemini: Gemini, reason: str | None, ending: Ending
    ) -> None:
        """After some text the finish reason becomes the ending, and nothing is asked again."""
        server.answer("Some", " text", finish_reason=reason)
        texts, response = await answered(gemini)
        assert (texts, response.ending) == (["Some", " text"], ending)
        assert len(server.bodies) == 1


class TestRequests:
    async def test_body(self, server: GeminiServer, gemini: Gemini) -> None:
        """The request holds what was given, asks to store nothing and sets no sampling."""
        await answered(gemini)
        assert server.bodies == [
            {
                "contents": [QUESTION],
                "systemInstruction": {"parts": [{"text": "Be brief."}]},
                "tools": [{"functionDeclarations": [CLOCK]}],
                "store": False,
            }
        ]

    async def test_last_round(self, server: GeminiServer, gemini: Gemini) -> None:
        """When no calls are allowed the declarations stay and the mode is NONE."""
        await answered(gemini, allow_calls=False)
        (body,) = server.bodies
        assert body["toolConfig"] == {"functionCallingConfig": {"mode": "NONE"}}
        assert body["tools"] == [{"functionDeclarations": [CLOCK]}]

    async def test_no_functions(self, server: GeminiServer, gemini: Gemini) -> None:
        """Without functions nothing is said about tools."""
        await answered(gemini, functions=(), allow_calls=False)
        assert not {"tools", "toolConfig"} & server.bodies[0].keys()

    async def test_no_system_instruction(self, server: GeminiServer, gemini: Gemini) -> None:
        """An empty instruction is left out: Google takes no empty text."""
        await answered(gemini, system_instruction="")
        assert "systemInstruction" not in server.bodies[0]

    @pytest.mark.parametrize(
        ("model", "version"), [(DEFAULT_MODEL, "v1"), ("gemini-flash-latest", "v1beta")]
    )
    async def test_api_version(
        self, server: GeminiServer, base_url: str, model: str, version: str
    ) -> None:
        """Aliases are asked for where alone they exist, on v1beta."""
        async with opened(base_url, model=model) as gemini:
            await answered(gemini)
        (request,) = server.requests
        assert (request.model, request.api_version) == (model, version)

    async def test_api_version_of_the_environment(
        self, server: GeminiServer, base_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """For other names the SDK's own environment variable keeps working."""
        monkeypatch.setenv("GOOGLE_GENAI_API_VERSION", "v1beta")
        async with opened(base_url) as gemini:
            await answered(gemini)
        assert server.requests[0].api_version == "v1beta"

    async def test_the_key_of_the_settings(
        self, server: GeminiServer, base_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Neither another key nor another platform named in the environment wins."""
        monkeypatch.setenv("GOOGLE_API_KEY", "AIzaAnother")
        monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
        async with opened(base_url) as gemini:
            await answered(gemini)
        assert server.requests[0].headers["x-goog-api-key"] == KEY

    @pytest.mark.parametrize("name", ["", "models/gemini-3.8-flash"])
    async def test_model_name(self, server: GeminiServer, base_url: str, name: str) -> None:
        """A blank name means the default, and the API's own prefix may stay."""
        async with opened(base_url, model=name) as gemini:
            await answered(gemini)
        assert server.requests[0].model == (name.removeprefix("models/") or DEFAULT_MODEL)

    async def test_contents_are_left_alone(self, server: GeminiServer, gemini: Gemini) -> None:
        """The caller's history is the same afterwards, even where signatures were stripped."""
        old = {"role": "model", "parts": [{"text": "Hm", "thoughtSignature": "AAAA"}]}
        await answered(gemini, [QUESTION, old, QUESTION])
        assert "thoughtSignature" in old["parts"][0]
        assert len(server.bodies) == 2

    async def test_all_scripts(self, server: GeminiServer, gemini: Gemini) -> None:
        """Letters of all scripts arrive as they are, half of a pair as a question mark."""
        await answered(gemini, [{"role": "user", "parts": [{"text": "é дом 中 😀 \ud83d."}]}])
        assert server.bodies[0]["contents"][0]["parts"] == [{"text": "é дом 中 😀 ?."}]


class TestCalls:
    async def test_parallel_calls(self, server: GeminiServer, gemini: Gemini) -> None:
        """Every call of a turn comes back with id, name and arguments, in order."""
        args = {"zone": "UTC", "deep": {"nothing": None, "snake_case": [1, 2.5]}}
        server.calls(Call("get_date_time", args, "a"), Call("get_date_time", {}, "b"))
        texts, response = await answered(gemini)
        assert texts == []
        assert response.calls == (
            FunctionCall("a", "get_date_time", args),
            FunctionCall("b", "get_date_time", {}),
        )
        assert response.ending is Ending.COMPLETE

    async def test_call_without_id(self, server: GeminiServer, gemini: Gemini) -> None:
        """Models that number no calls give None."""
        server.calls(Call("get_date_time", {}), with_id=False)
        _, response = await answered(gemini)
        assert response.calls == (FunctionCall(None, "get_date_time", {}),)

    async def test_round_trip(self, server: GeminiServer, gemini: Gemini) -> None:
        """The content goes back verbatim: the server would miss its signature."""
        server.call("get_date_time", {"zone": "UTC"}, id="a")
        server.answer("Noon")
        _, response = await answered(gemini)
        result = {"id": "a", "name": "get_date_time", "response": {"time": "12:00"}}
        reply = {"role": "user", "parts": [{"functionResponse": result}]}
        texts, _ = await answered(gemini, [QUESTION, response.content, reply])
        assert texts == ["Noon"]
        assert len(server.bodies) == 2

    async def test_calls_of_an_unfinished_turn(self, server: GeminiServer, gemini: Gemini) -> None:
        """Calls of a turn that broke off are neither made nor kept."""
        call = {"functionCall": {"name": "get_date_time", "args": {}}}
        server.parts([{"text": "Let me see"}], [call], finish_reason=None)
        _, response = await answered(gemini)
        assert response.calls == ()
        assert response.content["parts"] == [{"text": "Let me see"}]
        assert response.ending is Ending.INTERRUPTED


class TestRefusals:
    @pytest.mark.parametrize(
        ("code", "kind"),
        [
            (400, Kind.REJECTED),
            (401, Kind.KEY_REFUSED),
            (403, Kind.KEY_REFUSED),
            (404, Kind.MODEL_UNKNOWN),
            (408, Kind.TOO_SLOW),
            (413, Kind.REJECTED),
            (429, Kind.RATE_LIMITED),
            (499, Kind.TOO_SLOW),
            (500, Kind.OVERLOADED),
            (502, Kind.OVERLOADED),
            (503, Kind.OVERLOADED),
            (504, Kind.TOO_SLOW),
        ],
    )
    async def test_kinds(
        self, server: GeminiServer, gemini: Gemini, code: int, kind: Kind
    ) -> None:
        """Each code of the API has its kind, when it lasts."""
        for _ in range(3):
            server.refuse(code)
        assert (await failed(gemini)).kind is kind

    @pytest.mark.parametrize(
        ("code", "kind"),
        [(404, Kind.UNREACHABLE), (502, Kind.OVERLOADED), (403, Kind.KEY_REFUSED)],
    )
    async def test_pages(
        self, server: GeminiServer, gemini: Gemini, code: int, kind: Kind
    ) -> None:
        """A proxy's page in place of the API's JSON is understood by its code."""
        server.html(code)
        server.html(code)
        assert (await failed(gemini)).kind is kind

    async def test_wrong_key(self, base_url: str) -> None:
        """A key that Google refuses with 400 is told from a bad request."""
        async with opened(base_url, key="AIzaWrong") as gemini:
            assert (await failed(gemini)).kind is Kind.KEY_REFUSED

    async def test_invalid_request(self, server: GeminiServer, gemini: Gemini) -> None:
        """A request that Google cannot accept is rejected once."""
        error = await failed(gemini, contents=[{"role": "user", "parts": [{"text": ""}]}])
        assert error.kind is Kind.REJECTED
        assert len(server.bodies) == 1

    @pytest.mark.parametrize("code", [500, 502, 504])
    async def test_second_attempt(self, server: GeminiServer, gemini: Gemini, code: int) -> None:
        """A fault inside Google is tried a second time."""
        server.refuse(code)
        server.answer("Better")
        assert (await answered(gemini))[0] == ["Better"]

    async def test_strange_error_body(self, server: GeminiServer, gemini: Gemini) -> None:
        """An error whose details are of other types is understood by its code."""
        details: list[Any] = ["x", {"violations": "y", "retryDelay": 5, "reason": None}]
        server.refuse(429, details=details)
        server.answer("Better")
        assert (await answered(gemini))[0] == ["Better"]


class TestWaiting:
    @pytest.mark.parametrize("code", [429, 503])
    async def test_no_hint(self, server: GeminiServer, gemini: Gemini, code: int) -> None:
        """Without a named time it is tried three times in all."""
        server.refuse(code)
        server.refuse(code)
        server.answer("At last")
        assert (await answered(gemini))[0] == ["At last"]
        assert len(server.bodies) == 3

    async def test_three_attempts(self, server: GeminiServer, gemini: Gemini) -> None:
        """The fourth attempt is the user's."""
        for _ in range(4):
            server.refuse(503)
        assert (await failed(gemini)).kind is Kind.OVERLOADED
        assert len(server.bodies) == 3

    @pytest.mark.parametrize(
        "hint",
        [{"details": [retry_info("0.3s")]}, {"headers": {"Retry-After": "1"}}],
        ids=["RetryInfo", "Retry-After"],
    )
    async def test_hint(self, server: GeminiServer, gemini: Gemini, hint: Any) -> None:
        """The next attempt waits as long as Google asks."""
        server.refuse(429, **hint)
        await answered(gemini)
        server.refuse(429, **hint)
        start = time.monotonic()
        await answered(gemini)
        assert time.monotonic() - start >= 0.3

    @pytest.mark.parametrize(("delay", "seconds"), [("40.5s", 300.0), ("15s", 12.0)])
    async def test_hint_that_does_not_fit(
        self, server: GeminiServer, gemini: Gemini, delay: str, seconds: float
    ) -> None:
        """A wait that is too long, or longer than the deadline, is told at once."""
        server.refuse(429, details=[retry_info(delay)])
        error = await failed(gemini, seconds=seconds)
        assert (error.kind, error.retry_after) == (Kind.RATE_LIMITED, float(delay[:-1]))
        assert len(server.bodies) == 1

    async def test_date_hint(self, server: GeminiServer, gemini: Gemini) -> None:
        """Retry-After may be a date; one far away is told at once."""
        server.refuse(503, headers={"Retry-After": "Fri, 31 Dec 2999 23:59:59 GMT"})
        error = await failed(gemini)
        assert error.retry_after is not None
        assert error.retry_after > 1000

    async def test_unreadable_hint(self, server: GeminiServer, gemini: Gemini) -> None:
        """A hint that is no time counts as none."""
        server.refuse(503, headers={"Retry-After": "soon"}, details=[retry_info("soon")])
        await answered(gemini)
        assert len(server.bodies) == 2

    async def test_daily_quota(self, server: GeminiServer, gemini: Gemini) -> None:
        """A quota of the day is not asked for again."""
        server.refuse(429, details=[PER_DAY, retry_info("0.01s")])
        assert (await failed(gemini)).kind is Kind.QUOTA_EXHAUSTED
        assert len(server.bodies) == 1


class TestEmptiness:
    @pytest.mark.parametrize("reason", ["RECITATION", "MALFORMED_FUNCTION_CALL", "OTHER", None])
    async def test_one_more_attempt(
        self, server: GeminiServer, gemini: Gemini, reason: str | None
    ) -> None:
        """An answer with nothing in it is asked for once more."""
        server.answer(finish_reason=reason)
        server.answer("Something")
        assert (await answered(gemini))[0] == ["Something"]

    @pytest.mark.parametrize(
        ("reason", "kind", "attempts"),
        [
            ("STOP", Kind.EMPTY, 2),
            ("MALFORMED_FUNCTION_CALL", Kind.EMPTY, 2),
            ("RECITATION", Kind.RECITED, 2),
            ("SAFETY", Kind.UNSAFE, 1),
            ("MAX_TOKENS", Kind.TOO_LONG, 1),
        ],
    )
    async def test_kinds(
        self, server: GeminiServer, gemini: Gemini, reason: str, kind: Kind, attempts: int
    ) -> None:
        """Emptiness that lasts has a kind by its finish reason."""
        for _ in range(3):
            server.answer(finish_reason=reason)
        assert (await failed(gemini)).kind is kind
        assert len(server.bodies) == attempts

    async def test_empty_body(self, server: GeminiServer, gemini: Gemini) -> None:
        """A body without any chunk is an empty answer."""
        server.empty()
        server.empty()
        assert (await failed(gemini)).kind is Kind.EMPTY
        assert len(server.bodies) == 2

    async def test_white_space(self, server: GeminiServer, gemini: Gemini) -> None:
        """White space alone is an empty answer."""
        server.answer(" \n")
        server.answer("Something")
        assert (await answered(gemini))[0] == ["Something"]

    @pytest.mark.parametrize("reason", ["SAFETY", "NOVEL"])
    async def test_blocked_prompt(self, server: GeminiServer, gemini: Gemini, reason: str) -> None:
        """A prompt that Google does not look at is not sent again."""
        server.block(reason)
        assert (await failed(gemini)).kind is Kind.BLOCKED
        assert len(server.bodies) == 1


class TestConnections:
    async def test_refused(self, server: GeminiServer) -> None:
        """A server that does not listen is unreachable, soon."""
        with serve(server.application()) as base_url:
            pass
        async with opened(base_url) as gemini:
            assert (await failed(gemini)).kind is Kind.UNREACHABLE

    async def test_dropped_once(self, server: GeminiServer, gemini: Gemini) -> None:
        """A connection that closes before the answer is tried again."""
        server.drop()
        assert (await answered(gemini))[0] == ["You said: Hi, my secret garden?"]

    async def test_dropped(self, server: GeminiServer, gemini: Gemini) -> None:
        """A connection that keeps closing is unreachable."""
        server.drop()
        server.drop()
        assert (await failed(gemini)).kind is Kind.UNREACHABLE

    @pytest.mark.parametrize("fault", ["cut", "broken_json", "error", "nonsense", "silence"])
    async def test_after_text(self, server: GeminiServer, gemini: Gemini, fault: str) -> None:
        """Whatever breaks after some text, the text is kept and the answer is interrupted."""
        gemini.idle_timeout = 0.2
        self._break(server, fault, "Some text")
        texts, response = await answered(gemini)
        assert texts == ["Some text"]
        assert response.content["parts"] == [{"text": "Some text"}]
        assert response.ending is Ending.INTERRUPTED
        assert len(server.bodies) == 1

    @pytest.mark.parametrize(
        ("fault", "kind"),
        [
            ("cut", Kind.UNREACHABLE),
            ("broken_json", Kind.UNREACHABLE),
            ("error", Kind.OVERLOADED),
            ("nonsense", Kind.REJECTED),
            ("silence", Kind.TOO_SLOW),
        ],
    )
    async def test_before_text(
        self, server: GeminiServer, gemini: Gemini, fault: str, kind: Kind
    ) -> None:
        """The same faults before any text are errors."""
        if fault == "silence":
            gemini.first_chunk_timeout = 0.2
        self._break(server, fault)
        assert (await failed(gemini)).kind is kind

    def _break(self, server: GeminiServer, fault: str, *texts: str) -> None:
        match fault:
            case "cut":
                server.cut(*texts)
            case "broken_json":
                server.broken_json(*texts)
            case "error":
                server.refuse_midway(*texts, code=500)
            case "nonsense":
                good = {"candidates": [{"content": {"parts": [{"text": text}]}} for text in texts]}
                server.payloads(*[good for _ in texts], {"candidates": [{"content": "secret"}]})
            case "silence":
                server.hang(20, *texts)

    async def test_deadline(self, server: GeminiServer, gemini: Gemini) -> None:
        """The deadline ends an answer that keeps coming."""
        await answered(gemini)
        server.answer(*["tick "] * 200, delay=0.1)
        texts, response = await answered(gemini, seconds=2)
        assert 0 < len(texts) < 100
        assert response.ending is Ending.INTERRUPTED

    async def test_silence(self, server: GeminiServer, gemini: Gemini) -> None:
        """A stream that falls silent is given up, long before the server does."""
        gemini.idle_timeout = 0.2
        server.hang(20, "Some text")
        await answered(gemini)
        await until(lambda: server.hangups)

    async def test_first_chunk_may_take_longer(self, server: GeminiServer, gemini: Gemini) -> None:
        """A model that thinks before its first word is not cut off like one that falls silent."""
        gemini.idle_timeout = 0.05
        server.hang(0.5)  # then the connection drops, and the second attempt is answered
        assert (await answered(gemini))[0] == ["You said: Hi, my secret garden?"]

    async def test_invalid_utf8(self, server: GeminiServer, gemini: Gemini) -> None:
        """Bytes that are no text are a broken connection."""
        server.garbage(b'data: "\xff"\r\n\r\n')
        assert (await failed(gemini)).kind is Kind.UNREACHABLE

    async def test_deadline_in_the_past(self, server: GeminiServer, gemini: Gemini) -> None:
        """Nobody waits for an answer whose time is over."""
        server.hang(20)
        assert (await failed(gemini, seconds=-1)).kind is Kind.TOO_SLOW

    async def test_deadline_counts_all_attempts(
        self, server: GeminiServer, gemini: Gemini
    ) -> None:
        """Waiting for another attempt stops at the deadline too."""
        gemini.first_wait = 15
        server.refuse(503)
        assert (await failed(gemini, seconds=14)).kind is Kind.OVERLOADED
        assert len(server.bodies) == 1

    async def test_closing_hangs_up(self, server: GeminiServer, gemini: Gemini) -> None:
        """Closing the stream closes the connection, so that Google stops writing."""
        server.hang(20, "Some")
        async with aclosing(ask(gemini)) as events:
            await anext(events)
        await until(lambda: server.hangups)

    async def test_closing_leaves_what_has_come(
        self, server: GeminiServer, gemini: Gemini
    ) -> None:
        """Chunks that nobody has read yet do not keep the stream from closing."""
        server.answer("Some", *["more"] * 50)
        async with aclosing(ask(gemini)) as events:
            assert await anext(events) == TextDelta("Some")
        assert (await answered(gemini))[0] == ["You said: Hi, my secret garden?"]

    async def test_cancelling_hangs_up(self, server: GeminiServer, gemini: Gemini) -> None:
        """Cancelling whoever waits for a chunk closes the connection as well."""
        server.hang(20, "Some")
        task = asyncio.create_task(answered(gemini))
        await until(lambda: server.bodies)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: server.hangups)

    async def test_parallel_streams(self, server: GeminiServer, gemini: Gemini) -> None:
        """The first streams may start together; one client serves them."""
        results = await asyncio.gather(*(answered(gemini) for _ in range(8)))
        assert {"".join(texts) for texts, _ in results} == {"You said: Hi, my secret garden?"}
        assert len(server.bodies) == 8


class TestModels:
    async def test_unknown_model(
        self, server: GeminiServer, base_url: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """An unknown model gives way to the default, for good, and the operator reads it once."""
        async with opened(base_url, model="gemini-0") as gemini:
            await answered(gemini)
            await answered(gemini)
        assert [request.model for request in server.requests] == [
            "gemini-0",
            DEFAULT_MODEL,
            DEFAULT_MODEL,
        ]
        errors = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert len(errors) == 1
        assert "gemini-0" in errors[0].getMessage()

    async def test_unknown_model_for_several(
        self, server: GeminiServer, base_url: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Those who learn of it at the same time all get an answer, and the log says it once."""
        async with opened(base_url, model="gemini-0") as gemini:
            await asyncio.gather(*(answered(gemini) for _ in range(4)))
        assert len(server.bodies) == 8
        assert len([r for r in caplog.records if r.levelno == logging.ERROR]) == 1

    async def test_unknown_default(self, server: GeminiServer, base_url: str) -> None:
        """When the default is unknown as well there is no model left."""
        server.models.clear()
        async with opened(base_url, model="gemini-0") as gemini:
            assert (await failed(gemini)).kind is Kind.MODEL_UNKNOWN
        assert len(server.bodies) == 2

    async def test_known_to_nobody(self, server: GeminiServer, gemini: Gemini) -> None:
        """The default is not asked for twice."""
        server.models.clear()
        assert (await failed(gemini)).kind is Kind.MODEL_UNKNOWN
        assert len(server.bodies) == 1

    async def test_retired_model(
        self, server: GeminiServer, base_url: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A retired name is still sent, and the log names its successor once."""
        async with opened(base_url, model="gemini-2.5-pro") as gemini:
            await answered(gemini)
            await answered(gemini)
        assert server.requests[0].model == "gemini-2.5-pro"
        assert [
            r.getMessage() for r in caplog.records if "gemini-3.8-flash" in r.getMessage()
        ] == ["gemini-2.5-pro is retired: set GEMINI_MODEL_NAME=gemini-3.8-flash"]

    async def test_foreign_signatures(self, server: GeminiServer, gemini: Gemini) -> None:
        """Signatures of another model or key are dropped when Google refuses them."""
        old = {"role": "model", "parts": [{"text": "Hm", "thoughtSignature": "AAAA"}]}
        texts, _ = await answered(gemini, [QUESTION, old, QUESTION])
        assert texts == ["You said: Hi, my secret garden?"]
        assert server.bodies[1]["contents"][1] == {"role": "model", "parts": [{"text": "Hm"}]}

    async def test_signatures_are_stripped_once(
        self, server: GeminiServer, gemini: Gemini
    ) -> None:
        """A complaint about signatures that stays is an error."""
        server.refuse(400, message="Function call is missing a thought_signature.")
        server.refuse(400, message="Thought signature is not valid.")
        assert (await failed(gemini)).kind is Kind.REJECTED
        assert len(server.bodies) == 2


class TestSecrets:
    @pytest.mark.parametrize("fault", ["message", "nonsense", "broken_json", "cut", "refused"])
    async def test_nothing_is_quoted(
        self,
        server: GeminiServer,
        base_url: str,
        caplog: pytest.LogCaptureFixture,
        fault: str,
    ) -> None:
        """Neither the key nor anybody's words are in the error, its causes or the log."""
        caplog.set_level(logging.DEBUG, logger="bot")
        caplog.set_level(logging.INFO, logger="google_genai")
        self._fail(server, fault)
        async with opened(base_url) as gemini:
            error = await failed(gemini)
            assert KEY not in repr(gemini)
        assert error.__cause__ is None
        assert error.__context__ is None
        said = caplog.text + repr(error) + str(error) + repr(vars(error))
        assert KEY not in said
        assert "garden" not in said

    def _fail(self, server: GeminiServer, fault: str) -> None:
        quoted = f"Consumer 'api_key:{KEY}' has been suspended: secret garden"
        match fault:
            case "message":
                violation = {"violations": [{"quotaId": f"secret garden {KEY}"}]}
                server.refuse(403, message=quoted, status=quoted, details=[violation])
            case "nonsense":
                server.payloads({"candidates": [{"content": quoted}]})
            case "broken_json":
                server.payloads({"error": quoted})
            case "cut":
                server.cut()
            case "refused":
                server.drop()
                server.drop()

    async def test_unforeseen_errors_have_a_traceback(
        self, server: GeminiServer, gemini: Gemini, caplog: pytest.LogCaptureFixture
    ) -> None:
        """What nobody foresaw is logged with the place where it happened."""
        server.payloads({"candidates": [{"content": "secret"}]})
        assert (await failed(gemini)).kind is Kind.REJECTED
        (record,) = [r for r in caplog.records if r.levelno == logging.ERROR]
        assert "bot/gemini/answer.py" in record.getMessage()
        assert "secret" not in record.getMessage()


class TestLifetime:
    def test_import_costs_nothing(self) -> None:
        """Importing and opening loads nothing of Google."""
        program = (
            "import asyncio, sys\n"
            "from bot.gemini import open_gemini\n"
            "from bot.settings import Settings\n"
            "async def main():\n"
            "    settings = Settings(telegram_bot_token='1:A', gemini_api_key='k')\n"
            "    async with open_gemini(settings):\n"
            "        print([name for name in sys.modules if name.startswith('google')])\n"
            "asyncio.run(main())\n"
        )
        run = subprocess.run(  # noqa: S603 - our own interpreter and program
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        assert run.stdout == "[]\n"

    def test_several_loops(self, server: GeminiServer, base_url: str) -> None:
        """Each loop opens and closes its own client, and leaves nothing behind."""

        async def once() -> str:
            async with opened(base_url) as gemini:
                texts, _ = await answered(gemini)
            return texts[0]

        for _ in range(3):
            assert asyncio.run(once()) == "You said: Hi, my secret garden?"
            gc.collect()
        assert len(server.bodies) == 3

    async def test_the_loop_stays_free(self, server: GeminiServer, gemini: Gemini) -> None:
        """The SDK is imported and its client made in another thread than the loop's."""
        threads: set[int] = set()
        connect = gemini._connect  # noqa: SLF001 - observed, not replaced

        def observed() -> Any:
            threads.add(threading.get_ident())
            return connect()

        gemini._connect = observed  # type: ignore[method-assign]  # noqa: SLF001 - as above
        await answered(gemini)
        assert threads
        assert threading.get_ident() not in threads
        assert server.bodies


async def test_the_client_is_made_beside(
    gemini: Gemini, server: GeminiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first question takes the client that was begun before it: there is only one."""
    made: list[Settings] = []
    monkeypatch.setattr(
        "bot.gemini.client._new_client", made_by(_new_client, made.append, duration=0.2)
    )
    server.answer("Hello")

    gemini.warm()
    gemini.warm()
    assert (await answered(gemini))[0] == ["Hello"]
    gemini.warm()

    assert len(made) == 1


async def test_a_proxy_of_the_environment_is_used(
    server: GeminiServer, base_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reaches Google by a proxy alone is served by it."""
    monkeypatch.setenv("http_proxy", base_url)
    server.answer("Hello")

    async with opened("http://gemini.invalid") as gemini:
        assert (await answered(gemini))[0] == ["Hello"]


async def test_a_client_that_nobody_asked_is_closed(
    base_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An end in the middle of the import waits for it, and leaves no task behind."""
    made: list[Settings] = []
    monkeypatch.setattr(
        "bot.gemini.client._new_client", made_by(_new_client, made.append, duration=0.2)
    )
    async with opened(base_url) as gemini:
        gemini.warm()

    assert len(made) == 1
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_client_that_cannot_be_made_is_the_questions_fault(
    gemini: Gemini, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What went wrong beside is said where it matters."""

    def fail(*_: object) -> None:
        raise ImportError("no google")

    monkeypatch.setattr("bot.gemini.client._new_client", fail)

    gemini.warm()
    error = await failed(gemini)

    assert error.kind is Kind.REJECTED


def made_by(make: Callable[..., Any], note: Callable[[Any], None], duration: float) -> Any:
    """Return what makes a client slowly, and notes it."""

    def slowly(settings: Settings) -> Any:
        time.sleep(duration)
        note(settings)
        return make(settings)

    return slowly
