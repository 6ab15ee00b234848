"""The part of the Gemini API that a chat needs, over HTTP; subclasses provide the answers.

It serves `models/{model}:streamGenerateContent?alt=sse`, `GET models` and `GET models/{model}`
for v1 and v1beta (https://ai.google.dev/api/generate-content).
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from aiohttp import web

from bot.sandbox.gemini.exchange import Exchange, HungUpError, Request
from bot.sandbox.gemini.rules import JSON, RefusalError, check_body

LIMIT = 100 * 1024 * 1024  # bytes in one request


class GeminiApi(ABC):
    """A server that refuses the requests Google would refuse and passes on the others."""

    def __init__(self, *, limit: int = LIMIT, alternate: bool = True) -> None:
        self._limit = limit
        self._alternate = alternate

    def application(self) -> web.Application:
        """Return the application for one event loop."""
        application = web.Application(client_max_size=2 * LIMIT)
        application.router.add_get("/{version}/models", self._list)
        application.router.add_get("/{version}/models/{model}", self._describe)
        application.router.add_post(
            "/{version}/models/{model}:streamGenerateContent", self._stream
        )
        return application

    @abstractmethod
    def names(self) -> Iterable[str]:
        """Return the names of the models to list."""

    @abstractmethod
    def knows(self, model: str) -> bool:
        """Tell whether a model is available."""

    @abstractmethod
    async def respond(self, exchange: Exchange) -> web.StreamResponse:
        """Answer a valid request. Raises RefusalError."""

    def admit(self, request: Request) -> None:
        """Take note of any request, valid or not. Raises RefusalError if it has no valid key."""
        if not request.headers.get("x-goog-api-key"):
            raise RefusalError(
                403,
                "Method doesn't allow unregistered callers (callers without established"
                " identity). Please use API Key or other form of API consumer identity to call"
                " this API.",
            )

    def describe(self, request: Request) -> JSON:
        """Return a model's description. Raises RefusalError."""
        self._check_model(request)
        return _model(request.model)

    def hung_up(self, _: Request) -> web.StreamResponse:
        """Return the response to a request whose client hung up before the end."""
        return web.Response()

    async def _list(self, http: web.Request) -> web.StreamResponse:
        return await self._handle(http, "", self._listed)

    async def _listed(self, _: Exchange) -> web.StreamResponse:
        return web.json_response({"models": [_model(name) for name in sorted(self.names())]})

    async def _describe(self, http: web.Request) -> web.StreamResponse:
        return await self._handle(http, http.match_info["model"], self._described)

    async def _described(self, exchange: Exchange) -> web.StreamResponse:
        return web.json_response(self.describe(exchange.request))

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
        return await self.respond(exchange)

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
        try:
            self.admit(request)
            if fault is not None:
                raise fault
            response: web.StreamResponse = await answer(Exchange(http, request))
        except RefusalError as refusal:
            return refusal.response()
        except HungUpError:
            return self.hung_up(request)
        return response

    def _check_model(self, request: Request) -> None:
        name, version = request.model, request.api_version
        beta_only = name.endswith("-latest") or "preview" in name
        if version not in {"v1", "v1beta"} or (beta_only and version == "v1"):
            raise _unknown_model(name, version)
        if not self.knows(name):
            raise _unknown_model(name, version)


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
