"""The one place that keeps secrets out of everything this process writes."""

import html
import json
import logging
import re
from collections.abc import Callable, Iterable
from typing import Any

BOT_TOKEN = re.compile(r"(?<!\d)\d{5,}(?::|%3[Aa])[\w-]{20,}")
SHORTEST = 4  # characters; replacing shorter secrets would make the log unreadable


class Redaction:
    """A factory of log records with `***` for every secret in their texts and tracebacks.

    A record factory runs before every handler, including handlers that are added later.
    """

    def __init__(
        self,
        secrets: Iterable[str],
        make_record: Callable[..., logging.LogRecord] = logging.LogRecord,
    ) -> None:
        # The longest first, because a secret may be part of another
        known = sorted((text for text in secrets if len(text) >= SHORTEST), key=len, reverse=True)
        self._pattern = re.compile("|".join([*map(_any_spelling, known), BOT_TOKEN.pattern]))
        self._formatter = logging.Formatter()
        self.make_record = make_record

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        """Make a record without secrets."""
        record = self.make_record(*args, **kwargs)
        if isinstance(record.args, tuple):
            # One by one, because uvicorn's access log reads them by position
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
            # Discard exc_info, because handlers may format it in their own way
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


def redact(text: str) -> str:
    """Replace every secret in a text that bypasses the log, once the log is configured."""
    factory = logging.getLogRecordFactory()
    return factory.redact(text) if isinstance(factory, Redaction) else text


def redact_all(value: Any) -> Any:
    """Replace every secret in the texts of a JSON value; leave numbers and keys as they are."""
    match value:
        case str():
            return redact(value)
        case dict():
            return {key: redact_all(item) for key, item in value.items()}
        case list() | tuple():
            return [redact_all(item) for item in value]
    return value


def _any_spelling(secret: str) -> str:
    """Return a pattern that matches a secret as it is, in URLs, and in Python, JSON and HTML."""
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
