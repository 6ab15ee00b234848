"""A Gemini API on loopback: as strict as the real one, and as faulty as a test wants it.

It speaks `models/{model}:streamGenerateContent?alt=sse` and `GET models/{model}` for v1 and v1beta
(https://ai.google.dev/api/generate-content). Every method may be called from another thread than
the one that serves.
"""

import asyncio
import base64
import json
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from aiohttp import web

from tests.gemini_rules import (
    ERROR_INFO,
    JSON,
    RefusalError,
    check_body,
    current_turn,
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
LIMIT = 100 * 1024 * 1024  # bytes of one request


@dataclass(frozen=True)
class Request:
    """One request as it arrived; header names are in lower case, body is {} for a GET."""

    method: str
    path: str
    api_version: str
    model: str
    headers: Mapping[str, str]
    body: JSON


@dataclass(frozen=True)
class Call:
    """A function call for the model to make."""

    name: str
    args: JSON
    id: str | None = None


class HungUpError(Exception):
    """The client has closed the connection."""


class Exchange:
    """One request being answered: writes chunks the way Google's front end does."""

    def __init__(self, http: web.Request, request: Request) -> None:
        self.http = http
        self.request = request
        self.response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})

    async def send(self, payload: JSON) -> None:
        await self.write(_event(payload))

    async def write(self, data: bytes) -> None:
        if not self.response.prepared:
            await self.response.prepare(self.http)
        try:
            await self.response.write(data)
        except ConnectionError as error:
            raise HungUpError from error

    async def end(self) -> web.StreamResponse:
        if not self.response.prepared:
            await self.response.prepare(self.http)
        await self.response.write_eof()
        return self.response

    async def pause(self, seconds: float) -> None:
        """Wait, but notice soon when the client hangs up."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while (left := end - loop.time()) > 0:
            if self.http.transport is None or self.http.transport.is_closing():
                raise HungUpError
            await asyncio.sleep(min(left, 0.01))

    def drop(self) -> web.StreamResponse:
        """Close the connection as it stands."""
        if self.http.transport is not None:
            self.http.transport.abort()
        return self.response

    def chunk(self, parts: Sequence[JSON], **candidate: Any) -> JSON:
        content = {"parts": list(parts), "role": "model"} if parts else None
        first = {"content": content} | candidate if content else candidate
        return {
            "candidates": [first | {"index": 0}],
            "modelVersion": self.request.model,
            "responseId": "loopback",
        }


class GeminiServer:
    """Answers what the test queued, in order, and echoes when nothing is queued."""

    def __init__(self, *, key: str = KEY, limit: int = LIMIT, alternate: bool = True) -> None:
        self.requests: list[Request] = []
        self.hangups: list[Request] = []
        self.models = set(MODELS)
        self._key = key
        self._limit = limit
        self._alternate = alternate
        self._scripts: deque[Script] = deque()
        self._undescribed: deque[RefusalError] = deque()
        self._issued: set[bytes] = set()
        self._signed_calls: set[str] = set()
        self._numbers = count(1)

    def application(self) -> web.Application:
        """Return the application, for one loop to serve."""
        application = web.Application(client_max_size=2 * LIMIT)
        application.router.add_get("/{version}/models", self._list)
        application.router.add_get("/{version}/models/{model}", self._describe)
        application.router.add_post(
            "/{version}/models/{model}:streamGenerateContent", self._stream
        )
        return application

    @property
    def bodies(self) -> list[JSON]:
        """What the requests for an answer carried, in order."""
        return [request.body for request in self.requests if request.method == "POST"]

    def forget(self) -> None:
        """Drop queued answers and the record of requests."""
        self._scripts.clear()
        self.requests.clear()

    # What a test may ask for

    def answer(
        self,
        *texts: str,
        first: float = 0.0,
        delay: float = 0.0,
        finish_reason: str | None = "STOP",
        usage: JSON | None = None,
        signature: str | None = None,
    ) -> None:
        """Queue a text, a chunk each; finish_reason None ends it cleanly without one."""
        chunks: list[list[JSON]] = [[{"text": text}] for text in texts]
        if signature is not None:
            chunks.append([{"text": "", "thoughtSignature": self.sign(signature)}])
        self.parts(*chunks, first=first, delay=delay, finish_reason=finish_reason, usage=usage)

    def call(self, name: str, args: JSON, *, id: str | None = None) -> None:  # noqa: A002 - the API's word
        """Queue one function call."""
        self.calls(Call(name, args, id))

    def calls(self, *calls: Call, text: str = "", with_id: bool = True) -> None:
        """Queue function calls of one turn; the first is signed, as the model signs them."""
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
        """Queue chunks of parts as they are."""

        async def script(exchange: Exchange) -> web.StreamResponse:
            for position, parts in enumerate(chunks):
                await exchange.pause(delay if position else first)
                await exchange.send(exchange.chunk(parts))
            last = exchange.chunk([], **_given(finishReason=finish_reason))
            await exchange.send(last | {"usageMetadata": usage or _usage(chunks)})
            return await exchange.end()

        self._scripts.append(script)

    def payloads(self, *payloads: JSON) -> None:
        """Queue whole chunks as they are."""

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
        """Queue the refusal to look at a prompt at all."""
        self.payloads({"promptFeedback": {"blockReason": reason}, "usageMetadata": _usage([])})

    def empty(self) -> None:
        """Queue an answer with a status of 200 and nothing in it."""
        self.payloads()

    def cut(self, *texts: str) -> None:
        """Queue a stream whose connection breaks after some text."""

        async def script(exchange: Exchange) -> web.StreamResponse:
            for text in texts:
                await exchange.send(_text_chunk(text))
            await exchange.write(b'data: {"candi')
            await exchange.pause(0.05)  # or the abort overtakes the chunks
            return exchange.drop()

        self._scripts.append(script)

    def html(self, code: int) -> None:
        """Queue a proxy's error page."""

        async def script(_: Exchange) -> web.StreamResponse:
            page = f"<html><title>{code}</title></html>"
            return web.Response(status=code, text=page, content_type="text/html")

        self._scripts.append(script)

    def broken_json(self, *texts: str) -> None:
        """Queue a stream with a chunk that is no JSON after some text."""
        sound = b"".join(_event(_text_chunk(text)) for text in texts)
        self.garbage(sound + b'data: {"candidates": [{"content"\r\n\r\n')

    def garbage(self, data: bytes) -> None:
        """Queue a stream of bytes as they are."""

        async def script(exchange: Exchange) -> web.StreamResponse:
            await exchange.write(data)
            return await exchange.end()

        self._scripts.append(script)

    def drop(self) -> None:
        """Queue a connection that closes without an answer."""

        async def script(exchange: Exchange) -> web.StreamResponse:
            return exchange.drop()

        self._scripts.append(script)

    def hang(self, seconds: float, *texts: str) -> None:
        """Queue a stream that falls silent after some text, and in the end breaks off."""

        async def script(exchange: Exchange) -> web.StreamResponse:
            for text in texts:
                await exchange.send(_text_chunk(text))
            await exchange.pause(seconds)
            return exchange.drop()

        self._scripts.append(script)

    def refuse_to_describe(self, code: int) -> None:
        """Queue an error for whoever asks what a model is."""
        self._undescribed.append(RefusalError(code, "Refused."))

    def sign(self, signature: str) -> str:
        """Return a thought signature that this server will know again."""
        self._issued.add(signature.encode())
        return base64.b64encode(signature.encode()).decode()

    # The API

    async def _list(self, http: web.Request) -> web.StreamResponse:
        return await self._handle(http, "", self._listed)

    async def _listed(self, _: Exchange) -> web.StreamResponse:
        return web.json_response({"models": [_model(name) for name in sorted(self.models)]})

    async def _describe(self, http: web.Request) -> web.StreamResponse:
        return await self._handle(http, http.match_info["model"], self._described)

    async def _described(self, exchange: Exchange) -> web.StreamResponse:
        if self._undescribed:
            raise self._undescribed.popleft()
        self._check_model(exchange.request)
        return web.json_response(_model(exchange.request.model))

    async def _stream(self, http: web.Request) -> web.StreamResponse:
        return await self._handle(http, http.match_info["model"], self._streamed)

    async def _streamed(self, exchange: Exchange) -> web.StreamResponse:
        self._check_model(exchange.request)
        if exchange.http.query.get("alt") != "sse":
            raise RefusalError(400, "This server answers streams with alt=sse only.")
        if (exchange.http.content_length or 0) > self._limit:
            raise RefusalError(
                400, f"Request payload size exceeds the limit: {self._limit} bytes."
            )
        check_body(exchange.request.body, alternate=self._alternate)
        self._check_signatures(exchange.request.body["contents"])
        script = self._scripts.popleft() if self._scripts else _echo
        return await script(exchange)

    async def _handle(
        self, http: web.Request, model: str, answer: Callable[[Exchange], Awaitable[Any]]
    ) -> web.StreamResponse:
        body, fault = await _read(http)
        request = Request(
            method=http.method,
            path=http.path,
            api_version=http.match_info["version"],
            model=model,
            headers={name.lower(): value for name, value in http.headers.items()},
            body=body,
        )
        self.requests.append(request)
        try:
            self._check_key(http.headers.get("x-goog-api-key"))
            if fault is not None:
                raise fault
            response: web.StreamResponse = await answer(Exchange(http, request))
        except RefusalError as refusal:
            return refusal.response()
        except HungUpError:
            self.hangups.append(request)
            return web.Response()
        return response

    def _check_key(self, key: str | None) -> None:
        if not key:
            raise RefusalError(
                403,
                "Method doesn't allow unregistered callers (callers without established"
                " identity). Please use API Key or other form of API consumer identity to call"
                " this API.",
            )
        if key != self._key:
            message = "API key not valid. Please pass a valid API key."
            reason = {
                "@type": ERROR_INFO,
                "reason": "API_KEY_INVALID",
                "domain": "googleapis.com",
            }
            raise RefusalError(400, message, details=[reason])

    def _check_model(self, request: Request) -> None:
        name, version = request.model, request.api_version
        beta_only = name.endswith("-latest") or "preview" in name
        if version not in {"v1", "v1beta"} or (beta_only and version == "v1"):
            raise _unknown_model(name, version)
        if name not in self.models:
            raise _unknown_model(name, version)

    def _check_signatures(self, contents: list[JSON]) -> None:
        for part in (part for content in contents for part in content["parts"]):
            signature = part.get("thoughtSignature")
            if signature is not None and decoded(signature) not in self._issued:
                raise RefusalError(400, "Thought signature is not valid.")
        for content in current_turn(contents):
            calls = [part for part in content["parts"] if "functionCall" in part]
            for part in calls[:1]:
                signed = identity(part["functionCall"]) in self._signed_calls
                if signed and "thoughtSignature" not in part:
                    name = part["functionCall"]["name"]
                    raise RefusalError(
                        400,
                        "Function call is missing a thought_signature in functionCall parts. This"
                        " is required for tools to work correctly, and missing thought_signature"
                        f" may lead to degraded model performance. Function call `{name}`.",
                    )


