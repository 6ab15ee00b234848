"""Logging, and the one place that keeps secrets out of it."""

import logging
import re
import traceback
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

BOT_TOKEN = re.compile(r"(?<!\d)\d{5,}:[\w-]{20,}")
OURS = ("bot", "db", "migrations")
# aiogram's line for each update says less than ours, Alembic's on its plugins says nothing
NOISY = ("aiogram.event", "alembic.runtime.plugins")
SHORTEST = 4  # characters; to leave out shorter ones would leave nothing to read
FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class Redaction(logging.Filter):
    """Replace every secret in a record and in its traceback with `***`."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__()
        # The longest first: a secret may be part of another
        known = sorted((text for text in secrets if len(text) >= SHORTEST), key=len, reverse=True)
        self._pattern = re.compile("|".join([*map(re.escape, known), BOT_TOKEN.pattern]))
        self._formatter = logging.Formatter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact the record in place and let it pass."""
        if isinstance(record.args, tuple):
            # One by one: uvicorn's access log reads them by their places
            record.args = tuple(map(self._redact_value, record.args))
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001 - logging reports such a call itself, with what it holds
            record.msg = self._redact_value(record.msg)
            if isinstance(record.args, Mapping):
                record.args = {key: self._redact_value(record.args[key]) for key in record.args}
        else:
            if (redacted := self._redact(message)) != message:
                record.msg, record.args = redacted, ()
        if record.exc_info and not record.exc_text:
            record.exc_text = self._formatter.formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = self._redact(record.exc_text)
        return True

    def _redact_value(self, value: Any) -> Any:
        return self._redact(value) if isinstance(value, str) else value

    def _redact(self, text: str) -> str:
        return self._pattern.sub("***", text)


def configure_logging(level: str, secrets: Iterable[str]) -> None:
    """Log to standard error from `level` on, with `secrets` left out.

    DEBUG is for our own lines: libraries log there what people write.
    The handlers of a server that was there first (uvicorn, a serverless host) keep their form.
    """
    root = logging.getLogger()
    if not root.handlers:
        logging.basicConfig(format=FORMAT)
    ours = logging.getLevelNamesMapping()[level]
    root.setLevel(max(ours, logging.INFO))
    for name in OURS:
        logging.getLogger(name).setLevel(ours)
    for name in NOISY:
        logging.getLogger(name).setLevel(max(ours, logging.WARNING))
    redaction = Redaction(secrets)
    for handler in _all_handlers():
        handler.filters = [old for old in handler.filters if not isinstance(old, Redaction)]
        handler.addFilter(redaction)


def origin(error: BaseException) -> str:
    """Say where an error comes from: its type, SQLSTATE and frames, then those of its causes.

    The texts of exceptions are left out: databases, pydantic and SDKs quote in them what people
    wrote, and keys.
    """
    return "\nfrom ".join(map(_describe, _chain(error)))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        yield error
        seen.add(id(error))
        context = None if error.__suppress_context__ else error.__context__
        error = error.__cause__ or context


def _describe(error: BaseException) -> str:
    # asyncpg's name for the code, and that of sqlite3
    code = getattr(error, "sqlstate", None) or getattr(error, "sqlite_errorname", None)
    name = type(error).__name__ + (f" {code}" if code else "")
    return "".join([name, "\n", *traceback.format_tb(error.__traceback__)]).rstrip()


def _all_handlers() -> list[logging.Handler]:
    known = [logging.getLogger(name) for name in logging.root.manager.loggerDict]
    return [handler for logger in [logging.getLogger(), *known] for handler in logger.handlers]
