"""URLs: how to read them, the secrets they carry, and how to show them without these."""

from typing import Annotated
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from pydantic import BeforeValidator

SHORTEST_KEY = 8  # characters; shorter values in a query are not keys


def shown_url(url: str) -> str:
    """Return a URL without credentials and query, because hosts put keys into the query."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=host, query="***" if parts.query else ""))


def carried_by(url: str) -> list[str]:
    """List the secrets in a URL: a password, and keys in its query."""
    parts = urlsplit(url)
    values = [value for _, value in parse_qsl(parts.query) if len(value) >= SHORTEST_KEY]
    return [unquote(parts.password or ""), *values]


def _base_url(value: str) -> str:
    parts = urlsplit(value.strip())
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("is not an http or https address")
    return urlunsplit(parts._replace(path=parts.path.rstrip("/")))


BaseUrl = Annotated[str, BeforeValidator(_base_url)]
