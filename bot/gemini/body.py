"""The JSON objects in the body of a response, within size limits."""

import json
from collections.abc import AsyncGenerator, AsyncIterable, Iterator

from bot.gemini.answer import JSON
from bot.gemini.errors import GeminiError, Kind
from bot.gemini.sse import BOM, Event, EventReader

LARGEST_BODY = 2**24  # bytes: far more than the longest answer takes in chunks of one word
MOST_BRACKETS = 2**20  # in all JSON of a body: each may become an object of 80 bytes in memory
DONE = "[DONE]"  # ends the streams of gateways that support several APIs
_BLANK = BOM + b" \t\r\n"
_UNNAMED = {"", "message", "error"}


async def read_objects(pieces: AsyncIterable[bytes]) -> AsyncGenerator[JSON]:
    """Yield the objects in server-sent events, or those in a body that is JSON as a whole.

    A gateway that drops the query answers with an array, and some send an error as plain JSON.
    Raise GeminiError if the body is something else, or too large.
    """
    body = _Body()
    async for piece in pieces:
        for found in body.feed(piece):
            yield found
        if body.is_done:
            return
    for found in body.end():
        yield found


class _Body:
    """An incremental parser: pieces of a body in, its JSON objects out."""

    def __init__(self) -> None:
        self.is_done = False
        self._events = EventReader()
        self._json = bytearray()
        self._has_begun = self._is_json = self._has_events = False
        self._size = self._brackets = 0

    def feed(self, piece: bytes) -> Iterator[JSON]:
        self._size += len(piece)
        self._brackets += piece.count(b"[") + piece.count(b"{")
        if self._size > LARGEST_BODY or self._brackets > MOST_BRACKETS:
            raise GeminiError(Kind.UNREACHABLE, reason="too large an answer")
        if not self._has_begun and (rest := piece.lstrip(_BLANK)):
            self._has_begun, self._is_json = True, rest.startswith((b"{", b"["))
        if self._is_json:
            self._json += piece
        else:
            yield from self._taken(self._events.feed(piece))

    def end(self) -> Iterator[JSON]:
        if self._is_json:
            yield from _objects(self._json.strip(_BLANK))
            return
        yield from self._taken(self._events.end())
        if self._has_begun and not self._has_events:
            raise GeminiError(Kind.UNREACHABLE, reason="neither events nor JSON")

    def _taken(self, events: Iterator[Event]) -> Iterator[JSON]:
        for event in events:
            self._has_events = True
            self.is_done = self.is_done or event.data.strip() == DONE
            # An event with a type of its own is a ping or the like, unless it holds an object
            if not self.is_done and (event.type in _UNNAMED or event.data.startswith("{")):
                yield from _objects(event.data)


def _objects(text: str | bytes | bytearray) -> list[JSON]:
    """Return the object in a text, or the objects in its array; raise GeminiError for all else."""
    try:
        loaded = json.loads(text)
    except (ValueError, RecursionError):
        loaded = None
    found = loaded if isinstance(loaded, list) else [loaded]
    if not all(isinstance(each, dict) for each in found):
        # Raised outside the except clause, because the parser's error quotes the text
        raise GeminiError(Kind.UNREACHABLE, reason="no JSON object")
    return found
