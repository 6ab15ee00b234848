"""The webhook application: `uvicorn bot.app:app`. Importing it needs no environment."""

import hmac
import json
import logging
import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, TypedDict

from fastapi import FastAPI, Request, Response, status
from fastapi.responses import JSONResponse

from bot import __version__
from bot.errors import RetryLater
from bot.logs import configure_logging
from bot.runtime import Runtime, open_runtime
from bot.settings import SettingsError, load_settings

BODY_LIMIT = 1024 * 1024  # bytes; Telegram's updates are far smaller
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - the header's name

logger = logging.getLogger(__name__)


class State(TypedDict):
    """What the lifespan hands to every request."""

    runtime: Runtime


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncGenerator[State]:
    """Open the runtime in the server's loop, and close it there."""
    try:
        settings = load_settings()
    except SettingsError as error:
        for line in error.lines:
            logger.critical(line)
        raise
    configure_logging(settings.log_level, settings.secrets)
    async with open_runtime(settings) as runtime:
        yield {"runtime": runtime}


app = FastAPI(lifespan=lifespan, openapi_url=None)


@app.post("/webhook")
async def webhook(request: Request) -> Response:
    """Handle one update to its end; the status tells Telegram whether to send it again."""
    runtime: Runtime = request.state.runtime
    if not _is_from_telegram(request, runtime.settings.webhook_secret):
        return Response(status_code=status.HTTP_401_UNAUTHORIZED)
    body = await _read(request)
    if body is None:
        return Response(status_code=status.HTTP_413_CONTENT_TOO_LARGE)
    update = _parse(body)
    if update is None:
        logger.warning("A request to /webhook holds no update")
        return Response(status_code=status.HTTP_400_BAD_REQUEST)
    try:
        await runtime.feed(update)
    except RetryLater as error:
        logger.warning("Update %s must come again: %s", update["update_id"], error)
        seconds = str(math.ceil(error.retry_after))
        return Response(
            status_code=status.HTTP_503_SERVICE_UNAVAILABLE, headers={"Retry-After": seconds}
        )
    return Response()


@app.api_route("/", methods=["GET", "HEAD"])
@app.api_route("/health", methods=["GET", "HEAD"])
async def health() -> JSONResponse:
    """Say who is there, and nothing else."""
    return JSONResponse({"name": "gemini-telegram-bot", "version": __version__})


def _is_from_telegram(request: Request, secret: str | None) -> bool:
    if secret is None:
        return True
    given = request.headers.get(SECRET_HEADER, "")
    return hmac.compare_digest(given.encode(), secret.encode())


async def _read(request: Request) -> bytes | None:
    """Return the body; None as soon as it is known to be too large."""
    announced = request.headers.get("Content-Length", "")
    if announced.isdecimal() and int(announced) > BODY_LIMIT:
        return None
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT:
            return None
    return bytes(body)


def _parse(body: bytes) -> dict[str, Any] | None:
    """Return the update: a JSON object with an integer `update_id`; None for all else."""
    try:
        update = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(update, dict) or type(update.get("update_id")) is not int:
        return None
    return update
