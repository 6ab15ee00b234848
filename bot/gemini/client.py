"""The client: one request at a time to Google, with its deadlines and second attempts."""

import asyncio
import json
import logging
import random
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.request import getproxies

from aiohttp import ClientSession, TCPConnector

from bot.garbage import spare_what_stays
from bot.gemini.answer import JSON, Answer, Response, TextDelta
from bot.gemini.circuit import Circuit
from bot.gemini.errors import GeminiError, Kind, Remedy, understand
from bot.gemini.models import RETIRED_MODELS, api_version, normalise, resource
from bot.logs import origin
from bot.settings import DEFAULT_MODEL, Settings
from bot.tls import tls_context
from bot.trace import note_response, spending

if TYPE_CHECKING:
    from google import genai
    from google.genai import types

T = TypeVar("T")

logger = logging.getLogger(__name__)

FIRST_CHUNK_TIMEOUT = 60.0  # seconds; a model that thinks sends nothing until it has thought
STANDSTILL = 1.0  # seconds; a timeout that is later was frozen with its process
IDLE_TIMEOUT = 30.0  # seconds between two chunks
FIRST_WAIT = 1.0  # seconds before the second attempt where Google names no time; then doubled
LONGEST_CHUNK = 2**22  # bytes of one line, as in the SDK's own session
LONGEST_WAIT = 20.0  # seconds; whoever must wait longer is told so at once
# How often each remedy is tried in one call.
_ATTEMPTS = {
    Remedy.WAIT: 2,
    Remedy.AGAIN: 1,
    Remedy.STRIP_SIGNATURES: 1,
    Remedy.DEFAULT_MODEL: 1,
}


@asynccontextmanager
async def open_gemini(settings: Settings) -> AsyncGenerator["Gemini"]:
    """Open the client for the running loop; neither Google's SDK nor a socket until first use."""
    gemini = Gemini(settings)
    try:
        yield gemini
    finally:
        await gemini.aclose()


