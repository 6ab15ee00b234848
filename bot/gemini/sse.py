"""Server-sent events, parsed from bytes split at any point.

https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

from collections.abc import Iterator
from typing import NamedTuple

BOM = b"\xef\xbb\xbf"
_ENDS = (b"\r", b"\n")


class Event(NamedTuple):
    """One event: its type, which is usually empty, and its data."""

    type: str
    data: str


class EventReader:
    """An incremental parser: pieces of a stream in, events out as soon as they are complete."""

    def __init__(self) -> None:
        self._lines = _Lines()
        self._type = b""
        self._data: list[bytes] = []

    def feed(self, piece: bytes) -> Iterator[Event]:
        """Take the next piece of the stream; yield the events it completes."""
        for line in self._lines.feed(piece):
            if line:
                self._take(line)
            else:
                yield from self._complete()

    def end(self) -> Iterator[Event]:
        """Yield the event that the end of the stream completes, if any.

        The standard drops an event that no blank line follows, but here it may hold the last
        words of an answer.
        """
        for line in self._lines.end():
            self._take(line)
        yield from self._complete()

    def _take(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._type = value
        # A comment has no name; `id` and `retry` matter only to clients that reconnect

    def _complete(self) -> Iterator[Event]:
        kind, data = self._type, b"\n".join(self._data)
        self._type, self._data = b"", []
        if data.strip():
            yield Event(kind.decode(errors="replace"), data.decode(errors="replace"))


class _Lines:
    """A splitter of a stream into lines, which end with CR, LF or both."""

    def __init__(self) -> None:
        self._begun: list[bytes] = []
        self._after_cr = False
        self._is_first = True

    def feed(self, piece: bytes) -> Iterator[bytes]:
        if self._after_cr:  # the line is already complete, and an LF now belongs to its end
            piece = piece.removeprefix(b"\n")
        self._after_cr = piece.endswith(b"\r")
        lines = piece.splitlines()
        rest = lines.pop() if lines and not piece.endswith(_ENDS) else b""
        for line in lines:
            yield self._whole(line)
        if rest:
            self._begun.append(rest)

    def end(self) -> Iterator[bytes]:
        if self._begun:
            yield self._whole(b"")

    def _whole(self, last: bytes) -> bytes:
        line = b"".join([*self._begun, last]) if self._begun else last
        self._begun = []
        if self._is_first:
            self._is_first = False
            line = line.removeprefix(BOM)
        return line
