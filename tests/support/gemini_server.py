"""A Gemini API on loopback, as strict as the real one and as faulty as a test requires.

Every method may be called from a thread other than the server's.
"""

import base64
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from threading import Event
from typing import Any

from aiohttp import web

from bot.sandbox.gemini.api import LIMIT, GeminiApi
from bot.sandbox.gemini.exchange import Exchange, Request, event
from bot.sandbox.gemini.rules import (
    ERROR_INFO,
    JSON,
    RefusalError,
    check_signed,
    decoded,
    identity,
)

Script = Callable[["Exchange"], Awaitable[web.StreamResponse]]

KEY = "AIzaSyLoopback-0123456789abcdefghijklmn"
MODELS = (
    "gemini-3.5-flash-lite",
    "gemini-3.8-flash",
    "gemini-3.6-flash",
    "gemini-3.1-flash-lite",
    "gemini-2.5-flash",
    "gemini-2.5-pro",
    "gemini-flash-latest",
)


@dataclass(frozen=True)
class Call:
    """A function call for the model to make."""

    name: str
    args: JSON
    id: str | None = None


class GeminiServer(GeminiApi):
    """A server that gives the answers a test queued, in order, and otherwise echoes."""

    def __init__(self, *, key: str = KEY, limit: int = LIMIT, alternate: bool = True) -> None:
        super().__init__(limit=limit, alternate=alternate)
        self.requests: list[Request] = []
        self.hangups: list[Request] = []
        self.models = set(MODELS)
        self._key = key
        self._scripts: deque[Script] = deque()
        self._undescribed: deque[RefusalError] = deque()
        self._issued: set[bytes] = set()
        self._signed_calls: set[str] = set()
        self._numbers = count(1)

    @property
    def bodies(self) -> list[JSON]:
        """The bodies of the requests for an answer, in order."""
        return [request.body for request in self.requests if request.method == "POST"]

    def forget(self) -> None:
        """Drop queued answers and the record of requests."""
        self._scripts.clear()
        self.requests.clear()

    # Answers that a test may queue

    def answer(
        self,
        *texts: str,
        first: float = 0.0,
        delay: float = 0.0,
        finish_reason: str | None = "STOP",
        usage: JSON | None = None,
        signature: str | None = None,
    ) -> None:
        """Queue texts, one chunk each; if finish_reason is None, they end cleanly without one."""
        chunks: list[list[JSON]] = [[{"text": text}] for text in texts]
        if signature is not None:
            chunks.append([{"text": "", "thoughtSignature": self.sign(signature)}])
        self.parts(*chunks, first=first, delay=delay, finish_reason=finish_reason, usage=usage)

    def call(self, name: str, args: JSON, *, id: str | None = None) -> None:  # noqa: A002 - the API's term
        """Queue one function call."""
        self.calls(Call(name, args, id))

    def calls(self, *calls: Call, text: str = "", with_id: bool = True) -> None:
        """Queue function calls in one turn; the first is signed, as the model does it."""
        parts: list[JSON] = [{"text": text}] if text else []
        for position, call in enumerate(calls):
            number = next(self._numbers)
            function_call: JSON = {"name": call.name, "args": call.args}
            if with_id:
                function_call["id"] = call.id or f"call-{number}"
            part: JSON = {"functionCall": function_call}
            if position == 0:
                part["thoughtSignature"] = self.sign(f"signature {number}")
                self._signed_calls.add(identity(function_call))
            parts.append(part)
        self.parts(parts)

    def parts(
        self,
        *chunks: Sequence[JSON],
        first: float = 0.0,
        delay: float = 0.0,
        finish_reason: str | None = "STOP",
        usage: JSON | None = None,
    ) -> None:
        """Queue chunks of unchanged parts."""

        async def script(exchange: Exchange) -> web.StreamResponse:
            for position, parts in enumerate(chunks):
                await exchange.pause(delay if position else first)
                await exchange.send(exchange.chunk(parts))
            last = exchange.chunk([], **_given(finishReason=finish_reason))
            await exchange.send(last | {"usageMetadata": usage or _usage(chunks)})
            return await exchange.end()

        self._scripts.append(script)

    def payloads(self, *payloads: JSON) -> None:
        """Queue whole, unchanged chunks."""

        async def script(exchange: Exchange) -> web.StreamResponse:
            for payload in payloads:
                await exchange.send(payload)
            return await exchange.end()

        self._scripts.append(script)

    def refuse(
        self,
        code: int,
        *,
        status: str | None = None,
        message: str = "Refused.",
        details: Sequence[JSON] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Queue an error in the API's format."""

        async def script(_: Exchange) -> web.StreamResponse:
            raise RefusalError(code, message, status=status, details=details, headers=headers)

        self._scripts.append(script)

    def refuse_midway(self, *texts: str, code: int, message: str = "Refused.") -> None:
        """Queue a stream with an error after some text."""
        self.payloads(*map(_text_chunk, texts), RefusalError(code, message).body)

    def block(self, reason: str = "SAFETY") -> None:
        """Queue a response that blocks the prompt."""
        self.payloads({"promptFeedback": {"blockReason": reason}, "usageMetadata": _usage([])})

    def empty(self) -> None:
        """Queue an empty answer with status 200."""
        self.payloads()

    def cut(self, *texts: str) -> None:
        """Queue a stream whose connection breaks after some text."""

        async def script(exchange: Exchange) -> web.StreamResponse:
            for text in texts:
                await exchange.send(_text_chunk(text))
            return await exchange.cut()

        self._scripts.append(script)

    def html(self, code: int) -> None:
        """Queue a proxy's error page."""

        async def script(_: Exchange) -> web.StreamResponse:
            page = f"<html><title>{code}</title></html>"
            return web.Response(status=code, text=page, content_type="text/html")

        self._scripts.append(script)

    def broken_json(self, *texts: str) -> None:
        """Queue a stream with a chunk that is not valid JSON after some text."""
        sound = b"".join(event(_text_chunk(text)) for text in texts)
        self.garbage(sound + b'data: {"candidates": [{"content"\r\n\r\n')

    def garbage(self, data: bytes) -> None:
        """Queue a stream of raw bytes."""
        self.pieces(data)

    def pieces(self, *pieces: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Queue a stream that arrives in pieces, with headers of its own."""

        async def script(exchange: Exchange) -> web.StreamResponse:
            exchange.response.headers.update(headers or {})
            for piece in pieces:
                await exchange.write(piece)
                await exchange.pause(0.002)  # otherwise, they would arrive as one
            return await exchange.end()

        self._scripts.append(script)

    def flood(self, piece: bytes) -> None:
        """Queue a stream that repeats the same piece until the client hangs up."""

        async def script(exchange: Exchange) -> web.StreamResponse:
            while True:
                await exchange.write(piece)

        self._scripts.append(script)

    def respond_with(self, code: int, body: bytes, **headers: str) -> None:
        """Queue a complete response."""

        async def script(_: Exchange) -> web.StreamResponse:
            return web.Response(status=code, body=body, headers=headers)

        self._scripts.append(script)

    def drop(self) -> None:
        """Queue a connection that closes without an answer."""

        async def script(exchange: Exchange) -> web.StreamResponse:
            return exchange.drop()

        self._scripts.append(script)

    def hang(self, seconds: float, *texts: str) -> None:
        """Queue a stream that stalls after some text and breaks off after some seconds."""

        async def script(exchange: Exchange) -> web.StreamResponse:
            for text in texts:
                await exchange.send(_text_chunk(text))
            await exchange.pause(seconds)
            return exchange.drop()

        self._scripts.append(script)

    @contextmanager
    def held(self, *texts: str) -> Iterator[None]:
        """Queue texts, one chunk each; all but the first wait for the end of the block."""
        over = Event()

        async def script(exchange: Exchange) -> web.StreamResponse:
            for position, text in enumerate(texts):
                while position and not over.is_set():
                    await exchange.pause(0.01)
                await exchange.send(_text_chunk(text))
            await exchange.send(exchange.chunk([], finishReason="STOP"))
            return await exchange.end()

        self._scripts.append(script)
        try:
            yield
        finally:
            over.set()

    def refuse_to_describe(self, code: int) -> None:
        """Queue an error for a request for a model's description."""
        self._undescribed.append(RefusalError(code, "Refused."))

    def sign(self, signature: str) -> str:
        """Return a thought signature that this server will recognize."""
        self._issued.add(signature.encode())
        return base64.b64encode(signature.encode()).decode()

    # The API

    def names(self) -> set[str]:
        return self.models

    def knows(self, model: str) -> bool:
        return model in self.models

    def describe(self, request: Request) -> JSON:
        if self._undescribed:
            raise self._undescribed.popleft()
        return super().describe(request)

    def admit(self, request: Request) -> None:
        self.requests.append(request)
        super().admit(request)
        if request.headers["x-goog-api-key"] != self._key:
            message = "API key not valid. Please pass a valid API key."
            reason = {
                "@type": ERROR_INFO,
                "reason": "API_KEY_INVALID",
                "domain": "googleapis.com",
            }
            raise RefusalError(400, message, details=[reason])

    async def respond(self, exchange: Exchange) -> web.StreamResponse:
        self._check_signatures(exchange.request.body["contents"])
        script = self._scripts.popleft() if self._scripts else _echo
        return await script(exchange)

    def hung_up(self, request: Request) -> web.StreamResponse:
        self.hangups.append(request)
        return super().hung_up(request)

    def _check_signatures(self, contents: list[JSON]) -> None:
        for part in (part for content in contents for part in content["parts"]):
            signature = part.get("thoughtSignature")
            if signature is not None and decoded(signature) not in self._issued:
                raise RefusalError(400, "Thought signature is not valid.")
        check_signed(contents, lambda call: identity(call) in self._signed_calls)


async def _echo(exchange: Exchange) -> web.StreamResponse:
    texts = [
        part["text"]
        for content in exchange.request.body["contents"]
        if content["role"] == "user"
        for part in content["parts"]
        if "text" in part
    ]
    parts = [{"text": f"You said: {texts[-1] if texts else 'nothing'}"}]
    usage = {"usageMetadata": _usage([parts])}
    await exchange.send(exchange.chunk(parts, finishReason="STOP") | usage)
    return await exchange.end()


def _text_chunk(text: str) -> JSON:
    return {"candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}]}


def _given(**values: Any) -> JSON:
    return {name: value for name, value in values.items() if value is not None}


def _usage(chunks: Sequence[Sequence[JSON]]) -> JSON:
    tokens = sum(len(str(part)) // 4 for parts in chunks for part in parts)
    return {
        "promptTokenCount": 7,
        "candidatesTokenCount": tokens,
        "totalTokenCount": 7 + tokens,
    }
