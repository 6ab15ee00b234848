"""Database URLs: from every common form to those of our two drivers."""

import logging
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

CONNECT_TIMEOUT = 10.0  # seconds
TLS_MODES = {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}
SETTINGS = {"application_name", "options"}  # start-up parameters of PostgreSQL itself
KEPT = {"host", "port", "target_session_attrs", "sslmode", "sslrootcert", "connect_timeout"}
# asyncpg works without these
SUPERFLUOUS = {"channel_binding", "gssencmode", "pgbouncer"}

logger = logging.getLogger(__name__)


class DatabaseUrlError(ValueError):
    """The reason, in one sentence without its password, why a database URL cannot be used."""


def parse_url(value: str | URL) -> URL:
    """Return the URL with its asynchronous driver and only the supported parameters.

    Parsing is idempotent. Raise DatabaseUrlError for a URL that cannot work.
    """
    url = _read(value)
    backend = url.get_backend_name()
    if backend == "sqlite":
        return _parse_sqlite(url)
    if backend in {"postgres", "postgresql"}:
        return _parse_postgresql(url)
    raise DatabaseUrlError(f"Only PostgreSQL and SQLite are supported, not {backend!r}")


def connect_arguments(url: URL) -> tuple[URL, dict[str, Any]]:
    """Split a parsed PostgreSQL URL into a URL for SQLAlchemy and arguments for asyncpg."""
    # Poolers share a server connection among clients, so cached statements may be another's
    arguments: dict[str, Any] = {"statement_cache_size": 0}
    query = {name: _last(text) for name, text in url.query.items()}
    arguments["timeout"] = float(query.get("connect_timeout", CONNECT_TIMEOUT))
    if settings := {name: query[name] for name in sorted(SETTINGS & query.keys())}:
        arguments["server_settings"] = settings
    if mode := query.get("sslmode"):
        arguments["ssl"] = _tls(mode, query.get("sslrootcert"))
    spent = SETTINGS | {"sslmode", "sslrootcert", "connect_timeout"}
    return url.difference_update_query(spent & query.keys()), arguments


def _read(value: str | URL) -> URL:
    if isinstance(value, URL):
        return value
    try:
        return make_url(value.strip())
    except (ArgumentError, ValueError):
        # Not chained: the cause may quote a part of the password
        raise DatabaseUrlError(
            "It is not a database URL such as postgresql://user:password@host:5432/name or"
            " sqlite:///db.sqlite (in a password, write @ as %40, : as %3A, / as %2F)"
        ) from None


def _parse_sqlite(url: URL) -> URL:
    name = url.database or ""
    if url.host or url.username:
        raise DatabaseUrlError(
            "An SQLite URL has three slashes before a relative path and four before an absolute"
            " one: sqlite:///db.sqlite, sqlite:////data/db.sqlite"
        )
    if name in {"", ":memory:"} or name.startswith("file:") or "mode" in url.query:
        raise DatabaseUrlError(
            "SQLite needs a plain file, such as sqlite:///db.sqlite: what is kept in memory is"
            " lost with the connection"
        )
    _warn_of_dropped(set(url.query))
    return url.set(drivername="sqlite+aiosqlite", query={})


def _parse_postgresql(url: URL) -> URL:
    url = _mend_host(url.set(drivername="postgresql+asyncpg"))
    query = {name: _last(text) for name, text in url.query.items()}
    credentials = {name: query.pop(name) for name in ("user", "password") if name in query}
    url = url.set(
        username=credentials.get("user") or url.username,
        password=credentials.get("password") or url.password,
        database=query.pop("dbname", None) or url.database,
    )
    if "ssl" in query:
        query.setdefault("sslmode", query.pop("ssl").lower().replace("true", "require"))
    _check(query)
    _warn_of_dropped(query.keys() - KEPT - SETTINGS - SUPERFLUOUS)
    return url.set(query={name: query[name] for name in query if name in KEPT | SETTINGS})


def _mend_host(url: URL) -> URL:
    """Fix a raw @ in a password and a socket's folder in place of the host."""
    if "@" in (url.database or ""):
        raise DatabaseUrlError("In a password, write @ as %40 and / as %2F")
    if url.host and "@" in url.host:
        rest, host = url.host.rsplit("@", 1)
        url = url.set(host=host, password=f"{url.password or ''}@{unquote(rest)}")
    if url.host and url.host.lower().startswith("%2f"):
        url = url.update_query_dict({"host": unquote(url.host)}).set(host=None)
    return url


def _check(query: dict[str, str]) -> None:
    mode = query.get("sslmode", "prefer")
    if mode not in TLS_MODES:
        raise DatabaseUrlError(f"sslmode must be one of {', '.join(sorted(TLS_MODES))}")
    root = query.get("sslrootcert", "system")
    if root != "system" and not Path(root).is_file():
        raise DatabaseUrlError(f"sslrootcert names a file that is not there: {root}")
    try:
        timeout = float(query.get("connect_timeout", CONNECT_TIMEOUT))
    except ValueError:
        raise DatabaseUrlError("connect_timeout must be a number of seconds") from None
    if not 0 < timeout < float("inf"):
        query.pop("connect_timeout")  # 0 means no timeout to libpq: our default is better


def _warn_of_dropped(names: set[str]) -> None:
    if names:
        logger.warning(
            "The database URL has parameters that are not supported and left out: %s",
            ", ".join(sorted(names)),
        )


def _tls(mode: str, root: str | None) -> ssl.SSLContext | str:
    """Return the mode for asyncpg, or a context if certificates are verified.

    Without a root certificate the system's are used; as in libpq, `require` with one verifies.
    """
    if mode == "disable" or (not mode.startswith("verify") and (mode != "require" or not root)):
        return mode
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = mode == "verify-full"
    if root is None or root == "system":
        context.load_default_certs()
    else:
        _load(context, root)
    return context


def _load(context: ssl.SSLContext, root: str) -> None:
    try:
        context.load_verify_locations(cafile=root)
    except OSError:
        raise DatabaseUrlError(f"sslrootcert is not a certificate file: {root}") from None


def _last(text: str | tuple[str, ...]) -> str:
    return text if isinstance(text, str) else text[-1]
