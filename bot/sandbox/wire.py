"""The Bot API over HTTP: requests in all their forms, responses, faults, and recorded calls."""

import asyncio
import hmac
import inspect
import json
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, MutableSequence, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web
from aiohttp.web_request import FileField

from bot.sandbox.catalogue import METHODS
from bot.sandbox.faults import Answer, Drop, Fault, Faults, HtmlError, Slow, refusal, remembered
from bot.sandbox.files import Files
from bot.sandbox.methods import Method
from bot.sandbox.parameters import ApiError, Json, bad_request, read_parameters, wide_ids

REQUEST_LIMIT: Final = 50 * 1024 * 1024
REAL: Final = {name.lower(): name for name in METHODS}
CLOSING: Final = web.AppKey("closing", asyncio.Event)
MESSAGE_ID: Final = web.ResponseKey("message_id", int)
# The rules that the call now being answered has broken.
SLIPS: Final[ContextVar[list[str]]] = ContextVar("slips")


@dataclass(frozen=True, slots=True)
class Call:
    """A finished call: its decoded parameters and its result; `at` is the arrival, monotonic.

    A call whose connection was dropped before it was processed has no error_code. `message_id`
    identifies the message that the call sent or edited.
    """

    method: str
    parameters: Json
    ok: bool
    error_code: int | None
    description: str | None
    at: float
    message_id: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The response to the bot; it has no status if the connection was closed instead."""

    ok: bool
    status: int | None
    body: bytes
    slips: Sequence[str]


# Called when a call begins, with method and parameters; returns a function for its end.
Watch = Callable[[str, Json], Callable[[Outcome], None]]


def unwatched(_method: str, _parameters: Json) -> Callable[[Outcome], None]:
    """Ignore a call."""
    return _unseen


def _unseen(_: Outcome) -> None:
    """Ignore the end of a call: with a wrong token, it is not the bot's call."""


class BotApi:
    """An HTTP server for the methods of a table; `report` receives violations by the bot."""

    def __init__(
        self,
        token: str,
        methods: Sequence[Method],
        *,
        files: Files,
        faults: Faults,
        lock: threading.RLock,
        report: Callable[[str], None],
        watch: Watch = unwatched,
        kept: int | None = None,
    ) -> None:
        self._watch = watch
        self._token = token
        self._methods = {method.name.lower(): method for method in methods}
        self._files = files
        self._faults = faults
        self._lock = lock
        self._report = report
        self.calls: MutableSequence[Call] = remembered(kept)

    def application(self, routes: Iterable[web.AbstractRouteDef] = ()) -> web.Application:
        """Make the application, with other routes as well.

        A slow response does not delay its shutdown.
        """
        application = web.Application(client_max_size=REQUEST_LIMIT)
        application.add_routes(routes)
        application[CLOSING] = asyncio.Event()
        application.on_shutdown.append(_close)
        application.router.add_get("/bot{token}/{method}", self._answer)
        application.router.add_post("/bot{token}/{method}", self._answer)
        application.router.add_get("/file/bot{token}/{path:.+}", self._download)
        application.router.add_route("*", "/{path:.*}", _not_found)
        return application

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["method"]
        parameters: Json = {}
        SLIPS.set([])
        try:
            parameters = await _raw_parameters(request)
            method = self._find(name)
            name = method.name
            parameters = self._typed(method, parameters)
            work = partial(self._run, method, parameters)
        except ApiError as error:
            work = partial(_refuse, error)
        return await self._serve(request, name, parameters, work)

    async def _download(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]

        async def work() -> web.Response:
            return web.Response(body=self._files.read(path))

        return await self._serve(request, "file", {"path": path}, work)

    async def _serve(
        self,
        request: web.Request,
        name: str,
        parameters: Json,
        work: Callable[[], Awaitable[web.Response]],
    ) -> web.Response:
        at = time.monotonic()
        end = self._watch(name, parameters) if self._is_ours(request) else _unseen
        fault: Fault | None = None
        try:
            self._authorise(request)
            fault = self._faults.take(name, parameters.get("chat_id"))
            await _strike(fault, request)
            response = await work()
            call = _answered_call(name, parameters, at, response)
        except ApiError as error:
            response = _refusal_response(error)
            call = _refused_call(name, parameters, at, error)
        self.calls.append(call)
        response = _damaged(request, fault, response)
        end(_outcome(call, response, fault))
        return response

    async def _run(self, method: Method, parameters: Json) -> web.Response:
        with self._lock:
            result = method.run(parameters)
            if not inspect.isawaitable(result):
                return _result_response(result)
        return _result_response(await result)

    def _find(self, name: str) -> Method:
        method = self._methods.get(name.lower())
        if method is not None:
            return method
        if known := REAL.get(name.lower()):
            reason = f"{known} is not simulated by this sandbox"
            self._report(reason)
            raise ApiError(404, f"Not Found: {reason}")
        raise ApiError(404, "Not Found: method not found")

    def _typed(self, method: Method, raw: Json) -> Json:
        for name in raw.keys() - method.kinds.keys():
            if not isinstance(raw[name], FileField):
                self._report(f"{method.name}: unknown parameter {name}")
        parameters = read_parameters(raw, method.kinds)
        for name in wide_ids(parameters):
            self._report(f"{method.name}: {name} has more than 52 bits")
        return parameters

    def _authorise(self, request: web.Request) -> None:
        if not self._is_ours(request):
            raise ApiError(401, "Unauthorized")

    def _is_ours(self, request: web.Request) -> bool:
        given = request.match_info["token"].encode(errors="replace")
        return hmac.compare_digest(given, self._token.encode())