async def _read(http: web.Request) -> tuple[JSON, RefusalError | None]:
    if http.method == "GET":
        return {}, None
    try:
        body = json.loads(await http.read())
    except ValueError:
        body = None
    if isinstance(body, dict):
        return body, None
    return {}, RefusalError(400, "Invalid JSON payload received. Expected an object.")


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


def _unknown_model(name: str, version: str) -> RefusalError:
    return RefusalError(
        404,
        f"models/{name} is not found for API version {version}, or is not supported for"
        " generateContent. Call ModelService.ListModels to see the list of available models and"
        " their supported methods.",
    )


def _model(name: str) -> JSON:
    return {
        "name": f"models/{name}",
        "displayName": name,
        "inputTokenLimit": 1048576,
        "outputTokenLimit": 65536,
        "supportedGenerationMethods": ["generateContent", "countTokens"],
    }


def _text_chunk(text: str) -> JSON:
    return {"candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}]}


def _event(payload: JSON) -> bytes:
    return (
        b"data: " + json.dumps(payload, ensure_ascii=False).encode(errors="replace") + b"\r\n\r\n"
    )


def _given(**values: Any) -> JSON:
    return {name: value for name, value in values.items() if value is not None}


def _usage(chunks: Sequence[Sequence[JSON]]) -> JSON:
    tokens = sum(len(str(part)) // 4 for parts in chunks for part in parts)
    return {
        "promptTokenCount": 7,
        "candidatesTokenCount": tokens,
        "totalTokenCount": 7 + tokens,
    }
