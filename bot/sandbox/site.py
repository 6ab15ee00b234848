"""The page over HTTP: its files, the stream of events, and the actions of its users."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from aiohttp import web

from bot.sandbox.gemini.pictures import look
from bot.sandbox.mathml import MathError, to_mathml
from bot.sandbox.parameters import ApiError, Json
from bot.sandbox.world import World

FOLDER: Final = Path(__file__).parent / "page"
# With explicit types: the system's may be wrong, and browsers are told not to guess
FILES: Final = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/style.css": ("style.css", "text/css; charset=utf-8"),
    "/favicon.svg": ("favicon.svg", "image/svg+xml"),
}
SCRIPT: Final = "text/javascript; charset=utf-8"
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
KINDS: Final = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "WebP": "image/webp",
    "GIF": "image/gif",
}
TEX_LIMIT: Final = 4_000  # characters


class Page:
    """The routes of the page for a world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[web.AbstractRouteDef]:
        """List the routes."""
        return [
            *(web.get(path, _file(*file)) for path, file in FILES.items()),
            *(web.get(f"/{name}", _file(name, SCRIPT)) for name in _scripts()),
            web.get("/events", self._events),
            web.post("/do/{what}", self._do),
            web.get("/files/{file_id}", self._photo),
            web.post("/math", _math),
        ]

    async def _events(self, request: web.Request) -> web.StreamResponse:
        headers = HEADERS | {"Content-Type": "text/event-stream; charset=utf-8"}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        async for line in self._world.events.subscribe(self._world.snapshot):
            try:
                await response.write(line.encode())
            except ConnectionError:
                break
        return response

    async def _do(self, request: web.Request) -> web.Response:
        deed = self._world.deeds.get(request.match_info["what"])
        if deed is None:
            return _refusal(404, "there is no such thing to do")
        try:
            return _json(deed(await _read(request)))
        except ApiError as error:
            return _refusal(error.code, error.description.removeprefix("Bad Request: "))

    async def _photo(self, request: web.Request) -> web.Response:
        try:
            content = self._world.telegram.file(request.match_info["file_id"])
        except ApiError:
            return _refusal(404, "there is no such file")
        kind = KINDS.get(look(content).kind, "application/octet-stream")
        return web.Response(body=content, content_type=kind, headers=HEADERS)


async def _math(request: web.Request) -> web.Response:
    try:
        wanted = await _read(request)
    except ApiError as error:
        return _refusal(error.code, error.description)
    tex = wanted.get("tex")
    if not isinstance(tex, str) or not 0 < len(tex) <= TEX_LIMIT:
        return _refusal(422, "this is no formula")
    try:
        mathml = to_mathml(tex, display=bool(wanted.get("display")))
    except MathError:
        return _refusal(422, "this is no formula")
    return web.Response(text=mathml, content_type="application/mathml+xml", headers=HEADERS)


async def _read(request: web.Request) -> Json:
    """Return the JSON object that was sent; ApiError if it is not one."""
    if request.content_type != "application/json":
        raise ApiError(415, "this takes application/json")
    try:
        wanted = await request.json()
        json.dumps(wanted, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # a lone surrogate
        raise ApiError(400, "this text holds half a character: write it anew") from None
    except (ValueError, RecursionError):
        wanted = None
    if not isinstance(wanted, dict):
        raise ApiError(400, "this takes a JSON object")
    return wanted


def _scripts() -> list[str]:
    """List the page's modules, which are the only scripts that get a route."""
    return sorted(script.name for script in FOLDER.glob("*.js"))


def _file(name: str, kind: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    headers = HEADERS | {"Cache-Control": "no-cache", "Content-Type": kind}

    async def serve(_: web.Request) -> web.StreamResponse:
        return web.FileResponse(FOLDER / name, headers=headers)

    return serve


def _json(answer: Json) -> web.Response:
    return web.json_response(answer, headers=HEADERS)


def _refusal(status: int, reason: str) -> web.Response:
    sentence = reason[:1].upper() + reason[1:] + "."
    return web.json_response({"error": sentence}, status=status, headers=HEADERS)
