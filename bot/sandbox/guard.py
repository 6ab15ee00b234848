"""Access to the page: refused to other sites in the browser and to foreign names of this host."""

from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

from aiohttp import web

LOCALHOST: Final = "localhost"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def is_loopback(host: str) -> bool:
    """Tell whether a name or address is a loopback one, which only this machine can reach."""
    try:
        return host == LOCALHOST or ip_address(host).is_loopback
    except ValueError:
        return False


def guard(told: str) -> Any:
    """Make the middleware that refuses requests under host names other than this server's.

    Its names are those of loopback and `told`; if `told` is not loopback, every IP address is
    accepted too, because no foreign name can pass for one.
    """

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        host = _hostname(f"//{request.host}")
        if not _is_known(host, told):
            return _refusal("This host name is not the sandbox's.")
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != request.host:
            return _refusal("Other sites may not use the sandbox.")
        if not (_is_from_here(request) or _leads_here(request)):
            return _refusal("Other sites may not use the sandbox.")
        return await handler(request)

    return check


def _is_from_here(request: web.Request) -> bool:
    """Tell whether the page or the user sent the request; another port is a different site."""
    return request.headers.get("Sec-Fetch-Site", "none") in {"same-origin", "none"}


def _leads_here(request: web.Request) -> bool:
    """Tell whether the request follows a link to the page."""
    return request.path == "/" and request.headers.get("Sec-Fetch-Mode") == "navigate"


def _is_known(host: str, told: str) -> bool:
    if is_loopback(host) or host == told.lower():
        return True
    if is_loopback(told):
        return False
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _hostname(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def _refusal(sentence: str) -> web.Response:
    return web.json_response({"error": sentence}, status=403)
