"""The Gemini client: streamed requests to Google, with deadlines and retries."""

import asyncio
import logging
import random
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.request import getproxies

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, TCPConnector

from bot.bodies import read_at_most
from bot.gemini.answer import JSON, LONGEST_ANSWER, Answer, Response, TextDelta
from bot.gemini.body import read_objects
from bot.gemini.circuit import Circuit
from bot.gemini.errors import (
    LONGEST_ERROR,
    GeminiError,
    Kind,
    Remedy,
    refusal,
    refusal_within,
    understand,
)
from bot.gemini.models import RETIRED_MODELS, Feature, api_version, normalise, resource
from bot.gemini.request import Request
from bot.logs.errors import log_error
from bot.logs.update_log import note_response, spending
from bot.settings import DEFAULT_MODEL, Settings
from bot.startup.garbage_collector import freeze_imports
from bot.startup.tls import tls_context

if TYPE_CHECKING:
    from google import genai
    from google.genai import types

T = TypeVar("T")

logger = logging.getLogger(__name__)

FIRST_CHUNK_TIMEOUT = 60.0  # seconds; a model sends nothing until it has finished thinking
STANDSTILL = 1.0  # seconds; if a timeout fires later than this, the process was frozen
IDLE_TIMEOUT = 30.0  # seconds between two chunks
FIRST_WAIT = 1.0  # seconds before the second attempt if Google names no time; then doubled
LONGEST_WAIT = 20.0  # seconds; for a longer wait the call fails at once
NO_TIMEOUT = ClientTimeout(total=None)  # none by aiohttp: each chunk has its own timeout here
# How often each remedy is tried in one call
_ATTEMPTS = {
    Remedy.WAIT: 2,
    Remedy.AGAIN: 1,
    Remedy.ONCE_MORE: 1,
    Remedy.STRIP_SIGNATURES: 1,
    Remedy.WITHOUT_INSTRUCTION: 1,
    Remedy.WITHOUT_FUNCTIONS: 1,
    Remedy.DEFAULT_MODEL: 1,
}
_LEFT_OUT = {
    Remedy.WITHOUT_INSTRUCTION: Feature.INSTRUCTION,
    Remedy.WITHOUT_FUNCTIONS: Feature.FUNCTIONS,
}
_NAMES = {Feature.INSTRUCTION: "system instruction", Feature.FUNCTIONS: "functions"}


@asynccontextmanager
async def open_gemini(settings: Settings) -> AsyncGenerator["Gemini"]:
    """Open the client in the running loop; load Google's SDK and open sockets on first use."""
    gemini = Gemini(settings)
    try:
        yield gemini
    finally:
        await gemini.aclose()


