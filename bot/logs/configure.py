"""Logging: what is written, from which level, and whether as text or JSON."""

import json
import logging
import sys
import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any

from bot.logs.errors import log_error, origin
from bot.logs.redaction import Redaction, redact_all

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

OURS = ("bot", "db", "migrations")
# aiogram's line for each update says less than ours does, as does Alembic's for each revision
NOISY = ("aiogram.event", "alembic.runtime")
WITH_HANDLERS = ("", "uvicorn", "uvicorn.access")  # the loggers that may have their own handlers
FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

logger = logging.getLogger(__name__)


class JsonFormatter(logging.Formatter):
    """A formatter that writes each record, with its `fields` from `extra`, as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without secrets."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_text:
            line["traceback"] = record.exc_text
        if fields := getattr(record, "fields", None):
            line |= redact_all(fields)  # the redaction of records does not cover them
        return json.dumps(line, ensure_ascii=False)


JSON = JsonFormatter()


def configure_logging(level: str, secrets: Iterable[str], form: str = "text") -> None:
    """Log to standard error from `level` on, without `secrets`, as `text` or `json`.

    `auto` means text in a terminal, where a person reads it, and JSON elsewhere. DEBUG applies to
    our own loggers only, because libraries log what people write at that level. With text, the
    handlers that a server (uvicorn, a serverless host) installed earlier keep their format.
    """
    root = logging.getLogger()
    if not root.handlers:
        logging.basicConfig(format=FORMAT)
    if form == "json" or (form == "auto" and not sys.stderr.isatty()):
        _write_json()
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


def _write_json() -> None:
    for name in WITH_HANDLERS:
        for handler in logging.getLogger(name).handlers:
            if isinstance(handler, logging.StreamHandler):
                handler.setFormatter(JSON)
            else:
                handler.addFilter(_into_json)


def _into_json(record: logging.LogRecord) -> bool:
    """Turn the record's text into JSON, because Vercel's handler ignores formatters."""
    record.msg, record.args = JSON.format(record), ()
    return True


def _log_what_is_printed() -> None:
    """Log what Python would print by itself: warnings and uncaught errors.

    Hooks that other code has already installed stay in place.
    """
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # otherwise logging prints records it cannot write
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
        log_error(logger, "Nobody caught this in a thread", error=uncaught.exc_value)


def _log_unraisable(unraisable: "UnraisableHookArgs") -> None:
    if unraisable.exc_value:
        log_error(logger, "Nobody could catch this", error=unraisable.exc_value)