class Gemini:
    """Streams answers of one model."""

    def __init__(self, settings: Settings) -> None:
        self.model = normalise(settings.gemini_model_name)
        self.first_chunk_timeout = FIRST_CHUNK_TIMEOUT
        self.idle_timeout = IDLE_TIMEOUT
        self.first_wait = FIRST_WAIT
        self._circuit = Circuit()
        self._settings = settings
        self._client: genai.Client | None = None
        self._http: ClientSession | None = None
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
    ) -> AsyncGenerator[TextDelta | Response]:
        """Yield the answer's text as it comes and one Response at the end.

        contents are encoded; functions are the REST API's JSON (FunctionDeclaration); deadline
        is in the running loop's time. Raises GeminiError, and only before the first text: an
        answer that breaks later ends with Ending.INTERRUPTED.
        """
        body = _body(contents, system_instruction, functions, allow_calls=allow_calls)
        with self._circuit.call(deadline):
            async with aclosing(self._attempts(body, deadline)) as events:
                async for event in events:
                    yield event

    async def check(self, deadline: float) -> None:
        """Ask Google for the model, which costs no tokens; raise GeminiError where it is not had.

        `deadline` is in the running loop's time.
        """
        try:
            async with _until(deadline):
                client = await self._ready()
                await client.aio.models.get(
                    model=self.model,
                    config={"http_options": {"api_version": api_version(self.model)}},
                )
        except Exception as error:  # noqa: BLE001 - whatever the SDK raises becomes a kind
            failure = _meaning(error)
        else:
            return
        # Outside of the except clause: the SDK's exception may quote the key
        raise failure

    def warm(self) -> None:
        """Begin to import the SDK, which takes half a second, beside what the caller does next.

        Where that fails, the first question says so.
        """
        if self._client is None and self._warming is None:
            self._open_http()
            connecting = asyncio.to_thread(self._connect)
            self._warming = asyncio.gather(connecting, return_exceptions=True)

    @property
    def is_down(self) -> bool:
        """Tell whether Gemini has failed so often that it is asked now and then only."""
        return self._circuit.is_open

    async def aclose(self) -> None:
        """Close the connections, if there ever were any."""
        if self._warming is not None:
            await self._warming
        try:
            if self._client is not None:
                await self._client.aio.aclose()
                self._client.close()
        finally:
            if self._http is not None:
                await self._http.close()

    async def _attempts(
        self, body: bytes, deadline: float
    ) -> AsyncGenerator[TextDelta | Response]:
        tried: list[Remedy] = []
        while True:
            answer = Answer()
            failure = None
            model = self.model
            try:
                async with aclosing(self._chunks(model, body, deadline)) as chunks:
                    async for chunk in chunks:
                        if text := answer.add(chunk):
                            yield TextDelta(text)
                response = answer.response()
            except Exception as error:  # noqa: BLE001 - whatever the SDK raises becomes a kind
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
                remedied = await self._remedied(failure, tried, model, body, deadline)
            if remedied is None:
                # Outside of the except clause: the SDK's exception may quote the key.
                raise failure
            body = remedied

    async def _chunks(self, model: str, body: bytes, deadline: float) -> AsyncGenerator[JSON]:
        stream = None
        try:
            async with self._circuit.waiting():
                async with _until(deadline):
                    client = await self._ready()
                stream = _receive(client, model, body)
                chunk = await _next(stream, self.first_chunk_timeout, deadline)
            self._circuit.close()
            while True:
                yield chunk
                chunk = await _next(stream, self.idle_timeout, deadline)
        except StopAsyncIteration:
            return
        finally:
            if stream is not None:
                await _hang_up(stream)

    async def _ready(self) -> "genai.Client":
        if self._client is None:
            self._open_http()
            return await asyncio.to_thread(self._connect)
        return self._client

    def _open_http(self) -> None:
        """Open a session for the SDK: its own asks two threads for a proxy at each request."""
        if self._http is None:
            self._http = ClientSession(
                connector=TCPConnector(limit=0),
                trust_env=bool(getproxies()),
                read_bufsize=LONGEST_CHUNK,
            )

    def _connect(self) -> "genai.Client":
        """Return the SDK's client; the first call imports the SDK, which takes its time."""
        with self._creating:
            if self._client is None:
                self._client = _new_client(self._settings, self._http)
            return self._client

    async def _remedied(
        self, failure: GeminiError, tried: list[Remedy], model: str, body: bytes, deadline: float
    ) -> bytes | None:
        """Do what it takes for another attempt; return its body, None where none makes sense."""
        remedy = failure.remedy
        if tried.count(remedy) >= _ATTEMPTS.get(remedy, 0):
            return None
        tried.append(remedy)
        again = True
        match remedy:
            case Remedy.WAIT:
                again = await self._waited(failure.retry_after, tried.count(remedy), deadline)
            case Remedy.STRIP_SIGNATURES:
                body = _without_signatures(body)
            case Remedy.DEFAULT_MODEL:
                again = self._fell_back(model)
        return body if again else None

    async def _waited(self, hint: float | None, attempt: int, deadline: float) -> bool:
        jitter = random.uniform(1.0, 1.5)  # noqa: S311 - spreads instances, guards nothing
        seconds = hint if hint is not None else self.first_wait * 2 ** (attempt - 1) * jitter
        if seconds > LONGEST_WAIT or asyncio.get_running_loop().time() + seconds >= deadline:
            return False
        with spending("model"):
            await asyncio.sleep(seconds)
        return True

    def _fell_back(self, unknown: str) -> bool:
        if unknown == DEFAULT_MODEL:
            return False
        if self.model == unknown:
            logger.error("Google knows no model %s: %s answers instead", unknown, DEFAULT_MODEL)
            self.model = DEFAULT_MODEL
        return True


async def _receive(client: "genai.Client", model: str, body: bytes) -> AsyncGenerator[JSON]:
    """Ask, and yield the answer's chunks as Google sends them.

    This is the SDK's own way to Google, below its types: those would cost a question 1.5 ms of
    processor time and each chunk 0.2 ms, and leave out what they do not know.
    """
    from google.genai.errors import APIError

    path = f"{resource(model)}:streamGenerateContent?alt=sse"
    version = api_version(model)
    options: types.HttpOptionsDict | None = {"api_version": version} if version else None
    api = client._api_client  # noqa: SLF001 - see above
    request = api._build_request("post", path, {}, options)  # noqa: SLF001
    request.data = body
    response = await api._async_request(request, stream=True)  # noqa: SLF001
    async for chunk in response:
        if error := chunk.get("error"):
            raise APIError(error.get("code"), chunk, response)
        yield chunk