class Gemini:
    """The Gemini client, which streams the answers of one model."""

    def __init__(self, settings: Settings) -> None:
        self.model = normalise(settings.gemini_model_name)
        self.first_chunk_timeout = FIRST_CHUNK_TIMEOUT
        self.idle_timeout = IDLE_TIMEOUT
        self.first_wait = FIRST_WAIT
        self._circuit = Circuit()
        self._settings = settings
        self._client: genai.Client | None = None
        self._http: ClientSession | None = None
        self._lacking: dict[str, Feature] = {}
        self._creating = threading.Lock()
        self._warming: asyncio.Future[Any] | None = None
        if self.model in RETIRED_MODELS:
            successor = RETIRED_MODELS[self.model]
            logger.warning("%s is retired: set GEMINI_MODEL_NAME=%s", self.model, successor)

    async def stream(
        self,
        contents: bytes,
        *,
        system_instruction: str,
        functions: Sequence[Mapping[str, Any]],
        allow_calls: bool,
        deadline: float,
        longest: int = LONGEST_ANSWER,
    ) -> AsyncGenerator[TextDelta | Response]:
        """Yield the answer's text as it arrives, and one Response at the end.

        `contents` are encoded; `functions` are the REST API's JSON (FunctionDeclaration);
        `deadline` is in the running loop's time; after `longest` characters the answer is cut
        off. Raise GeminiError, but only before the first text: an answer that breaks off later
        ends with Ending.INTERRUPTED.
        """
        request = Request(contents, system_instruction, functions, allow_calls)
        with self._circuit.call(deadline):
            async with aclosing(self._attempts(request, longest, deadline)) as events:
                async for event in events:
                    yield event

    async def check(self, deadline: float) -> None:
        """Ask Google for the model, at no token cost; raise GeminiError if it is unavailable.

        `deadline` is in the running loop's time.
        """
        failure = await self._check_once(deadline)
        if failure and failure.remedy is Remedy.ONCE_MORE and await self._paused(deadline):
            failure = await self._check_once(deadline)
        if failure:
            # Raised outside the except clause, because the exception may quote the key
            raise failure

    def warm(self) -> None:
        """Start importing the SDK in the background, which takes half a second.

        If the import fails, the first question reports the error.
        """
        if self._client is None and self._warming is None:
            self._open_http()
            connecting = asyncio.to_thread(self._connect)
            self._warming = asyncio.gather(connecting, return_exceptions=True)

    @property
    def is_down(self) -> bool:
        """Tell whether Gemini has failed so often that it is only probed now and then."""
        return self._circuit.is_open

    @property
    def lacking(self) -> Feature:
        """Return the features that the model turned out not to support."""
        return self._lacking.get(self.model, Feature.NONE)

    async def aclose(self) -> None:
        """Close the connections, if any were opened."""
        if self._warming is not None:
            await self._warming
        try:
            if self._client is not None:
                await self._client.aio.aclose()
                self._client.close()
        finally:
            if self._http is not None:
                await self._http.close()

    async def _check_once(self, deadline: float) -> GeminiError | None:
        try:
            async with _until(deadline):
                client = await self._ready()
                response = await self._request(client, "get", self.model, resource(self.model))
                response.close()
        except Exception as error:  # noqa: BLE001 - whatever it is, it becomes a kind
            return _meaning(error)
        return None

    async def _attempts(
        self, request: Request, longest: int, deadline: float
    ) -> AsyncGenerator[TextDelta | Response]:
        tried: list[Remedy] = []
        while True:
            answer = Answer(longest)
            failure = None
            model = self.model
            try:
                async with (
                    aclosing(self._chunks(model, request, deadline)) as chunks,
                    aclosing(answer.follow(chunks)) as texts,
                ):
                    async for text in texts:
                        yield TextDelta(text)
                response = answer.response()
            except Exception as error:  # noqa: BLE001 - whatever it is, it becomes a kind
                failure = _meaning(error)
                response = answer.interrupted()
            if failure is None or answer.started:
                if failure is not None:
                    logger.warning("an answer of %s broke off: %s", model, failure)
                note_response(complete=failure is None, **response.usage.by_kind())
                yield response
                return
            logger.warning("no answer of %s: %s", model, failure)
            async with self._circuit.waiting():
                remedied = await self._remedied(failure, tried, model, request, deadline)
            if remedied is None:
                # Raised outside the except clause, because the exception may quote the key
                raise failure
            request = remedied

    async def _chunks(self, model: str, request: Request, deadline: float) -> AsyncGenerator[JSON]:
        try:
            async with self._circuit.waiting():
                async with _until(deadline):
                    client = await self._ready()
                body = request.body(self._lacking.get(model, Feature.NONE))
                stream = self._receive(client, model, body)
                chunk = await _next(stream, self.first_chunk_timeout, deadline)
            self._circuit.close()
            async with aclosing(stream):
                while True:
                    yield chunk
                    chunk = await _next(stream, self.idle_timeout, deadline)
        except StopAsyncIteration:
            return

    async def _receive(
        self, client: "genai.Client", model: str, body: bytes
    ) -> AsyncGenerator[JSON]:
        """Send the request, and yield the answer's chunks as Google sends them.

        The SDK's own method would cost 1.5 ms of processor time per question and 0.2 ms per
        chunk, drops fields it does not know, and reads errors and events of any size.
        """
        path = f"{resource(model)}:streamGenerateContent?alt=sse"
        response = await self._request(client, "post", model, path, body)
        try:
            async with aclosing(read_objects(response.content.iter_any())) as chunks:
                async for chunk in chunks:
                    if chunk.get("error"):
                        raise refusal_within(chunk, response.headers)
                    yield chunk
        finally:
            response.close()

    async def _request(
        self, client: "genai.Client", method: str, model: str, path: str, body: bytes | None = None
    ) -> ClientResponse:
        """Send a request as the SDK would; return the response, or raise its refusal."""
        version = api_version(model)
        options: types.HttpOptionsDict | None = {"api_version": version} if version else None
        request = client._api_client._build_request(method, path, {}, options)  # noqa: SLF001 - it sets the address, version, key and headers
        http = self._open_http()
        response = await http.request(
            method,
            request.url,
            data=body,
            headers=request.headers,
            ssl=tls_context(),
            timeout=NO_TIMEOUT,
        )
        if response.status == 200:
            return response
        said = b""
        try:
            with suppress(ClientError):  # the status alone is enough
                said = await read_at_most(response.content, LONGEST_ERROR)
        finally:
            response.close()
        raise refusal(response.status, said, response.headers)

    async def _ready(self) -> "genai.Client":
        if self._client is None:
            self._open_http()
            return await asyncio.to_thread(self._connect)
        return self._client

    def _open_http(self) -> ClientSession:
        """Return the HTTP session; look for a proxy only once: each lookup takes a thread."""
        if self._http is None:
            self._http = ClientSession(
                connector=TCPConnector(limit=0), trust_env=bool(getproxies())
            )
        return self._http

    def _connect(self) -> "genai.Client":
        """Return the SDK's client; the first call imports the SDK, which is slow."""
        with self._creating:
            if self._client is None:
                self._client = _new_client(self._settings)
            return self._client

    async def _remedied(
        self,
        failure: GeminiError,
        tried: list[Remedy],
        model: str,
        request: Request,
        deadline: float,
    ) -> Request | None:
        """Apply the failure's remedy; return the request for another attempt, or None."""
        remedy = failure.remedy
        if tried.count(remedy) >= _ATTEMPTS.get(remedy, 0):
            return None
        tried.append(remedy)
        again = True
        match remedy:
            case Remedy.WAIT:
                again = await self._waited(failure.retry_after, tried.count(remedy), deadline)
            case Remedy.ONCE_MORE:
                again = await self._paused(deadline)
            case Remedy.STRIP_SIGNATURES:
                request = request.without_signatures()
            case Remedy.WITHOUT_INSTRUCTION | Remedy.WITHOUT_FUNCTIONS:
                again = self._left_out(_LEFT_OUT[remedy], model, request)
            case Remedy.DEFAULT_MODEL:
                again = self._fell_back(model)
        return request if again else None

    async def _waited(self, hint: float | None, attempt: int, deadline: float) -> bool:
        jitter = random.uniform(1.0, 1.5)  # noqa: S311 - only spreads the instances' retries
        seconds = hint if hint is not None else self.first_wait * 2 ** (attempt - 1) * jitter
        return seconds <= LONGEST_WAIT and await self._slept(seconds, deadline)

    async def _paused(self, deadline: float) -> bool:
        jitter = random.uniform(0.5, 1.0)  # noqa: S311 - as above
        return await self._slept(self.first_wait * jitter, deadline)

    async def _slept(self, seconds: float, deadline: float) -> bool:
        if asyncio.get_running_loop().time() + seconds >= deadline:
            return False
        with spending("model"):
            await asyncio.sleep(seconds)
        return True

    def _left_out(self, feature: Feature, model: str, request: Request) -> bool:
        """Record that a model lacks a feature; return whether to retry the request without it."""
        known = self._lacking.get(model, Feature.NONE)
        if feature not in known:
            self._lacking[model] = known | feature
            logger.warning("%s takes no %s: it is asked without", model, _NAMES[feature])
        return feature in request.features

    def _fell_back(self, unknown: str) -> bool:
        if unknown == DEFAULT_MODEL:
            return False
        if self.model == unknown:
            logger.error("Google knows no model %s: %s answers instead", unknown, DEFAULT_MODEL)
            self.model = DEFAULT_MODEL
        return True


