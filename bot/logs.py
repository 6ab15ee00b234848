"""Logging, and the one place that keeps secrets out of all that this process writes."""

import html
import json
import logging
import re
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

BOT_TOKEN = re.compile(r"(?<!\d)\d{5,}(?::|%3[Aa])[\w-]{20,}")
OURS = ("bot", "db", "migrations")
# aiogram's line for each update says less than ours, Alembic's on its plugins says nothing
NOISY = ("aiogram.event", "alembic.runtime.plugins")
SHORTEST = 4  # characters; to leave out shorter ones would leave nothing to read
FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

logger = logging.getLogger(__name__)


class Redaction:
    """Makes the records of all loggers, with `***` for every secret in text and traceback.

    As the factory of records it comes before every handler, also those that are added later.
    """

    def __init__(
        self,
        secrets: Iterable[str],
        make_record: Callable[..., logging.LogRecord] = logging.LogRecord,
    ) -> None:
        # The longest first: a secret may be part of another
        known = sorted((text for text in secrets if len(text) >= SHORTEST), key=len, reverse=True)
        self._pattern = re.compile("|".join([*map(_any_spelling, known), BOT_TOKEN.pattern]))
        self._formatter = logging.Formatter()
        self.make_record = make_record

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        """Make a record without secrets."""
        record = self.make_record(*args, **kwargs)
        if isinstance(record.args, tuple):
            # One by one: uvicorn's access log reads them by their places
            record.args = tuple(map(self._redact_value, record.args))
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001 - logging would print such a call itself, with its causes
            message = f"A wrong log call: {record.msg!r} with {record.args!r}"
            record.msg, record.args = self.redact(message), ()
        else:
            if (redacted := self.redact(message)) != message:
                record.msg, record.args = redacted, ()
        if record.exc_info:
            # Not kept: handlers may have a way of their own to write it
            record.exc_text = self._formatter.formatException(record.exc_info)
            record.exc_info = None
        if record.exc_text:
            record.exc_text = self.redact(record.exc_text)
        return record

    def redact(self, text: str) -> str:
        """Replace every secret in a text."""
        return self._pattern.sub("***", text)

    def _redact_value(self, value: Any) -> Any:
        return self.redact(value) if isinstance(value, str) else value


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
    factory = logging.getLogRecordFactory()
    before = factory.make_record if isinstance(factory, Redaction) else factory
    logging.setLogRecordFactory(Redaction(secrets, before))
    _log_what_is_printed()


def redact(text: str) -> str:
    """Replace every secret in a text that goes past the log, once the log is configured."""
    factory = logging.getLogRecordFactory()
    return factory.redact(text) if isinstance(factory, Redaction) else text


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


def _any_spelling(secret: str) -> str:
    """Return a pattern of a secret as it is, in URLs, and as Python, JSON and HTML write it."""
    return "".join(map(_any_spelling_of, secret))


def _any_spelling_of(char: str) -> str:
    if char.isascii() and char.isalnum():
        return char
    data = char.encode(errors="surrogateescape")
    encoded = "".join(f"%{byte:02X}" for byte in data)
    spellings = {
        char,
        encoded,
        encoded.lower(),
        "".join(f"\\x{byte:02x}" for byte in data),
        ascii(char)[1:-1],
        json.dumps(char)[1:-1],
        html.escape(char),
    }
    if char == " ":
        spellings.add("+")
    # A repr within a repr has more backslashes
    return rf"\\{{0,3}}(?:{'|'.join(map(re.escape, sorted(spellings, key=len, reverse=True)))})"


def _log_what_is_printed() -> None:
    """Log what Python would print by itself: warnings, and errors that nobody caught.

    The hooks that somebody else has put there stay.
    """
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # or a log that cannot be written goes to standard error
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _log_uncaught
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = _log_uncaught_in_thread
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = _log_unraisable


def _log_uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if isinstance(error, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        logger.critical("Nobody caught this: %s", origin(error))


def _log_uncaught_in_thread(uncaught: threading.ExceptHookArgs) -> None:
    if uncaught.exc_value:
        logger.error("Nobody caught this in a thread: %s", origin(uncaught.exc_value))


def _log_unraisable(unraisable: "UnraisableHookArgs") -> None:
    if unraisable.exc_value:
        logger.error("Nobody could catch this: %s", origin(unraisable.exc_value))