async def _next(stream: AsyncIterator[T], patience: float, deadline: float) -> T:
    limit = asyncio.get_running_loop().time() + patience
    async with _until(min(deadline, limit)):
        return await anext(stream)


@asynccontextmanager
async def _until(when: float) -> AsyncGenerator[None]:
    """Raise TimeoutError at a time of the loop; one that comes late says nothing of Gemini."""
    try:
        with spending("model"):
            async with asyncio.timeout_at(when):
                yield
    except TimeoutError:
        if asyncio.get_running_loop().time() - when < STANDSTILL:
            raise
        reason = "this process stood still"
        raise GeminiError(Kind.TOO_SLOW, remedy=Remedy.AGAIN, reason=reason) from None


async def _hang_up(stream: AsyncIterator[Any]) -> None:
    """End a stream that nobody reads on; one that has ended stays as it is.

    The SDK holds the connection in a reference cycle, so that closing its generator leaves it
    open until a garbage collection. A read that is cancelled closes it at once.
    """
    with suppress(Exception):
        async with asyncio.timeout(0):
            async for _ in stream:
                pass


def encode(contents: Sequence[JSON]) -> bytes:
    """Return contents (the REST API's Content), at least one, as they travel in a row.

    While the model thinks they take a third of the memory.
    """
    # Half of a surrogate pair has no bytes: it becomes a question mark
    return json.dumps(contents, ensure_ascii=False).encode(errors="replace")[1:-1]


def _body(
    contents: bytes,
    system_instruction: str,
    functions: Sequence[Mapping[str, Any]],
    *,
    allow_calls: bool,
) -> bytes:
    # https://ai.google.dev/api/generate-content#request-body; store: paid projects keep requests
    rest: JSON = {"store": False}
    if system_instruction:
        rest["systemInstruction"] = {"parts": [{"text": system_instruction}]}
    if functions:
        rest["tools"] = [{"functionDeclarations": list(functions)}]
        if not allow_calls:
            rest["toolConfig"] = {"functionCallingConfig": {"mode": "NONE"}}
    return b'{"contents": [%b], %b' % (contents, json.dumps(rest).encode()[1:])


def _without_signatures(body: bytes) -> bytes:
    request = json.loads(body)
    for content in request["contents"]:
        content["parts"] = [_without_signature(part) for part in content["parts"]]
    return json.dumps(request).encode()


def _without_signature(part: JSON) -> JSON:
    return {key: value for key, value in part.items() if key != "thoughtSignature"}


def _meaning(error: Exception) -> GeminiError:
    known = understand(error)
    if known is not None:
        return known
    logger.error("unforeseen from Gemini: %s", origin(error))
    return GeminiError(Kind.REJECTED, reason=type(error).__name__)


def _new_client(settings: Settings, http: ClientSession | None) -> "genai.Client":
    from google import genai

    spare_what_stays("the SDK's import")
    tls = tls_context()
    options: types.HttpOptionsDict = {
        "base_url": settings.google_gemini_base_url,
        "aiohttp_client": http,  # type: ignore[typeddict-unknown-key]  # HttpOptions knows it
        "client_args": {"verify": tls},
        "async_client_args": {"ssl": tls, "verify": tls},
        # 429 and 503 are not here: the SDK does not read how long Google asks to wait.
        "retry_options": {
            "attempts": 2,
            "initial_delay": 0.5,
            "jitter": 0.5,
            "http_status_codes": [500, 502, 504],
        },
    }
    # Named here, or GOOGLE_API_KEY and GOOGLE_GENAI_USE_VERTEXAI in the environment would win.
    key = settings.gemini_api_key.get_secret_value()
    return genai.Client(api_key=key, vertexai=False, http_options=options)