async def _next(stream: AsyncIterator[T], patience: float, deadline: float) -> T:
    limit = asyncio.get_running_loop().time() + patience
    async with _until(min(deadline, limit)):
        return await anext(stream)


@asynccontextmanager
async def _until(when: float) -> AsyncGenerator[None]:
    """Raise TimeoutError at a loop time, or GeminiError if the process stood still meanwhile."""
    try:
        with spending("model"):
            async with asyncio.timeout_at(when):
                yield
    except TimeoutError:
        if asyncio.get_running_loop().time() - when < STANDSTILL:
            raise
        reason = "this process stood still"
        raise GeminiError(Kind.TOO_SLOW, remedy=Remedy.AGAIN, reason=reason) from None


def _meaning(error: Exception) -> GeminiError:
    known = understand(error)
    if known is not None:
        return known
    log_error(logger, "unforeseen from Gemini", error=error)
    return GeminiError(Kind.REJECTED, reason=type(error).__name__)


def _new_client(settings: Settings) -> "genai.Client":
    from google import genai

    freeze_imports("the SDK's import")
    tls = tls_context()
    options: types.HttpOptionsDict = {
        "base_url": settings.google_gemini_base_url,
        "client_args": {"verify": tls},
        "async_client_args": {"ssl": tls, "verify": tls},
    }
    # Set explicitly: GOOGLE_API_KEY and GOOGLE_GENAI_USE_VERTEXAI in the environment would win
    key = settings.gemini_api_key.get_secret_value()
    return genai.Client(api_key=key, vertexai=False, http_options=options)
