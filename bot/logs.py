"""Logging, and the one place that keeps secrets out of it."""

import logging
import re
from collections.abc import Iterable

BOT_TOKEN = re.compile(r"(?<!\d)\d{5,}:[\w-]{20,}")
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
            record.args = tuple(map(self._redact_argument, record.args))
        message = record.getMessage()
        if (redacted := self._redact(message)) != message:
            record.msg, record.args = redacted, ()
        if record.exc_info and not record.exc_text:
            record.exc_text = self._formatter.formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = self._redact(record.exc_text)
        return True

    def _redact_argument(self, argument: object) -> object:
        return self._redact(argument) if isinstance(argument, str) else argument

    def _redact(self, text: str) -> str:
        return self._pattern.sub("***", text)


def configure_logging(level: str, secrets: Iterable[str]) -> None:
    """Log to standard error from `level` on, with `secrets` left out.

    The handlers of a server that was there first (uvicorn, a serverless host) keep their form.
    """
    root = logging.getLogger()
    if not root.handlers:
        logging.basicConfig(format=FORMAT)
    root.setLevel(level)
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
    redaction = Redaction(secrets)
    for handler in _all_handlers():
        handler.filters = [old for old in handler.filters if not isinstance(old, Redaction)]
        handler.addFilter(redaction)


def _all_handlers() -> list[logging.Handler]:
    known = [logging.getLogger(name) for name in logging.root.manager.loggerDict]
    return [handler for logger in [logging.getLogger(), *known] for handler in logger.handlers]
