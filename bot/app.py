"""The webhook application: `uvicorn bot.app:app`. Importing it needs no environment."""

import asyncio
import hmac
import json
import logging
import math
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypedDict

from fastapi import FastAPI, Request, Response, status
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.requests import ClientDisconnect

from bot.startup import prepare_process

prepare_process()  # before the imports below, which load aiogram

from bot import BOT_HEADER, NAME, __version__
from bot.backlog import Backlog, open_backlog
from bot.landing_page import HEADERS as PAGE_HEADERS
from bot.landing_page import render_page
from bot.logs.configure import configure_logging
from bot.runtime import Runtime, open_runtime
from bot.settings import SECRET_HEADER, SettingsError, load_settings
from bot.updates.errors import RetryLater
from bot.updates.schema_gate import Schema

BODY_LIMIT = 1024 * 1024  # bytes; Telegram's updates are far smaller
BODY_TIMEOUT = 10  # seconds for a whole body
RETRY_AFTER = 5  # seconds, when there are too many updates in progress
LARGEST_ID = 2**63 - 1  # the largest integer that a database holds
STRANGERS = (
    "%d requests to /webhook without Telegram's secret are refused: if the bot is silent,"
    " `python -m bot setup` tells Telegram the secret"
)
SIGNATURE = {BOT_HEADER: NAME}  # tells our refusals from those of a proxy in front
READY_TIMEOUT = 5  # seconds for the database to answer
READY_FOR = 1.0  # seconds for which its answer stays valid

logger = logging.getLogger(__name__)


class Tally:
    """A counter of events, logged at most once per `interval` seconds."""

    def __init__(self, text: str, interval: float) -> None:
        self._text = text
        self._interval = interval
        self._count = 0
        self._silent_until = 0.0

    def log(self) -> None:
        """Count one more event, and log the count if that is due."""
        self._count += 1
        now = asyncio.get_running_loop().time()
        if now >= self._silent_until:
            logger.warning(self._text, self._count)
            self._count = 0
            self._silent_until = now + self._interval


class Readiness:
    """The readiness to handle updates; the database is asked at most once a second."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._is_ready = False
        self._asked = 0.0
        self._asking = asyncio.Lock()

    async def is_ready(self) -> bool:
        """Tell whether the database answers and its schema is ours."""
        async with self._asking:
            # By the wall clock: other clocks stand still while the instance is frozen
            if abs(time.time() - self._asked) > READY_FOR:
                self._is_ready = await self._ask()
                self._asked = time.time()
            return self._is_ready

    async def _ask(self) -> bool:
        try:
            async with asyncio.timeout(READY_TIMEOUT):
                await self._schema.ensure()
                await self._schema.ping()
        except (RetryLater, TimeoutError):
            return False
        return True


class State(TypedDict):
    """The state that the lifespan passes to every request."""

    runtime: Runtime
    backlog: Backlog | None  # the updates that polling left
    readiness: Readiness
    overload: Tally
    strangers: Tally


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncGenerator[State]:
    """Open the runtime in the server's event loop, and close it there."""
    try:
        settings = load_settings()
    except SettingsError as error:
        for line in error.lines:
            logger.critical(line)
        raise
    configure_logging(settings.log_level, settings.secrets, settings.log_format)
    async with AsyncExitStack() as stack:
        runtime = await stack.enter_async_context(open_runtime(settings))
        backlog = None
        if not settings.serverless:  # serverless, nothing runs between two requests
            backlog = await stack.enter_async_context(open_backlog(runtime))
        yield {
            "runtime": runtime,
            "backlog": backlog,
            "readiness": Readiness(runtime.schema),
            "overload": Tally("Too many updates in work: %d must come again", 1),
            "strangers": Tally(STRANGERS, 60),
        }


app = FastAPI(lifespan=lifespan, openapi_url=None)


async def webhook(request: Request) -> Response:
    """Handle one update to completion; the status tells Telegram whether to send it again."""
    runtime: Runtime = request.state.runtime
    if not _is_from_telegram(request, runtime.settings.webhook_secret):
        request.state.strangers.log()
        return Response(status_code=status.HTTP_401_UNAUTHORIZED, headers=SIGNATURE)
    if runtime.slots.locked():
        request.state.overload.log()
        return _again(RETRY_AFTER)
    async with runtime.slots:
        return await _handle(runtime, request)


# Starlette's own route: FastAPI's would look for parameters and dependencies, but there are none
app.add_route("/webhook", webhook, methods=["POST"])


@app.api_route("/", methods=["GET", "HEAD"])
async def index(request: Request) -> Response:
    """Introduce the bot: a page for people, JSON for machines."""
    runtime: Runtime = request.state.runtime
    me = await runtime.who_am_i()
    link = f"https://t.me/{me.username}" if me else None
    headers = {"Vary": "Accept"}
    if "text/html" in request.headers.get("Accept", ""):
        page = render_page(me.full_name if me else NAME, __version__, link)
        return HTMLResponse(page, headers=headers | PAGE_HEADERS)
    return JSONResponse({"name": NAME, "version": __version__, "link": link}, headers=headers)


@app.api_route("/health", methods=["GET", "HEAD"])
async def health() -> JSONResponse:
    """Say that the process is alive, whatever else may be wrong."""
    return JSONResponse({"name": NAME, "version": __version__})


@app.api_route("/ready", methods=["GET", "HEAD"])
async def ready(request: Request) -> JSONResponse:
    """Say whether updates can be handled."""
    readiness: Readiness = request.state.readiness
    is_ready = await readiness.is_ready()
    code = status.HTTP_200_OK if is_ready else status.HTTP_503_SERVICE_UNAVAILABLE
    return JSONResponse({"ready": is_ready}, code)


async def _handle(runtime: Runtime, request: Request) -> Response:
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            body = await _read(request)
    except TimeoutError:
        return Response(status_code=status.HTTP_408_REQUEST_TIMEOUT)
    except ClientDisconnect:
        return Response(status_code=status.HTTP_400_BAD_REQUEST)  # the client is gone
    if body is None:
        return Response(status_code=status.HTTP_413_CONTENT_TOO_LARGE)
    update = _parse(body)
    if update is None:
        logger.info("A request to /webhook holds no update")
        return Response(status_code=status.HTTP_400_BAD_REQUEST, headers=SIGNATURE)
    backlog: Backlog | None = request.state.backlog
    try:
        await runtime.feed(update, backlog.previous_of(update) if backlog else None)
    except RetryLater as error:
        return _again(error.retry_after)
    return Response()


def _again(seconds: float) -> Response:
    headers = {"Retry-After": str(math.ceil(seconds))}
    return Response(status_code=status.HTTP_503_SERVICE_UNAVAILABLE, headers=headers)


def _is_from_telegram(request: Request, secret: str | None) -> bool:
    if secret is None:
        return True
    given = request.headers.get(SECRET_HEADER, "")
    return hmac.compare_digest(given.encode(), secret.encode())


async def _read(request: Request) -> bytes | None:
    """Return the body; None as soon as it is known to be too large."""
    announced = request.headers.get("Content-Length", "")
    # Ten digits are more than enough, and Python refuses to parse thousands
    if announced.isdecimal() and int(announced[:10]) > BODY_LIMIT:
        return None
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT:
            return None
    return bytes(body)


def _parse(body: bytes) -> dict[str, Any] | None:
    """Return the update, a JSON object with an `update_id`; None for anything else."""
    try:
        update = json.loads(body)
    except (ValueError, RecursionError):
        return None
    match update:
        case {"update_id": int(number)} if type(number) is int and 0 <= number <= LARGEST_ID:
            return dict(update)
    return None