async def _close(application: web.Application) -> None:
    application[CLOSING].set()


async def _refuse(error: ApiError) -> web.Response:
    raise error


async def _not_found(_: web.Request) -> web.Response:
    return _refusal_response(ApiError(404, "Not Found"))


async def _raw_parameters(request: web.Request) -> Json:
    """Return the parameters from the query and from a JSON, urlencoded or multipart body."""
    parameters: Json = dict(request.query)
    if request.content_type == "application/json":
        return parameters | await _json_body(request)
    return parameters | dict(await request.post())


async def _json_body(request: web.Request) -> Json:
    try:
        body = await request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise bad_request("can't parse the request: expected a JSON object")
    return {name: value for name, value in body.items() if value is not None}


async def _strike(fault: Fault | None, request: web.Request) -> None:
    """Apply a fault that occurs before a call is processed."""
    if error := refusal(fault):
        raise error
    if isinstance(fault, Slow):
        with suppress(TimeoutError):
            await asyncio.wait_for(request.app[CLOSING].wait(), fault.seconds)


def _damaged(request: web.Request, fault: Fault | None, response: web.Response) -> web.Response:
    """Return the response, or what a fault on the way back turns it into."""
    if isinstance(fault, HtmlError):
        headers = {"Content-Type": fault.content_type}
        return web.Response(status=fault.code, body=fault.page, headers=headers)
    if isinstance(fault, Answer) and isinstance(response.body, bytes):
        return _json_response(_changed(json.loads(response.body), fault.changes), fault.status)
    if isinstance(fault, Drop) and request.transport:
        request.transport.close()
    return response


def _changed(answer: Json, changes: Json) -> Json:
    result, added = answer.get("result"), changes.get("result")
    if isinstance(result, dict) and isinstance(added, dict):
        changes = changes | {"result": result | added}
    return answer | changes


def _outcome(call: Call, response: web.Response, fault: Fault | None) -> Outcome:
    status = None if isinstance(fault, Drop) else response.status
    body = response.body if isinstance(response.body, bytes) else b""
    ok = call.ok and status == HTTPStatus.OK
    return Outcome(ok, status, body, tuple(SLIPS.get([])))


def _answered_call(name: str, parameters: Json, at: float, response: web.Response) -> Call:
    message_id = response.get(MESSAGE_ID)
    return Call(
        name, parameters, ok=True, error_code=None, description=None, at=at, message_id=message_id
    )


def _refused_call(name: str, parameters: Json, at: float, error: ApiError) -> Call:
    code = error.code or None
    return Call(name, parameters, ok=False, error_code=code, description=error.description, at=at)


def _result_response(result: Any) -> web.Response:
    response = _json_response({"ok": True, "result": result}, 200)
    if isinstance(result, dict) and "message_id" in result:
        response[MESSAGE_ID] = result["message_id"]
    return response


def _refusal_response(error: ApiError) -> web.Response:
    answer: Json = {"ok": False, "error_code": error.code, "description": error.description}
    if error.parameters:
        answer["parameters"] = error.parameters
    response = _json_response(answer, error.code or 500)
    if retry_after := (error.parameters or {}).get("retry_after"):
        response.headers["Retry-After"] = str(retry_after)
    return response


def _json_response(answer: Json, status: int) -> web.Response:
    # Built at once, so that later changes of the state do not affect the response.
    return web.Response(
        status=status, body=json.dumps(answer).encode(), content_type="application/json"
    )
